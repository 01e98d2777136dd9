"""Tools that speak httpx can have the pool below them, and pytest-httpx before them."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest
from pytest_httpx import HTTPXMock

from ferrycli.proxy.http1.addresses import Origin
from ferrycli.proxy.http1.httpx_transport import PoolTransport
from ferrycli.proxy.http1.pool import Pool
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import (
    OK,
    Visit,
    closing,
    forever,
    pooling,
    saying,
    serving,
    silent,
)
from tests.whole import faults


def client(pool: Pool, timeout: float | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=PoolTransport(pool, 5), timeout=timeout)


def url(origin: Origin) -> str:
    return f"http://{origin.host}:{origin.port}/v1/a b?c=d"


def test_requests_of_httpx_arrive_as_it_made_them(run: Run) -> None:
    async def case() -> None:
        async with serving(forever) as served, pooling() as pool, client(pool) as tool:
            got = await tool.post(url(served.origin), json={"a": 1}, headers={"X-A": "b"})
            assert (got.status_code, got.text, got.http_version) == (200, "ok", "HTTP/1.1")
            assert (await tool.get(url(served.origin))).text == "ok"
            (visit,) = served.visits
            (head, body), (second, _) = visit.requests
            lines = head.split(b"\r\n")
            assert lines[0] == b"POST /v1/a%20b?c=d HTTP/1.1"
            assert lines[1] == b"host: 127.0.0.1:%d" % served.origin.port
            assert lines.count(b"x-a: b") == lines.count(b"content-length: 7") == 1
            assert body == b'{"a":1}'
            assert second.startswith(b"GET /v1/a%20b?c=d HTTP/1.1\r\n")

    run(case())


def test_reply_to_head_has_no_body(run: Run) -> None:
    async def case() -> None:
        raw = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"
        async with serving(saying(raw)) as served, pooling() as pool, client(pool) as tool:
            got = await tool.head(url(served.origin))
            assert (got.status_code, got.content) == (200, b"")

    run(case())


def test_stream_is_read_as_it_comes_and_may_be_left(run: Run) -> None:
    async def stream(visit: Visit) -> None:
        await visit.take()
        visit.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await visit.end()

    async def case() -> None:
        async with serving(stream) as served, pooling() as pool, client(pool) as tool:
            async with tool.stream("POST", url(served.origin)) as reply:
                async for part in reply.aiter_raw():
                    assert part == b"one"
                    break
            await served.until_ended(1)
            assert pool.connections == 0

    run(case())


def test_httpx_unpacks_what_was_packed(run: Run) -> None:
    packed = gzip.compress(b"hello")
    raw = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)

    async def case() -> None:
        async with serving(saying(raw + packed)) as served, pooling() as pool, client(pool) as tool:
            assert (await tool.get(url(served.origin))).text == "hello"

    run(case())


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"<html>", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", httpx.RemoteProtocolError),
    ],
)
def test_failures_are_told_in_the_words_of_httpx(
    said: bytes, kind: type[Exception], run: Run
) -> None:
    async def case() -> None:
        async with serving(closing(said)) as served, pooling() as pool, client(pool) as tool:
            with pytest.raises(kind):
                await tool.get(url(served.origin))

    run(case())


def test_connecting_and_waiting_fail_as_in_httpx(run: Run) -> None:
    async def case() -> None:
        with faults.refusing() as port:
            async with pooling() as pool, client(pool) as tool:
                with pytest.raises(httpx.ConnectError):
                    await tool.get(f"http://127.0.0.1:{port}/")
        async with serving(silent) as served, pooling(connections_max=1, connect_s=0.05) as pool:
            tool = client(pool, 0.2)
            busy = asyncio.create_task(tool.get(url(served.origin)))
            await asyncio.sleep(0)
            with pytest.raises(httpx.PoolTimeout):
                await tool.get(url(served.origin))
            with pytest.raises(httpx.ReadTimeout):
                await busy
            with pytest.raises(httpx.LocalProtocolError):
                await tool.get(url(served.origin), headers=[(b"x-a", b"b\r\nc: d")])
            await tool.aclose()

    run(case())


def test_connecting_that_takes_too_long_is_told_as_in_httpx(run: Run) -> None:
    async def case(port: int) -> None:
        async with pooling(connect_s=0.05) as pool, client(pool) as tool:
            with pytest.raises(httpx.ConnectTimeout):
                await tool.get(f"http://127.0.0.1:{port}/")

    with faults.black_hole() as port:
        if port is None:
            pytest.skip("this system opens or refuses connections that nobody takes")
        run(case(port))


def test_pytest_httpx_answers_in_place_of_the_pool(httpx_mock: HTTPXMock, run: Run) -> None:
    httpx_mock.add_response(url="https://up.example/", text="mocked")

    async def case() -> None:
        async with pooling() as pool, client(pool) as tool:
            assert (await tool.get("https://up.example/")).text == "mocked"
            assert pool.connections == 0

    run(case())


def test_transport_is_closed_with_its_client(run: Run) -> None:
    async def case() -> None:
        async with serving(saying(OK)) as served, pooling() as pool:
            async with client(pool) as tool:
                await tool.get(url(served.origin))
                assert pool.connections == 1
            assert pool.connections == 0

    run(case())
