"""A conversation goes to Gemini's or Converse's words and back, and loses nothing they can say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.wire.dialect import Codec, Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import OPENROUTER_CHAT
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.seals import GOOGLE
from ferrycli.wire.translate.talk import (
    Document,
    Image,
    Part,
    Shape,
    Talk,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ferrycli.wire.translate.turns import joined, with_tool_names
from tests.wire.sizes import FEW
from tests.wire.translate.talks import Ground, talks

GEMINI_MODEL = "gemini-3-pro"
CLAUDE = "anthropic.claude-sonnet-5"


@st.composite
def gemini_talks(draw: st.DrawFn) -> Talk:
    """What Gemini can say: it marks nothing to cache, and gives no file a name."""
    drawn = draw(talks(Ground(has_caches=False, has_thoughts=False)))
    return replace(
        drawn,
        model=GEMINI_MODEL,
        turns=tuple(
            replace(turn, parts=tuple(_geminis(part) for part in turn.parts))
            for turn in drawn.turns
        ),
        tools=tuple(_with_strictness(tool, drawn) for tool in drawn.tools),
        parallel_tools=None,
        shape=None if drawn.shape is None else Shape(drawn.shape.schema),
        top_k=draw(st.none() | st.integers(1, 100)),
        seed=draw(st.none() | st.integers(0, 2**31)),
        frequency_penalty=draw(st.none() | st.just(0.25)),
        presence_penalty=draw(st.none() | st.just(0.5)),
        user="",
        tier=draw(st.sampled_from(["", "default", "flex", "priority"])),
    )


def _with_strictness(tool: Tool, talk: Talk) -> Tool:
    """A free choice among tools of which one is strict is a strict one among all."""
    is_free = talk.tool_choice in ("", "auto")
    is_strict = is_free and any(one.is_strict for one in talk.tools)
    return replace(tool, is_strict=True if is_strict else None)


def _sealed(text: str) -> Thinking:
    """A thought, now with a seal of Google's and now without."""
    return Thinking(text, "c2ln", maker=GOOGLE) if text.isalnum() else Thinking(text)


def _geminis(part: Part) -> Part:
    """Something that only Gemini says, where there is room for it."""
    if isinstance(part, Document):
        return replace(part, media_type="application/pdf", name="")
    if isinstance(part, Image):
        return replace(part, detail="low" if part.url else "high")
    if isinstance(part, ToolCall):
        return replace(part, signature="c2ln")
    if isinstance(part, Text) and part.text.isascii():
        return _sealed(part.text)
    return part


@st.composite
def converse_talks(draw: st.DrawFn) -> Talk:
    """What Converse can say of a Claude: it fetches nothing, and marks nothing in a system turn."""
    drawn = draw(talks(Ground(has_urls=False)))
    names = iter(f"document {number}" for number in range(100))
    return replace(
        drawn,
        model=CLAUDE,
        turns=tuple(
            replace(
                turn,
                parts=tuple(
                    replace(part, name=next(names)) if isinstance(part, Document) else part
                    for part in turn.parts
                ),
            )
            for turn in drawn.turns
        ),
        parallel_tools=None,
        tool_choice="" if drawn.tool_choice == "none" else drawn.tool_choice,
        shape=None if drawn.shape is None else replace(drawn.shape, is_strict=None),
        user="",
        tier=draw(st.sampled_from(["", "default", "flex", "priority", "reserved"])),
    )


def compared(talk: Talk) -> dict[str, Any]:
    """A talk as values: turns joined, results with their names, schemas as what they mean."""
    named = with_tool_names(talk)
    fields = {name: getattr(named, name) for name in Talk.__dataclass_fields__}
    return fields | {"turns": joined(named.turns)}


def again(codec: Codec, talk: Talk) -> Talk:
    return codec.read_request(codec.write_request(talk), Place(talk.model, talk.is_stream))


def _thoughts_joined(talk: Talk) -> Talk:
    """Thoughts that are not sealed, each with the one that follows it: Gemini's come in pieces."""
    turns = []
    for turn in joined(talk.turns):
        parts: list[Part] = []
        for part in turn.parts:
            last = parts[-1] if parts else None
            is_piece = isinstance(last, Thinking) and not last.signature
            if isinstance(part, Thinking) and isinstance(last, Thinking) and is_piece:
                parts[-1] = Thinking(last.text + part.text, part.signature, maker=part.maker)
            else:
                parts.append(part)
        turns.append(replace(turn, parts=tuple(parts)))
    return replace(talk, turns=tuple(turns))


@FEW
@given(gemini_talks())
def test_gemini_loses_nothing(talk: Talk) -> None:
    assert compared(again(GEMINI, talk)) == compared(_thoughts_joined(talk))


@FEW
@given(converse_talks())
def test_converse_loses_nothing(talk: Talk) -> None:
    found = compared(again(CONVERSE, talk))
    wanted = compared(talk)
    # On a model that has levels of thought, an effort asks for thought that adapts itself.
    thinking = found.pop("reasoning"), wanted.pop("reasoning")
    assert [one and one.effort for one in thinking] == [thinking[1] and thinking[1].effort] * 2
    assert found == wanted


def sayable(talk: Talk) -> Talk:
    """What chat, messages, Gemini and Converse can all say."""
    parts_of = {
        turn: tuple(part for part in turn.parts if not isinstance(part, Thinking))
        for turn in talk.turns
    }
    return replace(
        talk,
        turns=tuple(replace(turn, parts=parts_of[turn]) for turn in talk.turns),
        tools=tuple(replace(tool, is_strict=None) for tool in talk.tools),
        parallel_tools=None,
        tool_choice="" if talk.tool_choice == "none" else talk.tool_choice,
        reasoning=None,
        user="",
        tier="",
    )


PLAIN = Ground(has_caches=False, has_thoughts=False, has_documents=False, has_urls=False)


@pytest.mark.parametrize("target", [GEMINI, CONVERSE], ids=["gemini", "converse"])
@pytest.mark.parametrize("source", [OPENROUTER_CHAT, MESSAGES], ids=["chat", "messages"])
@FEW
@given(talk=talks(PLAIN))
def test_a_request_of_another_dialect_comes_back_whole(
    source: Codec, target: Codec, talk: Talk
) -> None:
    body = source.write_request(sayable(talk))
    model = GEMINI_MODEL if target is GEMINI else CLAUDE
    over = carry.request(body, Place(talk.model, talk.is_stream), source, target, model)
    back = carry.request(over, Place(model, talk.is_stream), target, source, talk.model)
    assert _named_alike(json.loads(back)) == _named_alike(json.loads(body))


def _named_alike(body: dict[str, Any]) -> dict[str, Any]:
    """Without the names of schemas, and whether they are strict: labels, and kept to anyway."""
    schema = body.get("response_format", {}).get("json_schema", {})
    for label in ("name", "strict"):
        schema.pop(label, None)
    return body


def test_results_are_found_by_the_name_of_their_call_in_every_dialect() -> None:
    body = {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "b", "content": "G"},
            {"role": "tool", "tool_call_id": "a", "content": "F"},
        ],
        "model": "m",
    }
    chat = json.dumps(body).encode()
    talk = OPENROUTER_CHAT.read_request(chat, Place())
    geminis = json.loads(GEMINI.write_request(replace(talk, model=GEMINI_MODEL)))["contents"]
    assert [part["functionResponse"]["name"] for part in geminis[2]["parts"]] == ["g", "f"]
    converses = json.loads(CONVERSE.write_request(replace(talk, model=CLAUDE)))["messages"]
    assert [block["toolResult"]["toolUseId"] for block in converses[2]["content"]] == ["b", "a"]
    assert isinstance(talk.turns[2].parts[0], ToolResult)
