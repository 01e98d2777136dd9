"""What ferry adds to a call: beside the same upstream called directly, and a bare pass-through.

ferry is measured with a key that has a budget of its own, with one under no budget at all, and with
one whose calls count in six. All are measured in turn, round by round, in one run: the machine
drifts, and only what ran beside each other may be compared. Ratios are made within a round; what is
shown is the median of the rounds. At the end ferry's books must hold every call that was made, or
nothing is shown.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.load import Figures, Load
from bench.processes import (
    BUDGETED,
    Cores,
    Served,
    answering,
    books_line,
    ended_by_signals,
    ferry,
    put,
)
from bench.upstream import LATE_S, stream_events

SECONDS, ROUNDS = 3.0, 3
CONNECTIONS = (1, 16, 64)
CONNECTIONS_LATE = 64
WARM_S = 0.5
SYNCS = 50
FACTOR_MIN = 2.0
"""A measured process that direct calls outrun by less is held back by its load."""

THROUGH = ("direct", "bare", "ferry", *BUDGETED)
KINDS = {
    "whole": "whole replies, 1 KB each way",
    "stream": f"streams of {len(stream_events())} SSE events, usage included",
    "late": f"whole replies of an upstream that takes {LATE_S * 1e3:.0f} ms",
}
COLUMNS = "calls/s|p50 ms|p99 ms|CPU µs|events/s|of bare's|of bare's|p50 over|direct is"
SECOND_LINE = "|||a call||calls/s|CPU|direct ms|faster ×"
WIDTHS = (8, 8, 8, 8, 9, 11, 10, 11, 11)
NOT_MEASURED = """\
not measured: nginx as a reference proxy; wrk and hey as generators (this one is the bench's own)
not measured: LiteLLM, Portkey, TensorZero (not among the packages that ferry's locks install)"""

Round = dict[str, Figures]
"""What was seen through each of `THROUGH`, one right after the other."""


@dataclass(frozen=True, slots=True)
class Case:
    """One load that is put on each."""

    kind: str
    connections: int


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    asked = _parsed(arguments)
    try:
        with ended_by_signals():
            _measure(asked.seconds, asked.rounds, asked.connections)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench overhead", description=__doc__)
    of_a_cell = f"measured seconds of a cell, all its rounds together ({SECONDS:g})"
    parser.add_argument("--seconds", type=float, default=SECONDS, help=of_a_cell)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of a cell ({ROUNDS})")
    usual = " ".join(map(str, CONNECTIONS))
    parser.add_argument(
        "--connections", type=int, nargs="+", default=CONNECTIONS, help=f"connections ({usual})"
    )
    asked = parser.parse_args(arguments)
    if asked.seconds <= 0 or asked.rounds < 1 or min(asked.connections) < 1:
        parser.error("seconds, rounds and connections are more than nothing")
    return asked


def _measure(seconds: float, rounds: int, connections: Sequence[int]) -> None:
    # Fewer connections first, so that none has more idle ones behind it than it needs.
    cases = [
        Case(kind, count) for count in sorted(set(connections)) for kind in ("whole", "stream")
    ]
    if CONNECTIONS_LATE in connections:
        cases.append(Case("late", CONNECTIONS_LATE))
    cores = Cores.of_machine()
    span_s = seconds / rounds
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name:
        folder = Path(name)
        sync_ms = _sync_ms(folder)
        with (
            answering("bench.upstream", cores.upstream) as upstream,
            answering("bench.bare", cores.measured, str(upstream.port)) as bare,
            ferry(folder, upstream.port, cores.measured) as gateways,
        ):
            served = {"direct": Served(0, upstream.port), "bare": bare, **gateways}
            seen = {case: _rounds(case, served, cores, rounds, span_s) for case in cases}
        through_ferry = ("ferry", *BUDGETED)
        made = {
            name: sum(each[name].made for found in seen.values() for each in found)
            for name in through_ferry
        }
        books = books_line(folder / "ferry.db", made)
    print("\n".join([*_head(cores, rounds, span_s, sync_ms), *_table(seen), "", *_notes(seen)]))
    print(f"{NOT_MEASURED}\n{books}", flush=True)


def _rounds(
    case: Case, served: dict[str, Served], cores: Cores, rounds: int, span_s: float
) -> list[Round]:
    if sys.stderr.isatty():
        print(f"  {KINDS[case.kind]}, {case.connections} connections ...", file=sys.stderr)
    found = []
    for number in range(rounds):
        # Each goes first in turn, so that none has the machine's best moments.
        first = number % len(THROUGH)
        order = THROUGH[first:] + THROUGH[:first]
        found.append({name: put(_load(case, served[name], span_s), cores.load) for name in order})
    return found


def _load(case: Case, served: Served, span_s: float) -> Load:
    return Load(
        port=served.port,
        pid=served.pid,
        secret=served.secret or "none",
        connections=case.connections,
        is_stream=case.kind == "stream",
        is_late=case.kind == "late",
        warm_s=WARM_S,
        seconds=span_s,
    )


def _sync_ms(folder: Path) -> float:
    """How long the disk of the scratch database takes to sync a page, in the median."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return 1e3 * median(took)


def _head(cores: Cores, rounds: int, span_s: float, sync_ms: float) -> list[str]:
    stack = ", ".join(f"{each} {version(each)}" for each in ("uvicorn", "httptools", "uvloop"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    turns = "1 round" if rounds == 1 else f"{rounds} rounds"
    return [
        f"overhead: Python {platform.python_version()}, {stack}; {machine}",
        f"  cores: {cores.said}",
        f"  {turns} of {span_s:.2g} s after {WARM_S} s of warm-up; ratios within a round; medians",
        "  direct: the load generator on the upstream; bare: bytes passed on by the same stack",
        f"  ferry: key, price and budget, each hold synced to disk (a sync: {sync_ms:.2g} ms)",
    ]


def _table(seen: dict[Case, list[Round]]) -> list[str]:
    lines = ["", *(_line("", cells.split("|")) for cells in (COLUMNS, SECOND_LINE))]
    for kind, title in KINDS.items():
        for case, rounds in seen.items():
            if case.kind != kind:
                continue
            plural = "connection" if case.connections == 1 else "connections"
            lines.append(f"{title}, {case.connections} {plural}")
            lines += [_line(name, _cells(case, name, rounds)) for name in THROUGH]
    return lines


def _line(name: str, cells: Sequence[str]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"  {name:<9}{''.join(padded)}".rstrip()


def _cells(case: Case, name: str, rounds: Sequence[Round]) -> list[str]:
    """One row: what was seen, then what it is against the other two."""
    mine = [each[name] for each in rounds]
    rate = median(each.rate for each in mine)
    events = f"{rate * len(stream_events()):,.0f}" if case.kind == "stream" else ""
    cpu = "" if name == "direct" else _cpu([each.cpu_us for each in mine], "{:,.0f}")
    cells = [
        f"{rate:,.0f}",
        _figure(median(each.p50_ms for each in mine)),
        _figure(median(each.p99_ms for each in mine)),
        cpu,
        events,
    ]
    if name == "direct":
        return [*cells, "", "", "", ""]
    of_bare = ["", ""]
    if name != "bare":
        of_bare = [
            f"{_ratio(rounds, name, 'bare', lambda each: each.rate):.2f}",
            _cpu([_over(each[name].cpu_us, each["bare"].cpu_us) for each in rounds], "{:.2f}"),
        ]
    added_ms = median(each[name].p50_ms - each["direct"].p50_ms for each in rounds)
    return [*cells, *of_bare, f"{added_ms:+.2f}", f"{_factor(rounds, name):.1f}"]


def _figure(milliseconds: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{milliseconds:.{2 if milliseconds < 10 else 1 if milliseconds < 100 else 0}f}"


def _cpu(values: Sequence[float | None], form: str) -> str:
    read = [value for value in values if value is not None]
    return form.format(median(read)) if len(read) == len(values) else "-"


def _over(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _ratio(
    rounds: Sequence[Round], name: str, base: str, figure: Callable[[Figures], float]
) -> float:
    return median(figure(each[name]) / figure(each[base]) for each in rounds)


def _factor(rounds: Sequence[Round], name: str) -> float:
    """How much faster direct calls are: what generator and upstream have in hand."""
    return _ratio(rounds, "direct", name, lambda each: each.rate)


def _notes(seen: dict[Case, list[Round]]) -> list[str]:
    """Where the load may have held back what was measured, plainly."""
    lines = [
        f"the generator is only {factor:.1f} times as fast as {name} ({case.kind},"
        f" {case.connections} connections): read {name}'s calls/s as a lower bound"
        for case, rounds in seen.items()
        for name in THROUGH[1:]
        if case.kind != "late" and (factor := _factor(rounds, name)) < FACTOR_MIN
    ]
    if not lines:
        lines = [f"the generator has at least {FACTOR_MIN:g} times the speed of what it measures"]
    lines += [*_against_none(seen), _spread(seen)]
    if any(each["ferry"].cpu_s is None for rounds in seen.values() for each in rounds):
        lines.append("CPU: not measured, as this system has no /proc")
    if any(case.kind == "late" for case in seen):
        most = CONNECTIONS_LATE / LATE_S
        lines.append(
            f"at {LATE_S * 1e3:.0f} ms a reply {CONNECTIONS_LATE} connections make {most:,.0f}"
            " calls/s at the most: there the factor tells nothing"
        )
    return lines


def _against_none(seen: dict[Case, list[Round]]) -> list[str]:
    """What six budgets cost beside none, at the most over all cases: within a round, as above."""
    none, six = BUDGETED
    rate = min(_ratio(rounds, six, none, lambda each: each.rate) for rounds in seen.values())
    said = f"6 budgets against none: at the least {rate:.2f} of the calls/s"
    cpu = [
        [_over(each[six].cpu_us, each[none].cpu_us) for each in rounds] for rounds in seen.values()
    ]
    if all(None not in found for found in cpu):
        most = max(median(value for value in found if value is not None) for found in cpu)
        said += f",\n  at the most {most:.2f} times the CPU a call"
    added = max(
        median(each[six].p50_ms - each[none].p50_ms for each in rounds) for rounds in seen.values()
    )
    return [f"{said}, {added:+.2f} ms at p50"]


def _spread(seen: dict[Case, list[Round]]) -> str:
    """How far apart the rounds of one case were, at the widest: what the medians hide."""
    spans = []
    for case, rounds in seen.items():
        ratios = [each["ferry"].rate / each["bare"].rate for each in rounds]
        spans.append((max(ratios) / min(ratios), min(ratios), max(ratios), case))
    _, least, most, case = max(spans, key=lambda span: span[0])
    return (
        f"the rounds differ: ferry made from {least:.2f} to {most:.2f} of bare's calls/s"
        f" ({case.kind}, {case.connections}), at the widest"
    )
