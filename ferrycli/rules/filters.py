"""The `--where` language: `tenant=acme and model~gpt and cost>0.10`, read into an expression.

Pure. One reading for every place: `store/where.py` makes SQL of an expression, `predicate` a
function of a row; a test holds the two against each other. Every comparison is true or false: what
is not known (the cost of a call in flight) equals nothing and is neither more nor less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from ferrycli.rules.errors import BadAmount, BadFilter
from ferrycli.rules.money import parse_usd

TEXT_LENGTH_MAX = 2_000
COMPARISONS_MAX = 100
DEPTH_MAX = 10
"""SQLite before 3.46 parses with a stack of 100 places, of which a level takes up to six."""
TAG = "tag:"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a call can be asked for."""

    kind: str
    """`text count money duration flag`."""
    meaning: str


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "tenant": Field("text", "the customer"),
        "user": Field("text", "the end user"),
        "assistant": Field("text", "the assistant, agent or workflow"),
        "thread": Field("text", "the conversation, session or run"),
        "feature": Field("text", "the feature of the product"),
        "key": Field("text", "the name of ferry's key"),
        "provider": Field("text", "who answered"),
        "model": Field("text", "the model that answered"),
        "requested": Field("text", "the model that was asked for"),
        "route": Field("text", "the route that was asked for"),
        "priority": Field("text", "critical, normal or background"),
        "endpoint": Field("text", "such as chat.completions"),
        "outcome": Field("text", "ok, left, failed, cut, timeout, recovered or denied"),
        "error": Field("text", "the error's code"),
        "finish": Field("text", "the finish reason"),
        "tier": Field("text", "the service tier"),
        "source": Field("text", "of the cost: provider, reported, estimated or unpriced"),
        "id": Field("text", "the call's id"),
        "cost": Field("money", "what it cost"),
        "input": Field("count", "tokens in, cached ones too"),
        "cached": Field("count", "tokens that were read from a cache"),
        "output": Field("count", "tokens out, reasoning too"),
        "reasoning": Field("count", "tokens of reasoning"),
        "status": Field("count", "the HTTP status"),
        "attempts": Field("count", "tries upstream"),
        "latency": Field("duration", "from start to end"),
        "first_byte": Field("duration", "from start to the first byte"),
        "stream": Field("flag", "streamed"),
        "unpriced": Field("flag", "without a price"),
        "estimated": Field("flag", "of estimated cost"),
        "denied": Field("flag", "refused by ferry"),
        "open": Field("flag", "in flight"),
    }
)
"""What `--where` can ask of a call; besides these, `tag:NAME`."""

ROUTE_FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        **{name: FIELDS[name] for name in ("tenant", "user", "assistant", "thread", "feature")},
        "key": FIELDS["key"],
        "priority": FIELDS["priority"],
        "model": Field("text", "the model or route that was asked for"),
        "stream": FIELDS["stream"],
        "input": Field("count", "tokens in, estimated"),
        "used": Field("count", "percent that the fullest matching budget has used"),
    }
)
"""What a route's condition can ask of a call that has not gone yet; besides these, `tag:NAME`."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "agent": "assistant",
        "workflow": "assistant",
        "session": "thread",
        "conversation": "thread",
    }
)

_TEXT_OPERATORS = ("=", "!=", "~", "!~")
_NUMBER_OPERATORS = ("=", "!=", ">", ">=", "<", "<=")
OPERATORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text": _TEXT_OPERATORS,
        "count": _NUMBER_OPERATORS,
        "money": _NUMBER_OPERATORS,
        "duration": _NUMBER_OPERATORS,
        "flag": ("=", "!="),
    }
)


Value = str | int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against one value."""

    field: str
    """A name of `FIELDS`, or of the table that it was read with; or `tag:NAME`."""
    operator: str
    value: Value
    """Nano-dollars, tokens, whole milliseconds; 1 or 0 for a flag."""


@dataclass(frozen=True, slots=True)
class Every:
    """True where each part is."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True where a part is."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is not."""

    part: Expression


Expression = Comparison | Every | Some | Not


def parse_filter(text: str, known: Mapping[str, Field] = FIELDS) -> Expression:
    """The expression that `text` writes, over the fields `known`. Raises `BadFilter`."""
    if len(text) > TEXT_LENGTH_MAX:
        raise BadFilter(text, TEXT_LENGTH_MAX, f"it is longer than {TEXT_LENGTH_MAX} characters")
    if alien := _ALIEN.search(text):
        raise BadFilter(text, alien.start(), "this character is in no name")
    return _Reader(text, known).read()


def fields_of(expression: Expression) -> Iterator[str]:
    """The fields that an expression asks for, in their order."""
    match expression:
        case Comparison(field=field):
            yield field
        case Not(part=part):
            yield from fields_of(part)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from fields_of(part)


def kind_of(field: str, known: Mapping[str, Field] = FIELDS) -> str:
    """The kind of a field; a tag is a text."""
    return "text" if field.startswith(TAG) else known[field].kind


Row = Callable[[str], Value | None]
"""A call, as a function of a field's name; None where the value is not known."""


def predicate(expression: Expression) -> Callable[[Row], bool]:
    """A function that says whether a row is one that the expression means."""
    match expression:
        case Comparison(field=field, operator=operator, value=value):
            compare = _COMPARE[operator]
            return lambda row: compare(row(field), value)
        case Not(part=part):
            inner = predicate(part)
            return lambda row: not inner(row)
        case Every(parts=parts):
            each = [predicate(part) for part in parts]
            return lambda row: all(one(row) for one in each)
        case Some(parts=parts):
            some = [predicate(part) for part in parts]
            return lambda row: any(one(row) for one in some)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def lowered(text: str) -> str:
    """`text` with A to Z made small, and nothing else: what SQLite's `lower` does."""
    return text.translate(_LOWER)


def _holds(given: Value | None, value: Value) -> bool:
    return given is not None and lowered(str(value)) in lowered(str(given))


_COMPARE: Mapping[str, Callable[[Value | None, Value], bool]] = {
    "=": lambda given, value: given == value,
    "!=": lambda given, value: given != value,
    "~": _holds,
    "!~": lambda given, value: not _holds(given, value),
    ">": lambda given, value: given is not None and given > value,  # type: ignore[operator]
    ">=": lambda given, value: given is not None and given >= value,  # type: ignore[operator]
    "<": lambda given, value: given is not None and given < value,  # type: ignore[operator]
    "<=": lambda given, value: given is not None and given <= value,  # type: ignore[operator]
}

# A database can neither be handed half of a surrogate pair, nor look beyond a NUL.
_ALIEN = re.compile("[\x00\ud800-\udfff]")
_WORD = re.compile(r"[^\s,()=!<>~\"']+")
_OPERATOR = re.compile(r"==|!=|!~|>=|<=|=|~|>|<")
_PLAIN_VALUE = re.compile(r"[^\s,()\"']+")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_SPACE = re.compile(r"\s*")
_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(k|m|g|)", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|min|)", re.IGNORECASE | re.ASCII)
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_MILLISECONDS = {"": 1, "ms": 1, "s": 1_000, "min": 60_000}
_FLAGS = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
_NUMBER_DIGITS_MAX = 15
_NUMBER_MAX = 2**63 - 1


class _Reader:
    """Reads one text from left to right; `_at` is the place of the next character."""

    def __init__(self, text: str, known: Mapping[str, Field]) -> None:
        self._text = text
        self._known = known
        self._at = 0
        self._comparisons = 0

    def read(self) -> Expression:
        if not self._text.strip():
            raise BadFilter(self._text, 0, "it is empty")
        expression = self._some(0)
        self._skip()
        if self._at < len(self._text):
            raise self._bad("`and`, `or` or the end is wanted here")
        return expression

    def _some(self, depth: int) -> Expression:
        if depth > DEPTH_MAX:
            raise self._bad(f"it is nested deeper than {DEPTH_MAX}")
        parts = [self._every(depth)]
        while self._took_word("or"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _every(self, depth: int) -> Expression:
        parts = [self._one(depth)]
        while self._took(",") or self._took_word("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self, depth: int) -> Expression:
        if self._took_word("not"):
            # Each `not` is one level, so that a row of them is bounded as parentheses are.
            if depth >= DEPTH_MAX:
                raise self._bad(f"it is nested deeper than {DEPTH_MAX}")
            return Not(self._one(depth + 1))
        if self._took("("):
            opened = self._at - 1
            inner = self._some(depth + 1)
            if not self._took(")"):
                raise self._bad("this `(` is never closed", opened)
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        self._comparisons += 1
        if self._comparisons > COMPARISONS_MAX:
            raise self._bad(f"it has more than {COMPARISONS_MAX} comparisons")
        field = self._field()
        kind = kind_of(field, self._known)
        self._skip()
        found = _OPERATOR.match(self._text, self._at)
        if found is None:
            if kind == "flag":
                return Comparison(field, "=", 1)
            raise self._bad(f"after `{field}` comes one of `{' '.join(OPERATORS[kind])}`")
        operator = "=" if found[0] == "==" else found[0]
        if operator not in OPERATORS[kind]:
            raise self._bad(f"`{field}` takes `{' '.join(OPERATORS[kind])}`")
        self._at = found.end()
        return Comparison(field, operator, self._value(field, kind))

    def _field(self) -> str:
        self._skip()
        at = self._at
        found = _WORD.match(self._text, at)
        if found is None:
            raise self._bad("the name of a field is wanted here")
        word = found[0]
        self._at = found.end()
        if word.lower().startswith(TAG):
            if len(word) == len(TAG):
                raise self._bad("a tag is written `tag:NAME`", at)
            return TAG + word[len(TAG) :]
        name = ALIASES.get(word.lower(), word.lower())
        if name not in self._known:
            raise BadFilter(self._text, at, "there is no field", word, (*self._known, *ALIASES))
        return name

    def _value(self, field: str, kind: str) -> Value:
        self._skip()
        at = self._at
        if quoted := _QUOTED.match(self._text, at):
            self._at = quoted.end()
            inside = quoted[1] if quoted[1] is not None else quoted[2]
            text = re.sub(r"\\(.)", r"\1", inside, flags=re.DOTALL)
        elif self._text[at : at + 1] in ('"', "'"):
            raise self._bad("this quote is never closed", at)
        elif plain := _PLAIN_VALUE.match(self._text, at):
            self._at = plain.end()
            text = plain[0]
            if "*" in text:
                raise self._bad(
                    "`*` stands for nothing here; `~` finds a part of a name, and a star that is"
                    " meant is quoted",
                    at + text.index("*"),
                )
        else:
            raise self._bad(f'a value is wanted here; the empty text is `{field}=""`')
        return text if kind == "text" else self._number(kind, text, at)

    def _number(self, kind: str, text: str, at: int) -> int:
        if kind == "flag":
            if text.lower() not in _FLAGS:
                raise self._bad("`yes` or `no` is wanted here", at)
            return _FLAGS[text.lower()]
        if kind == "money":
            try:
                return parse_usd(text)
            except BadAmount:
                raise self._bad("dollars are wanted here, such as `0.25`", at) from None
        pattern, units, wanted = (
            (_COUNT, _SIZES, "a whole number is wanted here, such as `2000` or `2k`")
            if kind == "count"
            else (_DURATION, _MILLISECONDS, "a time is wanted here, such as `2s` or `350ms`")
        )
        found = pattern.fullmatch(text)
        if found is None or len(found[1]) > _NUMBER_DIGITS_MAX:
            raise self._bad(wanted, at)
        amount = Decimal(found[1]) * units[found[2].lower()]
        if amount != int(amount) or amount > _NUMBER_MAX:
            raise self._bad(wanted, at)
        return int(amount)

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _took(self, sign: str) -> bool:
        self._skip()
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True

    def _took_word(self, word: str) -> bool:
        self._skip()
        found = _WORD.match(self._text, self._at)
        if found is None or found[0].lower() != word:
            return False
        self._at = found.end()
        return True

    def _bad(self, why: str, at: int | None = None) -> BadFilter:
        return BadFilter(self._text, self._at if at is None else at, why)
