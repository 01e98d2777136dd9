"""What is refused when routes and assignments are changed: classes of fields, and the limits.

As in `rules/errors.py`; the words are in `rules/route_words.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferrycli.rules.errors import BadInput, NotThere

KEYWORDS = frozenset({"all"})
"""Words of the rules of budgets: no route may be called so."""
NAME_LENGTH_MAX = 64
TARGETS_MAX = 32
WEIGHT_MAX = 1_000


@dataclass(eq=False, repr=False, match_args=False)
class BadRouteName(BadInput):
    name: str
    why: str
    """`keyword`, `slash` or `form`."""


@dataclass(eq=False, repr=False, match_args=False)
class BadRouteTarget(BadInput):
    """A target that cannot be one of its route."""

    text: str
    why: str
    """`form`, `weight`, `twice`, `provider`, `unlisted`, `many` or `none`."""
    known: tuple[str, ...] = ()
    """Providers that are configured."""


@dataclass(eq=False, repr=False, match_args=False)
class RouteInCircle(BadInput):
    chain: tuple[str, ...]
    """From the route to where it comes again."""


@dataclass(eq=False, repr=False, match_args=False)
class RouteInUse(BadInput):
    """A route that cannot go: what would use a route that is not there, by kind and name."""

    route: str
    users: tuple[str, ...]


@dataclass(eq=False, repr=False, match_args=False)
class FreeRouteCosts(BadInput):
    """A target with a price in a route that is to cost nothing."""

    route: str
    target: str
    input_nanousd: int
    """Per million tokens."""
    output_nanousd: int
    user: str
    """The route, or the rule of a budget, that takes it as its free route."""


@dataclass(eq=False, repr=False, match_args=False)
class BadAssignment(BadInput):
    """An assignment that would do nothing."""

    selector: str
    why: str
    """`provider`, `nothing`, `past` or `itself`."""


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchRoute(NotThere):
    name: str
    known: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchAssignment(NotThere):
    text: str
    known: tuple[str, ...] = ()
