"""What every dialect checks of a request's body: JSON, types in words, names of models, limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, NotJson
from ferrycli.wire.splice import Layout, layout

MODEL_LENGTH_MAX = 200
OUTPUT_ASKED_MAX = 10_000_000
CHOICES_MAX = 128
LARGE_BYTES = 256
"""A value of so many bytes is stepped over, not read, when members are found."""

ABSENT = msgspec.Raw(b"")

_T = TypeVar("_T")

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Kind(msgspec.Struct, gc=False):
    """What kind of thing an object says that it is."""

    type: str = ""


_decode_kinds = msgspec.json.Decoder(list[Kind]).decode


def decoded(decode: Callable[[bytes], _T], body: bytes) -> _T:
    """A request's body by `decode`. Raises `NotJson`, or `BadParameter` for a wrong type."""
    try:
        # msgspec steps over what it does not decode, without a look at its characters.
        if not body.isascii():
            str(body, "utf-8")
        return decode(body)
    except msgspec.ValidationError as error:
        raise bad_parameter(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(safe(str(error))) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None


def decoded_members(body: bytes) -> dict[str, msgspec.Raw]:
    """Every member of the object that `body` is, as JSON. Raises as `decoded` does."""
    return decoded(_decode_members, body)


def decoded_part(decode: Callable[[msgspec.Raw], _T], value: msgspec.Raw, field: str) -> _T:
    """A member's value by `decode`; what is wrong in it is told as being in `field`."""
    try:
        return decode(value)
    except msgspec.ValidationError as error:
        raise bad_parameter(str(error), field) from None
    except msgspec.DecodeError as error:
        raise NotJson(safe(str(error))) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None


def positions(body: bytes, values: Sequence[msgspec.Raw | bytes]) -> Layout:
    """Where the body's members stand; the large ones of its `values` are not read again.

    Raises `BadParameter` for a name that stands twice.
    """
    return layout(body, [bytes(one) for one in values if len(one) > LARGE_BYTES])


def present(raw: msgspec.Raw) -> bytes:
    """The bytes of a value; none where it is left out or null."""
    if raw is ABSENT:
        return b""
    value = bytes(raw)
    return b"" if value == b"null" else value


def first_byte(raw: msgspec.Raw) -> bytes:
    """What kind of value it is: JSON shows that by its beginning."""
    return bytes(memoryview(raw)[:1])


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""What msgspec calls types, in words."""


def bad_parameter(text: str, inside: str = "") -> BadParameter:
    """msgspec's words for a wrong type, such as ``Expected `bool`, got `str` - at `$.stream` ``.

    `inside`: the member that was decoded by itself.
    """
    wanted, _, place = text.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    field = ".".join(one for one in (inside, path) if one) or "body"
    if missing := re.search(r"required field `(\w+)`", wanted):
        name = ".".join(one for one in (inside, path, missing[1]) if one)
        return BadParameter(name, "missing", "a value")
    if unknown := re.search(r"unknown field `([^`]*)`", wanted):
        name = safe(".".join(one for one in (inside, path, unknown[1]) if one))
        return BadParameter(name, "set", "no value, as there is no such field")
    if expected := re.match(r"Expected `([^`]+)`, got `([^`]+)`", wanted):
        named = (_TYPES.get(one.removesuffix(" | null"), one) for one in expected.groups())
        wanted, got = named
        return BadParameter(field, got, wanted)
    if "out of range" in wanted:
        return BadParameter(field, "out of range", "a number that fits")
    return BadParameter(field, "not readable", safe(wanted))


def listed(raw: msgspec.Raw, field: str, noun: str) -> list[msgspec.Raw]:
    """The turns of a request: a list that is not empty, each as a view of the body.

    `noun`: what one of them is called.
    """
    try:
        turns = _decode_list(raw)
    except msgspec.DecodeError:
        raise BadParameter(field, "no list", f"a list of {noun}s") from None
    if not turns:
        raise BadParameter(field, "empty", f"at least one {noun}")
    return turns


@lru_cache(1_024)
def model_name(name: str) -> str:
    """The model as asked for. What has control characters or no end names no model.

    Kept for names that are good, and so short.
    """
    if not name or len(name) > MODEL_LENGTH_MAX or safe(name) != name:
        raise BadParameter("model", safe(name, 40) or "empty", "the name of a model")
    return name


def model_asked(name: str | None, place_model: str) -> str:
    """The model by the path, or else by the body. Raises `BadParameter` where neither names it."""
    if place_model:
        return model_name(place_model)
    if name is None:
        raise BadParameter("model", "missing", "a value")
    return model_name(name)


def bounded(field: str, value: int | None, most: int, least: int = 1) -> int | None:
    """A whole number within its bounds, as it is. Raises `BadParameter` outside them."""
    if value is not None and not least <= value <= most:
        raise BadParameter(field, str(value)[:40], f"a whole number from {least} to {most:,}")
    return value


def kinds_of(tools: bytes) -> set[str] | None:
    """The kinds of the tools in a list; empty for none, None where it cannot be read."""
    try:
        return {tool.type for tool in _decode_kinds(tools)} if tools else set()
    except msgspec.DecodeError:
        return None


def named_member(
    body: bytes,
    found: Layout,
    names: frozenset[str],
    nothing: tuple[bytes, ...] = (b"null",),
) -> str:
    """The first member of these names that says more than `nothing`; "" where none does."""
    if found.names is not None and names.isdisjoint(found.names):
        return ""
    for member in found.members:
        if member.name in names and body[member.start : member.end] not in nothing:
            return member.name
    return ""
