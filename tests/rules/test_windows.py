"""Windows: in every zone they tile time, one after the other, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BudgetSpent
from ferrycli.rules.errors import BadAmount, BadBudget
from ferrycli.rules.phrases import period_phrase
from ferrycli.rules.windows import (
    ROLLING_HOURS_MAX,
    Allowance,
    bucket_us,
    day_start,
    first_bucket,
    first_day,
    from_us,
    is_rolling,
    next_first_day,
    parse_period,
    span_us,
    to_us,
    window_end,
    window_start,
)
from ferrycli.rules.words import words
from tests.rules.arithmetic import NANO, dollars

HOUR_US = 3_600 * 1_000_000
ZONES = ("UTC", "Europe/Berlin", "America/Santiago", "Asia/Kolkata", "Pacific/Apia")
HARD_ZONES = (
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Nuuk",
    "Australia/Lord_Howe",
)
CALENDAR = ("day", "week", "month")


def us(text: str) -> int:
    """A moment with its offset, as UTC microseconds."""
    return to_us(datetime.fromisoformat(text))


@pytest.mark.parametrize("period", CALENDAR)
@pytest.mark.parametrize("zone_name", [*ZONES, *HARD_ZONES])
def test_windows_tile_time_without_gap_or_overlap(zone_name: str, period: str) -> None:
    zone = ZoneInfo(zone_name)
    start = window_start(period, zone, us("2010-06-15T12:00:00+00:00"))
    until = us("2037-12-01T00:00:00+00:00")
    days: list[date] = []
    while start < until:
        end = window_end(period, zone, start)
        assert end is not None
        assert start < end
        assert window_start(period, zone, start) == start
        assert window_start(period, zone, end - 1) == start
        assert window_start(period, zone, end) == end
        days.append(from_us(start, zone).date())
        start = end
    assert all(first_day(period, day) == day for day in days)
    skipped = {
        next_first_day(period, before)
        for before, after in pairwise(days)
        if next_first_day(period, before) != after
    }
    # Samoa had no 30 December 2011: it went over the date line.
    is_samoan_day = (zone_name, period) == ("Pacific/Apia", "day")
    assert skipped == ({date(2011, 12, 30)} if is_samoan_day else set())


MOMENTS = st.integers(us("2012-01-01T00:00:00+00:00"), us("2037-01-01T00:00:00+00:00"))


@given(st.sampled_from(CALENDAR), st.sampled_from([*ZONES, *HARD_ZONES]), MOMENTS)
def test_a_moment_lies_in_the_window_that_its_local_date_names(
    period: str, zone_name: str, now_us: int
) -> None:
    zone = ZoneInfo(zone_name)
    start = window_start(period, zone, now_us)
    end = window_end(period, zone, start)
    assert end is not None
    assert start <= now_us < end
    first, today = from_us(start, zone).date(), from_us(now_us, zone).date()
    assert first == first_day(period, today)
    assert today < next_first_day(period, first)


LONG_AND_SHORT = [
    ("Europe/Berlin", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", 23),
    ("Europe/Berlin", "2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00", 25),
    ("Europe/Berlin", "2026-10-26T00:00:00+01:00", "2026-10-26T00:00:00+01:00", 24),
    # Midnight does not exist: the day begins at one.
    ("America/Santiago", "2026-09-06T12:00:00-03:00", "2026-09-06T01:00:00-03:00", 23),
    # The last hour of the day happens twice, and both belong to it.
    ("America/Santiago", "2026-04-04T23:30:00-04:00", "2026-04-04T00:00:00-03:00", 25),
    ("America/Santiago", "2026-04-05T00:00:00-04:00", "2026-04-05T00:00:00-04:00", 24),
    ("Asia/Kolkata", "2026-11-23T00:00:00+05:30", "2026-11-23T00:00:00+05:30", 24),
    # Midnight happens twice, and the day begins at the first.
    ("America/Havana", "2026-11-01T00:30:00-05:00", "2026-11-01T00:00:00-04:00", 25),
    ("UTC", "2024-02-29T23:59:59.999999+00:00", "2024-02-29T00:00:00+00:00", 24),
]


@pytest.mark.parametrize(("zone_name", "now", "start", "hours"), LONG_AND_SHORT)
def test_a_day_has_the_hours_that_its_clocks_give_it(
    zone_name: str, now: str, start: str, hours: int
) -> None:
    zone = ZoneInfo(zone_name)
    assert window_start("day", zone, us(now)) == us(start)
    assert window_end("day", zone, us(start)) == us(start) + hours * HOUR_US


def test_the_day_after_samoas_lost_one_begins_where_the_day_before_it_ends() -> None:
    zone = ZoneInfo("Pacific/Apia")
    start = us("2011-12-29T00:00:00-10:00")
    end = window_end("day", zone, start)
    assert end == us("2011-12-31T00:00:00+14:00")
    assert day_start(date(2011, 12, 30), zone) == end


STARTS = [
    ("week", "2026-11-23T00:00:00+00:00", "2026-11-23", "2026-11-30"),
    ("week", "2026-11-29T23:59:59+00:00", "2026-11-23", "2026-11-30"),
    ("week", "2026-11-22T23:59:59+00:00", "2026-11-16", "2026-11-23"),
    ("week", "2027-01-01T00:00:00+00:00", "2026-12-28", "2027-01-04"),
    ("month", "2026-11-30T23:59:59+00:00", "2026-11-01", "2026-12-01"),
    ("month", "2026-12-31T23:59:59+00:00", "2026-12-01", "2027-01-01"),
    ("month", "2024-02-29T00:00:00+00:00", "2024-02-01", "2024-03-01"),
    ("month", "2026-01-31T00:00:00+00:00", "2026-01-01", "2026-02-01"),
    ("day", "2026-12-31T00:00:00+00:00", "2026-12-31", "2027-01-01"),
]


@pytest.mark.parametrize(("period", "now", "start", "end"), STARTS)
def test_weeks_begin_on_mondays_and_months_on_their_first(
    period: str, now: str, start: str, end: str
) -> None:
    found = window_start(period, UTC, us(now))
    assert found == us(f"{start}T00:00:00+00:00")
    assert window_end(period, UTC, found) == us(f"{end}T00:00:00+00:00")


@pytest.mark.parametrize("now_us", [0, 1, us("2026-11-23T00:00:00+00:00")])
def test_a_total_has_one_window_without_an_end(now_us: int) -> None:
    assert window_start("total", UTC, now_us) == 0
    assert window_end("total", UTC, 0) is None


@given(MOMENTS, st.sampled_from(ZONES))
def test_microseconds_come_back_as_they_went(now_us: int, zone_name: str) -> None:
    moment = from_us(now_us, ZoneInfo(zone_name))
    assert to_us(moment) == now_us
    assert moment.utcoffset() is not None
    assert from_us(now_us) == moment
    assert moment - from_us(0) == timedelta(microseconds=now_us)


ALLOWANCES = [
    ("50/month", Allowance(50 * NANO, "month")),
    ("$12.50/day", Allowance(dollars("12.50"), "day")),
    ("5/total", Allowance(5 * NANO, "total")),
    (" 1,000 / week ", Allowance(1_000 * NANO, "week")),
    ("0/day", Allowance(0, "day")),
    ("2/total", Allowance(2 * NANO, "total")),
    ("100/rolling 7d", Allowance(100 * NANO, "rolling 7d")),
    ("100/7d", Allowance(100 * NANO, "rolling 7d")),
    (" $0.50 / rolling   36h ", Allowance(dollars("0.50"), "rolling 36h")),
]


@pytest.mark.parametrize(("text", "expected"), ALLOWANCES)
def test_a_limit_is_read_with_its_period(text: str, expected: Allowance) -> None:
    assert Allowance.parse(text) == expected
    assert Allowance.parse(str(expected)) == expected


BAD_ALLOWANCES = [
    *(("", BadBudget), ("50", BadBudget), ("/month", BadBudget), ("50/", BadBudget)),
    *(("50/year", BadBudget), ("50/month/day", BadBudget), ("50 month", BadBudget)),
    *(("50/Month", BadBudget), ("50/rolling", BadBudget), ("50/91d", BadBudget)),
    *(("50/0h", BadBudget), ("50/rolling week", BadBudget), (" /7d", BadBudget)),
    *(("50/month\n1", BadBudget), ("fifty/month", BadAmount), ("-5/month", BadAmount)),
]


@pytest.mark.parametrize(("text", "error"), BAD_ALLOWANCES)
def test_what_is_no_limit_and_period_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Allowance.parse(text)


def test_an_allowance_reads_as_it_was_written() -> None:
    assert str(Allowance(50 * NANO, "month")) == "$50.00/month"
    assert str(Allowance.parse("100/7d")) == "$100.00/rolling 7d"


# Rolling ----------------------------------------------------------------------------------------

HALF_HOUR = HOUR_US // 2
PERIODS_READ = [
    # text, canonical, span, bucket
    ("rolling 7d", "rolling 7d", 7 * 24 * HOUR_US, HOUR_US),
    ("7d", "rolling 7d", 7 * 24 * HOUR_US, HOUR_US),
    (" rolling \t 168h ", "rolling 7d", 7 * 24 * HOUR_US, HOUR_US),
    ("rolling 07d", "rolling 7d", 7 * 24 * HOUR_US, HOUR_US),
    ("rolling 36h", "rolling 36h", 36 * HOUR_US, 45 * HOUR_US // 60),
    ("24h", "rolling 1d", 24 * HOUR_US, HALF_HOUR),
    ("1h", "rolling 1h", HOUR_US, 75 * 1_000_000),
    ("47h", "rolling 47h", 47 * HOUR_US, 47 * 75 * 1_000_000),
    ("48h", "rolling 2d", 48 * HOUR_US, HOUR_US),
    ("49h", "rolling 49h", 49 * HOUR_US, HOUR_US),
    ("90d", "rolling 90d", 90 * 24 * HOUR_US, HOUR_US),
    ("2160h", "rolling 90d", 90 * 24 * HOUR_US, HOUR_US),
]


@pytest.mark.parametrize(("text", "canonical", "span", "bucket"), PERIODS_READ)
def test_a_rolling_period_is_read(text: str, canonical: str, span: int, bucket: int) -> None:
    assert parse_period(text) == canonical
    assert parse_period(canonical) == canonical
    assert is_rolling(canonical)
    assert (span_us(canonical), bucket_us(canonical)) == (span, bucket)


@pytest.mark.parametrize("period", [*CALENDAR, "total"])
def test_a_period_of_the_calendar_is_its_own_text(period: str) -> None:
    assert parse_period(f" {period}\n") == period
    assert not is_rolling(period)


@pytest.mark.parametrize(
    "text",
    ["", "year", "Month", "rolling", "rolling7d", "rolling month", "0d", "0h", "91d", "2161h",
     "99999h", "1.5d", "-7d", "7w", "7", "d", "٧d", "7d rolling", "rolling rolling 7d"],
)  # fmt: skip
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadBudget):
        parse_period(text)


ROLLING_PERIODS = st.integers(1, ROLLING_HOURS_MAX).map(lambda hours: parse_period(f"{hours}h"))


@given(ROLLING_PERIODS, MOMENTS, st.sampled_from(ZONES))
def test_the_bucket_of_a_moment_holds_it_in_every_zone(
    period: str, now_us: int, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    start = window_start(period, zone, now_us)
    assert start <= now_us < start + bucket_us(period)
    assert start % bucket_us(period) == 0
    assert window_start(period, zone, start) == start
    assert window_end(period, zone, start) is None


@given(ROLLING_PERIODS, MOMENTS, st.integers(0, 10**13))
def test_what_counts_is_never_less_than_the_span_and_at_most_a_bucket_more(
    period: str, now_us: int, age_us: int
) -> None:
    bucket = bucket_us(period)
    first = first_bucket(period, now_us)
    counts = first <= window_start(period, UTC, now_us - age_us)
    if age_us < span_us(period):
        assert counts
    if age_us >= span_us(period) + bucket:
        assert not counts
    buckets = (window_start(period, UTC, now_us) - first) // bucket + 1
    assert span_us(period) // bucket <= buckets <= span_us(period) // bucket + 1
    assert first % bucket == 0


EDGES = [
    # period, now in buckets' microseconds since a multiple, oldest bucket before that multiple
    ("rolling 2d", 0, 48),
    ("rolling 2d", 1, 48),
    ("rolling 2d", HOUR_US - 2, 48),
    # At the last microsecond of a bucket the span is exactly whole buckets.
    ("rolling 2d", HOUR_US - 1, 47),
    ("rolling 2d", HOUR_US, 47),
    ("rolling 1d", HALF_HOUR - 1, 47),
    ("rolling 1d", HALF_HOUR - 2, 48),
]


@pytest.mark.parametrize(("period", "after_us", "buckets"), EDGES)
def test_the_oldest_bucket_leaves_when_its_last_moment_is_a_span_old(
    period: str, after_us: int, buckets: int
) -> None:
    base = us("2026-11-23T00:00:00+00:00")
    assert base % bucket_us(period) == 0
    assert first_bucket(period, base + after_us) == base - buckets * bucket_us(period)


def test_summer_time_moves_no_bucket() -> None:
    zone = ZoneInfo("Europe/Berlin")
    before, after = us("2026-10-25T02:30:00+02:00"), us("2026-10-25T02:30:00+01:00")
    assert window_start("rolling 7d", zone, before) == us("2026-10-25T02:00:00+02:00")
    assert window_start("rolling 7d", zone, after) == us("2026-10-25T02:00:00+01:00")


def test_a_clock_that_goes_back_finds_the_bucket_that_it_was_in() -> None:
    now = us("2026-11-23T10:00:00.000001+00:00")
    assert window_start("rolling 7d", UTC, now - 3) == us("2026-11-23T09:00:00+00:00")
    assert first_bucket("rolling 7d", now - 3) == us("2026-11-16T09:00:00+00:00")
    assert first_bucket("rolling 7d", now) == us("2026-11-16T10:00:00+00:00")


@pytest.mark.parametrize(
    ("period", "phrase"),
    [("day", "today"), ("month", "this month"), ("total", "in total"),
     ("rolling 7d", "in the last 7 days"), ("rolling 1d", "in the last day"),
     ("rolling 36h", "in the last 36 hours"), ("rolling 1h", "in the last hour"),
     ("year", "per year")],
)  # fmt: skip
def test_a_period_is_named_in_a_sentence(period: str, phrase: str) -> None:
    assert period_phrase(period) == phrase


def test_a_spent_rolling_budget_names_its_span_and_no_moment() -> None:
    bucket = us("2026-11-23T10:00:00+00:00")
    said = words(
        BudgetSpent(
            budget="b_1",
            owner_hint="key=acme-web",
            period="rolling 7d",
            limit_nanousd=50 * NANO,
            spent_nanousd=50 * NANO,
            held_nanousd=0,
            doubt_nanousd=0,
            needed_nanousd=0,
            window_start_us=bucket,
            resets_at_us=None,
        )
    )
    assert said.sentence == "key `acme-web` has spent $50.00 of $50.00 in the last 7 days"
    assert said.hint == (
        "raise it with `ferry keys set acme-web --budget 80/7d`, or wait: what was spent longest"
        " ago ceases to count first"
    )
