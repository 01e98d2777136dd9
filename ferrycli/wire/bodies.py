"""Small bodies: what providers say in errors, and plain values."""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.wire.sse import first_data

MESSAGE_LENGTH_MAX = 2_000


def json_body(value: object) -> bytes:
    """A body of plain values."""
    return msgspec.json.encode(value)


class _Error(msgspec.Struct):
    message: Any = ""
    code: Any = None
    type: Any = None
    status: Any = None


class _ErrorBody(msgspec.Struct):
    """A provider's error: inside `error`, or, as Bedrock and others have it, by itself."""

    error: _Error | str | None = None
    message: Any = ""
    amazon_message: Any = msgspec.field(default="", name="Message")
    code: Any = None
    type: Any = None
    amazon_type: Any = msgspec.field(default=None, name="__type")


_decode_error = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody]).decode


def error_text(body: bytes) -> tuple[str, str]:
    """Code and message of a provider's error, in any of their forms; empty where it has none.

    `body`: one JSON object, or a stream that begins with the error. A code in words is preferred
    to a number, which says no more than the status.
    """
    try:
        said = _decode_error(first_data(body) or body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", safe(body[:MESSAGE_LENGTH_MAX].decode("utf-8", "replace"))
    if isinstance(said, list):
        # As Gemini answers where a stream was asked for that is not of events.
        said = said[0] if said else _ErrorBody()
    error = said.error
    if isinstance(error, _Error):
        named = (error.code, error.type, error.status)
        message = error.message
    else:
        named = (said.code, said.type, said.amazon_type)
        message = error or said.message or said.amazon_message
    said_as = [str(one) for one in sorted(named, key=_is_number) if one not in (None, "")]
    return safe(said_as[0], 64) if said_as else "", safe(str(message), MESSAGE_LENGTH_MAX)


def _is_number(value: object) -> bool:
    return not isinstance(value, str) or value.isdigit()
