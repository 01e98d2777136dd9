"""A system prompt among the turns: where a dialect has none there, a user's text holds it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.wire.dialect import Place
from ferrycli.wire.dialects import CODECS
from ferrycli.wire.translate import carry

TOLD = "Answer in French."
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT: list[Any] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hello"},
    {"role": "system", "content": TOLD},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "developer", "content": TOLD},
    {"role": "tool", "tool_call_id": "c1", "content": "21"},
]
REMINDER = f"<system-reminder>\n{TOLD}\n</system-reminder>"


def carried(source: str, body: dict[str, Any], target: str) -> Any:
    whole = json.dumps({"model": "m", "max_tokens": 9, **body}).encode()
    place = Place(is_stream=False)
    return json.loads(carry.request(whole, place, CODECS[source], CODECS[target], "m-1"))


def texts(content: Any) -> list[str]:
    """The texts of a message of any dialect."""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if "text" in part]


@pytest.mark.parametrize("target", ["converse", "gemini", "messages"])
def test_it_stays_in_its_place_as_a_users_reminder(target: str) -> None:
    body = carried("chat", {"messages": CHAT}, target)
    turns = body["contents" if target == "gemini" else "messages"]
    told = [texts(turn.get("content") or turn.get("parts")) for turn in turns]
    assert told == [["Hello", REMINDER], [], [REMINDER]]
    assert [turn["role"] for turn in turns][::2] == ["user", "user"]
    assert TOLD not in json.dumps([body.get("system"), body.get("systemInstruction")])


def test_openai_is_told_it_as_what_it_is() -> None:
    anthropics = [
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": [{"type": "text", "text": TOLD}]},
        {"role": "assistant", "content": "Bonjour"},
        {"role": "user", "content": "Go on"},
        {"role": "system", "content": ""},
    ]
    messages = carried("messages", {"messages": anthropics}, "chat")["messages"]
    assert [(one["role"], one["content"]) for one in messages] == [
        ("user", "Hello"),
        ("system", TOLD),
        ("assistant", "Bonjour"),
        ("user", "Go on"),
    ]
    items = carried("messages", {"messages": anthropics}, "responses")["input"]
    assert [(one["role"], texts(one["content"])) for one in items] == [
        ("user", ["Hello"]),
        ("developer", [TOLD]),
        ("assistant", ["Bonjour"]),
        ("user", ["Go on"]),
    ]


def test_a_developers_item_among_others_keeps_its_place() -> None:
    items = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "developer", "content": TOLD},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "21"},
    ]
    messages = carried("responses", {"input": items, "max_tokens": None}, "chat")["messages"]
    said = [(one["role"], one.get("content")) for one in messages]
    assert said == [
        ("system", "Be short."),
        ("user", "Hello"),
        ("system", TOLD),
        ("assistant", None),
        ("tool", "21"),
    ]


def test_its_cache_mark_stays_with_it() -> None:
    marked = {"type": "text", "text": TOLD, "cache_control": {"type": "ephemeral"}}
    anthropics = [{"role": "user", "content": "Hello"}, {"role": "system", "content": [marked]}]
    (turn,) = carried("messages", {"messages": anthropics}, "converse")["messages"]
    assert turn["content"][1:] == [{"text": REMINDER}, {"cachePoint": {"type": "default"}}]
