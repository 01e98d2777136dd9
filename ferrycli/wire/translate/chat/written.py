"""A `Talk` written as a chat request."""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.cache_marks import cache_member
from ferrycli.wire.translate.chat import details
from ferrycli.wire.translate.chat.parts import FAILED_TOOL
from ferrycli.wire.translate.efforts import effort_of
from ferrycli.wire.translate.lengths import in_words
from ferrycli.wire.translate.media import data_url
from ferrycli.wire.translate.openais import FILE_NAME_UNSAID, written_schema
from ferrycli.wire.translate.talk import (
    Audio,
    CacheTtl,
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

OPENAIS_LIMIT = "max_completion_tokens"
NO_SUCH_THING = "OpenAI's chat has no such thing"


SHOWN_BY = "The tool call {} gave this:"
SHOWN_NEXT = "What it gave is shown in the next message."


class ChatWriting:
    """Writes a request.

    `has_extras`: whether the provider takes what OpenAI does not, as OpenRouter has it. Without,
    cache marks and earlier thoughts are left out: OpenAI caches by itself, and takes no thought
    back in chat, not even its own.
    `limit_field`: what the provider calls the limit on the answer.
    """

    def __init__(self, *, has_extras: bool, limit_field: str) -> None:
        self._has_extras = has_extras
        self._limit_field = limit_field

    def body(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what chat cannot say."""
        if self._limit_field != OPENAIS_LIMIT:
            # Not OpenAI, and not OpenRouter: `verbosity` is not known there.
            talk = in_words(talk)
        messages = [*self._system(talk.system)]
        for turn in joined(talk.turns):
            messages += self._turn(turn, talk.model)
        asked: dict[str, Any] = {"model": talk.model, "messages": messages}
        if talk.tools:
            asked["tools"] = [self._tool(tool) for tool in talk.tools]
        values = {
            "tool_choice": _tool_choice(talk.tool_choice),
            "parallel_tool_calls": talk.parallel_tools if talk.tools else None,
            "stream": talk.is_stream or None,
            self._limit_field: talk.output_max,
            "stop": talk.stop or None,
            "temperature": talk.temperature,
            "top_p": talk.top_p,
            "top_k": self._top_k(talk.top_k),
            "frequency_penalty": talk.frequency_penalty,
            "presence_penalty": talk.presence_penalty,
            "seed": talk.seed,
            "n": talk.choices if talk.choices > 1 else None,
            "response_format": _response_format(talk.shape),
            **self._reasoning(talk.reasoning),
            "user": short_user(talk.user) or None,
            "service_tier": talk.tier or None,
            "verbosity": talk.verbosity or None,
        }
        asked |= {name: value for name, value in values.items() if value is not None}
        return msgspec.json.encode(asked)

    def _system(self, system: tuple[Text, ...]) -> list[dict[str, Any]]:
        return [{"role": "system", "content": self._content(system)}] if system else []

    def _turn(self, turn: Turn, model: str) -> list[dict[str, Any]]:
        """The messages of a turn: a tool's result is one by itself."""
        if turn.role == "assistant":
            return [self._assistant(turn.parts, model)]
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        messages = [self._result(result) for result in results]
        rest = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
        rest = tuple(part for result in results for part in _shown_by(result)) + rest
        for is_told, said in voices(rest) if rest or results else ((False, ()),):
            role = "system" if is_told else "user"
            messages.append({"role": role, "content": self._content(said)})
        return messages

    def _content(self, parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
        only = parts[0] if len(parts) == 1 else None
        if isinstance(only, Text) and not (only.cache and self._has_extras):
            return only.text
        return [self._part(part) for part in parts]

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text, **self._mark(part.cache)}
        if isinstance(part, Image):
            image = {"url": part.url or data_url(part.media_type, part.base64)}
            if part.detail:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image, **self._mark(part.cache)}
        if isinstance(part, Document):
            return {"type": "file", "file": self._file(part), **self._mark(part.cache)}
        if isinstance(part, Audio):
            audio = {"format": part.format, "data": part.base64}
            return {"type": "input_audio", "input_audio": audio}
        raise Untranslatable("content", "a user's turn in OpenAI's chat holds no such part")

    def _file(self, part: Document) -> dict[str, str]:
        if part.url and not self._has_extras:
            raise Untranslatable("document.url", "OpenAI's chat takes no address of a file")
        content = part.url or data_url(part.media_type, part.base64)
        return {"filename": part.name or FILE_NAME_UNSAID, "file_data": content}

    def _mark(self, ttl: CacheTtl) -> dict[str, Any]:
        return cache_member(ttl) if self._has_extras else {}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        parts = tuple(part for part in result.parts if isinstance(part, Text))
        if not parts and result.parts:
            parts = (Text(SHOWN_NEXT),)
        if result.is_error:
            parts = (Text(FAILED_TOOL), *(parts or (Text(""),)))
        content = self._content(parts) if parts else ""
        mark = self._mark(result.cache)
        if mark:
            if isinstance(content, str):
                content = [{"type": "text", "text": content}]
            content[-1] |= mark
        return {"role": "tool", "tool_call_id": result.id, "content": content}

    def _assistant(self, parts: tuple[Part, ...], model: str) -> dict[str, Any]:
        parts = tuple(
            part
            for part in parts
            if not isinstance(part, Thinking) or details.is_taken_back(part, model)
        )
        texts = tuple(part for part in parts if isinstance(part, Text))
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        thoughts = [(at, part) for at, part in enumerate(parts) if isinstance(part, Thinking)]
        if len(texts) + len(calls) + len(thoughts) < len(parts):
            raise Untranslatable("content", "in OpenAI's chat an assistant says text alone")
        message: dict[str, Any] = {"role": "assistant"}
        message["content"] = self._content(texts) if texts else None
        if calls:
            message["tool_calls"] = calls
        if thoughts and self._has_extras:
            if text := "".join(thought.text for _, thought in thoughts):
                message["reasoning_content"] = text
            message["reasoning_details"] = [details.written(one, at) for at, one in thoughts]
        return message

    def _call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        written = {"id": call.id, "type": "function", "function": function}
        if not self._has_extras:
            return written
        return written | call_seal(call.signature) | self._mark(call.cache)

    def _tool(self, tool: Tool) -> dict[str, Any]:
        function: dict[str, Any] = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        if tool.schema:
            function["parameters"] = msgspec.Raw(tool.schema)
        if tool.is_strict is not None:
            function["strict"] = tool.is_strict
        return {"type": "function", "function": function, **self._mark(tool.cache)}

    def _top_k(self, top_k: int | None) -> int | None:
        if top_k is not None and not self._has_extras:
            raise Untranslatable("top_k", NO_SUCH_THING)
        return top_k

    def _reasoning(self, reasoning: Reasoning | None) -> dict[str, Any]:
        """What is asked of thinking. Whether thoughts are shown is the provider's to say."""
        if reasoning is None:
            return {}
        if reasoning.effort or reasoning.budget_tokens is None:
            return {"reasoning_effort": reasoning.effort or None}
        if self._has_extras and reasoning.budget_tokens:
            return {"reasoning": {"max_tokens": reasoning.budget_tokens}}
        return {"reasoning_effort": effort_of(reasoning.budget_tokens)}


def _shown_by(result: ToolResult) -> tuple[Text | Image | Document, ...]:
    """The pictures and files of a tool's result for the user's turn after it, and whose they are:
    in OpenAI's chat only a user shows any, and a tool gives text alone."""
    files = tuple(part for part in result.parts if not isinstance(part, Text))
    return (Text(SHOWN_BY.format(result.id)), *files) if files else ()


def call_seal(signature: str) -> dict[str, Any]:
    """Gemini's seal of a call, where its OpenAI layer puts it."""
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def _tool_choice(choice: str) -> object:
    if choice.startswith("tool:"):
        return {"type": "function", "function": {"name": choice.removeprefix("tool:")}}
    return choice or None


def _response_format(shape: Shape | None) -> dict[str, Any] | None:
    if shape is None:
        return None
    if not shape.schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": written_schema(shape)}
