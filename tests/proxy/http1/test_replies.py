"""What is a reply and what is none: U4 to U6, U9, U14, U33, U35, U36, on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from ferrycli.proxy.http1.connection import ENDED, HEAD_BYTES_MAX, HEADERS_MAX, NOT_HTTP
from ferrycli.rules.denials import UpstreamFailed
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import (
    OK,
    Visit,
    closing,
    pooling,
    post,
    read_into,
    saying,
    serving,
    whole,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

KEPT = {
    "length": (OK, 200, b"ok"),
    "length of 0": (HEAD + b"content-length: 0\r\n\r\n", 200, b""),
    "length and spaces": (HEAD + b"content-length:   2 \t\r\n\r\nok", 200, b"ok"),
    "chunks": (CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, b"ok"),
    "no chunks": (CHUNKED + b"0\r\n\r\n", 200, b""),
    "chunk extensions": (CHUNKED + b'2;a=1;b="x"\r\nok\r\n0;c\r\n\r\n', 200, b"ok"),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\nset-cookie: a\r\n\r\n", 200, b"ok"),
    "coding in capitals": (
        HEAD + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok",
    ),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b""),
    "304 with the length of what it stands for": (
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b"",
    ),
    "1.0 that is kept": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", 200, b"ok",
    ),
    "100": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
    "103 and 100": (
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK,
        200, b"ok",
    ),
    "redirect": (
        b"HTTP/1.1 307 X\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
        307, b"",
    ),
    "an offer to upgrade": (
        HEAD + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nok", 200, b"ok",
    ),
    "folded": (HEAD + b"x-a: b\r\n\tc\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    "control characters": (HEAD + b"x-a: b\x7fc\x01\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    "headers, as many as may be": (
        HEAD + b"".join(b"x-%d: v\r\n" % n for n in range(HEADERS_MAX - 1))
        + b"content-length: 2\r\n\r\nok", 200, b"ok",
    ),
}  # fmt: skip
"""Replies after which the connection carries another request."""

CLOSED = {
    "until the end": (HEAD + b"\r\nok", 200, b"ok"),
    "1.0": (b"HTTP/1.0 200 OK\r\n\r\nok", 200, b"ok"),
    "1.0 with a length": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    "connection: close": (
        HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok", 200, b"ok",
    ),
    "bytes after the end": (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", 200, b"ok"),
    "one byte after the end": (OK + b"H", 200, b"ok"),
    "garbage after the end": (OK + b"\0\0\0", 200, b"ok"),
    "bytes after 204": (b"HTTP/1.1 204 X\r\ncontent-length: 2\r\n\r\nok", 204, b""),
}  # fmt: skip
"""Replies that are read whole, and after which it is closed."""

REFUSED = {
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
    "two that differ": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "a list of lengths": HEAD + b"content-length: 2, 2\r\n\r\nok",
    "negative": HEAD + b"content-length: -2\r\n\r\nok",
    "signed": HEAD + b"content-length: +2\r\n\r\nok",
    "hexadecimal": HEAD + b"content-length: 0x2\r\n\r\nok",
    "fraction": HEAD + b"content-length: 2.0\r\n\r\nok",
    "empty": HEAD + b"content-length: \r\n\r\nok",
    "no number": HEAD + b"content-length: many\r\n\r\nok",
    "past 64 bits": HEAD + b"content-length: 18446744073709551618\r\n\r\nok",
    "length and chunks": HEAD
    + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks and length": HEAD
    + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding gzip": HEAD + b"transfer-encoding: gzip\r\n\r\nok",
    "coding identity": HEAD + b"transfer-encoding: identity\r\n\r\nok",
    "codings gzip, chunked": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks in 1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "folded length": HEAD + b"content-length: 2\r\n 3\r\n\r\nok",
    "folded coding": HEAD + b"transfer-encoding: chun\r\n ked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "NUL": HEAD + b"x-a: b\0c\r\ncontent-length: 2\r\n\r\nok",
    "CR alone": HEAD + b"x-a: b\rc\r\ncontent-length: 2\r\n\r\nok",
    "LF alone": HEAD + b"x-a: b\ncontent-length: 2\r\n\r\nok",
    "space before the colon": HEAD + b"content-length : 2\r\n\r\nok",
    "no colon": HEAD + b"content-length\r\n\r\nok",
    "0.9": b"<html>hello</html>",
    "0.9 that says so": b"HTTP/0.9 200 OK\r\n\r\nok",
    "2.0": b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "3.1": b"HTTP/3.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "status of 4 digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok",
    "status below 100": b"HTTP/1.1 099 OK\r\ncontent-length: 2\r\n\r\nok",
    "status in words": b"HTTP/1.1 OK\r\ncontent-length: 2\r\n\r\nok",
    "101": b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nok",
    "101 to nothing": b"HTTP/1.1 101 X\r\n\r\n" + OK,
    "100 without an end": b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK,
    "5,000 headers": HEAD + b"x: y\r\n" * 5_000 + b"content-length: 2\r\n\r\nok",
    "one header more": HEAD + b"x: y\r\n" * HEADERS_MAX + b"content-length: 2\r\n\r\nok",
    "1 MB in a header": HEAD + b"x: " + b"y" * (1 << 20) + b"\r\ncontent-length: 2\r\n\r\nok",
    "a head too large": HEAD + b"x: " + b"y" * HEAD_BYTES_MAX + b"\r\ncontent-length: 2\r\n\r\nok",
    "a head without an end": HEAD + b"x: " + b"y" * (1 << 20),
    "a request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x16",
}

BROKEN_BODY = {
    "chunk size": CHUNKED + b"1\r\no\r\nxyz\r\n",
    "negative chunk": CHUNKED + b"1\r\no\r\n-1\r\n",
    "chunk past 64 bits": CHUNKED + b"1\r\no\r\n" + b"f" * 17 + b"\r\n",
    "chunk too long": CHUNKED + b"1\r\nok\r\n0\r\n\r\n",
    "LF alone after a chunk": CHUNKED + b"1\r\no\n0\r\n\r\n",
    "extension without an end": CHUNKED + b"1\r\no\r\n1;" + b"x" * (1 << 20),
    "trailers without an end": CHUNKED + b"1\r\no\r\n0\r\n" + b"x: y\r\n" * 100_000,
}

SHORT = {
    "length": (HEAD + b"content-length: 5\r\n\r\no", b"o"),
    "chunk": (CHUNKED + b"5\r\no", b"o"),
    "between chunks": (CHUNKED + b"1\r\no\r\n", b"o"),
    "before the last line": (CHUNKED + b"1\r\no\r\n0\r\n", b"o"),
    "half JSON": (HEAD + b'content-length: 99\r\n\r\n{"id": "x", "cho', b'{"id": "x", "cho'),
}


@pytest.mark.parametrize(("raw", "status", "body"), KEPT.values(), ids=KEPT)
def test_reply_is_read_and_its_connection_kept(
    raw: bytes, status: int, body: bytes, run: Run
) -> None:
    async def case() -> None:
        async with serving(saying(raw, OK)) as served, pooling() as pool:
            assert await whole(await post(pool, served.origin)) == (status, body)
            assert await whole(await post(pool, served.origin)) == (200, b"ok")
            assert len(served.visits) == 1
            assert pool.connections == 1

    run(case())


@pytest.mark.parametrize(("raw", "status", "body"), CLOSED.values(), ids=CLOSED)
def test_reply_is_read_and_its_connection_closed(
    raw: bytes, status: int, body: bytes, run: Run
) -> None:
    async def case() -> None:
        async with serving(closing(raw)) as served, pooling() as pool:
            assert await whole(await post(pool, served.origin)) == (status, body)
            await served.until_ended(1)
            assert pool.connections == 0
            assert await whole(await post(pool, served.origin)) == (status, body)
            assert len(served.visits) == 2

    run(case())


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_is_no_reply_is_refused_and_its_connection_closed(raw: bytes, run: Run) -> None:
    async def case() -> None:
        async with serving(saying(raw)) as served, pooling() as pool:
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, served.origin)
            error = caught.value
            assert (error.provider, error.why, error.is_dispatched) == ("up", NOT_HTTP, True)
            assert pool.connections == 0
            await served.until_ended(1)

    run(case())


@pytest.mark.parametrize("raw", BROKEN_BODY.values(), ids=BROKEN_BODY)
def test_body_is_refused_where_it_stops_being_one(raw: bytes, run: Run) -> None:
    async def case() -> None:
        async with serving(saying(raw)) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            with pytest.raises(UpstreamFailed, match=NOT_HTTP):
                await whole(reply)
            assert pool.connections == 0
            await served.until_ended(1)

    run(case())


@pytest.mark.parametrize(("raw", "body"), SHORT.values(), ids=SHORT)
def test_body_that_ends_early_is_an_error_after_what_came(
    raw: bytes, body: bytes, run: Run
) -> None:
    async def case() -> None:
        async with serving(closing(raw)) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            got: list[bytes] = []
            with pytest.raises(UpstreamFailed) as caught:
                await read_into(got, reply)
            assert (b"".join(got), caught.value.why, caught.value.is_dispatched) == (
                body,
                ENDED,
                True,
            )
            assert pool.connections == 0

    run(case())


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 2", HEAD, HEAD + b"content-le"])
def test_end_before_the_head_may_have_been_billed(raw: bytes, run: Run) -> None:
    async def case() -> None:
        async with serving(closing(raw)) as served, pooling() as pool:
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, served.origin)
            assert (caught.value.why, caught.value.is_dispatched) == (ENDED, True)
            assert pool.connections == 0

    run(case())


def test_headers_come_as_they_were_but_for_the_case_of_their_names(run: Run) -> None:
    raw = (
        HEAD
        + b"X-A:  b\r\n  c \r\nX-B: \x01\x7f\r\nSet-Cookie: 1\r\nset-cookie: 2\r\nE:\r\n"
        + b"Content-Length: 0\r\n\r\n"
    )

    async def case() -> None:
        async with serving(saying(raw)) as served, pooling() as pool:
            reply = await post(pool, served.origin)
            assert reply.headers == [
                (b"x-a", b"b  c"),
                (b"x-b", b"\x01\x7f"),
                (b"set-cookie", b"1"),
                (b"set-cookie", b"2"),
                (b"e", b""),
                (b"content-length", b"0"),
            ]
            await reply.close()

    run(case())


def test_trailer_of_one_reply_is_no_header_of_the_next(run: Run) -> None:
    raw = CHUNKED + b"0\r\nx-evil: 1\r\n\r\n"

    async def case() -> None:
        async with serving(saying(raw, OK)) as served, pooling() as pool:
            first = await post(pool, served.origin)
            await whole(first)
            second = await post(pool, served.origin)
            assert (first.headers, second.headers) == (
                [(b"transfer-encoding", b"chunked")],
                [(b"content-length", b"2")],
            )
            await whole(second)
            assert len(served.visits) == 1

    run(case())


@pytest.mark.parametrize("status", [200, 413])
def test_reply_before_the_body_was_sent_is_delivered_and_its_connection_closed(
    status: int, run: Run
) -> None:
    body = b"x" * (32 << 20)

    async def early(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        visit.say(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nok" % status)
        await visit.writer.drain()
        visit.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async def case() -> None:
        async with serving(early) as served, pooling() as pool:
            assert await whole(await post(pool, served.origin, body)) == (status, b"ok")
            assert pool.connections == 0

    run(case())


def test_long_body_arrives_whole_and_its_connection_is_kept(run: Run) -> None:
    body = bytes(range(256)) * (1 << 14) + b"end"

    async def case() -> None:
        async with serving(saying(OK, OK)) as served, pooling() as pool:
            for _ in range(2):
                assert await whole(await post(pool, served.origin, body)) == (200, b"ok")
            assert [got for _, got in served.requests] == [body, body]
            assert len(served.visits) == 1

    run(case())
