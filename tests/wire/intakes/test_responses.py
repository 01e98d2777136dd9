"""OpenAI's responses: what is read of a request, how much input it can be, what bills more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.input_bounds import IMAGE_TOKENS
from tests.wire.intakes.asked import body_of, facts_of, read

READ: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({"service_tier": "flex"}, {"tier": "flex"}),
    ({"max_output_tokens": 64}, {"output_asked": 64, "output_fields": ("max_output_tokens",)}),
    ({"previous_response_id": "resp_1"}, {"input_bound": None, "has_varying": False}),
    ({"conversation": "conv_1"}, {"input_bound": None, "has_varying": True}),
    ({"conversation": {"id": "conv_1"}}, {"input_bound": None, "has_varying": True}),
    ({"prompt": {"id": "pmpt_1"}}, {"input_bound": None, "has_varying": True}),
    ({"background": True, "stream": True}, {"unbounded_field": ""}),
    ({"background": True}, {"unbounded_field": "background"}),
    ({"background": True, "stream": False}, {"unbounded_field": "background"}),
    ({"background": False}, {"unbounded_field": ""}),
    ({"context_management": [{"type": "compaction"}]}, {"unbounded_field": "context_management"}),
    ({"background_options": {}}, {"unbounded_field": "background_options"}),
    ({"user": "u", "prompt_cache_key": "k"}, {"fields": {"user": "u", "prompt_cache_key": "k"}}),
    ({"metadata": {"tenant": "a", "n": 1}}, {"metadata": {"tenant": "a"}}),
    ({"reasoning": {"effort": "high"}, "text": {}, "include": []}, {"unbounded_field": ""}),
]


@pytest.mark.parametrize(("more", "expected"), READ, ids=str)
def test_a_field_is_read(more: dict[str, object], expected: dict[str, object]) -> None:
    got = facts_of("responses", **more)
    assert {name: getattr(got, name) for name in expected} == expected
    assert [one.name for one in got.members] == ["model", "input", *more]


def test_fields_that_are_null_say_nothing() -> None:
    names = (
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
        "tools",
        "instructions",
    )
    got = facts_of("responses", **dict.fromkeys(names))
    assert got.input_bound is not None
    assert (got.unbounded_field, got.has_varying) == ("", False)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"background": "yes"}, "background"),
        ({"service_tier": 5}, "service_tier"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": 5}, "input"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(more: dict[str, object], field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        facts_of("responses", **more)
    assert caught.value.field == field


def test_input_may_be_text_or_items_or_none() -> None:
    assert [bytes(one) for one in facts_of("responses").messages] == [b'"hi"']
    items = [{"role": "user", "content": "a"}, {"type": "function_call", "arguments": "{}"}]
    got = facts_of("responses", input=items)
    assert [json.loads(bytes(one)) for one in got.messages] == items
    for none in (None, ...):
        members: dict[str, object] = {"model": "m", "previous_response_id": "r"}
        if none is None:
            members["input"] = None
        empty = read("responses", json.dumps(members).encode())
        assert (empty.messages, empty.fingerprints.last_message_hash) == ((), 0)


KINDS = """
    web_search web_search_preview file_search code_interpreter image_generation mcp
    computer_use_preview computer shell tool_search programmatic_tool_calling something_new
""".split()


@pytest.mark.parametrize("kind", KINDS)
def test_tools_of_the_provider_have_no_bound(kind: str) -> None:
    tools = [{"type": "function", "name": "f"}, {"type": kind}]
    assert facts_of("responses", tools=tools).unbounded_field == "tools"
    nested = [{"type": "namespace", "tools": tools}]
    assert facts_of("responses", tools=nested).unbounded_field == "tools"


LOCAL: list[list[dict[str, object]]] = [
    [{"type": "function"}, {"type": "custom"}, {"type": "local_shell"}, {"type": "apply_patch"}],
    [{"type": "namespace", "tools": [{"type": "function"}, {"type": "custom"}]}],
    [],
]


@pytest.mark.parametrize("tools", LOCAL)
def test_tools_of_the_caller_are_bounded(tools: list[dict[str, object]]) -> None:
    assert facts_of("responses", tools=tools).unbounded_field == ""


@pytest.mark.parametrize("tools", [5, "x", [5], [{"type": 5}], [{"type": "namespace"}]])
def test_tools_that_cannot_be_read_have_none(tools: object) -> None:
    assert facts_of("responses", tools=tools).unbounded_field == "tools"


# Turns --------------------------------------------------------------------------------------

DATA = "iVBOR" * 4_000
URL = f"data:image/png;base64,{DATA}"
PICTURE: dict[str, object] = {"type": "input_image", "image_url": URL, "detail": "low"}


def user(*parts: object) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


IMAGES: list[dict[str, object]] = [
    user(PICTURE),
    user({"type": "input_image", "image_url": "https://a.example/b.png"}),
    user({"type": "input_image", "file_id": "file_1"}),
    {"type": "function_call_output", "call_id": "c", "output": [PICTURE]},
    {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": URL}},
]


@pytest.mark.parametrize("item", IMAGES)
def test_an_image_counts_by_itself_and_its_bytes_do_not(item: dict[str, object]) -> None:
    got = facts_of("responses", input=[item])
    assert got.images == 1
    assert got.input_bound is not None
    assert IMAGE_TOKENS <= got.input_bound < IMAGE_TOKENS + 1_000


def test_an_image_that_was_made_counts_as_both() -> None:
    got = facts_of("responses", input=[{"type": "image_generation_call", "result": DATA}])
    assert got.images == 1
    assert got.input_bound is not None
    assert got.input_bound >= IMAGE_TOKENS + len(DATA)


def test_speech_counts_by_its_length() -> None:
    part = {"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}
    got = facts_of("responses", input=[user(part)])
    assert got.has_audio
    assert got.input_bound is not None
    assert len(DATA) // 64 <= got.input_bound < len(DATA) // 64 + 1_000


ELSEWHERE: list[dict[str, object]] = [
    user({"type": "input_file", "file_id": "file_1"}),
    user({"type": "input_file", "file_url": "https://a.example/b.pdf"}),
    user({"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0="}),
    user({"type": "something_new"}),
    {"type": "item_reference", "id": "msg_1"},
    {"id": "msg_1"},
    {"type": None, "id": "msg_1"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "reasoning", "id": "rs_1", "encrypted_content": None},
    {"type": "web_search_call", "id": "ws_1"},
    {"type": "file_search_call", "id": "fs_1"},
    {"type": "code_interpreter_call", "id": "ci_1"},
    {"type": "image_generation_call", "id": "ig_1", "result": None},
    {"type": "mcp_call", "id": "mcp_1"},
    {"type": "function_call_output", "output": [{"type": "input_file", "file_id": "f"}]},
]


@pytest.mark.parametrize("item", ELSEWHERE)
def test_what_the_provider_keeps_is_the_whole_context(item: dict[str, object]) -> None:
    got = facts_of("responses", input=[{"role": "user", "content": "?"}, item])
    assert (got.input_bound, got.images) == (None, 0)
    hidden = body_of("responses", input=[item]).replace(b'"type"', b'"typ\\u0065"')
    assert read("responses", hidden).input_bound is None


@pytest.mark.parametrize("kind", ["additional_tools", "configuration_update"])
def test_tools_that_come_with_the_items_have_no_bound(kind: str) -> None:
    assert facts_of("responses", input=[{"type": kind}]).unbounded_field == "input"


TEXTS: list[dict[str, object]] = [
    {"type": "function_call", "name": "f", "arguments": json.dumps(PICTURE)},
    {"type": "function_call_output", "output": json.dumps([PICTURE])},
    {"type": "custom_tool_call", "name": "f", "input": DATA},
    {"type": "local_shell_call", "action": {"env": {"image_url": URL, "x": PICTURE}}},
    {"type": "reasoning", "id": "rs_1", "encrypted_content": DATA},
    user({"type": "input_text", "text": URL}),
    {"role": "assistant", "content": [{"type": "output_text", "text": json.dumps(PICTURE)}]},
]


@pytest.mark.parametrize("item", TEXTS)
def test_what_only_looks_like_an_image_is_text(item: dict[str, object]) -> None:
    got = facts_of("responses", input=[item])
    assert got.images == 0
    assert got.input_bound is not None
    assert got.input_bound >= len(DATA)


def test_the_beginning_is_tools_instructions_and_the_first_system_items() -> None:
    system = {"role": "developer", "content": "be brief"}
    asks = [{"role": "user", "content": text} for text in ("a", "b")]
    tools = [{"type": "function", "name": "f"}]
    one, two, other = (
        facts_of("responses", tools=tools, instructions=said, input=[system, ask]).fingerprints
        for said, ask in (("x", asks[0]), ("x", asks[1]), ("y", asks[0]))
    )
    assert one.prefix_hash == two.prefix_hash != other.prefix_hash
    assert one.last_message_hash == other.last_message_hash != two.last_message_hash
