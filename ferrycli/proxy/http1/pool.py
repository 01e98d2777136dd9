"""Connections to all origins: kept while they are idle, limited in their number, last used first.

A place is counted from before a connection is opened until it is gone; who waits for one gets it in
the order of asking. Whoever gives up passes on what had been given.
"""

from __future__ import annotations

import asyncio
from collections import deque

from ferrycli.proxy.http1.addresses import Origin
from ferrycli.proxy.http1.connection import Connection
from ferrycli.proxy.http1.dialling import dial
from ferrycli.proxy.http1.reply import Reply
from ferrycli.proxy.http1.tls import Tls
from ferrycli.proxy.upstream import Deadlines
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout

WAITING_MAX = 65_536
NO_CONNECTION = "it could not be connected"
NOT_FREE = "no connection was free"

_Turn = asyncio.Future[Connection | None]
"""A connection; or None: a place, to open one."""


class Pool:
    """The connections of a process."""

    def __init__(
        self,
        deadlines: Deadlines,
        connections_max: int,
        keepalive_s: float,
        tls: Tls,
    ) -> None:
        """`connections_max`: over all origins. `keepalive_s`: until an idle one is closed."""
        self._deadlines = deadlines
        self._connections_max = connections_max
        self._keepalive_s = keepalive_s
        self._tls = tls
        self._idle: dict[Origin, list[Connection]] = {}
        """Of each origin, the last used at the end."""
        self._connections: set[Connection] = set()
        self._places_taken = 0
        self._waiting: deque[tuple[Origin, _Turn]] = deque()
        self._is_closed = False

    @property
    def connections(self) -> int:
        """How many there are or are being opened: places that are taken."""
        return self._places_taken

    async def send(
        self,
        provider: str,
        origin: Origin,
        head: bytes,
        body: bytes,
        first_byte_s: float,
        *,
        is_head: bool = False,
    ) -> Reply:
        """Write a request and wait for the head of its reply.

        Raises `UpstreamFailed` or `UpstreamTimeout`, with `provider` as its name. `first_byte_s`
        counts from now.
        """
        loop = asyncio.get_running_loop()
        by_s = loop.time() + first_byte_s
        connection = self._last_idle(origin)
        if connection is None:
            connection = await self._acquire(provider, origin, by_s, first_byte_s)
        reply = Reply(loop, connection, provider, first_byte_s, self._deadlines.idle_s)
        connection.ask(reply, head, body, is_head=is_head)
        try:
            await reply.begin(by_s)
        except BaseException:
            reply.abandon()
            raise
        return reply

    async def close(self) -> None:
        """End every connection, those in use as well."""
        self._is_closed = True
        # Before places become free, which nobody is to be given any more.
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(OSError("the pool is closed"))
        for connection in list(self._connections):
            connection.abort()

    # For connections ---------------------------------------------------------------------------

    def answered(self, connection: Connection) -> None:
        """As `Owner.answered`."""
        if (ssl_object := connection.ssl_object()) is not None:
            self._tls.remember(connection.origin.host, ssl_object)

    def take_back(self, connection: Connection) -> None:
        """As `Owner.take_back`."""
        while self._waiting:
            origin, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
            elif origin == connection.origin:
                self._waiting.popleft()
                turn.set_result(connection)
                return
            else:
                # Its place goes to whoever waits longest.
                connection.abort()
                return
        self._idle.setdefault(connection.origin, []).append(connection)
        connection.rest(self._keepalive_s)

    def forget(self, connection: Connection) -> None:
        """As `Owner.forget`."""
        if connection not in self._connections:
            # Another address was faster: it has no place.
            return
        self._connections.remove(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)
            if not idle:
                del self._idle[connection.origin]
        self._vacate()

    # Places ------------------------------------------------------------------------------------

    def _last_idle(self, origin: Origin) -> Connection | None:
        """The idle connection that was used last, of those that are usable."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    async def _acquire(
        self, provider: str, origin: Origin, by_s: float, first_byte_s: float
    ) -> Connection:
        """A connection that nobody else uses, in time."""
        connect_s = self._deadlines.connect_s
        connect_by_s = asyncio.get_running_loop().time() + connect_s
        has_place = False
        try:
            async with asyncio.timeout_at(min(by_s, connect_by_s)):
                while True:
                    given = await self._place(origin)
                    if given is None:
                        has_place = True
                        return await self._opened(origin)
                    if given.is_usable():
                        return given
                    given.abort()
        except TimeoutError:
            if by_s <= connect_by_s:
                raise UpstreamTimeout(provider, "first_byte", first_byte_s) from None
            if has_place:
                raise UpstreamTimeout(provider, "connect", connect_s) from None
            raise UpstreamFailed(provider, NOT_FREE, False) from None
        except (OSError, UnicodeError):
            why = NO_CONNECTION if has_place else NOT_FREE
            raise UpstreamFailed(provider, why, False) from None

    async def _place(self, origin: Origin) -> Connection | None:
        """A connection; or None: a place to open one, counted as taken."""
        if (connection := self._last_idle(origin)) is not None:
            return connection
        if self._places_taken >= self._connections_max:
            # An idle connection to somewhere else makes room.
            oldest = next((idle[0] for idle in self._idle.values() if idle), None)
            if oldest is not None:
                oldest.abort()
        if self._is_closed or len(self._waiting) >= WAITING_MAX:
            raise OSError("no place")
        if self._places_taken < self._connections_max:
            self._places_taken += 1
            return None
        turn: _Turn = asyncio.get_running_loop().create_future()
        entry = (origin, turn)
        self._waiting.append(entry)
        try:
            return await turn
        except BaseException:
            if turn.cancelled() or turn.exception() is not None:
                if entry in self._waiting:
                    self._waiting.remove(entry)
            elif (given := turn.result()) is not None:
                self.take_back(given)
            else:
                self._vacate()
            raise

    async def _opened(self, origin: Origin) -> Connection:
        """A new connection, in a place that is taken; given up where it fails."""
        loop = asyncio.get_running_loop()
        tls = self._tls.context if origin.is_tls else None

        async def connect(host: str, port: int) -> Connection:
            connection = Connection(loop, self, origin)
            await loop.create_connection(
                lambda: connection,
                host,
                port,
                ssl=tls,
                server_hostname=origin.host if origin.is_tls else None,
            )
            return connection

        try:
            connection = await dial(origin.host, origin.port, connect)
        except BaseException:
            self._vacate()
            raise
        if self._is_closed or not connection.is_usable():
            # The pool was closed meanwhile, or its server has closed it at once.
            connection.abort()
            self._vacate()
            raise OSError("it ended before its use")
        self._connections.add(connection)
        return connection

    def _vacate(self) -> None:
        """A place is free: for whoever waits longest, else for whoever asks next."""
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places_taken -= 1
