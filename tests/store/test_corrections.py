"""A correction is a row, and every window, balance and notice follows it to the nano-dollar."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.errors import CallNotEnded, NoSuchCall
from ferrycli.rules.shares import doubt_of_grants, parted
from ferrycli.store import corrections
from ferrycli.store.connect import open_reader
from tests.store.kit import DAY_US, NOON, SECOND_US
from tests.store.shop import HOUR_US, MIDNIGHT, OLD, Shop

TOTAL = ("b_key", "", 0)
DAY = ("b_day", "", MIDNIGHT)


@pytest.fixture
def shop(path: Path) -> Iterator[Shop]:
    """Two budgets that match every call, and nothing spent."""
    made = Shop(path)
    made.key("key_a")
    made.budget("b_key", [("key", "key_a")], 1_000, "total")
    made.budget("b_day", [("tenant", "acme")], 1_000, "day")
    yield made
    made.close()


def correct(shop: Shop, seq: int, delta: int, doubt: int = 0, **more: Any) -> None:
    id = f"corr_{len(shop.run('SELECT id FROM corrections')) + 1}"
    given: dict[str, Any] = {
        "reason": "invoice",
        "source": "operator",
        "id_text": id,
        "now_us": NOON,
    } | more
    corrections.correct(shop.connection, seq, delta, doubt_delta_nanousd=doubt, **given)


def rows(shop: Shop) -> list[tuple[Any, ...]]:
    columns = "call_seq, delta_nanousd, doubt_delta_nanousd, reason, source, created_at"
    return shop.run(f"SELECT {columns} FROM corrections ORDER BY id")


def test_every_window_of_the_call_moves_by_the_delta(shop: Shop) -> None:
    seq = shop.call(100, 300, TOTAL, DAY)
    correct(shop, seq, 40, now_us=NOON + 5)
    assert rows(shop) == [(seq, 40, 0, "invoice", "operator", NOON + 5)]
    assert shop.windows("b_key") == {("", 0): (140, 0, 0)}
    assert shop.windows("b_day") == {("", MIDNIGHT): (140, 0, 0)}


def test_correction_of_a_past_day_counts_in_that_day(shop: Shop) -> None:
    yesterday = ("b_day", "", MIDNIGHT - DAY_US)
    seq = shop.call(100, 300, yesterday, at=NOON - DAY_US)
    shop.call(7, 7, DAY)
    correct(shop, seq, -30)
    assert shop.windows("b_day") == {
        ("", MIDNIGHT - DAY_US): (70, 0, 0),
        ("", MIDNIGHT): (7, 0, 0),
    }


@pytest.mark.parametrize(
    ("cost", "deltas", "spent"),
    [
        (100, [-100], 0),
        (100, [-101], 0),
        (100, [-150, 40], 0),
        (100, [-150, 51], 1),
        (100, [1, -1], 100),
        (None, [30], 30),
        (None, [-30], 0),
        (None, [-30, 31], 1),
    ],
)
def test_effective_cost_is_never_below_nothing(
    shop: Shop, cost: int | None, deltas: list[int], spent: int
) -> None:
    seq = shop.call(cost, 300, TOTAL)
    for delta in deltas:
        correct(shop, seq, delta)
    assert [row[1] for row in rows(shop)] == deltas
    assert shop.windows("b_key") == {("", 0): (spent, 0, 0)}


@pytest.mark.parametrize(
    ("doubt", "freed", "left"),
    [(0, 0, 200), (-1, -1, 199), (-200, -200, 0), (-201, -200, 0)],
)
def test_doubt_goes_no_further_than_it_is_there(
    shop: Shop, doubt: int, freed: int, left: int
) -> None:
    seq = shop.call(100, 300, TOTAL, doubt_nanousd=200, cost_source="estimated")
    other = shop.call(10, 60, TOTAL, doubt_nanousd=50, cost_source="estimated")
    correct(shop, seq, 0, doubt)
    assert rows(shop)[0][:3] == (seq, 0, freed)
    assert shop.windows("b_key") == {("", 0): (110, 0, left + 50)}
    correct(shop, seq, 5, -1_000)
    correct(shop, other, 0, 0)
    assert shop.windows("b_key") == {("", 0): (115, 0, 50)}


def test_call_in_flight_and_one_denied_have_nothing_to_correct(shop: Shop) -> None:
    held = shop.call(None, 300, TOTAL, state="held")
    denied = shop.call(0, 0, state="denied")
    for seq, state in ((held, "held"), (denied, "denied")):
        with pytest.raises(CallNotEnded) as caught:
            correct(shop, seq, 1)
        assert caught.value.state == state
    with pytest.raises(NoSuchCall):
        correct(shop, 5, 1)
    assert rows(shop) == []
    assert shop.windows("b_key") == {("", 0): (0, 300, 0)}


@pytest.mark.parametrize(
    ("id", "pairs", "more", "moves"),
    [
        ("b_1", [("tenant", "acme")], {"counts_from": NOON}, True),
        ("b_1", [("tenant", "acme")], {"counts_from": NOON + 1}, False),
        ("b_1", [("tenant", "bolt")], {}, False),
        ("b_1", [("tenant", "acme")], {"removed_at": NOON + 2}, False),
        ("b_1", [("model", "m-1")], {}, True),
        ("b_1", [("model", "m-1-2026")], {}, False),
        ("b_1", [("provider", "up")], {}, True),
        ("b_1", [("tag:plan", "gold")], {}, True),
        ("b_1", [("tag:plan", "tin")], {}, False),
        ("b_1", [("user", "")], {}, True),
        ("b_1", [("user", "*")], {}, False),
        ("b_1", [], {}, True),
    ],
)
def test_budget_that_was_set_afterwards_moves_if_it_counts_back(
    shop: Shop, id: str, pairs: list[tuple[str, str]], more: dict[str, int], moves: bool
) -> None:
    seq = shop.call(100, 300, TOTAL, tags=json.dumps({"plan": "gold"}))
    shop.budget(id, pairs, 1_000, "day", **({"created_at": NOON + 60 * SECOND_US} | more))
    shop.move((id, "", MIDNIGHT), 100, 0, 0)
    correct(shop, seq, 40)
    assert shop.windows(id) == {("", MIDNIGHT): (140 if moves else 100, 0, 0)}
    assert shop.windows("b_key") == {("", 0): (140, 0, 0)}


def test_star_and_rolling_period_find_their_own_window(shop: Shop) -> None:
    at = MIDNIGHT + HOUR_US + 7
    seq = shop.call(100, 300, at=at, user='zoë "x"', thread="t")
    shop.budget("b_star", [("user", "*"), ("thread", "*")], 1_000, "week", zone="Europe/Berlin")
    shop.budget("b_roll", [("key", "key_a")], 1_000, "rolling 7d")
    correct(shop, seq, 40)
    monday = MIDNIGHT - 2 * DAY_US - HOUR_US
    assert shop.windows("b_star") == {('["zoë \\"x\\"","t"]', monday): (40, 0, 0)}
    assert shop.windows("b_roll") == {("", MIDNIGHT + HOUR_US): (40, 0, 0)}


def test_summary_of_the_day_is_made_again(shop: Shop) -> None:
    seq = shop.call(100, 300, TOTAL)
    shop.insert("summed_days", start_at=MIDNIGHT, end_at=MIDNIGHT + DAY_US)
    correct(shop, seq, 1)
    assert shop.run("SELECT * FROM summed_days") == []


# Several attempts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "earlier", "shares"),
    [
        (0, [], (0,)),
        (5, [], (5,)),
        (-5, [3], (0, 0)),
        (10, [3, 4], (3, 4, 3)),
        (7, [3, 4], (3, 4, 0)),
        (6, [3, 4], (3, 3, 0)),
        (2, [3, 4], (2, 0, 0)),
        (0, [3, 4], (0, 0, 0)),
    ],
)
def test_earlier_attempts_keep_theirs_as_far_as_the_total_goes(
    total: int, earlier: list[int], shares: tuple[int, ...]
) -> None:
    assert parted(total, earlier) == shares


@pytest.fixture
def several(shop: Shop) -> tuple[Shop, int]:
    """A call of two attempts: 30 of 90 at `down`, with 60 in doubt; then 50 of 80 at `up`."""
    shop.budget("b_down", [("provider", "down")], 1_000, "total")
    shop.budget("b_up", [("provider", "up")], 1_000, "total")
    seq = shop.call(
        80, 80, TOTAL, ("b_up", "", 0), attempts=2, doubt_nanousd=75, moves=(50, 15),
        cost_source="estimated",
    )  # fmt: skip
    shop.attempt(seq, 1, 30, 90, TOTAL, ("b_down", "", 0), doubt_nanousd=60)
    shop.insert("attempts", call_seq=seq, number=2, provider="up", cost_nanousd=50)
    return shop, seq


@pytest.mark.parametrize(
    ("delta", "doubt", "down", "up"),
    [
        (0, 0, (30, 60), (50, 15)),
        (9, 0, (30, 60), (59, 15)),
        (-50, -15, (30, 60), (0, 0)),
        (-51, -16, (29, 59), (0, 0)),
        (-200, -200, (0, 0), (0, 0)),
    ],
)
def test_correction_is_the_last_attempts_unless_it_takes_off_more(
    several: tuple[Shop, int],
    delta: int,
    doubt: int,
    down: tuple[int, int],
    up: tuple[int, int],
) -> None:
    shop, seq = several
    correct(shop, seq, delta, doubt)
    assert shop.windows("b_down") == {("", 0): (down[0], 0, down[1])}
    assert shop.windows("b_up") == {("", 0): (up[0], 0, up[1])}
    assert shop.windows("b_key") == {("", 0): (down[0] + up[0], 0, down[1] + up[1])}


def test_budget_of_a_target_moves_with_the_attempt_that_went_there(
    several: tuple[Shop, int],
) -> None:
    shop, seq = several
    for id, provider in (("b_d2", "down"), ("b_u2", "up")):
        shop.budget(id, [("provider", provider)], 1_000, "total", created_at=NOON + 5)
    correct(shop, seq, 9)
    assert shop.windows("b_d2") == {}
    assert shop.windows("b_u2") == {("", 0): (9, 0, 0)}


# Prepaid --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "doubt", "first", "second"),
    [
        (0, 0, 0, 0),
        (10, 0, 0, 0),
        (10, 10, 10, 0),
        (10, 50, 30, 20),
        (50, 50, 0, 50),
        (101, 0, 0, 0),
    ],
)
def test_doubt_lies_behind_the_cost_in_the_order_of_the_grants(
    cost: int, doubt: int, first: int, second: int
) -> None:
    found = doubt_of_grants([("g_1", 40), ("g_2", 60)], cost, doubt)
    assert found == {"g_1": first, "g_2": second}


@pytest.fixture
def prepaid(shop: Shop) -> Shop:
    shop.budget("b_pre", [("key", "key_a")], 0, "total", is_prepaid=1)
    shop.grant("g_1", "b_pre", 40, expires_at=NOON + DAY_US)
    shop.grant("g_2", "b_pre", 100)
    return shop


PREPAID = ("b_pre", "", 0, [["g_1", 40], ["g_2", 60]])


@pytest.mark.parametrize(
    ("delta", "doubt", "first", "second"),
    [
        (0, 0, (0, 0, 40), (0, 40, 10)),
        (10, 0, (0, 0, 40), (0, 40, 20)),
        (-10, 0, (0, 0, 40), (0, 40, 0)),
        (-20, 0, (0, 0, 30), (0, 40, 0)),
        (0, -10, (0, 0, 40), (0, 30, 10)),
        (30, 0, (0, 0, 40), (0, 40, 40)),
        (80, 0, (0, 0, 40), (0, 40, 60)),
        (0, -40, (0, 0, 40), (0, 0, 10)),
        (-50, -40, (0, 0, 0), (0, 0, 0)),
        (90, -40, (0, 0, 40), (0, 0, 100)),
    ],
)
def test_balance_follows_and_gives_back_to_the_grants_it_came_from(
    prepaid: Shop,
    delta: int,
    doubt: int,
    first: tuple[int, int, int],
    second: tuple[int, int, int],
) -> None:
    seq = prepaid.call(50, 100, PREPAID, doubt_nanousd=40, cost_source="estimated")
    correct(prepaid, seq, delta, doubt)
    assert prepaid.grants() == {"g_1": first, "g_2": second}
    assert prepaid.windows("b_pre") == {("", 0): (50 + delta, 0, first[1] + second[1])}


def test_what_no_grant_carries_is_spent_of_none_and_given_back_first(prepaid: Shop) -> None:
    seq = prepaid.call(100, 100, PREPAID)
    correct(prepaid, seq, 70)
    assert prepaid.windows("b_pre") == {("", 0): (170, 0, 0)}
    assert prepaid.grants() == {"g_1": (0, 0, 40), "g_2": (0, 0, 100)}
    correct(prepaid, seq, -35)
    assert prepaid.windows("b_pre") == {("", 0): (135, 0, 0)}
    assert prepaid.grants() == {"g_1": (0, 0, 40), "g_2": (0, 0, 95)}
    correct(prepaid, seq, -135)
    assert prepaid.grants() == {"g_1": (0, 0, 0), "g_2": (0, 0, 0)}


def test_grant_that_has_expired_carries_no_correction(prepaid: Shop) -> None:
    prepaid.run("UPDATE grants SET amount_nanousd = 400")
    seq = prepaid.call(100, 100, PREPAID)
    correct(prepaid, seq, 10, now_us=NOON + DAY_US)
    assert prepaid.grants() == {"g_1": (0, 0, 40), "g_2": (0, 0, 70)}


# Late settlements, doubt ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "deltas", "spent"),
    [
        ([250], [(150, -200)], 250),
        ([60], [(-40, -200)], 60),
        ([100], [(0, -200)], 100),
        ([250, 250], [(150, -200)], 250),
        ([250, 240], [(150, -200), (-10, 0)], 240),
    ],
)
def test_late_settlement_corrects_a_recovered_call_once(
    shop: Shop, told: list[int], deltas: list[tuple[int, int]], spent: int
) -> None:
    seq = shop.call(100, 300, TOTAL, state="recovered", doubt_nanousd=200, cost_source="estimated")
    done = [
        corrections.late(shop.connection, seq, cost, f"corr_{at}", NOON + at)
        for at, cost in enumerate(told)
    ]
    assert [row[1:3] for row in rows(shop)] == deltas
    assert done == [True] * len(deltas) + [False] * (len(told) - len(deltas))
    assert shop.windows("b_key") == {("", 0): (spent, 0, 0)}


def test_late_settlement_is_of_the_last_attempt_and_frees_its_doubt(
    several: tuple[Shop, int],
) -> None:
    shop, seq = several
    shop.unkeep()
    shop.run("UPDATE calls SET state = 'recovered' WHERE seq = ?", seq)
    assert corrections.late(shop.connection, seq, 44, "corr_1", NOON)
    assert rows(shop)[0][1:3] == (-6, -15)
    assert shop.windows("b_down") == {("", 0): (30, 0, 60)}
    assert shop.windows("b_up") == {("", 0): (44, 0, 0)}


def test_late_settlement_after_a_correction_tells_the_rest(shop: Shop) -> None:
    seq = shop.call(100, 300, TOTAL, state="recovered", doubt_nanousd=200)
    correct(shop, seq, -130, -50)
    assert corrections.late(shop.connection, seq, 90, "corr_late", NOON)
    assert rows(shop)[1][1:5] == (120, -150, "late", "settlement")
    assert shop.windows("b_key") == {("", 0): (90, 0, 0)}


@pytest.mark.parametrize("state", ["settled", "released", "denied", "held"])
def test_late_settlement_of_any_other_call_changes_nothing(shop: Shop, state: str) -> None:
    cost = None if state == "held" else 100
    seq = shop.call(cost, 300, TOTAL, state=state)
    before = shop.windows("b_key")
    assert not corrections.late(shop.connection, seq, 250, "corr_1", NOON)
    assert not corrections.late(shop.connection, 5, 250, "corr_2", NOON)
    assert (rows(shop), shop.windows("b_key")) == ([], before)


def release(shop: Shop, budget: str, subject: str | None = None) -> int:
    first = len(rows(shop)) + 1
    ids = (f"corr_{at}" for at in itertools.count(first))
    return corrections.release_doubt(shop.connection, budget, subject, NOON, lambda: next(ids))


def test_doubt_of_the_window_of_now_is_released_and_no_other(shop: Shop) -> None:
    yesterday = ("b_day", "", MIDNIGHT - DAY_US)
    old = shop.call(1, 9, TOTAL, yesterday, at=NOON - DAY_US, doubt_nanousd=8)
    one = shop.call(2, 20, TOTAL, DAY, doubt_nanousd=18)
    two = shop.call(3, 30, DAY, doubt_nanousd=27)
    shop.call(4, 40, TOTAL, DAY)
    correct(shop, two, 0, -7)
    assert release(shop, "b_day") == 18 + 20
    assert [row[:3] for row in rows(shop)][1:] == [(one, 0, -18), (two, 0, -20)]
    assert shop.windows("b_day") == {
        ("", MIDNIGHT - DAY_US): (1, 0, 8),
        ("", MIDNIGHT): (2 + 3 + 4, 0, 0),
    }
    assert shop.windows("b_key") == {("", 0): (1 + 2 + 4, 0, 8)}
    assert release(shop, "b_day") == 0
    assert release(shop, "b_key") == 8
    assert rows(shop)[-1][:5] == (old, 0, -8, "release-doubt", "operator")


def test_windows_are_looked_at_once_however_many_calls_leave_their_doubt(shop: Shop) -> None:
    for _ in range(20):
        shop.call(1, 9, TOTAL, DAY, doubt_nanousd=8)
    read: list[str] = []
    shop.connection.set_trace_callback(read.append)
    assert release(shop, "b_day") == 20 * 8
    shop.connection.set_trace_callback(None)
    budgets = [query for query in read if "FROM budgets WHERE id" in query]
    assert len(budgets) <= 2 * 20 + 4
    assert len([query for query in budgets if "removed_at IS NULL" in query]) == 2


def test_doubt_of_one_subject_is_released(shop: Shop) -> None:
    shop.budget("b_star", [("user", "*")], 1_000, "total")
    for user in ("ann", "bob"):
        shop.call(1, 9, ("b_star", f'["{user}"]', 0), user=user, doubt_nanousd=8)
    assert release(shop, "b_star", '["bob"]') == 8
    assert shop.windows("b_star") == {('["ann"]', 0): (1, 0, 8), ('["bob"]', 0): (1, 0, 0)}


def test_doubt_of_a_rolling_span_is_that_of_all_its_buckets(shop: Shop) -> None:
    shop.budget("b_roll", [("key", "key_a")], 1_000, "rolling 7d")
    for days, doubt in ((8, 1), (6, 2), (0, 4)):
        at = NOON - days * DAY_US
        shop.call(1, 9, ("b_roll", "", at), at=at, doubt_nanousd=doubt)
    assert release(shop, "b_roll") == 6


def test_doubt_of_an_earlier_attempt_is_released_with_the_call(
    several: tuple[Shop, int],
) -> None:
    shop, _ = several
    assert release(shop, "b_down") == 75
    assert shop.windows("b_down") == {("", 0): (30, 0, 0)}
    assert shop.windows("b_up") == {("", 0): (50, 0, 0)}


def test_doubt_that_lies_elsewhere_is_left_there(several: tuple[Shop, int]) -> None:
    shop, seq = several
    correct(shop, seq, 0, -15)
    assert release(shop, "b_up") == 0
    assert shop.windows("b_down") == {("", 0): (30, 0, 60)}


def test_doubt_of_a_call_that_is_still_in_flight_is_left(shop: Shop) -> None:
    seq = shop.call(None, 80, DAY, state="held", attempts=2)
    shop.attempt(seq, 1, 30, 90, DAY, doubt_nanousd=60)
    assert release(shop, "b_day") == 0
    assert shop.windows("b_day") == {("", MIDNIGHT): (30, 80, 60)}


def test_windows_that_joined_while_the_last_attempt_ran_move_too(
    several: tuple[Shop, int],
) -> None:
    shop, seq = several
    shop.budget("b_join", [("key", "key_a")], 1_000, "total", counts_from=NOON + 1)
    places = json.dumps([TOTAL, ("b_up", "", 0), ("b_join", "", 0)])
    shop.run("UPDATE attempts SET windows = ? WHERE call_seq = ? AND number = 2", places, seq)
    correct(shop, seq, 5)
    assert shop.windows("b_join") == {("", 0): (5, 0, 0)}


def test_doubtful_calls_are_found_through_a_reader(shop: Shop, path: Path) -> None:
    seq = shop.call(2, 20, TOTAL, DAY, doubt_nanousd=18)
    reader = open_reader(path)
    try:
        found = corrections.doubtful(reader, "b_day", None, NOON)
        assert found == [seq]
        assert corrections.doubtful(reader, "b_day", "x", NOON) == []
        assert corrections.doubtful(reader, "b_none", None, NOON) == []
    finally:
        reader.close()
    done = corrections.release_doubt(shop.connection, "b_day", None, NOON, lambda: "corr_1", found)
    assert done == 18


# Notices --------------------------------------------------------------------------------------


def alerts(shop: Shop) -> list[tuple[Any, ...]]:
    columns = "budget_id, window_start, threshold, limit_nanousd, spent_nanousd, created_at"
    return shop.run(f"SELECT {columns} FROM alerts ORDER BY threshold, created_at")


RULES = json.dumps(["50% notify", "80% downgrade", "100% block"])


@pytest.mark.parametrize(
    ("cost", "delta", "told"),
    [
        (499, 0, []),
        (499, 1, [50]),
        (500, 299, [50]),
        (400, 400, [50, 80]),
        (400, 600, [50, 80, 100]),
        (900, -500, []),
    ],
)
def test_percentage_that_a_correction_reaches_is_noted(
    shop: Shop, cost: int, delta: int, told: list[int]
) -> None:
    shop.run("UPDATE budgets SET rules = ? WHERE id = 'b_day'", RULES)
    seq = shop.call(cost, 900, DAY)
    correct(shop, seq, delta, now_us=NOON + 9)
    wanted = [("b_day", MIDNIGHT, at, 1_000, cost + delta, NOON + 9) for at in told]
    assert alerts(shop) == wanted
    correct(shop, seq, 0)
    assert alerts(shop) == wanted
    assert all(id.startswith("a_") for (id,) in shop.run("SELECT id FROM alerts"))


def test_rolling_window_is_told_once_until_it_falls(shop: Shop) -> None:
    shop.budget("b_roll", [("key", "key_a")], 1_000, "rolling 7d", rules=RULES)
    early = shop.call(300, 300, ("b_roll", "", NOON - DAY_US), at=NOON - DAY_US)
    now = shop.call(100, 300, ("b_roll", "", NOON))
    gone = shop.call(100, 300, ("b_roll", "", NOON - 9 * DAY_US), at=NOON - 9 * DAY_US)
    correct(shop, gone, 800)
    assert alerts(shop) == []
    correct(shop, now, 100)
    told = [("b_roll", 0, 50, 1_000, 500, NOON)]
    assert alerts(shop) == told
    correct(shop, early, -10, now_us=NOON + HOUR_US)
    correct(shop, early, 10, now_us=NOON + HOUR_US)
    assert alerts(shop) == told
    correct(shop, early, -51, now_us=NOON + HOUR_US)
    correct(shop, early, 51, now_us=NOON + HOUR_US)
    assert alerts(shop) == [
        ("b_roll", NOON, 50, 1_000, 500, NOON),
        ("b_roll", 0, 50, 1_000, 500, NOON + HOUR_US),
    ]


def test_budget_that_is_gone_notes_nothing(shop: Shop) -> None:
    shop.run("UPDATE budgets SET rules = ?, removed_at = ? WHERE id = 'b_day'", RULES, OLD)
    seq = shop.call(100, 900, DAY)
    correct(shop, seq, 900)
    assert shop.windows("b_day") == {("", MIDNIGHT): (1_000, 0, 0)}
    assert alerts(shop) == []


@pytest.mark.parametrize(
    ("cost", "deltas", "wanted", "delta"),
    [
        (100, [], 130, 30),
        (100, [20], 130, 10),
        (100, [], 0, -100),
        (None, [], 7, 7),
        # Corrections may have gone below nothing: what counts is what the call comes to.
        (100, [-150], 40, 90),
    ],
)
def test_call_is_corrected_to_what_it_truly_cost_and_nothing_is_in_doubt(
    shop: Shop, cost: int | None, deltas: list[int], wanted: int, delta: int
) -> None:
    seq = shop.call(cost, 300, TOTAL, DAY, doubt_nanousd=50, cost_source="estimated")
    for one in deltas:
        correct(shop, seq, one)
    for is_new in (True, False):
        said = ("invoice", "operator", f"corr_to_{is_new}", NOON)
        assert corrections.correct_to(shop.connection, seq, wanted, *said) is is_new
    assert rows(shop)[-1][:3] == (seq, delta, -50)
    assert len(rows(shop)) == len(deltas) + 1
    assert shop.windows("b_key") == {("", 0): (wanted, 0, 0)}
    assert shop.windows("b_day") == {("", MIDNIGHT): (wanted, 0, 0)}
