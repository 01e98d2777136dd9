"""A planned budget carried out within a session that is open: its row, windows, grant and notices.

What takes long was prepared before the write lock was taken; here it is brought up to date.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from ferrycli.rules.standings import Standing
from ferrycli.store import alerts, counting, terms_changes
from ferrycli.store.alarms import Alarms
from ferrycli.store.alerts import NewAlert
from ferrycli.store.counting import Tally
from ferrycli.store.ids import IdMaker
from ferrycli.store.matching import Spent
from ferrycli.store.planning import Aim, BudgetPlan, BudgetSet, aim_of, outcome
from ferrycli.store.reads_budgets import BudgetFacts
from ferrycli.store.tables import Budget

ROWS_AT_ONCE = 1_000
"""Windows, or notices, that one transaction writes: some milliseconds."""


class Moved(Exception):
    """A window began, or a budget was removed, since the sums were made: they are made again."""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A budget whose windows were written beforehand; it counts for nothing yet."""

    id: str = ""
    spent: Spent | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, with what was read for it before the lock."""

    plan: BudgetPlan
    tally: Tally | None = None
    """What a new budget counts back; None where it counts from now on, or is not new."""
    standings: tuple[Standing, ...] | None = None
    """Of a budget of many windows."""
    laid_out: LaidOut = LaidOut()


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What was made, at one moment."""

    aim: Aim
    spent: Spent
    """Of a new budget's windows."""
    now_us: int
    is_told: bool
    """False: there are so many windows that what they have crossed is told afterwards."""


def carry_out(session: Session, prepared: Prepared, ids: IdMaker, now_us: int) -> CarriedOut:
    """Make or change the budget. Raises what is wrong with the plan, or `Moved`."""
    plan, tally = prepared.plan, prepared.tally
    connection = terms_changes.raw(session)
    aim = aim_of(connection, plan, now_us, prepared.standings)
    spent: Spent = {}
    if aim.before is not None:
        _change(session, aim, aim.before, now_us)
        windows = len(aim.before.standings)
    else:
        spent = _counted(connection, plan, aim, tally, now_us)
        since = tally.wanted.since_us if tally else aim.terms.counts_from_us
        aim = replace(aim, terms=replace(aim.terms, counts_from_us=since))
        aim = _add(session, plan, aim, prepared.laid_out, ids, now_us)
        written = prepared.laid_out.spent or {}
        terms_changes.write_windows(connection, aim.terms.id, written, spent)
        windows = len(spent) if aim.is_each else 1
    is_told = windows <= ROWS_AT_ONCE
    if is_told:
        result = outcome(plan, aim, spent, now_us)
        tell(session, crossed(connection, result, now_us), ids)
    return CarriedOut(aim, spent, now_us, is_told)


def tell(session: Session, told: Sequence[NewAlert], ids: IdMaker) -> None:
    """Write notices."""
    alerts.insert(terms_changes.raw(session), told, lambda: ids.make().text("a"))


def _counted(
    connection: sqlite3.Connection, plan: BudgetPlan, aim: Aim, tally: Tally | None, now_us: int
) -> Spent:
    if plan.counts_from_now or plan.balance is not None:
        return {}
    wanted = counting.wanted_of(aim.terms, now_us)
    if tally is None or (wanted.since_us != tally.wanted.since_us and not wanted.bucket_us):
        raise Moved
    return counting.caught_up(connection, tally)


def _add(
    session: Session,
    plan: BudgetPlan,
    aim: Aim,
    laid_out: LaidOut,
    ids: IdMaker,
    now_us: int,
) -> Aim:
    """A new budget's row, and its first grant; the aim with the budget's id."""
    aim = replace(aim, terms=replace(aim.terms, id=laid_out.id or ids.make().text("b")))
    if laid_out.id:
        row = terms_changes.make_ready(session, laid_out.id, aim.terms, now_us)
    else:
        row = terms_changes.add_budget(session, aim.terms, aim.chosen.own_key_id, now_us)
    if plan.balance is not None:
        terms_changes.add_grant(session, row, plan.balance, ids)
    session.flush()
    return aim


def _change(session: Session, aim: Aim, before: BudgetFacts, now_us: int) -> None:
    if aim.terms != before.terms:
        row = session.get_one(Budget, aim.terms.id)
        terms_changes.write_terms(row, aim.terms)
        terms_changes.change(session, row, now_us)
        session.flush()


def crossed(connection: sqlite3.Connection, result: BudgetSet, now_us: int) -> list[NewAlert]:
    """What its windows have crossed; less what was told."""
    alarms = Alarms(connection)
    return [
        alert
        for standing in result.standings
        for alert in alerts.crossed(standing, now_us)
        if alarms.fires(alert)
    ]
