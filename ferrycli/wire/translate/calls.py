"""Calls of tools: ids for those that have none, and their arguments as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.talk import Text, Thinking, ToolCall

NO_ARGUMENTS: dict[str, object] = {"type": "object", "properties": {}}
"""The schema of a tool that takes none, where a dialect takes no tool without one."""

_ID_BYTES = 12

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def made_id(*of: object) -> str:
    """An id for a call that has none, the same each time for the same `of`."""
    written = "\0".join(str(one) for one in of).encode("utf-8", "replace")
    return "call_" + blake2b(written, digest_size=_ID_BYTES).hexdigest()


def is_object(arguments: str) -> bool:
    """Whether a model has written its arguments as the object that they should be."""
    try:
        _decode_object(arguments.strip().encode() or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def with_whole_calls(
    parts: Iterable[Text | Thinking | ToolCall],
) -> list[Text | Thinking | ToolCall]:
    """The parts of an answer but for calls whose arguments are no object."""
    return [one for one in parts if not isinstance(one, ToolCall) or is_object(one.arguments)]


def takes_none(schema: bytes) -> bool:
    """Whether a tool of this schema takes no arguments."""
    try:
        return not schema or msgspec.json.decode(schema) == NO_ARGUMENTS
    except (msgspec.DecodeError, RecursionError):
        return False


def arguments_object(arguments: str) -> msgspec.Raw:
    """The arguments of a call, byte for byte, where a dialect wants them as an object.

    Raises `Untranslatable` where they are none.
    """
    if not is_object(arguments):
        raise Untranslatable("arguments", "those of a tool call are no JSON object")
    return msgspec.Raw(arguments.strip().encode() or b"{}")
