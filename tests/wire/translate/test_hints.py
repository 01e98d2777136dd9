"""What one dialect says and others have no member for is said where it can be, or left out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferrycli.wire.dialect import Codec, Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, COMPATIBLE_CHAT
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.lengths import WORDS
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import (
    Image,
    Talk,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from ferrycli.wire.translate.turns import in_place

TARGETS: dict[str, Codec] = {
    "chat": CHAT,
    "compatible": COMPATIBLE_CHAT,
    "converse": CONVERSE,
    "gemini": GEMINI,
    "messages": MESSAGES,
    "responses": RESPONSES,
}
HI = Turn("user", (Text("hi"),))
LATER = Turn("system", (Text("now in French"),))
YES = Turn("assistant", (Text("yes"),))
TALK = Talk("m", (HI, YES, LATER, HI), (Text("be kind"),))


def write(name: str, talk: Talk) -> Any:
    return json.loads(TARGETS[name].write_request(talk))


@pytest.mark.parametrize("name", ["chat", "compatible"])
def test_chat_has_an_instruction_where_it_came(name: str) -> None:
    roles = [message["role"] for message in write(name, TALK)["messages"]]
    assert roles == ["system", "user", "assistant", "system", "user"]


def test_responses_has_an_instruction_where_it_came() -> None:
    found = write("responses", TALK)
    assert found["instructions"] == "be kind"
    assert [item["role"] for item in found["input"]] == ["user", "assistant", "developer", "user"]


@pytest.mark.parametrize("name", ["converse", "gemini", "messages"])
def test_others_have_it_as_the_last_of_the_system_prompt(name: str) -> None:
    found = write(name, TALK)
    before = write(
        name, replace(TALK, system=(*TALK.system, Text("now in French")), turns=(HI, YES, HI))
    )
    assert found == before


CALLED = Turn("assistant", (ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}")))
FIRST = Turn("user", (ToolResult("1", (Text("a"),)),))
SECOND = Turn("user", (ToolResult("2", (Text("b"),)),))
BOTH = Turn("user", (*FIRST.parts, *SECOND.parts))
TWICE = Turn("system", LATER.parts * 2)
ORDERS: list[tuple[tuple[Turn, ...], tuple[Turn, ...]]] = [
    ((HI, CALLED, LATER, FIRST, LATER, SECOND), (HI, CALLED, BOTH, TWICE)),
    ((HI, CALLED, FIRST, LATER, HI), (HI, CALLED, FIRST, LATER, HI)),
    ((HI, CALLED, LATER), (HI, CALLED, LATER)),
    ((HI, LATER, YES), (HI, LATER, YES)),
]


@pytest.mark.parametrize(("turns", "wanted"), ORDERS)
def test_no_instruction_stands_between_a_call_and_its_results(
    turns: tuple[Turn, ...], wanted: tuple[Turn, ...]
) -> None:
    assert in_place(turns) == wanted


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize("verbosity", ["low", "high"])
def test_a_length_is_asked_for_in_a_member_or_in_words(verbosity: str, name: str) -> None:
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "verbosity": verbosity}
    )
    asked = carry.request(body.encode(), Place(), CHAT, TARGETS[name], "gpt-5.6").decode()
    has_member = name in ("chat", "responses")
    assert (f'"verbosity":"{verbosity}"' in asked) == has_member
    assert (WORDS[verbosity] in asked) != has_member


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_picture_that_may_be_seen_less_closely_is_shown(name: str) -> None:
    image = Image("image/png", "AAAA", detail="low")
    asked = TARGETS[name].write_request(Talk("m", (Turn("user", (image,)),))).decode()
    assert "AAAA" in asked
    assert ('"detail":"low"' in asked) == (name in ("chat", "compatible", "responses"))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_one_call_at_once_means_nothing_without_tools(name: str) -> None:
    assert write(name, replace(TALK, parallel_tools=False)) == write(name, TALK)
