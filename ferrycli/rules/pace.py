"""How fast a budget is being spent, and when it runs out if that goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

DAY_US = 86_400 * 1_000_000
RECENT_US = 7 * DAY_US
FAR_US = 3_650 * DAY_US
"""What runs out later than this is not said to run out."""
PASSED_US_MIN = 3_600 * 1_000_000
"""So much of a window has passed before it has a pace."""
PASSED_PERCENT_MIN = 1
"""And of one with an end so much of it."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What was spent, and in which time; of one without an end, of late."""

    spent_nanousd: int = 0
    passed_us: int = 0
    """Without an end `RECENT_US` at the most, and no longer than since the window began."""


NOTHING = Recent()


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
    recent: Recent = NOTHING,
) -> Pace:
    """The pace of a window that began at `start_us`; amounts in nano-dollars.

    Of a rolling period the window is its span: from `now_us` less the span to `now_us`. Without an
    end (`total`, prepaid) the pace is that of `recent`.
    """
    if end_us is None:
        ratio, last_us = None, FAR_US
        is_known = recent.passed_us >= PASSED_US_MIN
    else:
        recent = Recent(spent, now_us - start_us)
        is_known = _has_lasted(recent.passed_us, end_us - start_us)
        ratio = _ratio(recent, end_us - start_us, limit) if is_known else None
        last_us = end_us - now_us - 1
    if spent <= 0:
        return Pace(ratio, None)
    if spent >= limit:
        return Pace(ratio, now_us)
    if not is_known or recent.spent_nanousd <= 0:
        return Pace(ratio, None)
    # Rounded up: before this moment something is left.
    left_us = -(-(limit - spent) * recent.passed_us // recent.spent_nanousd)
    return Pace(ratio, now_us + left_us if left_us <= last_us else None)


def _ratio(recent: Recent, window_us: int, limit: int) -> int | None:
    return recent.spent_nanousd * 100 * window_us // (limit * recent.passed_us) if limit else None


def _has_lasted(passed_us: int, window_us: int) -> bool:
    """Whether a window is old enough for what was spent in it to say anything of the rest."""
    return passed_us >= PASSED_US_MIN and passed_us * 100 >= PASSED_PERCENT_MIN * window_us
