"""Periods of budgets, found by their start: no job ever resets anything.

`zone` is a `tzinfo` handed in (reading zone data is I/O). Times are UTC microseconds. Calendar
arithmetic is done on local dates, so DST makes a day of 23 or 25 hours and loses none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from ferrycli.rules.errors import BadBudget
from ferrycli.rules.money import parse_usd, usd

PERIODS = ("day", "week", "month", "total")

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A limit and the period that it is for: `50/month`."""

    limit_nanousd: int
    period: str

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """Read `50/month`, `$12.50/day`, `5/total`. Raises `BadBudget` or `BadAmount`."""
        match = re.fullmatch(r"\s*([^/]+?)\s*/\s*([a-z]+)\s*", text)
        if match is None or match[2] not in PERIODS:
            raise BadBudget(text)
        return cls(parse_usd(match[1]), match[2])

    def __str__(self) -> str:
        return f"{usd(self.limit_nanousd)}/{self.period}"


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
    """When the window that holds `now_us` began; 0 for `total`."""
    if period == "total":
        return 0
    return day_start(first_day(period, from_us(now_us, zone).date()), zone)


def window_end(period: str, zone: tzinfo, start_us: int) -> int | None:
    """When the window that began at `start_us` ends; None for `total`."""
    if period == "total":
        return None
    return day_start(next_first_day(period, from_us(start_us, zone).date()), zone)
