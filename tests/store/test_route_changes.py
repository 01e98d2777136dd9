"""What commands change of routes and assignments, and what is refused with nothing changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.errors import BadSelector, FerryError, IdAmbiguous, NoSuchKey
from ferrycli.rules.pricing import Rate, RateCard, Step
from ferrycli.rules.route_errors import (
    TARGETS_MAX,
    BadAssignment,
    BadRouteName,
    BadRouteTarget,
    FreeRouteCosts,
    NoSuchAssignment,
    NoSuchRoute,
    RouteInCircle,
    RouteInUse,
)
from ferrycli.rules.route_prices import Priced, RouteWarning
from ferrycli.rules.routes import Route, RouteTarget, parse_target
from ferrycli.rules.routing import ProviderTerms
from ferrycli.rules.selectors import parse_selector
from ferrycli.store import changes, reads
from ferrycli.store.budget_changes import remove_budget, set_budget
from ferrycli.store.changes import KeyPlan
from ferrycli.store.connect import open_writer
from ferrycli.store.limit_changes import set_limits
from ferrycli.store.planning import BudgetPlan, Limits
from ferrycli.store.route_changes import (
    Assigned,
    AssignmentPlan,
    RoutePlan,
    RouteSet,
    World,
    assign,
    remove_route,
    set_route,
    unassign,
)
from ferrycli.store.routebooks import load_routes
from tests.store.kit import DAY_US, NOON, USD, Clock, rows

PROVIDERS = (
    ProviderTerms("openai", "openai"),
    ProviderTerms("anthropic", "anthropic"),
    ProviderTerms("eu", "compatible", ("llama-*",)),
)
PRICES: Mapping[str, tuple[int, int] | None] = {
    "openai/big": (4 * USD, 20 * USD),
    "openai/small": (USD // 10, USD // 2),
    "anthropic/big": (5 * USD, 15 * USD),
    "eu/llama-free": (0, 0),
    "eu/llama-new": None,
}


def card(target: str) -> RateCard | None:
    found = PRICES.get(target)
    if found is None:
        return None
    return RateCard("", target, (Step(0, Rate(input=found[0], output=found[1])),))


WORLD = World(PROVIDERS, card)


def put(path: Path, name: str, *targets: str, **terms: Any) -> RouteSet:
    given = tuple(map(parse_target, targets)) if targets else None
    return set_route(path, RoutePlan(name, given, **terms), WORLD)


def move(path: Path, selector: str, route: str = "", **terms: Any) -> Assigned:
    return assign(path, AssignmentPlan(parse_selector(selector), route, **terms))


def loaded(path: Path) -> tuple[dict[str, Route], list[str]]:
    """The routes, and assignments as selector and route."""
    with reads.opened(path) as connection:
        routes, assignments = load_routes(connection)
    return routes, [f"{one.selector_text} → {one.route}" for one in assignments]


def everything(path: Path) -> list[dict[str, Any]]:
    tables = ("routes", "assignments", "revisions", "meta")
    return [row for table in tables for row in rows(path, f"SELECT * FROM {table}")]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four routes, a key, and a budget whose rules name two routes."""
    path = tmp_path_factory.mktemp("made") / "ferry.db"
    put(path, "cheap", "openai/small")
    put(path, "gratis", "eu/llama-free")
    put(path, "chat", "openai/big", "anthropic/big", cheaper="cheap")
    put(path, "spare", "eu/llama-free")
    changes.create_key(path, KeyPlan("web", policies={"tenant": Policy.of("pin", "acme")}))
    connection = open_writer(path)
    connection.execute(
        "INSERT INTO budgets (id, selector, subject, key_id, limit_nanousd, period, zone, mode,"
        " clamp, owner, rules, counts_from, created_at, revision)"
        " VALUES ('b_1', 'tenant=acme', '[]', '', 1, 'day', 'UTC', 'strict', 'unset', '', ?, 0,"
        " 0, 1)",
        [json.dumps(["80% downgrade cheap", "90% free gratis", "100% block"])],
    )
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def filled(made_once: Path, tmp_path: Path, clock: Clock) -> Path:
    """A copy of it."""
    assert clock() == NOON
    return Path(shutil.copy(made_once, tmp_path / "ferry.db"))


def test_a_route_is_kept_as_it_was_said(path: Path) -> None:
    put(path, "cheap", "openai/small")
    made = put(
        path, "chat", "openai/big@3 if used<80", "anthropic/big", cheaper="cheap",
        first_byte_s=30.0, total_s=120.0, output_max=3_000, is_sticky=False,
        retry=frozenset({"not_found"}),
    )  # fmt: skip
    assert made.before is None
    assert made.warnings == ()
    routes, _ = loaded(path)
    assert routes["chat"] == made.route
    assert routes["chat"].targets[0] == RouteTarget.of("openai/big", 3, "used<80")
    assert routes["chat"].retry == {"not_found"}
    assert (routes["chat"].first_byte_s, routes["chat"].output_max) == (30.0, 3_000)


def test_what_is_not_named_stays_and_what_is_taken_back_goes(filled: Path) -> None:
    made = put(filled, "chat", first_byte_s=30.0, output_max=3_000, retry=frozenset({"context"}))
    again = put(filled, "chat", "openai/small")
    assert again.before == made.route
    assert again.route.cheaper == "cheap"
    assert (again.route.first_byte_s, again.route.output_max) == (30.0, 3_000)
    bare = put(
        filled, "chat", cheaper="", first_byte_s=0, output_max=0, retry=frozenset(), is_sticky=False
    )
    assert bare.route == Route("chat", (RouteTarget("openai/small"),), is_sticky=False)


def test_each_change_leaves_a_revision_and_moves_the_epoch(path: Path) -> None:
    def state() -> tuple[int, int]:
        (epoch,) = rows(path, "SELECT value FROM meta WHERE name = 'epoch'")
        return int(epoch["value"]), len(rows(path, "SELECT * FROM revisions"))

    put(path, "chat", "openai/big")
    first = state()
    put(path, "chat", output_max=100)
    assert state() == (first[0] + 1, first[1] + 1)
    put(path, "chat", output_max=100)
    assert state() == (first[0] + 1, first[1] + 1)
    remove_route(path, "chat")
    kept = rows(path, "SELECT * FROM revisions WHERE object = 'route' ORDER BY revision")
    assert [one["revision"] for one in kept] == [1, 2, 3]
    assert len({one["id"] for one in kept}) == 1
    contents = [json.loads(one["content"]) for one in kept]
    assert [json.loads(one["settings"]) for one in contents] == [
        {}, {"output_max": 100}, {"output_max": 100},
    ]  # fmt: skip
    assert [one["removed_at"] for one in contents] == [None, None, NOON]


def test_a_name_is_free_again_when_its_route_is_gone(path: Path) -> None:
    put(path, "chat", "openai/big", output_max=100)
    assert remove_route(path, "chat").output_max == 100
    assert loaded(path)[0] == {}
    assert put(path, "chat", "openai/small").route.output_max is None
    assert len(rows(path, "SELECT * FROM routes")) == 2


MANY = [f"openai/{at}" for at in range(TARGETS_MAX + 1)]

REFUSED_ROUTES: list[tuple[str, list[str], dict[str, Any], type[FerryError], str]] = [
    ("all", ["openai/big"], {}, BadRouteName, "keyword"),
    ("a/b", ["openai/big"], {}, BadRouteName, "slash"),
    ("new", [], {}, BadRouteTarget, "none"),
    ("new", ["openai/big", "openai/big@2"], {}, BadRouteTarget, "twice"),
    ("new", ["openai/big", "openai/big if stream"], {}, BadRouteTarget, "twice"),
    ("new", ["gone/big"], {}, BadRouteTarget, "provider"),
    ("new", ["eu/gpt"], {}, BadRouteTarget, "unlisted"),
    ("new", MANY, {}, BadRouteTarget, "many"),
    ("new", ["openai/big"], {"cheaper": "nope"}, NoSuchRoute, ""),
    ("new", ["openai/big"], {"free": "nope"}, NoSuchRoute, ""),
    ("new", ["openai/big"], {"cheaper": "new"}, RouteInCircle, ""),
    ("new", ["openai/big"], {"free": "new"}, RouteInCircle, ""),
    ("cheap", [], {"cheaper": "chat"}, RouteInCircle, ""),
    ("gratis", [], {"free": "gratis"}, RouteInCircle, ""),
    ("new", ["openai/big"], {"free": "cheap"}, FreeRouteCosts, ""),
    ("gratis", ["openai/small"], {}, FreeRouteCosts, ""),
    ("gratis", ["eu/llama-free", "openai/small"], {}, FreeRouteCosts, ""),
]


@pytest.mark.parametrize(("name", "targets", "terms", "kind", "why"), REFUSED_ROUTES)
def test_a_route_that_cannot_be_is_refused_and_nothing_is_changed(
    filled: Path,
    name: str,
    targets: list[str],
    terms: dict[str, Any],
    kind: type[FerryError],
    why: str,
) -> None:
    before = everything(filled)
    with pytest.raises(kind) as caught:
        put(filled, name, *targets, **terms)
    assert getattr(caught.value, "why", "") == why
    assert everything(filled) == before


def test_a_circle_is_told_whole(filled: Path) -> None:
    put(filled, "a", "openai/big", cheaper="chat")
    with pytest.raises(RouteInCircle) as caught:
        put(filled, "cheap", cheaper="a")
    assert caught.value.chain == ("cheap", "a", "chat", "cheap")


def test_an_unknown_cheaper_route_names_those_that_there_are(filled: Path) -> None:
    with pytest.raises(NoSuchRoute) as caught:
        put(filled, "chat", cheaper="chep")
    assert (caught.value.name, caught.value.known) == ("chep", ("cheap", "gratis", "spare"))


def test_a_free_route_with_a_price_says_which_and_who_takes_it(filled: Path) -> None:
    with pytest.raises(FreeRouteCosts) as caught:
        put(filled, "chat", free="cheap")
    error = caught.value
    assert (error.route, error.target, error.user) == ("cheap", "openai/small", "route chat")
    assert (error.input_nanousd, error.output_nanousd) == (USD // 10, USD // 2)
    with pytest.raises(FreeRouteCosts) as caught:
        put(filled, "gratis", "openai/small")
    assert caught.value.user == "budget tenant=acme (90% free gratis)"


def test_targets_that_lost_their_provider_do_not_bar_other_changes(filled: Path) -> None:
    world = World((ProviderTerms("eu", "compatible"),), card)
    assert set_route(filled, RoutePlan("chat", output_max=5), world).route.output_max == 5


BIG = Priced("chat", "openai/big", 4 * USD, 20 * USD)
SMALL = Priced("low", "openai/small", USD // 10, USD // 2)

WARNED: list[tuple[list[str], dict[str, str], list[RouteWarning]]] = [
    (["openai/big"], {"cheaper": "low"}, []),
    (["openai/small"], {"cheaper": "low"}, []),
    # Three tokens in and one out: $30 at the other, and $32 here.
    (["openai/big"], {"cheaper": "mid"}, []),
    (
        ["openai/small"],
        {"cheaper": "mid"},
        [
            RouteWarning(
                "dearer",
                Priced("new", "openai/small", USD // 10, USD // 2),
                Priced("mid", "anthropic/big", 5 * USD, 15 * USD),
            )
        ],
    ),
    (["eu/llama-new"], {}, [RouteWarning("unpriced", Priced("new", "eu/llama-new", None, None))]),
    (
        ["openai/big"],
        {"free": "blank"},
        [RouteWarning("unpriced_free", Priced("blank", "eu/llama-new", None, None))],
    ),
    (["eu/llama-new"], {"cheaper": "low"},
     [RouteWarning("unpriced", Priced("new", "eu/llama-new", None, None))]),
]  # fmt: skip


@pytest.mark.parametrize(("targets", "terms", "expected"), WARNED)
def test_what_is_odd_about_prices_is_told_and_done(
    path: Path, targets: list[str], terms: dict[str, str], expected: list[RouteWarning]
) -> None:
    put(path, "low", "openai/small")
    put(path, "mid", "anthropic/big")
    put(path, "blank", "eu/llama-new")
    made = put(path, "new", *targets, **terms)
    assert list(made.warnings) == expected
    assert loaded(path)[0]["new"] == made.route


def test_a_route_that_becomes_dearer_than_what_uses_it_is_told(filled: Path) -> None:
    assert put(filled, "chat", "openai/small").warnings == ()
    (warning,) = put(filled, "cheap", "openai/small", "openai/big").warnings
    assert warning.code == "dearer"
    assert warning.one.route == "chat"
    assert warning.other == Priced("cheap", "openai/big", 4 * USD, 20 * USD)


IN_USE = [
    ("cheap", {"route chat", "budget tenant=acme (80% downgrade cheap)"}),
    ("gratis", {"budget tenant=acme (90% free gratis)"}),
    ("spare", {"assignment of tenant=acme"}),
]


@pytest.mark.parametrize(("name", "users"), IN_USE)
def test_a_route_in_use_stays_and_its_users_are_named(
    filled: Path, name: str, users: set[str]
) -> None:
    move(filled, "tenant=acme", "spare")
    before = everything(filled)
    with pytest.raises(RouteInUse) as caught:
        remove_route(filled, name)
    assert set(caught.value.users) == users
    assert everything(filled) == before


@pytest.mark.parametrize("kind", ["budget", "limit", "assignment of"])
def test_a_route_that_a_selector_names_stays(filled: Path, kind: str) -> None:
    """Without it no call would match, and nobody would be told."""
    selector = parse_selector("tenant=acme,route=spare")
    match kind:
        case "budget":
            set_budget(filled, BudgetPlan(selector, USD, "day"))
        case "limit":
            set_limits(filled, selector, Limits(rpm=5))
        case _:
            move(filled, str(selector), "chat")
    before = everything(filled)
    with pytest.raises(RouteInUse) as caught:
        remove_route(filled, "spare")
    assert caught.value.users == (f"{kind} tenant=acme,route=spare",)
    assert everything(filled) == before


def test_what_is_removed_keeps_no_route_that_it_named(filled: Path) -> None:
    selector = parse_selector("route=spare")
    set_budget(filled, BudgetPlan(selector, USD, "day"))
    set_limits(filled, selector, Limits(rpm=5))
    move(filled, "route=spare", "chat")
    remove_budget(filled, selector)
    set_limits(filled, selector, Limits(rpm=0))
    unassign(filled, selector)
    assert remove_route(filled, "spare").name == "spare"


def test_an_assignment_that_is_over_keeps_no_route(filled: Path, clock: Clock) -> None:
    move(filled, "tenant=acme", "spare", until_us=NOON + DAY_US)
    with pytest.raises(RouteInUse):
        remove_route(filled, "spare")
    clock.move(24 * 3_600)
    assert remove_route(filled, "spare").name == "spare"


def test_a_route_that_is_not_there_cannot_go(filled: Path) -> None:
    with pytest.raises(NoSuchRoute) as caught:
        remove_route(filled, "chta")
    assert "chat" in caught.value.known


def test_an_assignment_is_kept_with_the_key_s_id_and_shown_with_its_name(filled: Path) -> None:
    made = move(filled, "feature=chat,key=web", "cheap", until_us=NOON + 1, output_max=300)
    assert made.before is None
    key_id = rows(filled, "SELECT id FROM keys")[0]["id"]
    with reads.opened(filled) as connection:
        (found,) = load_routes(connection)[1]
    assert found == made.assignment
    assert found.selector.pairs == (("key", key_id), ("feature", "chat"))
    assert found.selector_text == "key=web,feature=chat"
    assert (found.route, found.until_us, found.output_max) == ("cheap", NOON + 1, 300)


def test_assigning_again_replaces(filled: Path) -> None:
    first = move(filled, "tenant=acme", "cheap", until_us=NOON + 1)
    second = move(filled, "tenant = acme", output_max=300)
    assert second.before == first.assignment
    assert second.assignment.id == first.assignment.id
    assert (second.assignment.route, second.assignment.until_us) == ("", None)
    assert loaded(filled)[1] == ["tenant=acme → "]
    kept = rows(filled, "SELECT * FROM revisions WHERE object = 'assignment' ORDER BY revision")
    assert [json.loads(one["content"])["route"] for one in kept] == ["cheap", ""]


REFUSED_ASSIGNMENTS: list[tuple[str, str, dict[str, Any], type[FerryError], str]] = [
    ("provider=openai", "cheap", {}, BadAssignment, "provider"),
    ("tenant=acme", "", {}, BadAssignment, "nothing"),
    ("tenant=acme", "", {"until_us": NOON + 1}, BadAssignment, "nothing"),
    ("tenant=acme", "cheap", {"until_us": NOON}, BadAssignment, "past"),
    ("route=cheap", "cheap", {}, BadAssignment, "itself"),
    ("model=cheap", "cheap", {}, BadAssignment, "itself"),
    ("tenant=acme", "nope", {}, NoSuchRoute, ""),
    ("key=nope", "cheap", {}, NoSuchKey, ""),
    ("route=nope", "cheap", {}, BadSelector, ""),
    ("key=web,tenant=globex", "cheap", {}, BadSelector, ""),
]


@pytest.mark.parametrize(("selector", "route", "terms", "kind", "why"), REFUSED_ASSIGNMENTS)
def test_an_assignment_that_would_do_nothing_is_refused(
    filled: Path, selector: str, route: str, terms: dict[str, Any], kind: type[FerryError], why: str
) -> None:
    before = everything(filled)
    with pytest.raises(kind) as caught:
        move(filled, selector, route, **terms)
    if why:
        assert getattr(caught.value, "why", "") == why
    assert everything(filled) == before


def test_an_assignment_ends_by_its_selector_or_its_id(filled: Path) -> None:
    first = move(filled, "tenant=acme", "cheap").assignment
    second = move(filled, "key=web", "cheap").assignment
    assert unassign(filled, parse_selector("tenant=acme")) == first
    assert loaded(filled)[1] == ["key=web → cheap"]
    assert unassign(filled, second.id) == second
    assert loaded(filled)[1] == []
    kept = rows(filled, "SELECT * FROM revisions WHERE object = 'assignment' AND revision = 2")
    assert [json.loads(one["content"])["removed_at"] for one in kept] == [NOON, NOON]


def test_what_is_assigned_to_nothing_cannot_end(filled: Path) -> None:
    move(filled, "tenant=acme", "cheap")
    move(filled, "tenant=globex", "cheap")
    before = everything(filled)
    with pytest.raises(NoSuchAssignment) as caught:
        unassign(filled, parse_selector("tenant=hooli"))
    assert set(caught.value.known) == {"tenant=acme", "tenant=globex"}
    with pytest.raises(NoSuchAssignment):
        unassign(filled, "as_zzz")
    with pytest.raises(IdAmbiguous):
        unassign(filled, "as_")
    assert everything(filled) == before


def test_prices_are_looked_up_before_the_write_lock_is_taken(filled: Path) -> None:
    looked_up: list[bool] = []

    def slow(target: str) -> RateCard | None:
        writer = open_writer(filled)
        writer.execute("PRAGMA busy_timeout = 0")
        if target not in seen:
            writer.execute("BEGIN IMMEDIATE")
            looked_up.append(True)
            writer.execute("ROLLBACK")
        writer.close()
        seen.add(target)
        return card(target)

    seen: set[str] = set()
    set_route(filled, RoutePlan("chat", (RouteTarget("eu/llama-free"),)), World(PROVIDERS, slow))
    assert len(looked_up) == 4
