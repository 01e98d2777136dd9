"""A row that the demo writes at once is the row that a server writes in two steps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.pricing import Cost
from ferrycli.rules.usage import Usage
from ferrycli.store import changes
from ferrycli.store.rows import (
    CLOSE_CALL,
    INSERT_CALL,
    INSERT_FINISHED,
    Closing,
    Decided,
    Opening,
    close_values,
    finished_values,
)

OPENING = Opening(
    41, "c_41", 1_000, "key_1", tenant="acme", model="asked", tags="{}", prefix_hash=-7
)
DECIDED = Decided("held", "", 1_002, None, 900, 512, 500, 7_000, "b_1", '[["b_1", "", 0]]', 3, "i")
CLOSINGS = {
    "answered": Closing(
        41,
        "settled",
        "ok",
        2_000,
        1_500,
        200,
        model="served",
        usage=Usage(input=3, cache_read=2, cache_write_5m=1, output=9, reasoning=4),
        cost=Cost((("input", 30), ("cache_read", 2), ("cache_write_5m", 4), ("output", 90)), True),
        cost_source="reported",
        tier="default",
        finish_reason="stop",
    ),
    "failed": Closing(41, "released", "failed", 2_000, status=503, error_code="http_503"),
    "unpriced": Closing(41, "settled", "ok", 2_000, cost=None, cost_source="unpriced"),
}


def written(path: Path, statements: list[tuple[str, tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    changes.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
        return connection.execute("SELECT * FROM calls").fetchall()


@pytest.mark.parametrize("name", CLOSINGS)
def test_one_statement_writes_what_the_ledgers_two_write(tmp_path: Path, name: str) -> None:
    closed = CLOSINGS[name]
    in_two = [
        (INSERT_CALL, (*OPENING, *DECIDED)),
        (CLOSE_CALL[1], close_values(closed, 55)),
    ]
    at_once = [(INSERT_FINISHED, finished_values(OPENING, DECIDED, closed, 55))]
    [row] = written(tmp_path / "two.db", in_two)
    assert written(tmp_path / "one.db", at_once) == [row]
