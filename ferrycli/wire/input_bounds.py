"""The most tokens that a request's input can be, whatever tokenizer reads it.

A byte-level token is never shorter than a byte, and JSON's escapes never make text shorter, so the
bytes of a body bound its tokens; pictures and sounds count by their number and length instead.
Source: docs/money.md, section 5.
"""

from __future__ import annotations

import re

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import NotJson

MESSAGE_OVERHEAD = 16
"""Tokens that a chat template puts around a message, at the most."""
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


def unescaped(messages: bytes) -> bytes:
    """`messages` as the patterns can read them: plain characters written plainly.

    Raises `NotJson`.
    """
    if _PLAIN_ESCAPED.search(messages) is None:
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


def input_bound(size: int, scanned: bytes, tools: bytes, count: int) -> tuple[int | None, int]:
    """The most tokens of `size` bytes of a body besides its images, and how many those are.

    `scanned`: the messages in it, `count` of them, as `unescaped` gives them. `tools`: the tools
    in it. All of the body counts: a schema in `response_format` is input too. None: the messages
    name content that is not in them.
    """
    if ELSEWHERE.search(scanned):
        return None, 0
    total = size + count * MESSAGE_OVERHEAD
    if tools:
        total += 2 * len(tools) + TOOLS_OVERHEAD
    if b'"type"' not in scanned:
        return total, 0
    pictures, sounds = _ENCODED_IMAGE.findall(scanned), _ENCODED_AUDIO.findall(scanned)
    images = max(len(_IMAGE.findall(scanned)), len(pictures))
    heard = sum(len(sound) for sound in sounds)
    seen = sum(len(picture) for picture in pictures)
    return total - seen - heard + -(-heard // AUDIO_BYTES_PER_TOKEN), images
