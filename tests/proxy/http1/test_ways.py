"""Which way a call goes to its provider, and what goes with it: directly, or through a proxy."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from ferrycli.proxy.http_upstream import HttpUpstream
from ferrycli.proxy.httpx_upstream import HttpxUpstream
from ferrycli.proxy.upstream import Attempt, Deadlines
from ferrycli.rules.denials import UpstreamFailed
from ferrycli.settings import Provider
from ferrycli.wire.headers import Headers
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import OK, closing, forever, saying, serving, whole

HEADERS: Headers = [(b"content-type", b"application/json"), (b"accept-encoding", b"identity")]
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own environment says does not count."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def provider(port: int, host: str = "127.0.0.1") -> Provider:
    return Provider("up", "openai", f"http://{host}:{port}/v1")


def attempt(port: int, headers: Headers = HEADERS, host: str = "127.0.0.1") -> Attempt:
    return Attempt(provider(port, host), "/chat/completions", headers, b'{"a": 1}')


def upstream() -> HttpUpstream:
    return HttpUpstream(Deadlines(5, 5, 5), {"up": "sk-1"}, 4)


def test_call_goes_straight_to_its_provider_with_its_credential(run: Run) -> None:
    async def case() -> None:
        way = upstream()
        async with serving(forever) as served:
            for _ in range(2):
                reply = await way.open(attempt(served.origin.port))
                assert await whole(reply) == (200, b"ok")
            await way.close()
            await served.until_ended(1)
        (head, body), again = served.requests
        assert body == b'{"a": 1}'
        assert again == (head, body)
        assert head.decode() == (
            "POST /v1/chat/completions HTTP/1.1\r\n"
            f"host: 127.0.0.1:{served.origin.port}\r\n"
            "content-type: application/json\r\n"
            "accept-encoding: identity\r\n"
            "authorization: Bearer sk-1\r\n"
            "user-agent: ferry\r\n"
            "content-length: 8\r\n\r\n"
        )

    run(case())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_a_reply_and_nothing_else_is_asked(status: int, run: Run) -> None:
    async def case() -> None:
        way = upstream()
        async with serving(forever) as elsewhere:
            to = b"http://127.0.0.1:%d/" % elsewhere.origin.port
            raw = b"HTTP/1.1 %d X\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n" % (status, to)
            async with serving(saying(raw)) as served:
                reply = await way.open(attempt(served.origin.port))
                assert await whole(reply) == (status, b"")
                await way.close()
            assert elsewhere.visits == []

    run(case())


@pytest.mark.parametrize("name", ["Content-Encoding", "content-encoding"])
def test_reply_that_is_packed_all_the_same_is_unpacked(name: str, run: Run) -> None:
    packed = gzip.compress(b"hello")
    raw = f"HTTP/1.1 200 OK\r\n{name}: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()

    async def case() -> None:
        way = upstream()
        async with serving(closing(raw + packed)) as served:
            assert await whole(await way.open(attempt(served.origin.port))) == (200, b"hello")
            with pytest.raises(UpstreamFailed):
                await whole(await way.open(attempt(served.origin.port, [(b"x-a", b"b\nc")])))
            await way.close()
        assert len(served.requests) == 1

    run(case())


@pytest.mark.parametrize("base_url", ["http://999.1.1.1/v1", "http://[::zz]/v1", "http://a:0/v1"])
def test_address_that_leads_nowhere_was_not_dispatched(base_url: str, run: Run) -> None:
    async def case() -> None:
        way = upstream()
        with pytest.raises(UpstreamFailed) as caught:
            await way.open(Attempt(Provider("up", "openai", base_url), "/x", [], b""))
        assert (caught.value.why, caught.value.is_dispatched) == (
            "its address is not usable",
            False,
        )
        await way.close()

    run(case())


def test_any_number_of_paths_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferrycli.proxy.http_upstream.ADDRESSES_MAX", 2)

    async def case() -> None:
        way = upstream()
        async with serving(saying(*[OK] * 5)) as served:
            for number in range(5):
                asked = Attempt(provider(served.origin.port), f"/models/{number}", HEADERS, b"")
                assert await whole(await way.open(asked)) == (200, b"ok")
            await way.close()
        assert [head.split()[1] for head, _ in served.requests] == [
            b"/v1/models/%d" % number for number in range(5)
        ]

    asyncio.run(case())


PROXY = "http://127.0.0.1:3128"


@pytest.mark.parametrize(
    ("environment", "through", "directly"),
    [
        ({}, "", "http://a.example https://a.example http://127.0.0.1:1"),
        ({"HTTP_PROXY": PROXY}, "http://a.example http://127.0.0.1:1", "https://a.example"),
        ({"http_proxy": PROXY}, "http://a.example", "https://a.example"),
        ({"HTTPS_PROXY": PROXY}, "https://a.example", "http://a.example"),
        ({"ALL_PROXY": PROXY}, "https://a.example http://a.example http://[::1]:1", ""),
        (
            {"ALL_PROXY": PROXY, "NO_PROXY": "a.example,localhost,127.0.0.1,::1"},
            "https://b.example http://aa.example",
            "http://a.example https://x.a.example http://localhost:1 http://[::1]:1",
        ),
        ({"ALL_PROXY": PROXY, "NO_PROXY": ".a.example"}, "http://b.a", "http://x.a.example"),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "*"}, "", "http://a.example https://a.example"),
        ({"NO_PROXY": "a.example"}, "", "http://a.example https://b.example"),
    ],
)
def test_environment_names_who_is_reached_through_a_proxy(
    environment: dict[str, str], through: str, directly: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    way = upstream()
    assert isinstance(way._httpx, HttpxUpstream)
    for url in through.split():
        assert way._httpx.is_wanted(f"{url}/v1"), url
    for url in directly.split():
        assert not way._httpx.is_wanted(f"{url}/v1"), url
    asyncio.run(way.close())


def test_call_goes_through_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    async def case() -> None:
        async with serving(forever) as proxy, serving(forever) as spared:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.origin.port}")
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            way = upstream()
            reply = await way.open(attempt(80, host="up.example"))
            assert await whole(reply) == (200, b"ok")
            assert await whole(await way.open(attempt(spared.origin.port))) == (200, b"ok")
            await way.close()
            ((head, body),) = proxy.requests
            assert head.startswith(b"POST http://up.example/v1/chat/completions HTTP/1.1\r\n")
            assert b"authorization: Bearer sk-1" in head
            assert body == b'{"a": 1}'
            assert len(spared.requests) == 1

    run(case())


def test_proxy_that_refuses_has_not_dispatched_the_call(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    async def case() -> None:
        async with serving(closing(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.origin.port}")
            way = upstream()
            far = Provider("up", "openai", "https://up.example/v1")
            with pytest.raises(UpstreamFailed) as caught:
                await way.open(Attempt(far, "/chat/completions", HEADERS, b"{}"))
            assert not caught.value.is_dispatched
            await way.close()
            ((head, _),) = proxy.requests
            assert head.startswith(b"CONNECT up.example:443 HTTP/1.1\r\n")
            assert b"sk-1" not in head

    run(case())
