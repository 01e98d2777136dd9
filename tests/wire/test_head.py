"""A head that is gone through once says what the headers say to each function by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter, TwoKeys
from ferrycli.wire.head import RETRY_HEADER, read_head
from ferrycli.wire.headers import (
    CREDENTIAL_HEADERS,
    READ,
    READ_PREFIXES,
    SENT,
    Headers,
    anthropic_betas,
    attribution_headers,
    content_type,
    credential,
    idempotency_key,
    passes_ferry,
    request_headers,
    said_in_dialect,
)

OTHERS = [b"host", b"origin", b"content-encoding", b"content-length", b"via", b"cookie", b""]
NAMES = st.sampled_from(
    [*SENT, *CREDENTIAL_HEADERS, *READ, *READ_PREFIXES, RETRY_HEADER, *OTHERS]
) | st.binary(max_size=8)
SAID = [b"1.1 ferry", b"Bearer a", b"Bearer b", b"a", b"7", b"", b"application/json"]
HEADS = st.lists(st.tuples(NAMES, st.sampled_from(SAID) | st.binary(max_size=12)), max_size=25)


@given(HEADS)
def test_every_function_reads_the_same_out_of_what_is_sorted(headers: Headers) -> None:
    head = read_head(headers)
    assert head.attribution == attribution_headers(headers)
    assert head.is_from_ferry is passes_ferry(headers)
    assert head.content_type == content_type(headers)
    assert anthropic_betas(head.sent) == anthropic_betas(headers)
    for dialect in ("chat", "messages", "gemini", "plain"):
        assert said_in_dialect(head.sent, dialect) == said_in_dialect(headers, dialect)
        for is_same in (True, False):
            sent = request_headers(head.sent, dialect, is_same=is_same)
            assert sent == request_headers(headers, dialect, is_same=is_same)
    assert head.hosts == [value for name, value in headers if name == b"host"]
    assert head.origins == [value for name, value in headers if name == b"origin"]
    assert head.encodings == [value for name, value in headers if name == b"content-encoding"]
    assert head.lengths == [value for name, value in headers if name == b"content-length"]
    assert head.bytes_total == sum(len(name) + len(value) for name, value in headers)


@given(HEADS)
def test_what_is_refused_is_refused_when_it_is_asked_for(headers: Headers) -> None:
    head = read_head(headers)
    assert told(head.credential) == told(lambda: credential(headers))
    assert told(head.idempotency_key) == told(lambda: idempotency_key(headers))


def told(read: Callable[[], str]) -> object:
    """What is read, or the fields of the refusal."""
    try:
        return read()
    except (TwoKeys, BadParameter) as error:
        return type(error), vars(error)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0),
        ([b"3"], 3),
        ([b"99999"], 99_999),
        ([b"100000"], 0),
        ([b"x", b"2", b"4"], 2),
        ([b"-1"], 0),
        ([b""], 0),
    ],
)
def test_tries_of_the_clients_sdk_are_the_first_that_are_a_number(
    values: list[bytes], expected: int
) -> None:
    assert read_head([(RETRY_HEADER, value) for value in values]).retries == expected
