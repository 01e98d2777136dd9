"""A request's JSON taken member by member, so that what nobody took can be refused by its path.

Every path is as the caller wrote it: `messages[2].content[0].type`. Null is as good as left out.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TypeVar

import msgspec

from ferrycli.rules.denials import BadParameter, Untranslatable

UNKNOWN = "ferry does not know how another dialect would say it"

_NAME_SHOWN_MAX = 64

_T = TypeVar("_T")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_texts = msgspec.json.Decoder(list[str]).decode
_text = msgspec.json.Decoder(str).decode
_whole = msgspec.json.Decoder(int).decode
_number = msgspec.json.Decoder(float).decode
_truth = msgspec.json.Decoder(bool).decode


class Asked:
    """One JSON object of a request; what is taken is gone from it.

    Every way of taking raises `BadParameter` where the value is of another kind.
    """

    def __init__(self, raw: bytes, path: str = "") -> None:
        self._path = path
        self._members = _decoded(_object, raw, path or "body", "an object")

    def at(self, name: str) -> str:
        """The path of a member."""
        return f"{self._path}.{name}" if self._path else name

    def raw(self, name: str) -> bytes:
        """The JSON of a member; empty where it is left out or null."""
        raw = bytes(self._members.pop(name, b""))
        return b"" if raw == b"null" else raw

    def text(self, name: str) -> str:
        """Empty where it is left out."""
        return self._taken(_text, name, "text") or ""

    def needed_text(self, name: str) -> str:
        """Raises `BadParameter` where it is left out or empty."""
        return self._needed(name, self.text(name))

    def whole(self, name: str) -> int | None:
        return self._taken(_whole, name, "a whole number")

    def number(self, name: str) -> float | None:
        number = self._taken(_number, name, "a number")
        if number is not None and not isfinite(number):
            raise BadParameter(self.at(name), "out of range", "a number that fits")
        return number

    def truth(self, name: str) -> bool | None:
        return self._taken(_truth, name, "true or false")

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text by itself."""
        raw = self.raw(name)
        if raw.startswith(b'"'):
            return (_decoded(_text, raw, self.at(name), "text"),)
        return tuple(_decoded(_texts, raw, self.at(name), "a list of texts")) if raw else ()

    def object(self, name: str) -> Asked | None:
        raw = self.raw(name)
        return Asked(raw, self.at(name)) if raw else None

    def needed_object(self, name: str) -> Asked:
        found = self.object(name)
        if found is None:
            raise BadParameter(self.at(name), "missing", "a value")
        return found

    def objects(self, name: str) -> list[Asked]:
        """A list of objects; none where it is left out."""
        raw = self.raw(name)
        rows = _decoded(_rows, raw, self.at(name), "a list") if raw else []
        return [Asked(bytes(row), f"{self.at(name)}[{at}]") for at, row in enumerate(rows)]

    def text_or_objects(self, name: str) -> str | list[Asked]:
        """What content is in most dialects: text, or a list of parts; none where left out."""
        raw = self.raw(name)
        if raw.startswith(b'"'):
            return _decoded(_text, raw, self.at(name), "text")
        self._members[name] = msgspec.Raw(raw or b"null")
        return self.objects(name)

    def is_text(self, name: str) -> bool:
        """Whether a member that is still there is text."""
        return bytes(self._members.get(name, b"")).startswith(b'"')

    def drop(self, *names: str) -> None:
        """Leave out members that change nothing in the answer."""
        for name in names:
            self._members.pop(name, None)

    def drop_where(self, name: str, *values: bytes) -> None:
        """Leave out a member where it asks for what is so anyway: `n: 1`, `tools: []`."""
        if bytes(self._members.get(name, b"")) in values:
            del self._members[name]

    def close(self, why: str = UNKNOWN) -> None:
        """Raises `Untranslatable` for the first member that nobody took."""
        for name, raw in self._members.items():
            if bytes(raw) != b"null":
                raise Untranslatable(self.at(name[:_NAME_SHOWN_MAX]), why)

    def refuse(self, name: str, why: str) -> Untranslatable:
        """The refusal of a member whose value cannot be said otherwise."""
        return Untranslatable(self.at(name), why)

    def _taken(self, decode: Callable[[bytes], _T], name: str, wanted: str) -> _T | None:
        raw = self.raw(name)
        return _decoded(decode, raw, self.at(name), wanted) if raw else None

    def _needed(self, name: str, value: _T) -> _T:
        if not value:
            raise BadParameter(self.at(name), "missing", "a value")
        return value


def _decoded(decode: Callable[[bytes], _T], raw: bytes, path: str, wanted: str) -> _T:
    try:
        return decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadParameter(path, "not readable", wanted) from None
