"""Parts of sentences: quoted values, choices, amounts, moments.

Pure. Foreign text is cleaned and bounded before it is shown, so that a sentence can go to a
terminal or into a reply as it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from difflib import get_close_matches
from typing import Any, TypeVar

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import FerryError
from ferrycli.rules.money import NANO_PER_USD, usd, usd_exact, usd_full
from ferrycli.rules.windows import ROLLING, from_us, is_rolling

VALUE_LENGTH_MAX = 80
PATH_LENGTH_MAX = 400
LISTED_MAX = 12
PICTURE_WIDTH = 72
NEAREST_CUTOFFS = (0.75, 0.5)
"""Names much alike are offered alone; where there are none, those somewhat alike."""

PERIOD_PHRASES = {
    "day": "today",
    "week": "this week",
    "month": "this month",
    "total": "in total",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What an error says to a person."""

    sentence: str
    """Lower case, no full stop."""
    hint: str = ""
    """What mends it; empty where nothing that can be named does."""
    picture: tuple[str, ...] = ()
    """Lines that show the place, for a terminal; they line up as they are."""


_Writer = TypeVar("_Writer", bound=Callable[[Any], Words])


class Writers(dict[type[FerryError], Callable[[Any], Words]]):
    """Class of an error to what writes its words; filled once, by decorated functions."""

    def of(self, kind: type[FerryError]) -> Callable[[_Writer], _Writer]:
        """Register the decorated function for `kind`."""

        def register(writer: _Writer) -> _Writer:
            self[kind] = writer
            return writer

        return register


def ticked(value: object, length_max: int = VALUE_LENGTH_MAX) -> str:
    """`value` in backticks, fit to be shown: cleaned, its middle left out where it is long."""
    text = safe(str(value), length_max * 4).replace("`", "'")
    return f"`{shortened(text, length_max)}`"


def path_ticked(path: object) -> str:
    """A path in backticks, whole as far as paths go: it is to be copied."""
    return ticked(path, PATH_LENGTH_MAX)


def shortened(text: str, length_max: int) -> str:
    """`text` in at most `length_max` characters; a long one loses its middle."""
    if len(text) <= length_max:
        return text
    head = (length_max - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length_max - 1 - head) :]}"


def plain(text: str) -> str:
    """Another program's message as part of a sentence: one line, lower first letter, no stop."""
    cleaned = safe(" ".join(text.split()), VALUE_LENGTH_MAX * 4).rstrip(".")
    is_word = len(cleaned) > 1 and cleaned[1].islower()
    return cleaned[0].lower() + cleaned[1:] if is_word else cleaned


def listed(values: Iterable[str], last: str = "or") -> str:
    """`a`, `b` or `c`; at most `LISTED_MAX` of them."""
    every = [ticked(value) for value in values]
    if len(every) > LISTED_MAX:
        return f"{', '.join(every[:LISTED_MAX])} and {len(every) - LISTED_MAX} more"
    if len(every) > 1:
        return f"{', '.join(every[:-1])} {last} {every[-1]}"
    return "".join(every)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of `known` that are written like `name`, the most alike first."""
    by_lower = {one.lower(): one for one in known}
    for cutoff in NEAREST_CUTOFFS:
        if near := get_close_matches(name.lower(), by_lower, 3, cutoff):
            return [by_lower[one] for one in near]
    return []


def choice(name: str, known: Iterable[str]) -> str:
    """What was probably meant by `name`, or all that could have been."""
    every = tuple(known)
    if near := nearest(name, every):
        return f"did you mean {listed(near)}?"
    return f"it is one of {listed(every)}" if every else ""


def pointed(text: str, at: int) -> tuple[str, str]:
    """The part of `text` around its character `at`, and a caret below that character."""
    letters = [_visible(letter) for letter in text]
    cells = [_cells(letter) for letter in letters]
    first, last = 0, len(text)
    before, beyond = sum(cells[:at]), sum(cells) - PICTURE_WIDTH
    while beyond > 0:
        if before > PICTURE_WIDTH * 2 // 3 or last <= at + 1:
            beyond -= cells[first]
            before -= cells[first]
            first += 1
        else:
            last -= 1
            beyond -= cells[last]
    lead, tail = "…" if first else "", "…" if last < len(text) else ""
    return f"{lead}{''.join(letters[first:last])}{tail}", " " * (before + len(lead)) + "^"


def _visible(letter: str) -> str:
    """A letter that takes its place and does nothing else; `?` for one that would."""
    return letter if letter == " " or safe(letter, 1) == letter else "?"


def _cells(letter: str) -> int:
    """Cells of a terminal that a letter takes; an accent of its own stands on the one before."""
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def period_phrase(period: str) -> str:
    """When a period is, in a sentence: `this month`, `in the last 7 days`."""
    if not is_rolling(period):
        return PERIOD_PHRASES.get(period, f"per {plain(period)}")
    span = period.removeprefix(ROLLING)
    amount, unit = plain(span[:-1]), "day" if span.endswith("d") else "hour"
    return f"in the last {unit}" if amount == "1" else f"in the last {amount} {unit}s"


def moment(at_us: int) -> str:
    """UTC microseconds as `2026-12-01 00:00 UTC`."""
    return f"{from_us(at_us):%Y-%m-%d %H:%M} UTC"


def apart(amount_nanousd: int, other_nanousd: int) -> str:
    """`amount_nanousd` in words; exact where rounding would make it read like the other one."""
    text = usd(amount_nanousd)
    if text != usd(other_nanousd) or amount_nanousd == other_nanousd:
        return text
    return usd_full(amount_nanousd)


def next_limit(limit_nanousd: int, least_nanousd: int) -> str:
    """A round limit in dollars, half as much again and at least `least_nanousd`: 50 gives 80."""
    wanted = Decimal(max(limit_nanousd * 3 // 2, least_nanousd, 1)) / NANO_PER_USD
    step = Decimal(1).scaleb(wanted.adjusted())
    rounded = (wanted / step).to_integral_value(ROUND_CEILING) * step
    return usd_exact(int(rounded * NANO_PER_USD))


def argument(name: str) -> str:
    """A name as an argument of a command in a hint, quoted where a shell would split it."""
    cleaned = ticked(name)[1:-1]
    return cleaned if all(c.isalnum() or c in "-_./:" for c in cleaned) else f"'{cleaned}'"
