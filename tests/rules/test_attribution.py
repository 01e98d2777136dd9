"""Attribution: who is believed first, what a key's policy makes of it, and what becomes a tag."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.attribution import (
    ALIASES,
    DIMENSIONS,
    POLICED,
    TAG_NAME_LENGTH_MAX,
    TAGS_MAX,
    Attribution,
    Carried,
    Policy,
    attribute,
    pairs,
)
from ferrycli.rules.denials import MissingAttribution
from ferrycli.rules.errors import BadPolicy

NONE: Mapping[str, Policy] = {}


# Precedence ---------------------------------------------------------------------------------------

WHERE: dict[str, dict[str, str | dict[str, str]]] = {
    "header": {"headers": {"x-ferry-user": "by-header"}},
    "path": {"path": "user=by-path"},
    "metadata": {"metadata": {"user": "by-metadata"}},
    "litellm": {"headers": {"x-litellm-end-user-id": "by-litellm"}},
    "openai": {"body": {"user": "by-openai"}},
    "claude-code": {"metadata": {"user_id": '{"device_id":"by-claude-code"}'}},
}
"""Each place where a client may say the user, from the one that is believed first."""


def said_in(*places: str) -> Carried:
    merged: dict[str, dict[str, str]] = {"headers": {}, "metadata": {}, "body": {}}
    path = ""
    for place in places:
        for name, value in WHERE[place].items():
            if isinstance(value, str):
                path = value
            else:
                merged[name] |= value
    return Carried(path=path, **merged)


@pytest.mark.parametrize("count", range(len(WHERE) + 1))
@pytest.mark.parametrize("policy", [Policy(), Policy("require"), Policy("allow", "by-default")])
def test_the_first_place_that_says_a_dimension_is_believed(count: int, policy: Policy) -> None:
    places = list(WHERE)[count:]
    if not places and policy.mode == "require":
        with pytest.raises(MissingAttribution):
            attribute(said_in(), {"user": policy})
        return
    found = attribute(said_in(*places), {"user": policy})
    source = places[0] if places else "default" if policy.value else ""
    assert found.user == (f"by-{source}" if source else "")
    assert found.sources == ((("user", source),) if source else ())


@pytest.mark.parametrize("place", WHERE)
def test_what_the_key_pins_beats_every_place(place: str) -> None:
    found = attribute(said_in(place), {"user": Policy.of("pin", "by-key")})
    assert (found.user, found.sources) == ("by-key", (("user", "key"),))


@pytest.mark.parametrize("place", WHERE)
def test_what_a_key_denies_is_believed_from_no_place(place: str) -> None:
    found = attribute(said_in(place), {"user": Policy.of("deny")})
    assert (found.user, found.sources) == ("", ())


@pytest.mark.parametrize("nothing", ["", "   ", "\u200b", "\x1b\x00"])
@pytest.mark.parametrize("place", ["header", "path", "metadata"])
def test_a_place_that_says_nothing_visible_is_passed_over(place: str, nothing: str) -> None:
    carried = {
        "header": Carried(headers={"x-ferry-user": nothing}, body={"user": "by-openai"}),
        "path": Carried(path=f"user={nothing}", body={"user": "by-openai"}),
        "metadata": Carried(metadata={"user": nothing}, body={"user": "by-openai"}),
    }[place]
    assert attribute(carried, NONE).sources == (("user", "openai"),)


def test_user_is_believed_before_safety_identifier() -> None:
    both = Carried(body={"safety_identifier": "b", "user": "a"})
    assert attribute(both, NONE).user == "a"
    assert attribute(Carried(body={"safety_identifier": "b"}), NONE).user == "b"


def test_a_fields_name_that_is_not_read_says_nothing() -> None:
    carried = Carried(headers={"x-user": "a", "user": "b"}, body={"model": "c", "tenant": "d"})
    assert attribute(carried, NONE) == Attribution()


# Policies -----------------------------------------------------------------------------------------

SAID = "critical"
"""What a call says; it is a priority too, so that one table serves every dimension."""

POLICIES = [
    # The policy, what is found where the call speaks, and where it is silent (None: refused).
    (Policy(), (SAID, "header"), ("", "")),
    (Policy.of("allow"), (SAID, "header"), ("", "")),
    (Policy.of("allow", "background"), (SAID, "header"), ("background", "default")),
    (Policy.of("pin", "background"), ("background", "key"), ("background", "key")),
    (Policy.of("require"), (SAID, "header"), None),
    (Policy.of("require", "background"), (SAID, "header"), None),
    (Policy.of("deny"), ("", ""), ("", "")),
    (Policy.of("deny", "background"), ("", ""), ("", "")),
]


@pytest.mark.parametrize("dimension", POLICED)
@pytest.mark.parametrize(("policy", "spoken", "silent"), POLICIES)
def test_a_policy_rules_its_own_dimension_and_no_other(
    dimension: str, policy: Policy, spoken: tuple[str, str], silent: tuple[str, str] | None
) -> None:
    policies = {dimension: policy}
    others = {f"x-ferry-{other}": SAID for other in POLICED if other != dimension}
    speaking = attribute(Carried({**others, f"x-ferry-{dimension}": SAID}), policies)
    expected = {other: (SAID, "header") for other in POLICED if other != dimension}
    assert seen(speaking) == {**expected, dimension: spoken}
    if silent is None:
        with pytest.raises(MissingAttribution) as caught:
            attribute(Carried(others), policies)
        header = f"X-Ferry-{dimension[0].upper()}{dimension[1:]}"
        assert (caught.value.dimension, caught.value.header) == (dimension, header)
    else:
        assert seen(attribute(Carried(others), policies)) == {**expected, dimension: silent}


def seen(found: Attribution) -> dict[str, tuple[str, str]]:
    """Value and source of each dimension; a priority that nobody said is `normal`."""
    sources = dict(found.sources)
    for dimension in POLICED:
        if dimension not in sources:
            assert getattr(found, dimension) == ("normal" if dimension == "priority" else "")
    return {
        dimension: (getattr(found, dimension), sources[dimension])
        if dimension in sources
        else ("", "")
        for dimension in POLICED
    }


BAD_POLICIES = [
    *(("pin", ""), ("pin", "  "), ("pin", "\u200b"), ("pin", "\x1b")),
    *(("", ""), ("Pin", "a"), ("permit", ""), ("denied", "a")),
]


@pytest.mark.parametrize(("mode", "value"), BAD_POLICIES)
def test_an_unknown_mode_and_a_pin_on_nothing_are_refused(mode: str, value: str) -> None:
    with pytest.raises(BadPolicy):
        Policy.of(mode, value)


def test_a_policys_value_is_cleaned_like_what_calls_say() -> None:
    assert Policy.of("pin", " ac\x1bme ") == Policy("pin", "acme")


# Names and aliases --------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_dimension_is_read_from_header_path_and_metadata(dimension: str) -> None:
    for carried, source in (
        (Carried({f"x-ferry-{dimension}": "v"}), "header"),
        (Carried(path=f"{dimension}=v"), "path"),
        (Carried(metadata={dimension: "v"}), "metadata"),
        (Carried(metadata={f"ferry_{dimension}": "v"}), "metadata"),
        (Carried(metadata={dimension.upper(): "v"}), "metadata"),
    ):
        found = attribute(carried, NONE)
        assert (getattr(found, dimension), found.sources) == ("v", ((dimension, source),))
        assert found.tags == ()


DESIGNED_ALIASES = [
    ("agent", "assistant"),
    ("workflow", "assistant"),
    ("session", "thread"),
    ("conversation", "thread"),
]


@pytest.mark.parametrize(("alias", "dimension"), DESIGNED_ALIASES)
def test_an_alias_is_read_as_its_dimension_in_every_place(alias: str, dimension: str) -> None:
    for carried in (
        Carried({f"x-ferry-{alias}": "v"}),
        Carried(path=f"{alias}=v"),
        Carried(metadata={alias: "v"}),
    ):
        found = attribute(carried, NONE)
        assert getattr(found, dimension) == "v"
        assert found.tags == ()


def test_there_is_no_other_alias_and_a_dimensions_own_name_is_believed_before_it() -> None:
    assert dict(DESIGNED_ALIASES) == ALIASES
    carried = Carried({"x-ferry-session": "alias", "x-ferry-thread": "own"})
    assert attribute(carried, NONE).thread == "own"


def test_an_alias_is_denied_with_its_dimension() -> None:
    found = attribute(Carried({"x-ferry-session": "s"}), {"thread": Policy.of("deny")})
    assert found.thread == ""


def test_a_path_may_say_several_dimensions_and_the_last_equals_is_the_values_own() -> None:
    found = attribute(Carried(path="tenant=acme,feature=search,user=a=b"), NONE)
    assert (found.tenant, found.feature, found.user) == ("acme", "search", "a=b")


def test_a_route_is_read_from_its_header() -> None:
    found = attribute(Carried({"x-ferry-route": "cheap"}), NONE)
    assert (found.route, found.sources) == ("cheap", (("route", "header"),))


@pytest.mark.parametrize("name", ["route", "priority"])
def test_metadata_that_is_no_dimension_is_a_tag(name: str) -> None:
    found = attribute(Carried(metadata={name: "critical"}), NONE)
    assert found.tags == ((name, "critical"),)


# Priority -----------------------------------------------------------------------------------------

PRIORITY_READ = [
    ("critical", "critical"),
    ("normal", "normal"),
    ("background", "background"),
    (" critical ", "critical"),
    ("urgent", "normal"),
    ("", "normal"),
    ("crit\u200bical", "critical"),
    ("criticall", "normal"),
]


@pytest.mark.parametrize(("said", "expected"), PRIORITY_READ)
def test_a_priority_that_does_not_exist_is_normal(said: str, expected: str) -> None:
    assert attribute(Carried({"x-ferry-priority": said}), NONE).priority == expected


def test_an_unknown_priority_gives_way_to_the_keys_default() -> None:
    policies = {"priority": Policy.of("allow", "background")}
    found = attribute(Carried({"x-ferry-priority": "urgent"}), policies)
    assert (found.priority, found.sources) == ("background", (("priority", "default"),))


UNREAD = [
    # What header and path say, the key's policy, and what the caller is to hear of.
    ("urgent", "", Policy(), "urgent"),
    ("", "priority=soon", Policy(), "soon"),
    ("urgent", "", Policy.of("allow", "background"), "urgent"),
    ("critical", "priority=soon", Policy(), ""),
    ("urgent", "priority=critical", Policy(), ""),
    ("critical", "", Policy(), ""),
    ("urgent", "", Policy.of("pin", "normal"), ""),
    ("urgent", "", Policy.of("deny"), ""),
    ("", "", Policy(), ""),
]


@pytest.mark.parametrize(("header", "path", "policy", "unread"), UNREAD)
def test_a_priority_that_counts_for_nothing_is_not_passed_over_in_silence(
    header: str, path: str, policy: Policy, unread: str
) -> None:
    carried = Carried({"x-ferry-priority": header} if header else {}, path)
    assert attribute(carried, {"priority": policy}).unread_priority == unread


# Tags ---------------------------------------------------------------------------------------------

PAIRS = [
    ("", []),
    (",,", []),
    ("k=v", [("k", "v")]),
    ("k=v,k2=v2", [("k", "v"), ("k2", "v2")]),
    (" k = v , k2 = v2 ", [("k", "v"), ("k2", "v2")]),
    ("a,b", [("a", "true"), ("b", "true")]),
    ("k=", [("k", "")]),
    ("=v", []),
    ("k=a=b", [("k", "a=b")]),
    ("k=1,k=2", [("k", "1"), ("k", "2")]),
]


@pytest.mark.parametrize(("text", "expected"), PAIRS)
def test_pairs_are_read_as_written(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(pairs(text)) == expected


def test_tags_come_from_header_path_and_metadata_and_the_first_counts() -> None:
    carried = Carried(
        {"x-ferry-tags": "env=header,env=again,a=1"},
        path="env=path,b=2,tenant=acme",
        metadata={"env": "metadata", "c": "3", "user": "u"},
    )
    found = attribute(carried, NONE)
    assert found.tags == (("a", "1"), ("b", "2"), ("c", "3"), ("env", "header"))
    assert (found.tenant, found.user) == ("acme", "u")


@pytest.mark.parametrize("name", [*POLICED, *ALIASES, "route"])
def test_a_tag_named_like_a_dimension_is_a_tag_and_says_no_dimension(name: str) -> None:
    found = attribute(Carried({"x-ferry-tags": f"{name}=critical"}), NONE)
    assert found == Attribution(tags=((name, "critical"),))


def test_tags_and_their_names_and_values_are_bounded() -> None:
    many = ",".join(f"k{number:03}=v" for number in range(TAGS_MAX + 1))
    found = attribute(Carried({"x-ferry-tags": many}), NONE)
    assert found.tags == tuple((f"k{number:03}", "v") for number in range(TAGS_MAX))
    exact = ",".join(f"k{number:03}=v" for number in range(TAGS_MAX))
    assert len(attribute(Carried({"x-ferry-tags": exact}), NONE).tags) == TAGS_MAX == 16
    long = attribute(Carried(path=f"{'n' * (TAG_NAME_LENGTH_MAX + 1)}={'v' * 201}"), NONE)
    assert long.tags == (("n" * TAG_NAME_LENGTH_MAX, "v" * 200),)


DIRTY = "ac\x1b[31mme\u202e\u200b"


def test_values_names_and_tags_are_cleaned() -> None:
    found = attribute(
        Carried({"x-ferry-tenant": DIRTY, "x-ferry-tags": f"{DIRTY}={DIRTY}"}, path="\x1b=v"), NONE
    )
    assert found.tenant == "ac[31mme"
    assert found.tags == (("ac[31mme", "ac[31mme"),)
    assert attribute(Carried({"x-ferry-user": "u" * 201}), NONE).user == "u" * 200


NAMES = st.sampled_from([*POLICED, *ALIASES, "route", "x", "ferry_user", "Tenant", ""])
VALUES = st.text(max_size=8) | st.sampled_from(["critical", "a=b,c", ""])
SPOKEN = st.builds(
    Carried,
    headers=st.dictionaries(
        st.builds("x-ferry-{}".format, NAMES) | st.just("x-ferry-tags"), VALUES
    ),
    path=st.lists(st.builds("{}={}".format, NAMES, VALUES)).map(",".join),
    metadata=st.dictionaries(NAMES, VALUES),
    body=st.dictionaries(st.sampled_from(["user", "safety_identifier", "x"]), VALUES),
)


@given(SPOKEN, st.dictionaries(st.sampled_from(POLICED), st.just(Policy.of("deny"))))
def test_sources_are_stored_exactly_for_what_has_a_value(
    carried: Carried, policies: dict[str, Policy]
) -> None:
    found = attribute(carried, policies)
    stored = dict(found.sources)
    for dimension in (*DIMENSIONS, "route"):
        assert bool(getattr(found, dimension)) == (dimension in stored)
    assert set(stored.values()) <= {"header", "path", "metadata", "openai"}
    assert not stored.keys() & policies.keys()
    assert len(found.tags) <= TAGS_MAX


@given(SPOKEN)
def test_a_call_cannot_change_what_its_key_pins(carried: Carried) -> None:
    policies = {dimension: Policy.of("pin", "background") for dimension in POLICED}
    found = attribute(carried, policies)
    assert all(getattr(found, dimension) == "background" for dimension in POLICED)
    assert {source for name, source in found.sources if name in POLICED} == {"key"}


def test_what_an_event_says_of_itself_comes_before_what_is_said_of_all() -> None:
    carried = Carried(
        headers={"x-ferry-tenant": "header", "x-ferry-user": "header"},
        path="thread=path",
        metadata={"feature": "metadata"},
        event={"tenant": "own", "user": "", "thread": "own", "feature": "own"},
    )
    found = attribute(carried, {"feature": Policy.of("pin", "pinned")})
    assert (found.tenant, found.user, found.thread, found.feature) == (
        "own",
        "header",
        "own",
        "pinned",
    )
    assert dict(found.sources) == {
        "tenant": "event",
        "user": "header",
        "thread": "event",
        "feature": "key",
    }
    denied = attribute(carried, {"tenant": Policy.of("deny")})
    assert denied.tenant == ""
