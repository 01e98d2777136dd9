"""Which crossings have been told: once for each window, percentage and limit.

The file itself refuses a second row; what is in memory spares it the attempt. A rolling window has
no end: a notice of it stands, with 0 as the window's start, until the sum has fallen five points
under it, or to nothing. From then on it may be told again. Source: docs/money.md, section 6.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from ferrycli.rules.standings import Standing
from ferrycli.store.alerts import NewAlert

WINDOWS_KEPT_MAX = 50_000
REARMED_BELOW = 5
"""Points that a rolling sum must fall for what it has reached to be told again."""

_TOLD = (
    "SELECT threshold, limit_nanousd, spent_nanousd FROM alerts"
    " WHERE kind = 'budget' AND budget_id = ? AND subject = ? AND window_start = ?"
)
# Were two told and fallen within one microsecond, the second would stand.
END_NOTICE = (
    "UPDATE OR IGNORE alerts SET window_start = created_at WHERE kind = 'budget'"
    " AND budget_id = ? AND subject = ? AND window_start = 0 AND threshold = ?"
    " AND limit_nanousd = ?"
)
"""Where a rolling sum has fallen under it: the notice keeps the moment at which it was told."""

Window = tuple[str, str, int]
"""Budget, subject, start as alerts have it."""
Crossing = tuple[int, int]
"""Percentage, limit."""


class Alarms:
    """What was told, as it is in the file. Dropped where that may have changed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._told: OrderedDict[Window, dict[Crossing, int]] = OrderedDict()
        """Of each window what was told, and how much was spent then."""

    def fires(self, alert: NewAlert) -> bool:
        """Whether this crossing is to be told; from then on it is."""
        told = self._told_in((alert.budget_id, alert.subject, alert.window_start))
        crossing = (alert.threshold, alert.limit_nanousd)
        if crossing in told:
            return False
        told[crossing] = alert.spent_nanousd
        return True

    def has_told(self, standing: Standing) -> bool:
        """Whether a notice of a rolling window stands."""
        return bool(self._told_in((*standing.place, 0)))

    def ended(self, standing: Standing) -> list[tuple[str, str, int, int]]:
        """Notices of a rolling window that it has fallen under: parameters of `END_NOTICE`.

        To be asked before more is spent: until then time only lowers the sum.
        """
        told = self._told_in((*standing.place, 0))
        fallen = [one for one, spent in told.items() if _has_fallen(standing.used, *one, spent)]
        for crossing in fallen:
            del told[crossing]
        return [(*standing.place, *crossing) for crossing in fallen]

    def forget(self) -> None:
        """What was told may not have been written, or another process may have told."""
        self._told.clear()

    def _told_in(self, window: Window) -> dict[Crossing, int]:
        if (told := self._told.get(window)) is None:
            rows = self._connection.execute(_TOLD, window)
            told = self._told[window] = {(row[0], row[1]): row[2] for row in rows}
            if len(self._told) > WINDOWS_KEPT_MAX:
                self._told.popitem(last=False)
        self._told.move_to_end(window)
        return told


def _has_fallen(used: int, percent: int, limit_nanousd: int, spent: int) -> bool:
    """Whether a sum is five points under what was told, and under what it was then.

    A window that is used up is told of at 100 % though less is spent.
    """
    told_at = min(percent * limit_nanousd, spent * 100)
    return used * 100 < told_at - REARMED_BELOW * limit_nanousd or used <= 0 < limit_nanousd
