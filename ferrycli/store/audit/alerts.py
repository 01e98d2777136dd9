"""I8: one alert for each percentage that a window reached, and none for what it did not reach."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ferrycli.rules.thresholds import has_reached
from ferrycli.rules.windows import first_bucket, is_rolling, window_start
from ferrycli.store.audit.faults import Check, Fault, check, window_name
from ferrycli.store.audit.terms import History

COMMAND_WAIT_US = 10_000_000
"""A command reads its clock, then waits for the file: a change may be so much younger than it
says."""

_KEY = ("kind", "budget_id", "subject", "window_start", "threshold", "limit_nanousd")
_INDEX = (
    "SELECT count(*) FROM pragma_index_list('alerts') i WHERE i.name = 'alerts_once'"
    ' AND i."unique" AND NOT i.partial AND (SELECT group_concat(name) FROM (SELECT name FROM'
    f" pragma_index_info('alerts_once') ORDER BY seqno)) = '{','.join(_KEY)}'"
)
_TWICE = f"SELECT min(id), count(*) FROM alerts GROUP BY {', '.join(_KEY)} HAVING count(*) > 1"
_UNREACHED = (
    "SELECT a.id, a.budget_id, a.threshold, a.spent_nanousd, a.limit_nanousd FROM alerts a"
    " JOIN budgets b ON b.id = a.budget_id WHERE a.kind = 'budget' AND NOT b.is_prepaid"
    " AND a.threshold <> 100 AND a.spent_nanousd * 100 < a.threshold * a.limit_nanousd"
)
_TOLD = (
    "SELECT budget_id, subject, window_start, threshold, limit_nanousd FROM alerts"
    " WHERE kind = 'budget'"
)
_CHANGED = "SELECT id, max(at) FROM revisions WHERE object = 'budget' GROUP BY id"
_WINDOWS = "SELECT budget_id, subject, start, spent_nanousd FROM windows ORDER BY 1, 2, 3"


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a window has come, in nano-dollars."""

    budget: History
    subject: str
    start: int
    """As its alerts have it."""
    used: int
    base: int
    used_least: int
    """Without what time alone has added: no call came that could have seen it."""
    base_most: int

    @property
    def is_timed(self) -> bool:
        """Whether time alone has moved it."""
        return (self.used, self.base) != (self.used_least, self.base_most)


def told(connection: sqlite3.Connection, budgets: Mapping[str, History], now_us: int) -> Check:
    """I8, over every alert and every window of now."""
    (alerts,) = connection.execute("SELECT count(*) FROM alerts").fetchone()
    reaches = list(_reaches(connection, budgets, now_us))

    def faults() -> Iterator[Fault]:
        if not connection.execute(_INDEX).fetchone()[0]:
            yield Fault("index alerts_once", "is not there, or lets an alert stand twice")
        for id, count in connection.execute(_TWICE):
            yield Fault(f"alert {id}", f"stands there {count} times")
        for id, budget_id, percent, spent, limit in connection.execute(_UNREACHED):
            wanted = -(-percent * limit // 100)
            yield Fault(f"alert {id}", f"spent at {percent} % of {budget_id}", spent, wanted)
        yield from _missing(connection, reaches)

    claim = "each percentage that a window reached was noted once, and no other"
    return check("I8 alerts", claim, alerts + len(reaches), faults())


def _missing(connection: sqlite3.Connection, reaches: list[_Reach]) -> Iterator[Fault]:
    exact, loose = set(), set()
    for budget_id, subject, start, percent, limit in connection.execute(_TOLD):
        exact.add((budget_id, subject, start, percent, limit))
        loose.add((budget_id, subject, start, percent))
    for one in reaches:
        # A rolling window has no start of its own: what stands has 0.
        start = 0 if is_rolling(one.budget.period) else one.start
        for percent in sorted({_percent(rule) for rule in one.budget.rules}):
            place = (one.budget.id, one.subject, start, percent)
            if one.is_timed:
                is_due = has_reached(percent, one.used_least, one.base_most)
                is_told = place in loose
            else:
                is_due = has_reached(percent, one.used, one.base)
                is_told = (*place, one.base) in exact
            if is_due and not is_told:
                name = window_name(one.budget.id, one.subject, one.start)
                yield Fault(name, f"has reached {percent} %, and no alert says so")


def _percent(rule: str) -> int:
    return int(rule.split("%", 1)[0])


def _reaches(
    connection: sqlite3.Connection, budgets: Mapping[str, History], now_us: int
) -> Iterator[_Reach]:
    """Windows of now, of budgets in force that have rules."""
    changed = dict(tuple(row) for row in connection.execute(_CHANGED))
    starts: dict[str, int] = {}
    for one in budgets.values():
        is_settled = changed.get(one.id, 0) < now_us - COMMAND_WAIT_US and all(
            each.created_at < now_us - COMMAND_WAIT_US for each in one.money
        )
        # What has changed a moment ago a server may be about to look at.
        if one.removed_at is None and one.rules and is_settled:
            starts[one.id] = _start(one, now_us)
    spent: dict[tuple[str, str], int] = {}
    for budget_id, subject, start, amount in connection.execute(_WINDOWS):
        first = starts.get(budget_id)
        if first is None:
            continue
        is_now = start >= first if is_rolling(budgets[budget_id].period) else start == first
        if is_now:
            spent[budget_id, subject] = spent.get((budget_id, subject), 0) + amount
    for (budget_id, subject), amount in spent.items():
        yield _reach(budgets[budget_id], subject, starts[budget_id], amount, now_us)


def _start(budget: History, now_us: int) -> int:
    if is_rolling(budget.period):
        return first_bucket(budget.period, now_us)
    return window_start(budget.period, ZoneInfo(budget.zone), now_us)


def _reach(budget: History, subject: str, start: int, spent: int, now_us: int) -> _Reach:
    ended = [one for one in budget.money if one.ended_at <= now_us]
    if not budget.is_prepaid:
        boosts = sum(one.amount_nanousd for one in budget.money if one.created_at <= now_us)
        gone = sum(one.amount_nanousd for one in ended)
        lately = sum(one.amount_nanousd for one in ended if one.ended_at > start)
        base = budget.limit_nanousd + boosts - gone
        return _Reach(budget, subject, start, spent, base, spent, base + lately)
    last = max(budget.money, key=lambda one: (one.created_at, one.id), default=None)
    base, start = (last.balance_nanousd, last.created_at) if last else (0, 0)
    limit = sum(one.amount_nanousd for one in budget.money) - sum(one.remaining for one in ended)
    lately = sum(one.remaining for one in ended if one.ended_at > start)
    used = base - (limit - spent)
    return _Reach(budget, subject, start, used, base, used - lately, base)
