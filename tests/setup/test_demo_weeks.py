"""The demo's weeks: each planted fact is found again with plain SQL, and the books are sound."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.rules.windows import Allowance, to_us
from ferrycli.setup.demo import planted as facts
from ferrycli.setup.demo.cast import ACCOUNTS, HABITS, USERS, WEEKS
from ferrycli.setup.demo.filling import fill
from ferrycli.setup.demo.planted import FACTS, Fact
from ferrycli.setup.demo.traffic import planned
from ferrycli.setup.demo.weeks import Week, calendar
from ferrycli.store.audit import checks
from ferrycli.store.ids import decode, seq_of
from tests.rules.arithmetic import NANO, dollars, mtok
from tests.setup.apart import fill_apart

UTC = ZoneInfo("UTC")
THIN = tuple(replace(habit, calls=max(habit.calls // 20, 3)) for habit in HABITS)
"""The same features with a twentieth of their calls."""


def moment(text: str, zone: ZoneInfo = UTC) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


NOW = moment("2026-11-24T12:00")
"""A Tuesday. The last closed week begins on 16 Nov."""


class Past:
    """The filled database, and where its weeks begin."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path)
        self.weeks = calendar(NOW, UTC)

    @property
    def closed(self) -> Week:
        return self.weeks[WEEKS - 1]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> tuple[Any, ...]:
        [row] = self.rows(query, *values)
        return row

    def of(self, fact: Fact, figures: str, more: str = "1") -> tuple[Any, ...]:
        """`figures` over the calls of a fact's key, feature and model in its time."""
        where = [f"started_at >= {(span := self.closed.span(fact))[0]} AND started_at < {span[1]}"]
        values = []
        pairs = {
            "(SELECT name FROM keys WHERE id = key_id)": fact.key,
            "feature": fact.feature,
            "provider || '/' || model": fact.target,
            "thread": fact.thread,
        }
        for column, value in pairs.items():
            if value:
                where.append(f"{column} = ?")
                values.append(value)
        return self.row(
            f"SELECT {figures} FROM calls WHERE {' AND '.join(where)} AND {more}", *values
        )


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    path = tmp_path_factory.mktemp("demo") / "ferry.db"
    fill_apart(path, NOW, "UTC")
    filled = Past(path)
    with closing(filled.connection):
        yield filled


def usd(nanousd: int) -> float:
    return nanousd / NANO


# The facts --------------------------------------------------------------------------------------


def test_a_fact_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS) == 9
    assert all(fact.says for fact in FACTS)


def test_the_runaway_grows_in_even_steps_and_ends_by_repeating_itself(past: Past) -> None:
    fact = facts.RUNAWAY
    rows = past.rows(
        "SELECT n_input, n_output, last_message_hash, started_at, finished_at, tenant, feature,"
        " \"user\", provider || '/' || model, state FROM calls WHERE thread = ? ORDER BY seq",
        fact.thread,
    )
    assert len(rows) == fact.calls == 412
    assert [row[0] for row in rows] == [6_200 + 144_800 * number // 411 for number in range(412)]
    hashes = [row[2] for row in rows]
    assert len(set(hashes[-fact.repeats :])) == 1
    assert len(set(hashes)) == 412 - fact.repeats + 1
    begins, ends = past.closed.span(fact)
    assert begins == rows[0][3] == moment("2026-11-19T13:58")
    assert moment("2026-11-19T14:35") < rows[-1][4] < ends == moment("2026-11-19T14:36")
    # Each is sent when the one before it has been answered.
    assert all(row[4] < after[3] for row, after in pairwise(rows))
    assert {row[5:] for row in rows} == {
        ("initech", "invoice-bot", "8841", "anthropic/claude-opus-5-5", "settled")
    }


def test_the_runaway_cost_what_its_tokens_cost(past: Past) -> None:
    fact = facts.RUNAWAY
    cost, inputs = past.of(fact, "sum(cost_nanousd), sum(n_input)")
    expected = sum(
        mtok("4", fact.input_at(number)) + mtok("20", fact.output_tokens)
        for number in range(fact.calls)
    )
    assert (cost, inputs) == (expected, 32_382_995)
    assert f"{usd(cost):.2f}" == fact.cost_usd


def test_the_long_prompt_is_in_every_call_and_never_cached(past: Past) -> None:
    fact = facts.UNCACHED
    figures = (
        "count(DISTINCT prefix_hash), min(prefix_bytes), max(prefix_bytes),"
        " sum(n_cache_read + n_cache_write_5m + n_cache_write_30m), min(input_bound)"
    )
    where = "WHERE tenant = 'acme' AND feature = 'support-bot'"
    prefixes, least, most, cached, bound = past.row(f"SELECT {figures} FROM calls {where}")
    # The prompt in Claude's three characters a token.
    assert (prefixes, cached, least, most) == (1, 0, 9_100 * 3, 9_100 * 3)
    assert bound > 9_100 * 3
    [(shortest,)] = past.rows(f"SELECT min(n_input) FROM calls {where} AND outcome = 'ok'")
    assert shortest > fact.prompt_tokens
    assert past.of(fact, "count(*)") == (fact.calls,)
    assert f"{usd(mtok('2', fact.calls * fact.prompt_tokens)):.2f}" == fact.cost_usd
    for week in past.weeks[:WEEKS]:
        [(calls,)] = past.rows(
            f"SELECT count(*) FROM calls {where} AND started_at BETWEEN ? AND ?",
            week.start_us,
            week.end_us,
        )
        assert calls > 1_000


def test_the_dearest_model_is_asked_for_eleven_tokens(past: Past) -> None:
    fact = facts.BIG_MODEL
    calls, cost, mean_input = past.of(
        fact, "count(*), sum(cost_nanousd), avg(CASE WHEN outcome = 'ok' THEN n_input END)"
    )
    answers = past.rows(
        "SELECT n_output FROM calls WHERE tenant = ? AND feature = ? AND outcome = 'ok'"
        " AND started_at >= ? AND started_at < ?",
        fact.tenant,
        fact.feature,
        past.closed.start_us,
        past.closed.end_us,
    )
    assert calls == fact.calls
    assert median(row[0] for row in answers) == fact.output_tokens == 11
    assert mean_input == pytest.approx(fact.input_tokens[0], rel=0.02)
    assert f"{usd(cost):.2f}" == fact.cost_usd


def test_long_answers_have_no_bound_of_the_client(past: Past) -> None:
    fact = facts.LONG_ANSWERS
    calls, bounded, cost = past.of(fact, "count(*), count(output_asked), sum(cost_nanousd)")
    assert (calls, bounded) == (fact.calls, 0)
    assert f"{usd(cost):.2f}" == fact.cost_usd
    (mean,) = past.of(fact, "avg(n_output)", "outcome = 'ok'")
    assert mean == pytest.approx(fact.output_tokens, rel=0.02)


@pytest.mark.parametrize("fact", [facts.USED_UP, facts.TRIAL_OVER], ids=lambda fact: fact.name)
def test_a_budget_that_is_used_up_refuses_everything(past: Past, fact: Fact) -> None:
    limit = Allowance.parse(fact.limit).limit_nanousd
    refused, others = past.of(
        fact, "count(*), sum(NOT (status = 429 AND error_code = 'insufficient_quota'))"
    )
    assert refused > 20
    assert others == 0
    start = 0 if fact.limit.endswith("total") else past.closed.start_us
    [(spent, doubt, its_limit)] = past.rows(
        "SELECT spent_nanousd, doubt_nanousd, b.limit_nanousd FROM windows w"
        " JOIN budgets b ON b.id = budget_id JOIN keys k ON k.id = b.key_id"
        " WHERE k.name = ? AND w.start = ?",
        fact.key,
        start,
    )
    assert its_limit == limit == dollars(fact.cost_usd)
    assert 0.98 * limit < spent + doubt <= limit
    [(later,)] = past.rows(
        "SELECT count(*) FROM calls WHERE key_id = (SELECT id FROM keys WHERE name = ?)"
        " AND started_at >= ? AND state <> 'denied'",
        fact.key,
        past.closed.end_us,
    )
    # A new week begins anew; what is over in total stays over.
    assert (later == 0) == (start == 0)


def test_in_the_outage_every_call_to_the_provider_fails_at_no_cost(past: Past) -> None:
    fact = facts.OUTAGE
    calls, failures, cost, retries = past.of(
        fact,
        "count(*), sum(status = 503 AND outcome = 'failed' AND state = 'released'),"
        " sum(cost_nanousd), max(client_retry)",
    )
    assert calls == failures > 20
    assert (cost, retries) == (0, 2)
    assert fact.cost_usd == "0"
    since_us, until_us = past.closed.span(fact)
    hour_us = 3_600_000_000
    [(around, well)] = past.rows(
        "SELECT count(*), sum(outcome = 'ok') FROM calls WHERE provider = 'gemini' AND"
        " (started_at BETWEEN ? AND ? OR started_at BETWEEN ? AND ?)",
        since_us - hour_us,
        since_us - 1,
        until_us + 5_000_000,
        until_us + hour_us,
    )
    assert well > 0.8 * around > 8


def test_unpriced_and_unattributed_calls_are_as_many_as_planted(past: Past) -> None:
    fact = facts.UNPRICED
    assert past.of(fact, "count(*), sum(cost_source = 'unpriced'), count(cost_nanousd)") == (
        12,
        12,
        0,
    )
    assert past.rows("SELECT count(*) FROM calls WHERE cost_source = 'unpriced'") == [(12,)]
    assert past.of(facts.UNATTRIBUTED, "count(*)", "feature = ''") == (31,)
    assert past.rows("SELECT count(*) FROM calls WHERE feature = ''") == [(31,)]


# The books --------------------------------------------------------------------------------------


def test_the_books_are_sound(past: Past) -> None:
    assert [fault for check in checks.run(past.connection) for fault in check.faults] == []


def test_no_strict_budget_is_passed(past: Past) -> None:
    rows = past.rows(
        "SELECT b.selector, spent_nanousd, held_nanousd, doubt_nanousd, limit_nanousd"
        " FROM windows w JOIN budgets b ON b.id = w.budget_id WHERE mode = 'strict'"
    )
    assert len(rows) > 20
    for selector, spent, held, doubt, limit in rows:
        assert held == 0
        assert spent + doubt <= limit, selector
    assert past.rows("SELECT count(*) FROM calls WHERE cost_nanousd > hold_nanousd"
                     " AND windows <> ''") == [(0,)]  # fmt: skip


def test_a_cost_is_the_sum_of_its_parts_at_the_prices_of_its_model(past: Past) -> None:
    parts = " + ".join(
        f"cost_{part}_nanousd" for part in ("input", "cache_read", "cache_write", "output", "other")
    )
    assert past.rows(f"SELECT count(*) FROM calls WHERE coalesce(cost_nanousd, 0) <> {parts}") == [
        (0,)
    ]
    rates = {
        "claude-opus-5-5": ("4", "0.2", "5", "20"),
        "claude-sonnet-5-5": ("2", "0.1", "2.5", "10"),
        "gpt-6-sol": ("2", "0.2", "2.5", "10"),
        "gemini-3.8-flash": ("0.75", "0.075", "0", "3.75"),
    }
    for model, (fresh, read, write, output) in rates.items():
        rows = past.rows(
            "SELECT cost_nanousd, n_input, n_cache_read, n_cache_write_5m + n_cache_write_30m,"
            " n_output FROM calls WHERE model = ? AND cost_source = 'reported' LIMIT 500",
            model,
        )
        assert len(rows) == 500
        for cost, *tokens in rows:
            assert cost == sum(map(mtok, (fresh, read, write, output), tokens))


def test_times_and_ids_follow_each_other_and_end_before_now(past: Past) -> None:
    wrong = past.rows(
        "SELECT id FROM calls WHERE NOT (started_at <= admitted_at AND admitted_at <= finished_at"
        " AND (first_byte_at IS NULL OR first_byte_at BETWEEN admitted_at AND finished_at)"
        " AND finished_at <= ?)",
        NOW,
    )
    assert wrong == []
    for id, seq in past.rows("SELECT id, seq FROM calls ORDER BY seq DESC LIMIT 1000"):
        number = decode(id.removeprefix("c_"))
        assert number is not None
        assert seq_of(number) == seq
    for name, created, used, latest in past.rows(
        "SELECT name, created_at, last_used_at, (SELECT max(admitted_at) FROM calls"
        " WHERE key_id = k.id AND state <> 'denied') FROM keys k"
    ):
        assert created < past.weeks[0].start_us, name
        assert used == latest, name


# The look ---------------------------------------------------------------------------------------


def by_week(past: Past, column: str, figure: str) -> dict[str, list[Any]]:
    """A figure for each value of a column, week by week."""
    found: dict[str, list[Any]] = {}
    for week in past.weeks:
        for value, amount in past.rows(
            f"SELECT {column}, {figure} FROM calls WHERE started_at >= ? AND started_at < ?"
            " GROUP BY 1",
            week.start_us,
            week.end_us,
        ):
            found.setdefault(value, [0] * len(past.weeks))[week.index] = amount
    return found


def test_every_tenant_and_feature_is_there_each_week(past: Past) -> None:
    tenants, features = by_week(past, "tenant", "count(*)"), by_week(past, "feature", "count(*)")
    features.pop("")
    assert set(tenants) == set(USERS)
    assert set(features) == {habit.feature for habit in HABITS}
    assert len(features) == 12
    assert all(min(weeks) > 0 for weeks in (*tenants.values(), *features.values()))


def test_tenants_spend_in_the_order_that_was_meant(past: Past) -> None:
    spent = {tenant: usd(weeks[WEEKS - 1]) for tenant, weeks in
             by_week(past, "tenant", "sum(cost_nanousd)").items()}  # fmt: skip
    assert sorted(spent, key=lambda tenant: -spent[tenant]) == list(USERS)
    total = sum(spent.values())
    assert 1_000 < total < 1_300
    assert 0.6 < (spent["acme"] + spent["globex"] + spent["initech"]) / total < 0.7


def test_a_closed_week_has_ten_to_fourteen_thousand_calls(past: Past) -> None:
    counts = by_week(past, "1", "count(*)")[1]  # type: ignore[index]
    assert all(10_000 <= count <= 14_000 for count in counts[:WEEKS])
    assert 40_000 < sum(counts) < 60_000


def test_tenants_grow_and_shrink_as_was_meant(past: Past) -> None:
    spent = by_week(past, "tenant", "sum(cost_nanousd)")
    growth = {
        tenant: [100 * (after / before - 1) for before, after in pairwise(weeks)]
        for tenant, weeks in spent.items()
    }
    assert growth["acme"][:3] == pytest.approx([12, 19, 29], abs=0.5)
    assert growth["globex"][2] == pytest.approx(-7, abs=0.5)
    assert growth["initech"][2] > 200


def test_budgets_are_used_as_was_meant(past: Past) -> None:
    rows = past.rows(
        "SELECT k.name, 100.0 * w.spent_nanousd / b.limit_nanousd FROM windows w"
        " JOIN budgets b ON b.id = w.budget_id JOIN keys k ON k.id = b.key_id WHERE w.start = ?",
        past.closed.start_us,
    )
    used = dict(rows)
    wanted = {"acme": 85, "globex": 75, "initech": 100, "umbrella": 48}
    assert {name: used[name] for name in wanted} == pytest.approx(wanted, abs=1)
    assert not used.keys() & {"hooli-web", "hooli-lab"}
    read, every = past.row(
        "SELECT sum(n_cache_read), sum(n_input + n_cache_read + n_cache_write_5m"
        " + n_cache_write_30m) FROM calls WHERE tenant = 'umbrella'"
    )
    assert read / every == pytest.approx(0.72, abs=0.02)


def test_days_are_busy_and_nights_are_quiet(past: Past) -> None:
    hours = dict(
        past.rows("SELECT started_at / 3600000000 % 24, count(*) FROM calls"
                  " WHERE feature <> 'report-writer' AND thread <> 'th_9f2c' GROUP BY 1")
    )  # fmt: skip
    assert min(hours[hour] for hour in range(9, 17)) > 2 * max(hours[hour] for hour in range(6))
    [(workdays, weekend)] = past.rows(
        "SELECT sum(day < 5) / 5.0, sum(day >= 5) / 2.0 FROM"
        " (SELECT (started_at / 86400000000 + 3) % 7 AS day FROM calls)"
    )
    assert workdays > 1.5 * weekend


# Any moment, any zone ---------------------------------------------------------------------------

PLACES = {
    "a Monday at 00:05 in Kolkata": ("2026-11-23T00:05", "Asia/Kolkata"),
    "a Sunday evening in New York": ("2026-11-22T23:59", "America/New_York"),
    "after New York's clocks were set back": ("2026-11-04T10:00", "America/New_York"),
    "after Berlin's clocks were set forward": ("2027-04-07T10:00", "Europe/Berlin"),
    "the new year": ("2027-01-01T00:00", "Pacific/Auckland"),
}


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row, without what must differ."""
    with closing(sqlite3.connect(path)) as connection:
        queries = {
            name: f"SELECT * FROM {name} ORDER BY 1, 2, 3"
            for name in ("calls", "windows", "budgets", "instances")
        }
        queries["keys"] = "SELECT id, name, policies, created_at, last_used_at FROM keys ORDER BY 1"
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}


@pytest.mark.parametrize("place", PLACES)
def test_anywhere_at_any_time_the_weeks_are_whole_and_sound(tmp_path: Path, place: str) -> None:
    text, name = PLACES[place]
    zone = ZoneInfo(name)
    now = moment(text, zone)
    path = tmp_path / "ferry.db"
    fill(path, now, zone, habits=THIN)
    with closing(sqlite3.connect(path)) as connection:
        assert [fault for check in checks.run(connection) for fault in check.faults] == []
        latest = connection.execute("SELECT max(finished_at) FROM calls").fetchone()[0]
        assert latest <= now
        query = (
            "SELECT count(DISTINCT tenant), count(DISTINCT feature) FROM calls"
            " WHERE started_at >= ? AND started_at < ? AND feature <> ''"
        )
        for week in calendar(now, zone)[:WEEKS]:
            found = connection.execute(query, (week.start_us, week.end_us)).fetchone()
            assert found == (8, 12)
        begin, end = calendar(now, zone)[WEEKS - 1].span(facts.RUNAWAY)
        thread = connection.execute(
            "SELECT count(*) FROM calls WHERE thread = ? AND started_at BETWEEN ? AND ?",
            (facts.RUNAWAY.thread, begin, end),
        )
        assert thread.fetchone() == (412,)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_planned_for_later_than_now(place: str) -> None:
    text, name = PLACES[place]
    zone = ZoneInfo(name)
    now = moment(text, zone)
    weeks = calendar(now, zone)
    assert weeks[WEEKS].start_us <= now < weeks[WEEKS].end_us
    assert all(one.end_us == after.start_us for one, after in pairwise(weeks))
    calls = planned(1, weeks, now, THIN)
    assert [call.at_us for call in calls] == sorted(call.at_us for call in calls)
    assert weeks[0].start_us <= calls[0].at_us
    assert calls[-1].ends_at_latest <= now


def test_the_same_moment_zone_and_seed_make_the_same_rows(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        fill(tmp_path / name, NOW, ZoneInfo("Asia/Kolkata"), seed=seed, habits=THIN)
    one, two, other = (tables(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one["calls"] != other["calls"]


def test_a_key_opens_with_its_secret_and_belongs_to_one_tenant(tmp_path: Path) -> None:
    path = tmp_path / "ferry.db"
    secrets = fill(path, NOW, UTC, habits=THIN)
    assert list(secrets) == [account.name for account in ACCOUNTS]
    assert len(set(secrets.values())) == len(ACCOUNTS)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT key_id, count(DISTINCT tenant) FROM calls GROUP BY 1"
        ).fetchall()
    assert len(rows) == len(ACCOUNTS)
    assert {tenants for _, tenants in rows} == {1}


def test_how_far_it_is_can_be_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fill(tmp_path / "ferry.db", NOW, UTC, lambda done, total: told.append((done, total)), 1, THIN)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1] > 2_000
