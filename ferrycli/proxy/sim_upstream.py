"""The simulated provider behind the same seam as real ones: replies in process, with delays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ferrycli.proxy.upstream import Attempt
from ferrycli.rules.denials import UpstreamFailed
from ferrycli.sim.provider import Reply, Simulator
from ferrycli.wire.headers import Headers


class SimUpstream:
    """Answers with made-up text; nothing leaves the process."""

    def __init__(self, simulator: Simulator, now_us: Callable[[], int]) -> None:
        self._simulator = simulator
        self._now_us = now_us

    async def open(self, attempt: Attempt) -> SimReply:
        """As `Upstream.open`."""
        now_s = self._now_us() // 1_000_000
        reply = self._simulator.answer(attempt.path, attempt.body, now_s)
        return SimReply(reply, attempt.provider.name)

    async def close(self) -> None:
        """As `Upstream.close`."""


class SimReply:
    """A simulated reply, at its pace."""

    def __init__(self, reply: Reply, provider: str) -> None:
        self._reply = reply
        self._provider = provider
        self._chunks = iter(reply.chunks)

    @property
    def status(self) -> int:
        """As `UpstreamReply.status`."""
        return self._reply.status

    @property
    def headers(self) -> Headers:
        """As `UpstreamReply.headers`."""
        return [(name.encode(), value.encode()) for name, value in self._reply.headers]

    async def read(self) -> bytes:
        """As `UpstreamReply.read`."""
        for chunk in self._chunks:
            if chunk.delay_ms:
                await asyncio.sleep(chunk.delay_ms / 1000)
            if chunk.data:
                return chunk.data
        if self._reply.is_cut:
            raise UpstreamFailed(self._provider, "it ended before the reply did")
        return b""

    async def close(self) -> None:
        """As `UpstreamReply.close`."""
