"""Requests of responses: what each member is in a conversation, and what is refused by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter, Untranslatable
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.responses.tools import (
    CUSTOM_SCHEMA,
    NAME_LENGTH_MAX,
    call_names,
    function_name,
)
from ferrycli.wire.translate.talk import (
    Audio,
    Document,
    Image,
    Instruction,
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

PNG = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,AAAA"
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x":1}'}
SCHEMA = {"type": "object"}
TOOL = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}


def body(**members: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **members}).encode()


def read(**members: Any) -> Talk:
    return RESPONSES.read_request(body(**members), Place())


def message(role: str, *content: dict[str, Any] | str) -> dict[str, Any]:
    only = content[0] if len(content) == 1 and isinstance(content[0], str) else list(content)
    return {"type": "message", "role": role, "content": only}


MEMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"model": "m", "turns": (Turn("user", (Text("hi"),)),)}),
    ({"instructions": "Be short."}, {"system": (Text("Be short."),)}),
    ({"stream": True, "stream_options": {"include_obfuscation": False}}, {"is_stream": True}),
    ({"max_output_tokens": 9}, {"output_max": 9}),
    ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1.0}),
    ({"user": "u"}, {"user": "u"}),
    ({"safety_identifier": "s"}, {"user": "s"}),
    ({"service_tier": "flex"}, {"tier": "flex"}),
    ({"parallel_tool_calls": False}, {"parallel_tools": False}),
    ({"store": True, "metadata": {"a": "b"}, "truncation": "auto"}, {}),
    ({"background": False, "top_logprobs": 0, "previous_response_id": None}, {}),
    ({"prompt_cache_key": "k", "prompt_cache_retention": "24h", "max_tool_calls": 3}, {}),
    ({"include": ["reasoning.encrypted_content", "web_search_call.results"]}, {}),
    ({"text": {"format": {"type": "text"}, "verbosity": "medium"}}, {"shape": None}),
    ({"text": {"format": {"type": "json_object"}}}, {"shape": Shape()}),
    (
        {
            "text": {
                "format": {"type": "json_schema", "name": "n", "strict": True, "schema": SCHEMA}
            }
        },
        {"shape": Shape(b'{"type": "object"}', "n", "", True)},
    ),
    ({"reasoning": None}, {"reasoning": None}),
    ({"reasoning": {"effort": None, "summary": None, "context": "auto"}}, {"reasoning": None}),
    ({"reasoning": {"effort": "high"}}, {"reasoning": Reasoning("high")}),
    (
        {"reasoning": {"effort": "low", "summary": "auto", "mode": "standard"}},
        {"reasoning": Reasoning("low", shows_thoughts=True)},
    ),
    ({"reasoning": {"summary": "none"}}, {"reasoning": None}),
    ({"tools": []}, {"tools": ()}),
    ({"tools": [TOOL]}, {"tools": (Tool("f", "", b'{"type": "object"}', True),)}),
    (
        {
            "tools": [
                {"type": "function", "name": "f", "description": "d", "parameters": None},
                {"type": "custom", "name": "sh", "description": "runs", "format": {"type": "text"}},
            ]
        },
        {"tools": (Tool("f", "d"), Tool("sh", "runs", CUSTOM_SCHEMA))},
    ),
    ({"tool_choice": "required"}, {"tool_choice": "required"}),
    ({"tool_choice": {"type": "function", "name": "f"}}, {"tool_choice": "tool:f"}),
    ({"tool_choice": {"type": "custom", "name": "sh"}}, {"tool_choice": "tool:sh"}),
]


@pytest.mark.parametrize(("members", "fields"), MEMBERS)
def test_a_member_is_read(members: dict[str, Any], fields: dict[str, Any]) -> None:
    talk = read(**members)
    for name in set(Talk.__dataclass_fields__) - {"model", "turns"} | set(fields):
        default = Talk("", ())
        assert getattr(talk, name) == fields.get(name, getattr(default, name)), name


PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {}}, Text("a")),
    ({"type": "output_text", "text": "a", "annotations": [{}], "logprobs": []}, Text("a")),
    ({"type": "refusal", "refusal": "no"}, Text("no")),
    ({"type": "input_image", "image_url": PNG}, Image("image/png", "AAAA")),
    (
        {"type": "input_image", "image_url": "https://x.example/a", "file_id": None},
        Image(url="https://x.example/a"),
    ),
    (
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        Image("image/png", "AAAA", detail="low"),
    ),
    ({"type": "input_image", "image_url": PNG, "detail": "auto"}, Image("image/png", "AAAA")),
    (
        {"type": "input_file", "filename": "a.pdf", "file_data": PDF, "detail": "auto"},
        Document("application/pdf", "AAAA", name="a.pdf"),
    ),
    (
        {"type": "input_file", "file_url": "https://x.example/a"},
        Document(url="https://x.example/a"),
    ),
    (
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "AAAA"}},
        Audio("wav", "AAAA"),
    ),
]


@pytest.mark.parametrize(("content", "part"), PARTS)
def test_a_part_is_read(content: dict[str, Any], part: Part) -> None:
    assert read(input=[message("user", content)]).turns == (Turn("user", (part,)),)


ITEMS: list[tuple[list[Any], tuple[Turn, ...]]] = [
    ([{"role": "user", "content": "a"}], (Turn("user", (Text("a"),)),)),
    (
        # What came in one answer is one turn, and what tools gave for it another.
        [
            message("user", "a"),
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {**message("assistant", "b"), "id": "msg_1", "status": "completed", "phase": "x"},
            CALL,
            {**CALL, "call_id": "d", "id": "fc_1", "caller": {"type": "direct"}},
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            {"type": "function_call_output", "call_id": "d", "output": "2", "id": None},
            message("user", "e"),
        ],
        (
            Turn("user", (Text("a"),)),
            Turn(
                "assistant",
                (Text("b"), ToolCall("c", "f", '{"x":1}'), ToolCall("d", "f", '{"x":1}')),
            ),
            Turn("user", (ToolResult("c", (Text("1"),)), ToolResult("d", (Text("2"),)))),
            Turn("user", (Text("e"),)),
        ),
    ),
    (
        [
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [
                    {"type": "input_text", "text": "The tool failed:"},
                    {"type": "input_image", "image_url": PNG},
                ],
            }
        ],
        (Turn("user", (ToolResult("c", (Image("image/png", "AAAA"),), is_error=True),)),),
    ),
    (
        [
            {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": 'say "x"'},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
        ],
        (
            Turn("assistant", (ToolCall("c", "sh", '{"input":"say \\"x\\""}'),)),
            Turn("user", (ToolResult("c", (Text("x"),)),)),
        ),
    ),
    (
        [{**CALL, "namespace": "crm"}],
        (Turn("assistant", (ToolCall("c", "crm__f", '{"x":1}'),)),),
    ),
    (
        [
            {
                "type": "reasoning",
                "summary": [
                    {"type": "summary_text", "text": "One."},
                    {"type": "summary_text", "text": "Two."},
                ],
                "encrypted_content": "gAAA",
            }
        ],
        (Turn("assistant", (Thinking("One.\n\nTwo.", "gAAA", maker="openai"),)),),
    ),
    (
        [
            {
                "type": "reasoning",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hm."}],
                "encrypted_content": None,
            }
        ],
        (Turn("assistant", (Thinking("Hm."),)),),
    ),
    (
        [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}],
        (Turn("assistant", (Thinking("", "gAAA", maker="openai"),)),),
    ),
    # A mark that ferry has not made.
    ([{"type": "reasoning", "summary": [], "encrypted_content": "ferry:odd:google:s"}], ()),
    (
        [{"type": "reasoning", "summary": [], "encrypted_content": "ferry:redacted:anthropic:a:b"}],
        (Turn("assistant", (Thinking(redacted="a:b", maker="anthropic"),)),),
    ),
    (
        [
            {"type": "reasoning", "summary": [], "encrypted_content": "ferry:call:google:s"},
            CALL,
            CALL,
        ],
        (Turn("assistant", (ToolCall("c", "f", '{"x":1}', "s"), ToolCall("c", "f", '{"x":1}'))),),
    ),
]


@pytest.mark.parametrize(("items", "turns"), ITEMS)
def test_items_are_read_as_turns(items: list[Any], turns: tuple[Turn, ...]) -> None:
    assert read(input=items).turns == turns


def test_instructions_of_a_developer_stand_where_they_were_given() -> None:
    talk = read(
        instructions="a",
        input=[message("developer", "b"), message("user", "hi"), message("system", "c")],
    )
    assert talk.system == (Text("a"), Text("b"))
    assert talk.turns == (Turn("user", (Text("hi"),)), Turn("user", (Instruction("c"),)))


def test_the_path_names_the_model_where_it_does() -> None:
    talk = RESPONSES.read_request(body(stream=True), Place("other", False))
    assert (talk.model, talk.is_stream) == ("other", False)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"background": True}, "background"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"include": ["message.output_text.logprobs"]}, "include"),
    ({"context_management": [{"type": "compaction"}]}, "context_management"),
    ({"moderation": {"model": "m"}}, "moderation"),
    ({"unheard_of": 1}, "unheard_of"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
    ({"tools": [{**TOOL, "output_schema": {}}]}, "tools[0].output_schema"),
    (
        {"tools": [TOOL, {"type": "custom", "name": "p", "format": {"type": "grammar"}}]},
        "tools[1].format.type",
    ),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]},
        "tools[0].tools[0].type",
    ),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
    ({"input": [{"id": "msg_1"}]}, "input[0].id"),
    ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
    ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0].type"),
    ({"input": [{**message("user", "a"), "unheard_of": 1}]}, "input[0].unheard_of"),
    ({"input": [message("critic", "a")]}, "input[0].role"),
    (
        {"input": [message("user", {"type": "input_image", "file_id": "file_1"})]},
        "input[0].content[0].file_id",
    ),
    (
        {"input": [message("user", {"type": "input_file", "file_id": "file_1"})]},
        "input[0].content[0].file_id",
    ),
    (
        {"input": [message("user", {"type": "input_video"})]},
        "input[0].content[0].type",
    ),
    (
        {"input": [message("developer", {"type": "input_image", "image_url": PNG})]},
        "input[0].content",
    ),
    ({"input": [{**CALL, "caller": {"type": "program"}}]}, "input[0].caller.type"),
    *(
        ({"tools": [{"type": kind}]}, "tools[0].type")
        for kind in (
            "code_interpreter",
            "computer_use_preview",
            "file_search",
            "image_generation",
            "local_shell",
            "mcp",
            "shell",
            "tool_search",
            "web_search",
            "web_search_preview",
        )
    ),
]


@pytest.mark.parametrize(("members", "field"), REFUSED)
def test_what_no_other_provider_can_do_is_refused_by_name(
    members: dict[str, Any], field: str
) -> None:
    with pytest.raises(Untranslatable) as refusal:
        read(**members)
    assert refusal.value.field == field


BAD: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": 3}, "input"),
    ({"input": [3]}, "input[0]"),
    ({"input": [{"type": "message"}]}, "input[0].role"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    ({"model": ""}, "model"),
    ({"reasoning": {"effort": "utmost"}}, "reasoning.effort"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"tools": [TOOL, TOOL]}, "tools[1].name"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    (
        {"input": [message("user", {"type": "input_file", "file_data": "AAAA"})]},
        "input[0].content[0].file_data",
    ),
]


@pytest.mark.parametrize(("members", "field"), BAD)
def test_a_wrong_value_is_refused_by_name(members: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        read(**members)
    assert refusal.value.field == field


# Tools that others have not -------------------------------------------------------------------


def test_tools_of_a_namespace_are_named_after_it() -> None:
    inner = [{**TOOL, "description": "finds"}, {"type": "custom", "name": "g"}]
    tools = [{"type": "namespace", "name": "crm", "description": "All of it.", "tools": inner}]
    found = read(tools=tools).tools
    assert [tool.name for tool in found] == ["crm__f", "crm__g"]
    assert found[0].description == "Of all tools crm__…: All of it.\n\nfinds"
    assert found[1].description == ""
    names = call_names(body(tools=tools))
    assert (names["crm__f"].namespace, names["crm__f"].is_custom) == ("crm", False)
    assert (names["crm__g"].name, names["crm__g"].is_custom) == ("g", True)


@pytest.mark.parametrize(
    ("namespace", "name", "function"),
    [
        ("", "f", "f"),
        ("crm", "f", "crm__f"),
        ("mcp__files__", "read", "mcp__files__read"),
        ("n" * 30, "f" * 32, "n" * 30 + "__" + "f" * 32),
    ],
)
def test_a_function_is_named_after_its_tool(namespace: str, name: str, function: str) -> None:
    assert function_name(name, namespace) == function


def test_a_name_that_is_too_long_is_cut_and_stays_its_own() -> None:
    one, other = (function_name("f" * 33 + end, "n" * 30) for end in "ab")
    assert one != other
    assert len(one) == len(other) == NAME_LENGTH_MAX


# Through to a provider ------------------------------------------------------------------------


def test_codex_is_carried_to_anthropic_and_to_chat() -> None:
    """What Codex CLI 0.1xx sends for a model that it does not know, with its web search off."""
    request = body(
        model="claude",
        instructions="You are a coding agent.",
        input=[
            message("developer", {"type": "input_text", "text": "<permissions>"}),
            message("user", {"type": "input_text", "text": "<environment_context>"}),
            {
                **message("user", {"type": "input_text", "text": "list"}),
                "internal_chat_message_metadata_passthrough": {"turn_id": "t"},
            },
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "I list."}],
                "content": None,
                "encrypted_content": "ferry:signature:anthropic:EqQB",
            },
            message("assistant", {"type": "output_text", "text": "I list."}),
            {**CALL, "name": "exec_command", "arguments": '{"cmd":"ls"}'},
            {"type": "function_call_output", "call_id": "c", "output": "a b"},
        ],
        tools=[
            {**TOOL, "name": "exec_command", "description": "Runs.", "strict": False},
            {**TOOL, "name": "update_plan", "description": "Plans.", "strict": False},
        ],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning={"effort": "medium", "summary": "auto"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="019a",
        client_metadata={"x-codex-installation-id": "i"},
    )
    sent = json.loads(carry.request(request, Place(), RESPONSES, MESSAGES, "claude-opus-5"))
    assert [block["text"] for block in sent["system"]] == [
        "You are a coding agent.",
        "<permissions>",
    ]
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "I list.", "signature": "EqQB"},
        {"type": "text", "text": "I list."},
        {"type": "tool_use", "id": "c", "name": "exec_command", "input": {"cmd": "ls"}},
    ]
    assert [tool["name"] for tool in sent["tools"]] == ["exec_command", "update_plan"]
    assert sent["thinking"]["display"] == "summarized"
    chat = json.loads(carry.request(request, Place(), RESPONSES, CHAT, "m"))
    assert [one["role"] for one in chat["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"service_tier": "priority"}, "service_tier"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        (
            {
                "input": [
                    message(
                        "user",
                        {"type": "input_audio", "input_audio": {"format": "wav", "data": "A"}},
                    )
                ]
            },
            "input_audio",
        ),
    ],
)
def test_what_anthropic_cannot_say_is_refused_by_the_callers_name(
    members: dict[str, Any], field: str
) -> None:
    with pytest.raises(Untranslatable) as refusal:
        carry.request(body(**members), Place(), RESPONSES, MESSAGES, "claude-opus-5")
    assert refusal.value.field == field
