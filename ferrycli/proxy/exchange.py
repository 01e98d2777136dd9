"""One request and its reply, as the application has them: `receive`, `send`, and who has left.

The head of a reply waits for the first part of its body, and both go out in one write. A request
whose body has come is handed over without waiting. What is wrong with a body is raised by
`receive`, as a refusal, so that the application answers it like any other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, HTTPScope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from ferrycli.rules.denials import Refusal

EXTENSION = "ferry.connection"
"""Under this name of `scope["extensions"]` an application finds what has `when_left`."""
NAMES_KNOWN_MAX = 1_024
JOINED_BYTES_MAX = 64 * 1024
"""A larger body is not copied to go out in one piece with what is around it."""
_FRAMING = frozenset({b"content-length: ", b"transfer-encoding: ", b"connection: "})
_BODILESS = frozenset({204, 304})


class Line(Protocol):
    """The connection that an exchange is on."""

    transport: asyncio.Transport
    flow: FlowControl
    loop: asyncio.AbstractEventLoop
    logger: logging.Logger

    def default_lines(self) -> bytes:
        """Header lines of every reply."""

    def wants_body(self, exchange: Exchange) -> None:
        """More of the request may be read."""

    def has_replied(self, exchange: Exchange) -> None:
        """The reply is whole."""


class Exchange(RequestResponseCycle):
    """One request on a connection, an ASGI `receive` and `send`."""

    def __init__(
        self,
        line: Line,
        scope: HTTPScope,
        *,
        keep_alive: bool,
        is_expecting: bool,
        may_chunk: bool,
    ) -> None:
        """`is_expecting`: the client waits for `100 Continue`; `may_chunk`: it knows chunks."""
        # Not uvicorn's own: that makes an event for each request, and asks for a logger.
        self._line = line
        self.scope = scope
        self.transport = line.transport
        self.flow = line.flow
        self.logger = line.logger
        self.on_response = _nothing
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = is_expecting
        self._may_chunk = may_chunk

        self._parts: list[bytes] = []
        self.waiting_bytes = 0
        """Of the body: those that have come and were not asked for yet."""
        self.more_body = True
        self._is_told = False
        """The application has the end of the body."""
        self.fault: Refusal | None = None
        """Why the body will never be whole."""
        self._waiter: asyncio.Future[None] | None = None
        self._left: Callable[[], None] | None = None

        self.response_started = False
        self.response_complete = False
        self._head: list[bytes] | None = None
        """The head of the reply, until it is written."""
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0

    # What the connection tells

    def take(self, part: bytes) -> None:
        """A part of the body has come."""
        self._parts.append(part)
        self.waiting_bytes += len(part)
        if self._waiter is not None:
            self._wake()

    def whole(self) -> None:
        """The body has come to its end."""
        self.more_body = False
        if self._waiter is not None:
            self._wake()

    def fail(self, fault: Refusal) -> None:
        """The body will never be whole: the application is to refuse it, and that is the end."""
        self.fault = fault
        self.keep_alive = False
        self._wake()

    def leave(self) -> None:
        """The connection is gone. After a whole reply, that is nobody's concern."""
        if self.response_complete or self.disconnected:
            return
        self.disconnected = True
        self._wake()
        left, self._left = self._left, None
        if left is not None:
            left()

    # What the application asks

    def when_left(self, callback: Callable[[], None]) -> None:
        """`callback` is called, once, when the client leaves before its reply is whole."""
        if self.disconnected:
            self._line.loop.call_soon(callback)
        else:
            self._left = callback

    async def receive(self) -> ASGIReceiveEvent:
        """The next part of the body. Raises the refusal of a body that is not to be had."""
        while not (self.disconnected or self.response_complete):
            if self._parts or not (self.more_body or self._is_told):
                parts, self._parts, self.waiting_bytes = self._parts, [], 0
                self._is_told = not self.more_body
                body = parts[0] if len(parts) == 1 else b"".join(parts)
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            if self.fault is not None:
                raise self.fault
            if self.waiting_for_100_continue and not self.transport.is_closing():
                self.waiting_for_100_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self.more_body:
                self._line.wants_body(self)
            await self._next()
        return {"type": "http.disconnect"}

    async def send(self, message: ASGISendEvent) -> None:
        """A part of the reply; waits while the client does not read."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_complete:
            raise RuntimeError(f"`{message['type']}` after the reply was whole")
        if not self.response_started:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"`{message['type']}` before the head of the reply")
            self._head = self._lines(message["status"], list(message.get("headers", ())))
            self.response_started = True
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"`{message['type']}` after the head of the reply")
        self._write(message.get("body", b""), is_last=not message.get("more_body", False))

    async def _next(self) -> None:
        self._waiter = self._line.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _lines(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
        """The head of the reply, in pieces. Raises RuntimeError for what no head may have."""
        lines = [STATUS_LINE[status], self._line.default_lines()]
        values = b"".join([value for _, value in headers])
        # The usual case at a third of the cost: what is printable has no control byte.
        if not values.decode("latin-1").isprintable() and HEADER_VALUE_RE.search(values):
            raise RuntimeError("a header of the reply has a control byte")
        says_close = False
        for raw, value in headers:
            name = _name(raw)
            if name in _FRAMING:
                says_close |= self._frame(name, value)
            lines += (name, value, b"\r\n")
        if self.waiting_for_100_continue and self.more_body:
            # Whether the body comes after all, nobody can know: what follows may be either.
            self.keep_alive = False
        if self.chunked_encoding is None and self.scope["method"] != "HEAD":
            if status in _BODILESS:
                pass
            elif self._may_chunk:
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False
        if not self.keep_alive and not says_close:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        return lines

    def _frame(self, name: bytes, value: bytes) -> bool:
        """Note how the reply is framed; whether it says that the connection ends with it."""
        if name == b"content-length: ":
            if self.chunked_encoding is None:
                self.expected_content_length = int(value)
                self.chunked_encoding = False
        elif name == b"transfer-encoding: ":
            if value.lower() == b"chunked":
                self.expected_content_length = 0
                self.chunked_encoding = True
        elif b"close" in [token.strip() for token in value.lower().split(b",")]:
            self.keep_alive = False
            return True
        return False

    def _write(self, body: bytes, *, is_last: bool) -> None:
        pieces = self._head if self._head is not None else []
        self._head = None
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
        elif self.chunked_encoding:
            if body:
                pieces += (b"%x\r\n" % len(body), body, b"\r\n")
            if is_last:
                pieces.append(b"0\r\n\r\n")
        elif self.chunked_encoding is None:
            pieces.append(body)
        elif len(body) > self.expected_content_length:
            raise RuntimeError("the reply is longer than its content-length")
        else:
            self.expected_content_length -= len(body)
            pieces.append(body)
        if is_last and self.expected_content_length:
            raise RuntimeError("the reply is shorter than its content-length")
        if len(body) > JOINED_BYTES_MAX:
            self.transport.writelines(pieces)
        else:
            self.transport.write(b"".join(pieces))
        if is_last:
            self.response_complete = True
            self._left = None
            self._wake()
            self._line.has_replied(self)


@lru_cache(NAMES_KNOWN_MAX)
def _name(raw: bytes) -> bytes:
    """A header's name as a line begins with it, in lower case. Raises RuntimeError for none."""
    if not raw or HEADER_RE.search(raw):
        raise RuntimeError("a header of the reply has a name that is none")
    return raw.lower() + b": "


def _nothing() -> None:
    """uvicorn's own callback, which is not used."""
