"""Routes as they are listed and shown: JSON for programs, tables and a card for people.

Rates are nano-dollars per million tokens inside, and dollars per million where people read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, drawn, labelled, percent, table
from ferrycli.report.prices import drawn_note
from ferrycli.report.times import clock, iso, local
from ferrycli.rules.circuit import CLOSED, HALF_OPEN, CircuitState
from ferrycli.rules.money import usd_exact
from ferrycli.rules.route_prices import Card, Priced, priced
from ferrycli.rules.routes import Assignment, Route, RouteTarget, written

SCHEMA = "ferry.route/1"
ASSIGNMENT_SCHEMA = "ferry.assignment/1"

TIERS = ("normal", "cheaper", "free")

ROW_HEADING = (
    "name", "targets", "cheaper", "free", "first_byte_s", "total_s", "output_max", "sticky",
    "retry",
)  # fmt: skip
ASSIGNMENT_HEADING = ("id", "selector", "route", "output_max", "until")
"""What rows of tabs hold."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of a route: the route that it is, and its targets with their prices."""

    name: str
    route: Route
    prices: tuple[Priced, ...]
    are_free: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route with its tiers, the assignments that lead to it, and circuits that are not closed."""

    route: Route
    tiers: tuple[Tier, ...]
    assignments: tuple[Assignment, ...] = ()
    circuits: tuple[tuple[str, CircuitState], ...] = ()

    @classmethod
    def of(
        cls,
        route: Route,
        routes: Mapping[str, Route],
        card: Card,
        assignments: Sequence[Assignment] = (),
        health: Mapping[str, CircuitState] | None = None,
    ) -> RouteFacts:
        """The facts of `route` among all `routes`; `health`: target to circuit."""
        named = [("normal", route)]
        named += [
            (tier, routes[name])
            for tier, name in (("cheaper", route.cheaper), ("free", route.free))
            if name in routes
        ]
        tiers = tuple(_tier(name, one, card) for name, one in named)
        targets = dict.fromkeys(one.target for _, of in named for one in of.targets)
        circuits = tuple(
            (target, state)
            for target in targets
            if (state := (health or {}).get(target)) is not None and state.state != CLOSED
        )
        own = tuple(one for one in assignments if one.route == route.name)
        return cls(route, tiers, own, circuits)


def _tier(name: str, route: Route, card: Card) -> Tier:
    cards = [card(one.target) for one in route.targets]
    return Tier(
        name,
        route,
        tuple(priced(route, one, card) for one in route.targets),
        tuple(one is not None and one.is_free for one in cards),
    )


def route_json(facts: RouteFacts) -> dict[str, Any]:
    """The object `ferry.route/1`: nano-dollars per million tokens, seconds, tokens."""
    route = facts.route
    return {
        "schema": SCHEMA,
        "name": route.name,
        "targets": _targets_json(facts.tiers[0]),
        "cheaper": route.cheaper,
        "free": route.free,
        "tiers": {tier.name: _targets_json(tier) for tier in facts.tiers},
        "first_byte_s": route.first_byte_s,
        "total_s": route.total_s,
        "output_max": route.output_max,
        "sticky": route.is_sticky,
        "retry": sorted(route.retry),
        "assignments": [one.selector_text for one in facts.assignments],
        "circuits": {
            target: {"state": state.state, "until": iso(state.until_us), "reason": state.reason}
            for target, state in facts.circuits
        },
    }


def _targets_json(tier: Tier) -> list[dict[str, Any]]:
    return [
        {
            "target": one.target,
            "weight": one.weight,
            "when": one.when_text,
            "input_nanousd": price.input_nanousd,
            "output_nanousd": price.output_nanousd,
            "is_free": is_free,
        }
        for one, price, is_free in zip(tier.route.targets, tier.prices, tier.are_free, strict=True)
    ]


def route_fields(route: Route) -> list[Any]:
    """The fields of `ROW_HEADING`."""
    return [
        route.name, ", ".join(map(written, route.targets)), route.cheaper, route.free,
        route.first_byte_s, route.total_s, route.output_max, "yes" if route.is_sticky else "no",
        ",".join(sorted(route.retry)),
    ]  # fmt: skip


def assignment_json(assignment: Assignment, now_us: int) -> dict[str, Any]:
    """The object `ferry.assignment/1`."""
    return {
        "schema": ASSIGNMENT_SCHEMA,
        "id": assignment.id,
        "selector": assignment.selector_text,
        "route": assignment.route,
        "output_max": assignment.output_max,
        "until": iso(assignment.until_us),
        "is_over": assignment.is_over(now_us),
    }


def assignment_fields(assignment: Assignment) -> list[Any]:
    """The fields of `ASSIGNMENT_HEADING`."""
    return [
        assignment.id, assignment.selector_text, assignment.route, assignment.output_max,
        iso(assignment.until_us),
    ]  # fmt: skip


LIST_COLUMNS = (
    Column("ROUTE", width_min=8),
    Column("TARGETS", width_min=16),
    Column("CHEAPER", leaves=2, width_min=6),
    Column("FREE", leaves=1, width_min=6),
)
ASSIGNMENT_COLUMNS = (
    Column("CALLS OF", width_min=12),
    Column("USE ROUTE", width_min=8),
    Column("ANSWERS UP TO", is_number=True, leaves=4),
    Column("UNTIL", leaves=3),
    Column("ID", leaves=5, width_min=10),
)


def routes_table(routes: Sequence[Route], width: int) -> list[Text]:
    """One line a route: its targets in order."""
    rows: list[Row] = [
        [
            Cell(route.name, "bold"),
            Cell((", " if route.has_weights else " → ").join(map(_short, route.targets))),
            Cell(route.cheaper or "–"),
            Cell(route.free or "–"),
        ]
        for route in routes
    ]
    return table(LIST_COLUMNS, rows, width)


def _short(target: RouteTarget) -> str:
    return f"{target.target}{' (if …)' if target.when_text else ''}"


def assignments_table(
    assignments: Sequence[Assignment], zone: tzinfo, now_us: int, width: int
) -> list[Text]:
    """One line an assignment; days in `zone`."""
    rows: list[Row] = []
    for one in assignments:
        is_over = one.is_over(now_us)
        until = "–" if one.until_us is None else local(one.until_us, zone)
        rows.append(
            [
                Cell(one.selector_text, "dim" if is_over else "bold"),
                Cell(one.route or "as asked"),
                Cell("–" if one.output_max is None else f"{one.output_max:,}"),
                Cell("over" if is_over else until, "red" if is_over else ""),
                Cell(one.id, "dim"),
            ]
        )
    return table(ASSIGNMENT_COLUMNS, rows, width)


def route_card(facts: RouteFacts, zone: tzinfo, width: int) -> list[Text]:
    """A route, its targets by tier with their prices, and what follows a failure."""
    route = facts.route
    return [
        Text(""),
        Text.assemble("  ", drawn(route.name, "bold"), "   ", drawn(_order(route), "dim")),
        Text(""),
        *_targets(facts.tiers, width),
        Text(""),
        drawn_note("USD per million tokens; cheaper and free where a budget's rule says so"),
        Text(""),
        *_terms(facts, zone),
        Text(""),
    ]


def _order(route: Route) -> str:
    if len(route.targets) == 1:
        return "one target"
    if not route.has_weights:
        return "the first that can; the next where it fails"
    stays = "; a thread stays where it began" if route.is_sticky else ""
    return f"by share{stays}; another where it fails"


def _targets(tiers: Sequence[Tier], width: int) -> list[Text]:
    """One line a target; shares and conditions where there are any."""
    has_shares = any(tier.route.has_weights for tier in tiers)
    has_conditions = any(one.when_text for tier in tiers for one in tier.route.targets)
    columns = [
        Column("TIER"),
        Column("TARGET", width_min=16),
        *([Column("SHARE", is_number=True, leaves=3)] if has_shares else []),
        *([Column("IF", leaves=2, width_min=10)] if has_conditions else []),
        Column("INPUT", is_number=True),
        Column("OUTPUT", is_number=True),
    ]
    rows: list[Row] = []
    for tier in tiers:
        weights = sum(one.weight for one in tier.route.targets)
        name = tier.name if tier.name == "normal" else f"{tier.name} ({tier.route.name})"
        targets = zip(tier.route.targets, tier.prices, tier.are_free, strict=True)
        for at, (one, price, is_free) in enumerate(targets):
            share = percent(one.weight, weights) if tier.route.has_weights else "–"
            rows.append(
                [
                    Cell("" if at else name, "dim"),
                    Cell(one.target),
                    *([Cell(share)] if has_shares else []),
                    *([Cell(one.when_text or "–")] if has_conditions else []),
                    *_amounts(price, is_free=is_free),
                ]
            )
    return table(columns, rows, width)


def _amounts(price: Priced, *, is_free: bool) -> list[Cell]:
    if is_free:
        return [Cell("free", "green"), Cell("free", "green")]
    amounts = (price.input_nanousd, price.output_nanousd)
    return [
        Cell("no price", "red") if amount is None else Cell(usd_exact(amount)) for amount in amounts
    ]


def _terms(facts: RouteFacts, zone: tzinfo) -> Iterator[Text]:
    route = facts.route
    deadlines = [
        f"{seconds:g} s {what}"
        for seconds, what in (
            (route.first_byte_s, "for a target to begin"),
            (route.total_s, "for the whole call"),
        )
        if seconds is not None
    ]
    yield labelled("deadlines", ", ".join(deadlines) or "as the settings say")
    bound = "as asked" if route.output_max is None else f"at most {route.output_max:,} tokens"
    yield labelled("answers", bound)
    added = [text for kind, text in GOES_ON.items() if kind in route.retry]
    yield labelled("goes on", ", ".join(["where a provider fails", *added]))
    for at, one in enumerate(facts.assignments):
        until = "" if one.until_us is None else f", until {local(one.until_us, zone)}"
        yield labelled("" if at else "assigned", f"{one.selector_text}{until}")
    for target, state in facts.circuits:
        does = "is asked by one call, to see" if state.state == HALF_OPEN else "is left alone"
        if state.until_us is not None:
            # In seconds: it is open for a minute at the most.
            does += f" until {clock(state.until_us, zone, has_day=False)}"
        reason = f" ({state.reason})" if state.reason else ""
        yield labelled("! circuit", f"{target} {does}{reason}", "red")


GOES_ON = {
    "not_found": "where it does not know the model",
    "context": "where the request is too long for it",
}
