"""From the event loop to a thread: what one turn of the loop sends arrives as one parcel.

A thread that is woken for each message takes the interpreter from the loop as often, and finds
little to do each time. Parcels keep the order in which they were filled.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Parcel(Generic[T]):
    items: list[T]
    is_urgent: bool = False
    """Somebody waits for an answer."""


class Parcels(Generic[T]):
    """One loop's way to one thread: `put` and `close` belong to the loop, `take` to the thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Parcel[T] | None] = SimpleQueue()
        self._filling: _Parcel[T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sent = self._taken = 0
        """Each counted by one side alone."""
        self.is_closed = False
        """The thread has taken the last one."""

    def __len__(self) -> int:
        """How many items are on their way."""
        return self._sent - self._taken

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before anything is put."""
        self._loop = loop

    def put(self, item: T, *, is_urgent: bool = False) -> None:
        """Send `item` at the end of this turn of the loop."""
        assert self._loop is not None
        self._sent += 1
        if self._filling is not None:
            self._filling.items.append(item)
            self._filling.is_urgent |= is_urgent
            return
        self._filling = _Parcel([item], is_urgent)
        try:
            self._loop.call_soon(self._send)
        except RuntimeError:
            # The loop is closed: this turn has no end.
            self._send()

    def close(self) -> None:
        """Nothing is put any more; what was, arrives."""
        self._send()
        self._queue.put(None)

    def take(self, first_s: float, more_s: float, most: int) -> list[T]:
        """What has arrived, waiting up to `first_s` for the first; empty where nothing came.

        What nobody waits for waits itself, up to `more_s`, for what is urgent. From `most` items
        on, the rest is left for the next time.
        """
        items: list[T] = []
        try:
            parcel = self._queue.get(timeout=first_s)
            until_s = time.monotonic() + more_s
            while True:
                if parcel is None:
                    self.is_closed = True
                    return items
                items += parcel.items
                self._taken += len(parcel.items)
                if len(items) >= most:
                    return items
                if parcel.is_urgent:
                    until_s = 0.0
                parcel = self._queue.get(timeout=max(0.0, until_s - time.monotonic()))
        except Empty:
            return items

    def _send(self) -> None:
        if self._filling is not None:
            parcel, self._filling = self._filling, None
            self._queue.put(parcel)
