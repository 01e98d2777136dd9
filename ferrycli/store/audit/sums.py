"""I7: however calls are grouped, their sums are equal; and summaries equal their rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ferrycli.rules.windows import from_us
from ferrycli.store import daily, sums
from ferrycli.store.audit.faults import Check, Fault, check
from ferrycli.store.ids import seq_at
from ferrycli.store.where import CORRECTED_COST, CORRECTIONS, COST

_GROUPS = ("tenant", "model", "feature", "day")


def equal(connection: sqlite3.Connection) -> Check:
    """I7: cost and number of calls by tenant, model, feature and day each come to the total."""
    is_corrected = sums.has_corrections(connection)
    cost = CORRECTED_COST if is_corrected else COST
    tables = "calls c" + (CORRECTIONS if is_corrected else "")
    amounts = f"coalesce(sum({cost}), 0), count(*)"
    spent, count = connection.execute(f"SELECT {amounts} FROM {tables}").fetchone()
    grouped = (
        "SELECT c.tenant, c.model, c.feature, (c.seq >> 21) / 86400000,"
        f" {amounts} FROM {tables} GROUP BY 1, 2, 3, 4"
    )
    found: dict[str, dict[object, tuple[int, int]]] = {name: {} for name in _GROUPS}
    for *values, amount, calls in connection.execute(grouped):
        for name, value in zip(_GROUPS, values, strict=True):
            had = found[name].get(value, (0, 0))
            found[name][value] = (had[0] + amount, had[1] + calls)

    def faults() -> Iterator[Fault]:
        if not isinstance(spent, int):
            yield Fault("calls", "some cost is no whole number")
        for name, groups in found.items():
            amount = sum(each[0] for each in groups.values())
            calls = sum(each[1] for each in groups.values())
            if amount != spent:
                yield Fault("calls", f"cost by {name}", amount, spent)
            if calls != count:
                yield Fault("calls", f"{calls} by {name}, and {count} in total")
        yield from day_faults(connection)

    claim = "sums by tenant, model, feature and day come to the total, and summaries to their calls"
    return check("I7 totals", claim, count, faults())


def day_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """Days whose summary is not what their rows come to."""
    days = connection.execute("SELECT start_at, end_at FROM summed_days").fetchall()
    recomputed = daily.day_sums_sql(is_corrected=sums.has_corrections(connection))
    recorded = f"SELECT {', '.join(daily.DAY_COLUMNS)} FROM daily WHERE start_at = ? AND end_at = ?"
    for start_us, end_us in map(tuple, days):
        rows = (start_us, end_us, seq_at(start_us), seq_at(end_us))
        summary = (start_us, end_us)
        for query, values in (
            (f"{recomputed} EXCEPT {recorded}", (*rows, *summary)),
            (f"{recorded} EXCEPT {recomputed}", (*summary, *rows)),
        ):
            if connection.execute(f"SELECT EXISTS ({query})", values).fetchone()[0]:
                day = from_us(start_us).strftime("%Y-%m-%d %H:%M UTC")
                yield Fault(f"day {day}", "its summary is not what its calls come to")
                break
