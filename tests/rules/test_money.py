"""Amounts: what people write becomes whole nano-dollars, and reads back as what it is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.errors import BadAmount
from ferrycli.rules.money import (
    AMOUNT_USD_MAX,
    nanousd,
    parse_usd,
    usd,
    usd_exact,
    usd_full,
    usd_plain,
)
from tests.rules.arithmetic import NANO, dollars

PARSED = [
    ("50", 50 * NANO),
    ("$50", 50 * NANO),
    ("  $50  ", 50 * NANO),
    ("0.25", NANO // 4),
    ("$0.25", NANO // 4),
    (".5", NANO // 2),
    ("1,000.50", 1_000 * NANO + NANO // 2),
    ("1_000", 1_000 * NANO),
    ("0", 0),
    ("0.00", 0),
    ("0.000000001", 1),
    ("0.0000000009", 1),
    ("0.0000000011", 2),
    ("0.00000000000000000000000000000000000000001", 1),
    ("1.0000000000000000000000000000000000001", NANO + 1),
    ("999999999.999999999", AMOUNT_USD_MAX * NANO - 1),
    ("1000000000", AMOUNT_USD_MAX * NANO),
]


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_what_people_write_becomes_whole_nano_dollars(text: str, expected: int) -> None:
    assert parse_usd(text) == expected


REFUSED = [
    *("", " ", "$", "$$5", "-1", "$-1", "-$1", "-0.000000001", "1.2.3", "fifty", "5 USD", "0x10"),
    *("nan", "sNaN", "inf", "-Infinity", "1e400", "1e999999999", "1000000000.000000001", "5/month"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_amount_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(BadAmount) as caught:
        parse_usd(text)
    assert caught.value.text == text


@pytest.mark.parametrize("text", ["0,50", "1.000,50", "12,5"])
def test_a_decimal_comma_is_never_read_as_a_larger_amount(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_usd(text)


PROVIDER_FIGURES = [
    ("0", 0),
    ("0.00014250", 142_500),
    ("1.425E-4", 142_500),
    ("1E-9", 1),
    ("1.000000001E-9", 2),
    ("0.1234567890000000000000000000000001", 123_456_790),
    ("12", 12 * NANO),
]


@pytest.mark.parametrize(("text", "expected"), PROVIDER_FIGURES)
def test_a_providers_own_figure_is_rounded_up(text: str, expected: int) -> None:
    assert nanousd(Decimal(text)) == expected


@given(st.integers(0, 10**60), st.integers(0, 60))
def test_rounding_up_is_exact_at_any_number_of_digits(digits: int, places: int) -> None:
    amount = Decimal((0, tuple(int(digit) for digit in str(digits)), -places))
    low = ceil(Fraction(digits, 10**places) * NANO)
    # Past 28 digits of whole nano-dollars (10^19 dollars) only `never under` is promised.
    assert low <= nanousd(amount) <= (low if low < 10**27 else low + low // 10**26)


READ = [
    (0, "$0.00"),
    (50 * NANO, "$50.00"),
    (1_234_567 * NANO + dollars("0.89"), "$1,234,567.89"),
    (-dollars("1.20"), "-$1.20"),
    (dollars("0.01"), "$0.01"),
    (dollars("0.01") - 1, "$0.0100"),
    (dollars("0.0099"), "$0.0099"),
    (dollars("0.00042"), "$0.00042"),
    (-dollars("0.00042"), "-$0.00042"),
    (dollars("0.000225") + 1, "$0.00023"),
    (dollars("0.001"), "$0.0010"),
    (1, "$0.0000000010"),
    (99, "$0.000000099"),
]


@pytest.mark.parametrize(("amount", "expected"), READ)
def test_an_amount_reads_as_a_person_would_write_it(amount: int, expected: str) -> None:
    assert usd(amount) == expected
    assert usd_plain(abs(amount)) == expected.lstrip("-").removeprefix("$")


@given(st.integers(-(10**20), 10**20).filter(bool))
def test_no_amount_but_zero_reads_as_zero(amount: int) -> None:
    assert any(digit in "123456789" for digit in usd(amount))
    assert usd(amount).startswith("-") == (amount < 0)


FULL = [
    (0, "$0.00"),
    (NANO // 2, "$0.50"),
    (72_500_000, "$0.0725"),
    (1, "$0.000000001"),
    (1_234 * NANO + NANO // 2, "$1,234.50"),
    (-NANO, "-$1.00"),
    (-1, "-$0.000000001"),
]


@pytest.mark.parametrize(("amount", "expected"), FULL)
def test_an_amount_in_full_has_cents_and_every_place(amount: int, expected: str) -> None:
    assert usd_full(amount) == expected


EXACT = [
    (0, "0"),
    (1, "0.000000001"),
    (225_000, "0.000225"),
    (NANO, "1"),
    (NANO + NANO // 2, "1.5"),
    (-NANO - 1, "-1.000000001"),
    (-1, "-0.000000001"),
    (1_000 * NANO, "1000"),
]


@pytest.mark.parametrize(("amount", "expected"), EXACT)
def test_machines_are_told_every_place(amount: int, expected: str) -> None:
    assert usd_exact(amount) == expected


@given(st.integers(0, AMOUNT_USD_MAX * NANO))
def test_what_machines_are_told_reads_back_to_the_nano_dollar(amount: int) -> None:
    assert parse_usd(usd_exact(amount)) == amount
    assert Fraction(usd_exact(-amount)) * NANO == -amount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0000004", 400_000_000),
        ("$0.25", 250_000 * 10**9),
        ("1e-16", 1),
        ("0", 0),
        ("1000", AMOUNT_USD_MAX * 10**9),
    ],
)
def test_an_amount_for_one_is_read_for_a_million(text: str, expected: int) -> None:
    assert parse_usd(text, 1_000_000) == expected


@pytest.mark.parametrize("text", ["1000.01", "1e999999", "9e999999", "-0.1", "nan", "snan"])
def test_what_comes_to_no_amount_of_a_million_is_refused(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_usd(text, 1_000_000)
