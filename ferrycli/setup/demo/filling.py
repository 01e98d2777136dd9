"""Writes the demo's weeks into a scratch database, with the keys that an operator would have made.

Deterministic for a seed, a moment and a zone, but for the secrets and the database's own salt.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from ferrycli.rules.attribution import Policy
from ferrycli.rules.windows import Allowance
from ferrycli.setup.demo.cast import ACCOUNTS, HABITS, Account, Habit
from ferrycli.setup.demo.past import DAY_US, Past
from ferrycli.setup.demo.traffic import Planned, planned
from ferrycli.setup.demo.weeks import HOUR_US, Week, calendar
from ferrycli.store import books, changes
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import IdMaker
from ferrycli.store.rows import INSERT_CALL, INSERT_FINISHED

SEED = 4777
ROWS_AT_ONCE = 2_000

_INSERT_INSTANCE = (
    "INSERT INTO instances (id, host, pid, address, version, started_at, heartbeat_at, stopped_at)"
    " VALUES (?, 'gateway-1', 4777, '127.0.0.1:4777', 'demo', ?, ?, ?)"
)
_INSERT_WINDOW = (
    "INSERT INTO windows (budget_id, subject, start, spent_nanousd, held_nanousd, doubt_nanousd)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


class _Story:
    """The clock of the story, and ids that are made on it."""

    def __init__(self, seed: int) -> None:
        self.now_us = 0
        self.dice = Random(f"{seed}/ids")  # noqa: S311  # What it names opens nothing.
        self.ids = IdMaker(lambda: self.now_us, self.dice.getrandbits)


def fill(
    database: Path,
    now_us: int,
    zone: ZoneInfo,
    tell: Callable[[int, int], None] | None = None,
    seed: int = SEED,
    habits: Sequence[Habit] = HABITS,
) -> dict[str, str]:
    """Fill `database` with four closed weeks and the running one; secrets by the key's name.

    `tell` is told now and then how many calls of how many are written. `habits`: fewer calls
    leave fewer facts to be found.
    """
    weeks = calendar(now_us, zone)
    story = _Story(seed)
    secrets = {one.name: _make_key(database, one, zone, weeks[0], story) for one in ACCOUNTS}
    story.now_us = weeks[0].start_us - HOUR_US
    calls = planned(seed, weeks, now_us, habits)
    with _without_collections(), closing(open_writer(database)) as connection:
        # It is made anew each time: nothing waits for a disk. The server syncs as always.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN IMMEDIATE")
        instance_id = story.ids.make().text("i")
        past = Past(books.load(connection), instance_id)
        for done in _taken(past, calls, story):
            connection.executemany(INSERT_FINISHED, past.finished)
            connection.executemany(INSERT_CALL, past.denied)
            past.finished.clear()
            past.denied.clear()
            if tell is not None:
                tell(done, len(calls))
        past.settle(now_us)
        connection.executemany(_INSERT_WINDOW, past.window_rows())
        connection.executemany(
            "UPDATE keys SET last_used_at = ? WHERE id = ?",
            [(at, key) for key, at in past.last_used.items()],
        )
        began_us = weeks[0].start_us - HOUR_US
        connection.execute(_INSERT_INSTANCE, (instance_id, began_us, now_us, now_us))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return secrets


def _taken(past: Past, calls: list[Planned], story: _Story) -> Iterator[int]:
    """Take the calls one after the other; now and then, how many that were."""
    for number, call in enumerate(calls, 1):
        story.now_us = call.at_us
        past.take(call, story.ids.make())
        if number % ROWS_AT_ONCE == 0 or number == len(calls):
            yield number


def _make_key(database: Path, account: Account, zone: ZoneInfo, first: Week, story: _Story) -> str:
    """Make the key in the story's past; its secret."""
    made_us = first.start_us - account.days_old * DAY_US + 9 * HOUR_US
    story.now_us = made_us + story.dice.randrange(8 * HOUR_US)
    policies = {"tenant": Policy.of("pin", account.tenant)}
    if account.feature:
        policies["feature"] = Policy.of("pin", account.feature)
    allowance = Allowance.parse(account.budget) if account.budget else None
    plan = changes.KeyPlan(
        account.name, account.owner, policies=policies, allowance=allowance, zone=zone.key
    )
    return changes.create_key(database, plan, story.ids).secret


@contextmanager
def _without_collections() -> Iterator[None]:
    """No search for cycles: there are none among half a million values, and it costs 7 %."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
