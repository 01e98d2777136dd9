"""Anthropic's requests: what each member becomes in chat, and what is refused by its name."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter, Untranslatable
from ferrycli.rules.words import words
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, OPENROUTER_CHAT, chat_codec
from ferrycli.wire.translate.chat.parts import FAILED_TOOL
from ferrycli.wire.translate.chat.written import SHOWN_BY, SHOWN_NEXT
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.messages.codec import MESSAGES

USER = {"role": "user", "content": "hi"}
MARK = {"cache_control": {"type": "ephemeral"}}
CALL = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
CHAT_CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "number"}}}
TOOL = {"name": "f", "input_schema": SCHEMA}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}


def asked(**members: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 9, "messages": [USER], **members}).encode()


def turns(*found: dict[str, Any]) -> bytes:
    return asked(messages=list(found))


def blocks(*found: dict[str, Any]) -> bytes:
    return turns({"role": "user", "content": list(found)})


def in_chat(body: bytes, *, has_extras: bool = False) -> dict[str, Any]:
    target = OPENROUTER_CHAT if has_extras else CHAT
    found: dict[str, Any] = json.loads(carry.request(body, Place(), MESSAGES, target, "gpt"))
    return found


def test_a_member_that_gemini_has_not_is_named_as_anthropic_calls_it() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    body = asked(tools=[TOOL], tool_choice=choice)
    with pytest.raises(Untranslatable) as refusal:
        carry.request(body, Place(), MESSAGES, GEMINI, "gemini-3-pro")
    assert refusal.value.field == "tool_choice.disable_parallel_tool_use"
    assert str(words(refusal.value).sentence).endswith(
        "to this provider: Gemini cannot be kept to one call at once"
    )


MEMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
    ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}),
    ({"stream": True}, {"stream": True}),
    ({"metadata": {"user_id": "u"}}, {"user": "u"}),
    ({"metadata": {"user_id": '{"session_id": "s"}'}}, {"user": '{"session_id": "s"}'}),
    ({"metadata": {"user_id": '{"device_id": "d", "session_id": "s"}'}}, {"user": "d"}),
    ({"metadata": {"user_id": "x" * 64}}, {"user": "x" * 64}),
    ({"metadata": {"user_id": "x" * 65}}, {"user": sha256(b"x" * 65).hexdigest()}),
    ({"service_tier": "standard_only"}, {"service_tier": "default"}),
    ({"service_tier": "auto"}, {"service_tier": "auto"}),
    ({"speed": "standard", "diagnostics": {"previous_message_id": "m"}}, {}),
    ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
    ({"thinking": {"type": "adaptive"}}, {}),
    (
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"reasoning_effort": "max"},
    ),
    ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
    ({"thinking": {"type": "enabled", "budget_tokens": 1_024}}, {"reasoning_effort": "low"}),
    ({"thinking": {"type": "enabled", "budget_tokens": 8_191}}, {"reasoning_effort": "low"}),
    ({"thinking": {"type": "enabled", "budget_tokens": 8_192}}, {"reasoning_effort": "medium"}),
    ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, {"reasoning_effort": "high"}),
    (
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        {},
    ),
    ({"tools": [TOOL]}, {"tools": [CHAT_TOOL]}),
    (
        {"tools": [{**TOOL, "type": "custom", "eager_input_streaming": True, **MARK}]},
        {"tools": [CHAT_TOOL]},
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        {"tools": [CHAT_TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}},
        {
            "tools": [CHAT_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
        },
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "none"}},
        {"tools": [CHAT_TOOL], "tool_choice": "none"},
    ),
]
SHAPE = {"type": "json_schema", "schema": SCHEMA}
CHAT_SHAPE = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        *MEMBERS,
        ({"output_config": {"format": SHAPE}}, CHAT_SHAPE),
        ({"output_format": SHAPE}, CHAT_SHAPE),
    ],
)
def test_a_member_becomes_chats_own(members: dict[str, Any], expected: dict[str, Any]) -> None:
    whole = {"model": "gpt", "messages": [USER], "max_completion_tokens": 9, **expected}
    assert in_chat(asked(**members)) == whole


def test_openrouter_is_told_the_budget_itself() -> None:
    body = asked(thinking={"type": "enabled", "budget_tokens": 5_000}, top_k=4)
    found = in_chat(body, has_extras=True)
    assert (found["reasoning"], found["top_k"]) == ({"max_tokens": 5_000}, 4)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("openai", "max_completion_tokens"),
        ("azure", "max_completion_tokens"),
        ("openrouter", "max_completion_tokens"),
        ("compatible", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_provider_knows(kind: str, field: str) -> None:
    written = chat_codec(kind).write_request(MESSAGES.read_request(asked(), Place()))
    assert json.loads(written)[field] == 9


def test_a_turn_of_results_becomes_messages_of_tools() -> None:
    body = turns(
        USER,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "text", "text": "let me see", "citations": None},
                {**CALL, "caller": {"type": "direct"}},
                {**CALL, "id": "b"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "both"},
                {"type": "tool_result", "tool_use_id": "a", "content": "5"},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "is_error": True,
                    "content": [{"type": "text", "text": "no"}],
                },
            ],
        },
    )
    assert in_chat(body)["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": "let me see",
            "tool_calls": [CHAT_CALL, {**CHAT_CALL, "id": "b"}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "5"},
        {
            "role": "tool",
            "tool_call_id": "b",
            "content": [{"type": "text", "text": FAILED_TOOL}, {"type": "text", "text": "no"}],
        },
        {"role": "user", "content": "both"},
    ]


def test_the_system_prompt_is_one_message_with_its_parts() -> None:
    system = [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"}]
    body = asked(system=system, messages=[{"role": "system", "content": "c"}, USER])
    expected = [*system, {"type": "text", "text": "c"}]
    assert in_chat(body, has_extras=True)["messages"][0] == {"role": "system", "content": expected}


def test_a_mark_on_the_request_is_one_on_its_last_block() -> None:
    found = in_chat(asked(**MARK), has_extras=True)["messages"]
    assert found == [{"role": "user", "content": [{"type": "text", "text": "hi", **MARK}]}]


PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "https://p.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "https://p.example/a.png"}},
    ),
    (
        {
            "type": "document",
            "title": "a.pdf",
            "citations": {"enabled": False},
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
        },
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
        },
    ),
    (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "hi"},
        },
        {
            "type": "file",
            "file": {"filename": "document", "file_data": "data:text/plain;base64,aGk="},
        },
    ),
]


@pytest.mark.parametrize(("block", "part"), PARTS)
def test_a_block_becomes_a_part(block: dict[str, Any], part: dict[str, Any]) -> None:
    assert in_chat(blocks(block))["messages"] == [{"role": "user", "content": [part]}]


def test_a_seal_of_a_call_comes_back_through_a_client_of_anthropics() -> None:
    seal = {"type": "redacted_thinking", "data": "ferry:call:google:seal"}
    body = turns(USER, {"role": "assistant", "content": [seal, CALL]})
    call = in_chat(body, has_extras=True)["messages"][1]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "seal"}}


URL_DOCUMENT = {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}}


def test_what_a_tool_shows_is_shown_to_chat_by_the_user_and_named() -> None:
    given = {"type": "tool_result", "tool_use_id": "a", "content": [PICTURE]}
    told = {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "t"}]}
    body = turns({"role": "user", "content": [given, told, {"type": "text", "text": "so?"}]})
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}
    assert in_chat(body)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": SHOWN_NEXT},
        {"role": "tool", "tool_call_id": "b", "content": "t"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": SHOWN_BY.format("a")},
                picture,
                {"type": "text", "text": "so?"},
            ],
        },
    ]


REFUSED: list[tuple[bytes, str]] = [
    (asked(top_k=4), "top_k"),
    (asked(container="c"), "container"),
    (asked(mcp_servers=[{"url": "u"}]), "mcp_servers"),
    (asked(speed="fast"), "speed"),
    (asked(inference_geo="us"), "inference_geo"),
    (asked(thing_of_tomorrow=1), "thing_of_tomorrow"),
    (asked(thinking={"type": "between_tools"}), "thinking.type"),
    (asked(output_config={"format": {"type": "grammar"}}), "output_config.format.type"),
    (asked(output_config={"odd": 1}), "output_config.odd"),
    (
        asked(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}),
        "context_management.edits[0].type",
    ),
    (asked(tools=[{"type": "web_search_20260209", "name": "web_search"}]), "tools[0].type"),
    (asked(tools=[TOOL, {**TOOL, "defer_loading": True}]), "tools[1].defer_loading"),
    (asked(tools=[{**TOOL, "input_examples": [{}]}]), "tools[0].input_examples"),
    (blocks({"type": "search_result"}), "messages[0].content[0].type"),
    (
        blocks({"type": "image", "source": {"type": "file", "file_id": "f"}}),
        "messages[0].content[0].source.type",
    ),
    (
        blocks({**URL_DOCUMENT, "citations": {"enabled": True}}),
        "messages[0].content[0].citations.enabled",
    ),
    (blocks({**URL_DOCUMENT, "context": "c"}), "messages[0].content[0].context"),
    (blocks(URL_DOCUMENT), "source.url"),
    (turns({"role": "assistant", "content": [PICTURE]}), "content"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_what_chat_cannot_say_is_refused_by_name(body: bytes, field: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        in_chat(body)
    assert refusal.value.field == field


WRONG: list[tuple[bytes, str]] = [
    (asked(messages={}), "messages"),
    (turns({"role": "tool", "content": "x"}), "messages[0].role"),
    (
        blocks({"type": "tool_use", "id": "a", "name": "f", "input": []}),
        "messages[0].content[0].input",
    ),
    (asked(thinking={"type": "enabled"}), "thinking.budget_tokens"),
    (asked(tool_choice={"type": "some"}), "tool_choice.type"),
    (asked(tools=[{"name": "f"}]), "tools[0].input_schema"),
    (asked(service_tier="flex"), "service_tier"),
    (asked(output_config={"effort": "huge"}), "output_config.effort"),
    (asked(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_what_no_reader_could_take_is_a_bad_parameter(body: bytes, field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        in_chat(body)
    assert refusal.value.field == field
