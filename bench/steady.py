"""Whether a server that runs on stays as it was: half the calls that it can carry, for minutes.

First the rate that ferry carries is found, then calls go out at half of it, whatever becomes of
them. Memory, open files, sockets and threads are read meanwhile; at the end ferry's books must hold
every call that was made, or nothing counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import linear_regression

from bench.books import books_line
from bench.caller import Target
from bench.gateways import BUDGETED, ferry, upstream
from bench.load import Load
from bench.paced import Pace, Span
from bench.processes import Cores, ended_by_signals, module, put, reap, start
from bench.replies import WHOLE
from bench.upstream import Behaviour
from bench.vitals import Vitals, vitals

MINUTES = 10.0
SPAN_S = 60.0
SPANS_MIN = 5
"""A run of fewer minutes has shorter spans instead."""
CONNECTIONS = 64
FIND_S, WARM_S = 5.0, 1.0
SHARE = 0.5
GROWTH_MAX = 0.05
"""A server whose memory grew by more of itself, after the first span, is not steady."""
FILES_MORE_MAX = 8
"""Open files that may come and go: connections to the upstream, and the database's."""


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench steady", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"({MINUTES:g})")
    asked = parser.parse_args(arguments)
    if asked.minutes <= 0:
        parser.error("minutes are more than nothing")
    with ended_by_signals():
        _measure(asked.minutes * 60)


def _measure(seconds: float) -> None:
    cores = Cores.of_machine()
    spans = max(SPANS_MIN, round(seconds / SPAN_S))
    find_s = min(FIND_S, seconds)
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        provider = stack.enter_context(upstream(cores.upstream, Behaviour()))
        with ferry(folder, provider, cores.measured) as gateways:
            served = gateways[BUDGETED[1]]
            target = Target(served.port, served.pid, served.secret, WHOLE)
            most = put(Load(target, CONNECTIONS, min(WARM_S, find_s), find_s), cores.load)
            pace = Pace(target, CONNECTIONS, max(1.0, most.rate * SHARE), seconds / spans, spans)
            print(
                f"steady: {CONNECTIONS} connections, 6 budgets: ferry carries {most.rate:,.0f}"
                f" calls/s; now {pace.calls_per_s:,.0f} for {seconds / 60:.2g} minutes"
            )
            print(f"  cores: {cores.said}\n")
            print(
                f"  {'after':>8}{'calls':>11}{'p50 ms':>9}{'p99 ms':>9}{'memory MB':>11}"
                f"{'files':>7}{'sockets':>9}{'threads':>9}",
                flush=True,
            )
            made, seen = most.made, []
            for number, (span, now) in enumerate(_spans(pace, cores.load), start=1):
                made += span.calls
                seen.append(now)
                after = f"{number * pace.span_s:,.0f} s"
                told = "" if now is None else _cells(now)
                print(
                    f"  {after:>8}{span.calls:>11,}{span.p50_ms:>9.2f}{span.p99_ms:>9.2f}{told}",
                    flush=True,
                )
        books = books_line(folder / "ferry.db", {BUDGETED[1]: made})
    print("\n".join([*_verdict(pace, seen), books]), flush=True)


def _cells(now: Vitals) -> str:
    return f"{now.memory_mb:>11.1f}{now.files:>7}{now.sockets:>9}{now.threads:>9}"


def _spans(pace: Pace, core: int | None) -> Iterator[tuple[Span, Vitals | None]]:
    """Each span as it ends, with how the process was then."""
    process = start(module("bench.paced"), core, said=subprocess.PIPE)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(asdict(pace)) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            yield Span(**json.loads(line)), vitals(pace.target.pid)
        if process.wait() != 0:
            raise SystemExit(f"bench: the run failed: {process.stderr.read().strip()}")
    finally:
        reap(process)


def _verdict(pace: Pace, seen: Sequence[Vitals | None]) -> list[str]:
    """What became of it after the first span, in which everything is made that is kept."""
    known = [each for each in seen if each is not None]
    if not known:
        return ["", "memory, files, threads: not measured, as this system has no /proc"]
    first, last = known[0], known[-1]
    minutes = [number * pace.span_s / 60 for number in range(len(known))]
    slope = linear_regression(minutes, [each.memory_mb for each in known]).slope
    growth = last.memory_mb / first.memory_mb - 1
    is_steady = (
        growth <= GROWTH_MAX
        and last.files <= first.files + FILES_MORE_MAX
        and last.threads <= first.threads
    )
    of_a_call = slope * 1e6 / (pace.calls_per_s * 60)
    return [
        f"\n{'steady' if is_steady else 'NOT steady'}, after the first {pace.span_s:.0f} s:",
        f"  memory {first.memory_mb:.1f} to {last.memory_mb:.1f} MB ({growth:+.1%})",
        f"  {slope:+.3f} MB a minute, {of_a_call:+.1f} bytes a call",
        f"  files {first.files} to {last.files}, threads {first.threads} to {last.threads}",
    ]
