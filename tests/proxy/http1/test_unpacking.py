"""U31 and U32: a reply that was compressed though identity was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.proxy.http1.unpacking import PIECE_BYTES, UNREADABLE, unpacked
from ferrycli.proxy.upstream import UpstreamReply
from ferrycli.rules.denials import UpstreamFailed
from ferrycli.wire.headers import Headers
from tests.proxy.http1.origin import read_into

TEXT = (
    b'{"id": "x", "choices": [{"message": {"content": "' + bytes(range(32, 127)) * 2_000 + b'"}}]}'
)


class Packed:
    """A reply in parts."""

    def __init__(self, coding: str, parts: list[bytes]) -> None:
        self.status = 200
        self.headers: Headers = [(b"Content-Encoding", coding.encode())]
        self.parts = parts
        self.is_closed = False

    async def read(self) -> bytes:
        return self.parts.pop(0) if self.parts else b""

    async def close(self) -> None:
        self.is_closed = True


def packed_gzip(text: bytes) -> bytes:
    """The same bytes at any time: they name the cases."""
    return gzip.compress(text, mtime=0)


def raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


def cut(packed: bytes, size: int) -> list[bytes]:
    return [packed[at : at + size] for at in range(0, len(packed), size)]


def read(coding: str, parts: list[bytes]) -> bytes:
    got: list[bytes] = []
    reply: UpstreamReply = Packed(coding, parts)
    asyncio.run(read_into(got, unpacked(reply, "up")))
    assert all(len(part) <= PIECE_BYTES for part in got) or coding in ("br", "zstd", "identity")
    return b"".join(got)


GZIPPED = packed_gzip(TEXT)


@pytest.mark.parametrize("size", [1, 7, 1_000, 1 << 20])
@pytest.mark.parametrize(
    ("coding", "packed", "text"),
    [
        ("gzip", GZIPPED, TEXT),
        ("x-gzip", GZIPPED, TEXT),
        ("GZIP", GZIPPED, TEXT),
        ("deflate", zlib.compress(TEXT), TEXT),
        ("deflate", raw_deflate(TEXT), TEXT),
        ("gzip", packed_gzip(b"one") + packed_gzip(b"two"), b"onetwo"),
        ("gzip", packed_gzip(b""), b""),
        ("gzip", b"", b""),
        ("deflate", raw_deflate(b""), b""),
        ("deflate", b"", b""),
        ("deflate, gzip", packed_gzip(zlib.compress(TEXT)), TEXT),
        ("gzip, gzip", packed_gzip(GZIPPED), TEXT),
        ("identity", TEXT, TEXT),
        ("br", TEXT, TEXT),
        ("zstd", TEXT, TEXT),
        ("br, gzip", GZIPPED, TEXT),
    ],
)
def test_reply_is_unpacked_in_any_cut(coding: str, packed: bytes, text: bytes, size: int) -> None:
    assert read(coding, cut(packed, size)) == text


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", GZIPPED[:-1]),
        ("gzip", GZIPPED[: len(GZIPPED) // 2]),
        ("gzip", GZIPPED[:5]),
        ("gzip", TEXT),
        ("gzip", GZIPPED + b"garbage"),
        ("gzip", GZIPPED[:-8] + bytes(8)),
        ("deflate", zlib.compress(TEXT)[:-2]),
        ("deflate", zlib.compress(TEXT) + b"more"),
        ("deflate", b"\xff" * 100),
        ("deflate", b"\x78"),
        ("gzip", b"\x1f"),
        ("deflate, gzip", packed_gzip(TEXT)),
        ("deflate, gzip", packed_gzip(zlib.compress(TEXT)[:-3])),
        ("gzip, gzip, gzip, gzip, gzip", b""),
    ],
)
def test_what_cannot_be_unpacked_is_an_error(coding: str, packed: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        read(coding, cut(packed, 1_000))
    assert (caught.value.provider, caught.value.why) == ("up", UNREADABLE)
    assert caught.value.is_dispatched


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_bomb_is_read_in_pieces(coding: str) -> None:
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    packed = b"".join([packer.compress(bytes(1 << 20)) for _ in range(200)]) + packer.flush()
    packed = packed_gzip(packed) if coding == "gzip, gzip" else packed

    async def size_of() -> int:
        reply = unpacked(Packed(coding, [packed]), "up")
        size = 0
        while part := await reply.read():
            assert len(part) <= PIECE_BYTES
            size += len(part)
        return size

    tracemalloc.start()
    try:
        assert asyncio.run(size_of()) == 200 << 20
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_other_calls_have_their_turn_while_a_bomb_is_read() -> None:
    async def case() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(other())
        reply = unpacked(Packed("gzip", [packed_gzip(bytes(64 * PIECE_BYTES))]), "up")
        await read_into([], reply)
        task.cancel()
        assert turns >= 32

    asyncio.run(case())


def test_closing_lets_go_of_the_connection() -> None:
    packed = Packed("gzip", [])
    asyncio.run(unpacked(packed, "up").close())
    assert packed.is_closed


@given(st.binary(max_size=2_000), st.sampled_from(["gzip", "deflate", "gzip, deflate"]))
def test_any_bytes_are_read_or_refused(packed: bytes, coding: str) -> None:
    with contextlib.suppress(UpstreamFailed):
        read(coding, cut(packed, 100))
