"""Periods of budgets, found by their start: no job ever resets anything.

`zone` is a `tzinfo` handed in (reading zone data is I/O). Times are UTC microseconds. Calendar
arithmetic is done on local dates, so DST makes a day of 23 or 25 hours and loses none. A rolling
period (`rolling 7d`) is kept as a window per bucket: every bucket that overlaps the span counts,
so it is never less than the span, and no clock of any zone moves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from ferrycli.rules.errors import BadBudget
from ferrycli.rules.money import parse_usd, usd

PERIODS = ("day", "week", "month", "total")
"""Besides these, `rolling 7d` and `rolling 36h`."""

MICROSECONDS = 1_000_000
ROLLING = "rolling "
ROLLING_HOURS_MAX = 90 * 24
_HOUR_US = 3_600 * MICROSECONDS
_BUCKETS_MIN = 48
"""A span has at least so many buckets; of two days and more, each is an hour."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A limit and the period that it is for: `50/month`."""

    limit_nanousd: int
    period: str
    """As `parse_period` writes it."""

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """Read `50/month`, `$12.50/day`, `5/total`, `100/rolling 7d` or, shorter, `100/7d`.

        Raises `BadBudget` or `BadAmount`.
        """
        amount, _, written = text.partition("/")
        period = _period(written)
        if period is None or not amount.strip():
            raise BadBudget(text)
        return cls(parse_usd(amount.strip()), period)

    def __str__(self) -> str:
        return f"{usd(self.limit_nanousd)}/{self.period}"


def parse_period(text: str) -> str:
    """The canonical text of a period: `month`; `rolling 7d` for `7d`, `rolling  7d` and `168h`.

    Raises `BadBudget` for what is none, and for a span under 1 hour or over 90 days.
    """
    period = _period(text)
    if period is None:
        raise BadBudget(text)
    return period


def _period(text: str) -> str | None:
    plain = text.strip()
    if plain in PERIODS:
        return plain
    match = re.fullmatch(r"(?:rolling\s+)?([0-9]{1,4})(h|d)", plain)
    hours = int(match[1]) * (24 if match[2] == "d" else 1) if match else 0
    if not 1 <= hours <= ROLLING_HOURS_MAX:
        return None
    return f"{ROLLING}{hours}h" if hours % 24 else f"{ROLLING}{hours // 24}d"


def is_rolling(period: str) -> bool:
    """Whether it has no start of its own: the last so many hours or days."""
    return period.startswith(ROLLING)


def is_zoneless(period: str) -> bool:
    """Whether no time zone moves the windows of a period."""
    return period == "total" or is_rolling(period)


def span_us(period: str) -> int:
    """The length of a rolling period, in microseconds."""
    amount = period.removeprefix(ROLLING)
    return int(amount[:-1]) * (24 if amount.endswith("d") else 1) * _HOUR_US


def bucket_us(period: str) -> int:
    """The length of a rolling period's buckets: an hour, or less where it is under two days."""
    return min(_HOUR_US, span_us(period) // _BUCKETS_MIN)


def first_bucket(period: str, now_us: int) -> int:
    """When the oldest bucket began that holds a moment after `now_us` less the span."""
    oldest_us = now_us - span_us(period) + 1
    return oldest_us - oldest_us % bucket_us(period)


def to_us(moment: datetime) -> int:
    """An aware datetime as whole UTC microseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(moment_us: int, zone: tzinfo = UTC) -> datetime:
    """UTC microseconds as an aware datetime in `zone`."""
    return (_EPOCH + timedelta(microseconds=moment_us)).astimezone(zone)


def day_start(day: date, zone: tzinfo) -> int:
    """When `day` begins in `zone`; where midnight does not exist, the first moment after it."""
    return to_us(datetime(day.year, day.month, day.day, tzinfo=zone))


def first_day(period: str, day: date) -> date:
    """The first day of the `period` (`day`, `week` from Monday, `month`) that holds `day`."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def next_first_day(period: str, first: date) -> date:
    """The first day of the period after the one that begins on `first`."""
    if period == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if period == "week" else 1)


def window_start(period: str, zone: tzinfo, now_us: int) -> int:
    """When the window that holds `now_us` began; 0 for `total`; of a rolling period its bucket."""
    if period == "total":
        return 0
    if is_rolling(period):
        return now_us - now_us % bucket_us(period)
    return day_start(first_day(period, from_us(now_us, zone).date()), zone)


def window_end(period: str, zone: tzinfo, start_us: int) -> int | None:
    """When the window that began at `start_us` ends; None for `total` and rolling periods."""
    if is_zoneless(period):
        return None
    return day_start(next_first_day(period, from_us(start_us, zone).date()), zone)
