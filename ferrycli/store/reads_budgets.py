"""Reads of budgets: each with its terms, what every current window of it holds, and its grants.

Through a read-only connection and the database driver alone, as `store/reads.py`. A standing is
what admission sees: a rolling window is the sum of its buckets, boosts raise a limit, and the limit
of a prepaid budget is what was granted, less what expired or was voided unused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ferrycli.rules.errors import BudgetAmbiguous, NoSuchBudget
from ferrycli.rules.selectors import ANY, Selector, subject_values
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.windows import (
    first_bucket,
    is_rolling,
    is_zoneless,
    window_end,
    window_start,
)
from ferrycli.store.terms import TERMS, pairs_text, terms_of

ALERTS_READ_MAX = 200


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A top-up of a prepaid budget, or a boost of another. Times in UTC microseconds."""

    id: str
    kind: str
    external_id: str
    amount_nanousd: int
    note: str
    created_at: int
    expires_at: int | None
    voided_at: int | None
    balance_nanousd: int
    held_nanousd: int
    doubt_nanousd: int
    drawn_nanousd: int

    @property
    def remaining_nanousd(self) -> int:
        """What it still carries, whether or not it has expired."""
        return self.amount_nanousd - self.held_nanousd - self.doubt_nanousd - self.drawn_nanousd

    def is_usable(self, now_us: int) -> bool:
        """Whether it counts at `now_us`."""
        return self.voided_at is None and (self.expires_at is None or now_us < self.expires_at)


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """A budget as it stands."""

    terms: Terms
    key_id: str
    """The key whose own budget it is, or empty."""
    created_at: int
    revision: int
    standings: tuple[Standing, ...]
    """Of every subject with a window now, the fullest first; without `*` always one."""
    grants: tuple[GrantRow, ...]

    @property
    def selector(self) -> Selector:
        """Whom it is about, with the key's id."""
        return Selector(self.terms.subject)

    @property
    def fullest(self) -> Standing | None:
        """The standing with the highest percentage; None for a `*` of which nothing was seen."""
        return self.standings[0] if self.standings else None


_GRANTS = (
    "SELECT id, kind, external_id, amount_nanousd, note, created_at, expires_at, voided_at,"
    " balance_nanousd, held_nanousd, doubt_nanousd, drawn_nanousd FROM grants"
    " WHERE budget_id = ? ORDER BY expires_at IS NULL, expires_at, created_at, id"
)
_WINDOW = (
    "SELECT coalesce(sum(spent_nanousd), 0), coalesce(sum(held_nanousd), 0),"
    " coalesce(sum(doubt_nanousd), 0) FROM windows"
    " WHERE budget_id = ? AND subject = ? AND start BETWEEN ? AND ?"
)
_AFTER_ALL = (1 << 63) - 1
"""A clock that was set back leaves buckets of later times, and they count."""
_WINDOWS = (
    "SELECT subject, sum(spent_nanousd), sum(held_nanousd), sum(doubt_nanousd) FROM windows"
    " WHERE budget_id = ? AND start >= ? AND start < ? GROUP BY subject"
)


def budgets(
    connection: sqlite3.Connection,
    now_us: int,
    subject: str | None = None,
    *,
    has_windows: bool = True,
) -> list[BudgetFacts]:
    """Every budget in force at `now_us`, the oldest first.

    `subject`: only those of these pairs, as the column holds them. `has_windows`: with standings,
    of which there may be very many.
    """
    query = f"SELECT {TERMS}, key_id, created_at, revision FROM budgets WHERE removed_at IS NULL"
    query += "" if subject is None else " AND subject = ?"
    rows = connection.execute(
        f"{query} ORDER BY created_at, id", () if subject is None else (subject,)
    ).fetchall()
    return [_facts(connection, tuple(row), now_us, has_windows=has_windows) for row in rows]


def of_selector(
    connection: sqlite3.Connection, selector: Selector, now_us: int, *, has_windows: bool = True
) -> list[BudgetFacts]:
    """Every budget of exactly these pairs, with a key's id."""
    subject = pairs_text(selector.pairs)
    return budgets(connection, now_us, subject, has_windows=has_windows)


def of_key(connection: sqlite3.Connection, key_id: str, now_us: int) -> list[BudgetFacts]:
    """A key's own budgets."""
    return of_selector(connection, Selector((("key", key_id),)), now_us)


def about(connection: sqlite3.Connection, selector: Selector, now_us: int) -> list[BudgetFacts]:
    """Budgets of exactly these pairs; or else the one window that they name of a `*`."""
    found = of_selector(connection, selector, now_us)
    if found:
        return found
    facts, dimensions = dict(selector.pairs), [name for name, _ in selector.pairs]
    for one in budgets(connection, now_us):
        subject = one.selector.subject(facts)
        if subject and [name for name, _ in one.terms.subject] == dimensions:
            standings = tuple(each for each in one.standings if each.subject == subject)
            none_yet = Standing(one.terms, *window_at(one.terms, now_us), subject=subject)
            found.append(replace(one, standings=standings or (none_yet,)))
    return found


def around(connection: sqlite3.Connection, selector: Selector, now_us: int) -> list[BudgetFacts]:
    """Budgets that name more than these pairs, each with the windows of the values named here.

    `thread=th_1` is one window of `assistant=bot,thread=*`. Only what was seen is given.
    """
    wanted = dict(selector.pairs)
    found = []
    for one in budgets(connection, now_us):
        pairs = dict(one.terms.subject)
        stars = [name for name, value in pairs.items() if value == ANY]
        if not wanted.keys() <= pairs.keys() or not wanted.keys() & set(stars):
            continue
        if any(pairs[name] not in (ANY, value) for name, value in wanted.items()):
            continue
        standings = tuple(
            each
            for each in one.standings
            for values in [dict(zip(stars, subject_values(each.subject), strict=True))]
            if wanted.items() <= (pairs | values).items()
        )
        if standings:
            found.append(replace(one, standings=standings))
    return found


def selectors(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The selectors of all budgets in force, as they are written."""
    query = "SELECT DISTINCT selector FROM budgets WHERE removed_at IS NULL ORDER BY selector"
    return tuple(row[0] for row in connection.execute(query))


def exhausted(
    connection: sqlite3.Connection, found: Sequence[BudgetFacts]
) -> frozenset[tuple[str, str]]:
    """Budget and subject of windows that were told to be at 100 %, though less may be spent."""
    places = set()
    for one in found:
        for standing in one.standings:
            values = (*standing.place, standing.told_start_us, standing.base)
            if connection.execute(_EXHAUSTED, values).fetchone():
                places.add(standing.place)
    return frozenset(places)


_EXHAUSTED = (
    "SELECT 1 FROM alerts WHERE kind = 'budget' AND budget_id = ? AND subject = ?"
    " AND window_start = ? AND threshold = 100 AND limit_nanousd = ?"
)


def one_of(
    found: Sequence[BudgetFacts], selector: Selector, period: str = "", zone: str = ""
) -> BudgetFacts:
    """The one that is meant. Raises `NoSuchBudget` or `BudgetAmbiguous`."""
    named = [one for one in found if is_meant(one.terms, period, zone)]
    if not named:
        # Only where a zone was named does it matter which ones there are.
        zones = [f" {one.terms.zone}" if zone and has_zone(one.terms) else "" for one in found]
        known = (f"{period_named(one.terms)}{of}" for one, of in zip(found, zones, strict=True))
        asked = (period, zone) if found else ("", "")
        raise NoSuchBudget(str(selector), asked[0], tuple(known), asked[1])
    if len(named) > 1:
        raise ambiguous(named[0].terms.selector, named)
    return named[0]


def is_meant(terms: Terms, period: str = "", zone: str = "") -> bool:
    """Whether a budget has the period and the zone that are named; empty: any.

    A zone alone names none whose windows no zone moves.
    """
    if period and period_named(terms) != period:
        return False
    return not zone or (terms.zone == zone if has_zone(terms) else bool(period))


def ambiguous(selector: str, found: Sequence[BudgetFacts]) -> BudgetAmbiguous:
    """That one of these must be named."""
    zones = (one.terms.zone if has_zone(one.terms) else "" for one in found)
    periods = (period_named(one.terms) for one in found)
    return BudgetAmbiguous(selector, tuple(periods), tuple(zones))


def has_zone(terms: Terms) -> bool:
    """Whether its windows begin at the days of a zone."""
    return not terms.is_prepaid and not is_zoneless(terms.period)


def period_named(terms: Terms) -> str:
    """How a budget is told from another of its selector: its period, or `balance`."""
    return "balance" if terms.is_prepaid else terms.period


def _facts(
    connection: sqlite3.Connection, row: tuple[Any, ...], now_us: int, *, has_windows: bool
) -> BudgetFacts:
    *named, key_id, created_at, revision = row
    terms = terms_of(named)
    grants = grants_of(connection, terms.id)
    found = BudgetFacts(terms, key_id, created_at, revision, (), grants)
    return with_standings(connection, found, now_us) if has_windows else found


def with_standings(connection: sqlite3.Connection, of: BudgetFacts, now_us: int) -> BudgetFacts:
    """A budget with what its windows hold now."""
    standings = sorted(
        _standings(connection, of.terms, of.grants, now_us),
        key=lambda one: (-(one.used * 100 // max(one.base, 1)), -one.spent, one.subject),
    )
    return replace(of, standings=tuple(standings))


def _standings(
    connection: sqlite3.Connection, terms: Terms, grants: Sequence[GrantRow], now_us: int
) -> Iterator[Standing]:
    start, end = window_at(terms, now_us)
    first = first_bucket(terms.period, now_us) if is_rolling(terms.period) else start
    last = now_us + 1 if is_rolling(terms.period) else start + 1
    rows = connection.execute(_WINDOWS, (terms.id, first, last)).fetchall()
    if not rows and not Selector(terms.subject).is_each:
        rows = [("", 0, 0, 0)]
    for subject, spent, held, doubt in rows:
        yield standing_of(terms, grants, (start, end), (spent, held, doubt), subject, now_us)


def grants_of(connection: sqlite3.Connection, budget_id: str) -> tuple[GrantRow, ...]:
    """The grants and boosts of a budget, in the order in which they are drawn."""
    return tuple(GrantRow(*row) for row in connection.execute(_GRANTS, (budget_id,)))


def standing_in(
    connection: sqlite3.Connection,
    terms: Terms,
    window: tuple[int, int | None],
    subject: str,
    now_us: int,
) -> Standing:
    """The standing of one window for one subject; of a rolling budget, of the span up to now."""
    first = last = window[0]
    if is_rolling(terms.period):
        first, last = first_bucket(terms.period, now_us), _AFTER_ALL
    amounts = connection.execute(_WINDOW, (terms.id, subject, first, last)).fetchone()
    grants = grants_of(connection, terms.id)
    return standing_of(terms, grants, window, tuple(amounts), subject, now_us)


def window_at(terms: Terms, now_us: int) -> tuple[int, int | None]:
    """Start and end of the window that holds `now_us`; of a rolling period its bucket."""
    zone: tzinfo = ZoneInfo(terms.zone)
    start = window_start(terms.period, zone, now_us)
    return start, window_end(terms.period, zone, start)


def standing_of(
    terms: Terms,
    grants: Sequence[GrantRow],
    window: tuple[int, int | None],
    amounts: tuple[int, int, int],
    subject: str,
    now_us: int,
) -> Standing:
    """One standing, with what grants and boosts add."""
    if not terms.is_prepaid:
        extra = sum(one.amount_nanousd for one in boosts(grants, now_us))
        return Standing(terms, *window, *amounts, subject, extra)
    gone = sum(one.remaining_nanousd for one in grants if not one.is_usable(now_us))
    latest = max(grants, key=lambda one: (one.created_at, one.id), default=None)
    return Standing(
        terms,
        *window,
        *amounts,
        subject,
        sum(one.amount_nanousd for one in grants) - gone,
        latest.balance_nanousd if latest else 0,
        latest.created_at if latest else 0,
    )


def boosts(grants: Sequence[GrantRow], now_us: int) -> list[GrantRow]:
    """Boosts that count at `now_us`."""
    return [
        one
        for one in grants
        if one.kind == "boost" and one.created_at <= now_us and one.is_usable(now_us)
    ]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A notice of a budget, and whether somebody got it."""

    subject: str
    window_start: int
    threshold: int
    limit_nanousd: int
    action: str
    spent_nanousd: int
    """Of a balance what is used of it, expired or spent."""
    created_at: int
    state: str
    told_at: int | None
    channels: str
    """Channels that it went to or waits for, with commas."""


def alerts_of(
    connection: sqlite3.Connection, budget_id: str, subject: str | None = None
) -> list[AlertRow]:
    """The notices of one budget, the latest first. `subject`: of this one alone."""
    rows = connection.execute(
        "SELECT subject, window_start, threshold, limit_nanousd, action, spent_nanousd,"
        " created_at, state, told_at, coalesce((SELECT group_concat(DISTINCT channel)"
        " FROM deliveries WHERE alert_id = alerts.id), '') FROM alerts"
        " WHERE kind = 'budget' AND budget_id = ?1 AND (?2 IS NULL OR subject = ?2)"
        " ORDER BY created_at DESC, threshold DESC, spent_nanousd DESC LIMIT ?3",
        (budget_id, subject, ALERTS_READ_MAX),
    )
    return [AlertRow(*row) for row in rows]


def key_names(connection: sqlite3.Connection) -> dict[str, str]:
    """Names of keys by id: windows of `key=*` hold ids."""
    return dict(map(tuple, connection.execute("SELECT id, name FROM keys")))
