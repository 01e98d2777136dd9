"""What a client may send and how long it may take: real sockets, a real uvicorn, both loops."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import random
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ferrycli.proxy.connection import PIPELINED_MAX, Patience
from tests.proxy.listening import (
    BODY_BYTES_MAX,
    SHORT,
    WAIT_S,
    App,
    Loop,
    Served,
    everything,
    replies,
    serving,
    statuses,
    until,
)

IS_SOAK = os.environ.get("FERRY_SOAK") == "1"
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
HOST = b"host: localhost\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEAD = POST + HOST
GET = b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /last HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def served(loop: Loop, app: App) -> Iterator[Served]:
    with serving(loop, app) as running:
        yield running


def with_body(body: bytes, headers: bytes = b"") -> bytes:
    return HEAD + headers + b"content-length: %d\r\n\r\n" % len(body) + body


MALFORMED = [
    HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    HEAD + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    HEAD + b"content-length: 3, 3\r\n\r\nabc",
    HEAD + b"content-length: +3\r\n\r\nabc",
    HEAD + b"content-length: -3\r\n\r\nabc",
    HEAD + b"content-length: 99999999999999999999\r\n\r\nabc",
    HEAD + b"content-length : 3\r\n\r\nabc",
    HEAD + b"transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: identity\r\n\r\nabc",
    HEAD + b"transfer-encoding: xchunked\r\n\r\nabc",
    HEAD.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"a: b\r\n c\r\n\r\n",
    HEAD + b"a: b\0c\r\n\r\n",
    HEAD + b"a : b\r\n\r\n",
    HEAD + b": b\r\n\r\n",
    GET.replace(b"\r\n", b"\n"),
    b"GET / HTTP/1.1\r\nhost: localhost\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/0.9\r\n" + HOST + b"\r\n",
    b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://localhost/v1/models HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET v1/models HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a\x01b HTTP/1.1\r\n" + HOST + b"\r\n",
    b"NOTHING / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    b"GET / HTTP/1.1\r\n" + HOST + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n",
    GET.replace(b"1.1", b"1.0").replace(HOST, HOST + b"connection: upgrade\r\nupgrade: h2c\r\n"),
    HEAD + b"connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize("raw", MALFORMED)
def test_what_is_no_request_is_refused_and_nobody_sees_it(
    served: Served, app: App, raw: bytes
) -> None:
    (reply,) = served.say(raw)
    assert (reply.status, reply.error["code"]) == (400, "invalid_request"), reply
    assert reply.headers[b"connection"] == b"close"
    assert app.seen == []


LARGE: list[tuple[bytes, int, str]] = [
    (HEAD + b"x: y\r\n" * 102, 431, "headers_too_large"),
    (HEAD + b"x: " + b"y" * 80_000 + b"\r\n", 431, "headers_too_large"),
    (HEAD + (b"x: " + b"y" * 8_000 + b"\r\n") * 10, 431, "headers_too_large"),
    (HEAD + b"x: " + b"y" * (1 << 20), 431, "headers_too_large"),
    (HEAD + b"y" * (1 << 20), 431, "headers_too_large"),
    (b"GET /" + b"a" * (1 << 20), 414, "path_too_long"),
    (b"GET /?" + b"a" * 8_192, 414, "path_too_long"),
]


@pytest.mark.parametrize(("raw", "status", "code"), LARGE)
@pytest.mark.parametrize("end", [b"\r\n", b""], ids=["whole", "never whole"])
def test_head_that_is_too_large_is_refused_as_soon_as_it_is(
    served: Served, app: App, raw: bytes, status: int, code: str, end: bytes
) -> None:
    (reply,) = served.say(raw + end)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert app.seen == []


METHODS = [b"CONNECT localhost:1 HTTP/1.1\r\n", b"TRACE / HTTP/1.1\r\n"]


@pytest.mark.parametrize("line", METHODS)
def test_method_that_no_server_of_calls_has_is_refused(
    served: Served, app: App, line: bytes
) -> None:
    (reply,) = served.say(line + HOST + b"\r\n")
    assert (reply.status, reply.error["code"]) == (405, "method_not_allowed")
    assert app.seen == []


def test_largest_head_is_served(served: Served, app: App) -> None:
    lines = b"x: y\r\n" * 98
    raw = b"GET /%b HTTP/1.1\r\n" % (b"a" * 8_191) + HOST + lines + b"connection: close\r\n\r\n"
    assert statuses(served.say(raw)) == [200]
    wide = b"x: " + b"y" * (65_536 - 1 - 4 - 9 - 10 - 5) + b"\r\n"
    raw = b"GET / HTTP/1.1\r\n" + HOST + wide + b"connection: close\r\n\r\n"
    assert statuses(served.say(raw)) == [200]
    assert statuses(served.say(raw.replace(b"x: ", b"x: y"))) == [431]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (b"/v1/chat/completions", ("error", "code")),
        (b"/v1/messages", ("error", "type")),
        (b"/@tenant=acme/v1/messages", ("error", "type")),
        (b"/v1beta/models/g:generateContent", ("error", "status")),
        (b"/model/m/converse", ("__type",)),
    ],
)
def test_refusal_is_in_the_dialect_of_the_path(
    served: Served, path: bytes, where: tuple[str, ...]
) -> None:
    for raw in (b"POST %b HTTP/1.1\r\n\r\n" % path, b"POST %b HTTP/1.1\r\na" % path):
        (reply,) = served.say(raw)
        assert reply.status == (400 if raw.endswith(b"\n") else 408)
        told = json.loads(reply.body)
        if path.startswith(b"/model/"):
            assert "message" in told
            continue
        for name in where:
            told = told[name]
        assert told


def test_connection_that_says_nothing_is_closed(served: Served) -> None:
    assert served.say() == []
    assert served.say(b"\r\n", b"\r\n", every_s=0.1) == []


@pytest.mark.parametrize(
    "drips",
    [
        [b"P", b"O", b"S", b"T", b" "] + [b"/"] * 7,
        [POST, HOST] + [b"x"] * 10,
        [POST, HOST] + [b"x: y\r\n"] * 10,
        [with_body(b"a" * 900)[:-800]] + [b"a"] * 25,
        [CHUNKED] + [b"1\r\na\r\n"] * 25,
        [CHUNKED, b"1\r\na\r\n0\r\n"] + [b"x: y\r\n"] * 25,
    ],
)
def test_request_that_drips_is_answered_at_its_deadline(
    served: Served, app: App, drips: list[bytes]
) -> None:
    (reply,) = served.say(*drips, every_s=0.05)
    assert (reply.status, reply.error["code"]) == (408, "request_timeout")
    assert reply.headers[b"connection"] == b"close"
    assert app.bodies == []
    until(lambda: served.open == 0)


def test_body_that_stops_is_answered_though_it_has_time(loop: Loop, app: App) -> None:
    patience = Patience(head_s=60, body_idle_s=0.2, body_total_s=60, linger_s=0.2, sweep_s=0.05)
    with serving(loop, app, patience) as served:
        (reply,) = served.say(with_body(b"a" * 90)[:-1])
    assert (reply.status, reply.error["ferry"]["seconds"]) == (408, 0.2)


def test_body_that_a_slow_application_has_not_asked_for_is_not_late(loop: Loop) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1.2)
        await App()(scope, receive, send)

    body = b"a" * 900_000
    with serving(loop, slow, Patience(body_idle_s=0.3, body_total_s=5, sweep_s=0.05)) as served:
        (reply,) = served.say(with_body(body, b"connection: close\r\n"))
    assert reply.status == 200


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nabc\r\n",
        b"-1\r\nabc\r\n",
        b"ffffffffffffffffff\r\nabc\r\n",
        b"3\nabc\n",
        b"3\r\nabcdef\r\n",
        b"1\r\na\r\n3;" + b"x" * 200_000,
        b"1\r\na\r\n0\r\nx: " + b"y" * 200_000,
    ],
)
def test_body_that_is_malformed_is_refused_by_who_reads_it(
    served: Served, app: App, chunks: bytes
) -> None:
    for parts in ([CHUNKED + chunks], [CHUNKED, chunks]):
        (reply,) = served.say(*parts, every_s=0.02)
        assert (reply.status, reply.error["code"]) == (400, "invalid_request")
        assert reply.headers[b"connection"] == b"close"
    assert app.bodies == []


def test_chunks_are_put_together_and_trailers_are_no_headers(served: Served, app: App) -> None:
    sent = CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nauthorization: Bearer x\r\n\r\n" + LAST
    assert statuses(served.say(sent)) == [200, 200]
    assert app.bodies == [b"abcde", b""]
    assert app.seen[0]["headers"] == [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]


def test_body_over_the_limit_is_answered_though_all_of_it_is_sent(served: Served, app: App) -> None:
    body = b"a" * (BODY_BYTES_MAX + 1)
    (reply,) = served.say(with_body(body) + b"a" * 8_000_000)
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    (reply,) = served.say(CHUNKED + chunk * 100)
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")
    assert app.bodies == []


def test_pipelined_requests_are_answered_in_turn(served: Served, app: App) -> None:
    told = served.say(with_body(b"one") + GET + with_body(b"two", b"x: y\r\n") + LAST)
    assert [json.loads(one.body)["path"] for one in told] == [
        "/v1/chat/completions",
        "/v1/models",
        "/v1/chat/completions",
        "/last",
    ]
    assert app.bodies == [b"one", b"", b"two", b""]


def test_refusal_waits_for_the_reply_before_it(served: Served, app: App) -> None:
    told = served.say(GET + GET + b"GET /v1/messages HTTP/1.1\r\n\r\n" + GET)
    assert statuses(told) == [200, 200, 400]
    assert len(app.seen) == 2


def test_requests_that_wait_are_bounded(served: Served, app: App) -> None:
    told = served.say(GET * (PIPELINED_MAX + 500))
    assert statuses(told) == [200] * (PIPELINED_MAX + 1) + [400]
    assert len(app.seen) == PIPELINED_MAX + 1


def test_offer_of_another_protocol_is_not_taken_up(served: Served, app: App) -> None:
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAM\r\n"
    told = served.say(with_body(b"abc", offer) + GET.replace(HOST, HOST + offer) + LAST)
    assert statuses(told) == [200, 200, 200]
    assert app.bodies == [b"abc", b"", b""]


def test_body_is_asked_for_when_it_is_wanted(served: Served, app: App) -> None:
    with served.connect() as client:
        client.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert client.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc" + LAST)
        assert statuses(replies(everything(client))) == [200, 200]
    assert app.bodies == [b"abc", b""]
    (reply,) = served.say(
        b"POST /early HTTP/1.1\r\n" + HOST + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n"
    )
    assert (reply.status, reply.headers[b"connection"]) == (401, b"close")


def test_body_that_nobody_reads_is_dropped_and_the_next_request_is_served(
    served: Served, app: App
) -> None:
    early = with_body(b"a" * 300_000).replace(b"/v1/chat/completions", b"/early")
    assert statuses(served.say(early[:1_000], early[1_000:] + LAST, every_s=0.05)) == [401, 200]
    # But not for ever.
    assert statuses(served.say(early[:1_000], *[b"a"] * 25, every_s=0.05)) == [401]
    until(lambda: served.open == 0)


def test_connection_without_requests_is_closed_in_the_end(loop: Loop, app: App) -> None:
    with serving(loop, app, keep_alive_s=1) as served:
        assert statuses(served.say(GET)) == [200]


def test_request_after_a_pause_has_the_whole_deadline(served: Served, app: App) -> None:
    """Between requests the head's deadline does not count; from its first byte on, it does."""
    told = served.say(GET, LAST[:5], LAST[5:], every_s=0.3)
    assert statuses(told) == [200, 200]


def test_idle_connections_end_when_the_server_stops_and_replies_are_finished(
    loop: Loop, app: App
) -> None:
    with serving(loop, app, Patience()) as served, served.connect() as idle:
        idle.sendall(GET)
        until(lambda: len(app.seen) == 1)
        busy = socket.create_connection(("127.0.0.1", served.port), 20)
        busy.sendall(with_body(b"abc")[:-1])
        until(lambda: len(app.seen) == 2)
        served.server.should_exit = True
        assert statuses(replies(everything(idle))) == [200]
        busy.sendall(b"c")
        (reply,) = replies(everything(busy))
        assert (reply.status, reply.headers[b"connection"]) == (200, b"close")
        busy.close()


@pytest.mark.soak
def test_slow_connections_are_closed_and_others_served_meanwhile(loop: Loop, app: App) -> None:
    number = 500 if IS_SOAK else 100
    with serving(loop, app, SHORT) as served:
        slow = [socket.create_connection(("127.0.0.1", served.port), 20) for _ in range(number)]
        for at, client in enumerate(slow):
            client.sendall((HEAD[: at % len(HEAD) + 1], CHUNKED, with_body(b"abc")[:-1])[at % 3])
        for _ in range(50):
            assert statuses(served.say(with_body(b"abc", b"connection: close\r\n"))) == [200]
        told = [statuses(replies(everything(client))) for client in slow]
        assert all(one == [408] for one in told)
        for client in slow:
            client.close()
        until(lambda: served.open == 0)


ALLOWED = {100, 200, 400, 401, 405, 408, 413, 414, 415, 431}
AT_ONCE = 100
CORPUS = [*MALFORMED, GET, LAST, with_body(b"abc"), CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"]
BITS = [b"\r\n", b"\n", b"\0", b" ", b":", b"%", b"\xff", b"chunked", b"0", b"/@a=b/", b"?#"]


def spoilt(dice: random.Random) -> list[bytes]:
    """One or two requests of the corpus, spoilt in a few places, in a few parts."""
    raw = b"".join(dice.choices(CORPUS, k=dice.randint(1, 2)))
    for _ in range(dice.randint(1, 4)):
        at, to = sorted(dice.randrange(len(raw) + 1) for _ in range(2))
        bit = dice.choice([*BITS, raw[at : at + 9], dice.randbytes(3)])
        raw = dice.choice([raw[:at] + bit + raw[at:], raw[:at] + bit + raw[to:], raw[:at]])
    at = dice.randrange(len(raw) + 1)
    return [raw[:at], raw[at:]]


async def tell(port: int, parts: list[bytes], gate: asyncio.Semaphore) -> bytes:
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        raw = b""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0)
            async with asyncio.timeout(WAIT_S):
                while some := await reader.read(65_536):
                    raw += some
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return raw


@pytest.mark.soak
def test_whatever_is_sent_is_answered_and_breaks_nothing(loop: Loop, app: App) -> None:
    dice = random.Random(7)
    sent = [spoilt(dice) for _ in range(50_000 if IS_SOAK else 500)]

    async def fire(port: int) -> list[bytes]:
        gate = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(tell(port, parts, gate) for parts in sent))

    with serving(loop, app, keep_alive_s=1) as served:
        told = asyncio.run(fire(served.port))
        assert statuses(served.say(LAST)) == [200]
    for parts, raw in zip(sent, told, strict=True):
        for said in re.findall(rb"HTTP/1\.1 (\d+) [A-Z]", raw):
            assert int(said) in ALLOWED, (parts, raw)
        assert b"Internal Server Error" not in raw
        assert b"Traceback" not in raw
