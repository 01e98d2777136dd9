"""I4, I5, I6 and I10: what each row says of itself."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from ferrycli.store.audit import events
from ferrycli.store.audit.faults import FAULTS_MAX, Check, Fault, check

LOST_AFTER_US = 15_000_000
"""A server writes every 5 seconds that it lives."""
GRACE_US = 60_000_000
"""What a call may take beyond its deadline: to wait for money, to be cut, to be settled."""

_STATES = "'held', 'settled', 'released', 'recovered', 'denied'"
_UNKNOWN = f"SELECT id, state FROM calls WHERE state NOT IN ({_STATES}) LIMIT {FAULTS_MAX}"
_UNENDED = (
    "SELECT id FROM calls WHERE state <> 'held' AND (finished_at IS NULL OR outcome = '')"
    f" LIMIT {FAULTS_MAX}"
)
_HELD = (
    "SELECT c.id, c.instance_id, i.heartbeat_at, i.stopped_at, c.admitted_at FROM calls c"
    " LEFT JOIN instances i ON i.id = c.instance_id WHERE c.state = 'held' ORDER BY c.seq"
)
_TOTAL_S = (
    "SELECT coalesce(max(json_extract(settings, '$.total_s')), 0) FROM routes"
    " WHERE removed_at IS NULL"
)


def ended(connection: sqlite3.Connection, now_us: int, deadline_s: float) -> Check:
    """I4: every call is over, or a server that lives has it in flight, and not for too long."""
    (count,) = connection.execute("SELECT count(*) FROM calls").fetchone()
    (routes_s,) = connection.execute(_TOTAL_S).fetchone()
    oldest_us = now_us - int(max(deadline_s, routes_s) * 1_000_000) - GRACE_US

    def faults() -> Iterator[Fault]:
        for id, state in connection.execute(_UNKNOWN):
            yield Fault(f"call {id}", f"is in no state: `{state}`")
        for (id,) in connection.execute(_UNENDED):
            yield Fault(f"call {id}", "is over, and has no outcome or no end")
        for id, instance, heartbeat, stopped, admitted in connection.execute(_HELD):
            if heartbeat is None or stopped is not None or heartbeat < now_us - LOST_AFTER_US:
                yield Fault(f"call {id}", f"is held, and its server `{instance}` is gone")
            elif admitted < oldest_us:
                yield Fault(f"call {id}", "is held for longer than any call may take")

    return check("I4 ended", "every call is over, or in flight at a server", count, faults())


_OVERRUNS = """
SELECT 'call ' || c.id, c.reason, c.admit_no > 0, c.seq FROM calls c
WHERE c.output_held IS NOT NULL AND c.cost_nanousd > c.hold_nanousd AND c.attempts = 1
    AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.call_seq = c.seq)
UNION ALL
SELECT 'attempt ' || a.number || ' of call ' || c.id, a.reason, 1, c.seq
FROM attempts a JOIN calls c ON c.seq = a.call_seq
WHERE a.output_held IS NOT NULL AND a.cost_nanousd > a.hold_nanousd
"""
_TOLD = "SELECT EXISTS (SELECT 1 FROM alerts WHERE kind = 'overrun' AND subject = ?)"


def paid(connection: sqlite3.Connection) -> Check:
    """I5: what was held strictly covers the cost, or the row and an alert say that it did not."""
    count = "SELECT count(*) FROM calls WHERE output_held IS NOT NULL AND state <> 'held'"

    def faults() -> Iterator[Fault]:
        for name, reason, is_new, seq in connection.execute(_OVERRUNS):
            if reason != "overrun":
                yield Fault(name, "cost more than was held, and does not say so")
            elif is_new and not connection.execute(_TOLD, [str(seq)]).fetchone()[0]:
                yield Fault(name, "cost more than was held, and no alert says so")

    (covered,) = connection.execute(count).fetchone()
    claim = "no call cost more than was held for it, or it is said"
    return check("I5 overruns", claim, covered, faults())


_PARTS = " + ".join(
    f"cost_{part}_nanousd" for part in ("input", "cache_read", "cache_write", "output", "other")
)
_LINES = """
SELECT c.id, coalesce(c.cost_nanousd, 0), l.cost + coalesce(
    (SELECT sum(a.cost_nanousd) FROM attempts a WHERE a.call_seq = c.seq AND a.number < c.attempts),
    0)
FROM (SELECT call_seq, sum(coalesce(cost_nanousd, 0)) AS cost FROM lines GROUP BY call_seq) l
JOIN calls c ON c.seq = l.call_seq
"""
_ATTEMPTS = """
SELECT c.id, coalesce(c.cost_nanousd, 0), coalesce(c.doubt_nanousd, 0), c.attempts, a.count, a.cost,
    a.doubt
FROM (SELECT call_seq, count(*) AS count, sum(coalesce(cost_nanousd, 0)) AS cost,
    sum(doubt_nanousd) AS doubt FROM attempts GROUP BY call_seq) a
JOIN calls c ON c.seq = a.call_seq WHERE c.state <> 'held'
"""
_BOUND = """input_ceiling_nanousd
    + CASE WHEN output_rate_nanousd = 0 THEN 0
      ELSE (output_held * output_rate_nanousd + 999999) / 1000000 END"""
_ROWS = f"""
SELECT id, cost_nanousd IS NOT NULL, coalesce(cost_nanousd, 0), {_PARTS}, hold_nanousd,
    CASE WHEN output_held IS NOT NULL THEN {_BOUND}
         WHEN hold_nanousd = 0 THEN 0 ELSE coalesce(expected_nanousd, 0) END
FROM calls WHERE coalesce(cost_nanousd, 0) <> {_PARTS}
    OR CASE WHEN output_held IS NOT NULL THEN hold_nanousd IS NOT {_BOUND}
       ELSE hold_nanousd <> 0 AND hold_nanousd IS NOT expected_nanousd END
"""
_HELD_ATTEMPTS = f"""
SELECT 'attempt ' || number || ' of call ' || call_seq, hold_nanousd, {_BOUND} FROM attempts
WHERE output_held IS NOT NULL AND hold_nanousd IS NOT {_BOUND}
"""
_MISSING = (
    "SELECT id, attempts FROM calls c WHERE attempts > 1 AND admit_no > 0 AND state <> 'denied'"
    " AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.call_seq = c.seq)"
)


def added_up(connection: sqlite3.Connection) -> Check:
    """I6: a cost is the sum of its parts, or what a meter comes to; a hold what its bounds do."""

    def faults() -> Iterator[Fault]:
        for id, _, cost, parts, hold, bound in connection.execute(_ROWS):
            if cost != parts:
                yield Fault(f"call {id}", "cost, by its parts", cost, parts)
            if hold != bound:
                yield Fault(f"call {id}", "hold, by its bounds", hold, bound)
        for name, hold, bound in connection.execute(_HELD_ATTEMPTS):
            yield Fault(name, "hold, by its bounds", hold, bound)
        for id, cost, lines in connection.execute(_LINES):
            if cost != lines:
                yield Fault(f"call {id}", "cost, by its lines", cost, lines)
        yield from _attempt_faults(connection)
        yield from events.faults(connection)

    (count,) = connection.execute("SELECT count(*) FROM calls").fetchone()
    claim = "costs are the sums of their parts, and holds what their bounds come to"
    return check("I6 sums", claim, count, faults())


def _attempt_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    for id, cost, doubt, attempts, count, of_each, doubt_of_each in connection.execute(_ATTEMPTS):
        if attempts != count:
            yield Fault(f"call {id}", f"made {attempts} attempts and has rows of {count}")
        elif cost != of_each:
            yield Fault(f"call {id}", "cost, by its attempts", cost, of_each)
        elif doubt != doubt_of_each:
            yield Fault(f"call {id}", "doubt, by its attempts", doubt, doubt_of_each)
    for id, attempts in connection.execute(_MISSING):
        yield Fault(f"call {id}", f"made {attempts} attempts and has no rows of them")


_TRIGGERS = {
    "calls_terminal": (
        r"BEFORE UPDATE OF (?P<columns>.+) ON calls WHEN OLD\.state <> 'held' BEGIN"
        r" SELECT RAISE\(ABORT, '[^']*'\); END"
    ),
    "calls_repeats": (
        r"BEFORE UPDATE OF (?P<columns>repeats) ON calls WHEN OLD\.state <> 'denied' BEGIN"
        r" SELECT RAISE\(ABORT, '[^']*'\); END"
    ),
    "calls_kept": (
        r"BEFORE DELETE ON calls WHEN OLD\.state = 'held' BEGIN"
        r" SELECT RAISE\(ABORT, '[^']*'\); END"
    ),
}
"""What keeps finished calls as they are, word for word but for spaces."""


def kept(connection: sqlite3.Connection) -> Check:
    """I10: the triggers that refuse to change a finished call are there, and say what they should.

    Nothing is written to try them.
    """
    columns = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info('calls')")}
    found = dict(
        tuple(row)
        for row in connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'calls'"
        )
    )

    def faults() -> Iterator[Fault]:
        for name, wanted in _TRIGGERS.items():
            text = " ".join(str(found.get(name, "")).split())
            match = re.fullmatch(f"CREATE TRIGGER {name} {wanted}", text)
            if match is None:
                yield Fault(f"trigger {name}", "is not there, or is not what it was made as")
            elif name == "calls_terminal":
                named = {one.strip().strip('"') for one in match["columns"].split(",")}
                for column in sorted(columns - named - {"repeats"}):
                    yield Fault(f"trigger {name}", f"lets `{column}` be changed")

    claim = "finished calls are kept as they are"
    return check("I10 finished", claim, len(_TRIGGERS), faults())
