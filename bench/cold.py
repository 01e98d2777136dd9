"""How long commands take, and a server to answer: whole processes, beside a bare Python.

Each round runs every command once, the interpreter with nothing to do among them: ratios are
within a round. A server's time is from its start until `/healthz` answers.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.processes import STOP_S_MAX, environment, free_ports, module, reap, start
from bench.replies import HOST
from bench.vitals import memory_mb
from ferrycli.store import changes

ROUNDS = 15
READY_S_MAX = 30.0
POLL_S = 0.002
BARE = "python -c pass"
SERVE = "ferry serve"


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench cold")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as scratch:
        database = Path(scratch) / "ferry.db"
        changes.create_key(database, changes.KeyPlan(name="k"))
        commands = _commands(database)
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in (*commands, SERVE)}
        memory: list[float] = []
        for _ in range(rounds):
            for name, command in commands.items():
                seen[name].append(_run(command))
            wall_s, cpu_s, served_mb = _serve(database)
            seen[SERVE].append((wall_s, cpu_s))
            memory += [served_mb] if served_mb is not None else []
    print(f"cold: medians of {rounds} rounds; CPU of the whole process; ratios within a round")
    print(f"  {'':<24}{'ms':>8}{'CPU ms':>9}{'of bare':>9}")
    for name, runs in seen.items():
        ratio = median(run[0] / bare[0] for run, bare in zip(runs, seen[BARE], strict=True))
        wall_ms, cpu_ms = (1e3 * median(run[place] for run in runs) for place in (0, 1))
        print(f"  {name:<24}{wall_ms:>8.0f}{cpu_ms:>9.0f}{ratio:>9.1f}")
    kept = f"{median(memory):.0f} MB" if memory else "not measured, as this system has no /proc"
    print(f"a server that answers, with nothing asked of it yet: {kept}")


def _commands(database: Path) -> dict[str, list[str]]:
    ferry = module("ferrycli", "--db", str(database))
    return {
        BARE: [sys.executable, "-c", "pass"],
        "ferry --help": module("ferrycli", "--help"),
        "ferry --version": module("ferrycli", "--version"),
        "ferry keys list": [*ferry, "keys", "list"],
        "ferry report": [*ferry, "report"],
    }


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of one run, and those of CPU."""
    before = os.times()
    began = time.perf_counter()
    done = subprocess.run(command, env=environment(), capture_output=True, check=False)
    took = time.perf_counter() - began
    after = os.times()
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)} failed: {done.stderr.decode()}")
    used = after.children_user - before.children_user
    return took, used + after.children_system - before.children_system


def _serve(database: Path) -> tuple[float, float, float | None]:
    """Seconds until a server answers, those of CPU until it has stopped, and its memory."""
    (port,), before = free_ports(1), os.times()
    command = module("ferrycli", "--db", str(database), "serve", "--listen", f"{HOST}:{port}")
    began = time.perf_counter()
    process = start(command, None, subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - began > READY_S_MAX:
                raise SystemExit("bench: ferry serve did not answer")
            time.sleep(POLL_S)
        took, served_mb = time.perf_counter() - began, memory_mb(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S_MAX)
    finally:
        reap(process)
    after = os.times()
    used = after.children_user - before.children_user
    return took, used + after.children_system - before.children_system, served_mb


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=READY_S_MAX)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
