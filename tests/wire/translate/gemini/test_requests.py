"""Gemini's requests: what a conversation is read from, and what it is written as."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter, Untranslatable
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.gemini.asked import NO_SIGNATURE
from ferrycli.wire.translate.gemini.codec import GEMINI
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

NEW = "gemini-3-pro"
OLD = "gemini-2.5-flash"
HELLO = Turn("user", (Text("hello"),))
SCHEMA = b'{"type":"object","properties":{"city":{"type":"string"}}}'


def read(body: dict[str, Any], *, is_stream: bool = False) -> Talk:
    whole = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]} | body
    return GEMINI.read_request(json.dumps(whole).encode(), Place(NEW, is_stream))


def read_parts(*parts: object, role: str = "user") -> tuple[Part, ...]:
    turns = read({"contents": [{"role": role, "parts": list(parts)}]}).turns
    return tuple(part for turn in turns for part in turn.parts)


def write(talk: Talk) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(GEMINI.write_request(talk))
    return body


def test_what_a_tool_gives_is_said_in_its_description() -> None:
    declared = {"name": "f", "description": "Finds.", "response": {"type": "STRING"}}
    snake = {"name": "g", "response_json_schema": {"type": "string"}}
    silent = {"name": "h", "responseJsonSchema": {}}
    tools = read({"tools": [{"functionDeclarations": [declared, snake, silent]}]}).tools
    gives = 'It gives JSON of this schema: {"type":"string"}'
    found = [tool.description.replace(': "', ':"') for tool in tools]
    assert found == [f"Finds.\n\n{gives}", gives, ""]


def talk(*turns: Turn, **fields: Any) -> Talk:
    return replace(Talk(NEW, turns or (HELLO,)), **fields)


def write_part(part: Part, model: str = NEW) -> dict[str, Any]:
    role: Any = "assistant" if isinstance(part, Thinking | ToolCall) else "user"
    written: dict[str, Any] = write(Talk(model, (Turn(role, (part,)),)))["contents"][0]["parts"][0]
    return written


def test_the_model_and_whether_to_stream_are_in_the_path() -> None:
    asked = read({}, is_stream=True)
    assert asked == Talk(NEW, (HELLO,), is_stream=True)
    assert "model" not in write(asked)


def test_every_member_is_read_in_both_of_googles_spellings() -> None:
    camel = {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "generationConfig": {
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40.0,
            "frequencyPenalty": 0.1,
            "presencePenalty": 0.2,
            "seed": 2**63 - 1,
            "candidateCount": 2,
            "responseModalities": ["TEXT"],
            "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True},
        },
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a": 1}}]}],
        "serviceTier": "flex",
    }
    snake = {
        "system_instruction": camel["systemInstruction"],
        "generation_config": {
            "max_output_tokens": 100,
            "stop_sequences": ["END"],
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "seed": 2**63 - 1,
            "candidate_count": 2,
            "response_modalities": ["TEXT"],
            "thinking_config": {"thinking_budget": 512, "include_thoughts": True},
        },
        "tool_config": {
            "function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}
        },
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"a": 1}}]}],
        "service_tier": "flex",
    }
    wanted = talk(
        system=(Text("be brief"),),
        output_max=100,
        stop=("END",),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        seed=2**63 - 1,
        choices=2,
        reasoning=Reasoning(budget_tokens=512, shows_thoughts=True),
        tool_choice="tool:f",
        tools=(Tool("f", schema=b'{"a": 1}'),),
        tier="flex",
    )
    assert read(camel) == read(snake) == wanted


PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"text": "hi"}, Text("hi")),
    ({"text": "hmm", "thought": True}, Thinking("hmm")),
    (
        {"text": "hmm", "thought": True, "thoughtSignature": "c2ln"},
        Thinking("hmm", "c2ln", maker="google"),
    ),
    ({"text": "", "thoughtSignature": "c2ln"}, Thinking(signature="c2ln", maker="google")),
    (
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        Image("image/png", "aGk="),
    ),
    (
        {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/x"}},
        Image("image/png", url="https://a.example/x"),
    ),
    ({"fileData": {"fileUri": "https://a.example/x"}}, Image(url="https://a.example/x")),
    (
        {
            "inlineData": {"mimeType": "image/png", "data": "aGk="},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
        },
        Image("image/png", "aGk=", detail="low"),
    ),
    (
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        Document("application/pdf", "aGk="),
    ),
    (
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://bucket/x"}},
        Document("application/pdf", url="gs://bucket/x"),
    ),
    ({"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}, Audio("wav", "aGk=")),
    (
        {
            "functionCall": {"id": "c1", "name": "f", "args": {"a": 1.50, "b": None}},
            "thoughtSignature": "c2ln",
        },
        ToolCall("c1", "f", '{"a": 1.5, "b": null}', "c2ln"),
    ),
    (
        {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "21"}}},
        ToolResult("c1", (Text("21"),), "f"),
    ),
    (
        {"functionResponse": {"id": "c1", "name": "f", "response": {"output": ["2", "1"]}}},
        ToolResult("c1", (Text("2"), Text("1")), "f"),
    ),
    (
        {"functionResponse": {"id": "c1", "name": "f", "response": {"error": "no"}}},
        ToolResult("c1", (Text("no"),), "f", is_error=True),
    ),
    (
        {"functionResponse": {"id": "c1", "name": "f", "response": {"error": ""}}},
        ToolResult("c1", (), "f", is_error=True),
    ),
    (
        {"functionResponse": {"id": "c1", "name": "f", "response": {}}},
        ToolResult("c1", (), "f"),
    ),
    (
        {
            "functionResponse": {
                "id": "c1",
                "name": "f",
                "response": {"output": "see"},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
            }
        },
        ToolResult("c1", (Text("see"), Image("image/png", "aGk=")), "f"),
    ),
]


@pytest.mark.parametrize(("written", "part"), PARTS)
def test_a_part_is_read_and_written_the_same(written: dict[str, Any], part: Part) -> None:
    role = "model" if isinstance(part, Thinking | ToolCall) else "user"
    assert read_parts(written, role=role) == (part,)
    assert write_part(part) == written


ONLY_READ: list[tuple[dict[str, Any], tuple[Part, ...]]] = [
    # Google's SDKs write base64 in the alphabet for addresses, and leave out its end.
    ({"inline_data": {"mime_type": "image/png", "data": "_-8"}}, (Image("image/png", "/+8="),)),
    ({"inlineData": {"mimeType": "audio/mpeg", "data": ""}}, (Audio("mp3", ""),)),
    (
        {"inlineData": {"mimeType": "text/plain", "data": "", "displayName": "a"}},
        (Document("text/plain", "", name="a"),),
    ),
    (
        {"fileData": {"fileUri": "https://a.example/x.pdf?y=z"}},
        (Document("application/pdf", url="https://a.example/x.pdf?y=z"),),
    ),
    (
        {"functionResponse": {"name": "f", "response": {"a": [1.50]}}},
        (ToolResult("", (Text('{"a": [1.5]}'),), "f"),),
    ),
    (
        {"functionResponse": {"name": "f", "response": {"output": {"a": 1}}}},
        (ToolResult("", (Text('{"a": 1}'),), "f"),),
    ),
    (
        {"text": "said", "thoughtSignature": "c2ln"},
        (Text("said"), Thinking(signature="c2ln", maker="google")),
    ),
    ({"functionCall": {"name": "f"}}, (ToolCall("call_1", "f", "{}"),)),
    ({"text": "hi", "videoMetadata": {}, "thought": None}, (Text("hi"),)),
    ({}, ()),
]


@pytest.mark.parametrize(("written", "parts"), ONLY_READ)
def test_other_ways_to_write_a_part_are_read(
    written: dict[str, Any], parts: tuple[Part, ...]
) -> None:
    assert read_parts(written) == parts


def test_a_thought_that_came_in_pieces_is_one() -> None:
    pieces = [
        {"text": "hm", "thought": True},
        {"text": "m", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "so", "thought": True},
    ]
    assert read_parts(*pieces, role="model") == (
        Thinking("hmm", "c2ln", maker="google"),
        Thinking("so"),
    )


def test_calls_without_ids_are_matched_by_name_in_their_order() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"functionCall": {"name": name, "args": {}}}

    def result(name: str, output: str) -> dict[str, Any]:
        return {"functionResponse": {"name": name, "response": {"output": output}}}

    contents = [
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "user", "parts": [result("g", "G"), result("f", "F1"), result("f", "F2")]},
    ]
    called, answered = read({"contents": contents}).turns
    assert [part.id for part in called.parts if isinstance(part, ToolCall)] == [
        "call_1",
        "call_2",
        "call_3",
    ]
    assert answered.parts == (
        ToolResult("call_2", (Text("G"),), "g"),
        ToolResult("call_1", (Text("F1"),), "f"),
        ToolResult("call_3", (Text("F2"),), "f"),
    )


def test_googles_schemas_become_json_schemas() -> None:
    google = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["a"], "example": "a"},
            "of": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1"},
            "any": {"anyOf": [{"type": "NUMBER"}, {"type": "STRING"}], "nullable": True},
        },
        "propertyOrdering": ["type", "of"],
    }
    wanted = {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["a", None], "examples": ["a"]},
            "of": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "any": {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]},
        },
    }
    asked = read(
        {
            "tools": [{"functionDeclarations": [{"name": "f", "parameters": google}]}],
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseSchema": google,
            },
        }
    )
    assert json.loads(asked.tools[0].schema) == wanted
    assert asked.shape is not None
    assert json.loads(asked.shape.schema) == wanted


CONFIGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"responseMimeType": "application/json"}, {"shape": Shape()}),
    (
        {"responseMimeType": "application/json", "responseJsonSchema": json.loads(SCHEMA)},
        {"shape": Shape(SCHEMA)},
    ),
    ({"thinkingConfig": {"thinkingLevel": "LOW"}}, {"reasoning": Reasoning("low")}),
    ({"thinkingConfig": {"thinkingLevel": "XHIGH"}}, {"reasoning": Reasoning("xhigh")}),
    ({"thinkingConfig": {"thinkingBudget": 0}}, {"reasoning": Reasoning("none")}),
    ({"thinkingConfig": {"thinkingBudget": 9}}, {"reasoning": Reasoning(budget_tokens=9)}),
    ({"thinkingConfig": {"thinkingBudget": -1}}, {"reasoning": Reasoning(is_adaptive=True)}),
    ({"thinkingConfig": {"includeThoughts": True}}, {"reasoning": Reasoning(shows_thoughts=True)}),
]


@pytest.mark.parametrize(("config", "fields"), CONFIGS)
def test_a_setting_is_read_and_written_the_same(
    config: dict[str, Any], fields: dict[str, Any]
) -> None:
    asked = read({"generationConfig": config})
    if asked.shape is not None:
        asked = replace(asked, shape=Shape(asked.shape.schema.replace(b" ", b"")))
    assert asked == talk(**fields)
    assert write(talk(**fields))["generationConfig"] == config


@pytest.mark.parametrize(
    ("effort", "budget"), [("none", 0), ("minimal", 1_024), ("medium", 8_192), ("high", 16_384)]
)
def test_an_effort_is_a_budget_where_a_model_knows_no_levels(effort: str, budget: int) -> None:
    asked = replace(talk(reasoning=Reasoning(effort)), model=OLD)
    assert write(asked)["generationConfig"] == {"thinkingConfig": {"thinkingBudget": budget}}


CHOICES: list[tuple[str, dict[str, Any] | None]] = [
    ("", None),
    ("auto", {"mode": "AUTO"}),
    ("none", {"mode": "NONE"}),
    ("required", {"mode": "ANY"}),
    ("tool:f", {"mode": "ANY", "allowedFunctionNames": ["f"]}),
]


@pytest.mark.parametrize(("choice", "calling"), CHOICES)
def test_which_tool_is_called_is_read_and_written_the_same(
    choice: str, calling: dict[str, Any] | None
) -> None:
    config = None if calling is None else {"functionCallingConfig": calling}
    asked = talk(tools=(Tool("f"), Tool("g")), tool_choice=choice)
    assert write(asked).get("toolConfig") == config
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]
    assert read({"tools": tools, "toolConfig": config}) == asked


def test_a_strict_tool_is_asked_for_by_the_mode_that_keeps_to_schemas() -> None:
    asked = talk(tools=(Tool("f", is_strict=True),), tool_choice="auto")
    calling = {"mode": "VALIDATED"}
    assert write(asked)["toolConfig"] == {"functionCallingConfig": calling}
    assert GEMINI.read_request(GEMINI.write_request(asked), Place(NEW)) == asked


def test_all_tools_allowed_is_any_tool() -> None:
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]
    calling = {"mode": "any", "allowedFunctionNames": ["g", "f"]}
    asked = read({"tools": tools, "toolConfig": {"functionCallingConfig": calling}})
    assert asked.tool_choice == "required"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"safetySettings": [{"category": "X"}]}, "safetySettings"),
    ({"safety_settings": [{"category": "X"}]}, "safety_settings"),
    ({"cachedContent": "cachedContents/x"}, "cachedContent"),
    ({"labels": {"a": "b"}}, "labels"),
    ({"what": 1}, "what"),
    ({"tools": [{"googleSearch": {}}]}, "tools[0].googleSearch"),
    ({"generationConfig": {"speechConfig": {"a": 1}}}, "generationConfig.speechConfig"),
    ({"generation_config": {"speech_config": {"a": 1}}}, "generation_config.speech_config"),
    ({"generationConfig": {"responseLogprobs": True}}, "generationConfig.responseLogprobs"),
    (
        {"generationConfig": {"responseModalities": ["IMAGE"]}},
        "generationConfig.responseModalities",
    ),
    (
        {"generationConfig": {"responseMimeType": "text/x.enum"}},
        "generationConfig.responseMimeType",
    ),
    (
        {"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}},
        "toolConfig.functionCallingConfig.allowedFunctionNames",
    ),
    (
        {"toolConfig": {"retrievalConfig": {"latLng": {"latitude": 1}}}},
        "toolConfig.retrievalConfig",
    ),
    (
        {"contents": [{"parts": [{"text": "a"}, {"executableCode": {"code": "1"}}]}]},
        "contents[0].parts[1].executableCode",
    ),
    (
        {"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": ""}}]}]},
        "contents[0].parts[0].inlineData",
    ),
    (
        {"contents": [{"parts": [{"text": "a", "mediaResolution": {"level": "X"}}]}]},
        "contents[0].parts[0].mediaResolution",
    ),
    ({"systemInstruction": {"parts": [{"inlineData": {"data": "x"}}]}}, None),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_what_no_other_dialect_has_is_refused_by_name(
    body: dict[str, Any], field: str | None
) -> None:
    with pytest.raises(Untranslatable) as refusal:
        read(body)
    assert refusal.value.field == (field or "systemInstruction.parts[0].inlineData")


def test_members_that_say_nothing_are_no_reason_to_refuse() -> None:
    nothing: dict[str, Any] = {
        "safetySettings": [],
        "labels": {},
        "cachedContent": "",
        "toolConfig": None,
    }
    assert read({**nothing, "generationConfig": {}, "tools": []}) == talk()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"contents": 1}, "contents"),
    ({"contents": [1]}, "contents[0]"),
    ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
    ({"generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
    ({"generation_config": {"top_k": "x"}}, "generation_config.top_k"),
    (
        {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": 1}}]}]},
        "contents[0].parts[0].functionResponse.response",
    ),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_a_wrong_type_is_told_by_name(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        read(body)
    assert refusal.value.field == field


UNSAYABLE: list[tuple[dict[str, Any], str]] = [
    ({"tools": (Tool("f"),), "parallel_tools": False}, "parallel_tools"),
    ({"choices": 2}, "choices"),
    ({"tier": "scale"}, "tier"),
    ({"shape": Shape(SCHEMA, description="what")}, "shape.description"),
    ({"reasoning": Reasoning("max")}, "reasoning"),
    ({"turns": (Turn("assistant", (ToolCall("1", "f", "{"),)),)}, "arguments"),
    ({"turns": (Turn("user", (ToolResult("1", ()),)),)}, "tool_result"),
    (
        {"model": OLD, "turns": (Turn("user", (ToolResult("1", (Image("i"),), "f"),)),)},
        "tool_result",
    ),
]


@pytest.mark.parametrize(("fields", "field"), UNSAYABLE)
def test_what_gemini_cannot_say_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        GEMINI.write_request(talk(**fields))
    assert refusal.value.field == field


def test_neighbours_of_one_role_are_one_turn() -> None:
    turns = (HELLO, Turn("user", (Text("again"),)), Turn("assistant", ()), Turn("user", ()))
    assert write(Talk(NEW, turns))["contents"] == [
        {"role": "user", "parts": [{"text": "hello"}, {"text": "again"}]}
    ]


SIGNED = {
    (NEW, ""): [NO_SIGNATURE, None],
    (NEW, "c2ln"): ["c2ln", None],
    (OLD, ""): [None, None],
}


@pytest.mark.parametrize(("model", "signature"), sorted(SIGNED))
def test_the_first_call_of_a_turn_has_a_signature(model: str, signature: str) -> None:
    calls = (ToolCall("1", "f", "{}", signature), ToolCall("2", "f", "{}"))
    parts = write(Talk(model, (Turn("assistant", calls),)))["contents"][0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == SIGNED[model, signature]


def test_a_result_is_named_by_the_call_that_it_answers() -> None:
    turns = (
        Turn("assistant", (ToolCall("1", "f", ""),)),
        Turn("user", (ToolResult("1", (Text("x"),)),)),
    )
    contents = write(Talk(NEW, turns))["contents"]
    assert contents[0]["parts"][0]["functionCall"] == {"id": "1", "name": "f", "args": {}}
    assert contents[1]["parts"][0]["functionResponse"]["name"] == "f"


def test_arguments_and_schemas_are_written_byte_for_byte() -> None:
    arguments = '{"n": 1e400, "k":12345678901234567890123}'
    asked = talk(
        HELLO,
        Turn("assistant", (ToolCall("1", "f", arguments),)),
        tools=(Tool("f", schema=b'{ "type":"object" }'),),
    )
    body = GEMINI.write_request(asked)
    assert b'"args":' + arguments.encode() in body
    assert b'"parametersJsonSchema":{ "type":"object" }' in body
    assert GEMINI.read_request(body, Place(NEW)).turns[1].parts == (ToolCall("1", "f", arguments),)


def test_marks_of_what_to_cache_are_left_out_for_gemini_caches_by_itself() -> None:
    marked = talk(Turn("user", (Text("hello", "1h"),)), system=(Text("be brief", "5m"),))
    assert b"cache" not in GEMINI.write_request(marked)
