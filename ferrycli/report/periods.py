"""Periods of budgets in words and in cells: `a week`, `in any 7 days`, `/7d`. Pure."""

from __future__ import annotations

from datetime import tzinfo

from ferrycli.rules.windows import MICROSECONDS, ROLLING, from_us, is_rolling

_EVERY = {"day": "a day", "week": "a week", "month": "a month", "total": "in total"}
_SHORT = {"day": "/day", "week": "/wk", "month": "/mo", "total": ""}
_UNITS = {"h": "hour", "d": "day"}
_WEEK_US = 7 * 86_400 * MICROSECONDS
_YEAR_US = 365 * 86_400 * MICROSECONDS


def every(period: str) -> str:
    """`a week`, `in total`, `in any 7 days`."""
    if not is_rolling(period):
        return _EVERY.get(period, period)
    amount = period.removeprefix(ROLLING)
    unit = _UNITS[amount[-1]]
    if amount[:-1] == "1":
        return f"in any {unit}"
    return f"in any {amount[:-1]} {unit}s"


def last(period: str) -> str:
    """`the last 7 days`, of a rolling period."""
    return every(period).replace("in any", "the last", 1)


def slashed(period: str) -> str:
    """`/week`, `/total`, `/7d`, as it follows a limit."""
    return f"/{period.removeprefix(ROLLING)}"


def short(period: str) -> str:
    """`/wk`, `/mo`, `/7d`; empty for `total`: for narrow cells."""
    return _SHORT.get(period, slashed(period))


def when(at_us: int, now_us: int, zone: tzinfo) -> str:
    """A moment as short as it can be told from now: `14:30`, `Fri 14:30`, `1 Dec`, `1 Dec 2027`."""
    at, now = from_us(at_us, zone), from_us(now_us, zone)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    if abs(at_us - now_us) < _WEEK_US:
        return f"{at:%a %H:%M}"
    day = f"{at.day} {at:%b}"
    return day if abs(at_us - now_us) < _YEAR_US else f"{day} {at.year}"
