"""The turns of each dialect, as far as they are more than text: pictures, sounds, files.

What a turn's own members say is looked at where it stands, never by its name alone: arguments of a
tool may look like anything, and are text. What is not known counts as content from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import NotJson
from ferrycli.wire.input_bounds import (
    AUDIO_BYTES_PER_TOKEN,
    TEXT_ALONE,
    Parts,
    chat_parts,
    is_escaped,
    unescaped,
)

SOUND_BYTES_PER_TOKEN = 16
"""Base64 characters per token of audio where a second counts 32: as `AUDIO_BYTES_PER_TOKEN`."""

IMAGE, SOUND, ELSEWHERE, VARYING, TOOLS = "image", "sound", "elsewhere", "varying", "tools"
Found = Iterator[tuple[str, int]]
"""What was met in a turn, and how many bytes of it are no text."""


@dataclass(frozen=True, slots=True)
class Turns:
    """How one dialect's turns are read."""

    member: str
    """Where in a body they stand."""
    parts: Callable[[bytes], Parts]
    """What of a JSON list of them is no text. Raises `NotJson`."""
    varies: Callable[[bytes], bool]
    """Whether they name content by its address: there it may be another at the next call."""


# OpenAI's chat ------------------------------------------------------------------------------

_CHAT_VARYING = re.compile(
    rb'"(?:url|image_url)"\s*:\s*"(?!data:)'
    rb'|"(?:file_url|document_url|audio_url|video_url|input_video|video)"\s*:'
)


def _chat_varies(turns: bytes) -> bool:
    return _CHAT_VARYING.search(unescaped(turns)) is not None


# The walk -----------------------------------------------------------------------------------


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list, or the one object that `value` is."""
    every = value if isinstance(value, list) else [value]
    return [one for one in every if isinstance(one, dict)]


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 0


def _walked(
    turns: bytes,
    is_more: re.Pattern[bytes] | None,
    walk: Callable[[list[dict[str, Any]]], Found],
) -> list[tuple[str, int]]:
    """All that `walk` meets; nothing where `is_more` says that there is only text."""
    if is_more is not None and not is_escaped(turns) and is_more.search(turns) is None:
        return []
    try:
        return list(walk(_objects(msgspec.json.decode(turns))))
    except msgspec.DecodeError as error:
        raise NotJson(safe(str(error))) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None


def _summed(found: Iterable[tuple[str, int]], bytes_per_token: int) -> Parts:
    every = list(found)
    if not every:
        return TEXT_ALONE
    kinds = [kind for kind, _ in every]
    heard = sum(size for kind, size in every if kind == SOUND)
    return Parts(
        ELSEWHERE in kinds,
        kinds.count(IMAGE),
        sum(size for _, size in every),
        -(-heard // bytes_per_token),
        SOUND in kinds,
        TOOLS in kinds,
    )


def _reading(
    member: str,
    walk: Callable[[list[dict[str, Any]]], Found],
    is_more: re.Pattern[bytes] | None = None,
    bytes_per_token: int = SOUND_BYTES_PER_TOKEN,
) -> Turns:
    def parts(turns: bytes) -> Parts:
        return _summed(_walked(turns, is_more, walk), bytes_per_token)

    def varies(turns: bytes) -> bool:
        return any(kind == VARYING for kind, _ in _walked(turns, is_more, walk))

    return Turns(member, parts, varies)


def _data_url(url: object) -> Found:
    """A picture by its URL: in it, or elsewhere."""
    if isinstance(url, str) and url.startswith("data:image/") and ";base64," in url[:80]:
        yield IMAGE, len(url)
    else:
        yield IMAGE, 0
        yield VARYING, 0


# OpenAI's responses -------------------------------------------------------------------------

_RESPONSES_TEXT = frozenset(
    """
    message input_text output_text text refusal summary_text reasoning_text function_call
    custom_tool_call computer_call local_shell_call local_shell_call_output shell_call
    shell_call_output apply_patch_call apply_patch_call_output mcp_approval_request
    mcp_approval_response compaction_trigger
    """.split()
)
_RESPONSES_OUTPUTS = frozenset(
    "function_call_output custom_tool_call_output computer_call_output".split()
)
_RESPONSES_TOOLS = frozenset("additional_tools configuration_update tool_search_output".split())


def _responses(items: list[dict[str, Any]]) -> Found:
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        # Without a type it is a message, or names an item that the provider has kept.
        kind = _word(item.get("type")) or ("message" if "content" in item else "item_reference")
        if kind in _RESPONSES_TEXT:
            waiting += _objects(item.get("content"))
        elif kind in _RESPONSES_OUTPUTS:
            waiting += _objects(item.get("output"))
        elif kind in ("reasoning", "compaction"):
            # Without its seal it is what the provider has kept.
            if not isinstance(item.get("encrypted_content"), str):
                yield ELSEWHERE, 0
        elif kind in ("input_image", "computer_screenshot"):
            yield from _data_url(item.get("image_url"))
        elif kind == "image_generation_call" and isinstance(item.get("result"), str):
            yield IMAGE, 0
        elif kind == "input_audio":
            yield SOUND, sum(_length(one.get("data")) for one in _objects(item.get(kind)))
        else:
            yield ELSEWHERE, 0
            if kind in _RESPONSES_TOOLS:
                yield TOOLS, 0
            if "file_url" in item:
                yield VARYING, 0


# Anthropic's messages -----------------------------------------------------------------------

_MESSAGES_TEXT = frozenset(
    """
    text thinking redacted_thinking tool_use tool_result server_tool_use search_result mcp_tool_use
    mcp_tool_result tool_reference
    """.split()
)
_MESSAGES_MORE = re.compile(
    rb'"type"\s*:\s*"(?!(?:text|thinking|redacted_thinking|tool_use|tool_result|ephemeral)")'
)


def _messages(turns: list[dict[str, Any]]) -> Found:
    waiting = [block for turn in turns for block in _objects(turn.get("content"))]
    while waiting:
        block = waiting.pop()
        kind = _word(block.get("type"))
        if kind in _MESSAGES_TEXT:
            waiting += _objects(block.get("content"))
            continue
        named = block.get("source")
        source = named if isinstance(named, dict) else {}
        form = _word(source.get("type"))
        if kind == "image" and form in ("base64", "url", "file"):
            yield IMAGE, _length(source.get("data")) if form == "base64" else 0
        elif kind == "document" and form in ("text", "content"):
            waiting += _objects(source.get("content"))
        else:
            yield ELSEWHERE, 0
        if form == "url":
            yield VARYING, 0
        if kind == "tool_addition":
            yield TOOLS, 0


# Gemini -------------------------------------------------------------------------------------

_GEMINI_MORE = re.compile(rb'"(?:inline|file)_?[dD]ata"\s*:')


def _gemini(turns: list[dict[str, Any]]) -> Found:
    waiting = [part for turn in turns for part in _objects(turn.get("parts"))]
    while waiting:
        part = waiting.pop()
        for name in ("functionResponse", "function_response"):
            if isinstance(answer := part.get(name), dict):
                waiting += _objects(answer.get("parts"))
        if "fileData" in part or "file_data" in part:
            yield ELSEWHERE, 0
            yield VARYING, 0
        for name in ("inlineData", "inline_data"):
            if isinstance(blob := part.get(name), dict):
                kind = str(blob.get("mimeType") or blob.get("mime_type")).lower()
                size = _length(blob.get("data"))
                if kind.startswith("image/"):
                    yield IMAGE, size
                elif kind.startswith("audio/"):
                    yield SOUND, size
                elif not kind.startswith("text/"):
                    yield ELSEWHERE, 0


# Bedrock's Converse -------------------------------------------------------------------------

_CONVERSE_TEXT = frozenset(
    """
    text toolUse toolResult reasoningContent cachePoint guardContent json citationsContent
    searchResult type
    """.split()
)
_CONVERSE_TEXT_FORMATS = frozenset("txt md csv html".split())


def _converse(turns: list[dict[str, Any]]) -> Found:
    waiting = [block for turn in turns for block in _objects(turn.get("content"))]
    while waiting:
        block = waiting.pop()
        if isinstance(result := block.get("toolResult"), dict):
            waiting += _objects(result.get("content"))
        if isinstance(guarded := block.get("guardContent"), dict):
            waiting.append({name: one for name, one in guarded.items() if name != "text"})
        for name in block.keys() - _CONVERSE_TEXT:
            part = block[name]
            yield from _converse_part(name, part if isinstance(part, dict) else {})


def _converse_part(name: str, part: dict[str, Any]) -> Found:
    source = part.get("source")
    held = source if isinstance(source, dict) else {}
    size = _length(held.get("bytes"))
    if name == "image" and "bytes" in held:
        yield IMAGE, size
    elif name == "audio" and "bytes" in held:
        yield SOUND, size
    elif name != "document" or not _is_text_document(_word(part.get("format")), held):
        yield ELSEWHERE, 0
    if "s3Location" in held:
        yield VARYING, 0


def _is_text_document(form: str, source: Mapping[str, Any]) -> bool:
    is_text = "bytes" in source and form in _CONVERSE_TEXT_FORMATS
    return "s3Location" not in source and (is_text or "text" in source or "content" in source)


TURNS: Mapping[str, Turns] = {
    "chat": Turns("messages", chat_parts, _chat_varies),
    "responses": _reading("input", _responses, None, AUDIO_BYTES_PER_TOKEN),
    "messages": _reading("messages", _messages, _MESSAGES_MORE),
    "gemini": _reading("contents", _gemini, _GEMINI_MORE),
    "converse": _reading("messages", _converse),
}
"""By the name of the dialect."""
