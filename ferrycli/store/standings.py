"""The standing of every budget that a call counts in, at the moment of a batch.

A window is found by the budget's period and the clock, never by a job that resets it; a rolling
one is the sum of its buckets; boosts and grants are added here. Invariant: there is one standing of
each window of now, and it says what the batch has made of it so far. Source: docs/money.md,
section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ferrycli.rules.selectors import Facts
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.windows import (
    bucket_us,
    first_bucket,
    is_rolling,
    span_us,
    window_end,
    window_start,
)
from ferrycli.store.books import Books, GrantTerms
from ferrycli.store.till import Cell, Change, Place, place_text, windows_text

Matching = tuple[tuple[Terms, str], ...]
"""Budgets, each with the subject of its window."""
Period = Callable[[Terms, int], tuple[int, int | None]]
"""Start and end of the window of a budget that holds a moment."""


KEPT_MAX = 20_000
"""Standings, and windows that they are of, that last from batch to batch."""
_NEVER = 1 << 63


class Periods:
    """Windows by their budget and a moment; the last one of each budget is remembered."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int | None, Terms]] = {}
        self._zones: dict[str, tzinfo] = {}

    def __call__(self, terms: Terms, at_us: int) -> tuple[int, int | None]:
        """Start and end of the window of `terms` that holds `at_us`."""
        known = self._last.get(terms.id)
        if known is not None and known[2] is terms:
            start, end, _ = known
            if start <= at_us and (end is None or at_us < end):
                return start, end
        zone = self._zones.get(terms.zone)
        if zone is None:
            zone = self._zones[terms.zone] = ZoneInfo(terms.zone)
        start = window_start(terms.period, zone, at_us)
        end = window_end(terms.period, zone, start)
        # Of a rolling period that is the start of a bucket, which has no end here.
        if not is_rolling(terms.period):
            self._last[terms.id] = (start, end, terms)
        return start, end

    def forget(self) -> None:
        """Budgets have changed."""
        self._last.clear()


class Spots(NamedTuple):
    """Where holds of calls that are alike count."""

    cells: tuple[Cell, ...]
    places: tuple[Place, ...]
    of_grants: tuple[int, ...]
    """Which of these places are of prepaid budgets that have grants."""
    texts: tuple[str, ...]
    """The places as rows keep them, and the whole of them, without parts of grants."""
    text: str


class Standings:
    """Standings as batches leave them, for as long as no window, grant or boost begins or ends."""

    def __init__(self, books: Books, change: Change, period: Period, now_us: int) -> None:
        self.change = change
        change.usable = self.grants
        self._books = books
        self._period = period
        self._now = now_us
        self._until = _NEVER
        """When the first of them is another one."""
        self._known: dict[tuple[str, str], Standing] = {}
        """By budget and subject."""
        self._alike: dict[int, tuple[Matching, tuple[Standing, ...]]] = {}
        """By the identity of what was found to match."""
        self._spots: dict[int, tuple[tuple[Standing, ...], Spots]] = {}
        """By the identity of standings."""
        self._usable: dict[str, tuple[GrantTerms, ...]] = {}
        self._ended: dict[str, tuple[GrantTerms, ...]] = {}
        """By budget, grants that count now and those that do not; of prepaid ones alone."""

    @property
    def known(self) -> Mapping[tuple[str, str], Standing]:
        """Those that there are, by budget and subject, for checks."""
        return self._known

    def last_to(self, now_us: int, books: Books) -> bool:
        """Whether they stand at that moment, too; from now on they are of then."""
        many = max(len(self._known), len(self._alike), len(self._spots), len(self.change))
        if books is not self._books or many > KEPT_MAX or not self._now <= now_us < self._until:
            return False
        self._now = now_us
        return True

    def of(self, facts: Facts) -> tuple[Standing, ...]:
        """Of every budget that a call with these facts counts in."""
        matching = self._books.matching(facts)
        if (alike := self._alike.get(id(matching))) is None:
            standings = tuple([self.now(terms, subject) for terms, subject in matching])
            alike = self._alike[id(matching)] = (matching, standings)
        elif self._ended:
            for one in alike[1]:
                self._put_right(one)
        return alike[1]

    def spots(self, standings: tuple[Standing, ...]) -> Spots:
        """Where a hold counts that was judged by these."""
        if (known := self._spots.get(id(standings))) is None:
            known = self._spots[id(standings)] = (standings, self._spots_of(standings))
        return known[1]

    def _spots_of(self, standings: tuple[Standing, ...]) -> Spots:
        places = tuple(Place((one.terms.id, one.subject, one.window_start_us)) for one in standings)
        cells = tuple(self.change.cell(one.key) for one in places)
        of_grants = tuple(number for number, cell in enumerate(cells) if cell.grants)
        texts = tuple(map(place_text, places))
        return Spots(cells, places, of_grants, texts, windows_text(places, texts))

    def now(self, terms: Terms, subject: str) -> Standing:
        """Of the window that holds this moment."""
        if (known := self._known.get((terms.id, subject))) is not None:
            self._put_right(known)
            return known
        start, end = self._period(terms, self._now)
        standing = Standing(terms, start, end, subject=subject)
        if is_rolling(terms.period):
            first, bucket = first_bucket(terms.period, self._now), bucket_us(terms.period)
            self.change.follow(standing, first, is_sum=True)
            self._end_at(min(start, first + span_us(terms.period) - 1) + bucket)
        else:
            self.change.follow(standing, start, is_sum=False)
            self._end_at(end)
        self._with_grants(standing)
        self._known[terms.id, subject] = standing
        return standing

    def at(self, terms: Terms, cell: Cell) -> Standing:
        """Of one window; of a rolling budget, of the span up to now."""
        _, subject, start = cell.key
        if is_rolling(terms.period) or start == self._period(terms, self._now)[0]:
            return self.now(terms, subject)
        past = Standing(terms, start, None, *cell.amounts, subject=subject)
        self._with_grants(past)
        return past

    def grants(self, budget_id: str) -> tuple[GrantTerms, ...]:
        """The usable grants of a prepaid budget, in the order in which they are drawn."""
        if (usable := self._usable.get(budget_id)) is None:
            terms = self._books.budgets.get(budget_id)
            grants = self._grants_of(budget_id) if terms and terms.is_prepaid else ()
            usable = tuple(one for one in grants if not one.is_boost and one.is_usable(self._now))
            self._usable[budget_id] = usable
        return usable

    def _end_at(self, moment_us: int | None) -> None:
        if moment_us is not None and self._now < moment_us < self._until:
            self._until = moment_us

    def _grants_of(self, budget_id: str) -> tuple[GrantTerms, ...]:
        grants = self._books.grants.get(budget_id, ())
        for one in grants:
            self._end_at(one.created_us)
            self._end_at(one.expires_us)
        return grants

    def _with_grants(self, standing: Standing) -> None:
        """Add what boosts and grants come to now."""
        grants = self._grants_of(standing.terms.id)
        if not standing.terms.is_prepaid:
            standing.extra_nanousd = sum(
                one.amount_nanousd
                for one in grants
                if one.is_boost and one.created_us <= self._now and one.is_usable(self._now)
            )
            return
        last = max(grants, key=lambda one: (one.created_us, one.id), default=None)
        standing.base_nanousd = last.balance_nanousd if last else 0
        standing.alert_start_us = last.created_us if last else 0
        standing.extra_nanousd = sum(one.amount_nanousd for one in grants)
        if ended := tuple(one for one in grants if not one.is_usable(self._now)):
            self._ended[standing.terms.id] = ended
            self._put_right(standing)

    def _put_right(self, standing: Standing) -> None:
        """A balance is what was granted, less what expired or was voided unused: that may move."""
        if (ended := self._ended.get(standing.terms.id)) is not None:
            granted = sum(one.amount_nanousd for one in self._books.grants[standing.terms.id])
            standing.extra_nanousd = granted - sum(map(self.change.remaining, ended))
