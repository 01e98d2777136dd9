"""OpenRouter may take no more than what was held for; what its caller says otherwise stays."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Sent
from ferrycli.wire.intakes.chat import outgoing, read_chat
from ferrycli.wire.max_price import DIGITS_MAX, is_openrouter, with_max_price
from tests.wire.written import RANDOMS, VALUES, written

USD = 1_000_000_000


def asked(provider: str | None) -> bytes:
    own = "" if provider is None else f',"provider":{provider}'
    return f'{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{own},"x":1}}'.encode()


def member(provider: str | None, input_rate: int, output_rate: int) -> bytes:
    body = asked(provider)
    return with_max_price(body, read_chat(body, b"salt"), input_rate, output_rate)


@pytest.mark.parametrize(
    ("input_rate", "output_rate", "prompt", "completion"),
    [
        (3 * USD, 15 * USD, "3", "15"),
        (75_000_000, 300_000_000, "0.075", "0.3"),
        (1, 123_456_789_012, "0.000000001", "123.456789012"),
        (0, 0, "0", "0"),
    ],
)
def test_prices_are_the_rates_to_the_last_digit(
    input_rate: int, output_rate: int, prompt: str, completion: str
) -> None:
    expected = f'{{"max_price":{{"prompt":{prompt},"completion":{completion},"request":0}}}}'
    assert member(None, input_rate, output_rate) == expected.encode()
    assert member("null", input_rate, output_rate) == expected.encode()
    assert member('{"max_price":null}', input_rate, output_rate) == expected.encode()


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ("2.99", "2.99"),
        ('"2.99"', '"2.99"'),
        ("3", "3"),
        ("3.0", "3.0"),
        ("1e-1", "1e-1"),
        ("0", "0"),
        ("3.000000001", "3"),
        ("1e999999999", "3"),
        ('"4"', "3"),
        ("-1", "3"),
        ("null", "3"),
        ("true", "3"),
        ('"Infinity"', "3"),
        ('"NaN"', "3"),
        ('""', "3"),
        ("[1]", "3"),
        ("1" * (DIGITS_MAX + 1), "3"),
        ("0." + "1" * DIGITS_MAX, "3"),
    ],
)
def test_of_a_price_the_lower_one_stays_as_it_was_written(own: str, sent: str) -> None:
    got = member(f'{{"max_price":{{"prompt":{own}}}}}', 3 * USD, 15 * USD)
    assert f'"prompt":{sent},'.encode() in got


def test_what_else_a_caller_says_of_providers_stays() -> None:
    own = (
        '{"order":["a","b"], "max_price" : {"image":0.5,"completion":1.50}, "sort":"price","n":1.0}'
    )
    assert member(own, 3 * USD, 15 * USD) == (
        b'{"order":["a","b"],"max_price":{"image":0.5,"completion":1.50,"prompt":3,"request":0},'
        b'"sort":"price","n":1.0}'
    )


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ('"a"', "provider"),
        ("[]", "provider"),
        ("1", "provider"),
        ('{"max_price":1}', "provider.max_price"),
        ('{"max_price":[{"prompt":1}]}', "provider.max_price"),
    ],
)
def test_what_is_no_object_is_refused_by_its_name(own: str, field: str) -> None:
    with pytest.raises(BadParameter) as refused:
        member(own, USD, USD)
    assert refused.value.field == field


@given(
    st.dictionaries(st.text(max_size=8), VALUES, max_size=4),
    st.none() | st.dictionaries(st.sampled_from(["prompt", "completion", "image", "x"]), VALUES),
    st.integers(0, 10**13),
    st.integers(0, 10**13),
    RANDOMS,
)
def test_no_provider_may_take_more_than_was_held_for(
    own: dict[str, Any],
    prices: dict[str, Any] | None,
    input_rate: int,
    output_rate: int,
    random: Any,
) -> None:
    own = {**own, "max_price": prices}
    got = json.loads(
        member(written(own, random).decode(), input_rate, output_rate), parse_float=str
    )
    for name, rate in (("prompt", input_rate), ("completion", output_rate), ("request", 0)):
        assert 0 <= Decimal(got["max_price"][name]) * USD <= rate
    kept = json.loads(json.dumps(own), parse_float=str)
    assert {**got, "max_price": None} == {**kept, "max_price": None}
    others = {
        name: value for name, value in (kept["max_price"] or {}).items() if name in ("image", "x")
    }
    assert {name: got["max_price"][name] for name in others} == others


@pytest.mark.parametrize("own", [None, '{ "order": ["a"] }', "null"])
def test_the_rest_of_the_body_goes_as_it_is(own: str | None) -> None:
    body = asked(own)
    facts = read_chat(body, b"salt")
    sent = outgoing(
        body,
        facts,
        Sent("m", None, "max_tokens", {"provider": with_max_price(body, facts, USD, USD)}),
    )
    assert json.loads(sent)["provider"]["max_price"] == {"prompt": 1, "completion": 1, "request": 0}
    if own is None:
        assert sent.startswith(body[:-1] + b',"provider":{')
    else:
        head, _, tail = body.partition(own.encode())
        assert sent.startswith(head)
        assert sent.endswith(tail)


@pytest.mark.parametrize(
    ("catalogue", "base_url", "is_it"),
    [
        ("openrouter", "http://127.0.0.1:1/v1", True),
        ("", "https://openrouter.ai/api/v1", True),
        ("", "https://OpenRouter.AI:443/api/v1", True),
        ("", "https://openrouter.ai./api/v1", True),
        ("", "https://eu.openrouter.ai/api/v1", True),
        ("openai", "https://api.openai.com/v1", False),
        ("", "https://openrouter.ai.example/v1", False),
        ("", "https://notopenrouter.ai/v1", False),
        ("", "https://a.example/openrouter.ai", False),
        ("", "", False),
    ],
)
def test_openrouter_is_known_by_its_catalogue_or_its_host(
    catalogue: str, base_url: str, is_it: bool
) -> None:
    assert is_openrouter(catalogue, base_url) is is_it
