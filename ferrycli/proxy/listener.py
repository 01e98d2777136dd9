"""Ends a call from outside: its client has left, or its time is up.

A raw ASGI callable is not told of a client that leaves: it would go on to the end of a stream that
nobody reads. Where the connection is ours it says so by itself; of any other server's, a task
listens on `receive()`. Whatever ends the call cancels the task that carries it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ferrycli.proxy.exchange import EXTENSION
from ferrycli.proxy.gate import Scope


class Listener:
    """From creation until `stop`, cancels the current task when the client leaves, or after a time.

    `patience_s` is asked when the client leaves: for how many seconds the task may still go on.
    `total_s`: how long it may go on at all.
    """

    def __init__(
        self, scope: Scope, receive: Any, patience_s: Callable[[], float], total_s: float
    ) -> None:
        connection = (scope.get("extensions") or {}).get(EXTENSION)
        # Asking asyncio which task this is costs as much as all the rest of this.
        task = asyncio.current_task() if connection is None else connection.carrier
        assert task is not None
        self._carrier: asyncio.Task[Any] = task
        self._patience_s = patience_s
        self._is_over = False
        self.has_left = False
        self.is_late = False
        """Its time was up, before anything else ended it."""
        self._ear: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._loop = task.get_loop()
        # Not `asyncio.timeout`, which costs five times as much for every call.
        self._deadline = self._loop.call_later(total_s, self._be_late)
        if connection is not None:
            connection.when_left(self._leave)
        else:
            self._ear = asyncio.create_task(self._listen(receive))

    async def _listen(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        if self._is_over or self.is_late:
            return
        self.has_left = True
        if (wait_s := self._patience_s()) > 0:
            self._end = self._loop.call_later(wait_s, self._carrier.cancel)
        else:
            self._carrier.cancel()

    def _be_late(self) -> None:
        # A client that has left is waited for no longer than its reply may take.
        self.is_late = not self.has_left
        self._carrier.cancel()

    def forgive(self) -> None:
        """Take back the cancellation: the task goes on to its end."""
        self._carrier.uncancel()

    def stop(self) -> None:
        """The reply is over: what the client does now is no leaving."""
        self._is_over = True
        self._deadline.cancel()
        if self._ear is not None:
            self._ear.cancel()
        if self._end is not None:
            self._end.cancel()
