"""A key's budget under parallel clients: nothing over it as the upstream counts, and usable.

100 clients in the suite; `FERRY_SOAK=1` makes it 500.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ferrycli.rules.pricing import ceil_cost
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, serving, settled_rows, windows
from tests.whole.upstream import Upstream

CLIENTS, LIMIT_USD = (500, 6) if os.environ.get("FERRY_SOAK") else (100, 2)
LIMIT_NANOUSD = LIMIT_USD * 10**9
TRIES_MAX = 20_000


@dataclass
class Tally:
    """What the clients were told."""

    answered: int = 0
    busy: int = 0
    spent: int = 0
    others: list[tuple[int, bytes]] = field(default_factory=list)


async def post(port: int, secret: str, body: bytes) -> tuple[int, bytes]:
    """One call over a plain connection of its own: status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            + f"authorization: Bearer {secret}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        raw = await reader.read()
    finally:
        writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


def body_of(number: int) -> bytes:
    """Calls of differing cost, each at most 0.6 % of the limit; some stream."""
    return json.dumps(
        {
            "model": "m-1",
            "stream": number % 3 == 0,
            "messages": [{"role": "user", "content": "x" * (number % 40)}],
            "metadata": {
                "in": str(20 + number % 40),
                "out": str(200 + number * 7 % 580),
                "chunks": "2",
                "delay_ms": "1",
            },
        }
    ).encode()


async def spend_all(port: int, secret: str) -> Tally:
    """Every client asks again until it is refused for money that is spent."""
    tally = Tally()

    async def client(number: int) -> None:
        turn = number
        while tally.answered + tally.busy < TRIES_MAX:
            status, body = await post(port, secret, body_of(turn))
            turn += CLIENTS
            if status == 200:
                tally.answered += 1
            elif status == 429 and b'"budget_busy"' in body:
                tally.busy += 1
                await asyncio.sleep(0.05)
            elif status == 429 and b'"insufficient_quota"' in body:
                tally.spent += 1
                return
            else:
                tally.others.append((status, body[:300]))
                return

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(number))
    return tally


def billed(upstream: Upstream) -> int:
    """What the upstream bills for all that it saw, by the rates that were agreed."""
    return sum(
        ceil_cost(seen.prompt_tokens, INPUT_RATE) + ceil_cost(seen.completion_tokens, OUTPUT_RATE)
        for seen in upstream.seen
    )


@pytest.mark.soak
def test_parallel_clients_spend_a_budget_to_its_end_and_nothing_over_it(
    config_path: Path, upstream: Upstream
) -> None:
    plan = changes.KeyPlan(name="capped", allowance=Allowance.parse(f"{LIMIT_USD}/month"))
    secret = changes.create_key(config_path.parent / "ferry.db", plan).secret
    with serving(config_path) as server:
        tally = asyncio.run(spend_all(server.port, secret))
        assert tally.others == []
        assert tally.spent == CLIENTS
        found = settled_rows(server.database, tally.answered)
        [(spent, held, doubt)] = windows(server.database)
    bill = billed(upstream)
    print(
        f"{tally.answered} answered, {tally.busy} busy, "
        f"{100 * bill / LIMIT_NANOUSD:.2f} % of the limit spent as the upstream counts"
    )
    assert bill <= LIMIT_NANOUSD
    assert bill >= LIMIT_NANOUSD * 98 // 100
    assert (spent, held, doubt) == (bill, 0, 0)
    assert sum(row.cost_nanousd or 0 for row in found) == bill
    assert sum(row.state == "settled" for row in found) == tally.answered == len(upstream.seen)


def test_last_call_names_what_is_spent_and_what_to_do(server: Server, upstream: Upstream) -> None:
    plan = changes.KeyPlan(name="tiny", allowance=Allowance.parse("0.01/day"))
    secret = changes.create_key(server.database, plan).secret
    status, raw = asyncio.run(post(server.port, secret, body_of(1)))
    error = json.loads(raw)["error"]
    assert (status, error["code"], error["type"]) == (
        429,
        "insufficient_quota",
        "insufficient_quota",
    )
    assert "tiny" in error["message"]
    assert error["ferry"]["limit_nanousd"] == 10_000_000
    assert upstream.seen == []


@pytest.mark.parametrize("status", ["429", "402"])
def test_status_of_a_spent_budget_is_a_setting(config_path: Path, status: str) -> None:
    plan = changes.KeyPlan(name="tiny", allowance=Allowance.parse("0.01/day"))
    secret = changes.create_key(config_path.parent / "ferry.db", plan).secret
    with serving(config_path, FERRY_BUDGET_STATUS=status) as server:
        got, _ = asyncio.run(post(server.port, secret, body_of(1)))
    assert got == int(status)
