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
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import httptools
import uvloop

from bench.caller import Caller, Target, WrongReply, connected
from bench.vitals import cpu_s

DRAIN_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to put on whom, and for how long."""

    target: Target
    connections: int
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


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all are not above, of values in order."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class _Run:
    """What all connections of a run share."""

    def __init__(self, connections: int) -> None:
        self.made = 0
        self.latencies_s: list[float] = []
        self.is_over = False
        self._busy = connections
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the last connection has its last reply, or one got a wrong one."""

    def replied(self, caller: Caller, latency_s: float) -> None:
        self.latencies_s.append(latency_s)
        self.made += 1
        if not self.is_over:
            caller.ask()
            return
        self._busy -= 1
        if self._busy == 0 and not self.end.done():
            self.end.set_result(None)

    def fail(self, why: str) -> None:
        if not self.end.done():
            self.end.set_exception(WrongReply(why))


async def measure(load: Load) -> Figures:
    """Put the load on, and tell what was seen once the warm-up was over."""
    run = _Run(load.connections)
    for caller in await connected(load.target, run, load.connections):
        caller.ask()
    await asyncio.wait({run.end}, timeout=load.warm_s)
    run.latencies_s.clear()
    began_s, cpu_began_s = time.perf_counter(), cpu_s(load.target.pid)
    # Longer where no call has ended within the span: there is nothing to show of none.
    for span_s in (load.seconds, *[1.0] * int(DRAIN_S_MAX)):
        await asyncio.wait({run.end}, timeout=span_s)
        if run.latencies_s or run.end.done():
            break
    elapsed_s, cpu_ended_s = time.perf_counter() - began_s, cpu_s(load.target.pid)
    latencies_s = sorted(run.latencies_s)
    run.is_over = True
    await asyncio.wait_for(run.end, DRAIN_S_MAX)
    if not latencies_s:
        raise WrongReply("no call ended")
    return Figures(
        made=run.made,
        calls=len(latencies_s),
        elapsed_s=elapsed_s,
        p50_ms=1e3 * percentile(latencies_s, 0.50),
        p99_ms=1e3 * percentile(latencies_s, 0.99),
        cpu_s=None if cpu_began_s is None or cpu_ended_s is None else cpu_ended_s - cpu_began_s,
    )


if __name__ == "__main__":
    gc.disable()
    try:
        asked = json.load(sys.stdin)
        told = uvloop.run(measure(Load(**{**asked, "target": Target(**asked["target"])})))
        print(json.dumps(asdict(told)))
    except (WrongReply, OSError, httptools.HttpParserError, TimeoutError) as failure:
        sys.exit(f"{type(failure).__name__}: {failure}")
