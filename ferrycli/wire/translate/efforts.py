"""How much a model shall think: an effort in words, or a budget in tokens, and one as the other.

No two dialects mean quite the same by either. Where a model takes only budgets, an effort is said
as the budget of its row; where it takes only efforts, a budget as the highest effort whose row it
reaches.
"""

from __future__ import annotations

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked

BUDGET_TOKENS_MIN = 1_024
"""Anthropic takes no smaller budget."""

EFFORT_BUDGETS = {
    "minimal": BUDGET_TOKENS_MIN,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""From the least to the most."""

EFFORTS = ("none", *EFFORT_BUDGETS)

_EFFORTS_OF_BUDGETS = ("low", "medium", "high")
"""Every model that takes an effort takes these."""


def read_effort(asked: Asked, name: str = "effort") -> str:
    """An effort in words; empty where none is said."""
    effort = asked.text(name)
    if effort and effort not in EFFORTS:
        raise BadParameter(asked.at(name), effort[:40], f"one of {', '.join(EFFORTS)}")
    return effort


def effort_of(budget_tokens: int) -> str:
    """The effort that a budget is; 0 is `none`."""
    if budget_tokens <= 0:
        return "none"
    reached = [one for one in _EFFORTS_OF_BUDGETS if EFFORT_BUDGETS[one] <= budget_tokens]
    return reached[-1] if reached else _EFFORTS_OF_BUDGETS[0]
