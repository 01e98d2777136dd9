"""The calendar of the demo: four closed weeks and the running one, hour by hour, in a zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import accumulate

from ferrycli.rules.windows import MICROSECONDS, day_start, first_day, from_us, to_us
from ferrycli.setup.demo.cast import SHAPES, WEEKS
from ferrycli.setup.demo.planted import Fact

MINUTE_US = 60 * MICROSECONDS
HOUR_US = 60 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Week:
    """A calendar week in the demo's zone. Times in UTC microseconds."""

    index: int
    """0 is the first closed one, `WEEKS` the running one."""
    monday: date
    zone: tzinfo
    start_us: int
    end_us: int
    hours: Sequence[int]
    """When each of its hours begins: 168, or one more or less where a clock is changed."""
    busy: Mapping[str, Sequence[float]]
    """The weights of its hours, summed up, by shape."""

    @property
    def is_last_closed(self) -> bool:
        """Whether it is the one that the planted facts are of."""
        return self.index == WEEKS - 1

    def span(self, fact: Fact) -> tuple[int, int]:
        """When `fact` begins and ends, in this week."""
        day = self.monday + timedelta(days=fact.weekday)
        since_us = to_us(datetime.combine(day, fact.begins, self.zone))
        return since_us, min(since_us + fact.minutes * MINUTE_US, self.end_us)


def calendar(now_us: int, zone: tzinfo) -> list[Week]:
    """The closed weeks before the one that holds `now_us`, and that one."""
    monday = first_day("week", from_us(now_us, zone).date())
    return [
        _week(index, monday + timedelta(weeks=index - WEEKS), zone) for index in range(WEEKS + 1)
    ]


def _week(index: int, monday: date, zone: tzinfo) -> Week:
    start_us, end_us = (day_start(monday + timedelta(weeks=more), zone) for more in (0, 1))
    hours = range(start_us, end_us, HOUR_US)
    local = [from_us(hour, zone) for hour in hours]
    busy = {
        name: list(accumulate(of_day[one.hour] * of_week[one.weekday()] for one in local))
        for name, (of_day, of_week) in SHAPES.items()
    }
    return Week(index, monday, zone, start_us, end_us, hours, busy)
