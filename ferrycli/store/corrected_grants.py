"""Grants of a balance as a correction moves them: money drawn of them, and money given back.

Inside the caller's transaction. What no grant carries is drawn of none. Source: docs/money.md,
section 7.
"""

from __future__ import annotations

import sqlite3

from ferrycli.rules.shares import Parts, doubt_of_grants

_MOVE_GRANT = (
    "UPDATE grants SET drawn_nanousd = drawn_nanousd + ?, doubt_nanousd = doubt_nanousd + ?"
    " WHERE id = ?"
)
_REMAINING = "amount_nanousd - held_nanousd - doubt_nanousd - drawn_nanousd"
_USABLE = (
    "budget_id = ? AND kind = 'grant' AND voided_at IS NULL"
    " AND (expires_at IS NULL OR expires_at > ?)"
)
_STILL_CARRYING = (
    f"SELECT id, {_REMAINING} FROM grants WHERE {_USABLE} AND {_REMAINING} > 0"
    " ORDER BY expires_at IS NULL, expires_at, created_at, id"
)
_ALREADY_DRAWN = (
    "SELECT id, drawn_nanousd FROM grants WHERE budget_id = ? AND kind = 'grant'"
    " AND drawn_nanousd > 0 ORDER BY expires_at IS NULL DESC, expires_at DESC, created_at DESC,"
    " id DESC"
)
_DRAWN_OF_NONE = (
    "SELECT (SELECT coalesce(sum(spent_nanousd), 0) FROM windows WHERE budget_id = ?1)"
    " - (SELECT coalesce(sum(drawn_nanousd), 0) FROM grants WHERE budget_id = ?1)"
)


def move(
    connection: sqlite3.Connection,
    budget_id: str,
    parts: Parts,
    cost: int,
    was: tuple[int, int],
    now: tuple[int, int],
    now_us: int,
) -> None:
    """What an attempt is less goes back to the grants that it came from; more is drawn of any.

    `cost`: what it was settled at, by which its doubt lies with each grant.
    """
    before = doubt_of_grants(parts, cost, was[1])
    for grant, unsure in doubt_of_grants(parts, cost, now[1]).items():
        if unsure != before[grant]:
            connection.execute(_MOVE_GRANT, (0, unsure - before[grant], grant))
    if now[0] > was[0]:
        _draw(connection, budget_id, now[0] - was[0], now_us)
    elif now[0] < was[0]:
        _give_back(connection, budget_id, parts)


def _draw(connection: sqlite3.Connection, budget_id: str, amount: int, now_us: int) -> None:
    """Draw of the grants that still carry something; what none carries is drawn of none."""
    rows = connection.execute(_STILL_CARRYING, (budget_id, now_us)).fetchall()
    for grant, remaining in rows:
        part = min(remaining, amount)
        connection.execute(_MOVE_GRANT, (part, 0, grant))
        amount -= part


def _give_back(connection: sqlite3.Connection, budget_id: str, parts: Parts) -> None:
    """Give back what is drawn and not spent: to the last of `parts` first, then to others.

    The window has moved already. What was drawn of none came first out of what was spent less.
    """
    (uncovered,) = connection.execute(_DRAWN_OF_NONE, [budget_id]).fetchone()
    drawn = dict(map(tuple, connection.execute(_ALREADY_DRAWN, [budget_id])))
    own = [(grant, min(held, drawn.get(grant, 0))) for grant, held in reversed(parts)]
    amount = -uncovered
    for grant, available in (*own, *drawn.items()):
        part = min(available, drawn.get(grant, 0), amount)
        if part > 0:
            connection.execute(_MOVE_GRANT, (-part, 0, grant))
            drawn[grant] -= part
            amount -= part
