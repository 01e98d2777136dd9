"""The failing upstreams fail as they say, and the load client sees it: what other tests rest on."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
from typing import Any

import pytest

from tests.whole import faults
from tests.whole.faults import FAULTS, FaultyUpstream
from tests.whole.load import Mix, Reply, Shot, call, fire
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, settled_rows
from tests.whole.upstream import Upstream, billed


def ask(**more: Any) -> Shot:
    metadata = {"in": "90", "out": "30", "chunks": "4", "tenant": "acme"}
    return Shot("none", json.dumps({"model": "m-1", "metadata": metadata, **more}).encode())


def meet(name: str, **more: Any) -> tuple[Reply, FaultyUpstream]:
    with FaultyUpstream(faults.in_turn([name])) as upstream:
        return asyncio.run(call(upstream.port, ask(**more))), upstream


@pytest.mark.parametrize(
    "name", [name for name, fault in FAULTS.items() if fault.how in ("status", "half")]
)
def test_fault_that_answers_says_what_it_is_to_say(name: str) -> None:
    fault = FAULTS[name]
    reply, upstream = meet(name)
    bill = billed(upstream.seen, tenant="acme")
    if fault.how == "half":
        assert (reply.status, reply.is_whole, reply.body[:1]) == (200, False, b"{")
        assert bill == (90 * INPUT_RATE + 30 * OUTPUT_RATE) // 10**6
    else:
        assert (reply.status, reply.body, reply.is_whole) == (fault.status, fault.body, True)
        assert dict(fault.headers).items() <= reply.headers.items()
        assert bill == 0


@pytest.mark.parametrize(
    ("name", "status"),
    [("u5-reset", 0), ("u6-reset-in-head", 0), ("u7-reset-after-0-events", 200)],
)
def test_fault_that_breaks_off_bills_the_whole_answer(name: str, status: int) -> None:
    reply, upstream = meet(name, stream=True)
    assert (reply.status, reply.is_whole, reply.body) == (status, False, b"")
    assert billed(upstream.seen) == (90 * INPUT_RATE + 30 * OUTPUT_RATE) // 10**6
    assert billed(upstream.seen, tenant="globex") == 0


@pytest.mark.parametrize("events", [1, 3])
def test_stream_that_breaks_off_has_brought_some_events(events: int) -> None:
    name = {1: "u7-reset-after-1-event", 3: "u7-reset-after-3-events"}[events]
    reply, _ = meet(name, stream=True)
    assert (reply.status, reply.is_whole, reply.finish_reason) == (200, False, "")
    assert reply.body.count(b"data: ") == events


def test_ports_fail_before_a_request_is_read() -> None:
    with faults.refusing() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    with faults.listener(b"") as port:
        assert asyncio.run(call(port, ask())).status == 0
    context = ssl.create_default_context()
    with (
        faults.listener(faults.NO_TLS) as port,
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_black_hole_swallows_a_connection() -> None:
    with faults.black_hole() as port:
        if port is None:
            pytest.skip("this system opens or refuses connections that nobody takes")
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port), 0.2)


def test_mixed_load_is_told_and_billed_to_the_token(
    server: Server, upstream: Upstream, secret: str
) -> None:
    dice = random.Random(7)
    mix = Mix(leaves=0.2, opens=0.5)
    shots = [mix.shot(dice, secret, "m-1", {"n": str(number)}) for number in range(60)]
    assert shots == [
        mix.shot(again, secret, "m-1", {"n": str(number)})
        for again in [random.Random(7)]
        for number in range(60)
    ]
    replies = fire(server.port, shots)
    left = [reply for reply in replies if reply.has_left]
    stayed = [reply for reply in replies if not reply.has_left]
    assert all(reply.is_answered for reply in stayed), [reply.status for reply in stayed]
    assert left
    assert all(reply.shot.leaves_after is not None for reply in left)
    cut = {one.wish["n"] for one in upstream.seen if one.is_cut}
    assert {reply.number for reply in stayed if reply.is_cut} == cut - {
        reply.number for reply in left
    }
    bills = {one.wish["n"]: one.bill() for one in upstream.seen}
    for row in settled_rows(server.database, 60):
        number = json.loads(row.tags)["n"]
        if row.cost_source == "reported":
            assert row.cost_nanousd == bills.pop(number)
    assert set(bills) <= {reply.number for reply in left}
