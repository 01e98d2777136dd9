"""`ferry demo` on a terminal: lines of 80 columns, and a screen that tells what to type."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from ferrycli.setup.demo import filling, scratch
from ferrycli.setup.demo.cast import ACCOUNTS, HABITS
from ferrycli.setup.demo.live import Callers
from ferrycli.store import changes
from ferrycli.store.reads import CallRow
from tests.cli.driver import Ferry, Said
from tests.rules.test_words import parse

LINES = 6


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    """What the demo says until somebody presses Ctrl-C after some calls."""
    few = tuple(replace(habit, calls=3) for habit in HABITS)
    folder, live = tmp_path_factory.mktemp("demo"), scratch.live

    def short(made: scratch.Scratch, server: scratch.Server) -> Generator[CallRow, None, None]:
        yield from islice(live(made, server), LINES)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "fill", partial(filling.fill, habits=few))
        patch.setattr(scratch, "live", short)
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("HOME", str(folder))
        patch.setenv("TERM", "xterm-256color")
        for name in ("NO_COLOR", "FORCE_COLOR", "FERRY_CONFIG", "FERRY_TIMEZONE"):
            patch.delenv(name, raising=False)
        yield Ferry(folder / "own.db", patch)("demo", columns=80)
    assert list(folder.iterdir()) == []


def test_a_call_is_one_line_of_80_columns(said: Said) -> None:
    assert said.code == 0
    heading, *lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in said.out.splitlines()]
    assert heading == (
        "  TIME      TENANT    FEATURE        MODEL      IN   OUT        USD  STATUS"
    )
    assert len(lines) == LINES
    for line in lines:
        assert len(line) <= 80, line
        assert re.fullmatch(
            r"  \d\d:\d\d:\d\d  [a-z]+ +[a-z()-]+ +(large|small|flaky) +([\d,]+|–) +([\d,]+|–)"
            r" +(≈?\d+\.\d{4}|–)  \d{3}( [a-z]+)?",
            line,
        ), line
        ends = heading.index("USD") + len("USD")
        assert (line[ends - 1].isspace(), line[ends : ends + 2]) == (False, "  "), line


def test_progress_is_wiped_and_the_commands_can_be_typed(said: Said) -> None:
    wiped, _, shown = said.err.rpartition("\r")
    assert wiped == "\r" + " " * 40
    lines = shown.splitlines()
    assert "  Ctrl-C ends it and removes the database." in lines
    commands = [
        line for line in lines if re.match(r"    (\S*ferry|python -m ferrycli) --db ", line)
    ]
    assert [line.partition("ferry.db ")[2] for line in commands] == [
        "report",
        "report --by feature",
        "report --by tenant,model",
        "calls list",
        "keys list",
    ]
    for line in commands:
        parse(shlex.split(line.rpartition("ferry.db ")[2]))


def test_calls_end_with_their_server(tmp_path: Path) -> None:
    made = scratch.Scratch(tmp_path / "ferry.db", ZoneInfo("UTC"), {})
    changes.prepare(made.database)
    with subprocess.Popen([sys.executable, "-c", ""], text=True) as process:
        process.wait()
    with pytest.raises(RuntimeError, match="the server has ended"):
        next(scratch.live(made, scratch.Server("127.0.0.1:9", process)))


def test_a_server_that_does_not_start_says_why() -> None:
    words = "import sys; sys.exit('no room on the disk')"
    with (
        subprocess.Popen(
            [sys.executable, "-c", words], stderr=subprocess.PIPE, text=True
        ) as process,
        pytest.raises(RuntimeError, match="no room on the disk"),
    ):
        scratch._ready(process)


def test_callers_use_every_key_and_say_what_attribution_needs() -> None:
    callers = Callers(Random(1), is_quick=True)
    requests = [callers.request() for _ in range(600)]
    assert {request.key for request in requests} == {account.name for account in ACCOUNTS}
    bodies = b"".join(request.body for request in requests)
    for habit in HABITS:
        assert f'"feature": "{habit.feature}"'.encode() in bodies
    assert not any(request.leaves for request in requests)
