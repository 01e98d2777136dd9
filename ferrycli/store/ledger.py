"""The ledger thread: the one writer of calls and windows, behind a bounded queue.

The event loop asks (`admit`) and tells (`settle_soon`); the thread commits what has queued in one
transaction and answers in one hop. Settlements are never refused and never lost: where the file
cannot be written they wait, and admissions are refused meanwhile. The thread alone checkpoints,
when it is idle or the WAL has grown. Source: docs/money.md, section 5.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from ferrycli.rules.denials import TooBusy
from ferrycli.rules.errors import (
    DatabaseLocked,
    DatabaseUnusable,
    FerryError,
    LedgerUnavailable,
)
from ferrycli.store import migrations
from ferrycli.store.batch import Admit, Deny, Desk, Message, Verdict
from ferrycli.store.books import Books
from ferrycli.store.connect import open_writer
from ferrycli.store.guard import FileGuard
from ferrycli.store.recovery import recover
from ferrycli.store.rows import Closing

ASKS_WAITING_MAX = 10_000
BATCH_MESSAGES_MAX = 1_024
ADMISSION_BUSY_MS = 250
"""How long an admission waits for another process's write; then it is refused."""
IDLE_TICK_S = 0.05
"""How often an idle thread looks for changes by other processes: it bounds how long a snapshot
can be older than the file, and with it how long a revoked key's streams live on."""
HEARTBEAT_S = 5.0
RETRY_S = 0.25
STOP_TRIES_MAX = 40
"""How often a stopping thread tries to write what the file has refused."""
WAL_BYTES_MAX = 64 * 1024 * 1024
WAL_LOOK_EVERY = 64
"""Batches between two looks at the size of the WAL, while the thread is never idle."""

_FILE_FAILURES = (sqlite3.OperationalError, sqlite3.DatabaseError)
"""Exact classes: the file is locked, full or broken. Their subclasses blame a statement."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Who serves, for the `instances` table."""

    instance_id: str
    host: str
    pid: int
    address: str
    version: str


@dataclass(frozen=True, slots=True)
class _Refresh:
    """Look whether another process changed keys, budgets or prices."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    future: asyncio.Future[Verdict | None]
    message: Message | _Refresh


class Ledger:
    """The path to the ledger thread. `start` first, `stop` last; all else from the event loop."""

    def __init__(self, path: Path, facts: ServerFacts, now_us: Callable[[], int]) -> None:
        self._path = path
        self._facts = facts
        self._now_us = now_us
        self._queue: SimpleQueue[_Waiting | Message | None] = SimpleQueue()
        self._asks_waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._unsettled: list[Message] = []
        self._is_stopping = False
        self._desk: Desk
        self._guard: FileGuard
        self.books = Books()
        """Replaced whole by the thread; read by anyone."""
        self.recovered, self.calls_admitted = 0, 0
        """Calls of a dead server that were finished at start; and calls that were let go since."""
        self.is_failing, self.trouble = False, ""
        """Whether the last transaction failed (`/readyz` says so), and why."""
        self.calls_unwritten = 0
        """Settlements that wait for the file."""

    # The event loop's side ------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open, migrate and recover the database. Raises what `open_writer` and `check` raise."""
        self._loop = loop
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    async def admit(self, question: Admit) -> Verdict:
        """May this call go? Answered when its row is on disk; `LedgerUnavailable` if it is not."""
        verdict = await self._ask(question)
        assert verdict is not None
        return verdict

    async def refresh(self) -> Books:
        """The books as they are in the file now. Raises `LedgerUnavailable` or `TooBusy`."""
        failure = await self._ask(_Refresh())
        if isinstance(failure, FerryError):
            raise failure
        return self.books

    def settle_soon(self, closing: Closing) -> None:
        """Finish a call: no await, from any `finally`. What is already finished stays as it is."""
        self._queue.put(closing)

    def deny_soon(self, denial: Deny) -> None:
        """Write a refused call's row. Left out, not waited for, where the queue is full."""
        if self._queue.qsize() < ASKS_WAITING_MAX:
            self._queue.put(denial)

    def stop(self, patience_s: float = 30.0) -> bool:
        """Commit what is queued, checkpoint and end the thread; False if it took too long."""
        self._queue.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    async def _ask(self, message: Admit | _Refresh) -> Verdict | None:
        if self._asks_waiting >= ASKS_WAITING_MAX:
            return TooBusy()
        assert self._loop is not None
        future: asyncio.Future[Verdict | None] = self._loop.create_future()
        self._asks_waiting += 1
        try:
            self._queue.put(_Waiting(future, message))
            return await future
        finally:
            self._asks_waiting -= 1

    # The thread's side ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            connection = self._open()
        except Exception as error:  # noqa: BLE001  # A thread's outermost frame: `start` tells it.
            self._failure = error
            self._ready.set()
            return
        self._ready.set()
        try:
            self._serve(connection)
        finally:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = open_writer(self._path)
        try:
            now_us = self._now_us()
            migrations.migrate(connection, self._path, now_us)
            self._desk = Desk(connection, self._now_us, self._facts.instance_id)
            connection.execute("BEGIN IMMEDIATE")
            self.recovered = recover(connection, now_us)
            facts = self._facts
            connection.execute(
                "INSERT INTO instances (id, host, pid, address, version, started_at,"
                " heartbeat_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    facts.instance_id,
                    facts.host,
                    facts.pid,
                    facts.address,
                    facts.version,
                    now_us,
                    now_us,
                ),
            )
            connection.execute("COMMIT")
            connection.execute(f"PRAGMA busy_timeout={ADMISSION_BUSY_MS}").fetchone()
            self._desk.refresh()
            self.books = self._desk.books
            self._guard = FileGuard(self._path)
        except sqlite3.DatabaseError as error:
            connection.close()
            if "locked" in str(error):
                raise DatabaseLocked(str(self._path), "another process") from None
            raise DatabaseUnusable(str(self._path), str(error)) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _serve(self, connection: sqlite3.Connection) -> None:
        upkeep = _Upkeep(connection, self._path, self._desk, self._facts.instance_id, self._now_us)
        while not self._is_stopping:
            batch = self._take()
            if batch:
                self._process(batch)
                upkeep.after_batch()
                continue
            self._tick(upkeep)
        for _ in range(STOP_TRIES_MAX):
            if not self._unsettled:
                break
            self._process([])
            threading.Event().wait(RETRY_S if self._unsettled else 0)
        with contextlib.suppress(sqlite3.Error):
            upkeep.finish()

    def _tick(self, upkeep: _Upkeep) -> None:
        """Nothing is queued: look at the file, write heartbeats, checkpoint."""
        if self._unsettled:
            self._process([])
        try:
            self._desk.refresh()
            self._guard.check()
            # After a failure a heartbeat finds out whether the file can be written again.
            upkeep.when_idle(must_write=self.is_failing)
            self.is_failing = bool(self._unsettled)
        except Exception as error:  # noqa: BLE001  # The outermost frame: it must not end.
            self._desk.forget()
            self.is_failing, self.trouble = True, str(error)
        self.books = self._desk.books

    def _take(self) -> list[_Waiting | Message]:
        """What has queued, waiting a tick for the first; a batch of its own for each moment."""
        batch: list[_Waiting | Message] = []
        try:
            item = self._queue.get(timeout=IDLE_TICK_S)
            while True:
                if item is None:
                    self._is_stopping = True
                else:
                    batch.append(item)
                if len(batch) >= BATCH_MESSAGES_MAX and not self._is_stopping:
                    return batch
                item = self._queue.get_nowait()
        except Empty:
            return batch

    def _process(self, batch: list[_Waiting | Message]) -> None:
        # In the order of the queue, behind settlements that an earlier failure left over.
        messages: list[Message] = self._unsettled
        for item in batch:
            inner = item.message if isinstance(item, _Waiting) else item
            if not isinstance(inner, _Refresh):
                messages.append(inner)
        self._unsettled = []
        verdicts = self._commit(messages)
        asked = iter(v for v, m in zip(verdicts, messages, strict=True) if isinstance(m, Admit))
        waiting = [item for item in batch if isinstance(item, _Waiting)]
        answers = [next(asked) if isinstance(w.message, Admit) else self._read() for w in waiting]
        self.books, self.calls_admitted = self._desk.books, self._desk.calls_admitted
        self.calls_unwritten = len(self._unsettled)
        self._answer(waiting, answers)

    def _read(self) -> FerryError | None:
        """Read the books again if they changed; why that could not be done, if so."""
        try:
            self._desk.refresh()
        except Exception as error:  # noqa: BLE001  # The outermost frame: it must not end.
            self._desk.forget()
            return LedgerUnavailable(str(error))
        return None

    def _commit(self, messages: list[Message]) -> list[Verdict | None]:
        """Carry out `messages`; where the file refuses, keep the settlements for later.

        A message that cannot be written whatever the file does (a number too large, a row key
        that exists) must not take its neighbours along: after such a failure each goes alone.
        """
        if not messages:
            return []
        try:
            self._guard.check()
            verdicts = self._desk.process(messages)
        except Exception as error:  # noqa: BLE001  # The outermost frame: it must not end.
            if type(error) in _FILE_FAILURES:
                return self._refuse(messages, error)
            if len(messages) > 1:
                return [verdict for one in messages for verdict in self._commit([one])]
            return self._refuse([self._without_details(one) for one in messages], error)
        self.is_failing = False
        return verdicts

    def _refuse(self, messages: list[Message], error: Exception) -> list[Verdict | None]:
        """Only settlements must not be lost; a question is answered with the failure."""
        self._desk.forget()
        self.is_failing, self.trouble = True, str(error)
        # A call that was never admitted is closed too: kept, these would pile up in an outage.
        self._unsettled += [
            one
            for one in messages
            if isinstance(one, Closing) and self._desk.open_call(one.seq) is not None
        ]
        return [LedgerUnavailable(str(error))] * len(messages)

    def _without_details(self, message: Message) -> Message:
        """A closing that could not be written, bare: unpriced, so that its whole hold is doubt."""
        if not isinstance(message, Closing):
            return message
        return Closing(
            message.seq, "settled", "failed", self._now_us(), cost=None, cost_source="unpriced"
        )

    def _answer(self, waiting: list[_Waiting], verdicts: list[Verdict | None]) -> None:
        """Wake every asker in one hop to the event loop."""
        if not waiting or self._loop is None:
            return
        pairs = list(zip(waiting, verdicts, strict=True))
        # A closed loop has no askers left.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_deliver, pairs)


def _deliver(pairs: list[tuple[_Waiting, Verdict | None]]) -> None:
    for waiting, verdict in pairs:
        if not waiting.future.done():
            waiting.future.set_result(verdict)


class _Upkeep:
    """What the thread does for the file besides calls: heartbeats, last use, checkpoints."""

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
        self._beat(self._now_us(), self._now_us())
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _beat(self, now_us: int, stopped_at: int | None) -> None:
        used = list(self._desk.last_used.items())
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(
            "UPDATE instances SET heartbeat_at = ?, stopped_at = ? WHERE id = ?",
            (now_us, stopped_at, self._instance_id),
        )
        self._connection.executemany(
            "UPDATE keys SET last_used_at = ? WHERE id = ?", [(at, key) for key, at in used]
        )
        self._connection.execute("COMMIT")
        self._desk.last_used.clear()
        self._beaten_at = now_us
        self._is_dirty = True

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._is_dirty = False
