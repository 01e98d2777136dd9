"""Estimates of tokens where a reply brought no usage, and before there is a reply.

Characters per token are medians over recorded plain replies; of an answer they are replaced by
what was learned of the model, where that is enough. Source: docs/money.md, section 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

CHARS_PER_TOKEN_DECI = {"openai": 39, "google": 35, "anthropic": 30}
"""Tenths of characters per output token, by maker."""
CHARS_PER_TOKEN_DECI_DEFAULT = 30
"""Unknown makers get the smallest ratio: the estimate that charges most."""

CHARS_PER_TOKEN_MIN, CHARS_PER_TOKEN_MAX = 1, 8
"""What is learned lies between these: an answer of other counts is no plain text, or its tokens
were not counted. So no learned ratio makes an estimate near free."""
TOKENS_PER_SECOND_MAX = 5_000
MODELS_KEPT_MAX = 1_024

LIKELY_SHARE = 4
"""An answer of which nothing is known is taken for a quarter of `e`: the median of answers whose
95th percentile is `e`, for a lognormal with sigma 0.85."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model answers, learned from its own replies; None: not enough of them yet."""

    chars_per_token_milli: int | None = None
    """Thousandths of characters per token of plain text."""
    tokens_per_second_milli: int | None = None
    """Thousandths of tokens a second of each choice, thoughts included, from when it was sent."""
    has_thoughts: bool = False
    """Whether tokens of reasoning were reported: these may be made out of sight."""


UNLEARNED = Manner()


@lru_cache(MODELS_KEPT_MAX)
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


def answer_tokens(characters: int, model: str, manner: Manner = UNLEARNED) -> int:
    """Tokens in `characters` characters of an answer, by the model's own ratio where it is known.

    Rounded up: what was delivered is never free.
    """
    ratio = manner.chars_per_token_milli
    return tokens(characters, model) if ratio is None else -(-characters * 1_000 // ratio)


def unseen_tokens(
    elapsed_us: int, manner: Manner, choices: int, choice_max: int | None, *, is_stream: bool
) -> int:
    """Tokens that may have been made in `elapsed_us` without being seen; 0 where all are.

    Out of sight are the thoughts of a model that has them, and a whole reply until it is there.
    `choice_max`: no more for each choice; None: nothing bounds them.
    """
    speed = manner.tokens_per_second_milli
    if speed is None or (is_stream and not manner.has_thoughts):
        return 0
    made = -(-max(elapsed_us, 0) * speed // 1_000_000_000)
    return (made if choice_max is None else min(made, choice_max)) * choices
