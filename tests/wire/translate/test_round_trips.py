"""A conversation goes from one dialect to another and back, and comes back as it went."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given

from ferrycli.rules.denials import Refusal
from ferrycli.wire.dialect import Codec, Place
from ferrycli.wire.errors import openai_error
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, OPENROUTER_CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.talk import Talk
from ferrycli.wire.translate.turns import joined, with_tool_names
from tests.wire.sizes import FEW
from tests.wire.translate.talks import Ground, talks
from tests.wire.written import OBJECTS, RANDOMS, written

NOWHERE = Place()


def known(talk: Talk) -> dict[str, Any]:
    """A talk as values to compare; what thinking was asked for is compared as chat says it."""
    named = with_tool_names(talk)
    fields = {name: getattr(named, name) for name in Talk.__dataclass_fields__}
    return fields | {"turns": joined(named.turns), "reasoning": None}


@FEW
@given(talks())
def test_a_chat_request_comes_back_whole_from_anthropic(talk: Talk) -> None:
    chat = OPENROUTER_CHAT.write_request(talk)
    messages = carry.request(chat, NOWHERE, CHAT, MESSAGES, talk.model)
    back = carry.request(messages, NOWHERE, MESSAGES, OPENROUTER_CHAT, talk.model)
    assert json.loads(back) == json.loads(chat)


@FEW
@given(talks())
def test_a_messages_request_comes_back_whole_from_chat(talk: Talk) -> None:
    messages = MESSAGES.write_request(talk)
    chat = carry.request(messages, NOWHERE, MESSAGES, OPENROUTER_CHAT, talk.model)
    back = carry.request(chat, NOWHERE, CHAT, MESSAGES, talk.model)
    thinking = "thinking"
    assert without(json.loads(back), thinking) == without(json.loads(messages), thinking)


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize("codec", [OPENROUTER_CHAT, MESSAGES], ids=["chat", "messages"])
@FEW
@given(talk=talks())
def test_what_is_written_is_read_again(codec: Codec, talk: Talk) -> None:
    again = codec.read_request(codec.write_request(talk), NOWHERE)
    assert known(again) == {**known(talk), "shape": again.shape}
    assert (again.shape is None) == (talk.shape is None)


@FEW
@given(talks(Ground(has_urls=False)))
def test_openai_itself_is_told_nothing_that_it_does_not_take(talk: Talk) -> None:
    body = CHAT.write_request(talk)
    for word in (b'"cache_control":', b'"reasoning_details":', b'"reasoning_content":'):
        assert word not in body.replace(b'\\"', b"")


CODECS: dict[str, Codec] = {"chat": CHAT, "messages": MESSAGES}


def damaged(value: Any, random: Random) -> Any:
    """`value` with one thing in it, at whatever depth, that is of another kind."""
    if random.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return random.choice([None, 0, -1, 1.5, True, "", "x", [], {}, [[]], {"type": "x"}])
    if isinstance(value, list):
        at = random.randrange(len(value))
        return [*value[:at], damaged(value[at], random), *value[at + 1 :]]
    name = random.choice(sorted(value))
    return {**value, name: damaged(value[name], random)}


@pytest.mark.parametrize(("source", "target"), [("chat", "messages"), ("messages", "chat")])
@FEW
@given(talk=talks(), random=RANDOMS)
def test_a_damaged_request_is_refused_or_carried(
    source: str, target: str, talk: Talk, random: Random
) -> None:
    writing = OPENROUTER_CHAT if source == "chat" else MESSAGES
    body = json.loads(writing.write_request(talk))
    for _ in range(8):
        odd = json.dumps(damaged(body, random)).encode()
        try:
            carry.request(odd, NOWHERE, CODECS[source], CODECS[target], "claude-sonnet-4-5")
        except Refusal as refusal:
            openai_error(refusal)


@pytest.mark.parametrize("name", sorted(CODECS))
@given(value=OBJECTS, random=RANDOMS)
def test_anything_is_refused_or_read(name: str, value: Any, random: Random) -> None:
    body = written({"model": "m", "messages": [value], **value}, random)
    try:
        CODECS[name].read_request(body, NOWHERE)
    except Refusal as refusal:
        openai_error(refusal)
