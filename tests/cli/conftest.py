"""`ferry` on a database of its own; no config or key of the machine, and a clock that stands."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.cli.driver import Ferry, moment
from tests.cli.filled import fill

NOW = "2026-11-23T09:00:00+00:00"
"""A Monday: the week before it is the last closed one."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No config, key or colour wish of the machine."""
    for name in list(os.environ):
        if name.startswith(("FERRY_", "XDG_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FERRY_TIMEZONE", "Europe/Berlin")


@pytest.fixture
def now_us(monkeypatch: pytest.MonkeyPatch) -> int:
    """The clock of commands and changes stands still, and chance repeats itself."""
    now = moment(NOW)
    for module in (
        "keys",
        "calls",
        "report",
        "db",
        "prices",
        "models",
        "routes",
        "route_terms",
        "explain",
    ):
        monkeypatch.setattr(f"ferrycli.cli.{module}.now_us", lambda: now)
    monkeypatch.setattr("ferrycli.store.changes.now_us", lambda: now)
    chance = random.Random(4777)
    monkeypatch.setattr("ferrycli.store.changes.secrets.randbits", chance.getrandbits)
    return now


@pytest.fixture
def ferry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now_us: int) -> Ferry:
    """`ferry`, on a database that is not there yet."""
    return Ferry(tmp_path / "ferry.db", monkeypatch)


@pytest.fixture
def filled(ferry: Ferry) -> Ferry:
    """`ferry`, on the database of `filled.py`."""
    fill(ferry.database)
    return ferry


@pytest.fixture
def filled_path(tmp_path: Path) -> Path:
    """The path of the database of `filled.py`, for processes of their own."""
    path = tmp_path / "filled.db"
    fill(path)
    return path
