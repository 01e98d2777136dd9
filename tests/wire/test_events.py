"""The body of events: what it says, what is refused by name, and that it is read alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, NotJson
from ferrycli.rules.meters import Receipt
from ferrycli.rules.words import words
from ferrycli.wire.events import EVENTS_MAX, Told, events_body, read_events

SALT = b"salt"
EVENT: dict[str, Any] = {"id": "e-1", "meter": "vector_read", "quantity": 1_200}
NOON = int(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()) * 1_000_000


def body(**more: Any) -> bytes:
    return json.dumps(EVENT | more).encode()


def read(*events: dict[str, Any]) -> tuple[Told, ...]:
    return read_events(json.dumps({"events": list(events)}).encode(), SALT)


def test_an_event_is_read_alone_and_in_a_list() -> None:
    (alone,) = read_events(body(), SALT)
    assert (alone.id, alone.meter, alone.quantity) == ("e-1", "vector_read", 1_200)
    assert (alone.cost_nanousd, alone.occurred_us, alone.own, alone.metadata) == (
        None,
        None,
        {},
        {},
    )
    assert read(EVENT) == (alone,)
    assert [one.id for one in read(EVENT, EVENT | {"id": "e-2"})] == ["e-1", "e-2"]


def test_dimensions_and_metadata_are_its_own() -> None:
    (told,) = read_events(
        body(tenant="acme", feature="", thread=None, metadata={"job": "nightly", "n": 3}), SALT
    )
    assert told.own == {"tenant": "acme"}
    assert told.metadata == {"job": "nightly"}


@pytest.mark.parametrize(
    ("written", "nanousd"),
    [
        ("0", 0),
        ("0.0000004", 400),
        ('"0.0000004"', 400),
        ("1e-10", 1),
        ("4E-7", 400),
        ("0.1", 100_000_000),
        ("1000000", 1_000_000 * 10**9),
        ("null", None),
        ("0.00000000000000000000000000000000000000000001", 1),
    ],
)
def test_a_cost_is_read_as_it_is_written_and_rounded_up(written: str, nanousd: int | None) -> None:
    text = json.dumps(EVENT)[:-1] + f', "cost_usd": {written}}}'
    assert read_events(text.encode(), SALT)[0].cost_nanousd == nanousd


@pytest.mark.parametrize(
    "written",
    ["2026-11-18T12:00:00Z", "2026-11-18T13:00:00+01:00", "2026-11-18 12:00:00.000000Z"],
)
def test_a_time_is_read_in_any_zone(written: str) -> None:
    assert read_events(body(occurred_at=written), SALT)[0].occurred_us == NOON


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": " x"}, "id"),
        ({"id": "a\u202eb"}, "id"),
        ({"id": 7}, "id"),
        ({"meter": ""}, "meter"),
        ({"meter": "a b"}, "meter"),
        ({"meter": "meter/vector_read"}, "meter"),
        ({"meter": "x" * 101}, "meter"),
        ({"meter": "mémoire"}, "meter"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 10**12 + 1}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": "3"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"cost_usd": -0.1}, "cost_usd"),
        ({"cost_usd": 1_000_000.000000001}, "cost_usd"),
        ({"cost_usd": "NaN"}, "cost_usd"),
        ({"cost_usd": "Infinity"}, "cost_usd"),
        ({"cost_usd": "1e999999999"}, "cost_usd"),
        ({"cost_usd": "much"}, "cost_usd"),
        ({"occurred_at": "2026-11-18T12:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1_763_467_200}, "occurred_at"),
        ({"tenant": 5}, "tenant"),
        ({"metadata": []}, "metadata"),
        ({"occured_at": "2026-11-18T12:00:00Z"}, "occured_at"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(more: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as refused:
        read_events(body(**more), SALT)
    assert refused.value.field == field
    with pytest.raises(BadParameter) as refused:
        read(EVENT, EVENT | {"id": "e-2"} | more)
    assert refused.value.field == f"events[1].{field}"
    assert words(refused.value).sentence.startswith(f"`events[1].{field}` cannot be ")


@pytest.mark.parametrize("missing", sorted(EVENT))
def test_what_is_missing_is_named(missing: str) -> None:
    whole = {name: value for name, value in EVENT.items() if name != missing}
    with pytest.raises(BadParameter) as refused:
        read_events(json.dumps(whole).encode(), SALT)
    assert (refused.value.field, refused.value.value) == (missing, "missing")


def test_a_list_has_its_bounds_and_nothing_beside_it() -> None:
    assert len(read(*(EVENT | {"id": str(at)} for at in range(EVENTS_MAX)))) == EVENTS_MAX
    wrongs: list[Any] = [
        {"events": []},
        {"events": [EVENT] * (EVENTS_MAX + 1)},
        {"events": EVENT},
        {"events": None},
        {"events": [EVENT], "tenant": "acme"},
        {"events": ["e"]},
    ]
    for wrong in wrongs:
        with pytest.raises(BadParameter):
            read_events(json.dumps(wrong).encode(), SALT)


def test_what_it_says_makes_its_hash_and_not_how_it_is_written() -> None:
    text = (
        '{"quantity": 1200, "meter": "vector_read", "id": "other", "feature": null,'
        ' "cost_usd": "0.50", "metadata": {"b": "2", "a": "1"}, "occurred_at":'
        ' "2026-11-18T13:00:00+01:00"}'
    )
    (one,) = read_events(text.encode(), SALT)
    same: dict[str, Any] = {
        "cost_usd": 0.5,
        "metadata": {"a": "1", "b": "2"},
        "occurred_at": "2026-11-18T12:00:00Z",
    }
    (other,) = read_events(body(**same), SALT)
    assert one.body_hash == other.body_hash
    assert -(1 << 63) <= one.body_hash < 1 << 63
    assert read_events(body(**same), b"else")[0].body_hash != one.body_hash
    for change in (
        {"quantity": 1},
        {"meter": "x"},
        {"cost_usd": 0.4},
        {"occurred_at": None},
        {"user": "ann"},
        {"metadata": {"a": "1", "b": 2}},
    ):
        assert read_events(body(**(same | change)), SALT)[0].body_hash != one.body_hash, change


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | st.dictionaries(st.sampled_from([*EVENT, "events", "cost_usd"]), JSON))
def test_any_bytes_are_read_or_refused(data: bytes | dict[str, Any]) -> None:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    try:
        events = read_events(raw, SALT)
    except (BadParameter, NotJson):
        return
    assert all(safe(one.id) == one.id for one in events)


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"[]",
        b"null",
        b"\xff{}",
        b'{"events": ' * 100_000,
        b'{"events": [' + b"[" * 100_000,
        b'{"id": "a", "meter": "b", "quantity": ' + b"9" * 10_000 + b"}",
        b'{"id": "a", "meter": "b", "quantity": 1, "cost_usd": ' + b"9" * 10_000 + b"}",
        b'{"id": "a", "meter": "b", "quantity": 1, "metadata": '
        + b'{"a":' * 500
        + b"1"
        + b"}" * 501,
        b'{"id": "\\ud800", "meter": "b", "quantity": 1}',
    ],
)
def test_hostile_bodies_do_no_harm(hostile: bytes) -> None:
    try:
        read_events(hostile, SALT)
    except (BadParameter, NotJson) as refused:
        assert len(words(refused).sentence) < 600  # noqa: PT017


def test_a_receipt_says_what_became_of_each() -> None:
    receipt = Receipt("e-1", "c_01", "vector_read", 1_200, None, "unpriced", NOON, True)
    assert json.loads(events_body([receipt])) == {
        "schema": "ferry.events/1",
        "events": [
            {
                "id": "e-1",
                "call": "c_01",
                "meter": "vector_read",
                "quantity": 1_200,
                "cost_nanousd": None,
                "cost_source": "unpriced",
                "counted_at": "2026-11-18T12:00:00.000000Z",
                "duplicate": True,
            }
        ],
    }
