"""A name is reached by whichever of its addresses answers, and no socket is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence

import pytest

from ferrycli.proxy.http1 import dialling
from ferrycli.proxy.http1.dialling import ADDRESSES_MAX, dial, has_ended
from tests.proxy.http1.conftest import Run
from tests.proxy.http1.origin import serving, silent, until
from tests.whole import faults

_V4, _V6 = socket.AF_INET, socket.AF_INET6


def names(
    monkeypatch: pytest.MonkeyPatch, ports: Sequence[int], family: socket.AddressFamily = _V4
) -> None:
    """`up.example` has these addresses."""

    async def resolve(host: str, port: int) -> list[object]:
        assert (host, port) == ("up.example", 80)
        return [(family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", one)) for one in ports]

    monkeypatch.setattr(dialling, "resolve", resolve)


async def connect(host: str, port: int) -> asyncio.Transport:
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    return transport


def test_address_that_refuses_is_followed_by_the_next(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(dialling, "STAGGER_S", 60.0)

    async def case(refusing: int) -> None:
        async with serving(silent) as served:
            names(monkeypatch, [refusing, refusing, served.origin.port])
            transport = await dial("up.example", 80, connect)
            assert transport.get_extra_info("peername")[1] == served.origin.port
            transport.abort()

    with faults.refusing() as port:
        run(case(port))


def test_last_refusal_is_told(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    with faults.refusing() as port:
        for ports in ([port], [port, port], [port] * 20):
            names(monkeypatch, ports)

            async def case() -> None:
                with pytest.raises(ConnectionRefusedError):
                    await dial("up.example", 80, connect)

            run(case())


def test_name_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    names(monkeypatch, [])

    async def case() -> None:
        with pytest.raises(OSError, match="no address"):
            await dial("up.example", 80, connect)

    run(case())


def test_slower_connections_are_hung_up(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(dialling, "STAGGER_S", 0.0)

    async def case() -> None:
        async with serving(silent) as served:
            names(monkeypatch, [served.origin.port] * 5)
            transport = await dial("up.example", 80, connect)
            await until(lambda: 0 <= served.ended == len(served.visits) - 1)
            transport.abort()

    run(case())


def test_dialling_that_is_given_up_leaves_no_socket(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    async def case() -> None:
        async with serving(silent) as served:
            names(monkeypatch, [served.origin.port] * 3)
            for turns in range(8):
                task = asyncio.create_task(dial("up.example", 80, connect))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})
                if not task.cancelled():
                    task.result().abort()
            await until(lambda: served.ended == len(served.visits))

    run(case())


def test_families_take_turns_and_not_too_many() -> None:
    async def resolve(host: str, port: int) -> list[object]:
        sixes = [(_V6, 1, 6, "", (f"::{n}", port, 0, 0)) for n in range(1, 20)]
        return [*sixes, (_V4, 1, 6, "", ("10.0.0.1", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialling, "resolve", resolve)
        found = asyncio.run(dialling._addresses("up.example", 80))
    assert [host for host, _ in found[:3]] == ["::1", "10.0.0.1", "::2"]
    assert len(found) == ADDRESSES_MAX


def test_ip_address_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, [])
    for host in ("127.0.0.1", "::1"):
        assert asyncio.run(dialling._addresses(host, 80)) == [(host, 80)]


@pytest.mark.parametrize("kind", ["state", "poll", "select"])
def test_end_is_seen_by_whatever_the_system_has(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "state" and not dialling._HAS_STATE:
        pytest.skip("this system does not say")
    if kind != "state":
        monkeypatch.setattr(dialling, "_HAS_STATE", False)
    if kind == "select":
        monkeypatch.delattr("select.poll", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        assert not has_ended(ours)
        theirs.close()
        with contextlib.suppress(BlockingIOError):
            ours.recv(1, socket.MSG_PEEK)
        assert has_ended(ours)
        ours.close()
        assert has_ended(ours)
