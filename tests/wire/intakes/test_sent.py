"""What is sent: the caller's own bytes in every dialect, but for what ferry must set."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.facts import Facts
from tests.wire.intakes.asked import (
    IN_BODY,
    LEAST,
    LIMITED,
    NAMES,
    SALT,
    body_of,
    facts_of,
    nest,
    read,
)
from tests.wire.sizes import FEW
from tests.wire.written import OBJECTS, RANDOMS, written

SPACED = b' \n{ "x" : [1.0, "\\/", 1e5] , "x\\u0079":\t{"model":"m"} , %s }\r\n'


def sent(name: str, body: bytes, ways: Sent) -> bytes:
    return DIALECTS[name].outgoing(body, read(name, body), ways)


@pytest.mark.parametrize("name", NAMES)
def test_a_body_in_which_nothing_must_be_set_goes_as_it_is(name: str) -> None:
    body = SPACED % body_of(name)[1:-1]
    assert sent(name, body, Sent("m")) is body


@pytest.mark.parametrize("name", IN_BODY)
def test_the_model_is_set_in_its_place(name: str) -> None:
    body = SPACED % body_of(name)[1:-1]
    said, wanted = b'"model": "m"', b'"model": "o/n"'
    if name == "cached_contents":
        said, wanted = b'"model": "models/m"', b'"model": "models/o/n"'
    assert sent(name, body, Sent("o/n")) == body.replace(said, wanted, 1)


@pytest.mark.parametrize("name", ["converse", "gemini"])
def test_a_model_in_the_path_is_not_set_in_the_body(name: str) -> None:
    body = body_of(name)
    assert sent(name, body, Sent("o/n")) is body


@pytest.mark.parametrize("name", LIMITED)
def test_the_callers_limit_is_set_where_it_stands(name: str) -> None:
    body = body_of(name, **nest(LEAST[name].limit, 77_777))
    assert sent(name, body, Sent("m", 512)) == body.replace(b"77777", b"512")


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_is_added_where_there_is_none(name: str) -> None:
    body = SPACED % body_of(name)[1:-1]
    ways = Sent("m", 512, "max_tokens")
    got = sent(name, body, ways)
    assert json.loads(got) == {**json.loads(body), **nest(LEAST[name].limit, 512)}
    assert got.startswith(body.rstrip()[:-2].rstrip())
    assert got.endswith(b" }\r\n")


@pytest.mark.parametrize("name", [name for name in LIMITED if "." in LEAST[name].limit])
@pytest.mark.parametrize("within", [b"{}", b"null", b'{ "topP" : 1.0 }', b'{"stop":["}"]\n}'])
def test_a_limit_is_added_inside_what_is_there(name: str, within: bytes) -> None:
    outer, _, inner = LEAST[name].limit.partition(".")
    body = body_of(name)[:-1] + b', "%s" : %s , "z":1}' % (outer.encode(), within)
    got = sent(name, body, Sent("m", 512))
    wanted = {**(json.loads(within) or {}), inner: 512}
    assert json.loads(got) == {**json.loads(body), outer: wanted}
    assert got.startswith(body.partition(within)[0])
    assert got.endswith(b' , "z":1}')


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LIMITED])
def test_what_has_no_answer_gets_no_limit(name: str) -> None:
    body = body_of(name)
    assert sent(name, body, Sent("m", 512)) is body


@pytest.mark.parametrize("name", NAMES)
def test_further_members_are_set(name: str) -> None:
    body = body_of(name, provider={"order": ["a"]})
    got = sent(name, body, Sent("m", members={"provider": b'{"a":1}', "new": b"[2]"}))
    assert json.loads(got) == {**json.loads(body), "provider": {"a": 1}, "new": [2]}


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(st.data(), RANDOMS, st.booleans())
def test_nothing_changes_but_what_is_set(
    name: str, data: st.DataObject, random: Random, is_bounded: bool
) -> None:
    more: dict[str, Any] = {f"x_{key}": value for key, value in data.draw(OBJECTS).items()}
    if LEAST[name].limit and data.draw(st.booleans()):
        more |= nest(LEAST[name].limit, 9_999)
    least = list({**LEAST[name].members, **more}.items())
    random.shuffle(least)
    body = written(dict(least), random)
    got = sent(name, body, Sent("o/n", 512 if is_bounded else None, "max_tokens"))
    wanted = json.loads(body)
    if name in IN_BODY:
        wanted["model"] = "models/o/n" if name == "cached_contents" else "o/n"
    if is_bounded and LEAST[name].limit:
        outer, _, inner = LEAST[name].limit.partition(".")
        wanted[outer] = {**(wanted.get(outer) or {}), inner: 512} if inner else 512
    assert json.loads(got) == wanted
    assert sent(name, got, Sent("o/n", 512 if is_bounded else None, "max_tokens")) == got


# Names that a dialect has of its own --------------------------------------------------------


def test_gemini_is_bounded_as_it_writes_names() -> None:
    for within in ('{"max_output_tokens":9}', '{"maxOutputTokens":9}'):
        body = body_of("gemini")[:-1] + f',"generation_config":{within}}}'.encode()
        assert sent("gemini", body, Sent("m", 5)) == body.replace(b"9", b"5")
    body = body_of("gemini", generation_config={"topK": 1})
    got = json.loads(sent("gemini", body, Sent("m", 5)))
    assert got["generation_config"] == {"topK": 1, "maxOutputTokens": 5}
    assert "generationConfig" not in got


def test_a_model_in_geminis_body_says_what_the_path_does() -> None:
    same = body_of("gemini", model="models/m")
    assert sent("gemini", same, Sent("m")) is same
    other = body_of("gemini", model="models/dear")
    assert json.loads(sent("gemini", other, Sent("m")))["model"] == "models/m"
    odd = body_of("gemini", model=["models/m"])
    assert json.loads(sent("gemini", odd, Sent("m")))["model"] == "models/m"


STREAMS = [
    ({"stream": True}, True),
    ({"stream": True, "stream_options": None}, True),
    ({"stream": True, "stream_options": {"include_usage": True}}, False),
    ({"stream": False}, False),
]


@pytest.mark.parametrize(("more", "is_asked"), STREAMS)
def test_completions_are_asked_for_usage_in_streams(
    more: dict[str, object], is_asked: bool
) -> None:
    body = body_of("completions", **more)
    got = sent("completions", body, Sent("m"))
    assert (got is not body) == is_asked
    if is_asked:
        assert json.loads(got)["stream_options"] == {"include_usage": True}


def test_completions_are_bounded_in_their_own_field() -> None:
    got = sent("completions", body_of("completions"), Sent("m", 9, "max_completion_tokens"))
    assert json.loads(got)["max_tokens"] == 9


@pytest.mark.parametrize("name", ["messages", "responses"])
def test_usage_comes_unasked_elsewhere(name: str) -> None:
    body = body_of(name, stream=True)
    assert facts_of(name, stream=True).wants_usage
    assert sent(name, body, Sent("m")) is body


# Bedrock's form of messages -----------------------------------------------------------------

INVOKED = [
    (
        b'{"model":"m","messages":[{}],"stream":true}',
        b'{"messages":[{}],"anthropic_version":"bedrock-2023-05-31"}',
    ),
    (
        b'{ "stream":true , "model":"m" , "messages":[{}] }',
        b'{"messages":[{}],"anthropic_version":"bedrock-2023-05-31" }',
    ),
    (
        b'{ "messages" : [{}] ,\n"model":"m"}',
        b'{ "messages" : [{}],"anthropic_version":"bedrock-2023-05-31"}',
    ),
    (
        b'{"anthropic_version":"other","messages":[{"model":"m"}],"model":"m","x":{"stream":1}}',
        b'{"anthropic_version":"other","messages":[{"model":"m"}],"x":{"stream":1}}',
    ),
]


@pytest.mark.parametrize(("body", "wanted"), INVOKED)
def test_bedrock_has_model_and_stream_in_the_path(body: bytes, wanted: bytes) -> None:
    assert sent("messages", body, Sent("us.anthropic.x", form="invoke")) == wanted


def test_bedrocks_form_is_bounded_and_takes_members() -> None:
    members = {"anthropic_beta": b'["a"]'}
    body = body_of("messages", max_tokens=99)
    got = json.loads(sent("messages", body, Sent("x", 7, members=members, form="invoke")))
    assert got == {
        "messages": LEAST["messages"].members["messages"],
        "max_tokens": 7,
        "anthropic_beta": ["a"],
        "anthropic_version": "bedrock-2023-05-31",
    }


def test_a_request_in_bedrocks_form_is_read_and_sent_in_the_other() -> None:
    body = b'{"anthropic_version":"bedrock-2023-05-31","messages":[{"role":"user"}]}'
    place = Place("anthropic.claude-x", True)
    got: Facts = DIALECTS["messages"].read(body, place, SALT)
    assert (got.model, got.is_stream) == ("anthropic.claude-x", True)
    invoked = DIALECTS["messages"].outgoing(body, got, Sent("anthropic.claude-x", form="invoke"))
    assert invoked == body
    elsewhere = DIALECTS["messages"].outgoing(body, got, Sent("claude-x"))
    assert json.loads(elsewhere)["model"] == "claude-x"
    same = DIALECTS["messages"].outgoing(body, got, Sent("anthropic.claude-x"))
    assert json.loads(same)["model"] == "anthropic.claude-x"


def test_the_thinking_budget_is_read_for_no_bound_to_fall_below_it() -> None:
    got = facts_of("messages", thinking={"type": "enabled", "budget_tokens": 2_048})
    assert got.thinking_tokens == 2_048
    for budget in (-1, 0, 10**12):
        with pytest.raises(BadParameter) as caught:
            facts_of("messages", thinking={"type": "enabled", "budget_tokens": budget})
        assert caught.value.field == "thinking.budget_tokens"
