"""Calls by the hundred thousand, and what they come to by plain Python: no SQL, none of ferry's.

All figures of a sum are packed into one large integer, so that adding two of them is one addition.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from ferrycli.store import changes
from tests.store.kit import USD, looking

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIMENSIONS = (
    "tenant", "user", "assistant", "thread", "feature", "provider", "model", "route", "key",
    "outcome",
)  # fmt: skip
FIGURES = (
    "calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "cost_nanousd", "cost_input_nanousd", "cost_cache_read_nanousd", "cost_cache_write_nanousd",
    "cost_output_nanousd", "cost_other_nanousd", "unpriced_calls", "estimated_calls",
    "failed_calls", "denied_calls", "open_calls",
)  # fmt: skip
WRITES = ("n_cache_write_5m", "n_cache_write_30m", "n_cache_write_1h", "n_cache_write_12h")
INPUTS = ("n_input", "n_cache_read", *WRITES, "n_audio_in", "n_image_in")
PARTS = ("input", "cache_read", "cache_write", "output", "other")
_SHIFT = 80
_MASK = (1 << _SHIFT) - 1

KINDS = (
    ("settled", "ok", "reported"), ("settled", "ok", "provider"), ("settled", "left", "estimated"),
    ("settled", "ok", "unpriced"), ("settled", "cut", "reported"), ("released", "failed", ""),
    ("released", "timeout", ""), ("recovered", "recovered", "estimated"),
    ("denied", "denied", ""),
)  # fmt: skip
"""State, outcome and source of the cost of calls that are finished."""


def to_us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def local(at_us: int, zone: tzinfo) -> datetime:
    return (EPOCH + timedelta(microseconds=at_us)).astimezone(zone)


def midnight(day: date, zone: tzinfo) -> int:
    """When a day begins, in zones whose midnights all exist once."""
    return to_us(datetime(day.year, day.month, day.day, tzinfo=zone))


def pack(figures: Mapping[str, int]) -> int:
    return sum(figures[name] << _SHIFT * place for place, name in enumerate(FIGURES))


def packed(one: Any) -> int:
    """The figures of one of ferry's sums."""
    return pack({name: getattr(one, name) for name in FIGURES})


def unpacked(number: int) -> dict[str, int]:
    """What a failing test shows."""
    return {name: number >> _SHIFT * place & _MASK for place, name in enumerate(FIGURES)}


def figures_of(row: Mapping[str, Any]) -> dict[str, int]:
    """What one call adds to a sum; `effective` is its cost with corrections."""
    is_denied = row["state"] == "denied"
    calls = row.get("repeats", 1) if is_denied else 1
    effective = row["effective"]
    return {
        "calls": calls,
        "input_tokens": sum(row.get(name, 0) for name in INPUTS),
        "cache_read_tokens": row.get("n_cache_read", 0),
        "cache_write_tokens": sum(row.get(name, 0) for name in WRITES),
        "output_tokens": row.get("n_output", 0) + row.get("n_audio_out", 0),
        "cost_nanousd": effective or 0,
        **{f"cost_{part}_nanousd": row.get(f"cost_{part}_nanousd", 0) for part in PARTS},
        "unpriced_calls": int(row["cost_source"] == "unpriced" and effective is None),
        "estimated_calls": int(row["cost_source"] == "estimated"),
        "failed_calls": int(row["outcome"] in ("failed", "cut", "timeout")),
        "denied_calls": calls if is_denied else 0,
        "open_calls": int(row["state"] == "held"),
    }


def seq_of(at_us: int, chance: int) -> tuple[int, int]:
    """The row key of a call that began then, and the moment as ids can tell it."""
    milliseconds, rest_us = divmod(at_us, 1000)
    fraction = (rest_us << 12) // 1000
    return milliseconds << 21 | fraction << 9 | chance, milliseconds * 1000 + (
        fraction * 1000 >> 12
    )


@dataclass
class Call:
    """One call: when it began, its values, its figures."""

    seq: int
    at_us: int
    values: dict[str, str]
    figures: int
    cost: int
    row: dict[str, Any]


@dataclass
class Crowd:
    """Calls in the order of their time."""

    path: Path
    calls: list[Call]

    def total(self, since_us: int, until_us: int) -> int:
        return sum(one.figures for one in self.calls if since_us <= one.at_us < until_us)


def by_hand(calls: Iterable[Call], by: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Packed figures of each combination of values."""
    found: dict[tuple[str, ...], int] = {}
    for one in calls:
        values = one.values
        group = tuple([values[name] for name in by])
        found[group] = found.get(group, 0) + one.figures
    return found


def slots_by_hand(
    calls: Iterable[Call], by: Sequence[str], part_of: Mapping[int, int], parts: int
) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Cost in each part of a span, of each combination; `part_of`: by a call's row key."""
    found: dict[tuple[str, ...], list[int]] = {}
    for one in calls:
        slots = found.setdefault(tuple([one.values[name] for name in by]), [0] * parts)
        slots[part_of[one.seq]] += one.cost
    return {group: tuple(slots) for group, slots in found.items()}


def crowd(path: Path, moments: Sequence[int], held: Sequence[range] = (), seed: int = 1) -> Crowd:
    """A call for each moment; those within `held` may be in flight still. Some are corrected."""
    chance = random.Random(seed)
    keys = [changes.create_key(path, changes.KeyPlan(name=f"k{at}")).id for at in range(3)]
    names = {"": "", "key_gone": "key_gone"} | {id: f"k{at}" for at, id in enumerate(keys)}
    columns = {
        "tenant": ("", "acme", "acme", "globex", "initech", "日本語"),
        "user": tuple(f"u{number}" for number in range(60)),
        "assistant": ("", "bot"),
        "thread": tuple(f"th{number}" for number in range(500)),
        "feature": ("", "chat", "search"),
        "provider": ("openai", "anthropic"),
        "model": ("m-1", "m-2", "m-3"),
        "route": ("", "fast"),
        "key_id": ("", "key_gone", *keys),
    }
    costs = (0, 1, 225, 999_999_999, USD // 3, 7 * USD)
    calls = []
    corrections: list[tuple[str, int, int]] = []
    used: set[int] = set()
    for number, moment in enumerate(sorted(moments)):
        seq, at_us = seq_of(moment, chance.randrange(512))
        while seq in used:
            seq, at_us = seq_of(moment, chance.randrange(512))
        used.add(seq)
        state, outcome, source = chance.choice(KINDS)
        if chance.random() < 0.01 and any(at_us in one for one in held):
            state, outcome, source = "held", "", ""
        row: dict[str, Any] = {name: chance.choice(values) for name, values in columns.items()}
        row |= {"seq": seq, "id": f"c_{number}", "started_at": at_us, "state": state}
        row |= {"outcome": outcome, "cost_source": source}
        row["repeats"] = chance.randrange(1, 9) if state == "denied" else 1
        cost: int | None = chance.choice(costs) + chance.randrange(1_000)
        if state == "held" or source == "unpriced":
            cost = None
        elif state in ("released", "denied"):
            cost = 0
        row["cost_nanousd"] = row["effective"] = cost
        if state in ("settled", "recovered"):
            place = chance.choice(INPUTS)
            row[place] = chance.randrange(200_000)
            row["n_output"] = chance.randrange(4_000)
            row["n_audio_out"] = chance.choice((0, 0, 17))
            row[f"cost_{chance.choice(PARTS)}_nanousd"] = cost or 0
        if state != "held" and chance.random() < 0.005:
            deltas = [chance.choice((-(10 * USD), -1, 5, USD)), 3]
            corrections += [(f"x{number}.{at}", seq, delta) for at, delta in enumerate(deltas)]
            row["effective"] = max(0, (cost or 0) + sum(deltas))
        values = {name: row[name] for name in columns if name != "key_id"}
        values |= {"outcome": outcome, "key": names[row["key_id"]]}
        effective = row["effective"] or 0
        calls.append(Call(seq, at_us, values, pack(figures_of(row)), effective, row))
    write(path, [one.row for one in calls], corrections)
    return Crowd(path, calls)


def write(
    path: Path, rows: Sequence[Mapping[str, Any]], corrections: Sequence[tuple[str, int, int]] = ()
) -> None:
    """Rows by plain INSERTs; what a row does not say is as the table has it."""
    names = sorted({name for row in rows for name in row} - {"effective"})
    quoted = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * len(names))
    texts = {"tenant", "user", "assistant", "thread", "feature", "provider", "model", "route",
             "key_id", "cost_source", "outcome"}  # fmt: skip

    def filled(row: Mapping[str, Any]) -> list[Any]:
        return [row.get(name, "" if name in texts else 0) for name in names]

    with looking(path) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO calls ({quoted}) VALUES ({marks})", [filled(row) for row in rows]
        )
        correct(connection, corrections)
        connection.execute("COMMIT")


def correct(connection: sqlite3.Connection, corrections: Sequence[tuple[str, int, int]]) -> None:
    connection.executemany(
        "INSERT INTO corrections (id, call_seq, delta_nanousd) VALUES (?, ?, ?)", corrections
    )


def shown(found: Mapping[Any, int], wanted: Mapping[Any, int]) -> str:
    """The first difference of two sets of sums, for a test that fails."""
    for group in sorted(set(found) | set(wanted), key=str):
        if found.get(group) != wanted.get(group):
            one, other = found.get(group), wanted.get(group)
            pair = [number and unpacked(number) for number in (one, other)]
            return f"{group}: {json.dumps(pair)}"
    return ""
