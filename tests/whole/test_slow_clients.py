"""Clients that send or read as slowly as they can: they are let go, and cost others nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from pathlib import Path

import pytest

from ferrycli.store import changes
from tests.whole.listening import Listening
from tests.whole.server import Server, config, serving, settled_rows
from tests.whole.upstream import Upstream

IS_SOAK = os.environ.get("FERRY_SOAK") == "1"
WAIT_S = 100.0
"""Ten times the deadline of a request that does not come."""
GROWTH_BYTES_MAX = 16 << 20
BODY = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}).encode()


def request(secret: str, body: bytes = BODY, more: bytes = b"") -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        + f"authorization: Bearer {secret}\r\ncontent-length: {len(body)}\r\n".encode()
        + more
        + b"\r\n"
        + body
    )


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), WAIT_S)


def everything(client: socket.socket) -> bytes:
    raw = b""
    while part := client.recv(65_536):
        raw += part
    client.close()
    return raw


@pytest.mark.soak
def test_clients_that_drip_are_let_go_and_others_served(
    server: Server, upstream: Upstream, secret: str
) -> None:
    whole = request(secret)
    slow = [connect(server) for _ in range(500 if IS_SOAK else 30)]
    cuts = [0, 30, len(whole) - 1]
    for at, client in enumerate(slow):
        client.sendall(whole[: cuts[at % 3]])
    for _ in range(20):
        with connect(server) as client:
            client.sendall(request(secret, more=b"connection: close\r\n"))
            assert everything(client).startswith(b"HTTP/1.1 200 OK\r\n")
    for at, client in enumerate(slow):
        told = everything(client)
        if at % 3:
            assert told.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"request_timeout"' in told
        else:
            assert told == b""
    found = settled_rows(server.database, 20 + len(slow) // 3)
    late = [row for row in found if row.error_code]
    # Who sends a key and half a body is known; the others are nobody.
    assert {row.error_code for row in late} == {"request_timeout"}
    assert len(late) == len(slow) // 3
    assert len(upstream.seen) == 20


class Flooding(Listening):
    """Answers every request by 100 MB of events."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        delta = {"choices": [{"index": 0, "delta": {"content": "a" * 60_000}}]}
        event = b"data: %b\n\n" % json.dumps(delta).encode()
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            while self.sent < 100 << 20:
                writer.write(event)
                await writer.drain()
                self.sent += len(event)
        writer.close()


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    (kib,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(kib) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_answer_that_nobody_reads_is_not_kept_in_memory(tmp_path: Path) -> None:
    with Flooding() as flooding:
        path = config(tmp_path, flooding.address)
        secret = changes.create_key(tmp_path / "ferry.db", changes.KeyPlan(name="app")).secret
        with serving(path) as server, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            client.connect(("127.0.0.1", server.port))
            client.sendall(request(secret, BODY.replace(b"{", b'{"stream":true,', 1)))
            assert client.recv(1)
            before = resident_bytes(server)
            sent = -1
            while sent != flooding.sent:
                sent = flooding.sent
                for _ in range(10):
                    assert client.recv(1)
                    time.sleep(0.05)
            grown = resident_bytes(server) - before
            print(f"{sent >> 20} MB were taken from the provider; grown by {grown >> 10} kB")
            assert grown < GROWTH_BYTES_MAX
            assert sent < 100 << 20
