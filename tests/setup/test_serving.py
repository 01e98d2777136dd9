"""What a server says of itself: JSON lines for programs, a card and sentences on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ferrycli
from ferrycli.proxy.server import Ready
from ferrycli.report.checked import NOTE, OK, Checked
from ferrycli.rules.windows import Allowance
from ferrycli.settings import Provider, Settings, load
from ferrycli.setup import serving
from ferrycli.setup.serving import card_facts
from ferrycli.store import changes, reads
from ferrycli.store.books import Books
from ferrycli.store.connect import open_reader

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60
LAST_LINE = "press twice to stop now."
SLOW = {"sim_first_token_ms": "1", "sim_token_delay_ms": "1000", "sim_output_tokens": "500"}
"""Over eight minutes: whoever waits for its end has waited for too long."""
SHORT = {"sim_first_token_ms": "1", "sim_token_delay_ms": "20", "sim_output_tokens": "30"}

CONFIG = """
[server]
database = "ferry.db"
listen = "127.0.0.1:0"
[providers.one]
base_url = "http://127.0.0.1:9/v1"
api_key_env = "ONE_KEY"
[providers.two]
base_url = "http://127.0.0.1:9/v1"
api_key_file = "/no/such/file"
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the machine but the path."""
    home = {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return {**home, "FERRY_LISTEN": "127.0.0.1:0", "FERRY_GRACE_S": "3600", **more}


COMMAND = [sys.executable, "-m", "ferrycli", "--db", "ferry.db", "serve"]


@contextmanager
def piped(folder: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[Any]]]:
    """A server whose stderr is read by a program, and its lines."""
    process = subprocess.Popen(
        COMMAND, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment(folder, **more)
    )
    assert process.stderr is not None
    try:
        yield process, map(json.loads, process.stderr)
    finally:
        process.kill()
        process.wait(SECONDS_MAX)
        process.stderr.close()


@contextmanager
def calling(address: str, wishes: dict[str, str]) -> Iterator[socket.socket]:
    """A streaming call whose reply has begun."""
    host, _, port = address.rpartition(":")
    messages = [{"role": "user", "content": "hello"}]
    asked = {"model": "sim/small", "stream": True, "metadata": wishes, "messages": messages}
    body = json.dumps(asked)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\n"
        "authorization: Bearer fk_demo\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), SECONDS_MAX) as connection:
        connection.sendall((head + body).encode())
        seen = connection.recv(65_536)
        assert seen.startswith(b"HTTP/1.1 200"), seen
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """What still comes, until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


# Read by a program ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_reads_when_a_server_is_ready_stops_and_has_stopped(
    tmp_path: Path, number: signal.Signals
) -> None:
    with piped(tmp_path) as (process, lines):
        ready = next(lines)
        process.send_signal(number)
        stopping, stopped = lines
        assert process.wait(SECONDS_MAX) == 0
    assert (ready["event"], ready["level"], ready["demo"]) == ("ready", "info", True)
    assert ready["addr"].startswith("127.0.0.1:")
    assert ready["database"] == str(tmp_path / "ferry.db")
    assert (ready["version"], ready["recovered"]) == (ferrycli.__version__, 0)
    assert 0 < ready["ready_s"] < SECONDS_MAX
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ready["ts"])
    assert (stopping["event"], stopping["running"], stopping["grace_s"]) == ("stopping", 0, 3600)
    assert (stopped["event"], stopped["calls"], stopped["cut"]) == ("stopped", 0, 0)
    assert stopped["up_s"] > 0


def test_a_provider_without_a_key_is_named_after_the_server_is_ready(tmp_path: Path) -> None:
    (tmp_path / "ferry.toml").write_text(CONFIG)
    with piped(tmp_path, FERRY_CONFIG=str(tmp_path / "ferry.toml")) as (_, lines):
        ready, one, two = next(lines), next(lines), next(lines)
    assert (ready["event"], ready["demo"]) == ("ready", False)
    assert [(one["event"], one["level"]), (two["event"], two["level"])] == [
        ("provider.unusable", "warn")
    ] * 2
    assert (one["name"], one["why"]) == ("one", "the variable is not set")
    assert (two["name"], two["why"]) == ("two", "no such file or directory")


def test_a_running_call_ends_before_the_server_and_is_counted(tmp_path: Path) -> None:
    with piped(tmp_path) as (process, lines):
        address = next(lines)["addr"]
        with calling(address, SHORT) as connection:
            process.send_signal(signal.SIGTERM)
            stopping = next(lines)
            assert b"[DONE]" in rest_of(connection)
        stopped = next(lines)
        assert process.wait(SECONDS_MAX) == 0
    assert (stopping["event"], stopping["running"]) == ("stopping", 1)
    assert (stopped["event"], stopped["calls"], stopped["cut"]) == ("stopped", 1, 0)


def test_a_second_ctrl_c_does_not_wait_for_running_calls(tmp_path: Path) -> None:
    with piped(tmp_path) as (process, lines):
        address = next(lines)["addr"]
        with calling(address, SLOW) as connection:
            process.send_signal(signal.SIGINT)
            assert next(lines)["running"] == 1
            process.send_signal(signal.SIGINT)
            stopped = next(lines)
            assert b"[DONE]" not in rest_of(connection)
        assert process.wait(SECONDS_MAX) == 0
    assert (stopped["event"], stopped["calls"], stopped["cut"]) == ("stopped", 1, 1)
    with reads.opened(tmp_path / "ferry.db") as connection_to_read:
        (row,) = reads.calls(connection_to_read, 0, 1 << 60)
    assert (row.state, row.outcome) == ("settled", "cut")


def test_a_server_that_nobody_looks_at_does_not_load_what_draws(tmp_path: Path) -> None:
    probe = (
        "import sys; from ferrycli.cli.main import run\n"
        "code = run(sys.argv[1:]); drawing = 'ferrycli.report.serve_card' in sys.modules\n"
        "print(code, drawing, 'uvicorn' in sys.modules)"
    )
    command = [sys.executable, "-c", probe, *COMMAND[3:]]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path, env=environment(tmp_path)
    ) as process:
        assert process.stderr is not None
        assert json.loads(process.stderr.readline())["event"] == "ready"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=SECONDS_MAX)
    assert out == "0 False True\n"


def test_a_closed_stderr_does_not_end_a_server(tmp_path: Path) -> None:
    process = subprocess.Popen(
        COMMAND, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path)
    )
    assert process.stderr is not None
    address = json.loads(process.stderr.readline())["addr"]
    process.stderr.close()
    with calling(address, SHORT) as connection:
        process.send_signal(signal.SIGTERM)
        assert b"[DONE]" in rest_of(connection)
    assert process.wait(SECONDS_MAX) == 0


# Looked at by a person -----------------------------------------------------------------------


class Looked:
    """A server on a terminal."""

    def __init__(self, folder: Path, columns: int, **more: str) -> None:
        self._mine, its_own = pty.openpty()
        fcntl.ioctl(its_own, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.process = subprocess.Popen(
            COMMAND,
            stdin=its_own,
            stdout=its_own,
            stderr=its_own,
            cwd=folder,
            env=environment(folder, TERM="xterm-256color", LANG="C.UTF-8", **more),
        )
        os.close(its_own)
        self.seen = ""

    def until(self, words: str) -> str:
        """What is on the screen once `words` are; lines end as a terminal ends them."""
        while words not in " ".join(self.seen.split()):
            try:
                part = os.read(self._mine, 65_536)
            except OSError:  # What Linux says where the other side is closed.
                part = b""
            assert part, self.seen
            self.seen += part.decode("utf-8", "replace").replace("\r\n", "\n")
        return self.seen

    def end(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS_MAX)
        os.close(self._mine)


@contextmanager
def looked_at(folder: Path, columns: int = 80, **more: str) -> Iterator[Looked]:
    looked = Looked(folder, columns, **more)
    try:
        yield looked
    finally:
        looked.end()


def test_a_person_sees_a_card_and_how_it_ended(tmp_path: Path) -> None:
    with looked_at(tmp_path, NO_COLOR="1") as looked:
        card = looked.until(LAST_LINE)
        base_url = re.search(r"http://127\.0\.0\.1:\d+/v1\n", card)
        assert base_url is not None
        assert re.match(rf"\n  ferry {ferrycli.__version__}  ready in \d+\.\d s · demo mode", card)
        assert "ferry.db (new)" in card
        assert "\x1b" not in card
        assert max(map(len, card.splitlines())) <= 80
        address = base_url[0].removeprefix("http://").partition("/")[0]
        with calling(address, SLOW):
            looked.process.send_signal(signal.SIGINT)
            looked.until("stopping: 1 call is running, up to 1 h (Ctrl-C again stops now)")
            looked.process.send_signal(signal.SIGINT)
            looked.until("1 call, 1 cut off")
        assert looked.process.wait(SECONDS_MAX) == 0
        assert re.search(r"\r  stopped after \d+ s, 1 call, 1 cut off\n$", looked.seen)


def test_with_nothing_running_only_the_end_is_said(tmp_path: Path) -> None:
    with looked_at(tmp_path) as looked:
        looked.until(LAST_LINE)
        looked.process.send_signal(signal.SIGTERM)
        assert "stopping" not in looked.until("0 calls")
        assert looked.process.wait(SECONDS_MAX) == 0


@pytest.mark.parametrize(
    ("more", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_the_card_is_coloured_as_wished(
    tmp_path: Path, more: dict[str, str], is_coloured: bool
) -> None:
    with looked_at(tmp_path, 80, **more) as looked:
        assert ("\x1b[1m" in looked.until(LAST_LINE)) is is_coloured


@pytest.mark.parametrize("columns", [60, 100])
def test_a_terminal_that_is_not_utf8_gets_the_card_in_ascii(tmp_path: Path, columns: int) -> None:
    (tmp_path / "ferry.toml").write_text(CONFIG)
    more = {"FERRY_CONFIG": str(tmp_path / "ferry.toml"), "PYTHONIOENCODING": "ascii"}
    with looked_at(tmp_path, columns, NO_COLOR="1", ONE_KEY="sk-canary", **more) as looked:
        card = looked.until(LAST_LINE)
    assert card.isascii()
    assert "sk-canary" not in card
    assert max(map(len, card.splitlines())) <= columns
    assert "\n    ! two        file /no/such/file\n" in card


# What it is made of --------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "ferry.toml").write_text(CONFIG)
    changes.create_key(
        tmp_path / "ferry.db", changes.KeyPlan(name="a", allowance=Allowance.parse("5/total"))
    )
    return load({"ONE_KEY": "k"}, config=tmp_path / "ferry.toml")


def ready(settings: Settings, address: str = "127.0.0.1:4777") -> Ready:
    one, two = settings.providers
    providers = ((one, ""), (two, "no such file"), (Provider("sim", "sim"), ""))
    return Ready(address, providers, False, Books(), 2, "prices 1")


def test_the_card_s_facts_are_those_of_the_server(settings: Settings) -> None:
    facts = card_facts(settings, ready(settings), 0.5, is_new=False)
    assert facts.base_url == "http://127.0.0.1:4777"
    assert facts.database_bytes == settings.database.stat().st_size
    assert facts.providers == (
        Checked("one", OK, "", key_from="env ONE_KEY"),
        Checked(
            "two",
            NOTE,
            "no such file: its calls are refused until you mend the file and start again",
            key_from="file /no/such/file",
        ),
        Checked("sim", OK, ""),
    )
    assert (facts.keys.active, facts.keys.armed, facts.recovered) == (1, 1, 2)
    assert (facts.demo_secret, facts.is_loopback) == ("", True)
    assert card_facts(settings, ready(settings), 0.5, is_new=True).database_bytes is None


@pytest.mark.parametrize(
    ("address", "base_url"),
    [
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
        ("[::1]:80", "http://[::1]:80"),
        ("10.0.0.1:80", "http://10.0.0.1:80"),
    ],
)
def test_the_base_url_is_one_that_can_be_reached(
    settings: Settings, address: str, base_url: str
) -> None:
    assert card_facts(settings, ready(settings, address), 0.5, is_new=True).base_url == base_url


def test_the_card_reads_no_call(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def guarded(path: Path) -> sqlite3.Connection:
        connection = open_reader(path)

        def may(action: int, table: str | None, *_: object) -> int:
            opened.append(table or "")
            is_call = action == sqlite3.SQLITE_READ and table in ("calls", "daily", "lines")
            return sqlite3.SQLITE_DENY if is_call else sqlite3.SQLITE_OK

        connection.set_authorizer(may)
        return connection

    monkeypatch.setattr(reads, "open_reader", guarded)
    assert card_facts(settings, ready(settings), 0.5, is_new=False).keys.armed == 1
    assert {"keys", "budgets", "windows"} <= set(opened)


@pytest.mark.parametrize(
    ("argv0", "flags", "shown"),
    [
        ("{here}/bin/ferry", {}, ("bin/ferry", "--config ferry.toml")),
        ("/srv/of ferry/ferry", {}, ("'/srv/of ferry/ferry'", "--config ferry.toml")),
        ("/x/__main__.py", {}, ("python -m ferrycli", "--config ferry.toml")),
        (
            "/x/ferry",
            {"server.database": "{here}/a b.db"},
            ("/x/ferry", "--db 'a b.db'"),
        ),
    ],
)
def test_commands_are_named_as_they_can_be_typed_here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv0: str,
    flags: dict[str, str],
    shown: tuple[str, str],
) -> None:
    here = str(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ferry.toml").touch()
    monkeypatch.setattr(sys, "argv", [argv0.format(here=here)])
    monkeypatch.setattr("ferrycli.setup.serving.shutil.which", lambda _name: None)
    given = {name: value.format(here=here) for name, value in flags.items()}
    program, options = serving.typed(load({}, config=tmp_path / "ferry.toml", flags=given))
    assert (program, *options) == shown
    assert len(shlex.split(" ".join((program, *options)))) >= 3


def test_ferry_on_the_path_is_just_ferry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "ferry")])
    monkeypatch.setattr(
        "ferrycli.setup.serving.shutil.which", lambda _name: str(tmp_path / "ferry")
    )
    monkeypatch.setattr(serving, "default_config_path", lambda: tmp_path / "ferry.toml")
    (tmp_path / "ferry.toml").touch()
    assert serving.typed(load({}, config=tmp_path / "ferry.toml")) == ("ferry", ())
