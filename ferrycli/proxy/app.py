"""The paths of the server. Everything that is not named here is refused: no unmetered route."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from starlette.routing import Route, Router

from ferrycli.proxy.conductor import ChatCompletions
from ferrycli.proxy.gate import Scope, is_local
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.replies import send_error, send_json
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import (
    BadKey,
    InternalFailure,
    MethodNotAllowed,
    NoSuchPath,
    Refusal,
)
from ferrycli.rules.errors import FerryError
from ferrycli.rules.keys import PREFIX
from ferrycli.wire.bodies import models_body

App = Callable[[Scope, Any, Any], Awaitable[None]]


def make_app(gateway: Gateway, report: Callable[[Exception], None]) -> App:
    """The ASGI application of one gateway; `report` is told of our own defects."""
    routes = [
        Route(ChatCompletions.path, ChatCompletions(gateway)),
        Route("/v1/models", _Models(gateway)),
        Route("/healthz", _Health(gateway)),
        Route("/readyz", _Ready(gateway)),
    ]
    router = Router(routes, redirect_slashes=False, default=_NotFound(gateway))
    return _Outermost(router, report)


class _Outermost:
    """The frame around every request.

    Takes `/@tenant=acme,feature=search` off the path, for clients that set only a base URL. A
    defect of our own ends the request and nothing else: it is reported to the operator, and the
    client gets a reply in its dialect, if it can still get one.
    """

    def __init__(self, app: App, report: Callable[[Exception], None]) -> None:
        self._app = app
        self._report = report

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        raw: bytes = scope["raw_path"]
        if raw.startswith(b"/@"):
            said, _, rest = raw[2:].decode("latin-1").partition("/")
            scope = {**scope, "path": f"/{unquote(rest)}", "ferry.path": said}
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # The outermost frame of a request.
            self._report(error)
            # Where a reply has begun, uvicorn refuses another: then the connection just ends.
            with contextlib.suppress(RuntimeError):
                await send_error(send, InternalFailure(type(error).__name__), [])


class _Endpoint:
    """A small endpoint: refusals become replies."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    """Empty: any."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, _receive: Any, send: Any) -> None:
        try:
            if self.methods and scope["method"] not in self.methods:
                raise MethodNotAllowed(scope["method"], safe(scope["path"]))
            self._gateway.gate.check(scope)
            status, body = await self.answer(scope)
        except FerryError as error:
            await send_error(send, error, [])
            return
        await send_json(send, status, body, [])

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        """Status and body. May raise a refusal."""
        raise NotImplementedError


class _Models(_Endpoint):
    """What this key may call."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        key = await self._gateway.key(scope)
        now_us = self._gateway.now_us()
        key.check(now_us)
        return 200, models_body(self._gateway.snapshot().models(key, now_us))


class _Health(_Endpoint):
    """The process answers."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        await _check_reader(self._gateway, scope)
        return 200, b'{"status":"ok"}'


class _Ready(_Endpoint):
    """The ledger can write, and the server is not stopping."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        await _check_reader(self._gateway, scope)
        if self._gateway.state["stopping"]:
            return 503, b'{"status":"stopping"}'
        if self._gateway.ledger.is_failing:
            return 503, b'{"status":"ledger_unavailable"}'
        return 200, b'{"status":"ready"}'


async def _check_reader(gateway: Gateway, scope: Scope) -> None:
    """From this machine, or with a key of role `read` or `admin`."""
    if is_local(scope):
        return
    key = await gateway.key(scope)
    if key.role not in ("read", "admin"):
        raise BadKey(f"{PREFIX}…{key.last4}", "role")


class _NotFound(_Endpoint):
    """Any other path."""

    methods = ()

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        refusal: Refusal = NoSuchPath(scope["method"], safe(scope["path"]))
        raise refusal
