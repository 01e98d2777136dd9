"""The `--since` language, one row a form; spans in Berlin, where days have 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.errors import BadSpan, SpanToCome
from ferrycli.rules.spans import (
    NAMED,
    SLOTS_MAX,
    Span,
    before,
    days,
    parse_day,
    parse_deadline,
    parse_span,
    slots,
)
from ferrycli.rules.windows import from_us, to_us

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000_000
DAY = 24 * HOUR


def at(text: str, zone: tzinfo = BERLIN) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


NOW = at("2026-11-23T10:00:00")
"""A Monday."""


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("today", "2026-11-23", "2026-11-24"),
        ("yesterday", "2026-11-22", "2026-11-23"),
        ("this-week", "2026-11-23", "2026-11-30"),
        ("last-week", "2026-11-16", "2026-11-23"),
        ("mtd", "2026-11-01", "2026-12-01"),
        ("this-month", "2026-11-01", "2026-12-01"),
        ("last-month", "2026-10-01", "2026-11-01"),
        ("2026-11-16", "2026-11-16", "2026-11-17"),
        ("2026-W47", "2026-11-16", "2026-11-23"),
        ("2026-w47", "2026-11-16", "2026-11-23"),
        ("2026-W1", "2025-12-29", "2026-01-05"),
        ("2020-W53", "2020-12-28", "2021-01-04"),
        ("2026-11", "2026-11-01", "2026-12-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2026-11-16..2026-11-18", "2026-11-16", "2026-11-19"),
        ("2026-W46..2026-W47", "2026-11-09", "2026-11-23"),
        ("2026-10..today", "2026-10-01", "2026-11-24"),
        ("  Today ", "2026-11-23", "2026-11-24"),
    ],
)
def test_a_named_span_begins_and_ends_at_local_midnight(text: str, since: str, until: str) -> None:
    span = parse_span(text, NOW, BERLIN)
    assert (span.since_us, span.until_us) == (at(since), at(until))


@pytest.mark.parametrize(
    ("text", "length"),
    [("90m", 90 * HOUR // 60), ("24h", DAY), ("7d", 7 * DAY), ("2w", 14 * DAY), ("1m", HOUR // 60)],
)
def test_a_length_reaches_back_from_now(text: str, length: int) -> None:
    span = parse_span(text, NOW, BERLIN)
    assert (span.since_us, span.until_us) == (NOW - length, NOW)
    assert span.label == f"last {text}"


def test_a_length_may_begin_a_range() -> None:
    span = parse_span("48h..yesterday", NOW, BERLIN)
    assert (span.since_us, span.until_us) == (NOW - 2 * DAY, at("2026-11-23"))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-23", 24)]
)
def test_a_day_is_as_long_as_it_is(day: str, hours: int) -> None:
    span = parse_span(day, NOW, BERLIN)
    assert span.until_us - span.since_us == hours * HOUR
    assert span.since_us == to_us(datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=BERLIN))


def test_the_week_of_a_clock_change_lacks_an_hour() -> None:
    span = parse_span("2026-W13", NOW, BERLIN)
    assert span.until_us - span.since_us == 7 * DAY - HOUR


def test_today_follows_the_zone_and_not_utc() -> None:
    late = at("2026-11-23T23:30:00", UTC)
    assert parse_span("today", late, BERLIN).since_us == at("2026-11-24")
    assert parse_span("today", late, UTC).since_us == at("2026-11-23", UTC)


def test_a_day_whose_midnight_does_not_exist_begins_with_its_first_moment() -> None:
    beirut = ZoneInfo("Asia/Beirut")
    span = parse_span("2026-03-29", NOW, beirut)
    assert span.since_us == to_us(datetime(2026, 3, 28, 22, tzinfo=UTC))
    assert span.until_us - span.since_us == 23 * HOUR


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "..", "today..", "..today", "a..b", "today..yesterday", "today...",
        "2026-11..2026-11..2026-12", "0h", "7", "7y", "-7d", "7.5d", "1000000d", "999999w",
        "24 h", "2026-W54", "2025-W53", "2026-W0", "2026-13", "2026-00", "2026-02-30",
        "2026-1-1", "9999-12-31", "9999-W52", "9999-12", "0000-01-01", "tomorrow", "last week",
        "2026", "W47", "2026-11-16T10", "1;DROP", "\x00", "٣d",
    ],
)  # fmt: skip
def test_anything_else_is_refused_whole(text: str) -> None:
    with pytest.raises(BadSpan):
        parse_span(text, NOW, BERLIN)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_there_is_no_span_before_1970(zone: str) -> None:
    """What holds all time begins there, and can be compared, parted and written down."""
    for text in ("0001-01-01", "0001-W01", "0001-01", "1969-12-30", "0001-01..1969-12-30"):
        with pytest.raises(BadSpan):
            parse_span(text, NOW, ZoneInfo(zone))
    for text in ("0001-01-01..today", "1970-01..2026-11", "1900-01-01..9999-12-30", "1970-01-02"):
        span = parse_span(text, NOW, ZoneInfo(zone))
        assert 0 <= span.since_us <= 2 * DAY
        compared = before(span, NOW, ZoneInfo(zone))
        assert compared.since_us <= compared.until_us <= span.since_us
        assert slots(span, ZoneInfo(zone)).edges[-1] == span.until_us
        assert from_us(compared.since_us, ZoneInfo(zone)).year >= 1969


def test_a_day_that_a_zone_left_out_has_no_length() -> None:
    """Samoa went to the other side of the date line, and had no 30 December 2011."""
    apia = ZoneInfo("Pacific/Apia")
    with pytest.raises(BadSpan):
        parse_span("2011-12-30", NOW, apia)
    december = parse_span("2011-12", NOW, apia)
    parts = pairwise(slots(december, apia).edges)
    assert [end - start for start, end in parts] == [DAY] * 30
    assert days(december.since_us, december.until_us, apia) == list(
        pairwise(slots(december, apia).edges)
    )


def test_a_deadline_is_a_length_from_now_or_a_day() -> None:
    assert parse_deadline("90d", NOW, BERLIN) == NOW + 90 * DAY
    assert parse_deadline("2027-01-01", NOW, BERLIN) == at("2027-01-01")
    assert parse_day("2026-10-25", BERLIN) == at("2026-10-25")
    assert parse_deadline("9999-12-31", NOW, BERLIN) == at("9999-12-31")
    # Later ones would have no date, and `keys list` nothing to write.
    latest = parse_deadline("416016w", NOW, BERLIN)
    assert from_us(latest, BERLIN).year == 9999


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("tomorrow", "2026-11-24"),
        ("friday", "2026-11-27"),
        (" Fri ", "2026-11-27"),
        ("tuesday", "2026-11-24"),
        ("sunday", "2026-11-29"),
        # NOW is a Monday: the next one is meant.
        ("monday", "2026-11-30"),
    ],
)
def test_a_deadline_may_be_a_day_with_a_name(text: str, day: str) -> None:
    assert parse_deadline(text, NOW, BERLIN) == at(day)


def test_a_day_with_a_name_is_one_of_the_zone() -> None:
    late = at("2026-11-24", ZoneInfo("UTC")) - 1
    assert parse_deadline("tomorrow", late, ZoneInfo("UTC")) == late + 1
    assert parse_deadline("tomorrow", late, BERLIN) == at("2026-11-25")
    assert parse_deadline("tuesday", late, BERLIN) == at("2026-12-01")
    # The clock goes back on the day between.
    saturday = at("2026-10-24")
    assert parse_deadline("monday", saturday, BERLIN) == saturday + 2 * DAY + HOUR


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0d",
        "fryday",
        "today",
        "fri day",
        "2026-11-23",
        "2026-11-22",
        "never",
        "90",
        "2027-01",
        "-1d",
        "416017w",
    ],
)
def test_a_deadline_that_is_no_time_to_come_is_refused(text: str) -> None:
    with pytest.raises(BadSpan):
        parse_deadline(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["2026-W53", "2026-12", "2026-11-24", "2026-12-01..2026-12-02"])
def test_a_span_that_has_not_begun_is_refused_with_its_begin(text: str) -> None:
    with pytest.raises(SpanToCome) as refused:
        parse_span(text, NOW, BERLIN)
    assert refused.value.since_us > NOW


def test_a_span_may_end_in_the_future_and_begin_now() -> None:
    assert parse_span("2026-11..2026-12", NOW, BERLIN).until_us == at("2027-01-01")
    midnight = at("2026-11-23")
    assert parse_span("today", midnight, BERLIN).since_us == midnight


@pytest.mark.parametrize(
    ("text", "since", "until", "label"),
    [
        ("last-week", "2026-11-09", "2026-11-16", "W46"),
        ("2026-W01", "2025-12-22", "2025-12-29", "W52"),
        ("last-month", "2026-09-01", "2026-10-01", "Sep"),
        ("2026-03", "2026-02-01", "2026-03-01", "Feb"),
        ("yesterday", "2026-11-21", "2026-11-22", "Sat"),
        # These still run: 10 hours of the week and of the day, 22 days and 10 hours of the month.
        ("this-week", "2026-11-16", "2026-11-16T10:00", "W47"),
        ("today", "2026-11-22", "2026-11-22T10:00", "Sun"),
        ("mtd", "2026-10-01", "2026-10-23T10:00", "Oct"),
        # Whole days, the one of the clock change among them.
        ("2026-10-24..2026-10-25", "2026-10-22", "2026-10-24", "before"),
        ("7d", "2026-11-09T10:00", "2026-11-16T10:00", "before"),
        ("90m", "2026-11-23T07:00", "2026-11-23T08:30", "before"),
    ],
)
def test_a_span_is_compared_with_the_one_before(
    text: str, since: str, until: str, label: str
) -> None:
    compared = before(parse_span(text, NOW, BERLIN), NOW, BERLIN)
    assert (compared.since_us, compared.until_us) == (at(since), at(until))
    assert compared.label == label


def test_a_running_month_is_never_compared_with_more_than_the_month_before() -> None:
    now = at("2026-03-31T12:00:00")
    compared = before(parse_span("mtd", now, BERLIN), now, BERLIN)
    assert (compared.since_us, compared.until_us) == (at("2026-02-01"), at("2026-03-01"))


@pytest.mark.parametrize(
    ("text", "unit", "parts"),
    [
        ("last-week", "day", 7),
        ("2026-W43", "day", 7),  # Of 169 hours.
        ("today", "hour", 24),
        ("2026-10-25", "hour", 25),
        ("2026-03-29", "hour", 23),
        ("90m", "hour", 2),
        ("48h", "day", 3),
        ("7d", "day", 8),
        ("last-month", "day", 31),
        ("2026-02", "day", 28),
        ("2026-10-01..2026-11-15", "week", 7),
        ("2026-01..2026-11", "month", 11),
        ("2020-01..2026-11", "", 1),
    ],
)
def test_a_span_is_parted_by_the_smallest_unit_that_fits(text: str, unit: str, parts: int) -> None:
    span = parse_span(text, NOW, BERLIN)
    made = slots(span, BERLIN)
    assert (made.unit, len(made.edges) - 1) == (unit, parts)
    assert (made.edges[0], made.edges[-1]) == (span.since_us, span.until_us)


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
     "Africa/Cairo", "America/Santiago", "Pacific/Apia"]
).map(ZoneInfo)  # fmt: skip
MOMENTS = st.integers(at("2015-01-01"), at("2030-01-01"))


@given(since=MOMENTS, length=st.integers(1, 400 * DAY), zone=ZONES)
def test_parts_are_in_order_and_whole(since: int, length: int, zone: ZoneInfo) -> None:
    span = Span(since, since + length, "some")
    edges = slots(span, zone).edges
    assert (edges[0], edges[-1]) == (span.since_us, span.until_us)
    assert all(start < end for start, end in pairwise(edges))
    assert len(edges) - 1 <= SLOTS_MAX


@given(since=MOMENTS, length=st.integers(1, 40 * DAY), zone=ZONES)
def test_whole_days_lie_in_the_span_and_meet(since: int, length: int, zone: ZoneInfo) -> None:
    found = days(since, since + length, zone)
    assert all(since <= start and end <= since + length for start, end in found)
    assert all(first[1] == second[0] for first, second in pairwise(found))
    # What is left at either end is less than a day, of 25 hours at the most.
    covered = sum(end - start for start, end in found)
    assert length - covered <= 2 * 25 * HOUR


@given(now=MOMENTS, zone=ZONES, text=st.sampled_from([*NAMED, "7d", "90m", "2w", "2014-W40"]))
def test_what_is_compared_lies_before_and_has_a_length(now: int, zone: ZoneInfo, text: str) -> None:
    span = parse_span(text, now, zone)
    compared = before(span, now, zone)
    assert compared.since_us <= compared.until_us <= span.since_us
    if span.since_us < now:
        assert compared.since_us < compared.until_us
