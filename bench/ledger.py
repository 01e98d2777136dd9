"""The ledger alone: holds and settlements a second, with a sync to disk for each batch.

Prints ratios against the same two statements run one call at a time on the same file, in the same
run: the machine drifts, and only what ran beside each other may be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ferrycli.rules.budget import Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.pricing import Cost
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from ferrycli.store.connect import open_writer
from ferrycli.store.ledger import Ledger, ServerFacts
from ferrycli.store.messages import Admit, Candidate
from ferrycli.store.rows import Closing, Opening

SECONDS = 3.0
CALLERS = (1, 16, 64, 256)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    argparse.ArgumentParser(prog="python -m bench ledger").parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "ferry.db"
        plan = changes.KeyPlan(name="k", allowance=Allowance.parse("1000000/month"))
        key_id = changes.create_key(database, plan).id
        plain = _one_by_one(database)
        print("ledger: hold and settle, synchronous=FULL, one budget")
        print(f"  {'callers':>8} {'calls/s':>9} {'CPU µs a call':>14} {'against one by one':>19}")
        print(f"  {'(plain)':>8} {plain:>9,.0f} {'':>14} {'1.0':>19}")
        for callers in CALLERS:
            rate, cpu_us = asyncio.run(_measured(database, key_id, callers))
            print(f"  {callers:>8} {rate:>9,.0f} {cpu_us:>14.0f} {rate / plain:>19.1f}")


async def _measured(database: Path, key_id: str, callers: int) -> tuple[float, float]:
    ledger = Ledger(database, ServerFacts(f"i_{callers}", "bench", 0, "", ""), changes.now_us)
    ledger.start(asyncio.get_running_loop())
    ids = changes.make_ids()
    ask = Ask("up/m", Ceiling(1_000, 15_000_000), True, False, 1_000, None, 1_000)
    facts = {"key": key_id}
    until = time.monotonic() + SECONDS
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < until:
            new = ids.make()
            opening = Opening(new.seq, new.text("c"), new.at_us, key_id)
            await ledger.admit(Admit(opening, (Candidate(ask, facts),), ledger.books.epoch))
            cost = Cost((("output", 500),))
            ledger.settle_soon(
                Closing(new.seq, "settled", "ok", new.at_us, cost=cost, cost_source="reported")
            )
            done += 1

    cpu = time.process_time()
    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.monotonic() - began
    cpu = time.process_time() - cpu
    ledger.stop()
    return done / elapsed, 1e6 * cpu / done


def _one_by_one(database: Path) -> float:
    """A transaction to hold and one to settle for each call, as a plain program does it."""
    connection = open_writer(database)
    ids = changes.make_ids()
    until = time.monotonic() + SECONDS
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
                "UPDATE calls SET state = 'settled', outcome = 'ok' WHERE seq = ?",
                (new.seq,),
            )
            done += 1
    finally:
        connection.close()
    return done / SECONDS


def _commit(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(statement, values)
    connection.execute("COMMIT")
