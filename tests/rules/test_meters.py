"""What an event costs, and the moment that it counts for; amounts worked out as arithmetic."""

from __future__ import annotations

import pytest

from ferrycli.rules.denials import BadParameter
from ferrycli.rules.meters import (
    COST_NANOUSD_MAX,
    METER,
    Charge,
    DuplicateEvent,
    charge,
    counted_us,
    meter_prices,
    per_unit_usd,
    price_at,
)
from ferrycli.rules.pricing import Cost, Override, Rate
from ferrycli.rules.words import words

USD = 1_000_000_000
HOUR_US = 3_600_000_000
NOW = 1_000 * HOUR_US


@pytest.mark.parametrize(
    ("occurred_us", "counted"),
    [
        (None, NOW),
        (NOW, NOW),
        (NOW - 1, NOW - 1),
        (NOW - 48 * HOUR_US, NOW - 48 * HOUR_US),
        (NOW - 48 * HOUR_US - 1, NOW),
        (NOW + 1, NOW),
        (-1, NOW),
    ],
)
def test_event_counts_for_when_it_occurred_up_to_48_hours_ago(
    occurred_us: int | None, counted: int
) -> None:
    assert counted_us(occurred_us, NOW) == counted


def price(glob: str, rate: int | None, from_us: int = 0, id: str = "r") -> Override:
    return Override(id, METER, glob, Rate(input=rate), from_us=from_us)


PRICES = (
    price("reads", 900, from_us=NOW, id="later"),
    price("reads", 400, id="first"),
    price("writes_*", 7_000_000, id="glob"),
    price("odd", None, id="odd"),
)
"""The latest first, per million units."""


@pytest.mark.parametrize(
    ("meter", "quantity", "stated", "at_us", "wanted"),
    [
        ("reads", 1, None, NOW - 1, Charge(Cost(((METER, 1),)), "reported", 400, "override first")),
        (
            "reads",
            5_000,
            None,
            NOW - 1,
            Charge(Cost(((METER, 2),)), "reported", 400, "override first"),
        ),
        (
            "reads",
            5_001,
            None,
            NOW - 1,
            Charge(Cost(((METER, 3),)), "reported", 400, "override first"),
        ),
        (
            "reads",
            10_000,
            None,
            NOW,
            Charge(Cost(((METER, 9),)), "reported", 900, "override later"),
        ),
        ("reads", 0, None, NOW, Charge(Cost(((METER, 0),)), "reported", 900, "override later")),
        (
            "writes_long",
            3,
            None,
            NOW,
            Charge(Cost(((METER, 21),)), "reported", 7_000_000, "override glob"),
        ),
        ("reads", 10_000, 5, NOW, Charge(Cost(((METER, 5),)), "provider")),
        ("reads", 10_000, 0, NOW, Charge(Cost(((METER, 0),)), "provider")),
        ("none", 10_000, None, NOW, Charge(None, "unpriced")),
        ("odd", 10_000, None, NOW, Charge(None, "unpriced")),
        ("none", 10_000, 7, NOW, Charge(Cost(((METER, 7),)), "provider")),
    ],
)
def test_an_event_costs_what_it_says_else_what_its_meter_does(
    meter: str, quantity: int, stated: int | None, at_us: int, wanted: Charge
) -> None:
    assert charge(meter, quantity, stated, PRICES, at_us) == wanted


def test_the_most_that_an_event_comes_to_is_taken_and_no_more() -> None:
    dear = (price("disk", COST_NANOUSD_MAX),)
    at_most = Cost(((METER, COST_NANOUSD_MAX),))
    assert charge("disk", 1_000_000, None, dear, NOW).cost == at_most
    assert charge("disk", 0, COST_NANOUSD_MAX, dear, NOW).cost == at_most
    with pytest.raises(BadParameter) as refused:
        charge("disk", 1_000_001, None, dear, NOW)
    assert refused.value.field == "quantity"
    with pytest.raises(BadParameter) as refused:
        charge("disk", 0, COST_NANOUSD_MAX + 1, dear, NOW)
    assert refused.value.field == "cost_usd"
    assert "$1,000,000.00 at the most" in words(refused.value).hint


def test_prices_of_meters_are_those_under_their_name() -> None:
    other = Override("x", "openai", "reads", Rate(input=1))
    assert meter_prices([other, *PRICES]) == PRICES
    assert price_at("reads", PRICES, NOW) == PRICES[0]
    assert price_at("reads", PRICES, NOW - 1) == PRICES[1]
    assert price_at("none", PRICES, NOW) is None


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (400_000_000, "0.0000004"),
        (1, "0.000000000000001"),
        (0, "0"),
        (1_000_000 * USD, "1"),
        (250_000 * USD, "0.25"),
        (100_000_000 * USD, "100"),
    ],
)
def test_a_unit_is_shown_with_all_its_places(rate: int, text: str) -> None:
    assert per_unit_usd(rate) == text


def test_an_id_that_stands_for_another_event_names_what_it_stands_for() -> None:
    error = DuplicateEvent("e-1", "c_01", "settled", "ok", METER, "reads", 1_200, 5)
    assert (error.status, error.code, error.may_retry) == (409, "duplicate_event", False)
    said = words(error)
    assert said.sentence == ("event `e-1` was recorded as call `c_01`, 1,200 of `meter/reads`")
    assert said.hint == "another event needs another id; none of this request was recorded"
