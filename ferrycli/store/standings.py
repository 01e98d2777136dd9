"""The standing of every budget that a call counts in, at the moment of a batch.

A window is found by the budget's period and the clock, never by a job that resets it; a rolling
one is the sum of its buckets; boosts and grants are added here. Source: docs/money.md, section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo
from zoneinfo import ZoneInfo

from ferrycli.rules.budget import Standing, Terms
from ferrycli.rules.selectors import Facts
from ferrycli.rules.windows import first_bucket, is_rolling, window_end, window_start
from ferrycli.store.books import Books, GrantTerms
from ferrycli.store.till import Change, WindowKey

Period = Callable[[Terms, int], tuple[int, int | None]]
"""Start and end of the window of a budget that holds a moment."""


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


class Standings:
    """Standings as one batch leaves them."""

    def __init__(self, books: Books, change: Change, period: Period, now_us: int) -> None:
        self._books = books
        self._change = change
        self._period = period
        self._now = now_us

    def of(self, facts: Facts) -> tuple[Standing, ...]:
        """Of every budget that a call with these facts counts in."""
        return tuple(self.now(terms, subject) for terms, subject in self._books.matching(facts))

    def now(self, terms: Terms, subject: str) -> Standing:
        """Of the window that holds this moment."""
        start, end = self._period(terms, self._now)
        return self._at(terms, subject, start, end)

    def at(self, terms: Terms, key: WindowKey) -> Standing:
        """Of one window; of a rolling budget, of the span up to now."""
        if is_rolling(terms.period):
            return self.now(terms, key[1])
        return self._at(terms, key[1], key[2], None)

    def grants(self, budget_id: str) -> tuple[GrantTerms, ...]:
        """The grants of a prepaid budget, in the order in which they are drawn."""
        terms = self._books.budgets.get(budget_id)
        if terms is None or not terms.is_prepaid:
            return ()
        return self._books.grants.get(budget_id, ())

    def _at(self, terms: Terms, subject: str, start: int, end: int | None) -> Standing:
        if is_rolling(terms.period):
            first = first_bucket(terms.period, self._now)
            amounts = self._change.sum_from(terms.id, subject, first)
        else:
            amounts = self._change.amounts((terms.id, subject, start))
        standing = Standing(terms, start, end, *amounts, subject=subject)
        grants = self._books.grants.get(terms.id, ())
        if terms.is_prepaid:
            return self._prepaid(standing, grants)
        return self._boosted(standing, grants) if grants else standing

    def _boosted(self, standing: Standing, grants: Sequence[GrantTerms]) -> Standing:
        extra = sum(
            one.amount_nanousd
            for one in grants
            if one.is_boost and one.created_us <= self._now and one.is_usable(self._now)
        )
        return replace(standing, extra_nanousd=extra)

    def _prepaid(self, standing: Standing, grants: Sequence[GrantTerms]) -> Standing:
        """The limit is what was granted, less what expired or was voided unused."""
        gone = sum(self._change.remaining(one) for one in grants if not one.is_usable(self._now))
        last = max(grants, key=lambda one: (one.created_us, one.id), default=None)
        return replace(
            standing,
            extra_nanousd=sum(one.amount_nanousd for one in grants) - gone,
            base_nanousd=last.balance_nanousd if last else 0,
            alert_start_us=last.created_us if last else 0,
        )
