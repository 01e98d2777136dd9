"""The most tokens that a request's input can be, whatever tokenizer reads it.

A byte-level token is never shorter than a byte, and JSON's escapes never make text shorter, so the
bytes of a body bound its tokens; pictures and sounds count by their number and length instead.
Source: docs/money.md, section 5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import NotJson

MESSAGE_OVERHEAD = 16
"""Tokens that a chat template puts around a message, at the most."""
REQUEST_OVERHEAD = 128
"""Tokens of instructions that some models' own templates begin with, such as gpt-oss's."""
TOOLS_OVERHEAD = 512
"""Tokens of the hidden instructions that come with tools, beside twice their text."""
IMAGE_TOKENS = 10_240
"""The most that one image counts as, but for `IMAGE_TOKENS_OF`."""
IMAGE_TOKENS_OF = (("gpt-4o-mini", 2_833 + 8 * 5_667),)
"""Parts of names of models whose images count for more: a base, and eight tiles of 512 pixels in
768 by 2,048. Source: OpenAI's page on vision costs."""
AUDIO_BYTES_PER_TOKEN = 64
"""Base64 characters per token of audio at the least: the smallest usual codec has 130."""

# Parts that are no text: their bytes are no tokens, and each counts by a surcharge instead.
_ENCODED_IMAGE = re.compile(
    rb'"image_url"\s*:\s*(?:\{\s*(?:"detail"\s*:\s*"[a-z]+"\s*,\s*)?"url"\s*:\s*)?'
    rb'"data:image/[a-z.+-]{1,40};base64,[A-Za-z0-9+/=\\]*"'
)
_ENCODED_AUDIO = re.compile(
    rb'"input_audio"\s*:\s*\{\s*(?:"format"\s*:\s*"[a-z0-9]+"\s*,\s*)?'
    rb'"data"\s*:\s*"[A-Za-z0-9+/=\\]*"'
)
_IMAGE = re.compile(rb'"type"\s*:\s*"(?:image_url|image|input_image)"')
AUDIO = re.compile(rb'"type"\s*:\s*"(?:input_audio|audio_url)"|"audio"\s*:\s*\{')
"""Speech, also that of an earlier answer, named by its id."""
ELSEWHERE = re.compile(
    rb'"(?:file_id|file_data|file_url|document_url|audio_url|video_url|input_video|video)"\s*:'
    rb'|"audio"\s*:\s*\{'
)
"""Content that is not in the request, or whose pages or seconds cannot be counted."""
_PLAIN_ESCAPED = re.compile(rb"\\u00[2-7]")
"""A plain character written as an escape, which would hide a name from the patterns above."""


def is_escaped(messages: bytes) -> bool:
    """Whether a plain character is written as an escape, so that patterns may miss a name."""
    return _PLAIN_ESCAPED.search(messages) is not None


def unescaped(messages: bytes) -> bytes:
    """`messages` as the patterns can read them: plain characters written plainly.

    Raises `NotJson`.
    """
    if not is_escaped(messages):
        return messages
    try:
        return msgspec.json.encode(msgspec.json.decode(messages))
    except msgspec.DecodeError as error:
        raise NotJson(safe(str(error))) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None


def image_tokens(model: str) -> int:
    """The most that one image counts as for `model`."""
    most = IMAGE_TOKENS
    for part, tokens in IMAGE_TOKENS_OF:
        if part in model:
            most = tokens
    return most


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a request's turns is no text."""

    is_elsewhere: bool = False
    """They name content that is not in them, or whose pages or seconds cannot be counted."""
    images: int = 0
    encoded_bytes: int = 0
    """Of pictures and sounds: they are no tokens, and count by the other fields instead."""
    sound_tokens: int = 0
    has_audio: bool = False
    has_tools: bool = False
    """They bring tools of their own, beside the request's."""


TEXT_ALONE = Parts()


def chat_parts(messages: bytes) -> Parts:
    """What of OpenAI's chat messages, a list as JSON, is no text. Raises `NotJson`."""
    scanned = unescaped(messages)
    has_audio = AUDIO.search(scanned) is not None
    if ELSEWHERE.search(scanned):
        return Parts(is_elsewhere=True, has_audio=has_audio)
    if b'"type"' not in scanned:
        return TEXT_ALONE
    pictures, sounds = _ENCODED_IMAGE.findall(scanned), _ENCODED_AUDIO.findall(scanned)
    heard = sum(len(sound) for sound in sounds)
    return Parts(
        images=max(len(_IMAGE.findall(scanned)), len(pictures)),
        encoded_bytes=sum(len(picture) for picture in pictures) + heard,
        sound_tokens=-(-heard // AUDIO_BYTES_PER_TOKEN),
        has_audio=has_audio,
    )


def input_bound(size: int, parts: Parts, tools_bytes: int, count: int, model: str) -> int | None:
    """The most tokens of `size` bytes of a body with `count` turns, at `model`.

    All of the body counts: a schema in `response_format` is input too. None: as many as a context
    holds, because the turns name content that is not in them.
    """
    if parts.is_elsewhere:
        return None
    total = size + count * MESSAGE_OVERHEAD + parts.sound_tokens - parts.encoded_bytes
    if tools_bytes:
        total += 2 * tools_bytes + TOOLS_OVERHEAD
    return total + parts.images * image_tokens(model) if parts.images else total
