"""Times as they are written: ISO 8601 in UTC for programs, local and short for people."""

from __future__ import annotations

from datetime import tzinfo
from zoneinfo import ZoneInfo

from ferrycli.rules.stamps import iso, milliseconds
from ferrycli.rules.windows import MICROSECONDS, from_us

__all__ = ["ago", "clock", "exact", "iso", "local", "milliseconds", "seconds", "zone_named"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def local(at_us: int, zone: tzinfo) -> str:
    """`2026-11-23 10:00`, in `zone`."""
    return f"{from_us(at_us, zone):%Y-%m-%d %H:%M}"


def exact(at_us: int, zone: tzinfo) -> str:
    """`2026-11-23 10:00:01.204`, in `zone`."""
    return f"{from_us(at_us, zone):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def clock(at_us: int, zone: tzinfo, *, has_day: bool) -> str:
    """`10:00:01`, or `23 Nov 10:00`."""
    return f"{from_us(at_us, zone):{'%d %b %H:%M' if has_day else '%H:%M:%S'}}"


def seconds(duration_us: int | None) -> str:
    """`0.61s`, `12s`; empty for None."""
    if duration_us is None:
        return ""
    amount = max(duration_us, 0) / MICROSECONDS
    return f"{amount:.2f}s" if amount < 10 else f"{amount:.0f}s"


def ago(at_us: int | None, now_us: int) -> str:
    """`3 min ago`, `5 d ago`; `never` for None."""
    if at_us is None:
        return "never"
    passed = (now_us - at_us) // MICROSECONDS
    for size, unit in _UNITS:
        if passed >= size:
            return f"{passed // size} {unit} ago"
    return "just now"


def zone_named(name: str) -> tzinfo:
    """The zone of a budget, as the database names it."""
    return ZoneInfo(name)
