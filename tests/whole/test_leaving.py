"""Clients that leave: a row, an estimate above 0, and the upstream let go at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import socket
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from tests.whole import faults
from tests.whole.faults import FaultyUpstream
from tests.whole.server import Server, config, serving, settled_rows, windows
from tests.whole.upstream import Seen, Upstream

CHUNKS = 20
CLOSED_S_MAX = 10.0
"""Ten times the second in which the upstream must be let go."""


def leave_after(server: Server, secret: str, chunks: int) -> float:
    """Read `chunks` chunks of a stream over a plain socket, then close; when that was."""
    body = json.dumps(
        {
            "model": "m-1",
            "stream": True,
            "messages": [{"role": "user", "content": "tell me " * 20}],
            "metadata": {"chunks": str(CHUNKS), "delay_ms": "15", "out": "40"},
        }
    ).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            + f"authorization: Bearer {secret}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        got = b""
        while b"\r\n\r\n" not in got or got.count(b"\n\n") < chunks:
            part = client.recv(65_536)
            assert part, got
            got += part
    return time.monotonic()


def wait_for(seen: Seen) -> None:
    deadline = time.monotonic() + CLOSED_S_MAX
    while seen.left_at is None:
        assert time.monotonic() < deadline, "the upstream was not let go"
        time.sleep(0.005)


def test_client_that_leaves_after_any_chunk_pays_an_estimate(
    server: Server, upstream: Upstream, secret: str
) -> None:
    costs = []
    for chunks in range(CHUNKS):
        left_at = leave_after(server, secret, chunks)
        found = settled_rows(server.database, chunks + 1)
        seen = upstream.seen[chunks]
        wait_for(seen)
        assert seen.left_at is not None
        print(
            f"left after {chunks}: upstream closed {1000 * (seen.left_at - left_at):.0f} ms later"
        )
        row = found[chunks]
        assert (row.state, row.outcome, row.cost_source) == ("settled", "left", "estimated")
        assert row.tenant == "acme"
        costs.append(row.cost_nanousd or 0)
        assert not seen.is_finished
    assert min(costs) > 0
    assert costs[-1] > costs[1], "what was delivered counts"


def test_leaving_while_a_whole_reply_is_made_closes_the_upstream(
    server: Server, upstream: Upstream, secret: str
) -> None:
    body = json.dumps(
        {
            "model": "m-1",
            "messages": [{"role": "user", "content": "hi"}],
            "metadata": {"delay_ms": "60000"},
        }
    ).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            + f"authorization: Bearer {secret}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        deadline = time.monotonic() + 30
        while not upstream.seen:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    [row] = settled_rows(server.database, 1)
    assert (row.state, row.outcome, row.cost_source) == ("settled", "left", "estimated")
    assert (row.cost_nanousd or 0) > 0


def test_reply_may_be_read_on_for_its_usage(
    config_path: Path, upstream: Upstream, capped_secret: str
) -> None:
    with serving(config_path, FERRY_ON_ABORT="drain") as server:
        leave_after(server, capped_secret, 3)
        [row] = settled_rows(server.database, 1)
        [(spent, held, doubt)] = windows(server.database)
    [seen] = upstream.seen
    assert seen.is_finished
    assert (row.state, row.outcome, row.cost_source) == ("settled", "left", "reported")
    assert (spent, held, doubt) == (row.cost_nanousd, 0, 0)
    assert row.n_output == seen.completion_tokens


def test_reply_is_read_on_no_longer_than_it_may_be(
    config_path: Path, upstream: Upstream, capped_secret: str
) -> None:
    with serving(config_path, FERRY_ON_ABORT="drain", FERRY_DRAIN_S="1") as server:
        with pytest.raises(httpx.ReadTimeout):
            _post(server, capped_secret, {"delay_ms": "60000"}, timeout_s=0.5)
        [row] = settled_rows(server.database, 1)
    [seen] = upstream.seen
    assert not seen.is_finished
    assert (row.state, row.outcome, row.cost_source) == ("settled", "left", "estimated")
    assert row.doubt_nanousd > 0


def test_nobody_else_is_asked_for_a_client_that_has_left(tmp_path: Path) -> None:
    with FaultyUpstream(faults.by_model) as silent:
        path = config(tmp_path, silent.base_url, "[upstream]\nfirst_byte_s = 2")
        secret = changes.create_key(tmp_path / "ferry.db", changes.KeyPlan(name="app")).secret
        with serving(path, FERRY_ON_ABORT="drain") as server:
            with pytest.raises(httpx.ReadTimeout):
                _post(server, secret, {}, model="m-silent", timeout_s=0.5)
            (row,) = settled_rows(server.database, 1)
        assert len(silent.seen) == 1
    assert (row.state, row.outcome, row.cost_source) == ("settled", "left", "estimated")


def test_client_that_closes_after_done_has_not_left(server: Server, secret: str) -> None:
    leave_after(server, secret, CHUNKS + 2)
    [row] = settled_rows(server.database, 1)
    assert (row.outcome, row.cost_source) == ("ok", "reported")


def test_leaving_before_a_failed_call_is_tried_again_is_no_good_end(tmp_path: Path) -> None:
    with FaultyUpstream(faults.by_model) as failing:
        path = config(tmp_path, failing.base_url)
        secret = changes.create_key(tmp_path / "ferry.db", changes.KeyPlan(name="app")).secret
        with serving(path) as server:
            with pytest.raises(httpx.ReadTimeout):
                # It asks to be left alone for 2 s, and is the only target.
                _post(server, secret, {}, model="m-u16-500-after-2-s", timeout_s=1)
            (row,) = settled_rows(server.database, 1)
        assert len(failing.seen) == 1
    assert (row.state, row.outcome, row.cost_nanousd) == ("released", "left", 0)


def test_call_waits_for_money_no_longer_than_it_could_be_answered(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = config(tmp_path, upstream.base_url, "[upstream]\ntotal_s = 4")
    plan = changes.KeyPlan(name="capped", allowance=Allowance.parse("0.01/month"))
    secret = changes.create_key(tmp_path / "ferry.db", plan).secret
    with serving(path) as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(_post, server, secret, {"delay_ms": "3000"}, max_tokens=600)
        _wait_until_seen(upstream)
        reply = _post(server, secret, {}, max_tokens=600)
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "budget_busy")
        assert first.result(30).status_code == 200
        assert [row.state for row in settled_rows(server.database, 2)] == ["settled", "denied"]


def test_failure_that_the_ledger_could_not_be_told_of_is_paid_for(
    tmp_path: Path, upstream: Upstream
) -> None:
    """What was sent may be billed, also where the file was locked when the attempt failed."""
    path = config(tmp_path, upstream.base_url, "[upstream]\nfirst_byte_s = 1")
    plan = changes.KeyPlan(name="capped", allowance=Allowance.parse("50/month"))
    secret = changes.create_key(tmp_path / "ferry.db", plan).secret
    with serving(path) as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_post, server, secret, {"delay_ms": "60000"})
        _wait_until_seen(upstream)
        with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert asked.result(30).status_code == 504
            other.execute("ROLLBACK")
        (row,) = settled_rows(server.database, 1)
    assert (row.state, row.outcome, row.cost_source) == ("settled", "timeout", "estimated")
    assert (row.cost_nanousd or 0) > 0
    ((spent, held, doubt),) = windows(server.database)
    assert (spent, held) == (row.cost_nanousd, 0)
    assert doubt == row.doubt_nanousd


def _post(
    server: Server,
    secret: str,
    wish: dict[str, str],
    model: str = "m-1",
    timeout_s: float = 30,
    **more: object,
) -> httpx.Response:
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": model, "messages": messages, "metadata": wish, **more}
    headers = {"authorization": f"Bearer {secret}"}
    url = f"{server.base_url}/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=timeout_s)


def _wait_until_seen(upstream: Upstream) -> None:
    deadline = time.monotonic() + 10
    while not upstream.seen:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_leaving_under_a_budget_leaves_no_hold(
    server: Server, upstream: Upstream, capped_secret: str
) -> None:
    leave_after(server, capped_secret, 5)
    [row] = settled_rows(server.database, 1)
    [(spent, held, doubt)] = windows(server.database)
    assert held == 0
    assert spent == row.cost_nanousd
    assert doubt == row.hold_nanousd - spent == row.doubt_nanousd


def test_stop_tells_a_call_that_has_no_answer_yet_to_come_again(
    config_path: Path, upstream: Upstream, capped_secret: str
) -> None:
    server = Server(config_path, FERRY_GRACE_S="0")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_post, server, capped_secret, {"delay_ms": "60000"})
        _wait_until_seen(upstream)
        code, said = server.stop()
        reply = asked.result(30)
    assert (code, "Traceback" in said) == (0, False), said
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "stopping")
    assert reply.headers["retry-after"] == "1"
    (row,) = settled_rows(server.database, 1)
    assert (row.outcome, row.status, row.cost_source) == ("cut", 503, "estimated")
    assert windows(server.database)[0][1] == 0


@pytest.mark.parametrize("grace", ["0", "30"])
def test_stop_settles_streams_and_exits_0(
    config_path: object, upstream: Upstream, secret: str, grace: str
) -> None:
    from pathlib import Path
    from threading import Thread

    assert isinstance(config_path, Path)
    server = Server(config_path, FERRY_GRACE_S=grace)

    def read() -> None:
        leave_after(server, secret, CHUNKS + 2)

    def read_quietly() -> None:
        try:
            read()
        except (AssertionError, OSError):
            pass

    threads = [Thread(target=read_quietly) for _ in range(20)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while sum(seen.chunks_sent > 2 for seen in upstream.seen) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    code, said = server.stop()
    for thread in threads:
        thread.join(30)
    assert (code, "Traceback" in said) == (0, False), said
    found = settled_rows(server.database, 20)
    outcomes = {row.outcome for row in found}
    assert outcomes == ({"cut"} if grace == "0" else {"ok"})
    assert all((row.cost_nanousd or 0) > 0 for row in found)
