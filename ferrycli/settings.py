"""What the operator wrote: the TOML file, the environment, flags; each value with its origin.

Precedence: flag, environment, file, default. An unknown key is an error that names the nearest
one. The file holds names of secrets, never secrets. `OPTIONS` is the one table from which the
reading, `sample-config.toml` and the documentation come.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from platformdirs import user_config_path, user_data_path

from ferrycli.rules.errors import ConfigBadValue, ConfigUnknownKey, ConfigUnreadable, NoCredential

KINDS = ("openai", "compatible", "sim")
CREDENTIAL_CMD_SECONDS_MAX = 20
_NOT_TEXT = "it is not plain text of one line"


@dataclass(frozen=True, slots=True)
class Option:
    """One key of the file: its default in TOML's own types, and what it means."""

    table: str
    key: str
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 2**31


OPTIONS: tuple[Option, ...] = (
    Option("server", "listen", "127.0.0.1:4777", "address and port; port 0 takes a free one"),
    Option("server", "database", "ferry.db", "a path, relative to this file"),
    Option("server", "timezone", "UTC", "of periods, reports and new budgets: an IANA name"),
    Option("server", "hosts", [], "names in `Host` besides the address, localhost and loopback"),
    Option("server", "behind_proxy", False, "a proxy in front ends TLS: listen beyond loopback"),
    Option("server", "body_mb_max", 32, "largest request body, in MiB", least=1, most=1024),
    Option("server", "budget_status", "429", "status of a spent budget", choices=("429", "402")),
    Option("server", "grace_s", 30, "seconds that running calls get at shutdown", most=3600),
    Option("upstream", "connect_s", 5, "seconds to connect", least=1, most=600),
    Option("upstream", "first_byte_s", 600, "seconds until the reply begins", least=1, most=3600),
    Option("upstream", "idle_s", 120, "seconds between two parts of it", least=1, most=3600),
    Option("upstream", "total_s", 900, "seconds for the whole call", least=1, most=86_400),
    Option("upstream", "connections_max", 512, "connections to all providers", least=1),
)

FLAGS = {"database": "db"}
"""Flags that are shorter than the option that they stand for."""

PROVIDER_KEYS = {
    "kind": "openai, compatible (anything that speaks like it) or sim",
    "base_url": "where it is reached; kind openai has a default",
    "api_key_env": "name of the variable that holds its key",
    "api_key_file": "or a file that holds it",
    "api_key_cmd": "or a command that prints it",
    "models": "globs of its models; none: all in the price catalogue",
    "catalogue": "its name in the price catalogue, where it differs",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as configured. The credential is read by `credential`, at start."""

    name: str
    kind: str
    base_url: str = ""
    api_key_env: str = ""
    api_key_file: str = ""
    api_key_cmd: str = ""
    models: tuple[str, ...] = ()
    catalogue: str = ""

    @property
    def key_origin(self) -> str:
        """Where the credential comes from: `env OPENAI_API_KEY`; `none` where none is named.

        Of a command only the program: an argument may be the secret itself.
        """
        if self.api_key_env:
            return f"env {self.api_key_env}"
        if self.api_key_file:
            return f"file {self.api_key_file}"
        program, *rest = self.api_key_cmd.split() or [""]
        return f"command {program}{' …' if rest else ''}" if program else "none"


def _compatible(name: str, variable: str, catalogue: str, base_url: str) -> Provider:
    return Provider(name, "compatible", base_url, variable, catalogue=catalogue)


WELL_KNOWN: tuple[Provider, ...] = (
    Provider("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    _compatible("anthropic", "ANTHROPIC_API_KEY", "anthropic", "https://api.anthropic.com/v1"),
    _compatible(
        "gemini",
        "GEMINI_API_KEY",
        "google",
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ),
    _compatible("openrouter", "OPENROUTER_API_KEY", "openrouter", "https://openrouter.ai/api/v1"),
    _compatible(
        "bedrock",
        "AWS_BEARER_TOKEN_BEDROCK",
        "aws",
        "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
    ),
)
"""Providers that exist as soon as their variable does, each at its OpenAI-compatible address."""

BASE_URLS = {"openai": "https://api.openai.com/v1"}


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
        name = f"{option.table}.{option.key}"
        values[name], origins[name] = _value(option, written, path, environment, flags or {})
    providers, provider_origins = _providers(written, path, environment)
    database = _database(values, origins, path)
    return Settings(values, origins, providers, provider_origins, path, database, dict(environment))


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
    tables = sorted({option.table for option in OPTIONS} | {"providers"})
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


def _value(
    option: Option,
    written: Mapping[str, Any],
    path: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, str],
) -> tuple[Any, str]:
    name = f"{option.table}.{option.key}"
    variable = f"FERRY_{option.key.upper()}"
    if name in flags:
        origin = f"flag --{FLAGS.get(option.key, option.key.replace('_', '-'))}"
        return _checked(option, _from_text(option, flags[name], origin), origin), origin
    if environment.get(variable):
        origin = f"env {variable}"
        return _checked(option, _from_text(option, environment[variable], origin), origin), origin
    table = written.get(option.table, {})
    if option.key in table:
        origin = f"file {path}"
        return _checked(option, table[option.key], origin), origin
    return option.default, "default"


def _from_text(option: Option, text: str, origin: str) -> Any:
    """A flag's or variable's text in the type of the option's default."""
    name = f"{option.table}.{option.key}"
    if isinstance(option.default, bool):
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigBadValue(origin, name, text, "true or false")
        return text.lower() in ("true", "1", "yes")
    if isinstance(option.default, int):
        if not re.fullmatch(r"\d{1,12}", text.strip()):
            raise ConfigBadValue(origin, name, text, "a whole number")
        return int(text)
    if isinstance(option.default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _checked(option: Option, value: Any, origin: str) -> Any:
    name = f"{option.table}.{option.key}"
    if type(value) is not type(option.default):
        wanted = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}
        raise ConfigBadValue(origin, name, repr(value), wanted[type(option.default)])
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise ConfigBadValue(origin, name, repr(value), "a list of text")
    if option.choices and value not in option.choices:
        raise ConfigBadValue(origin, name, str(value), f"one of {', '.join(option.choices)}")
    if type(value) is int and not option.least <= value <= option.most:
        raise ConfigBadValue(origin, name, str(value), f"from {option.least} to {option.most}")
    if name == "server.timezone":
        _check_zone(value, origin)
    if name == "server.listen" and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}", value):
        raise ConfigBadValue(origin, name, value, "ADDRESS:PORT, such as 127.0.0.1:4777")
    if name == "server.listen" and int(value.rpartition(":")[2]) > 65_535:
        raise ConfigBadValue(origin, name, value, "a port up to 65535")
    return value


def _check_zone(value: str, origin: str) -> None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ConfigBadValue(
            origin, "server.timezone", value, "an IANA name, such as Europe/Berlin"
        ) from None


def _providers(
    written: Mapping[str, Any], path: Path | None, environment: Mapping[str, str]
) -> tuple[tuple[Provider, ...], dict[str, str]]:
    """The file's providers, then a provider for each well-known variable that is set."""
    providers: dict[str, Provider] = {}
    origins: dict[str, str] = {}
    for name, content in written.get("providers", {}).items():
        providers[name] = _provider(name, content, path)
        origins[name] = f"file {path}"
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    for usual in WELL_KNOWN:
        if environment.get(usual.api_key_env) and usual.name not in providers:
            base_url = usual.base_url.replace("{region}", region)
            providers[usual.name] = Provider(
                usual.name, usual.kind, base_url, usual.api_key_env, catalogue=usual.catalogue
            )
            origins[usual.name] = f"env {usual.api_key_env}"
    return tuple(providers.values()), origins


def _provider(name: str, content: Any, path: Path | None) -> Provider:
    where = f"file {path}"
    if not isinstance(content, dict) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ConfigBadValue(where, "providers", name, "a table with a lower-case name")
    for key, value in content.items():
        if key not in PROVIDER_KEYS:
            raise ConfigUnknownKey(str(path), f"providers.{name}", key, tuple(PROVIDER_KEYS))
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (is_list if key == "models" else isinstance(value, str)):
            text = "a list of text" if key == "models" else "text"
            raise ConfigBadValue(where, f"providers.{name}.{key}", repr(value), text)
    kind = content.get("kind", name if name in KINDS else "compatible")
    if kind not in KINDS:
        raise ConfigBadValue(where, f"providers.{name}.kind", kind, f"one of {', '.join(KINDS)}")
    base_url = str(content.get("base_url", BASE_URLS.get(kind, ""))).rstrip("/")
    if kind != "sim" and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", base_url):
        raise ConfigBadValue(
            where,
            f"providers.{name}.base_url",
            base_url,
            "http:// or https://, a host, and no password",
        )
    rest = {key: content[key] for key in content if key not in ("kind", "base_url", "models")}
    return Provider(name, kind, base_url, models=tuple(content.get("models", ())), **rest)


def credential(provider: Provider, environment: Mapping[str, str]) -> str:
    """The provider's key, or "" where none is named. Raises `NoCredential`, never with a value."""
    origin = provider.key_origin
    if provider.api_key_env:
        key = environment.get(provider.api_key_env, "")
        why = "the variable is not set"
    elif provider.api_key_file:
        why = "the file is empty"
        try:
            key = Path(provider.api_key_file).expanduser().read_text("utf-8").strip()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise NoCredential(provider.name, origin, why) from None
        except UnicodeDecodeError:
            raise NoCredential(provider.name, origin, _NOT_TEXT) from None
    elif provider.api_key_cmd:
        key, why = _printed(provider), "the command printed nothing"
    else:
        return ""
    if not key:
        raise NoCredential(provider.name, origin, why)
    if not key.isascii() or not key.isprintable():
        raise NoCredential(provider.name, origin, _NOT_TEXT)
    return key


def credentials(settings: Settings) -> dict[str, str | NoCredential]:
    """Each provider's key, or why there is none: a call to it is told, the others go on."""
    found: dict[str, str | NoCredential] = {}
    for provider in settings.providers:
        try:
            found[provider.name] = credential(provider, settings.environment)
        except NoCredential as error:
            found[provider.name] = error
    return found


def _printed(provider: Provider) -> str:
    import shlex
    import subprocess

    try:
        done = subprocess.run(
            shlex.split(provider.api_key_cmd),
            capture_output=True,
            check=True,
            timeout=CREDENTIAL_CMD_SECONDS_MAX,
            text=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = type(error).__name__
        raise NoCredential(provider.name, provider.key_origin, f"it failed ({why})") from None
    return done.stdout.strip()


def system() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ
