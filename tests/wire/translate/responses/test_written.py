"""Conversations written as requests of responses, and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given

from ferrycli.rules.denials import Refusal, Untranslatable
from ferrycli.wire.dialect import Codec, Place
from ferrycli.wire.errors import openai_error
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import (
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Shape,
    Talk,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from ferrycli.wire.translate.turns import joined
from tests.wire.sizes import FEW
from tests.wire.translate.talks import Ground, talks
from tests.wire.translate.test_round_trips import damaged
from tests.wire.written import OBJECTS, RANDOMS, written

NOWHERE = Place()
GROUND = Ground(has_caches=False, has_thoughts=False)
SAID = (Turn("user", (Text("hi"),)),)
PLAIN = Talk("m", SAID)


def body(talk: Talk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESPONSES.write_request(talk))
    return found


def sayable(talk: Talk) -> Talk:
    """A talk as responses can say it: they have no stops, and are strict or are not."""
    tools = tuple(replace(tool, is_strict=tool.is_strict is True) for tool in talk.tools)
    return replace(talk, stop=(), tools=tools)


def known(talk: Talk) -> Talk:
    """A talk as it can be compared: the names of tools stand with their calls alone."""
    turns = tuple(
        Turn(turn.role, tuple(_known(part) for part in turn.parts)) for turn in joined(talk.turns)
    )
    return replace(talk, turns=turns)


def _known(part: Part) -> Part:
    return replace(part, name="") if isinstance(part, ToolResult) else part


@FEW
@given(talks(GROUND))
def test_what_is_written_is_read_again(drawn: Talk) -> None:
    talk = sayable(drawn)
    again = RESPONSES.read_request(RESPONSES.write_request(talk), NOWHERE)
    assert known(again) == known(talk)


@FEW
@given(talks(GROUND))
def test_a_chat_request_comes_back_whole_from_responses(drawn: Talk) -> None:
    chat = CHAT.write_request(sayable(replace(drawn, turns=without_urls(drawn.turns))))
    there = carry.request(chat, NOWHERE, CHAT, RESPONSES, drawn.model)
    back = carry.request(there, NOWHERE, RESPONSES, CHAT, drawn.model)
    assert json.loads(back) == json.loads(chat)


def without_urls(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Chat takes no address of a file."""
    return tuple(Turn(turn.role, tuple(_kept(part) for part in turn.parts)) for turn in turns)


def _kept(part: Part) -> Part:
    is_address = isinstance(part, Document) and part.url
    return Text("a file") if is_address else part


@FEW
@given(talks(GROUND), RANDOMS)
def test_a_damaged_request_is_refused_or_carried(talk: Talk, random: Random) -> None:
    whole = body(sayable(talk))
    targets: list[Codec] = [CHAT, MESSAGES]
    for _ in range(8):
        odd = json.dumps(damaged(whole, random)).encode()
        try:
            carry.request(odd, NOWHERE, RESPONSES, random.choice(targets), "claude-sonnet-4-5")
        except Refusal as refusal:
            openai_error(refusal)


@given(OBJECTS, RANDOMS)
def test_anything_is_refused_or_read(value: Any, random: Random) -> None:
    kinds = ["message", "function_call", "function_call_output", "reasoning"]
    item = {"type": random.choice(kinds), "role": "user", **value}
    try:
        odd = written({"model": "m", "input": [item], "tools": [value], **value}, random)
        RESPONSES.read_request(odd, NOWHERE)
    except Refusal as refusal:
        openai_error(refusal)


MEMBERS: list[tuple[Talk, dict[str, Any]]] = [
    (PLAIN, {}),
    (replace(PLAIN, system=(Text("a"),)), {"instructions": "a"}),
    (replace(PLAIN, is_stream=True), {"stream": True}),
    (
        replace(PLAIN, output_max=5, temperature=0.5, user="u", tier="flex"),
        {
            "max_output_tokens": 5,
            "temperature": 0.5,
            "user": "u",
            "service_tier": "flex",
        },
    ),
    (replace(PLAIN, shape=Shape()), {"text": {"format": {"type": "json_object"}}}),
    (
        replace(PLAIN, shape=Shape(b"{}")),
        {"text": {"format": {"type": "json_schema", "name": "answer", "schema": {}}}},
    ),
    (
        replace(PLAIN, tools=(Tool("f"),), tool_choice="tool:f", parallel_tools=True),
        {
            "tools": [{"type": "function", "name": "f", "parameters": None, "strict": False}],
            "tool_choice": {"type": "function", "name": "f"},
            "parallel_tool_calls": True,
        },
    ),
    (replace(PLAIN, parallel_tools=True), {}),
    (replace(PLAIN, reasoning=Reasoning("none")), {"reasoning": {"effort": "none"}}),
    (
        replace(PLAIN, reasoning=Reasoning("low", shows_thoughts=True)),
        {
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        },
    ),
    (
        replace(PLAIN, reasoning=Reasoning(budget_tokens=9_000)),
        {"reasoning": {"effort": "medium"}, "include": ["reasoning.encrypted_content"]},
    ),
    (
        replace(PLAIN, reasoning=Reasoning(is_adaptive=True)),
        {"include": ["reasoning.encrypted_content"]},
    ),
]


@pytest.mark.parametrize(("talk", "members"), MEMBERS)
def test_a_member_is_written(talk: Talk, members: dict[str, Any]) -> None:
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    assert body(talk) == {"model": "m", "input": [said], "store": False, **members}


def test_a_system_prompt_of_several_texts_keeps_them_apart() -> None:
    item = body(replace(PLAIN, system=(Text("a"), Text("b"))))["input"][0]
    assert (item["role"], [part["text"] for part in item["content"]]) == ("developer", ["a", "b"])


def test_thoughts_go_to_openai_only_where_it_has_sealed_them() -> None:
    parts = (
        Thinking("of another", "EqQB", maker="anthropic"),
        Thinking("unsealed"),
        Thinking(redacted="x", maker="anthropic"),
        Thinking("", "gAAA", maker="openai"),
        Thinking("shown", "gBBB", maker="openai"),
        Text("a"),
        Text("b"),
        ToolCall("c", "f", "", "gemini"),
    )
    items = body(replace(PLAIN, turns=(*SAID, Turn("assistant", parts))))["input"][1:]
    shown = [{"type": "summary_text", "text": "shown"}]
    assert items == [
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"type": "reasoning", "summary": shown, "encrypted_content": "gBBB"},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": []},
                {"type": "output_text", "text": "b", "annotations": []},
            ],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]


UNSAYABLE: list[tuple[Talk, str]] = [
    (replace(PLAIN, stop=("x",)), "stop"),
    (replace(PLAIN, top_k=3), "top_k"),
    (replace(PLAIN, seed=3), "seed"),
    (replace(PLAIN, choices=2), "choices"),
    (replace(PLAIN, frequency_penalty=0.5), "frequency_penalty"),
    (replace(PLAIN, presence_penalty=0.5), "presence_penalty"),
    (replace(PLAIN, turns=(Turn("user", (Audio("wav", "AAAA"),)),)), "audio"),
    (
        replace(PLAIN, turns=(*SAID, Turn("assistant", (Image(url="https://x.example"),)))),
        "content",
    ),
    (replace(PLAIN, turns=(Turn("user", (Thinking("x"),)),)), "content"),
]


@pytest.mark.parametrize(("talk", "field"), UNSAYABLE)
def test_what_responses_cannot_say_is_refused_by_name(talk: Talk, field: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        RESPONSES.write_request(talk)
    assert refusal.value.field == field
