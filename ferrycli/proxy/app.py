"""The paths of the server. Everything that is not named here is refused: no unmetered route."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.routing import Route, Router

from ferrycli.proxy.conductor import Calls
from ferrycli.proxy.endpoints import (
    CallReceipt,
    Health,
    Me,
    Model,
    Models,
    NotFound,
    Ready,
    Root,
)
from ferrycli.proxy.events import EventsTold
from ferrycli.proxy.gate import Scope
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.replies import dialect_of, send_error
from ferrycli.rules.denials import InternalFailure
from ferrycli.wire.entries import ENTRIES, apart

App = Callable[[Scope, Any, Any], Awaitable[None]]


def make_app(gateway: Gateway, report: Callable[[Exception], None]) -> App:
    """The ASGI application of one gateway; `report` is told of our own defects."""
    routes = [
        # Before the calls, some of which are posted to the same paths.
        *(
            Route(f"/{version}/models/{{id:path}}", Model(gateway), methods=["GET", "HEAD"])
            for version in ("v1", "v1beta")
        ),
        Route("/", Root(gateway)),
        Route("/v1/models", Models(gateway)),
        Route("/v1beta/models", Models(gateway)),
        Route(EventsTold.path, EventsTold(gateway)),
        Route("/ferry/v1/me", Me(gateway)),
        Route("/ferry/v1/calls/{id}", CallReceipt(gateway)),
        Route("/healthz", Health(gateway)),
        Route("/readyz", Ready(gateway)),
        # After what is named whole: a model's name may be any path.
        *(Route(entry.path, Calls(gateway, entry)) for entry in ENTRIES),
    ]
    router = Router(routes, redirect_slashes=False, default=NotFound(gateway))
    # The first of a path, as the router has it.
    direct = {one.path: one.app for one in reversed(routes) if not one.param_convertors}
    return _Outermost(router, direct, report)


class _Outermost:
    """The frame around every request.

    Takes `/@tenant=acme,feature=search` off the path, for clients that set only a base URL. A
    defect of our own ends the request and nothing else: it is reported to the operator, and the
    client gets a reply in its dialect, if it can still get one.
    """

    def __init__(
        self, router: App, direct: Mapping[str, App], report: Callable[[Exception], None]
    ) -> None:
        """`direct`: endpoints of paths that are whole, which the router need not look for."""
        self._router = router
        self._direct = direct
        self._report = report

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["raw_path"].startswith(b"/@"):
            said, path = apart(scope["raw_path"])
            scope = {**scope, "path": path, "ferry.path": said}
        try:
            await self._direct.get(scope["path"], self._router)(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # The outermost frame of a request.
            self._report(error)
            # Where a reply has begun, uvicorn refuses another: then the connection just ends.
            with contextlib.suppress(RuntimeError):
                dialect = dialect_of(scope)
                await send_error(send, InternalFailure(type(error).__name__), [], dialect=dialect)
