"""Storms of denials: past sixty a minute of one key, thread and reason, one row counts up.

So a client that asks a thousand times a second for what it does not get fills no disk. Source:
docs/money.md, section 8.
"""

from __future__ import annotations

from collections import OrderedDict

ROWS_A_MINUTE = 60
STORMS_MAX = 10_000
"""Keys, threads and reasons that are watched; past it the one not seen for longest goes."""
_MINUTE_US = 60_000_000

Reason = tuple[str, str, str]
"""Key id, thread, code of the refusal."""


class Storms:
    """How often each was denied in the minute that it is in."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Reason, tuple[int, int, int]] = OrderedDict()
        """Start of the minute, denials in it, and the row key of the last one that has a row."""

    def seen(self, reason: Reason, seq: int, now_us: int) -> int | None:
        """Count a denial whose row would be `seq`; the row that counts up instead of a new one."""
        start, times, last = self._seen.get(reason, (now_us, 0, seq))
        if not start <= now_us < start + _MINUTE_US:
            start, times = now_us, 0
        times += 1
        is_storm = times > ROWS_A_MINUTE
        self._seen[reason] = (start, times, last if is_storm else seq)
        self._seen.move_to_end(reason)
        if len(self._seen) > STORMS_MAX:
            self._seen.popitem(last=False)
        return last if is_storm else None

    def forget(self) -> None:
        """What was counted may not have been written."""
        self._seen.clear()
