"""U3, and whom ferry believes to be who it says."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from ferrycli.proxy.http1.addresses import Origin
from ferrycli.proxy.http1.pool import NO_CONNECTION
from ferrycli.proxy.http1.tls import SESSIONS_MAX, Tls
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from tests.proxy.http1.authority import Authority
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import (
    closing,
    forever,
    pooling,
    post,
    serving,
    silent,
    until,
    whole,
)
from tests.whole import faults

CLOSE = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that is trusted."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def test_provider_that_can_be_verified_is_called_and_kept(authority: Authority, run: Run) -> None:
    names: list[str | None] = []
    context = authority.server("localhost")
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = lambda _, name, __: names.append(name)

    async def case() -> None:
        async with serving(forever, context) as served, pooling() as pool:
            for _ in range(3):
                assert await whole(await post(pool, served.origin)) == (200, b"ok")
            (visit,) = served.visits
            tls = visit.writer.get_extra_info("ssl_object")
            assert tls.selected_alpn_protocol() == "http/1.1"

    run(case())
    assert names == ["localhost"]


def test_long_body_goes_through_tls(authority: Authority, run: Run) -> None:
    body = bytes(range(256)) * 8_192

    async def case() -> None:
        async with serving(forever, authority.server("localhost")) as served, pooling() as pool:
            assert await whole(await post(pool, served.origin, body)) == (200, b"ok")
            assert [got for _, got in served.requests] == [body]

    run(case())


@pytest.mark.parametrize("who", ["of nobody known", "another", "too old"])
def test_provider_that_cannot_be_verified_gets_nothing(
    authority: Authority, who: str, tmp_path: Path, run: Run
) -> None:
    if who == "of nobody known":
        context = Authority(tmp_path, "somebody").server("localhost")
    elif who == "another":
        context = authority.server("api.example")
    else:
        context = authority.server("localhost", ends_in=-datetime.timedelta(days=1))

    async def case() -> None:
        async with serving(forever, context) as served, pooling() as pool:
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, served.origin)
            assert (caught.value.why, caught.value.is_dispatched) == (NO_CONNECTION, False)
            assert pool.connections == 0
            assert served.requests == []

    run(case())


def test_plain_text_is_no_tls(run: Run) -> None:
    async def case(port: int) -> None:
        async with pooling() as pool:
            with pytest.raises(UpstreamFailed) as caught:
                await post(pool, Origin(True, "127.0.0.1", port))
            assert (caught.value.why, caught.value.is_dispatched) == (NO_CONNECTION, False)
            assert pool.connections == 0

    with faults.listener(faults.NO_TLS) as port:
        run(case(port))


def test_handshake_is_part_of_connecting(run: Run) -> None:
    async def case() -> None:
        async with serving(silent) as served, pooling(connect_s=0.1) as pool:
            origin = Origin(True, "127.0.0.1", served.origin.port)
            with pytest.raises(UpstreamTimeout) as caught:
                await post(pool, origin)
            assert caught.value.phase == "connect"
            assert pool.connections == 0
            await served.until_ended(1)
            asked = asyncio.create_task(post(pool, origin))
            await until(lambda: len(served.visits) == 2)
            asked.cancel()
            await asyncio.wait({asked})
            assert pool.connections == 0
            await served.until_ended(2)

    run(case())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_is_taken_up_again(authority: Authority, version: ssl.TLSVersion, run: Run) -> None:
    context = authority.server("localhost")
    context.maximum_version = version

    async def case() -> None:
        async with serving(closing(CLOSE), context) as served, pooling() as pool:
            reused = []
            for _ in range(3):
                assert await whole(await post(pool, served.origin)) == (200, b"ok")
                tls = served.visits[-1].writer.get_extra_info("ssl_object")
                reused.append(tls.session_reused)
            assert reused == [False, True, True]

    run(case())


def test_session_of_one_host_is_not_offered_to_another(authority: Authority) -> None:
    class Connection:
        session = None

    tls = Tls()
    tls.remember("one.example", Connection())  # type: ignore[arg-type]
    for number in range(SESSIONS_MAX + 1):
        Connection.session = number  # type: ignore[assignment]
        tls.remember(f"{number}.example", Connection())  # type: ignore[arg-type]
    assert list(tls._sessions) == [f"{SESSIONS_MAX}.example"]
    made = tls.context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="one.example")
    assert made.session is None


def test_context_verifies_chain_and_name() -> None:
    context = Tls().context
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
