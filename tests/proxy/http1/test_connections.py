"""Connections are made, kept, given on and let go: U1, U2, U5 to U7, deadlines, limits, leaving."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest

from ferrycli.proxy.http1.addresses import Origin
from ferrycli.proxy.http1.connection import ENDED
from ferrycli.proxy.http1.pool import NO_CONNECTION, NOT_FREE, Pool
from ferrycli.proxy.http1.reply import BROKE
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import (
    OK,
    Visit,
    forever,
    pooling,
    post,
    saying,
    serving,
    silent,
    until,
    whole,
)
from tests.whole import faults

STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def reset(visit: Visit) -> None:
    """End it with RST."""
    own_socket = visit.writer.get_extra_info("socket")
    own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    visit.writer.transport.abort()


# Failures ---------------------------------------------------------------------------------------


def test_refused_connection_was_not_dispatched(run: Run) -> None:
    async def case() -> None:
        with faults.refusing() as port:
            async with pooling() as pool:
                with pytest.raises(UpstreamFailed) as caught:
                    await post(pool, Origin(False, "127.0.0.1", port))
                assert (caught.value.why, caught.value.is_dispatched) == (NO_CONNECTION, False)
                assert pool.connections == 0

    run(case())


@pytest.mark.parametrize("host", ["nothing.invalid", "a" * 64 + ".example", "a..b"])
def test_name_that_nobody_has_was_not_dispatched(host: str, run: Run) -> None:
    async def case() -> None:
        async with pooling() as pool:
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, Origin(False, host, 80))
            assert (caught.value.why, caught.value.is_dispatched) == (NO_CONNECTION, False)
            assert pool.connections == 0

    run(case())


def test_black_hole_takes_no_longer_than_connecting_may(run: Run) -> None:
    async def case(port: int) -> None:
        async with pooling(connect_s=0.05) as pool:
            with pytest.raises(UpstreamTimeout) as caught:
                await post(pool, Origin(False, "127.0.0.1", port))
            assert (caught.value.phase, caught.value.seconds) == ("connect", 0.05)
            assert pool.connections == 0
            with pytest.raises(UpstreamTimeout) as caught:
                await post(pool, Origin(False, "127.0.0.1", port), first_byte_s=0.01)
            assert (caught.value.phase, caught.value.seconds) == ("first_byte", 0.01)
            assert pool.connections == 0

    with faults.black_hole() as port:
        if port is None:
            pytest.skip("this system opens or refuses connections that nobody takes")
        run(case(port))


def test_address_that_swallows_packets_does_not_hide_one_that_answers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case(hole: int) -> None:
        async with serving(forever) as served, pooling() as pool:

            async def named(host: str, port: int, **_: object) -> list[object]:
                places = [("127.0.0.1", hole), ("127.0.0.1", served.origin.port)]
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

            monkeypatch.setattr("ferrycli.proxy.http1.dialling.resolve", named)
            assert await whole(await post(pool, Origin(False, "up.example", 80))) == (200, b"ok")
            assert len(served.visits) == 1

    with faults.black_hole() as hole:
        if hole is None:
            pytest.skip("this system opens or refuses connections that nobody takes")
        run(case(hole))


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\ncontent-", STREAM, STREAM + b"1\r\no\r\n"]
)
def test_reset_is_told_and_may_have_been_billed(said: bytes, run: Run) -> None:
    async def broken(visit: Visit) -> None:
        await visit.take()
        visit.say(said)
        await visit.writer.drain()
        await read.wait()
        reset(visit)

    async def case() -> None:
        async with serving(broken) as served, pooling() as pool:
            if said.startswith(STREAM):
                reply = await post(pool, served.origin)
                if said != STREAM:
                    assert await reply.read() == b"o"
                read.set()
                with pytest.raises(UpstreamFailed) as caught:
                    await reply.read()
            else:
                read.set()
                with pytest.raises(UpstreamFailed) as caught:
                    await post(pool, served.origin)
            assert caught.value.why in (BROKE, ENDED)
            assert caught.value.is_dispatched
            assert pool.connections == 0

    read = asyncio.Event()
    run(case())


def test_no_reply_in_time_ends_the_connection(run: Run) -> None:
    async def case() -> None:
        async with serving(silent) as served, pooling() as pool:
            with pytest.raises(UpstreamTimeout) as caught:
                await post(pool, served.origin, first_byte_s=0.05)
            assert (caught.value.phase, caught.value.seconds) == ("first_byte", 0.05)
            assert pool.connections == 0
            await served.until_ended(1)

    run(case())


@pytest.mark.parametrize(
    "dripped", [b"", b"1;" + b"x" * 8, b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["", "chunk", "100"]
)
def test_bytes_that_bring_nothing_do_not_move_a_deadline(dripped: bytes, run: Run) -> None:
    async def drip(visit: Visit) -> None:
        await visit.take()
        if not dripped.startswith(b"HTTP"):
            visit.say(STREAM + b"1\r\no\r\n")
        with contextlib.suppress(ConnectionError):
            for byte in dripped * 1_000:
                visit.say(bytes([byte]))
                await visit.writer.drain()
                await asyncio.sleep(0.002)
        await visit.end()

    async def case() -> None:
        async with serving(drip) as served, pooling(idle_s=0.1) as pool:
            with pytest.raises(UpstreamTimeout) as caught:
                await whole(await post(pool, served.origin, first_byte_s=0.2))
            phase = "first_byte" if dripped.startswith(b"HTTP") else "idle"
            assert caught.value.phase == phase
            assert pool.connections == 0

    run(case())


def test_slow_reader_is_not_a_silent_provider(run: Run) -> None:
    async def two(visit: Visit) -> None:
        await visit.take()
        visit.say(STREAM + b"1\r\no\r\n")
        await visit.writer.drain()
        await go.wait()
        visit.say(b"1\r\nk\r\n0\r\n\r\n")
        await visit.end()

    async def case() -> None:
        async with serving(two) as served, pooling(idle_s=0.1) as pool:
            reply = await post(pool, served.origin)
            await asyncio.sleep(0.3)
            assert await reply.read() == b"o"
            await asyncio.sleep(0.3)
            go.set()
            assert await whole(reply) == (200, b"k")

    go = asyncio.Event()
    run(case())


# Keeping ----------------------------------------------------------------------------------------


def test_connection_that_was_used_last_is_used_first(run: Run) -> None:
    async def case() -> None:
        async with serving(forever) as served, pooling() as pool:
            replies = await asyncio.gather(*(post(pool, served.origin) for _ in range(3)))
            for reply in replies:
                await whole(reply)
            for _ in range(3):
                await whole(await post(pool, served.origin))
            assert sorted(len(visit.requests) for visit in served.visits) == [1, 1, 4]

    run(case())


def test_idle_connection_is_closed_after_its_time(run: Run) -> None:
    async def case() -> None:
        async with serving(forever) as served, pooling(keepalive_s=0.05) as pool:
            await whole(await post(pool, served.origin))
            assert pool.connections == 1
            await served.until_ended(1)
            assert pool.connections == 0
            await whole(await post(pool, served.origin))
            assert len(served.visits) == 2

    run(case())


def test_connection_that_its_server_closes_is_let_go(run: Run) -> None:
    async def once(visit: Visit) -> None:
        await visit.take()
        visit.say(OK)

    async def case() -> None:
        async with serving(once) as served, pooling() as pool:
            await whole(await post(pool, served.origin))
            await until(lambda: pool.connections == 0)
            assert await whole(await post(pool, served.origin)) == (200, b"ok")
            assert len(served.visits) == 2

    run(case())


@pytest.mark.parametrize("is_reset", [False, True])
def test_close_that_the_loop_has_not_heard_of_is_seen_before_anything_is_written(
    is_reset: bool, run: Run
) -> None:
    """The kernel knows it; nothing is sent twice because nothing is sent into the void."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = Origin(False, "127.0.0.1", listening.getsockname()[1])
        listening.setblocking(False)

        async def answer() -> socket.socket:
            loop = asyncio.get_running_loop()
            connection, _ = await loop.sock_accept(listening)
            connection.setblocking(False)
            assert (await loop.sock_recv(connection, 65_536)).startswith(b"POST ")
            await loop.sock_sendall(connection, OK)
            return connection

        async def case() -> None:
            async with pooling() as pool:
                asked = asyncio.create_task(answer())
                await whole(await post(pool, origin))
                connection = await asked
                if is_reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                # No turn of the loop lies between its end and the next request.
                connection.close()
                asked = asyncio.create_task(answer())
                assert await whole(await post(pool, origin)) == (200, b"ok")
                (await asked).close()

        run(case())


def test_request_that_was_written_is_not_sent_again(run: Run) -> None:
    async def second_is_lost(visit: Visit) -> None:
        await visit.take()
        visit.say(OK)
        await visit.take()
        reset(visit)

    async def case() -> None:
        async with serving(second_is_lost) as served, pooling() as pool:
            await whole(await post(pool, served.origin, b"one"))
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, served.origin, b"two")
            assert caught.value.is_dispatched
            assert [body for _, body in served.requests] == [b"one", b"two"]

    run(case())


@pytest.mark.parametrize("said", [b"HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n", b"x"])
def test_bytes_that_nobody_asked_for_end_an_idle_connection(said: bytes, run: Run) -> None:
    async def chatty(visit: Visit) -> None:
        await visit.take()
        visit.say(OK)
        await visit.writer.drain()
        await go.wait()
        visit.say(said)
        await visit.end()

    async def case() -> None:
        async with serving(chatty) as served, pooling() as pool:
            await whole(await post(pool, served.origin))
            go.set()
            await until(lambda: pool.connections == 0)
            await served.until_ended(1)

    go = asyncio.Event()
    run(case())


# Limits -----------------------------------------------------------------------------------------


async def _held(pool: Pool, origin: Origin, count: int) -> list[asyncio.Task[object]]:
    """`count` calls that wait, each at its place in the queue or at its server."""
    tasks: list[asyncio.Task[object]] = []
    for _ in range(count):
        tasks.append(asyncio.create_task(post(pool, origin)))
        await asyncio.sleep(0)
    return tasks


def test_no_more_connections_than_the_limit_and_everybody_has_a_turn(run: Run) -> None:
    async def case() -> None:
        async with serving(forever) as served, pooling(connections_max=3) as pool:

            async def ask() -> tuple[int, bytes]:
                return await whole(await post(pool, served.origin))

            got = await asyncio.gather(*(ask() for _ in range(50)))
            assert got == [(200, b"ok")] * 50
            assert len(served.visits) <= 3
            assert pool.connections == len(served.visits)

    run(case())


def test_waiting_for_a_connection_ends_and_was_not_dispatched(run: Run) -> None:
    async def case() -> None:
        async with serving(silent) as served, pooling(connect_s=0.1, connections_max=1) as pool:
            busy = asyncio.create_task(post(pool, served.origin))
            await until(lambda: len(served.visits) == 1)
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, served.origin)
            assert (caught.value.why, caught.value.is_dispatched) == (NOT_FREE, False)
            busy.cancel()
            await asyncio.wait({busy})
            assert pool.connections == 0

    run(case())


def test_idle_connection_to_elsewhere_makes_room(run: Run) -> None:
    async def case() -> None:
        async with (
            serving(forever) as one,
            serving(forever) as other,
            pooling(connections_max=1) as pool,
        ):
            for served in (one, other, one):
                assert await whole(await post(pool, served.origin)) == (200, b"ok")
                assert pool.connections == 1
            assert (len(one.visits), len(other.visits)) == (2, 1)

    run(case())


def test_connection_to_elsewhere_gives_its_place_to_who_waits_longest(run: Run) -> None:
    async def case() -> None:
        async with (
            serving(forever) as one,
            serving(forever) as other,
            pooling(connections_max=1) as pool,
        ):

            async def ask(origin: Origin) -> tuple[int, bytes]:
                return await whole(await post(pool, origin))

            origins = [one.origin, other.origin] * 5
            got = await asyncio.gather(*(ask(origin) for origin in origins))
            assert got == [(200, b"ok")] * 10
            assert pool.connections == 1

    run(case())


def test_who_gives_up_waiting_passes_the_turn_on(run: Run) -> None:
    async def gated(visit: Visit) -> None:
        while True:
            await visit.take()
            await gate.wait()
            visit.say(OK)

    async def case() -> None:
        async with serving(gated) as served, pooling(connections_max=1) as pool:
            first = asyncio.create_task(post(pool, served.origin))
            await until(lambda: len(served.requests) == 1)
            second, third, fourth = await _held(pool, served.origin, 3)
            second.cancel()
            gate.set()
            await whole(await first)
            # The third is given the connection, and leaves as soon as it has it.
            third.cancel()
            assert await whole(await fourth) == (200, b"ok")  # type: ignore[arg-type]
            assert [task.cancelled() for task in (second, third)] == [True, True]
            assert pool.connections == 1

    gate = asyncio.Event()
    run(case())


def test_place_that_was_given_to_who_left_is_given_on(run: Run) -> None:
    async def case() -> None:
        async with serving(silent) as served, pooling(connections_max=1) as pool:
            first = asyncio.create_task(post(pool, served.origin))
            await until(lambda: len(served.visits) == 1)
            second, third = await _held(pool, served.origin, 2)
            first.cancel()
            await asyncio.wait({first})
            second.cancel()
            await asyncio.wait({second})
            await until(lambda: 1 <= served.ended == len(served.visits) - 1)
            assert pool.connections == 1
            third.cancel()
            await asyncio.wait({third})
            assert pool.connections == 0

    run(case())


# Leaving ----------------------------------------------------------------------------------------


def test_reply_that_is_not_read_to_its_end_ends_its_connection(run: Run) -> None:
    async def case() -> None:
        async with serving(saying(STREAM + b"1\r\no\r\n")) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            assert await reply.read() == b"o"
            await reply.close()
            assert pool.connections == 0
            await served.until_ended(1)
            with pytest.raises(UpstreamFailed):
                await reply.read()
            await reply.close()

    run(case())


def test_reply_that_has_come_whole_is_closed_without_its_connection(run: Run) -> None:
    async def case() -> None:
        async with serving(forever) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            await until(lambda: reply.unread_bytes == 2)
            await reply.close()
            await whole(await post(pool, served.origin))
            assert len(served.visits) == 1

    run(case())


@pytest.mark.parametrize("turns", range(12))
def test_cancelling_at_any_moment_leaves_nothing(turns: int, run: Run) -> None:
    async def case() -> None:
        async with serving(silent) as served, pooling(connections_max=1) as pool:
            asked = asyncio.create_task(post(pool, served.origin))
            for _ in range(turns):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait({asked})
            assert asked.cancelled()
            assert pool.connections == 0
            await until(lambda: served.ended == len(served.visits))

    run(case())


def test_cancelled_read_can_be_tried_again(run: Run) -> None:
    async def gated(visit: Visit) -> None:
        await visit.take()
        visit.say(STREAM)
        await visit.writer.drain()
        await gate.wait()
        visit.say(b"2\r\nok\r\n0\r\n\r\n")
        await visit.end()

    async def case() -> None:
        async with serving(gated) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reply.read()
            gate.set()
            assert await whole(reply) == (200, b"ok")

    gate = asyncio.Event()
    run(case())


def test_closing_the_pool_ends_what_is_under_way_and_what_waits(run: Run) -> None:
    async def case() -> None:
        async with serving(silent) as served, pooling(connections_max=1) as pool:
            busy = asyncio.create_task(post(pool, served.origin))
            await until(lambda: len(served.visits) == 1)
            (waiting,) = await _held(pool, served.origin, 1)
            await pool.close()
            await asyncio.wait({busy, waiting})
            assert isinstance(busy.exception(), UpstreamFailed)
            failure = waiting.exception()
            assert isinstance(failure, UpstreamFailed)
            assert not failure.is_dispatched
            with pytest.raises(UpstreamFailed):
                await post(pool, served.origin)
            assert pool.connections == 0

    run(case())
