"""The load generator: a process that keeps N connections busy, and says what it saw in one line.

It reads a `Load` on stdin and prints `Figures`, both as JSON. Closed loop: each connection asks
again as soon as its reply has come. Every reply is compared, byte for byte, with what the upstream
sends; anything else ends the run as a failure.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httptools
import uvloop

from bench.upstream import AT_ONCE, HOST, LATE, stream_events, whole_body

DRAIN_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to put on whom, and for how long."""

    port: int
    pid: int
    """The process whose CPU is read; 0: none."""
    secret: str
    connections: int
    is_stream: bool
    is_late: bool
    """Whether the upstream takes its time."""
    warm_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen."""

    made: int
    """All calls, those outside the measured span included."""
    calls: int
    """Calls that ended within the measured span."""
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float | None
    """CPU that the process took in the measured span; None where it cannot be read."""

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.elapsed_s

    @property
    def cpu_us(self) -> float | None:
        """CPU microseconds a call."""
        return None if self.cpu_s is None else 1e6 * self.cpu_s / self.calls


class _WrongReply(Exception):
    """A reply that is not the upstream's, or none."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all are not above, of values in order."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def process_cpu_s(pid: int) -> float | None:
    """CPU seconds of a process, all its threads; None for pid 0 and where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    # The name, in brackets, may hold spaces: fields are counted from behind it.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(load: Load) -> bytes:
    """The bytes of one call: a head, and a body of about 1 KB."""
    chat: dict[str, Any] = {
        "model": LATE if load.is_late else AT_ONCE,
        "max_tokens": 256,
        "messages": [
            {"role": "system", "content": "You measure what lies between us. " * 6},
            {"role": "user", "content": "How long did this take? " * 26},
        ],
    }
    if load.is_stream:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    body = json.dumps(chat, separators=(",", ":")).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {HOST}:{load.port}\r\n"
        f"authorization: Bearer {load.secret}\r\ncontent-type: application/json\r\n"
        f"accept: application/json\r\nuser-agent: bench\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Run:
    """What all connections of a run share."""

    def __init__(self, load: Load) -> None:
        self.request = request(load)
        self.reply = b"".join(stream_events()) if load.is_stream else whole_body()
        self.made = 0
        self.latencies_s: list[float] = []
        self.is_over = False
        self.busy = load.connections
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the last connection has its last reply, or one got a wrong one."""

    def fail(self, why: str) -> None:
        if not self.end.done():
            self.end.set_exception(_WrongReply(why))

    def leave(self) -> None:
        self.busy -= 1
        if self.busy == 0 and not self.end.done():
            self.end.set_result(None)


class _Caller(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._began = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._run.fail(f"a connection was closed ({error or 'without an error'})")

    def ask(self) -> None:
        """Send one call."""
        self._parts.clear()
        self._began = time.perf_counter()
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        run = self._run
        run.latencies_s.append(time.perf_counter() - self._began)
        run.made += 1
        status, body = self._parser.get_status_code(), b"".join(self._parts)
        if status != 200 or body != run.reply:
            run.fail(f"status {status}, {len(body)} of {len(run.reply)} bytes: {body[:300]!r}")
        elif run.is_over:
            run.leave()
        else:
            self.ask()


async def measure(load: Load) -> Figures:
    """Put the load on, and tell what was seen once the warm-up was over."""
    run = _Run(load)
    loop = asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: _Caller(run), HOST, load.port))[1]
        for _ in range(load.connections)
    ]
    for caller in callers:
        caller.ask()
    await asyncio.wait({run.end}, timeout=load.warm_s)
    run.latencies_s.clear()
    began, cpu_began = time.perf_counter(), process_cpu_s(load.pid)
    await asyncio.wait({run.end}, timeout=load.seconds)
    elapsed, cpu_ended = time.perf_counter() - began, process_cpu_s(load.pid)
    latencies_s = sorted(run.latencies_s)
    run.is_over = True
    await asyncio.wait_for(run.end, DRAIN_S_MAX)
    if not latencies_s:
        raise _WrongReply(f"no call ended within {load.seconds} s")
    return Figures(
        made=run.made,
        calls=len(latencies_s),
        elapsed_s=elapsed,
        p50_ms=1e3 * percentile(latencies_s, 0.50),
        p99_ms=1e3 * percentile(latencies_s, 0.99),
        cpu_s=None if cpu_began is None or cpu_ended is None else cpu_ended - cpu_began,
    )


if __name__ == "__main__":
    gc.disable()
    try:
        print(json.dumps(asdict(uvloop.run(measure(Load(**json.load(sys.stdin)))))))
    except (_WrongReply, OSError, httptools.HttpParserError, TimeoutError) as failure:
        sys.exit(f"{type(failure).__name__}: {failure}")
