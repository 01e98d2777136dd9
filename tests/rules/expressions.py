"""Filters for Hypothesis: as trees, and written out as text by a hand that is not the parser's.

Nothing here calls the parser; of `ferrycli/rules/filters.py` only the table of fields is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import assert_never

from hypothesis import strategies as st

from ferrycli.rules.filters import (
    ALIASES,
    FIELDS,
    OPERATORS,
    Comparison,
    Every,
    Expression,
    Not,
    Some,
    Value,
)

Draw = Callable[[st.SearchStrategy[str]], str]

LETTERS = st.characters(codec="utf-8", exclude_characters="\x00")
"""Everything but what is in no name at all."""
ODD = "aAbZ é\u0301日😀\t\n\u2028\u202e\"'\\,()=!<>~*%_[];-"
NAMES = st.text(LETTERS, max_size=8) | st.text(st.sampled_from(ODD), max_size=6)
_TAG_NAME = re.compile(r"[^\s,()=!<>~\"']+")
TAG_NAMES = st.text(LETTERS, min_size=1, max_size=6).filter(
    lambda name: _TAG_NAME.fullmatch(name) is not None
)

FIELD_NAMES = st.sampled_from(tuple(FIELDS)) | TAG_NAMES.map(lambda name: f"tag:{name}")
NUMBERS = {
    "count": st.integers(0, 3_000) | st.integers(0, 10**12),
    "money": st.integers(0, 3 * 10**9) | st.integers(0, 10**18),
    "duration": st.integers(0, 3_000) | st.integers(0, 10**12),
    "flag": st.integers(0, 1),
}


def comparisons(
    fields: st.SearchStrategy[str] = FIELD_NAMES,
    texts: st.SearchStrategy[str] = NAMES,
    numbers: dict[str, st.SearchStrategy[int]] = NUMBERS,
) -> st.SearchStrategy[Comparison]:
    """One field against one value."""

    def one(field: str) -> st.SearchStrategy[Comparison]:
        kind = "text" if field.startswith("tag:") else FIELDS[field].kind
        values: st.SearchStrategy[Value] = texts if kind == "text" else numbers[kind]
        operators = st.sampled_from(OPERATORS[kind])
        return st.builds(Comparison, st.just(field), operators, values)

    return fields.flatmap(one)


def expressions(
    leaves: st.SearchStrategy[Comparison], leaves_max: int = 12
) -> st.SearchStrategy[Expression]:
    """Trees over `leaves`."""

    def above(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        several = st.lists(parts, min_size=2, max_size=4).map(tuple)
        return st.builds(Not, parts) | st.builds(Every, several) | st.builds(Some, several)

    return st.recursive(leaves, above, max_leaves=leaves_max)


@st.composite
def written(draw: Draw, expression: Expression) -> str:
    """`expression` as somebody may write it; parentheses stand where they must, or also more."""
    return _edge(draw) + _text(draw, expression, "some") + _edge(draw)


_SPACES = st.sampled_from([" ", "  ", "\t", "\n", " \r\n "])
_GAPS = st.sampled_from(["", "", " ", "  "])
_COIN = st.sampled_from(["heads", "tails", "tails", "tails"])


def _edge(draw: Draw) -> str:
    return draw(_GAPS)


def _is_heads(draw: Draw) -> bool:
    return draw(_COIN) == "heads"


def _cased(draw: Draw, word: str) -> str:
    return draw(st.sampled_from([word, word, word.upper(), word.capitalize()]))


def _text(draw: Draw, expression: Expression, place: str) -> str:
    """`place`: what stands around it: `some`, `every` or `one`."""
    needs = False
    match expression:
        case Comparison():
            inner = _comparison(draw, expression)
        case Not(part=part):
            inner = f"{_cased(draw, 'not')}{draw(_SPACES)}{_text(draw, part, 'one')}"
        case Every(parts=parts):
            inner = _text(draw, parts[0], "one")
            for part in parts[1:]:
                inner += _and(draw) + _text(draw, part, "one")
            needs = place == "one"
        case Some(parts=parts):
            inner = _text(draw, parts[0], "every")
            for part in parts[1:]:
                sign = f"{draw(_SPACES)}{_cased(draw, 'or')}{draw(_SPACES)}"
                inner += sign + _text(draw, part, "every")
            needs = place != "some"
        case _:
            assert_never(expression)
    if needs or (place == "some" and _is_heads(draw)):
        return f"({_edge(draw)}{inner}{_edge(draw)})"
    return inner


def _and(draw: Draw) -> str:
    if _is_heads(draw):
        return f"{_edge(draw)},{_edge(draw)}"
    return f"{draw(_SPACES)}{_cased(draw, 'and')}{draw(_SPACES)}"


def _comparison(draw: Draw, one: Comparison) -> str:
    name = _field(draw, one.field)
    kind = "text" if one.field.startswith("tag:") else FIELDS[one.field].kind
    if kind == "flag" and (one.operator, one.value) == ("=", 1) and _is_heads(draw):
        return name
    operator = "==" if one.operator == "=" and _is_heads(draw) else one.operator
    value = _texted(draw, str(one.value)) if kind == "text" else _number(draw, kind, one.value)
    return f"{name}{_edge(draw)}{operator}{_edge(draw)}{value}"


def _field(draw: Draw, field: str) -> str:
    if field.startswith("tag:"):
        return _cased(draw, "tag") + field.removeprefix("tag")
    others = [alias for alias, name in ALIASES.items() if name == field]
    return _cased(draw, draw(st.sampled_from([field, *others])))


_PLAIN = re.compile(r"[A-Za-z0-9_./:@%日é😀-]+")


def _texted(draw: Draw, value: str) -> str:
    if _PLAIN.fullmatch(value) and not _is_heads(draw):
        return value
    quote = draw(st.sampled_from(["'", '"']))
    inside = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{inside}{quote}"


_UNITS = {
    "count": {"": 1, "k": 10**3, "K": 10**3, "m": 10**6, "M": 10**6, "g": 10**9},
    "duration": {"": 1, "ms": 1, "MS": 1, "s": 1_000, "S": 1_000, "min": 60_000},
}


def _number(draw: Draw, kind: str, value: Value) -> str:
    amount = int(value)
    if kind == "flag":
        words = ["yes", "TRUE", "1"] if amount else ["no", "False", "0"]
        return _maybe_quoted(draw, draw(st.sampled_from(words)))
    if kind == "money":
        exact = f"{Decimal(amount) / 10**9:f}"
        return _maybe_quoted(draw, draw(st.sampled_from(["", "$"])) + exact)
    unit = draw(st.sampled_from(tuple(_UNITS[kind])))
    digits = f"{Decimal(amount) / _UNITS[kind][unit]:f}"
    # A sixtieth may have no end, and a number may have too many places.
    if len(digits) > 15:
        unit, digits = "", str(amount)
    return _maybe_quoted(draw, digits + unit)


def _maybe_quoted(draw: Draw, text: str) -> str:
    return f'"{text}"' if _is_heads(draw) else text
