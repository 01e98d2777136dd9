"""What a budget's terms were at a time: from its revisions, its boosts and its grants.

Where the history does not reach back, nothing is claimed of that time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

BEFORE_ALL = -(1 << 62)
AFTER_ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class Era:
    """Terms from one change to the next. Times in UTC microseconds."""

    from_us: int
    until_us: int
    limit_nanousd: int
    mode: str

    def overlaps(self, since_us: int, until_us: int) -> bool:
        """Whether they were in force at some moment of this span."""
        return self.from_us <= until_us and since_us < self.until_us


@dataclass(frozen=True, slots=True)
class Money:
    """One boost of a budget, or one grant of a prepaid one."""

    id: str
    is_boost: bool
    amount_nanousd: int
    created_at: int
    ended_at: int
    """When it expired or was voided; far away where it has not."""
    balance_nanousd: int
    held_nanousd: int
    doubt_nanousd: int
    drawn_nanousd: int

    @property
    def remaining(self) -> int:
        """What is neither held, nor in doubt, nor drawn."""
        return self.amount_nanousd - self.held_nanousd - self.doubt_nanousd - self.drawn_nanousd


@dataclass(frozen=True, slots=True)
class History:
    """A budget through time."""

    id: str
    period: str
    zone: str
    is_prepaid: bool
    rules: tuple[str, ...]
    created_at: int
    removed_at: int | None
    limit_nanousd: int
    eras: tuple[Era, ...]
    known_from: int
    """Before this moment the terms are not known."""
    money: tuple[Money, ...]

    def was_strict(self, since_us: int, until_us: int) -> bool:
        """Whether it is known to have been strict all the time."""
        return since_us >= self.known_from and all(
            era.mode == "strict" for era in self.eras if era.overlaps(since_us, until_us)
        )

    def limit_most(self, since_us: int, until_us: int) -> int:
        """The highest limit of that time; of a prepaid budget all that was ever granted."""
        if self.is_prepaid:
            return sum(one.amount_nanousd for one in self.money)
        limits = [era.limit_nanousd for era in self.eras if era.overlaps(since_us, until_us)]
        boosts = (
            one.amount_nanousd
            for one in self.money
            if one.created_at <= until_us and since_us < one.ended_at
        )
        return max(limits, default=0) + sum(boosts)

    @property
    def limit_least(self) -> int:
        """The lowest limit that it ever had."""
        if self.is_prepaid:
            return min((one.amount_nanousd for one in self.money), default=0)
        return min((era.limit_nanousd for era in self.eras), default=0)


_BUDGETS = (
    "SELECT id, period, zone, is_prepaid, rules, created_at, removed_at, limit_nanousd, mode,"
    " revision FROM budgets"
)
_REVISIONS = (
    "SELECT id, revision, at, json_extract(content, '$.limit_nanousd'),"
    " json_extract(content, '$.mode') FROM revisions WHERE object = 'budget' ORDER BY id, revision"
)
_MONEY = (
    "SELECT budget_id, id, kind = 'boost', amount_nanousd, created_at,"
    f" min(coalesce(expires_at, {AFTER_ALL}), coalesce(voided_at, {AFTER_ALL})), balance_nanousd,"
    " held_nanousd, doubt_nanousd, drawn_nanousd FROM grants ORDER BY created_at, id"
)


def histories(connection: sqlite3.Connection) -> dict[str, History]:
    """Every budget that ever was, by id."""
    revisions: dict[str, list[tuple[int, int, int, str]]] = {}
    for id, *revision in connection.execute(_REVISIONS):
        revisions.setdefault(id, []).append(tuple(revision))
    money: dict[str, list[Money]] = {}
    for id, *columns in connection.execute(_MONEY):
        money.setdefault(id, []).append(Money(*columns))
    found = {}
    for row in connection.execute(_BUDGETS):
        id, period, zone, is_prepaid, rules, created_at, removed_at, limit, mode, number = row
        told = revisions.get(id, [])
        known_from = BEFORE_ALL
        if told and told[0][0] > 1:
            known_from = told[0][1]
        elif (told[-1][0] if told else 1) < number:
            known_from = AFTER_ALL
        found[id] = History(
            id,
            period,
            zone,
            bool(is_prepaid),
            tuple(json.loads(rules)),
            created_at,
            removed_at,
            limit,
            tuple(_eras(told, limit, mode)),
            known_from,
            tuple(money.get(id, ())),
        )
    return found


def _eras(told: list[tuple[int, int, int, str]], limit: int, mode: str) -> Iterator[Era]:
    """The terms of each revision until the next; the row itself is in force now."""
    begun = [(at, limit, mode) for _, at, limit, mode in told]
    begun = [(BEFORE_ALL, *begun[0][1:]), *begun[1:]] if begun else []
    begun.append((begun[-1][0] if begun else BEFORE_ALL, limit, mode))
    for (at, was_limit, was_mode), (until, *_) in pairwise([*begun, (AFTER_ALL, 0, "")]):
        # A clock that was set back between two changes: both ends belong to it.
        if at != until:
            yield Era(min(at, until), max(at, until), was_limit, was_mode)
