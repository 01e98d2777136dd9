"""Converse's requests: what a conversation is read from, and what it is written as."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter, Untranslatable
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.converse.codec import CONVERSE
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

CLAUDE = "us.anthropic.claude-sonnet-5-v1:0"
OLD_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
HELLO = Turn("user", (Text("hello"),))
SCHEMA = b'{"type":"object","properties":{"city":{"type":"string"}}}'
NO_ARGUMENTS = {"type": "object", "properties": {}}
POINT = {"cachePoint": {"type": "default"}}


def read(body: dict[str, Any], *, is_stream: bool = False) -> Talk:
    whole = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]} | body
    return CONVERSE.read_request(json.dumps(whole).encode(), Place(CLAUDE, is_stream))


def read_parts(*blocks: object, role: str = "user") -> tuple[Part, ...]:
    turns = read({"messages": [{"role": role, "content": list(blocks)}]}).turns
    return tuple(part for turn in turns for part in turn.parts)


def write(talk: Talk) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CONVERSE.write_request(talk))
    return body


def talk(*turns: Turn, **fields: Any) -> Talk:
    return replace(Talk(CLAUDE, turns or (HELLO,)), **fields)


def role_of(part: Part) -> Any:
    return "assistant" if isinstance(part, Thinking | ToolCall) else "user"


def write_blocks(*parts: Part, model: str = CLAUDE) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = write(Talk(model, (Turn(role_of(parts[0]), parts),)))[
        "messages"
    ][0]["content"]
    return written


def test_every_member_is_read_and_written_the_same() -> None:
    body = {
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "system": [{"text": "be brief"}, POINT, {"text": "and kind"}],
        "inferenceConfig": {
            "maxTokens": 100,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["END"],
        },
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "f",
                        "description": "does f",
                        "inputSchema": {"json": json.loads(SCHEMA)},
                        "strict": True,
                    }
                },
                {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"toolSpec": {"name": "g", "inputSchema": {"json": NO_ARGUMENTS}}},
            ],
            "toolChoice": {"tool": {"name": "f"}},
        },
        "additionalModelRequestFields": {
            "top_k": 40,
            "thinking": {"type": "adaptive", "display": "summarized"},
        },
        "outputConfig": {
            "effort": "high",
            "textFormat": {
                "type": "json_schema",
                "structure": {
                    "jsonSchema": {"name": "city", "schema": SCHEMA.decode(), "description": "d"}
                },
            },
        },
        "serviceTier": {"type": "flex"},
    }
    wanted = talk(
        system=(Text("be brief", "5m"), Text("and kind")),
        output_max=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("END",),
        tools=(Tool("f", "does f", SCHEMA, is_strict=True, cache="1h"), Tool("g")),
        tool_choice="tool:f",
        reasoning=Reasoning("high", is_adaptive=True, shows_thoughts=True),
        shape=Shape(SCHEMA, "city", "d"),
        tier="flex",
    )
    asked = read(body)
    tools = (replace(asked.tools[0], schema=asked.tools[0].schema.replace(b" ", b"")), Tool("g"))
    assert replace(asked, tools=tools) == wanted
    assert write(wanted) == body


def test_the_model_and_whether_to_stream_are_in_the_path() -> None:
    assert read({}, is_stream=True) == talk(is_stream=True)
    assert write(talk()) == {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


BYTES = {"bytes": "aGk="}
PLACE = {"s3Location": {"uri": "s3://bucket/x"}}
BLOCKS: list[tuple[dict[str, Any], Part]] = [
    ({"text": "hi"}, Text("hi")),
    ({"image": {"format": "jpeg", "source": BYTES}}, Image("image/jpeg", "aGk=")),
    ({"image": {"format": "png", "source": PLACE}}, Image("image/png", url="s3://bucket/x")),
    (
        {"document": {"name": "a 1", "format": "pdf", "source": BYTES}},
        Document("application/pdf", "aGk=", name="a 1"),
    ),
    (
        {"document": {"name": "a", "format": "md", "source": PLACE}},
        Document("text/markdown", url="s3://bucket/x", name="a"),
    ),
    ({"audio": {"format": "wav", "source": BYTES}}, Audio("wav", "aGk=")),
    (
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
        ToolCall("c1", "f", '{"a": 1}'),
    ),
    (
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "21"}]}},
        ToolResult("c1", (Text("21"),)),
    ),
    (
        {"toolResult": {"toolUseId": "c1", "content": [], "status": "error"}},
        ToolResult("c1", (), is_error=True),
    ),
    (
        {
            "toolResult": {
                "toolUseId": "c1",
                "content": [{"text": "see"}, {"image": {"format": "gif", "source": BYTES}}],
            }
        },
        ToolResult("c1", (Text("see"), Image("image/gif", "aGk="))),
    ),
    (
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        Thinking("hm", "c2ln", maker="anthropic"),
    ),
    (
        {"reasoningContent": {"redactedContent": "aGk="}},
        Thinking(redacted="aGk=", maker="anthropic"),
    ),
]


@pytest.mark.parametrize(("block", "part"), BLOCKS)
def test_a_block_is_read_and_written_the_same(block: dict[str, Any], part: Part) -> None:
    assert read_parts(block, role=role_of(part)) == (part,)
    assert write_blocks(part) == [block]


ONLY_READ: list[tuple[dict[str, Any], tuple[Part, ...]]] = [
    (
        {"document": {"name": "a", "source": {"text": "hi"}, "citations": {"enabled": False}}},
        (Document("text/plain", "aGk=", name="a"),),
    ),
    (
        {
            "toolResult": {
                "toolUseId": "c1",
                "content": [{"json": {"a": 1.50}}],
                "status": "success",
            }
        },
        (ToolResult("c1", (Text('{"a": 1.5}'),)),),
    ),
    (
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        (Thinking("hm"),),
    ),
    ({"text": "hi", "guardContent": {}, "image": None}, (Text("hi"),)),
    ({}, ()),
]


@pytest.mark.parametrize(("block", "parts"), ONLY_READ)
def test_other_ways_to_write_a_block_are_read(
    block: dict[str, Any], parts: tuple[Part, ...]
) -> None:
    assert read_parts(block) == parts


def test_a_cache_point_is_a_mark_on_what_stands_before_it() -> None:
    result = ToolResult("c1", (Text("21"),), cache="1h")
    parts = (result, Text("hi"), Image("image/png", "aGk=", cache="5m"))
    blocks = write_blocks(*parts)
    assert [next(iter(block)) for block in blocks] == [
        "toolResult",
        "cachePoint",
        "text",
        "image",
        "cachePoint",
    ]
    assert blocks[1]["cachePoint"] == {"type": "default", "ttl": "1h"}
    assert blocks[4] == POINT
    assert read_parts(*blocks) == parts


def test_a_mark_inside_a_result_stands_after_it() -> None:
    blocks = write_blocks(ToolResult("c1", (Text("2", "5m"), Text("1"))))
    assert blocks[1:] == [POINT]


def test_a_result_is_named_by_the_call_that_it_answers() -> None:
    asked = read(
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}}],
                },
                {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": []}}]},
            ]
        }
    )
    assert asked.turns[1].parts == (ToolResult("c1", (), "f"),)


def test_a_system_turn_before_all_others_is_the_system_prompt() -> None:
    first = {"role": "system", "content": [{"text": "be brief"}]}
    hello = {"role": "user", "content": [{"text": "hello"}]}
    assert read({"messages": [first, hello]}) == talk(system=(Text("be brief"),))
    assert read({"messages": [hello, first]}).turns[1] == Turn("user", (Instruction("be brief"),))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"guardrailConfig": {"guardrailIdentifier": "x"}}, "guardrailConfig"),
    ({"promptVariables": {"a": {"text": "b"}}}, "promptVariables"),
    ({"performanceConfig": {"latency": "optimized"}}, "performanceConfig.latency"),
    ({"additionalModelResponseFieldPaths": ["/x"]}, "additionalModelResponseFieldPaths"),
    (
        {"additionalModelRequestFields": {"anthropic_beta": ["x"]}},
        "additionalModelRequestFields.anthropic_beta",
    ),
    ({"what": 1}, "what"),
    ({"toolConfig": {"tools": [{"systemTool": {"name": "x"}}]}}, "toolConfig.tools[0].systemTool"),
    ({"system": [{"guardContent": {"text": {"text": "x"}}}]}, "system[0].guardContent"),
    ({"system": [POINT]}, "system[0].cachePoint"),
    (
        {"messages": [{"role": "user", "content": [{"video": {"format": "mp4"}}]}]},
        "messages[0].content[0].video",
    ),
    ({"messages": [{"role": "user", "content": [POINT]}]}, "messages[0].content[0].cachePoint"),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "document": {
                                "name": "a",
                                "source": {"text": "b"},
                                "citations": {"enabled": True},
                            }
                        }
                    ],
                }
            ]
        },
        "messages[0].content[0].document.citations.enabled",
    ),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_what_no_other_dialect_has_is_refused_by_name(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        read(body)
    assert refusal.value.field == field


def test_members_that_say_nothing_are_no_reason_to_refuse() -> None:
    nothing: dict[str, Any] = {
        "system": [],
        "inferenceConfig": {},
        "guardrailConfig": None,
        "promptVariables": {},
        "additionalModelResponseFieldPaths": [],
        "additionalModelRequestFields": {},
        "requestMetadata": {"team": "a"},
        "performanceConfig": {"latency": "standard"},
    }
    assert read(nothing) == talk()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": 1}, "messages"),
    ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"text": 1}]}]}, "messages[0].content[0].text"),
    ({"inferenceConfig": {"maxTokens": "1"}}, "inferenceConfig.maxTokens"),
    (
        {"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]},
        "messages[0].content[0].image.source",
    ),
    ({"toolConfig": {"tools": [], "toolChoice": {"x": {}}}}, "toolConfig.toolChoice"),
    (
        {"outputConfig": {"textFormat": {"type": "json_schema"}}},
        "outputConfig.textFormat.structure",
    ),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_a_wrong_type_is_told_by_name(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        read(body)
    assert refusal.value.field == field


def said_by(*parts: Part) -> dict[str, Any]:
    return {"turns": (Turn(role_of(parts[0]), parts),)}


UNSAYABLE: list[tuple[dict[str, Any], str]] = [
    ({"tools": (Tool("f"),), "parallel_tools": False}, "parallel_tools"),
    ({"choices": 2}, "choices"),
    ({"seed": 0}, "seed"),
    ({"frequency_penalty": 0.1}, "frequency_penalty"),
    ({"presence_penalty": 0.1}, "presence_penalty"),
    ({"temperature": 1.1}, "temperature"),
    ({"tier": "scale"}, "tier"),
    ({"shape": Shape()}, "shape"),
    ({"model": GPT, "top_k": 1}, "top_k"),
    ({"model": GPT, "reasoning": Reasoning("minimal")}, "reasoning"),
    ({"model": GPT, "reasoning": Reasoning(budget_tokens=1)}, "reasoning"),
    ({"reasoning": Reasoning("minimal")}, "reasoning"),
    (said_by(Image("image/png", url="https://a.example")), "image"),
    (said_by(Image("image/tiff", "aGk=")), "image"),
    (said_by(Document("text/rtf", "aGk=")), "document"),
    (said_by(Document("application/pdf", url="https://a.example")), "document"),
    (said_by(ToolCall("1", "f", "{")), "arguments"),
    ({**said_by(ToolCall("1", "f", "{}")), "tool_choice": "none"}, "tool_choice"),
]


@pytest.mark.parametrize(("fields", "field"), UNSAYABLE)
def test_what_converse_cannot_say_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        CONVERSE.write_request(talk(**fields))
    assert refusal.value.field == field


CHOICES: list[tuple[str, dict[str, Any] | None]] = [
    ("", None),
    ("auto", {"auto": {}}),
    ("required", {"any": {}}),
    ("tool:f", {"tool": {"name": "f"}}),
]


@pytest.mark.parametrize(("choice", "written"), CHOICES)
def test_which_tool_is_called_is_read_and_written_the_same(
    choice: str, written: dict[str, Any] | None
) -> None:
    asked = talk(tools=(Tool("f"),), tool_choice=choice)
    config = write(asked)["toolConfig"]
    assert config.get("toolChoice") == written
    assert read({"toolConfig": config}) == asked


def test_who_may_call_no_tool_is_told_of_none() -> None:
    assert "toolConfig" not in write(talk(tools=(Tool("f"),), tool_choice="none"))


THINKING: list[tuple[str, Reasoning, dict[str, Any], str]] = [
    (CLAUDE, Reasoning("none"), {"type": "disabled"}, ""),
    (CLAUDE, Reasoning("low"), {"type": "adaptive"}, "low"),
    (OLD_CLAUDE, Reasoning("medium"), {"type": "enabled", "budget_tokens": 8_192}, ""),
    (
        OLD_CLAUDE,
        Reasoning(budget_tokens=2_000),
        {"type": "enabled", "budget_tokens": 2_000},
        "",
    ),
    (NOVA, Reasoning("low"), {}, "low"),
]


@pytest.mark.parametrize(("model", "reasoning", "thinking", "effort"), THINKING)
def test_how_much_to_think_is_said_as_the_model_takes_it(
    model: str, reasoning: Reasoning, thinking: dict[str, Any], effort: str
) -> None:
    body = write(talk(model=model, reasoning=reasoning))
    assert body.get("additionalModelRequestFields", {}).get("thinking", {}) == thinking
    assert body.get("outputConfig", {}).get("effort", "") == effort


def test_top_k_stands_where_the_model_takes_it() -> None:
    claudes = write(talk(top_k=5))["additionalModelRequestFields"]
    novas = write(talk(top_k=5, model=NOVA))["additionalModelRequestFields"]
    assert (claudes, novas) == ({"top_k": 5}, {"inferenceConfig": {"topK": 5}})
    assert read({"additionalModelRequestFields": novas}).top_k == 5


def test_thoughts_without_a_seal_are_told_to_others_than_claude() -> None:
    parts = (Thinking("hm"), Text("hi"))
    assert write_blocks(*parts) == [{"text": "hi"}]
    thought = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    assert write_blocks(*parts, model=GPT) == [thought, {"text": "hi"}]


def test_documents_have_names_that_converse_takes_and_no_two_the_same() -> None:
    documents = [Document("application/pdf", "aGk=", name=name) for name in ("a/b.pdf", "", "")]
    names = [block["document"]["name"] for block in write_blocks(*documents)]
    assert names == ["a-b-pdf", "document", "document 2"]


def test_ids_that_converse_does_not_take_are_others_but_agree() -> None:
    odd = "call|" + "x" * 100
    turns = (
        Turn("assistant", (ToolCall(odd, "f", ""),)),
        Turn("user", (ToolResult(odd, (Text("21"),)),)),
    )
    called, answered = write(talk(*turns))["messages"]
    call_id = called["content"][0]["toolUse"]["toolUseId"]
    assert len(call_id) <= 64
    assert answered["content"][0]["toolResult"]["toolUseId"] == call_id


def test_neighbours_of_one_role_are_one_turn_and_empty_texts_are_left_out() -> None:
    turns = (HELLO, Turn("user", (Text(""), Text("again"))), Turn("assistant", (Text(""),)))
    assert write(talk(*turns))["messages"] == [
        {"role": "user", "content": [{"text": "hello"}, {"text": "again"}]}
    ]


def test_arguments_and_schemas_are_written_byte_for_byte() -> None:
    arguments = '{"n": 1e400, "k":12345678901234567890123}'
    asked = talk(
        Turn("assistant", (ToolCall("1", "f", arguments),)),
        tools=(Tool("f", schema=b'{ "type":"object" }'),),
    )
    body = CONVERSE.write_request(asked)
    assert b'"input":' + arguments.encode() in body
    assert b'"json":{ "type":"object" }' in body
    assert CONVERSE.read_request(body, Place(CLAUDE)) == asked
