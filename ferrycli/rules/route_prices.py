"""What routes cost beside each other: a cheaper one that is dearer, a free one with a price.

Pure: rate cards are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ferrycli.rules.pricing import RateCard
from ferrycli.rules.route_errors import FreeRouteCosts
from ferrycli.rules.routes import Route, RouteTarget

INPUT_SHARE = 3
"""Prices are compared as for three tokens in and one out."""

Card = Callable[[str], RateCard | None]
"""The rate card of `provider/model`; None: unpriced."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A target and its plain rates, in nano-dollars per million tokens; None: it has none."""

    route: str
    target: str
    input_nanousd: int | None
    output_nanousd: int | None


@dataclass(frozen=True, slots=True)
class RouteWarning:
    """Something about a route that is allowed, and may not be what was meant."""

    code: str
    """`dearer`: `other` is the cheaper one, and costs more. `unpriced`: `one` has no price, and
    no strict budget lets it go. `unpriced_free`: so it is never taken for nothing."""
    one: Priced
    other: Priced | None = None


def check_free(route: Route, routes: Mapping[str, Route], users: Iterable[str], card: Card) -> None:
    """Raise `FreeRouteCosts` where what is taken for nothing has a price.

    `users`: what takes the route itself as its free one.
    """
    pairs = [(f"route {route.name}", routes[route.free])] if route.free else []
    for user, free in [*pairs, *((user, route) for user in users)]:
        for one in free.targets:
            found = card(one.target)
            if found is not None and not found.is_free:
                rate = found.steps[0].rate
                raise FreeRouteCosts(free.name, one.target, rate.input or 0, rate.output or 0, user)


def warnings(
    route: Route, routes: Mapping[str, Route], users: Sequence[str], card: Card
) -> Iterator[RouteWarning]:
    """What is odd about a route's prices, or about those of routes that use it."""
    looked_at = [(route, "unpriced_free" if users else "unpriced")]
    looked_at += [(routes[route.free], "unpriced_free")] if route.free else []
    for one, code in looked_at:
        for target in one.targets:
            if card(target.target) is None:
                yield RouteWarning(code, priced(one, target, card))
    for one in (route, *(one for one in routes.values() if one.cheaper == route.name)):
        if one.cheaper:
            yield from _dearer(one, routes[one.cheaper], card)


def _dearer(route: Route, cheaper: Route, card: Card) -> Iterator[RouteWarning]:
    """The cheaper route's targets that cost more than the route's first one."""
    own = priced(route, route.targets[0], card)
    for target in cheaper.targets:
        other = priced(cheaper, target, card)
        mine, its = _blended(own), _blended(other)
        if mine is not None and its is not None and its > mine:
            yield RouteWarning("dearer", own, other)


def _blended(one: Priced) -> int | None:
    if one.input_nanousd is None or one.output_nanousd is None:
        return None
    return one.input_nanousd * INPUT_SHARE + one.output_nanousd


def priced(route: Route, target: RouteTarget, card: Card) -> Priced:
    """A target with what it costs now."""
    found = card(target.target)
    rate = found.steps[0].rate if found is not None else None
    return Priced(
        route.name, target.target, rate.input if rate else None, rate.output if rate else None
    )
