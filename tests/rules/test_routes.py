"""Routes as values: how targets are written, how they are ordered, and which assignment applies."""

from __future__ import annotations

from collections import Counter

import pytest

from ferrycli.rules.errors import BadFilter
from ferrycli.rules.route_errors import (
    NAME_LENGTH_MAX,
    WEIGHT_MAX,
    BadRouteName,
    BadRouteTarget,
)
from ferrycli.rules.routes import (
    TARGET_LENGTH_MAX,
    Assignment,
    Assignments,
    Route,
    RouteTarget,
    check_name,
    circle,
    parse_target,
    route_of,
    settings_json,
    spread_of,
    targets_json,
    written,
)
from ferrycli.rules.selectors import ANY, Selector

NOW = 1_794_906_000_000_000

WRITTEN = [
    ("openai/gpt-5", ("openai/gpt-5", 1, ""), "openai/gpt-5"),
    (" openai/gpt-5 ", ("openai/gpt-5", 1, ""), "openai/gpt-5"),
    ("openai/gpt-5@3", ("openai/gpt-5", 3, ""), "openai/gpt-5@3"),
    ("openai/gpt-5@1", ("openai/gpt-5", 1, ""), "openai/gpt-5"),
    (f"openai/x@{WEIGHT_MAX}", ("openai/x", WEIGHT_MAX, ""), f"openai/x@{WEIGHT_MAX}"),
    ("vllm/meta/llama-4@2", ("vllm/meta/llama-4", 2, ""), "vllm/meta/llama-4@2"),
    # Versions of Vertex are no weights, and a model that looks weighted is written out.
    ("vertex/claude@20240620", ("vertex/claude@20240620", 1, ""), "vertex/claude@20240620"),
    ("vertex/bison@001", ("vertex/bison@001", 1, ""), "vertex/bison@001"),
    ("vertex/bison@001@5", ("vertex/bison@001", 5, ""), "vertex/bison@001@5"),
    ("vertex/x@2@1", ("vertex/x@2", 1, ""), "vertex/x@2@1"),
    (
        "openai/x if tenant=acme and used<80",
        ("openai/x", 1, "tenant=acme and used<80"),
        "openai/x if tenant=acme and used<80",
    ),
    ("openai/x@2  IF  stream", ("openai/x", 2, "stream"), "openai/x@2 if stream"),
    (
        'openai/x if tag:why="what  if it"',
        ("openai/x", 1, 'tag:why="what  if it"'),
        'openai/x if tag:why="what  if it"',
    ),
]


@pytest.mark.parametrize(("text", "expected", "again"), WRITTEN)
def test_a_target_is_read_and_written_back(
    text: str, expected: tuple[str, int, str], again: str
) -> None:
    target = parse_target(text)
    assert (target.target, target.weight, target.when_text) == expected
    assert written(target) == again
    assert parse_target(again) == target


BAD_TARGETS = [
    ("", "form"),
    ("gpt-5", "form"),
    ("/gpt-5", "form"),
    ("openai/", "form"),
    ("openai/gpt 5", "form"),
    ("openai/gpt\x1b5", "form"),
    (f"openai/{'x' * TARGET_LENGTH_MAX}", "form"),
    ("openai/x@0", "weight"),
    ("openai/x@-1", "weight"),
    ("openai/x@0.5", "weight"),
    ("openai/x@1.", "weight"),
    (f"openai/x@{WEIGHT_MAX + 1}", "weight"),
    ("gpt-5 if tenant=acme", "form"),
]


@pytest.mark.parametrize(("text", "why"), BAD_TARGETS)
def test_what_is_no_target_says_why(text: str, why: str) -> None:
    with pytest.raises(BadRouteTarget) as caught:
        parse_target(text)
    assert (caught.value.text, caught.value.why) == (text, why)


@pytest.mark.parametrize("condition", ["nonsense=1", "cost>1", "tenant", "used=x", "tenant=*"])
def test_a_condition_that_cannot_be_read_is_no_target(condition: str) -> None:
    with pytest.raises(BadFilter):
        parse_target(f"openai/x if {condition}")


@pytest.mark.parametrize("name", ["chat", "Chat-2", "a.b_c", "7", "x" * NAME_LENGTH_MAX, "über"])
def test_these_are_names_of_routes(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("all", "keyword"),
        ("ALL", "keyword"),
        ("a/b", "slash"),
        ("", "form"),
        ("-a", "form"),
        ("a b", "form"),
        ("a,b", "form"),
        ("*", "form"),
        ("x" * (NAME_LENGTH_MAX + 1), "form"),
    ],
)
def test_these_are_not(name: str, why: str) -> None:
    with pytest.raises(BadRouteName) as caught:
        check_name(name)
    assert caught.value.why == why


def test_a_route_is_what_its_row_says() -> None:
    route = Route(
        "chat",
        (parse_target("openai/x@3"), parse_target("anthropic/y if used<80")),
        cheaper="cheap",
        free="gratis",
        first_byte_s=30.5,
        total_s=120,
        output_max=3_000,
        is_sticky=False,
        retry=frozenset({"not_found", "context"}),
    )
    again = route_of("chat", targets_json(route), "cheap", "gratis", settings_json(route))
    assert again == route
    plain = Route("plain", (RouteTarget("openai/x"),))
    assert settings_json(plain) == "{}"
    assert route_of("plain", targets_json(plain), "", "", "{}") == plain
    assert route_of("plain", '[{"target": "openai/x"}]', "", "", "{}") == plain


WEIGHTED = Route("chat", tuple(map(parse_target, ("a/x@3", "b/y", "c/z@2"))))
NAMES = [f"thread-{at}" for at in range(6_000)]


def order(route: Route, thread: str) -> list[str]:
    return [one.target for one in route.ordered(spread_of("acme", thread))]


def test_without_weights_the_order_is_the_list_s() -> None:
    route = Route("chat", tuple(map(parse_target, ("b/y", "a/x", "c/z"))))
    assert not route.has_weights
    assert {tuple(order(route, name)) for name in NAMES[:50]} == {("b/y", "a/x", "c/z")}


def test_weights_are_the_shares_of_calls() -> None:
    assert WEIGHTED.has_weights
    firsts = Counter(order(WEIGHTED, name)[0] for name in NAMES)
    for target, weight in (("a/x", 3), ("b/y", 1), ("c/z", 2)):
        assert firsts[target] == pytest.approx(len(NAMES) * weight / 6, rel=0.1)


def test_the_second_choice_follows_the_weights_of_those_that_are_left() -> None:
    seconds = Counter(
        order(WEIGHTED, name)[1] for name in NAMES if order(WEIGHTED, name)[0] == "a/x"
    )
    assert seconds["c/z"] == pytest.approx(2 * seconds["b/y"], rel=0.15)


def test_a_thread_stays_and_a_target_that_is_gone_moves_only_its_threads() -> None:
    fewer = Route("chat", tuple(map(parse_target, ("a/x@3", "c/z@2"))))
    for name in NAMES[:500]:
        before, after = order(WEIGHTED, name), order(fewer, name)
        assert order(WEIGHTED, name) == before
        assert after == [one for one in before if one != "b/y"]


def test_a_raised_weight_only_draws_threads_to_itself() -> None:
    raised = Route("chat", tuple(map(parse_target, ("a/x@3", "b/y@4", "c/z@2"))))
    moved = {
        (order(WEIGHTED, name)[0], order(raised, name)[0])
        for name in NAMES[:1_000]
        if order(WEIGHTED, name)[0] != order(raised, name)[0]
    }
    assert moved == {("a/x", "b/y"), ("c/z", "b/y")}


def test_threads_of_one_name_and_two_tenants_are_two() -> None:
    assert spread_of("acme", "t") != spread_of("globex", "t")
    assert spread_of("ac", "met") != spread_of("acme", "t")
    assert spread_of("acme", "t") == spread_of("acme", "t")


def assignment(
    id: str, *pairs: tuple[str, str], route: str = "cheap", until_us: int | None = None
) -> Assignment:
    return Assignment(id, Selector(pairs), "", route, until_us)


ACME = assignment("as_1", ("tenant", "acme"))
ACME_CHAT = assignment("as_2", ("tenant", "acme"), ("feature", "chat"))
ACME_LATER = assignment("as_3", ("tenant", "acme"))
OVER = assignment("as_4", ("tenant", "acme"), ("feature", "chat"), ("user", "u"), until_us=NOW)
USERS = assignment("as_5", ("user", ANY))
NO_USER = assignment("as_6", ("user", ""))
GLOBEX = assignment("as_7", ("tenant", "globex"))
TAGGED = assignment("as_8", ("tag:env", "dev"))

MATCHES = [
    ({"tenant": "acme"}, ["as_6", "as_3", "as_1"]),
    ({"tenant": "acme", "feature": "chat"}, ["as_2", "as_6", "as_3", "as_1"]),
    ({"tenant": "acme", "feature": "chat", "user": "u"}, ["as_2", "as_5", "as_3", "as_1"]),
    ({"tenant": "other", "user": "u"}, ["as_5"]),
    ({"tenant": "globex", "user": "v", "tag:env": "dev"}, ["as_8", "as_7", "as_5"]),
    ({}, ["as_6"]),
]


@pytest.mark.parametrize(("facts", "expected"), MATCHES)
def test_most_pairs_come_first_then_the_newest_and_what_is_over_never(
    facts: dict[str, str], expected: list[str]
) -> None:
    every = Assignments((ACME, ACME_CHAT, ACME_LATER, OVER, USERS, NO_USER, GLOBEX, TAGGED))
    assert [one.id for one in every.matching(facts, NOW)] == expected


def test_an_assignment_ends_at_its_moment() -> None:
    facts = {"tenant": "acme", "feature": "chat", "user": "u"}
    assert Assignments((OVER,)).matching(facts, NOW - 1) == [OVER]
    assert not Assignments((OVER,)).matching(facts, NOW)


def test_no_assignments_are_none() -> None:
    assert not Assignments()
    assert Assignments((USERS,))
    assert Assignments((ACME,))


def named(name: str, cheaper: str = "", free: str = "") -> Route:
    return Route(name, (RouteTarget("openai/x"),), cheaper, free)


CIRCLES = [
    ([named("a", "a")], ("a", "a")),
    ([named("a", "", "a")], ("a", "a")),
    ([named("a", "b"), named("b", "a")], ("a", "b", "a")),
    ([named("a", "b"), named("b", "", "a")], ("a", "b", "a")),
    ([named("a", "b", "c"), named("b"), named("c", "d"), named("d", "a")], ("a", "c", "d", "a")),
    ([named("a", "b", "c"), named("b", "c"), named("c")], ()),
    ([named("a", "b"), named("b", "c"), named("c", "b")], ()),
    ([named("a", "gone")], ()),
    ([named("a")], ()),
]


@pytest.mark.parametrize(("routes", "expected"), CIRCLES)
def test_a_route_that_leads_back_to_itself_is_found(
    routes: list[Route], expected: tuple[str, ...]
) -> None:
    assert circle("a", {one.name: one for one in routes}) == expected
