"""Where a call's microseconds go: by room of ferry and by package, event loop and ledger apart.

A real `ferry serve` carries calls of a key under six budgets. First the CPU of each thread is read
from the system's own clocks, then py-spy looks from outside at which line each thread is, in runs
of their own; the shares are its, the microseconds are the clocks'. The event loop is looked at
while it holds the interpreter's lock: where it lets go of it, it may only be waiting. The ledger is
looked at whenever it runs, as SQLite runs without the lock. What C code does counts where Python
called it: httptools with the protocol that feeds it, SQLite with the ledger's statements, the
standard library with the room that called it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.books import books_line
from bench.caller import Target
from bench.gateways import BUDGETED, bare, ferry, upstream
from bench.load import Figures, Load
from bench.processes import STOP_S_MAX, Cores, Served, ended_by_signals, put, start
from bench.replies import STREAMS, WHOLE
from bench.scratch import installed
from bench.upstream import Behaviour
from bench.vitals import thread_cpu_s

SECONDS = 10.0
CONNECTIONS = 64
WARM_S = 1.0
SAMPLES_PER_S = 400
FUNCTIONS = 30
SHARE_MIN = 0.004
"""Rooms with less are put together."""

LOOP, LEDGER = "event loop", "ledger and others"
LOOKED_AT = {LOOP: ("--gil",), LEDGER: ()}
"""How py-spy looks, by the threads that are told of."""
_UNNAMED = "uvloop: the loop, sockets"
"""What has no frame of Python above the one that runs the loop."""
_PLACES = {
    "asyncio/runners.py": _UNNAMED,
    "asyncio/base_events.py": _UNNAMED,
    "asyncio/": "asyncio",
    "threading.py": "threads",
}
_LIBRARY = "standard library"


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a thread is: a function and its file, from the folder of its package on."""

    function: str
    file: str

    @property
    def room(self) -> str:
        """A room of ferry, a package, or a part of the standard library."""
        if "ferrycli/" in self.file:
            return "ferry " + self.file.rpartition("ferrycli/")[2].split("/")[0]
        for packages in ("site-packages/", "dist-packages/"):
            if packages in self.file:
                return self.file.rpartition(packages)[2].split("/")[0].removesuffix(".py")
        for place, room in _PLACES.items():
            if place in self.file:
                return room
        return _LIBRARY

    @property
    def place(self) -> str:
        """For a line of the table: `store/ledger.py commit`."""
        for above in ("ferrycli/", "site-packages/"):
            if above in self.file:
                return f"{self.file.rpartition(above)[2]} {self.function}"
        return f"{'/'.join(self.file.split('/')[-2:])} {self.function}"


@dataclass(frozen=True, slots=True)
class _Watched:
    """What was seen of a run under py-spy."""

    figures: Figures
    stacks: Mapping[str, Counter[tuple[Frame, ...]]]
    """By thread, how often each stack was seen."""
    complaint: str = ""
    """Why nothing was seen."""


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"({SECONDS:g})")
    models = (WHOLE, *STREAMS)
    parser.add_argument("--model", choices=models, default=WHOLE, help=f"what to call ({WHOLE})")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help=f"({CONNECTIONS})")
    asked = parser.parse_args(arguments)
    if asked.seconds <= 0 or asked.connections < 1:
        parser.error("seconds and connections are more than nothing")
    program = installed("py-spy")
    if sys.platform != "linux":
        print("profile: not measured: this system has no /proc")
        return
    if program is None:
        print("profile: not measured: py-spy is not installed (`python -m bench setup`)")
        return
    with ended_by_signals():
        _measure(program, asked.model, asked.connections, asked.seconds)


def _measure(program: Path, model: str, connections: int, seconds: float) -> None:
    cores = Cores.of_machine()
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        provider = stack.enter_context(upstream(cores.upstream, Behaviour()))
        passing = stack.enter_context(bare(provider, cores.measured))

        def load(served: Served) -> Load:
            target = Target(served.port, served.pid, served.secret, model)
            return Load(target, connections, WARM_S, seconds)

        # On no core of its own: where two threads take turns on one, a thread that waits for its
        # turn looks as if it ran.
        with ferry(folder, provider, None) as gateways:
            served = gateways[BUDGETED[1]]
            base = put(load(passing), cores.load)
            before = thread_cpu_s(served.pid)
            seen = put(load(served), cores.load)
            after = thread_cpu_s(served.pid)
            watched = [
                _watched(program, folder, load(served), cores.load, options)
                for options in LOOKED_AT.values()
            ]
        made = seen.made + sum(each.figures.made for each in watched)
        books = books_line(folder / "ferry.db", {BUDGETED[1]: made})
    # The first thread runs the loop. The threads' clocks ran while it was warmed, too.
    took = {thread: seconds - before.get(thread, 0.0) for thread, seconds in after.items()}
    cpu_us = {
        LOOP: 1e6 * took.pop(served.pid) / seen.made,
        LEDGER: 1e6 * sum(took.values()) / seen.made,
    }
    print(
        f"profile: {connections} connections, {model}, 6 budgets; {seen.rate:,.0f} calls/s,"
        f" {watched[0].figures.rate:,.0f} while watched\n"
        f"  CPU a call: event loop {cpu_us[LOOP]:,.0f} µs, {LEDGER} {cpu_us[LEDGER]:,.0f} µs;"
        f" bare {base.cpu_us or 0:,.0f} µs"
    )
    for thread, each in zip(LOOKED_AT, watched, strict=True):
        if each.complaint:
            print(f"\n{thread}: not measured: py-spy cannot look at ferry: {each.complaint}")
        else:
            print("\n".join(_table(thread, each.stacks[thread], cpu_us[thread])))
    print(f"\n{books}", flush=True)


def _watched(
    program: Path, folder: Path, load: Load, core: int | None, looks: Sequence[str]
) -> _Watched:
    """A run under py-spy."""
    told = folder / "stacks"
    options = f"--rate {SAMPLES_PER_S} --duration {max(1, round(load.seconds))} --format raw"
    command = [str(program), "record", "--pid", str(load.target.pid), "--threads", "--nonblocking"]
    files = ["--full-filenames", "--function", "--output", str(told)]
    process = start([*command, *options.split(), *files, *looks], core, said=subprocess.PIPE)
    time.sleep(WARM_S)
    figures = put(load, core)
    _, complaint = process.communicate(timeout=STOP_S_MAX)
    if process.returncode != 0:
        last = (complaint.strip() or "it says nothing").splitlines()[-1]
        return _Watched(figures, {}, last[:50])
    return _Watched(figures, stacks_of(told.read_text(), load.target.pid))


def stacks_of(text: str, first_thread: int) -> dict[str, Counter[tuple[Frame, ...]]]:
    """By thread, how often each stack was seen, outermost frame first."""
    found: dict[str, Counter[tuple[Frame, ...]]] = {LOOP: Counter(), LEDGER: Counter()}
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        name = LOOP if "MainThread" in thread or str(first_thread) in thread else LEDGER
        found[name][tuple(map(_frame, frames))] += int(count)
    return found


def room_of(stack: tuple[Frame, ...]) -> str:
    """Whose time it is: the standard library's belongs to whoever called it."""
    rooms = (frame.room for frame in reversed(stack))
    return next((room for room in rooms if room != _LIBRARY), _LIBRARY)


def _frame(text: str) -> Frame:
    function, _, file = text.removesuffix(")").rpartition(" (")
    return Frame(function, file.partition(":")[0])


def _table(thread: str, stacks: Counter[tuple[Frame, ...]], cpu_us: float) -> list[str]:
    total = sum(stacks.values())
    rooms: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for stack, count in stacks.items():
        if stack:
            rooms[room_of(stack)] += count
            functions[stack[-1].place] += count
    return [
        "",
        f"{f'{thread}, {total:,} samples':<68}{'share':>7}{'µs/call':>9}",
        *_rows(rooms, total, cpu_us, len(rooms)),
        "  by function:",
        *_rows(functions, total, cpu_us, FUNCTIONS),
    ]


def _rows(counted: Counter[str], total: int, cpu_us: float, most: int) -> list[str]:
    kept = [
        (name, count) for name, count in counted.most_common(most) if count >= total * SHARE_MIN
    ]
    rest = total - sum(count for _, count in kept)
    rows = [*kept, *([("the rest", rest)] if rest else [])]
    return [
        f"  {name[:64]:<66}{count / total:>7.1%}{count / total * cpu_us:>9.1f}"
        for name, count in rows
    ]
