"""What `bench overhead` prints."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median

from bench.gateways import BUDGETED
from bench.load import Figures
from bench.processes import Cores
from bench.replies import ENCRYPTED, LATE, LATE_S, REQUEST_BYTES, STREAMS, WHOLE, stream_events

FACTOR_MIN = 2.0
"""A measured process that direct calls outrun by less is held back by its load."""
COLUMNS = "calls/s|p50 ms|p99 ms|p50 over|p99 over|CPU µs|of bare's|of bare's|direct is"
SECOND_LINE = "|||direct|direct|a call|calls/s|CPU|faster ×"
WIDTHS = (8, 9, 9, 10, 10, 9, 11, 11, 11)

Round = dict[str, Figures]
"""What was seen through each, one right after the other."""


@dataclass(frozen=True, slots=True)
class Case:
    """One load, and through whom it goes."""

    model: str
    connections: int
    through: tuple[str, ...]
    body_bytes: int = REQUEST_BYTES

    @property
    def kind(self) -> str:
        """In a word or two."""
        if self.model in STREAMS:
            return f"streams of {len(stream_events(STREAMS[self.model]))} events"
        if self.body_bytes != REQUEST_BYTES:
            return f"{self.body_bytes / 1_000:.0f} KB requests"
        return {WHOLE: "1 KB", LATE: "late", ENCRYPTED: "TLS"}[self.model]

    @property
    def title(self) -> str:
        """As a line above its rows."""
        titles = {
            WHOLE: f"whole replies, {self.body_bytes / 1_000:.0f} KB there and 1 KB back",
            LATE: f"whole replies of an upstream that takes {LATE_S * 1e3:.0f} ms",
            ENCRYPTED: "whole replies of an upstream that is called by TLS",
        }
        if self.model in STREAMS:
            count = len(stream_events(STREAMS[self.model]))
            title = f"streams of {count} SSE events, usage included"
        else:
            title = titles[self.model]
        plural = "connection" if self.connections == 1 else "connections"
        return f"{title}, {self.connections} {plural}"


@dataclass(frozen=True, slots=True)
class Measured:
    """All that there is to tell."""

    cores: Cores
    rounds: int
    span_s: float
    warm_s: float
    sync_ms: float
    seen: Mapping[Case, Sequence[Round]]
    memory_mb: Mapping[str, float | None]
    missing: Sequence[str]


def lines(measured: Measured) -> list[str]:
    """Head, table, and what must be known to read it."""
    seen = measured.seen
    return [*_head(measured), *_table(seen), "", *_notes(seen), *_last(measured)]


def _head(measured: Measured) -> list[str]:
    stack = ", ".join(f"{each} {version(each)}" for each in ("uvicorn", "uvloop", "httptools"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    turns = "1 round" if measured.rounds == 1 else f"{measured.rounds} rounds"
    return [
        f"overhead: Python {platform.python_version()}, {stack}; {machine}",
        f"  cores: {measured.cores.said}",
        f"  {turns} of {measured.span_s:.2g} s; ratios are made within a round; medians",
        "  direct: the load generator on the upstream; nginx: one process, proxy_pass, no logs",
        "  bare: uvicorn as it comes and ferry's client of providers, bytes passed on",
        f"  ferry: key, price, budget; each hold synced to disk ({measured.sync_ms:.2g} ms a sync)",
    ]


def _table(seen: Mapping[Case, Sequence[Round]]) -> list[str]:
    found = ["", *(_line("", cells.split("|")) for cells in (COLUMNS, SECOND_LINE))]
    for case in sorted(seen, key=lambda case: (case.body_bytes, _place(case), case.connections)):
        rounds = seen[case]
        found.append(case.title)
        names = [name for name in case.through if name in rounds[0]]
        found += [_line(name, _cells(name, rounds)) for name in names]
    return found


def _place(case: Case) -> int:
    return [WHOLE, *STREAMS, LATE, ENCRYPTED].index(case.model)


def _line(name: str, cells: Sequence[str]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"  {name:<9}{''.join(padded)}".rstrip()


def _cells(name: str, rounds: Sequence[Round]) -> list[str]:
    """One row: what was seen, then what it is against the others."""
    mine = [each[name] for each in rounds]
    cells = [
        f"{median(each.rate for each in mine):,.0f}",
        _figure(median(each.p50_ms for each in mine)),
        _figure(median(each.p99_ms for each in mine)),
    ]
    if name == "direct":
        return [*cells, "", "", "", "", "", ""]
    cells += [
        _signed(median(each[name].p50_ms - each["direct"].p50_ms for each in rounds)),
        _signed(median(each[name].p99_ms - each["direct"].p99_ms for each in rounds)),
        _cpu([each.cpu_us for each in mine], "{:,.0f}"),
    ]
    of_bare = ["", ""]
    if name != "bare":
        of_bare = [
            f"{ratio(rounds, name, 'bare', lambda each: each.rate):.2f}",
            _cpu([_over(each[name].cpu_us, each["bare"].cpu_us) for each in rounds], "{:.2f}"),
        ]
    return [*cells, *of_bare, f"{_factor(rounds, name):.1f}"]


def _figure(milliseconds: float) -> str:
    """Three digits, or all that stand before the point."""
    size = abs(milliseconds)
    return f"{milliseconds:.{2 if size < 10 else 1 if size < 100 else 0}f}"


def _signed(milliseconds: float) -> str:
    return ("+" if milliseconds >= 0 else "") + _figure(milliseconds)


def _cpu(values: Sequence[float | None], form: str) -> str:
    read = [value for value in values if value is not None]
    return form.format(median(read)) if len(read) == len(values) else "-"


def _over(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def ratio(
    rounds: Sequence[Round], name: str, base: str, figure: Callable[[Figures], float]
) -> float:
    """Of one against another, within a round; the median of the rounds."""
    return median(figure(each[name]) / figure(each[base]) for each in rounds)


def _factor(rounds: Sequence[Round], name: str) -> float:
    """How much faster direct calls are: what generator and upstream have in hand."""
    return ratio(rounds, "direct", name, lambda each: each.rate)


def _notes(seen: Mapping[Case, Sequence[Round]]) -> list[str]:
    """Where the load may have held back what was measured, plainly."""
    slow = [
        f"{case.kind} at {case.connections}, {name}: {factor:.1f}"
        for case, rounds in seen.items()
        for name in case.through[2:]
        if case.model != LATE and (factor := _factor(rounds, name)) < FACTOR_MIN
    ]
    found = [f"the generator has at least {FACTOR_MIN:g} times the speed of what it measures"]
    if slow:
        found = [
            f"calls/s are a lower bound where direct calls are less than {FACTOR_MIN:g} × as fast:",
            *(f"  {each}" for each in slow),
        ]
    found += _against_none(seen)
    if any(len(rounds) > 1 for rounds in seen.values()):
        found.append(_spread(seen))
    if any(each["ferry"].cpu_s is None for rounds in seen.values() for each in rounds):
        found.append("CPU: not measured, as this system has no /proc")
    for case, rounds in seen.items():
        if case.model == LATE:
            most = case.connections / LATE_S
            found.append(f"late: of the {most:,.0f} calls/s that are possible:")
            shares = (
                f"{name} {median(each[name].rate for each in rounds) / most:.1%}"
                for name in case.through
                if name in rounds[0]
            )
            found.append(f"  {', '.join(shares)}")
    return found


def _against_none(seen: Mapping[Case, Sequence[Round]]) -> list[str]:
    """What six budgets cost beside none, at the most over all cases: within a round, as above."""
    none, six = BUDGETED
    all_rounds = [rounds for case, rounds in seen.items() if six in case.through]
    if not all_rounds:
        return []
    rate = min(ratio(rounds, six, none, lambda each: each.rate) for rounds in all_rounds)
    said = f"6 budgets against none: at the least {rate:.2f} of the calls/s"
    cpu = [[_over(each[six].cpu_us, each[none].cpu_us) for each in rounds] for rounds in all_rounds]
    if all(None not in found for found in cpu):
        most = max(median(value for value in found if value is not None) for found in cpu)
        said += f",\n  at the most {most:.2f} times the CPU a call"
    added = max(
        median(each[six].p50_ms - each[none].p50_ms for each in rounds) for rounds in all_rounds
    )
    return [f"{said}, {added:+.2f} ms at p50"]


def _spread(seen: Mapping[Case, Sequence[Round]]) -> str:
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


def _last(measured: Measured) -> list[str]:
    memory = ", ".join(
        f"{name} {megabytes:,.0f} MB"
        for name, megabytes in measured.memory_mb.items()
        if megabytes is not None
    )
    found = [f"memory at the end: {memory or 'not measured, as this system has no /proc'}"]
    return [*found, *(f"not measured: {each}" for each in measured.missing)]
