"""Who waits for a connection: in the order of asking, and whoever leaves passes it on."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from ferrycli.proxy.http1.pool import NO_CONNECTION, NOT_FREE, Pool
from ferrycli.proxy.http1.reply import Reply
from ferrycli.rules.denials import UpstreamFailed
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import (
    OK,
    Served,
    Visit,
    pooling,
    post,
    serving,
    silent,
    until,
    whole,
)

BUSY = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n"


async def first_never_ends(visit: Visit) -> None:
    """The body says what is done: b"busy" is answered without an end, all else at once."""
    while True:
        visit.say(BUSY if await visit.take() == b"busy" else OK)


async def waiting(pool: Pool, served: Served, *bodies: bytes) -> list[asyncio.Task[Reply]]:
    """Calls that wait for a place, in this order."""
    tasks = []
    for body in bodies:
        tasks.append(asyncio.create_task(post(pool, served.origin, body)))
        count = len(pool._waiting)
        await until(lambda count=count: len(pool._waiting) == count + 1)  # type: ignore[misc]
    return tasks


def test_place_that_becomes_free_is_given_in_order(run: Run) -> None:
    async def case() -> None:
        async with serving(first_never_ends) as served, pooling(connections_max=1) as pool:
            busy = await post(pool, served.origin, b"busy")
            tasks = await waiting(pool, served, b"1", b"2", b"3")
            await busy.close()
            for task in tasks:
                assert await whole(await task) == (200, b"ok")
            assert [body for _, body in served.requests] == [b"busy", b"1", b"2", b"3"]

    run(case())


def test_place_given_to_who_has_left_goes_to_the_next(run: Run) -> None:
    async def case() -> None:
        async with serving(first_never_ends) as served, pooling(connections_max=1) as pool:
            busy = await post(pool, served.origin, b"busy")
            second, third = await waiting(pool, served, b"2", b"3")
            # Given, and left before the loop comes round.
            await busy.close()
            second.cancel()
            assert await whole(await third) == (200, b"ok")
            assert second.cancelled()
            assert [body for _, body in served.requests] == [b"busy", b"3"]
            assert pool.connections == 1

    run(case())


def test_who_has_left_is_given_nothing(run: Run) -> None:
    async def case() -> None:
        async with serving(first_never_ends) as served, pooling(connections_max=1) as pool:
            busy = await post(pool, served.origin, b"busy")
            second, third = await waiting(pool, served, b"2", b"3")
            second.cancel()
            await busy.close()
            assert await whole(await third) == (200, b"ok")
            (fourth,) = await asyncio.gather(post(pool, served.origin, b"4"))
            await whole(fourth)
            assert [body for _, body in served.requests] == [b"busy", b"3", b"4"]

    run(case())


async def gated_by(gate: asyncio.Event, visit: Visit) -> None:
    while True:
        await visit.take()
        await gate.wait()
        visit.say(OK)


async def given(pool: Pool) -> None:
    """Until the one turn is given; in the same round of the loop."""
    async with asyncio.timeout(10):
        while pool._waiting:  # noqa: ASYNC110  # No event is set when it is.
            await asyncio.sleep(0)


def test_connection_given_to_who_has_left_is_free_again(run: Run) -> None:
    async def case() -> None:
        gate = asyncio.Event()
        async with (
            serving(lambda visit: gated_by(gate, visit)) as served,
            pooling(connections_max=1) as pool,
        ):
            first = asyncio.create_task(post(pool, served.origin))
            await until(lambda: len(served.requests) == 1)
            (second,) = await waiting(pool, served, b"2")
            gate.set()
            await given(pool)
            second.cancel()
            await asyncio.wait({second})
            assert second.cancelled()
            await whole(await first)
            assert await whole(await post(pool, served.origin, b"3")) == (200, b"ok")
            assert (pool.connections, len(served.visits)) == (1, 1)
            assert [body for _, body in served.requests] == [b"{}", b"3"]

    run(case())


def test_connection_that_ends_as_it_is_given_is_replaced(run: Run) -> None:
    async def case() -> None:
        gate = asyncio.Event()
        async with (
            serving(lambda visit: gated_by(gate, visit)) as served,
            pooling(connections_max=1) as pool,
        ):
            first = asyncio.create_task(post(pool, served.origin))
            await until(lambda: len(served.requests) == 1)
            (second,) = await waiting(pool, served, b"2")
            gate.set()
            await given(pool)
            for connection in list(pool._connections):
                connection.abort()
            assert await whole(await second) == (200, b"ok")
            await whole(await first)
            assert (pool.connections, len(served.visits)) == (1, 2)

    run(case())


def test_more_than_may_wait_are_told_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferrycli.proxy.http1.pool.WAITING_MAX", 1)

    async def case() -> None:
        async with serving(first_never_ends) as served, pooling(connections_max=1) as pool:
            busy = await post(pool, served.origin, b"busy")
            (second,) = await waiting(pool, served, b"2")
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, served.origin, b"3")
            assert (caught.value.why, caught.value.is_dispatched) == (NOT_FREE, False)
            await busy.close()
            assert await whole(await second) == (200, b"ok")

    run(case())


def test_connection_that_is_being_made_when_the_pool_closes_is_hung_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case() -> None:
        gate = asyncio.Event()
        async with serving(silent) as served, pooling() as pool:

            async def resolve(host: str, port: int) -> list[object]:
                await gate.wait()
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

            monkeypatch.setattr("ferrycli.proxy.http1.dialling.resolve", resolve)
            asked = asyncio.create_task(post(pool, replace(served.origin, host="up.example")))
            await until(lambda: pool.connections == 1)
            await pool.close()
            gate.set()
            with pytest.raises(UpstreamFailed) as caught:
                await asked
            assert (caught.value.why, caught.value.is_dispatched) == (NO_CONNECTION, False)
            await until(lambda: served.ended == len(served.visits) == 1)
            with pytest.raises(UpstreamFailed):
                await post(pool, served.origin)

    run(case())
