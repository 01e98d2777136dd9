"""The settings as they are shown: every option with its value and where that comes from.

Pure. Of a provider's key, and of what a channel needs, only where it comes from; never the value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, drawn, folded, table

SCHEMA = "ferry.config/1"

OPTION_COLUMNS = (
    Column("OPTION"),
    Column("VALUE", width_min=14),
    Column("FROM", width_min=12),
)
PROVIDER_COLUMNS = (
    Column("PROVIDER", width_min=10),
    Column("KIND", leaves=5),
    Column("BASE URL", width_min=14),
    Column("KEY FROM", width_min=14),
    Column("FROM", leaves=6, width_min=4),
)
CHANNEL_COLUMNS = (
    Column("CHANNEL", width_min=10),
    Column("KIND", leaves=5),
    Column("GOES TO", width_min=14),
    Column("NEEDS", leaves=6, width_min=8),
)

ROW_HEADING = ("name", "value", "origin")
"""What a row of tabs holds; the keys of providers and channels are rows as well."""


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """One option: `server.listen`, its value in JSON's own types, and its origin."""

    name: str
    value: Any
    origin: str
    """`default`, `file PATH`, `env NAME` or `flag --db`."""


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """One provider as configured."""

    name: str
    kind: str
    base_url: str
    key_from: str
    models: tuple[str, ...]
    catalogue: str
    origin: str
    aliases: tuple[tuple[str, str], ...] = ()
    """Names of the provider's own, and what each is priced as."""


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """One channel of notices as configured."""

    name: str
    kind: str
    goes_to: str
    """Nothing of it is secret."""
    needs: tuple[str, ...]
    """Variables that must be set."""
    origin: str


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """Everything that the operator wrote."""

    path: str | None
    """Of the file; None where none is there."""
    looked_for: str
    """Where the file is looked for."""
    database: str
    """The path that `server.database` comes to."""
    options: tuple[OptionFacts, ...]
    providers: tuple[ProviderFacts, ...]
    channels: tuple[ChannelFacts, ...] = ()


def config_json(facts: ConfigFacts) -> dict[str, Any]:
    """The object `ferry.config/1`."""
    return {
        "schema": SCHEMA,
        "path": facts.path,
        "database": facts.database,
        "options": [
            {"name": one.name, "value": one.value, "origin": one.origin} for one in facts.options
        ],
        "providers": [
            {
                "name": one.name,
                "kind": one.kind,
                "base_url": one.base_url,
                "key_from": one.key_from,
                "models": list(one.models),
                "catalogue": one.catalogue,
                "aliases": dict(one.aliases),
                "origin": one.origin,
            }
            for one in facts.providers
        ],
        "channels": [
            {
                "name": one.name,
                "kind": one.kind,
                "goes_to": one.goes_to,
                "needs": list(one.needs),
                "origin": one.origin,
            }
            for one in facts.channels
        ],
    }


def config_rows(facts: ConfigFacts) -> list[Sequence[Any]]:
    """Rows of `ROW_HEADING`: options, the database's path, keys of providers and channels."""
    rows: list[Sequence[Any]] = [
        (one.name, value_words(one.value), one.origin) for one in facts.options
    ]
    rows.append(("database", facts.database, ""))
    for one in facts.providers:
        told = {
            "kind": one.kind,
            "base_url": one.base_url,
            "key_from": one.key_from,
            "models": value_words(list(one.models)),
            "catalogue": one.catalogue,
            "aliases": value_words([f"{name} = {model}" for name, model in one.aliases]),
        }
        rows += [(f"providers.{one.name}.{key}", said, one.origin) for key, said in told.items()]
    for channel in facts.channels:
        told = {
            "kind": channel.kind,
            "goes_to": channel.goes_to,
            "needs": value_words(list(channel.needs)),
        }
        name = f"channels.{channel.name}"
        rows += [(f"{name}.{key}", said, channel.origin) for key, said in told.items()]
    return rows


def config_table(facts: ConfigFacts, width: int) -> list[Text]:
    """The file, the database, tables of options, of providers and of channels.

    What is not the default stands out.
    """
    where = facts.path or f"none; it would be {facts.looked_for}"
    lines = [Text(""), *_path("config", where, width), *_path("database", facts.database, width)]
    options = [_option_cells(one) for one in facts.options]
    lines += [Text(""), *table(OPTION_COLUMNS, options, width), Text("")]
    if facts.providers:
        providers = [_provider_cells(one) for one in facts.providers]
        lines += [*table(PROVIDER_COLUMNS, providers, width), Text("")]
    else:
        said = "  No provider: the simulated one answers. A variable such as OPENAI_API_KEY makes"
        lines += [*folded(Text(f"{said} one, or a table `[providers.NAME]`."), width), Text("")]
    if facts.channels:
        channels = [_channel_cells(one) for one in facts.channels]
        lines += [*table(CHANNEL_COLUMNS, channels, width), Text("")]
    return lines


def _path(label: str, path: str, width: int) -> list[Text]:
    """A labelled path, whole: it is there to be copied."""
    return folded(Text.assemble("  ", (f"{label:<10}", "dim"), drawn(path)), width)


def _option_cells(one: OptionFacts) -> Row:
    style = "dim" if one.origin == "default" else ""
    return [
        Cell(one.name, style),
        Cell(value_words(one.value) or "none", style or "bold"),
        Cell(_short(one.origin), style),
    ]


def _provider_cells(one: ProviderFacts) -> Row:
    return [
        Cell(one.name, "bold"),
        Cell(one.kind),
        Cell(one.base_url or "in process"),
        Cell("–" if one.kind == "sim" else one.key_from.replace("none", "no key")),
        Cell(_short(one.origin)),
    ]


def _channel_cells(one: ChannelFacts) -> Row:
    needs = " ".join(one.needs) or "–"
    return [Cell(one.name, "bold"), Cell(one.kind), Cell(one.goes_to), Cell(needs)]


def _short(origin: str) -> str:
    """The file is named above the table; here it is just the file."""
    return "file" if origin.startswith("file ") else origin


def value_words(value: Any) -> str:
    """A value as it is written in the environment: text as it is, lists with commas."""
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)
