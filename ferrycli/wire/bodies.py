"""Bodies that ferry itself writes in OpenAI's shape, and what errors of providers say."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import FerryError
from ferrycli.rules.words import words
from ferrycli.wire.sse import first_data

MESSAGE_LENGTH_MAX = 2_000


def error_body(error: FerryError) -> bytes:
    """`{"error": {message, type, param, code, ferry}}`: the hint is part of the message."""
    said = words(error)
    param = getattr(error, "field", None)
    message = f"{said.sentence}; {said.hint}" if said.hint else said.sentence
    return msgspec.json.encode(
        {
            "error": {
                "message": safe(message, MESSAGE_LENGTH_MAX),
                "type": error.kind,
                "param": None if param is None else safe(param),
                "code": error.code,
                "ferry": _facts(error),
            }
        }
    )


def _facts(error: FerryError) -> dict[str, object]:
    """The error's own fields, for programs; text is cleaned."""
    found = fields(error)  # type: ignore[arg-type]  # Every subclass is a dataclass.
    return {field.name: _cleaned(getattr(error, field.name)) for field in found}


def _cleaned(value: object) -> object:
    if isinstance(value, tuple):
        return [_cleaned(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return safe(str(value))


def json_body(value: object) -> bytes:
    """A body of plain values."""
    return msgspec.json.encode(value)


class _Error(msgspec.Struct):
    message: Any = ""
    code: Any = None
    type: Any = None
    status: Any = None


class _ErrorBody(msgspec.Struct):
    error: _Error | str | None = None
    message: Any = ""


_decode_error = msgspec.json.Decoder(_ErrorBody).decode


def error_text(body: bytes) -> tuple[str, str]:
    """Code and message of a provider's error, in any of their forms; empty where it has none.

    `body`: one JSON object, or a stream that begins with the error.
    """
    try:
        said = _decode_error(first_data(body) or body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", safe(body[:MESSAGE_LENGTH_MAX].decode("utf-8", "replace"))
    error = said.error
    if not isinstance(error, _Error):
        return "", safe(str(error or said.message), MESSAGE_LENGTH_MAX)
    named = (error.code, error.type, error.status)
    code = next((str(one) for one in named if one not in (None, "")), "")
    return safe(code, 64), safe(str(error.message), MESSAGE_LENGTH_MAX)
