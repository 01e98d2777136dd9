"""JSON written in odd ways: white space anywhere, any character as an escape, nested at will."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random

from hypothesis import strategies as st

SPACES = ("", "", "", " ", "\n", "\t", "\r\n", "  \n\t ")

# No lone surrogates: they cannot be encoded, so no body carries them raw.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(['"', "\\", '\\"', '{"model":"x"}', "]},{[", '"usage":{', "\u2028", "\x7f"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=6)
RANDOMS = st.randoms(use_true_random=False)


def written(value: object, random: Random) -> bytes:
    """`value` as JSON that a strict reader reads back, written as oddly as `random` has it."""
    return _value(value, random).encode()


def _value(value: object, random: Random) -> str:
    if isinstance(value, str):
        return string(value, random)
    if isinstance(value, list):
        return _row("[", [_value(one, random) for one in value], "]", random)
    if isinstance(value, dict):
        pairs = [
            string(name, random) + _space(random) + ":" + _space(random) + _value(inner, random)
            for name, inner in value.items()
        ]
        return _row("{", pairs, "}", random)
    return json.dumps(value)


def _row(opening: str, parts: Sequence[str], closing: str, random: Random) -> str:
    spaced = [_space(random) + part + _space(random) for part in parts]
    return opening + (",".join(spaced) or _space(random)) + closing


def _space(random: Random) -> str:
    return random.choice(SPACES)


def string(text: str, random: Random) -> str:
    """`text` as a JSON string, some of its characters as escapes that need none."""
    return '"' + "".join(_character(one, random) for one in text) + '"'


def _character(one: str, random: Random) -> str:
    ways: list[Callable[[], str]] = [lambda: escaped(one)]
    if one == "/":
        ways.append(lambda: "\\/")
    if one not in '"\\' and ord(one) >= 0x20:
        ways += [lambda: one] * 3
    else:
        ways.append(lambda: json.dumps(one)[1:-1])
    return random.choice(ways)()


def escaped(text: str) -> str:
    """`text` with every character as `\\uXXXX`, in pairs where one needs two."""
    units = text.encode("utf-16-be").hex()
    return "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
