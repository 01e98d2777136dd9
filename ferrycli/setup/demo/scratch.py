"""`ferry demo`: four weeks in a scratch database, and a real server on it that answers real calls.

Never uses a real provider or the real database: the server's environment has no provider keys,
and everything is in a folder that is removed at the end, however the end comes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import IO
from zoneinfo import ZoneInfo

from ferrycli.rules.errors import NoSuchCall
from ferrycli.settings import WELL_KNOWN
from ferrycli.setup.demo.filling import SEED, fill
from ferrycli.setup.demo.live import Callers, Request, Told, make_call
from ferrycli.store import reads
from ferrycli.store.reads import CallRow

CALLS = 120
CLIENTS = 8
CLIENTS_LIVE = 24
CALLS_A_SECOND = 3.0
LOOK_S = 0.05
WRITTEN_S_MAX = 5.0
"""A call that is over and whose row is not is given up."""
GRACE_S = 0
STOP_S_MAX = 10


@dataclass(frozen=True, slots=True)
class Scratch:
    """A database for show."""

    database: Path
    zone: ZoneInfo
    secrets: dict[str, str]
    """By the key's name."""


class Ending:
    """Signals that end a command: the first one interrupts it, and none disturbs the tidying up."""

    def __init__(self) -> None:
        self._is_told = False

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self._is_told:
            self._is_told = True
            raise KeyboardInterrupt

    def tidying(self) -> None:
        """From here on nothing is interrupted."""
        self._is_told = True

    @classmethod
    @contextmanager
    def heard(cls) -> Iterator[Ending]:
        """Listen to Ctrl-C, `kill` and a terminal that closes; not to what is ignored already."""
        ending = cls()
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        heard = [one for one in numbers if signal.getsignal(one) not in (signal.SIG_IGN, None)]
        earlier = {number: signal.signal(number, ending._hear) for number in heard}
        try:
            yield ending
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


@contextmanager
def scratch(
    now_us: int, zone: ZoneInfo, ending: Ending, tell: Callable[[int, int], None]
) -> Iterator[Scratch]:
    """A database with the weeks before `now_us`, in a folder that is removed at the end.

    `tell` is told how many calls of how many are written.
    """
    folder = Path(tempfile.mkdtemp(prefix="ferry-demo-"))
    try:
        database = folder / "ferry.db"
        yield Scratch(database, zone, fill(database, now_us, zone, tell))
    finally:
        ending.tidying()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a scratch database."""

    address: str
    process: subprocess.Popen[str]


@contextmanager
def serving(made: Scratch, ending: Ending) -> Iterator[Server]:
    """A server without providers, so that only simulated models answer."""
    hidden = {provider.api_key_env for provider in WELL_KNOWN}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in hidden and not name.startswith("FERRY_")
    }
    config = made.database.with_name("ferry.toml")
    config.write_text(f'[server]\ntimezone = "{made.zone.key}"\ngrace_s = {GRACE_S}\n', "utf-8")
    command = [sys.executable, "-m", "ferrycli", "--config", str(config)]
    process = subprocess.Popen(
        [*command, "--db", str(made.database), "serve", "--listen", "127.0.0.1:0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=kept,
    )
    with process:
        try:
            yield Server(_ready(process), process)
        finally:
            ending.tidying()
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(process: subprocess.Popen[str]) -> str:
    """The address, once the server answers there; what it says later is read and dropped."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        with contextlib.suppress(ValueError, TypeError):
            if address := dict(json.loads(line)).get("addr"):
                threading.Thread(target=_drop, args=(process.stderr,), daemon=True).start()
                return str(address)
    raise RuntimeError(f"the server did not start: {said}")


def _drop(stream: IO[str]) -> None:
    """Read to the end, so that the writer is never held up; or until it is closed."""
    with contextlib.suppress(ValueError, OSError):
        for _ in stream:
            pass


def drive(made: Scratch, server: Server) -> tuple[int, int]:
    """Make some calls as fast as they go; how many were answered, and how many were not."""
    callers = Callers(_dice(), is_quick=True)
    requests = [callers.request() for _ in range(CALLS)]
    pool = ThreadPoolExecutor(CLIENTS)
    try:
        told = pool.map(lambda one: make_call(server.address, made.secrets[one.key], one), requests)
        answered = sum(one.is_answered for one in told)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return answered, CALLS - answered


def live(made: Scratch, server: Server) -> Generator[CallRow, None, None]:
    """Calls without end; each as its row is when it is over. Raises where the server has ended."""
    over: queue.SimpleQueue[Told] = queue.SimpleQueue()
    callers, pace = Callers(_dice(), is_quick=False), _dice()
    pool = ThreadPoolExecutor(CLIENTS_LIVE)
    running, next_at = 0, time.monotonic()
    unwritten: dict[str, float] = {}

    def call(request: Request) -> None:
        over.put(make_call(server.address, made.secrets[request.key], request))

    try:
        with reads.opened(made.database) as connection:
            while server.process.poll() is None:
                if time.monotonic() >= next_at and running < CLIENTS_LIVE:
                    next_at = time.monotonic() + pace.expovariate(CALLS_A_SECOND)
                    running += 1
                    pool.submit(call, callers.request())
                with contextlib.suppress(queue.Empty):
                    call_id = over.get(timeout=LOOK_S).call_id
                    running -= 1
                    unwritten[call_id] = time.monotonic() + WRITTEN_S_MAX
                for call_id, until_s in list(unwritten.items()):
                    row = None
                    with contextlib.suppress(NoSuchCall):
                        row = reads.call(connection, call_id)
                    if row is not None and row.state != "held":
                        yield row
                    elif time.monotonic() < until_s:
                        continue
                    del unwritten[call_id]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    raise RuntimeError("the server has ended")


def _dice() -> Random:
    return Random(SEED)  # noqa: S311  # The same demo each time.
