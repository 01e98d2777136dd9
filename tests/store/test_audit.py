"""The audit: books that balance pass whole, and each planted fault is found by its check alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.store import audit, daily
from ferrycli.store.audit import checks
from ferrycli.store.audit.faults import FAULTS_MAX, Fault
from ferrycli.store.connect import open_reader, open_writer
from tests.store.kit import DAY_US, NOON, SECOND_US
from tests.store.shop import HOUR_US, MIDNIGHT, OLD, Shop

RULES = json.dumps(["50% notify", "80% downgrade", "100% block"])
KEY = ("b_key", "", MIDNIGHT - 17 * DAY_US)
"""November began 17 days before."""
DAY = ("b_day", "", MIDNIGHT)
YESTERDAY = MIDNIGHT - DAY_US
LIMITS = {"b_day": 10_000, "b_key": 3_000, "b_roll": 5_000}
NOW = NOON + 60 * SECOND_US


def fill(shop: Shop) -> None:
    """One of everything."""
    shop.key("key_a")
    shop.insert("instances", id="i_1", heartbeat_at=NOW - SECOND_US)
    shop.budget("b_key", [("key", "key_a")], LIMITS["b_key"], "month", rules=RULES)
    shop.budget("b_day", [("tenant", "acme")], LIMITS["b_day"], "day")
    shop.budget("b_user", [("user", "*")], 900, "week", zone="Europe/Berlin", rules=RULES)
    shop.budget("b_roll", [("tenant", "bolt")], LIMITS["b_roll"], "rolling 7d", rules=RULES)
    shop.budget("b_down", [("provider", "down")], 900, "total")
    shop.budget("b_soft", [("feature", "chat")], 10, "total", mode="soft")
    shop.budget("b_pre", [("key", "key_p")], 0, "total", is_prepaid=1, rules=RULES)
    shop.grant("g_1", "b_pre", 40, expires_at=NOON + DAY_US)
    shop.grant("g_2", "b_pre", 500, created_at=OLD + 5, balance_nanousd=540)
    shop.grant("g_b", "b_day", 77, kind="boost", expires_at=NOON)
    monday = ("b_user", '["ann"]', MIDNIGHT - 2 * DAY_US - HOUR_US)
    seqs = {
        "plain": shop.call(100, 300, KEY, DAY),
        "early": shop.call(
            40, 60, KEY, ("b_day", "", YESTERDAY), ("b_left", "", YESTERDAY), at=MIDNIGHT - 1
        ),
        "doubtful": shop.call(50, 200, KEY, DAY, doubt_nanousd=150, cost_source="estimated"),
        "starred": shop.call(470, 800, KEY, DAY, monday, user="ann"),
        "recovered": shop.call(10, 90, KEY, DAY, state="recovered", doubt_nanousd=80),
        "released": shop.call(0, 90, KEY, DAY, state="released", cost_source=""),
        "unpriced": shop.call(None, 0, tenant="", key_id="", cost_source="unpriced"),
        "free": shop.call(7, 0, key_id="", tenant="globex"),
        "soft": shop.call(
            80, 30, ("b_soft", "", 0), key_id="", tenant="", feature="chat", output_held=None
        ),
        "held": shop.call(None, 250, KEY, DAY, state="held", instance_id="i_1"),
        "prepaid": shop.call(
            60, 90, ("b_pre", "", 0, [["g_1", 40], ["g_2", 50]]), key_id="key_p", tenant="",
            doubt_nanousd=30, cost_source="estimated",
        ),
        "prepaid held": shop.call(
            None, 35, ("b_pre", "", 0, [["g_2", 35]]), key_id="key_p", tenant="", state="held",
            instance_id="i_1",
        ),
    }  # fmt: skip
    shop.call(0, 0, state="denied", tenant="acme", error_code="insufficient_quota", attempts=1)
    for hours in (1, 30):
        at = NOON - hours * HOUR_US
        roll = ("b_roll", "", at)
        seqs[f"rolled {hours}"] = shop.call(1_300, 1_500, roll, at=at, key_id="", tenant="bolt")
    several = shop.call(80, 80, KEY, DAY, attempts=2, doubt_nanousd=75, moves=(50, 15))
    shop.attempt(several, 1, 30, 90, KEY, DAY, ("b_down", "", 0), doubt_nanousd=60)
    shop.attempt(several, 2, 50, 80, provider="up", doubt_nanousd=15, output_held=100)
    seqs["several"] = several
    going = shop.call(None, 20, KEY, DAY, state="held", attempts=2, instance_id="i_1")
    shop.attempt(going, 1, 9, 90, KEY, DAY, ("b_down", "", 0), doubt_nanousd=81)
    seqs["going"] = going
    overrun = shop.call(333, 300, KEY, DAY, reason="overrun")
    shop.insert("alerts", id="al_0", kind="overrun", subject=str(overrun))
    corrected = shop.call(400, 400, KEY, DAY)
    shop.insert("corrections", id="x_1", call_seq=corrected, delta_nanousd=25)
    shop.insert("corrections", id="x_2", call_seq=seqs["doubtful"], doubt_delta_nanousd=-30)
    for place in (KEY, DAY):
        shop.move(place, 25, 0, -30)
    shop.insert("lines", call_seq=seqs["plain"], number=1, cost_nanousd=60)
    shop.insert("lines", call_seq=seqs["plain"], number=2, cost_nanousd=40)
    shop.alert("al_1", "b_key", KEY[2], 50, limit_nanousd=3_000, spent_nanousd=1_517)
    shop.alert("al_2", "b_roll", 0, 50, limit_nanousd=5_000, spent_nanousd=2_600)
    shop.alert(
        "al_3", "b_user", monday[2], 50, subject='["ann"]', limit_nanousd=900, spent_nanousd=470
    )
    set_late(shop)
    set_removed(shop)


def set_late(shop: Shop) -> None:
    """A budget that was set when its limit had been spent already, and counts back."""
    shop.budget("b_late", [("tenant", "bolt")], 100, "total", created_at=NOON, rules=RULES)
    shop.move(("b_late", "", 0), 2_600, 0, 0)
    for percent in (50, 80, 100):
        shop.alert(
            f"al_late{percent}", "b_late", 0, percent, limit_nanousd=100, spent_nanousd=2_600
        )


def set_removed(shop: Shop) -> None:
    """One that is gone: it may lack what ended later and was not held in it."""
    shop.budget("b_gone", [("tenant", "globex")], 5, "total", removed_at=NOON - 1)
    shop.budget("b_left", [("tenant", "acme")], 500, "day", removed_at=NOON - 1)


@pytest.fixture
def shop(path: Path) -> Iterator[Shop]:
    made = Shop(path)
    yield made
    made.close()


def found(path: Path, now_us: int = NOW) -> dict[str, tuple[Fault, ...]]:
    """Checks with faults, by the first word of their name."""
    reader = open_reader(path)
    try:
        every = audit.run(reader, now_us)
    finally:
        reader.close()
    return {one.name.split()[0]: one.faults for one in every if one.faults}


def test_books_that_balance_pass_every_check(shop: Shop, path: Path) -> None:
    fill(shop)
    reader = open_reader(path)
    every = audit.run(reader, NOW)
    quick = checks.run(reader)
    reader.close()
    assert [one for one in (*every, *quick) if one.faults] == []
    names = [one.name.split()[0] for one in every]
    assert names == [
        "file",
        "references",
        *(f"I{at}" for at in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
    ]
    counts = {one.name.split()[0]: one.count for one in every}
    assert all(counts[name] > 0 for name in names if name != "I12")


def test_books_in_which_nothing_is_written_pass(path: Path) -> None:
    assert found(path) == {}


@pytest.fixture
def open_shop(shop: Shop) -> Shop:
    """Filled, and with nothing that keeps finished calls as they are while faults are planted."""
    fill(shop)
    shop.unkeep()
    return shop


PLANTED: dict[str, list[tuple[str, ...]]] = {
    # What is spent is what matches.
    "I1": [
        ("UPDATE windows SET spent_nanousd = spent_nanousd + 1 WHERE budget_id = 'b_day'", "b_day"),
        (
            "UPDATE windows SET spent_nanousd = spent_nanousd - 1 WHERE budget_id = 'b_user'",
            "b_user",
        ),
        ("UPDATE windows SET spent_nanousd = 9 WHERE budget_id = 'b_late'", "b_late"),
        ("DELETE FROM windows WHERE budget_id = 'b_roll'", "b_roll"),
        ("UPDATE windows SET spent_nanousd = 900 WHERE budget_id = 'b_left'", "b_left"),
        ("INSERT INTO windows VALUES ('b_gone', '', 0, 8, 0, 0)", "b_gone"),
        ("INSERT INTO windows VALUES ('b_user', '[\"eve\"]', 0, 1, 0, 0)", "eve"),
        ("UPDATE corrections SET delta_nanousd = 24 WHERE id = 'x_1'", "b_key"),
        (
            "UPDATE budgets SET counts_from = counts_from + 864000000000 WHERE id = 'b_late'",
            "b_late",
        ),
    ],
    # What is held is what rows hold.
    "I2": [
        ("UPDATE windows SET held_nanousd = held_nanousd + 1 WHERE budget_id = 'b_day'", "b_day"),
        ("UPDATE windows SET doubt_nanousd = 0 WHERE budget_id = 'b_down'", "b_down"),
        (
            "UPDATE windows SET doubt_nanousd = doubt_nanousd - 500 WHERE budget_id = 'b_key'",
            "b_key",
        ),
        ("UPDATE corrections SET doubt_delta_nanousd = -31 WHERE id = 'x_2'", "b_key"),
    ],
    # No admission over the limit.
    "I3": [
        ("UPDATE calls SET free_nanousd = 299 WHERE id = 'c_1'", "c_1"),
        (
            (
                "UPDATE revisions SET content = json_set(content, '$.limit_nanousd', 700) "
                "WHERE id = 'b_user'"
            ),
            "UPDATE budgets SET limit_nanousd = 700, rules = '[]' WHERE id = 'b_user'",
            "b_user",
        ),
        (
            "UPDATE budgets SET limit_nanousd = 80 WHERE id = 'b_down'",
            (
                "UPDATE revisions SET content = json_set(content, '$.limit_nanousd', 80) "
                "WHERE id = 'b_down'"
            ),
            "b_down",
        ),
    ],
    # Over, or in flight.
    "I4": [
        ("UPDATE calls SET state = 'lost' WHERE id = 'c_7'", "c_7"),
        ("UPDATE calls SET finished_at = NULL WHERE id = 'c_1'", "c_1"),
        ("UPDATE calls SET outcome = '' WHERE id = 'c_1'", "c_1"),
        ("UPDATE instances SET heartbeat_at = heartbeat_at - 15000000", "`i_1` is gone"),
        ("UPDATE instances SET stopped_at = 1", "`i_1` is gone"),
        ("UPDATE calls SET instance_id = 'i_2' WHERE id = 'c_10'", "`i_2` is gone"),
    ],
    # Overruns are said.
    "I5": [
        ("UPDATE calls SET reason = '' WHERE reason = 'overrun'", "does not say so"),
        ("DELETE FROM alerts WHERE kind = 'overrun'", "no alert says so"),
        (
            ("UPDATE attempts SET hold_nanousd = 49, input_ceiling_nanousd = 49 WHERE number = 2"),
            "attempt 2",
        ),
    ],
    # Costs are their parts, holds their bounds.
    "I6": [
        ("UPDATE calls SET cost_input_nanousd = 1 WHERE id = 'c_1'", "cost, by its parts"),
        ("UPDATE calls SET cost_other_nanousd = 1 WHERE id = 'c_7'", "c_7"),
        ("UPDATE lines SET cost_nanousd = 41 WHERE number = 2", "cost, by its lines"),
        ("UPDATE calls SET input_ceiling_nanousd = 301 WHERE id = 'c_1'", "hold, by its bounds"),
        ("UPDATE calls SET output_rate_nanousd = 10001 WHERE id = 'c_1'", "hold, by its bounds"),
        ("UPDATE calls SET input_ceiling_nanousd = NULL WHERE id = 'c_1'", "hold, by its bounds"),
        ("UPDATE calls SET expected_nanousd = 31 WHERE id = 'c_9'", "hold, by its bounds"),
        (
            (
                "UPDATE attempts SET input_ceiling_nanousd = 91 WHERE number = 1 AND "
                "cost_nanousd = 30"
            ),
            "attempt 1",
        ),
        ("UPDATE attempts SET cost_nanousd = 51 WHERE number = 2", "cost, by its attempts"),
        ("UPDATE attempts SET doubt_nanousd = 16 WHERE number = 2", "doubt, by its attempts"),
        ("DELETE FROM attempts WHERE number = 2", "made 2 attempts and has rows of 1"),
        ("UPDATE calls SET attempts = 2 WHERE id = 'c_7'", "has no rows of them"),
    ],
    # Once each, and no other.
    "I8": [
        ("DROP INDEX alerts_once", "index alerts_once"),
        (
            "DROP INDEX alerts_once",
            "CREATE INDEX alerts_once ON alerts (kind)",
            "index alerts_once",
        ),
        ("DELETE FROM alerts WHERE id = 'al_1'", "has reached 50 %"),
        ("DELETE FROM alerts WHERE id = 'al_2'", "has reached 50 %"),
        ("DELETE FROM alerts WHERE id = 'al_3'", "has reached 50 %"),
        ("DELETE FROM alerts WHERE id = 'al_late100'", "has reached 100 %"),
        ("UPDATE alerts SET limit_nanousd = 2999 WHERE id = 'al_1'", "has reached 50 %"),
        ("UPDATE alerts SET spent_nanousd = 1499 WHERE id = 'al_1'", "alert al_1"),
    ],
    # Balances add up.
    "I9": [
        (
            "UPDATE grants SET drawn_nanousd = drawn_nanousd + 1 WHERE id = 'g_2'",
            "drawn, by its grants",
        ),
        (
            "UPDATE grants SET drawn_nanousd = drawn_nanousd - 1 WHERE id = 'g_1'",
            "drawn, by its grants",
        ),
        ("UPDATE grants SET doubt_nanousd = 29 WHERE id = 'g_2'", "in doubt, by its grants"),
        ("UPDATE grants SET held_nanousd = 34 WHERE id = 'g_2'", "held, by calls in flight"),
        ("UPDATE grants SET amount_nanousd = 39 WHERE id = 'g_1'", "held, in doubt and drawn"),
        (
            "UPDATE grants SET drawn_nanousd = -1, amount_nanousd = 600 WHERE id = 'g_2'",
            "UPDATE grants SET drawn_nanousd = 61, amount_nanousd = 61 WHERE id = 'g_1'",
            "drawn",
        ),
        ("UPDATE grants SET held_nanousd = 1 WHERE id = 'g_b'", "boost g_b"),
    ],
    # Held wherever it matches.
    "I11": [
        (
            "UPDATE budgets SET created_at = created_at - 1 WHERE id = 'b_soft'",
            "UPDATE calls SET windows = '' WHERE id = 'c_9'",
            "c_9",
        ),
    ],
    "references": [
        ("INSERT INTO grants (id, budget_id) VALUES ('g_9', 'b_none')", "grants b_none"),
    ],
}
"""By check: statements, and what is said of them."""


@pytest.mark.parametrize(
    ("name", "fault"), [(name, one) for name, every in PLANTED.items() for one in every]
)
def test_planted_fault_is_found_by_its_check_and_by_no_other(
    open_shop: Shop, path: Path, name: str, fault: tuple[str, ...]
) -> None:
    *statements, told = fault
    for statement in statements:
        open_shop.run(statement)
    open_shop.keep()
    faults = found(path)
    assert list(faults) == [name]
    said = [f"{one.subject}: {one.what}" for one in faults[name]]
    assert any(told in one for one in said), said


# What needs more than a statement -------------------------------------------------------------


def test_call_that_is_in_flight_for_too_long_is_found(shop: Shop, path: Path) -> None:
    fill(shop)
    late = NOON + int((audit.DEADLINE_S + 60) * SECOND_US)
    shop.run("UPDATE instances SET heartbeat_at = ?", late)
    assert found(path, late) == {}
    assert list(found(path, late + 1)) == ["I4"]
    shop.insert("routes", id="r", name="r", settings=json.dumps({"total_s": 1_000}))
    assert found(path, late + 1) == {}


def test_amounts_that_are_off_are_told(shop: Shop, path: Path) -> None:
    fill(shop)
    shop.run("UPDATE windows SET spent_nanousd = 99 WHERE budget_id = 'b_late'")
    assert found(path)["I1"] == (Fault("window b_late 0", "spent", 99, 2_600),)
    shop.run(
        "UPDATE windows SET spent_nanousd = 2600, held_nanousd = -3 WHERE budget_id = 'b_late'"
    )
    assert found(path)["I2"] == (Fault("window b_late 0", "held", -3, 0),)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"cost_nanousd", ', ""),
        ("OLD.state <> 'held'", "OLD.state = 'held'"),
        ("BEFORE UPDATE", "AFTER UPDATE"),
        ("RAISE(ABORT, 'a finished call never changes')", "1"),
    ],
)
def test_trigger_that_keeps_nothing_is_found(
    open_shop: Shop, path: Path, before: str, after: str
) -> None:
    assert list(found(path)) == ["I10"]
    open_shop.keep(before, after)
    assert list(found(path)) == ["I10"]
    open_shop.unkeep()
    open_shop.keep()
    assert found(path) == {}
    open_shop.run("DROP TRIGGER calls_kept")
    assert list(found(path)) == ["I10"]


def test_day_whose_summary_is_wrong_is_found(shop: Shop, path: Path) -> None:
    fill(shop)
    writer = open_writer(path)
    assert daily.sum_day(writer, MIDNIGHT - DAY_US, MIDNIGHT, NOW)
    assert list(daily.unsummed(writer, ZoneInfo("UTC"), NOW + 2 * DAY_US)) != []
    writer.close()
    assert found(path) == {}
    shop.run("UPDATE daily SET cost_nanousd = cost_nanousd + 1")
    assert list(found(path)) == ["I7"]


def test_cost_that_is_no_whole_number_is_found(open_shop: Shop, path: Path) -> None:
    open_shop.run("UPDATE calls SET cost_nanousd = 7.5, cost_output_nanousd = 7.5 WHERE id = 'c_8'")
    open_shop.keep()
    assert list(found(path)) == ["I7"]


def test_damaged_file_is_told_alone_and_faults_are_bounded(shop: Shop, path: Path) -> None:
    shop.key("key_a")
    for number in range(FAULTS_MAX + 5):
        shop.run("INSERT INTO windows VALUES ('b_x', ?, 0, 1, 0, 0)", str(number))
    faults = found(path)
    assert sorted(faults) == ["I1", "references"]
    assert len(faults["I1"]) == FAULTS_MAX


# I3: whom and what is excused -----------------------------------------------------------------


@pytest.fixture
def over(shop: Shop) -> Shop:
    """A strict budget of 1,000, in which 100 are spent."""
    shop.key("key_a")
    shop.budget("b", [("key", "key_a")], 1_000, "total")
    shop.call(100, 300, ("b", "", 0))
    return shop


def lower(shop: Shop, limit: int, at: int = NOON + SECOND_US) -> None:
    shop.run("UPDATE budgets SET limit_nanousd = ?, revision = revision + 1", limit)
    shop.revise("b", at)


def test_excess_of_a_lowered_limit_is_excused(over: Shop, path: Path) -> None:
    lower(over, 50)
    assert found(path) == {}
    lower(over, 60, NOON + 2 * SECOND_US)
    assert found(path) == {}


def test_excess_without_a_cause_is_not(over: Shop, path: Path) -> None:
    over.run("UPDATE budgets SET limit_nanousd = 99")
    over.run("UPDATE revisions SET content = json_set(content, '$.limit_nanousd', 99)")
    assert list(found(path)) == ["I3"]


def test_limit_of_a_time_that_no_revision_tells_is_not_judged(over: Shop, path: Path) -> None:
    over.run("UPDATE budgets SET limit_nanousd = 99, revision = 2")
    assert found(path) == {}
    over.run("UPDATE revisions SET revision = 2, at = ?", NOON + DAY_US)
    assert found(path) == {}


@pytest.mark.parametrize(("amount", "is_excused"), [(950, True), (949, False)])
def test_boost_that_has_ended_excuses_what_it_carried(
    over: Shop, path: Path, amount: int, is_excused: bool
) -> None:
    over.grant("g", "b", amount, kind="boost", created_at=NOON, expires_at=NOON + 30 * SECOND_US)
    over.call(1_850, 1_850, ("b", "", 0), at=NOON + 15 * SECOND_US)
    assert list(found(path)) == ([] if is_excused else ["I3"])


def test_boost_that_ended_before_the_window_excuses_nothing(over: Shop, path: Path) -> None:
    over.run("UPDATE budgets SET period = 'day'")
    over.run("UPDATE windows SET start = ?", MIDNIGHT)
    over.run("UPDATE calls SET windows = ? WHERE 0", "")
    over.grant("g", "b", 5_000, kind="boost", expires_at=MIDNIGHT - DAY_US)
    over.call(1_900, 1_900, ("b", "", MIDNIGHT))
    assert "I3" in found(path)


@pytest.mark.parametrize("delta", [0, 899, 900, 901, 5_000])
def test_correction_is_a_cause_as_far_as_it_goes(over: Shop, path: Path, delta: int) -> None:
    seq = over.call(100, 100, ("b", "", 0))
    over.insert("corrections", id="x", call_seq=seq, delta_nanousd=delta)
    over.move(("b", "", 0), delta, 0, 0)
    assert found(path) == {}
    over.call(901, 901, ("b", "", 0))
    assert list(found(path)) == ["I3"]


def test_soft_budget_has_no_limit_to_be_over(over: Shop, path: Path) -> None:
    over.run("UPDATE budgets SET mode = 'soft', revision = 2")
    over.revise("b", NOON - SECOND_US)
    over.call(5_000, 5_000, ("b", "", 0), at=NOON + DAY_US, free_nanousd=-1)
    assert found(path) == {}


def test_two_holds_that_did_not_fit_together_are_found_after_both_ended(
    over: Shop, path: Path
) -> None:
    """Each row says that its hold was free; in the ledger's own order they were over."""
    first = over.call(0, 600, ("b", "", 0), state="released", cost_source="")
    over.call(0, 600, ("b", "", 0), state="released", cost_source="")
    assert found(path) == {}
    over.unkeep()
    over.run("UPDATE calls SET close_no = 100 WHERE seq = ?", first)
    faults = found(path)["I3"]
    assert [(one.is_now, one.should_be) for one in faults] == [(1_300, 1_000)]
    over.run("UPDATE calls SET admit_no = 0 WHERE seq = ?", first)
    assert "I3" not in found(path)
    over.run("UPDATE calls SET admit_no = 1 WHERE seq = ?", first)
    lower(over, 1_300, NOON - SECOND_US)
    assert "I3" not in found(path)


# I1 and I11: how calls are matched ------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "columns", "subject"),
    [
        ([], {}, ""),
        ([("key", "key_a")], {}, ""),
        ([("key", "key_b")], {}, None),
        ([("user", "")], {}, ""),
        ([("user", "")], {"user": "ann"}, None),
        ([("user", "*")], {}, None),
        ([("user", "*")], {"user": 'ann "x" \\ ö'}, '["ann \\"x\\" \\\\ ö"]'),
        ([("user", "*"), ("thread", "*")], {"user": "a", "thread": "b"}, '["a","b"]'),
        ([("user", "*"), ("thread", "t")], {"user": "a", "thread": "b"}, None),
        ([("assistant", "bot"), ("feature", "f")], {"assistant": "bot", "feature": "f"}, ""),
        ([("priority", "critical")], {"priority": "critical"}, ""),
        ([("provider", "up"), ("model", "m-1")], {}, ""),
        ([("model", "m-1-2026")], {}, None),
        ([("model", "m-1-2026")], {"sent_model": ""}, ""),
        ([("route", "cheap")], {"route": "cheap"}, ""),
        ([("tag:plan", "gold")], {"tags": '{"plan":"gold"}'}, ""),
        ([("tag:plan", "*")], {"tags": '{"plan":"gold"}'}, '["gold"]'),
        ([("tag:plan", "*"), ("tag:x", "1")], {"tags": '{"plan":"gold","x":"1"}'}, '["gold"]'),
        ([("tag:plan", "gold")], {}, None),
        ([("tag:plan", "")], {}, ""),
    ],
)
def test_call_counts_where_the_selector_matches_and_nowhere_else(
    shop: Shop,
    path: Path,
    pairs: list[tuple[str, str]],
    columns: dict[str, Any],
    subject: str | None,
) -> None:
    shop.budget("b", pairs, 1_000, "total")
    shop.budget("b_other", [("tenant", "nobody")], 1_000, "total")
    place = ("b", subject, 0)
    shop.call(5, 9, *([place] if subject is not None else []), **columns)
    assert found(path) == {}
    shop.run("DELETE FROM windows")
    wanted = (
        {}
        if subject is None
        else {"I1": (Fault(" ".join(filter(None, ("window b", subject, "0"))), "spent", 0, 5),)}
    )
    assert found(path) == wanted


@pytest.mark.parametrize(
    ("period", "zone", "at", "start"),
    [
        ("total", "UTC", NOON, 0),
        ("day", "UTC", MIDNIGHT, MIDNIGHT),
        ("day", "UTC", MIDNIGHT - 1, MIDNIGHT - DAY_US),
        ("day", "Asia/Kolkata", MIDNIGHT - 1, MIDNIGHT - 11 * HOUR_US // 2),
        ("week", "UTC", NOON, MIDNIGHT - 2 * DAY_US),
        ("month", "America/New_York", NOON, MIDNIGHT - 17 * DAY_US + 4 * HOUR_US),
        ("rolling 7d", "UTC", NOON + HOUR_US - 1, NOON),
        ("rolling 24h", "UTC", NOON + HOUR_US // 2, NOON + HOUR_US // 2),
        ("rolling 1d", "UTC", NOON + HOUR_US - 1, NOON + HOUR_US // 2),
    ],
)
def test_call_counts_in_the_window_that_holds_its_admission(
    shop: Shop, path: Path, period: str, zone: str, at: int, start: int
) -> None:
    shop.budget("b", [], 1_000, period, zone=zone, counts_from=0, created_at=0)
    # Windows lie on both sides of the one in question.
    shop.call(0, 0, ("b", "", 0), at=at - 90 * DAY_US)
    shop.call(0, 0, ("b", "", 0), at=at + 90 * DAY_US)
    shop.run("DELETE FROM windows")
    shop.call(5, 9, ("b", "", start), at=at)
    assert found(path) == {}
    shop.run("UPDATE windows SET start = start + 1")
    assert "I1" in found(path)


def test_calls_of_before_the_budget_counts_are_left_out(shop: Shop, path: Path) -> None:
    shop.budget("b", [], 1_000, "total", counts_from=NOON, created_at=NOON)
    shop.call(5, 9, at=NOON - 1)
    shop.call(6, 9, ("b", "", 0), at=NOON)
    assert found(path) == {}


def test_call_that_was_held_counts_though_the_clock_was_set_back(shop: Shop, path: Path) -> None:
    shop.budget("b", [], 1_000, "total", counts_from=NOON, created_at=NOON)
    shop.call(5, 9, ("b", "", 0), at=NOON - HOUR_US)
    assert found(path) == {}


def test_call_must_be_held_in_a_budget_that_was_there_for_a_while(shop: Shop, path: Path) -> None:
    """So long as a clock may have been set back, that is."""
    shop.budget("b", [], 1_000, "total", created_at=NOON)
    shop.call(0, 9, at=NOON + 2 * HOUR_US)
    assert found(path) == {}
    shop.call(0, 9, at=NOON + 2 * HOUR_US + 1)
    assert list(found(path)) == ["I11"]
    shop.run("UPDATE budgets SET removed_at = ?", NOON + 4 * HOUR_US + 2)
    assert list(found(path)) == ["I11"]
    shop.run("UPDATE budgets SET removed_at = ?", NOON + 4 * HOUR_US + 1)
    assert found(path) == {}


def test_further_attempt_counts_in_the_window_that_its_row_tells(shop: Shop, path: Path) -> None:
    """It was held after midnight, and the call was admitted before."""
    shop.budget("b", [("key", "key_a")], 1_000, "day")
    before, after = ("b", "", MIDNIGHT - DAY_US), ("b", "", MIDNIGHT)
    seq = shop.call(80, 80, after, at=MIDNIGHT - 1, attempts=2, moves=(50, 0))
    shop.attempt(seq, 1, 30, 90, before)
    shop.attempt(seq, 2, 50, 80)
    assert found(path) == {}


def test_further_attempt_is_held_in_the_budgets_of_its_own_time(shop: Shop, path: Path) -> None:
    later = NOON + 9 * HOUR_US
    shop.budget("b", [("key", "key_a")], 1_000, "total", removed_at=NOON + 4 * HOUR_US)
    shop.budget("b_new", [("key", "key_a")], 1_000, "total", counts_from=later, created_at=later)
    seq = shop.call(80, 80, attempts=2, moves=(50, 0))
    shop.attempt(seq, 1, 30, 90, ("b", "", 0))
    shop.attempt(seq, 2, 50, 80, started_at=later)
    assert found(path) == {}
    shop.run("UPDATE attempts SET windows = '' WHERE number = 1")
    shop.run("DELETE FROM windows")
    assert list(found(path)) == ["I11"]


def test_call_between_two_attempts_holds_nothing(shop: Shop, path: Path) -> None:
    shop.insert("instances", id="i_1", heartbeat_at=NOW)
    shop.budget("b", [("key", "key_a")], 1_000, "total")
    seq = shop.call(None, 80, ("b", "", 0), state="held", instance_id="i_1")
    shop.run("DELETE FROM windows")
    shop.attempt(seq, 1, 30, 80, ("b", "", 0), doubt_nanousd=50)
    assert found(path) == {}


# I8, I9: time and advice ----------------------------------------------------------------------


def test_boost_that_ended_leaves_a_crossing_that_nobody_could_see(shop: Shop, path: Path) -> None:
    shop.budget("b", [("key", "key_a")], 1_000, "total", rules=json.dumps(["80% notify"]))
    shop.grant("g", "b", 500, kind="boost", expires_at=NOON)
    shop.call(1_000, 1_000, ("b", "", 0), at=NOON - HOUR_US)
    assert found(path) == {}
    shop.run("UPDATE grants SET expires_at = NULL")
    shop.run("UPDATE grants SET amount_nanousd = 250")
    assert list(found(path)) == ["I8"]
    shop.alert("al", "b", 0, 80, limit_nanousd=1_250, spent_nanousd=1_000)
    assert found(path) == {}


def test_budget_that_was_changed_a_moment_ago_may_be_looked_at_yet(shop: Shop, path: Path) -> None:
    shop.budget("b", [("key", "key_a")], 1_000, "total", rules=json.dumps(["80% notify"]))
    shop.call(900, 1_000, ("b", "", 0))
    assert list(found(path)) == ["I8"]
    shop.run("UPDATE budgets SET revision = 2")
    shop.revise("b", NOW - SECOND_US)
    assert found(path) == {}


def test_percentages_of_a_balance_are_of_what_its_last_grant_left(shop: Shop, path: Path) -> None:
    rules = json.dumps(["50% notify", "100% block"])
    shop.budget("b", [("key", "key_a")], 0, "total", is_prepaid=1, rules=rules)
    shop.grant("g_1", "b", 100)
    shop.grant("g_2", "b", 100, created_at=OLD + 5, balance_nanousd=120)
    shop.call(80, 80, ("b", "", 0, [["g_1", 80]]))
    shop.call(59, 59, ("b", "", 0, [["g_1", 20], ["g_2", 39]]))
    assert found(path) == {}
    shop.call(1, 1, ("b", "", 0, [["g_2", 1]]))
    assert list(found(path)) == ["I8"]
    shop.alert("al", "b", OLD + 5, 50, limit_nanousd=120, spent_nanousd=140)
    assert found(path) == {}
    shop.run("UPDATE grants SET expires_at = ? WHERE id = 'g_2'", NOON)
    assert found(path) == {}


def test_advisory_balance_may_be_overdrawn(shop: Shop, path: Path) -> None:
    shop.budget("b", [("key", "key_a")], 0, "total", is_prepaid=1, mode="soft")
    shop.grant("g_1", "b", 100)
    shop.call(150, 150, ("b", "", 0, [["g_1", 100]]), output_held=None)
    assert found(path) == {}
    shop.run("UPDATE grants SET drawn_nanousd = 151, amount_nanousd = 151")
    assert list(found(path)) == ["I9"]


def test_overrun_of_a_balance_is_spent_of_none(shop: Shop, path: Path) -> None:
    shop.budget("b", [("key", "key_a")], 0, "total", is_prepaid=1)
    shop.grant("g_1", "b", 100)
    seq = shop.call(130, 100, ("b", "", 0, [["g_1", 100]]), reason="overrun")
    shop.insert("alerts", id="al", kind="overrun", subject=str(seq))
    assert found(path) == {}
    shop.run("UPDATE grants SET drawn_nanousd = 99")
    assert list(found(path)) == ["I9"]
