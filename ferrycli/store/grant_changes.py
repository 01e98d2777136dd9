"""Money that commands add to budgets: top-ups of balances, boosts for a time, doubt set free."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import Session

from ferrycli.rules.errors import BudgetUnfit, NoSuchBudget
from ferrycli.rules.selectors import Selector
from ferrycli.rules.standings import Terms
from ferrycli.rules.windows import window_end, window_start
from ferrycli.store import changes, corrections, selecting, terms_changes
from ferrycli.store.connect import open_reader
from ferrycli.store.planning import Money
from ferrycli.store.reads_budgets import BudgetFacts, ambiguous, of_selector, one_of
from ferrycli.store.tables import Budget

CALLS_AT_ONCE = 100
"""Calls whose doubt one transaction sets free: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Added:
    """A grant, new or made before under the same external id. Times in UTC microseconds."""

    budget: Terms
    grant_id: str
    is_new: bool
    amount_nanousd: int
    created_at: int
    expires_at: int | None
    balance_nanousd: int
    """What was left of a prepaid budget right after it; 0 for boosts."""


def topup(
    path: Path,
    selector: Selector,
    amount_nanousd: int,
    note: str = "",
    expires_at: int | None = None,
    external_id: str = "",
) -> Added:
    """Add to a prepaid budget. The same `external_id` again gives the first grant, and adds none.

    Raises `NoSuchBudget`, `NoSuchKey`, or `BudgetUnfit` for a budget that is no balance.
    """
    changes.prepare(path)
    with changes.changing(path) as session:
        connection = terms_changes.raw(session)
        found = selecting.chosen(connection, selector)
        there = of_selector(connection, Selector(found.pairs), changes.now_us(), has_windows=False)
        prepaid = [one for one in there if one.terms.is_prepaid]
        if there and not prepaid:
            raise BudgetUnfit(str(found.selector), "not_prepaid")
        if not prepaid:
            raise NoSuchBudget(str(found.selector), "", _selectors(session))
        money = Money(amount_nanousd, note, expires_at, external_id)
        return _add(session, prepaid[0], money)


def boost(
    path: Path,
    key: str,
    amount_nanousd: int,
    until_us: int | None = None,
    period: str = "",
    zone: str = "",
) -> Added:
    """Raise a key's own limit until `until_us`, or else until its window ends.

    Of a key that has a balance alone, a top-up that expires then. `period`, `zone`: which budget,
    where the key has several of its own. Raises `NoSuchKey`, `NoSuchBudget`, `BudgetAmbiguous`, or
    `BudgetUnfit` where nothing ends by itself.
    """
    changes.prepare(path)
    with changes.changing(path) as session:
        connection = terms_changes.raw(session)
        now_us = changes.now_us()
        found = selecting.find_key(connection, key)
        pairs = Selector((("key", found.id),))
        there = of_selector(connection, pairs, now_us, has_windows=False)
        limited = [one for one in there if not one.terms.is_prepaid]
        written = Selector((("key", found.name),))
        if not there:
            raise NoSuchBudget(str(written), "", ())
        if period or zone:
            chosen = one_of(there, written, period, zone)
        elif len(limited) > 1:
            raise ambiguous(str(written), there)
        else:
            chosen = (limited or there)[0]
        if chosen.terms.is_prepaid:
            return _add(session, chosen, Money(amount_nanousd, "boost", until_us))
        ends_us = until_us or _window_end(chosen.terms, now_us)
        if ends_us is None:
            raise BudgetUnfit(chosen.terms.selector, "no_end")
        return _add(session, chosen, Money(amount_nanousd, "", ends_us, kind="boost"))


def _window_end(terms: Terms, now_us: int) -> int | None:
    zone = ZoneInfo(terms.zone)
    return window_end(terms.period, zone, window_start(terms.period, zone, now_us))


def _add(session: Session, found: BudgetFacts, money: Money) -> Added:
    row = session.get_one(Budget, found.terms.id)
    grant, is_new = terms_changes.add_grant(session, row, money, changes.make_ids())
    return Added(
        found.terms,
        grant.id,
        is_new,
        grant.amount_nanousd,
        grant.created_at,
        grant.expires_at,
        grant.balance_nanousd,
    )


def _selectors(session: Session) -> tuple[str, ...]:
    query = "SELECT DISTINCT selector FROM budgets WHERE removed_at IS NULL AND is_prepaid"
    return tuple(row[0] for row in terms_changes.raw(session).execute(query))


def release_doubt(path: Path, budget_id: str, subject: str | None = None) -> int:
    """Set the doubt of a budget's current window free; how many nano-dollars that were.

    `subject`: of one value of its `*`; None: of all.
    """
    with closing(open_reader(path)) as reader:
        seqs = corrections.doubtful(reader, budget_id, subject, changes.now_us())
    ids = changes.make_ids()
    released = 0
    for at in range(0, len(seqs), CALLS_AT_ONCE):
        with changes.changing(path) as session:
            released += corrections.release_doubt(
                terms_changes.raw(session),
                budget_id,
                subject,
                changes.now_us(),
                lambda: ids.make().text("corr"),
                seqs[at : at + CALLS_AT_ONCE],
            )
    return released
