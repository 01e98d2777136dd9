"""kill -9 under load, again and again: no call is lost, none is charged twice, no hold is left.

20 rounds in the suite; `FERRY_SOAK=1` makes it 200.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from ferrycli.rules.pricing import ceil_cost
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, rows, windows
from tests.whole.test_caps import post
from tests.whole.upstream import Upstream

ROUNDS = 200 if os.environ.get("FERRY_SOAK") else 20
CLIENTS = 32
LIMIT_USD = 50_000
"""Far off: each call of a dead server leaves up to its hold in doubt, and that adds up."""


def body_of(user: str, dice: random.Random) -> bytes:
    return json.dumps(
        {
            "model": "m-1",
            "user": user,
            "stream": dice.random() < 0.5,
            "messages": [{"role": "user", "content": "x" * dice.randrange(200)}],
            "metadata": {
                "in": "60",
                "out": str(dice.randrange(20, 400)),
                "chunks": "4",
                "delay_ms": str(dice.randrange(15)),
            },
        }
    ).encode()


async def load(server: Server, secret: str, turn: int, dice: random.Random) -> list[str]:
    """Calls from all clients until the server is killed under them; users of finished ones."""
    finished: list[str] = []

    async def client(number: int) -> None:
        count = 0
        while True:
            user = f"r{turn}-{number}-{count}"
            try:
                status, reply = await post(server.port, secret, body_of(user, dice))
            except (OSError, IndexError, ValueError):
                return
            if status == 200 and reply.rstrip().endswith((b"0", b"[DONE]", b"}")):
                finished.append(user)
            count += 1

    tasks = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    await asyncio.sleep(dice.uniform(0.05, 0.4))
    await asyncio.to_thread(server.kill)
    await asyncio.wait(tasks, timeout=20)
    return finished


@pytest.mark.soak
def test_no_call_is_lost_or_charged_twice_over_many_kills(
    config_path: Path, upstream: Upstream
) -> None:
    database = config_path.parent / "ferry.db"
    plan = changes.KeyPlan(name="capped", allowance=Allowance.parse(f"{LIMIT_USD}/total"))
    secret = changes.create_key(database, plan).secret
    dice = random.Random(20_261_123)
    starts, recovered, finished = [], 0, []
    for turn in range(ROUNDS):
        server = Server(config_path)
        starts.append(server.start_s)
        recovered += server.ready["recovered"]
        finished += asyncio.run(load(server, secret, turn, dice))
    server = Server(config_path)
    recovered += server.ready["recovered"]
    assert server.stop()[0] == 0

    found = rows(database)
    by_user = Counter(row.user for row in found)
    seen = Counter(str(one.body["user"]) for one in upstream.seen)
    lost = [user for user in seen if user not in by_user]
    print(
        f"{ROUNDS} kills, {len(found)} rows, {len(upstream.seen)} calls seen upstream, "
        f"{recovered} recovered; start median {sorted(starts)[len(starts) // 2]:.2f} s, "
        f"slowest {max(starts):.2f} s"
    )
    assert lost == []
    assert [user for user in finished if user not in by_user] == []
    assert set(by_user.values()) == {1}
    assert recovered == sum(row.state == "recovered" for row in found) > 0
    assert {row.state for row in found} <= {"settled", "recovered", "released"}
    [(spent, held, doubt)] = windows(database)
    assert held == 0
    assert spent == sum(row.cost_nanousd or 0 for row in found)
    assert doubt == sum(row.doubt_nanousd for row in found)
    bill = sum(
        ceil_cost(one.prompt_tokens, INPUT_RATE) + ceil_cost(one.completion_tokens, OUTPUT_RATE)
        for one in upstream.seen
    )
    assert bill <= spent + doubt <= LIMIT_USD * 10**9
