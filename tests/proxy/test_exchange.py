"""How a reply is written and a body handed over: what goes to the transport, piece by piece."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from ferrycli.proxy.exchange import JOINED_BYTES_MAX, Exchange
from ferrycli.rules.denials import RequestTooSlow


class Transport(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.has_ended = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.written.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.has_ended

    def close(self) -> None:
        self.has_ended = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Line:
    """A connection with one exchange on it."""

    logger = logging.getLogger("ferry.tests")

    def __init__(self, method: str = "POST", **how: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.wire = Transport()
        self.transport: asyncio.Transport = self.wire
        self.flow = FlowControl(self.transport)
        self.asked = 0
        self.replied = 0
        scope: Any = {"type": "http", "method": method}
        told = {"keep_alive": True, "is_expecting": False, "may_chunk": True} | how
        self.exchange = Exchange(self, scope, **told)

    def default_lines(self) -> bytes:
        return b"date: now\r\n"

    def wants_body(self, _exchange: Exchange) -> None:
        self.asked += 1

    def has_replied(self, _exchange: Exchange) -> None:
        self.replied += 1

    async def start(self, *headers: tuple[bytes, bytes], status: int = 200) -> None:
        await self.exchange.send(
            {"type": "http.response.start", "status": status, "headers": list(headers)}
        )

    async def body(self, body: bytes, *, more: bool = False) -> None:
        await self.exchange.send({"type": "http.response.body", "body": body, "more_body": more})


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is a coroutine."""

    def ran() -> None:
        asyncio.run(test())

    ran.__name__ = test.__name__
    return ran


LENGTH = (b"content-length", b"3")
HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\n"


@run
async def test_whole_reply_goes_out_in_one_write() -> None:
    line = Line()
    await line.start((b"X-A", b"b"), LENGTH)
    assert line.wire.written == []
    await line.body(b"abc")
    assert line.wire.written == [HEAD + b"x-a: b\r\ncontent-length: 3\r\n\r\nabc"]
    assert line.exchange.response_complete
    assert line.replied == 1


@run
async def test_large_body_goes_out_with_its_head() -> None:
    line = Line()
    body = b"a" * (JOINED_BYTES_MAX + 1)
    await line.start((b"content-length", b"%d" % len(body)))
    await line.body(body)
    (written,) = line.wire.written
    assert written.endswith(b"\r\n\r\n" + body)


@run
async def test_stream_has_its_head_with_its_first_part() -> None:
    line = Line()
    await line.start()
    await line.body(b"data: 1\n\n", more=True)
    await line.body(b"", more=True)
    await line.body(b"data: 2\n\n", more=True)
    await line.body(b"")
    assert [one for one in line.wire.written if one] == [
        HEAD + b"transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
        b"9\r\ndata: 2\n\n\r\n",
        b"0\r\n\r\n",
    ]


@run
async def test_replies_without_a_body_have_none() -> None:
    line = Line("HEAD")
    await line.start((b"content-length", b"9"))
    await line.body(b"")
    assert line.wire.written == [HEAD + b"content-length: 9\r\n\r\n"]
    line = Line()
    await line.start(status=204)
    await line.body(b"")
    assert line.wire.written == [b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"]


@run
async def test_client_that_knows_no_chunks_reads_to_the_end_of_the_connection() -> None:
    line = Line(may_chunk=False, keep_alive=True)
    await line.start()
    await line.body(b"abc", more=True)
    await line.body(b"de")
    assert line.wire.written == [HEAD + b"connection: close\r\n\r\nabc", b"de"]
    assert not line.exchange.keep_alive


@run
async def test_end_of_the_connection_is_said_once() -> None:
    for headers in ([(b"Connection", b"Close"), LENGTH], [LENGTH]):
        line = Line(keep_alive=len(headers) == 2)
        await line.start(*headers)
        await line.body(b"abc")
        (written,) = line.wire.written
        assert written.lower().count(b"connection: close") == 1
        assert not line.exchange.keep_alive


@pytest.mark.parametrize(
    "header",
    [(b"x", b"a\r\nb: c"), (b"x", b"a\0"), (b"x", b"\x7f"), (b"x y", b"a"), (b"", b"a")],
)
def test_header_that_would_break_the_head_is_refused(header: tuple[bytes, bytes]) -> None:
    @run
    async def test() -> None:
        line = Line()
        with pytest.raises(RuntimeError):
            await line.start(header)
        assert line.wire.written == []

    test()


@run
async def test_header_may_have_tabs_and_letters_of_any_alphabet() -> None:
    line = Line()
    await line.start((b"x", b"a\tb\xc3\xa9\xa0"), LENGTH)
    await line.body(b"abc")
    assert b"x: a\tb\xc3\xa9\xa0\r\n" in line.wire.written[0]


@run
async def test_reply_of_another_length_than_it_says_is_an_error() -> None:
    for body in (b"abcd", b"ab"):
        line = Line()
        await line.start(LENGTH)
        with pytest.raises(RuntimeError, match=r"than its content-length"):
            await line.body(body)


@run
async def test_messages_out_of_turn_are_errors() -> None:
    line = Line()
    with pytest.raises(RuntimeError, match="before the head"):
        await line.body(b"abc")
    await line.start(LENGTH)
    with pytest.raises(RuntimeError, match="after the head"):
        await line.start(LENGTH)
    await line.body(b"abc")
    with pytest.raises(RuntimeError, match="was whole"):
        await line.body(b"abc")


@run
async def test_body_that_has_come_is_handed_over_at_once() -> None:
    line = Line(is_expecting=True)
    line.exchange.take(b"ab")
    line.exchange.take(b"c")
    line.exchange.whole()
    received = line.exchange.receive()
    with pytest.raises(StopIteration) as ended:
        received.send(None)
    assert ended.value.value == {"type": "http.request", "body": b"abc", "more_body": False}
    assert (line.asked, line.wire.written) == (0, [])


@run
async def test_body_is_waited_for_and_asked_for() -> None:
    line = Line(is_expecting=True)
    waiting = asyncio.ensure_future(line.exchange.receive())
    await asyncio.sleep(0)
    assert (line.asked, line.wire.written) == (1, [b"HTTP/1.1 100 Continue\r\n\r\n"])
    line.exchange.take(b"abc")
    assert (await waiting)["more_body"]  # type: ignore[typeddict-item]  # Of a request.
    line.exchange.whole()
    last = await line.exchange.receive()
    assert last == {"type": "http.request", "body": b"", "more_body": False}
    ended = asyncio.ensure_future(line.exchange.receive())
    await asyncio.sleep(0)
    assert not ended.done()
    line.exchange.leave()
    assert await ended == {"type": "http.disconnect"}


@run
async def test_fault_of_a_body_is_raised_after_what_has_come_of_it() -> None:
    line = Line()
    line.exchange.take(b"abc")
    line.exchange.fail(RequestTooSlow(1))
    assert (await line.exchange.receive())["body"] == b"abc"  # type: ignore[typeddict-item]  # Of a request.
    with pytest.raises(RequestTooSlow):
        await line.exchange.receive()
    await line.start(LENGTH)
    await line.body(b"abc")
    assert b"connection: close" in line.wire.written[0]


@run
async def test_leaving_is_told_once_and_only_before_the_reply_is_whole() -> None:
    told: list[int] = []
    line = Line()
    line.exchange.when_left(lambda: told.append(1))
    line.exchange.leave()
    line.exchange.leave()
    assert told == [1]
    line = Line()
    line.exchange.leave()
    line.exchange.when_left(lambda: told.append(2))
    assert told == [1]
    await asyncio.sleep(0)
    assert told == [1, 2]
    await line.start(LENGTH)
    assert line.wire.written == []
    line = Line()
    line.exchange.when_left(lambda: told.append(3))
    await line.start(LENGTH)
    await line.body(b"abc")
    line.exchange.leave()
    assert told == [1, 2]
    assert not line.exchange.disconnected


@run
async def test_client_that_does_not_read_is_waited_for() -> None:
    line = Line()
    await line.start()
    line.flow.pause_writing()
    sending = asyncio.ensure_future(line.body(b"abc", more=True))
    await asyncio.sleep(0)
    assert line.wire.written == []
    line.flow.resume_writing()
    await sending
    assert len(line.wire.written) == 1
