"""A provider's JSON, of which nothing is believed: a member of another kind is as good as none."""

from __future__ import annotations

import json
from typing import Any

import msgspec

Object = dict[str, Any]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Unreadable(Exception):
    """It is no JSON object."""


def decoded(data: bytes) -> Object:
    """The JSON object that `data` is. Raises `Unreadable`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # msgspec takes no half of a surrogate pair; a provider that cuts its text anywhere sends some.
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(value, dict):
        raise Unreadable
    return value


def text(value: Object, name: str) -> str:
    """Empty where it is none."""
    found = value.get(name)
    if not isinstance(found, str):
        return ""
    return found if found.isascii() else _whole_characters(found)


def child(value: Object, name: str) -> Object:
    """Empty where it is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def rows(value: Object, name: str) -> list[Object]:
    """The objects of a list."""
    found = value.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def whole(value: Object, name: str) -> int | None:
    found = value.get(name)
    return found if type(found) is int else None


def written(value: object) -> str:
    """A value of a reply as JSON again. Raises `Unreadable` for what is nested too deeply."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value)
    except RecursionError:
        raise Unreadable from None


def _whole_characters(found: str) -> str:
    """`found` with halves of surrogate pairs replaced: they cannot be written again."""
    try:
        found.encode()
    except UnicodeEncodeError:
        return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return found
