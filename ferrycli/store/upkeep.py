"""What the ledger thread does for the file besides calls: heartbeats, last use, checkpoints.

Only this thread checkpoints, when nobody waits for it or the WAL has grown.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from ferrycli.store import idempotency
from ferrycli.store.batch import Desk
from ferrycli.store.learned import WRITE_LEARNED, Row

HEARTBEAT_S = 5.0
WAL_BYTES_MAX = 16 * 1024 * 1024
"""Past it the thread checkpoints under load, too: the first time for some 25 ms, and from then on,
because the file stays as long as it was, for a few ms every so many batches."""
WAL_LOOK_EVERY = 64
"""Batches between two looks at the size of the WAL, while the thread is never idle."""


class Upkeep:
    """Heartbeats, last use and checkpoints of one server."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        desk: Desk,
        instance_id: str,
        now_us: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._wal = path.with_name(f"{path.name}-wal")
        self._desk = desk
        self._instance_id = instance_id
        self._now_us = now_us
        self._beaten_at = now_us()
        self._is_dirty = True
        self._batches = 0

    def after_batch(self) -> None:
        """Under load the WAL is bounded here, because there is no idle moment."""
        self._is_dirty = True
        self._batches += 1
        if self._batches % WAL_LOOK_EVERY == 0:
            with contextlib.suppress(OSError, sqlite3.Error):
                if self._wal.stat().st_size > WAL_BYTES_MAX:
                    self._checkpoint()
        try:
            self._beat_if_due()
        except sqlite3.Error:
            self._desk.forget()

    def when_idle(self, *, must_write: bool) -> None:
        """Everything is written: now nobody waits for a checkpoint."""
        if self._is_dirty:
            self._checkpoint()
        self._beat_if_due(must_write)

    def _beat_if_due(self, is_due: bool = False) -> None:
        now_us = self._now_us()
        if is_due or abs(now_us - self._beaten_at) >= HEARTBEAT_S * 1_000_000:
            self._beat(now_us, None)

    def finish(self) -> None:
        """The last word of this server, and a file without a WAL."""
        now_us = self._now_us()
        desk = self._desk
        learned = [*desk.learned.due(now_us, is_last=True), *desk.manners.due(now_us, is_last=True)]
        self._beat(now_us, now_us, learned)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _beat(self, now_us: int, stopped_at: int | None, learned: Sequence[Row] = ()) -> None:
        used = list(self._desk.last_used.items())
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(
            "UPDATE instances SET heartbeat_at = ?, stopped_at = ? WHERE id = ?",
            (now_us, stopped_at, self._instance_id),
        )
        self._connection.executemany(
            "UPDATE keys SET last_used_at = ? WHERE id = ?", [(at, key) for key, at in used]
        )
        self._connection.executemany(WRITE_LEARNED, learned)
        idempotency.expire(self._connection, now_us)
        self._connection.execute("COMMIT")
        self._desk.last_used.clear()
        self._desk.note_time()
        self._beaten_at = now_us
        self._is_dirty = True

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._is_dirty = False
