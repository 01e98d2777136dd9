"""From what a call asks for to its targets: what decides, what tiers there are, what is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ferrycli.rules.attribution import Attribution
from ferrycli.rules.choices import (
    Choice,
    Choices,
    Dropped,
    Roads,
    Wanted,
    choose,
    refusal_of,
    survey,
)
from ferrycli.rules.circuit import HALF_OPEN, OPEN, CircuitState
from ferrycli.rules.denials import (
    ModelNotAllowed,
    ModelNotFound,
    NoTarget,
    RequestUnfit,
    RouteNotFound,
)
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.routes import Assignment, Assignments, Route, parse_target
from ferrycli.rules.routing import ProviderTerms, Target
from ferrycli.rules.selectors import Selector

NOW = 1_794_906_000_000_000
KEY = KeyTerms("key_1", "web", "3f2a")
PROVIDERS = (
    ProviderTerms("openai", "openai"),
    ProviderTerms("anthropic", "anthropic"),
    ProviderTerms("eu", "compatible", ("llama-*",)),
)


def route(name: str, *targets: str, **terms: Any) -> Route:
    return Route(name, tuple(map(parse_target, targets)), **terms)


CHAT = route(
    "chat", "openai/gpt-x", "anthropic/claude-y", cheaper="cheap", free="gratis", output_max=4_000
)
CHEAP = route("cheap", "openai/gpt-mini", "eu/llama-4", first_byte_s=9.0, output_max=2_000)
GRATIS = route("gratis", "eu/llama-0")
NIGHT = route("night", "eu/llama-9", first_byte_s=60.0)
ROUTES = (CHAT, CHEAP, GRATIS, NIGHT)


def serves(provider: ProviderTerms, model: str) -> bool:
    return (provider.name, model.partition("-")[0]) in {("openai", "gpt"), ("anthropic", "claude")}


def names() -> Sequence[str]:
    return ["openai/gpt-x", "anthropic/claude-y"]


def roads(*routes: Route, assigned: Sequence[Assignment] = (), **given: Any) -> Roads:
    every = {one.name: one for one in routes or ROUTES}
    return Roads(PROVIDERS, serves, names, every, Assignments(assigned), **given)


def wanted(model: str = "gpt-x", key: KeyTerms = KEY, **said: Any) -> Wanted:
    more = {name: said.pop(name) for name in ("is_stream", "input_tokens", "needs") if name in said}
    return Wanted(model, key, Attribution(**said), **more)


def found(call: Wanted, on: Roads, **given: Any) -> Choices:
    return choose(call, on, now_us=NOW, **given)


def tiers(choices: Choices) -> list[tuple[str, str, str]]:
    return [(one.tier, str(one.target), one.via) for one in choices.choices]


def assign(id: str, route: str, *pairs: tuple[str, str], **terms: Any) -> Assignment:
    return Assignment(id, Selector(pairs), "", route, **terms)


ACME = assign("as_1", "night", ("tenant", "acme"))
BY_KEY = assign("as_2", "night", ("key", "key_1"))
BY_ASKED = assign("as_3", "night", ("model", "chat"))
BY_HEADER = assign("as_4", "night", ("route", "chat"))
BY_TAG = assign("as_5", "night", ("tag:env", "dev"))

DECIDED: list[tuple[Wanted, list[Assignment], str, str, str]] = [
    # What is asked, what is assigned, and: the name, the first target, the assignment.
    (wanted("gpt-x"), [], "gpt-x", "openai/gpt-x", ""),
    (wanted("openai/gpt-x"), [], "openai/gpt-x", "openai/gpt-x", ""),
    (wanted("openai/cheap"), [], "openai/cheap", "openai/cheap", ""),
    (wanted("chat"), [], "chat", "openai/gpt-x", ""),
    (wanted("gpt-x", route="cheap"), [], "cheap", "openai/gpt-mini", ""),
    (wanted("chat", route="cheap"), [], "cheap", "openai/gpt-mini", ""),
    (wanted("nonsense", route="cheap"), [], "cheap", "openai/gpt-mini", ""),
    (wanted("chat", route="cheap", tenant="acme"), [ACME], "night", "eu/llama-9", "as_1"),
    (wanted("nonsense", tenant="acme"), [ACME], "night", "eu/llama-9", "as_1"),
    (wanted("chat", route="gone", tenant="acme"), [ACME], "night", "eu/llama-9", "as_1"),
    (wanted("chat", tenant="globex"), [ACME], "chat", "openai/gpt-x", ""),
    (wanted("gpt-x"), [BY_KEY], "night", "eu/llama-9", "as_2"),
    (wanted("chat"), [BY_ASKED], "night", "eu/llama-9", "as_3"),
    (wanted("gpt-x"), [BY_ASKED], "gpt-x", "openai/gpt-x", ""),
    (wanted("gpt-x", route="chat"), [BY_HEADER], "night", "eu/llama-9", "as_4"),
    (wanted("gpt-x", tags=(("env", "dev"),)), [BY_TAG], "night", "eu/llama-9", "as_5"),
]


@pytest.mark.parametrize(("call", "assigned", "name", "first", "by"), DECIDED)
def test_what_decides_comes_in_one_order(
    call: Wanted, assigned: list[Assignment], name: str, first: str, by: str
) -> None:
    choices = found(call, roads(assigned=assigned))
    assert choices.asked == name
    assert str(choices.choices[0].target) == first
    assert choices.assignment == by
    assert (choices.route.name if choices.route else "") == (
        name if name in "chatcheapnight" else ""
    )


def test_a_model_alone_has_one_target_and_no_tiers() -> None:
    choices = found(wanted("gpt-x"), roads())
    assert choices.choices == (Choice(Target("openai", "openai", "gpt-x")),)
    assert choices.route is None
    assert choices.dropped == ()


def test_a_route_has_its_own_targets_then_cheaper_then_free_ones() -> None:
    assert tiers(found(wanted("chat"), roads())) == [
        ("normal", "openai/gpt-x", ""),
        ("normal", "anthropic/claude-y", ""),
        ("cheaper", "openai/gpt-mini", ""),
        ("cheaper", "eu/llama-4", ""),
        ("free", "eu/llama-0", ""),
    ]


def test_a_cheaper_route_s_own_cheaper_one_is_not_asked() -> None:
    chained = roads(route("a", "openai/1", cheaper="b"), route("b", "openai/2", cheaper="c"),
                    route("c", "openai/3"))  # fmt: skip
    assert [one.route for one in found(wanted("a"), chained).choices] == ["a", "b"]


def test_routes_that_rules_name_stand_beside_the_route_s_own() -> None:
    named = [("cheaper", "night"), ("cheaper", "night"), ("free", "gratis"), ("cheaper", "gone")]
    choices = found(wanted("chat"), roads(), rule_routes=named)
    assert tiers(choices)[2:] == [
        ("cheaper", "openai/gpt-mini", ""),
        ("cheaper", "eu/llama-4", ""),
        ("cheaper", "eu/llama-9", "night"),
        ("free", "eu/llama-0", ""),
        ("free", "eu/llama-0", "gratis"),
    ]
    assert choices.dropped == (Dropped("", "cheaper", "route", "gone", "gone"),)


def test_rules_give_a_model_that_was_named_itself_other_tiers_too() -> None:
    choices = found(wanted("gpt-x"), roads(), rule_routes=[("free", "gratis")])
    assert tiers(choices) == [("normal", "openai/gpt-x", ""), ("free", "eu/llama-0", "gratis")]


@pytest.mark.parametrize(("name", "nearest"), [("chta", "chat"), ("Chat", "chat"), ("zzz", "chat")])
def test_a_route_that_is_not_there_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(RouteNotFound) as caught:
        found(wanted("gpt-x", route=name), roads())
    assert (caught.value.route, caught.value.nearest[0]) == (name, nearest)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_a_model_that_is_not_there_may_have_been_meant_as_a_route() -> None:
    with pytest.raises(ModelNotFound) as caught:
        found(wanted("chatt"), roads())
    assert caught.value.nearest[0] == "chat"


def test_an_assignment_to_a_route_that_is_gone_moves_nothing_and_is_told() -> None:
    stale = assign("as_9", "gone", ("tenant", "acme"), ("feature", ""))
    choices = found(wanted("chat", tenant="acme"), roads(assigned=[stale]))
    assert (choices.asked, choices.assignment) == ("chat", "")
    assert Dropped("", "normal", "route", "gone", detail="as_9") in choices.dropped
    both = found(wanted("chat", tenant="acme"), roads(assigned=[stale, ACME]))
    assert (both.asked, both.assignment) == ("night", "as_1")


def test_of_two_assignments_the_one_with_more_pairs_decides_then_the_newest() -> None:
    wide = assign("as_8", "cheap", ("tenant", "acme"))
    narrow = assign("as_1", "night", ("tenant", "acme"), ("feature", "chat"))
    newer = assign("as_9", "gratis", ("feature", "chat"))
    call = wanted("chat", tenant="acme", feature="chat")
    for assigned, expected in (
        ([wide, narrow, newer], ("night", "as_1")),
        ([newer, wide], ("gratis", "as_9")),
        ([wide, newer], ("gratis", "as_9")),
    ):
        choices = found(call, roads(assigned=assigned))
        assert (choices.asked, choices.assignment) == expected


BOUND = assign("as_7", "", ("feature", "letters"), output_max=3_000)
BOTH = assign("as_8", "night", ("tenant", "acme"), ("feature", "letters"), output_max=500)

BOUNDS = [
    # What is asked, what is assigned, and: the name, the assignment, the bound of each choice.
    (wanted("chat"), [], "chat", "", [4_000, 4_000, 2_000, 2_000, 4_000]),
    (
        wanted("chat", feature="letters"),
        [BOUND],
        "chat",
        "as_7",
        [3_000, 3_000, 2_000, 2_000, 3_000],
    ),
    (wanted("gpt-x", feature="letters"), [BOUND], "gpt-x", "as_7", [3_000]),
    (wanted("gpt-x", feature="letters", tenant="acme"), [BOUND, ACME], "night", "as_1", [3_000]),
    (wanted("gpt-x", feature="letters", tenant="acme"), [BOUND, BOTH], "night", "as_8", [500]),
    (wanted("gpt-x"), [BOUND], "gpt-x", "", [None]),
]


@pytest.mark.parametrize(("call", "assigned", "name", "by", "expected"), BOUNDS)
def test_the_least_bound_on_the_answer_counts(
    call: Wanted, assigned: list[Assignment], name: str, by: str, expected: list[int | None]
) -> None:
    choices = found(call, roads(assigned=assigned))
    assert (choices.asked, choices.assignment) == (name, by)
    assert [one.output_max for one in choices.choices] == expected


def test_deadlines_are_the_route_s_own_else_those_of_the_one_that_was_asked_for() -> None:
    chat = route("chat", "openai/gpt-x", cheaper="cheap", free="gratis", first_byte_s=20.0)
    choices = found(wanted("chat"), roads(chat, CHEAP, GRATIS))
    assert [one.first_byte_s for one in choices.choices] == [20.0, 9.0, 9.0, 20.0]
    assert [one.first_byte_s for one in found(wanted("gpt-x"), roads()).choices] == [None]


def carries(target: Target, call: Wanted) -> str:
    return "no images" if "images" in call.needs and target.provider == "openai" else ""


DROPS = [
    (route("r", "openai/a", "gone/b"), wanted("r"), ("gone/b", "provider", "gone")),
    (route("r", "openai/a", "eu/gpt-x"), wanted("r"), ("eu/gpt-x", "unlisted", "eu")),
    (
        route("r", "openai/a", "anthropic/b"),
        wanted("r", KeyTerms("key_2", "k", "0000", models=("openai/*",))),
        ("anthropic/b", "key", ""),
    ),
    (
        route("r", "openai/a", "anthropic/b if tenant=acme"),
        wanted("r", tenant="globex"),
        ("anthropic/b", "condition", "tenant=acme"),
    ),
    (
        route("r", "openai/a", "anthropic/b"),
        wanted("r", needs=frozenset({"images"})),
        ("openai/a", "carries", "no images"),
    ),
]


@pytest.mark.parametrize(("own", "call", "expected"), DROPS)
def test_a_target_that_may_not_answer_says_why(
    own: Route, call: Wanted, expected: tuple[str, str, str]
) -> None:
    choices = found(call, roads(own, carries=carries))
    assert len(choices.choices) == 1
    target, code, detail = expected
    assert choices.dropped == (Dropped(target, "normal", code, "r", detail=detail),)


CONDITIONS = [
    ("tenant=acme", {"tenant": "acme"}, True),
    ("tenant=acme", {}, False),
    ("user~@acme", {"user": "ana@acme.io"}, True),
    ("key=web", {}, True),
    ("key=other", {}, False),
    ("priority=critical", {"priority": "critical"}, True),
    ("priority!=critical", {}, True),
    ("model=r", {}, True),
    ("stream", {"is_stream": True}, True),
    ("stream", {}, False),
    ("not stream", {}, True),
    ("input>1k", {"input_tokens": 1_001}, True),
    ("input>1k", {"input_tokens": 1_000}, False),
    ("tag:env=dev", {"tags": (("env", "dev"),)}, True),
    ('tag:env=""', {}, True),
    ("session=t and agent=a", {"thread": "t", "assistant": "a"}, True),
    ("tenant=acme or feature=chat", {"feature": "chat"}, True),
]


@pytest.mark.parametrize(("text", "said", "expected"), CONDITIONS)
def test_a_condition_is_decided_on_what_the_call_says(
    text: str, said: dict[str, Any], expected: bool
) -> None:
    own = route("r", f"openai/a if {text}", "openai/b")
    choices = found(wanted("r", **said), roads(own))
    assert ("openai/a" in [str(one.target) for one in choices.choices]) is expected
    assert all(one.condition is None and one.when == "" for one in choices.choices)


USED = [
    # Condition, tenant, and at which percentages the target is one; None: decided here.
    ("used<80", "acme", {0: True, 79: True, 80: False, 500: False}),
    ("used>=80", "acme", {0: False, 79: False, 80: True, 500: True}),
    ("used=50", "acme", {49: False, 50: True, 51: False}),
    ("not used<80", "acme", {79: False, 80: True}),
    ("used>=20 and used<80", "acme", {19: False, 20: True, 79: True, 80: False}),
    ("tenant=acme and used<80", "acme", {79: True, 80: False}),
    ("tenant=acme and used<80", "globex", False),
    ("tenant=acme or used<80", "acme", True),
    ("tenant=acme or used<80", "globex", {79: True, 80: False}),
    ("used<0", "acme", False),
    ("used>=0", "acme", True),
]


@pytest.mark.parametrize(("text", "tenant", "expected"), USED)
def test_what_is_used_is_left_to_the_ledger_where_it_matters(
    text: str, tenant: str, expected: bool | dict[int, bool]
) -> None:
    own = route("r", f"openai/a if {text}", "openai/b")
    choices = found(wanted("r", tenant=tenant), roads(own)).choices
    if isinstance(expected, bool):
        assert len(choices) == 1 + expected
        assert all(one.condition is None for one in choices)
        return
    condition = choices[0].condition
    assert condition is not None
    assert choices[0].when == text
    assert {used: condition(used) for used in expected} == expected


def opened(*targets: str, until: int | None = NOW + 1) -> Any:
    states = {
        target: CircuitState(OPEN if until else HALF_OPEN, NOW, until, "503") for target in targets
    }
    return states.get


def test_an_open_circuit_drops_a_target_and_says_until_when() -> None:
    choices = found(wanted("chat"), roads(blocked=opened("openai/gpt-x", "eu/llama-0")))
    assert str(choices.choices[0].target) == "anthropic/claude-y"
    assert choices.dropped == (
        Dropped("openai/gpt-x", "normal", "circuit", "chat", "", "503", NOW + 1),
        Dropped("eu/llama-0", "free", "circuit", "gratis", "", "503", NOW + 1),
    )


@pytest.mark.parametrize("soonest", ["openai/a", "openai/b", "openai/c"])
def test_where_every_circuit_is_open_the_one_that_ends_first_is_kept(soonest: str) -> None:
    every = ("openai/a", "openai/b", "openai/c")
    states = {
        one: CircuitState(OPEN, NOW, NOW + (1 if one == soonest else 2), "503") for one in every
    }
    choices = found(wanted("r"), roads(route("r", *every), blocked=states.get))
    assert [(str(one.target), one.open_circuit) for one in choices.choices] == [
        (soonest, states[soonest])
    ]
    assert {one.target for one in choices.dropped} == set(every) - {soonest}


def test_a_target_that_is_being_tried_is_kept_before_one_that_is_left_alone() -> None:
    states = {
        "openai/a": CircuitState(OPEN, NOW, NOW + 1, "503"),
        "openai/b": CircuitState(HALF_OPEN, NOW, None, "503"),
    }
    choices = found(wanted("r"), roads(route("r", "openai/a", "openai/b"), blocked=states.get))
    assert str(choices.choices[0].target) == "openai/b"


def test_beside_a_target_whose_condition_the_ledger_decides_one_is_kept_as_well() -> None:
    own = route("r", "openai/a", "openai/b if used<50")
    choices = found(wanted("r"), roads(own, blocked=opened("openai/a")))
    assert [str(one.target) for one in choices.choices] == ["openai/b", "openai/a"]
    assert choices.choices[1].open_circuit is not None
    assert choices.dropped == ()


def test_no_cheaper_or_free_target_is_kept_against_its_circuit() -> None:
    blocked = opened("openai/gpt-mini", "eu/llama-4", "eu/llama-0")
    assert len(found(wanted("chat"), roads(blocked=blocked)).choices) == 2


def test_a_model_named_itself_is_sent_to_its_provider_whatever_is_known_of_it() -> None:
    call = wanted("openai/gpt-x", needs=frozenset({"images"}))
    choices = found(call, roads(carries=carries, blocked=opened("openai/gpt-x")))
    assert choices.choices[0].open_circuit is not None


WEIGHTED = route("w", "openai/a@5", "openai/b@5", "openai/c@5")
LOOSE = route("w", "openai/a@5", "openai/b@5", "openai/c@5", is_sticky=False)


def firsts(own: Route, **said: Any) -> set[str]:
    """Where calls go first, over a hundred throws of the dice."""
    return {
        str(found(wanted("w", **said), roads(own), chance=chance).choices[0].target)
        for chance in range(100)
    }


def test_a_thread_sticks_and_calls_without_one_are_spread() -> None:
    assert len(firsts(WEIGHTED, thread="t")) == 1
    assert len({*firsts(WEIGHTED, thread="t"), *firsts(WEIGHTED, thread="u2"),
                *firsts(WEIGHTED, thread="v")}) > 1  # fmt: skip
    assert len(firsts(WEIGHTED)) == 3
    assert len(firsts(LOOSE, thread="t")) == 3


NARROW = KeyTerms("key_2", "narrow", "0000", models=("other/*",))
IMAGES = frozenset({"images"})

NOTHING_LEFT: list[tuple[Route, Wanted, type[Exception]]] = [
    (route("r", "openai/a", "anthropic/b"), wanted("r", NARROW), ModelNotAllowed),
    (route("r", "openai/a"), wanted("r", needs=IMAGES), RequestUnfit),
    (
        route("r", "openai/a", "anthropic/b"),
        wanted("r", KeyTerms("key_3", "k", "0", models=("openai/*",)), needs=IMAGES),
        RequestUnfit,
    ),
    (route("r", "gone/a"), wanted("r"), NoTarget),
    (route("r", "openai/a if tenant=acme"), wanted("r"), NoTarget),
    (route("r", "openai/a", "gone/b"), wanted("r", NARROW), NoTarget),
]


@pytest.mark.parametrize(("own", "call", "kind"), NOTHING_LEFT)
def test_where_nothing_is_left_the_refusal_says_what_would_mend_it(
    own: Route, call: Wanted, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        found(call, roads(own, carries=carries))
    surveyed = survey(call, roads(own, carries=carries), now_us=NOW)
    assert surveyed.choices == ()
    assert type(refusal_of(surveyed, call)) is kind


def test_a_refusal_for_want_of_a_target_names_each_and_why() -> None:
    own = route("r", "openai/a if tenant=acme", "gone/b")
    with pytest.raises(NoTarget) as caught:
        found(wanted("r"), roads(own))
    assert caught.value.target == "r"
    assert caught.value.reasons == (
        ("openai/a", "condition", "tenant=acme"),
        ("gone/b", "provider", "gone"),
    )


def test_a_key_that_may_not_use_a_model_is_told_its_provider_too() -> None:
    with pytest.raises(ModelNotAllowed) as caught:
        found(wanted("gpt-x", NARROW), roads())
    assert (caught.value.model, caught.value.allowed) == ("openai/gpt-x", ("other/*",))


def test_with_a_free_target_alone_it_is_for_the_budgets_to_say() -> None:
    own = route("r", "gone/a", free="gratis")
    assert tiers(found(wanted("r"), roads(own, GRATIS))) == [("free", "eu/llama-0", "")]
