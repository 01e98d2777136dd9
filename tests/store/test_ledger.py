"""The ledger on its real thread and a real file: what is answered is on disk, and once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import (
    BadKey,
    BudgetBusy,
    BudgetSpent,
    CallUnbounded,
    ModelUnpriced,
    NoSuchPath,
    Refusal,
)
from ferrycli.rules.pricing import Cost
from ferrycli.rules.usage import Usage
from ferrycli.rules.windows import Allowance
from ferrycli.rules.words import words
from ferrycli.store import changes
from ferrycli.store.changes import KeyEdit
from ferrycli.store.ledger import Ledger
from ferrycli.store.messages import Again, Candidate, Deny, Ended, HealthNote, Note, Stale
from ferrycli.store.storms import ROWS_A_MINUTE
from tests.store.kit import (
    DAY_US,
    NOON,
    SECOND_US,
    USD,
    Clock,
    Ids,
    admit,
    ask,
    looking,
    make_key,
    opening,
    question,
    released,
    row,
    rows,
    running,
    settled,
    soon,
    staged,
    the_window,
    windows,
)

MONTH_START = NOON - NOON % DAY_US - 17 * DAY_US
"""2026-11-01 00:00 UTC."""


async def hold(ledger: Ledger, ids: Ids, key_id: str, hold_nanousd: int = USD) -> Any:
    """Admit a call; its id."""
    new = ids.make()
    verdict = await ledger.admit(admit(new, key_id, ledger.books.epoch, hold_nanousd))
    assert isinstance(verdict, Admission), verdict
    return new


async def closed(ledger: Ledger) -> None:
    """Everything told so far has been written: the queue is in order."""
    await ledger.refresh()


@staged
async def test_row_and_window_are_on_disk_before_the_answer(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as ledger:
        for number in range(1, 6):
            new = await hold(ledger, ids, key.id, 2 * USD)
            found = row(path, new)
            assert (found["state"], found["hold_nanousd"]) == ("held", 2 * USD)
            assert found["admitted_at"] == NOON
            assert found["finished_at"] is None
            assert found["cost_nanousd"] is None
            assert found["instance_id"] == "i_1"
            ((budget_id, start),) = windows(path)
            assert start == MONTH_START
            assert json.loads(found["windows"]) == [[budget_id, "", start]]
            assert found["budget_id"] == budget_id
            assert found["free_nanousd"] == 50 * USD - (number - 1) * 2 * USD
            assert the_window(path) == (0, number * 2 * USD, 0)


@staged
async def test_settled_call_is_spent_and_holds_nothing(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="50/month")
    usage = Usage(input=100, cache_read=7, cache_write_1h=9, output=20, reasoning=5, web_search=2)
    cost = Cost(
        (
            ("input", 300),
            ("cache_read", 2),
            ("cache_write_1h", 54),
            ("output", 400),
            ("audio_in", 1),
            ("web_search", 20),
        ),
        is_incomplete=True,
    )
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id)
        clock.move(3)
        ledger.settle_soon(
            settled(
                new,
                0,
                clock.now_us,
                cost=cost,
                usage=usage,
                model="m-served",
                status=200,
                tier="flex",
                finish_reason="stop",
                first_byte_at=NOON + 5,
                provider_cost_nanousd=777,
            )
        )
        await closed(ledger)
    found = row(path, new)
    total = 300 + 2 + 54 + 400 + 1 + 20
    assert the_window(path) == (total, 0, 0)
    wanted = {
        "state": "settled",
        "outcome": "ok",
        "finished_at": NOON + 3 * SECOND_US,
        "first_byte_at": NOON + 5,
        "hold_nanousd": USD,
        "doubt_nanousd": 0,
        "cost_nanousd": total,
        "cost_input_nanousd": 300,
        "cost_cache_read_nanousd": 2,
        "cost_cache_write_nanousd": 54,
        "cost_output_nanousd": 400,
        "cost_other_nanousd": 21,
        "provider_cost_nanousd": 777,
        "cost_source": "reported",
        "is_price_incomplete": 1,
        "model": "m-served",
        "provider": "up",
        "tier": "flex",
        "status": 200,
        "finish_reason": "stop",
        "attempts": 1,
        "n_input": 100,
        "n_cache_read": 7,
        "n_cache_write_1h": 9,
        "n_output": 20,
        "n_reasoning": 5,
        "n_web_search": 2,
        "n_audio_in": 0,
    }
    assert {name: found[name] for name in wanted} == wanted


@staged
async def test_reply_without_a_model_keeps_the_one_that_was_asked_for(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id)
        ledger.settle_soon(settled(new, 5))
        await closed(ledger)
    assert row(path, new)["model"] == "m-1"


@staged
async def test_estimated_cost_leaves_the_rest_of_its_hold_in_doubt(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="2/month")
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(settled(new, USD // 4, is_cost_known=False, cost_source="estimated"))
        await closed(ledger)
        assert the_window(path) == (USD // 4, 0, USD - USD // 4)
        assert row(path, new)["doubt_nanousd"] == USD - USD // 4
        # Doubt counts against the limit: $2 − $0.25 − $0.75 is $1, and a nano-dollar more is not.
        over = await ledger.admit(admit(ids.make(), key.id, ledger.books.epoch, USD + 1))
        assert isinstance(over, BudgetSpent)
        assert (over.spent_nanousd, over.doubt_nanousd) == (USD // 4, USD - USD // 4)
        assert isinstance(
            await ledger.admit(admit(ids.make(), key.id, ledger.books.epoch, USD)), Admission
        )


@staged
async def test_unpriced_cost_is_null_and_its_whole_hold_is_doubt(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="2/month")
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(settled(new, 0, cost=None, cost_source="unpriced"))
        await closed(ledger)
    assert the_window(path) == (0, 0, USD)
    assert row(path, new)["cost_nanousd"] is None


@staged
async def test_doubt_is_of_budgets_alone(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id)
        ledger.settle_soon(settled(new, 7, is_cost_known=False, cost_source="estimated"))
        await closed(ledger)
    assert row(path, new)["doubt_nanousd"] == 0
    assert row(path, new)["cost_nanousd"] == 7
    assert windows(path) == {}


@staged
async def test_call_without_a_budget_holds_what_it_probably_costs(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id, 50 * USD)
    found = row(path, new)
    assert (found["hold_nanousd"], found["windows"], found["budget_id"]) == (USD // 10, "", "")
    assert found["free_nanousd"] is None


@staged
async def test_released_call_costs_nothing_and_gives_its_hold_back(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="1/month")
    async with running(path, clock) as ledger:
        first = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(released(first))
        new = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(released(new))
        await closed(ledger)
        assert the_window(path) == (0, 0, 0)
    found = row(path, new)
    assert (found["state"], found["cost_nanousd"], found["doubt_nanousd"]) == ("released", 0, 0)
    assert found["cost_source"] == ""


@staged
async def test_call_ends_once_whatever_is_said_afterwards(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as ledger:
        one, two = await hold(ledger, ids, key.id), await hold(ledger, ids, key.id)
        # Twice in one batch, and again later.
        ledger.settle_soon(settled(one, 100))
        ledger.settle_soon(settled(one, 999))
        ledger.settle_soon(released(two))
        ledger.settle_soon(settled(two, 999))
        await closed(ledger)
        before = rows(path)
        ledger.settle_soon(released(one))
        ledger.settle_soon(settled(two, 1))
        await closed(ledger)
        assert rows(path) == before
        assert the_window(path) == (100, 0, 0)
        assert not ledger.is_failing


@staged
async def test_settlement_of_a_call_that_never_was_changes_nothing(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id)
        ledger.settle_soon(settled(ids.make(), 999))
        ledger.settle_soon(released(ids.make()))
        await closed(ledger)
        assert the_window(path) == (0, USD, 0)
        assert [one["seq"] for one in rows(path)] == [new.seq]


@staged
async def test_call_that_opens_and_ends_in_one_batch_is_whole(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as ledger:
        new = ids.make()
        asking = asyncio.ensure_future(ledger.admit(admit(new, key.id, ledger.books.epoch, USD)))
        await asyncio.sleep(0)
        ledger.settle_soon(settled(new, 40))
        assert isinstance(await asking, Admission)
        await closed(ledger)
    assert row(path, new)["state"] == "settled"
    assert the_window(path) == (40, 0, 0)


@staged
async def test_asker_who_left_before_the_answer_holds_nothing(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as ledger:
        left = []
        for _ in range(50):
            new = ids.make()
            asking = asyncio.ensure_future(
                ledger.admit(admit(new, key.id, ledger.books.epoch, USD))
            )
            await asyncio.sleep(0)
            asking.cancel()
            # What the conductor's `finally` does, whatever `admit` answered.
            ledger.settle_soon(released(new))
            left.append(new)
        await closed(ledger)
        assert [row(path, new)["state"] for new in left] == ["released"] * 50
        assert the_window(path) == (0, 0, 0)


@staged
async def test_every_call_of_a_batch_gets_its_own_answer(
    path: Path, clock: Clock, ids: Ids
) -> None:
    """1,000 questions of ten keys at once; of every key's only the first 30 fit."""
    keys = [make_key(path, f"k{number}", "30/month") for number in range(10)]
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        asked = [(ids.make(), keys[number % 10]) for number in range(1_000)]
        verdicts = await asyncio.gather(
            *(ledger.admit(admit(new, key.id, epoch, USD)) for new, key in asked)
        )
        assert all(left == 0 for left in [ledger._asks_waiting])
    admitted = dict.fromkeys((key.id for key in keys), 0)
    written = {one["seq"]: one for one in rows(path)}
    for (new, key), verdict in zip(asked, verdicts, strict=True):
        found = written.get(new.seq)
        if isinstance(verdict, Admission):
            assert found is not None
            assert found["key_id"] == key.id
            admitted[key.id] += 1
            assert found["state"] == "held"
            assert found["budget_id"] == verdict.binding
            assert found["free_nanousd"] == verdict.free_nanousd
        else:
            assert isinstance(verdict, BudgetBusy)
            # A storm of denials counts up on one row.
            if found is not None:
                assert found["state"] == "denied"
                assert found["key_id"] == key.id
                assert verdict.budget == found["budget_id"]
    denied = [one["repeats"] for one in written.values() if one["state"] == "denied"]
    assert (len(denied), sum(denied)) == (10 * ROWS_A_MINUTE, 700)
    assert set(admitted.values()) == {30}
    assert set(windows(path).values()) == {(0, 30 * USD, 0)}


@staged
async def test_calls_of_one_moment_share_a_transaction(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="5000/month")
    async with running(path, clock) as ledger:
        await hold(ledger, ids, key.id)
        counted = 0
        process = ledger._desk.process

        def counting(messages: Any, waiting: Any) -> Any:
            nonlocal counted
            counted += 1
            return process(messages, waiting)

        ledger._desk.process = counting  # type: ignore[method-assign,assignment]
        epoch = ledger.books.epoch
        await asyncio.gather(
            *(ledger.admit(admit(ids.make(), key.id, epoch)) for _ in range(2_000))
        )
        assert counted < 200
    assert len(rows(path, "SELECT seq FROM calls WHERE state = 'held'")) == 2_001


@staged
async def test_last_dollar_goes_to_one_of_two_racing_calls(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="1/month")
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        verdicts = await asyncio.gather(
            *(ledger.admit(admit(ids.make(), key.id, epoch, USD)) for _ in range(2))
        )
    assert sorted(type(verdict).__name__ for verdict in verdicts) == ["Admission", "BudgetBusy"]
    assert the_window(path) == (0, USD, 0)


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
@staged
async def test_budget_is_used_to_the_last_nano_dollar_and_no_further(
    path: Path, clock: Clock, ids: Ids, more: int, fits: bool
) -> None:
    key = make_key(path, budget="1/month")
    async with running(path, clock) as ledger:
        spent = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(settled(spent, 400_000_001))
        verdict = await ledger.admit(
            admit(ids.make(), key.id, ledger.books.epoch, USD - 400_000_001 + more)
        )
    assert isinstance(verdict, Admission) == fits
    if not fits:
        assert isinstance(verdict, BudgetSpent)
        assert verdict.spent_nanousd == 400_000_001
        assert verdict.resets_at_us == MONTH_START + 30 * DAY_US


@staged
async def test_refused_call_is_a_row_that_costs_nothing(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="1/month")
    new = ids.make()
    async with running(path, clock) as ledger:
        verdict = await ledger.admit(admit(new, key.id, ledger.books.epoch, 2 * USD, tenant="acme"))
        assert isinstance(verdict, BudgetSpent)
        # What its conductor says at the end changes nothing.
        ledger.settle_soon(released(new))
        await closed(ledger)
    found = row(path, new)
    wanted = {
        "state": "denied",
        "outcome": "denied",
        "error_code": "insufficient_quota",
        "status": 429,
        "cost_nanousd": 0,
        "hold_nanousd": 0,
        "doubt_nanousd": 0,
        "windows": "",
        "tenant": "acme",
        "key_id": key.id,
        "budget_id": verdict.budget,
        "admitted_at": NOON,
        "finished_at": NOON,
        "rule": f"key={key.name}: 100% block",
        "reason": words(verdict).sentence,
    }
    assert "this call needs $2.00 of $1.00 left" in found["reason"]
    assert {name: found[name] for name in wanted} == wanted
    # A refusal makes no window of its own.
    assert set(windows(path).values()) <= {(0, 0, 0)}


@pytest.mark.parametrize(
    ("more", "refusal", "code"),
    [
        ({"is_priced": False, "ceiling": None}, ModelUnpriced, "model_unpriced"),
        ({"ceiling": None, "unbounded_field": "n"}, CallUnbounded, "call_unbounded"),
    ],
)
@staged
async def test_call_whose_cost_cannot_be_bounded_is_refused_under_a_budget_alone(
    path: Path, clock: Clock, ids: Ids, more: dict[str, Any], refusal: type[Refusal], code: str
) -> None:
    capped, free = make_key(path, "capped", "1/month"), make_key(path, "open")
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        one, two = ids.make(), ids.make()
        for new, key in ((one, capped), (two, free)):
            asked = question(opening(new, key.id), ask(1, **more), {"key": key.id}, epoch)
            verdict = await ledger.admit(asked)
            assert isinstance(verdict, refusal if key is capped else Admission)
    assert (row(path, one)["state"], row(path, one)["error_code"]) == ("denied", code)
    assert row(path, two)["state"] == "held"


@staged
async def test_free_target_fits_a_budget_that_is_spent(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="0/month")
    async with running(path, clock) as ledger:
        asked = question(
            opening(ids.make(), key.id),
            ask(0, is_free=True, ceiling=Ceiling(13, 0)),
            {"key": key.id},
            ledger.books.epoch,
        )
        verdict = await ledger.admit(asked)
    assert isinstance(verdict, Admission)
    assert verdict.hold_nanousd == 0


@staged
async def test_denial_before_any_budget_was_asked_is_a_row_too(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key, new = make_key(path), ids.make()
    async with running(path, clock) as ledger:
        ledger.deny_soon(Deny(opening(new, key.id), NoSuchPath("GET", "/x")))
        await closed(ledger)
    found = row(path, new)
    assert (found["state"], found["status"], found["error_code"]) == ("denied", 404, "not_found")
    assert (found["cost_nanousd"], found["budget_id"]) == (0, "")


@staged
async def test_question_built_on_old_books_is_answered_with_the_new(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        old = ledger.books
        changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse("1/month")))
        new = ids.make()
        verdict = await ledger.admit(admit(new, key.id, old.epoch, 2 * USD))
        assert isinstance(verdict, Stale)
        assert verdict.books.epoch > old.epoch
        assert verdict.books is ledger.books
        assert rows(path) == [], "a stale question leaves no row"
        again = await ledger.admit(admit(new, key.id, verdict.books.epoch, 2 * USD))
        assert isinstance(again, BudgetSpent)


@staged
async def test_key_that_was_revoked_is_refused_at_admission(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        await hold(ledger, ids, key.id)
        changes.revoke_key(path, "acme")
        books = await ledger.refresh()
        new = ids.make()
        verdict = await ledger.admit(admit(new, key.id, books.epoch))
        assert isinstance(verdict, BadKey)
        assert verdict.why == "revoked"
    assert (row(path, new)["state"], row(path, new)["status"]) == ("denied", 401)


@staged
async def test_key_that_ran_out_while_the_question_waited_is_refused(
    path: Path, clock: Clock, ids: Ids
) -> None:
    made = changes.create_key(path, changes.KeyPlan(name="short", expires_at=NOON + SECOND_US))
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        assert isinstance(await ledger.admit(admit(ids.make(), made.id, epoch)), Admission)
        clock.move(1)
        verdict = await ledger.admit(admit(ids.make(), made.id, epoch))
        assert isinstance(verdict, BadKey)
        assert verdict.why == "expired"


@staged
async def test_key_made_by_another_process_is_known_after_a_refresh(
    path: Path, clock: Clock, ids: Ids
) -> None:
    async with running(path, clock) as ledger:
        assert ledger.books.keys == {}
        key = make_key(path)
        books = await ledger.refresh()
        assert [one.id for one in books.keys.values()] == [key.id]


@staged
async def test_idle_ledger_sees_changes_by_itself(path: Path, clock: Clock, ids: Ids) -> None:
    async with running(path, clock) as ledger:
        key = make_key(path)
        await soon(lambda: key.id in ledger.books.keys_by_id)
        changes.revoke_key(path, "acme")
        await soon(lambda: ledger.books.keys_by_id[key.id].revoked_at is not None)


@staged
async def test_budget_changed_by_another_process_counts_on_the_next_admission(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="1/month")
    async with running(path, clock) as ledger:

        async def asked(hold_nanousd: int) -> Any:
            verdict = await ledger.admit(
                admit(ids.make(), key.id, ledger.books.epoch, hold_nanousd)
            )
            if isinstance(verdict, Stale):
                again = admit(ids.make(), key.id, verdict.books.epoch, hold_nanousd)
                verdict = await ledger.admit(again)
            return verdict

        new = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(settled(new, USD))
        assert isinstance(await asked(USD), BudgetSpent)
        changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse("3/month")))
        assert isinstance(await asked(USD), Admission)
        changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse("2/month")))
        assert isinstance(await asked(1), BudgetBusy)
        changes.edit_key(path, "acme", KeyEdit(removes_budget=True))
        assert isinstance(await asked(99 * USD), Admission)


@staged
async def test_amounts_written_by_another_process_are_read_before_judging(
    path: Path, clock: Clock, ids: Ids
) -> None:
    """As `ferry budgets release-doubt` will: the window changes, and no budget does."""
    key = make_key(path, budget="1/month")
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id, USD)
        ledger.settle_soon(settled(new, 0, is_cost_known=False, cost_source="estimated"))
        epoch = ledger.books.epoch
        assert isinstance(await ledger.admit(admit(ids.make(), key.id, epoch, 1)), BudgetSpent)
        with looking(path) as other:
            other.execute("UPDATE windows SET doubt_nanousd = 0")
        assert isinstance(await ledger.admit(admit(ids.make(), key.id, epoch, USD)), Admission)
        assert the_window(path) == (0, USD, 0)


@staged
async def test_new_period_is_a_new_window_and_a_call_belongs_to_that_of_its_admission(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="1/day")
    today = NOON - NOON % DAY_US
    async with running(path, clock) as ledger:
        new = await hold(ledger, ids, key.id, USD)
        clock.now_us = today + DAY_US - 1
        epoch = ledger.books.epoch
        assert isinstance(await ledger.admit(admit(ids.make(), key.id, epoch, USD)), BudgetBusy)
        clock.now_us = today + DAY_US
        assert isinstance(await ledger.admit(admit(ids.make(), key.id, epoch, USD)), Admission)
        ledger.settle_soon(settled(new, 5, clock.now_us))
        await closed(ledger)
        amounts = {start: found for (_, start), found in windows(path).items()}
        assert amounts == {today: (5, 0, 0), today + DAY_US: (0, USD, 0)}
        # The clock goes back an hour: the old day is found again, and not doubled.
        clock.move(-3600)
        verdict = await ledger.admit(admit(ids.make(), key.id, epoch, USD - 5))
        assert isinstance(verdict, Admission)
        assert len(windows(path)) == 2


@staged
async def test_every_budget_that_matches_holds_and_the_tightest_is_named(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="10/month")
    with looking(path) as other:
        for name, subject, limit in (
            ("b_t", [["tenant", "acme"]], 5),
            ("b_f", [["feature", "chat"], ["tenant", "acme"]], 7),
            ("b_x", [["tenant", "other"]], 1),
        ):
            other.execute(
                "INSERT INTO budgets (id, selector, subject, limit_nanousd, period)"
                " VALUES (?, ?, ?, ?, 'total')",
                [name, name, json.dumps(subject), limit * USD],
            )
    async with running(path, clock) as ledger:
        new, epoch = ids.make(), ledger.books.epoch
        facts = {"tenant": "acme", "feature": "chat"}
        verdict = await ledger.admit(admit(new, key.id, epoch, 3 * USD, **facts))
        assert isinstance(verdict, Admission)
        assert (verdict.binding, verdict.free_nanousd) == ("b_t", 5 * USD)
        second = await ledger.admit(admit(ids.make(), key.id, epoch, 3 * USD, **facts))
        assert isinstance(second, BudgetBusy)
        assert second.budget == "b_t"
        assert len(json.loads(row(path, new)["windows"])) == 3
        ledger.settle_soon(settled(new, 9))
        await closed(ledger)
    amounts = {budget: found for (budget, _), found in windows(path).items()}
    assert amounts.pop("b_t") == (9, 0, 0)
    assert amounts.pop("b_f") == (9, 0, 0)
    assert list(amounts.values()) == [(9, 0, 0)]


@staged
async def test_what_happens_beside_the_calls_is_written_down(
    path: Path, clock: Clock, ids: Ids
) -> None:
    async with running(path, clock) as ledger:
        opened = HealthNote("up", "m-1", "open", NOON, NOON + 9, "503 overloaded")
        for _ in range(2):
            ledger.note_soon(Note("circuit", "up/m-1", NOON, {"state": "open"}))
            ledger.note_soon(opened)
        await ledger.refresh()
    (alert,) = rows(path, "SELECT kind, subject, window_start, detail FROM alerts")
    assert tuple(alert.values()) == ("circuit", "up/m-1", NOON, '{"state": "open"}')
    (health,) = rows(path, "SELECT * FROM health")
    assert tuple(health.values()) == astuple(opened)


@staged
async def test_a_call_goes_on_to_another_target(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        new, epoch = ids.make(), ledger.books.epoch
        assert isinstance(await ledger.admit(admit(new, key.id, epoch, 3 * USD)), Admission)
        there = Candidate(ask(2 * USD), {"key": key.id, "provider": "down"})
        verdict = await ledger.again(Again(new.seq, Ended(NOON, 500), (there,), epoch))
        assert isinstance(verdict, Admission)
        assert the_window(path) == (0, 2 * USD, 0)
        ledger.settle_soon(settled(new, 9))
        await closed(ledger)
    assert the_window(path) == (9, 0, 0)
