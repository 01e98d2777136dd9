"""Single values: each option with its default, its bounds, and what it is written as.

`OPTIONS` is the one table from which the reading, `sample-config.toml` and the documentation come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ferrycli.rules.errors import ConfigBadValue

_SHORT = frozenset({"server", "upstream"})
"""Tables that a variable leaves out: `FERRY_LISTEN`, but `FERRY_GUARD_LOOP`."""


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

    @property
    def name(self) -> str:
        """`server.listen`."""
        return f"{self.table}.{self.key}"

    @property
    def variable(self) -> str:
        """The variable that gives it: `FERRY_LISTEN`."""
        name = self.key if self.table in _SHORT else f"{self.table}_{self.key}"
        return f"FERRY_{name.upper()}"


OPTIONS: tuple[Option, ...] = (
    Option("server", "listen", "127.0.0.1:4777", "address and port; port 0 takes a free one"),
    Option("server", "database", "ferry.db", "a path, relative to this file"),
    Option("server", "timezone", "UTC", "of periods, reports and new budgets: an IANA name"),
    Option("server", "hosts", [], "names in `Host` besides the address, localhost and loopback"),
    Option("server", "behind_proxy", False, "a proxy in front ends TLS: listen beyond loopback"),
    Option("server", "body_mb_max", 32, "largest request body, in MiB", least=1, most=1024),
    Option("server", "budget_status", "429", "status of a spent budget", choices=("429", "402")),
    Option("server", "budget_wait_s", 5, "seconds to wait for money that is only held", most=60),
    Option("server", "grace_s", 30, "seconds that running calls get at shutdown", most=3600),
    Option("upstream", "connect_s", 5, "seconds to connect", least=1, most=600),
    Option("upstream", "first_byte_s", 600, "seconds until the reply begins", least=1, most=3600),
    Option("upstream", "idle_s", 120, "seconds between two parts of it", least=1, most=3600),
    Option("upstream", "total_s", 900, "seconds for the whole call", least=1, most=86_400),
    Option("upstream", "on_abort", "close", "a reply whose client left", ("close", "drain")),
    Option("upstream", "drain_s", 60, "seconds that it is read on, if so", least=1, most=900),
    Option("upstream", "connections_max", 512, "connections to all providers", least=1),
    Option("guard", "loop", "warn", "threads that repeat themselves", ("off", "warn", "block")),
    Option("guard", "same_request_max", 10, "times one request in a thread", least=2, most=10_000),
    Option("guard", "same_message_max", 25, "times one last message in it", least=2, most=10_000),
    Option("guard", "window_s", 3600, "seconds in which they count", least=60, most=86_400),
    Option("alerts", "default", "", "channel of notices whose owner has none"),
)

FLAGS = {"database": "db"}
"""Flags that are shorter than the option that they stand for."""


def option_value(
    option: Option,
    written: Mapping[str, Any],
    path: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, str],
) -> tuple[Any, str]:
    """An option's value and where that comes from. Raises `ConfigBadValue`."""
    if option.name in flags:
        origin = f"flag --{FLAGS.get(option.key, option.key.replace('_', '-'))}"
        return _checked(option, _from_text(option, flags[option.name], origin), origin), origin
    if text := environment.get(option.variable):
        origin = f"env {option.variable}"
        return _checked(option, _from_text(option, text, origin), origin), origin
    table = written.get(option.table, {})
    if option.key in table:
        origin = f"file {path}"
        return _checked(option, table[option.key], origin), origin
    return option.default, "default"


def _from_text(option: Option, text: str, origin: str) -> Any:
    """A flag's or variable's text in the type of the option's default."""
    if isinstance(option.default, bool):
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigBadValue(origin, option.name, text, "true or false")
        return text.lower() in ("true", "1", "yes")
    if isinstance(option.default, int):
        if not re.fullmatch(r"\d{1,12}", text.strip()):
            raise ConfigBadValue(origin, option.name, text, "a whole number")
        return int(text)
    if isinstance(option.default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _checked(option: Option, value: Any, origin: str) -> Any:
    name = option.name
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


def check_table(group: str, name: str, content: Any, path: Path | None) -> None:
    """Raise `ConfigBadValue` unless `[GROUP.NAME]` is a table with a usable name."""
    if not isinstance(content, dict) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        wanted = "a table with a name of up to 40 lower-case letters, digits, `-` and `_`"
        raise ConfigBadValue(f"file {path}", group, name, wanted)


def _check_zone(value: str, origin: str) -> None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ConfigBadValue(
            origin, "server.timezone", value, "an IANA name, such as Europe/Berlin"
        ) from None
