"""A budget's terms as its row holds them, and the pairs of selectors as columns hold them.

With the driver alone, so that the ledger thread, reads and commands use the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ferrycli.rules.standings import Terms
from ferrycli.rules.thresholds import Rule, parse_rule

TERMS = (
    "id, selector, period, zone, limit_nanousd, mode, clamp, counts_from, subject, rules,"
    " allow_unpriced, is_prepaid, owner,"
    " count(*) OVER (PARTITION BY subject, period, is_prepaid) > 1"
)
"""Columns of `budgets`, for `terms_of`, where every budget of a selector that is in force is read.

Two of one selector and period differ by their zone.
"""


def terms_of(row: Sequence[Any]) -> Terms:
    """A budget as it is judged, from the values of `TERMS`."""
    id, selector, period, zone, limit, mode, clamp, counts_from, subject, *policy = row
    rules, allow_unpriced, is_prepaid, owner, needs_zone = policy
    return Terms(
        id=id,
        selector=selector,
        period=period,
        zone=zone,
        limit_nanousd=limit,
        mode=mode,
        clamp=clamp,
        counts_from_us=counts_from,
        subject=pairs_of(subject),
        rules=tuple(parse_rule(text) for text in json.loads(rules)),
        allow_unpriced=bool(allow_unpriced),
        is_prepaid=bool(is_prepaid),
        owner=owner,
        needs_zone=bool(needs_zone),
    )


def pairs_of(subject: str) -> tuple[tuple[str, str], ...]:
    """Pairs from the column `subject`."""
    return tuple((dimension, value) for dimension, value in json.loads(subject))


def pairs_text(pairs: Sequence[tuple[str, str]]) -> str:
    """Pairs as the column `subject` holds them."""
    return json.dumps([list(pair) for pair in pairs])


def rules_text(rules: Sequence[Rule]) -> str:
    """Rules as the column holds them."""
    return json.dumps([str(rule) for rule in rules])
