"""The `--since` language: `24h`, `7d`, `today`, `last-week`, `2026-11-16`, `2026-W47`, `A..B`.

Pure: `now_us` and the report's zone are handed in. A span is half open, in UTC microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, time, timedelta, tzinfo
from itertools import pairwise

from ferrycli.rules.errors import BadSpan, SpanToCome
from ferrycli.rules.windows import (
    MICROSECONDS,
    day_start,
    first_day,
    from_us,
    next_first_day,
)

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
HOUR_US = 3_600 * MICROSECONDS
HOURS_MAX = 26
"""Spans of so many hours are drawn by the hour: a day, even where the clock goes back."""
SLOTS_MAX = 31

NAMED = ("today", "yesterday", "this-week", "last-week", "mtd", "last-month")
"""Spans with a name, as help and completion offer them."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since_us` up to, and without, `until_us`; and what it is called."""

    since_us: int
    until_us: int
    label: str
    period: str = ""
    """`day`, `week` or `month` where it is one of the calendar; else empty."""


@dataclass(frozen=True, slots=True)
class Slots:
    """A span in parts, for a line drawn over time."""

    unit: str
    """`hour`, `day`, `week` or `month`; empty where the span is too long to be drawn."""
    edges: tuple[int, ...]
    """Where each part begins, and the end of the last: UTC microseconds."""


def parse_span(text: str, now_us: int, zone: tzinfo) -> Span:
    """The span that `text` means at `now_us`. Raises `BadSpan`, or `SpanToCome`."""
    span = _span(text, now_us, zone)
    # No call began before 1970, and none on a day that a zone left out of its calendar.
    span = replace(span, since_us=max(span.since_us, 0))
    if span.since_us >= span.until_us:
        raise BadSpan(text)
    if span.since_us > now_us:
        raise SpanToCome(text, span.since_us)
    return span


def _span(text: str, now_us: int, zone: tzinfo) -> Span:
    plain = text.strip().lower()
    if not plain.isascii():
        raise BadSpan(text)
    if ".." in plain:
        first, _, last = plain.partition("..")
        if not first or not last or ".." in last:
            raise BadSpan(text)
        start, end = _span(first, now_us, zone), _span(last, now_us, zone)
        if start.since_us >= end.until_us:
            raise BadSpan(text)
        return Span(start.since_us, end.until_us, plain)
    if ago := re.fullmatch(r"(\d{1,6})([mhdw])", plain):
        seconds = int(ago[1]) * _UNITS_S[ago[2]]
        if seconds == 0 or seconds * MICROSECONDS > now_us:
            raise BadSpan(text)
        return Span(now_us - seconds * MICROSECONDS, now_us, f"last {plain}")
    return _named(plain, text, from_us(now_us, zone).date(), zone)


def before(span: Span, now_us: int, zone: tzinfo) -> Span:
    """The span that `span` is compared with: as long, and just before it.

    A week is compared with the week before, a month with the month before; one that still runs,
    with the part of it that had passed by then. Whole days are compared with as many whole days.
    """
    first = from_us(span.since_us, zone).date()
    if span.period:
        since_us = day_start(first_day(span.period, first - timedelta(days=1)), zone)
        label = {"week": f"W{from_us(since_us, zone):%V}", "month": f"{from_us(since_us, zone):%b}"}
        passed_us = now_us - span.since_us
        is_running = span.since_us <= now_us < span.until_us
        until_us = min(since_us + passed_us, span.since_us) if is_running else span.since_us
        return Span(since_us, until_us, label.get(span.period, f"{from_us(since_us, zone):%a}"))
    edges = from_us(span.since_us, zone), from_us(span.until_us, zone)
    if edges[0].time() == edges[1].time() == time():
        days = edges[1].date() - edges[0].date()
        try:
            since_us = day_start(first - days, zone)
        except OverflowError:
            since_us = 0
    else:
        since_us = span.since_us * 2 - span.until_us
    return Span(max(since_us, 0), span.since_us, "before")


def slots(span: Span, zone: tzinfo) -> Slots:
    """The span by hours, days, weeks or months: the smallest of which there are not too many."""
    length_us = span.until_us - span.since_us
    if length_us <= HOURS_MAX * HOUR_US:
        hours = range(span.since_us, span.until_us, HOUR_US)
        return Slots("hour", (*hours, span.until_us))
    for unit in ("day", "week", "month"):
        edges = _edges(unit, span, zone)
        if edges is not None:
            return Slots(unit, edges)
    return Slots("", (span.since_us, span.until_us))


def _edges(unit: str, span: Span, zone: tzinfo) -> tuple[int, ...] | None:
    """Where the calendar's units begin within the span; None for too many of them."""
    edges = [span.since_us]
    first = first_day(unit, from_us(span.since_us, zone).date())
    while len(edges) <= SLOTS_MAX:
        try:
            first = next_first_day(unit, first)
            at_us = day_start(first, zone)
        except OverflowError:
            at_us = span.until_us
        if at_us >= span.until_us:
            return (*edges, span.until_us)
        # A zone may have left a day out of its calendar.
        if at_us > edges[-1]:
            edges.append(at_us)
    return None


def days(since_us: int, until_us: int, zone: tzinfo) -> list[tuple[int, int]]:
    """Start and end of every day of `zone` that lies whole between the two, in UTC microseconds."""
    first = from_us(since_us, zone).date()
    starts = [day_start(first, zone)]
    while starts[-1] < until_us:
        first += timedelta(days=1)
        starts.append(day_start(first, zone))
    return [(start, end) for start, end in pairwise(starts) if since_us <= start < end <= until_us]


def parse_deadline(text: str, now_us: int, zone: tzinfo) -> int:
    """When `90d` from `now_us` is, or when `2027-01-01`, `friday` or `tomorrow` begins in `zone`.

    A weekday is the next one, never today. UTC microseconds. Raises `BadSpan` for anything else,
    and for what is not to come or has no date any more.
    """
    plain = text.strip().lower()
    if after := re.fullmatch(r"([0-9]{1,6})([mhdw])", plain):
        at_us = now_us + int(after[1]) * _UNITS_S[after[2]] * MICROSECONDS
    elif (days_on := _days_on(plain, from_us(now_us, zone).date())) is not None:
        at_us = day_start(from_us(now_us, zone).date() + timedelta(days=days_on), zone)
    else:
        at_us = parse_day(text, zone)
    if not now_us < at_us <= day_start(date.max, zone):
        raise BadSpan(text)
    return at_us


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _days_on(plain: str, today: date) -> int | None:
    """In how many days a day with a name is; None for what is no such name."""
    if plain == "tomorrow":
        return 1
    for at, name in enumerate(WEEKDAYS):
        if plain in (name, name[:3]):
            return (at - today.weekday() - 1) % 7 + 1
    return None


def parse_day(text: str, zone: tzinfo) -> int:
    """When the day `2026-12-01` begins in `zone`, in UTC microseconds. Raises `BadSpan`."""
    plain = text.strip()
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", plain):
        raise BadSpan(text)
    return day_start(_written(plain, text)[0], zone)


def _named(plain: str, text: str, today: date, zone: tzinfo) -> Span:
    week, month = first_day("week", today), first_day("month", today)
    named = {
        "today": (today, "day"),
        "yesterday": (today - timedelta(days=1), "day"),
        "this-week": (week, "week"),
        "last-week": (week - timedelta(days=7), "week"),
        "mtd": (month, "month"),
        "this-month": (month, "month"),
        "last-month": (first_day("month", month - timedelta(days=1)), "month"),
    }
    first, period = named.get(plain) or _written(plain, text)
    try:
        end = day_start(next_first_day(period, first), zone)
    except OverflowError:
        raise BadSpan(text) from None
    return Span(day_start(first, zone), end, plain, period)


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
