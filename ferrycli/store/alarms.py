"""Which crossings have been told: once for each window, percentage and limit.

The file itself refuses a second row; what is in memory spares it the attempt. A rolling window has
no end: its notices arm again when the sum has fallen five points under their percentage, or to
nothing. Source: docs/money.md, sections 6 and 7.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from ferrycli.rules.budget import Standing
from ferrycli.rules.thresholds import percents
from ferrycli.rules.windows import is_rolling, span_us
from ferrycli.store.alerts import NewAlert

MARKS_KEPT_MAX = 50_000
REARMED_BELOW = 5
"""Points that a rolling sum must fall under a percentage for it to be told again."""

_TOLD = (
    "SELECT 1 FROM alerts WHERE kind = 'budget' AND budget_id = ? AND subject = ?"
    " AND threshold = ? AND limit_nanousd = ? AND created_at >= ? LIMIT 1"
)

Mark = tuple[str, str, int, int, int]
"""Budget, subject, window (0 for a rolling one), percentage, limit."""


class Alarms:
    """What was told, as far as it is in memory. Dropped with what fails to be written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._told: OrderedDict[Mark, int | None] = OrderedDict()
        """None: told. Else since when it is armed again, in UTC microseconds."""

    def fires(self, standing: Standing, alert: NewAlert) -> bool:
        """Whether this crossing is to be told; from then on it is."""
        mark = _mark(standing, alert.threshold, alert.window_start)
        is_known, since_us = mark in self._told, self._told.get(mark)
        is_told = is_known and since_us is None
        if not is_told and is_rolling(standing.terms.period):
            if since_us is None:
                # It is taken as not fallen since it was told within its span.
                since_us = alert.created_at - span_us(standing.terms.period) + 1
            is_told = self._is_in_file(alert, since_us)
        self._told[mark] = None
        self._told.move_to_end(mark)
        if len(self._told) > MARKS_KEPT_MAX:
            self._told.popitem(last=False)
        return not is_told

    def rearm(self, standing: Standing) -> None:
        """Take back what a rolling sum has fallen well under."""
        if not is_rolling(standing.terms.period):
            return
        for percent in percents(standing.terms.rules):
            has_fallen = standing.used * 100 < (percent - REARMED_BELOW) * standing.base
            if has_fallen or standing.used <= 0 < standing.base:
                # A command may tell it before this server does: the file is asked from here on.
                self._told[_mark(standing, percent, 0)] = standing.window_start_us

    def forget(self) -> None:
        """What was told may not have been written."""
        self._told.clear()

    def _is_in_file(self, alert: NewAlert, since_us: int) -> bool:
        """Whether this was told at `since_us` or later."""
        values = (
            alert.budget_id,
            alert.subject,
            alert.threshold,
            alert.limit_nanousd,
            since_us,
        )
        return self._connection.execute(_TOLD, values).fetchone() is not None


def _mark(standing: Standing, percent: int, window_start: int) -> Mark:
    start = 0 if is_rolling(standing.terms.period) else window_start
    return (standing.terms.id, standing.subject, start, percent, standing.base)
