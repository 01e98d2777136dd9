"""A `Talk` written as a request of Bedrock's Converse.

What Converse has no words for is refused by name; the end user and the name of a schema are labels
that change no answer. Members of one maker's models go into `additionalModelRequestFields`.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.calls import NO_ARGUMENTS
from ferrycli.wire.translate.converse.parts import Blocks, cache_point
from ferrycli.wire.translate.lengths import in_words
from ferrycli.wire.translate.messages.written import EFFORTS_TAKEN, set_thinking
from ferrycli.wire.translate.seals import ANTHROPIC, is_claude, taken_back
from ferrycli.wire.translate.talk import Part, Talk, Text, Tool, ToolCall, ToolResult
from ferrycli.wire.translate.turns import joined

Json = dict[str, Any]

NO_SUCH_THING = "Bedrock's Converse has no such thing"
TEMPERATURE_MAX = 1.0

_TIERS = MappingProxyType(
    {
        "": None,
        "auto": None,
        "default": {"type": "default"},
        "flex": {"type": "flex"},
        "priority": {"type": "priority"},
        "reserved": {"type": "reserved"},
    }
)


def write_request(talk: Talk) -> bytes:
    """The body. `talk.model` is the model at Bedrock: it decides what `additional…` holds.

    Raises `Untranslatable`.
    """
    _refuse_unsayable(talk)
    talk = in_words(talk)
    is_claudes = is_claude(talk.model)
    blocks = Blocks()
    extra, output = _extra(talk, is_claudes=is_claudes)
    members = {
        "messages": [
            {"role": turn.role, "content": content}
            for turn in joined(talk.turns)
            if (content := blocks.of(_sent(turn.parts, is_claudes)))
        ],
        "system": _system(talk.system),
        "inferenceConfig": _limits(talk),
        "toolConfig": _tool_config(talk),
        "additionalModelRequestFields": extra,
        "outputConfig": output,
        "serviceTier": _TIERS[talk.tier],
    }
    return msgspec.json.encode({name: value for name, value in members.items() if value})


def _sent(parts: Sequence[Part], is_claudes: bool) -> tuple[Part, ...]:
    """The parts of a turn less thoughts that the model does not take: Claude takes sealed ones."""
    maker = ANTHROPIC if is_claudes else ""
    return taken_back(parts, maker, takes_unsealed=not is_claudes)


def _refuse_unsayable(talk: Talk) -> None:
    unsayable = {
        "seed": talk.seed is not None,
        "choices": talk.choices > 1,
        "frequency_penalty": bool(talk.frequency_penalty),
        "presence_penalty": bool(talk.presence_penalty),
        "parallel_tools": bool(talk.tools) and talk.parallel_tools is False,
        "tier": talk.tier not in _TIERS,
        "shape": talk.shape is not None and not talk.shape.schema,
    }
    for field, is_said in unsayable.items():
        if is_said:
            raise Untranslatable(field, NO_SUCH_THING)
    if talk.temperature is not None and not 0 <= talk.temperature <= TEMPERATURE_MAX:
        raise Untranslatable("temperature", "Converse takes one from 0 to 1")


def _system(system: tuple[Text, ...]) -> list[Json]:
    blocks: list[Json] = []
    for part in system:
        if part.text:
            blocks += [{"text": part.text}, *cache_point(part.cache)]
    return blocks


def _limits(talk: Talk) -> Json:
    limits = {
        "maxTokens": talk.output_max,
        "temperature": talk.temperature,
        "topP": talk.top_p,
        "stopSequences": talk.stop or None,
    }
    return {name: value for name, value in limits.items() if value is not None}


def _tool_config(talk: Talk) -> Json:
    """The tools, and which of them is to be called.

    Converse cannot be told to call none: then it is told of none, unless some were called before,
    for it takes no calls of tools that it has not been told of.
    """
    choice = talk.tool_choice
    if choice == "none":
        parts = [part for turn in talk.turns for part in turn.parts]
        if any(isinstance(part, ToolCall | ToolResult) for part in parts):
            raise Untranslatable("tool_choice", "Converse cannot be told to call no tool")
        return {}
    tools: list[Json] = []
    for tool in talk.tools:
        tools += [{"toolSpec": _tool(tool)}, *cache_point(tool.cache)]
    if not tools:
        return {}
    if choice.startswith("tool:"):
        return {
            "tools": tools,
            "toolChoice": {"tool": {"name": choice.removeprefix("tool:")}},
        }
    named: Json | None = {"auto": {"auto": {}}, "required": {"any": {}}}.get(choice)
    return {"tools": tools, "toolChoice": named} if named else {"tools": tools}


def _tool(tool: Tool) -> Json:
    schema = msgspec.Raw(tool.schema) if tool.schema else NO_ARGUMENTS
    written: Json = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        written["description"] = tool.description
    if tool.is_strict is not None:
        written["strict"] = tool.is_strict
    return written


def _extra(talk: Talk, *, is_claudes: bool) -> tuple[Json, Json]:
    """`additionalModelRequestFields`, and `outputConfig`."""
    extra: Json = {}
    output: Json = {}
    if talk.top_k is not None:
        extra |= _top_k(talk.top_k, talk.model, is_claudes=is_claudes)
    if talk.shape is not None:
        output["textFormat"] = _text_format(talk)
    reasoning = talk.reasoning
    if reasoning is None:
        return extra, output
    if is_claudes:
        thinking: Json = {"max_tokens": 0}
        set_thinking(thinking, output, talk, reasoning)
        extra["thinking"] = thinking["thinking"]
    elif reasoning.effort in EFFORTS_TAKEN:
        output["effort"] = reasoning.effort
    elif reasoning.effort or reasoning.budget_tokens is not None:
        raise Untranslatable("reasoning", "Converse takes an effort from `low` to `max`")
    return extra, output


def _top_k(top_k: int, model: str, *, is_claudes: bool) -> Json:
    if is_claudes:
        return {"top_k": top_k}
    if "nova" in model:
        return {"inferenceConfig": {"topK": top_k}}
    raise Untranslatable("top_k", "of Converse's models only Claude and Nova take one")


def _text_format(talk: Talk) -> Json:
    shape = talk.shape
    assert shape is not None
    schema: Json = {"schema": shape.schema.decode()}
    if shape.name:
        schema["name"] = shape.name
    if shape.description:
        schema["description"] = shape.description
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}
