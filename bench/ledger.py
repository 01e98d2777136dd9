"""The ledger alone: holds and settlements a second, with a sync to disk for each batch.

Prints ratios against the same two statements run one call at a time on the same file, in the same
run: the machine drifts, and only what ran beside each other may be compared. Beside the CPU of a
call stands how long the event loop was kept from its timers meanwhile, how long calls waited to be
held, and how far the WAL grew: past a bound the thread checkpoints in the middle of all this.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gateways import keys
from bench.load import percentile
from ferrycli.rules.budget import Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.pricing import Cost
from ferrycli.rules.usage import Usage
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes, reads
from ferrycli.store.connect import open_writer
from ferrycli.store.ledger import Ledger, ServerFacts
from ferrycli.store.messages import Admit, Candidate
from ferrycli.store.rows import Closing, Opening

SECONDS = 3.0
CALLERS = (1, 16, 64, 256)
TICK_S = 0.001
"""How often the event loop looks at the clock, to see how late it does."""
_WAL_EVERY = 16
"""Ticks between two looks at the size of the WAL."""

_ASK = Ask("up/m", Ceiling(100_000, 15_000_000_000), True, False, 500, None, 1_000_000)
_USAGE = Usage(input=12, output=200)
_COST = Cost((("input", 36_000), ("output", 3_000_000)))


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to."""

    calls: int
    calls_a_second: float
    cpu_us: float
    """Of a call: callers, event loop and ledger thread together."""
    thread_us: float | None
    """Of that the ledger thread's; None where the system does not tell."""
    lag_p99_ms: float
    lag_max_ms: float
    held_p99_ms: float
    held_max_ms: float
    """How long a call waited for its hold, checkpoints included."""
    wal_mb: float


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench ledger", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each run")
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS)
    said = "microseconds of other work that the loop has with each call, as a server's has"
    parser.add_argument("--work", type=int, default=0, help=said)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "ferry.db"
        plan = changes.KeyPlan(name="k", allowance=Allowance.parse("1000000/month"))
        one = {"key": changes.create_key(database, plan).id}
        six = keys(database)["6 budgets"]
        plain = _one_by_one(database, asked.seconds)
        work = f", {asked.work} µs of other work a call" if asked.work else ""
        print(f"ledger: hold and settle, synchronous=FULL{work}")
        print(
            f"  {'budgets':>7} {'callers':>7} {'calls/s':>8} {'of plain':>8} {'CPU µs':>7}"
            f" {'thread':>7} {'lag p99':>8} {'max ms':>7} {'hold p99':>9} {'max ms':>7}"
            f" {'WAL MB':>7}"
        )
        print(f"  {'(plain)':>7} {'1':>7} {plain:>8,.0f} {'1.0':>8}")
        made = [0, 0]
        keyed = _facts_of_six(database, six)
        for at, (budgets, facts) in enumerate(((1, one), (6, keyed))):
            for callers in asked.callers:
                figures = asyncio.run(
                    _measured(database, facts, callers, asked.seconds, asked.work)
                )
                made[at] += figures.calls
                thread = "-" if figures.thread_us is None else f"{figures.thread_us:.0f}"
                print(
                    f"  {budgets:>7} {callers:>7} {figures.calls_a_second:>8,.0f}"
                    f" {figures.calls_a_second / plain:>8.1f} {figures.cpu_us:>7.0f} {thread:>7}"
                    f" {figures.lag_p99_ms:>8.1f} {figures.lag_max_ms:>7.1f}"
                    f" {figures.held_p99_ms:>9.1f} {figures.held_max_ms:>7.1f}"
                    f" {figures.wal_mb:>7.1f}"
                )
        _check_books(database, *made)


def _facts_of_six(database: Path, secret: str) -> dict[str, str]:
    """What a call with the key under six budgets is selected by."""
    with reads.opened(database) as connection:
        query = "SELECT id FROM keys WHERE last4 = ?"
        (key_id,) = connection.execute(query, [secret[-4:]]).fetchone()
    said = {"tenant": "six", "user": "six", "assistant": "six", "feature": "bench"}
    return {**said, "thread": "", "key": key_id, "provider": "up", "model": "m", "route": ""}


async def _measured(
    database: Path, facts: Mapping[str, str], callers: int, seconds: float, work_us: int
) -> Figures:
    ledger = Ledger(
        database, ServerFacts(f"i_{secrets.token_hex(4)}", "bench", 0, "", ""), changes.now_us
    )
    ledger.start(asyncio.get_running_loop())
    ids = changes.make_ids()
    until = time.monotonic() + seconds
    done = 0
    waits: list[float] = []

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < until:
            _work(work_us)
            new = ids.make()
            opening = Opening(
                new.seq,
                new.text("c"),
                new.at_us,
                facts["key"],
                facts.get("tenant", ""),
                facts.get("user", ""),
                provider="up",
                model="m",
                sent_model="m",
                expected_output=1024,
                feature=facts.get("feature", ""),
            )
            asked_at = time.monotonic()
            await ledger.admit(Admit(opening, (Candidate(_ASK, facts),), ledger.books.epoch))
            waits.append(time.monotonic() - asked_at)
            ledger.settle_soon(
                Closing(
                    new.seq,
                    "settled",
                    "ok",
                    new.at_us,
                    status=200,
                    usage=_USAGE,
                    cost=_COST,
                    cost_source="reported",
                )
            )
            done += 1

    lags: list[float] = []
    wal = database.with_name(f"{database.name}-wal")
    sizes = [0]
    looking = asyncio.create_task(_look(lags, sizes, str(wal)))
    thread = next(one for one in threading.enumerate() if one.name == "ledger")
    cpu, own = time.process_time(), _thread_s(thread)
    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.monotonic() - began
    cpu, own = time.process_time() - cpu, _thread_s(thread) - own
    looking.cancel()
    ledger.stop()
    lags.sort()
    waits.sort()
    return Figures(
        done,
        done / elapsed,
        1e6 * cpu / done,
        1e6 * own / done if own else None,
        1e3 * percentile(lags, 0.99),
        1e3 * lags[-1],
        1e3 * percentile(waits, 0.99),
        1e3 * waits[-1],
        max(sizes) / 1e6,
    )


def _work(amount_us: int) -> None:
    """Keep the loop busy, by its own CPU: what the ledger thread takes meanwhile is not counted."""
    until = time.thread_time_ns() + 1_000 * amount_us
    while amount_us and time.thread_time_ns() < until:
        pass


def _thread_s(thread: threading.Thread) -> float:
    """CPU seconds of another thread of this process; 0 where the system does not tell."""
    if sys.platform != "linux" or thread.ident is None:
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


async def _look(lags: list[float], sizes: list[int], wal: str) -> None:
    """How much later than asked for the loop comes back, again and again."""
    for number in itertools.count():
        due = time.monotonic() + TICK_S
        await asyncio.sleep(TICK_S)
        lags.append(max(0.0, time.monotonic() - due))
        if number % _WAL_EVERY == 0:
            sizes.append(os.stat(wal).st_size)


def _check_books(database: Path, of_one: int, of_six: int) -> None:
    """End the program where the file does not hold what was done."""
    with reads.opened(database) as connection:
        query = "SELECT coalesce(sum(spent_nanousd), 0), sum(held_nanousd) FROM windows"
        spent, held = connection.execute(query).fetchone()
        (rows,) = connection.execute(
            "SELECT count(*) FROM calls WHERE state = 'settled'"
        ).fetchone()
    due = (of_one + 6 * of_six) * _COST.total
    if (rows, spent, held) != (of_one + of_six, due, 0):
        raise SystemExit(f"bench: {rows:,} rows, spent {spent:,} of {due:,}, held {held:,}")
    print(f"books: {rows:,} calls settled, and every window holds what they cost")


def _one_by_one(database: Path, seconds: float) -> float:
    """A transaction to hold and one to settle for each call, as a plain program does it."""
    connection = open_writer(database)
    ids = changes.make_ids()
    until = time.monotonic() + seconds
    done = 0
    try:
        while time.monotonic() < until:
            new = ids.make()
            _commit(
                connection,
                "INSERT INTO calls (seq, id, state) VALUES (?, ?, 'held')",
                (new.seq, new.text("c")),
            )
            _commit(
                connection,
                "UPDATE calls SET state = 'released', outcome = 'ok' WHERE seq = ?",
                (new.seq,),
            )
            done += 1
    finally:
        connection.close()
    return done / seconds


def _commit(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(statement, values)
    connection.execute("COMMIT")
