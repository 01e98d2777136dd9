"""What the row of a denied call says of why: the rule that refused it, and the words for it.

Only where the ledger's own state refused: what a request says of itself is not kept in words.
"""

from __future__ import annotations

from ferrycli.rules.denials import (
    BudgetRefusal,
    BudgetSpent,
    CallUnbounded,
    LoopDetected,
    ModelUnpriced,
    NoTarget,
    RateLimited,
)
from ferrycli.rules.errors import FerryError
from ferrycli.rules.standings import Standing
from ferrycli.rules.thresholds import REFUSING, active
from ferrycli.rules.words import words
from ferrycli.store.alerts import EXHAUSTED_PERCENT

_KEPT = (BudgetRefusal, RateLimited, ModelUnpriced, CallUnbounded, LoopDetected, NoTarget)


def rule_of(refusal: FerryError, standing: Standing | None) -> str:
    """The rule or limit that refused, as it is written; empty where none did.

    `standing`: of the budget that refused. One that has no money for a call is at 100 %.
    """
    if isinstance(refusal, RateLimited):
        per = "/min" if refusal.what == "throttle" else ""
        return f"{refusal.selector}: {refusal.what} {refusal.limit}{per}"
    if standing is None or not isinstance(refusal, BudgetSpent):
        return ""
    terms = standing.terms
    rule = active(terms.rules, standing.used, standing.base).steering
    if rule is None or rule.action not in REFUSING:
        full = (one for one in terms.rules if one.percent == EXHAUSTED_PERCENT)
        rule = next((one for one in full if one.action in REFUSING), None)
    return f"{terms.selector}: {rule}" if rule is not None else ""


def reason_of(refusal: FerryError) -> str:
    """What the caller was told: how much was needed, of what."""
    return words(refusal).sentence if isinstance(refusal, _KEPT) else ""


def free_of(refusal: FerryError) -> int | None:
    """What a budget that refused had free; None where it was no budget."""
    return refusal.free_nanousd if isinstance(refusal, BudgetRefusal) else None
