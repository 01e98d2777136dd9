"""Changing single members of a JSON object without touching the bytes of any other.

The caller has validated the body as JSON (msgspec, which is strict); here only positions are
found. A member that stands twice is refused: two readers may take different ones of the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from ferrycli.rules.denials import BadParameter

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*")
_NESTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb"[^,}\]\s]+")
_NEXT = re.compile(rb"[ \t\r\n]*+(?:,[ \t\r\n]*+)?")
_PLAIN_MEMBER = re.compile(
    rb'"([^"\\]*+)"[ \t\r\n]*+:[ \t\r\n]*+'
    rb'(?:("[^"\\]{0,256}+"|[^][{}",\s]++|\{(?:[^][{}"\\]{1,64}+|"[^"\\]{0,64}+"){0,16}+\})'
    rb"[ \t\r\n]*+(?:,[ \t\r\n]*+)?)?"
)
"""A member whose name has no escapes; with its value, and up to the next, where that is short."""


COMPACT_BYTES_MAX = 4_096
"""Of a longer body the members are found at once: that costs less than to read it once more."""

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Member(msgspec.Struct, frozen=True, gc=False):
    """One member of an object: its name, and where its value stands."""

    name: str
    start: int
    end: int


def members(body: bytes, known: Sequence[bytes] = ()) -> list[Member]:
    """The members of the object that `body` is, in order.

    `known`: bytes of large values that are already known; where one stands it is stepped over
    without being read. Raises `BadParameter` for a name that stands twice.
    """
    found: list[Member] = []
    names: set[str] = set()
    position = 1 if body.startswith(b'{"') else _skip(body, body.index(b"{") + 1)
    while True:
        plain = _PLAIN_MEMBER.match(body, position)
        if plain is not None:
            name = plain[1].decode()
            start, end = plain.span(2)
            position = plain.end()
        elif body.startswith(b'"', position):
            name_end = _match(_STRING, body, position)
            name = msgspec.json.decode(body[position:name_end])
            position = _skip(body, body.index(b":", name_end) + 1)
            start = end = -1
        else:
            return found
        if end < 0:
            start, end = position, _value_end(body, position, known)
            position = end + 1 if body.startswith(b',"', end) else _match(_NEXT, body, end)
        if name in names:
            raise BadParameter(name[:64], "twice", "one value")
        names.add(name)
        found.append(Member(name, start, end))


class Layout:
    """Where the members of one object stand: found when that is asked for, or when it was made."""

    __slots__ = ("_body", "_found", "_known", "names")

    def __init__(
        self,
        body: bytes = b"",
        known: Sequence[bytes] = (),
        names: Collection[str] | None = None,
        found: tuple[Member, ...] | None = None,
    ) -> None:
        self._body, self._known, self._found = body, known, found
        self.names = names
        """The names of all members; None: not known but by `members`."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, in order."""
        if self._found is None:
            self._found = tuple(members(self._body, self._known))
        return self._found


NO_LAYOUT = Layout(found=())
"""Of what has no members."""


def layout(body: bytes, known: Sequence[bytes] = ()) -> Layout:
    """As `members`, which most requests need never be asked for. `known` as there.

    Raises `BadParameter` for a name that stands twice.
    """
    if len(body) <= COMPACT_BYTES_MAX and (names := _names_if_compact(body)) is not None:
        return Layout(body, known, names)
    return Layout(found=tuple(members(body, known)))


def _names_if_compact(body: bytes) -> Collection[str] | None:
    """The names of an object that is written without spaces or escapes, and names nothing twice.

    None for any other. A body is never shorter than what is in it with a colon, a comma and two
    quotes for each member; if it is no longer, there is nothing else in it, and no other member.
    """
    try:
        said = _decode_members(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    size = 1 + 4 * len(said) + sum(map(len, said)) + sum(map(len, said.values()))
    return said.keys() if size == len(body) else None


def spliced(body: bytes, found: Sequence[Member], values: Mapping[str, bytes]) -> bytes:
    """`body` with the `values` (JSON by member name) set: in place, or before the closing brace."""
    parts: list[bytes] = []
    position = 0
    for member in found:
        if (value := values.get(member.name)) is not None:
            parts += [body[position : member.start], value]
            position = member.end
    present = {member.name for member in found}
    added = b",".join(
        b'"' + name.encode() + b'":' + value
        for name, value in values.items()
        if name not in present
    )
    if added:
        last = found[-1].end if found else body.index(b"{") + 1
        parts += [body[position:last], b"," if found else b"", added]
        position = last
    parts.append(body[position:])
    return b"".join(parts)


def nested(body: bytes, found: Sequence[Member], outer: str, inner: str, value: bytes) -> bytes:
    """The member `outer`, an object or nothing, with its member `inner` set to `value`."""
    for member in found:
        if member.name == outer and (raw := body[member.start : member.end]) != b"null":
            return spliced(raw, members(raw), {inner: value})
    return spliced(b"{}", (), {inner: value})


def without(body: bytes, names: Collection[str]) -> bytes:
    """`body` less its members of these names; every other keeps its bytes."""
    kept: list[bytes] = []
    position = body.index(b"{") + 1
    parts = [body[:position]]
    for member in members(body):
        if member.name not in names:
            kept.append(body[position : member.end])
        position = member.end
    if kept:
        # The first one may have stood behind a comma.
        first = kept[0]
        kept[0] = first[first.index(b'"') :] if first.lstrip().startswith(b",") else first
    return b"".join([*parts, *kept, body[position:]])


def items_changed(body: bytes, change: Callable[[bytes], bytes | None]) -> bytes:
    """The list that `body` is, with `change` of each value in it; None takes one out.

    What stands between values that stay keeps its bytes.
    """
    parts = [body[:1]]
    position = 1
    start = _skip(body, position)
    is_first = True
    while body[start : start + 1] != b"]":
        end = _value_end(body, start, ())
        changed = change(body[start:end])
        if changed is not None:
            # A comma is in front of every value but the first that stays.
            space = body[position:start]
            parts += [space.replace(b",", b"") if is_first else space, changed]
            is_first = False
        position = end
        after = _skip(body, end)
        start = _skip(body, after + 1) if body[after : after + 1] == b"," else after
    parts.append(body[position:])
    return b"".join(parts)


def _skip(body: bytes, position: int) -> int:
    return _match(_SPACE, body, position)


def _match(pattern: re.Pattern[bytes], body: bytes, position: int) -> int:
    matched = pattern.match(body, position)
    assert matched is not None, "the body was validated as JSON"
    return matched.end()


def _value_end(body: bytes, start: int, known: Sequence[bytes]) -> int:
    for value in known:
        if body.startswith(value, start) and value[:1] in (b"{", b"["):
            return start + len(value)
    first = body[start : start + 1]
    if first == b'"':
        return _match(_STRING, body, start)
    if first not in (b"{", b"["):
        return _match(_SCALAR, body, start)
    depth = 0
    for token in _NESTED.finditer(body, start):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
    raise AssertionError("the body was validated as JSON")
