"""`serve --check` and `config check` from inside: each thing that may be wrong, and its code."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from pytest_httpx import HTTPXMock

from ferrycli.proxy import probe as probing
from ferrycli.proxy.probe import probe
from ferrycli.report.checked import FAULT, NOTE, OK, Checked, exit_code_of
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.settings import Provider, Settings, load
from ferrycli.setup.checking import check_serving
from ferrycli.setup.configured import check_config
from ferrycli.store import changes

KEY = "sk-canary-4777"
NOW = 1_795_000_000 * MICROSECONDS


class Answering(ThreadingHTTPServer):
    """Answers `/STATUS/...` with that status, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.path, headers))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("location", "/200/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def configured(folder: Path, text: str, *, listen: str = "127.0.0.1:0", **env: str) -> Settings:
    path = folder / "ferry.toml"
    path.write_text(f'[server]\nlisten = "{listen}"\ndatabase = "ferry.db"\n{text}')
    return load(env, config=path)


def provider(url: str, *more: str) -> str:
    return "\n".join(["[providers.up]", f'base_url = "{url}"', *more, ""])


def looked(settings: Settings, now_us: int = NOW) -> dict[str, Checked]:
    things, providers = check_serving(settings, now_us)
    return {one.subject: one for one in (*things, *providers)}


# Providers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "code", "said"),
    [
        (200, OK, 0, " ms"),
        (204, OK, 0, " ms"),
        (301, FAULT, 5, "answers with a redirect (301)"),
        (400, NOTE, 0, " ms; answers 400 to /models"),
        (401, FAULT, 4, "refused the key (401)"),
        (403, FAULT, 4, "refused the key (403)"),
        (404, OK, 0, " ms; answers 404 to /models, which some do"),
        (405, OK, 0, " ms; answers 405 to /models, which some do"),
        (429, NOTE, 0, " ms; answers 429 to /models"),
        (500, FAULT, 5, "answers that it cannot (500)"),
        (503, FAULT, 5, "answers that it cannot (503)"),
    ],
)
def test_an_answer_says_whether_calls_would_be_carried(
    tmp_path: Path, answering: Answering, status: int, state: str, code: int, said: str
) -> None:
    text = provider(f"{answering.url}/{status}/v1", 'api_key_env = "UP"')
    found = looked(configured(tmp_path, text, UP=KEY))["up"]
    assert (found.state, found.exit_code, found.status) == (state, code, status)
    assert found.said.endswith(said)
    assert found.key_from == "env UP"
    assert found.took_ms is not None
    # Asked once, with the key, and no redirect followed.
    ((path, headers),) = answering.seen
    assert (path, headers["authorization"]) == (f"/{status}/v1/models", f"Bearer {KEY}")


def test_a_provider_without_a_key_is_asked_without_one(
    tmp_path: Path, answering: Answering
) -> None:
    found = looked(configured(tmp_path, provider(f"{answering.url}/401/v1")))["up"]
    assert (found.said, found.exit_code, found.key_from) == ("wants a key (401)", 4, "none")
    assert "authorization" not in answering.seen[0][1]


@pytest.mark.parametrize(
    ("catalogue", "path", "names"),
    [
        ("openai", "/models", {"authorization"}),
        ("openrouter", "/key", {"authorization"}),
        ("anthropic", "/models", {"authorization", "x-api-key", "anthropic-version"}),
    ],
)
def test_a_provider_is_asked_as_it_wants_to_be(
    tmp_path: Path, answering: Answering, catalogue: str, path: str, names: set[str]
) -> None:
    more = ('api_key_env = "UP"', f'catalogue = "{catalogue}"')
    settings = configured(tmp_path, provider(f"{answering.url}/200/v1", *more), UP=KEY)
    assert looked(settings)["up"].state == OK
    ((asked, headers),) = answering.seen
    assert asked == f"/200/v1{path}"
    assert {"authorization", "x-api-key", "anthropic-version"} & set(headers) == names


def test_a_closed_port_is_told(tmp_path: Path, closed_port: int) -> None:
    found = looked(configured(tmp_path, provider(f"http://127.0.0.1:{closed_port}/v1")))["up"]
    assert (found.said, found.exit_code) == ("unreachable: connection refused", 5)
    assert found.status is None


def test_one_that_speaks_no_tls_is_told(tmp_path: Path, answering: Answering) -> None:
    url = answering.url.replace("http:", "https:")
    found = looked(configured(tmp_path, provider(f"{url}/200/v1")))["up"]
    assert (found.said, found.exit_code) == ("unreachable: it does not speak TLS there", 5)


def test_one_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PROBE_SECONDS_MAX", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        found = looked(configured(tmp_path, provider(url)))["up"]
    assert (found.said, found.exit_code) == ("unreachable: no answer within 0.1 s", 5)


class Cause(Exception):
    """Stands between an error and what led to it."""


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (OSError(113, "anything"), os.strerror(113).lower()),
        (OSError("All connection attempts failed"), "it could not be connected"),
        (ExceptionGroup("several", [ConnectionRefusedError(111, "x")]), os.strerror(111).lower()),
    ],
)
def test_why_nothing_came_is_told_in_words(
    httpx_mock: HTTPXMock, cause: Exception, why: str
) -> None:
    error = httpx.ConnectError(f"[Errno -2] {KEY}")
    error.__cause__ = Cause()
    error.__cause__.__cause__ = cause
    httpx_mock.add_exception(error)
    found = probe([Provider("up", "openai", "https://up.example/v1")], {"up": KEY})
    assert (found["up"].status, found["up"].why) == (None, why)


def test_providers_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [Provider(f"p{n}", "compatible") for n in range(5)]
    together = threading.Barrier(len(every))
    with Answering() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        answer = Handler.do_GET

        def waiting(self: Handler) -> None:
            together.wait(30)
            answer(self)

        monkeypatch.setattr(Handler, "do_GET", waiting)
        asked = [Provider(one.name, one.kind, f"{server.url}/200") for one in every]
        found = probe(asked, {one.name: "" for one in asked})
        server.shutdown()
    assert [one.status for one in found.values()] == [200] * 5


def test_no_provider_is_asked_that_has_no_key_or_no_address(
    tmp_path: Path, answering: Answering
) -> None:
    text = provider(f"{answering.url}/200/v1", 'api_key_env = "UP"')
    found = looked(configured(tmp_path, f'{text}\n[providers.sim]\nkind = "sim"\n'))
    assert (found["up"].said, found["up"].exit_code) == ("no key: the variable is not set", 4)
    assert found["sim"] == Checked("sim", OK, "")
    assert answering.seen == []


# Database ------------------------------------------------------------------------------------


def test_a_missing_database_would_be_made_and_is_not(tmp_path: Path) -> None:
    found = looked(configured(tmp_path, ""))["database"]
    assert found.state == OK
    assert found.said.endswith("ferry.db is not there yet and would be made")
    assert os.listdir(tmp_path) == ["ferry.toml"]


def test_a_database_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    flags = {"server.database": str(tmp_path / "file" / "deep" / "ferry.db")}
    found = looked(load({"FERRY_LISTEN": "127.0.0.1:0"}, flags=flags))["database"]
    assert (found.state, found.exit_code) == (FAULT, 6)
    assert found.said.endswith(f"cannot be made: {tmp_path}/file is no folder")


def damaged(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("statements", "state", "said"),
    [
        ((), OK, "B)"),
        (("INSERT INTO migrations VALUES ('9999_later', 0)",), FAULT, "newer ferry (`9999_later`)"),
        (
            ("DELETE FROM migrations WHERE name <> '0001_first'",),
            OK,
            "of an older ferry: it would be copied, then brought up to date",
        ),
        (("DROP TABLE migrations",), FAULT, "it is a SQLite file of another program"),
    ],
)
def test_a_database_is_of_this_version_or_not(
    tmp_path: Path, statements: tuple[str, ...], state: str, said: str
) -> None:
    settings = configured(tmp_path, "")
    changes.create_key(settings.database, changes.KeyPlan(name="a"))
    damaged(settings.database, *statements)
    found = looked(settings)["database"]
    assert (found.state, found.exit_code) == (state, 6 if state == FAULT else 0)
    assert found.said.endswith(said)


@pytest.mark.parametrize(
    ("content", "state", "said"),
    [(b"", OK, "is empty and would be filled"), (b"no database" * 99, FAULT, "not a database")],
)
def test_a_file_that_is_no_database_is_told(
    tmp_path: Path, content: bytes, state: str, said: str
) -> None:
    settings = configured(tmp_path, "")
    settings.database.write_bytes(content)
    found = looked(settings)["database"]
    assert (found.state, found.said.endswith(said)) == (state, True)
    assert settings.database.read_bytes() == content


RUNNING = (
    "INSERT INTO instances (id, host, pid, address, heartbeat_at, stopped_at)"
    " VALUES ('i', 'h', 4711, '127.0.0.1:{port}', {beat}, {stopped})"
)


@pytest.mark.parametrize(
    ("beat_us", "stopped", "is_running"),
    [
        (NOW, "NULL", True),
        (NOW - 15 * MICROSECONDS + 1, "NULL", True),
        (NOW - 15 * MICROSECONDS, "NULL", False),
        (NOW, NOW, False),
    ],
)
def test_a_server_that_runs_is_a_note_and_its_address_too(
    tmp_path: Path, beat_us: int, stopped: object, is_running: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = configured(tmp_path, "", listen=f"127.0.0.1:{port}")
        changes.create_key(settings.database, changes.KeyPlan(name="a"))
        damaged(settings.database, RUNNING.format(port=port, beat=beat_us, stopped=stopped))
        found = looked(settings)
    assert found["database"].state == (NOTE if is_running else OK)
    assert found["address"].state == (NOTE if is_running else FAULT)
    told = f"is served by pid 4711 on 127.0.0.1:{port}: a second server is refused"
    assert found["database"].said.endswith(told) is is_running
    assert exit_code_of(list(found.values())) == (0 if is_running else 6)


# Address -------------------------------------------------------------------------------------


def test_an_address_is_free_taken_or_of_no_use(tmp_path: Path, closed_port: int) -> None:
    def address(listen: str) -> Checked:
        return looked(configured(tmp_path, "", listen=listen))["address"]

    free = f"127.0.0.1:{closed_port}"
    assert address(free) == Checked("address", OK, f"{free} is free")
    assert address("127.0.0.1:0").said == "127.0.0.1:0 takes a free port"
    with socket.create_server(("127.0.0.1", closed_port)):
        taken = address(free)
    assert (taken.state, taken.exit_code) == (FAULT, 6)
    assert taken.said == f"cannot listen on `{free}`: address already in use"
    open_to_all = address("0.0.0.0:0")
    assert (open_to_all.state, open_to_all.exit_code) == (FAULT, 2)
    assert "behind_proxy" in open_to_all.said
    assert address(free).state == OK


# Config --------------------------------------------------------------------------------------


def test_the_config_is_counted(tmp_path: Path) -> None:
    settings = configured(tmp_path, provider("http://127.0.0.1:9/v1"), FERRY_GRACE_S="5")
    ((config,), (up,)) = check_config(settings)
    assert config.said == f"{tmp_path}/ferry.toml: 3 options set, 1 provider"
    assert up == Checked("up", OK, "", key_from="none")


def test_keys_are_read_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    text = "".join(
        f'[providers.{name}]\nbase_url = "http://127.0.0.1:9/v1"\n{key}\n'
        for name, key in {
            "a": 'api_key_env = "A"',
            "b": f'api_key_file = "{tmp_path}/key"',
            "c": f'api_key_cmd = "echo {KEY}"',
            "d": 'api_key_env = "D"',
            "e": 'api_key_file = "/no/such/file"',
            "f": f'api_key_cmd = "false {KEY}"',
        }.items()
    )
    _, found = check_config(configured(tmp_path, text, A=KEY))
    assert [(one.subject, one.state, one.said, one.key_from) for one in found] == [
        ("a", OK, "", "env A"),
        ("b", OK, "", f"file {tmp_path}/key"),
        ("c", OK, "", "command echo …"),
        ("d", FAULT, "no key: the variable is not set", "env D"),
        ("e", FAULT, "no key: no such file or directory", "file /no/such/file"),
        ("f", FAULT, "no key: it failed (CalledProcessError)", "command false …"),
    ]
    assert exit_code_of(found) == 4
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("codes", "code"),
    [((), 0), ((5,), 5), ((5, 4), 4), ((4, 6, 5), 6), ((6, 2, 4), 2), ((9,), 1)],
)
def test_the_gravest_fault_gives_the_exit_code(codes: tuple[int, ...], code: int) -> None:
    every = [Checked("x", FAULT, "", one) for one in codes]
    assert exit_code_of([*every, Checked("y", NOTE, "", 2)]) == code
