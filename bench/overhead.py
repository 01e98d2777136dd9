"""What ferry adds to a call: beside the same upstream called directly, nginx, and a bare proxy.

ferry is measured with a key that has a budget of its own, with one under no budget at all, and with
one whose calls count in six. All are measured in turn, round by round, in one run: the machine
drifts, and only what ran beside each other may be compared. Ratios are made within a round; what is
shown is the median of the rounds. At the end ferry's books must hold every call that was made, or
nothing is shown.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.books import books_line
from bench.caller import Target
from bench.gateways import BUDGETED, FERRY, bare, certificate, ferry, nginx, upstream
from bench.load import Load
from bench.overhead_table import Case, Measured, Round, lines
from bench.processes import Cores, Served, ended_by_signals, put
from bench.replies import ENCRYPTED, LATE, STREAMS, WHOLE
from bench.upstream import Behaviour
from bench.vitals import memory_mb

SECONDS, ROUNDS = 3.0, 3
CONNECTIONS = (1, 16, 64, 256)
QUICK_SECONDS, QUICK_CONNECTIONS = 0.6, (1, 64)
USUAL_CONNECTIONS = 64
WARM_S = 0.3
SYNCS = 50
BIG_REQUEST_BYTES = 50_000

PLAIN = ("direct", "nginx", "bare", "ferry")
ALL = (*PLAIN, *BUDGETED)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    asked = _parsed(arguments)
    with ended_by_signals():
        chosen = [case for case in cases(asked.connections) if case.model in asked.models]
        _measure(asked.seconds, asked.rounds, chosen)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench overhead", description=__doc__)
    of_a_cell = f"measured seconds of a cell, all its rounds together ({SECONDS:g})"
    parser.add_argument("--seconds", type=float, help=of_a_cell)
    parser.add_argument("--rounds", type=int, help=f"rounds of a cell ({ROUNDS})")
    usual = " ".join(map(str, CONNECTIONS))
    parser.add_argument("--connections", type=int, nargs="+", help=f"connections ({usual})")
    models = (WHOLE, *STREAMS, LATE, ENCRYPTED)
    only = "what to call, of all of it"
    parser.add_argument("--models", choices=models, nargs="+", default=models, help=only)
    few = f"one round of {QUICK_SECONDS:g} s, {' and '.join(map(str, QUICK_CONNECTIONS))}"
    parser.add_argument("--quick", action="store_true", help=f"{few} connections")
    asked = parser.parse_args(arguments)
    usual_values: tuple[object, ...] = (SECONDS, ROUNDS, CONNECTIONS)
    if asked.quick:
        usual_values = (QUICK_SECONDS, 1, QUICK_CONNECTIONS)
    for name, value in zip(("seconds", "rounds", "connections"), usual_values, strict=True):
        if getattr(asked, name) is None:
            setattr(asked, name, value)
    if asked.seconds <= 0 or asked.rounds < 1 or min(asked.connections) < 1:
        parser.error("seconds, rounds and connections are more than nothing")
    return asked


def cases(connections: Sequence[int]) -> list[Case]:
    """What is put on each: the plainest at every count, everything at `USUAL_CONNECTIONS`.

    Where that is not among them, at the highest count.
    """
    counts = sorted(set(connections))
    usual = USUAL_CONNECTIONS if USUAL_CONNECTIONS in counts else counts[-1]
    found = [Case(WHOLE, count, ALL) for count in counts]
    found += [Case("m-stream-50", count, ALL if count == usual else PLAIN) for count in counts]
    found += [
        Case("m-stream-500", usual, PLAIN),
        Case(WHOLE, usual, ALL, BIG_REQUEST_BYTES),
        Case(LATE, usual, ALL),
        Case(ENCRYPTED, usual, PLAIN),
    ]
    # Fewer connections first: a pool that walks through its idle ones must not find old ones.
    return sorted(found, key=lambda case: case.connections)


def _measure(seconds: float, rounds: int, chosen: Sequence[Case]) -> None:
    cores = Cores.of_machine()
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        sync_ms = _sync_ms(folder)
        made_now = certificate(folder)
        trusted, private = made_now or ("", "")
        behaviour = Behaviour(certificate=trusted, private_key=private)
        provider = stack.enter_context(upstream(cores.upstream, behaviour))
        proxy = stack.enter_context(nginx(folder, provider, cores.measured, trusted))
        passing = stack.enter_context(bare(provider, cores.measured, trusted))
        with ferry(folder, provider, cores.measured, trusted) as gateways:
            direct = Served(0, provider.port, tls_port=provider.tls_port)
            served = {"direct": direct, "nginx": proxy, "bare": passing, **gateways}
            there = {name: one for name, one in served.items() if one is not None}
            seen = {
                case: _rounds(case, there, cores, rounds, seconds / rounds, trusted)
                for case in chosen
                if case.model != ENCRYPTED or trusted
            }
            memory = {name: memory_mb(there[name].pid) for name in PLAIN[1:] if name in there}
        made = {
            name: sum(each[name].made for found in seen.values() for each in found if name in each)
            for name in FERRY
        }
        books = books_line(folder / "ferry.db", made)
    missing = [] if proxy is not None else ["nginx is not installed"]
    if not trusted:
        missing.append("an upstream by TLS: openssl, which makes its certificate, is not installed")
    measured = Measured(cores, rounds, seconds / rounds, WARM_S, sync_ms, seen, memory, missing)
    print("\n".join([*lines(measured), books]), flush=True)


def _rounds(
    case: Case,
    served: Mapping[str, Served],
    cores: Cores,
    rounds: int,
    span_s: float,
    trusted: str,
) -> list[Round]:
    if sys.stderr.isatty():
        print(f"  {case.title} ...", file=sys.stderr)
    through = [name for name in case.through if name in served]
    found = []
    for number in range(rounds):
        # Each goes first in turn, so that none has the machine's best moments.
        first = number % len(through)
        order = through[first:] + through[:first]
        round_: Round = {}
        for name in order:
            target = _target(case, name, served[name], trusted)
            load = Load(target, case.connections, min(WARM_S, span_s), span_s)
            round_[name] = put(load, cores.load)
        found.append(round_)
    return found


def _target(case: Case, name: str, served: Served, trusted: str) -> Target:
    is_encrypted = case.model == ENCRYPTED
    return Target(
        port=served.tls_port if is_encrypted else served.port,
        pid=(served.tls_pid if is_encrypted else 0) or served.pid,
        secret=served.secret,
        model=case.model,
        body_bytes=case.body_bytes,
        # Only a direct call is itself encrypted: a gateway is called in plain text.
        certificate=trusted if is_encrypted and name == "direct" else "",
    )


def _sync_ms(folder: Path) -> float:
    """How long the disk of the scratch database takes to sync a page, in the median."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            began_s = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began_s)
    return 1e3 * median(took)
