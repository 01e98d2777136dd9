"""The outermost frame: exit codes, what goes to which stream, global options, colours."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ferrycli
from ferrycli.rules.errors import LedgerUnavailable, NoCredential
from tests.cli.driver import Ferry

SECONDS_MAX = 30


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ferrycli", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        env=os.environ | environment,
    )


def test_no_command_shows_the_help(ferry: Ferry) -> None:
    said = ferry()
    assert said.code == 0
    assert said.out.startswith("Usage: ferry [OPTIONS] COMMAND")
    for name in ("serve", "keys", "calls", "report", "prices", "config", "db"):
        assert f"\n  {name} " in said.out


@pytest.mark.parametrize("name", ["keys", "calls", "prices", "config", "db"])
def test_a_group_alone_shows_its_help(ferry: Ferry, name: str) -> None:
    said = ferry(name)
    assert (said.code, said.out.splitlines()[0]) == (
        0,
        f"Usage: ferry {name} [OPTIONS] COMMAND [ARGS]...",
    )


def test_the_version_is_the_package_s(ferry: Ferry) -> None:
    assert ferry("--version").out == f"ferry {ferrycli.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        (["kyes"], "error: no such command `kyes`", "hint: `ferry --help` shows what it takes"),
        (["keys", "list", "--jsn"], "error: no such option: --jsn", "`ferry keys list --help`"),
        (["calls", "list", "--limit", "x"], "error: invalid value for `--limit`", "list --help`"),
        (["calls", "list", "--limit", "0"], "error: invalid value for `--limit`", ""),
        (["keys", "show"], "error: missing argument `NAME`", "`ferry keys show --help`"),
        (["--db"], "error: option `--db` requires an argument", "`ferry --help`"),
        (["--color", "blue", "keys", "list"], "error: there is no colour mode `blue`", "`always`"),
        (["calls", "list", "--since", "soon"], "error: `soon` is no span of time", "`2026-W47`"),
        (["report", "--by", "tenat"], "error: there is no dimension `tenat`", "mean `tenant`?"),
        (["report", "--by", ""], "error: there is no dimension ``", "`tenant`"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_and_exits_2(
    ferry: Ferry, arguments: list[str], sentence: str, hint: str
) -> None:
    said = ferry(*arguments)
    assert said.code == 2
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith(sentence)
    assert lines[1] == ""
    assert lines[2].startswith("hint: ")
    assert hint in lines[2]
    assert len(lines) == 3


def test_a_global_option_is_taken_wherever_it_stands(ferry: Ferry, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")
    for arguments in (
        ["--db", other, "db", "path"],
        ["db", "--db", other, "path"],
        ["db", "path", "--db", other],
        ["db", "path", f"--db={other}"],
    ):
        assert ferry(*arguments).out == f"{other}\n"


@pytest.mark.parametrize("flag", ["--db", "--config"])
def test_an_empty_path_is_never_the_usual_one(ferry: Ferry, flag: str) -> None:
    said = ferry(flag, "", "db", "path")
    assert said.code == 2
    assert said.err.startswith(f"error: `` is no value for `{flag}` (flag {flag})\n")


def test_after_two_dashes_nothing_is_a_global_option(ferry: Ferry) -> None:
    said = ferry("keys", "show", "--", "--debug")
    assert said.code == 3
    assert "Traceback" not in said.err


def test_a_config_that_is_not_there_is_told(ferry: Ferry, tmp_path: Path) -> None:
    said = ferry("keys", "list", "--config", str(tmp_path / "no.toml"))
    assert said.code == 2
    assert said.err.startswith(
        f"error: cannot read `{tmp_path}/no.toml`: no such file or directory\n"
    )


def test_a_config_names_its_database_relative_to_itself(
    ferry: Ferry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ferry.toml").write_text('[server]\ndatabase = "deep/f.db"\n')
    monkeypatch.delenv("FERRY_DATABASE", raising=False)
    said = ferry(
        "--config", str(tmp_path / "ferry.toml"), "db", "path", environment={"FERRY_DATABASE": ""}
    )
    assert said.out == f"{tmp_path}/deep/f.db\n"


def test_an_error_of_ferry_gives_its_own_exit_code(
    ferry: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise NoCredential("openai", "env OPENAI_API_KEY", "the variable is not set")

    monkeypatch.setattr("ferrycli.setup.serving.serve", fails)
    said = ferry("serve")
    assert said.code == 4
    assert said.err.startswith("error: provider `openai` has no key (env OPENAI_API_KEY)")

    def unreachable(*_: object) -> int:
        raise LedgerUnavailable("disk full")

    monkeypatch.setattr("ferrycli.setup.serving.serve", unreachable)
    assert ferry("serve").code == 6


def test_serve_hands_its_settings_on_and_gives_its_exit_code_back(
    ferry: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def serve(settings: object, *_: object) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr("ferrycli.setup.serving.serve", serve)
    assert ferry("serve", "--listen", "127.0.0.1:0").code == 0
    assert getattr(seen[0], "port", None) == 0
    said = ferry("serve", "--listen", "nonsense")
    assert said.code == 2
    assert "(flag --listen)" in said.err


def test_what_nobody_foresaw_is_one_line_and_exits_1(
    ferry: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise ValueError("Something\nodd.")

    monkeypatch.setattr("ferrycli.setup.serving.serve", fails)
    said = ferry("serve")
    assert said.code == 1
    assert said.err == (
        "error: ferry stopped with `ValueError`: something odd\n\nhint: `--debug` shows where\n"
    )
    assert "Traceback" in ferry("serve", "--debug").err


def test_an_interrupt_exits_130(ferry: Ferry, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("ferrycli.setup.serving.serve", interrupted)
    assert ferry("serve").code == 130


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "ferrycli", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=SECONDS_MAX,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("environment", "arguments", "is_coloured"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({}, ["--color", "never"], False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, [], True),
        ({"FORCE_COLOR": "0"}, ["--color", "never"], False),
    ],
)
def test_colour_on_a_terminal_is_as_wished(
    ferry: Ferry, environment: dict[str, str], arguments: list[str], is_coloured: bool
) -> None:
    said = ferry(*arguments, "keys", "show", "x", columns=80, environment=environment)
    assert ("\x1b[" in said.err) is is_coloured


@pytest.mark.parametrize(
    ("environment", "arguments", "is_coloured"),
    [({}, [], False), ({"FORCE_COLOR": "1"}, [], True), ({}, ["--color", "always"], True)],
)
def test_colour_in_a_pipe_is_only_what_was_forced(
    ferry: Ferry, environment: dict[str, str], arguments: list[str], is_coloured: bool
) -> None:
    said = ferry(*arguments, "keys", "show", "x", environment=environment)
    assert ("\x1b[" in said.err) is is_coloured


def test_a_terminal_that_is_not_utf8_gets_signs_that_it_has(filled_path: Path) -> None:
    environment = {"FERRY_DATABASE": str(filled_path), "PYTHONIOENCODING": "ascii"}
    said = process("--color", "always", "report", "--since", "2026-11-23", **environment)
    assert said.returncode == 0, said.stderr
    assert ">0.12" in said.stdout
    assert said.stdout.isascii()


def test_a_process_exits_with_the_code_of_its_command(tmp_path: Path) -> None:
    done = process("keys", "show", "x", FERRY_DATABASE=str(tmp_path / "none.db"))
    assert done.returncode == 3
    assert done.stderr.startswith("error: there is no database at")


def test_ctrl_c_at_a_question_exits_130(filled_path: Path) -> None:
    mine, its_own = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "ferrycli", "keys", "revoke", "acme-web"],
        stdin=its_own,
        stdout=its_own,
        stderr=its_own,
        env=os.environ | {"FERRY_DATABASE": str(filled_path)},
    )
    os.close(its_own)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(mine, 4096)
    # A signal between the question and the reading of the answer is only heard with the next one.
    code = None
    for _ in range(SECONDS_MAX):
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(1)
            break
    assert code == 130
    os.close(mine)
    assert b"Revoke key acme-web" in seen


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["budgets", "set", "x", "--rpm", "abc"], "invalid value for `--rpm`: `abc` is no whole"),
        (
            ["routes", "set", "x", "--first-byte", "z"],
            "invalid value for `--first-byte`: `z` is no",
        ),
    ],
)
def test_what_is_no_number_is_said_in_words(
    ferry: Ferry, arguments: list[str], sentence: str
) -> None:
    said = ferry(*arguments)
    assert said.code == 2
    assert said.err.startswith(f"error: {sentence}")
    assert "valid" not in said.err.partition(":")[2].partition(":")[2]
