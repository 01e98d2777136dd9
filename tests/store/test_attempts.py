"""A call that goes on after a failure: each attempt has its own hold, budgets, cost and row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import BudgetBusy, BudgetSpent, ModelUnpriced
from ferrycli.rules.errors import LedgerUnavailable
from ferrycli.rules.pricing import Cost
from ferrycli.rules.usage import Usage
from ferrycli.store.messages import Again, Candidate, Stale, Waits
from tests.changed import replace
from tests.store.kit import DAY_US, SECOND_US, Clock
from tests.store.teller import MONTH_START, Teller, estimated, failed, released, settled, to

DOWN_CAP = [["provider", "down"]]


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    found.budget("b", 100)
    found.desk.refresh()
    yield found
    assert found.faults() == []
    found.close()


# The failed attempt ------------------------------------------------------------------------------

ENDED = [
    # What the provider may have billed of a hold of 60; then spent and doubt.
    (None, (0, 0)),
    (0, (0, 60)),
    (10, (10, 50)),
    (60, (60, 0)),
]


@pytest.mark.parametrize(("billed", "counts"), ENDED)
def test_the_hold_of_a_failed_attempt_shrinks_to_its_estimate_and_doubt(
    teller: Teller, billed: int | None, counts: tuple[int, int]
) -> None:
    new = teller.begin(to(60))
    assert isinstance(teller.again(new, failed(billed), to(40, "down")), Admission)
    spent, doubt = counts
    assert teller.window("b") == (spent, 40, doubt)


def test_a_further_attempt_may_use_what_the_failed_one_gave_back(teller: Teller) -> None:
    new = teller.begin(to(60))
    verdict = teller.again(new, failed(), to(100, "down"))
    assert isinstance(verdict, Admission)
    assert (verdict.hold_nanousd, verdict.free_nanousd) == (100, 100)


def test_what_the_failed_attempt_may_have_cost_is_not_free_for_the_next(teller: Teller) -> None:
    new = teller.begin(to(60))
    verdict = teller.again(new, failed(10), to(41, "down"))
    assert isinstance(verdict, BudgetSpent)
    assert (verdict.spent_nanousd, verdict.doubt_nanousd, verdict.held_nanousd) == (10, 50, 0)


def test_both_are_one_transaction(teller: Teller) -> None:
    """A file that refuses the next hold keeps the one that there was."""
    new = teller.begin(to(60))
    before = teller.rows("SELECT * FROM calls"), teller.window("b")
    with teller.failing("UPDATE calls"):
        teller.again(new, failed(10), to(30, "down"))
    assert (teller.rows("SELECT * FROM calls"), teller.window("b")) == before
    assert teller.attempts(new) == []
    assert isinstance(teller.again(new, failed(10), to(30, "down")), Admission)
    assert teller.window("b") == (10, 30, 50)


@pytest.mark.parametrize("mode", ["expected", "soft"])
def test_a_failed_attempt_leaves_doubt_under_strict_budgets_alone(
    teller: Teller, mode: str
) -> None:
    teller.change("budgets", "b", mode=mode)
    teller.desk.refresh()
    new = teller.begin(to(60, expected=20))
    assert isinstance(teller.again(new, failed(10), to(40, "down", expected=5)), Admission)
    assert teller.window("b") == (10, 5, 0)


# The next target ---------------------------------------------------------------------------------


def test_the_next_target_is_judged_by_its_own_budgets(teller: Teller) -> None:
    teller.budget("d", 30, pairs=DOWN_CAP)
    teller.desk.refresh()
    new = teller.begin(to(20))
    assert teller.window("d") == (0, 0, 0)
    verdict = teller.again(new, failed(), to(31, "down"), to(25, "third"))
    assert isinstance(verdict, Admission)
    assert (verdict.index, verdict.hold_nanousd) == (1, 25)
    assert (teller.window("b"), teller.window("d")) == ((0, 25, 0), (0, 0, 0))


def test_the_cap_of_the_next_target_counts_that_attempt_alone(teller: Teller) -> None:
    teller.budget("u", 100, pairs=[["provider", "up"]])
    teller.budget("d", 30, pairs=DOWN_CAP)
    teller.desk.refresh()
    new = teller.begin(to(20))
    assert isinstance(teller.again(new, failed(7), to(30, "down")), Admission)
    assert teller.window("d") == (0, 30, 0)
    teller.do(settled(new, 29))
    assert teller.window("b") == (7 + 29, 0, 13)
    assert teller.window("u") == (7, 0, 13)
    assert teller.window("d") == (29, 0, 0)


def test_a_cap_on_the_next_target_refuses_what_its_calls_in_flight_hold(teller: Teller) -> None:
    teller.budget("d", 30, pairs=DOWN_CAP)
    teller.desk.refresh()
    teller.begin(to(20, "down"))
    new = teller.begin(to(20))
    verdict = teller.again(new, failed(), to(11, "down"))
    assert isinstance(verdict, BudgetBusy)
    assert verdict.budget == "d"


def test_a_call_that_has_begun_does_not_stand_in_line(teller: Teller) -> None:
    """It holds a connection of its caller already; it goes or it does not."""
    new = teller.begin(to(20))
    teller.begin(to(70))
    waiting = teller.admit(teller.new(), to(11), may_wait=True)
    (verdict,) = teller.do(waiting)
    assert isinstance(verdict, Waits)
    (_, waits) = teller.do(
        Again(new.seq, failed(), (called(to(30, "down")),), teller.desk.books.epoch),
        waiting=[waiting._replace(waits=verdict)],
    )
    assert isinstance(waits, Waits)
    assert teller.window("b") == (0, 100, 0)


def called(candidate: Candidate) -> Candidate:
    """Of the usual caller."""
    return candidate._replace(facts={"key": "key_a", "tenant": "acme", **candidate.facts})


def test_what_a_failed_attempt_gives_back_wakes_who_waits(teller: Teller) -> None:
    new = teller.begin(to(60))
    waiting = teller.admit(teller.new(), to(80), may_wait=True)
    (verdict,) = teller.do(waiting)
    assert isinstance(verdict, Waits)
    again = Again(new.seq, failed(), (called(to(20, "down")),), teller.desk.books.epoch)
    (goes_on, goes) = teller.do(again, waiting=[waiting._replace(waits=verdict)])
    assert isinstance(goes_on, Admission)
    assert isinstance(goes, Admission)
    assert teller.window("b") == (0, 100, 0)


def test_a_question_on_old_books_ends_nothing(teller: Teller) -> None:
    new = teller.begin(to(60))
    old = teller.desk.books.epoch
    teller.budget("d", 30, pairs=DOWN_CAP)
    again = Again(new.seq, failed(10), (called(to(20, "down")),), old)
    (verdict,) = teller.do(again)
    assert isinstance(verdict, Stale)
    assert teller.window("b") == (0, 60, 0)
    (verdict,) = teller.do(replace(again, epoch=verdict.books.epoch))
    assert isinstance(verdict, Admission)
    assert (teller.window("b"), teller.window("d")) == ((10, 20, 50), (0, 20, 0))


def test_the_budget_of_mode_expected_counts_the_next_targets_own_expectation(
    teller: Teller,
) -> None:
    teller.budget("e", 10, pairs=DOWN_CAP, mode="expected")
    teller.desk.refresh()
    new = teller.begin(to(20))
    assert isinstance(teller.again(new, failed(), to(50, "down", expected=11)), BudgetSpent)
    assert isinstance(teller.again(new, failed(), to(50, "down", expected=10)), Admission)


# Rows --------------------------------------------------------------------------------------------


def test_each_attempt_has_a_row_with_what_its_hold_is_computed_from(teller: Teller) -> None:
    teller.budget("d", 90, pairs=DOWN_CAP)
    teller.desk.refresh()
    new = teller.begin(to(60))
    began = teller.clock()
    teller.clock.move(3)
    ended = failed(10, status=502, error_code="upstream_failed", reason="broke off")
    teller.again(new, replace(ended, finished_at=teller.clock()), to(40, "down"))
    teller.clock.move(2)
    teller.do(settled(new, 25))
    first, second = teller.attempts(new)
    assert (first["number"], first["provider"], first["model"]) == (1, "up", "m-up")
    assert (first["state"], first["status"], first["error_code"]) == (
        "settled",
        502,
        "upstream_failed",
    )
    assert first["reason"] == "broke off"
    assert (first["started_at"], first["finished_at"]) == (began, began + 3 * SECOND_US)
    assert (first["hold_nanousd"], first["cost_nanousd"], first["doubt_nanousd"]) == (60, 10, 50)
    assert (first["input_ceiling_nanousd"], first["output_held"]) == (60, 100)
    assert first["cost_source"] == "estimated"
    assert [one[:2] for one in json.loads(first["windows"])] == [["b", ""]]
    assert (second["number"], second["provider"], second["state"]) == (2, "down", "settled")
    assert second["started_at"] == began + 3 * SECOND_US
    assert (second["hold_nanousd"], second["cost_nanousd"], second["doubt_nanousd"]) == (40, 25, 0)
    assert {one[0] for one in json.loads(second["windows"])} == {"b", "d"}


def test_the_calls_row_is_of_its_last_target_and_its_cost_is_that_of_all(teller: Teller) -> None:
    new = teller.begin(to(60))
    teller.again(new, failed(10), to(40, "down"))
    row = teller.call(new)
    assert (row["state"], row["provider"], row["sent_model"]) == ("held", "down", "m-down")
    assert (row["hold_nanousd"], row["free_nanousd"], row["attempts"]) == (40, 40, 2)
    teller.do(settled(new, 25))
    row = teller.call(new)
    assert (row["state"], row["attempts"], row["cost_nanousd"]) == ("settled", 2, 10 + 25)
    assert (row["cost_output_nanousd"], row["cost_other_nanousd"]) == (25, 10)
    assert row["doubt_nanousd"] == 50
    assert row["cost_nanousd"] == sum(one["cost_nanousd"] for one in teller.attempts(new))


def test_a_call_with_one_attempt_has_no_row_beside_its_own(teller: Teller) -> None:
    new = teller.spend(30)
    assert teller.attempts(new) == []
    assert teller.call(new)["attempts"] == 1


# One that is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("billed", [None, 10])
def test_a_refused_next_attempt_leaves_nothing_held(teller: Teller, billed: int | None) -> None:
    new = teller.begin(to(60))
    assert isinstance(teller.again(new, failed(billed), to(101, "down")), BudgetSpent)
    spent, held, doubt = teller.window("b")
    assert (spent, held, doubt) == ((0, 0, 0) if billed is None else (10, 0, 50))
    # Somebody else may have it, and the audit finds no fault in between.
    assert teller.faults() == []
    assert isinstance(teller.ask(to(100 - spent - doubt))[1], Admission)


@pytest.mark.parametrize(("billed", "state", "cost"), [(None, "released", 0), (10, "settled", 10)])
def test_closing_after_a_refusal_costs_what_the_attempts_cost(
    teller: Teller, billed: int | None, state: str, cost: int
) -> None:
    new = teller.begin(to(60))
    teller.again(new, failed(billed), to(101, "down"))
    teller.do(released(new))
    row = teller.call(new)
    assert (row["state"], row["cost_nanousd"], row["attempts"]) == (state, cost, 1)
    assert row["doubt_nanousd"] == (50 if billed else 0)
    assert [one["number"] for one in teller.attempts(new)] == [1]
    assert teller.window("b") == (cost, 0, 50 if billed else 0)
    assert teller.desk.calls_open == 0


def test_a_refusal_for_want_of_a_price_leaves_nothing_held(teller: Teller) -> None:
    new = teller.begin(to(60))
    verdict = teller.again(new, failed(), to(5, "down", is_priced=False, ceiling=None))
    assert isinstance(verdict, ModelUnpriced)
    assert teller.window("b") == (0, 0, 0)


def test_an_attempt_ends_once_however_often_it_is_said(teller: Teller) -> None:
    """Refused, and asked again with other targets: the first attempt has ended already."""
    new = teller.begin(to(60))
    assert isinstance(teller.again(new, failed(10), to(101, "down")), BudgetSpent)
    assert isinstance(teller.again(new, failed(10), to(40, "third")), Admission)
    assert teller.window("b") == (10, 40, 50)
    assert [one["number"] for one in teller.attempts(new)] == [1]
    teller.do(settled(new, 5))
    assert [one["cost_nanousd"] for one in teller.attempts(new)] == [10, 5]
    assert teller.call(new)["cost_nanousd"] == 15


def test_no_other_target_ends_the_attempt(teller: Teller) -> None:
    new = teller.begin(to(60))
    assert isinstance(teller.again(new, failed(10)), LedgerUnavailable)
    assert teller.window("b") == (10, 0, 50)


def test_a_call_that_is_over_goes_nowhere(teller: Teller) -> None:
    new = teller.spend(30)
    assert isinstance(teller.again(new, failed(10), to(5, "down")), LedgerUnavailable)
    assert teller.window("b") == (30, 0, 0)
    assert teller.attempts(new) == []


def test_a_call_that_never_began_goes_nowhere(teller: Teller) -> None:
    assert isinstance(teller.again(teller.new(), failed(10), to(5, "down")), LedgerUnavailable)
    assert teller.rows("SELECT * FROM calls") == []


# Several -----------------------------------------------------------------------------------------


def test_two_further_attempts(teller: Teller) -> None:
    new = teller.begin(to(50))
    assert isinstance(teller.again(new, failed(10), to(30, "down")), Admission)
    assert isinstance(teller.again(new, failed(5), to(20, "third")), Admission)
    assert teller.window("b") == (15, 20, 40 + 25)
    teller.do(estimated(new, 12))
    assert teller.window("b") == (27, 0, 40 + 25 + 8)
    row = teller.call(new)
    assert (row["cost_nanousd"], row["doubt_nanousd"], row["attempts"]) == (27, 73, 3)
    found = [
        (one["number"], one["provider"], one["cost_nanousd"], one["doubt_nanousd"])
        for one in teller.attempts(new)
    ]
    assert found == [(1, "up", 10, 40), (2, "down", 5, 25), (3, "third", 12, 8)]


def test_all_in_one_batch(teller: Teller) -> None:
    """A call that opens, goes on twice, and closes before anything was committed."""
    new, epoch = teller.new(), teller.desk.books.epoch
    targets = [called(to(hold, name)) for hold, name in ((30, "down"), (20, "third"))]
    verdicts = teller.do(
        teller.admit(new, to(50)),
        Again(new.seq, failed(10), (targets[0],), epoch),
        Again(new.seq, failed(), (targets[1],), epoch),
        settled(new, 12),
    )
    assert [type(one) for one in verdicts[:3]] == [Admission] * 3
    assert teller.window("b") == (22, 0, 40)
    assert teller.call(new)["cost_nanousd"] == 22
    assert [one["state"] for one in teller.attempts(new)] == ["settled", "released", "settled"]


def test_a_call_whose_attempts_were_never_billed_is_released(teller: Teller) -> None:
    new = teller.begin(to(50))
    teller.again(new, failed(), to(30, "down"))
    teller.again(new, failed(), to(20, "third"))
    teller.do(released(new))
    row = teller.call(new)
    assert (row["state"], row["cost_nanousd"], row["doubt_nanousd"]) == ("released", 0, 0)
    assert teller.window("b") == (0, 0, 0)


def test_a_billed_attempt_without_a_price_makes_the_calls_cost_incomplete(teller: Teller) -> None:
    teller.change("budgets", "b", allow_unpriced=1)
    teller.desk.refresh()
    new = teller.begin(to(0, is_priced=False, is_free=False, ceiling=None))
    ended = replace(failed(0), cost=None)
    assert isinstance(teller.again(new, ended, to(20, "down")), Admission)
    teller.do(settled(new, 12))
    row = teller.call(new)
    assert (row["cost_nanousd"], row["is_price_incomplete"]) == (12, 1)
    first, second = teller.attempts(new)
    assert (first["cost_nanousd"], first["cost_source"]) == (None, "unpriced")
    assert (second["cost_nanousd"], second["cost_source"]) == (12, "reported")


def test_an_overrun_of_the_last_attempt_is_told_with_its_own_amounts(teller: Teller) -> None:
    new = teller.begin(to(60))
    teller.again(new, failed(10), to(20, "down"))
    teller.do(settled(new, 23))
    row = teller.call(new)
    assert (row["reason"], row["cost_nanousd"]) == ("overrun", 33)
    (alert,) = teller.rows("SELECT * FROM alerts WHERE kind = 'overrun'")
    detail = json.loads(alert["detail"])
    assert (detail["hold_nanousd"], detail["cost_nanousd"]) == (20, 23)
    assert detail["target"] == "down/m-down"
    assert teller.window("b") == (33, 0, 50)


def test_an_overrun_of_a_failed_attempt_is_told_too(teller: Teller) -> None:
    new = teller.begin(to(60))
    ended = replace(failed(63), cost_source="reported")
    assert isinstance(teller.again(new, ended, to(20, "down")), Admission)
    assert teller.attempts(new)[0]["reason"] == "overrun"
    (alert,) = teller.rows("SELECT * FROM alerts WHERE kind = 'overrun'")
    detail = json.loads(alert["detail"])
    assert (detail["hold_nanousd"], detail["cost_nanousd"]) == (60, 63)
    assert detail["target"] == "up/m-up"
    teller.do(settled(new, 23))
    assert teller.call(new)["reason"] == "overrun"
    assert teller.window("b") == (86, 0, 0)


def test_what_attempts_cost_together_is_no_overrun(teller: Teller) -> None:
    new = teller.begin(to(30))
    teller.again(new, failed(30), to(30, "down"))
    teller.do(settled(new, 30))
    assert teller.call(new)["reason"] == ""
    assert teller.alerts("overrun") == []


# Beside ------------------------------------------------------------------------------------------


def test_a_prepaid_balance_pays_for_each_attempt(teller: Teller) -> None:
    teller.balance("p", 40, 40)
    teller.desk.refresh()
    new = teller.begin(to(50))
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((40, 0, 0), (10, 0, 0))
    verdict = teller.again(new, failed(10), to(31, "down"))
    assert isinstance(verdict, BudgetSpent)
    assert verdict.budget == "p"
    assert isinstance(teller.again(new, failed(10), to(30, "down")), Admission)
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 30, 10), (30, 10, 0))
    teller.do(settled(new, 7))
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 30, 10), (0, 10, 7))


def test_a_budget_that_is_made_between_two_attempts_counts_both(teller: Teller) -> None:
    """The one that has ended it counts back to; the one that is to come it holds."""
    new = teller.begin(to(30))
    teller.again(new, failed(10), to(101, "down"))
    teller.budget("n", 100)
    teller.insert("windows", budget_id="n", subject="", start=MONTH_START, spent_nanousd=10)
    teller.desk.refresh()
    assert isinstance(teller.again(new, failed(10), to(20, "third")), Admission)
    assert teller.window("n") == (10, 20, 0)
    teller.do(settled(new, 5))
    assert teller.window("n") == (15, 0, 0)
    assert teller.window("b") == (15, 0, 20)


def test_a_budget_that_is_made_during_the_first_attempt_counts_it_when_it_fails(
    teller: Teller,
) -> None:
    new = teller.begin(to(30))
    teller.budget("n", 100)
    teller.desk.refresh()
    teller.again(new, failed(10), to(20, "down"))
    assert teller.window("n")[:2] == (10, 20)
    teller.do(settled(new, 5))
    assert teller.window("n")[:2] == (15, 0)


def test_an_idempotency_key_stands_for_a_call_of_which_an_attempt_was_billed(
    teller: Teller,
) -> None:
    for billed, code in ((10, "duplicate_call"), (None, "")):
        new = teller.new()
        key = f"k{billed}"
        teller.do(teller.admit(new, to(20), idempotency_key=key))
        teller.again(new, failed(billed), to(101, "down"))
        teller.do(released(new))
        _, verdict = teller.ask(to(5), idempotency_key=key)
        assert getattr(verdict, "code", "") == code


def test_an_attempt_that_was_billed_beyond_its_hold_says_so_and_is_told(teller: Teller) -> None:
    new = teller.begin(to(20))
    teller.again(new, failed(25, cost_source="reported"), to(20, "down"))
    teller.do(settled(new, 5))
    assert [one["reason"] for one in teller.attempts(new)] == ["overrun", ""]
    assert [subject for _, subject, _, _ in teller.alerts("overrun")] == [str(new.seq)]
    assert teller.window("b")[:2] == (30, 0)


def test_a_key_is_free_for_who_asks_again_in_the_batch_that_releases_its_call(
    teller: Teller,
) -> None:
    new, next_one = teller.new(), teller.new()
    teller.do(teller.admit(new, to(20), idempotency_key="k"))
    again = teller.admit(next_one, to(20), idempotency_key="k")
    _, verdict = teller.do(released(new), again)
    assert isinstance(verdict, Admission)
    # It is bound anew, though the release came first.
    _, verdict = teller.ask(to(5), idempotency_key="k")
    assert getattr(verdict, "code", "") == "duplicate_call"


def test_critical_calls_stay_critical_on_their_next_attempt(teller: Teller) -> None:
    teller.change("budgets", "b", rules='["50% downgrade"]')
    teller.desk.refresh()
    teller.spend(50)
    plain, critical = teller.begin(to(5, "up")), teller.begin(to(5, "up"), priority="critical")
    for new, index in ((plain, 1), (critical, 0)):
        verdict = teller.again(new, failed(), to(5, "down"), to(5, "third", "cheaper"))
        assert isinstance(verdict, Admission)
        assert verdict.index == index


# A closing that tells of an attempt that is not the last ------------------------------------------


def test_who_leaves_while_the_ledger_is_asked_pays_for_what_was_sent_alone(teller: Teller) -> None:
    """The next attempt was admitted, and its caller never heard of it."""
    new = teller.begin(to(60))
    assert isinstance(teller.again(new, failed(10), to(40, "down")), Admission)
    teller.do(estimated(new, 10)._replace(attempt=1, outcome="left"))
    row = teller.call(new)
    assert (row["state"], row["outcome"], row["cost_nanousd"]) == ("settled", "left", 10)
    assert (row["doubt_nanousd"], row["cost_source"]) == (50, "estimated")
    assert teller.window("b") == (10, 0, 50)
    found = [(one["number"], one["state"], one["cost_nanousd"]) for one in teller.attempts(new)]
    assert found == [(1, "settled", 10), (2, "released", 0)]


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_failed_attempt_costs_once_whether_the_ledger_could_be_asked_or_not(
    teller: Teller, has_ended: bool
) -> None:
    new = teller.begin(to(60))
    if has_ended:
        assert isinstance(teller.again(new, failed(10), to(101, "down")), BudgetSpent)
    teller.do(estimated(new, 10)._replace(attempt=1, outcome="failed"))
    row = teller.call(new)
    assert (row["state"], row["outcome"], row["cost_nanousd"]) == ("settled", "failed", 10)
    assert (row["doubt_nanousd"], teller.window("b")) == (50, (10, 0, 50))
    assert teller.desk.calls_open == 0


def test_an_idempotency_key_is_free_again_when_nothing_was_billed(teller: Teller) -> None:
    new = teller.new()
    teller.do(teller.admit(new, to(20), idempotency_key="k"))
    assert isinstance(teller.again(new, failed(), to(10, "down")), Admission)
    teller.do(released(new)._replace(attempt=1, outcome="left"))
    assert isinstance(teller.ask(to(5), idempotency_key="k")[1], Admission)


# kill -9 -----------------------------------------------------------------------------------------


def test_a_server_that_dies_with_the_second_attempt_in_flight(teller: Teller) -> None:
    new = teller.begin(to(60, expected=6))
    teller.again(new, failed(10), to(40, "down", expected=4))
    assert teller.die() == 1
    row = teller.call(new)
    assert (row["state"], row["cost_nanousd"], row["attempts"]) == ("recovered", 10 + 4, 2)
    assert row["doubt_nanousd"] == 50 + 36
    assert teller.window("b") == (14, 0, 86)
    found = [(one["number"], one["state"], one["cost_nanousd"]) for one in teller.attempts(new)]
    assert found == [(1, "settled", 10), (2, "recovered", 4)]


@pytest.mark.parametrize("billed", [None, 10])
def test_a_server_that_dies_after_a_refusal_held_nothing(
    teller: Teller, billed: int | None
) -> None:
    new = teller.begin(to(60))
    teller.again(new, failed(billed), to(101, "down"))
    assert teller.die() == 1
    row = teller.call(new)
    assert (row["state"], row["cost_nanousd"]) == ("recovered", billed or 0)
    assert row["doubt_nanousd"] == (50 if billed else 0)
    assert teller.window("b") == (billed or 0, 0, 50 if billed else 0)
    assert len(teller.attempts(new)) == 1


def test_a_server_that_dies_before_the_first_failure_was_told(teller: Teller) -> None:
    new = teller.begin(to(60, expected=6))
    assert teller.die() == 1
    assert teller.call(new)["cost_nanousd"] == 6
    assert teller.attempts(new) == []
    assert teller.window("b") == (6, 0, 54)


def test_a_settlement_that_comes_late_is_that_of_the_last_attempt(teller: Teller) -> None:
    new = teller.begin(to(60, expected=6))
    teller.again(new, failed(10), to(40, "down", expected=4))
    teller.die()
    teller.do(settled(new, 25))
    (delta,) = teller.rows("SELECT * FROM corrections")
    assert (delta["delta_nanousd"], delta["reason"]) == (25 - 4, "late")
    # What the first attempt may have cost beyond its estimate nobody has told.
    assert teller.window("b") == (35, 0, 50)
    teller.do(settled(new, 25))
    assert len(teller.rows("SELECT * FROM corrections")) == 1


def test_every_settlement_that_comes_late_is_a_correction_however_many(teller: Teller) -> None:
    count = 1_100
    teller.change("budgets", "b", limit_nanousd=100 * count)
    teller.desk.refresh()
    calls = [teller.new() for _ in range(count)]
    teller.do(*(teller.admit(new, to(60, expected=6)) for new in calls))
    assert teller.die() == count
    teller.do(*(settled(new, 25) for new in calls))
    assert teller.window("b") == (25 * count, 0, 0)


def test_a_balance_gets_back_what_a_dead_servers_second_attempt_held(teller: Teller) -> None:
    teller.balance("p", 60)
    teller.desk.refresh()
    new = teller.begin(to(50, expected=5))
    teller.again(new, failed(), to(30, "down", expected=3))
    teller.die()
    assert teller.drawn("p1") == (0, 27, 3)
    teller.do(settled(new, 20))
    assert teller.drawn("p1") == (0, 0, 20)


def test_an_attempt_in_a_new_month_counts_where_it_was_held(teller: Teller) -> None:
    new = teller.begin(to(60))
    teller.clock.now_us = MONTH_START + 30 * DAY_US
    teller.again(new, failed(10), to(40, "down"))
    teller.do(settled(new, 25))
    found = {one["start"]: one for one in teller.rows("SELECT * FROM windows")}
    assert found[MONTH_START]["spent_nanousd"] == 10
    assert sum(one["spent_nanousd"] for one in found.values()) == 35
    assert sum(one["held_nanousd"] for one in found.values()) == 0


def test_the_cost_of_a_failed_attempt_may_carry_a_window_over_a_threshold(teller: Teller) -> None:
    teller.change("budgets", "b", rules='["50% notify"]')
    teller.desk.refresh()
    new = teller.begin(to(60))
    teller.again(new, failed(49), to(5, "down"))
    assert teller.told() == []
    teller.do(settled(new, 1))
    assert teller.told() == [50]
    other = teller.begin(to(30))
    teller.change("budgets", "b", rules='["50% notify", "60% notify"]')
    teller.desk.refresh()
    teller.again(other, replace(failed(10), cost=Cost((("estimate", 10),))), to(101, "down"))
    assert teller.told() == [50, 60]


def test_answers_are_learned_and_written_behind_the_calls(teller: Teller) -> None:
    teller.change("budgets", "b", limit_nanousd=10**9)
    teller.desk.refresh()
    calls = [teller.new() for _ in range(250)]
    teller.do(*(teller.admit(new, to(1, output_asked=None)) for new in calls))
    teller.do(*(settled(new, 1, usage=Usage(output=700)) for new in calls))
    query = "SELECT value, samples FROM learned"
    assert teller.rows(query) == []
    teller.do()
    assert teller.rows(query) == [{"value": 700, "samples": 250}]
    assert teller.desk.learned.due(teller.clock()) == []


def test_what_was_learned_makes_what_a_call_probably_costs(teller: Teller) -> None:
    teller.change("budgets", "b", limit_nanousd=10**9, mode="expected")
    teller.desk.refresh()
    way = to(1, output_asked=None, expected=300)
    way = way._replace(ask=replace(way.ask, answer_rate=10**6))
    before = teller.begin(way)
    calls = [teller.new() for _ in range(250)]
    teller.do(*(teller.admit(new, to(1, output_asked=None)) for new in calls))
    teller.do(*(settled(new, 1, usage=Usage(output=4_000)) for new in calls))
    after = teller.begin(way)
    expected = [teller.call(new)["expected_nanousd"] for new in (before, after)]
    # A nano-dollar a token: 256 tokens at first, then a quarter of 4,000.
    assert expected == [300, 300 - 256 + 1_000]
    assert teller.call(after)["hold_nanousd"] == expected[1]
    again = teller.again(after, failed(), way)
    assert isinstance(again, Admission)
    assert again.hold_nanousd == expected[1]
