"""Whether a database holds what it should: the file, its references, its windows and its days.

All checks read one moment of the database, through a read-only connection, and change nothing.
Invariants I1 and I2 are recomputed from the rows. Source: docs/money.md, section 4.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from ferrycli.rules.windows import from_us
from ferrycli.store import daily, sums
from ferrycli.store.ids import seq_at

FAULTS_MAX = 100
"""A damaged file may break a check once for every row: so many are told."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it should be."""

    subject: str
    """`file`, a table and its row, or `window` with budget, subject and start."""
    what: str
    """The column, or the kind of damage."""
    is_now: int | None = None
    should_be: int | None = None
    """Nano-dollars for amounts of windows; None for what is no amount."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it claims, over how many things, and where that does not hold."""

    name: str
    claim: str
    count: int
    faults: tuple[Fault, ...]


def run(connection: sqlite3.Connection) -> list[Check]:
    """Every check, on one moment of the database; only the first where the file is damaged."""
    connection.execute("BEGIN")
    try:
        file = _file(connection)
        # Sums over pages that are torn would tell nothing, or fail.
        if file.faults:
            return [file]
        return [file, _references(connection), _windows(connection), _days(connection)]
    finally:
        connection.execute("ROLLBACK")


def _file(connection: sqlite3.Connection) -> Check:
    try:
        rows = connection.execute(f"PRAGMA integrity_check({FAULTS_MAX})").fetchall()
        lines = [str(row[0]) for row in rows if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        lines = [str(error)]
    faults = tuple(Fault("file", line) for line in lines)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return Check("file", "pages are sound", pages, faults)


_REFERENCES = (
    ("budgets", "key_id", "keys", "id", "key_id <> '' AND removed_at IS NULL"),
    ("windows", "budget_id", "budgets", "id", "1"),
    ("corrections", "call_seq", "calls", "seq", "1"),
    ("attempts", "call_seq", "calls", "seq", "1"),
    ("lines", "call_seq", "calls", "seq", "1"),
)
"""Table, its column, the table and column that it names, and the rows that must name one."""


def _references(connection: sqlite3.Connection) -> Check:
    faults: list[Fault] = []
    count = 0
    for table, column, other, other_column, condition in _REFERENCES:
        count += connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0]
        query = (
            f"SELECT {column} FROM {table} WHERE {condition}"
            f" AND {column} NOT IN (SELECT {other_column} FROM {other}) LIMIT {FAULTS_MAX}"
        )
        faults += [
            Fault(f"{table} {row[0]}", f"no such row in {other}")
            for row in connection.execute(query)
        ]
    return Check(
        "references", "rows that name another row name one that is there", count, _some(faults)
    )


_SUMS = """
SELECT json_extract(w.value, '$[0]'), json_extract(w.value, '$[1]'), json_extract(w.value, '$[2]'),
    sum(CASE WHEN c.state = 'held' THEN 0
        ELSE max(0, coalesce(c.cost_nanousd, 0) + coalesce(d.delta, 0)) END),
    sum(CASE WHEN c.state = 'held' THEN c.hold_nanousd ELSE 0 END),
    sum(c.doubt_nanousd)
FROM calls c, json_each(c.windows) w
LEFT JOIN (SELECT call_seq, sum(delta_nanousd) AS delta FROM corrections GROUP BY call_seq) d
    ON d.call_seq = c.seq
WHERE c.windows <> '' GROUP BY 1, 2, 3
"""
_WINDOWS = (
    "SELECT budget_id, subject, start, spent_nanousd, held_nanousd, doubt_nanousd FROM windows"
)
_AMOUNTS = ("spent", "held", "doubt")


def _windows(connection: sqlite3.Connection) -> Check:
    """I1 and I2: each amount of a window is the sum over the calls that were counted in it."""
    recorded = {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(_WINDOWS)}
    summed = {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(_SUMS)}
    faults: list[Fault] = []
    for key in sorted(recorded.keys() | summed.keys()):
        faults += _differences(key, recorded.get(key, (0, 0, 0)), summed.get(key, (0, 0, 0)))
    return Check("windows", "windows equal the sums of their calls", len(recorded), _some(faults))


def _differences(
    key: tuple[str, str, int], is_now: tuple[int, ...], should_be: tuple[int, ...]
) -> Iterator[Fault]:
    name = " ".join(str(part) for part in ("window", *key) if part != "")
    for what, amount, wanted in zip(_AMOUNTS, is_now, should_be, strict=True):
        if amount != wanted:
            yield Fault(name, what, amount, wanted)


def _days(connection: sqlite3.Connection) -> Check:
    """Each summary of a day is what its rows come to."""
    days = connection.execute("SELECT start_at, end_at FROM summed_days").fetchall()
    recomputed = daily.day_sums_sql(is_corrected=sums.has_corrections(connection))
    recorded = f"SELECT {', '.join(daily.DAY_COLUMNS)} FROM daily WHERE start_at = ? AND end_at = ?"
    faults: list[Fault] = []
    for start_us, end_us in map(tuple, days):
        rows = (start_us, end_us, seq_at(start_us), seq_at(end_us))
        summary = (start_us, end_us)
        for query, values in (
            (f"{recomputed} EXCEPT {recorded}", (*rows, *summary)),
            (f"{recorded} EXCEPT {recomputed}", (*summary, *rows)),
        ):
            if connection.execute(f"SELECT EXISTS ({query})", values).fetchone()[0]:
                day = from_us(start_us).strftime("%Y-%m-%d %H:%M UTC")
                faults.append(Fault(f"day {day}", "its summary is not what its calls come to"))
                break
    return Check("days", "summaries of days equal their calls", len(days), _some(faults))


def _some(faults: list[Fault]) -> tuple[Fault, ...]:
    return tuple(faults[:FAULTS_MAX])
