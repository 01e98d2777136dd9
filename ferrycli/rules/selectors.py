"""Selectors: which calls a budget, a limit or an assignment is about.

`tenant=acme,feature=chat` are pairs that a call must have, all of them. `*` matches every value
but the missing one, and gives each value a window of its own; `(none)` is the missing value. Pure.
What is read is written back in one canonical text, which reads as the same selector.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from ferrycli.rules.attribution import ALIASES, DIMENSIONS, TAG_NAME_LENGTH_MAX, Attribution, Policy
from ferrycli.rules.clean import safe
from ferrycli.rules.errors import BadSelector

ANY = "*"
NONE = "(none)"
TAG = "tag:"

SELECTABLE = ("key", *DIMENSIONS, "provider", "model", "route")
"""What a selector may name, in the order in which it is written; besides these, `tag:NAME`."""

OF_TARGET = frozenset({"provider", "model", "route"})
"""Facts of the target that a call goes to, not of the call."""

ALWAYS_THERE = frozenset({"key", "provider", "model"})
"""No call is without one."""

T = TypeVar("T")

TEXT_LENGTH_MAX = 2_000
REMEMBERED_MAX = 4_096
"""Sets of values of which a matcher remembers what they match; of more it begins anew."""
PAIRS_MAX = 12

Facts = Mapping[str, str]
"""Dimension to value; a missing dimension is the empty string, or not there."""


def facts_of(attribution: Attribution) -> dict[str, str]:
    """Dimension or tag to value: the facts that do not depend on key and target."""
    facts = {
        "tenant": attribution.tenant,
        "user": attribution.user,
        "assistant": attribution.assistant,
        "thread": attribution.thread,
        "feature": attribution.feature,
    }
    for name, value in attribution.tags:
        facts[f"{TAG}{name}"] = value
    return facts


@dataclass(frozen=True, slots=True)
class Selector:
    """Pairs of dimension and value, in the order of `SELECTABLE`, tags last."""

    pairs: tuple[tuple[str, str], ...]
    """`ANY` stands for each value; the empty string for the missing one. `key` holds the key's
    name as a person writes it, or its id where a server matches."""

    @property
    def is_each(self) -> bool:
        """Whether each value of some dimension has a window of its own."""
        return any(value == ANY for _, value in self.pairs)

    @property
    def is_of_target(self) -> bool:
        """Whether it asks for the target that a call goes to."""
        return any(dimension in OF_TARGET for dimension, _ in self.pairs)

    def subject(self, facts: Facts) -> str | None:
        """The subject of the window that a call with `facts` counts in; None: it does not match.

        Empty without `*`; else the values that `*` stands for, as a list in JSON.
        """
        found: list[str] = []
        for dimension, wanted in self.pairs:
            value = facts.get(dimension, "")
            if wanted == ANY:
                if not value:
                    return None
                found.append(value)
            elif value != wanted:
                return None
        return subject_text(found) if found else ""

    def __str__(self) -> str:
        """As it is written: quotes only where a value needs them."""
        return ",".join(f"{dimension}={_written(value)}" for dimension, value in self.pairs)


@dataclass(frozen=True, slots=True)
class Matcher(Generic[T]):
    """Things with selectors, found by the facts of a call without a look at each.

    What matches the same values once is remembered: calls of one tenant are mostly alike.
    """

    by_pair: Mapping[tuple[str, str], tuple[tuple[T, Selector], ...]] = field(default_factory=dict)
    """Those that name a value, by the first that they name."""
    rest: tuple[tuple[T, Selector], ...] = ()
    """Those that name none: `user=*`, `thread=(none)`."""
    dimensions: tuple[str, ...] = ()
    """What any of them asks for."""
    _remembered: dict[tuple[str | None, ...], tuple[tuple[T, str], ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """By the values of `dimensions`."""

    def matching(self, facts: Facts) -> tuple[tuple[T, str], ...]:
        """Each that matches, with the subject of its window."""
        values = tuple(map(facts.get, self.dimensions))
        if (known := self._remembered.get(values)) is None:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            known = self._remembered[values] = tuple(self._looked_up(facts))
        return known

    def _looked_up(self, facts: Facts) -> Iterator[tuple[T, str]]:
        named = (self.by_pair.get((one, facts.get(one, "")), ()) for one in self.dimensions)
        for one, selector in chain(*named, self.rest):
            if (subject := selector.subject(facts)) is not None:
                yield one, subject


def matcher(things: Iterable[tuple[T, tuple[tuple[str, str], ...]]]) -> Matcher[T]:
    """A matcher of things with the pairs of their selectors."""
    by_pair: dict[tuple[str, str], tuple[tuple[T, Selector], ...]] = {}
    rest: list[tuple[T, Selector]] = []
    dimensions: dict[str, None] = {}
    for thing, pairs in things:
        entry = (thing, Selector(pairs))
        dimensions |= dict.fromkeys(dimension for dimension, _ in pairs)
        named = next((pair for pair in pairs if pair[1] not in ("", ANY)), None)
        if named is None:
            rest.append(entry)
        else:
            by_pair[named] = (*by_pair.get(named, ()), entry)
    return Matcher(by_pair, tuple(rest), tuple(dimensions))


def subject_values(subject: str) -> tuple[str, ...]:
    """The values of a window's subject; none of the empty one."""
    return tuple(json.loads(subject)) if subject else ()


def subject_text(values: list[str]) -> str:
    """Values of `*` as the subject of a window: a list in JSON, letters as they are."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def parse_selector(text: str) -> Selector:
    """The selector that `text` writes, in canonical order. Raises `BadSelector` with the place.

    Values are cleaned as those of calls are. `tenant=""` is `tenant=(none)`.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise BadSelector(text, TEXT_LENGTH_MAX, _TOO_LONG)
    selector = _Reader(text).read()
    # Quotes and whole names may make more of it than was written.
    if len(str(selector)) > TEXT_LENGTH_MAX:
        raise BadSelector(text, len(text), f"written out, {_TOO_LONG}")
    return selector


def contradiction(selector: Selector, policies: Mapping[str, Policy]) -> str | None:
    """Why a selector with `key=K` matches no call of K, whose `policies` are given.

    None: it may match some, or names no single key.
    """
    key = dict(selector.pairs).get("key", ANY)
    if key == ANY:
        return None
    for dimension, wanted in selector.pairs:
        if why := _clash(dimension, wanted, policies.get(dimension)):
            return f"key `{key}` {why}"
    return None


def may_be_missing(
    selector: Selector, policies_of_keys: Iterable[Mapping[str, Policy]]
) -> tuple[str, ...]:
    """Dimensions with `*` that calls of some key may be without: they count in no window.

    A key counts if its calls can match the other pairs. Tags are left out: no key requires one.
    """
    starred = [dimension for dimension, value in selector.pairs if value == ANY]
    others = [pair for pair in selector.pairs if pair[1] != ANY]
    missing: set[str] = set()
    for policies in policies_of_keys:
        if not any(_clash(one, wanted, policies.get(one)) for one, wanted in others):
            missing.update(one for one in starred if not _never_missing(policies.get(one)))
    return tuple(one for one in starred if one in DIMENSIONS and one in missing)


_ALLOW = Policy()


def _never_missing(policy: Policy | None) -> bool:
    """Whether calls of a key always have a value; one that fills in a default sees to it too."""
    policy = policy or _ALLOW
    return policy.mode in ("pin", "require") or (policy.mode == "allow" and policy.value != "")


def _clash(dimension: str, wanted: str, policy: Policy | None) -> str:
    """What a key's policy does that no call of it has `wanted`; empty where some may."""
    if dimension not in DIMENSIONS or policy is None:
        return ""
    if wanted == "" and _never_missing(policy):
        fills = f"fills in {dimension} `{policy.value}`"
        said = {
            "pin": f"pins {dimension} to `{policy.value}`",
            "require": f"requires a {dimension}",
        }
        return f"{said.get(policy.mode, fills)}, so it is never missing"
    if policy.mode == "pin" and wanted not in (ANY, policy.value):
        return f"pins {dimension} to `{policy.value}`"
    if policy.mode == "deny" and wanted != "":
        return f"denies {dimension}, so its calls have none"
    return ""


_TOO_LONG = f"it is longer than {TEXT_LENGTH_MAX:,} characters"
_WORD = re.compile(r"[^\s,()=!<>~\"']+")
_OPERATOR = re.compile(r"==|!=|!~|>=|<=|=|~|>|<")
_PLAIN = re.compile(r"[^\s,()\"']+")
_PLAIN_WRITTEN = re.compile(r"(?!=)[^\s,()\"'*]+")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_NONE = re.compile(re.escape(NONE), re.IGNORECASE)
_SPACE = re.compile(r"\s*")


def _written(value: str) -> str:
    """A value of a pair as it is written."""
    if value == ANY:
        return value
    if value == "":
        return NONE
    if _PLAIN_WRITTEN.fullmatch(value):
        return value
    quote = "'" if '"' in value and "'" not in value else '"'
    escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def _place(pair: tuple[str, str]) -> tuple[int, str]:
    """Where a pair stands in canonical order."""
    dimension = pair[0]
    is_tag = dimension.startswith(TAG)
    return (len(SELECTABLE), dimension) if is_tag else (SELECTABLE.index(dimension), "")


class _Reader:
    """Reads one text from left to right; `_at` is the place of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Selector:
        if not self._text.strip():
            raise self._bad("it is empty", 0)
        pairs: dict[str, str] = {}
        while True:
            self._skip()
            at = self._at
            dimension, value = self._pair()
            if dimension in pairs:
                twice = f"`{dimension}` is said twice"
                if pairs[dimension] != value:
                    twice += ", with two values: no call has both"
                raise self._bad(twice, at)
            if len(pairs) == PAIRS_MAX:
                raise self._bad(f"it has more than {PAIRS_MAX} pairs", at)
            pairs[dimension] = value
            self._skip()
            if self._at == len(self._text):
                return Selector(tuple(sorted(pairs.items(), key=_place)))
            if not self._took_and():
                raise self._bad("a comma or the end is wanted here; a value with spaces is quoted")

    def _pair(self) -> tuple[str, str]:
        dimension = self._dimension()
        self._skip()
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            raise self._bad(f"after `{dimension}` comes `=`")
        if operator[0] not in ("=", "=="):
            raise self._bad("a selector takes `=` alone")
        self._at = operator.end()
        self._skip()
        at = self._at
        value = self._value()
        if value == "" and dimension in ALWAYS_THERE:
            raise self._bad(f"no call is without a {dimension}", at)
        return dimension, value

    def _dimension(self) -> str:
        at = self._at
        word = _WORD.match(self._text, at)
        if word is None:
            raise self._bad("a dimension is wanted here, such as `tenant`")
        self._at = word.end()
        name = word[0].lower()
        if name.startswith(TAG):
            tag = safe(word[0][len(TAG) :], TAG_NAME_LENGTH_MAX)
            if not tag:
                raise self._bad("a tag is written `tag:NAME`", at)
            return TAG + tag
        name = ALIASES.get(name, name)
        if name not in SELECTABLE:
            known = (*SELECTABLE, *ALIASES)
            raise BadSelector(self._text, at, "there is no dimension", word[0], known)
        return name

    def _value(self) -> str:
        """A value as a pair holds it: `ANY`, or the empty string for the missing one."""
        at = self._at
        if none := _NONE.match(self._text, at):
            self._at = none.end()
            return ""
        if quoted := _QUOTED.match(self._text, at):
            self._at = quoted.end()
            inside = quoted[1] if quoted[1] is not None else quoted[2]
            if inside == "":
                return ""
            text = safe(re.sub(r"\\(.)", r"\1", inside, flags=re.DOTALL))
            if text == ANY:
                raise self._bad("a name that is a lone star cannot be meant: `*` is each value", at)
            return text or self._nothing(at)
        if self._text[at : at + 1] in ('"', "'"):
            raise self._bad("this quote is never closed")
        plain = _PLAIN.match(self._text, at)
        if plain is None:
            raise self._bad(f"a value is wanted here; `{ANY}` is each, `{NONE}` the missing one")
        self._at = plain.end()
        if ANY in plain[0] and plain[0] != ANY:
            why = "only a lone `*` stands for each value; in a name it is meant as it is if quoted"
            raise self._bad(why, at + plain[0].index(ANY))
        return safe(plain[0]) or self._nothing(at)

    def _nothing(self, at: int) -> str:
        raise self._bad(f"nothing of this value can be shown; the missing one is `{NONE}`", at)

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _took_and(self) -> bool:
        if self._text.startswith(",", self._at):
            self._at += 1
            return True
        word = _WORD.match(self._text, self._at)
        if word is None or word[0].lower() != "and":
            return False
        self._at = word.end()
        return True

    def _bad(self, why: str, at: int | None = None) -> BadSelector:
        return BadSelector(self._text, self._at if at is None else at, why)
