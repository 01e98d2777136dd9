"""A uvicorn of the tests' own with our connections, in a thread, on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import uvicorn

from ferrycli.proxy.connection import Patience, connections
from ferrycli.proxy.gate import ClientLeft, Gate
from ferrycli.proxy.replies import dialect_of, send_error, send_json
from ferrycli.rules.errors import FerryError

Loop = Literal["asyncio", "uvloop"]
WAIT_S = 20.0
"""After which a test gives up."""
BODY_BYTES_MAX = 1 << 20

SHORT = Patience(
    head_s=0.4, body_idle_s=0.4, body_total_s=1.0, linger_s=0.4, unread_s=0.6, sweep_s=0.05
)


@dataclass
class App:
    """Reads bodies as ferry does, and says what it saw."""

    seen: list[Any] = field(default_factory=list)
    """The scopes of requests that reached it."""
    bodies: list[bytes] = field(default_factory=list)
    left: int = 0
    """Clients that left before their body was whole."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        if scope["path"] == "/early":
            await send_json(send, 401, b"{}", [])
            return
        try:
            body = await Gate(frozenset(), BODY_BYTES_MAX).body(scope, receive)
        except ClientLeft:
            self.left += 1
        except FerryError as error:
            await send_error(send, error, [], dialect=dialect_of(scope))
        else:
            self.bodies.append(body)
            await send_json(send, 200, json.dumps({"path": scope["path"]}).encode(), [])


class Served:
    """A server while it is entered."""

    def __init__(self, app: Any, loop: Loop, patience: Patience, keep_alive_s: int = 75) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=connections(patience),
            loop=loop,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=keep_alive_s,
        )
        self.server = uvicorn.Server(config)
        self.troubles: list[dict[str, Any]] = []
        """What nobody caught."""
        self._factory = config.get_loop_factory()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, told: self.troubles.append(told))
            runner.run(self.server.serve(sockets=[self._socket]))

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        assert self.troubles == []

    @property
    def open(self) -> int:
        """Connections."""
        return len(self.server.server_state.connections)

    def connect(self) -> contextlib.closing[socket.socket]:
        """A connection, closed when it is left."""
        return contextlib.closing(socket.create_connection(("127.0.0.1", self.port), WAIT_S))

    def say(self, *parts: bytes, every_s: float = 0.0) -> list[Reply]:
        """Every reply to `parts`, which are sent one after the other, until the server ends."""
        with self.connect() as client:
            for part in parts:
                with contextlib.suppress(ConnectionError):
                    client.sendall(part)
                time.sleep(every_s)
            return replies(everything(client))


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, whole."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def error(self) -> Any:
        """What an OpenAI client reads of a refusal."""
        return json.loads(self.body)["error"]


def everything(client: socket.socket) -> bytes:
    """What comes until the server closes."""
    raw = b""
    while part := client.recv(65_536):
        raw += part
    return raw


def replies(raw: bytes) -> list[Reply]:
    """Replies with a `content-length`, one after the other."""
    found = []
    while raw:
        head, blank, rest = raw.partition(b"\r\n\r\n")
        assert blank, raw
        line, *fields = head.split(b"\r\n")
        headers = dict(one.lower().split(b": ", 1) for one in fields)
        length = int(headers.get(b"content-length", b"0"))
        assert len(rest) >= length
        found.append(Reply(int(line.split()[1]), headers, rest[:length]))
        raw = rest[length:]
    return found


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextlib.contextmanager
def serving(
    loop: Loop, app: Any, patience: Patience = SHORT, keep_alive_s: int = 75
) -> Iterator[Served]:
    """A server of `app`."""
    with Served(app, loop, patience, keep_alive_s) as served:
        yield served


def statuses(told: Sequence[Reply]) -> list[int]:
    """Of each reply."""
    return [reply.status for reply in told]
