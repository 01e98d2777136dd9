"""Books that balance, written by plain INSERTs: what is known here is known of no code under test.

A shop keeps its windows by hand: each call says in which it counts, and `Shop.call` moves them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.store.kit import DAY_US, NOON, SECOND_US

HOUR_US = 3_600 * SECOND_US
MIDNIGHT = NOON - NOON % DAY_US
OLD = MIDNIGHT - 10 * DAY_US
"""When the budgets of a shop were made."""

Place = Sequence[Any]
"""Budget, subject, start, and of a prepaid budget [[grant, nano-dollars], …]."""


class Shop:
    """One database, by hand."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
        self.connection.execute("PRAGMA synchronous=OFF")
        self._number = 0
        self._calls = 0
        self._kept = ""

    def close(self) -> None:
        self.connection.close()

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, values).fetchall()

    def insert(self, table: str, **columns: Any) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *columns.values())

    def unkeep(self) -> None:
        """Take away what refuses to change a finished call."""
        ((kept,),) = self.run("SELECT sql FROM sqlite_master WHERE name = 'calls_terminal'")
        self._kept = self._kept or kept
        self.run("DROP TRIGGER calls_terminal")

    def keep(self, before: str = "", after: str = "") -> None:
        """Put it back, with some other words."""
        assert before in self._kept
        self.run(self._kept.replace(before, after) if before else self._kept)

    def number(self) -> int:
        """The next of the ledger's decisions."""
        self._number += 1
        return self._number

    def key(self, id: str) -> None:
        self.insert("keys", id=id, name=id, secret_sha256=id)

    def budget(
        self, id: str, pairs: Sequence[tuple[str, str]], limit: int, period: str, **more: Any
    ) -> None:
        """A strict budget without rules, made long ago, with its first revision."""
        row: dict[str, Any] = {
            "id": id,
            "selector": ",".join(f"{name}={value}" for name, value in pairs),
            "subject": json.dumps(pairs),
            "limit_nanousd": limit,
            "period": period,
            "mode": "strict",
            "rules": "[]",
            "counts_from": OLD,
            "created_at": OLD,
        } | more
        self.insert("budgets", **row)
        self.revise(id, at=row["created_at"])

    def revise(self, id: str, at: int = OLD) -> None:
        """The budget's row as it now is, as its latest revision."""
        names = ("limit_nanousd", "mode", "rules", "revision")
        (row,) = self.run(f"SELECT {', '.join(names)} FROM budgets WHERE id = ?", id)
        content = dict(zip(names, row, strict=True))
        self.insert(
            "revisions",
            object="budget",
            id=id,
            revision=content["revision"],
            at=at,
            content=json.dumps(content),
        )

    def grant(self, id: str, budget: str, amount: int, **more: Any) -> None:
        row = {"created_at": OLD, "balance_nanousd": amount} | more
        self.insert("grants", id=id, budget_id=budget, amount_nanousd=amount, **row)

    def call(
        self, cost: int | None, hold: int, *places: Place, at: int = NOON, **columns: Any
    ) -> int:
        """One call; its row key. What it came to moves the windows that it names.

        `cost`, `hold` and `doubt_nanousd` are those of the row; of a call with several attempts
        `moves` says what its last one moved: cost, doubt.
        """
        self._calls += 1
        seq = (at // 1000 << 21) + self._calls
        state = columns.get("state", "settled")
        doubt = columns.get("doubt_nanousd", 0)
        moves = columns.pop("moves", (cost or 0, doubt))
        is_over = state != "held"
        row: dict[str, Any] = {
            "seq": seq,
            "id": f"c_{self._calls}",
            "state": state,
            "outcome": {"recovered": "recovered", "denied": "denied"}.get(state, "ok"),
            "started_at": at,
            "admitted_at": at,
            "finished_at": at + SECOND_US,
            "key_id": "key_a",
            "tenant": "acme",
            "provider": "up",
            "model": "m-1-2026",
            "sent_model": "m-1",
            "cost_nanousd": cost,
            "cost_output_nanousd": cost or 0,
            "cost_source": "reported",
            "hold_nanousd": hold,
            "input_ceiling_nanousd": hold,
            "output_rate_nanousd": 0,
            "output_held": 100 if places else None,
            "expected_nanousd": hold,
            "free_nanousd": 10**12 if places else None,
            "budget_id": places[0][0] if places else "",
            "windows": json.dumps(places) if places else "",
            "admit_no": self.number(),
            "close_no": self.number(),
        }
        if not is_over:
            row |= {"finished_at": None, "outcome": "", "cost_source": "", "close_no": 0}
        self.insert("calls", **(row | columns))
        for place in places:
            if is_over:
                self.move(place, moves[0], 0, moves[1])
            else:
                self.move(place, 0, hold, 0)
        return seq

    def attempt(
        self, seq: int, number: int, cost: int, hold: int, *places: Place, **columns: Any
    ) -> None:
        """An attempt that ended before the last, and moved the windows that it names."""
        row: dict[str, Any] = {
            "call_seq": seq,
            "number": number,
            "provider": "down",
            "model": "m-1",
            "started_at": NOON,
            "state": "settled",
            "hold_nanousd": hold,
            "cost_nanousd": cost,
            "windows": json.dumps(places) if places else "",
            "input_ceiling_nanousd": hold,
            "output_rate_nanousd": 0,
            "output_held": 100 if places else None,
        }
        self.insert("attempts", **(row | columns))
        for place in places:
            self.move(place, cost, 0, columns.get("doubt_nanousd", 0))

    def move(self, place: Place, spent: int, held: int, doubt: int) -> None:
        """Add to a window, and to the grants that the place names."""
        budget, subject, start, *parts = place
        self.run(
            "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " spent_nanousd = spent_nanousd + excluded.spent_nanousd,"
            " held_nanousd = held_nanousd + excluded.held_nanousd,"
            " doubt_nanousd = doubt_nanousd + excluded.doubt_nanousd",
            budget, subject, start, spent, held, doubt,
        )  # fmt: skip
        for grant, part in parts[0] if parts else ():
            drawn = min(part, spent)
            unsure = min(part - drawn, doubt)
            spent, doubt = spent - drawn, doubt - unsure
            self.run(
                "UPDATE grants SET held_nanousd = held_nanousd + ?,"
                " doubt_nanousd = doubt_nanousd + ?, drawn_nanousd = drawn_nanousd + ?"
                " WHERE id = ?",
                part if held else 0, unsure, drawn, grant,
            )  # fmt: skip

    def alert(self, id: str, budget: str, start: int, threshold: int, **more: Any) -> None:
        row = {
            "id": id,
            "budget_id": budget,
            "window_start": start,
            "threshold": threshold,
            "created_at": NOON,
        } | more
        self.insert("alerts", **row)

    def windows(self, budget: str) -> dict[tuple[str, int], tuple[int, int, int]]:
        """Subject and start to spent, held, doubt."""
        columns = "subject, start, spent_nanousd, held_nanousd, doubt_nanousd"
        rows = self.run(f"SELECT {columns} FROM windows WHERE budget_id = ?", budget)
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}

    def grants(self) -> dict[str, tuple[int, int, int]]:
        """Held, doubt, drawn."""
        rows = self.run("SELECT id, held_nanousd, doubt_nanousd, drawn_nanousd FROM grants")
        return {row[0]: (row[1], row[2], row[3]) for row in rows}
