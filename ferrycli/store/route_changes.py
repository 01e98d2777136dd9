"""What commands change of routes and assignments.

One short transaction each; every change raises the row's `revision` and leaves it in `revisions`.
What is refused raises before anything is written. A running server follows at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlmodel import Session, col, select

from ferrycli.rules.errors import IdAmbiguous
from ferrycli.rules.route_errors import (
    TARGETS_MAX,
    BadAssignment,
    BadRouteTarget,
    NoSuchAssignment,
    NoSuchRoute,
    RouteInCircle,
    RouteInUse,
)
from ferrycli.rules.route_prices import Card, RouteWarning, check_free, warnings
from ferrycli.rules.routes import (
    Assignment,
    Route,
    RouteTarget,
    check_name,
    circle,
    settings_json,
    targets_json,
    written,
)
from ferrycli.rules.routing import ProviderTerms, accepts
from ferrycli.rules.selectors import Selector
from ferrycli.rules.thresholds import parse_rule
from ferrycli.store import changes, routebooks, selecting, terms_changes
from ferrycli.store.connect import open_reader
from ferrycli.store.tables import Budget
from ferrycli.store.tables_control import Assignment as AssignmentRow
from ferrycli.store.tables_control import Route as RouteRow
from ferrycli.store.terms import pairs_text
from ferrycli.store.terms_changes import raw

T = TypeVar("T")

ASSIGNMENT_PREFIX = "as"
ROUTE_PREFIX = "route"


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """What a route should be; None keeps what is there, or what is usual."""

    name: str
    targets: tuple[RouteTarget, ...] | None = None
    cheaper: str | None = None
    """Empty: none."""
    free: str | None = None
    first_byte_s: float | None = None
    """0: as the settings say; so with `total_s` and, without any bound, `output_max`."""
    total_s: float | None = None
    output_max: int | None = None
    is_sticky: bool | None = None
    retry: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What routes are checked against."""

    providers: tuple[ProviderTerms, ...]
    card: Card


@dataclass(frozen=True, slots=True)
class RouteSet:
    """What a route has become."""

    route: Route
    before: Route | None
    """What it was; None: there was none."""
    warnings: tuple[RouteWarning, ...] = ()


def set_route(path: Path, plan: RoutePlan, world: World) -> RouteSet:
    """Make or change a route.

    Raises `BadRouteName`, `BadRouteTarget`, `NoSuchRoute`, `RouteInCircle` or `FreeRouteCosts`.
    """
    check_name(plan.name)
    _look_up(path, plan, world)
    with changes.changing(path) as session:
        routes, _ = routebooks.load_routes(raw(session))
        before = routes.get(plan.name)
        route = _merged(plan, before)
        _check_targets(route, world.providers, is_new=plan.targets is not None or before is None)
        routes[route.name] = route
        for name in (route.cheaper, route.free):
            if name and name not in routes:
                raise NoSuchRoute(name, tuple(sorted(set(routes) - {route.name})))
        if way := circle(route.name, routes):
            raise RouteInCircle(way)
        users = list(_users(session, routes, route.name, "free"))
        check_free(route, routes, users, world.card)
        if route != before:
            _write(session, route)
        return RouteSet(route, before, tuple(warnings(route, routes, users, world.card)))


def _look_up(path: Path, plan: RoutePlan, world: World) -> None:
    """Have every price at hand before the write lock is taken: the catalogue takes its time."""
    changes.prepare(path)
    with closing(open_reader(path)) as reader:
        routes, _ = routebooks.load_routes(reader)
    every = [one for route in routes.values() for one in route.targets]
    for one in (*every, *(plan.targets or ())):
        world.card(one.target)


def _merged(plan: RoutePlan, before: Route | None) -> Route:
    """The route that the plan makes of what is there."""
    old = before or Route(plan.name, ())
    return Route(
        name=plan.name,
        targets=_given(plan.targets, old.targets),
        cheaper=_given(plan.cheaper, old.cheaper),
        free=_given(plan.free, old.free),
        first_byte_s=_given(plan.first_byte_s, old.first_byte_s) or None,
        total_s=_given(plan.total_s, old.total_s) or None,
        output_max=_given(plan.output_max, old.output_max) or None,
        is_sticky=_given(plan.is_sticky, old.is_sticky),
        retry=_given(plan.retry, old.retry),
    )


def _given(wanted: T | None, old: T) -> T:
    return old if wanted is None else wanted


def _check_targets(route: Route, providers: Sequence[ProviderTerms], *, is_new: bool) -> None:
    """Raise `BadRouteTarget`. Targets that were there before may have lost their provider."""
    if not route.targets:
        raise BadRouteTarget(route.name, "none")
    if len(route.targets) > TARGETS_MAX:
        raise BadRouteTarget(written(route.targets[TARGETS_MAX]), "many")
    if not is_new:
        return
    by_name = {one.name: one for one in providers}
    seen: set[str] = set()
    for one in route.targets:
        name, _, model = one.target.partition("/")
        if name not in by_name:
            raise BadRouteTarget(one.target, "provider", tuple(by_name))
        if not accepts(by_name[name], model):
            raise BadRouteTarget(one.target, "unlisted")
        if one.target in seen:
            raise BadRouteTarget(one.target, "twice")
        seen.add(one.target)


def _users(
    session: Session, routes: Mapping[str, Route], name: str, way: str = ""
) -> Iterator[str]:
    """What uses the route `name`: as its cheaper or free one; `way`: as this one only."""
    for other in routes.values():
        for one in ("cheaper", "free"):
            if getattr(other, one) == name and way in ("", one):
                yield f"route {other.name}"
    action = {"cheaper": "downgrade", "free": "free"}.get(way, "")
    budgets = select(Budget).where(
        col(Budget.removed_at).is_(None), col(Budget.rules).contains(name, autoescape=True)
    )
    for budget in session.exec(budgets):
        for text in json.loads(budget.rules):
            rule = parse_rule(text)
            if rule.route == name and action in ("", rule.action):
                yield f"budget {budget.selector} ({rule})"


def _selecting(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    """Budgets and limits of the calls of the route `name`, which no call would match any more."""
    for kind, table in (("budget", "budgets"), ("limit", "limits")):
        query = (
            f"SELECT selector FROM {table} t, json_each(t.subject) p WHERE t.removed_at IS NULL"
            " AND json_extract(p.value, '$[0]') = 'route' AND json_extract(p.value, '$[1]') = ?"
        )
        for (selector,) in connection.execute(query, [name]):
            yield f"{kind} {selector}"


def _write(session: Session, route: Route) -> None:
    query = select(RouteRow).where(RouteRow.name == route.name, col(RouteRow.removed_at).is_(None))
    row = session.exec(query).first()
    now_us = changes.now_us()
    if row is None:
        id = changes.make_ids().make().text(ROUTE_PREFIX)
        row = RouteRow(id=id, name=route.name, created_at=now_us, revision=0)
    row.targets, row.settings = targets_json(route), settings_json(route)
    row.cheaper, row.free = route.cheaper, route.free
    terms_changes.change(session, row, now_us)


def remove_route(path: Path, name: str) -> Route:
    """Take a route away; what it was. Raises `NoSuchRoute`, or `RouteInUse` with its users."""
    with changes.changing(path) as session:
        routes, assignments = routebooks.load_routes(raw(session))
        if name not in routes:
            raise NoSuchRoute(name, tuple(routes))
        now_us = changes.now_us()
        users = [*_users(session, routes, name), *_selecting(raw(session), name)]
        users += [
            f"assignment of {one.selector_text}"
            for one in assignments
            if (one.route == name or ("route", name) in one.selector.pairs)
            and not one.is_over(now_us)
        ]
        if users:
            raise RouteInUse(name, tuple(dict.fromkeys(users)))
        query = select(RouteRow).where(RouteRow.name == name, col(RouteRow.removed_at).is_(None))
        terms_changes.end(session, session.exec(query).one(), now_us)
        return routes[name]


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """Which calls go where. It replaces what was assigned to the same selector."""

    selector: Selector
    """With the key's name, its id or the beginning of one."""
    route: str = ""
    output_max: int | None = None
    until_us: int | None = None
    providers: tuple[str, ...] | None = None
    """Those configured; None: not checked."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What was assigned, and what was before; None: nothing."""

    assignment: Assignment
    before: Assignment | None


def assign(path: Path, plan: AssignmentPlan) -> Assigned:
    """Move the calls that match a selector to a route, or bound their answers.

    Raises `BadAssignment`, `BadSelector`, `NoSuchKey` or `NoSuchRoute`.
    """
    _check_plan(plan)
    with changes.changing(path) as session:
        connection, now_us = raw(session), changes.now_us()
        routes, assignments = routebooks.load_routes(connection)
        found = selecting.chosen(connection, plan.selector)
        selecting.check_possible(connection, found, plan.providers)
        text = str(found.selector)
        if plan.route and plan.route not in routes:
            raise NoSuchRoute(plan.route, tuple(routes))
        if plan.until_us is not None and plan.until_us <= now_us:
            raise BadAssignment(text, "past")
        before = next((one for one in assignments if one.selector.pairs == found.pairs), None)
        row = None if before is None else session.get(AssignmentRow, before.id)
        if row is None:
            id = changes.make_ids().make().text(ASSIGNMENT_PREFIX)
            row = AssignmentRow(id=id, selector=text, created_at=now_us, revision=0)
        row.selector, row.subject = text, pairs_text(found.pairs)
        row.route, row.output_max, row.until_at = plan.route, plan.output_max, plan.until_us
        terms_changes.change(session, row, now_us)
        made = Assignment(
            row.id, Selector(found.pairs), text, plan.route, plan.until_us, plan.output_max
        )
        return Assigned(made, before)


def _check_plan(plan: AssignmentPlan) -> None:
    text, wanted = str(plan.selector), dict(plan.selector.pairs)
    if "provider" in wanted:
        raise BadAssignment(text, "provider")
    if not plan.route and plan.output_max is None:
        raise BadAssignment(text, "nothing")
    if plan.route and plan.route in (wanted.get("route"), wanted.get("model")):
        raise BadAssignment(text, "itself")


def unassign(path: Path, named: Selector | str) -> Assignment:
    """End an assignment, named by its selector, its id or the beginning of one; what it was.

    Raises `NoSuchAssignment`, `NoSuchKey` or `IdAmbiguous`.
    """
    with changes.changing(path) as session:
        connection, now_us = raw(session), changes.now_us()
        _, assignments = routebooks.load_routes(connection)
        if isinstance(named, Selector):
            pairs = selecting.chosen(connection, named).pairs
            found = [one for one in assignments if one.selector.pairs == pairs]
        else:
            found = [one for one in assignments if one.id.startswith(named)]
        if len(found) > 1:
            raise IdAmbiguous("assignment", str(named), len(found))
        if not found:
            known = tuple(one.selector_text for one in assignments)
            raise NoSuchAssignment(str(named), known)
        terms_changes.end(session, session.get_one(AssignmentRow, found[0].id), now_us)
        return found[0]
