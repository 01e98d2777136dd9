"""Headers cross ferry by allow-list: no secret, no cookie and no name of ferry's own leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.attribution import DIMENSIONS, HEADER_NAMES, Carried, attribute
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, TwoKeys
from ferrycli.rules.other_names import PREFIXES
from ferrycli.wire.headers import (
    ANTHROPIC_VERSION,
    CREDENTIAL_HEADERS,
    Headers,
    anthropic_betas,
    attribution_headers,
    credential,
    idempotency_key,
    passes_ferry,
    provider_credential,
    reply_headers,
    request_headers,
    said_in_dialect,
)

ADDED = [(b"accept-encoding", b"identity"), (b"via", b"1.1 ferry")]

PASSED_ON = [
    "accept",
    "content-type",
    "user-agent",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "idempotency-key",
]
KEPT_HERE = [
    *CREDENTIAL_HEADERS,
    *(name.encode() for name in sorted(HEADER_NAMES)),
    *(prefix.encode() + b"tenant" for prefix in PREFIXES),
    b"x-ferry-tags",
    b"x-ferry-anything",
    # Credentials and settings of other gateways.
    b"helicone-auth",
    b"x-portkey-api-key",
    b"x-litellm-api-key",
    b"cf-aig-authorization",
    b"tracestate",
    b"cookie",
    b"set-cookie",
    b"proxy-authorization",
    b"x-forwarded-for",
    b"x-real-ip",
    b"forwarded",
    b"host",
    b"connection",
    b"keep-alive",
    b"transfer-encoding",
    b"content-length",
    b"accept-encoding",
    b"content-encoding",
    b"expect",
    b"upgrade",
    b"te",
    b"trailer",
    b"via",
    b"origin",
    b"referer",
    b"x-amz-security-token",
    b"openai-organization\r\nx",
    b"accept ",
]


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_a_provider_needs_goes_on_as_it_is(name: str) -> None:
    assert request_headers([(name.encode(), b"v\xff")]) == [(name.encode(), b"v\xff"), *ADDED]


@pytest.mark.parametrize("name", KEPT_HERE)
def test_what_is_not_the_providers_business_stays_here(name: bytes) -> None:
    assert request_headers([(name, b"secret")]) == ADDED


VERSION, BETA = (b"anthropic-version", b"2026-10-21"), (b"anthropic-beta", b"a,b")
PLAIN = [(b"user-agent", b"x"), (b"accept", b"*/*"), (b"idempotency-key", b"i")]


def test_what_a_dialect_says_in_headers_goes_to_who_speaks_it() -> None:
    said = [VERSION, BETA, *PLAIN, (b"x-api-key", b"secret")]
    assert request_headers(said, "messages") == [VERSION, BETA, *PLAIN, *ADDED]
    assert request_headers(said, "count_tokens") == [VERSION, BETA, *PLAIN, *ADDED]
    assert request_headers(said, "chat") == [*PLAIN, *ADDED]


def test_a_translated_request_says_what_it_is_and_nothing_of_the_other_dialect() -> None:
    said = [VERSION, BETA, *PLAIN, (b"content-type", b"application/json; charset=x")]
    own = [(b"user-agent", b"x"), (b"content-type", b"application/json")]
    assert request_headers(said, "chat", is_same=False) == [*own, *ADDED]
    asked = (b"anthropic-version", ANTHROPIC_VERSION)
    assert request_headers(said, "messages", is_same=False) == [*own, asked, *ADDED]


def test_betas_are_read_out_of_every_header_of_theirs() -> None:
    assert anthropic_betas([BETA, (b"anthropic-beta", b" c ,"), (b"x", b"d")]) == ["a", "b", "c"]
    assert anthropic_betas([]) == []


KEYS = [
    ("openai", "/chat/completions", (b"authorization", b"Bearer k")),
    ("compatible", "/chat/completions", (b"authorization", b"Bearer k")),
    ("bedrock", "/model/m/converse", (b"authorization", b"Bearer k")),
    ("vertex", "/models/m:generateContent", (b"authorization", b"Bearer k")),
    ("anthropic", "/v1/messages", (b"x-api-key", b"k")),
    ("azure", "/chat/completions", (b"api-key", b"k")),
    ("gemini", "/v1beta/models/m:generateContent", (b"x-goog-api-key", b"k")),
    ("gemini", "/v1beta/openai/embeddings", (b"authorization", b"Bearer k")),
]


@pytest.mark.parametrize(("kind", "path", "header"), KEYS)
def test_each_kind_takes_its_key_in_a_header_of_its_own(
    kind: str, path: str, header: tuple[bytes, bytes]
) -> None:
    assert provider_credential(kind, path, "k") == header


OWN = {
    "chat": {b"openai-beta", b"openai-organization"},
    "plain": {b"openai-beta", b"openai-organization"},
    "messages": {b"anthropic-beta", b"anthropic-version"},
    "gemini": set[bytes](),
    "converse": set[bytes](),
}


@pytest.mark.parametrize("dialect", OWN)
def test_what_is_said_in_one_dialect_goes_on_in_that_alone(dialect: str) -> None:
    names = sorted({name for every in OWN.values() for name in every})
    said = [(name, b"v") for name in names]
    sent = {name for name, _ in request_headers(said, dialect)}
    assert sent & set(names) == OWN[dialect]
    other = dict(request_headers(said, dialect, is_same=False))
    assert set(other) & set(names) <= {b"anthropic-version"}
    assert said_in_dialect(said[::-1], dialect) == b"\n".join(
        name + b":v" for name in sorted(OWN[dialect])
    )


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20))))
def test_no_header_leaves_that_is_not_on_the_list(headers: Headers) -> None:
    assert {name.decode() for name, _ in request_headers(headers)} <= {
        *PASSED_ON,
        "accept-encoding",
        "via",
    }


COMES_BACK = [
    b"content-type",
    b"content-language",
    b"openai-model",
    b"openai-processing-ms",
    b"openai-version",
    b"x-request-id",
    b"request-id",
    b"retry-after",
    b"retry-after-ms",
    b"x-should-retry",
    b"x-ratelimit-remaining-tokens",
    b"anthropic-ratelimit-requests-limit",
]
STAYS_AWAY = [
    b"set-cookie",
    b"Set-Cookie",
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"www-authenticate",
    b"x-ferry-cost-usd",
    b"x-ferry-call-id",
    b"X-Ferry-Budget-Remaining-Usd",
    b"location",
    b"content-length",
    b"transfer-encoding",
    b"content-encoding",
    b"connection",
    b"server",
    b"alt-svc",
    b"strict-transport-security",
    b"access-control-allow-origin",
    b"openai-organization",
    b"openai-project",
    b"via",
    b"refresh",
    b"x-ratelimit",
    b"",
]


@pytest.mark.parametrize("name", COMES_BACK)
def test_what_a_client_acts_on_comes_back(name: bytes) -> None:
    assert reply_headers([(name.upper(), b"v")]) == [(name, b"v")]


@pytest.mark.parametrize("name", STAYS_AWAY)
def test_what_a_provider_says_beside_does_not(name: bytes) -> None:
    assert reply_headers([(name, b"secret")]) == []


DIRTY = [
    (b"x-request-id", b"a\r\nset-cookie: b=c"),
    (b"x-request-id", b"a\nb"),
    (b"x-request-id", b"a\rb"),
    (b"x-request-id", b"a\x00b"),
    (b"x-request-id", b"\x1b[31m"),
    (b"x-request-id", b"\x7f"),
    (b"x-ratelimit-a\r\nset-cookie", b"b=c"),
    (b"x-ratelimit-a\nx-ferry-cost-usd", b"0"),
    (b"x-ratelimit-\x00", b"b"),
]


@pytest.mark.parametrize(("name", "value"), DIRTY)
def test_a_header_that_would_begin_another_is_dropped(name: bytes, value: bytes) -> None:
    assert reply_headers([(name, value), (b"request-id", b"r")]) == [(b"request-id", b"r")]


def test_a_tab_and_bytes_beyond_ascii_are_no_control() -> None:
    header = (b"x-request-id", b"a\tb\xc3\xa9")
    assert reply_headers([header]) == [header]


def test_thousands_of_headers_are_no_more_than_the_list_has() -> None:
    many = [(b"x-%d" % at, b"v" * 200) for at in range(5_000)]
    assert reply_headers([*many, (b"retry-after", b"1")]) == [(b"retry-after", b"1")]
    assert request_headers(many) == ADDED


# The credential -----------------------------------------------------------------------------

CREDENTIALS: list[tuple[Headers, str]] = [
    ([], ""),
    ([(b"authorization", b"Bearer fk_a")], "fk_a"),
    ([(b"authorization", b"bearer fk_a")], "fk_a"),
    ([(b"authorization", b"BEARER   fk_a  ")], "fk_a"),
    ([(b"authorization", b"  Bearer fk_a")], "fk_a"),
    ([(b"x-api-key", b" fk_a ")], "fk_a"),
    ([(b"x-goog-api-key", b"fk_a")], "fk_a"),
    ([(b"api-key", b"fk_a")], "fk_a"),
    ([(b"authorization", b"Bearer fk_a"), (b"x-api-key", b"fk_a")], "fk_a"),
    ([(b"x-api-key", b"fk_a"), (b"x-api-key", b"fk_a")], "fk_a"),
    ([(b"authorization", b"Bearer fk_a"), (b"x-api-key", b"")], "fk_a"),
    ([(b"authorization", b"Basic Zms6eA=="), (b"x-api-key", b"fk_a")], "fk_a"),
    ([(b"authorization", b"fk_a")], ""),
    ([(b"authorization", b"Bearer")], ""),
    ([(b"authorization", b"Bearer ")], ""),
    ([(b"authorization", b"")], ""),
    ([(b"x-api-key", b"\xff")], "\ufffd"),
    ([(b"cookie", b"fk_a"), (b"x-ferry-key", b"fk_a")], ""),
]


@pytest.mark.parametrize(("headers", "expected"), CREDENTIALS)
def test_the_one_credential_is_read(headers: Headers, expected: str) -> None:
    assert credential(headers) == expected


TWO: list[tuple[Headers, tuple[str, ...]]] = [
    ([(b"authorization", b"Bearer a"), (b"x-api-key", b"b")], ("authorization", "x-api-key")),
    ([(b"x-api-key", b"a"), (b"x-api-key", b"b")], ("x-api-key",)),
    ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], ("authorization",)),
    ([(b"api-key", b"a"), (b"x-goog-api-key", b"A")], ("api-key", "x-goog-api-key")),
]


@pytest.mark.parametrize(("headers", "names"), TWO)
def test_two_different_credentials_are_refused_by_name_never_by_value(
    headers: Headers, names: tuple[str, ...]
) -> None:
    for ordered in (headers, headers[::-1]):
        with pytest.raises(TwoKeys) as caught:
            credential(ordered)
        assert caught.value.headers == names


# Attribution and loops ----------------------------------------------------------------------


def test_only_names_that_are_read_are_read() -> None:
    headers = [
        (b"x-ferry-tenant", b"acme"),
        (b"x-ferry-tenant", b"evil"),
        (b"x-ferry-tags", b"a=b"),
        (b"x-ferry-user", b"\xff"),
        (b"x-ferry-cost-usd", b"0"),
        (b"authorization", b"Bearer a"),
        (b"cookie", b"c"),
    ]
    assert attribution_headers(headers) == {
        "x-ferry-tenant": "acme",
        "x-ferry-tags": "a=b",
        "x-ferry-user": "\ufffd",
    }


def test_other_systems_names_are_read_and_baggage_may_stand_twice() -> None:
    headers = [
        (b"helicone-user-id", b"ana"),
        (b"helicone-user-id", b"evil"),
        (b"helicone-property-env", b"prod"),
        (b"helicone-auth", b"Bearer a"),
        (b"x-bf-dim-\xff", b"\xff"),
        (b"x-bf-vk", b"secret"),
        (b"baggage", b"a=1"),
        (b"baggage", b"b=2"),
    ]
    assert attribution_headers(headers) == {
        "helicone-user-id": "ana",
        "helicone-property-env": "prod",
        "x-bf-dim-\ufffd": "\ufffd",
        "baggage": "a=1,b=2",
    }


NAMES = st.sampled_from([name.encode() for name in sorted(HEADER_NAMES)]) | st.builds(
    bytes.__add__, st.sampled_from([prefix.encode() for prefix in PREFIXES]), st.binary(max_size=9)
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=20))
def test_no_bytes_of_a_header_are_an_error_or_come_out_unclean(headers: Headers) -> None:
    found = attribute(Carried(attribution_headers(headers)), {})
    values = [getattr(found, dimension) for dimension in DIMENSIONS]
    values += [text for tag in found.tags for text in tag]
    assert values == [safe(value) for value in values]
    assert request_headers(headers) == ADDED


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        (b"1.1 ferry", True),
        (b"ferry", True),
        (b"1.0 fred, 1.1 ferry", True),
        (b"1.1 ferry,1.1 nginx", True),
        (b" HTTP/1.1  ferry ", True),
        (b"1.1 ferryboat", False),
        (b"1.1 notferry", False),
        (b"1.1 nginx", False),
        (b"", False),
    ],
)
def test_a_request_that_went_through_ferry_is_known_by_its_via(via: bytes, expected: bool) -> None:
    assert passes_ferry([(b"accept", b"x"), (b"via", via)]) is expected
    assert passes_ferry([(b"via", b"1.1 nginx"), (b"via", via)]) is expected
    assert passes_ferry([(b"x-via", via)]) is False


def test_ferrys_own_request_would_be_known() -> None:
    assert passes_ferry(request_headers([]))
    assert passes_ferry(request_headers([(b"via", b"1.1 nginx")]))


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], ""),
        ([b""], ""),
        ([b"   "], ""),
        ([b"order-7"], "order-7"),
        ([b" order-7 "], "order-7"),
        ([b"order-7", b"order-7"], "order-7"),
        (["größe".encode()], "größe"),
        ([b"x" * 255], "x" * 255),
    ],
)
def test_idempotency_key_is_read_as_it_came(values: list[bytes], key: str) -> None:
    headers = [(b"idempotency-key", value) for value in values]
    assert idempotency_key([(b"accept", b"*/*"), *headers]) == key


@pytest.mark.parametrize(
    "values",
    [
        [b"x" * 256],
        [b"a", b"b"],
        [b"a\tb"],
        ["a\u202eb".encode()],
        [b"\xff\xfe"],
        ["\u200b".encode()],
    ],
)
def test_idempotency_key_that_would_have_to_be_changed_is_refused(values: list[bytes]) -> None:
    with pytest.raises(BadParameter) as refused:
        idempotency_key([(b"idempotency-key", value) for value in values])
    assert refused.value.field == "Idempotency-Key"
