"""Other systems' names: a row for each, what each form makes of anything, ferry's own first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrycli.rules.attribution import (
    ALIASES,
    DIMENSIONS,
    TAG_NAME_LENGTH_MAX,
    TAGS_MAX,
    Attribution,
    Carried,
    Policy,
    attribute,
)
from ferrycli.rules.clean import NAME_LENGTH_MAX, safe
from ferrycli.rules.denials import MissingAttribution
from ferrycli.rules.other_names import (
    LENGTH_MAX,
    MEMBERS_MAX,
    OTHERS,
    PREFIXES,
    Name,
    baggage,
    json_object,
    listed,
    object_or_list,
)

SESSION = "123e4567-e89b-12d3-a456-426614174000"
ACCOUNT = "9b2e4567-e89b-12d3-a456-426614174000"
CLAUDE = json.dumps({"device_id": "d1", "account_uuid": ACCOUNT, "session_id": SESSION})
CLAUDE_WITHOUT_ACCOUNT = json.dumps({"device_id": "d1", "account_uuid": "", "session_id": SESSION})


def header(name: str, value: str) -> Carried:
    return Carried(headers={name: value})


def body(name: str, value: str) -> Carried:
    return Carried(body={name: value})


def metadata(name: str, value: str) -> Carried:
    return Carried(metadata={name: value})


# One row per name: what a call carries, and the dimension, value and source that come of it.
SINGLE: list[tuple[Carried, str, str, str]] = [
    (header("x-litellm-end-user-id", "ana"), "user", "ana", "litellm"),
    (header("x-litellm-customer-id", "acme"), "tenant", "acme", "litellm"),
    (header("x-litellm-session-id", "t"), "thread", "t", "litellm"),
    (header("x-litellm-trace-id", "t"), "thread", "t", "litellm"),
    (header("x-litellm-tags", "feature:search"), "feature", "search", "litellm"),
    (header("x-litellm-spend-logs-metadata", '{"tenant":"a"}'), "tenant", "a", "litellm"),
    (body("metadata.tags", '["agent:scout"]'), "assistant", "scout", "litellm"),
    (header("helicone-user-id", "ana"), "user", "ana", "helicone"),
    (header("helicone-session-id", "t"), "thread", "t", "helicone"),
    (header("helicone-property-tenant", "a"), "tenant", "a", "helicone"),
    (header("helicone-property-conversation", "t"), "thread", "t", "helicone"),
    (header("x-portkey-metadata", '{"_user":"ana"}'), "user", "ana", "portkey"),
    (header("x-portkey-metadata", "_user=ana,env=x"), "user", "ana", "portkey"),
    (header("x-portkey-trace-id", "t"), "thread", "t", "portkey"),
    (header("cf-aig-metadata", '{"user":7}'), "user", "7", "cloudflare"),
    (header("ai-reporting-user", "ana"), "user", "ana", "vercel"),
    (header("ai-reporting-tags", "env:y,feature:x"), "feature", "x", "vercel"),
    (header("x-bf-session-id", "t"), "thread", "t", "bifrost"),
    (header("x-bf-dim-workflow", "nightly"), "assistant", "nightly", "bifrost"),
    (header("x-session-id", "t"), "thread", "t", "openrouter"),
    (body("session_id", "t"), "thread", "t", "openrouter"),
    (body("trace", '{"feature":"search","x":{}}'), "feature", "search", "openrouter"),
    (body("user", "ana"), "user", "ana", "openai"),
    (body("safety_identifier", "ana"), "user", "ana", "openai"),
    (metadata("user_id", "ana"), "user", "ana", "anthropic"),
    (header("baggage", "session.id=t;p=1"), "thread", "t", "baggage"),
    (header("baggage", "a=b, tenant = a%20b ,c=d"), "tenant", "a b", "baggage"),
    (header("x-claude-code-session-id", "t"), "thread", "t", "claude-code"),
    (header("thread-id", "t"), "thread", "t", "codex"),
    (header("session-id", "t"), "thread", "t", "codex"),
    (body("prompt_cache_key", "t"), "thread", "t", "prompt_cache_key"),
]


@pytest.mark.parametrize(("carried", "dimension", "value", "source"), SINGLE)
def test_a_name_says_its_dimension(
    carried: Carried, dimension: str, value: str, source: str
) -> None:
    found = attribute(carried, {})
    assert (getattr(found, dimension), found.sources) == (value, ((dimension, source),))
    assert not {dimension, *ALIASES} & dict(found.tags).keys()


@pytest.mark.parametrize(("carried", "dimension", "value", "source"), SINGLE)
def test_a_keys_policy_holds_for_it(
    carried: Carried, dimension: str, value: str, source: str
) -> None:
    def of(policy: Policy) -> tuple[str, dict[str, str]]:
        found = attribute(carried, {dimension: policy})
        return getattr(found, dimension), dict(found.sources)

    assert of(Policy.of("pin", "own")) == ("own", {dimension: "key"})
    assert of(Policy.of("deny")) == ("", {})
    assert of(Policy.of("require")) == of(Policy.of("allow", "own")) == (value, {dimension: source})
    with pytest.raises(MissingAttribution):
        attribute(Carried(), {dimension: Policy.of("require")})


@pytest.mark.parametrize(("carried", "dimension", "value", "source"), SINGLE)
@pytest.mark.parametrize(
    "own", [{"headers": "x-ferry-{}"}, {"path": "{}=own"}, {"metadata": "{}"}], ids=str
)
def test_ferrys_own_name_is_believed_before_it(
    carried: Carried, dimension: str, value: str, source: str, own: dict[str, str]
) -> None:
    [(place, name)] = own.items()
    name = name.format(dimension)
    both = Carried(
        {**carried.headers, **({name: "own"} if place == "headers" else {})},
        name if place == "path" else "",
        {**carried.metadata, **({name: "own"} if place == "metadata" else {})},
        carried.body,
    )
    found = attribute(both, {})
    label = "header" if place == "headers" else place
    assert (getattr(found, dimension), dict(found.sources)[dimension]) == ("own", label)


TAGS: list[tuple[Carried, dict[str, str]]] = [
    (header("x-litellm-tags", "beta, job:7 ,"), {"beta": "true", "job": "7"}),
    (
        header("x-litellm-spend-logs-metadata", '{"a":"b","n":1,"f":1.5,"t":true,"o":{},"z":null}'),
        {"a": "b", "n": "1", "f": "1.5", "t": "true"},
    ),
    (header("x-litellm-tags", '["beta",7,null]'), {"beta": "true"}),
    (header("x-litellm-tags", '["beta'), {}),
    (body("metadata.tags", '["beta","job:7,8"]'), {"beta": "true", "job": "7,8"}),
    (header("helicone-property-env", "prod"), {"env": "prod"}),
    (header("helicone-property-", "x"), {}),
    (header("x-portkey-metadata", '{"_environment":"prod"}'), {"_environment": "prod"}),
    (header("x-portkey-metadata", "env=prod,b"), {"env": "prod", "b": "true"}),
    (header("cf-aig-metadata", '{"team":"AI","test":false}'), {"team": "AI", "test": "false"}),
    (header("ai-reporting-tags", "env:prod,url:a:b"), {"env": "prod", "url": "a:b"}),
    (header("x-bf-dim-env", "prod"), {"env": "prod"}),
    (body("trace", '{"trace_name":"nightly"}'), {"trace_name": "nightly"}),
    (header("baggage", "k=a%2Cb;secret=1,k2=%C3%A9"), {"k": "a,b", "k2": "é"}),
    # Priority and route are ferry's alone.
    (header("cf-aig-metadata", '{"priority":"critical"}'), {"priority": "critical"}),
    (header("x-bf-dim-route", "cheap"), {"route": "cheap"}),
]


@pytest.mark.parametrize(("carried", "tags"), TAGS)
def test_a_member_that_is_no_dimension_is_a_tag(carried: Carried, tags: dict[str, str]) -> None:
    assert attribute(carried, {}) == Attribution(tags=tuple(sorted(tags.items())))


def test_every_name_of_the_table_has_its_row() -> None:
    rows = [carried for carried, *_ in SINGLE] + [carried for carried, _ in TAGS]
    for name in OTHERS:
        place = {"prefix": "headers", "header": "headers"}.get(name.place, name.place)
        assert any(
            said == name.name or (name.place == "prefix" and said.startswith(name.name))
            for carried in rows
            for said in getattr(carried, place)
        ), name


def test_every_name_of_the_table_is_told_in_the_docs() -> None:
    told = (Path(__file__).parents[2] / "docs" / "attribution.md").read_text().lower()
    table = told.partition("## other systems' names")[2].partition("\n## ")[0]
    for name in OTHERS:
        written = f"{name.name}<name>" if name.place == "prefix" else name.name
        assert f"{written}`" in table or f"{written}:" in table or f".{written}`" in table, name
        assert f"`{name.source}` |" in table, name


IGNORED = [
    *('{"tenant":"a"', "{", "[", "[1]", "null", "7", '"tenant"', "{'tenant':'a'}", "\ufffd"),
    *('{"tenant":null}', '{"tenant":["a"]}', '{"tenant":{"a":"b"}}', '{"tenant":""}', '["a"]'),
    *("[" * 5_000, '{"a":' * 1_000, f'{{"tenant":{"9" * 5_000}}}', '{"tenant":"\\ud800"}'),
    f'{{"tenant":"a","x":"{"x" * LENGTH_MAX}"}}',
]


@pytest.mark.parametrize("value", IGNORED, ids=lambda value: value[:20])
@pytest.mark.parametrize("name", ["cf-aig-metadata", "x-litellm-spend-logs-metadata"])
def test_what_is_no_object_of_plain_members_says_no_dimension(name: str, value: str) -> None:
    found = attribute(header(name, value), {})
    assert (found.sources, set(dict(found.tags).values()) - {""}) == ((), set())


@pytest.mark.parametrize("value", ["", ",", ";", "tenant", "=a", "tenant=", "=", "tenant;a=b"])
def test_malformed_baggage_is_ignored(value: str) -> None:
    assert attribute(header("baggage", value), {}) == Attribution()


def test_length_and_members_are_bounded_at_their_most() -> None:
    def padded(length: int) -> str:
        text = '{"tenant":"a"}'
        return text + " " * (length - len(text))

    assert attribute(header("cf-aig-metadata", padded(LENGTH_MAX)), {}).tenant == "a"
    assert attribute(header("cf-aig-metadata", padded(LENGTH_MAX + 1)), {}).tenant == ""
    for before, tenant in ((MEMBERS_MAX - 1, "a"), (MEMBERS_MAX, "")):
        members = {**{f"k{at}": "v" for at in range(before)}, "tenant": "a"}
        found = attribute(header("cf-aig-metadata", json.dumps(members)), {})
        assert (found.tenant, len(found.tags)) == (tenant, TAGS_MAX)


def test_tags_of_others_crowd_out_none_of_ferrys() -> None:
    own = ",".join(f"z{at:02}=own" for at in range(TAGS_MAX - 1))
    found = attribute(
        Carried({"baggage": "a=1,b=2,z00=theirs", "x-ferry-tags": own}, metadata={}), {}
    )
    expected = {f"z{at:02}": "own" for at in range(TAGS_MAX - 1)} | {"a": "1"}
    assert dict(found.tags) == expected


# Who is believed among others ---------------------------------------------------------------------

THREADS = [
    *("x-litellm-session-id", "x-litellm-trace-id", "helicone-session-id"),
    *("x-portkey-trace-id", "x-bf-session-id", "x-session-id", "baggage"),
    *("x-claude-code-session-id", "thread-id", "session-id"),
]


@pytest.mark.parametrize("count", range(len(THREADS)))
def test_gateways_are_believed_before_clients_and_the_cache_key_last(count: int) -> None:
    said = {name: f"session.id={name}" if name == "baggage" else name for name in THREADS[count:]}
    backwards = dict(reversed(said.items()))
    found = attribute(Carried(backwards, body={"prompt_cache_key": "k"}), {})
    assert found.thread == THREADS[count]


def test_a_value_that_shows_nothing_gives_way_to_the_next() -> None:
    carried = Carried({"helicone-user-id": "\u200b "}, body={"user": " ", "safety_identifier": "s"})
    assert attribute(carried, {}).user == "s"


# Claude Code --------------------------------------------------------------------------------------

OLDER = f"user_a1b2_account_{ACCOUNT}_session_{SESSION}"
CLAUDES = [
    (CLAUDE, ACCOUNT, SESSION),
    (CLAUDE_WITHOUT_ACCOUNT, "d1", SESSION),
    (f" {CLAUDE} ", ACCOUNT, SESSION),
    ('{"session_id":"s"}', "", "s"),
    (OLDER, ACCOUNT, SESSION),
    (f"user_a1b2_account__session_{SESSION}", "a1b2", SESSION),
]


@pytest.mark.parametrize(("said", "user", "thread"), CLAUDES)
def test_what_claude_code_says_of_its_user_is_parsed(said: str, user: str, thread: str) -> None:
    for carried in (metadata("user_id", said), body("user", said)):
        found = attribute(carried, {})
        assert (found.user, found.thread, found.tags) == (user, thread, ())
        assert {source for _, source in found.sources} == {"claude-code"}


@pytest.mark.parametrize("said", ["{", '{"device_id":', "{}", '{"other":"x"}', "", "\u200b"])
def test_what_is_no_user_of_claude_code_is_no_user_either(said: str) -> None:
    assert attribute(metadata("user_id", said), {}) == Attribution()


@pytest.mark.parametrize("said", ["user_1", "user_a_account_b", "ana_session_1", "[ana]"])
def test_a_user_that_only_looks_like_it_is_one(said: str) -> None:
    assert attribute(metadata("user_id", said), {}) == Attribution(
        user=said, sources=(("user", "anthropic"),)
    )


# Anything -----------------------------------------------------------------------------------------

SCRAPS = st.sampled_from(
    [*'{}[]",:;=%\\ ', "tenant", "session.id", "_user", "user", "\x1b", "\u202e", "\\ud800", "%ff"]
)
VALUES = st.text(max_size=40) | st.lists(SCRAPS, max_size=20).map("".join) | st.just(CLAUDE)
HEADERS = [name.name for name in OTHERS if name.place == "header"]
BODY = [name.name for name in OTHERS if name.place == "body"]
CARRIED = st.builds(
    Carried,
    headers=st.dictionaries(
        st.sampled_from(HEADERS)
        | st.builds("{}{}".format, st.sampled_from(PREFIXES), st.text(max_size=9)),
        VALUES,
    ),
    metadata=st.dictionaries(st.just("user_id"), VALUES),
    body=st.dictionaries(st.sampled_from(BODY), VALUES),
)


def is_clean(text: str, length_max: int = NAME_LENGTH_MAX) -> bool:
    return safe(text, length_max) == text


@given(CARRIED)
@example(Carried({"baggage": "a=%1b%5b31m%E2%80%AE"}, metadata={"user_id": "[" * 9_999}))
@example(Carried({"cf-aig-metadata": '{"\\u001b[2J":"\\u202e\\ud800x","tenant":"\\u0000a"}'}))
def test_anything_is_read_without_an_error_and_comes_out_clean(carried: Carried) -> None:
    found = attribute(carried, {})
    assert all(is_clean(getattr(found, dimension)) for dimension in DIMENSIONS)
    assert all(name and is_clean(name, TAG_NAME_LENGTH_MAX) for name, _ in found.tags)
    assert all(is_clean(value) for _, value in found.tags)
    assert len(found.tags) <= TAGS_MAX
    assert {source for _, source in found.sources} <= {name.source for name in OTHERS}
    assert (found.priority, found.route, found.unread_priority) == ("normal", "", "")


PAIRS = st.dictionaries(st.text("abcdef", min_size=1), st.text("abcdef"), max_size=MEMBERS_MAX)


@given(PAIRS)
def test_each_form_gives_back_what_was_written_in_it(said: dict[str, str]) -> None:
    def as_written(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        return {name: value for name, value in pairs if name}

    equals = ",".join(f"{name}={value}" for name, value in said.items())
    assert as_written(json_object(json.dumps(said))) == said
    assert as_written(object_or_list(json.dumps(said))) == said
    assert as_written(baggage(equals)) == said
    for text in (equals, equals.replace("=", ":"), json.dumps(equals.split(","))):
        assert as_written(listed(text)) == said
    whole = Name("header", "x", "", "x", json_object)
    assert as_written(whole.members("x", json.dumps(said))) == said
