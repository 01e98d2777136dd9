"""Budgets under parallel calls: nothing over any of them as the upstream counts, and usable.

A few hundred calls of one seed in the suite; `FERRY_SOAK=1` makes it 20 seeds of 1,000.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.whole.load import Mix, Reply, Shot, fire, volley
from tests.whole.records import (
    Cap,
    Row,
    at_rest,
    calls,
    query,
    replay,
    smallest_hold,
    unlike_sent,
)
from tests.whole.server import Server, serving
from tests.whole.stage import Stage, secret_in, stage
from tests.whole.upstream import Upstream

IS_SOAK = bool(os.environ.get("FERRY_SOAK"))
SEEDS = range(20) if IS_SOAK else range(1)
CALLS = 1_000 if IS_SOAK else 200
USD = 10**9
MEAN_NANOUSD = 6_000_000
"""About what a call of the mix comes to."""
USERS = 8
DRAIN_CALLS_MAX, DRAIN_TOGETHER = 2_000, 16
PRICES = "prices set 'up/m-*' --input 3 --cache-read 0.3 --output 15"
REFUSED = ("insufficient_quota", "budget_busy")


@dataclass
class Told:
    """What the clients of a run were told of its budgets."""

    replies: list[Reply]

    @property
    def answered(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.is_answered]

    @property
    def refused(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.code in REFUSED]

    @property
    def others(self) -> list[tuple[int, bytes]]:
        """Replies that are neither an answer, nor a refusal for money, nor left by the client."""
        known = {id(reply) for reply in [*self.answered, *self.refused]}
        return [
            (reply.status, reply.body[:300])
            for reply in self.replies
            if id(reply) not in known and not reply.has_left
        ]

    def refused_before(self, percent: int, *, with_doubt: bool = False) -> float:
        """The share of all calls refused while the budget that refused was less than so spent.

        `with_doubt`: what may be spent counts as spent.
        """
        early = 0
        for facts in (reply.facts for reply in self.refused):
            gone = facts["spent_nanousd"] + facts["doubt_nanousd"] * with_doubt
            early += gone * 100 < percent * facts["limit_nanousd"]
        return early / len(self.replies)

    def cut(self) -> float:
        """The share of answers that ended at a bound which their callers had not set."""
        bounded = [
            reply
            for reply in self.answered
            if reply.is_cut and "x-ferry-max-tokens" in reply.headers
        ]
        return len(bounded) / max(1, len(self.answered))

    def said(self, what: str) -> str:
        """The figures in one line."""
        busy = sum(reply.code == "budget_busy" for reply in self.replies)
        return (
            f"{what}: {len(self.answered)} answered, {len(self.refused)} refused ({busy} busy);"
            f" refused before half was spent {self.refused_before(50):.2%}, before 90 %"
            f" {self.refused_before(90):.2%} (or in doubt:"
            f" {self.refused_before(50, with_doubt=True):.2%},"
            f" {self.refused_before(90, with_doubt=True):.2%}); cut by ferry {self.cut():.2%};"
            f" slowest {max(reply.seconds for reply in self.replies):.2f} s"
        )


@dataclass(frozen=True)
class Run:
    """A stage with an upstream, one key of tenant acme, and caps that all its calls count in."""

    stage: Stage
    upstream: Upstream
    secret: str
    caps: tuple[Cap, ...]

    @property
    def ids(self) -> dict[Cap, str]:
        return {cap: cap.id(self.stage.database) for cap in self.caps}

    def shots(self, dice: random.Random, mix: Mix, numbers: Iterable[int]) -> list[Shot]:
        return [
            self.shot(dice, mix, f"{number}", f"u{dice.randrange(USERS)}") for number in numbers
        ]

    def shot(self, dice: random.Random, mix: Mix, number: str, user: str) -> Shot:
        who = {
            "n": number,
            "key": "web",
            "tenant": "acme",
            "user": user,
            "feature": "chat",
            "assistant": "helper",
            # A thread of its own, so that a storm of refusals keeps a row for each.
            "thread": f"t{number}",
        }
        return mix.shot(dice, self.secret, "up/m-1", who)


def six_caps(dice: random.Random, expected_nanousd: int) -> tuple[Cap, ...]:
    """Six limits on the same calls; which of them is the tight one is drawn."""
    shares = [0.45, *(dice.uniform(0.6, 1.3) for _ in range(5))]
    dice.shuffle(shares)
    key, tenant, user, feature, rolling, prepaid = (
        round(share * expected_nanousd / 10**6) * 10**6 for share in shares
    )
    return (
        Cap("key=web", key, "month"),
        Cap("tenant=acme", tenant, "week"),
        Cap("user=*", user // USERS * 2, "total"),
        Cap("feature=chat", feature, "total"),
        Cap("assistant=helper", rolling, "rolling 7d"),
        Cap("key=web", prepaid, "prepaid"),
    )


def usd(nanousd: int) -> str:
    return f"{nanousd // USD}.{nanousd % USD:09d}"


def set_up(directory: Path, upstream: Upstream, caps: Sequence[Cap], settings: str = "") -> Run:
    """The same, by ferry's own commands; `settings`: of its server."""
    providers = {"up": upstream.base_url}
    made = stage(directory, providers, server=settings, upstream="connect_s = 30")
    prepaid = [cap for cap in caps if cap.period == "prepaid"]
    balance = "".join(f" --balance {usd(cap.limit_nanousd)}" for cap in prepaid)
    pinned = "--tenant acme" if any(cap.selector == "tenant=acme" for cap in caps) else ""
    lines = [
        f"budgets set '{cap.selector}' --limit '{usd(cap.limit_nanousd)}/{cap.period}'"
        " --at '100% block'"
        for cap in caps
        if cap.period != "prepaid"
    ]
    _, said, *_ = made.set_up(PRICES, f"keys create web {pinned}{balance} --json", *lines)
    return Run(made, upstream, secret_in(said), tuple(caps))


@contextmanager
def running(
    directory: Path, caps: Sequence[Cap], settings: str = ""
) -> Iterator[tuple[Run, Server]]:
    with Upstream() as upstream:
        run = set_up(directory, upstream, caps, settings)
        with serving(run.stage.path) as server:
            yield run, server


def drain(run: Run, server: Server, users: Sequence[str]) -> list[Reply]:
    """Calls of each user, and at last one by one, until money that is spent refuses them."""
    dice = random.Random(1)
    mix = Mix(opens=0.0, limits=(256,), output_max=256, delay_ms_max=0)
    replies: list[Reply] = []
    for user in users:
        turns = map(str, range(DRAIN_CALLS_MAX))
        together = DRAIN_TOGETHER
        while True:
            numbers = [f"drain-{user}-{turn}" for turn in itertools.islice(turns, together)]
            assert numbers, f"{user} is never refused"
            shots = [run.shot(dice, mix, number, user) for number in numbers]
            replies += (latest := fire(server.port, shots))
            at_rest(server.database)
            assert Told(latest).others == []
            is_refused = any(reply.code == "insufficient_quota" for reply in latest)
            if is_refused and together == 1:
                break
            together = 1 if is_refused else together
    return replies


def check_nothing_is_over(run: Run) -> None:
    """As the upstream counts, under each cap, each subject of it by itself."""
    for cap in run.caps:
        windows = cap.windows(run.stage.database)
        for subject, bill in cap.billed(run.upstream.seen).items():
            window = windows[subject]
            assert bill <= cap.limit_nanousd, (cap, subject, bill)
            assert bill <= window["spent"] + window["doubt"] <= cap.limit_nanousd, (cap, window)
        assert all(window["held"] == 0 for window in windows.values()), (cap, windows)


def check_sums(run: Run, rows: Sequence[Row]) -> None:
    """What is spent and in doubt in a window is what its calls' rows say."""
    ended = [row for row in rows if row["state"] != "denied"]
    for cap in run.caps:
        spent: dict[str, list[int]] = {}
        for row in ended:
            subject = cap.subject({**row, "key": "web"})
            if subject is not None:
                sums = spent.setdefault(subject, [0, 0])
                sums[0] += row["cost_nanousd"]
                sums[1] += row["doubt_nanousd"]
        windows = cap.windows(run.stage.database)
        for subject, (cost, doubt) in spent.items():
            assert (windows[subject]["spent"], windows[subject]["doubt"]) == (cost, doubt), cap


def check_refusals(run: Run, replies: Iterable[Reply], rows: Sequence[Row]) -> None:
    """No call was refused whose smallest hold was free: as its client was told, and by its row."""
    for reply in replies:
        facts = reply.facts
        used = facts["spent_nanousd"] + facts["doubt_nanousd"]
        if reply.code == "budget_busy":
            used += facts["held_nanousd"]
        assert facts["limit_nanousd"] - used < facts["needed_nanousd"], facts
        assert {"window_start_us", "resets_at_us", "period", "budget", "subject"} <= set(facts)
        assert (reply.headers.get("x-should-retry") == "false") == (
            reply.code == "insufficient_quota"
        )
        assert ("retry-after" in reply.headers) == (reply.code == "budget_busy")
    denied = [row for row in rows if row["error_code"] in REFUSED]
    wrong = [row["id"] for row in denied if row["free_nanousd"] >= smallest_hold(row)]
    assert wrong == []
    names = set(run.ids.values())
    assert all(row["budget_id"] in names for row in denied)


def check_the_end(run: Run, replies: Iterable[Reply]) -> None:
    """With nothing in flight, what is left is less than the smallest hold of the next call."""
    last = {reply.number: reply for reply in replies if reply.code == "insufficient_quota"}
    rows = {row["n"]: row for row in calls(run.stage.database)}
    for number in last:
        row, lefts = rows[number], []
        for cap in run.caps:
            window = cap.windows(run.stage.database)[cap.subject({**row, "key": "web"}) or ""]
            lefts.append(cap.limit_nanousd - window["spent"] - window["doubt"])
        assert 0 <= min(lefts) < smallest_hold(row), (number, lefts)


def check_balance(run: Run) -> None:
    """Of each top-up, what it was is what is left, held, in doubt, drawn and gone."""
    for cap in run.caps:
        if cap.period == "prepaid":
            [grant] = query(
                run.stage.database,
                "SELECT * FROM grants WHERE budget_id = ?",
                cap.id(run.stage.database),
            )
            [window] = cap.windows(run.stage.database).values()
            assert grant["amount_nanousd"] == cap.limit_nanousd
            assert grant["held_nanousd"] == 0
            assert grant["drawn_nanousd"] == window["spent"]
            assert grant["doubt_nanousd"] == window["doubt"]
            assert window["spent"] + window["doubt"] <= cap.limit_nanousd


def check(run: Run, server: Server, replies: list[Reply], what: str) -> None:
    """Everything that holds once a run is at rest and its money has been spent to the end."""
    rows, held_s = at_rest(server.database)
    drained = drain(run, server, [f"u{number}" for number in range(USERS)])
    rows, _ = at_rest(server.database)
    told = Told(replies)
    doubt = {cap.selector: sum(w["doubt"] for w in cap.windows(server.database).values())
             for cap in run.caps}  # fmt: skip
    print(told.said(what), f"; nothing held after {held_s:.3f} s; doubt {doubt}")
    check_nothing_is_over(run)
    check_sums(run, rows)
    check_refusals(run, [*told.refused, *Told(drained).refused], rows)
    check_the_end(run, drained)
    check_balance(run)
    assert unlike_sent(server.database, (one.wish["n"] for one in run.upstream.seen)) == {}


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_six_budgets_at_once_hold_and_are_spent_to_the_end(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with running(tmp_path, six_caps(dice, CALLS * MEAN_NANOUSD)) as (run, server):
        shots = run.shots(dice, Mix(leaves=0.05), range(CALLS))
        replies = fire(server.port, shots)
        told = Told(replies)
        assert told.others == []
        assert told.answered
        assert told.refused
        check(run, server, replies, f"seed {seed}, 6 budgets")
        rows = calls(server.database)
        assert unlike_sent(server.database, (reply.number for reply in replies)) == {}
        found = replay(rows, run.caps, run.ids, "web")
        print(found)
        assert (found.over, found.refused_though_free, found.unlike) == (0, 0, 0)
        assert found.denied == sum(row["error_code"] in REFUSED for row in rows) > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_call_that_may_wait_long_enough_is_refused_only_when_the_money_is_spent(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(4_000 + seed)
    caps = six_caps(dice, CALLS * MEAN_NANOUSD)
    with running(tmp_path, caps, "budget_wait_s = 60") as (run, server):
        told = Told(fire(server.port, run.shots(dice, Mix(leaves=0.05), range(CALLS))))
        assert told.others == []
        assert {reply.code for reply in told.refused} == {"insufficient_quota"}
        assert told.refused_before(90, with_doubt=True) == 0
        check(run, server, told.replies, f"seed {seed}, 60 s to wait")


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_budgets_hold_over_a_kill_and_what_is_unknown_is_in_doubt(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(1_000 + seed)
    with Upstream() as upstream:
        run = set_up(tmp_path, upstream, six_caps(dice, CALLS * MEAN_NANOUSD))
        shots = run.shots(dice, Mix(leaves=0.05, delay_ms_max=40), range(CALLS))
        half = CALLS // 2
        server = Server(run.stage.path)
        before = asyncio.run(
            until_killed(server, shots[:half], dice.randrange(half // 8, half // 2))
        )
        broken = [reply for reply in before if not reply.is_whole and not reply.has_left]
        assert broken, "the server was killed when all was over"
        with serving(run.stage.path) as again:
            rows, _ = at_rest(again.database)
            recovered = [row for row in rows if row["state"] == "recovered"]
            assert len(recovered) == again.ready["recovered"]
            doubt = sum(row["doubt_nanousd"] for row in recovered)
            print(f"seed {seed}: {len(recovered)} recovered, ${usd(doubt)} of theirs in doubt")
            after = fire(again.port, shots[half:])
            assert Told(after).others == []
            whole = [reply for reply in before if reply.is_whole or reply.has_left]
            check(run, again, [*whole, *after], f"seed {seed}, kill -9")
            sent = {reply.number for reply in [*whole, *after]}
            assert unlike_sent(again.database, sent) == {}


async def until_killed(server: Server, shots: Sequence[Shot], after: int) -> list[Reply]:
    """Fire all shots, and kill the server once `after` replies have come."""
    count = itertools.count(1)
    kills: list[asyncio.Task[None]] = []

    def heard(_reply: Reply) -> None:
        if next(count) == after:
            kills.append(asyncio.create_task(asyncio.to_thread(server.kill)))

    replies = await volley(server.port, shots, heard=heard)
    await asyncio.gather(*kills)
    return replies


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_windows_of_tenants_never_seen_before_hold_from_the_first_call(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(2_000 + seed)
    tenants = CALLS // 50
    limit = 50 * MEAN_NANOUSD // 2
    caps = (Cap("tenant=*", limit), Cap("tenant=*,feature=*", limit * 3 // 5))
    with running(tmp_path, caps) as (run, server):
        mix = Mix(leaves=0.05)
        shots = []
        for number in range(CALLS):
            who = {
                "n": f"{number}",
                "tenant": f"new-{number % tenants}",
                "feature": dice.choice(["chat", "search"]),
                "thread": f"t{number}",
            }
            shots.append(mix.shot(dice, run.secret, "up/m-1", who))
        told = Told(fire(server.port, shots))
        rows, _ = at_rest(server.database)
        print(told.said(f"seed {seed}, {tenants} new tenants"))
        assert told.others == []
        assert told.refused
        check_nothing_is_over(run)
        check_sums(run, rows)
        check_refusals(run, told.refused, rows)
        assert unlike_sent(server.database, (reply.number for reply in told.replies)) == {}
        assert set(caps[0].windows(server.database)) == {
            f'["new-{number}"]' for number in range(tenants)
        }
        found = replay(rows, run.caps, run.ids, "web")
        assert (found.over, found.refused_though_free, found.unlike) == (0, 0, 0)


@pytest.mark.soak
def test_clients_that_always_ask_for_32000_tokens_are_served_and_bounded(tmp_path: Path) -> None:
    dice = random.Random(3_000)
    caps = (Cap("tenant=acme", CALLS * MEAN_NANOUSD * 3 // 5),)
    with running(tmp_path, caps) as (run, server):
        mix = Mix(opens=1.0, open_limit=32_000)
        told = Told(fire(server.port, run.shots(dice, mix, range(CALLS))))
        assert told.others == []
        assert all(0 < int(one.headers["x-ferry-max-tokens"]) < 32_000 for one in told.answered)
        assert all(seen.output_max < 32_000 for seen in run.upstream.seen)
        # 32,000 tokens at $15 a million are 48 cents: whole ones would have let few calls in.
        assert len(told.answered) * 480_000_000 > 10 * caps[0].limit_nanousd
        assert told.cut() <= 0.05
        check(run, server, told.replies, "max_tokens 32000")
