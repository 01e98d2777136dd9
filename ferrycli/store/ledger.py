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
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferrycli.rules.circuit import CircuitState
from ferrycli.rules.denials import TooBusy
from ferrycli.rules.errors import (
    DatabaseLocked,
    DatabaseUnusable,
    FerryError,
    LedgerUnavailable,
)
from ferrycli.rules.estimate import Manner
from ferrycli.store import migrations
from ferrycli.store.batch import Desk
from ferrycli.store.books import Books
from ferrycli.store.connect import open_writer
from ferrycli.store.guard import FileGuard
from ferrycli.store.messages import (
    Admit,
    Again,
    Deny,
    Events,
    HealthNote,
    Message,
    Note,
    Verdict,
    Waits,
)
from ferrycli.store.parcels import Parcels
from ferrycli.store.reads_servers import circuits
from ferrycli.store.recovery import recover
from ferrycli.store.rows import Closing
from ferrycli.store.upkeep import Upkeep
from ferrycli.store.waiting import Parked, Refresh, Waiting, asked_again

ASKS_WAITING_MAX = 10_000
BATCH_MESSAGES_MAX = 1_024
SWITCH_S = 0.001
"""How long the thread may keep the interpreter's lock while the event loop waits for it, and the
loop while the thread does: five times as long, as Python has it, and streams jitter."""
ADMISSION_BUSY_MS = 250
"""How long an admission waits for another process's write; then it is refused."""
IDLE_TICK_S = 0.05
"""How often an idle thread looks for changes by other processes: it bounds how long a snapshot
can be older than the file, and with it how long a revoked key's streams live on."""
COMPANY_S = 0.005
"""What is told, and not asked, waits so long for a question to share its transaction with: money
that comes back is wanted by the next call, and each transaction costs a sync to disk."""
RETRY_S = 0.25
STOP_TRIES_MAX = 40
"""How often a stopping thread tries to write what the file has refused."""

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


class Ledger:
    """The path to the ledger thread. `start` first, `stop` last; all else from the event loop."""

    def __init__(self, path: Path, facts: ServerFacts, now_us: Callable[[], int]) -> None:
        self._path = path
        self._facts = facts
        self._now_us = now_us
        self._parcels: Parcels[Waiting | Message] = Parcels()
        self._asks_waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._unsettled: list[Message] = []
        self._parked = Parked()
        self._is_stopping = False
        self._desk: Desk
        self._guard: FileGuard
        self.books = Books()
        """Replaced whole by the thread; read by anyone."""
        self.manners: Mapping[tuple[str, str], Manner] = {}
        """How models answer, by provider and model; as `books`."""
        self.health: dict[str, CircuitState] = {}
        """Circuits as an earlier server left them, by `provider/model`."""
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
        self._parcels.open(loop)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    async def admit(self, question: Admit, wait_s: float = 0.0) -> Verdict:
        """May this call go? Answered when its row is on disk; `LedgerUnavailable` if it is not.

        A call that lacks only what others hold waits `wait_s` seconds for it, in its turn.
        """
        if wait_s and not question.may_wait:
            question = question._replace(may_wait=True)
        verdict = await self._ask(question, wait_s)
        assert verdict is not None
        return verdict

    async def again(self, question: Again) -> Verdict:
        """An attempt has failed: may the call go on to another target?"""
        verdict = await self._ask(question)
        assert verdict is not None
        return verdict

    async def record(self, question: Events) -> Verdict:
        """Record costs that happened. Answered when they are on disk."""
        verdict = await self._ask(question)
        assert verdict is not None
        return verdict

    def note_soon(self, note: Note | HealthNote) -> None:
        """Write down what happened beside a call. Left out where the queue is full."""
        if self.messages_waiting < ASKS_WAITING_MAX:
            self._parcels.put(note)

    async def refresh(self) -> Books:
        """The books as they are in the file now. Raises `LedgerUnavailable` or `TooBusy`."""
        failure = await self._ask(Refresh())
        if isinstance(failure, FerryError):
            raise failure
        return self.books

    def settle_soon(self, closing: Closing) -> None:
        """Finish a call: no await, from any `finally`. What is already finished stays as it is."""
        self._parcels.put(closing)

    def deny_soon(self, denial: Deny) -> None:
        """Write a refused call's row. Left out, not waited for, where the queue is full."""
        if self.messages_waiting < ASKS_WAITING_MAX:
            self._parcels.put(denial)

    @property
    def messages_waiting(self) -> int:
        """What the thread has not taken yet."""
        return len(self._parcels)

    def stop(self, patience_s: float = 30.0) -> bool:
        """Commit what is queued, checkpoint and end the thread; False if it took too long."""
        self._parcels.close()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    async def _ask(
        self, message: Admit | Again | Events | Refresh, wait_s: float = 0.0
    ) -> Verdict | None:
        if self._asks_waiting >= ASKS_WAITING_MAX:
            return TooBusy()
        assert self._loop is not None
        future: asyncio.Future[Verdict | None] = self._loop.create_future()
        self._asks_waiting += 1
        try:
            waiting = Waiting(future, message, time.monotonic() + wait_s)
            self._parcels.put(waiting, is_urgent=True)
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
            self.recovered = recover(self._desk)
            facts = self._facts
            connection.execute("BEGIN IMMEDIATE")
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
            self.manners = self._desk.manners.known
            self.health = circuits(connection)
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
        upkeep = Upkeep(connection, self._path, self._desk, self._facts.instance_id, self._now_us)
        while not self._is_stopping:
            batch = self._take()
            if batch:
                self._process(batch)
                upkeep.after_batch()
                continue
            self._tick(upkeep)
        if self._parked:
            self._process([])
        for _ in range(STOP_TRIES_MAX):
            if not self._unsettled:
                break
            self._process([])
            threading.Event().wait(RETRY_S if self._unsettled else 0)
        with contextlib.suppress(sqlite3.Error):
            upkeep.finish()

    def _tick(self, upkeep: Upkeep) -> None:
        """Nothing is queued: look at the file, write heartbeats, checkpoint."""
        if self._unsettled or self._parked.is_due():
            self._process([])
        try:
            has_moved = self._desk.refresh()
            if self._desk.has_changed_terms() or (has_moved and self._parked):
                self._process([])
            self._guard.check()
            # After a failure a heartbeat finds out whether the file can be written again.
            upkeep.when_idle(must_write=self.is_failing)
            self.is_failing = bool(self._unsettled)
        except Exception as error:  # noqa: BLE001  # The outermost frame: it must not end.
            self._desk.forget()
            self.is_failing, self.trouble = True, str(error)
        self.books = self._desk.books

    def _take(self) -> list[Waiting | Message]:
        """What has queued, waiting a tick for the first; a batch of its own for each moment."""
        more_s = 0.0 if self._parked else COMPANY_S
        batch = self._parcels.take(IDLE_TICK_S, more_s, BATCH_MESSAGES_MAX)
        self._is_stopping = self._parcels.is_closed
        return batch

    def _process(self, batch: list[Waiting | Message]) -> None:
        # In the order of the queue, behind settlements that an earlier failure left over.
        messages: list[Message] = self._unsettled
        for item in batch:
            inner = item.message if isinstance(item, Waiting) else item
            if not isinstance(inner, Refresh):
                messages.append(inner)
        self._unsettled = []
        parked, gone = self._parked.take()
        if gone:
            # Those behind one that has gone may go.
            self._desk.has_moved = True
            messages += gone
        verdicts = self._commit(messages, asked_again(parked, is_last=self._is_stopping))
        asking = (Admit, Again, Events)
        asked = iter(
            verdict
            for verdict, message in zip(verdicts, messages, strict=False)
            if isinstance(message, asking)
        )
        waiting = [item for item in batch if isinstance(item, Waiting)]
        answers = [next(asked) if isinstance(w.message, asking) else self._read() for w in waiting]
        self.books, self.calls_admitted = self._desk.books, self._desk.calls_admitted
        self.manners = self._desk.manners.known
        self.calls_unwritten = len(self._unsettled)
        self._answer([*parked, *waiting], [*verdicts[len(messages) :], *answers])

    def _read(self) -> FerryError | None:
        """Read the books again if they changed; why that could not be done, if so."""
        try:
            self._desk.refresh()
        except Exception as error:  # noqa: BLE001  # The outermost frame: it must not end.
            self._desk.forget()
            return LedgerUnavailable(str(error))
        return None

    def _commit(
        self, messages: list[Message], parked: Sequence[Admit] = ()
    ) -> list[Verdict | None]:
        """Carry out `messages`; where the file refuses, keep the settlements for later.

        A message that cannot be written whatever the file does (a number too large, a row key
        that exists) must not take its neighbours along: after such a failure each goes alone.
        """
        if not messages and not parked and not self._desk.has_changed_terms():
            return []
        try:
            self._guard.check()
            verdicts = self._desk.process(messages, parked)
        except Exception as error:  # noqa: BLE001  # The outermost frame: it must not end.
            if type(error) in _FILE_FAILURES:
                return self._refuse([*messages, *parked], error)
            if len(messages) + len(parked) > 1:
                return [v for one in (*messages, *parked) for v in self._commit([one])]
            return self._refuse([self._without_details(one) for one in messages or parked], error)
        self.is_failing = False
        return verdicts

    def _refuse(self, messages: Sequence[Message], error: Exception) -> list[Verdict | None]:
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

    def _answer(self, waiting: list[Waiting], verdicts: list[Verdict | None]) -> None:
        """Wake every asker in one hop to the event loop; keep those that wait for money."""
        pairs: list[tuple[Waiting, Verdict | None]] = []
        for one, verdict in zip(waiting, verdicts, strict=True):
            if isinstance(verdict, Waits):
                self._parked.keep(one, verdict)
            else:
                pairs.append((one, verdict))
        if not pairs or self._loop is None:
            return
        # A closed loop has no askers left.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_deliver, pairs)


def _deliver(pairs: list[tuple[Waiting, Verdict | None]]) -> None:
    for waiting, verdict in pairs:
        if not waiting.future.done():
            waiting.future.set_result(verdict)
