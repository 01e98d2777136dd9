"""A JSON value that fits a JSON schema: arguments of a tool call, answers in a given form.

Schemas come from callers and may be anything. Depth and size of the value are bounded, and what a
schema says that is not understood is as if it did not say it.
"""

from __future__ import annotations

from math import ceil, floor, isfinite

from ferrycli.sim.dice import Dice
from ferrycli.sim.prose import name_of, topic_of

DEPTH_MAX = 6
VALUES_MAX = 200
_TEXT_LENGTH_MAX = 200
_NUMBER_MAX = 10**15
_SPREAD = 40

_FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T09:00:00Z",
    "time": "09:00:00Z",
    "duration": "PT20M",
    "email": "crew@example.com",
    "hostname": "ferry.example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uri": "https://example.com/timetable",
    "url": "https://example.com/timetable",
    "uuid": "018f5e5e-7c1a-7d2b-9c3d-4e5f60718293",
}
_WORDS = ("north pier", "morning", "blue", "first crossing", "harbour", "seven", "open", "calm")
_NAMED = {
    "city": ("Hamburg", "Bergen", "Lisbon", "Oslo"),
    "location": ("Hamburg", "Bergen", "Lisbon", "Oslo"),
    "country": ("Norway", "Portugal", "Germany", "Japan"),
    "name": ("Ada", "Grace", "Alan", "Edsger"),
    "unit": ("metric", "imperial"),
    "currency": ("EUR", "USD", "NOK"),
    "language": ("en", "de", "pt"),
}
"""What a field of this name, or a name that ends so, is likely to hold."""
_NAMES = ("city", "country", "location", "name", "place")
_ASKED = ("query", "question", "topic", "subject", "q", "search", "text", "title", "term")


class Inventor:
    """Makes values up; words of `question` stand where a text or a name is asked for."""

    def __init__(self, question: str, dice: Dice) -> None:
        self._topic = topic_of(question)
        self._name = name_of(question)
        self._dice = dice
        self._values_left = VALUES_MAX
        self._root: dict[object, object] = {}

    def value(self, schema: object) -> object:
        """A value for `schema`, which may refer to parts of itself."""
        self._root = schema if isinstance(schema, dict) else {}
        return self._value(self._root, "", DEPTH_MAX)

    def _value(self, given: object, name: str, depth: int) -> object:
        schema = self._resolved(given, depth)
        self._values_left -= 1
        if "const" in schema and _is_plain(schema["const"]):
            return schema["const"]
        values = [value for value in _list(schema.get("enum")) if _is_plain(value)]
        if values:
            return self._dice.pick(values)
        match _type(schema):
            case "object":
                return self._members(schema, depth)
            case "array":
                return self._items(schema, name, depth)
            case "integer":
                return self._number(schema)
            case "number":
                return self._number(schema, parts=4)
            case "boolean":
                return self._dice.below(2) == 1
            case "null":
                return None
        return self._text(schema, name)

    def _resolved(self, given: object, depth: int) -> dict[object, object]:
        """`given` with references and alternatives followed, as far as `depth` steps."""
        schema = given if isinstance(given, dict) else {}
        for _ in range(depth):
            ref = schema.get("$ref")
            options = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
            if isinstance(ref, str) and ref.startswith("#"):
                target: object = self._root
                for step in ref[1:].split("/")[1:]:
                    target = target.get(step) if isinstance(target, dict) else None
            elif options:
                target = options[0]
            else:
                break
            schema = target if isinstance(target, dict) else {}
        return schema

    def _members(self, schema: dict[object, object], depth: int) -> dict[str, object]:
        declared = schema.get("properties")
        properties = declared if isinstance(declared, dict) else {}
        required = _list(schema.get("required"))
        # A deep value holds what it must: a tree of optional children would never end.
        is_deep = depth < DEPTH_MAX - 1
        members: dict[str, object] = {}
        for name, inner in properties.items():
            if depth > 0 and self._values_left > 0 and (name in required or not is_deep):
                members[name] = self._value(inner, name, depth - 1)
        return members

    def _items(self, schema: dict[object, object], name: str, depth: int) -> list[object]:
        least, most = _whole(schema.get("minItems")) or 0, _whole(schema.get("maxItems"))
        length = max(least, 1 + self._dice.below(3))
        items: list[object] = []
        while len(items) < (length if most is None else min(length, most)):
            if depth <= 0 or self._values_left <= 0:
                break
            items.append(self._value(schema.get("items"), name, depth - 1))
        return items

    def _number(self, schema: dict[object, object], parts: int = 1) -> int | float:
        """A number within the bounds, in whole `parts` of one; small where there are none."""
        least, most = _bound(schema.get("minimum")), _bound(schema.get("maximum"))
        above, below = (
            _bound(schema.get("exclusiveMinimum")),
            _bound(schema.get("exclusiveMaximum")),
        )
        low = floor(above) + 1 if above is not None else ceil(least) if least is not None else None
        high = ceil(below) - 1 if below is not None else floor(most) if most is not None else None
        if low is None:
            low = 1 if high is None or high >= 1 else high - _SPREAD
        if high is None:
            high = low + _SPREAD
        if low > high:
            # No whole number fits: half way between the bounds does, if anything does.
            ends = [end for end in (above, least, below, most) if end is not None]
            return sum(ends) / len(ends)
        whole = low + self._dice.below(min(high - low, _SPREAD) + 1)
        return whole + self._dice.below(parts) / parts if parts > 1 and whole < high else whole

    def _text(self, schema: dict[object, object], name: str) -> str:
        form = schema.get("format")
        least, most = _whole(schema.get("minLength")) or 0, _whole(schema.get("maxLength"))
        last = name.lower().replace("-", "_").rpartition("_")[2]
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form]
        if last in _ASKED and self._topic is not None:
            text = self._topic
        elif last in _NAMES and self._name is not None:
            text = self._name
        else:
            text = self._dice.pick(_NAMED.get(last, _WORDS))
        while len(text) < min(least, _TEXT_LENGTH_MAX):
            text += f" {self._dice.pick(_WORDS)}"
        return text if most is None else text[:most]


def _type(schema: dict[object, object]) -> str:
    named = schema.get("type")
    names = named if isinstance(named, list) else [named]
    # `["string", "null"]` is how an optional string is written in strict mode.
    name = next((each for each in names if isinstance(each, str) and each != "null"), None)
    if name is not None:
        return name
    if "null" in names:
        return "null"
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _TEXT_LENGTH_MAX
    return value is None or isinstance(value, bool) or _bound(value) is not None


def _whole(value: object) -> int | None:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return value if is_int and isinstance(value, int) and value >= 0 else None


def _bound(value: object) -> int | float | None:
    """`value` if it is a number that fits the usual ones; JSON may hold 10 to the 4,000."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return None
    return value if abs(value) <= _NUMBER_MAX else None
