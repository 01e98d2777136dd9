"""Receivers on 127.0.0.1 that keep what they get: an HTTP server and a mail server that misbehave.

Each answer is taken from a list; the last one goes on.
"""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar

CERTIFICATE = Path(__file__).parent / "fixtures" / "localhost.pem"
"""Of `localhost`, signed by itself; it opens nothing outside of these tests."""

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


Answer = int | str | tuple[int, dict[str, str]]
"""A status, with or without headers; or a word of `Hooks`: hang, drip, flood, cut."""


class Hooks:
    """An HTTP server that answers as it is told."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers or (200,))
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._server = _Threads(("127.0.0.1", 0), self._handle)
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Hooks:
        self._server.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._server.end()

    def release(self) -> None:
        """Let those that hang go on, to an answer of 200."""
        self._leaving.set()

    def _handle(self, connection: socket.socket) -> None:
        request = _read_request(connection)
        if request is None:
            return
        with self._lock:
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        match answer:
            case "hang":
                self._leaving.wait(PATIENCE_S)
                connection.sendall(_head(200))
            case "drip":
                for letter in _head(200):
                    if self._leaving.wait(0.05):
                        return
                    connection.sendall(bytes([letter]))
            case "flood":
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not self._leaving.is_set():
                    connection.sendall(b"x" * 65_536)
            case "cut":
                return
            case int(status):
                connection.sendall(_head(status))
            case (int(status), dict(headers)):
                connection.sendall(_head(status, headers))


def _head(status: int, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "content-length: 0", "connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _read_request(connection: socket.socket) -> Request | None:
    stream = connection.makefile("rb")
    first = stream.readline().split()
    if len(first) < 2:
        return None
    headers: dict[str, str] = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(first[1].decode(), headers, body)


class _Threads(socketserver.ThreadingTCPServer):
    """A thread per connection; none is left when it ends."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = True

    def __init__(self, address: tuple[str, int], handle: Callable[[socket.socket], None]) -> None:
        self._handle = handle
        super().__init__(address, socketserver.BaseRequestHandler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        request.settimeout(PATIENCE_S)
        # A client that leaves early is what is being tested.
        try:
            self._handle(request)
        except OSError:
            pass

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(PATIENCE_S)


@dataclass
class Letter:
    """One mail as it came."""

    sender: str
    to: list[str]
    content: bytes = b""
    login: str = ""
    is_encrypted: bool = False


@dataclass
class Post:
    """A mail server of a few commands. `with` it."""

    users: dict[str, str] = field(default_factory=dict)
    """Name to password; who logs in must be among them."""
    offers_tls: bool = False
    refuses: dict[str, str] = field(default_factory=dict)
    """Command (`RCPT`, `DATA`, `.`) to the line that it is refused with."""
    greeting: str = "220 mail.example ESMTP"
    hangs_at: str = ""
    """A command that is never answered; `greeting` for the first word."""
    letters: list[Letter] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    TLS: ClassVar[str] = "localhost"

    def __post_init__(self) -> None:
        self._leaving = threading.Event()
        self._server = _Threads(("127.0.0.1", 0), self._handle)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Post:
        self._server.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._server.end()

    def _handle(self, connection: socket.socket) -> None:
        talk = _Talk(self, connection, self._leaving)
        try:
            talk.run()
        finally:
            talk.close()


class _Talk:
    """One connection to a `Post`."""

    def __init__(self, post: Post, connection: socket.socket, leaving: threading.Event) -> None:
        self._post = post
        self._connection = connection
        self._leaving = leaving
        self._stream = connection.makefile("rb")
        self._letter = Letter("", [])
        self._login = ""
        self._is_encrypted = False

    def run(self) -> None:
        if self._post.hangs_at == "greeting":
            # One letter after the other, for ever: each within a client's patience.
            while not self._leaving.wait(0.05):
                self._connection.sendall(b"2")
            return
        self._say(self._post.greeting)
        while line := self._stream.readline():
            text = line.decode().strip()
            command = text.split()[0].upper() if text else ""
            self._post.commands.append(command)
            if command == self._post.hangs_at:
                self._leaving.wait(PATIENCE_S)
                return
            if command in self._post.refuses:
                self._say(self._post.refuses[command])
            elif not self._answer(command, text):
                return

    def close(self) -> None:
        self._stream.close()
        self._connection.close()

    def _answer(self, command: str, text: str) -> bool:
        match command:
            case "EHLO":
                self._say("250-mail.example")
                if self._post.offers_tls and not self._is_encrypted:
                    self._say("250-STARTTLS")
                self._say("250 AUTH PLAIN")
            case "STARTTLS":
                self._say("220 go on")
                self._encrypt()
            case "AUTH":
                self._log_in(text.split()[2])
            case "MAIL":
                self._letter = Letter(text.partition(":")[2].split()[0].strip("<>"), [])
                self._say("250 ok")
            case "RCPT":
                self._letter.to.append(text.partition(":")[2].strip("<>"))
                self._say("250 ok")
            case "DATA":
                self._say("354 go on")
                self._keep()
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("250 ok")
        return True

    def _keep(self) -> None:
        lines: list[bytes] = []
        while (line := self._stream.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        if "." in self._post.refuses:
            self._say(self._post.refuses["."])
            return
        self._letter.content = b"".join(lines)
        self._letter.login, self._letter.is_encrypted = self._login, self._is_encrypted
        self._post.letters.append(self._letter)
        self._say("250 kept")

    def _log_in(self, encoded: str) -> None:
        _, name, password = base64.b64decode(encoded).decode().split("\0")
        if self._post.users.get(name) == password:
            self._login = name
            self._say("235 welcome")
        else:
            # A server may well repeat what it was told.
            self._say(f"535 no {name} with {password}")

    def _encrypt(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._connection = context.wrap_socket(self._connection, server_side=True)
        self._stream = self._connection.makefile("rb")
        self._is_encrypted = True

    def _say(self, line: str) -> None:
        self._connection.sendall(f"{line}\r\n".encode())
