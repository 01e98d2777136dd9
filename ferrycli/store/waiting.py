"""Who has asked the ledger and is to be answered, and those whose answer waits for held money."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ferrycli.rules.denials import left_waiting
from ferrycli.store.messages import Admit, Again, Deny, Events, Verdict, Waits


@dataclass(frozen=True, slots=True)
class Refresh:
    """Look whether another process changed keys, budgets or prices."""


class Waiting(NamedTuple):
    """Somebody who asked, and is to be answered."""

    future: asyncio.Future[Verdict | None]
    message: Admit | Again | Events | Refresh
    until_s: float = 0.0
    """How long the call may wait for money that is held, on the monotonic clock."""


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
