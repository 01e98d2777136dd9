"""What one turn of the loop sends, and when a thread gets it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from ferrycli.store.parcels import Parcels
from tests.store.kit import soon

LONG_S = 60.0
"""Nothing in here may wait for so long."""


def sent(fill: Callable[[Parcels[int]], None]) -> Parcels[int]:
    """Parcels that one turn of a loop has filled, and the next has sent."""
    parcels: Parcels[int] = Parcels()

    async def turn() -> None:
        parcels.open(asyncio.get_running_loop())
        fill(parcels)
        await asyncio.sleep(0)

    asyncio.run(turn())
    return parcels


def test_a_turn_arrives_whole_and_in_order() -> None:
    def fill(parcels: Parcels[int]) -> None:
        for number in range(5):
            parcels.put(number, is_urgent=number == 3)
        assert len(parcels) == 5

    parcels = sent(fill)
    assert parcels.take(LONG_S, LONG_S, 100) == [0, 1, 2, 3, 4]
    assert len(parcels) == 0
    assert parcels.take(0.0, LONG_S, 100) == []


def test_what_is_told_waits_for_what_is_asked() -> None:
    parcels: Parcels[int] = Parcels()
    got: list[list[int]] = []
    taker = threading.Thread(target=lambda: got.append(parcels.take(LONG_S, LONG_S, 100)))

    async def turns() -> None:
        parcels.open(asyncio.get_running_loop())
        taker.start()
        for number in (1, 2):
            parcels.put(number)
            await soon(lambda: not len(parcels))
        assert got == []
        parcels.put(3, is_urgent=True)
        await asyncio.to_thread(taker.join)

    asyncio.run(turns())
    assert got == [[1, 2, 3]]


def test_what_is_told_waits_no_longer_than_it_may() -> None:
    parcels = sent(lambda parcels: parcels.put(1))
    assert parcels.take(LONG_S, 0.001, 100) == [1]


def test_more_than_enough_is_left_for_the_next_time() -> None:
    parcels: Parcels[int] = Parcels()

    async def turns() -> None:
        parcels.open(asyncio.get_running_loop())
        for number in range(4):
            parcels.put(number)
            parcels.put(number)
            await asyncio.sleep(0)

    asyncio.run(turns())
    assert parcels.take(LONG_S, LONG_S, 3) == [0, 0, 1, 1]
    assert parcels.take(LONG_S, LONG_S, 3) == [2, 2, 3, 3]


def test_the_last_one_is_told_and_brings_what_was_before_it() -> None:
    def fill(parcels: Parcels[int]) -> None:
        parcels.put(1)
        parcels.close()

    parcels = sent(fill)
    assert parcels.take(LONG_S, LONG_S, 100) == [1]
    assert parcels.is_closed


def test_a_loop_that_is_closed_has_no_turn_to_wait_for() -> None:
    parcels = sent(lambda parcels: None)
    parcels.put(1)
    parcels.close()
    assert parcels.take(LONG_S, LONG_S, 100) == [1]
