"""A first provider that fails in every way, and what its callers notice of it: nothing.

About one call for each failure in the suite; `FERRY_SOAK=1` makes it 1,000.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.whole import faults
from tests.whole.faults import FAULTS, FaultyUpstream
from tests.whole.load import Mix, Reply, Shot, fire
from tests.whole.records import Cap, Row, at_rest, query, unlike_sent
from tests.whole.server import Server, serving
from tests.whole.stage import Stage, secret_in, stage
from tests.whole.upstream import Upstream

IS_SOAK = bool(os.environ.get("FERRY_SOAK"))
CALLS = 1_000 if IS_SOAK else 60
PARALLEL = 32
ABSORBED = tuple(faults.BROKEN | faults.STATUSES | faults.MONEY | faults.NO_ANSWER)
"""Failures before the first byte of an answer: the next provider is asked."""
PORTS = ("u1-refused", "u2-black-hole", "u3-no-tls", "u4-accepts-and-closes")
"""Failures of providers that read no request at all."""
DEADLINES = f"connect_s = {5 if IS_SOAK else 1}\nfirst_byte_s = {5 if IS_SOAK else 1}"
"""A server that is busy with many calls may need seconds to see that it is connected."""


@dataclass
class Scene:
    """A server with a route for each way to fail: first to the failing target, then to another."""

    stage: Stage
    server: Server
    secret: str
    first: FaultyUpstream
    second: Upstream
    ways: tuple[str, ...]
    """Names of routes, each after the failure of its first target."""
    dice: random.Random = field(default_factory=lambda: random.Random(6))
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def shots(self, ways: Iterable[str], *, is_stream: bool | None = None) -> list[Shot]:
        """A call by the route named after each way to fail; a thread for each, so none sticks."""
        streams = 0.5 if is_stream is None else float(is_stream)
        made = []
        for way, number in zip(ways, self.numbers, strict=False):
            # Half of a JSON object is no stream.
            mix = Mix(streams=0.0 if "half" in way else streams, opens=0.3)
            who = {"n": f"{number}", "tenant": "acme", "thread": f"t{number}"}
            made.append(mix.shot(self.dice, self.secret, f"r-{way}", who))
        return made

    @property
    def absorbed_ways(self) -> list[str]:
        """Those after which another provider is asked."""
        return [way for way in self.ways if way in ABSORBED or way in PORTS]

    def tries(self, number: str) -> list[tuple[str, float, bytes]]:
        """What both upstreams saw of a call: provider, when, and what was sent back; in order."""
        seen = [
            (name, one.at, bytes(one.sent))
            for name, upstream in (("first", self.first), ("second", self.second))
            for one in upstream.seen
            if one.wish.get("n") == number
        ]
        return sorted(seen, key=lambda one: one[1])

    def repeated(self, numbers: Iterable[str]) -> int:
        """Second tries at the same target, as the upstreams saw them."""
        wanted = set(numbers)
        count: Counter[tuple[str, str]] = Counter()
        for name, upstream in (("first", self.first), ("second", self.second)):
            count.update((name, one.wish["n"]) for one in upstream.seen if one.wish["n"] in wanted)
        return sum(tries - 1 for tries in count.values())


@contextlib.contextmanager
def scene(
    directory: Path, second: Upstream, budgets: Iterable[str] = (), *, ports: bool = True
) -> Iterator[Scene]:
    """Routes `ABSORBED` and, where wanted, `PORTS`, each falling to the same model at `second`."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(FaultyUpstream(faults.by_model))
        stack.enter_context(second)
        providers = {"first": first.base_url, "second": second.base_url}
        ways = [*ABSORBED, *faults.HEARD, *faults.PLAIN]
        targets = {way: f"first/m-{way}" for way in ways}
        for name, base_url in _ports(stack).items() if ports else ():
            providers[name.split("-")[0]] = base_url
            targets[name] = f"{name.split('-')[0]}/m-1"
        made = stage(directory, providers, upstream=DEADLINES)
        lines = [f"prices set '{name}/m-*' --input 3 --output 15" for name in providers]
        lines += [
            f"routes set r-{way} '{target}' '{_second(target)}'" for way, target in targets.items()
        ]
        said, *_ = made.set_up("keys create app --json", *lines, *budgets)
        with serving(made.path) as server:
            yield Scene(made, server, secret_in(said), first, second, tuple(targets))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One whose second provider is well."""
    with scene(tmp_path_factory.mktemp("healthy"), Upstream()) as stands:
        yield stands


def _second(target: str) -> str:
    return f"second/{target.partition('/')[2]}"


def _ports(stack: contextlib.ExitStack) -> Mapping[str, str]:
    """Addresses of what fails before a request is read."""
    refusing = stack.enter_context(faults.refusing())
    hole = stack.enter_context(faults.black_hole())
    no_tls = stack.enter_context(faults.listener(faults.NO_TLS))
    closing = stack.enter_context(faults.listener(b""))
    found = {
        "u1-refused": f"http://127.0.0.1:{refusing}/v1",
        "u3-no-tls": f"https://127.0.0.1:{no_tls}/v1",
        "u4-accepts-and-closes": f"http://127.0.0.1:{closing}/v1",
    }
    if hole is None:
        print("not shown: U2, as this system opens or refuses connections that nobody takes")
    else:
        found["u2-black-hole"] = f"http://127.0.0.1:{hole}/v1"
    return found


def attempts(database: Path) -> dict[str, list[Row]]:
    """Rows of `attempts` by the call's number, in order."""
    found: dict[str, list[Row]] = {}
    statement = (
        "SELECT a.*, c.tags AS tags FROM attempts a JOIN calls c ON c.seq = a.call_seq"
        " ORDER BY a.call_seq, a.number"
    )
    for row in query(database, statement):
        found.setdefault(json.loads(row["tags"])["n"], []).append(row)
    return found


def check_rows(
    scene: Scene, replies: list[Reply], *, may_be_denied: bool = False
) -> dict[str, Row]:
    """One row for each call, an attempt for each try, nothing held; the rows by number."""
    rows, _ = at_rest(scene.server.database)
    numbers = [reply.number for reply in replies]
    assert unlike_sent(scene.server.database, numbers) == {}
    by_number = {row["n"]: row for row in rows}
    tried = attempts(scene.server.database)
    for number in numbers:
        row, listed = by_number[number], tried.get(number, [])
        if may_be_denied and row["state"] == "denied":
            # The first provider was left alone, and the second had no money.
            assert row["error_code"] == "insufficient_quota"
            assert not scene.tries(number)
            continue
        assert row["state"] in ("settled", "released"), row
        # The first of several, or the only one of a call that no budget let go any further.
        assert len(listed) in ((0, 1) if row["attempts"] == 1 else (row["attempts"],)), row
        assert [one["number"] for one in listed] == list(range(1, len(listed) + 1))
        seen = [name for name, _, _ in scene.tries(number)]
        # A target that is left alone because its circuit is open is noted, and nothing was sent.
        sent = [one["provider"] for one in listed if one["reason"] != "circuit_open"]
        noted = sent if listed else [row["provider"]]
        assert seen == [name for name in noted if name in ("first", "second")], (seen, noted)
    [held] = query(scene.server.database, "SELECT sum(held_nanousd) AS held FROM windows")
    assert not held["held"]
    return by_number


@pytest.mark.soak
def test_every_call_is_answered_where_the_second_provider_is_well(healthy: Scene) -> None:
    ways = healthy.absorbed_ways
    shots = healthy.shots(itertools.islice(itertools.cycle(ways), max(CALLS, len(ways))))
    replies = fire(healthy.server.port, shots, PARALLEL)
    failed = [
        (reply.shot.body[:60], reply.status, reply.body[:200])
        for reply in replies
        if not reply.is_answered
    ]
    assert failed == []
    rows = check_rows(healthy, replies)
    absorbed = sum(row["attempts"] - 1 for row in rows.values())
    repeated = healthy.repeated(rows)
    slowest = max(reply.seconds for reply in replies)
    print(
        f"{len(replies)} calls over {len(ways)} ways to fail: {absorbed} failures absorbed,"
        f" {repeated} second tries at the same target; the slowest took {slowest:.2f} s"
    )
    assert repeated <= 0.2 * len(replies)
    # The first call by each route met the failure itself: no circuit can have spared it.
    assert all(rows[reply.number]["attempts"] >= 2 for reply in replies[: len(ways)])
    for reply in replies:
        row = rows[reply.number]
        assert (row["state"], row["outcome"], row["provider"]) == ("settled", "ok", "second")
        assert reply.headers["x-ferry-provider"] == "second"
        assert row["cost_source"] == "reported"
    told = query(healthy.server.database, "SELECT * FROM alerts WHERE kind = 'provider_money'")
    assert told, "nobody was told that a provider is out of money"
    assert all("first" in row["subject"] for row in told)


@pytest.mark.soak
def test_nothing_is_tried_after_the_first_byte(healthy: Scene) -> None:
    shots = healthy.shots([*faults.HEARD] * (CALLS // 20), is_stream=True)
    replies = fire(healthy.server.port, shots, PARALLEL)
    # Where the circuit has opened meanwhile, the second provider is asked first: that is fine.
    heard = [reply for reply in replies if reply.headers["x-ferry-provider"] == "first"]
    assert heard
    rows = check_rows(healthy, replies)
    for reply in heard:
        assert (reply.status, reply.is_whole) == (200, False)
        assert reply.body.startswith(b"data: ")
        assert [name for name, _, _ in healthy.tries(reply.number)] == ["first"]
        row = rows[reply.number]
        assert (row["attempts"], row["outcome"], row["cost_source"]) == (1, "cut", "estimated")
        assert row["cost_nanousd"] > 0


@pytest.mark.parametrize("status", list(faults.PLAIN))
def test_callers_own_mistake_is_told_at_once_and_nobody_else_is_asked(
    healthy: Scene, status: str
) -> None:
    [reply] = fire(healthy.server.port, healthy.shots([status]))
    assert (reply.status, reply.body) == (int(status), FAULTS[status].body)
    assert [name for name, _, _ in healthy.tries(reply.number)] == ["first"]
    check_rows(healthy, [reply])


@pytest.mark.soak
def test_last_error_is_passed_on_where_both_fail(tmp_path: Path) -> None:
    names = [*faults.STATUSES, *faults.MONEY]
    with scene(tmp_path, FaultyUpstream(faults.in_turn(names))) as stands:
        shots = stands.shots(itertools.islice(itertools.cycle(stands.absorbed_ways), CALLS))
        replies = fire(stands.server.port, shots, PARALLEL)
        rows = check_rows(stands, replies)
        for reply in replies:
            row, tries = rows[reply.number], stands.tries(reply.number)
            # A port that reads no request tells of none; the second may be left alone meanwhile.
            is_port = row["provider"] not in ("first", "second")
            assert tries or is_port, "neither was asked"
            # What is no answer may have come with status 200: that is passed on, too.
            others = {200: "cut", 504: "timeout"}
            assert row["outcome"] in ("failed", others.get(reply.status))
            assert row["status"] == reply.status
            name, _, sent = tries[-1] if tries else ("", 0.0, b"")
            if reply.status == 200 or (is_whole(sent) and name == row["provider"]):
                assert reply.body == sent, (reply.status, reply.body, sent)
                assert reply.headers["x-ferry-provider"] == name
            else:
                # The last one got no whole reply: the error is ferry's own.
                assert reply.status in (502, 504)
        repeated = stands.repeated(rows)
        print(f"{len(replies)} calls failed by both; {repeated} second tries at the same target")
        assert repeated <= 0.2 * len(replies)


def is_whole(sent: bytes) -> bool:
    try:
        json.loads(sent)
    except ValueError:
        return False
    return True


@pytest.mark.soak
def test_cap_on_the_second_provider_holds_when_calls_fall_to_it(tmp_path: Path) -> None:
    limit = CALLS * 2_500_000
    cap = Cap("provider=second", limit)
    line = f"budgets set provider=second --limit {limit / 10**9:.6f}/total --at '100% block'"
    with scene(tmp_path, Upstream(), [line], ports=False) as stands:
        shots = stands.shots(["503", "u5-reset", "u17-429"] * (CALLS // 3))
        replies = fire(stands.server.port, shots, PARALLEL)
        check_rows(stands, replies, may_be_denied=True)
        bill = sum(one.bill() for one in stands.second.seen)
        answered = [reply for reply in replies if reply.is_answered]
        refused = [reply for reply in replies if not reply.is_answered]
        print(
            f"{len(answered)} of {len(replies)} answered by the second provider, for"
            f" ${bill / 10**9:.4f} of ${limit / 10**9:.4f}"
        )
        assert answered
        assert refused
        assert bill <= limit
        [window] = cap.windows(stands.server.database).values()
        assert bill <= window["spent"] + window["doubt"] <= limit
        # They are told either that the money is spent, or what the first provider said.
        for reply in refused:
            is_firsts = reply.status in (429, 502, 503)
            assert is_firsts or reply.code in ("insufficient_quota", "budget_busy"), reply.body
