"""How fast a budget is being spent, and when it runs out if that goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

DAY_US = 86_400 * 1_000_000
RECENT_US = 7 * DAY_US
FAR_US = 3_650 * DAY_US
"""What runs out later than this is not said to run out."""
PASSED_US_MIN = 3_600 * 1_000_000
PASSED_PERCENT_MIN = 1
"""So much of a window with an end has passed, both, before it has a pace."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one window of a budget."""

    ratio_percent: int | None
    """Share spent by share of the window that has passed: at 100 it lasts to the end, just.

    None where too little has passed to judge by, the limit is 0, or the window has no end.
    """
    runs_out_at_us: int | None
    """At this pace; now, if nothing is left. None: not before the window ends, or not soon."""


def pace(
    spent: int,
    start_us: int,
    now_us: int,
    end_us: int | None,
    limit: int,
    *,
    recent: int = 0,
    recent_us: int = RECENT_US,
) -> Pace:
    """The pace of a window that began at `start_us`; amounts in nano-dollars.

    Of a rolling period the window is its span: from `now_us` less the span to `now_us`. Without an
    end (`total`, prepaid) the pace is that of `recent`, spent in the last `recent_us`.
    """
    passed_us = now_us - start_us
    ratio = None
    is_young = end_us is not None and not _has_lasted(passed_us, end_us - start_us)
    if end_us is not None and not is_young and limit > 0:
        ratio = spent * 100 * (end_us - start_us) // (limit * passed_us)
    if spent <= 0:
        return Pace(ratio, None)
    if spent >= limit:
        return Pace(ratio, now_us)
    rate, per_us = (recent, recent_us) if end_us is None else (spent, passed_us)
    if is_young or rate <= 0 or per_us <= 0:
        return Pace(ratio, None)
    # Rounded up: before this moment something is left.
    left_us = -(-(limit - spent) * per_us // rate)
    last_us = FAR_US if end_us is None else end_us - now_us - 1
    return Pace(ratio, now_us + left_us if left_us <= last_us else None)


def _has_lasted(passed_us: int, window_us: int) -> bool:
    """Whether a window is old enough for what was spent in it to say anything of the rest."""
    return passed_us >= PASSED_US_MIN and passed_us * 100 >= PASSED_PERCENT_MIN * window_us
