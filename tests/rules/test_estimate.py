"""Estimates where a reply brought no usage: characters become tokens, never too few."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.estimate import CHARS_PER_TOKEN_DECI_DEFAULT, chars_per_token_deci, tokens

FAMILIES = [
    ("gpt-5.6", 39),
    ("openai/gpt-5.6-mini", 39),
    ("openrouter/openai/gpt-4.1", 39),
    ("GPT-4o", 39),
    ("o1", 39),
    ("o3-mini", 39),
    ("o4-mini", 39),
    ("chatgpt-4o-latest", 39),
    ("gemini-3.8-flash", 35),
    ("models/gemini-2.5-pro", 35),
    ("gemma-3-27b", 35),
    ("claude-opus-5.5", 30),
    ("anthropic/claude-haiku-5.5", 30),
    ("us.anthropic.claude-sonnet-5-5-v1:0", 30),
    ("mistral-large", 30),
    ("llama-4", 30),
    ("my-gpt", 30),
    ("", 30),
    ("gpt-4/", 30),
]


@pytest.mark.parametrize(("model", "expected"), FAMILIES)
def test_a_models_family_gives_its_characters_per_token(model: str, expected: int) -> None:
    assert chars_per_token_deci(model) == expected


def test_an_unknown_maker_gets_the_ratio_that_charges_most() -> None:
    known = [chars_per_token_deci(model) for model in ("gpt-5.6", "gemini-3", "claude-opus-5.5")]
    assert min(known) == CHARS_PER_TOKEN_DECI_DEFAULT


COUNTS = [
    ("gpt-5.6", 0, 0),
    ("gpt-5.6", 1, 1),
    ("gpt-5.6", 39, 10),
    ("gpt-5.6", 40, 11),
    ("gemini-3", 35, 10),
    ("gemini-3", 36, 11),
    ("claude-opus-5.5", 3, 1),
    ("claude-opus-5.5", 4, 2),
]


@pytest.mark.parametrize(("model", "characters", "expected"), COUNTS)
def test_a_token_begun_is_a_token(model: str, characters: int, expected: int) -> None:
    assert tokens(characters, model) == expected


@given(st.integers(0, 10**9), st.sampled_from([model for model, _ in FAMILIES]))
def test_tokens_are_the_ratio_rounded_up(characters: int, model: str) -> None:
    ratio = Fraction(chars_per_token_deci(model), 10)
    assert tokens(characters, model) == ceil(characters / ratio)
