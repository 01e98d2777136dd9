"""The deadlines of every connection of a server, looked at by one timer.

A connection says when it is due by setting a number, which costs a call nothing; no event makes a
timer of its own. So a deadline is kept to `every_s`, and never early.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

NEVER = float("inf")
"""`due_at` of a connection that waits for nothing."""


class Due(Protocol):
    """What has a deadline."""

    due_at: float
    """By the loop's clock."""

    def overdue(self, now: float) -> None:
        """Its deadline is past: it must set another, or end."""


class Sweep:
    """Looks after the connections that it is told of, as long as there are any."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._watched: set[Due] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Due, loop: asyncio.AbstractEventLoop) -> None:
        """From now on `one` is told when it is overdue."""
        self._watched.add(one)
        if self._timer is None:
            self._timer = loop.call_later(self._every_s, self._look, loop)

    def discard(self, one: Due) -> None:
        """It has ended."""
        self._watched.discard(one)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in [one for one in self._watched if one.due_at <= now]:
            one.overdue(now)
        self._timer = loop.call_later(self._every_s, self._look, loop) if self._watched else None
