"""The bare pass-through: ferry's stack with nothing of ferry in it.

uvicorn with the settings of `ferrycli/proxy/server.py`, a raw ASGI application, and an httpx client
configured as in `ferrycli/proxy/http_upstream.py`; no key is checked and nothing is counted or
kept. It says its port on stdout and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import httpx
import uvicorn

from bench.upstream import HOST
from ferrycli.proxy.http_upstream import KEEPALIVE_S as UPSTREAM_KEEPALIVE_S
from ferrycli.proxy.server import BACKLOG, KEEPALIVE_S
from ferrycli.settings import OPTIONS

_OF_ONE_HOP = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})
_DEFAULTS = {option.key: option.default for option in OPTIONS}


class _PassThrough:
    """Every request goes to the one upstream, and its reply comes back."""

    def __init__(self, upstream_port: int) -> None:
        self._origin = f"http://{HOST}:{upstream_port}"
        connections_max, connect_s = _DEFAULTS["connections_max"], _DEFAULTS["connect_s"]
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=connect_s, pool=connect_s),
            limits=httpx.Limits(
                max_connections=connections_max,
                max_keepalive_connections=connections_max,
                keepalive_expiry=UPSTREAM_KEEPALIVE_S,
            ),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = self._client.build_request(
            scope["method"],
            self._origin + scope["path"],
            headers=[pair for pair in scope["headers"] if pair[0] not in _OF_ONE_HOP],
            content=await _body(receive),
        )
        response = await self._client.send(request, stream=True)
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        start = {"type": "http.response.start", "status": response.status_code}
        try:
            if "content-length" in response.headers:
                body = b"".join([chunk async for chunk in response.aiter_raw()])
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
            headers = [pair for pair in headers if pair[0] not in _OF_ONE_HOP]
            await send({**start, "headers": headers})
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _serve(listening: socket.socket, upstream_port: int) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            _PassThrough(upstream_port),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=_DEFAULTS["grace_s"],
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
        runner.run(_serve(own_socket, int(sys.argv[1])))
