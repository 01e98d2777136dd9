"""Reads of the database for endpoints: in threads, a few at a time, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ferrycli.rules.denials import TooBusy
from ferrycli.store import reads
from ferrycli.store.reads import Connection

READS_MAX = 4
"""At once: calls are what this machine is for."""
READS_WAITING_MAX = 64

T = TypeVar("T")


class Reads:
    """The way to the file for whoever only looks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running = asyncio.Semaphore(READS_MAX)
        self._asked = 0

    async def ask(self, read: Callable[[Connection], T]) -> T:
        """What `read` makes of a read-only connection of its own.

        Raises `TooBusy`, what `reads.opened` raises, and what `read` does.
        """
        if self._asked >= READS_MAX + READS_WAITING_MAX:
            raise TooBusy
        self._asked += 1
        try:
            async with self._running:
                return await asyncio.to_thread(self._read, read)
        finally:
            self._asked -= 1

    def _read(self, read: Callable[[Connection], T]) -> T:
        with reads.opened(self._path) as connection:
            return read(connection)
