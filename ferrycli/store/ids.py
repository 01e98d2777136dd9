"""Ids: time-ordered 128-bit values (UUIDv7), shown as `c_…`, `key_…` in Crockford base32.

A call's row key `seq` is made of its id (time, then chance), so that a table ordered by `seq` is
ordered by time and the prefix of an id is a range of it. Source: RFC 9562, section 5.7, method 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(one + other for one in ALPHABET for other in ALPHABET)
"""What ten bits are written as."""
TEXT_LENGTH = 26
CHANCE_BITS = 62
CHANCE_AT_BITS = CHANCE_BITS + 12
"""Of an id that a moment is given to."""
SEQ_MAX = (1 << 63) - 1
SEQ_PREFIX_LENGTH = 15
"""Characters of an id that its row key tells whole."""
_READ_AS = str.maketrans("ILOU", "110V")
"""Crockford's reading of letters that are easily mistaken; U is no letter of the alphabet."""


class NewId(NamedTuple):
    """A fresh id: its number, and its time in UTC microseconds."""

    number: int
    at_us: int

    def text(self, prefix: str) -> str:
        """As it is shown: `c_01JD8Z4M2R…`."""
        return f"{prefix}_{encode(self.number)}"

    @property
    def seq(self) -> int:
        """The row key of a call with this id."""
        return seq_of(self.number)


class IdMaker:
    """Makes ids that never go back, even where the clock does. Not for use by several threads."""

    def __init__(self, now_us: Callable[[], int], chance: Callable[[int], int]) -> None:
        """`now_us`: UTC microseconds. `chance(bits)`: a random number of so many bits."""
        self._now_us = now_us
        self._chance = chance
        self._last = 0

    def make(self) -> NewId:
        """A new id, later than every earlier one of this maker."""
        milliseconds, rest_us = divmod(self._now_us(), 1000)
        # Milliseconds, and 4096ths of one: the 60 bits that order ids.
        tick = (milliseconds << 12) | ((rest_us << 12) // 1000)
        if tick <= self._last:
            tick = self._last + 1
        self._last = tick
        return NewId(compose(tick, self._chance(CHANCE_BITS)), tick_us(tick))


def id_at(at_us: int, chance: int) -> NewId:
    """An id for a moment that may be past: of its millisecond, and otherwise of chance.

    `chance`: `CHANCE_AT_BITS` random bits.
    """
    fraction, rest = divmod(chance, 1 << CHANCE_BITS)
    return NewId(compose(at_us // 1000 << 12 | fraction, rest), at_us)


def compose(tick: int, chance: int) -> int:
    """The UUIDv7 of a tick (milliseconds << 12 | 4096ths) and 62 random bits."""
    return (tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 2 << 62 | chance


def tick_us(tick: int) -> int:
    """UTC microseconds of a tick."""
    return (tick >> 12) * 1000 + ((tick & 0xFFF) * 1000 >> 12)


def seq_of(number: int) -> int:
    """The row key: 42 bits of milliseconds, 12 of 4096ths, 9 of chance."""
    milliseconds, fraction = number >> 80, number >> 64 & 0xFFF
    return milliseconds << 21 | fraction << 9 | number >> 53 & 0x1FF


def seq_us(seq: int) -> int:
    """UTC microseconds at which the call with this row key began."""
    return tick_us(seq >> 9)


def seq_prefix(seq: int) -> str:
    """The beginning of the id of the call with this row key, as far as the key tells it."""
    number = compose(seq >> 9, (seq & 0x1FF) << CHANCE_BITS - 9)
    return f"c_{encode(number)[:SEQ_PREFIX_LENGTH]}"


def seq_at(moment_us: int) -> int:
    """The least row key of calls that began at `moment_us` or later, bounded to 63 bits."""
    milliseconds, rest_us = divmod(max(moment_us, 0), 1000)
    fraction = -(-(rest_us << 12) // 1000)
    return min((milliseconds << 21) + (fraction << 9), SEQ_MAX)


def encode(number: int) -> str:
    """26 characters of Crockford base32."""
    # Two characters at a time, and each half of the bits by itself: shifts cost by their length.
    pairs, high, low = _PAIRS, number >> 60, number & 0xFFF_FFFF_FFFF_FFFF
    return (
        f"{pairs[high >> 60]}{pairs[high >> 50 & 1023]}{pairs[high >> 40 & 1023]}"
        f"{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}"
        f"{pairs[high & 1023]}{pairs[low >> 50]}{pairs[low >> 40 & 1023]}{pairs[low >> 30 & 1023]}"
        f"{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def decode(text: str) -> int | None:
    """The number of up to 26 characters, read as the beginning of an id; None if it is none."""
    number = 0
    for letter in text.upper().translate(_READ_AS):
        digit = ALPHABET.find(letter)
        if digit < 0:
            return None
        number = number << 5 | digit
    return number


def prefix_range(text: str) -> tuple[int, int] | None:
    """First and last row key of calls whose shown id begins with `text` (`c_` may be left out).

    None where `text` is no beginning of an id.
    """
    plain = text.strip().removeprefix("c_")
    if not 1 <= len(plain) <= TEXT_LENGTH or (number := decode(plain)) is None:
        return None
    rest = 5 * (TEXT_LENGTH - len(plain))
    low, high = number << rest, (number + 1 << rest) - 1
    if low >> 122:
        return None
    return seq_of(low), seq_of(min(high, (1 << 122) - 1))
