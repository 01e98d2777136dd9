"""ferry beside other gateways, in one run: the same upstream, the same calls, one process each.

ferry does what it always does: key, price and a budget, each hold on disk before the call goes out.
The others run as their makers start them, without budgets or a database. Ratios are made
within a round; at the end ferry's books must hold every call that was made, or nothing is shown.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench.books import books_line
from bench.caller import Target
from bench.gateways import bare, ferry, upstream
from bench.load import Figures, Load
from bench.others import OTHERS, Other
from bench.overhead_table import ratio
from bench.processes import Cores, Served, ended_by_signals, put
from bench.replies import WHOLE
from bench.scratch import package
from bench.upstream import Behaviour
from bench.vitals import memory_mb

SECONDS, ROUNDS = 6.0, 3
CONNECTIONS = (1, 64)
WARM_S = 1.0
COLUMNS = "calls/s|CPU µs|p50 ms|p99 ms|memory|start|ferry's|its CPU"
SECOND_LINE = "|a call|||MB|s|calls/s ×|÷ ferry's"
WIDTHS = (9, 9, 9, 9, 9, 8, 12, 12)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench beside", description=__doc__)
    of_a_cell = f"measured seconds of a cell, all its rounds together ({SECONDS:g})"
    parser.add_argument("--seconds", type=float, default=SECONDS, help=of_a_cell)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"({ROUNDS})")
    asked = parser.parse_args(arguments)
    if asked.seconds <= 0 or asked.rounds < 1:
        parser.error("seconds and rounds are more than nothing")
    with ended_by_signals():
        _measure(asked.seconds / asked.rounds, asked.rounds)


def _measure(span_s: float, rounds: int) -> None:
    cores = Cores.of_machine()
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        provider = stack.enter_context(upstream(cores.upstream, Behaviour()))
        passing = stack.enter_context(bare(provider, cores.measured))
        found: dict[str, Other | None] = {"direct": Other(Served(0, provider.port))}
        found["bare"] = Other(passing)
        started = {
            name: stack.enter_context(start(folder, provider, cores.measured))
            for name, start in OTHERS.items()
        }
        with ferry(folder, provider, cores.measured) as gateways:
            found |= {"ferry": Other(gateways["ferry"]), **started}
            there = {name: other for name, other in found.items() if other is not None}
            seen = {
                count: [_round(there, count, span_s, number, cores) for number in range(rounds)]
                for count in CONNECTIONS
            }
            memory = {
                name: memory_mb(other.served.pid) if other.served.pid else None
                for name, other in there.items()
            }
        made = sum(each["ferry"].made for found in seen.values() for each in found)
        books = books_line(folder / "ferry.db", {"ferry": made})
    print("\n".join([*_head(cores, rounds, span_s), *_table(seen, there, memory), ""]))
    for name in started:
        if name not in there:
            print(f"not measured: {name} is not installed (`python -m bench setup`)")
    print(books, flush=True)


def _round(
    there: Mapping[str, Other], connections: int, span_s: float, number: int, cores: Cores
) -> dict[str, Figures]:
    if sys.stderr.isatty():
        print(f"  {connections} connections, round {number + 1} ...", file=sys.stderr)
    names = list(there)
    # Each goes first in turn, so that none has the machine's best moments.
    first = number % len(names)
    found = {}
    for name in names[first:] + names[:first]:
        load = Load(_target(there[name]), connections, min(WARM_S, span_s), span_s)
        with _stopped({other.served.pid for other in there.values()} - {load.target.pid, 0}):
            found[name] = put(load, cores.load)
    return found


@contextmanager
def _stopped(processes: Set[int]) -> Iterator[None]:
    """The others stand still meanwhile: some do things of their own on the same core."""
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def _target(other: Other) -> Target:
    served = other.served
    return Target(
        port=served.port,
        pid=served.pid,
        secret=served.secret,
        model=other.model_prefix + WHOLE,
        path=other.path,
        headers=other.headers,
        is_rewritten=True,
    )


def _head(cores: Cores, rounds: int, span_s: float) -> list[str]:
    turns = "1 round" if rounds == 1 else f"{rounds} rounds"
    return [
        "beside: whole replies, 1 KB there and 1 KB back; each gateway is one process",
        f"  cores: {cores.said}",
        f"  {turns} of {span_s:.2g} s after {WARM_S:g} s; ratios are made within a round; medians",
        "  one is measured while the others stand still (SIGSTOP)",
        "  ferry: key, price and one budget, each hold synced to disk",
        "  the others: no budgets and no database, as their makers start them",
        f"  LiteLLM: {package('LiteLLM').wanted}, its own server, one worker, its master key",
        f"  Portkey: {package('Portkey').wanted}, on Node",
        f"  TensorZero: {package('TensorZero').wanted}, the gateway that its Python client embeds,",
        "  which is written in Rust and spoken to over HTTP",
        "",
    ]


def _table(
    seen: Mapping[int, Sequence[dict[str, Figures]]],
    there: Mapping[str, Other],
    memory: Mapping[str, float | None],
) -> list[str]:
    found = [_line("", COLUMNS.split("|")), _line("", SECOND_LINE.split("|"))]
    for connections, rounds in seen.items():
        found.append(f"{connections} {'connection' if connections == 1 else 'connections'}")
        for name, other in there.items():
            found.append(_line(name, _cells(name, other, rounds, memory[name])))
    return found


def _cells(
    name: str, other: Other, rounds: Sequence[dict[str, Figures]], megabytes: float | None
) -> list[str]:
    mine = [each[name] for each in rounds]
    cpu = [each.cpu_us for each in mine if each.cpu_us is not None]
    has_cpu = len(cpu) == len(mine) and other.served.pid != 0
    cells = [
        f"{median(each.rate for each in mine):,.0f}",
        f"{median(cpu):,.0f}" if has_cpu else "",
        f"{median(each.p50_ms for each in mine):.2f}",
        f"{median(each.p99_ms for each in mine):.1f}",
        "" if megabytes is None else f"{megabytes:.0f}",
        f"{other.served.start_s:.1f}" if other.served.pid else "",
    ]
    if name in ("direct", "ferry"):
        return [*cells, "", ""]
    more = f"{ratio(rounds, 'ferry', name, lambda each: each.rate):.2f}"
    less = ""
    if has_cpu:
        less = f"{ratio(rounds, name, 'ferry', lambda each: each.cpu_us or 0.0):.2f}"
    return [*cells, more, less]


def _line(name: str, cells: Sequence[str]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"  {name:<11}{''.join(padded)}".rstrip()
