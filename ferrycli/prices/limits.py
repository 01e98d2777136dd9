"""Longest answers of models that cannot give 8,192 tokens, which the price catalogue lacks.

ferry may put a bound of up to 8,192 tokens into a request; these models refuse more than they can.
Source: the model pages of OpenAI and Anthropic, as of November 2026.
"""

from __future__ import annotations

_OUTPUT_TOKENS_MAX = (
    ("gpt-3.5-turbo", 4_096),
    ("gpt-4-turbo", 4_096),
    ("gpt-4-1106", 4_096),
    ("gpt-4-0125", 4_096),
    ("gpt-4-vision", 4_096),
    ("gpt-4o-2024-05-13", 4_096),
    ("claude-3-haiku", 4_096),
    ("claude-3-sonnet", 4_096),
    ("claude-3-opus", 4_096),
    ("claude-2", 4_096),
)
"""Beginnings of ids, and the tokens that the model can answer with."""

_EXACT = {"gpt-4": 8_192, "gpt-4-0613": 8_192, "gpt-4-32k": 8_192}


def output_tokens_max(model: str) -> int | None:
    """The longest answer of `model`; None where it is not known to be short."""
    if (exact := _EXACT.get(model)) is not None:
        return exact
    for beginning, tokens in _OUTPUT_TOKENS_MAX:
        if model.startswith(beginning):
            return tokens
    return None
