"""What is sure of every call of a key, whatever it says: and so, what bounds its holder.

Pure. Source: docs/attribution.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ferrycli.rules.attribution import DIMENSIONS
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.limits import LimitTerms
from ferrycli.rules.selectors import Facts
from ferrycli.rules.standings import Terms


def sure_facts(key: KeyTerms) -> dict[str, str]:
    """What every call of `key` has: the values that it pins, and nothing where it denies.

    A dimension that is not in it may have any value.
    """
    facts = {"key": key.id}
    for dimension in DIMENSIONS:
        if (policy := key.policies.get(dimension)) is not None:
            if policy.mode == "pin":
                facts[dimension] = policy.value
            elif policy.mode == "deny":
                facts[dimension] = ""
    return facts


def sure_budgets(
    matching: Iterable[tuple[Terms, str]], facts: Facts
) -> tuple[tuple[Terms, str], ...]:
    """Of budgets that match `facts`, with their windows' subjects, those that bound every call.

    Left out are those that ask for a dimension of which nothing is sure: their windows are others'
    too, or no call's.
    """
    return tuple((one, subject) for one, subject in matching if _is_sure(one.subject, facts))


def sure_limits(matching: Iterable[tuple[LimitTerms, str]], facts: Facts) -> tuple[LimitTerms, ...]:
    """As `sure_budgets`, of limits."""
    return tuple(one for one, _ in matching if _is_sure(one.pairs, facts))


def _is_sure(pairs: Sequence[tuple[str, str]], facts: Facts) -> bool:
    return all(dimension in facts for dimension, _ in pairs)
