"""Clients that leave, on our connections and on any other server's."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import time
from typing import Any

import pytest

from ferrycli.proxy.connection import Patience
from ferrycli.proxy.listener import Listener
from tests.proxy.listening import WAIT_S, Served, everything, serving, until

HOST = b"host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]


class Carrying:
    """An application that carries a call until it is told to end it, and streams meanwhile."""

    def __init__(
        self, patience_s: float = 0.0, *, is_ours: bool = True, total_s: float = WAIT_S
    ) -> None:
        self.total_s = total_s
        self.patience_s = patience_s
        self.is_ours = is_ours
        self.begun = 0
        self.ended: list[tuple[str, bool]] = []
        """How each call ended, and whether its client had left."""
        self.may_end = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/at-once":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if not self.is_ours:
            scope = {**scope, "extensions": {}}
        listener = Listener(scope, receive, lambda: self.patience_s, self.total_s)
        self.begun += 1
        how = "whole"
        try:
            if scope["path"] == "/silent":
                await asyncio.sleep(WAIT_S)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not self.may_end:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
                await asyncio.sleep(0.01)
            await send({"type": "http.response.body", "body": b"end"})
            if self.is_ours:
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            how = "cancelled"
            listener.forgive()
        finally:
            listener.stop()
            how = "late" if listener.is_late else how
            self.ended.append((how, listener.has_left))


@pytest.fixture(params=[(loop, ours) for loop in LOOPS for ours in (True, False)], ids=str)
def how(request: pytest.FixtureRequest) -> Any:
    return request.param


def begin(served: Served, app: Carrying) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", served.port), 20)
    client.sendall(GET)
    assert client.recv(1_000)
    until(lambda: app.begun == 1)
    return client


def test_client_that_leaves_ends_its_call(how: Any) -> None:
    app = Carrying(is_ours=how[1])
    with serving(how[0], app) as served:
        begin(served, app).close()
        until(lambda: bool(app.ended))
    assert app.ended == [("cancelled", True)]


def test_client_that_will_send_no_more_has_left(how: Any) -> None:
    app = Carrying(is_ours=how[1])
    with serving(how[0], app) as served:
        client = begin(served, app)
        client.shutdown(socket.SHUT_WR)
        until(lambda: bool(app.ended))
        client.close()
    assert app.ended == [("cancelled", True)]


def test_call_of_a_client_that_left_may_go_on_for_a_while(how: Any) -> None:
    app = Carrying(60.0, is_ours=how[1])
    with serving(how[0], app) as served:
        begin(served, app).close()
        until(lambda: served.open == 0)
        app.may_end = True
        until(lambda: bool(app.ended))
    assert app.ended == [("whole", True)]


def test_call_of_a_client_that_left_goes_on_no_longer(how: Any) -> None:
    app = Carrying(0.1, is_ours=how[1])
    with serving(how[0], app) as served:
        begin(served, app).close()
        until(lambda: bool(app.ended))
    assert app.ended == [("cancelled", True)]


def test_call_whose_time_is_up_ends(how: Any) -> None:
    app = Carrying(is_ours=how[1], total_s=0.1)
    with serving(how[0], app) as served:
        client = begin(served, app)
        until(lambda: bool(app.ended))
        client.close()
    assert app.ended == [("late", False)]


def test_call_of_a_client_that_left_ends_when_its_time_is_up(how: Any) -> None:
    app = Carrying(60.0, is_ours=how[1], total_s=0.3)
    with serving(how[0], app) as served:
        begin(served, app).close()
        until(lambda: bool(app.ended))
    assert app.ended == [("cancelled", True)]


@pytest.mark.parametrize("loop", LOOPS)
def test_client_that_leaves_after_the_last_byte_has_not_left(loop: Any) -> None:
    app = Carrying()
    with serving(loop, app) as served:
        client = begin(served, app)
        app.may_end = True
        raw = b""
        while not raw.endswith(b"0\r\n\r\n"):
            raw += client.recv(65_536)
        client.close()
        until(lambda: bool(app.ended))
    assert app.ended == [("whole", False)]


def test_requests_that_wait_behind_a_call_are_no_leaving(how: Any) -> None:
    app = Carrying(is_ours=how[1])
    with serving(how[0], app) as served:
        client = begin(served, app)
        client.sendall(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        time.sleep(0.05)
        assert app.ended == []
        app.may_end = True
        assert everything(client).count(b"HTTP/1.1 200 OK") == 1
        client.close()
    assert [how for how, _ in app.ended] == ["whole", "whole"]


def test_call_with_others_behind_it_ends_when_its_client_leaves(how: Any) -> None:
    app = Carrying(is_ours=how[1])
    with serving(how[0], app) as served:
        client = begin(served, app)
        client.sendall(GET)
        time.sleep(0.05)
        client.close()
        # Nothing is read of who has a request waiting: the next write that fails tells it.
        until(lambda: bool(app.ended))
    assert app.ended == [("cancelled", True)]
    assert app.begun == 1


def test_call_that_waited_for_its_turn_ends_when_its_client_leaves(how: Any) -> None:
    app = Carrying(is_ours=how[1])
    with serving(how[0], app) as served:
        client = socket.create_connection(("127.0.0.1", served.port), 20)
        client.sendall(GET.replace(b" / ", b" /at-once ") + GET.replace(b" / ", b" /silent "))
        assert client.recv(1_000).startswith(b"HTTP/1.1 204 ")
        until(lambda: app.begun == 1)
        client.close()
        until(lambda: bool(app.ended))
    assert app.ended == [("cancelled", True)]


class Flood:
    """Sends an answer of 100 MB, and says how much of it was taken."""

    def __init__(self) -> None:
        self.sent = 0
        self.has_ended = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        listener = Listener(scope, receive, lambda: 0.0, WAIT_S)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            part = b"a" * 65_536
            for _ in range(1_600):
                await send({"type": "http.response.body", "body": part, "more_body": True})
                self.sent += len(part)
        except asyncio.CancelledError:
            listener.forgive()
        finally:
            self.has_ended = True


@pytest.mark.parametrize("loop", LOOPS)
def test_answer_waits_for_its_reader(loop: Any) -> None:
    app = Flood()
    with serving(loop, app) as served, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        client.connect(("127.0.0.1", served.port))
        client.sendall(GET)
        for _ in range(20):
            assert client.recv(1)
            time.sleep(0.01)
        assert not app.has_ended
        assert app.sent < 16 << 20
        # The reader has not left, however slow it is; when it has, that is noticed.
        client.close()
        until(lambda: app.has_ended)


class Breaking:
    """Ends in the middle of its reply, with more written than the client reads."""

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * (32 << 20), "more_body": True})


@pytest.mark.parametrize("loop", LOOPS)
def test_connection_ends_though_its_client_does_not_read(loop: Any) -> None:
    with (
        serving(loop, Breaking(), Patience(unread_s=0.3, sweep_s=0.05)) as served,
        socket.socket() as client,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        client.connect(("127.0.0.1", served.port))
        client.sendall(GET)
        assert client.recv(1)
        until(lambda: served.open == 0)
