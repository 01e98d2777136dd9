"""Reads for the pace of budgets: what those without an end have spent of late.

Through a read-only connection and the database driver alone, as `store/reads.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ferrycli.rules.filters import Comparison, Every
from ferrycli.rules.pace import RECENT_US, Recent
from ferrycli.store import matching
from ferrycli.store.matching import Wanted
from ferrycli.store.reads_budgets import BudgetFacts, key_names
from ferrycli.store.sums import Question, sums
from ferrycli.store.where import DAILY_FIELDS


def recent(
    connection: sqlite3.Connection, found: Sequence[BudgetFacts], now_us: int
) -> dict[str, Recent]:
    """What budgets without an end have spent in the last days, by id, for their pace.

    Of one that began later, since then: as it was made, or with its first call where it counts
    all. Of a `*` nothing: each of its windows has a pace of its own.
    """
    amounts = {}
    for one in found:
        is_endless = one.terms.period == "total" and not one.selector.is_each
        if is_endless and one.fullest is not None and one.fullest.spent:
            since_us = max(now_us - RECENT_US, one.terms.counts_from_us)
            spent = _spent(connection, one, since_us, now_us)
            if not one.terms.counts_from_us and spent >= one.fullest.spent:
                first = matching.first_at(connection, Wanted(one.selector, since_us))
                since_us = since_us if first is None else first
            amounts[one.terms.id] = Recent(spent, now_us - since_us)
    return amounts


def _spent(connection: sqlite3.Connection, one: BudgetFacts, since_us: int, now_us: int) -> int:
    """Of summaries of whole days where these know what the selector asks for."""
    names = key_names(connection)
    pairs = [
        Comparison(name, "=", names.get(value, value) if name == "key" else value)
        for name, value in one.terms.subject
    ]
    if DAILY_FIELDS.issuperset(pair.field for pair in pairs):
        (total,) = sums(connection, Question((), since_us, now_us, Every(tuple(pairs))))
        return total.cost_nanousd
    found = matching.spent(connection, Wanted(one.selector, since_us))
    return sum(found.values())
