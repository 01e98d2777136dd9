"""The benchmarks run, and do not show figures of calls that ferry's books do not hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.books import BUDGETS, books_line
from bench.load import percentile
from ferrycli.store import changes

ROOT = Path(__file__).resolve().parent.parent
REDUCED = ["--seconds", "0.2", "--rounds", "1", "--connections", "1"]


def test_the_overhead_is_shown_beside_books_that_balance() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "overhead", *REDUCED],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    books = re.search(r"^books: ([\d,]+) calls, ([\d,]+) rows, held 0$", done.stdout, re.MULTILINE)
    assert books is not None, done.stdout
    assert books[1] == books[2] != "0"
    # What was seen, what it adds, CPU where it can be read; then three ratios, of calls/s first.
    rows = re.findall(
        r"^  ferry .* (\d+\.\d\d) +(?:\d+\.\d\d|-) +\d+\.\d$", done.stdout, re.MULTILINE
    )
    assert len(rows) == 2, done.stdout
    assert all(float(of_bare) > 0 for of_bare in rows)
    assert re.search(
        r"^6 budgets against none: at the least \d\.\d\d of the calls/s", done.stdout, re.MULTILINE
    )
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_books_that_lack_a_call_end_the_measurement(tmp_path: Path) -> None:
    database = tmp_path / "ferry.db"
    changes.prepare(database)
    assert books_line(database, {}).startswith("books: 0 calls, 0 rows, held 0\n")
    for name in BUDGETS:
        with pytest.raises(SystemExit, match=r"books: 1 calls, 0 rows, held 0; .* not balanced"):
            books_line(database, {name: 1})


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1)]
)
def test_a_percentile_is_the_smallest_value_that_the_share_is_not_above(
    share: float, expected: int
) -> None:
    assert percentile(range(1, 101), share) == expected
