"""Calls without a whole price, by target and tier; what a correction said is missing no more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.store import changes, reads
from ferrycli.store.ids import seq_at
from ferrycli.store.reads_prices import PriceGap, price_gaps

NOON = 1_795_176_000_000_000
HOUR = 3_600_000_000
SEQS: Iterator[int] = count()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "ferry.db"
    changes.prepare(found)
    return found


def insert(path: Path, table: str, **columns: Any) -> None:
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*columns.values()])


def call(path: Path, at: int = NOON, **columns: Any) -> int:
    seq = seq_at(at) + next(SEQS)
    row: dict[str, Any] = {
        "seq": seq, "id": f"c_{seq}", "state": "settled", "provider": "openai", "model": "m-2026",
        "sent_model": "m", "cost_source": "reported", "cost_nanousd": 5,
    }  # fmt: skip
    insert(path, "calls", **(row | columns))
    return seq


UNPRICED: dict[str, Any] = {"cost_source": "unpriced", "cost_nanousd": None}
PART: dict[str, Any] = {"is_price_incomplete": 1}


def gaps(path: Path, since_us: int = NOON, until_us: int = NOON + HOUR) -> list[PriceGap]:
    with reads.opened(path) as connection:
        return price_gaps(connection, since_us, until_us)


def test_calls_are_counted_by_target_and_tier_the_most_first(path: Path) -> None:
    call(path)
    call(path, **UNPRICED, n_input=10, n_output=3)
    call(path, **UNPRICED, n_input=20, n_cache_read=7, n_web_search=2)
    call(path, **PART, n_input=1)
    call(path, **PART, tier="flex", tier_asked="auto")
    call(path, **PART, tier_asked="flex")
    call(path, **UNPRICED, sent_model="", state="recovered")
    assert gaps(path) == [
        PriceGap("openai", "m", "", 3, 2, Usage(input=31, cache_read=7, output=3, web_search=2)),
        PriceGap("openai", "m", "flex", 2, 0, Usage()),
        PriceGap("openai", "m-2026", "", 1, 1, Usage()),
    ]


def test_only_the_span_and_what_was_billed_count(path: Path) -> None:
    call(path, NOON - 1, **UNPRICED)
    call(path, NOON + HOUR, **UNPRICED)
    call(path, state="held", **PART)
    call(path, state="denied", **PART)
    assert gaps(path) == []
    call(path, NOON, **UNPRICED)
    assert len(gaps(path)) == 1


def test_what_was_corrected_is_known(path: Path) -> None:
    seq, other = call(path, **UNPRICED), call(path, **PART)
    insert(path, "corrections", id="r_1", call_seq=seq, delta_nanousd=9)
    # The end of a doubt says nothing of a cost.
    insert(path, "corrections", id="r_2", call_seq=other, delta_nanousd=0, doubt_delta_nanousd=-1)
    assert [(one.calls, one.unpriced_calls) for one in gaps(path)] == [(1, 0)]
