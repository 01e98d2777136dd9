"""One reply as it comes in: its head, and the bytes of its body that nobody has read yet.

A reply outlives its connection's use: one that has come whole is read out of memory, while the
connection carries the next request.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.wire.headers import Headers

BROKE = "the connection broke"


class Line(Protocol):
    """The connection that a reply comes over."""

    def expect_by(self, at_s: float) -> None:
        """Something must come before `at_s`, by the loop's clock."""

    def read_on(self) -> None:
        """Everything that had come is read."""

    def abort(self) -> None:
        """End the connection, at once."""


class Reply:
    """A reply; an `UpstreamReply` as soon as its head is here."""

    __slots__ = (
        "_error",
        "_first_byte_s",
        "_idle_s",
        "_line",
        "_loop",
        "_parts",
        "_provider",
        "_waiter",
        "headers",
        "is_packed",
        "status",
        "unread_bytes",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        line: Line,
        provider: str,
        first_byte_s: float,
        idle_s: float,
    ) -> None:
        self._loop = loop
        self._line: Line | None = line
        """None: it has come to its end, good or bad."""
        self._provider = provider
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self._parts: list[bytes] = []
        self._error: UpstreamFailed | UpstreamTimeout | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        """0: its head has not come."""
        self.headers: Headers = []
        self.is_packed = False
        """Its body has a content coding."""
        self.unread_bytes = 0

    # For the reader ----------------------------------------------------------------------------

    async def begin(self, by_s: float) -> None:
        """Wait for the head, until `by_s` by the loop's clock. Raises as `read` does."""
        while not self.status and self._error is None:
            await self._more(by_s)
        if not self.status and self._error is not None:
            raise self._error

    async def read(self) -> bytes:
        """As `UpstreamReply.read`: all that has come."""
        if not self._parts:
            # Bytes that bring no body do not move the deadline.
            by_s = self._loop.time() + self._idle_s
            while not self._parts:
                if self._line is None:
                    if self._error is not None:
                        raise self._error
                    return b""
                await self._more(by_s)
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.unread_bytes = 0
        if self._line is not None:
            self._line.read_on()
        return body

    async def close(self) -> None:
        """As `UpstreamReply.close`."""
        self.abandon()

    def abandon(self) -> None:
        """Nobody reads on: end a connection that still brings it."""
        self._parts.clear()
        if self._line is not None:
            line, self._line = self._line, None
            self._error = UpstreamFailed(self._provider, BROKE)
            line.abort()

    async def _more(self, by_s: float) -> None:
        assert self._line is not None
        self._line.expect_by(by_s)
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    # For the connection ------------------------------------------------------------------------

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for more of it."""
        return self._waiter is not None and not self._waiter.done()

    def add(self, part: bytes) -> None:
        """A part of the body has come."""
        self._parts.append(part)
        self.unread_bytes += len(part)

    def wake(self) -> None:
        """Tell whoever waits that something has come."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self) -> None:
        """It has come whole."""
        self._line = None

    def fail(self, why: str) -> None:
        """It ends here, and not well."""
        self._line = None
        self._error = UpstreamFailed(self._provider, why)
        self.wake()

    def expire(self) -> None:
        """It has not come in time."""
        self._line = None
        phase, seconds = (
            ("idle", self._idle_s) if self.status else ("first_byte", self._first_byte_s)
        )
        self._error = UpstreamTimeout(self._provider, phase, seconds)
        self.wake()
