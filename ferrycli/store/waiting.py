"""Who has asked the ledger and is to be answered, and those whose answer waits for held money."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import NamedTuple

from ferrycli.rules.denials import left_waiting
from ferrycli.store.messages import Admit, Again, Deny, Events, Message, Verdict, Waits


@dataclass(frozen=True, slots=True)
class Refresh:
    """Look whether another process changed keys, budgets or prices."""


class Waiting(NamedTuple):
    """Somebody who asked, and is to be answered."""

    future: asyncio.Future[Verdict | None]
    message: Admit | Again | Events | Refresh
    until_s: float = 0.0
    """How long the call may wait for money that is held, on the monotonic clock."""


class Mailbox:
    """The way from the event loop to the ledger thread.

    What one turn of the loop sends is handed over at its end, all at once: a thread that is woken
    for each of many calls takes the lock from the loop and commits for each.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[list[Waiting | Message] | None] = SimpleQueue()
        self._outbox: list[Waiting | Message] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sent, self._taken = 0, 0
        """Each counted by one side alone."""

    def __len__(self) -> int:
        """What the thread has not taken yet."""
        return self._sent - self._taken

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before anything is sent."""
        self._loop = loop

    def send(self, item: Waiting | Message) -> None:
        """From the event loop."""
        assert self._loop is not None
        self._sent += 1
        self._outbox.append(item)
        if len(self._outbox) == 1:
            try:
                self._loop.call_soon(self._hand_over)
            except RuntimeError:
                # The loop is closed: this turn has no end.
                self._hand_over()

    def end(self) -> None:
        """Nothing more will be sent."""
        self._hand_over()
        self._queue.put(None)

    def _hand_over(self) -> None:
        items, self._outbox = self._outbox, []
        self._queue.put(items)

    def take(self, patience_s: float, messages_max: int) -> tuple[list[Waiting | Message], bool]:
        """What was handed over, waiting for the first; and whether nothing more will be.

        Once `messages_max` are there, the rest is for the next time, but for the last one.
        """
        batch: list[Waiting | Message] = []
        is_end = False
        with contextlib.suppress(Empty):
            items = self._queue.get(timeout=patience_s)
            while True:
                if items is None:
                    is_end = True
                else:
                    batch += items
                    self._taken += len(items)
                if len(batch) >= messages_max and not is_end:
                    break
                items = self._queue.get_nowait()
        return batch, is_end


class Parked:
    """Calls that wait for money that is held, the first first. The ledger thread's own."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def is_due(self) -> bool:
        """Whether a call has waited long enough, or has gone away."""
        now_s = time.monotonic()
        return any(one.until_s <= now_s or one.future.cancelled() for one in self._waiting)

    def keep(self, one: Waiting, waits: Waits) -> None:
        """Park one more, with what it waits for."""
        assert isinstance(one.message, Admit)
        if one.message.waits is not waits:
            one = one._replace(message=one.message._replace(waits=waits))
        self._waiting.append(one)

    def take(self) -> tuple[Sequence[Waiting], Sequence[Deny]]:
        """Everybody, parked no longer; and what is written of those that left: they had no row."""
        parked, gone = [], []
        for one in self._waiting:
            if not one.future.cancelled():
                parked.append(one)
            elif isinstance(one.message, Admit) and one.message.waits is not None:
                refusal = left_waiting(one.message.waits.refusal)
                gone.append(Deny(one.message.opening, refusal))
        self._waiting = []
        return parked, gone


def asked_again(parked: Sequence[Waiting], *, is_last: bool) -> list[Admit]:
    """The questions of those that wait; one that has waited enough, for the last time."""
    now_s = math.inf if is_last else time.monotonic()
    return [
        one.message if one.until_s > now_s else one.message._replace(may_wait=False)
        for one in parked
        if isinstance(one.message, Admit)
    ]
