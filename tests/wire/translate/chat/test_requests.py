"""Chat requests: what each member becomes for Anthropic, and what is refused by its name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter, Untranslatable
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, OPENROUTER_CHAT
from ferrycli.wire.translate.efforts import EFFORT_BUDGETS
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.messages.written import OUTPUT_TOKENS_UNSAID

USER = {"role": "user", "content": "hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
TOOL = {"type": "function", "function": {"name": "f"}}
PNG = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,AAAA"
NEWEST = "claude-opus-5"
OLDER = "claude-sonnet-4-5"


def chat(**members: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [USER], **members}).encode()


def user(*parts: dict[str, Any]) -> bytes:
    return chat(messages=[{"role": "user", "content": list(parts)}])


def image(url: str, **members: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **members}}


def at_anthropic(body: bytes, model: str = NEWEST) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(carry.request(body, Place(), CHAT, MESSAGES, model))
    return found


MEMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"max_tokens": OUTPUT_TOKENS_UNSAID}),
    ({"max_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 5, "max_tokens": 7}, {"max_tokens": 7}),
    ({"stop": "END"}, {"stop_sequences": ["END"]}),
    ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    ({"stop": None}, {}),
    ({"temperature": 1, "top_p": 0.5, "top_k": 3}, {"temperature": 1, "top_p": 0.5, "top_k": 3}),
    ({"frequency_penalty": 0, "presence_penalty": 0.0, "n": 1}, {}),
    ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
    ({"safety_identifier": "u-2"}, {"metadata": {"user_id": "u-2"}}),
    ({"service_tier": "auto"}, {"service_tier": "auto"}),
    ({"service_tier": "default"}, {"service_tier": "standard_only"}),
    ({"metadata": {"a": "b"}, "store": True, "prompt_cache_key": "k"}, {}),
    ({"logprobs": False, "logit_bias": {}, "modalities": ["text"], "functions": []}, {}),
    ({"response_format": {"type": "text"}}, {}),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}},
            }
        },
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
    ),
    (
        {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        {
            "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
    ),
    (
        {
            "tools": [
                {
                    "type": "function",
                    "cache_control": {"type": "ephemeral"},
                    "function": {
                        "name": "f",
                        "description": "d",
                        "parameters": {"type": "object"},
                        "strict": True,
                    },
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
        },
        {
            "tools": [
                {
                    "name": "f",
                    "description": "d",
                    "input_schema": {"type": "object"},
                    "strict": True,
                    "cache_control": {"type": "ephemeral"},
                }
            ],
            "tool_choice": {"type": "tool", "name": "f"},
        },
    ),
    ({"tool_choice": "auto", "parallel_tool_calls": True}, {}),
    ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
    (
        {"reasoning_effort": "xhigh"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
    ),
    (
        {"reasoning": {"max_tokens": 9_000}},
        {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "medium"},
        },
    ),
    ({"reasoning": {"enabled": True, "exclude": True}}, {"thinking": {"type": "adaptive"}}),
]


@pytest.mark.parametrize(("members", "expected"), MEMBERS)
def test_a_member_becomes_anthropics_own(members: dict[str, Any], expected: dict[str, Any]) -> None:
    limit = {"max_tokens": OUTPUT_TOKENS_UNSAID}
    messages = [{"role": "user", "content": "hi"}]
    whole = {"model": NEWEST, "messages": messages, **limit, **expected}
    assert at_anthropic(chat(**members)) == whole


BUDGETS = [
    ({"reasoning_effort": "high"}, EFFORT_BUDGETS["high"], 16_384 + OUTPUT_TOKENS_UNSAID),
    ({"reasoning_effort": "high", "max_tokens": 40_000}, EFFORT_BUDGETS["high"], 40_000),
    ({"reasoning_effort": "high", "max_tokens": 4_000}, 2_000, 4_000),
    ({"reasoning_effort": "high", "max_tokens": 1_025}, 1_024, 1_025),
    ({"reasoning_effort": "minimal"}, 1_024, 1_024 + OUTPUT_TOKENS_UNSAID),
    ({"reasoning": {"max_tokens": 3_000}}, 3_000, 3_000 + OUTPUT_TOKENS_UNSAID),
    ({"reasoning": {"max_tokens": 3_000}, "max_tokens": 3_001}, 3_000, 3_001),
]


@pytest.mark.parametrize(("members", "budget", "limit"), BUDGETS)
def test_models_before_4_6_get_a_budget(members: dict[str, Any], budget: int, limit: int) -> None:
    body = at_anthropic(chat(**members), OLDER)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert body["max_tokens"] == limit
    assert "output_config" not in body


MODELS = [
    ("claude-3-7-sonnet-latest", "enabled"),
    ("claude-sonnet-4-20250514", "enabled"),
    ("us.anthropic.claude-opus-4-1-20250805-v1:0", "enabled"),
    ("claude-haiku-4-5@20251001", "enabled"),
    ("kimi-k3", "enabled"),
    ("claude-opus-4-6", "adaptive"),
    ("claude-opus-4-6-20260101", "adaptive"),
    ("claude-opus-4-10", "adaptive"),
    ("anthropic.claude-haiku-5-5-v1:0", "adaptive"),
    ("claude-fable-5", "adaptive"),
]


@pytest.mark.parametrize(("model", "kind"), MODELS)
def test_a_model_is_asked_to_think_in_its_own_way(model: str, kind: str) -> None:
    assert at_anthropic(chat(reasoning_effort="high"), model)["thinking"]["type"] == kind


def test_results_of_tools_join_the_users_next_turn() -> None:
    other = {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
    body = chat(
        messages=[
            {"role": "developer", "content": "be kind"},
            USER,
            {"role": "assistant", "content": "", "refusal": None, "tool_calls": [CALL, other]},
            {"role": "tool", "tool_call_id": "a", "content": "5"},
            {"role": "tool", "tool_call_id": "b", "name": "g", "content": ""},
            {"role": "user", "content": "and?"},
        ]
    )
    found = at_anthropic(body)
    assert found["system"] == "be kind"
    assert found["messages"] == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "5"},
                {"type": "tool_result", "tool_use_id": "b"},
                {"type": "text", "text": "and?"},
            ],
        },
    ]


PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        image(PNG, detail="high"),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        },
    ),
    (
        image("https://p.example/a.png"),
        {"type": "image", "source": {"type": "url", "url": "https://p.example/a.png"}},
    ),
    (
        {"type": "image_url", "image_url": "data:image/jpg;base64,AA=="},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/jpeg", "data": "AA=="},
        },
    ),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        },
    ),
    (
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk="}},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "hi"},
        },
    ),
    (
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ),
]


@pytest.mark.parametrize(("part", "block"), PARTS)
def test_a_part_becomes_a_block(part: dict[str, Any], block: dict[str, Any]) -> None:
    body = user({"type": "text", "text": "see"}, part)
    content = at_anthropic(body)["messages"][0]["content"]
    assert content == [{"type": "text", "text": "see"}, block]


CLAUDES = {"format": "anthropic-claude-v1"}


def test_thoughts_with_a_seal_go_back_and_others_do_not() -> None:
    details = [
        {"type": "reasoning.text", "text": "t", "signature": "s", "index": 0, **CLAUDES},
        {"type": "reasoning.encrypted", "data": "d", "index": 2, **CLAUDES},
        {"type": "reasoning.encrypted", "data": "e", "index": 3, "format": "xai-responses-v1"},
        {"type": "reasoning.text", "text": "u", "signature": "of whom?", "index": 4},
    ]
    sealed = {"role": "assistant", "content": "x", "reasoning_details": details}
    unsealed = {"role": "assistant", "content": "x", "reasoning_content": "t"}
    body = at_anthropic(chat(messages=[USER, sealed, USER, unsealed, USER]))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "text", "text": "x"},
        {"type": "redacted_thinking", "data": "d"},
    ]
    assert body["messages"][3]["content"] == "x"


def test_an_id_that_anthropic_would_not_take_is_written_alike_in_call_and_result() -> None:
    call = {**CALL, "id": "functions.f:0"}
    result = {"role": "tool", "tool_call_id": "functions.f:0", "content": "5"}
    body = at_anthropic(chat(messages=[USER, {"role": "assistant", "tool_calls": [call]}, result]))
    assert body["messages"][1]["content"][0]["id"] == "functions_2e_f_3a_0"
    assert body["messages"][2]["content"][0]["tool_use_id"] == "functions_2e_f_3a_0"


def messages(*found: dict[str, Any]) -> bytes:
    return chat(messages=list(found))


REFUSED: list[tuple[bytes, str]] = [
    (chat(n=2), "n"),
    (chat(seed=1), "seed"),
    (chat(logprobs=True), "logprobs"),
    (chat(top_logprobs=2), "top_logprobs"),
    (chat(logit_bias={"1": 2}), "logit_bias"),
    (chat(prediction={"type": "content", "content": "x"}), "prediction"),
    (chat(modalities=["text", "audio"]), "modalities"),
    (chat(audio={"voice": "v", "format": "wav"}), "audio"),
    (chat(web_search_options={}), "web_search_options"),
    (chat(functions=[{"name": "f"}]), "functions"),
    (chat(moderation={"model": "m"}), "moderation"),
    (chat(frequency_penalty=0.5), "frequency_penalty"),
    (chat(presence_penalty=-0.5), "presence_penalty"),
    (chat(temperature=1.1), "temperature"),
    (chat(service_tier="flex"), "service_tier"),
    (chat(thing_of_tomorrow=1), "thing_of_tomorrow"),
    (chat(response_format={"type": "json_object"}), "response_format"),
    (chat(response_format={"type": "grammar"}), "response_format.type"),
    (
        chat(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}},
            }
        ),
        "response_format.json_schema.description",
    ),
    (chat(reasoning_effort="minimal"), "reasoning_effort"),
    (chat(tools=[{"type": "custom", "custom": {"name": "f"}}]), "tools[0].type"),
    (chat(tools=[TOOL, {**TOOL, "odd": 1}]), "tools[1].odd"),
    (
        chat(tools=[{"type": "function", "function": {"name": "f", "odd": 1}}]),
        "tools[0].function.odd",
    ),
    (chat(tool_choice={"type": "allowed_tools"}), "tool_choice.type"),
    (user({"type": "input_audio", "input_audio": {"format": "wav", "data": "AA"}}), "input_audio"),
    (user({"type": "video_url", "video_url": {}}), "messages[0].content[0].type"),
    (user({"type": "text", "text": "x", "odd": 1}), "messages[0].content[0].odd"),
    (user(image("gs://bucket/a.png")), "image_url.url"),
    (user(image("data:image/tiff;base64,AA==")), "image_url.url"),
    (user({"type": "file", "file": {"file_id": "f"}}), "messages[0].content[0].file.file_id"),
    (
        user({"type": "file", "file": {"file_data": "data:text/csv;base64,AA=="}}),
        "file.file_data",
    ),
    (messages({**USER, "name": "ann"}), "messages[0].name"),
    (messages(USER, {"role": "function", "content": "s"}), "messages[1].role"),
    (messages(USER, {"role": "assistant", "audio": {"id": "a"}}), "messages[1].audio"),
    (
        messages({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}),
        "messages[0].tool_calls[0].type",
    ),
    (
        messages(
            {
                "role": "assistant",
                "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[1"}}],
            }
        ),
        "tool_calls[].function.arguments",
    ),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_what_anthropic_cannot_say_is_refused_by_name(body: bytes, field: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        at_anthropic(body)
    assert refusal.value.field == field
    assert refusal.value.why


def test_too_small_a_limit_for_thoughts_is_refused_at_models_with_budgets() -> None:
    with pytest.raises(Untranslatable) as refusal:
        at_anthropic(chat(reasoning_effort="low", max_tokens=1_024), OLDER)
    assert refusal.value.field == "reasoning_effort"


WRONG: list[tuple[bytes, str]] = [
    (b"[]", "body"),
    (chat(model=""), "model"),
    (chat(messages=1), "messages"),
    (chat(messages=["x"]), "messages[0]"),
    (messages({"content": "x"}), "messages[0].role"),
    (messages({"role": "user", "content": 1}), "messages[0].content"),
    (messages({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
    (user({"type": "text", "text": 1}), "messages[0].content[0].text"),
    (user(image("data:image/png,x")), "messages[0].content[0].image_url.url"),
    (
        user({"type": "file", "file": {"file_data": "AAAA"}}),
        "messages[0].content[0].file.file_data",
    ),
    (
        user({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}),
        "messages[0].content[0].cache_control.ttl",
    ),
    (chat(temperature="hot"), "temperature"),
    (chat(max_tokens=1.5), "max_tokens"),
    (chat(stop=[1]), "stop"),
    (chat(tool_choice="any"), "tool_choice"),
    (chat(reasoning_effort="huge"), "reasoning_effort"),
    (chat(reasoning={"effort": "huge"}), "reasoning.effort"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_what_no_reader_could_take_is_a_bad_parameter(body: bytes, field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        at_anthropic(body)
    assert refusal.value.field == field


def test_the_path_says_what_the_body_does_not() -> None:
    talk = CHAT.read_request(b'{"messages":[]}', Place("m", is_stream=True))
    assert (talk.model, talk.is_stream) == ("m", True)


def test_marks_and_thoughts_are_written_where_a_provider_takes_them() -> None:
    form = {"format": "xai-responses-v1"}
    details = [{"type": "reasoning.text", "text": "t", "signature": "s", "index": 0, **form}]
    seal = {"extra_content": {"google": {"thought_signature": "seal"}}}
    answer = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "t",
        "reasoning_details": details,
        "tool_calls": [{**CALL, **seal}],
    }
    mark = {"cache_control": {"type": "ephemeral"}}
    asked = [{"type": "text", "text": "x", **mark}]
    body = messages({"role": "user", "content": asked}, answer)
    talk = CHAT.read_request(body, Place())
    grok = replace(talk, model="x-ai/grok-5")
    found = json.loads(OPENROUTER_CHAT.write_request(grok))["messages"]
    assert found == [{"role": "user", "content": asked}, answer]
    plain = json.loads(CHAT.write_request(talk))["messages"]
    assert plain == [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "x", "tool_calls": [CALL]},
    ]
