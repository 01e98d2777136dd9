"""Rows of budgets, limits, routes and grants as commands change them, in a session that is open.

Every row keeps its history: a change raises `revision` and leaves the row in `revisions`. What is
refused raises before anything is added, so that the transaction ends without a change.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import BudgetUnfit
from ferrycli.rules.selectors import Selector
from ferrycli.rules.standings import Terms
from ferrycli.store.ids import IdMaker
from ferrycli.store.matching import Spent
from ferrycli.store.planning import Limits, Money
from ferrycli.store.tables import Budget, Key
from ferrycli.store.tables_control import Assignment, Grant, Limit, Revision, Route
from ferrycli.store.terms import pairs_of, pairs_text, rules_text

Pairs = Sequence[tuple[str, str]]
Kept = Budget | Limit | Route | Assignment
"""Rows with a history."""
_KINDS: dict[type[Kept], str] = {
    Budget: "budget", Limit: "limit", Route: "route", Assignment: "assignment",
}  # fmt: skip


def raw(session: Session) -> sqlite3.Connection:
    """The driver's connection of this session, inside the same transaction."""
    connection: Any = session.connection().connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection


def write_terms(row: Budget, terms: Terms) -> None:
    """What may change of a budget, into its row."""
    row.selector = terms.selector
    row.limit_nanousd = terms.limit_nanousd
    row.mode = terms.mode
    row.clamp = terms.clamp
    row.owner = terms.owner
    row.rules = rules_text(terms.rules)
    row.allow_unpriced = int(terms.allow_unpriced)


def add_budget(
    session: Session, terms: Terms, key_id: str, now_us: int, *, is_ready: bool = True
) -> Budget:
    """A new budget's row, with its first revision. One that is not ready is marked as removed."""
    row = Budget(
        id=terms.id,
        selector=terms.selector,
        subject=pairs_text(terms.subject),
        key_id=key_id,
        limit_nanousd=terms.limit_nanousd,
        period=terms.period,
        zone=terms.zone,
        mode=terms.mode,
        clamp=terms.clamp,
        owner=terms.owner,
        rules=rules_text(terms.rules),
        counts_from=terms.counts_from_us,
        created_at=now_us,
        removed_at=None if is_ready else now_us,
        is_prepaid=int(terms.is_prepaid),
        allow_unpriced=int(terms.allow_unpriced),
    )
    session.add(row)
    if is_ready:
        keep_revision(session, row, now_us)
    return row


def make_ready(session: Session, id: str, terms: Terms, now_us: int) -> Budget:
    """A budget that was not ready, in force from now on."""
    row = session.get_one(Budget, id)
    write_terms(row, terms)
    row.counts_from = terms.counts_from_us
    row.created_at = now_us
    row.removed_at = None
    session.add(row)
    keep_revision(session, row, now_us)
    return row


def end(session: Session, row: Kept, now_us: int) -> None:
    """Take it away; what it counted stays in the file."""
    row.removed_at = now_us
    change(session, row, now_us)


def change(session: Session, row: Kept, now_us: int) -> None:
    """A row that was changed, or made with the revision 0: one revision more."""
    row.revision += 1
    session.add(row)
    keep_revision(session, row, now_us)


def keep_revision(session: Session, row: Kept, now_us: int) -> None:
    """The row as it now is, in the history."""
    content = json.dumps(row.model_dump(), ensure_ascii=False)
    kind = _KINDS[type(row)]
    session.add(Revision(object=kind, id=row.id, revision=row.revision, at=now_us, content=content))


def rename_key(session: Session, key_id: str, name: str, now_us: int) -> None:
    """Selectors that name this key, written with its new name."""
    part = json.dumps(["key", key_id])
    budgets = select(Budget).where(
        col(Budget.removed_at).is_(None), col(Budget.subject).contains(part, autoescape=True)
    )
    limits = select(Limit).where(
        col(Limit.removed_at).is_(None), col(Limit.subject).contains(part, autoescape=True)
    )
    assignments = select(Assignment).where(
        col(Assignment.removed_at).is_(None),
        col(Assignment.subject).contains(part, autoescape=True),
    )
    rows: list[Budget | Limit | Assignment] = [
        *session.exec(budgets),
        *session.exec(limits),
        *session.exec(assignments),
    ]
    for row in rows:
        written = str(Selector(named(pairs_of(row.subject), name)))
        if written != row.selector:
            row.selector = written
            change(session, row, now_us)


def end_own(session: Session, key_id: str, now_us: int) -> None:
    """Take every budget of a key's own away, a balance included."""
    for row in _own(session, key_id):
        end(session, row, now_us)


def end_other(session: Session, key_id: str, period: str, now_us: int) -> None:
    """Take away the one limit of a key's own that a limit of this period replaces.

    Where it has one of that period already, or several others, all stay.
    """
    limited = [row for row in _own(session, key_id) if not row.is_prepaid]
    if len(limited) == 1 and limited[0].period != period:
        end(session, limited[0], now_us)


def hand_over(session: Session, key_id: str, was: str, owner: str, now_us: int) -> None:
    """A key's owner has changed: so has that of its budgets, where it was the same."""
    if was != owner:
        for row in _own(session, key_id):
            if row.owner == was:
                row.owner = owner
                change(session, row, now_us)


def _own(session: Session, key_id: str) -> Sequence[Budget]:
    query = select(Budget).where(Budget.key_id == key_id, col(Budget.removed_at).is_(None))
    return session.exec(query).all()


def named(pairs: Pairs, key_name: str) -> tuple[tuple[str, str], ...]:
    """Pairs with the key's name instead of its id."""
    return tuple((one, key_name if one == "key" and value else value) for one, value in pairs)


def add_grant(session: Session, budget: Budget, money: Money, ids: IdMaker) -> tuple[Grant, bool]:
    """Add money to a budget; the grant, and whether it is new. Raises `BudgetUnfit`."""
    if money.amount_nanousd <= 0:
        raise BudgetUnfit(budget.selector, "amount")
    external_id = safe(money.external_id)
    if external_id:
        query = select(Grant).where(Grant.budget_id == budget.id, Grant.external_id == external_id)
        if (before := session.exec(query).first()) is not None:
            return before, False
    id = ids.make()
    session.flush()
    left = left_of(raw(session), budget.id, id.at_us)
    grant = Grant(
        id=id.text("g"),
        budget_id=budget.id,
        kind=money.kind,
        external_id=external_id,
        amount_nanousd=money.amount_nanousd,
        note=safe(money.note),
        created_at=id.at_us,
        expires_at=money.expires_at,
        balance_nanousd=left + money.amount_nanousd if money.kind == "grant" else 0,
    )
    session.add(grant)
    return grant, True


_LEFT = (
    "SELECT coalesce(sum(CASE WHEN voided_at IS NULL AND (expires_at IS NULL OR expires_at > ?1)"
    " THEN amount_nanousd - drawn_nanousd ELSE held_nanousd + doubt_nanousd END), 0)"
    " - max(0, (SELECT coalesce(sum(spent_nanousd), 0) FROM windows WHERE budget_id = ?2)"
    " - (SELECT coalesce(sum(drawn_nanousd), 0) FROM grants WHERE budget_id = ?2))"
    " FROM grants WHERE budget_id = ?2 AND kind = 'grant'"
)


def left_of(connection: sqlite3.Connection, budget_id: str, now_us: int) -> int:
    """What is left of a balance, what calls hold of it and what is in doubt included.

    Neither is spent: no percentage of it is used yet. What was spent beyond all its grants is off
    it, so that it may be below 0.
    """
    (left,) = connection.execute(_LEFT, (now_us, budget_id)).fetchone()
    return int(left)


def write_windows(
    connection: sqlite3.Connection, budget_id: str, written: Spent, spent: Spent
) -> None:
    """What was counted back, into the windows of a budget that no server knows yet.

    `written`: what they hold already.
    """
    connection.executemany(
        "INSERT INTO windows (budget_id, subject, start, spent_nanousd, held_nanousd,"
        " doubt_nanousd) VALUES (?, ?, ?, ?, 0, 0) ON CONFLICT (budget_id, subject, start)"
        " DO UPDATE SET spent_nanousd = excluded.spent_nanousd",
        [
            (budget_id, *key, amount)
            for key in {**written, **spent}
            if (amount := spent.get(key, 0)) != written.get(key, 0)
        ],
    )


def apply_limits(row: Key | Limit, limits: Limits) -> None:
    """The limits that are named, into a row."""
    for name in ("rpm", "tpm", "parallel_max"):
        wanted = getattr(limits, name)
        if wanted is not None:
            setattr(row, name, wanted or None)
