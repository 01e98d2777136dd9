"""I1, I2 and I11: what windows hold is what their calls came to, and no call is left out.

What is spent is summed by matching: every entry (`store/audit/entries.py`) whose attribution and
target a budget's selector names, since the budget counts; not by the windows that rows name. All
budgets whose selectors name the same dimensions are matched in one pass over the entries.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ferrycli.rules.selectors import ANY
from ferrycli.rules.windows import bucket_us, is_rolling, window_end, window_start
from ferrycli.store.audit.entries import (
    Extent,
    earlier_amount,
    entries_sql,
    extent,
    joins,
    last_amount,
    last_windows,
    with_parts,
)
from ferrycli.store.audit.faults import Check, Fault, check, window_name
from ferrycli.store.terms import pairs_of

CLOCK_BACK_US = 2 * 3_600_000_000
"""A clock may have been set back by so much: what it says of before and after is not sure."""
WINDOWS_MAX = 20_000
"""Periods of one budget between the first call and the last."""

Key = tuple[str, str, int]
"""Budget, subject, start."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A budget, as far as it is matched."""

    id: str
    pairs: tuple[tuple[str, str], ...]
    period: str
    zone: str
    counts_from: int
    created_at: int
    removed_at: int | None

    @property
    def may_lack(self) -> bool:
        """Whether calls that were not held in it may be missing."""
        return self.removed_at is not None or self.counts_from >= self.created_at

    @property
    def shape(self) -> tuple[tuple[tuple[str, bool], ...], str, str]:
        """What budgets that are matched together have in common."""
        dimensions = tuple((name, value == ANY) for name, value in self.pairs)
        return dimensions, self.period, "UTC" if is_rolling(self.period) else self.zone


@dataclass(slots=True)
class Matched:
    """What the entries that match a budget came to in one window, in nano-dollars."""

    spent: int = 0
    spent_most: int = 0
    """Before some corrections: what a budget that was removed may have been left with."""
    recorded: int = 0
    """Of `spent`, what is of entries that name the budget; of budgets that may lack others."""
    past: int = 0
    """What was admitted before the budget was made, or may have been, and the doubt it left."""
    over: int = 0
    """What was never held: overruns, costs that happened, and what corrections added."""
    most: int = 0
    """The most that all could have held and spent at once."""


@dataclass(frozen=True, slots=True)
class Matching:
    """All budgets, matched with all calls."""

    budgets: dict[str, _Watched]
    matched: dict[Key, Matched]
    pairs: int
    """Entries and budgets that belong together."""
    left_out: tuple[tuple[str, int], ...]
    """Budget, and the row key of a call that should have been held in it and was not."""


def match(connection: sqlite3.Connection) -> Matching:
    """Match every budget with every entry."""
    budgets = {one.id: one for one in _watched(connection)}
    shapes: dict[object, list[_Watched]] = {}
    for one in budgets.values():
        shapes.setdefault(one.shape, []).append(one)
    edges = connection.execute(
        "SELECT min(admitted_at), max(admitted_at) FROM calls WHERE state <> 'denied'"
    ).fetchone()
    matched: dict[Key, Matched] = {}
    pairs, left_out = 0, []
    if edges[0] is not None and budgets:
        query, values = _matching_sql(list(shapes.values()), tuple(edges), extent(connection))
        for row in connection.execute(query, values):
            budget, subject, start, *amounts, count, left_out_seq = row
            matched[budget, subject, start] = Matched(*amounts)
            pairs += count
            if left_out_seq is not None:
                left_out.append((budget, left_out_seq))
    return Matching(budgets, matched, pairs, tuple(left_out))


def _watched(connection: sqlite3.Connection) -> Iterator[_Watched]:
    columns = "id, subject, period, zone, counts_from, created_at, removed_at"
    for row in connection.execute(f"SELECT {columns} FROM budgets"):
        yield _Watched(row[0], pairs_of(row[1]), *row[2:])


def _matching_sql(
    shapes: Sequence[Sequence[_Watched]], edges: tuple[int, int], of: Extent
) -> tuple[str, list[str]]:
    """One statement for all shapes, so that the rows of calls are read once."""
    dimensions = list(dict.fromkeys(name for each in shapes for name, _ in each[0].pairs))
    entries, bound = entries_sql(dimensions, of)
    parts = [*with_parts(of), f"entries AS MATERIALIZED ({entries})"]
    queries = []
    for at, budgets in enumerate(shapes):
        parts.append(_budgets_sql(at, len(budgets[0].pairs)))
        queries.append(_shape_sql(at, budgets[0], dimensions, edges))
    listed = [
        json.dumps(
            [
                [one.id, one.counts_from, one.created_at, one.removed_at]
                + [value for _, value in one.pairs]
                for one in budgets
            ]
        )
        for budgets in shapes
    ]
    return f"WITH {', '.join(parts)} {' UNION ALL '.join(queries)}", [*bound, *listed]


def _budgets_sql(at: int, pairs: int) -> str:
    """The budgets of one shape, from JSON, each with the values of its selector."""
    names = ["id", "counts_from", "created_at", "removed_at", *(f"w{one}" for one in range(pairs))]
    columns = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(names)
    )
    quoted = "'\"' || json_extract(value, '$[0]') || '\"' AS quoted"
    return f"b{at} AS MATERIALIZED (SELECT {columns}, {quoted} FROM json_each(?))"


def _shape_sql(at: int, budget: _Watched, dimensions: Sequence[str], edges: tuple[int, int]) -> str:
    """Budget, subject, start, what is spent, and which entries name no window of it."""
    conditions, subjects = [], []
    for place, (name, wanted) in enumerate(budget.pairs):
        value = f"e.v{dimensions.index(name)}"
        if wanted == ANY:
            conditions.append(f"{value} <> ''")
            subjects.append(value)
        else:
            conditions.append(f"{value} = b.w{place}")
    subject = f"json_array({', '.join(subjects)})" if subjects else "''"
    start = _start_sql(budget, edges)
    named = "instr(e.windows, b.quoted) > 0"
    # A further attempt is held in the window of its own time, which the row tells.
    told = (
        "CASE WHEN e.is_several THEN coalesce((SELECT json_extract(w.value, '$[2]')"
        " FROM json_each(nullif(e.windows, '')) w WHERE json_extract(w.value, '$[0]') = b.id),"
        f" {start}) ELSE {start} END"
    )
    missing = (
        f"e.held_at - {CLOCK_BACK_US} > b.created_at AND (b.removed_at IS NULL"
        f" OR b.removed_at > e.held_at + {CLOCK_BACK_US}) AND NOT {named}"
        # An event may have occurred before a budget that was there as it came counts.
        " AND (NOT e.is_event OR e.admitted_at >= b.counts_from)"
    )
    counts = f"(e.is_ended AND e.admitted_at >= b.counts_from) OR {named}"
    return (
        f"SELECT b.id, {subject}, {told}, sum(CASE WHEN {counts} THEN e.cost ELSE 0 END),"
        f" sum(CASE WHEN {counts} THEN e.most ELSE 0 END),"
        " sum(CASE WHEN (b.removed_at IS NOT NULL OR b.counts_from >= b.created_at)"
        f" AND {named} THEN e.cost ELSE 0 END),"
        f" sum(CASE WHEN e.admitted_at < b.created_at + {CLOCK_BACK_US}"
        " THEN max(e.cost, e.hold) ELSE 0 END),"
        " sum(e.raised + max(0, e.most - e.raised - e.hold)), sum(max(e.cost, e.hold)), count(*),"
        f" max(CASE WHEN {missing} THEN e.seq END)"
        f" FROM entries e CROSS JOIN b{at} b WHERE {' AND '.join(conditions) or '1'}"
        " GROUP BY 1, 2, 3"
    )


def _start_sql(budget: _Watched, edges: tuple[int, int]) -> str:
    """When the window began that holds an entry, as the zone's own calendar has it."""
    if budget.period == "total":
        return "0"
    if is_rolling(budget.period):
        return f"e.admitted_at - e.admitted_at % {bucket_us(budget.period)}"
    zone = ZoneInfo(budget.zone)
    starts = [window_start(budget.period, zone, edges[0])]
    while len(starts) < WINDOWS_MAX:
        end = window_end(budget.period, zone, starts[-1])
        if end is None or end > edges[1]:
            break
        starts.append(end)
    return _chosen(starts)


def _chosen(starts: Sequence[int]) -> str:
    """The last of `starts` that is not after the entry, found by halves."""
    if len(starts) == 1:
        return str(starts[0])
    middle = len(starts) // 2
    early, late = _chosen(starts[:middle]), _chosen(starts[middle:])
    return f"CASE WHEN e.admitted_at < {starts[middle]} THEN {early} ELSE {late} END"


_WINDOWS = (
    "SELECT budget_id, subject, start, spent_nanousd, held_nanousd, doubt_nanousd FROM windows"
)


def spent(connection: sqlite3.Connection, matching: Matching) -> Check:
    """I1: what each window has spent is what the calls that match it cost.

    A budget that was removed may lack what ended later and was not held in it; one that was set to
    count from then on, what was admitted while the command waited for the file.
    """
    recorded = {tuple(row[:3]): row[3] for row in connection.execute(_WINDOWS)}
    keys = sorted(recorded.keys() | matching.matched.keys())
    return check(
        "I1 spent",
        "what each window has spent is the cost of the calls that match it",
        len(recorded),
        _spent_faults(keys, recorded, matching),
    )


def _spent_faults(
    keys: Iterable[Key], recorded: dict[Key, int], matching: Matching
) -> Iterator[Fault]:
    for key in keys:
        is_now = recorded.get(key, 0)
        found = matching.matched.get(key, Matched())
        budget = matching.budgets.get(key[0])
        least = most = found.spent
        if budget is not None and budget.may_lack:
            least = found.recorded
        if budget is not None and budget.removed_at is not None:
            most = found.spent_most
        if not least <= is_now <= most:
            should_be = found.spent if is_now > found.spent else least
            yield Fault(window_name(*key), "spent", is_now, should_be)


def complete(connection: sqlite3.Connection, matching: Matching) -> Check:
    """I11: every call that went out was held in each budget that matched where it went."""
    ids = (
        (budget, connection.execute("SELECT id FROM calls WHERE seq = ?", [seq]).fetchone()[0])
        for budget, seq in matching.left_out
    )
    return check(
        "I11 held first",
        "every call was held in each window that its target matches before it went out",
        matching.pairs,
        (Fault(f"call {call}", f"is not held in budget {budget}") for budget, call in ids),
    )


_HELD = """
SELECT c.windows AS windows, c.hold_nanousd AS held, 0 AS doubt FROM calls c
WHERE c.state = 'held' AND c.windows <> '' AND NOT EXISTS (
    SELECT 1 FROM attempts a WHERE a.call_seq = c.seq AND a.number = c.attempts)
UNION ALL SELECT windows, hold_nanousd, 0 FROM attempts WHERE state = 'held' AND windows <> ''
"""
"""Between two attempts a call holds nothing: the one is over, and the next is not judged yet."""


def _named_sql(of: Extent) -> str:
    """What is held and in doubt in each window that a row names."""
    last, earlier = last_amount("doubt", of), earlier_amount("doubt", of)
    in_doubt = "c.doubt_nanousd > 0 AND c.state <> 'held' AND c.windows <> ''"
    rows = [
        _HELD,
        f"SELECT {last_windows(of)}, 0, {last} FROM calls c{joins(of)} WHERE {in_doubt}",
    ]
    if of.has_attempts:
        rows.append(
            f"SELECT a.windows, 0, {earlier} FROM earlier a JOIN calls c ON c.seq = a.call_seq"
            + (" LEFT JOIN deltas d ON d.call_seq = c.seq" if of.has_corrections else "")
            + " WHERE a.doubt > 0 AND a.windows <> ''"
        )
    parts = [*with_parts(of), f"named AS ({' UNION ALL '.join(rows)})"]
    return (
        f"WITH {', '.join(parts)} SELECT json_extract(w.value, '$[0]'),"
        " json_extract(w.value, '$[1]'), json_extract(w.value, '$[2]'), sum(n.held), sum(n.doubt)"
        " FROM named n, json_each(n.windows) w GROUP BY 1, 2, 3"
    )


def held(connection: sqlite3.Connection) -> Check:
    """I2: what is held and in doubt in each window is what rows say that they hold there."""
    recorded = {tuple(row[:3]): tuple(row[4:]) for row in connection.execute(_WINDOWS)}
    query = _named_sql(extent(connection))
    named = {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(query)}
    return check(
        "I2 held",
        "what each window holds and has in doubt is what its calls hold",
        len(recorded),
        _held_faults(recorded, named),
    )


def _held_faults(
    recorded: dict[tuple[object, ...], tuple[int, ...]],
    named: dict[tuple[object, ...], tuple[int, ...]],
) -> Iterator[Fault]:
    for key in sorted(recorded.keys() | named.keys(), key=str):
        is_now, should_be = recorded.get(key, (0, 0)), named.get(key, (0, 0))
        for what, amount, wanted in zip(("held", "doubt"), is_now, should_be, strict=True):
            if amount != wanted:
                yield Fault(window_name(*key), what, amount, wanted)  # type: ignore[arg-type]
