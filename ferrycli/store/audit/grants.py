"""I9: a prepaid balance adds up: granted = remaining + held + doubt + drawn + expired + voided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from ferrycli.store.audit.faults import Check, Fault, check
from ferrycli.store.audit.terms import History, Money
from ferrycli.store.audit.windows import Matching

_WINDOWS = (
    "SELECT budget_id, sum(spent_nanousd), sum(held_nanousd), sum(doubt_nanousd) FROM windows"
    " GROUP BY budget_id"
)
_HELD_OF = """
SELECT json_extract(p.value, '$[0]'), sum(json_extract(p.value, '$[1]'))
FROM calls c, json_each(c.windows) w, json_each(json_extract(w.value, '$[3]')) p
WHERE c.state = 'held' AND c.windows <> '' AND NOT EXISTS (
    SELECT 1 FROM attempts a WHERE a.call_seq = c.seq AND a.number = c.attempts)
GROUP BY 1
"""


def balanced(
    connection: sqlite3.Connection, matching: Matching, budgets: Mapping[str, History]
) -> Check:
    """I9, of each grant, and of all grants of a budget against its window."""
    held_of = dict(tuple(row) for row in connection.execute(_HELD_OF))
    windows = {row[0]: tuple(row[1:]) for row in connection.execute(_WINDOWS)}
    prepaid = [one for one in budgets.values() if one.is_prepaid]

    def faults() -> Iterator[Fault]:
        for budget in budgets.values():
            for one in budget.money:
                yield from _grant_faults(one, held_of.get(one.id, 0))
        for budget in prepaid:
            over = sum(
                found.past + found.over
                for key, found in matching.matched.items()
                if key[0] == budget.id
            )
            yield from _budget_faults(budget, windows.get(budget.id, (0, 0, 0)), over)

    count = sum(len(one.money) for one in budgets.values())
    claim = "what was granted is remaining, held, in doubt, drawn, expired or voided"
    return check("I9 balances", claim, count, faults())


def _grant_faults(one: Money, held: int) -> Iterator[Fault]:
    name = f"{'boost' if one.is_boost else 'grant'} {one.id}"
    amounts = {"held": one.held_nanousd, "in doubt": one.doubt_nanousd, "drawn": one.drawn_nanousd}
    for what, amount in amounts.items():
        if amount < 0 or (one.is_boost and amount):
            yield Fault(name, what, amount, 0)
    if one.remaining < 0:
        taken = one.amount_nanousd - one.remaining
        yield Fault(name, "held, in doubt and drawn", taken, one.amount_nanousd)
    if one.held_nanousd != held:
        yield Fault(name, "held, by calls in flight", one.held_nanousd, held)


def _budget_faults(budget: History, window: tuple[int, int, int], over: int) -> Iterator[Fault]:
    """A budget's grants against its windows. What no grant covers is spent of none.

    `over`: what calls cost beyond what was held for them, and what corrections added.
    """
    spent, held, doubt = window
    sums = {
        "held": (sum(one.held_nanousd for one in budget.money), held),
        "in doubt": (sum(one.doubt_nanousd for one in budget.money), doubt),
        "drawn": (sum(one.drawn_nanousd for one in budget.money), spent),
    }
    is_strict = all(era.mode == "strict" for era in budget.eras)
    for what, (of_grants, of_window) in sums.items():
        may_lack = (over if what == "drawn" else 0) if is_strict else of_window
        if not of_window - may_lack <= of_grants <= of_window:
            yield Fault(f"budget {budget.id}", f"{what}, by its grants", of_grants, of_window)
