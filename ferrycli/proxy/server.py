"""The process that serves: uvicorn on a socket of our own, started and stopped in order.

Start: lock, ledger (migrate, recover), socket, ready. Stop: no new calls, running ones finish
within the grace, then the ledger commits what is queued, last of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

import uvicorn

import ferrycli
from ferrycli.prices import catalogue
from ferrycli.proxy.app import make_app
from ferrycli.proxy.aws_signing import signers
from ferrycli.proxy.chance import Chance
from ferrycli.proxy.connection import connections
from ferrycli.proxy.gate import Gate
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.http_upstream import HttpUpstream
from ferrycli.proxy.loop_watch import LoopWatch
from ferrycli.proxy.reads import Reads
from ferrycli.proxy.sim_upstream import SimUpstream
from ferrycli.proxy.snapshot import Providers, SnapshotKeeper
from ferrycli.proxy.telling import Telling
from ferrycli.proxy.upstream import Deadlines
from ferrycli.rules.circuit import Circuits
from ferrycli.rules.errors import AddressUnusable, LedgerUnavailable, NoCredential
from ferrycli.rules.loops import LoopGuard
from ferrycli.settings import Provider, Settings, credentials
from ferrycli.sim.provider import Simulator
from ferrycli.store.books import Books
from ferrycli.store.daily import DayKeeper
from ferrycli.store.ids import IdMaker
from ferrycli.store.ledger import Ledger, ServerFacts
from ferrycli.store.lock import ServerLock

BACKLOG = 2_048
KEEPALIVE_S = 75
LEDGER_PATIENCE_S = 30.0
CUT_SECONDS_MAX = 5.0
DAY_SECONDS_MAX = 10.0
"""How long a stopping server waits for the day that is being summed."""
NOTICE_SECONDS_MAX = 5.0
"""How long it waits for notices that are on their way."""
WATCH_S = 0.5
GC_THRESHOLDS = (10_000, 20, 50)
"""How many more objects there are when the collector looks at the young, and how often at more."""
_NOT_ENCRYPTED = (
    "it is not loopback and nothing would encrypt the keys; set `behind_proxy = true` in `[server]`"
    " where a proxy in front ends TLS"
)


@dataclass(frozen=True, slots=True)
class Ready:
    """What a server that has started can say of itself."""

    address: str
    """`127.0.0.1:4777`, with the port that it really has."""
    providers: tuple[tuple[Provider, str], ...]
    """Each with what is wrong with its credential; "" where nothing is."""
    is_demo: bool
    books: Books
    """Keys and prices as they stood at the start."""
    recovered: int
    """Calls of a server that died, finished now."""
    prices: str
    """The price catalogue's name and version."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server that has stopped can say of its life."""

    calls: int
    """Calls that were admitted."""
    calls_cut: int
    """Those that had to be ended: the grace was over, or nobody wanted to wait."""
    up_s: float
    """Seconds in which calls were answered."""


class Teller(Protocol):
    """Who is told of a server's life, each at its moment. What is told must not raise."""

    def ready(self, ready: Ready) -> None:
        """Calls are answered: once, and before anything else."""

    def stopping(self, running: int) -> None:
        """A signal came; `running` calls get the grace to finish."""

    def trouble(self, error: Exception) -> None:
        """A defect of our own that ended a request, or a file that cannot be written."""


def now_us() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000


def run(settings: Settings, teller: Teller) -> Served:
    """Serve until a signal; `teller` hears of it meanwhile.

    Raises `AddressUnusable`, `ServerRunning` or what opening the database raises.
    """
    lock = ServerLock.acquire(
        settings.database, f"pid {os.getpid()} on {settings.values['server.listen']}"
    )
    try:
        listening = listen(settings)
        try:
            config = uvicorn.Config(app="", log_config=None)
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                return runner.run(_serve(settings, listening, teller))
        finally:
            listening.close()
    finally:
        lock.release()


def check_encrypted(settings: Settings) -> None:
    """Raise `AddressUnusable` where keys would travel in plain text between machines."""
    if not settings.values["server.behind_proxy"] and not is_loopback(settings.host):
        raise AddressUnusable(str(settings.values["server.listen"]), _NOT_ENCRYPTED)


def listen(settings: Settings) -> socket.socket:
    """A socket that takes connections at the address. Raises `AddressUnusable`."""
    check_encrypted(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        address = str(settings.values["server.listen"])
        # Without the address, which `socket` repeats in brackets.
        why = (error.strerror or str(error)).partition(" (while ")[0].lower()
        raise AddressUnusable(address, why) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(settings: Settings, listening: socket.socket, teller: Teller) -> Served:
    host, port = listening.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    ids = IdMaker(now_us, Chance())
    facts = ServerFacts(
        ids.make().text("i"), socket.gethostname(), os.getpid(), address, ferrycli.__version__
    )
    ledger = Ledger(settings.database, facts, now_us)
    ledger.start(asyncio.get_running_loop())
    try:
        found = credentials(settings)
        state = {"stopping": False}
        gateway = _gateway(settings, ledger, ids, found, state)
        ready = Ready(
            address=address,
            providers=tuple((one, _trouble(found[one.name])) for one in settings.providers),
            is_demo=gateway.snapshot().providers.are_simulated,
            books=ledger.books,
            recovered=ledger.recovered,
            prices=catalogue.catalogue_version(),
        )
        server = _Server(_uvicorn_config(settings, gateway, teller), state, teller, ready)
        _settle_heap()
        watch = asyncio.create_task(_watch(ledger, teller))
        days = DayKeeper(settings.database, settings.zone, now_us)
        days.start()
        telling = Telling(settings, now_us, teller.trouble)
        telling.start()
        await server.serve(sockets=[listening])
        watch.cancel()
        await gateway.http.close()
        await asyncio.to_thread(telling.stop, NOTICE_SECONDS_MAX)
        days.stop(DAY_SECONDS_MAX)
        return Served(ledger.calls_admitted, server.calls_cut, time.monotonic() - server.ready_at_s)
    finally:
        ledger.stop(LEDGER_PATIENCE_S)
        if ledger.calls_unwritten:
            calls = f"{ledger.calls_unwritten} finished calls could not be written"
            teller.trouble(LedgerUnavailable(calls))


def _settle_heap() -> None:
    """What is loaded by now stays loaded: the collector of cycles need not look at it again.

    Calls make values without cycles, which go by themselves; as it comes, it took a fifth of their
    time to find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _watch(ledger: Ledger, teller: Teller) -> None:
    """Tell the operator when the ledger cannot write: the clients are told by their replies."""
    was_failing = False
    while True:
        await asyncio.sleep(WATCH_S)
        if ledger.is_failing and not was_failing:
            teller.trouble(LedgerUnavailable(ledger.trouble))
        was_failing = ledger.is_failing


def _gateway(
    settings: Settings,
    ledger: Ledger,
    ids: IdMaker,
    found: dict[str, str | NoCredential],
    state: dict[str, bool],
) -> Gateway:
    values = settings.values
    deadlines = Deadlines(
        values["upstream.connect_s"], values["upstream.first_byte_s"], values["upstream.idle_s"]
    )
    return Gateway(
        ledger=ledger,
        keeper=SnapshotKeeper(ledger.books, Providers.of(settings.providers)),
        gate=Gate.of(
            settings.host,
            values["server.hosts"],
            values["server.body_mb_max"] << 20,
            behind_proxy=values["server.behind_proxy"],
        ),
        http=HttpUpstream(
            deadlines,
            found,
            values["upstream.connections_max"],
            signers=signers(settings.providers),
        ),
        sim=SimUpstream(Simulator(), now_us),
        reads=Reads(settings.database),
        ids=ids,
        now_us=now_us,
        total_s=values["upstream.total_s"],
        spent_status=int(values["server.budget_status"]),
        budget_wait_s=values["server.budget_wait_s"],
        drain_s=values["upstream.drain_s"] if values["upstream.on_abort"] == "drain" else 0,
        loops=LoopWatch(
            values["guard.loop"],
            LoopGuard(
                values["guard.same_request_max"],
                values["guard.same_message_max"],
                values["guard.window_s"] * 1_000_000,
            ),
        ),
        chance=Chance(),
        state=state,
        circuits=Circuits(ledger.health),
    )


def _trouble(found: str | NoCredential) -> str:
    return found.why if isinstance(found, NoCredential) else ""


def _uvicorn_config(settings: Settings, gateway: Gateway, teller: Teller) -> uvicorn.Config:
    # What uvicorn would log is either told by the card or is a client's ordinary leaving.
    logging.getLogger("uvicorn").disabled = True
    logging.getLogger("uvicorn.error").disabled = True
    return uvicorn.Config(
        make_app(gateway, teller.trouble),
        http=connections(),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEPALIVE_S,
        timeout_graceful_shutdown=settings.values["server.grace_s"],
    )


class _Server(uvicorn.Server):
    """uvicorn, with signals that end in exit code 0 and a word when it is up."""

    def __init__(
        self, config: uvicorn.Config, state: dict[str, bool], teller: Teller, ready: Ready
    ) -> None:
        super().__init__(config)
        self._state = state
        self._teller = teller
        self._ready = ready
        self.ready_at_s = time.monotonic()
        self.calls_cut = 0

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        await super().startup(sockets=list(sockets or ()))
        self.ready_at_s = time.monotonic()
        self._teller.ready(self._ready)

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self._state["stopping"] = True
        self._teller.stopping(len(self.server_state.tasks))
        await super().shutdown(sockets=list(sockets or ()))
        # Past the grace, running calls are told to end; each settles on its way out.
        if tasks := self._cut():
            await asyncio.wait(tasks, timeout=CUT_SECONDS_MAX)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks to stop; a second Ctrl-C does not wait for running calls."""
        super().handle_exit(sig, frame)
        if self.force_exit:
            self._cut()

    def _cut(self) -> list[asyncio.Task[None]]:
        """Tell every running call to end; these."""
        tasks = list(self.server_state.tasks)
        self.calls_cut = max(self.calls_cut, len(tasks))
        for task in tasks:
            task.cancel()
        return tasks

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not uvicorn's own: that raises the signal again at the end, and the exit is not 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
