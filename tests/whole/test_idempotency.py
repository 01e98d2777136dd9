"""A call that is sent twice under one `Idempotency-Key` is carried and billed once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from ferrycli.store import changes
from ferrycli.store.changes import KeyPlan
from tests.whole.server import Server, settled_rows
from tests.whole.upstream import Upstream


def ask(
    server: Server, secret: str, idempotency_key: str, text: str, **wish: str
) -> httpx.Response:
    body: dict[str, Any] = {
        "model": "m-1",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 100,
        "metadata": wish,
    }
    headers = {"authorization": f"Bearer {secret}", "idempotency-key": idempotency_key}
    return httpx.post(f"{server.base_url}/chat/completions", json=body, headers=headers, timeout=30)


def test_second_call_is_told_what_became_of_the_first(
    server: Server, upstream: Upstream, secret: str
) -> None:
    first = ask(server, secret, "order-7", "hi")
    assert first.status_code == 200
    (row,) = settled_rows(server.database, 1)

    again = ask(server, secret, "order-7", "hi")
    assert (again.status_code, again.headers["x-should-retry"]) == (409, "false")
    error = again.json()["error"]
    assert error["code"] == "duplicate_call"
    told = error["ferry"]
    assert (told["call"], told["state"], told["outcome"]) == (row.id, "settled", "ok")
    assert (told["cost_nanousd"], told["input_tokens"]) == (row.cost_nanousd, row.input_tokens)

    other = ask(server, secret, "order-7", "ho")
    assert (other.status_code, other.headers["x-should-retry"]) == (422, "false")
    assert other.json()["error"]["code"] == "idempotency_mismatch"

    assert ask(server, secret, "order-8", "hi").status_code == 200
    stranger = changes.create_key(server.database, KeyPlan(name="stranger")).secret
    assert ask(server, stranger, "order-7", "hi").status_code == 200
    assert ask(server, secret, "x" * 256, "hi").status_code == 400
    assert len(upstream.seen) == 3


def test_of_many_at_once_one_is_carried(server: Server, upstream: Upstream, secret: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, server, secret, "k", "hi", delay_ms="300") for _ in range(16)]
        got = [one.result() for one in asked]
    assert sorted(one.status_code for one in got) == [200] + [409] * 15
    assert len(upstream.seen) == 1
    (done,) = [one for one in got if one.status_code == 200]
    for one in got:
        if one.status_code == 409:
            told = one.json()["error"]["ferry"]
            assert done.headers["x-ferry-call-id"].startswith(told["call"])
            assert len(told["call"]) > len("c_")


def test_call_that_was_not_billed_may_be_sent_again(
    server: Server, upstream: Upstream, secret: str
) -> None:
    body = {"text": "hi", "answer": "400"}
    assert ask(server, secret, "k", **body).status_code == 400
    settled_rows(server.database, 1)
    assert ask(server, secret, "k", **body).status_code == 400
    assert len(upstream.seen) == 2
    # Another body, too: nothing stands for the key any more.
    assert ask(server, secret, "k", "ho").status_code == 200
