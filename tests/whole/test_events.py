"""Events through a real server: told, told again, refused, counted, and once for all kill -9."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ferrycli.cli.main import run
from ferrycli.rules.attribution import Policy
from ferrycli.rules.meters import METER
from ferrycli.rules.pricing import Rate
from ferrycli.rules.windows import Allowance
from ferrycli.store import audit, changes, reads
from ferrycli.store.changes import KeyPlan, NewKey
from tests.whole.server import Server, rows, serving, settled_rows, windows

ROUNDS = 60 if os.environ.get("FERRY_SOAK") else 4
EVENT: dict[str, Any] = {"id": "e-1", "meter": "vector_read", "quantity": 1_200}
UNIT = 400
"""Nano-dollars."""


def make(server: Server, name: str, budget: str = "", **more: Any) -> NewKey:
    allowance = Allowance.parse(budget) if budget else None
    return changes.create_key(server.database, KeyPlan(name=name, allowance=allowance, **more))


def price(database: Path) -> None:
    changes.set_price(database, METER, "vector_read", Rate(input=UNIT * 1_000_000))


def post(server: Server, secret: str, body: Any, path: str = "", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        f"http://127.0.0.1:{server.port}{path}/ferry/v1/events",
        content=content,
        headers={"authorization": f"Bearer {secret}", **headers},
    )


def faults(database: Path) -> list[Any]:
    now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
    with reads.opened(database) as connection:
        return [fault for one in audit.run(connection, now_us) for fault in one.faults]


@pytest.fixture
def priced(server: Server) -> Server:
    price(server.database)
    return server


def test_what_was_told_is_in_the_budget_the_report_and_the_receipt(
    priced: Server, config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = {"tenant": Policy.of("pin", "acme"), "user": Policy.of("deny")}
    key = make(priced, "acme-web", "50/month", policies=pinned)
    told = post(
        priced,
        key.secret,
        EVENT | {"tenant": "globex", "user": "ann", "metadata": {"job": "nightly"}},
        "/@thread=t-1",
        **{"x-ferry-feature": "search", "helicone-session-id": "s-9", "x-ferry-tags": "a=b"},
    )
    assert told.status_code == 200
    assert told.json()["schema"] == "ferry.events/1"
    (receipt,) = told.json()["events"]
    assert receipt.items() >= {
        "id": "e-1", "meter": "vector_read", "quantity": 1_200, "cost_nanousd": 1_200 * UNIT,
        "cost_source": "reported", "duplicate": False,
    }.items()  # fmt: skip
    (row,) = rows(priced.database)
    assert (row.id, row.tenant, row.user, row.feature, row.thread) == (
        receipt["call"], "acme", "", "search", "t-1",
    )  # fmt: skip
    assert json.loads(row.tags) == {"a": "b", "job": "nightly"}
    assert windows(priced.database) == [(1_200 * UNIT, 0, 0)]
    whole = httpx.get(
        f"http://127.0.0.1:{priced.port}/ferry/v1/calls/{row.id}",
        headers={"authorization": f"Bearer {key.secret}"},
    ).json()
    (line,) = whole["lines"]
    assert (line["bucket"], line["quantity"], line["cost_nanousd"]) == (METER, 1_200, 480_000)
    config = ["--config", str(config_path)]
    assert run([*config, "report", "--by", "model", "--since", "today", "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["rows"]
    assert (group["model"], group["cost_nanousd"]) == ("vector_read", 480_000)
    assert run([*config, "calls", "list", "--where", "provider=meter", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["endpoint"] == "/ferry/v1/events"
    assert run([*config, "calls", "show", row.id]) == 0
    assert "0.0000004 USD" in capsys.readouterr().out
    assert run([*config, "audit"]) == 0


def test_many_are_told_at_once_and_each_counts_for_its_moment(priced: Server) -> None:
    key = make(priced, "acme-web", "50/total")
    now = datetime.now(UTC)
    times = [now - timedelta(hours=hours) for hours in (0, 30, 60)]
    events = [
        EVENT | {"id": f"e-{at}", "occurred_at": time.isoformat(), "feature": f"f-{at}"}
        for at, time in enumerate(times)
    ]
    events += [{"id": "own", "meter": "storage", "quantity": 3, "cost_usd": "0.5"}]
    events += [{"id": "odd", "meter": "storage", "quantity": 3}]
    before_us = int(now.timestamp() * 1_000_000)
    receipts = post(priced, key.secret, {"events": events}).json()["events"]
    assert [one["id"] for one in receipts] == [one["id"] for one in events]
    assert [one["cost_nanousd"] for one in receipts] == [480_000] * 3 + [500_000_000, None]
    assert receipts[4]["cost_source"] == "unpriced"
    found = {row.feature: row for row in rows(priced.database)}
    assert found["f-1"].started_at == before_us - 30 * 3_600 * 1_000_000
    assert found["f-2"].started_at >= before_us
    # What occurred before the key's budget was made is not among it.
    assert windows(priced.database) == [(500_960_000, 0, 0)]
    assert faults(priced.database) == []


def test_told_again_it_is_the_first_receipt_and_with_another_body_refused(
    priced: Server,
) -> None:
    key, other = make(priced, "acme-web", "50/month"), make(priced, "globex-web")
    first = post(priced, key.secret, EVENT).json()["events"][0]
    again = post(priced, key.secret, b' {"quantity":1200,"id":"e-1","meter":"vector_read"}')
    assert again.json()["events"] == [first | {"duplicate": True}]
    refused = post(priced, key.secret, {"events": [EVENT | {"id": "e-2"}, EVENT | {"quantity": 5}]})
    assert (refused.status_code, refused.headers["x-should-retry"]) == (409, "false")
    error = refused.json()["error"]
    assert error["code"] == "duplicate_event"
    assert error["ferry"] == {
        "event": "e-1", "call": first["call"], "state": "settled", "outcome": "ok",
        "provider": "meter", "model": "vector_read", "quantity": 1_200, "cost_nanousd": 480_000,
    }  # fmt: skip
    assert post(priced, other.secret, EVENT).json()["events"][0]["duplicate"] is False
    states = Counter(row.state for row in settled_rows(priced.database, 3))
    assert states == {"settled": 2, "denied": 1}
    assert windows(priced.database) == [(480_000, 0, 0)]
    assert faults(priced.database) == []


def test_it_carries_a_budget_over_its_limit_and_calls_are_refused_then(priced: Server) -> None:
    key = make(priced, "acme-web", "1/month")
    told = EVENT | {"cost_usd": 2.5}
    assert post(priced, key.secret, told).json()["events"][0]["cost_nanousd"] == 2_500_000_000
    with pytest.raises(openai.RateLimitError) as refused:
        priced.client(key.secret).chat.completions.create(
            model="m-1", messages=[{"role": "user", "content": "hi"}]
        )
    assert refused.value.code == "insufficient_quota"
    assert post(priced, key.secret, EVENT | {"id": "e-2"}).status_code == 200
    with reads.opened(priced.database) as connection:
        alerts = connection.execute("SELECT threshold FROM alerts ORDER BY threshold").fetchall()
    assert [tuple(one) for one in alerts] == [(50,), (80,), (100,)]
    assert faults(priced.database) == []


REFUSED: list[tuple[Any, str, int]] = [
    (b"", "invalid_json", 400),
    (b"[1]", "invalid_parameter", 400),
    (b'{"events": ' * 5_000, "invalid_json", 400),
    ({"events": []}, "invalid_parameter", 400),
    ({"events": [EVENT] * 201}, "invalid_parameter", 400),
    (EVENT | {"quantity": -1}, "invalid_parameter", 400),
    (EVENT | {"quantity": 10**12, "meter": "dear"}, "invalid_parameter", 400),
    (EVENT | {"ocurred_at": "2026-11-18T12:00:00Z"}, "invalid_parameter", 400),
]


def test_what_cannot_be_recorded_is_refused_whole_and_a_row(priced: Server) -> None:
    changes.set_price(priced.database, METER, "dear", Rate(input=10**15))
    key = make(priced, "acme-web", "50/month")
    for body, code, status in REFUSED:
        got = post(priced, key.secret, body)
        assert (got.status_code, got.json()["error"]["code"]) == (status, code), body
        assert got.headers["x-ferry-call-id"].startswith("c_")
    found = settled_rows(priced.database, len(REFUSED))
    assert {row.state for row in found} == {"denied"}
    assert {row.endpoint for row in found} == {"/ferry/v1/events"}
    assert windows(priced.database) == []


def test_who_may_not_tell_is_refused(priced: Server) -> None:
    needs = {"feature": Policy.of("require")}
    key = make(priced, "acme-web", policies=needs)
    told = post(priced, key.secret, {"events": [EVENT | {"feature": "x"}, EVENT | {"id": "e-2"}]})
    assert (told.status_code, told.json()["error"]["code"]) == (400, "missing_attribution")
    assert post(priced, key.secret, EVENT | {"feature": "x"}).status_code == 200
    reader = make(priced, "reader", role="read")
    for secret in ("fk_demo", "fk_x", reader.secret):
        assert post(priced, secret, EVENT).status_code == 401, secret
    url = f"http://127.0.0.1:{priced.port}/ferry/v1/events"
    headers = {"authorization": f"Bearer {key.secret}"}
    assert httpx.get(url, headers=headers).status_code == 405
    assert post(priced, key.secret, EVENT, origin="http://evil.example").status_code == 403
    assert post(priced, key.secret, EVENT, **{"content-encoding": "gzip"}).status_code == 415
    changes.revoke_key(priced.database, "acme-web")
    assert post(priced, key.secret, EVENT | {"feature": "x"}).status_code == 401


def test_the_demo_key_tells_no_events(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text('[server]\ndatabase = "ferry.db"\nlisten = "127.0.0.1:0"\n')
    with serving(path) as server:
        got = post(server, "fk_demo", EVENT)
        assert (got.status_code, got.json()["error"]["code"]) == (401, "invalid_api_key")
        assert rows(server.database) == []


def test_a_price_or_a_policy_of_a_moment_ago_counts(priced: Server) -> None:
    key = make(priced, "acme-web")
    for turn in range(1, 6):
        changes.set_price(priced.database, METER, "vector_read", Rate(input=turn * 1_000_000))
        (receipt,) = post(priced, key.secret, EVENT | {"id": f"e-{turn}"}).json()["events"]
        # The ledger looks at the file within its transaction: a price that was set stands.
        assert receipt["cost_nanousd"] == 1_200 * turn


async def _tell(server: Server, secret: str, turn: int, dice: random.Random) -> None:
    """Clients that tell everything twice, until the server is killed under them."""
    url = f"http://127.0.0.1:{server.port}/ferry/v1/events"
    headers = {"authorization": f"Bearer {secret}"}
    has_begun = asyncio.Event()

    async def client(http: httpx.AsyncClient, number: int) -> None:
        for count in range(10_000):
            body = body_of(turn, number, count)
            try:
                await http.post(url, content=body)
                has_begun.set()
                await http.post(url, content=body)
            except httpx.HTTPError:
                return

    async with httpx.AsyncClient(headers=headers, timeout=10) as http:
        tasks = [asyncio.create_task(client(http, number)) for number in range(8)]
        await asyncio.wait_for(has_begun.wait(), 20)
        await asyncio.sleep(dice.uniform(0.0, 0.4))
        await asyncio.to_thread(server.kill)
        await asyncio.wait(tasks, timeout=20)


def body_of(turn: int, number: int, count: int) -> bytes:
    return json.dumps(
        {
            "events": [
                {"id": f"{turn}-{number}-{count}-{at}", "meter": "vector_read", "quantity": at}
                for at in range(3)
            ]
        }
    ).encode()


@pytest.mark.soak
def test_after_kill_9_each_is_recorded_once_and_its_request_whole(config_path: Path) -> None:
    database = config_path.parent / "ferry.db"
    price(database)
    plan = KeyPlan(name="capped", allowance=Allowance.parse("1/total"))
    secret = changes.create_key(database, plan).secret
    dice = random.Random(20_261_125)
    for turn in range(ROUNDS):
        asyncio.run(_tell(Server(config_path), secret, turn, dice))
    with serving(config_path) as server:
        with reads.opened(database) as connection:
            ids = [row[0] for row in connection.execute("SELECT event_id FROM events")]
        whole = Counter(id.rpartition("-")[0] for id in ids)
        assert len(ids) == len(set(ids)) > ROUNDS
        assert set(whole.values()) == {3}
        # What a client has no answer to, it tells again.
        for name in sorted(whole):
            turn, number, count = map(int, name.split("-"))
            receipts = post(server, secret, body_of(turn, number, count)).json()["events"]
            assert [one["duplicate"] for one in receipts] == [True] * 3
            if count > 2:
                break
        assert [spent for spent, _, _ in windows(database)] == [len(whole) * 3 * UNIT]
        assert faults(database) == []
