"""The `--since` language: `24h`, `7d`, `today`, `last-week`, `2026-11-16`, `2026-W47`, `A..B`.

Pure: `now_us` and the report's zone are handed in. A span is half open, in UTC microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from ferrycli.rules.errors import BadSpan
from ferrycli.rules.windows import (
    MICROSECONDS,
    day_start,
    first_day,
    from_us,
    next_first_day,
)

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Span:
    """From `since_us` up to, and without, `until_us`; and what it is called."""

    since_us: int
    until_us: int
    label: str


def parse_span(text: str, now_us: int, zone: tzinfo) -> Span:
    """The span that `text` means at `now_us`. Raises `BadSpan`."""
    plain = text.strip().lower()
    if not plain.isascii():
        raise BadSpan(text)
    if ".." in plain:
        first, _, last = plain.partition("..")
        if not first or not last or ".." in last:
            raise BadSpan(text)
        start, end = parse_span(first, now_us, zone), parse_span(last, now_us, zone)
        if start.since_us >= end.until_us:
            raise BadSpan(text)
        return Span(start.since_us, end.until_us, plain)
    if ago := re.fullmatch(r"(\d{1,6})([mhdw])", plain):
        seconds = int(ago[1]) * _UNITS_S[ago[2]]
        if seconds == 0 or seconds * MICROSECONDS > now_us:
            raise BadSpan(text)
        return Span(now_us - seconds * MICROSECONDS, now_us, f"last {plain}")
    return _named(plain, text, from_us(now_us, zone).date(), zone)


def parse_deadline(text: str, now_us: int, zone: tzinfo) -> int:
    """When `90d` from `now_us` is, or when the day `2027-01-01` begins in `zone`.

    UTC microseconds. Raises `BadSpan` for anything else, and for what is not to come.
    """
    plain = text.strip().lower()
    if after := re.fullmatch(r"([0-9]{1,6})([mhdw])", plain):
        at_us = now_us + int(after[1]) * _UNITS_S[after[2]] * MICROSECONDS
    else:
        at_us = parse_day(text, zone)
    if at_us <= now_us:
        raise BadSpan(text)
    return at_us


def parse_day(text: str, zone: tzinfo) -> int:
    """When the day `2026-12-01` begins in `zone`, in UTC microseconds. Raises `BadSpan`."""
    plain = text.strip()
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", plain):
        raise BadSpan(text)
    return day_start(_written(plain, text)[0], zone)


def _named(plain: str, text: str, today: date, zone: tzinfo) -> Span:
    week, month = first_day("week", today), first_day("month", today)
    before = first_day("month", month - timedelta(days=1))
    named = {
        "today": (today, "day"),
        "yesterday": (today - timedelta(days=1), "day"),
        "this-week": (week, "week"),
        "last-week": (week - timedelta(days=7), "week"),
        "mtd": (month, "month"),
        "this-month": (month, "month"),
        "last-month": (before, "month"),
    }
    first, period = named.get(plain) or _written(plain, text)
    try:
        end = day_start(next_first_day(period, first), zone)
    except OverflowError:
        raise BadSpan(text) from None
    return Span(day_start(first, zone), end, plain)


def _written(plain: str, text: str) -> tuple[date, str]:
    """The first day and the period of a written day, ISO week or month."""
    try:
        if week := re.fullmatch(r"(\d{4})-w(\d{1,2})", plain):
            return date.fromisocalendar(int(week[1]), int(week[2]), 1), "week"
        if month := re.fullmatch(r"(\d{4})-(\d{2})", plain):
            return date(int(month[1]), int(month[2]), 1), "month"
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", plain):
            return date.fromisoformat(plain), "day"
    except ValueError:
        pass
    raise BadSpan(text)
