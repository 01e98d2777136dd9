"""Amounts as arithmetic: what a test expects is written as dollars a million times tokens.

Nothing here calls ferry, so that a wrong product is not expected by the test that should find it.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

NANO = 1_000_000_000


def dollars(text: str) -> int:
    """`0.25` in nano-dollars; an amount that is no whole number of them is a mistake."""
    amount = Fraction(text) * NANO
    assert amount.denominator == 1, text
    return int(amount)


def mtok(usd_per_mtok: str, tokens: int) -> int:
    """One line: `tokens` at that many dollars a million, rounded up to a nano-dollar."""
    return ceil(Fraction(usd_per_mtok) * NANO * tokens / 1_000_000)


def exact(usd_per_mtok: str, tokens: int) -> Fraction:
    """The same line in nano-dollars, before any rounding."""
    return Fraction(usd_per_mtok) * NANO * tokens / 1_000_000
