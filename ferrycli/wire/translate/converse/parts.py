"""What is said, written as blocks of Converse: for requests, and for replies to its clients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.calls import arguments_object, made_id
from ferrycli.wire.translate.kinds_of_files import DOCUMENT_FORMATS, IMAGE_FORMATS
from ferrycli.wire.translate.seals import ANTHROPIC, UNSEALED, Kind, told
from ferrycli.wire.translate.talk import (
    Audio,
    CacheTtl,
    Document,
    Image,
    Instruction,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ferrycli.wire.translate.turns import reminder

Json = dict[str, Any]

_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]")
_NAME_LENGTH_MAX = 180
"""Converse takes 200 characters; a number may follow."""


class Blocks:
    """Writes the blocks of one conversation, in which no two documents have the same name."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def of(self, parts: Sequence[Part]) -> list[Json]:
        """The blocks of a turn. Empty texts say nothing, and Converse takes none.

        Raises `Untranslatable`.
        """
        blocks: list[Json] = []
        for part in parts:
            if not isinstance(part, Text) or part.text:
                blocks.append(self._block(part))
            if not isinstance(part, Audio | Thinking):
                blocks += cache_point(_cache(part) if blocks else "")
        return blocks

    def _block(self, part: Part) -> Json:
        if isinstance(part, ToolCall):
            call = {"toolUseId": call_id(part.id), "name": part.name}
            return {"toolUse": {**call, "input": arguments_object(part.arguments)}}
        if isinstance(part, ToolResult):
            return {"toolResult": self._result(part)}
        if isinstance(part, Thinking):
            return {"reasoningContent": _thought(part)}
        if isinstance(part, Audio):
            return {"audio": {"format": part.format, "source": {"bytes": part.base64}}}
        return self._shown(reminder(part) if isinstance(part, Instruction) else part)

    def _result(self, result: ToolResult) -> Json:
        content = [self._shown(part) for part in result.parts if part != Text("")]
        written: Json = {"toolUseId": call_id(result.id), "content": content}
        return {**written, "status": "error"} if result.is_error else written

    def _shown(self, part: Text | Image | Document) -> Json:
        if isinstance(part, Text):
            return {"text": part.text}
        if isinstance(part, Image):
            return {"image": _image(part)}
        kind = DOCUMENT_FORMATS.get(part.media_type)
        if kind is None:
            raise Untranslatable("document", "Converse takes PDF, text and office files")
        source = _source("document", part.base64, part.url)
        return {"document": {"name": self._name(part.name), "format": kind, "source": source}}

    def _name(self, name: str) -> str:
        """A name in Converse's alphabet that no document before has had."""
        plain = " ".join(_NOT_IN_NAMES.sub("-", name).split())[:_NAME_LENGTH_MAX]
        plain = plain or "document"
        found, number = plain, 1
        while found in self._names:
            number += 1
            found = f"{plain} {number}"
        self._names.add(found)
        return found


def as_told(part: Part) -> Part:
    """A thought with its seal as a client of Converse keeps it; any other part as it is."""
    if not isinstance(part, Thinking):
        return part
    is_own = part.maker == ANTHROPIC
    if part.redacted:
        data = told("redacted", part.maker, part.redacted, is_own=is_own, is_bytes=True)
        return Thinking(redacted=data)
    kind: Kind = "signature" if part.signature else UNSEALED.kind
    return Thinking(part.text, told(kind, part.maker, part.signature, is_own=is_own))


def cache_point(ttl: CacheTtl) -> list[Json]:
    """The block that stands after what shall be cached; none where nothing is asked."""
    if not ttl:
        return []
    point = {"type": "default"} if ttl == "5m" else {"type": "default", "ttl": ttl}
    return [{"cachePoint": point}]


def call_id(given: str) -> str:
    """The id of a call as it is, or another one for it where Converse would not take it."""
    return given if _CALL_ID.fullmatch(given) else made_id(given)


def _cache(part: Text | Image | Document | ToolCall | ToolResult | Instruction) -> CacheTtl:
    """A part's mark; inside a result Converse takes none, so it stands after the result."""
    inside = [one.cache for one in part.parts] if isinstance(part, ToolResult) else []
    return part.cache or next((mark for mark in reversed(inside) if mark), "")


def _thought(part: Thinking) -> Json:
    if part.redacted:
        return {"redactedContent": part.redacted}
    seal = {"signature": part.signature} if part.signature else {}
    return {"reasoningText": {"text": part.text, **seal}}


def _image(image: Image) -> Json:
    kind = IMAGE_FORMATS.get(image.media_type)
    if kind is None:
        raise Untranslatable("image", "Converse takes pictures in GIF, JPEG, PNG and WebP")
    return {"format": kind, "source": _source("image", image.base64, image.url)}


def _source(field: str, base64: str, url: str) -> Json:
    if not url:
        return {"bytes": base64}
    if not url.startswith("s3://"):
        raise Untranslatable(field, "Converse fetches files from S3 alone")
    return {"s3Location": {"uri": url}}
