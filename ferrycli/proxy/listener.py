"""Hears the client leave while its call is carried.

A raw ASGI callable is not told: it would go on to the end of a stream that nobody reads. Where the
connection is ours it says so by itself; of any other server's, a task listens on `receive()`. Both
cancel the task that carries the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ferrycli.proxy.exchange import EXTENSION
from ferrycli.proxy.gate import Scope


class Listener:
    """From creation until `stop`, cancels the current task when the client leaves.

    `patience_s` is asked then: for how many seconds the task may still go on.
    """

    def __init__(self, scope: Scope, receive: Any, patience_s: Callable[[], float]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrier = task
        self._patience_s = patience_s
        self._is_over = False
        self.has_left = False
        self._ear: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None
        connection = (scope.get("extensions") or {}).get(EXTENSION)
        if connection is not None:
            connection.when_left(self._leave)
        else:
            self._ear = asyncio.create_task(self._listen(receive))

    async def _listen(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        if self._is_over:
            return
        self.has_left = True
        if (wait_s := self._patience_s()) > 0:
            self._end = asyncio.get_running_loop().call_later(wait_s, self._carrier.cancel)
        else:
            self._carrier.cancel()

    def forgive(self) -> None:
        """Take back the cancellation of a client that left: the task goes on to its end."""
        self._carrier.uncancel()

    def stop(self) -> None:
        """The reply is over: what the client does now is no leaving."""
        self._is_over = True
        if self._ear is not None:
            self._ear.cancel()
        if self._end is not None:
            self._end.cancel()
