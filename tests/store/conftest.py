"""A database file of its own for each test, and a clock that every part of the store reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferrycli.store import changes
from tests.store.kit import Clock, Ids


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr(changes, "now_us", hand)
    return hand


@pytest.fixture
def ids(clock: Clock) -> Ids:
    return Ids(clock)


@pytest.fixture
def path(tmp_path: Path, clock: Clock) -> Path:
    """A database with its tables, and nobody in it."""
    found = tmp_path / "ferry.db"
    changes.prepare(found)
    return found
