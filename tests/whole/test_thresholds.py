"""What a budget does on its way to its limit: notices told once, cheaper routes, and the free one.

One seed in the suite; `FERRY_SOAK=1` makes it 20.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.whole.load import Mix, Reply, Shot, fire
from tests.whole.records import Cap, Row, at_rest, calls, query
from tests.whole.server import Server, serving
from tests.whole.stage import Stage, secret_in, stage
from tests.whole.upstream import Upstream
from tests.whole.webhook import TOLD_S_MAX, Told, Webhook

SEEDS = range(20) if os.environ.get("FERRY_SOAK") else range(1)
CHANNEL = """
[alerts]
default = "ops"

[channels.ops]
kind = "webhook"
url_env = "OPS_WEBHOOK"
secret_env = "OPS_SECRET"
"""
SECRET = "whsec-canary"
PERCENTS = (50, 80, 100)
USD = 10**9
BIG, SMALL = (3_000_000_000, 15_000_000_000), (300_000_000, 1_500_000_000)
PRICES = {"m-big": BIG, "m-small": SMALL, "m-free": (0, 0)}


@dataclass(frozen=True)
class Scene:
    """A gateway whose notices go to a webhook of our own."""

    stage: Stage
    upstream: Upstream
    hook: Webhook
    secret: str

    @contextmanager
    def serving(self) -> Iterator[Server]:
        with serving(self.stage.path, **self.environment) as server:
            yield server

    @property
    def environment(self) -> dict[str, str]:
        return {"OPS_WEBHOOK": self.hook.url, "OPS_SECRET": SECRET}

    def alerts(self) -> list[Row]:
        statement = "SELECT * FROM alerts WHERE kind = 'budget' ORDER BY created_at"
        return query(self.stage.database, statement)

    def wait_until_told(self) -> None:
        """Until every notice has left the house."""
        deadline = time.monotonic() + TOLD_S_MAX
        while waiting := [one for one in self.alerts() if one["state"] != "told"]:
            assert time.monotonic() < deadline, waiting
            time.sleep(0.02)


@contextmanager
def scene(directory: Path, *lines: str) -> Iterator[Scene]:
    with Upstream() as upstream, Webhook() as hook:
        made = stage(directory, {"up": upstream.base_url}, more=CHANNEL)
        said, *_ = made.set_up(
            "keys create app --json",
            "prices set up/m-big --input 3 --output 15",
            "prices set up/m-small --input 0.3 --output 1.5",
            "prices set up/m-free --input 0 --output 0",
            *lines,
        )
        yield Scene(made, upstream, hook, secret_in(said))


def id_of(told: Told) -> str:
    """The id that a delivery carries; raises where its headers and its signature do not fit."""
    parts = dict(part.split("=", 1) for part in told.headers["ferry-signature"].split(","))
    signed = parts["t"].encode() + b"." + told.raw
    assert parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert told.headers["ferry-notice-id"] == told.body["id"]
    return str(told.body["id"])


def check_told_once(scene: Scene, cap: Cap) -> None:
    """One row for each threshold that a window has reached, told at least once, with its id."""
    alerts = scene.alerts()
    found = sorted((one["subject"], one["threshold"]) for one in alerts)
    assert len(found) == len(set(found)), found
    due = []
    refused = {
        cap.subject(row)
        for row in calls(scene.stage.database)
        if row["error_code"] in ("insufficient_quota",)
    }
    for subject, window in cap.windows(scene.stage.database).items():
        for percent in PERCENTS:
            is_exhausted = percent == 100 and subject in refused
            if window["spent"] * 100 >= percent * cap.limit_nanousd or is_exhausted:
                due.append((subject, percent))
    assert found == sorted(due)
    scene.wait_until_told()
    ids = {one["id"] for one in alerts}
    assert {id_of(told) for told in scene.hook.taken()} == ids
    assert {id_of(told) for told in scene.hook.told} == ids
    # Every try of a notice is the same notice, to the byte.
    assert len({told.raw for told in scene.hook.told}) == len(ids)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_each_notice_is_written_once_and_told_over_a_crash(tmp_path: Path, seed: int) -> None:
    dice = random.Random(4_000 + seed)
    cap = Cap("user=*", USD // 5)
    rules = "--at '50% notify ops' --at '80% notify' --at '100% block'"
    with scene(tmp_path, f"budgets set 'user=*' --limit 0.2/total {rules}") as stands:
        mix = Mix(leaves=0.05, opens=0.0, limits=(300, 600), output_max=600)

        def shots(count: int, since: int) -> list[Shot]:
            users = [f"u{dice.randrange(4)}" for _ in range(count)]
            return [
                mix.shot(
                    dice,
                    stands.secret,
                    "up/m-big",
                    {"n": f"{n}", "user": user, "thread": f"t{n}"},
                )
                for n, user in enumerate(users, since)
            ]

        # Deaf, so that what was settled is not yet told when the server dies.
        stands.hook.is_down = True
        server = Server(stands.stage.path, **stands.environment)
        fire(server.port, shots(120, 0), 16)
        at_rest(server.database)
        before = stands.alerts()
        assert before
        server.kill()
        assert stands.hook.taken() == []
        stands.hook.is_down = False
        with stands.serving() as again:
            stands.hook.wait_for(len(before))
            fire(again.port, shots(120, 120), 16)
            at_rest(again.database)
            check_told_once(stands, cap)
            kept = {one["id"] for one in stands.alerts()}
        assert {one["id"] for one in before} <= kept
        assert {one["threshold"] for one in stands.alerts()} == set(PERCENTS)
        times = len(stands.hook.told)
        print(
            f"seed {seed}: {len(kept)} notices, {len(before)} of them over the crash, {times} tries"
        )


def test_strict_budget_that_ends_at_997_permille_has_told_100_percent_once(tmp_path: Path) -> None:
    rules = "--at '50% notify' --at '80% notify' --at '100% block'"
    with scene(tmp_path, f"budgets set tenant=acme --limit 1/total {rules}") as stands:
        # Ten of these are $0.9969, and what is left then is less than an eleventh's hold.
        wishes = {"in": "20", "out": "6642", "tenant": "acme"}
        ask = {
            "model": "up/m-big",
            "max_tokens": 6_642,
            "messages": [{"role": "user", "content": "tell me all of it"}],
        }
        with stands.serving() as server:
            replies = []
            for turn in range(14):
                body = {**ask, "metadata": {**wishes, "n": f"{turn}", "thread": f"t{turn}"}}
                replies += fire(server.port, [Shot(stands.secret, json.dumps(body).encode())])
                at_rest(server.database)
            assert [reply.is_answered for reply in replies] == [True] * 10 + [False] * 4
            assert {reply.code for reply in replies[10:]} == {"insufficient_quota"}
            [window] = Cap("tenant=acme", USD).windows(server.database).values()
            assert window["spent"] * 1_000 // USD == 996
            print(f"ended at {window['spent'] / USD:.2%} of the limit")
            scene_alerts = stands.alerts()
            assert [one["threshold"] for one in scene_alerts] == list(PERCENTS)
            stands.wait_until_told()
            assert {id_of(one) for one in stands.hook.taken()} == {
                one["id"] for one in scene_alerts
            }


ROUTES = (
    "routes set nothing up/m-free",
    "routes set cheap up/m-small",
    "routes set chat up/m-big --cheaper cheap --free nothing",
)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_cheaper_route_from_80_percent_but_for_critical_calls_and_the_free_one_at_100(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(5_000 + seed)
    rules = "--at '50% notify' --at '80% downgrade' --at '100% free'"
    lines = [*ROUTES, f"budgets set tenant=acme --limit 1/total {rules}"]
    with scene(tmp_path, *lines) as stands, stands.serving() as server:
        seen: list[tuple[int, bool, Row, Reply]] = []
        # Few calls that are not critical, or 100 % would be far after 80 %.
        while not seen or seen[-1][2]["sent_model"] != "m-free":
            assert len(seen) < 400, "the budget is never spent"
            spent = _spent(server.database)
            is_critical = dice.random() < 0.6
            reply = fire(server.port, [_call(stands, dice, len(seen), is_critical=is_critical)])[0]
            assert reply.is_answered, (reply.status, reply.body[:300])
            rows, _ = at_rest(server.database)
            seen.append((spent, is_critical, rows[-1], reply))
        for spent, is_critical, row, reply in seen[:-1]:
            fits = spent + row["output_asked"] * BIG[1] // 10**6 + 3_000_000 <= USD
            if spent * 100 < 80 * USD:
                assert (row["sent_model"], row["downgraded_from"]) == ("m-big", ""), spent
            elif not is_critical:
                assert row["sent_model"] == "m-small", spent
                check_disclosed(row, reply, "cheap")
            elif fits:
                assert (row["sent_model"], row["downgraded_from"]) == ("m-big", ""), spent
        over_80 = [one for one in seen[:-1] if one[0] * 100 >= 80 * USD]
        assert {one[1] for one in over_80} == {True, False}
        print(f"seed {seed}: {len(seen)} calls, {len(over_80)} of them over 80 %")
        check_disclosed(seen[-1][2], seen[-1][3], "nothing")
        [window] = Cap("tenant=acme", USD).windows(server.database).values()
        bill = sum(one.bill(PRICES) for one in stands.upstream.seen)
        assert bill == window["spent"] <= USD
        assert [one["threshold"] for one in stands.alerts()] == list(PERCENTS)
        # The money is spent; the free route goes on answering whoever asks for as much.
        asked = seen[-1][2]["output_asked"]
        for is_critical in (True, False):
            again = _call(stands, dice, 900, is_critical=is_critical, output=asked)
            [reply] = fire(server.port, [again])
            assert reply.is_answered
            assert stands.upstream.seen[-1].model == "m-free"


def _spent(database: Path) -> int:
    return sum(one["spent"] for one in Cap("tenant=acme", USD).windows(database).values())


def _call(
    stands: Scene,
    dice: random.Random,
    number: int,
    *,
    is_critical: bool,
    output: int | None = None,
) -> Shot:
    """A call whose hold is all but what it costs: 2 to 4 % of the limit at the dear model."""
    output = output or dice.randrange(1_400, 2_600)
    body = {
        "model": "chat",
        "max_tokens": output,
        "messages": [{"role": "user", "content": "at length, please"}],
        "metadata": {
            "in": "20",
            "out": f"{output}",
            "n": f"{number}",
            "tenant": "acme",
            "thread": f"t{number}",
        },
    }
    headers = (("x-ferry-priority", "critical" if is_critical else "normal"),)
    return Shot(stands.secret, json.dumps(body).encode(), headers)


def check_disclosed(row: Row, reply: Reply, route: str) -> None:
    """The reply and the row say that the call went by another route, from which, and why."""
    assert row["downgraded_from"]
    assert row["route"] == reply.headers["x-ferry-route"] == route
    assert reply.headers["x-ferry-downgraded-from"] == row["downgraded_from"]
    assert reply.headers["x-ferry-reason"]
    assert "tenant=acme" in row["rule"]
