"""Calls whose server died: finished as `recovered`, with an estimate and the rest in doubt.

Runs in the ledger thread before it takes a question, in one transaction, so that a crash inside
recovery changes nothing. Source: docs/money.md, section 8.
"""

from __future__ import annotations

import json
import sqlite3

from ferrycli.rules.budget import doubt_of

_OPEN = (
    "SELECT seq, hold_nanousd, expected_nanousd, windows FROM calls"
    " WHERE state = 'held' ORDER BY seq"
)
_RECOVER = (
    "UPDATE calls SET state = 'recovered', outcome = 'recovered', finished_at = ?,"
    " cost_nanousd = ?, cost_source = ?, doubt_nanousd = ?, cost_other_nanousd = ?"
    " WHERE seq = ? AND state = 'held'"
)
_MOVE = (
    "UPDATE windows SET spent_nanousd = spent_nanousd + ?, held_nanousd = held_nanousd - ?,"
    " doubt_nanousd = doubt_nanousd + ? WHERE budget_id = ? AND subject = ? AND start = ?"
)


def recover(connection: sqlite3.Connection, now_us: int) -> int:
    """Finish every call in state `held`; how many there were.

    The caller holds a write transaction and is the only server of this database. What a call
    costs is the estimate of its admission, at most its hold where a budget held it; it stands
    in `cost_other_nanousd`, because no bucket is known.
    """
    rows, moves = [], []
    for seq, hold, expected, windows_text in connection.execute(_OPEN).fetchall():
        windows = json.loads(windows_text) if windows_text else []
        cost = min(expected, hold) if windows and expected is not None else expected
        doubt = doubt_of(hold, cost or 0) if windows else 0
        source = "unpriced" if cost is None else "estimated"
        rows.append((now_us, cost, source, doubt, cost or 0, seq))
        moves += [(cost or 0, hold, doubt, *window) for window in windows]
    connection.executemany(_RECOVER, rows)
    connection.executemany(_MOVE, moves)
    return len(rows)
