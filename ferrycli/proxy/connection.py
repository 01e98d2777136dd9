"""One client's connection: uvicorn's protocol, with deadlines, limits, and a refusal for the rest.

uvicorn parses and keeps the connection; it has no deadline for a request, and httptools takes what
no request may be. What is refused here never reaches the application: a reply in the dialect that
the path speaks is sent in its turn, and the connection ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ferrycli.proxy.exchange import EXTENSION, Exchange
from ferrycli.proxy.heads import (
    HEAD_BYTES_MAX,
    HEADER_BYTES_MAX,
    HEADERS_MAX,
    PATH_BYTES_MAX,
    check_headers,
    check_line,
    check_size,
    too_large,
    without_offer,
)
from ferrycli.proxy.replies import refusing
from ferrycli.proxy.sweep import NEVER, Sweep
from ferrycli.rules.denials import (
    HeadersTooLarge,
    MalformedRequest,
    PathTooLong,
    Refusal,
    RequestTooSlow,
)

PIPELINED_MAX = 32
"""Requests that wait behind one that is being answered."""
_BETWEEN, _HEAD, _BODY = range(3)
"""What the client is to send next: a request, the rest of a head, the rest of a body."""


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds a connection is waited for."""

    head_s: float = 10.0
    """From a head's first byte to its last; of a new connection, to its first byte too."""
    body_idle_s: float = 10.0
    """For the next byte of a body."""
    body_total_s: float = 120.0
    """For a body's last byte."""
    linger_s: float = 2.0
    """What a client still sends after a refusal is read and dropped for so long: closed at once,
    its system would throw away the reply that it has not read yet."""
    unread_s: float = 120.0
    """From the end of a connection to its last byte, with a client that reads slowly."""
    sweep_s: float = 0.5
    """How exactly all that is kept to."""


def connections(patience: Patience = Patience()) -> type[asyncio.Protocol]:  # Frozen.
    """What uvicorn takes as `http`: makes the connections of one server."""
    # Any callable does; the type is what uvicorn names.
    return cast("type[asyncio.Protocol]", partial(Connection, patience, Sweep(patience.sweep_s)))


class Connection(HttpToolsProtocol):
    """One connection, from its first byte to its last."""

    cycle: Exchange
    """The one that is received, or was last: None before the first, and at the end."""

    def __init__(self, patience: Patience, sweep: Sweep, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._patience = patience
        self._sweep = sweep
        self.due_at = NEVER
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._stage = _BETWEEN
        self._body_due_at = NEVER
        self._stray_bytes = 0
        """Received since the last progress that the parser told of."""
        self._offered: list[bytes] = []
        """The head of a request that offers another protocol, without the offer."""
        self._is_long = False
        """The head that is parsed may be larger than it may be."""
        self._is_over = False
        """Nothing that the client sends now is a request."""
        self._running: Exchange | None = None
        self.carrier: asyncio.Task[None] | None = None
        """What answers the request of now."""
        self._behind: deque[tuple[Exchange, ASGI3Application]] = deque()
        self._defaults: list[tuple[bytes, bytes]] = []
        self._default_lines = b""

    # From the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._wait(self._patience.head_s)
        self._sweep.add(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sweep.discard(self)
        self.connections.discard(self)
        self._behind.clear()
        if self._running is not None:
            self._running.leave()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self._is_over = True
        # Both refer back.
        self.parser = self.cycle = None  # type: ignore[assignment]  # As uvicorn has it.

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        stage = self._stage
        self._stray_bytes += len(data)
        self._is_long = stage == _HEAD or len(data) > HEADER_BYTES_MAX
        try:
            self._feed(data)
            if self._is_long and self._stage == _HEAD:
                check_size(self.headers)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if self._stage == _HEAD:
            if self._stray_bytes > HEAD_BYTES_MAX:
                self._refuse(too_large())
            elif stage != _HEAD:
                self._wait(self._patience.head_s)
        elif self._stage == _BODY:
            if self._stray_bytes > HEADER_BYTES_MAX:
                self._refuse(MalformedRequest("what is around its chunks is too long"))
            else:
                self._wait_for_body()
        elif self._running is not None:
            self.due_at = NEVER
        elif stage != _BETWEEN:
            # The rest of a body that nobody wanted.
            self._wait(self.timeout_keep_alive)

    def _feed(self, data: bytes) -> None:
        """Parse `data`. Raises a refusal for what is no request."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as pause:
                # Offered and not taken up: the request is parsed again, without the offer.
                data = b"".join((*self._offered, data[pause.args[0] :]))
            except httptools.HttpParserCallbackError as error:
                raise error.__context__ or error from None
            except httptools.HttpParserError as error:
                raise MalformedRequest(str(error)) from None

    # From the parser; a refusal that is raised here stops it.

    def on_message_begin(self) -> None:
        self._stage = _HEAD
        self.url = b""
        self.headers = []

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > PATH_BYTES_MAX + 1:
            raise PathTooLong(PATH_BYTES_MAX)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) == HEADERS_MAX:
            raise HeadersTooLarge(f"more than {HEADERS_MAX} headers")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        method = self.parser.get_method()
        check_line(method, self.url, version)
        is_expecting = check_headers(version, self.headers)
        if self._is_long:
            check_size(self.headers)
        if len(self._behind) == PIPELINED_MAX:
            raise MalformedRequest("too many requests wait on its connection")
        if self.parser.should_upgrade():
            # The parser would take its body for another protocol's.
            self._offered = without_offer(method, self.url, self.headers)
            return
        self._stage = _BODY
        self._stray_bytes = 0
        self._body_due_at = NEVER
        exchange = Exchange(
            self,
            self._scope(method, version),
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            is_expecting=is_expecting,
            may_chunk=version == "1.1",
        )
        # What comes after a body looks like headers, and is neither checked nor believed.
        self.headers = []
        self._begin(exchange, self.app)

    def on_body(self, body: bytes) -> None:
        self._stray_bytes = 0
        exchange = self.cycle
        if not exchange.response_complete:
            exchange.take(body)
            if exchange.waiting_bytes > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        if self._stage != _BODY:
            return
        self._stage = _BETWEEN
        self._stray_bytes = 0
        self.cycle.whole()

    # From the exchange

    def default_lines(self) -> bytes:
        """Header lines of every reply; uvicorn makes them anew each second."""
        headers = self.server_state.default_headers
        if headers is not self._defaults:
            self._defaults = headers
            self._default_lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._default_lines

    def when_left(self, callback: Callable[[], None]) -> None:
        """`callback` is called, once, when the client leaves before the reply of now is whole."""
        if self._running is not None:
            self._running.when_left(callback)

    def wants_body(self, exchange: Exchange) -> None:
        """More of the body may be read."""
        if exchange is self.cycle and not (self._is_over or self.transport.is_closing()):
            self.flow.resume_reading()
            self._wait_for_body()

    def has_replied(self, exchange: Exchange) -> None:
        """Its reply is whole: on with the next request, or with waiting for it."""
        self.server_state.total_requests += 1
        self._running = None
        if not exchange.keep_alive:
            self._finish()
        elif self.transport.is_closing():
            self.due_at = self.loop.time() + self._patience.unread_s
        elif self._behind:
            self._start(*self._behind.pop())
            if not self._behind and self.cycle.waiting_bytes <= HIGH_WATER_LIMIT:
                self.flow.resume_reading()
            if self._stage == _BODY:
                self._wait_for_body()
        else:
            self.flow.resume_reading()
            if self._stage == _BETWEEN:
                self._wait(self.timeout_keep_alive)
            elif self._stage == _BODY:
                self._wait_for_body()

    # From the server and the sweep

    def shutdown(self) -> None:
        """The server stops: after the reply that is under way, if one is, the connection ends."""
        if self._running is None:
            self.transport.close()
            self._wait(self._patience.unread_s)
        else:
            self.cycle.keep_alive = False

    def overdue(self, _now: float) -> None:
        """Its deadline is past."""
        self.due_at = NEVER
        if self.transport.is_closing():
            self.transport.abort()
        elif self._is_over or self._stage == _BETWEEN:
            self._close()
        elif self._stage == _BODY:
            whole_s, idle_s = self._patience.body_total_s, self._patience.body_idle_s
            is_idle = self.loop.time() < self._body_due_at
            self._refuse(RequestTooSlow(idle_s if is_idle else whole_s))
        else:
            self._refuse(RequestTooSlow(self._patience.head_s))

    # Deadlines

    def _wait(self, seconds: float) -> None:
        self.due_at = self.loop.time() + seconds

    def _wait_for_body(self) -> None:
        """The body is due, unless it is we who do not read it."""
        now = self.loop.time()
        if self._body_due_at == NEVER:
            self._body_due_at = now + self._patience.body_total_s
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self.due_at = NEVER
        else:
            self.due_at = min(now + self._patience.body_idle_s, self._body_due_at)

    # Requests

    def _scope(self, method: bytes, version: str) -> Any:
        target, _, query = self.url.partition(b"#")[0].partition(b"?")
        path = target.decode("latin-1")
        scope: Any = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "headers": self.headers,
            "state": {},
            "extensions": {EXTENSION: self},
            "method": method.decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": target,
            "query_string": query,
        }
        return scope

    def _begin(self, exchange: Exchange, app: ASGI3Application) -> None:
        """Answer it, now or in its turn."""
        self.cycle = exchange
        if self._running is None:
            self._start(exchange, app)
            return
        self._behind.appendleft((exchange, app))
        if self._is_over:
            # What follows a refusal is dropped; who leaves is heard.
            self.flow.resume_reading()
        else:
            self.flow.pause_reading()

    def _start(self, exchange: Exchange, app: ASGI3Application) -> None:
        self._running = exchange
        self.carrier = task = self.loop.create_task(exchange.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self not in self.connections:
            self._running = None
        elif self._running is not None and self.transport.is_closing() and self.due_at == NEVER:
            # The application ended in the middle of its reply, and the client may not read.
            self._wait(self._patience.unread_s)

    # Refusals

    def _refuse(self, refusal: Refusal) -> None:
        """The request is answered by `refusal`, and the connection ends."""
        self._is_over = True
        exchange: Exchange | None = self.cycle
        if self._stage != _BODY or exchange is None:
            method = self.parser.get_method() if self.url else b"GET"
            exchange = Exchange(
                self,
                self._scope(method, "1.1"),
                keep_alive=False,
                is_expecting=False,
                may_chunk=True,
            )
            self._begin(exchange, refusing(refusal))
        elif exchange.response_complete:
            self._close()
        else:
            exchange.fail(refusal)
        if exchange is self._running:
            self._wait(self._patience.unread_s)

    def _finish(self) -> None:
        """The last reply is whole: end, without cutting off what the client has not read."""
        if self.transport.is_closing():
            self._wait(self._patience.unread_s)
        elif self._stage == _BETWEEN and not (self._is_over or self._behind):
            self._close()
        else:
            self._is_over = True
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self.flow.resume_reading()
            self._wait(self._patience.linger_s)

    def _close(self) -> None:
        self.transport.close()
        self._wait(self._patience.unread_s)
