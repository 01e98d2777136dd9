"""Calls of the past by plain INSERTs, and what a budget has to count of them, by plain Python.

Besides, what tests of budgets have in common: short plans, and looks into the file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferrycli.rules.selectors import parse_selector
from ferrycli.rules.thresholds import parse_rule
from ferrycli.store.planning import BudgetPlan
from tests.store.kit import DAY_US, NOON, SECOND_US, USD, looking, rows

HOUR_US = 3_600 * SECOND_US
Windows = dict[tuple[str, int], int]
"""Subject and start to nano-dollars."""


@dataclass
class Past:
    """What was put into one database."""

    path: Path
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, at_us: int, cost: int | None = 0, **columns: Any) -> int:
        """One call; its row key. `tries`: targets and costs of the attempts before its last.

        `corrections`: amounts. `tags`: a dict.
        """
        seq = (at_us // 1000 << 21) | len(self.calls) % 512
        call: dict[str, Any] = {
            "seq": seq, "at": at_us, "cost": cost, "state": "settled", "key": "", "tenant": "",
            "user": "", "assistant": "", "thread": "", "feature": "", "provider": "up",
            "model": "m-1", "route": "", "tags": {}, "tries": [], "corrections": [],
        } | columns  # fmt: skip
        self.calls.append(call)
        self._insert(call)
        return seq

    def _insert(self, call: Mapping[str, Any]) -> None:
        row = {name: call[name] for name in (
            "seq", "state", "tenant", "user", "assistant", "thread", "feature", "provider", "route",
        )}  # fmt: skip
        row |= {
            "id": f"c_{call['seq']}", "key_id": call["key"], "admitted_at": call["at"],
            "started_at": call["at"] - 5, "cost_nanousd": call["cost"],
            # What answered is not what was asked for, and budgets are of what was asked for.
            "sent_model": call["model"], "model": f"{call['model']}-2026-01-01",
            "tags": json.dumps(call["tags"]) if call["tags"] else "",
            "attempts": len(call["tries"]) + (0 if call["state"] == "held" else 1),
        }  # fmt: skip
        self._row("calls", row)
        for number, (target, cost) in enumerate(call["tries"], 1):
            self.attempt(call["seq"], number, target, cost)
        for number, delta in enumerate(call["corrections"]):
            self.correction(call["seq"], delta, number)

    def attempt(self, seq: int, number: int, target: tuple[str, str, str], cost: int) -> None:
        provider, model, route = target
        self._row("attempts", {"call_seq": seq, "number": number, "provider": provider,
                               "model": model, "route": route, "cost_nanousd": cost})  # fmt: skip

    def correction(self, seq: int, delta: int, number: int = 0) -> None:
        self._row("corrections", {"id": f"x{seq}.{number}", "call_seq": seq,
                                  "delta_nanousd": delta})  # fmt: skip

    def _row(self, table: str, columns: Mapping[str, Any]) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        with looking(self.path) as connection:
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})",
                list(columns.values()),
            )

    def end(self, seq: int, cost: int) -> None:
        """A call in flight ends."""
        call = next(one for one in self.calls if one["seq"] == seq)
        call |= {"state": "settled", "cost": cost}
        with looking(self.path) as connection:
            connection.execute(
                "UPDATE calls SET state = 'settled', cost_nanousd = ?, attempts = ? WHERE seq = ?",
                (cost, len(call["tries"]) + 1, seq),
            )

    def correct(self, seq: int, delta: int) -> None:
        """A call that has ended is corrected."""
        call = next(one for one in self.calls if one["seq"] == seq)
        self.correction(seq, delta, len(call["corrections"]))
        call["corrections"].append(delta)

    def try_again(self, seq: int, target: tuple[str, str, str], cost: int) -> None:
        """An attempt of a call in flight ends."""
        call = next(one for one in self.calls if one["seq"] == seq)
        call["tries"].append((target, cost))
        self.attempt(seq, len(call["tries"]), target, cost)

    def windows(
        self, pairs: Mapping[str, str], since_us: int, start_us: int = 0, bucket_us: int = 0
    ) -> Windows:
        """What a budget with these pairs has to count."""
        found: Windows = {}
        for call in self.calls:
            if call["at"] < since_us:
                continue
            start = call["at"] // bucket_us * bucket_us if bucket_us else start_us
            for target, amount in _entries(call):
                subject = _subject(pairs, call, target)
                if subject is not None and amount:
                    found[subject, start] = found.get((subject, start), 0) + amount
        return found


def _entries(call: Mapping[str, Any]) -> list[tuple[tuple[str, str, str], int]]:
    """Target and cost of every attempt that counts."""
    own = (call["provider"], call["model"], call["route"])
    if call["state"] == "denied":
        return []
    if call["state"] == "held":
        return list(call["tries"])
    left = max(0, (call["cost"] or 0) + sum(call["corrections"]))
    found = []
    for target, cost in call["tries"]:
        part = min(cost, left)
        left -= part
        found.append((target, part))
    return [*found, (own, left)]


def _subject(
    pairs: Mapping[str, str], call: Mapping[str, Any], target: tuple[str, str, str]
) -> str | None:
    facts = {**call, **dict(zip(("provider", "model", "route"), target, strict=True))}
    values = []
    for name, wanted in pairs.items():
        is_tag = name.startswith("tag:")
        value = facts["tags"].get(name[4:], "") if is_tag else facts[name]
        if wanted == "*" and value:
            values.append(value)
        elif value != wanted:
            return None
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) if values else ""


TARGETS = (("up", "m-1", ""), ("up", "m-2", "fast"), ("down", "m-1", "fast"), ("down", "m-3", ""))


def busy_past(path: Path, keys: list[str], count: int = 400, seed: int = 7) -> Past:
    """Calls of the last forty days, of every kind: corrected, retried, in flight, unpriced."""
    chance = random.Random(seed)
    past = Past(path)
    for _ in range(count):
        ago = int(chance.random() ** 3 * 40 * DAY_US)
        tries = chance.choice((0, 0, 0, 1, 2))
        cost: int | None = chance.randrange(1, 3 * USD)
        state = chance.choice(("settled", "settled", "settled", "recovered", "held", "denied"))
        corrected = state in ("settled", "recovered") and chance.random() < 0.2
        earlier = [(chance.choice(TARGETS), chance.randrange(USD // 2)) for _ in range(tries)]
        if chance.random() < 0.1 or state == "held":
            cost = None
        elif state == "denied":
            cost = 0
        elif cost is not None:
            cost += sum(one for _, one in earlier)
        provider, model, route = chance.choice(TARGETS)
        past.call(
            NOON - ago,
            cost,
            state=state,
            key=chance.choice(keys),
            tenant=chance.choice(("", "acme", "acme", "globex", '日本 "x"')),
            user=chance.choice(("", "u1", "u2", "u3")),
            assistant=chance.choice(("", "bot")),
            thread=f"th{chance.randrange(9)}",
            feature=chance.choice(("", "chat")),
            provider=provider,
            model=model,
            route=route,
            tags=chance.choice(({}, {"plan": "gold"}, {"plan": "free", "a b": "1"})),
            tries=[] if state == "denied" else earlier,
            corrections=[chance.choice((-5 * USD, -1, 7, USD // 3))] if corrected else [],
        )
    return past


def plan(selector: str, limit: int | None = 50, period: str = "month", **more: Any) -> BudgetPlan:
    amount = None if limit is None else limit * USD
    return BudgetPlan(parse_selector(selector), amount, period, **more)


def rules(*texts: str) -> dict[str, Any]:
    return {"rules": tuple(parse_rule(text) for text in texts)}


def budgets(path: Path, *, are_live: bool = True) -> list[dict[str, Any]]:
    live = " WHERE removed_at IS NULL" if are_live else ""
    return rows(path, f"SELECT * FROM budgets{live} ORDER BY created_at, id")


def windows(path: Path, budget_id: str) -> dict[tuple[str, int], int]:
    found = rows(path, "SELECT * FROM windows")
    assert all(one["held_nanousd"] == one["doubt_nanousd"] == 0 for one in found)
    return {
        (one["subject"], one["start"]): one["spent_nanousd"]
        for one in found
        if one["budget_id"] == budget_id and one["spent_nanousd"]
    }


def dump(path: Path) -> list[str]:
    """Every row of every table, whatever it is."""
    with looking(path) as connection:
        connection.row_factory = None
        return list(connection.iterdump())
