"""What cannot be carried or served is refused by name, and nothing of it goes upstream."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole.server import ROOT, Server, rows, serving, settled_rows
from tests.whole.upstream import Upstream

CHAT = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"host: localhost\r\n"
GOOD = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}).encode()


def exchange(port: int, request: bytes) -> tuple[int, dict[str, object]]:
    """Send bytes as they are; the status and the `error` of the reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(request)
        raw = b""
        while part := client.recv(65_536):
            raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    error = json.loads(body).get("error", {}) if body.startswith(b"{") else {}
    return int(head.split()[1]), error


def request(secret: str, body: bytes = GOOD, *, headers: bytes = b"", start: bytes = CHAT) -> bytes:
    length = f"content-length: {len(body)}\r\n".encode()
    key = f"authorization: Bearer {secret}\r\n".encode()
    return start + (b"" if b"host:" in headers else HOST) + key + headers + length + b"\r\n" + body


BODIES = [
    (b"{", 400, "invalid_json"),
    (b"[]", 400, "invalid_parameter"),
    (b"\xff\xfe", 400, "invalid_json"),
    (b'{"messages":[{"role":"user","content":"hi"}]}', 400, "invalid_parameter"),
    (GOOD.replace(b'"m-1"', b"7"), 400, "invalid_parameter"),
    (GOOD.replace(b'"m-1"', b'"unknown-model"'), 404, "model_not_found"),
    (GOOD.replace(b'"m-1"', b'"../../admin"'), 404, "model_not_found"),
    (GOOD.replace(b'"m-1"', b'"m-1\\r\\nx: y"'), 400, "invalid_parameter"),
    (GOOD.replace(b'"m-1"', b'"m-1","model":"m-2"'), 400, "invalid_parameter"),
    (GOOD[:-1] + b',"max_tokens":-1}', 400, "invalid_parameter"),
    (GOOD[:-1] + b',"max_tokens":1e400}', 400, "invalid_parameter"),
    (GOOD[:-1] + b',"max_tokens":true}', 400, "invalid_parameter"),
    (GOOD[:-1] + b',"stream":"yes"}', 400, "invalid_parameter"),
    (GOOD[:-1] + b',"n":1000000}', 400, "invalid_parameter"),
    (GOOD[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "invalid_json"),
]


@pytest.mark.parametrize(("body", "status", "code"), BODIES)
def test_body_that_cannot_be_carried_is_refused_by_name(
    server: Server, upstream: Upstream, secret: str, body: bytes, status: int, code: str
) -> None:
    got, error = exchange(server.port, request(secret, body, headers=b"connection: close\r\n"))
    assert (got, error.get("code")) == (status, code), error
    assert upstream.seen == []


CLOSE = b"connection: close\r\n"
MALFORMED = [
    b"GET /v1/models\r\n\r\n",
    CHAT + b"\r\n",
    CHAT + HOST + HOST + b"\r\n",
    CHAT + HOST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    CHAT + HOST + b"transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    CHAT + HOST + b"a: b\r\n c\r\n\r\n",
    CHAT.replace(b" /", b" http://localhost/") + HOST + b"\r\n",
    CHAT + HOST + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n",
    b"\x16\x03\x01" + b"\x00" * 100,
]


@pytest.mark.parametrize("raw", MALFORMED)
def test_what_is_no_request_is_refused_and_is_no_call(
    server: Server, upstream: Upstream, raw: bytes
) -> None:
    status, error = exchange(server.port, raw)
    assert (status, error["code"]) == (400, "invalid_request")
    assert rows(server.database) == []
    assert upstream.seen == []


def test_body_that_breaks_off_in_a_chunk_is_a_row_of_its_key(
    server: Server, upstream: Upstream, secret: str
) -> None:
    chunked = request(secret).replace(b"content-length: ", b"transfer-encoding: chunked\r\nx: ")
    status, error = exchange(server.port, chunked.replace(GOOD, b"zz\r\n" + GOOD))
    assert (status, error["code"]) == (400, "invalid_request")
    [row] = settled_rows(server.database, 1)
    assert (row.state, row.error_code) == ("denied", "invalid_request")
    assert upstream.seen == []


def test_pipelined_calls_are_two_answers_and_two_rows(
    server: Server, upstream: Upstream, secret: str
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(request(secret) + request(secret, headers=CLOSE))
        raw = b""
        while part := client.recv(65_536):
            raw += part
    assert raw.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert len(settled_rows(server.database, 2)) == len(upstream.seen) == 2


HEADS: list[tuple[bytes, bytes, int, str]] = [
    (b"host: evil.example\r\n", CHAT, 403, "forbidden_origin"),
    (b"origin: https://evil.example\r\n", CHAT, 403, "forbidden_origin"),
    (b"content-encoding: gzip\r\n", CHAT, 415, "unsupported_encoding"),
    (b"x-api-key: another\r\n", CHAT, 401, "invalid_api_key"),
    (b"via: 1.1 ferry\r\n", CHAT, 508, "loop_detected"),
    (b"x: y\r\n" * 120, CHAT, 431, "headers_too_large"),
    (b"x: " + b"y" * 70_000 + b"\r\n", CHAT, 431, "headers_too_large"),
    (b"", b"POST /v1/" + b"a" * 9_000 + b" HTTP/1.1\r\n", 414, "path_too_long"),
    (b"", b"POST /v1/nothing HTTP/1.1\r\n", 404, "not_found"),
    (b"", b"PUT /v1/chat/completions HTTP/1.1\r\n", 405, "method_not_allowed"),
    (b"", b"POST /v1/models HTTP/1.1\r\n", 405, "method_not_allowed"),
]


@pytest.mark.parametrize(("headers", "start", "status", "code"), HEADS)
def test_head_that_cannot_be_accepted_is_refused_by_name(
    server: Server,
    upstream: Upstream,
    secret: str,
    headers: bytes,
    start: bytes,
    status: int,
    code: str,
) -> None:
    sent = request(secret, headers=headers + b"connection: close\r\n", start=start)
    got, error = exchange(server.port, sent)
    assert (got, error.get("code")) == (status, code), error
    assert upstream.seen == []


def test_body_over_the_limit_is_refused_before_and_while_it_is_read(
    config_path: Path, upstream: Upstream, secret: str
) -> None:
    with serving(config_path, FERRY_BODY_MB_MAX="1") as server:
        told = request(secret, b"", headers=b"connection: close\r\n").replace(
            b"content-length: 0", b"content-length: 1048577"
        )
        assert exchange(server.port, told)[0] == 413
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        head = CHAT + HOST + f"authorization: Bearer {secret}\r\n".encode()
        chunked = head + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 17
        assert exchange(server.port, chunked)[0] == 413
        assert {row.error_code for row in rows(server.database)} <= {"request_too_large"}
    assert upstream.seen == []


def ferry(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "ferrycli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_second_server_on_a_file_says_who_has_it(server: Server, config_path: Path) -> None:
    done = ferry("--config", str(config_path), "serve", UP_KEY="x")
    refused(done, 6, f"pid {server.process.pid}")


def test_address_in_use_is_named(server: Server, tmp_path: Path) -> None:
    listen = f"127.0.0.1:{server.port}"
    done = ferry("--db", str(tmp_path / "other.db"), "serve", "--listen", listen)
    refused(done, 2, listen)


def test_address_beyond_loopback_wants_encryption(tmp_path: Path) -> None:
    done = ferry("--db", str(tmp_path / "f.db"), "serve", "--listen", "0.0.0.0:0")
    refused(done, 2, "behind_proxy")


def test_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    path.write_text("these are my notes, not a database\n" * 100)
    before = path.read_bytes()
    refused(ferry("--db", str(path), "serve", "--listen", "127.0.0.1:0"), 6, str(path))
    refused(ferry("--db", str(path), "keys", "create", "x"), 6, str(path))
    assert path.read_bytes() == before


def test_newer_database_is_refused_by_its_migration(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    assert ferry("--db", str(path), "keys", "create", "x").returncode == 0
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO migrations VALUES ('9999_later', 1)")
    connection.commit()
    connection.close()
    for command in (
        ["serve", "--listen", "127.0.0.1:0"],
        ["keys", "create", "y"],
        ["keys", "list"],
    ):
        refused(ferry("--db", str(path), *command), 6, "9999_later")


def test_locked_database_is_refused_and_nothing_is_lost(
    server: Server, upstream: Upstream, secret: str
) -> None:
    other = sqlite3.connect(server.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        status, error = exchange(server.port, request(secret, headers=b"connection: close\r\n"))
        assert (status, error["code"]) == (503, "ledger_unavailable")
        assert upstream.seen == []
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert exchange(server.port, request(secret, headers=b"connection: close\r\n"))[0] == 200
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nlisten_on = 1\n", ("listen_on", "listen", "[server]")),
        ("[sever]\nlisten = 1\n", ("sever", "server")),
        ("[server]\nlisten = 4777\n", ("server.listen", "4777")),
        ('[server]\ntimezone = "Mars/Base"\n', ("Mars/Base", "IANA")),
        ("[server\n", ("ferry.toml",)),
        ('[providers.x]\nkind = "magic"\n', ("magic", "compatible")),
    ],
)
def test_config_that_is_wrong_is_named_with_its_place(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text(text)
    refused(ferry("--config", str(path), "serve"), 2, *words)


def test_database_that_is_taken_away_is_told_to_clients_and_to_the_operator(
    config_path: Path, upstream: Upstream, secret: str
) -> None:
    server = Server(config_path)
    server.database.unlink()
    sent = request(secret, headers=b"connection: close\r\n")
    status, error = exchange(server.port, sent)
    assert (status, error["code"]) == (503, "ledger_unavailable")
    assert server.process.stderr is not None
    told = json.loads(server.process.stderr.readline())
    assert told["event"] == "ledger_unavailable"
    assert "deleted or replaced" in told["why"]
    server.kill()
    assert upstream.seen == []
