"""I3: under a strict budget no admission commits over the limit.

Told in three ways. Of each row: what was held is at most what was free. Of each window: its rows in
the ledger's own order never come to more than the limit of their time (what is not told by rows,
such as attempts that ended, counts as nothing). And of what windows hold now: more than the limit
only for a named cause.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping

from ferrycli.rules.windows import first_bucket, is_rolling
from ferrycli.store.audit.faults import Check, Fault, check, window_name
from ferrycli.store.audit.terms import AFTER_ALL, History
from ferrycli.store.audit.windows import (
    CLOCK_BACK_US,
    Key,
    Matched,
    Matching,
)

REPLAYED_MAX = 10_000
"""Windows whose rows are replayed, those with the most first."""

_ADMISSIONS = "SELECT count(*) FROM calls WHERE free_nanousd IS NOT NULL AND state <> 'denied'"
_OVER_FREE = (
    "SELECT id, budget_id, admitted_at, hold_nanousd, free_nanousd FROM calls"
    " WHERE hold_nanousd > 0 AND hold_nanousd > free_nanousd"
)
_REPLAY = """
WITH wanted AS MATERIALIZED (
    SELECT key AS number, json_extract(value, '$[0]') AS budget_id,
        json_extract(value, '$[1]') AS subject, json_extract(value, '$[2]') AS start,
        json_extract(value, '$[3]') AS made_at, json_extract(value, '$[4]') AS limit_nanousd
    FROM json_each(?)
),
lowered AS MATERIALIZED (
    SELECT call_seq, sum(min(delta_nanousd, 0)) AS cost, sum(doubt_delta_nanousd) AS doubt
    FROM corrections GROUP BY call_seq
),
held AS MATERIALIZED (
    SELECT k.number, c.seq, c.admit_no, c.close_no, c.state, c.hold_nanousd AS hold,
        max(0, coalesce(c.cost_nanousd, 0) + coalesce(l.cost, 0))
            + max(0, c.doubt_nanousd + coalesce(l.doubt, 0)) AS came_to
    FROM calls c, json_each(c.windows) w
    JOIN wanted k ON k.budget_id = json_extract(w.value, '$[0]')
        AND k.subject = json_extract(w.value, '$[1]') AND k.start = json_extract(w.value, '$[2]')
    LEFT JOIN lowered l ON l.call_seq = c.seq
    WHERE c.windows <> '' AND c.admit_no > 0 AND c.attempts = 1 AND c.admitted_at > k.made_at
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.call_seq = c.seq)
),
moves AS (
    SELECT number, admit_no AS no, hold AS more, hold, seq FROM held
    UNION ALL SELECT number, close_no, came_to - hold, 0, seq FROM held WHERE state <> 'held'
),
levels AS (
    SELECT number, hold, seq, sum(more) OVER (PARTITION BY number ORDER BY no) AS level FROM moves
)
SELECT l.number, c.id, c.admitted_at, l.level FROM levels l
JOIN wanted k ON k.number = l.number JOIN calls c ON c.seq = l.seq
WHERE l.hold > 0 AND l.level > k.limit_nanousd
"""


def within(
    connection: sqlite3.Connection,
    matching: Matching,
    budgets: Mapping[str, History],
    now_us: int,
) -> Check:
    """I3, over every admission that a budget was asked for."""

    def faults() -> Iterator[Fault]:
        yield from _over_free(connection, budgets)
        yield from _over_in_order(connection, matching, budgets)
        yield from _over_now(connection, matching, budgets, now_us)

    (count,) = connection.execute(_ADMISSIONS).fetchone()
    return check("I3 limits", "no call was let over the limit of a strict budget", count, faults())


def _over_free(connection: sqlite3.Connection, budgets: Mapping[str, History]) -> Iterator[Fault]:
    for id, budget_id, at_us, hold, free in connection.execute(_OVER_FREE):
        budget = budgets.get(budget_id)
        if budget is not None and _was_strict(budget, at_us):
            yield Fault(f"call {id}", f"hold under budget {budget_id}", hold, max(free, 0))


def _was_strict(budget: History, at_us: int) -> bool:
    return budget.was_strict(at_us - CLOCK_BACK_US, at_us + CLOCK_BACK_US)


def _over_in_order(
    connection: sqlite3.Connection, matching: Matching, budgets: Mapping[str, History]
) -> Iterator[Fault]:
    wanted = _worth_replaying(matching, budgets)
    if not wanted:
        return
    listed = [
        [*key, budgets[key[0]].created_at + CLOCK_BACK_US, budgets[key[0]].limit_least]
        for key in wanted
    ]
    for number, id, at_us, level in connection.execute(_REPLAY, [json.dumps(listed)]):
        budget = budgets[wanted[number][0]]
        limit = budget.limit_most(at_us - CLOCK_BACK_US, at_us + CLOCK_BACK_US)
        if level > limit and _was_strict(budget, at_us):
            name = window_name(*wanted[number])
            yield Fault(name, f"what it came to with call {id}", level, limit)


def _worth_replaying(matching: Matching, budgets: Mapping[str, History]) -> list[Key]:
    """Windows of strict budgets that could have been over at all, were all held at once."""
    found = [
        key
        for key, one in matching.matched.items()
        if (budget := budgets.get(key[0])) is not None
        and any(era.mode == "strict" for era in budget.eras)
        and one.most > budget.limit_least
    ]
    return sorted(found, key=lambda key: -matching.matched[key].most)[:REPLAYED_MAX]


_SUMS = (
    "SELECT budget_id, subject, start, spent_nanousd + held_nanousd + doubt_nanousd FROM windows"
)


def _over_now(
    connection: sqlite3.Connection,
    matching: Matching,
    budgets: Mapping[str, History],
    now_us: int,
) -> Iterator[Fault]:
    sums: dict[Key, int] = {}
    excused: dict[Key, int] = {}
    for budget_id, subject, start, used in connection.execute(_SUMS):
        budget = budgets.get(budget_id)
        if budget is None or budget.removed_at is not None:
            continue
        window_start = start
        if is_rolling(budget.period):
            window_start = first_bucket(budget.period, now_us)
            if start < window_start:
                continue
        key = (budget_id, subject, window_start)
        sums[key] = sums.get(key, 0) + used
        found = matching.matched.get((budget_id, subject, start), Matched())
        excused[key] = excused.get(key, 0) + found.past + found.over
    for key, used in sums.items():
        budget = budgets[key[0]]
        # Limits lowered since, boosts and grants that ended: what was in force counts.
        limit = budget.limit_most(key[2], AFTER_ALL)
        if used > limit + excused[key] and budget.was_strict(
            max(key[2], budget.created_at), now_us
        ):
            name = window_name(*key)
            yield Fault(name, "what it spent, holds and doubts", used, limit + excused[key])
