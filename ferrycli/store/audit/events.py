"""I6 of events: each is one row that is over, with one line, and costs what that line says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ferrycli.rules.meters import ENDPOINT, LATE_US_MAX, METER
from ferrycli.rules.pricing import ceil_cost
from ferrycli.store.audit.faults import FAULTS_MAX, Fault

_UNNAMED = (
    "SELECT c.id FROM calls c WHERE c.endpoint = ? AND c.state <> 'denied'"
    f" AND NOT EXISTS (SELECT 1 FROM events e WHERE e.call_seq = c.seq) LIMIT {FAULTS_MAX}"
)
_ROWS = """
SELECT c.id, e.key_id = c.key_id AND c.endpoint = ? AND c.provider = ? AND c.state = 'settled'
        AND c.outcome = 'ok' AND c.attempts = 1 AND c.hold_nanousd = 0 AND c.doubt_nanousd = 0
        AND c.started_at = c.admitted_at AND c.finished_at = c.admitted_at,
    c.admitted_at <= e.recorded_at AND c.admitted_at >= e.recorded_at - ?,
    (SELECT count(*) FROM lines n WHERE n.call_seq = c.seq),
    l.provider = c.provider AND l.model = c.model AND l.bucket = ?,
    l.quantity, l.rate_nanousd, l.cost_nanousd, c.cost_nanousd, c.cost_other_nanousd,
    c.cost_source, c.provider_cost_nanousd
FROM events e JOIN calls c ON c.seq = e.call_seq
LEFT JOIN lines l ON l.call_seq = c.seq AND l.number = 1
"""


def faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """What is wrong with any event that was told."""
    for (id,) in connection.execute(_UNNAMED, [ENDPOINT]):
        yield Fault(f"call {id}", "is of an event, and no event is known")
    bound = (ENDPOINT, METER, LATE_US_MAX, METER)
    for id, is_over, is_timely, lines, is_its_own, *money in connection.execute(_ROWS, bound):
        name = f"call {id}"
        if not is_over:
            yield Fault(name, "is of an event, and its row is not what those are")
        if not is_timely:
            yield Fault(name, "counts for a time that its event cannot count for")
        if lines != 1 or not is_its_own:
            yield Fault(name, f"is of an event, and has {lines} lines that may be another's")
        else:
            yield from _money(name, *money)


def _money(
    name: str,
    quantity: int,
    rate: int | None,
    of_line: int | None,
    cost: int | None,
    other: int,
    source: str,
    stated: int | None,
) -> Iterator[Fault]:
    """What is wrong with the amounts of an event, none of which is ever 0 for not being known."""
    if source == "reported" and rate is not None:
        should_be: int | None = ceil_cost(quantity, rate)
    else:
        should_be = stated if source == "provider" else None
    is_known = {"reported": rate is not None, "provider": stated is not None, "unpriced": True}
    if not is_known.get(source, False):
        yield Fault(name, f"its cost is `{source}`, and nothing says it")
    for what, amount in (("cost", cost), ("cost of its line", of_line)):
        if amount != should_be:
            yield Fault(name, what, amount, should_be)
    if other != (should_be or 0):
        yield Fault(name, "cost of what is no token", other, should_be)
