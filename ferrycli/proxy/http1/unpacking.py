"""Unpacks a reply that was compressed though nobody asked for it: gzip and deflate.

A step gives a bounded piece, however much a few bytes expand to, and other calls get their turn
between two of them. br and zstd pass as they came: the standard library of Python 3.11 has neither.
"""

from __future__ import annotations

import asyncio
import zlib

from ferrycli.proxy.upstream import UpstreamReply
from ferrycli.rules.denials import UpstreamFailed
from ferrycli.wire.headers import Headers

PIECE_BYTES = 64 << 10
CODINGS_MAX = 4
FRAME_BYTES = 2
"""As many show which kind of `deflate` it is; no packed bytes are fewer."""
UNREADABLE = "its compressed reply could not be read"

_GZIP = frozenset({"gzip", "x-gzip"})
_KNOWN = _GZIP | {"deflate"}


class _Unpacker:
    """One coding."""

    def __init__(self, coding: str) -> None:
        self._is_gzip = coding in _GZIP
        self._began = False
        self._rest = b""
        """Packed bytes that have not been unpacked yet."""
        self._packed = self._fresh()

    @property
    def is_hungry(self) -> bool:
        """Whether it needs more bytes to go on."""
        return len(self._rest) < (1 if self._began else FRAME_BYTES)

    @property
    def is_whole(self) -> bool:
        """Whether the packed bytes have come to their own end; none at all are whole too."""
        return self._packed.eof or not (self._began or self._rest)

    def feed(self, packed: bytes) -> None:
        """Take packed bytes."""
        self._rest += packed

    def step(self) -> bytes:
        """The next piece, of at most `PIECE_BYTES`; may be empty. Raises `zlib.error`."""
        if self._packed.eof:
            # A file of several members is their contents in a row (RFC 1952, 2.2).
            if not self._is_gzip:
                raise zlib.error("bytes after the end")
            self._packed = self._fresh()
        if not self._began and not self._is_gzip and not _is_framed(self._rest):
            # Some send what `deflate` is called after, without the frame that it stands for.
            self._packed = zlib.decompressobj(-zlib.MAX_WBITS)
        self._began = True
        piece = self._packed.decompress(self._rest, PIECE_BYTES)
        self._rest = self._packed.unused_data or self._packed.unconsumed_tail
        return piece

    def _fresh(self) -> zlib._Decompress:
        return zlib.decompressobj(zlib.MAX_WBITS | 16 if self._is_gzip else zlib.MAX_WBITS)


def _is_framed(packed: bytes) -> bool:
    """Whether bytes begin as zlib's do (RFC 1950, 2.2)."""
    return packed[0] & 0x0F == 8 and int.from_bytes(packed[:FRAME_BYTES], "big") % 31 == 0


class Unpacked:
    """A reply, unpacked: an `UpstreamReply`."""

    def __init__(self, reply: UpstreamReply, provider: str, codings: list[str]) -> None:
        self._reply = reply
        self._provider = provider
        self._unpackers = [_Unpacker(one) for one in reversed(codings)]
        """In the order of unpacking: the coding that was applied last comes first."""
        self._is_at_end = self._has_more = False

    @property
    def status(self) -> int:
        """As `UpstreamReply.status`."""
        return self._reply.status

    @property
    def headers(self) -> Headers:
        """As `UpstreamReply.headers`."""
        return self._reply.headers

    async def read(self) -> bytes:
        """As `UpstreamReply.read`."""
        if self._has_more:
            # Before a piece is made, so that none is lost where the reader is cancelled here.
            await asyncio.sleep(0)
        while True:
            try:
                piece = self._step()
            except zlib.error:
                raise UpstreamFailed(self._provider, UNREADABLE) from None
            self._has_more = bool(piece)
            if piece:
                return piece
            if self._is_at_end:
                if not all(one.is_whole for one in self._unpackers):
                    raise UpstreamFailed(self._provider, UNREADABLE)
                return b""
            packed = await self._reply.read()
            self._is_at_end = not packed
            self._unpackers[0].feed(packed)

    async def close(self) -> None:
        """As `UpstreamReply.close`."""
        await self._reply.close()

    def _step(self) -> bytes:
        """A piece out of the last unpacker; empty where all before it are out of bytes."""
        last = len(self._unpackers) - 1
        while True:
            # The nearest to the end that has bytes: nothing piles up between two of them.
            busy = next((at for at in range(last, -1, -1) if not self._unpackers[at].is_hungry), -1)
            if busy < 0:
                return b""
            piece = self._unpackers[busy].step()
            if busy < last:
                self._unpackers[busy + 1].feed(piece)
            elif piece:
                return piece


def unpacked(reply: UpstreamReply, provider: str) -> UpstreamReply:
    """`reply`, so that it reads unpacked. Raises `UpstreamFailed` for too many codings."""
    codings = [
        coding
        for name, value in reply.headers
        if name.lower() == b"content-encoding"
        for one in value.decode("latin-1").split(",")
        if (coding := one.strip().lower()) in _KNOWN
    ]
    if len(codings) > CODINGS_MAX:
        raise UpstreamFailed(provider, UNREADABLE)
    return Unpacked(reply, provider, codings) if codings else reply
