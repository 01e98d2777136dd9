"""Events: costs that are no model calls, such as vector reads; their prices, and when they count.

A meter is priced under `meter/NAME`: the rate of its units stands where a model's rate of input
does. Pure. Source: docs/events.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from ferrycli.rules.denials import BadParameter, Refusal
from ferrycli.rules.money import NANO_PER_USD, UNITS_PER_RATE, usd
from ferrycli.rules.pricing import Cost, Override, ceil_cost
from ferrycli.rules.windows import MICROSECONDS

METER = "meter"
"""What stands for a provider on the row of an event and in its price; and its bucket."""
ENDPOINT = "/ferry/v1/events"
LATE_US_MAX = 48 * 3_600 * MICROSECONDS
"""An event counts for when it occurred if that is no longer ago."""
COST_NANOUSD_MAX = 1_000_000 * NANO_PER_USD
"""The most that one event may come to: more is a unit taken for another."""


@dataclass(eq=False, repr=False, match_args=False)
class DuplicateEvent(Refusal):
    """An event whose id stands for another of its key: the fields are the first one's receipt."""

    status = 409
    code = "duplicate_event"
    may_retry = False
    event: str
    """Its id, of the caller's own."""
    call: str
    state: str
    outcome: str
    provider: str
    model: str
    """The meter."""
    quantity: int
    cost_nanousd: int | None
    """None: unpriced."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What an event came to, and how that is known."""

    cost: Cost | None
    """None: unpriced."""
    source: str
    """`provider` where the event says itself what it cost; `reported`, `unpriced`."""
    rate_nanousd: int | None = None
    """Per million units; None where the cost is not made of it."""
    price_version: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one event."""

    event: str
    call: str
    """The id of its row: `c_…`."""
    meter: str
    quantity: int
    cost_nanousd: int | None
    """None: unpriced."""
    cost_source: str
    counted_us: int
    """The moment whose windows and whose day it counts in."""
    is_duplicate: bool
    """Whether it was recorded before."""


def counted_us(occurred_us: int | None, now_us: int) -> int:
    """The moment that an event counts for; now, where it is said to be older or to come."""
    if occurred_us is None or not now_us - LATE_US_MAX <= occurred_us <= now_us:
        return now_us
    return occurred_us


def meter_prices(overrides: Iterable[Override]) -> tuple[Override, ...]:
    """Those of `overrides` that price meters, in their order."""
    return tuple(one for one in overrides if one.provider == METER)


def price_at(meter: str, prices: Iterable[Override], at_us: int) -> Override | None:
    """The price of `meter` at `at_us`; None: it has none. `prices`: the latest first."""
    for one in prices:
        if one.from_us <= at_us and fnmatchcase(meter, one.model_glob):
            return one
    return None


def per_unit_usd(rate_nanousd: int) -> str:
    """The dollars of one unit, all their places: `0.0000004`, of a rate per million."""
    amount = Decimal(rate_nanousd) / (NANO_PER_USD * UNITS_PER_RATE)
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def charge(
    meter: str, quantity: int, stated_nanousd: int | None, prices: Iterable[Override], at_us: int
) -> Charge:
    """What `quantity` units of `meter` come to at `at_us`; what the event states comes first.

    `prices`: the latest first. Raises `BadParameter` for more than `COST_NANOUSD_MAX`.
    """
    if stated_nanousd is not None:
        return Charge(_cost(stated_nanousd, "cost_usd"), "provider")
    price = price_at(meter, prices, at_us)
    if price is None or price.rate.input is None:
        return Charge(None, "unpriced")
    cost = _cost(ceil_cost(quantity, price.rate.input), "quantity")
    return Charge(cost, "reported", price.rate.input, f"override {price.id}")


def _cost(amount: int, field: str) -> Cost:
    if amount > COST_NANOUSD_MAX:
        wanted = f"what comes to {usd(COST_NANOUSD_MAX)} at the most, for one event"
        raise BadParameter(field, "out of range", wanted)
    return Cost(((METER, amount),))
