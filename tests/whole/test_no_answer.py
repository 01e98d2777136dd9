"""Replies with a good status and no answer in them: the provider's failure, told as it came."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.money import usd_exact
from tests.whole import faults
from tests.whole.faults import FAULTS, NO_ANSWER, Fault, FaultyUpstream
from tests.whole.load import Reply, Shot, fire
from tests.whole.records import Row, at_rest, query
from tests.whole.server import INPUT_RATE, Server, serving
from tests.whole.stage import secret_in, stage
from tests.whole.upstream import Seen, Upstream

HOUR_US = 3_600_000_000
TOLD_S_MAX = 10.0
JSON = "application/json"
TOLD = ("provider", "model", "route", "attempts")
MODELS = (*NO_ANSWER, "busy", "wrong")
"""Of both providers; the first one fails as the model is named, or as the call asks for."""


@dataclass
class Scene:
    """A first provider that gives no answers, and a second one that does."""

    server: Server
    secret: str
    first: FaultyUpstream
    second: Upstream

    def ask(
        self, model: str, *, is_stream: bool = False, priority: str = "normal", **metadata: str
    ) -> Reply:
        """One call of 100 tokens in and 20 out."""
        ask: dict[str, Any] = {
            "model": model,
            "stream": is_stream,
            "max_tokens": 300,
            "messages": [{"role": "user", "content": "hi"}],
            "metadata": {"in": "100", "out": "20", **metadata},
        }
        headers = (("x-ferry-priority", priority),)
        [reply] = fire(self.server.port, [Shot(self.secret, json.dumps(ask).encode(), headers)])
        return reply

    def last(self) -> Row:
        """The row of the last call."""
        rows, _ = at_rest(self.server.database)
        return rows[-1]

    def tries(self) -> list[Row]:
        """Attempts of the last call, in order."""
        statement = "SELECT * FROM attempts WHERE call_seq = ? ORDER BY number"
        return query(self.server.database, statement, self.last()["seq"])

    def seen(self, model: str) -> tuple[int, int]:
        """How often each provider was asked for `model`."""
        first = sum(one.model == f"m-{model}" for one in self.first.seen)
        return first, sum(one.model == f"m-{model}" for one in self.second.seen)

    def alerts(self, kind: str) -> list[Row]:
        """Notices of `kind`, once there are any."""
        deadline = time.monotonic() + TOLD_S_MAX
        while True:
            found = query(self.server.database, "SELECT * FROM alerts WHERE kind = ?", kind)
            if found:
                return found
            assert time.monotonic() < deadline, f"nothing was told of kind {kind}"
            time.sleep(0.01)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    first = FaultyUpstream(lambda seen: faults.as_told(seen) or faults.by_model(seen))
    with first, Upstream() as second:
        providers = {"first": first.base_url, "second": second.base_url}
        guard = '[guard]\nloop = "block"\nsame_request_max = 2'
        made = stage(tmp_path_factory.mktemp("no_answer"), providers, more=guard)
        lines = [f"prices set '{name}/m-*' --input 3 --output 15" for name in providers]
        lines += [f"routes set r-{name} first/m-{name} second/m-{name}" for name in MODELS]
        lines.append("routes set r-none first/m-200-empty first/m-204")
        lines.append("budgets set tenant=poor --limit 0.05/total --at '1% downgrade'")
        said, *_ = made.set_up("keys create app --budget 50/month --json", *lines)
        with serving(made.path) as server:
            yield Scene(server, secret_in(said), first, second)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("way", NO_ANSWER)
def test_next_target_is_asked_and_each_attempt_costs_what_it_cost(
    scene: Scene, way: str, is_stream: bool
) -> None:
    reply = scene.ask(f"r-{way}", is_stream=is_stream)
    assert reply.is_answered, (reply.status, reply.body)
    assert reply.headers["x-ferry-provider"] == "second"
    row, (failed, answered) = scene.last(), scene.tries()
    if not is_stream:
        assert reply.headers["x-ferry-cost-usd"] == usd_exact(row["cost_nanousd"])
    assert (row["state"], row["outcome"], row["attempts"]) == ("settled", "ok", 2)
    plain = f"{FAULTS[way].status} upstream_failed"
    assert failed["reason"] == ("529 overloaded_error" if "error" in way else plain)
    assert row["cost_nanousd"] == failed["cost_nanousd"] + answered["cost_nanousd"]
    assert row["doubt_nanousd"] == failed["doubt_nanousd"]
    if way.endswith("with-usage"):
        assert (failed["cost_source"], failed["doubt_nanousd"]) == ("reported", 0)
        assert failed["cost_nanousd"] == 90 * INPUT_RATE // 10**6
    else:
        assert failed["cost_source"] == "estimated"
        assert failed["cost_nanousd"] + failed["doubt_nanousd"] == failed["hold_nanousd"]


@pytest.mark.parametrize("way", [way for way in NO_ANSWER if FAULTS[way].body])
def test_last_one_is_passed_on_as_it_came(scene: Scene, way: str) -> None:
    reply = scene.ask(f"first/m-{way}")
    assert (reply.status, reply.body) == (200, FAULTS[way].body)
    assert reply.headers["content-type"] == dict(FAULTS[way].headers).get("content-type", JSON)
    row = scene.last()
    outcome = ("failed", "overloaded_error") if "error" in way else ("cut", "")
    assert (row["outcome"], row["error_code"]) == outcome
    assert (row["state"], row["status"]) == ("settled", 200)


@pytest.mark.parametrize("way", [way for way in NO_ANSWER if not FAULTS[way].body])
def test_empty_reply_is_told_in_words_and_not_asked_for_again(scene: Scene, way: str) -> None:
    before, _ = scene.seen(way)
    reply = scene.ask(f"first/m-{way}")
    assert (reply.status, reply.code) == (502, "upstream_failed")
    assert reply.facts["why"] == "its reply is empty"
    told = {name: reply.headers.get(f"x-ferry-{name}") for name in TOLD}
    assert told == {"provider": "first", "model": f"m-{way}", "route": None, "attempts": None}
    assert scene.seen(way)[0] == before + 1


def test_error_of_ferrys_own_says_where_the_call_went(scene: Scene) -> None:
    reply = scene.ask("r-none")
    assert (reply.status, reply.code) == (502, "upstream_failed")
    told = {name: reply.headers.get(f"x-ferry-{name}") for name in TOLD}
    assert told == {"provider": "first", "model": "m-204", "route": "r-none", "attempts": "2"}
    assert "x-ferry-cost-usd" not in reply.headers


def test_rule_that_cannot_move_a_call_is_told_as_it_stands_on_the_row(scene: Scene) -> None:
    assert scene.ask("second/m-1", tenant="poor").is_answered
    scene.last()
    reply, row = scene.ask("second/m-1", tenant="poor"), scene.last()
    assert row["reason"] == "tenant=poor: no cheaper target can carry it"
    assert reply.headers["x-ferry-reason"] == f"{row['rule']} ({row['reason']})"
    assert "x-ferry-downgraded-from" not in reply.headers


def test_priority_that_is_none_is_said_to_count_for_nothing(scene: Scene) -> None:
    reply = scene.ask("second/m-1", priority="urgent")
    assert reply.is_answered
    assert reply.headers["x-ferry-warning"] == (
        "priority `urgent` counts for nothing: it is none of critical, normal, background"
    )
    assert "x-ferry-warning" not in scene.ask("second/m-1", priority="critical").headers


def test_what_the_provider_says_is_wrong_is_sent_to_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"error": {"message": "No.", "type": "invalid_request_error"}}).encode()
    monkeypatch.setitem(FAULTS, "200-wrong", Fault("status", 200, body))
    for number in range(12):
        reply = scene.ask("r-wrong", fault="200-wrong", n=f"{number}")
        assert (reply.status, reply.body) == (200, body)
    assert scene.seen("wrong") == (12, 0)


def test_target_that_gives_no_answers_is_left_alone_and_its_owner_told(scene: Scene) -> None:
    replies = [scene.ask("r-busy", fault="200-error", n=f"{number}") for number in range(12)]
    assert all(reply.is_answered for reply in replies)
    first, second = scene.seen("busy")
    assert 5 <= first < 12
    assert second == 12
    [told] = [one for one in scene.alerts("circuit") if one["subject"] == "first/m-busy"]
    assert told["window_start"] % HOUR_US == 0
    assert 0 <= told["created_at"] - told["window_start"] < HOUR_US
    detail = json.loads(told["detail"])
    assert detail["reason"] == "529 overloaded_error"
    assert 0 < detail["until_at"] - told["created_at"] <= 60_000_000


def test_owner_of_a_thread_that_is_stopped_is_told_once(scene: Scene) -> None:
    replies = [scene.ask("second/m-1", thread="t-1") for _ in range(5)]
    assert [reply.code for reply in replies] == ["", "", *["loop_detected"] * 3]
    [told] = scene.alerts("loop")
    assert told["subject"] == "t-1"
    assert json.loads(told["detail"])["action"] == "block"


class HalfError(FaultyUpstream):
    """Answers 503, and breaks off before the body has come."""

    async def _answer(
        self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        return False


def test_error_whose_body_breaks_off_costs_nothing_all_the_same(tmp_path: Path) -> None:
    with HalfError() as first, Upstream() as second:
        made = stage(tmp_path, {"first": first.base_url, "second": second.base_url})
        lines = [f"prices set '{name}/m-*' --input 3 --output 15" for name in ("first", "second")]
        lines.append("routes set r first/m-1 second/m-1")
        said, *_ = made.set_up("keys create app --budget 50/month --json", *lines)
        with serving(made.path) as server:
            stands = Scene(server, secret_in(said), first, second)
            assert stands.ask("r").is_answered
            failed, _ = stands.tries()
    assert (failed["state"], failed["status"], failed["reason"]) == ("released", 503, "503")
    assert (failed["cost_nanousd"], failed["doubt_nanousd"]) == (0, 0)
