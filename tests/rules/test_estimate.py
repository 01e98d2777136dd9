"""Estimates where a reply brought no usage: characters become tokens, never too few."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.estimate import (
    CHARS_PER_TOKEN_DECI_DEFAULT,
    CHARS_PER_TOKEN_MAX,
    UNLEARNED,
    Manner,
    answer_tokens,
    chars_per_token_deci,
    tokens,
    unseen_tokens,
)

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


LEARNED = [
    # Characters, thousandths of characters per token, tokens.
    (0, 4_200, 0),
    (1, 4_200, 1),
    (42, 4_200, 10),
    (43, 4_200, 11),
    (100, 1_000, 100),
    (8, 8_000, 1),
    (9, 8_000, 2),
    (39, None, 10),
    (40, None, 11),
]


@pytest.mark.parametrize(("characters", "ratio", "expected"), LEARNED)
def test_a_models_own_ratio_counts_where_it_is_learned(
    characters: int, ratio: int | None, expected: int
) -> None:
    assert answer_tokens(characters, "gpt-5.6", Manner(ratio)) == expected


@given(st.integers(1, 10**9), st.integers(1_000, CHARS_PER_TOKEN_MAX * 1_000))
def test_no_ratio_makes_what_was_delivered_free(characters: int, ratio: int) -> None:
    assert answer_tokens(characters, "m", Manner(ratio)) >= max(1, characters // 8)


SPEED = Manner(tokens_per_second_milli=80_000)
THINKER = Manner(tokens_per_second_milli=80_000, has_thoughts=True)
UNSEEN = [
    # Manner, microseconds, choices, bound of each, stream; tokens.
    (THINKER, 10_000_000, 1, None, True, 800),
    (THINKER, 10_000_001, 1, None, True, 801),
    (THINKER, 0, 1, None, True, 0),
    (THINKER, -5, 1, None, True, 0),
    (THINKER, 10_000_000, 3, None, True, 2_400),
    (THINKER, 10_000_000, 1, 800, True, 800),
    (THINKER, 10_000_000, 1, 799, True, 799),
    (THINKER, 10_000_000, 3, 100, True, 300),
    (THINKER, 10_000_000, 1, 0, True, 0),
    # All that it makes is seen as it comes; of a whole reply nothing is until it is there.
    (SPEED, 10_000_000, 1, None, True, 0),
    (SPEED, 10_000_000, 1, None, False, 800),
    (UNLEARNED, 10_000_000, 1, None, False, 0),
    (Manner(has_thoughts=True), 10_000_000, 1, None, True, 0),
]


@pytest.mark.parametrize(("manner", "us", "choices", "bound", "is_stream", "expected"), UNSEEN)
def test_what_is_made_out_of_sight_is_taken_by_time(
    manner: Manner, us: int, choices: int, bound: int | None, is_stream: bool, expected: int
) -> None:
    assert unseen_tokens(us, manner, choices, bound, is_stream=is_stream) == expected
