"""A request's JSON as Google's and Amazon's SDKs write it: members that are empty say nothing.

Google's APIs take each name in two spellings, `systemInstruction` and `system_instruction`.
"""

from __future__ import annotations

import re
from copy import copy
from typing import Self

import msgspec

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import UNKNOWN, Asked

_SNAKE = re.compile("_([a-z])")
_EMPTY: tuple[object, ...] = ("", [], {})

_decode_any = msgspec.json.Decoder().decode
_decode_number = msgspec.json.Decoder(int | float).decode


class CloudAsked(Asked):
    """As `Asked`, but that `close` lets pass what is empty."""

    def inner(self, name: str) -> Self | None:
        """As `object`, for an object of this class."""
        found = self.object(name)
        return None if found is None else self._like(found)

    def inners(self, name: str) -> list[Self]:
        """As `objects`, for objects of this class."""
        return [self._like(found) for found in self.objects(name)]

    def names(self) -> tuple[str, ...]:
        """The members that nobody has taken yet, but for null."""
        return tuple(name for name, raw in self._members.items() if bytes(raw) != b"null")

    def close(self, why: str = UNKNOWN) -> None:
        for name in self.names():
            if self._is_empty(bytes(self._members[name])):
                self.drop(name)
        super().close(why)

    def _is_empty(self, raw: bytes) -> bool:
        return raw[:1] in b'"[{' and len(raw) < _EMPTY_BYTES_MAX and _decode_any(raw) in _EMPTY

    def _like(self, asked: Asked) -> Self:
        found = copy(self)
        found._path, found._members = asked._path, asked._members
        return found


_EMPTY_BYTES_MAX = 64
"""Whoever writes nothing in more bytes is not believed."""


class GoogleAsked(CloudAsked):
    """As `CloudAsked`, with names found as `camelCase` however the caller wrote them."""

    def __init__(self, raw: bytes, path: str = "") -> None:
        super().__init__(raw, path)
        self._respell()

    def at(self, name: str) -> str:
        return super().at(self._spelled.get(name, name))

    def whole(self, name: str) -> int | None:
        """A whole number, `40.0` among them: Google's SDKs write some so."""
        number = self._taken(_decode_number, name, "a whole number")
        if isinstance(number, float) and not number.is_integer():
            raise BadParameter(self.at(name), "not readable", "a whole number")
        return None if number is None else int(number)

    def _respell(self) -> None:
        spelled = {_SNAKE.sub(lambda found: found[1].upper(), name): name for name in self._members}
        self._members = {camel: self._members[name] for camel, name in spelled.items()}
        self._spelled = spelled

    def _like(self, asked: Asked) -> Self:
        found = super()._like(asked)
        found._respell()
        return found
