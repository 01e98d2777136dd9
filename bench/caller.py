"""A client's connection: sends a call made beforehand, and tells what came of it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import httptools

from bench.replies import HOST, REQUEST_BYTES, TEXT, reply_body, request_body


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call, and what for."""

    port: int
    pid: int
    """The process whose CPU is read; 0: none."""
    secret: str
    model: str
    body_bytes: int = REQUEST_BYTES
    path: str = "/v1/chat/completions"
    headers: str = ""
    """Lines that one gateway wants, each with its line end."""
    is_rewritten: bool = False
    """Whether the reply is written anew on its way: then only its text is looked for."""
    certificate: str = ""
    """The file of the one certificate that is trusted; "": no TLS."""


class WrongReply(Exception):
    """A reply that is not the upstream's, or none."""


class Run(Protocol):
    """What all connections of a run share."""

    def replied(self, caller: Caller, latency_s: float) -> None:
        """A right reply came, so many seconds after `ask`."""

    def fail(self, why: str) -> None:
        """The run is over, and counts for nothing."""


def request(target: Target) -> bytes:
    """The bytes of one call: a head, and a body."""
    body = request_body(target.model, target.body_bytes)
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: {HOST}:{target.port}\r\n"
        f"authorization: Bearer {target.secret}\r\ncontent-type: application/json\r\n"
        f"accept: application/json\r\nuser-agent: bench\r\n{target.headers}"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Caller(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    def __init__(self, run: Run, request: bytes, is_right: Callable[[bytes], bool]) -> None:
        self._run = run
        self._request = request
        self._is_right = is_right
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._began_s = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._run.fail(f"a connection was closed ({error or 'without an error'})")

    def ask(self, due_s: float | None = None) -> None:
        """Send one call; its latency counts from `due_s`, or from now."""
        self._parts.clear()
        self._began_s = time.perf_counter() if due_s is None else due_s
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        latency_s = time.perf_counter() - self._began_s
        status, body = self._parser.get_status_code(), b"".join(self._parts)
        if status == 200 and self._is_right(body):
            self._run.replied(self, latency_s)
        else:
            self._run.fail(f"status {status}, {len(body)} bytes, not as sent: {body[:300]!r}")


def _holds(text: bytes, body: bytes) -> bool:
    return text in body


async def connected(target: Target, run: Run, connections: int) -> list[Caller]:
    """So many connections, none of which has asked yet."""
    bytes_of_call = request(target)
    is_right: Callable[[bytes], bool] = reply_body(target.model).__eq__
    if target.is_rewritten:
        is_right = partial(_holds, TEXT.encode())
    trusted = None
    if target.certificate:
        trusted = ssl.create_default_context(cafile=target.certificate)
    loop = asyncio.get_running_loop()
    return [
        (
            await loop.create_connection(
                lambda: Caller(run, bytes_of_call, is_right), HOST, target.port, ssl=trusted
            )
        )[1]
        for _ in range(connections)
    ]
