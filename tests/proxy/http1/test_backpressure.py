"""Neither side is read or written faster than the other side takes it."""

from __future__ import annotations

import asyncio

from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import OK, Visit, pooling, post, serving, until, whole

PIECE = b"x" * 65_536
PIECES = 1_600
IN_FLIGHT_MAX = 16 << 20
"""What both sockets' buffers and ours may hold together."""


def test_provider_is_not_read_faster_than_the_client(run: Run) -> None:
    async def case() -> None:
        sent = 0

        async def much(visit: Visit) -> None:
            nonlocal sent
            await visit.take()
            visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (PIECES * len(PIECE)))
            for _ in range(PIECES):
                visit.say(PIECE)
                sent += len(PIECE)
                await visit.writer.drain()
            visit.say(b"")
            await visit.take()
            visit.say(OK)
            await visit.end()

        async with serving(much) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            seen = -1
            while sent != seen:
                # Until nothing more is taken.
                seen = sent
                await asyncio.sleep(0.05)
            assert reply.unread_bytes <= 1 << 20
            assert sent < IN_FLIGHT_MAX
            got = 0
            while part := await reply.read():
                assert sent - got < IN_FLIGHT_MAX
                got += len(part)
            assert got == PIECES * len(PIECE)
            # What was paused is not left so.
            assert await whole(await post(pool, served.origin)) == (200, b"ok")
            assert len(served.visits) == 1

    run(case())


def test_body_is_written_no_faster_than_it_is_read(run: Run) -> None:
    body = PIECE * PIECES

    async def case() -> None:
        go = asyncio.Event()

        async def slow(visit: Visit) -> None:
            await visit.reader.readuntil(b"\r\n\r\n")
            visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await go.wait()
            visit.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await visit.reader.readexactly(len(body)) == body
            visit.say(OK)
            await visit.end()

        async with serving(slow) as served, pooling() as pool:
            asked = asyncio.create_task(post(pool, served.origin, body))
            await until(lambda: len(served.visits) == 1)
            await asyncio.sleep(0.1)
            (connection,) = pool._connections
            assert connection._transport is not None
            assert connection._transport.get_write_buffer_size() < 1 << 20
            assert connection._unsent is not None
            go.set()
            assert await whole(await asked) == (200, b"ok")
            assert pool.connections == 1

    run(case())
