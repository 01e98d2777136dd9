"""Everything that one batch writes, in the order in which it must be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from ferrycli.store.alarms import END_NOTICE
from ferrycli.store.alerts import INSERT_ALERT
from ferrycli.store.messages import HealthNote
from ferrycli.store.rows import (
    CLOSE_CALL,
    CLOSED_WIDTH,
    GO_AGAIN,
    HELD_WIDTH,
    INSERT_ATTEMPT,
    INSERT_CALL,
    INSERT_EVENT,
    INSERT_FINISHED,
    INSERT_HELD,
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

    held: list[Any] = field(default_factory=list)
    """Calls that are admitted, one after the other."""
    denied: list[Values] = field(default_factory=list)
    finished: list[Values] = field(default_factory=list)
    """Costs that happened: rows that are written once."""
    events: list[Values] = field(default_factory=list)
    """The ids that these stand for."""
    attempts: list[Values] = field(default_factory=list)
    again: list[Values] = field(default_factory=list)
    """Calls that go to another target."""
    joined: list[Values] = field(default_factory=list)
    """The windows of calls that end in more of them than they were held in."""
    closed: list[Any] = field(default_factory=list)
    """Calls that end, one after the other."""
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
        _write_many(connection, INSERT_HELD, HELD_WIDTH, self.held)
        self._write_each(
            connection,
            (INSERT_CALL, self.denied),
            (INSERT_FINISHED, self.finished),
            (INSERT_EVENT, self.events),
            (INSERT_ATTEMPT, self.attempts),
            (GO_AGAIN, self.again),
            (_SET_WINDOWS, self.joined),
        )
        _write_many(connection, CLOSE_CALL, CLOSED_WIDTH, self.closed)
        self._write_each(
            connection,
            (INSERT_LINE, self.lines),
            (END_NOTICE, self.ended_notices),
            (INSERT_ALERT, self.alerts),
            (_COUNT_UP, [(more, seq) for seq, more in self.repeats.items()]),
            (_WRITE_HEALTH, [astuple(note) for note in self.health]),
        )

    @staticmethod
    def _write_each(connection: sqlite3.Connection, *pairs: tuple[str, Sequence[Values]]) -> None:
        for statement, values in pairs:
            if values:
                connection.executemany(statement, values)


def _write_many(
    connection: sqlite3.Connection, statements: Mapping[int, str], width: int, values: list[Any]
) -> None:
    """Write rows of `width` values, as many in one statement as there is one for."""
    at = 0
    for rows, statement in statements.items():
        size = rows * width
        while len(values) - at >= size:
            connection.execute(statement, values[at : at + size])
            at += size
