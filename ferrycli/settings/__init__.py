"""What the operator wrote: the TOML file, the environment, flags; each value with its origin.

Precedence: flag, environment, file, default. An unknown key is an error that names the nearest
one. The file holds names of secrets, never secrets. Single values are in `options.py`, providers
in `providers.py`, channels of notices in `channels.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from platformdirs import user_config_path, user_data_path

from ferrycli.rules.channels import CHANNEL_KINDS, Channel, Secrets
from ferrycli.rules.errors import ConfigBadValue, ConfigUnknownKey, ConfigUnreadable, NoCredential
from ferrycli.settings.channels import (
    CHANNEL_KEYS,
    KEYS_OF,
    check_default,
    goes_to,
    read_channels,
    secrets_of,
)
from ferrycli.settings.options import FLAGS, OPTIONS, Option, option_value
from ferrycli.settings.providers import (
    BASE_URLS,
    CATALOGUES,
    CREDENTIAL_CMD_SECONDS_MAX,
    KINDS,
    PROVIDER_KEYS,
    SPEAKS,
    WELL_KNOWN,
    Provider,
    credential,
    read_providers,
)

__all__ = [
    "BASE_URLS",
    "CATALOGUES",
    "CHANNEL_KEYS",
    "CHANNEL_KINDS",
    "CREDENTIAL_CMD_SECONDS_MAX",
    "FLAGS",
    "KEYS_OF",
    "KINDS",
    "OPTIONS",
    "PROVIDER_KEYS",
    "SPEAKS",
    "WELL_KNOWN",
    "Channel",
    "Option",
    "Provider",
    "Secrets",
    "Settings",
    "config_path",
    "credential",
    "credentials",
    "default_config_path",
    "goes_to",
    "load",
    "secrets_of",
    "system",
]

_TABLES_OF_NAMES = ("channels", "providers")
"""Tables whose keys are names that the operator chose."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the operator wrote, checked."""

    values: Mapping[str, Any]
    """`server.listen` and the like to a value of its option's type."""
    origins: Mapping[str, str]
    """The same names to `default`, `file …`, `env …` or `flag …`."""
    providers: tuple[Provider, ...]
    provider_origins: Mapping[str, str]
    config_path: Path | None
    """None where there is no file."""
    database: Path
    environment: Mapping[str, str] = field(repr=False, default_factory=dict)
    channels: tuple[Channel, ...] = ()

    @property
    def host(self) -> str:
        """The address part of `server.listen`, without brackets."""
        return str(self.values["server.listen"]).rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of `server.listen`; 0: any free one."""
        return int(str(self.values["server.listen"]).rpartition(":")[2])

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of periods and reports."""
        return ZoneInfo(self.values["server.timezone"])

    @property
    def alerts_default(self) -> str:
        """The channel of notices whose owner has none; "" for none."""
        return str(self.values["alerts.default"])


def load(
    environment: Mapping[str, str],
    *,
    config: Path | None = None,
    flags: Mapping[str, str] | None = None,
) -> Settings:
    """Read and check everything. `flags` maps option names (`server.listen`) to text.

    Raises `ConfigUnreadable`, `ConfigUnknownKey` or `ConfigBadValue`.
    """
    path = config_path(environment, config)
    written = _read(path) if path is not None else {}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for option in OPTIONS:
        values[option.name], origins[option.name] = option_value(
            option, written, path, environment, flags or {}
        )
    providers, provider_origins = read_providers(written, path, environment)
    channels = read_channels(written, path)
    check_default(values["alerts.default"], origins["alerts.default"], channels)
    database = _database(values, origins, path)
    return Settings(
        values, origins, providers, provider_origins, path, database, dict(environment), channels
    )


def config_path(environment: Mapping[str, str], named: Path | None = None) -> Path | None:
    """The file that is read: `named`, FERRY_CONFIG's or the usual one; None where that is not."""
    if named is not None or environment.get("FERRY_CONFIG"):
        return named or Path(environment["FERRY_CONFIG"])
    usual = default_config_path()
    return usual if usual.exists() else None


def default_config_path() -> Path:
    """Where the file is looked for: in the user's config directory."""
    return user_config_path("ferry") / "ferry.toml"


def _database(values: Mapping[str, Any], origins: Mapping[str, str], path: Path | None) -> Path:
    """The database's path: relative to the file that names it, else to where one stands."""
    text = str(values["server.database"])
    if "://" in text:
        raise ConfigBadValue(
            origins["server.database"], "server.database", text, "the path of a SQLite file"
        )
    written = Path(text).expanduser()
    origin = origins["server.database"]
    if written.is_absolute() or origin.startswith(("env", "flag")):
        return written.absolute()
    if path is not None:
        return (path.parent / written).absolute()
    return user_data_path("ferry") / written


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            written = tomllib.load(file)
    except OSError as error:
        raise ConfigUnreadable(str(path), (error.strerror or str(error)).lower()) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigUnreadable(str(path), str(error)) from None
    tables = sorted({option.table for option in OPTIONS} | set(_TABLES_OF_NAMES))
    for table, content in written.items():
        if table not in tables:
            raise ConfigUnknownKey(str(path), "", table, tuple(tables))
        if not isinstance(content, dict):
            raise ConfigBadValue(f"file {path}", table, repr(content), f"a table, `[{table}]`")
        known = tuple(option.key for option in OPTIONS if option.table == table)
        for key in content if known else ():
            if key not in known:
                raise ConfigUnknownKey(str(path), table, key, known)
    return written


def credentials(settings: Settings) -> dict[str, str | NoCredential]:
    """Each provider's key, or why there is none: a call to it is told, the others go on."""
    found: dict[str, str | NoCredential] = {}
    for provider in settings.providers:
        try:
            found[provider.name] = credential(provider, settings.environment)
        except NoCredential as error:
            found[provider.name] = error
    return found


def system() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ
