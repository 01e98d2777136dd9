"""What the machine of `test_money_machine.py` plays with: few names, small amounts, a bad disk."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from hypothesis import strategies as st

KEYS = ("key_a", "key_b")
TENANTS = ("acme", "bolt")
USERS = ("", "ann", 'bob "b"')
PROVIDERS = ("up", "down")
PERIODS = ("day", "week", "month", "total", "rolling 7d", "rolling 36h")
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
TOKENS, OPEN_RATE = 1_024, 10_000
"""A hundred tokens a nano-dollar."""
RULES = (
    (),
    ("50% notify",),
    ("50% notify", "80% downgrade", "100% block"),
    ("90% free",),
    ("75% block all",),
    ("60% downgrade all", "100% notify"),
)
USUAL = RULES[2]
FOREVER_S = 1e11
"""A deadline that no jump of the clock passes."""
IS_SOAK = bool(os.environ.get("FERRY_SOAK"))

SMALL = st.integers(0, 40)
SELECTORS = st.sampled_from(
    [
        (("key", "key_a"),),
        (("tenant", "acme"),),
        (("user", "*"),),
        (("tenant", "*"), ("user", "ann")),
        (("user", ""),),
        (("provider", "down"),),
        (("tenant", "bolt"), ("model", "m-up")),
        (("tag:plan", "gold"),),
        (),
    ]
)
CALLERS = st.fixed_dictionaries(
    {
        "key": st.sampled_from(KEYS),
        "tenant": st.sampled_from(TENANTS),
        "user": st.sampled_from(USERS),
        "tag:plan": st.sampled_from(["", "gold"]),
    }
)
KINDS = ["paid", "paid", "paid", "open", "free", "unpriced"]
ASKS = st.lists(
    st.tuples(
        st.sampled_from(PROVIDERS),
        st.sampled_from(KINDS),
        SMALL,
        st.sampled_from(["normal", "normal", "cheaper", "free"]),
    ),
    min_size=1,
    max_size=3,
)
"""Candidates: provider, kind, ceiling, tier."""


NEXT_ASKS = st.lists(
    st.tuples(st.sampled_from(PROVIDERS), st.sampled_from(KINDS), SMALL, st.just("normal")),
    max_size=2,
)
"""Candidates of a further attempt."""


class Flaky(sqlite3.Connection):
    """A connection on which one statement fails, as on a disk that is full."""

    fails_at = ""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self._break(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self._break(sql)
        return super().executemany(sql, *arguments)

    def _break(self, sql: str) -> None:
        if self.fails_at and sql.startswith(self.fails_at):
            self.fails_at = ""
            raise sqlite3.OperationalError("disk I/O error")
