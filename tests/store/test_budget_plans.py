"""Plans of budgets carried out: what they count back, and what is refused with nothing changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.errors import (
    BadField,
    BadMode,
    BadSelector,
    BudgetAmbiguous,
    BudgetUnfit,
    FerryError,
    IdAmbiguous,
    NoSuchBudget,
    NoSuchKey,
    RulesClash,
    RuleUnknownName,
)
from ferrycli.rules.meters import METER
from ferrycli.rules.pricing import Rate
from ferrycli.rules.routing import ProviderTerms
from ferrycli.rules.selectors import parse_selector
from ferrycli.store import (
    budget_changes,
    changes,
    corrections,
    counting,
    limit_changes,
    plan_changes,
    planning,
    terms_changes,
)
from ferrycli.store.budget_changes import remove_budget, set_budget
from ferrycli.store.changes import KeyPlan
from ferrycli.store.planning import BudgetPlan, Limits, Money
from tests.store.kit import DAY_US, NOON, SECOND_US, USD, Clock, looking, make_key, rows
from tests.store.past import HOUR_US, Past, budgets, busy_past, dump, plan, rules, windows

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = NOON - 12 * HOUR_US
"""Of that Wednesday, in UTC."""


def revisions(path: Path, id: str) -> list[dict[str, Any]]:
    found = rows(path, "SELECT * FROM revisions ORDER BY revision")
    return [json.loads(one["content"]) | {"at": one["at"]} for one in found if one["id"] == id]


@pytest.fixture
def key_ids(path: Path) -> list[str]:
    """Of keys `one` and `two`."""
    return [make_key(path, name).id for name in ("one", "two")]


# Counting back ------------------------------------------------------------------------------

WEDNESDAY_BERLIN = NOON - 13 * HOUR_US
COUNTED: dict[str, tuple[str, str, str, int, int]] = {
    "one value": ("tenant=acme", "month", "UTC", NOON - 17 * DAY_US - 12 * HOUR_US, 0),
    "a day": ("tenant=acme", "day", "UTC", MIDNIGHT, 0),
    "a day elsewhere": ("tenant=acme", "day", "Europe/Berlin", WEDNESDAY_BERLIN, 0),
    "a week": ("feature=chat", "week", "UTC", MIDNIGHT - 2 * DAY_US, 0),
    "in total": ("tenant=acme,feature=chat", "total", "UTC", 0, 0),
    "the missing value": ("tenant=(none)", "total", "UTC", 0, 0),
    "letters and quotes": ("tenant='日本 \"x\"'", "total", "UTC", 0, 0),
    "each": ("user=*", "total", "UTC", 0, 0),
    "each of two": ("tenant=*,user=*", "total", "UTC", 0, 0),
    "each thread of a bot": ("assistant=bot,thread=*", "week", "UTC", MIDNIGHT - 2 * DAY_US, 0),
    "a key": ("key=one", "total", "UTC", 0, 0),
    "each key": ("key=*", "total", "UTC", 0, 0),
    "a tag": ("tag:plan=gold", "total", "UTC", 0, 0),
    "each tag with a space": ("tag:plan=free,user=*", "total", "UTC", 0, 0),
    "a provider": ("provider=down", "total", "UTC", 0, 0),
    "a model, never the one that answered": ("model=m-1", "total", "UTC", 0, 0),
    "each provider of a tenant": ("tenant=acme,provider=*", "month", "UTC", 0, 0),
    "a route": ("route=fast", "total", "UTC", 0, 0),
    "without a route": ("route=(none),model=*", "total", "UTC", 0, 0),
    "rolling": ("tenant=acme", "rolling 7d", "UTC", NOON - 7 * DAY_US, HOUR_US),
    "rolling, each": ("user=*", "rolling 3d", "UTC", NOON - 3 * DAY_US, HOUR_US),
    "rolling, of targets": ("provider=up", "rolling 7d", "UTC", NOON - 7 * DAY_US, HOUR_US),
    "rolling hours": ("tenant=acme", "rolling 36h", "UTC", NOON - 36 * HOUR_US, HOUR_US * 3 // 4),
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_new_budget_counts_back_what_its_window_has_spent(
    path: Path, key_ids: list[str], name: str
) -> None:
    selector, period, zone, since, bucket = COUNTED[name]
    past = busy_past(path, key_ids)
    with looking(path) as connection:
        connection.execute("INSERT INTO routes (id, name) VALUES ('r', 'fast')")
    if since == 0 and period == "month":
        since = NOON - 17 * DAY_US - 12 * HOUR_US
    made = set_budget(path, plan(selector, 1_000, period, zone=zone))
    pairs = dict(made.terms.subject)
    # A bucket counts whole, the one in which the span begins as well.
    from_us = (since + 1) // bucket * bucket if bucket else since
    start = 0 if period == "total" else since
    wanted = past.windows(pairs, from_us, start, bucket)
    assert windows(path, made.terms.id) == wanted
    assert len(wanted) > (1 if made.standings[0].subject else 0)
    sums: dict[str, int] = {}
    for (subject, _), amount in wanted.items():
        sums[subject] = sums.get(subject, 0) + amount
    assert {one.subject: one.spent for one in made.standings} == sums
    assert [one.spent for one in made.standings] == sorted(sums.values(), reverse=True)
    assert made.terms.counts_from_us == budgets(path)[0]["counts_from"] == from_us


def test_a_key_in_a_selector_is_kept_by_its_id(path: Path, key_ids: list[str]) -> None:
    made = set_budget(path, plan(f"key={key_ids[1]},tenant=acme"))
    (row,) = budgets(path)
    assert row["selector"] == "key=two,tenant=acme"
    assert json.loads(row["subject"]) == [["key", key_ids[1]], ["tenant", "acme"]]
    assert (row["key_id"], made.terms.selector) == ("", "key=two,tenant=acme")
    set_budget(path, plan("key=two"))
    assert {one["selector"]: one["key_id"] for one in budgets(path)} == {
        "key=two,tenant=acme": "",
        "key=two": key_ids[1],
    }


def test_what_counts_from_now_on_counts_nothing_back(path: Path, key_ids: list[str]) -> None:
    busy_past(path, key_ids, 40)
    made = set_budget(path, plan("tenant=acme", counts_from_now=True))
    assert (windows(path, made.terms.id), made.terms.counts_from_us) == ({}, NOON)


def _ends_corrected(past: Past, seqs: dict[str, int]) -> None:
    past.end(seqs["open"], 5 * USD)
    past.correct(seqs["open"], -USD)


def _ends_after_a_failure(past: Past, seqs: dict[str, int]) -> None:
    past.try_again(seqs["open"], ("up", "m-1", ""), USD)
    past.end(seqs["open"], 3 * USD)


MEANWHILE: dict[str, Callable[[Past, dict[str, int]], object]] = {
    "a call ends": lambda past, seqs: past.end(seqs["open"], 5 * USD),
    "an old call ends": lambda past, seqs: past.end(seqs["old open"], 5 * USD),
    "a call begins and ends": lambda past, _: past.call(NOON - 1, 3 * USD, tenant="acme"),
    "a call that waited a minute begins and ends": lambda past, _: past.call(
        NOON - 61 * SECOND_US, 3 * USD, tenant="acme", at=NOON - 1
    ),
    "a call begins": lambda past, _: past.call(NOON - 1, None, tenant="acme", state="held"),
    "a call is corrected": lambda past, seqs: past.correct(seqs["done"], 2 * USD),
    "a call is corrected below 0": lambda past, seqs: past.correct(seqs["done"], -9 * USD),
    "a call is corrected once more": lambda past, seqs: past.correct(seqs["corrected"], -USD),
    "a call ends and is corrected": _ends_corrected,
    "an attempt fails": lambda past, seqs: past.try_again(seqs["open"], ("up", "m-1", ""), USD),
    "an attempt fails and the call ends": _ends_after_a_failure,
    "nothing": lambda *_: None,
}


@pytest.mark.parametrize(
    "selector", ["tenant=acme", "provider=up", "tenant=*", "model=m-1,tenant=*"]
)
@pytest.mark.parametrize("name", MEANWHILE)
def test_what_happens_while_it_is_counted_is_counted_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, selector: str
) -> None:
    past = Past(path)
    target = ("down", "m-1", "")
    seqs = {
        "done": past.call(NOON - DAY_US, 4 * USD, tenant="acme", tries=[(target, USD)]),
        "corrected": past.call(NOON - 9, 4 * USD, tenant="acme", corrections=[-USD, 7]),
        "open": past.call(NOON - 7, None, tenant="acme", state="held", tries=[(target, USD // 2)]),
        "old open": past.call(NOON - DAY_US + 5_000, None, tenant="acme", state="held"),
    }
    count = counting.count

    def counted(*given: Any) -> counting.Tally:
        tally = count(*given)
        MEANWHILE[name](past, seqs)
        return tally

    monkeypatch.setattr(counting, "count", counted)
    made = set_budget(path, plan(selector, 1_000))
    wanted = past.windows(dict(made.terms.subject), 0, NOON - 17 * DAY_US - 12 * HOUR_US)
    assert windows(path, made.terms.id) == wanted


def test_no_table_that_grows_with_calls_is_read_whole(path: Path) -> None:
    terms = set_budget(path, plan("provider=up,user=*", 1_000)).terms
    wanted = counting.wanted_of(terms, NOON)
    past = Past(path)
    past.correction(past.call(NOON - 9, USD), USD)
    read: list[str] = []
    with looking(path) as connection:
        tally = counting.count(connection, wanted, NOON)
        tally = replace(tally, open_seqs=frozenset([1]), corrections=-1)
        connection.set_trace_callback(read.append)
        counting.caught_up(connection, tally)
        corrections.doubtful(connection, terms.id, None, NOON)
        connection.set_trace_callback(None)
        plans = [
            row["detail"]
            for query in read
            for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")
        ]
    whole = {one for one in plans if one.startswith("SCAN") and "VIRTUAL TABLE" not in one}
    # Those in flight have an index of their own.
    assert whole <= {"SCAN calls USING INDEX calls_open", "SCAN c USING INDEX calls_open"}
    assert len(read) == 13


@pytest.mark.parametrize(("period", "count"), [("month", 1), ("day", 0)])
def test_only_the_windows_of_the_budget_that_is_changed_are_read(
    path: Path, period: str, count: int
) -> None:
    set_budget(path, plan("user=*", 1_000, "month"))
    read: list[str] = []
    with looking(path) as connection:
        connection.set_trace_callback(read.append)
        planning.aim_of(connection, plan("user=*", 50, period), NOON)
    assert len([query for query in read if "FROM windows" in query]) == count


def test_the_write_lock_is_free_while_it_is_counted(
    path: Path, key_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_past(path, key_ids, 20)
    count, counted = counting.count, []

    def watched(connection: sqlite3.Connection, *given: Any) -> counting.Tally:
        tally = count(connection, *given)
        with looking(path) as other:
            other.execute("PRAGMA busy_timeout=0")
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        counted.append(tally)
        return tally

    monkeypatch.setattr(counting, "count", watched)
    set_budget(path, plan("tenant=acme"))
    set_budget(path, plan("tenant=acme", 60))
    assert len(counted) == 1


def test_a_window_that_begins_while_it_is_counted_is_counted_anew(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past(path)
    past.call(NOON - 60, USD, tenant="acme")
    count = counting.count

    def late(*given: Any) -> counting.Tally:
        tally = count(*given)
        if clock.now_us == NOON:
            clock.now_us = MIDNIGHT + DAY_US + 10
            past.call(MIDNIGHT + DAY_US + 5, 2 * USD, tenant="acme")
        return tally

    monkeypatch.setattr(counting, "count", late)
    made = set_budget(path, plan("tenant=acme", period="day"))
    assert windows(path, made.terms.id) == {("", MIDNIGHT + DAY_US): 2 * USD}
    assert made.terms.counts_from_us == MIDNIGHT + DAY_US


def test_windows_without_number_are_written_a_few_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past(path)
    for number in range(11):
        past.call(NOON - 9, (number + 1) * USD, thread=f"th{number}")
    for module in (budget_changes, plan_changes):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 3)
    sizes: list[int] = []
    write = terms_changes.write_windows

    def watched(connection: sqlite3.Connection, id: str, written: Any, spent: Any) -> None:
        before = connection.total_changes
        write(connection, id, written, spent)
        sizes.append(connection.total_changes - before)

    count = counting.count

    def counted(*given: Any) -> counting.Tally:
        tally = count(*given)
        past.call(NOON - 8, USD, thread="th3")
        past.call(NOON - 8, USD, thread="new")
        return tally

    monkeypatch.setattr(terms_changes, "write_windows", watched)
    monkeypatch.setattr(counting, "count", counted)
    made = set_budget(path, plan("thread=*", 5, "total", **rules("100% block")))
    assert sizes == [3, 3, 3, 2, 2]
    (row,) = budgets(path, are_live=False)
    assert (row["id"], row["removed_at"], row["revision"]) == (made.terms.id, None, 1)
    assert windows(path, row["id"]) == past.windows({"thread": "*"}, 0)
    told = rows(path, "SELECT * FROM alerts")
    assert sorted(one["subject"] for one in told) == sorted(
        f'["th{number}"]' for number in (3, 4, 5, 6, 7, 8, 9, 10)
    )
    assert [one["revision"] for one in revisions(path, row["id"])] == [1]


def test_trying_says_what_it_would_make_and_changes_nothing(path: Path, key_ids: list[str]) -> None:
    past = busy_past(path, key_ids, 60)
    before = dump(path)
    with looking(path) as connection:
        connection.row_factory = None
        tried = planning.tried(connection, plan("provider=up", 5, "total"), NOON)
    assert dump(path) == before
    assert not tried.is_kept
    assert tried.standings[0].spent == sum(past.windows({"provider": "up"}, 0).values())
    made = set_budget(path, plan("provider=up", 5, "total"))
    assert [one.spent for one in made.standings] == [one.spent for one in tried.standings]


# What is there is changed -------------------------------------------------------------------


def test_the_same_budget_is_changed_and_keeps_what_it_counted(path: Path, clock: Clock) -> None:
    Past(path).call(NOON - 9, 7 * USD, tenant="acme")
    first = set_budget(path, plan("tenant=acme", 50, owner="ops"))
    clock.move(60)
    second = set_budget(path, plan("tenant=acme", 80, clamp="always", **rules("90% block")))
    (row,) = budgets(path)
    assert (second.terms.id, second.before) == (first.terms.id, first.terms)
    assert (row["limit_nanousd"], row["clamp"], row["revision"]) == (80 * USD, "always", 2)
    assert (row["rules"], row["owner"]) == ('["90% block"]', "ops")
    assert second.standings[0].spent == 7 * USD
    kept = revisions(path, row["id"])
    assert [(one["limit_nanousd"], one["revision"], one["at"]) for one in kept] == [
        (50 * USD, 1, NOON),
        (80 * USD, 2, NOON + 60 * SECOND_US),
    ]


def test_the_limit_alone_keeps_the_period(path: Path) -> None:
    set_budget(path, plan("tenant=acme", 50, "week", zone="Europe/Berlin"))
    set_budget(path, plan("tenant=acme", 80, "", zone_default="Asia/Tokyo"))
    (row,) = budgets(path)
    assert (row["limit_nanousd"], row["period"], row["zone"]) == (80 * USD, "week", "Europe/Berlin")


def in_two_zones(path: Path) -> None:
    for zone in ("UTC", "Europe/Berlin"):
        set_budget(path, plan("tenant=acme", 50, zone=zone))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_zone_alone_says_which_budget_is_changed(path: Path, zone: str) -> None:
    in_two_zones(path)
    set_budget(path, plan("tenant=acme", 60, "", zone=zone))
    assert {one["zone"]: one["limit_nanousd"] // USD for one in budgets(path)} == {
        "UTC": 50,
        "Europe/Berlin": 50,
        zone: 60,
    }


def test_of_two_zones_one_must_be_named_though_one_is_the_default(path: Path) -> None:
    in_two_zones(path)
    before = dump(path)
    with pytest.raises(BudgetAmbiguous) as refused:
        set_budget(path, plan("tenant=acme", 60, zone_default="Europe/Berlin"))
    assert set(refused.value.zones) == {"UTC", "Europe/Berlin"}
    assert dump(path) == before


@pytest.mark.parametrize("period", ["month", "total", "rolling 7d"])
def test_a_zone_that_no_budget_is_of_changes_none(path: Path, period: str) -> None:
    set_budget(path, plan("tenant=acme", 50, period))
    before = dump(path)
    with pytest.raises(BudgetUnfit) as refused:
        set_budget(path, plan("tenant=acme", 60, "", zone="Asia/Tokyo"))
    assert refused.value.why == "other_zone"
    assert dump(path) == before


def test_saying_the_same_again_changes_nothing(path: Path) -> None:
    set_budget(path, plan("tenant=acme"))
    before = dump(path)
    again = set_budget(path, plan("tenant=acme"))
    assert again.before == again.terms
    assert dump(path) == before


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ({"period": "day"}, {"period": "week"}, 2),
        ({"zone": "UTC"}, {"zone": "Europe/Berlin"}, 2),
        ({"zone": "UTC"}, {"zone": ""}, 1),
        ({"period": "total", "zone": "UTC"}, {"period": "total", "zone": "Asia/Tokyo"}, 1),
        (
            {"period": "rolling 7d", "zone": "UTC"},
            {"period": "rolling 7d", "zone": "Asia/Tokyo"},
            1,
        ),
        ({"period": "rolling 7d"}, {"period": "rolling 8d"}, 2),
    ],
)
def test_another_period_or_zone_is_another_budget_beside_it(
    path: Path, first: dict[str, str], second: dict[str, str], count: int
) -> None:
    common = {"zone_default": "Europe/Berlin"}
    set_budget(path, plan("tenant=acme", 50, **(common | first)))
    set_budget(path, plan("tenant=acme", 60, **(common | second)))
    assert len(budgets(path)) == count


def test_pairs_in_any_order_are_the_same_budget(path: Path) -> None:
    set_budget(path, plan("user=*,tenant=acme"))
    set_budget(path, plan("tenant = acme and user = *", 60))
    (row,) = budgets(path)
    assert (row["selector"], row["limit_nanousd"]) == ("tenant=acme,user=*", 60 * USD)


def test_a_removed_budget_is_made_anew(path: Path, clock: Clock) -> None:
    first = set_budget(path, plan("tenant=acme"))
    clock.move(60)
    removed = remove_budget(path, parse_selector("tenant=acme"))
    assert removed.terms.id == first.terms.id
    (row,) = budgets(path, are_live=False)
    assert (row["removed_at"], row["revision"]) == (clock.now_us, 2)
    assert len(revisions(path, row["id"])) == 2
    assert set_budget(path, plan("tenant=acme")).terms.id != first.terms.id


def test_one_of_several_is_removed_by_its_period(path: Path) -> None:
    selector = parse_selector("tenant=acme")
    for period in ("day", "month"):
        set_budget(path, plan("tenant=acme", period=period))
    with pytest.raises(BudgetAmbiguous) as refused:
        remove_budget(path, selector)
    assert set(refused.value.periods) == {"day", "month"}
    with pytest.raises(NoSuchBudget) as missing:
        remove_budget(path, selector, "week")
    assert missing.value.period == "week"
    remove_budget(path, selector, "day")
    assert [one["period"] for one in budgets(path)] == ["month"]


def test_one_of_two_zones_is_removed_by_its_zone(path: Path) -> None:
    selector = parse_selector("tenant=acme")
    in_two_zones(path)
    with pytest.raises(BudgetAmbiguous) as refused:
        remove_budget(path, selector, "month")
    assert set(refused.value.zones) == {"UTC", "Europe/Berlin"}
    with pytest.raises(NoSuchBudget) as missing:
        remove_budget(path, selector, "month", "Asia/Tokyo")
    assert (missing.value.period, missing.value.zone) == ("month", "Asia/Tokyo")
    assert set(missing.value.known) == {"month UTC", "month Europe/Berlin"}
    remove_budget(path, selector, zone="UTC")
    assert [one["zone"] for one in budgets(path)] == ["Europe/Berlin"]
    set_budget(path, plan("tenant=acme", 50, "total"))
    with pytest.raises(NoSuchBudget):
        remove_budget(path, selector, zone="UTC")
    assert remove_budget(path, selector, "total", "Asia/Tokyo").terms.period == "total"


RULES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "none named": ({}, ["50% notify", "80% downgrade", "100% block"], "strict"),
    "none named, soft": ({"mode": "soft"}, ["50% notify", "80% downgrade", "100% notify"], "soft"),
    "one that blocks": (rules("90% block"), ["90% block"], "strict"),
    "one that tells": (rules("90% notify"), ["90% notify"], "soft"),
    "one that tells, strict": (rules("90% notify") | {"mode": "strict"}, ["90% notify"], "strict"),
    "expected": ({"mode": "expected"}, ["50% notify", "80% downgrade", "100% block"], "expected"),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_and_mode_of_a_new_budget(path: Path, name: str) -> None:
    given, texts, mode = RULES[name]
    made = set_budget(path, plan("tenant=acme", **given))
    assert ([str(rule) for rule in made.terms.rules], made.terms.mode) == (texts, mode)


def test_a_mode_that_nobody_chose_follows_the_rules(path: Path) -> None:
    def mode(**given: Any) -> str:
        return set_budget(path, plan("tenant=acme", **given)).terms.mode

    assert mode() == "strict"
    assert mode(**rules("90% notify")) == "soft"
    assert mode(**rules("90% free")) == "strict"
    assert mode(mode="expected") == "expected"
    assert mode(**rules("90% notify")) == "expected"


# Notices ------------------------------------------------------------------------------------


def told(path: Path) -> dict[tuple[str, int, int], tuple[int, str]]:
    """Subject, window and percentage, to what was spent and what happens."""
    return {
        (one["subject"], one["window_start"], one["threshold"]): (
            one["spent_nanousd"] // USD,
            one["action"],
        )
        for one in rows(path, "SELECT * FROM alerts")
    }


def test_what_is_crossed_at_once_is_told_once(path: Path) -> None:
    Past(path).call(NOON - 9, 85 * USD, tenant="acme")
    month = NOON - 17 * DAY_US - 12 * HOUR_US
    given = rules("50% notify ops,it", "80% notify", "80% downgrade", "100% block")
    set_budget(path, plan("tenant=acme", 100, owner="ana", **given))
    assert told(path) == {
        ("", month, 50): (85, "50% notify ops it"),
        ("", month, 80): (85, "80% notify, 80% downgrade"),
    }
    (first, *_) = rows(path, "SELECT * FROM alerts ORDER BY threshold")
    assert (first["kind"], first["state"], first["owner"]) == ("budget", "new", "ana")
    assert (first["limit_nanousd"], first["selector"]) == (100 * USD, "tenant=acme")
    assert json.loads(first["channels"]) == ["ops", "it"]
    set_budget(path, plan("tenant=acme", 100, owner="ben"))
    assert len(told(path)) == 2
    set_budget(path, plan("tenant=acme", 80))
    assert set(told(path)) == {("", month, 50), ("", month, 80), ("", month, 100)}
    assert len(rows(path, "SELECT * FROM alerts")) == 5


def test_each_window_of_a_star_is_told_of(path: Path) -> None:
    past = Past(path)
    for user, spent in (("a", 10), ("b", 4), ("c", 5)):
        past.call(NOON - 9, spent * USD, user=user)
    set_budget(path, plan("user=*", 10, "total", **rules("50% notify", "100% block")))
    assert set(told(path)) == {('["a"]', 0, 50), ('["a"]', 0, 100), ('["c"]', 0, 50)}
    set_budget(path, plan("user=*", 8, "total"))
    assert ('["b"]', 0, 50) in told(path)


def test_a_rolling_budget_is_not_told_anew_in_the_next_hour(path: Path, clock: Clock) -> None:
    Past(path).call(NOON - 9, 9 * USD, tenant="acme")
    given = plan("tenant=acme", 10, "rolling 7d", **rules("50% notify"))
    set_budget(path, given)
    clock.move(3_600)
    set_budget(path, given)
    assert len(rows(path, "SELECT * FROM alerts")) == 1
    set_budget(path, plan("tenant=acme", 9, "rolling 7d"))
    assert len(rows(path, "SELECT * FROM alerts")) == 2


# Refused ------------------------------------------------------------------------------------

PROVIDERS = (ProviderTerms("up", "compatible", ("m-*", "x-9")), ProviderTerms("down", "openai"))
BAD: dict[str, tuple[BudgetPlan, type[FerryError], str]] = {
    "an unknown key": (plan("key=nobody"), NoSuchKey, "nobody"),
    "the beginning of several ids": (plan("key=key_0"), IdAmbiguous, "key_0"),
    "a revoked key": (plan("key=gone"), BadSelector, "is revoked"),
    "a key that makes no calls": (plan("key=reader"), BadSelector, "role `read`"),
    "what the key pins": (plan("key=acme,tenant=bolt"), BadSelector, "pins tenant to `acme`"),
    "none of what the key pins": (plan("key=acme,tenant=(none)"), BadSelector, "never missing"),
    "what the key denies": (plan("key=acme,user=u1"), BadSelector, "denies user"),
    "each of what the key denies": (plan("key=acme,user=*"), BadSelector, "denies user"),
    "none of what it requires": (plan("key=acme,thread=(none)"), BadSelector, "requires a thread"),
    "none of what it fills in": (plan("key=acme,feature=(none)"), BadSelector, "fills in feature"),
    "a model that the key may not use": (plan("key=narrow,model=x-9"), BadSelector, "other models"),
    "a provider that it may not use": (
        plan("key=narrow,provider=down"),
        BadSelector,
        "other models",
    ),
    "both": (plan("key=acme,provider=up,model=x-9"), BadSelector, "other models"),
    "an unknown provider": (plan("provider=nowhere"), BadSelector, "no provider is configured as"),
    "a model that its provider does not list": (
        plan("provider=up,model=bgi"),
        BadSelector,
        "provider `up` does not list the model",
    ),
    "an unknown route": (plan("route=nowhere"), BadSelector, "there is no route"),
    "a rule's unknown channel": (
        plan("tenant=a", **rules("50% notify nobody")),
        RuleUnknownName,
        "nobody",
    ),
    "a rule's unknown route": (
        plan("tenant=a", **rules("50% downgrade nowhere")),
        RuleUnknownName,
        "nowhere",
    ),
    "a free route that is not there": (
        plan("tenant=a", **rules("100% free nowhere")),
        RuleUnknownName,
        "nowhere",
    ),
    "rules that contradict": (
        plan("tenant=a", **rules("90% block", "100% free")),
        RulesClash,
        "90% block",
    ),
    "a rule twice": (plan("tenant=a", **rules("9% notify", "9% notify")), RulesClash, "9% notify"),
    "soft that blocks": (plan("tenant=a", mode="soft", **rules("9% block")), BadMode, "9% block"),
    "an unknown mode": (plan("tenant=a", mode="hard"), BadField, "hard"),
    "soft, of one that blocks": (plan("tenant=known", None, "day", mode="soft"), BadMode, "block"),
    "no limit": (plan("tenant=a", None), BudgetUnfit, "no_limit"),
    "no limit and no period": (plan("tenant=a", None, ""), BudgetUnfit, "no_limit"),
    "no period": (plan("tenant=a", 5, ""), BudgetUnfit, "no_period"),
    "which of two": (plan("tenant=both", 5, ""), BudgetAmbiguous, "tenant=both"),
    "one that counts already": (
        plan("tenant=known", 5, "day", counts_from_now=True),
        BudgetUnfit,
        "counts_already",
    ),
    "a balance for each": (
        plan("tenant=*", None, "", balance=Money(USD)),
        BudgetUnfit,
        "each_balance",
    ),
    "a balance twice": (
        plan("tenant=paid", None, "", balance=Money(USD)),
        BudgetUnfit,
        "has_balance",
    ),
    "a balance of nothing": (plan("tenant=a", None, "", balance=Money(0)), BudgetUnfit, "amount"),
}


@pytest.fixture
def furnished(path: Path) -> Path:
    """Keys with policies, a route, and budgets that are there."""
    policies = {
        "tenant": Policy.of("pin", "acme"),
        "user": Policy.of("deny"),
        "thread": Policy.of("require"),
        "feature": Policy.of("allow", "chat"),
    }
    changes.create_key(path, KeyPlan("acme", policies=policies, models=("up/m-*", "other")))
    changes.create_key(path, KeyPlan("narrow", models=("up/m-*",)))
    changes.create_key(path, KeyPlan("reader", role="read"))
    changes.create_key(path, KeyPlan("gone"))
    changes.revoke_key(path, "gone")
    with looking(path) as connection:
        connection.execute("INSERT INTO routes (id, name) VALUES ('r', 'cheap')")
        connection.execute("INSERT INTO routes (id, name, removed_at) VALUES ('s', 'nowhere', 1)")
    for period in ("day", "week"):
        set_budget(path, plan("tenant=both", 5, period))
    set_budget(path, plan("tenant=known", 5, "day"))
    set_budget(path, plan("tenant=paid", None, "", balance=Money(USD)))
    return path


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused_with_the_reason_and_nothing_is_changed(
    furnished: Path, name: str
) -> None:
    given, kind, said = BAD[name]
    given = BudgetPlan(
        **{one: getattr(given, one) for one in BudgetPlan.__dataclass_fields__}
        | {"providers": PROVIDERS, "channels": ("ops",)}
    )
    before = dump(furnished)
    with pytest.raises(kind) as refused:
        set_budget(furnished, given)
    assert type(refused.value) is kind
    assert said in str(vars(refused.value))
    assert dump(furnished) == before


def test_a_model_that_no_provider_lists_is_refused_of_limits_too(furnished: Path) -> None:
    selector = parse_selector("model=bgi")
    with pytest.raises(BadSelector) as refused:
        limit_changes.set_limits(furnished, selector, Limits(1), PROVIDERS[:1])
    assert (refused.value.why, refused.value.known) == (
        "no provider lists the model",
        ("m-*", "x-9"),
    )


POSSIBLE = (
    "key=acme,tenant=acme", "key=acme,tenant=*", "key=acme,user=(none)", "key=acme,thread=*",
    "key=acme,feature=other", "key=acme,provider=up", "key=acme,model=m-1", "key=acme,model=other",
    "key=acme,provider=down,model=other", "key=*", "route=cheap", "route=(none)", "provider=*",
    "provider=down", "tenant=nobody-yet", "tag:a=b", "key=narrow,provider=up",
    "key=narrow,model=m-1",
)  # fmt: skip


@pytest.mark.parametrize("selector", POSSIBLE)
def test_what_some_call_may_match_is_not_refused(furnished: Path, selector: str) -> None:
    given = rules("50% notify ops", "80% downgrade cheap", "100% free cheap")
    names: dict[str, Any] = {"providers": PROVIDERS, "channels": ("ops",)}
    made = set_budget(furnished, plan(selector, **(given | names)))
    assert made.terms.selector == selector


@pytest.mark.parametrize(
    ("selector", "dimensions"),
    [
        ("tenant=*", ("tenant",)),
        ("user=*", ("user",)),
        ("key=acme,tenant=*", ()),
        ("key=acme,thread=*,feature=*", ()),
        ("key=*,thread=*", ("thread",)),
        ("tenant=bolt,user=*", ("user",)),
        ("tag:plan=*", ()),
        ("provider=*", ()),
        ("tenant=acme", ()),
    ],
)
def test_dimensions_that_keys_may_leave_out_are_named(
    furnished: Path, selector: str, dimensions: tuple[str, ...]
) -> None:
    make_key(furnished, "free")
    assert set_budget(furnished, plan(selector)).left_out == dimensions


# Limits -------------------------------------------------------------------------------------


def limits(path: Path) -> list[tuple[Any, ...]]:
    return [
        (one["selector"], one["rpm"], one["tpm"], one["parallel_max"], one["revision"])
        for one in rows(path, "SELECT * FROM limits WHERE removed_at IS NULL ORDER BY id")
    ]


def test_limits_of_a_selector_are_set_changed_and_taken_away(path: Path) -> None:
    selector = parse_selector("tenant=acme,user=*")
    set_limits = limit_changes.set_limits
    assert set_limits(path, selector, Limits(60, None, 4)) == Limits(60, None, 4)
    assert limits(path) == [("tenant=acme,user=*", 60, None, 4, 1)]
    assert set_limits(path, selector, Limits(tpm=9, parallel_max=0)) == Limits(60, 9, None)
    assert limits(path) == [("tenant=acme,user=*", 60, 9, None, 2)]
    before = dump(path)
    set_limits(path, selector, Limits(rpm=60))
    assert dump(path) == before
    assert not set_limits(path, selector, Limits(0, 0, 0))
    assert limits(path) == []
    assert len(rows(path, "SELECT * FROM revisions WHERE object = 'limit'")) == 3
    set_limits(path, selector, Limits(rpm=5))
    assert limits(path) == [("tenant=acme,user=*", 5, None, None, 1)]


def test_limits_of_a_key_alone_stand_with_the_key(path: Path) -> None:
    made = make_key(path, "acme")
    limit_changes.set_limits(path, parse_selector("key=acme"), Limits(60, 1_000))
    (row,) = rows(path, "SELECT * FROM keys")
    assert (row["id"], row["rpm"], row["tpm"], row["parallel_max"]) == (made.id, 60, 1_000, None)
    assert limits(path) == []
    assert not limit_changes.set_limits(path, parse_selector("key=acme"), Limits(0, 0))
    assert rows(path, "SELECT rpm, tpm FROM keys") == [{"rpm": None, "tpm": None}]


def test_limits_on_what_cannot_be_are_refused(furnished: Path) -> None:
    before = dump(furnished)
    for text, kind in (("key=nobody", NoSuchKey), ("key=acme,tenant=bolt", BadSelector)):
        with pytest.raises(kind):
            limit_changes.set_limits(furnished, parse_selector(text), Limits(1))
    assert dump(furnished) == before


def test_a_renamed_key_is_renamed_in_every_selector(path: Path) -> None:
    made = make_key(path, "acme", "5/month")
    set_budget(path, plan("key=acme,user=*"))
    limit_changes.set_limits(path, parse_selector("key=acme,tenant=a"), Limits(1))
    other = make_key(path, "acme-2", "6/month")
    changes.edit_key(path, "acme", changes.KeyEdit(name="bolt-1"))
    assert {one["selector"]: one["key_id"] for one in budgets(path)} == {
        "key=bolt-1": made.id,
        "key=bolt-1,user=*": "",
        "key=acme-2": other.id,
    }
    assert [one[0] for one in limits(path)] == ["key=bolt-1,tenant=a"]


@pytest.mark.parametrize(
    ("selector", "is_possible"),
    [
        ("provider=meter", True),
        ("provider=meter,model=anything", True),
        ("key=narrow,provider=meter", True),
        ("model=reads", True),
        ("provider=*,model=reads_long", True),
        ("provider=up,model=reads", False),
        ("model=writes", False),
    ],
)
def test_a_budget_may_be_of_events(furnished: Path, selector: str, is_possible: bool) -> None:
    changes.set_price(furnished, METER, "reads*", Rate(input=1))
    given: dict[str, Any] = {"providers": PROVIDERS[:1]}
    if is_possible:
        assert set_budget(furnished, plan(selector, **given)).terms.selector == selector
        return
    with pytest.raises(BadSelector):
        set_budget(furnished, plan(selector, **given))
