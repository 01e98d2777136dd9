"""How much of a budget the calls of one row have used: the budget that bounds just those calls.

A key's own budget stands beside the key, and beside the tenant, feature or other values that the
key pins, where no other key pins the same: then it is all that they may spend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferrycli.report.times import iso, zone_named
from ferrycli.rules.windows import window_end, window_start
from ferrycli.store.reads import BudgetRow, KeyRow


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """A budget, and what one of its windows has come to; amounts in nano-dollars."""

    selector: str
    limit_nanousd: int
    period: str
    spent_nanousd: int
    window_start: int
    resets_at: int | None
    """None for `total`."""

    def json(self) -> dict[str, Any]:
        """As reports give it."""
        return {
            "selector": self.selector,
            "limit_nanousd": self.limit_nanousd,
            "period": self.period,
            "spent_nanousd": self.spent_nanousd,
            "window_start": iso(self.window_start),
            "resets_at": iso(self.resets_at),
        }


def windows_wanted(budgets: Sequence[BudgetRow], at_us: int) -> dict[str, int]:
    """When the window of each budget that holds `at_us` began, by the budget's id."""
    return {one.id: window_start(one.period, zone_named(one.zone), at_us) for one in budgets}


def uses(
    by: tuple[str, ...],
    keys: Sequence[KeyRow],
    budgets: Sequence[BudgetRow],
    starts: Mapping[str, int],
    spent: Mapping[str, int],
) -> dict[tuple[str, ...], BudgetUse]:
    """Budgets by the values of `by` whose calls they bound.

    `starts`, `spent`: of each budget's window, by its id; what is not in `spent` is 0.
    """
    own = {one.key_id: one for one in budgets if one.key_id}
    found: dict[tuple[str, ...], list[BudgetRow | None]] = {}
    for key in keys:
        values = _values(by, key)
        if values is not None and (key.revoked_at is None or key.id in own):
            found.setdefault(values, []).append(own.get(key.id))
    return {
        values: _use(several[0], starts, spent)
        for values, several in found.items()
        if len(several) == 1 and several[0] is not None
    }


def _values(by: tuple[str, ...], key: KeyRow) -> tuple[str, ...] | None:
    """The values that every call of `key` has, where those are all that it pins."""
    if by == ("key",):
        return (key.name,)
    pinned = {
        name: value for name, (mode, value) in json.loads(key.policies).items() if mode == "pin"
    }
    return tuple(pinned[name] for name in by) if pinned.keys() == set(by) else None


def _use(budget: BudgetRow, starts: Mapping[str, int], spent: Mapping[str, int]) -> BudgetUse:
    start = starts[budget.id]
    return BudgetUse(
        budget.selector,
        budget.limit_nanousd,
        budget.period,
        spent.get(budget.id, 0),
        start,
        window_end(budget.period, zone_named(budget.zone), start),
    )
