"""Notices of crossed thresholds, as rows: written once, in the transaction that saw the crossing.

A row is unique by kind, budget, subject, window, threshold and limit, so that writing it again
changes nothing, and a limit that is raised or lowered tells anew. Source: docs/notices.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from ferrycli.rules.standings import Standing
from ferrycli.rules.thresholds import Rule, has_reached

EXHAUSTED_PERCENT = 100
"""Counts as reached, too, when a budget has refused a call for money that is spent."""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """One row of `alerts`, without its id. Amounts in nano-dollars, times in UTC microseconds."""

    kind: str
    budget_id: str
    subject: str
    window_start: int
    """Of a rolling budget 0, for as long as it has not fallen under what is told."""
    threshold: int
    """Percent, of a budget; 0 of other kinds."""
    limit_nanousd: int
    created_at: int
    selector: str = ""
    action: str = ""
    owner: str = ""
    channels: tuple[str, ...] = ()
    spent_nanousd: int = 0
    """Of a balance what is used of it since its last grant, expired or spent."""
    held_nanousd: int = 0
    doubt_nanousd: int = 0
    detail: Mapping[str, str | int] = field(default_factory=dict)


_COLUMNS = (
    "id", "kind", "budget_id", "subject", "window_start", "threshold", "limit_nanousd",
    "created_at", "selector", "action", "owner", "channels", "spent_nanousd", "held_nanousd",
    "doubt_nanousd", "detail",
)  # fmt: skip
INSERT_ALERT = (
    f"INSERT OR IGNORE INTO alerts ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def crossed(standing: Standing, now_us: int, *, is_exhausted: bool = False) -> list[NewAlert]:
    """The alerts of every threshold that `standing` has reached, the lowest first.

    `is_exhausted`: 100 % counts as reached whatever is spent. Ones that were told before are among
    them: inserting them changes nothing.
    """
    terms = standing.terms
    rules = sorted(terms.rules, key=lambda rule: rule.percent)
    return [
        NewAlert(
            kind="budget",
            budget_id=terms.id,
            subject=standing.subject,
            window_start=standing.told_start_us,
            threshold=percent,
            limit_nanousd=standing.base,
            created_at=now_us,
            selector=terms.selector,
            action=", ".join(map(str, some)),
            owner=terms.owner,
            channels=_channels(some),
            spent_nanousd=standing.used,
            held_nanousd=standing.held,
            doubt_nanousd=standing.doubt,
        )
        for percent, group in groupby(rules, key=lambda rule: rule.percent)
        if (some := list(group))
        and (
            has_reached(percent, standing.used, standing.base)
            or (is_exhausted and percent == EXHAUSTED_PERCENT)
        )
    ]


def _channels(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Channels that the rules name, each once, in their order."""
    return tuple(dict.fromkeys(name for rule in rules for name in rule.channels))


def insert(
    connection: sqlite3.Connection, alerts: Iterable[NewAlert], make_id: Callable[[], str]
) -> int:
    """Write alerts within the transaction that is open; how many were not there before.

    `make_id`: a fresh id, such as `a_…`, for each.
    """
    rows = [alert_values(alert, make_id()) for alert in alerts]
    return connection.executemany(INSERT_ALERT, rows).rowcount if rows else 0


def alert_values(alert: NewAlert, id: str) -> tuple[str | int, ...]:
    """The parameters of `INSERT_ALERT`."""
    return (
        id, alert.kind, alert.budget_id, alert.subject, alert.window_start, alert.threshold,
        alert.limit_nanousd, alert.created_at, alert.selector, alert.action, alert.owner,
        json.dumps(alert.channels), alert.spent_nanousd, alert.held_nanousd, alert.doubt_nanousd,
        json.dumps(dict(alert.detail)),
    )  # fmt: skip
