"""The process that serves: uvicorn on a socket of our own, started and stopped in order.

Start: lock, ledger (migrate, recover), socket, ready. Stop: no new calls, running ones finish
within the grace, then the ledger commits what is queued, last of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn

import ferrycli
from ferrycli.prices import catalogue
from ferrycli.proxy.app import make_app
from ferrycli.proxy.gate import Gate
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.http_upstream import HttpUpstream
from ferrycli.proxy.sim_upstream import SimUpstream
from ferrycli.proxy.snapshot import Providers, SnapshotKeeper
from ferrycli.proxy.upstream import Deadlines
from ferrycli.rules.denials import NoCredential
from ferrycli.rules.errors import AddressUnusable, LedgerUnavailable
from ferrycli.settings import Provider, Settings, credential
from ferrycli.sim.provider import Simulator
from ferrycli.store.ids import IdMaker
from ferrycli.store.ledger import Ledger, ServerFacts
from ferrycli.store.lock import ServerLock

BACKLOG = 2_048
KEEPALIVE_S = 75
LEDGER_PATIENCE_S = 30.0
CUT_SECONDS_MAX = 5.0
WATCH_S = 0.5
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
    keys: int
    recovered: int
    prices: str


def now_us() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000


def run(
    settings: Settings, tell: Callable[[Ready], None], report: Callable[[Exception], None]
) -> None:
    """Serve until a signal; `tell` is called once, when calls are answered.

    `report` is told of defects of our own that ended a request.

    Raises `AddressUnusable`, `ServerRunning` or what opening the database raises.
    """
    lock = ServerLock.acquire(
        settings.database, f"pid {os.getpid()} on {settings.values['server.listen']}"
    )
    try:
        listening = _listen(settings)
        try:
            config = uvicorn.Config(app="", log_config=None)
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(_serve(settings, listening, tell, report))
        finally:
            listening.close()
    finally:
        lock.release()


def _listen(settings: Settings) -> socket.socket:
    listen = str(settings.values["server.listen"])
    if not settings.values["server.behind_proxy"] and not _is_loopback(settings.host):
        raise AddressUnusable(listen, _NOT_ENCRYPTED)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise AddressUnusable(listen, (error.strerror or str(error)).lower()) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(
    settings: Settings,
    listening: socket.socket,
    tell: Callable[[Ready], None],
    report: Callable[[Exception], None],
) -> None:
    host, port = listening.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    ids = IdMaker(now_us, secrets.randbits)
    facts = ServerFacts(
        ids.make().text("i"), socket.gethostname(), os.getpid(), address, ferrycli.__version__
    )
    ledger = Ledger(settings.database, facts, now_us)
    ledger.start(asyncio.get_running_loop())
    try:
        credentials = _credentials(settings)
        state = {"stopping": False}
        gateway = _gateway(settings, ledger, ids, credentials, state)
        server = _Server(_uvicorn_config(settings, gateway, report), state)
        ready = Ready(
            address=address,
            providers=tuple((one, _trouble(credentials[one.name])) for one in settings.providers),
            is_demo=gateway.snapshot().providers.are_simulated,
            keys=sum(key.revoked_at is None for key in ledger.books.keys.values()),
            recovered=ledger.recovered,
            prices=catalogue.catalogue_version(),
        )
        server.when_started = lambda: tell(ready)
        watch = asyncio.create_task(_watch(ledger, report))
        await server.serve(sockets=[listening])
        watch.cancel()
        await gateway.http.close()
    finally:
        ledger.stop(LEDGER_PATIENCE_S)
        if ledger.calls_unwritten:
            calls = f"{ledger.calls_unwritten} finished calls could not be written"
            report(LedgerUnavailable(calls))


async def _watch(ledger: Ledger, report: Callable[[Exception], None]) -> None:
    """Tell the operator when the ledger cannot write: the clients are told by their replies."""
    was_failing = False
    while True:
        await asyncio.sleep(WATCH_S)
        if ledger.is_failing and not was_failing:
            report(LedgerUnavailable(ledger.trouble))
        was_failing = ledger.is_failing


def _gateway(
    settings: Settings,
    ledger: Ledger,
    ids: IdMaker,
    credentials: dict[str, str | NoCredential],
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
        http=HttpUpstream(deadlines, credentials, values["upstream.connections_max"]),
        sim=SimUpstream(Simulator(), now_us),
        ids=ids,
        now_us=now_us,
        total_s=values["upstream.total_s"],
        spent_status=int(values["server.budget_status"]),
        state=state,
    )


def _credentials(settings: Settings) -> dict[str, str | NoCredential]:
    """Each provider's key, or why there is none: a call to it is told, the others go on."""
    found: dict[str, str | NoCredential] = {}
    for provider in settings.providers:
        try:
            found[provider.name] = credential(provider, settings.environment)
        except NoCredential as error:
            found[provider.name] = error
    return found


def _trouble(found: str | NoCredential) -> str:
    return found.why if isinstance(found, NoCredential) else ""


def _uvicorn_config(
    settings: Settings, gateway: Gateway, report: Callable[[Exception], None]
) -> uvicorn.Config:
    # What uvicorn would log is either told by the card or is a client's ordinary leaving.
    logging.getLogger("uvicorn").disabled = True
    logging.getLogger("uvicorn.error").disabled = True
    return uvicorn.Config(
        make_app(gateway, report),
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

    def __init__(self, config: uvicorn.Config, state: dict[str, bool]) -> None:
        super().__init__(config)
        self._state = state
        self.when_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        await super().startup(sockets=list(sockets or ()))
        self.when_started()

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self._state["stopping"] = True
        await super().shutdown(sockets=list(sockets or ()))
        # Past the grace, running calls are told to end; each settles on its way out.
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CUT_SECONDS_MAX)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not uvicorn's own: that raises the signal again at the end, and the exit is not 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
