"""Windows: in every zone they tile time, one after the other, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.errors import BadAmount, BadBudget
from ferrycli.rules.windows import (
    Allowance,
    day_start,
    first_day,
    from_us,
    next_first_day,
    to_us,
    window_end,
    window_start,
)
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
]


@pytest.mark.parametrize(("text", "expected"), ALLOWANCES)
def test_a_limit_is_read_with_its_period(text: str, expected: Allowance) -> None:
    assert Allowance.parse(text) == expected
    assert Allowance.parse(str(expected)) == expected


BAD_ALLOWANCES = [
    *(("", BadBudget), ("50", BadBudget), ("/month", BadBudget), ("50/", BadBudget)),
    *(("50/year", BadBudget), ("50/month/day", BadBudget), ("50 month", BadBudget)),
    *(("50/month\n1", BadBudget), ("fifty/month", BadAmount), ("-5/month", BadAmount)),
]


@pytest.mark.parametrize(("text", "error"), BAD_ALLOWANCES)
def test_what_is_no_limit_and_period_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Allowance.parse(text)


def test_an_allowance_reads_as_it_was_written() -> None:
    assert str(Allowance(50 * NANO, "month")) == "$50.00/month"
