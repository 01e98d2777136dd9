"""What commands change of budgets: made, changed and removed.

A budget is named by selector, period and zone: the same one is changed and keeps what it counted,
another is made beside it and counts back to the start of its window. Long sums are made before the
write lock is taken. What is refused changes nothing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ferrycli.rules.selectors import Selector
from ferrycli.store import changes, selecting, terms_changes
from ferrycli.store.connect import open_reader
from ferrycli.store.ids import IdMaker
from ferrycli.store.plan_changes import (
    ROWS_AT_ONCE,
    LaidOut,
    Moved,
    Prepared,
    carry_out,
    crossed,
    tell,
)
from ferrycli.store.planning import Aim, BudgetPlan, BudgetSet, aim_of, outcome, tally_of
from ferrycli.store.reads_budgets import BudgetFacts, of_selector, one_of
from ferrycli.store.tables import Budget


def set_budget(path: Path, plan: BudgetPlan) -> BudgetSet:
    """Make or change a budget. Raises what is wrong with the plan, or `NoSuchKey`."""
    changes.prepare(path)
    while True:
        now_us = changes.now_us()
        with closing(open_reader(path)) as reader:
            aim = aim_of(reader, plan, now_us)
            tally = tally_of(reader, plan, aim, now_us)
            left_out = selecting.left_out(reader, aim.chosen.selector)
        many = aim.before.standings if aim.before and plan.selector.is_each else None
        try:
            result = _carried_out(path, Prepared(plan, tally, many), aim)
        except Moved:
            continue
        return replace(result, left_out=left_out)


def _carried_out(path: Path, prepared: Prepared, aim: Aim) -> BudgetSet:
    """The plan carried out in one short transaction; in more where there are many windows."""
    ids = changes.make_ids()
    prepared = replace(prepared, laid_out=_laid_out(path, prepared, aim, ids))
    with changes.changing(path) as session:
        done = carry_out(session, prepared, ids, changes.now_us())
    result = outcome(prepared.plan, done.aim, done.spent, done.now_us)
    if not done.is_told:
        with closing(open_reader(path)) as reader:
            told = crossed(reader, result, done.now_us)
        for at in range(0, len(told), ROWS_AT_ONCE):
            with changes.changing(path) as session:
                tell(session, told[at : at + ROWS_AT_ONCE], ids)
    return result


def _laid_out(path: Path, prepared: Prepared, aim: Aim, ids: IdMaker) -> LaidOut:
    """Windows that are too many for one short transaction, under a budget marked as removed."""
    spent = prepared.tally.spent if prepared.tally else {}
    if len(spent) <= ROWS_AT_ONCE:
        return LaidOut()
    id = ids.make().text("b")
    with changes.changing(path) as session:
        now_us = changes.now_us()
        terms = replace(aim.terms, id=id)
        terms_changes.add_budget(session, terms, aim.chosen.own_key_id, now_us, is_ready=False)
    rows = list(spent.items())
    for at in range(0, len(rows), ROWS_AT_ONCE):
        with changes.changing(path) as session:
            some = dict(rows[at : at + ROWS_AT_ONCE])
            terms_changes.write_windows(terms_changes.raw(session), id, {}, some)
    return LaidOut(id, spent)


def remove_budget(path: Path, selector: Selector, period: str = "", zone: str = "") -> BudgetFacts:
    """Take a budget away; what it was. `period`: `balance` for a prepaid one.

    Raises `NoSuchBudget`, `BudgetAmbiguous` or `NoSuchKey`.
    """
    with changes.changing(path) as session:
        connection = terms_changes.raw(session)
        now_us = changes.now_us()
        found = selecting.chosen(connection, selector)
        pairs = Selector(found.pairs)
        there = of_selector(connection, pairs, now_us, has_windows=not pairs.is_each)
        chosen = one_of(there, found.selector, period, zone)
        terms_changes.end(session, session.get_one(Budget, chosen.terms.id), now_us)
        return chosen
