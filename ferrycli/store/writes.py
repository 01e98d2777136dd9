"""Everything that one batch writes, in the order in which it must be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from ferrycli.store.alarms import END_NOTICE
from ferrycli.store.alerts import INSERT_ALERT
from ferrycli.store.messages import HealthNote
from ferrycli.store.rows import (
    CLOSE_CALL,
    GO_AGAIN,
    INSERT_ATTEMPT,
    INSERT_CALL,
    INSERT_EVENT,
    INSERT_FINISHED,
    INSERT_LINE,
)

_SET_WINDOWS = "UPDATE calls SET windows = ? WHERE seq = ? AND state = 'held'"
_COUNT_UP = "UPDATE calls SET repeats = repeats + ? WHERE seq = ?"
_WRITE_HEALTH = (
    "INSERT INTO health (provider, model, state, since, until_at, reason)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (provider, model) DO UPDATE SET"
    " state = excluded.state, since = excluded.since, until_at = excluded.until_at,"
    " reason = excluded.reason"
)

Values = tuple[Any, ...]


@dataclass(slots=True)
class Writes:
    """Parameters by statement."""

    opened: list[Values] = field(default_factory=list)
    """Calls that are admitted or denied."""
    finished: list[Values] = field(default_factory=list)
    """Costs that happened: rows that are written once."""
    events: list[Values] = field(default_factory=list)
    """The ids that these stand for."""
    attempts: list[Values] = field(default_factory=list)
    again: list[Values] = field(default_factory=list)
    """Calls that go to another target."""
    joined: list[Values] = field(default_factory=list)
    """The windows of calls that end in more of them than they were held in."""
    closed: list[Values] = field(default_factory=list)
    lines: list[Values] = field(default_factory=list)
    """What is billed line by line."""
    ended_notices: list[Values] = field(default_factory=list)
    """Of rolling windows that have fallen under what was told."""
    alerts: list[Values] = field(default_factory=list)
    health: list[HealthNote] = field(default_factory=list)
    repeats: dict[int, int] = field(default_factory=dict)
    """Row keys of denials that stand for more than one, and how many more."""

    def write(self, connection: sqlite3.Connection) -> None:
        """Rows first, then what became of them: a call may open and close in one batch."""
        pairs: tuple[tuple[str, Sequence[Values]], ...] = (
            (INSERT_CALL, self.opened),
            (INSERT_FINISHED, self.finished),
            (INSERT_EVENT, self.events),
            (INSERT_ATTEMPT, self.attempts),
            (GO_AGAIN, self.again),
            (_SET_WINDOWS, self.joined),
            (CLOSE_CALL, self.closed),
            (INSERT_LINE, self.lines),
            (END_NOTICE, self.ended_notices),
            (INSERT_ALERT, self.alerts),
            (_COUNT_UP, [(more, seq) for seq, more in self.repeats.items()]),
            (_WRITE_HEALTH, [astuple(note) for note in self.health]),
        )
        for statement, values in pairs:
            if values:
                connection.executemany(statement, values)
