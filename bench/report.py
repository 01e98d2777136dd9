"""`ferry report` of one week out of a quarter of calls: the whole command, start included.

Makes a database of so many calls (13 weeks and the week so far, 200 tenants, 12 features, 5 models,
5,000 users), has its days summed as a running server does, and times commands as whole processes.
Half a kilobyte of disk a call: 5 GB for ten million.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC
from pathlib import Path

from ferrycli.rules.windows import window_start
from ferrycli.store import changes, daily
from ferrycli.store.connect import open_writer

CALLS = (1_000_000, 10_000_000)
WEEKS = 13
RUNS = 5
BYTES_PER_CALL = 700
WEEK_US = 7 * 86_400_000_000

COMMANDS = {
    "the command's start alone": ["--version"],
    "report": ["report"],
    "report --by tenant,feature": ["report", "--by", "tenant,feature"],
    "report --by model, where tenant=…": ["report", "--by", "model", "--where", "tenant=tenant-7"],
    "report --json": ["report", "--json"],
    "report --csv": ["report", "--csv"],
    "report --by user": ["report", "--by", "user"],
}
"""`--by user` is no summary's dimension: it reads the rows of two weeks."""

_FILL = """
INSERT INTO calls (
    seq, id, state, outcome, started_at, admitted_at, first_byte_at, finished_at, key_id, tenant,
    "user", assistant, thread, feature, provider, model, cost_nanousd, hold_nanousd, n_input,
    n_cache_read, n_output, cost_input_nanousd, cost_cache_read_nanousd, cost_output_nanousd,
    cost_source, price_version, endpoint, requested_model, sent_model, status, sources,
    input_bound, instance_id, prefix_hash, request_hash, last_message_hash, finish_reason
)
WITH RECURSIVE
    numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end),
    drawn AS (
        SELECT n, :since + n * :step AS t, (n * 2654435761) % 4294967296 AS r,
            (n * 40503 + 12345) % 65536 AS s FROM numbers
    ),
    called AS (
        SELECT *, (r % 200) * (r % 200) / 200 AS tenant, s % 12 AS feature, (r >> 8) % 5 AS model
        FROM drawn
    )
SELECT
    (t / 1000) << 21 | n % 512, 'c_0' || printf('%025d', n), 'settled', 'ok', t, t + 2000,
    t + 600000, t + 2400000, printf('key_%026d', tenant), 'tenant-' || tenant,
    'user-' || s % 5000, 'bot-' || feature, 'th_' || r % 100000, 'feature-' || feature,
    CASE WHEN model < 2 THEN 'openai' ELSE 'anthropic' END,
    CASE model WHEN 0 THEN 'gpt-6-sol' WHEN 1 THEN 'gpt-6-luna' WHEN 2 THEN 'claude-opus-5-5'
        WHEN 3 THEN 'claude-sonnet-5-5' ELSE 'claude-haiku-5-5' END,
    1000000 + r % 9000000 + s, 20000000, 1000 + s % 5000, s % 3000, s % 700, 500000, s,
    500000 + r % 9000000, 'reported', 'genai-prices', 'chat.completions', 'gpt-6-sol',
    'gpt-6-sol', 200, '{"tenant":"key","feature":"header","user":"header"}', 8000,
    'i_00000000000000000000000000', r * 77, r * 99, r * 33, 'stop'
FROM called
"""
_CHUNK = 1_000_000


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench report")
    parser.add_argument("--calls", type=int, nargs="*", default=CALLS, metavar="N")
    for calls in parser.parse_args(arguments).calls:
        with tempfile.TemporaryDirectory(prefix="ferry-bench-") as folder:
            free = shutil.disk_usage(folder).free
            if free < calls * BYTES_PER_CALL * 1.2:
                print(f"report: {calls:,} calls: not measured, {free / 2**30:.1f} GiB are free")
                continue
            _measure(Path(folder) / "ferry.db", calls)


def _measure(database: Path, calls: int) -> None:
    made_s = _fill(database, calls)
    size = database.stat().st_size / 2**30
    print(f"report: a week out of {calls:,} calls over {WEEKS} weeks, {size:.1f} GiB")
    print(f"  {'rows made in':<36} {made_s:8.1f} s")
    _print_times(database, "from rows, no day summed", ["report"])
    days, summed_s = _sum_days(database)
    print(f"  {f'{days} days summed, behind the calls, in':<36} {summed_s:8.1f} s")
    for name, command in COMMANDS.items():
        _print_times(database, name, command)
    print()


def _fill(database: Path, calls: int) -> float:
    began = time.monotonic()
    changes.prepare(database)
    now_us = changes.now_us()
    since_us = window_start("week", UTC, now_us) - WEEKS * WEEK_US
    with closing(open_writer(database)) as connection:
        # Of a file that is thrown away: nothing is lost with it.
        connection.execute("PRAGMA synchronous=OFF")
        for first in range(0, calls, _CHUNK):
            facts = {
                "first": first,
                "end": min(first + _CHUNK, calls),
                "since": since_us,
                "step": (now_us - since_us) // calls,
            }
            connection.execute(_FILL, facts)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return time.monotonic() - began


def _sum_days(database: Path) -> tuple[int, float]:
    began = time.monotonic()
    with closing(open_writer(database)) as connection:
        now_us = changes.now_us()
        days = list(daily.unsummed(connection, UTC, now_us))
        done = [daily.sum_day(connection, *day, now_us) for day in days]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        _check(connection)
    assert all(done)
    return len(days), time.monotonic() - began


def _check(connection: sqlite3.Connection) -> None:
    """The summaries hold every call of their days, to the nano-dollar."""
    summed = connection.execute("SELECT sum(calls), sum(cost_nanousd) FROM daily").fetchone()
    rows = connection.execute(
        "SELECT count(*), sum(cost_nanousd) FROM calls"
        " WHERE started_at < (SELECT max(end_at) FROM summed_days)"
    ).fetchone()
    assert tuple(summed) == tuple(rows), (tuple(summed), tuple(rows))


def _print_times(database: Path, name: str, command: list[str]) -> None:
    times = []
    for _ in range(RUNS):
        began = time.monotonic()
        subprocess.run(
            [
                sys.executable,
                "-m",
                "ferrycli",
                "--db",
                str(database),
                "--color",
                "always",
                *command,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        times.append(time.monotonic() - began)
    low, middle, high = min(times), statistics.median(times), max(times)
    print(f"  {name:<36} {middle:8.2f} s   ({low:.2f} to {high:.2f}, {RUNS} runs)")
