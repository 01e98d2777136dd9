"""What a key's holder may ask a running server, and what nobody else's key tells him."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from ferrycli.cli.main import run
from ferrycli.rules.attribution import Policy
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from ferrycli.store.changes import KeyPlan, NewKey
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, settled_rows, windows

ASK: dict[str, Any] = {
    "model": "m-1",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 100,
}
COST = 100 * INPUT_RATE // 10**6 + 20 * OUTPUT_RATE // 10**6
"""Of the answer that the upstream gives to `ASK`."""


def make(server: Server, name: str, budget: str = "", **more: Any) -> NewKey:
    allowance = Allowance.parse(budget) if budget else None
    return changes.create_key(server.database, KeyPlan(name=name, allowance=allowance, **more))


def get(server: Server, path: str, secret: str, **headers: str) -> httpx.Response:
    return httpx.get(
        f"http://127.0.0.1:{server.port}{path}",
        headers={"authorization": f"Bearer {secret}", **headers},
    )


def spend(server: Server, secret: str) -> str:
    """One call; its id."""
    raw = server.client(secret).chat.completions.with_raw_response.create(**ASK)
    return str(raw.headers["x-ferry-call-id"])


def test_holder_sees_what_it_may_spend_and_has_spent(server: Server) -> None:
    key = make(server, "acme-web", "50/month", policies={"tenant": Policy.of("pin", "acme")})
    other = make(server, "globex-web", "70/month", policies={"tenant": Policy.of("pin", "globex")})
    spend(server, key.secret)
    spend(server, other.secret)
    settled_rows(server.database, 2)
    got = get(server, "/ferry/v1/me", key.secret)
    assert got.status_code == 200
    told = got.json()
    assert told["schema"] == "ferry.me/1"
    assert told["key"]["name"] == "acme-web"
    (budget,) = told["budgets"]
    assert budget["selector"] == "key=acme-web"
    assert (budget["spent_nanousd"], budget["held_nanousd"]) == (COST, 0)
    assert budget["left_nanousd"] == 50 * 10**9 - COST
    assert "globex" not in got.text
    assert key.secret not in got.text


def test_what_was_changed_a_moment_ago_is_told(server: Server) -> None:
    key = make(server, "new", "5/day")
    for limit in (5, 9, 7):
        allowance = Allowance.parse(f"{limit}/day")
        changes.edit_key(server.database, "new", changes.KeyEdit(allowance=allowance))
        told = get(server, "/ferry/v1/me", key.secret).json()
        assert [one["limit_nanousd"] for one in told["budgets"]] == [limit * 10**9]


def test_receipt_is_what_the_command_prints_and_its_parts(
    server: Server, config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = make(server, "acme-web", "50/month")
    id = spend(server, key.secret)
    (row,) = settled_rows(server.database, 1)
    told = get(server, f"/ferry/v1/calls/{id}", key.secret).json()
    assert (told["id"], told["cost_nanousd"]) == (row.id, COST)
    assert run(["--config", str(config_path), "calls", "show", id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out).items() <= told.items()
    assert sum(told["cost"].values()) == COST
    assert (told["lines"], told["corrections"]) == ([], [])


def test_receipt_is_for_its_own_key_and_for_who_may_read(server: Server) -> None:
    key, other = make(server, "acme-web"), make(server, "globex-web")
    id = spend(server, key.secret)
    settled_rows(server.database, 1)
    statuses = {
        secret: get(server, f"/ferry/v1/calls/{id}", secret).status_code
        for secret in (
            key.secret,
            other.secret,
            make(server, "reader", role="read").secret,
            make(server, "boss", role="admin").secret,
        )
    }
    assert list(statuses.values()) == [200, 404, 200, 200]
    refused = get(server, f"/ferry/v1/calls/{id}", other.secret).json()["error"]
    absent = get(server, f"/ferry/v1/calls/{id[:-1]}0", other.secret).json()["error"]
    assert refused["message"].replace(id, "") == absent["message"].replace(f"{id[:-1]}0", "")


NO_IDS = [
    "/ferry/v1/calls/c_1",
    "/ferry/v1/calls/",
    "/ferry/v1/calls/..%2f..%2fetc",
    "/ferry/v1/calls/%00",
    "/ferry/v1/calls/c_" + "0" * 3_000,
    "/ferry/v1/calls/%E2%80%AE",
    "/ferry/v1/me/x",
]


def test_what_is_no_id_is_not_found(server: Server) -> None:
    key = make(server, "acme-web")
    for path in NO_IDS:
        got = get(server, path, key.secret)
        assert (got.status_code, got.json()["error"]["code"]) == (404, "not_found"), path


def test_nobody_without_an_open_key_is_told_anything(server: Server) -> None:
    paths = ("/ferry/v1/me", "/ferry/v1/calls/c_01JD8Z4M2R01JD8Z4M2R01JD8Z")
    key = make(server, "acme-web")
    for path in paths:
        url = f"http://127.0.0.1:{server.port}{path}"
        assert httpx.get(url).status_code == 401
        assert get(server, path, key.secret, host="evil.example").status_code == 403
        posted = httpx.post(url, headers={"authorization": f"Bearer {key.secret}"})
        assert posted.status_code == 405
    changes.revoke_key(server.database, "acme-web")
    for path in paths:
        assert get(server, path, key.secret).status_code == 401


def test_many_questions_at_once_hold_up_no_call(server: Server) -> None:
    key = make(server, "acme-web", "50/month")
    # Somebody holds the file's lock: readers pass it by.
    locking = sqlite3.connect(server.database, isolation_level=None)
    try:
        locking.execute("PRAGMA wal_autocheckpoint=0")
        locking.execute("BEGIN IMMEDIATE")
        assert get(server, "/ferry/v1/me", key.secret).status_code == 200
        locking.execute("ROLLBACK")
    finally:
        locking.close()

    async def storm() -> list[int]:
        headers = {"authorization": f"Bearer {key.secret}"}
        limits = httpx.Limits(max_connections=120)
        url = f"http://127.0.0.1:{server.port}/ferry/v1/me"
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:
            asked = [client.get(url, headers=headers) for _ in range(120)]
            return [one.status_code for one in await asyncio.gather(*asked)]

    statuses = asyncio.run(storm())
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 68
    spend(server, key.secret)
    settled_rows(server.database, 1)
    assert windows(server.database)[0][0] == COST
