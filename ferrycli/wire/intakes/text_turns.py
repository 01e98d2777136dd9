"""Turns that are text and calls of the caller's own tools alone, as nearly all of them are.

They are recognised by decoding them as nothing else: a member that is not named here, or a value of
another type, and they are not of this kind. What is not is looked at closely, by its bytes
(`wire/input_bounds.py`, `wire/turns.py`); of what is, that would find nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

_UNREADABLE = (msgspec.DecodeError, RecursionError)

INSTRUCTING = ("system", "developer")
"""Roles of the turns that instruct a model."""


class _Known(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What has no members but those that are named here."""


class _CacheMark(_Known):
    type: Literal["ephemeral"]
    ttl: str | None = None


# OpenAI's chat ------------------------------------------------------------------------------


class _Text(_Known):
    type: Literal["text"]
    text: str
    cache_control: _CacheMark | None = None


class _Function(_Known):
    name: str
    arguments: str


class _Call(_Known):
    id: str
    type: Literal["function"]
    function: _Function


class ChatText(_Known):
    """A message of OpenAI's chat."""

    role: str
    content: str | list[_Text] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


_decode_chat = msgspec.json.Decoder(list[ChatText]).decode


def chat_texts(messages: bytes) -> list[ChatText] | None:
    """OpenAI's chat messages where they are text and calls alone; None where more is in them."""
    try:
        return _decode_chat(messages)
    except _UNREADABLE:
        return None


# Anthropic's messages -----------------------------------------------------------------------


class _Block(_Known):
    """Text, a call of a tool, or what the caller's tool answered."""

    type: Literal["text", "tool_use", "tool_result"]
    text: str | None = None
    id: str | None = None
    name: str | None = None
    # Decoded, because what cannot be decoded is refused.
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[_Text] | None = None
    is_error: bool | None = None
    cache_control: _CacheMark | None = None


class _Turn(_Known):
    """A message of Anthropic's."""

    role: str
    content: str | list[_Block]


_decode_messages = msgspec.json.Decoder(list[_Turn]).decode


def is_messages_text(messages: bytes) -> bool:
    """Whether Anthropic's messages are text and calls alone."""
    try:
        _decode_messages(messages)
    except _UNREADABLE:
        return False
    return True


# OpenAI's responses -------------------------------------------------------------------------


class _Said(_Known):
    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class ResponsesText(_Known):
    """An item of the input."""

    type: Literal["message", "function_call", "function_call_output"] = "message"
    role: str = ""
    content: str | list[_Said] | None = None
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[_Said] | None = None


_decode_responses = msgspec.json.Decoder(list[ResponsesText] | str).decode


def responses_texts(said: bytes) -> list[ResponsesText] | None:
    """The items of an input where they are text and calls alone; None where more is in them.

    Of text that is no list: none.
    """
    try:
        items = _decode_responses(said)
    except _UNREADABLE:
        return None
    if isinstance(items, str):
        return []
    # Without a content it may name what the provider has kept.
    is_whole = all(item.content is not None or item.type != "message" for item in items)
    return items if is_whole else None


# Gemini -------------------------------------------------------------------------------------


class _FunctionCall(_Known):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class _FunctionResponse(_Known):
    name: str
    response: dict[str, Any] | None = None
    id: str | None = None


class _Part(_Known, rename="camel"):
    text: str | None = None
    function_call: _FunctionCall | None = None
    function_response: _FunctionResponse | None = None


class _Content(_Known):
    parts: list[_Part]
    role: str | None = None


_decode_gemini = msgspec.json.Decoder(list[_Content]).decode


def is_gemini_text(contents: bytes) -> bool:
    """Whether Gemini's contents are text and calls alone."""
    try:
        _decode_gemini(contents)
    except _UNREADABLE:
        return False
    return True


# Bedrock's Converse -------------------------------------------------------------------------


class _Answered(_Known):
    text: str | None = None
    json: Any = None


class _ConverseUse(_Known, rename="camel"):
    tool_use_id: str
    name: str
    input: Any = None


class _ConverseResult(_Known, rename="camel"):
    tool_use_id: str
    content: list[_Answered]
    status: str | None = None


class _ConverseBlock(_Known, rename="camel"):
    text: str | None = None
    tool_use: _ConverseUse | None = None
    tool_result: _ConverseResult | None = None


class _ConverseTurn(_Known):
    content: list[_ConverseBlock]
    role: str | None = None


_decode_converse = msgspec.json.Decoder(list[_ConverseTurn]).decode


def is_converse_text(messages: bytes) -> bool:
    """Whether Converse's messages are text and calls alone."""
    try:
        _decode_converse(messages)
    except _UNREADABLE:
        return False
    return True


def leading(
    turns: Sequence[msgspec.Raw], texts: Sequence[ChatText] | Sequence[ResponsesText]
) -> bytes:
    """The turns of system and developer that a request begins with, as they stand in it."""
    count = 0
    for text in texts:
        if text.role not in INSTRUCTING:
            break
        count += 1
    return b"".join(turns[:count])
