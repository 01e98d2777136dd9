"""A client that reads many streams at once, and says how late their events were.

It reads `Asked` on stdin and prints `Seen`, both as JSON. Each event says when the upstream wrote
it, by the clock that all processes of a machine share; what is counted is the time until it was
read here.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import httptools
import uvloop

from bench.caller import Target, WrongReply, request
from bench.load import percentile
from bench.replies import HOST, TEXT_TICK
from bench.vitals import cpu_s, memory_mb

STREAM_S_MAX = 120.0
_WRITTEN = re.compile(TEXT_TICK.replace("%020d", r"(\d{20})").encode())


@dataclass(frozen=True, slots=True)
class Asked:
    """How many streams to read, and what each of them brings."""

    target: Target
    streams: int
    tick_s: float
    tick_events: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen; memory and CPU are None where they cannot be read."""

    made: int
    events: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    busy: float | None
    """The share of a core that the process took while all streams were open."""
    memory_mb: float | None
    """What the process had in memory while all streams were open."""


class _Reader(asyncio.Protocol):
    """One stream; the parser calls the methods that begin with `on_`."""

    def __init__(self, latenesses_ns: list[int], events: int) -> None:
        self._latenesses_ns = latenesses_ns
        self._events = events
        self._parser = httptools.HttpResponseParser(self)
        self._found = 0
        self._tail = b""
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.Transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"a connection was closed ({error or 'without an error'})")

    def data_received(self, data: bytes) -> None:
        self._now_ns = time.monotonic_ns()
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        # An event that is split over two reads counts from the second: it is whole only then.
        whole, _, self._tail = (self._tail + body).rpartition(b"\n\n")
        for written in _WRITTEN.findall(whole):
            self._latenesses_ns.append(self._now_ns - int(written))
            self._found += 1
        self._last = whole or self._tail

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 200 or self._found != self._events or not self._last.endswith(b"[DONE]"):
            self._fail(f"status {status}, {self._found} of {self._events} events: {self._last!r}")
        elif not self.end.done():
            self.end.set_result(None)

    def _fail(self, why: str) -> None:
        if not self.end.done():
            self.end.set_exception(WrongReply(why))


async def measure(asked: Asked) -> Seen:
    """Open all streams, spread over one tick, and read each to its end."""
    loop = asyncio.get_running_loop()
    latenesses_ns: list[int] = []
    bytes_of_call = request(asked.target)
    readers = [
        (
            await loop.create_connection(
                lambda: _Reader(latenesses_ns, asked.tick_events), HOST, asked.target.port
            )
        )[1]
        for _ in range(asked.streams)
    ]
    for reader in readers:
        reader.transport.write(bytes_of_call)
        await asyncio.sleep(asked.tick_s / asked.streams)
    # From a third to two thirds of the time, all of them are open and none is at its edge.
    third_s = asked.tick_s * asked.tick_events / 3
    await asyncio.sleep(third_s)
    began_s, cpu_began_s = time.monotonic(), cpu_s(asked.target.pid)
    await asyncio.sleep(third_s)
    elapsed_s, cpu_ended_s = time.monotonic() - began_s, cpu_s(asked.target.pid)
    memory = memory_mb(asked.target.pid) if asked.target.pid else None
    await asyncio.wait_for(asyncio.gather(*(reader.end for reader in readers)), STREAM_S_MAX)
    ordered = sorted(latenesses_ns)
    busy = None
    if cpu_began_s is not None and cpu_ended_s is not None:
        busy = (cpu_ended_s - cpu_began_s) / elapsed_s
    return Seen(
        made=asked.streams,
        events=len(ordered),
        p50_ms=percentile(ordered, 0.50) / 1e6,
        p99_ms=percentile(ordered, 0.99) / 1e6,
        most_ms=ordered[-1] / 1e6,
        busy=busy,
        memory_mb=memory,
    )


if __name__ == "__main__":
    gc.disable()
    try:
        told = json.load(sys.stdin)
        seen = uvloop.run(measure(Asked(**{**told, "target": Target(**told["target"])})))
        print(json.dumps(asdict(seen)))
    except (WrongReply, OSError, httptools.HttpParserError, TimeoutError) as failure:
        sys.exit(f"{type(failure).__name__}: {failure}")
