"""What a check of the database found: its claim, over how many things, and what does not hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

FAULTS_MAX = 100
"""A damaged file may break a check once for every row: so many are told."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it should be."""

    subject: str
    """`file`, a table and its row, or `window` with budget, subject and start."""
    what: str
    """The column, or the kind of damage."""
    is_now: int | None = None
    should_be: int | None = None
    """Nano-dollars for amounts; None for what is no amount."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it claims, over how many things, and where that does not hold."""

    name: str
    claim: str
    count: int
    faults: tuple[Fault, ...]


def check(name: str, claim: str, count: int, faults: Iterable[Fault]) -> Check:
    """A check with the first `FAULTS_MAX` of its faults; no more are looked for."""
    return Check(name, claim, count, tuple(islice(faults, FAULTS_MAX)))


def window_name(budget_id: str, subject: str, start: int) -> str:
    """A window as faults name it."""
    return " ".join(str(part) for part in ("window", budget_id, subject, start) if part != "")
