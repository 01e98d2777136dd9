"""A `Talk` written as a request of OpenAI's responses.

Nothing is stored at OpenAI: the conversation is the client's. Left out is what changes no answer
there: cache marks, for OpenAI caches by itself, and thoughts that OpenAI has not sealed, which it
does not take.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.chat.parts import FAILED_TOOL
from ferrycli.wire.translate.efforts import effort_of
from ferrycli.wire.translate.media import data_url
from ferrycli.wire.translate.openais import FILE_NAME_UNSAID, written_schema
from ferrycli.wire.translate.responses.asked import ENCRYPTED_THOUGHTS
from ferrycli.wire.translate.seals import OPENAI, taken_back
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
from ferrycli.wire.translate.turns import joined, voices
from ferrycli.wire.translate.users import short_user

NO_SUCH_THING = "OpenAI's responses have no such thing"

Json = dict[str, Any]


def body(talk: Talk) -> bytes:
    """Raises `Untranslatable` for what OpenAI's responses cannot say."""
    _refuse_unsayable(talk)
    only = talk.system[0].text if len(talk.system) == 1 else ""
    items = [] if only else _system(talk.system)
    for turn in joined(talk.turns):
        items += _assistant(turn) if turn.role == "assistant" else _user(turn)
    asked: Json = {"model": talk.model, "input": items, "store": False}
    values = {
        "instructions": only or None,
        "tools": [_tool(tool) for tool in talk.tools] or None,
        "tool_choice": _tool_choice(talk.tool_choice),
        "parallel_tool_calls": talk.parallel_tools if talk.tools else None,
        "stream": talk.is_stream or None,
        "max_output_tokens": talk.output_max,
        "temperature": talk.temperature,
        "top_p": talk.top_p,
        "text": _text(talk.shape, talk.verbosity),
        **_reasoning(talk.reasoning),
        "user": short_user(talk.user) or None,
        "service_tier": talk.tier or None,
    }
    asked |= {name: value for name, value in values.items() if value is not None}
    return msgspec.json.encode(asked)


def _refuse_unsayable(talk: Talk) -> None:
    unsayable = {
        "stop": bool(talk.stop),
        "top_k": talk.top_k is not None,
        "seed": talk.seed is not None,
        "choices": talk.choices > 1,
        "frequency_penalty": bool(talk.frequency_penalty),
        "presence_penalty": bool(talk.presence_penalty),
    }
    for field, is_said in unsayable.items():
        if is_said:
            raise Untranslatable(field, NO_SUCH_THING)


def _message(role: str, content: list[Json]) -> Json:
    return {"type": "message", "role": role, "content": content}


def _system(system: tuple[Text, ...]) -> list[Json]:
    """As an item where it is of several texts: `instructions` is one."""
    return [_message("developer", [_shown(text) for text in system])] if system else []


def _user(turn: Turn) -> list[Json]:
    """The items of a user's turn: what a tool gave is one by itself."""
    items = [_result(part) for part in turn.parts if isinstance(part, ToolResult)]
    rest = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
    for is_told, said in voices(rest) if rest or items else ((False, ()),):
        role = "developer" if is_told else "user"
        items.append(_message(role, [_shown(part) for part in said]))
    return items


def _assistant(turn: Turn) -> list[Json]:
    items: list[Json] = []
    for part in taken_back(turn.parts, OPENAI):
        if isinstance(part, Text):
            said: Json = {"type": "output_text", "text": part.text, "annotations": []}
            if items and items[-1]["type"] == "message":
                items[-1]["content"].append(said)
            else:
                items.append(_message("assistant", [said]))
        elif isinstance(part, ToolCall):
            call = {"type": "function_call", "call_id": part.id, "name": part.name}
            items.append(call | {"arguments": part.arguments or "{}"})
        elif isinstance(part, Thinking):
            items.append(_thought(part))
        else:
            raise Untranslatable("content", "in OpenAI's responses an assistant says text alone")
    return items


def _thought(part: Thinking) -> Json:
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    seal = part.signature or part.redacted
    return {"type": "reasoning", "summary": summary, "encrypted_content": seal}


def _shown(part: Part) -> Json:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        url = part.url or data_url(part.media_type, part.base64)
        return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
    if isinstance(part, Document):
        return {"type": "input_file"} | _file(part)
    if isinstance(part, Audio):
        raise Untranslatable("audio", "OpenAI's responses hear nothing")
    raise Untranslatable("content", "a user's turn in OpenAI's responses holds no such part")


def _file(part: Document) -> Json:
    if part.url:
        named = {"filename": part.name} if part.name else {}
        return named | {"file_url": part.url}
    data = data_url(part.media_type, part.base64)
    return {"filename": part.name or FILE_NAME_UNSAID, "file_data": data}


def _result(result: ToolResult) -> Json:
    parts = result.parts
    if result.is_error:
        parts = (Text(FAILED_TOOL), *(parts or (Text(""),)))
    only = parts[0] if len(parts) == 1 else None
    output = only.text if isinstance(only, Text) else [_shown(part) for part in parts]
    return {"type": "function_call_output", "call_id": result.id, "output": output or ""}


def _tool(tool: Tool) -> Json:
    """OpenAI asks for both members, and is strict by itself where it is not told."""
    written: Json = {"type": "function", "name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["parameters"] = msgspec.Raw(tool.schema) if tool.schema else None
    written["strict"] = tool.is_strict is True
    return written


def _tool_choice(choice: str) -> object:
    if choice.startswith("tool:"):
        return {"type": "function", "name": choice.removeprefix("tool:")}
    return choice or None


def _text(shape: Shape | None, verbosity: str) -> Json | None:
    """What the answer shall be like."""
    text = {} if shape is None else {"format": _format(shape)}
    return text | ({"verbosity": verbosity} if verbosity else {}) or None


def _format(shape: Shape) -> Json:
    if not shape.schema:
        return {"type": "json_object"}
    return {"type": "json_schema", **written_schema(shape)}


def _reasoning(reasoning: Reasoning | None) -> Json:
    """What is asked of thinking, and the seals of thoughts, without which OpenAI, which stores
    nothing here, could not think on from them. A model that does not think refuses to be asked
    for seals."""
    if reasoning is None:
        return {}
    effort = reasoning.effort
    if not effort and reasoning.budget_tokens is not None:
        effort = effort_of(reasoning.budget_tokens)
    said = {"effort": effort} if effort else {}
    if effort == "none":
        return {"reasoning": said}
    if reasoning.shows_thoughts:
        said["summary"] = "auto"
    return {"reasoning": said or None, "include": [ENCRYPTED_THOUGHTS]}
