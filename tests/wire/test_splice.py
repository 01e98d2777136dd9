"""Members of a body: found where they stand, and changed without a touch to any other byte."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.splice import (
    COMPACT_BYTES_MAX,
    Member,
    layout,
    members,
    nested,
    spliced,
    without,
)
from tests.wire.written import OBJECTS, RANDOMS, VALUES, escaped, string, written

NAMES = st.sampled_from(["model", "stream_options", "max_tokens", "a", "_"])


def values_of(body: bytes, found: list[Member]) -> dict[str, object]:
    return {one.name: json.loads(body[one.start : one.end]) for one in found}


@given(OBJECTS, RANDOMS)
def test_every_member_is_found_with_exactly_its_value(
    wanted: dict[str, object], random: Random
) -> None:
    body = written(wanted, random)
    found = members(body)
    assert values_of(body, found) == json.loads(body) == wanted
    assert [one.name for one in found] == list(wanted)
    for one in found:
        value = body[one.start : one.end]
        assert value == value.strip()


@given(OBJECTS, RANDOMS)
def test_known_values_are_stepped_over_to_the_same_end(
    wanted: dict[str, object], random: Random
) -> None:
    body = written(wanted, random)
    found = members(body)
    known = [body[one.start : one.end] for one in found if body[one.start : one.start + 1] in b"[{"]
    assert members(body, known) == found
    assert members(body, known[::-1]) == found


def test_a_known_value_is_not_read() -> None:
    large = b'[{"a":"' + b"x" * 1_000 + b'"}]'
    # Were it read, the bracket in the middle would end it.
    unreadable = b"[" + b"]" * 1_000 + b"]"
    body = b'{"messages":' + large + b',"n":1}'
    [messages, n] = members(body, [large])
    assert body[messages.start : messages.end] == large
    assert body[n.start : n.end] == b"1"
    [opaque, n] = members(b'{"messages":' + unreadable + b',"n":1}', [unreadable])
    assert (opaque.end - opaque.start, n.name) == (len(unreadable), "n")


@given(OBJECTS, st.dictionaries(NAMES, VALUES, max_size=3), RANDOMS)
def test_only_what_is_named_changes(
    wanted: dict[str, object], changes: dict[str, object], random: Random
) -> None:
    body = written(wanted, random)
    found = members(body)
    rendered = {name: written(value, random) for name, value in changes.items()}
    result = spliced(body, found, rendered)
    assert json.loads(result) == {**wanted, **changes}

    # The same, piece by piece: what stands between changed values is there byte for byte.
    pieces, position = [], 0
    for one in found:
        if one.name in rendered:
            pieces += [body[position : one.start], rendered[one.name]]
            position = one.end
    added = [f'"{name}":'.encode() + rendered[name] for name in changes if name not in wanted]
    if added:
        last = found[-1].end if found else body.index(b"{") + 1
        pieces += [body[position:last], b"," if found else b"", b",".join(added)]
        position = last
    assert result == b"".join([*pieces, body[position:]])


@given(OBJECTS, RANDOMS)
def test_nothing_named_changes_nothing(wanted: dict[str, object], random: Random) -> None:
    body = written(wanted, random)
    assert spliced(body, members(body), {}) == body


@given(OBJECTS, RANDOMS)
def test_a_value_set_to_its_own_bytes_changes_nothing(
    wanted: dict[str, object], random: Random
) -> None:
    body = written(wanted, random)
    found = members(body)
    own = {one.name: body[one.start : one.end] for one in found}
    assert spliced(body, found, own) == body


TWICE = [
    b'{"model":"a","model":"b"}',
    b'{"model":"a","n":1,"model":"a"}',
    b'{"model":1,"\\u006dodel":2}',
    b'{"\\u006d\\u006F\\u0064el":1, "model" : 2}',
    b'{"":1,"":2}',
    b'{"\\/":1,"/":2}',
    '{"é":1,"\\u00e9":2}'.encode(),
    '{"😀":1,"\\ud83d\\ude00":2}'.encode(),
]


@pytest.mark.parametrize("body", TWICE)
def test_a_name_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(BadParameter) as caught:
        members(body)
    assert caught.value.value == "twice"


@given(OBJECTS.filter(bool), VALUES, RANDOMS, st.data())
def test_a_name_written_again_in_any_way_is_refused(
    wanted: dict[str, object], value: object, random: Random, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(list(wanted)))
    again = data.draw(st.sampled_from([string(name, random), f'"{escaped(name)}"']))
    body = written(wanted, random)
    rest = body[body.index(b"{") + 1 :]
    with pytest.raises(BadParameter):
        members(b"{" + again.encode() + b":" + written(value, random) + b"," + rest)


def test_a_name_twice_inside_a_value_is_the_providers_business() -> None:
    body = b'{"metadata":{"a":1,"a":2},"messages":[{"role":"user","role":"system"}]}'
    assert [one.name for one in members(body)] == ["metadata", "messages"]


ADDED = [
    (b"{}", b'{"model":"m"}'),
    (b" { } ", b' {"model":"m" } '),
    (b'{"a":1}', b'{"a":1,"model":"m"}'),
    (b'{\n  "a": [1]\n}\n', b'{\n  "a": [1],"model":"m"\n}\n'),
    (b'{"a":"}"}', b'{"a":"}","model":"m"}'),
]


@pytest.mark.parametrize(("body", "expected"), ADDED)
def test_a_missing_member_is_added_after_the_last(body: bytes, expected: bytes) -> None:
    assert spliced(body, members(body), {"model": b'"m"'}) == expected


def test_a_name_within_text_is_no_member() -> None:
    body = rb'{"a":"\"model\":\"x\"","b":["model",{"model":"y"}],"model":"z"}'
    found = members(body)
    assert spliced(body, found, {"model": b'"m"'}) == body.replace(b'"z"', b'"m"')


def test_a_long_refused_name_is_cut() -> None:
    name = b"n" * 5_000
    with pytest.raises(BadParameter) as caught:
        members(b'{"' + name + b'":1,"' + name + b'":2}')
    assert len(caught.value.field) <= 64


# Inside an object, and without a member -----------------------------------------------------


@given(OBJECTS, NAMES, RANDOMS)
def test_a_member_inside_is_set_and_no_other(
    wanted: dict[str, object], name: str, random: Random
) -> None:
    body = written({"outer": wanted}, random)
    value = nested(body, members(body), "outer", name, b"[7]")
    assert json.loads(value) == {**wanted, name: [7]}


@pytest.mark.parametrize("body", [b"{}", b'{"outer":null}', b'{"other":{"a":1}}'])
def test_an_object_is_made_where_there_is_none(body: bytes) -> None:
    assert nested(body, members(body), "outer", "a", b"1") == b'{"a":1}'


@given(OBJECTS, st.data(), RANDOMS)
def test_members_are_left_out_and_the_others_keep_their_bytes(
    wanted: dict[str, object], data: st.DataObject, random: Random
) -> None:
    body = written(wanted, random)
    names = data.draw(st.sets(st.sampled_from([*wanted, "none"])))
    left = without(body, names)
    assert json.loads(left) == {name: one for name, one in wanted.items() if name not in names}
    kept = [body[one.start : one.end] for one in members(body) if one.name not in names]
    assert [left[one.start : one.end] for one in members(left)] == kept
    if not names & set(wanted):
        assert left == body


def found_in(body: bytes) -> object:
    """The members by the layout, or the fields of the refusal."""
    try:
        return list(layout(body).members)
    except BadParameter as refused:
        return vars(refused)


def looked_for_in(body: bytes) -> object:
    try:
        return members(body)
    except BadParameter as refused:
        return vars(refused)


@given(OBJECTS, RANDOMS, st.booleans(), st.data())
def test_a_layout_has_the_members_whenever_they_are_looked_for(
    wanted: dict[str, object], random: Random, is_twice: bool, data: st.DataObject
) -> None:
    compact = json.dumps(wanted, separators=(",", ":"), ensure_ascii=False).encode()
    for body in (compact, written(wanted, random)):
        again = body
        if wanted and is_twice:
            name = data.draw(st.sampled_from(list(wanted)))
            again = body.rstrip()[:-1] + b"," + string(name, random).encode() + b":1}"
        assert found_in(again) == looked_for_in(again)


@pytest.mark.parametrize("body", TWICE)
def test_a_layout_has_no_name_twice(body: bytes) -> None:
    with pytest.raises(BadParameter):
        layout(body)


COMPACT = b'{"model":"m","a":[1,{"b":"c"}],"d":"\\u00e9"}'


def test_members_are_looked_for_late_where_nothing_can_stand_twice() -> None:
    assert layout(COMPACT).names == {"model", "a", "d"}
    assert layout(b"{}").members == ()
    long = b'{"a":"' + b"x" * COMPACT_BYTES_MAX + b'"}'
    for body in (COMPACT.replace(b":", b": "), b'{"\\u0061":1}', '{"é":1}'.encode(), long, b"{ }"):
        late = layout(body)
        assert late.names is None
        assert list(late.members) == members(body)
