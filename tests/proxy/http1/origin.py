"""An origin on a real socket whose every byte a test decides, and a pool to call it with."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from ferrycli.proxy.http1.addresses import Origin, first_lines
from ferrycli.proxy.http1.pool import Pool
from ferrycli.proxy.http1.reply import Reply
from ferrycli.proxy.http1.tls import Tls
from ferrycli.proxy.upstream import Deadlines, UpstreamReply

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SOON_S = 10.0
"""What should happen at once has happened by then, on any machine."""


class Visit:
    """One connection, from the origin's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[tuple[bytes, bytes]] = []
        """Head and body of each."""

    async def take(self) -> bytes:
        """The body of the next request. Raises `IncompleteReadError` where none comes."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        body = await self.reader.readexactly(size)
        self.requests.append((head, body))
        return body

    def say(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def end(self) -> None:
        """Until the other side closes; what it says meanwhile is thrown away."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass


Script = Callable[[Visit], Awaitable[None]]


class Served:
    """What an origin has seen."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.visits: list[Visit] = []
        self.ended = 0
        """Visits that are over."""

    @property
    def requests(self) -> list[tuple[bytes, bytes]]:
        return [one for visit in self.visits for one in visit.requests]

    async def until_ended(self, count: int) -> None:
        """Wait until `count` connections are over."""
        await until(lambda: self.ended >= count)


async def until(claim: Callable[[], bool]) -> None:
    """Wait until `claim` holds."""
    async with asyncio.timeout(SOON_S):
        while not claim():  # noqa: ASYNC110  # What is claimed sets no event.
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """An origin that does `script` with every connection, and then closes it."""
    tasks: set[asyncio.Task[None]] = set()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer)
        served.visits.append(visit)
        task = asyncio.create_task(follow(visit))
        tasks.add(task)

    async def follow(visit: Visit) -> None:
        try:
            await script(visit)
            await visit.writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            served.ended += 1
            visit.writer.close()
            with contextlib.suppress(Exception):
                await visit.writer.wait_closed()

    server = await asyncio.start_server(visited, "127.0.0.1", 0, ssl=tls, limit=1 << 26)
    port = server.sockets[0].getsockname()[1]
    served = Served(Origin(tls is not None, "localhost" if tls else "127.0.0.1", port))
    try:
        yield served
    finally:
        server.close()
        for visit in served.visits:
            visit.writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*raw: bytes) -> Script:
    """Answers each request with the next of `raw`; after the last one, waits for the end."""

    async def script(visit: Visit) -> None:
        for one in raw:
            await visit.take()
            visit.say(one)
        await visit.end()

    return script


def closing(raw: bytes) -> Script:
    """Answers one request with `raw`, and closes."""

    async def script(visit: Visit) -> None:
        await visit.take()
        visit.say(raw)

    return script


async def forever(visit: Visit) -> None:
    """Answers every request with `OK`."""
    while True:
        await visit.take()
        visit.say(OK)


async def silent(visit: Visit) -> None:
    """Reads, and says nothing."""
    await visit.end()


@contextlib.asynccontextmanager
async def pooling(
    connect_s: float = 5.0,
    idle_s: float = 5.0,
    connections_max: int = 4,
    keepalive_s: float = 30.0,
    tls: Tls | None = None,
) -> AsyncIterator[Pool]:
    """A pool that is closed at the end, and must then be empty."""
    deadlines = Deadlines(connect_s, 5.0, idle_s)
    pool = Pool(deadlines, connections_max, keepalive_s, tls or Tls())
    try:
        yield pool
    finally:
        await pool.close()
        assert pool.connections == 0
        await asyncio.sleep(0)


async def post(pool: Pool, origin: Origin, body: bytes = b"{}", first_byte_s: float = 5.0) -> Reply:
    """The reply to a POST; its head has come."""
    head = first_lines(b"POST", b"/", b"here") + b"content-length: %d\r\n\r\n" % len(body)
    return await pool.send("up", origin, head, body, first_byte_s)


async def read_into(parts: list[bytes], reply: UpstreamReply) -> None:
    """Read to the end; what came before an error is in `parts`."""
    try:
        while part := await reply.read():
            parts.append(part)
    finally:
        await reply.close()


async def whole(reply: UpstreamReply) -> tuple[int, bytes]:
    """Status and body, read to the end."""
    parts: list[bytes] = []
    await read_into(parts, reply)
    return reply.status, b"".join(parts)
