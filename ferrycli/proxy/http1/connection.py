"""One connection to an origin: writes a request, reads its reply, and is then free or closed.

llhttp (httptools) reads the bytes, strictly; what it lets through and ferry does not is refused
here: other codings than chunked, other versions than 1.0 and 1.1, an upgrade, heads without an end.
A folded value is read as one line, as RFC 9112 (5.2) asks of clients.
A connection is used again only where both sides are at the end of a message: the request is
written, the reply is whole, and nothing came after it.

Nothing is ever sent twice. When a kept connection breaks after a request was written, nobody knows
whether it was read, and a POST may not be repeated then (RFC 9110, 9.2.2). So the end is looked
for before: a connection of which the loop or the kernel has heard that the other side closed it
(`is_usable`) is left for another one, with nothing written. Where the end comes later, the attempt
has failed and may have been billed; whether to try again is the caller's to judge.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Protocol

import httptools

from ferrycli.proxy.http1.addresses import Origin
from ferrycli.proxy.http1.dialling import has_ended
from ferrycli.proxy.http1.reply import BROKE, Reply
from ferrycli.wire.headers import Headers

HEADERS_MAX = 256
HEAD_BYTES_MAX = 64 << 10
QUIET_BYTES_MAX = 128 << 10
"""Bytes in a row that bring neither head nor body: interim replies, extensions, trailers."""
INTERIM_MAX = 16
UNREAD_BYTES_MAX = 64 << 10
PIECE_BYTES = 64 << 10
ENDED = "it ended before the reply did"
NOT_HTTP = "its reply is not valid HTTP"


class Owner(Protocol):
    """Whose connection it is."""

    def answered(self, connection: Connection) -> None:
        """It has brought its first reply."""

    def take_back(self, connection: Connection) -> None:
        """It is free for another request."""

    def forget(self, connection: Connection) -> None:
        """It is gone. Told once."""


class _Refused(Exception):
    """A reply that llhttp would take."""


class Connection(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    __slots__ = (
        "_deadline_s",
        "_headers",
        "_interims",
        "_is_bare",
        "_is_complete",
        "_is_fresh",
        "_is_gone",
        "_is_interim",
        "_is_kept",
        "_is_long",
        "_is_read_paused",
        "_is_sound",
        "_is_to_eof",
        "_is_write_paused",
        "_loop",
        "_owner",
        "_parser",
        "_quiet_bytes",
        "_reply",
        "_socket",
        "_timer",
        "_timer_s",
        "_transport",
        "_unsent",
        "origin",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, origin: Origin) -> None:
        self.origin = origin
        self._is_fresh = True
        """It has brought no reply yet."""
        self._loop = loop
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None
        self._reply: Reply | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # Control characters in a value are no reason to lose an answer that is paid for; what the
        # leniency lets through besides, NUL and a space before the colon, `on_header` refuses.
        self._parser.set_dangerous_leniencies(lenient_headers=True)
        self._headers: Headers = []
        self._interims = 0
        self._quiet_bytes = 0
        self._is_complete = self._is_interim = self._is_to_eof = False
        self._is_kept = self._is_sound = True
        self._is_gone = self._is_bare = False
        self._is_read_paused = self._is_write_paused = self._is_long = False
        self._unsent: memoryview | None = None
        self._deadline_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    # For the pool ------------------------------------------------------------------------------

    def ssl_object(self) -> ssl.SSLObject | None:
        """Its TLS; None: it has none."""
        return self._transport.get_extra_info("ssl_object") if self._transport else None

    def is_usable(self) -> bool:
        """Whether a request may be written: the other side has not closed, also not unheard.

        What the loop has not told us yet, the kernel knows.
        """
        return not (
            self._is_gone
            or self._transport is None
            or self._transport.is_closing()
            or self._socket is None
            or has_ended(self._socket)
        )

    def ask(self, reply: Reply, head: bytes, body: bytes, *, is_head: bool = False) -> None:
        """Write a request; what comes back goes into `reply`.

        `is_head`: a reply to HEAD has no body, whatever its head says.
        """
        transport = self._transport
        assert transport is not None
        assert self._reply is None
        self._reply = reply
        self._is_bare = is_head
        self._headers = []
        self._quiet_bytes = self._interims = 0
        self._is_complete = self._is_long = False
        if len(body) <= PIECE_BYTES:
            transport.write(head + body)
            return
        self._is_long = True
        self._unsent = memoryview(body)
        transport.write(head)
        self._write_on()

    def rest(self, seconds: float) -> None:
        """Nobody needs it now: it ends after `seconds` of that."""
        self.expect_by(self._loop.time() + seconds)

    def abort(self) -> None:
        """As `Line.abort`."""
        if self._is_gone:
            return
        self._is_gone = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        reply, self._reply = self._reply, None
        self._unsent = None
        if self._transport is not None:
            self._transport.abort()
        if reply is not None:
            reply.fail(BROKE)
        self._owner.forget(self)

    # For the reply -----------------------------------------------------------------------------

    def expect_by(self, at_s: float) -> None:
        """As `Line.expect_by`. One timer serves all deadlines: it is moved only to be earlier."""
        self._deadline_s = at_s
        if self._timer is None or at_s < self._timer_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_s = at_s
            self._timer = self._loop.call_at(at_s, self._look_at_clock)

    def read_on(self) -> None:
        """As `Line.read_on`."""
        if self._is_read_paused and self._transport is not None:
            self._is_read_paused = False
            self._transport.resume_reading()

    def _look_at_clock(self) -> None:
        self._timer = None
        deadline_s = self._deadline_s
        if deadline_s is None:
            return
        if self._loop.time() < deadline_s:
            self.expect_by(deadline_s)
            return
        reply = self._reply
        self._deadline_s = None
        if reply is None:
            self.abort()
        elif reply.is_awaited:
            self._reply = None
            reply.expire()
            self.abort()
        # Else its reader is slow, not its writer: the next wait has a deadline of its own.

    # Of the loop -------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """As `asyncio.Protocol.connection_made`; uvloop's transports are no `asyncio.Transport`."""
        self._transport = transport
        self._socket = transport.get_extra_info("socket")

    def connection_lost(self, error: Exception | None) -> None:
        """As `asyncio.Protocol.connection_lost`."""
        if self._reply is not None:
            self._break(BROKE if error is not None else ENDED)
        self.abort()
        # The parser holds this object's methods.
        self._parser = self._transport = self._socket = None

    def eof_received(self) -> bool:
        """As `asyncio.Protocol.eof_received`: whether the transport stays open; it does not."""
        reply = self._reply
        if reply is None:
            self.abort()
        elif reply.status and self._is_to_eof:
            self._is_kept = False
            self._finish(reply)
        else:
            self._break(ENDED)
        return False

    def pause_writing(self) -> None:
        """As `asyncio.BaseProtocol.pause_writing`."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """As `asyncio.BaseProtocol.resume_writing`."""
        self._is_write_paused = False
        self._write_on()

    def _write_on(self) -> None:
        """Write as much of a long body as the transport takes."""
        while self._unsent is not None and not self._is_write_paused:
            assert self._transport is not None
            piece, rest = self._unsent[:PIECE_BYTES], self._unsent[PIECE_BYTES:]
            self._unsent = rest if len(rest) else None
            self._transport.write(piece)

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol.data_received`."""
        reply = self._reply
        if reply is None or self._parser is None:
            # Nobody has asked for anything.
            self.abort()
            return
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_sound = False
        if self._is_complete:
            self._finish(reply)
        elif not self._is_sound or self._quiet_bytes > QUIET_BYTES_MAX:
            self._break(NOT_HTTP)
        else:
            if reply.unread_bytes > UNREAD_BYTES_MAX and not self._is_read_paused:
                self._is_read_paused = True
                assert self._transport is not None
                self._transport.pause_reading()
            if reply.unread_bytes or reply.status:
                reply.wake()

    def _finish(self, reply: Reply) -> None:
        """The reply is whole: the connection is free, or closed."""
        self._reply = None
        reply.end()
        reply.wake()
        if self._is_fresh:
            self._is_fresh = False
            self._owner.answered(self)
        if self._is_kept and self._is_sound and self._is_written():
            self.read_on()
            self._owner.take_back(self)
        else:
            self.abort()

    def _is_written(self) -> bool:
        """Whether the whole request has gone out: a reply may come before that."""
        if not self._is_long:
            return True
        assert self._transport is not None
        return self._unsent is None and self._transport.get_write_buffer_size() == 0

    def _break(self, why: str) -> None:
        """The reply will not become whole."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.fail(why)
        self.abort()

    # Of the parser -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        reply = self._reply
        if b" " in name or b"\0" in value:
            raise _Refused
        if reply is None or reply.status:
            # A trailer: nothing that may be told to a client, and nothing that is kept.
            return
        self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser, reply, headers = self._parser, self._reply, self._headers
        assert parser is not None
        assert reply is not None
        status = parser.get_status_code()
        if status < 200:
            self._interims += 1
            if status < 100 or status == 101 or self._interims > INTERIM_MAX:
                raise _Refused
            self._is_interim = True
            self._headers = []
            return
        version = parser.get_http_version()
        if version not in ("1.1", "1.0") or len(headers) > HEADERS_MAX:
            raise _Refused
        if self._quiet_bytes > HEAD_BYTES_MAX and _bytes_of(headers) > HEAD_BYTES_MAX:
            raise _Refused
        is_bounded = status in (204, 304)
        for name, value in headers:
            if name == b"content-length":
                is_bounded = True
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked" or version == "1.0":
                    raise _Refused
                is_bounded = True
            elif name == b"content-encoding":
                reply.is_packed = True
        self._is_to_eof = not is_bounded
        self._is_kept = parser.should_keep_alive()
        self._quiet_bytes = 0
        reply.status, reply.headers = status, headers
        if status >= 300 and self._unsent is not None:
            # It is refused before it was read: the rest would only be thrown away.
            self._unsent = None
            self._is_kept = False
        if self._is_bare:
            self._is_complete, self._is_kept = True, False
            raise _Refused

    def on_body(self, body: bytes) -> None:
        assert self._reply is not None
        self._quiet_bytes = 0
        self._reply.add(body)

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
        else:
            self._is_complete = True


def _bytes_of(headers: Headers) -> int:
    """The size of a head, as it would be written."""
    return sum(len(name) + len(value) + 4 for name, value in headers)
