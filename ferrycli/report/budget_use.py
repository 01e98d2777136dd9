"""How much of a budget the calls of one row have used: the tightest that bounds just those calls.

A key's own budget stands beside the key, and beside the tenant, feature or other values that the
key pins, where no other key pins the same: then it is all that they may spend. A selector's budget
stands beside the values that it is for: `tenant=acme` beside acme, `tenant=*` beside each tenant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferrycli.report.times import iso
from ferrycli.rules.selectors import ANY
from ferrycli.rules.standings import Standing
from ferrycli.store.reads import KeyRow
from ferrycli.store.reads_budgets import BudgetFacts

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """A budget, and what one of its windows has come to; amounts in nano-dollars."""

    selector: str
    limit_nanousd: int
    """With boosts; of a prepaid budget what was granted."""
    period: str
    spent_nanousd: int
    window_start: int
    resets_at: int | None
    """None for `total`, rolling and prepaid ones."""

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


def uses(
    by: Values, keys: Sequence[KeyRow], budgets: Sequence[BudgetFacts], at_us: int
) -> dict[Values, BudgetUse]:
    """Budgets by the values of `by` whose calls they bound, as they stood at `at_us`.

    One that counts from a later time on is left out.
    """
    counting = [one for one in budgets if one.terms.counts_from_us <= at_us]
    tightest: dict[Values, Standing] = {}
    for values, standing in (*_of_keys(by, keys, counting), *_of_values(by, keys, counting)):
        known = tightest.get(values)
        if known is None or standing.percent > known.percent:
            tightest[values] = standing
    return {values: _use(standing) for values, standing in tightest.items()}


def _of_keys(
    by: Values, keys: Sequence[KeyRow], budgets: Sequence[BudgetFacts]
) -> Iterator[tuple[Values, Standing]]:
    """Keys' own budgets, beside the one key that has the values of a row."""
    own: dict[str, list[Standing]] = {}
    for one in budgets:
        if one.key_id and one.standings:
            own.setdefault(one.key_id, []).append(one.standings[0])
    found: dict[Values, list[list[Standing]]] = {}
    for key in keys:
        values = _pinned(by, key)
        if values is not None and (key.revoked_at is None or key.id in own):
            found.setdefault(values, []).append(own.get(key.id, []))
    for values, several in found.items():
        if len(several) == 1:
            yield from ((values, standing) for standing in several[0])


def _pinned(by: Values, key: KeyRow) -> Values | None:
    """The values that every call of `key` has, where those are all that it pins."""
    if by == ("key",):
        return (key.name,)
    pinned = {
        name: value for name, (mode, value) in json.loads(key.policies).items() if mode == "pin"
    }
    return tuple(pinned[name] for name in by) if pinned.keys() == set(by) else None


def _of_values(
    by: Values, keys: Sequence[KeyRow], budgets: Sequence[BudgetFacts]
) -> Iterator[tuple[Values, Standing]]:
    """Budgets of selectors that name just these dimensions, beside the values that they name."""
    names = {key.id: key.name for key in keys}
    for one in budgets:
        pairs = dict(one.terms.subject)
        if one.key_id or pairs.keys() != set(by):
            continue
        for standing in one.standings:
            values = pairs | _starred(pairs, standing)
            if "key" in values:
                values["key"] = names.get(values["key"], values["key"])
            yield tuple(values[name] for name in by), standing


def _starred(pairs: Mapping[str, str], standing: Standing) -> dict[str, str]:
    stars = [name for name, value in pairs.items() if value == ANY]
    return dict(zip(stars, json.loads(standing.subject or "[]"), strict=False))


def _use(standing: Standing) -> BudgetUse:
    return BudgetUse(
        standing.terms.selector,
        standing.limit_nanousd,
        standing.terms.period,
        standing.spent,
        standing.window_start_us,
        standing.resets_at_us,
    )
