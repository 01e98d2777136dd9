"""Money as whole nano-dollars: parsing what people write, and writing it back.

1 USD is 1,000,000,000 nano-dollars. No float takes part: text becomes `Decimal`, then `int`.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation, Overflow

from ferrycli.rules.errors import BadAmount

NANO_PER_USD = 1_000_000_000
UNITS_PER_RATE = 1_000_000
AMOUNT_USD_MAX = 1_000_000_000

_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_UP = Context(rounding=ROUND_CEILING)


def parse_usd(text: str, times: int = 1) -> int:
    """Nano-dollars of an amount as people write it: `50`, `$0.25`, `1,000.50`; so many `times`.

    Rounds up below a nano-dollar. Raises `BadAmount` for what is no finite, non-negative amount
    that comes to at most a billion dollars.
    """
    plain = text.strip().removeprefix("$").replace("_", "")
    # A comma only where it parts thousands: `0,50` is somebody's half dollar, not fifty.
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        amount = _UP.multiply(Decimal(plain), times)
    except (InvalidOperation, Overflow):
        raise BadAmount(text) from None
    if not amount.is_finite() or amount < 0 or amount > AMOUNT_USD_MAX:
        raise BadAmount(text)
    return nanousd(amount)


def nanousd(amount_usd: Decimal) -> int:
    """`amount_usd` in nano-dollars, rounded up."""
    # In a context that rounds up: a product of more than 28 digits is rounded before the ceiling.
    return int(_UP.multiply(amount_usd, NANO_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def usd(amount_nanousd: int) -> str:
    """An amount as a person reads it: `$50.00`, `-$1.20`, and more places where cents say 0.

    Amounts under a cent keep two significant digits (`$0.00042`), so that a cheap call never
    reads as free.
    """
    sign = "-" if amount_nanousd < 0 else ""
    return f"{sign}${usd_plain(abs(amount_nanousd))}"


def usd_plain(amount_nanousd: int) -> str:
    """As `usd`, without the dollar sign."""
    amount = Decimal(amount_nanousd) / NANO_PER_USD
    if amount_nanousd == 0 or abs(amount) >= Decimal("0.01"):
        return f"{amount:,.2f}"
    places = -amount.adjusted() + 1
    return f"{amount:,.{places}f}"


def usd_full(amount_nanousd: int) -> str:
    """As `usd`, with every place that the amount has: `$0.50`, `$0.0725`, `$1,234.50`."""
    whole, _, places = usd_exact(abs(amount_nanousd)).partition(".")
    sign = "-" if amount_nanousd < 0 else ""
    return f"{sign}${int(whole):,}.{places:0<2}"


def usd_exact(amount_nanousd: int) -> str:
    """All nine places without trailing zeros: `0.000225`, for machines and for headers."""
    whole, part = divmod(abs(amount_nanousd), NANO_PER_USD)
    sign = "-" if amount_nanousd < 0 else ""
    digits = f"{part:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
