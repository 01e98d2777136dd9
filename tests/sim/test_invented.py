"""Values made up for schemas, and the tokens that texts are cut into."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.sim import tokens
from ferrycli.sim.dice import Dice
from ferrycli.sim.invented import VALUES_MAX, Inventor

TREE: dict[str, object] = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["children"],
        }
    },
    "$ref": "#/$defs/node",
}

FITS: list[tuple[object, object]] = [
    ({"const": 7}, [7]),
    ({"enum": ["a", "b", None]}, ["a", "b", None]),
    ({"type": "boolean"}, [True, False]),
    ({"type": "null"}, [None]),
    ({"type": ["null"]}, [None]),
    ({"type": "integer", "minimum": 3, "maximum": 3}, [3]),
    ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, [4]),
    ({"type": "integer", "minimum": 2.5, "maximum": 3.5}, [3]),
    ({"type": "integer", "minimum": 1e999, "maximum": 1}, range(-39, 2)),
    ({"type": "integer", "maximum": -5}, range(-45, -4)),
    ({"type": "number", "minimum": 0.2, "maximum": 0.4}, [(0.2 + 0.4) / 2]),
    ({"type": "number", "minimum": 1, "maximum": 1}, [1]),
    ({"type": "string", "maxLength": 0}, [""]),
    ({"type": "string", "format": "date"}, ["2026-11-23"]),
    ({"anyOf": [{"const": 1}, {"const": 2}]}, [1]),
    ({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"const": 5}}}, [{"a": 5}]),
    ({"type": "object"}, [{}]),
    ({"type": "array", "maxItems": 0}, [[]]),
    ({"type": "array", "minItems": 4, "maxItems": 4, "items": {"const": 0}}, [[0, 0, 0, 0]]),
    ({"$ref": "#"}, ["*"]),
]


@pytest.mark.parametrize(
    ("schema", "allowed"), FITS, ids=lambda each: json.dumps(each, default=str)
)
@pytest.mark.parametrize("seed", range(8))
def test_a_value_fits_its_schema(schema: object, allowed: object, seed: int) -> None:
    value = Inventor("What is it?", Dice(seed)).value(schema)
    assert isinstance(allowed, list | range)
    assert allowed == ["*"] or value in allowed


@pytest.mark.parametrize(
    ("field", "expected"),
    [("city", "Lisbon"), ("user_city", "Lisbon"), ("query", "weather"), ("search-term", "weather")],
)
def test_words_of_the_question_stand_where_they_are_asked_for(field: str, expected: str) -> None:
    schema = {"properties": {field: {"type": "string"}}}
    value = Inventor("Find the weather in Lisbon", Dice(1)).value(schema)
    # Of equally long words the topic is the last; `Lisbon` is shorter than `weather`.
    assert value == {field: expected}


@pytest.mark.parametrize("seed", range(8))
def test_a_tree_without_end_ends(seed: int) -> None:
    value = Inventor("", Dice(seed)).value(TREE)
    assert isinstance(value, dict)
    assert 0 < json.dumps(value).count("children") <= VALUES_MAX


def test_a_schema_that_asks_for_a_million_values_gets_some() -> None:
    wide = {"type": "array", "minItems": 10**6, "items": {"const": 1}}
    value = Inventor("", Dice(1)).value({"properties": {"a": wide, "b": wide}})
    assert len(json.dumps(value)) < 10 * VALUES_MAX


SCHEMA_WORDS = st.sampled_from(
    "type properties required items enum const anyOf oneOf $ref minimum maximum minItems maxItems"
    " exclusiveMinimum exclusiveMaximum minLength maxLength format object array integer number"
    " string null #/properties #".split()
)
SCHEMAS = st.recursive(
    SCHEMA_WORDS | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCHEMA_WORDS, inner, max_size=6),
    max_leaves=20,
)


@given(schema=SCHEMAS, seed=st.integers(0))
def test_any_schema_gets_a_value_that_is_json(schema: object, seed: int) -> None:
    value = Inventor("Where is Bergen?", Dice(seed)).value(schema)
    assert len(json.dumps(value, allow_nan=False)) < 1_000 * VALUES_MAX


@given(st.text())
def test_the_tokens_of_a_text_joined_are_the_text(text: str) -> None:
    pieces = list(tokens.split(text))
    assert "".join(pieces) == text
    assert all(pieces)
    assert tokens.count(text) == len(pieces)


@given(st.integers(0, 2**64 - 1), st.integers(1, 10**6))
def test_dice_stay_within_their_sides(seed: int, sides: int) -> None:
    first, second = Dice(seed), Dice(seed)
    rolls = [first.below(sides) for _ in range(5)]
    assert rolls == [second.below(sides) for _ in range(5)]
    assert all(0 <= roll < sides for roll in rolls)
