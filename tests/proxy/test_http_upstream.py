"""Errors of the HTTP client become ours, each saying whether the provider may have billed."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from pytest_httpx import HTTPXMock, IteratorStream

from ferrycli.proxy.http_upstream import HttpUpstream
from ferrycli.proxy.upstream import Attempt, Deadlines
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.rules.errors import NoCredential
from ferrycli.rules.words import words
from ferrycli.settings import Provider

URL = "https://up.example/v1/chat/completions"
PROVIDER = Provider("up", "openai", "https://up.example/v1")
ATTEMPT = Attempt(PROVIDER, "/chat/completions", [(b"content-type", b"application/json")], b"{}")


def upstream(
    key: str | NoCredential = "sk-1", *, first_byte_s: float = 5, idle_s: float = 5
) -> HttpUpstream:
    way = httpx.AsyncHTTPTransport()
    return HttpUpstream(Deadlines(1, first_byte_s, idle_s), {"up": key}, 4, way)


async def opened(way: HttpUpstream) -> tuple[int, bytes]:
    try:
        reply = await way.open(ATTEMPT)
        parts = []
        while part := await reply.read():
            parts.append(part)
        await reply.close()
        return reply.status, b"".join(parts)
    finally:
        await way.close()


@pytest.mark.parametrize(
    ("error", "is_dispatched"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadError("reset"), True),
        (httpx.RemoteProtocolError("gone"), True),
        (httpx.WriteError("reset"), True),
    ],
)
def test_failure_says_whether_the_request_may_have_arrived(
    httpx_mock: HTTPXMock, error: Exception, is_dispatched: bool
) -> None:
    httpx_mock.add_exception(error, url=URL)
    with pytest.raises(UpstreamFailed) as caught:
        asyncio.run(opened(upstream()))
    assert (caught.value.provider, caught.value.is_dispatched) == ("up", is_dispatched)


def test_connect_timeout_is_told_as_such(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ConnectTimeout("slow"), url=URL)
    with pytest.raises(UpstreamTimeout) as caught:
        asyncio.run(opened(upstream()))
    assert caught.value.phase == "connect"


def test_reply_that_does_not_begin_is_told_as_such(httpx_mock: HTTPXMock) -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    httpx_mock.add_callback(silent, url=URL)
    with pytest.raises(UpstreamTimeout) as caught:
        asyncio.run(opened(upstream(first_byte_s=0.05)))
    assert caught.value.phase == "first_byte"
    assert "`first_byte_s` in `[upstream]`" in words(caught.value).hint


def test_reply_that_breaks_off_fails_after_what_came(httpx_mock: HTTPXMock) -> None:
    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b"data: 1\n\n"
            raise httpx.ReadError("reset")

    httpx_mock.add_response(url=URL, stream=Broken())

    async def run() -> None:
        way = upstream()
        reply = await way.open(ATTEMPT)
        assert await reply.read() == b"data: 1\n\n"
        with pytest.raises(UpstreamFailed):
            await reply.read()
        await reply.close()
        await way.close()

    asyncio.run(run())


def test_silence_between_chunks_ends_at_the_idle_deadline(httpx_mock: HTTPXMock) -> None:
    class Silent(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b"one"
            await asyncio.Event().wait()

    httpx_mock.add_response(url=URL, stream=Silent())
    with pytest.raises(UpstreamTimeout) as caught:
        asyncio.run(opened(upstream(idle_s=0.05)))
    assert caught.value.phase == "idle"


def test_credential_goes_to_its_provider_and_a_redirect_is_not_followed(
    httpx_mock: HTTPXMock,
) -> None:
    httpx_mock.add_response(url=URL, status_code=307, headers={"location": "http://169.254.1.1/"})
    status, _ = asyncio.run(opened(upstream()))
    [sent] = httpx_mock.get_requests()
    assert status == 307
    assert sent.headers["authorization"] == "Bearer sk-1"


def test_missing_credential_is_told_before_anything_is_sent() -> None:
    missing = NoCredential("up", "env UP_KEY", "the variable is not set")
    with pytest.raises(NoCredential):
        asyncio.run(opened(upstream(missing)))


def test_provider_without_a_credential_gets_none(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, stream=IteratorStream([b"a", b"b"]))
    assert asyncio.run(opened(upstream(""))) == (200, b"ab")
    [sent] = httpx_mock.get_requests()
    assert "authorization" not in sent.headers
