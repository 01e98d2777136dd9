"""Times as programs read them: ISO 8601 in UTC, and whole milliseconds. Pure."""

from __future__ import annotations

from ferrycli.rules.windows import from_us


def iso(at_us: int | None) -> str | None:
    """`2026-11-23T09:00:01.204000Z`; None stays None."""
    return None if at_us is None else f"{from_us(at_us):%Y-%m-%dT%H:%M:%S.%f}Z"


def milliseconds(first_us: int, last_us: int | None) -> int | None:
    """Whole milliseconds from `first_us` to `last_us`, never below 0; None where that is None."""
    return None if last_us is None else max(0, last_us - first_us + 500) // 1000
