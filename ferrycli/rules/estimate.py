"""Estimates of tokens where a reply brought no usage, and before there is a reply.

Characters per token are medians over recorded plain replies (docs/money.md, section 8); they are
replaced by a model's own learned ratio where there is one.
"""

from __future__ import annotations

CHARS_PER_TOKEN_DECI = {"openai": 39, "google": 35, "anthropic": 30}
"""Tenths of characters per output token, by maker."""
CHARS_PER_TOKEN_DECI_DEFAULT = 30
"""Unknown makers get the smallest ratio: the estimate that charges most."""

LIKELY_SHARE = 4
"""An answer of which nothing is known is taken for a quarter of `e`: the median of answers whose
95th percentile is `e`, for a lognormal with sigma 0.85."""


def chars_per_token_deci(model: str) -> int:
    """Tenths of characters per token for `model`, by the family that its name shows."""
    name = model.rpartition("/")[2].lower()
    if name.startswith(("gpt", "o1", "o3", "o4", "chatgpt")):
        return CHARS_PER_TOKEN_DECI["openai"]
    if name.startswith(("gemini", "gemma")):
        return CHARS_PER_TOKEN_DECI["google"]
    if name.startswith("claude"):
        return CHARS_PER_TOKEN_DECI["anthropic"]
    return CHARS_PER_TOKEN_DECI_DEFAULT


def likely_answer(expected_tokens: int, asked_tokens: int | None) -> int:
    """Tokens of an answer before there is one: by `e`, and no more than were asked for."""
    likely = expected_tokens // LIKELY_SHARE
    return likely if asked_tokens is None else min(likely, asked_tokens)


def tokens(characters: int, model: str) -> int:
    """Tokens in `characters` characters of `model`'s text, rounded up."""
    return -(-characters * 10 // chars_per_token_deci(model))
