"""The usual whole reply of a chat: one answer, which is text, and nothing that is not known here.

It is recognised by decoding it as nothing else. What is read of it is what the patterns of
`wire/readers/chat.py` would find: no other member that they look for can be in it.
"""

from __future__ import annotations

import msgspec

_NAME = b'"content"'
_COLON, _SPACE, _QUOTE = b': "'


class _Known(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What has no members but those that are named here."""


class _Prompt(_Known):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: None = None
    audio_tokens: int | None = 0


class _Completion(_Known):
    reasoning_tokens: int | None = 0
    audio_tokens: int | None = 0
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class UsualUsage(_Known):
    """A report of usage that names no cost."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = 0
    total_tokens: int | None = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    prompt_cache_hit_tokens: int | None = None
    prompt_cache_miss_tokens: int | None = None


class _Message(_Known):
    role: str
    content: msgspec.Raw
    refusal: None = None
    annotations: list[None] = []  # msgspec copies it.
    audio: None = None
    tool_calls: None = None
    function_call: None = None
    reasoning: None = None
    reasoning_content: None = None


class _Choice(_Known):
    message: _Message
    index: int = 0
    finish_reason: str | None = None
    logprobs: None = None


class UsualReply(_Known):
    """Such a reply, whole."""

    choices: list[_Choice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    usage: UsualUsage | None = None


_decode = msgspec.json.Decoder(UsualReply).decode


def usual_reply(body: bytes) -> tuple[UsualReply, int] | None:
    """Such a reply and the length of its text as written; None for any other body."""
    try:
        reply = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(reply.choices) != 1:
        return None
    text = bytes(reply.choices[0].message.content)
    start = body.find(_NAME) + len(_NAME)
    if body[start] != _COLON:
        return None
    start += 2 if body[start + 1] == _SPACE else 1
    end = start + len(text)
    # Once and plainly written: a name that stands twice, or as an escape, is found otherwise.
    is_plain = (
        text[0] == _QUOTE
        and body.startswith(text, start)
        and body.find(_NAME, end) < 0
        and body.find(b"\\", 0, start) < 0
        and body.find(b"\\", end) < 0
    )
    return (reply, len(text) - 2) if is_plain else None
