"""Routes and assignments as values: what their rows say, read once and checked.

A route is a name that calls ask for, with the targets that may answer, in order. An assignment
moves calls that match a selector to a route, whatever they ask for. Pure. Source: docs/routes.md.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from ferrycli.rules.filters import (
    ROUTE_FIELDS,
    Comparison,
    Every,
    Expression,
    Not,
    Row,
    Some,
    fields_of,
    parse_filter,
    predicate,
)
from ferrycli.rules.route_errors import (
    KEYWORDS,
    NAME_LENGTH_MAX,
    WEIGHT_MAX,
    BadRouteName,
    BadRouteTarget,
)
from ferrycli.rules.selectors import Facts, Selector, matcher

TARGET_LENGTH_MAX = 200
USED = "used"
"""The field of a condition that only the ledger knows: percent used of the fullest budget."""

_PERCENT_FAR = 1 << 40


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """One target of a route, with its share of the calls and its condition."""

    target: str
    """`provider/model`."""
    weight: int = 1
    when: Expression | None = None
    when_text: str = ""
    test: Callable[[Row], bool] | None = field(default=None, repr=False, compare=False)
    """`when` as a function; None: always."""
    turns: tuple[int, ...] = field(default=(), repr=False, compare=False)
    """Percentages at one of which every outcome of a condition on `used` shows; empty: none."""

    @classmethod
    def of(cls, target: str, weight: int = 1, when_text: str = "") -> RouteTarget:
        """A target with its condition read. Raises `BadFilter`."""
        when_text = when_text.strip()
        if not when_text:
            return cls(target, weight)
        when = parse_filter(when_text, ROUTE_FIELDS)
        turns: tuple[int, ...] = ()
        if USED in fields_of(when):
            near = {0, _PERCENT_FAR}
            for value in _compared(when, USED):
                near |= {value - 1, value, value + 1}
            turns = tuple(sorted(one for one in near if one >= 0))
        return cls(target, weight, when, when_text, predicate(when), turns)


_WEIGHT = re.compile(r"(?P<target>.+)@(?P<weight>0|[1-9]\d{0,3}|-\d*|\d*\.\d*)")
"""A model may have an `@` of its own: what follows it is a weight where it is a short number."""
_IF = re.compile(r"\s+if\s+", re.IGNORECASE)


def parse_target(text: str) -> RouteTarget:
    """The target that `openai/gpt-5@3 if tenant=acme` writes.

    Raises `BadRouteTarget`, or `BadFilter` for the condition.
    """
    named, *condition = _IF.split(text.strip(), maxsplit=1)
    weight = 1
    if (weighted := _WEIGHT.fullmatch(named)) is not None:
        named = weighted["target"]
        if not weighted["weight"].isdigit() or not 1 <= int(weighted["weight"]) <= WEIGHT_MAX:
            raise BadRouteTarget(text, "weight")
        weight = int(weighted["weight"])
    provider, _, model = named.partition("/")
    is_plain = named.isprintable() and " " not in named and len(named) <= TARGET_LENGTH_MAX
    if not provider or not model or not is_plain:
        raise BadRouteTarget(text, "form")
    return RouteTarget.of(named, weight, condition[0] if condition else "")


def written(target: RouteTarget) -> str:
    """A target as `parse_target` reads it."""
    weight = f"@{target.weight}" if target.weight != 1 or _WEIGHT.fullmatch(target.target) else ""
    return f"{target.target}{weight}" + (f" if {target.when_text}" if target.when_text else "")


def check_name(name: str) -> str:
    """A name that a route can have. Raises `BadRouteName`."""
    if name.lower() in KEYWORDS:
        raise BadRouteName(name, "keyword")
    if "/" in name:
        raise BadRouteName(name, "slash")
    is_plain = name[:1].isalnum() and all(letter.isalnum() or letter in "._-" for letter in name)
    if not is_plain or len(name) > NAME_LENGTH_MAX:
        raise BadRouteName(name, "form")
    return name


def _compared(expression: Expression, name: str) -> Iterable[int]:
    """The values that an expression compares the field `name` with."""
    match expression:
        case Comparison(field=compared, value=int(value)) if compared == name:
            yield value
        case Not(part=part):
            yield from _compared(part, name)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from _compared(part, name)


@dataclass(frozen=True, slots=True)
class Route:
    """A name, and the targets that may answer."""

    name: str
    targets: tuple[RouteTarget, ...]
    cheaper: str = ""
    """The route that calls take where a budget's rule says `downgrade`; empty: none."""
    free: str = ""
    first_byte_s: float | None = None
    """How long one target may take to begin its answer; None: as the settings say."""
    total_s: float | None = None
    """One deadline over all attempts; None: as the settings say."""
    output_max: int | None = None
    """Tokens of answer, per choice, that a call of this route may ask for."""
    is_sticky: bool = True
    """A thread stays at the target that its weights gave it."""
    retry: frozenset[str] = frozenset()
    """Failures after which the next target is tried besides the usual: `not_found`, `context`."""

    @property
    def has_weights(self) -> bool:
        """Whether targets share the calls; else the first takes all that it can."""
        return any(one.weight != 1 for one in self.targets)

    def ordered(self, spread: int) -> Sequence[RouteTarget]:
        """The targets in the order in which they are tried.

        With weights by weighted rendezvous hashing of `spread`: each target draws a number of its
        own, so that one that is gone moves only the calls that it had.
        """
        if not self.has_weights:
            return self.targets
        return sorted(self.targets, key=lambda one: _draw(spread, one))


def _draw(spread: int, target: RouteTarget) -> float:
    drawn = blake2b(f"{spread}\0{target.target}".encode(), digest_size=8).digest()
    # Above 0 and at most 1; exponentially distributed with the weight as its rate.
    return -math.log((int.from_bytes(drawn) + 1) / 2**64) / target.weight


def spread_of(tenant: str, thread: str) -> int:
    """Where a thread stands among all: the same number for each of its calls."""
    return int.from_bytes(blake2b(f"{tenant}\0{thread}".encode(), digest_size=8).digest())


def route_of(name: str, targets: str, cheaper: str, free: str, settings: str) -> Route:
    """The route that a row of `routes` says. Raises `BadFilter` where a condition is none."""
    terms = json.loads(settings)
    return Route(
        name=name,
        targets=tuple(
            RouteTarget.of(one["target"], one.get("weight", 1), one.get("when", ""))
            for one in json.loads(targets)
        ),
        cheaper=cheaper,
        free=free,
        first_byte_s=terms.get("first_byte_s"),
        total_s=terms.get("total_s"),
        output_max=terms.get("output_max"),
        is_sticky=terms.get("sticky", True),
        retry=frozenset(terms.get("retry", ())),
    )


def targets_json(route: Route) -> str:
    """The targets as the column of a row holds them."""
    return json.dumps(
        [
            {"target": one.target, "weight": one.weight, "when": one.when_text}
            for one in route.targets
        ],
        ensure_ascii=False,
    )


def settings_json(route: Route) -> str:
    """The settings as the column of a row holds them: what is as usual is left out."""
    terms: dict[str, object] = {
        "first_byte_s": route.first_byte_s,
        "total_s": route.total_s,
        "output_max": route.output_max,
        "sticky": None if route.is_sticky else False,
        "retry": sorted(route.retry) or None,
    }
    return json.dumps({name: value for name, value in terms.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Assignment:
    """Calls that match a selector use a route, or are bounded, whatever they ask for."""

    id: str
    selector: Selector
    """With the key's id, not its name; `model` and `route` are what a call asks for."""
    selector_text: str
    route: str = ""
    """Empty: only the bound applies."""
    until_us: int | None = None
    output_max: int | None = None

    def is_over(self, now_us: int) -> bool:
        """Whether it has ended at `now_us`."""
        return self.until_us is not None and self.until_us <= now_us


class Assignments:
    """Every assignment, found by the facts of a call without a look at each."""

    def __init__(self, every: Iterable[Assignment] = ()) -> None:
        self._matcher = matcher((one, one.selector.pairs) for one in every)

    def __bool__(self) -> bool:
        return bool(self._matcher.by_pair or self._matcher.rest)

    def matching(self, facts: Facts, now_us: int) -> list[Assignment]:
        """Those that apply: most pairs first, then the newest."""
        found = [one for one, _ in self._matcher.matching(facts) if not one.is_over(now_us)]
        return sorted(found, key=lambda one: (len(one.selector.pairs), one.id), reverse=True)


def circle(name: str, routes: Mapping[str, Route]) -> tuple[str, ...]:
    """The names from `name` on, by cheaper and free routes, to where it comes again; or none."""
    waiting: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    while waiting:
        way = waiting.pop()
        route = routes.get(way[-1])
        for following in (route.cheaper, route.free) if route is not None else ():
            if following == name:
                return (*way, name)
            if following and following not in seen:
                seen.add(following)
                waiting.append((*way, following))
    return ()
