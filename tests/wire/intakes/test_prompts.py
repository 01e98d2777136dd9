"""Prompts and inputs: how many continuations are made of them, and how much input they can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.ceilings import Bounds, ceiling
from ferrycli.rules.denials import BadParameter
from ferrycli.rules.pricing import Rate, RateCard, Step
from ferrycli.wire.intakes.checks import CHOICES_MAX
from ferrycli.wire.intakes.completions import PROMPTS_MAX
from tests.wire.intakes.asked import facts_of

CHOICES: list[tuple[dict[str, Any], int]] = [
    ({}, 1),
    ({"n": 3}, 3),
    ({"best_of": 5}, 5),
    ({"n": 2, "best_of": 5}, 5),
    ({"n": 5, "best_of": 2}, 5),
    ({"prompt": ["a", "b"]}, 2),
    ({"prompt": ["a", "b"], "n": 3, "best_of": 4}, 8),
    ({"prompt": [1, 2, 3]}, 1),
    ({"prompt": [[1, 2], [3]]}, 2),
    ({"prompt": ["a", [1]]}, 2),
    ({"prompt": None}, 1),
    ({"prompt": ["a"] * PROMPTS_MAX}, PROMPTS_MAX),
]


@pytest.mark.parametrize(("more", "choices"), CHOICES)
def test_every_continuation_counts(more: dict[str, object], choices: int) -> None:
    assert facts_of("completions", **more).choices == choices


BAD: list[tuple[dict[str, Any], str]] = [
    ({"prompt": []}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": {}}, "prompt"),
    ({"prompt": [1, "a"]}, "prompt"),
    ({"prompt": ["a", 1]}, "prompt"),
    ({"prompt": [["a"]]}, "prompt"),
    ({"prompt": [1.5]}, "prompt"),
    ({"prompt": [None]}, "prompt"),
    ({"prompt": ["a"] * (PROMPTS_MAX + 1)}, "prompt"),
    ({"n": 0}, "n"),
    ({"n": CHOICES_MAX + 1}, "n"),
    ({"best_of": 0}, "best_of"),
    ({"best_of": 10**6}, "best_of"),
    ({"best_of": "2"}, "best_of"),
    ({"stream_options": []}, "stream_options"),
]


@pytest.mark.parametrize(("more", "field"), BAD)
def test_a_bad_parameter_is_refused_by_its_name(more: dict[str, object], field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        facts_of("completions", **more)
    assert caught.value.field == field


def test_a_prompt_may_be_scored_and_said_again() -> None:
    got = facts_of("completions", prompt="x" * 50, echo=True, max_tokens=0)
    assert (got.output_asked, got.predicted_bytes) == (0, 52)
    assert facts_of("completions", prompt="x" * 50).predicted_bytes == 0
    assert facts_of("completions", models=["x"]).unbounded_field == "models"


TOKENS = st.lists(st.integers(0, 300_000), min_size=1, max_size=30)


@pytest.mark.parametrize(("name", "member"), [("completions", "prompt"), ("embeddings", "input")])
@given(TOKENS | st.lists(TOKENS, min_size=1, max_size=5))
def test_tokens_are_no_more_than_their_bound(
    name: str, member: str, tokens: list[int] | list[list[int]]
) -> None:
    counted = sum(len(one) if isinstance(one, list) else 1 for one in tokens)
    got = facts_of(name, **{member: tokens})
    assert got.input_bound is not None
    assert got.input_bound >= counted


@pytest.mark.parametrize(
    "said", [{"image": "https://a.example/b.png"}, [{"image": "data:..."}], ["a", {"text": "b"}]]
)
def test_an_input_that_is_no_text_may_be_elsewhere(said: object) -> None:
    assert facts_of("embeddings", input=said).input_bound is None


def test_embeddings_are_read() -> None:
    got = facts_of("embeddings", user="u", dimensions=3, metadata={"a": "b"})
    assert (got.output_asked, got.output_fields, got.messages) == (0, (), ())
    assert (got.fields, got.metadata) == ({"user": "u"}, {"a": "b"})
    with pytest.raises(BadParameter):
        facts_of("embeddings", model=5)


def test_embeddings_have_a_ceiling_where_their_answer_has_the_rate_of_nothing() -> None:
    got = facts_of("embeddings", input="x" * 1_000)
    assert got.input_bound is not None
    card = RateCard("p", "m", (Step(0, Rate(input=20_000_000, output=0)),))
    limits = ceiling(card, Bounds(got.input_bound, got.choices))
    assert limits is not None
    assert got.output_asked is not None
    assert limits.at(got.output_asked) == limits.input_nanousd
