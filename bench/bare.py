"""The bare pass-through: ferry's stack with nothing of ferry's accounting in it.

uvicorn as it comes, a raw ASGI application, and the client that ferry itself calls providers with;
no key is checked and nothing is counted or kept. It takes the upstream's base URL as its argument,
says its port on stdout and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn

from bench.replies import HOST
from ferrycli.proxy.http_upstream import HttpUpstream
from ferrycli.proxy.upstream import Attempt, Deadlines
from ferrycli.settings import OPTIONS, Provider

BACKLOG = 2_048
KEEPALIVE_S = 75
_OF_ONE_HOP = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})
_DEFAULTS = {option.name: option.default for option in OPTIONS}


class _PassThrough:
    """Every request goes to the one upstream, and its reply comes back."""

    def __init__(self, base_url: str) -> None:
        self._provider = Provider("up", "compatible", base_url)
        deadlines = Deadlines(
            _DEFAULTS["upstream.connect_s"],
            _DEFAULTS["upstream.first_byte_s"],
            _DEFAULTS["upstream.idle_s"],
        )
        self._upstream = HttpUpstream(deadlines, {}, _DEFAULTS["upstream.connections_max"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sent = [pair for pair in scope["headers"] if pair[0] not in _OF_ONE_HOP]
        path = scope["path"].removeprefix("/v1")
        reply = await self._upstream.open(Attempt(self._provider, path, sent, await _body(receive)))
        try:
            headers = [(name.lower(), value) for name, value in reply.headers]
            start = {"type": "http.response.start", "status": reply.status}
            if any(name == b"content-length" for name, _ in headers):
                parts = []
                while part := await reply.read():
                    parts.append(part)
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": b"".join(parts)})
                return
            headers = [pair for pair in headers if pair[0] not in _OF_ONE_HOP]
            await send({**start, "headers": headers})
            while part := await reply.read():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await reply.close()


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _serve(listening: socket.socket, base_url: str) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            _PassThrough(base_url),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=_DEFAULTS["server.grace_s"],
        )
    )

    def stop() -> None:
        server.should_exit = True

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop)
    # Calls queue in the socket's backlog until uvicorn takes them.
    print(listening.getsockname()[1], flush=True)
    await server.serve(sockets=[listening])


if __name__ == "__main__":
    loop_factory = uvicorn.Config(app="", log_config=None).get_loop_factory()
    with (
        socket.create_server((HOST, 0), backlog=BACKLOG) as own_socket,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(_serve(own_socket, sys.argv[1]))
