"""Replies with a good status and no answer in them: the provider's failure, told as it came."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.whole import faults
from tests.whole.faults import FAULTS, NO_ANSWER, FaultyUpstream
from tests.whole.load import Reply, Shot, fire
from tests.whole.records import Row, at_rest, query
from tests.whole.server import INPUT_RATE, Server, serving
from tests.whole.stage import secret_in, stage
from tests.whole.upstream import Upstream

HOUR_US = 3_600_000_000
TOLD_S_MAX = 10.0


@dataclass
class Scene:
    """A first provider that gives no answers, and a second one that does."""

    server: Server
    secret: str
    first: FaultyUpstream
    second: Upstream

    def ask(self, model: str, *, is_stream: bool = False, **more: Any) -> Reply:
        metadata = {"in": "100", "out": "20", "n": "1", "tenant": "acme"}
        messages = [{"role": "user", "content": "hi"}]
        ask = {"model": model, "messages": messages, "metadata": metadata, "max_tokens": 300}
        body = json.dumps(ask | {"stream": is_stream} | more).encode()
        [reply] = fire(self.server.port, [Shot(self.secret, body)])
        return reply

    def last(self) -> Row:
        rows, _ = at_rest(self.server.database)
        return rows[-1]

    def tries(self) -> list[Row]:
        """Attempts of the last call, in order."""
        statement = "SELECT * FROM attempts WHERE call_seq = ? ORDER BY number"
        return query(self.server.database, statement, self.last()["seq"])

    def alerts(self, kind: str) -> list[Row]:
        """Notices of `kind`, once there are any."""
        deadline = time.monotonic() + TOLD_S_MAX
        while True:
            found = query(self.server.database, "SELECT * FROM alerts WHERE kind = ?", kind)
            if found:
                return found
            assert time.monotonic() < deadline, f"nothing was told of kind {kind}"
            time.sleep(0.01)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with FaultyUpstream(faults.by_model) as first, Upstream() as second:
        providers = {"first": first.base_url, "second": second.base_url}
        made = stage(tmp_path, providers, more='[guard]\nloop = "block"\nsame_request_max = 2')
        lines = [f"prices set '{name}/m-*' --input 3 --output 15" for name in providers]
        lines += [f"routes set r-{way} first/m-{way} second/m-{way}" for way in NO_ANSWER]
        said, *_ = made.set_up("keys create app --budget 50/month --json", *lines)
        with serving(made.path) as server:
            yield Scene(server, secret_in(said), first, second)


@pytest.mark.parametrize("is_stream", [False, True])
def test_next_target_is_asked_and_each_attempt_costs_what_it_cost(
    scene: Scene, is_stream: bool
) -> None:
    for way in NO_ANSWER:
        reply = scene.ask(f"r-{way}", is_stream=is_stream)
        assert reply.is_answered, (way, reply.status, reply.body)
        assert reply.headers["x-ferry-provider"] == "second"
        row, (failed, answered) = scene.last(), scene.tries()
        assert (row["state"], row["outcome"], row["attempts"]) == ("settled", "ok", 2)
        assert (failed["state"], answered["state"]) == ("settled", "settled")
        assert row["cost_nanousd"] == failed["cost_nanousd"] + answered["cost_nanousd"]
        if way == "200-error-with-usage":
            assert failed["cost_source"] == "reported"
            assert failed["cost_nanousd"] == 90 * INPUT_RATE // 10**6
            assert (failed["doubt_nanousd"], row["doubt_nanousd"]) == (0, 0)
        else:
            assert failed["cost_source"] == "estimated"
            assert failed["cost_nanousd"] + failed["doubt_nanousd"] == failed["hold_nanousd"]
            assert row["doubt_nanousd"] == failed["doubt_nanousd"]
    failures = [one["reason"] for one in query(scene.server.database, "SELECT * FROM attempts")]
    assert {one for one in failures if one} == {"529 overloaded_error", "200 upstream_failed"}


@pytest.mark.parametrize("way", ["200-error", "200-error-with-usage", "200-html"])
def test_last_one_is_passed_on_as_it_came(scene: Scene, way: str) -> None:
    reply = scene.ask(f"first/m-{way}")
    assert (reply.status, reply.body) == (200, FAULTS[way].body)
    row = scene.last()
    is_error = way != "200-html"
    assert row["outcome"] == ("failed" if is_error else "cut")
    assert (row["state"], row["status"]) == ("settled", 200)
    assert row["error_code"] == ("overloaded_error" if is_error else "")


@pytest.mark.parametrize("way", ["200-empty", "204"])
def test_nothing_at_all_is_told_in_words(scene: Scene, way: str) -> None:
    reply = scene.ask(f"first/m-{way}")
    assert (reply.status, reply.code) == (502, "upstream_failed")
    assert b"its reply is empty" in reply.body


def test_request_of_which_the_provider_says_that_it_is_wrong_is_not_sent_to_another(
    scene: Scene,
) -> None:
    wrong = {"message": "No.", "type": "invalid_request_error"}
    FAULTS["200-error"] = faults.Fault("status", 200, json.dumps({"error": wrong}).encode())
    try:
        reply = scene.ask("r-200-error")
    finally:
        FAULTS["200-error"] = NO_ANSWER["200-error"]
    assert (reply.status, json.loads(reply.body)["error"]) == (200, wrong)
    assert scene.second.seen == []
    assert query(scene.server.database, "SELECT * FROM health") == []


def test_target_that_gives_no_answers_is_left_alone_and_its_owner_told_once_an_hour(
    scene: Scene,
) -> None:
    for _ in range(8):
        assert scene.ask("r-200-error").is_answered
    assert 5 <= len(scene.first.seen) < 8
    [told] = scene.alerts("circuit")
    [health] = query(scene.server.database, "SELECT * FROM health WHERE state = 'open'")
    assert told["subject"] == "first/m-200-error"
    assert told["window_start"] == health["since_at"] - health["since_at"] % HOUR_US
    detail = json.loads(told["detail"])
    assert detail == {"reason": "529 overloaded_error", "until_at": str(health["until_at"])}


def test_owner_of_a_thread_that_is_stopped_is_told_once(scene: Scene) -> None:
    replies = [scene.ask("second/m-1", metadata={"thread": "t-1"}) for _ in range(5)]
    assert [reply.code for reply in replies] == ["", "", *["loop_detected"] * 3]
    [told] = scene.alerts("loop")
    assert told["subject"] == "t-1"
    assert json.loads(told["detail"])["action"] == "block"
