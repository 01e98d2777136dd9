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


REDUCED = {
    "overhead": "--seconds 0.1 --rounds 1 --connections 1 --models m-stream-50 m-encrypted",
    "streams": "--streams 8 --tick-ms 20 --seconds 0.3 --rounds 1",
    "steady": "--minutes 0.015",
    "beside": "--seconds 0.1 --rounds 1",
    "profile": "",
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each measurement prints that finds nothing installed; all of them ran at once."""
    variables = {**os.environ, "FERRY_BENCH_CACHE": str(tmp_path_factory.mktemp("cache"))}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "bench", name, *options.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=variables,
        )
        for name, options in REDUCED.items()
    }
    texts = {}
    try:
        for name, process in running.items():
            texts[name], complaint = process.communicate(timeout=120)
            assert process.returncode == 0, texts[name] + complaint
            assert complaint == ""
            assert max(map(len, texts[name].splitlines())) <= 100
    finally:
        for process in running.values():
            # What is told to end ends what it started.
            process.terminate()
            with process:
                pass
    return texts


def calls_in_books(text: str) -> int:
    """How many calls the books hold, which is as many as were made."""
    books = re.search(r"^books: ([\d,]+) calls, ([\d,]+) rows, held 0$", text, re.MULTILINE)
    assert books is not None, text
    assert books[1] == books[2]
    return int(books[1].replace(",", ""))


def rows_of(name: str, text: str) -> list[str]:
    """The lines of a table that begin with `name`."""
    return re.findall(rf"^  {name} .*$", text, re.MULTILINE)


def test_the_overhead_is_shown_beside_books_that_balance(printed: dict[str, str]) -> None:
    text = printed["overhead"]
    assert calls_in_books(text) > 0
    # What was seen, what it adds, CPU where it can be read; then three ratios, of calls/s first.
    last = r"(\d+\.\d\d) +(?:\d+\.\d\d|-) +\d+\.\d$"
    found = [re.search(last, row) for row in rows_of("ferry", text)]
    assert len(found) == 2 or "not measured: an upstream by TLS" in text, text
    assert all(row is not None and float(row[1]) > 0 for row in found), text
    assert len(rows_of("bare", text)) == len(rows_of("direct", text)) == len(found)
    assert rows_of("nginx", text) or "not measured: nginx is not installed" in text
    assert "6 budgets against none: at the least" in text
    assert "memory at the end: " in text


def test_streams_are_timed_and_a_slow_reader_holds_the_upstream_back(
    printed: dict[str, str],
) -> None:
    text = printed["streams"]
    assert calls_in_books(text) > 8
    assert "each but the 1 whose client left is settled" in text
    late, full_speed, slow = rows_of("ferry", text)
    assert re.match(r"  ferry +\d+\.\d\d +\d+\.\d\d ", late)
    assert full_speed.endswith(" of bare's")
    sent = re.search(r"the upstream could send (\d+) MB", slow)
    assert sent is not None
    assert int(sent[1]) < 200


def test_a_server_that_runs_on_is_judged(printed: dict[str, str]) -> None:
    text = printed["steady"]
    assert calls_in_books(text) > 0
    assert re.search(r"^(NOT )?steady, after the first|not measured", text, re.MULTILINE)


def test_gateways_that_are_not_installed_are_not_measured(printed: dict[str, str]) -> None:
    text = printed["beside"]
    assert calls_in_books(text) > 0
    assert len(rows_of("ferry", text)) == 2
    for name in others.OTHERS:
        assert f"not measured: {name} is not installed" in text


def test_no_profile_is_made_without_its_tool(printed: dict[str, str]) -> None:
    assert printed["profile"].startswith("profile: not measured: ")


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
