"""Streams: how late their events are, what each costs in memory, and what a slow reader does.

Through ferry, beside the bare pass-through and the upstream alone, in one run. The upstream writes
into each of many streams an event each while, and says in it when it did; the lateness is what
passed until the client read it. At the end ferry's books must hold every call that was made, or
nothing is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from bench.books import books_line
from bench.caller import Target, request
from bench.gateways import BUDGETED, bare, ferry, upstream
from bench.load import Figures, Load
from bench.processes import Cores, Served, ended_by_signals, put, told_by
from bench.replies import FLOOD, FLOOD_BYTES, HOST, SENT, TICKS, WHOLE
from bench.ticks import Asked, Seen
from bench.upstream import Behaviour
from bench.vitals import memory_mb

STREAMS, TICK_MS, SECONDS, ROUNDS = 256, 20.0, 5.0, 3
FULL_SPEED_MODEL, FULL_SPEED_EVENTS, FULL_SPEED_CONNECTIONS = "m-stream-500", 503, 16
WARM_S = 0.3
SLOW_BYTES_PER_S = 1_000
SLOW_BUFFER_BYTES = 4_096
LEAVING_S_MAX = 30.0
MB = 1e6

THROUGH = ("direct", "bare", "ferry")


@dataclass(frozen=True, slots=True)
class Held:
    """What became of a fast stream whose reader is slow."""

    read_bytes: int
    sent_bytes: int
    """What the upstream could send meanwhile."""
    before_mb: float | None
    after_mb: float | None


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"at once ({STREAMS})")
    tick = f"between two events of a stream ({TICK_MS:g})"
    parser.add_argument("--tick-ms", type=float, default=TICK_MS, help=tick)
    lasts = f"that streams, and the slow reader, last ({SECONDS:g})"
    parser.add_argument("--seconds", type=float, default=SECONDS, help=lasts)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"({ROUNDS})")
    asked = parser.parse_args(arguments)
    if min(asked.streams, asked.tick_ms, asked.seconds, asked.rounds) <= 0:
        parser.error("streams, tick-ms, seconds and rounds are more than nothing")
    with ended_by_signals():
        _measure(asked.streams, asked.tick_ms / 1e3, asked.seconds, asked.rounds)


def _measure(streams: int, tick_s: float, seconds: float, rounds: int) -> None:
    cores = Cores.of_machine()
    ticking = Asked(_target(Served(0, 0), TICKS), streams, tick_s, max(3, round(seconds / tick_s)))
    behaviour = Behaviour(tick_s=tick_s, tick_events=ticking.tick_events)
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        provider = stack.enter_context(upstream(cores.upstream, behaviour))
        passing = stack.enter_context(bare(provider, cores.measured))
        with ferry(folder, provider, cores.measured) as gateways:
            direct = Served(0, provider.port)
            served = {"direct": direct, "bare": passing, "ferry": gateways["ferry"]}
            made = 0
            for each in THROUGH[1:]:
                warm = put(Load(_target(served[each], WHOLE), 1, 0, WARM_S), cores.load)
                made += warm.made if each == "ferry" else 0
            before = {name: _memory(one) for name, one in served.items()}
            seen = [_read(served, ticking, number, cores) for number in range(rounds)]
            speeds = [_speeds(served, number, seconds, cores) for number in range(rounds)]
            # Under no budget: what a stream costs that is left before its usage came is not known.
            # Bare is last: it is not told that its client left, and reads on to the end.
            slow_ones = {"direct": direct, "ferry": gateways[BUDGETED[0]], "bare": passing}
            slow = {name: _slow(one, provider, seconds) for name, one in slow_ones.items()}
        made += sum(each["ferry"].made for each in seen) + sum(
            each["ferry"].made for each in speeds
        )
        books = books_line(folder / "ferry.db", {"ferry": made}, left=1)
    text = [*_late_lines(ticking, seen, before, cores), *_speed_lines(speeds), *_slow_lines(slow)]
    print("\n".join([*text, books]), flush=True)


def _target(served: Served, model: str) -> Target:
    return Target(served.port, served.pid, served.secret, model)


def _memory(served: Served) -> float | None:
    return memory_mb(served.pid) if served.pid else None


def _in_turn(number: int) -> Sequence[str]:
    """Each goes first in turn, so that none has the machine's best moments."""
    first = number % len(THROUGH)
    return THROUGH[first:] + THROUGH[:first]


def _read(served: Mapping[str, Served], asked: Asked, number: int, cores: Cores) -> dict[str, Seen]:
    found = {}
    for name in _in_turn(number):
        one = replace(asked, target=_target(served[name], TICKS))
        told = told_by("bench.ticks", asdict(one), cores.load, one.tick_s * one.tick_events)
        found[name] = Seen(**told)
    return found


def _speeds(
    served: Mapping[str, Served], number: int, seconds: float, cores: Cores
) -> dict[str, Figures]:
    return {
        name: put(
            Load(
                _target(served[name], FULL_SPEED_MODEL),
                FULL_SPEED_CONNECTIONS,
                min(WARM_S, seconds),
                seconds / len(THROUGH),
            ),
            cores.load,
        )
        for name in _in_turn(number)
    }


def _slow(served: Served, provider: Served, seconds: float) -> Held:
    """One client that reads `SLOW_BYTES_PER_S` of a stream as fast as the upstream can."""
    before_mb = _memory(served)
    read = 0
    with socket.socket() as own:
        # Small, so that what is not read is held back near its reader.
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
        own.settimeout(LEAVING_S_MAX)
        own.connect((HOST, served.port))
        own.sendall(request(_target(served, FLOOD)))
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            read += len(own.recv(SLOW_BYTES_PER_S // 10))
            time.sleep(0.1)
        sent = _sent(provider)
        after_mb = _memory(served)
    return Held(read, sent, before_mb, after_mb)


def _sent(provider: Served) -> int:
    """How much of its last flood the upstream could send."""
    with contextlib.closing(socket.create_connection((HOST, provider.port))) as own:
        own.sendall(request(_target(provider, SENT)))
        told = b""
        while b"}" not in told:
            told += own.recv(4_096)
    return int(json.loads(told.partition(b"\r\n\r\n")[2])["sent"])


def _late_lines(
    asked: Asked,
    seen: Sequence[Mapping[str, Seen]],
    before: Mapping[str, float | None],
    cores: Cores,
) -> list[str]:
    rate = asked.streams / asked.tick_s
    each_ms = asked.tick_s * 1e3
    rounds = "1 round" if len(seen) == 1 else f"{len(seen)} rounds"
    found = [
        f"streams: {asked.streams} at once, an event each {each_ms:g} ms: {rate:,.0f} events/s",
        f"  {rounds} of {asked.tick_events} events in each stream, medians",
        f"  cores: {cores.said}",
        "  late: from when the upstream wrote an event until the client read it; in ms",
        "",
        _late_line(
            "", "late p50|late p99|at most|p50 over|p99 over|of a core|memory KB".split("|")
        ),
        _late_line("", "|||direct|direct||a stream".split("|")),
    ]
    for name in THROUGH:
        mine = [each[name] for each in seen]
        cells = [
            f"{median(each.p50_ms for each in mine):.2f}",
            f"{median(each.p99_ms for each in mine):.2f}",
            f"{max(each.most_ms for each in mine):.1f}",
        ]
        if name != "direct":
            p50 = median(each[name].p50_ms - each["direct"].p50_ms for each in seen)
            p99 = median(each[name].p99_ms - each["direct"].p99_ms for each in seen)
            cells += [f"{p50:+.2f}", f"{p99:+.2f}"]
            busy = [each.busy for each in mine if each.busy is not None]
            cells.append(f"{median(busy):.0%}" if busy else "-")
            # Of the first round: later ones find the memory of the first.
            start_mb, open_mb = before[name], mine[0].memory_mb
            if start_mb is None or open_mb is None:
                cells.append("-")
            else:
                cells.append(f"{(open_mb - start_mb) * 1e3 / asked.streams:.0f}")
        found.append(_late_line(name, cells))
    return found


def _late_line(name: str, cells: Sequence[str]) -> str:
    return f"  {name:<8}{''.join(f'{cell:>12}' for cell in cells)}".rstrip()


def _speed_lines(speeds: Sequence[Mapping[str, Figures]]) -> list[str]:
    found = [
        "",
        f"at full speed, {FULL_SPEED_CONNECTIONS} streams of {FULL_SPEED_EVENTS} events, events/s:",
    ]
    for name in THROUGH:
        rate = median(each[name].rate for each in speeds) * FULL_SPEED_EVENTS
        of_bare = median(each[name].rate / each["bare"].rate for each in speeds)
        share = f"  {of_bare:.2f} of bare's" if name == "ferry" else ""
        found.append(f"  {name:<8}{rate:>10,.0f}{share}")
    return found


def _slow_lines(slow: Mapping[str, Held]) -> list[str]:
    rate = f"{SLOW_BYTES_PER_S / 1e3:g} KB/s"
    size = f"{FLOOD_BYTES / MB:.0f} MB"
    found = [f"\na slow reader: {rate} of a stream of {size} that is sent as fast as can be"]
    for name, held in slow.items():
        line = (
            f"  {name:<8}read {held.read_bytes / 1e3:.1f} KB; the upstream could send"
            f" {held.sent_bytes / MB:.0f} MB"
        )
        if held.before_mb is not None and held.after_mb is not None:
            line += f"; memory {held.before_mb:.1f} MB before, {held.after_mb:.1f} MB after"
        found.append(line)
    return [
        *found,
        "  (what was sent and not read lies in the system's socket buffers)",
    ]
