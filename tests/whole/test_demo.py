"""`ferry demo` in a process of its own: real calls, real signals, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.whole.server import ROOT

SECONDS_MAX = 120
THIN = """
import sys
from dataclasses import replace
from functools import partial
from ferrycli.cli.main import run
from ferrycli.setup.demo import scratch
from ferrycli.setup.demo.cast import HABITS
few = tuple(replace(habit, calls=max(habit.calls // 20, 3)) for habit in HABITS)
scratch.fill = partial(scratch.fill, habits=few)
sys.exit(run(sys.argv[1:]))
"""
"""`ferry` with a twentieth of the demo's calls, so that it starts soon."""

WHOLE = [sys.executable, "-m", "ferrycli", "demo", "--once"]
QUICK = [sys.executable, "-c", THIN, "demo"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the demo makes its folder."""
    path = tmp_path / "scratch"
    path.mkdir()
    return path


@contextmanager
def started(command: list[str], scratch: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as it runs, on a machine with a provider's key and a database of one's own."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "TMPDIR": str(scratch),
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": "sk-real-canary",
        "FERRY_DATABASE": str(scratch.parent / "own" / "ferry.db"),
        **more,
    }
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def address_in(said: str) -> str:
    """Where the demo says that clients may join in."""
    [line] = [line for line in said.splitlines() if "http://127.0.0.1:" in line]
    return line[line.index("http://") :]


def head(process: subprocess.Popen[str]) -> str:
    """What is said before the first call."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "Ctrl-C" in line:
            return said
    raise AssertionError(said)


def assert_gone(address: str, scratch: Path) -> None:
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/models", timeout=5)
    assert list(scratch.iterdir()) == []
    assert not (scratch.parent / "own").exists()


def test_once_makes_calls_shows_the_last_week_and_ends(scratch: Path) -> None:
    with started(WHOLE, scratch, FERRY_TIMEZONE="Europe/Berlin") as process:
        out, said = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0, said
    heading, *rows = [line.split("\t") for line in out.splitlines()]
    assert heading[:2] == ["tenant", "cost_usd"]
    tenants = ["acme", "globex", "initech", "umbrella", "hooli", "wonka", "stark", "wayne"]
    assert [row[0] for row in rows] == tenants
    costs = [float(row[1]) for row in rows]
    assert costs == sorted(costs, reverse=True)
    assert 1_000 < sum(costs) < 1_300
    first = said.splitlines()[0]
    answered, refused = (int(word) for word in first.split() if word.isdigit())
    assert answered + refused == 120
    assert answered > 90
    assert first.endswith("all simulated")
    assert "Europe/Berlin" in said
    assert "canary" not in out + said
    assert list(scratch.iterdir()) == []
    assert not (scratch.parent / "own").exists()


def interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    # And once more, by a hand that does not wait.
    process.send_signal(signal.SIGINT)


def terminated(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


def cut_off(process: subprocess.Popen[str]) -> None:
    """As `head` does when it has what it wants."""
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("ending", [interrupted, terminated, cut_off])
def test_calls_keep_coming_until_the_end_and_nothing_is_left(
    scratch: Path, ending: Callable[[subprocess.Popen[str]], None]
) -> None:
    with started(QUICK, scratch) as process:
        assert process.stdout is not None
        said = head(process)
        address = address_in(said)
        heading = process.stdout.readline().rstrip("\n").split("\t")
        calls = [
            dict(zip(heading, process.stdout.readline().rstrip("\n").split("\t"), strict=True))
            for _ in range(2)
        ]
        ending(process)
        code = process.wait(SECONDS_MAX)
        assert process.stderr is not None
        rest = process.stderr.read()
    assert code == 0, rest
    assert "Traceback" not in rest, rest
    for call in calls:
        assert call["id"].startswith("c_")
        assert call["tenant"]
        assert call["state"] in ("settled", "released", "denied")
        assert float(call["cost_usd"]) >= 0
        assert int(call["status"]) >= 200
    assert f"--db {scratch}/ferry-demo-" in said
    assert_gone(address, scratch)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_while_it_fills_it_can_be_ended(scratch: Path, name: str) -> None:
    with started(WHOLE, scratch) as process:
        while not any(scratch.glob("ferry-demo-*/ferry.db")):
            assert process.poll() is None
        process.send_signal(getattr(signal, name))
        code = process.wait(SECONDS_MAX)
    assert code == 130
    assert list(scratch.iterdir()) == []
