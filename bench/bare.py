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
from ferrycli.proxy.http1.addresses import Address, Heads, read_address
from ferrycli.proxy.http1.pool import Pool
from ferrycli.proxy.http1.tls import Tls
from ferrycli.proxy.http_upstream import KEEPALIVE_S as UPSTREAM_KEEPALIVE_S
from ferrycli.proxy.upstream import Deadlines
from ferrycli.settings import OPTIONS

BACKLOG = 2_048
KEEPALIVE_S = 75
_OF_ONE_HOP = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})
_DEFAULTS = {option.name: option.default for option in OPTIONS}


class _PassThrough:
    """Every request goes to the one upstream, and its reply comes back."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        deadlines = Deadlines(
            _DEFAULTS["upstream.connect_s"],
            _DEFAULTS["upstream.first_byte_s"],
            _DEFAULTS["upstream.idle_s"],
        )
        self._first_byte_s = deadlines.first_byte_s
        self._pool = Pool(
            deadlines, _DEFAULTS["upstream.connections_max"], UPSTREAM_KEEPALIVE_S, Tls()
        )
        self._heads = Heads()
        self._addresses: dict[str, Address] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        address = self._addresses.get(path)
        if address is None:
            address = self._addresses[path] = read_address(
                self._base_url + path.removeprefix("/v1")
            )
        headers = [pair for pair in scope["headers"] if pair[0] not in _OF_ONE_HOP]
        body = await _body(receive)
        head = self._heads.of(address.post, headers, len(body))
        reply = await self._pool.send("bare", address.origin, head, body, self._first_byte_s)
        start = {"type": "http.response.start", "status": reply.status}
        try:
            if any(name == b"content-length" for name, _ in reply.headers):
                parts = []
                while part := await reply.read():
                    parts.append(part)
                whole = parts[0] if len(parts) == 1 else b"".join(parts)
                await send({**start, "headers": reply.headers})
                await send({"type": "http.response.body", "body": whole})
                return
            headers = [pair for pair in reply.headers if pair[0] not in _OF_ONE_HOP]
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
