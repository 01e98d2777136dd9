"""What the file and the upstream say of a run, each by itself: nothing here asks ferry's rules.

Arithmetic is written anew on purpose: a cap that ferry computes wrongly must not be checked by
the code that computed it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.whole.upstream import Prices, Seen

Row = dict[str, Any]
"""One row of a table, by column."""

OPEN_ABOVE = 8_192
"""A limit on the answer above this is read as none."""
OUTPUT_FLOOR = 256
MILLION = 1_000_000
HELD_S_MAX = 10.0
"""Ten times the second in which holds must have ended."""


def query(database: Path, statement: str, *values: Any) -> list[Row]:
    """The rows that a statement finds, by column."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, values)]


def calls(database: Path) -> list[Row]:
    """Every call, the oldest first; `n` is the number that its `metadata` gave it."""
    found = query(database, "SELECT * FROM calls ORDER BY seq")
    for row in found:
        row["n"] = json.loads(row["tags"] or "{}").get("n", "")
    return found


def at_rest(database: Path) -> tuple[list[Row], float]:
    """The calls once none is in flight, and how many seconds that took."""
    began = time.monotonic()
    while True:
        [row] = query(database, "SELECT count(*) AS n FROM calls WHERE state = 'held'")
        waited = time.monotonic() - began
        if not row["n"]:
            return calls(database), waited
        assert waited < HELD_S_MAX, f"{row['n']} calls are held {waited:.0f} s after the end"
        time.sleep(0.01)


def unlike_sent(database: Path, sent: Iterable[str]) -> dict[str, int]:
    """Calls that have not exactly one row, by number; those that a denied row counts are there."""
    count: Counter[str] = Counter()
    for row in calls(database):
        count[row["n"]] += row["repeats"]
    return {number: count[number] for number in sent if count[number] != 1}


@dataclass(frozen=True, slots=True)
class Cap:
    """A budget as the test knows it: what it selects, and the most that may be spent."""

    selector: str
    limit_nanousd: int
    period: str = "total"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Dimension and value; `*` stands for each."""
        return [(one.partition("=")[0], one.partition("=")[2]) for one in self.selector.split(",")]

    def subject(self, facts: Row | dict[str, str]) -> str | None:
        """The subject of the window that a call with these facts counts in; None: in none."""
        found = []
        for name, wanted in self.pairs:
            value = facts.get(name) or ""
            if not value or wanted not in ("*", value):
                return None
            if wanted == "*":
                found.append(value)
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else ""

    def billed(self, seen: Iterable[Seen], prices: Prices | None = None) -> dict[str, int]:
        """What the upstream bills, in nano-dollars, by subject."""
        found: Counter[str] = Counter()
        for one in list(seen):
            subject = self.subject(one.wish)
            if subject is not None:
                found[subject] += one.bill(prices)
        return dict(found)

    def id(self, database: Path) -> str:
        """The budget's id."""
        statement = "SELECT * FROM budgets WHERE selector = ? AND removed_at IS NULL"
        found = [
            row
            for row in query(database, statement, self.selector)
            if row["is_prepaid"] == (self.period == "prepaid")
            and self.period in (row["period"], "prepaid")
        ]
        assert len(found) == 1, (self, found)
        return str(found[0]["id"])

    def windows(self, database: Path) -> dict[str, Row]:
        """Spent, held and doubt by subject; the buckets of a rolling period together."""
        statement = (
            "SELECT subject, sum(spent_nanousd) AS spent, sum(held_nanousd) AS held,"
            " sum(doubt_nanousd) AS doubt FROM windows WHERE budget_id = ? GROUP BY subject"
        )
        return {row["subject"]: row for row in query(database, statement, self.id(database))}


def smallest_hold(row: Row) -> int:
    """The least that must be free for the call of this row, from its bounds. Of one choice."""
    asked = row["output_asked"]
    floor = max(row["expected_output"], OUTPUT_FLOOR)
    output = floor if asked is None or asked > OPEN_ABOVE else asked
    return int(row["input_ceiling_nanousd"] - (-output * row["output_rate_nanousd"] // MILLION))


@dataclass
class Replayed:
    """What a run's own order of decisions says of its budgets."""

    over: int = 0
    """By how much an admission went over a limit, at the most."""
    refused_though_free: int = 0
    """Calls refused although their smallest hold was free at that moment."""
    unlike: int = 0
    """Denied rows that name another sum as free than was free, in the budget that they name or in
    the fullest."""
    denied: int = 0


def replay(rows: Sequence[Row], caps: Sequence[Cap], ids: dict[Cap, str], key: str) -> Replayed:
    """Go through holds, ends and refusals of money in the order in which the ledger took them.

    `key`: the name of the key that all calls were made with.
    """
    by_id = {ids[cap]: cap for cap in caps}
    used: Counter[tuple[str, str]] = Counter()
    result = Replayed()
    for _, is_end, row in sorted(_steps(rows), key=lambda step: step[0]):
        if row["state"] == "denied":
            facts = {**row, "key": key}
            places = [
                (ids[cap], subject) for cap in caps if (subject := cap.subject(facts)) is not None
            ]
            free = {
                budget: by_id[budget].limit_nanousd - used[budget, subject]
                for budget, subject in places
            }
            result.denied += 1
            result.refused_though_free += smallest_hold(row) <= min(free.values())
            result.unlike += row["free_nanousd"] not in (
                free[row["budget_id"]],
                min(free.values()),
            )
            continue
        for budget, subject, *_ in json.loads(row["windows"] or "[]"):
            if is_end:
                used[budget, subject] += row["cost_nanousd"] + row["doubt_nanousd"]
                used[budget, subject] -= row["hold_nanousd"]
            else:
                used[budget, subject] += row["hold_nanousd"]
                over = used[budget, subject] - by_id[budget].limit_nanousd
                result.over = max(result.over, over)
    return result


def _steps(rows: Sequence[Row]) -> Iterator[tuple[int, bool, Row]]:
    for row in rows:
        if row["state"] != "denied":
            yield row["admit_no"], False, row
            yield row["close_no"], True, row
        elif row["error_code"] in ("insufficient_quota", "budget_busy"):
            yield row["admit_no"], False, row
