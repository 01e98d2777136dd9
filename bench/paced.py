"""An open loop: calls go out at a given rate whatever becomes of them; each span has its figures.

It reads `Pace` on stdin and prints `Span` for each span, all as JSON, one a line. A call that finds
no connection free waits for one, and its latency counts from when it was due.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass

import httptools
import uvloop

from bench.caller import Caller, Target, WrongReply, connected
from bench.load import DRAIN_S_MAX, percentile

TURN_S = 0.001
WAITING_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to call, and for how long."""

    target: Target
    connections: int
    calls_per_s: float
    span_s: float
    spans: int


@dataclass(frozen=True, slots=True)
class Span:
    """What was seen in one span; nothing but 0 where no call was answered in it."""

    calls: int
    p50_ms: float
    p99_ms: float


class _Run:
    """What all connections share."""

    def __init__(self) -> None:
        self.free: deque[Caller] = deque()
        """In turn: one that idles is closed by its server."""
        self.waiting: deque[float] = deque()
        """When each call that waits for a connection was due."""
        self.asked = self.made = 0
        self.latencies_s: list[float] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ask(self, due_s: float) -> None:
        """A call is due."""
        self.asked += 1
        if self.free:
            self.free.popleft().ask(due_s)
        elif len(self.waiting) < WAITING_MAX:
            self.waiting.append(due_s)
        else:
            self.fail(f"{WAITING_MAX} calls wait: the pace is more than is carried")

    def replied(self, caller: Caller, latency_s: float) -> None:
        self.made += 1
        self.latencies_s.append(latency_s)
        if self.waiting:
            caller.ask(self.waiting.popleft())
        else:
            self.free.append(caller)

    async def drained(self) -> None:
        """Wait until every call is answered, if that does not take too long."""
        until_s = time.perf_counter() + DRAIN_S_MAX
        while self.made < self.asked:
            if time.perf_counter() > until_s:
                raise WrongReply(f"{self.made} of {self.asked} calls were answered")
            await asyncio.wait({self.failed}, timeout=TURN_S)
            if self.failed.done():
                self.failed.result()

    def fail(self, why: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(WrongReply(why))


async def keep(pace: Pace) -> None:
    """Call at the pace, and tell of each span when it is over."""
    run = _Run()
    run.free.extend(await connected(pace.target, run, pace.connections))
    began_s = due_s = time.perf_counter()
    told = 0
    for number in range(pace.spans):
        ends_s = began_s + (number + 1) * pace.span_s
        while (now_s := time.perf_counter()) < ends_s:
            while due_s <= now_s:
                run.ask(due_s)
                due_s += 1 / pace.calls_per_s
            await asyncio.wait({run.failed}, timeout=TURN_S)
            if run.failed.done():
                run.failed.result()
        if number == pace.spans - 1:
            await run.drained()
        ordered, run.latencies_s = sorted(run.latencies_s) or [0.0], []
        p50_s, p99_s = percentile(ordered, 0.50), percentile(ordered, 0.99)
        calls, told = run.made - told, run.made
        print(json.dumps(asdict(Span(calls, 1e3 * p50_s, 1e3 * p99_s))), flush=True)


if __name__ == "__main__":
    gc.disable()
    try:
        told = json.loads(sys.stdin.readline())
        uvloop.run(keep(Pace(**{**told, "target": Target(**told["target"])})))
    except (WrongReply, OSError, httptools.HttpParserError) as failure:
        sys.exit(f"{type(failure).__name__}: {failure}")
