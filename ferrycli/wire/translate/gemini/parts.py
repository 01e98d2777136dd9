"""What is said, written as parts of Gemini's: for requests, and for replies to its clients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.calls import arguments_object
from ferrycli.wire.translate.gemini.asked import DETAILS, NO_SIGNATURE
from ferrycli.wire.translate.kinds_of_files import guessed_type
from ferrycli.wire.translate.seals import GOOGLE, taken_back, told
from ferrycli.wire.translate.talk import (
    Audio,
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

_RESOLUTIONS = MappingProxyType({detail: level for level, detail in DETAILS.items() if detail})
_OLD = re.compile(r"gemini-[12](?![0-9])|gemma")


def is_old(model: str) -> bool:
    """Whether it is a model before Gemini 3: it knows budgets and no levels of thought, asks for
    no signature of a call, and takes no pictures from tools."""
    return _OLD.search(model) is not None


def request_parts(parts: Sequence[Part], model: str) -> list[Json]:
    """The parts of a turn, for `model`: without thoughts that others have sealed.

    Raises `Untranslatable`.
    """
    is_olds = is_old(model)
    written = _written(taken_back(parts, GOOGLE, takes_unsealed=True), is_olds)
    call = next((part for part in written if "functionCall" in part), None)
    if call is not None and not is_olds:
        # The first call of a turn has the signature of all that were made at once.
        call.setdefault("thoughtSignature", NO_SIGNATURE)
    return written


def reply_parts(parts: Sequence[Text | Thinking | ToolCall]) -> list[Json]:
    """The parts of an answer, for a client that gives signatures back as they came."""
    shown = [_sealed(part) if isinstance(part, Thinking) else part for part in parts]
    return _written(shown, is_olds=False)


def said(members: Json) -> Json:
    """`members` without those that are None."""
    return {name: value for name, value in members.items() if value is not None}


def _written(parts: Sequence[Part], is_olds: bool) -> list[Json]:
    written: list[Json] = []
    for part in parts:
        last = written[-1] if written else {}
        if isinstance(part, Thinking) and _is_seal(part) and last.keys() == {"text"}:
            last["thoughtSignature"] = part.signature
        else:
            written.append(_part(part, is_olds))
    return written


def _is_seal(thought: Thinking) -> bool:
    """Whether it is a signature and nothing else: Gemini signs what it says, too."""
    return not thought.text


def _sealed(thought: Thinking) -> Thinking:
    """A thought with its seal as a client of Gemini's keeps it."""
    if thought.redacted:
        return Thinking(signature=told("redacted", thought.maker, thought.redacted, is_bytes=True))
    if not thought.signature:
        return thought
    is_own = thought.maker == GOOGLE
    seal = told("signature", thought.maker, thought.signature, is_own=is_own, is_bytes=True)
    return Thinking(thought.text, seal)


def _part(part: Part, is_olds: bool) -> Json:
    if isinstance(part, Text):
        return {"text": part.text}
    if isinstance(part, Instruction):
        return {"text": reminder(part).text}
    if isinstance(part, Thinking):
        return _thought(part)
    if isinstance(part, ToolCall):
        args = arguments_object(part.arguments)
        call = said({"id": part.id or None, "name": part.name, "args": args})
        return said({"functionCall": call, "thoughtSignature": part.signature or None})
    if isinstance(part, ToolResult):
        return {"functionResponse": _result(part, is_olds)}
    if isinstance(part, Audio):
        return {"inlineData": {"mimeType": f"audio/{part.format}", "data": part.base64}}
    return _file(part, is_olds)


def _thought(part: Thinking) -> Json:
    if _is_seal(part):
        return {"text": "", "thoughtSignature": part.signature}
    return said({"text": part.text, "thought": True, "thoughtSignature": part.signature or None})


def _result(result: ToolResult, is_olds: bool) -> Json:
    """By Google's convention a tool's output is the member `output`, and its error `error`."""
    if not result.name:
        raise Untranslatable("tool_result", f"no call before it has the id `{result.id}`")
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    files = [_file(part, is_olds) for part in result.parts if not isinstance(part, Text)]
    if files and is_olds:
        raise Untranslatable("tool_result", "Geminis before 3 take only text from tools")
    output = texts if len(texts) > 1 else "".join(texts)
    is_said = bool(texts) or result.is_error
    return said(
        {
            "id": result.id or None,
            "name": result.name,
            "response": {"error" if result.is_error else "output": output} if is_said else {},
            "parts": files or None,
        }
    )


def _file(part: Image | Document, is_olds: bool) -> Json:
    is_image = isinstance(part, Image)
    media_type = part.media_type or guessed_type(part.url)
    if not media_type and not is_image:
        media_type = "application/pdf"
    if part.url:
        written: Json = {"fileData": said({"mimeType": media_type or None, "fileUri": part.url})}
    else:
        written = {"inlineData": {"mimeType": media_type or "image/png", "data": part.base64}}
    detail = part.detail if isinstance(part, Image) else ""
    if detail in _RESOLUTIONS and not is_olds:
        written["mediaResolution"] = {"level": _RESOLUTIONS[detail]}
    return written
