"""Conditions of routes: the `--where` language over what is known before a call goes out."""

from __future__ import annotations

import pytest

from ferrycli.rules.errors import BadFilter
from ferrycli.rules.filters import (
    ALIASES,
    FIELDS,
    OPERATORS,
    ROUTE_FIELDS,
    Comparison,
    Every,
    Value,
    kind_of,
    parse_filter,
    predicate,
)
from ferrycli.rules.words import words


def test_a_condition_asks_for_what_is_known_before_the_call() -> None:
    assert " ".join(ROUTE_FIELDS) == (
        "tenant user assistant thread feature key priority model stream input used"
    )
    assert set(ALIASES.values()) <= set(ROUTE_FIELDS)


@pytest.mark.parametrize("name", [*ROUTE_FIELDS, *ALIASES, "tag:plan"])
def test_every_field_can_be_asked_with_each_of_its_operators(name: str) -> None:
    field = ALIASES.get(name, name)
    kind = kind_of(field, ROUTE_FIELDS)
    for operator in OPERATORS[kind]:
        value: Value = "1" if kind == "text" else 1
        assert parse_filter(f"{name}{operator}1", ROUTE_FIELDS) == Comparison(
            field, operator, value
        )


@pytest.mark.parametrize("name", sorted({*FIELDS} - {*ROUTE_FIELDS}))
def test_what_is_known_only_afterwards_is_refused(name: str) -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter(f"tenant=a and {name}=1", ROUTE_FIELDS)
    assert (refused.value.at, refused.value.name) == (13, name)
    assert refused.value.known == (*ROUTE_FIELDS, *ALIASES)
    assert words(refused.value).sentence == (
        f"the filter cannot be read: there is no field `{name}`"
    )


def test_how_much_is_used_is_no_field_of_a_call_that_has_ended() -> None:
    with pytest.raises(BadFilter):
        parse_filter("used>80")
    assert parse_filter("used>80", ROUTE_FIELDS) == Comparison("used", ">", 80)


CALL: dict[str, Value] = {
    "tenant": "acme", "priority": "normal", "model": "gpt-5", "stream": 1, "used": 80,
    "input": 2_000, "tag:plan": "gold",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("used>=80", True), ("used>80", False), ("input<=2k and tag:plan=gold", True),
        ("stream, priority!=critical", True), ("not stream", False), ("model~GPT", True),
        ("agent=bot", False), ("user=''", False),
    ],
)  # fmt: skip
def test_a_condition_holds_of_a_call(text: str, holds: bool) -> None:
    assert predicate(parse_filter(text, ROUTE_FIELDS))(CALL.get) is holds


def test_parts_in_brackets_are_read_over_the_same_table() -> None:
    used = Comparison("used", ">", 80)
    assert parse_filter("(stream and (used>80))", ROUTE_FIELDS) == Every(
        (Comparison("stream", "=", 1), used)
    )
