"""Upstreams that fail on purpose, in every way of FAULTS U1 to U8, U16, U17 and of WIRE 4.

`FaultyUpstream` reads a request and then does what `fails_with` says of it, or what the request's
own `metadata` asks for (`fault`). What a provider would bill, it bills: nothing for an error
status, the whole answer where it broke off while it answered. The three listeners below it fail
before any request is read, so each is a provider of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.whole.upstream import Seen, Upstream, completion, events

BACKLOG_TRIES_MAX = 64
PROBE_S = 0.5
"""How long a black hole must swallow a connection before it counts as one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail after the request was read."""

    how: str
    """`status`; `silent`; `reset`, `reset in head`, `reset in stream`, `half`."""
    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    events: int = 0
    """How many events of a stream, or of a whole reply whether half of it, came before the end."""
    is_money: bool = False
    """The provider says that its own account is out of money."""

    @property
    def is_billed(self) -> bool:
        """Whether the provider had begun to answer: then it bills all of it."""
        return self.how not in ("status", "silent")

    @property
    def is_heard(self) -> bool:
        """Whether a part of the answer itself has gone out: nothing may be tried after it."""
        return self.events > 0


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _openai(message: str, kind: str, code: str | None) -> bytes:
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _anthropic(message: str, kind: str, **more: Any) -> bytes:
    error = {"type": kind, "message": message, **more}
    return _json({"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"})


def _failing(status: int, *retry_after: str) -> Fault:
    body = _openai(f"The server answered {status}.", "server_error", None)
    return Fault("status", status, body, tuple(("retry-after", text) for text in retry_after))


_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_BUSY = _openai("Rate limit reached for requests per min.", "requests", "rate_limit_exceeded")

BROKEN: dict[str, Fault] = {
    "u5-reset": Fault("reset"),
    "u6-reset-in-head": Fault("reset in head"),
    "u7-reset-after-0-events": Fault("reset in stream"),
    "u8-half-json": Fault("half"),
    "silent": Fault("silent"),
}
"""Connections that break before any of the answer has gone out, and one that never answers."""

HEARD: dict[str, Fault] = {
    "u7-reset-after-1-event": Fault("reset in stream", events=1),
    "u7-reset-after-3-events": Fault("reset in stream", events=3),
}
"""Connections that break after some of a stream has gone out."""

STATUSES: dict[str, Fault] = {
    **{f"{status}": _failing(status) for status in (408, 409, 424, 498, 500, 502, 503, 504, 529)},
    "u16-500-after-2-s": _failing(500, "2"),
    "u16-502-after-a-past-date": _failing(502, "Sun, 01 Nov 2026 00:00:00 GMT"),
    "u16-503-after-a-far-date": _failing(503, "Fri, 31 Dec 2100 23:59:59 GMT"),
    "u16-503-after-minus-1": _failing(503, "-1"),
    "u16-529-after-1e9-s": _failing(529, "1000000000"),
    "u16-529-after-garbage": _failing(529, "soon; \x7f"),
    "u17-429": Fault("status", 429, _BUSY),
    "u17-429-after-1-s": Fault("status", 429, _BUSY, (("retry-after", "1"),)),
}
"""Statuses after which another provider is asked."""

MONEY: dict[str, Fault] = {
    "openai-429-insufficient-quota": Fault(
        "status", 429, _openai(_QUOTA, "insufficient_quota", "insufficient_quota"), is_money=True
    ),
    "anthropic-402": Fault(
        "status", 402, _anthropic("There is an issue with your billing.", "billing_error"),
        is_money=True,
    ),
    "anthropic-400-spend-limit": Fault(
        "status", 400,
        _anthropic(
            "You have reached your specified API usage limits. You will regain access on"
            " 2026-12-01 at 00:00 UTC.", "invalid_request_error",
        ),
        is_money=True,
    ),
    "anthropic-429-enforced-spend-limit": Fault(
        "status", 429,
        _anthropic(
            "Your organization has reached its monthly spend cap.", "rate_limit_error",
            details={"error_code": "enforced_spend_limit_reached"},
        ),
        is_money=True,
    ),
    "gemini-402": Fault(
        "status", 402,
        _json(
            {
                "error": {
                    "code": 402,
                    "message": "Your prepayment credits are depleted.",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [],
                }
            }
        ),
        is_money=True,
    ),
    "openrouter-402": Fault(
        "status", 402,
        _json({"error": {"code": 402, "message": "Insufficient credits. Add more to go on."}}),
        is_money=True,
    ),
    "openrouter-403": Fault(
        "status", 403,
        _json({"error": {"code": 403, "message": "Key limit exceeded (total limit)."}}),
        is_money=True,
    ),
}  # fmt: skip
"""What a provider says when its own account is out of money."""

_USED = {"prompt_tokens": 90, "completion_tokens": 0, "total_tokens": 90}
_OVERLOADED = {"message": "Overloaded", "type": "overloaded_error"}
_STREAM = (("content-type", "text/event-stream"),)


def _stream_error(**more: Any) -> bytes:
    return b"data: " + _json({"error": _OVERLOADED, **more}) + b"\n\ndata: [DONE]\n\n"


NO_ANSWER: dict[str, Fault] = {
    "200-error": Fault("status", 200, _json({"error": _OVERLOADED})),
    "200-error-with-usage": Fault("status", 200, _json({"error": _OVERLOADED, "usage": _USED})),
    "200-empty": Fault("status", 200),
    "204": Fault("status", 204),
    "200-stream-error": Fault("status", 200, _stream_error(), _STREAM),
    "200-stream-error-with-usage": Fault("status", 200, _stream_error(usage=_USED), _STREAM),
    "200-stream-error-by-name": Fault(
        "status", 200, b"event: error\ndata: " + _json(_OVERLOADED) + b"\n\n", _STREAM
    ),
    "200-stream-half-event": Fault("status", 200, b'data: {"choices": [', _STREAM),
    "200-stream-empty": Fault("status", 200, b"", _STREAM),
    "200-html": Fault("status", 200, b"<html><body>Be back soon.</body></html>"),
}
"""Replies that say they went well, with no answer in them: another provider is asked."""

PLAIN: dict[str, Fault] = {
    f"{status}": Fault("status", status, _openai("No.", "invalid_request_error", "no"))
    for status in (400, 401, 403, 404, 413, 422)
}
"""Errors that every provider would give: told to the caller, and nobody else is asked."""

FAULTS: dict[str, Fault] = BROKEN | HEARD | STATUSES | MONEY | NO_ANSWER | PLAIN

Schedule = Callable[[Seen], str]
"""Which of `FAULTS` a request meets; empty: none."""


def by_model(seen: Seen) -> str:
    """The fault that the model is named after: `m-u5-reset`; none for other names."""
    name = seen.model.removeprefix("m-")
    return name if name in FAULTS else ""


def in_turn(names: Sequence[str]) -> Schedule:
    """Each in its turn, over and over."""
    count = iter(range(1 << 30))
    return lambda _seen: names[next(count) % len(names)]


def as_told(seen: Seen) -> str:
    """The one that the request names in its `metadata`."""
    return seen.wish.get("fault", "")


class FaultyUpstream(Upstream):
    """An upstream that fails as `fails_with` says, and answers what that lets through."""

    def __init__(self, fails_with: Schedule = as_told) -> None:
        super().__init__()
        self._fails_with = fails_with

    async def _answer(
        self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        name = self._fails_with(seen)
        if not name:
            return await super()._answer(seen, reader, writer)
        fault = FAULTS[name]
        if fault.is_billed:
            seen.use()
        if fault.how == "status":
            _write_status(writer, fault, seen)
            await writer.drain()
            return True
        if fault.how == "silent":
            with contextlib.suppress(ConnectionError):
                await reader.read(1)
            return False
        await _break_off(writer, fault, seen)
        return False


def _write_status(writer: asyncio.StreamWriter, fault: Fault, seen: Seen) -> None:
    told = {"content-type": "application/json", "content-length": f"{len(fault.body)}"}
    lines = [f"{name}: {value}" for name, value in {**told, **dict(fault.headers)}.items()]
    head = "\r\n".join([f"HTTP/1.1 {fault.status} X", *lines, "", ""])
    writer.write(head.encode("latin-1") + fault.body)
    seen.sent += fault.body


async def _break_off(writer: asyncio.StreamWriter, fault: Fault, seen: Seen) -> None:
    """Send what comes before the break, and break."""
    if fault.how == "reset in head":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: applic")
    elif fault.how == "reset in stream":
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for event in events(seen, 8)[: fault.events]:
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            seen.sent += event
            seen.chunks_sent += 1
            await writer.drain()
            # A reset throws away what the other side has not read yet.
            await asyncio.sleep(0.05)
    elif fault.how == "half":
        body = json.dumps(completion(seen)).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        seen.sent += body[: len(body) // 2]
        writer.write(head % len(body) + seen.sent)
        await writer.drain()
        return
    await writer.drain()
    await asyncio.sleep(0.01)
    _reset(writer.get_extra_info("socket"))
    writer.transport.abort()


def _reset(connection: Any) -> None:
    """Have the connection end with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """U1: a port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@contextlib.contextmanager
def black_hole() -> Iterator[int | None]:
    """U2: a port whose queue is full, so that connections neither open nor fail.

    None where the system opens or refuses them all the same.
    """
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(BACKLOG_TRIES_MAX):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            socket.create_connection(address, PROBE_S).close()
        except TimeoutError:
            yield int(address[1])
            return
        except OSError:
            pass
        yield None


@contextlib.contextmanager
def listener(said: bytes) -> Iterator[int]:
    """U3 and U4: takes every connection, says `said` at the first bytes, and closes.

    Nothing said: closes without reading. To a client of `https://`, plain text is no TLS.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        is_over = threading.Event()
        listening.settimeout(0.1)

        def serve() -> None:
            while not is_over.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection, contextlib.suppress(OSError):
                    if said:
                        connection.settimeout(1)
                        connection.recv(65_536)
                        connection.sendall(said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            is_over.set()
            thread.join(5)


NO_TLS = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
"""What a server without TLS says to a client that begins with it."""
