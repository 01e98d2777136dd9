"""The benchmarks run, and do not show figures of calls that ferry's books do not hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import gateways, others
from bench.books import BUDGETS, books_line
from bench.load import percentile
from bench.processes import Served
from bench.profile import LEDGER, LOOP, Frame, stacks_of
from bench.scratch import PACKAGES, folder_of, installed, mark_installed
from ferrycli.store import changes

ROOT = Path(__file__).resolve().parent.parent


def printed(cache: Path, *arguments: str) -> str:
    """What a measurement prints that finds nothing installed in `cache`."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "FERRY_BENCH_CACHE": str(cache)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    return done.stdout


def calls_in_books(text: str) -> int:
    """How many calls the books hold, which is as many as were made."""
    books = re.search(r"^books: ([\d,]+) calls, ([\d,]+) rows, held 0$", text, re.MULTILINE)
    assert books is not None, text
    assert books[1] == books[2]
    return int(books[1].replace(",", ""))


def rows_of(name: str, text: str) -> list[str]:
    """The lines of a table that begin with `name`."""
    return re.findall(rf"^  {name} .*$", text, re.MULTILINE)


def test_the_overhead_is_shown_beside_books_that_balance(tmp_path: Path) -> None:
    reduced = "--seconds 0.1 --rounds 1 --connections 1".split()
    text = printed(tmp_path, "overhead", *reduced)
    assert calls_in_books(text) > 0
    # What was seen, what it adds, CPU where it can be read; then three ratios, of calls/s first.
    last = r"(\d+\.\d\d) +(?:\d+\.\d\d|-) +\d+\.\d$"
    found = [re.search(last, row) for row in rows_of("ferry", text)]
    assert len(found) == 2, text
    assert all(row is not None and float(row[1]) > 0 for row in found), text
    assert len(rows_of("bare", text)) == len(rows_of("direct", text)) == 2
    assert rows_of("nginx", text) or "not measured: nginx is not installed" in text
    assert "6 budgets against none: at the least" in text
    assert "memory at the end: " in text


def test_streams_are_timed_and_a_slow_reader_holds_the_upstream_back(tmp_path: Path) -> None:
    reduced = "--streams 8 --tick-ms 20 --seconds 0.4 --rounds 1".split()
    text = printed(tmp_path, "streams", *reduced)
    assert calls_in_books(text) > 8
    assert "each but the 1 whose client left is settled" in text
    late, full_speed, slow = rows_of("ferry", text)
    assert re.match(r"  ferry +\d+\.\d\d +\d+\.\d\d ", late)
    assert full_speed.endswith(" of bare's")
    sent = re.search(r"the upstream could send (\d+) MB", slow)
    assert sent is not None
    assert int(sent[1]) < 200


def test_a_steady_server_is_called_one(tmp_path: Path) -> None:
    text = printed(tmp_path, "steady", "--minutes", "0.03")
    assert calls_in_books(text) > 0
    assert re.search(r"^(NOT )?steady, after the first|not measured", text, re.MULTILINE)


def test_gateways_that_are_not_installed_are_not_measured(tmp_path: Path) -> None:
    text = printed(tmp_path, "beside", "--seconds", "0.1", "--rounds", "1")
    assert calls_in_books(text) > 0
    assert len(rows_of("ferry", text)) == 2
    for name in others.OTHERS:
        assert f"not measured: {name} is not installed" in text


def test_no_profile_is_made_without_its_tool(tmp_path: Path) -> None:
    text = printed(tmp_path, "profile")
    assert text.startswith("profile: not measured: py-spy is not installed")


def test_tools_that_are_missing_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_named: None)
    assert gateways.certificate(tmp_path) is None
    with gateways.nginx(tmp_path, Served(0, 1), None) as proxy:
        assert proxy is None


def test_what_was_installed_in_part_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_BENCH_CACHE", str(tmp_path))
    one = PACKAGES[0]
    file = folder_of(one) / one.file
    file.parent.mkdir(parents=True)
    file.touch()
    assert installed(one.name) is None
    mark_installed(one)
    assert installed(one.name) == file


def test_stacks_are_told_apart_by_thread_and_room() -> None:
    text = (
        "thread (0x7): MainThread;run (/usr/lib/python3.11/asyncio/runners.py);"
        "carry (/x/ferrycli/proxy/conductor.py) 7\n"
        "thread (0x8): ferry-ledger;commit (/x/ferrycli/store/ledger.py) 3\n"
    )
    found = stacks_of(text, 1)
    ((stack, count),) = found[LOOP].items()
    assert (stack[-1].room, stack[0].room, count) == (
        "ferry proxy",
        "uvloop: the loop, sockets",
        7,
    )
    ((stack, count),) = found[LEDGER].items()
    assert (stack[-1].room, stack[-1].place, count) == ("ferry store", "store/ledger.py commit", 3)
    packaged = Frame("feed", "/v/lib/site-packages/uvicorn/protocols/http/httptools_impl.py")
    assert packaged.room == "uvicorn"


def test_books_that_lack_a_call_end_the_measurement(tmp_path: Path) -> None:
    database = tmp_path / "ferry.db"
    changes.prepare(database)
    assert books_line(database, {}).startswith("books: 0 calls, 0 rows, held 0\n")
    for name in BUDGETS:
        with pytest.raises(SystemExit, match=r"books: 1 calls, 0 rows, held 0; .* not balanced"):
            books_line(database, {name: 1})
    with pytest.raises(SystemExit, match=r"books: 1 calls, 0 rows, held 0; .* not balanced"):
        books_line(database, {}, left=1)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1)]
)
def test_a_percentile_is_the_smallest_value_that_the_share_is_not_above(
    share: float, expected: int
) -> None:
    assert percentile(range(1, 101), share) == expected
