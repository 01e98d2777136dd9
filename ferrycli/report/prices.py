"""Prices as they are listed and shown: JSON for programs, tables for people.

Rates are nano-dollars per million units inside, and dollars per million where people read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import tzinfo
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, drawn, table
from ferrycli.report.times import iso
from ferrycli.rules.meters import METER, per_unit_usd
from ferrycli.rules.money import usd_exact
from ferrycli.rules.pricing import Override, Rate, RateCard
from ferrycli.rules.usage import BUCKETS
from ferrycli.rules.windows import from_us

SCHEMA = "ferry.price/1"

HEADINGS = {
    "input": "INPUT",
    "cache_read": "CACHED",
    "cache_write_5m": "WRITE",
    "cache_write_30m": "WRITE 30M",
    "cache_write_1h": "WRITE 1H",
    "cache_write_12h": "WRITE 12H",
    "output": "OUTPUT",
    "audio_in": "AUDIO IN",
    "audio_out": "AUDIO OUT",
    "image_in": "IMAGE",
    "web_search": "SEARCH",
}


def rate_json(rate: Rate) -> dict[str, int]:
    """Bucket to nano-dollars per million units, for those that have a rate of their own."""
    return {name: amount for name, amount in asdict(rate).items() if amount is not None}


def override_json(override: Override) -> dict[str, Any]:
    """The object `ferry.price/1` of a price that was set here."""
    rate = rate_json(override.rate)
    return {
        "schema": SCHEMA,
        "id": override.id,
        "provider": override.provider,
        "model": override.model_glob,
        "tier": override.tier,
        "from": iso(override.from_us) if override.from_us else None,
        "nanousd_per_million": {"unit": rate["input"]} if override.provider == METER else rate,
    }


def meter_json(meter: str, override: Override) -> dict[str, Any]:
    """The object `ferry.price/1` of the price that a meter has now."""
    return {**override_json(override), "model": meter, "origin": f"override {override.id}"}


def card_json(card: RateCard) -> dict[str, Any]:
    """The object `ferry.price/1` of a price that applies now, with its steps and tiers."""
    return {
        "schema": SCHEMA,
        "provider": card.provider,
        "model": card.model,
        "origin": card.version,
        "prices": [
            {"tier": tier, "input_above": above, "nanousd_per_million": rate_json(rate)}
            for tier, above, rate in _every(card)
        ],
        "context_tokens_max": card.context_tokens_max,
        "output_tokens_max": card.output_tokens_max,
    }


def _every(card: RateCard) -> Iterator[tuple[str, int, Rate]]:
    for step in card.steps:
        yield "", step.input_above, step.rate
    for tier, steps in card.tiers:
        for step in steps:
            yield tier, step.input_above, step.rate
    for factor in card.factors:
        for step in card.steps:
            yield factor.word, step.input_above, factor.applied(step.rate)


ROW_HEADING = ("id", "model", "tier", "from", *BUCKETS, "per_unit")
"""What a row of tabs holds: dollars per million units, and last, of a meter, of one."""


def override_fields(override: Override) -> list[str | None]:
    """The fields of `ROW_HEADING`."""
    is_meter = override.provider == METER
    amounts = [None if is_meter else getattr(override.rate, name) for name in BUCKETS]
    return [
        override.id,
        f"{override.provider}/{override.model_glob}",
        override.tier,
        iso(override.from_us) if override.from_us else None,
        *(None if amount is None else usd_exact(amount) for amount in amounts),
        per_unit_usd(override.rate.input or 0) if is_meter else None,
    ]


def overrides_table(overrides: Sequence[Override], zone: tzinfo, width: int) -> list[Text]:
    """Prices that were set here, in dollars per million; days in `zone`."""
    used = _used([one.rate for one in overrides])
    has_tiers = any(one.tier for one in overrides)
    has_dates = any(one.from_us for one in overrides)
    columns = [Column("MODEL", width_min=16)]
    columns += [Column("TIER")] if has_tiers else []
    columns += [Column("FROM")] if has_dates else []
    rows: list[Row] = []
    for one in overrides:
        cells = [Cell(f"{one.provider}/{one.model_glob}")]
        cells += [Cell(one.tier or "–")] if has_tiers else []
        cells += [Cell(_day(one.from_us, zone))] if has_dates else []
        rows.append([*cells, *_amounts(one.rate, used)])
    return table([*columns, *_columns(used)], rows, width)


def meters_table(overrides: Sequence[Override], zone: tzinfo, width: int) -> list[Text]:
    """Prices of meters, in dollars a unit; days in `zone`."""
    has_dates = any(one.from_us for one in overrides)
    columns = [Column("METER", width_min=16)]
    columns += [Column("FROM")] if has_dates else []
    columns += [Column("A UNIT", is_number=True)]
    rows: list[Row] = []
    for one in overrides:
        cells = [Cell(f"{METER}/{one.model_glob}")]
        cells += [Cell(_day(one.from_us, zone))] if has_dates else []
        rows.append([*cells, Cell(per_unit_usd(one.rate.input or 0))])
    return table(columns, rows, width)


def meter_lines(meter: str, override: Override) -> list[Text]:
    """What a unit of a meter costs now, and where that comes from."""
    name = drawn(f"{METER}/{meter}", "bold")
    amount = per_unit_usd(override.rate.input or 0)
    return [
        Text(""),
        Text.assemble("  ", name, "   ", drawn(f"override {override.id}", "dim")),
        Text(""),
        Text.assemble("  ", drawn(f"{amount} USD a unit")),
        Text(""),
    ]


def _day(at_us: int, zone: tzinfo) -> str:
    return f"{from_us(at_us, zone):%Y-%m-%d}" if at_us else "always"


def card_lines(name: str, card: RateCard, width: int) -> list[Text]:
    """What applies to the model `name` now, and where that comes from."""
    every = list(_every(card))
    used = _used([rate for _, _, rate in every])
    columns = [Column("FOR"), *_columns(used)]
    rows = []
    for tier, above, rate in every:
        when = [f"tier {tier}"] if tier else []
        when += [f"input over {above:,}"] if above else []
        rows.append([Cell(", ".join(when) or "every call"), *_amounts(rate, used)])
    lines = [
        Text(""),
        Text.assemble("  ", drawn(name, "bold"), "   ", drawn(card.version, "dim")),
        Text(""),
        *table(columns, rows, width),
        Text(""),
        drawn_note("USD per million tokens" + (", or searches" if "web_search" in used else "")),
    ]
    if card.context_tokens_max or card.output_tokens_max:
        limits = [
            f"{what} {count:,}"
            for what, count in (
                ("context", card.context_tokens_max),
                ("longest answer", card.output_tokens_max),
            )
            if count
        ]
        lines.append(drawn_note(f"{', '.join(limits)} tokens"))
    return [*lines, Text("")]


def drawn_note(text: str) -> Text:
    """A quiet line under a table."""
    return Text.assemble("  ", drawn(text, "dim"))


def _used(rates: Sequence[Rate]) -> list[str]:
    """Buckets for which some rate stands, in their usual order."""
    return [name for name in BUCKETS if any(getattr(rate, name) is not None for rate in rates)]


def _columns(used: Sequence[str]) -> list[Column]:
    kept = ("input", "output")
    return [
        Column(HEADINGS[name], is_number=True, leaves=0 if name in kept else BUCKETS.index(name))
        for name in used
    ]


def _amounts(rate: Rate, used: Sequence[str]) -> list[Cell]:
    amounts = [getattr(rate, name) for name in used]
    return [Cell("–" if amount is None else usd_exact(amount)) for amount in amounts]
