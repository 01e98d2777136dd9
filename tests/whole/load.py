"""Clients in parallel over plain sockets: calls of every kind, and what each was told.

Everything is drawn from one seeded source, so that a run can be told from its seed. A client may
leave in the middle of a stream; a call is one connection, and nobody tries again by himself.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

CALL_S_MAX = 90.0
READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Shot:
    """One call that is to be made."""

    secret: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    leaves_after: int | None = None
    """After how many events of a stream the client closes its connection; None: it stays."""


@dataclass
class Reply:
    """What one client was told."""

    shot: Shot
    status: int = 0
    """0: no answer came, or only a part of its head."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False
    """The reply came to its end as HTTP has it."""
    has_left: bool = False
    """The client closed its connection before that."""
    began: float = 0.0
    ended: float = 0.0
    """Monotonic seconds."""

    @property
    def seconds(self) -> float:
        """From the connection to the reply's end."""
        return self.ended - self.began

    @property
    def number(self) -> str:
        """The call's own number, as its `metadata` has it."""
        return str(json.loads(self.shot.body)["metadata"].get("n", ""))

    @property
    def is_answered(self) -> bool:
        """Whether the whole answer is there."""
        return self.status == 200 and self.is_whole and bool(self.finish_reason)

    @property
    def is_cut(self) -> bool:
        """Whether the answer ended at a bound."""
        return self.finish_reason == "length"

    @cached_property
    def finish_reason(self) -> str:
        """The last one that the reply names; empty where none."""
        found = ""
        for part in self._parts():
            for choice in part.get("choices") or ():
                found = choice.get("finish_reason") or found
        return found

    @cached_property
    def error(self) -> dict[str, Any]:
        """The `error` object of a refusal."""
        if self.status < 400 or not self.body.startswith(b"{"):
            return {}
        error = json.loads(self.body).get("error")
        return error if isinstance(error, dict) else {}

    @property
    def code(self) -> str:
        """The refusal's code."""
        return str(self.error.get("code") or "")

    @property
    def facts(self) -> dict[str, Any]:
        """What ferry says of its refusal, for programs."""
        return self.error.get("ferry") or {}

    def _parts(self) -> Iterable[dict[str, Any]]:
        if self.body.startswith(b"{") and self.is_whole:
            yield json.loads(self.body)
            return
        for line in self.body.split(b"\n"):
            if line.startswith(b"data: {") and line.endswith(b"}"):
                yield json.loads(line[6:])


@dataclass(frozen=True, slots=True)
class Mix:
    """What calls are like. Tokens of answers are lognormal, as real ones are."""

    streams: float = 0.5
    """Shares of calls."""
    leaves: float = 0.0
    """Of the streams: clients that leave in their middle."""
    opens: float = 0.5
    """Calls that set no limit on the answer, or only one that means none."""
    open_limit: int | None = None
    """The limit that these set all the same."""
    limits: tuple[int, ...] = (300, 600, 1_200)
    """What the others set."""
    output_median: float = 250.0
    output_sigma: float = 0.85
    output_max: int = 6_000
    delay_ms_max: int = 12

    def body(self, dice: random.Random, model: str, who: Mapping[str, str]) -> dict[str, Any]:
        """A request's body; `who` goes into its `metadata`, for ferry and the upstream alike."""
        text = "x" * dice.randrange(40, 400)
        drawn = dice.lognormvariate(0, self.output_sigma) * self.output_median
        output = max(5, min(round(drawn), self.output_max))
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
        if dice.random() < self.streams:
            body["stream"] = True
        limit = self.open_limit if dice.random() < self.opens else dice.choice(self.limits)
        if limit is not None:
            body["max_tokens"] = limit
        body["metadata"] = {
            # A token is never shorter than a byte, and seldom longer than four.
            "in": str(dice.randrange(len(text) // 6, len(text) // 2 + 10)),
            "out": str(output),
            "chunks": "4",
            "delay_ms": str(dice.randrange(self.delay_ms_max + 1)),
            **who,
        }
        return body

    def shot(
        self,
        dice: random.Random,
        secret: str,
        model: str,
        who: Mapping[str, str],
        headers: Sequence[tuple[str, str]] = (),
    ) -> Shot:
        """A call with all that was drawn for it."""
        body = self.body(dice, model, who)
        leaves = dice.random() < self.leaves and "stream" in body
        after = dice.randrange(1, 4) if leaves else None
        return Shot(secret, json.dumps(body).encode(), tuple(headers), after)


async def call(port: int, shot: Shot) -> Reply:
    """Make one call. What breaks is a reply that is not whole; nothing is raised."""
    reply = Reply(shot, began=time.monotonic())
    try:
        async with asyncio.timeout(CALL_S_MAX):
            await _exchange(port, shot, reply)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        pass
    reply.ended = time.monotonic()
    return reply


async def _exchange(port: int, shot: Shot, reply: Reply) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        told = {
            "host": f"127.0.0.1:{port}",
            "authorization": f"Bearer {shot.secret}",
            "content-type": "application/json",
            "content-length": str(len(shot.body)),
            "connection": "close",
        }
        lines = [f"{name}: {value}" for name, value in [*told.items(), *shot.headers]]
        head = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines, "", ""])
        writer.write(head.encode() + shot.body)
        await _read(reader, reply, shot.leaves_after)
        if reply.has_left:
            writer.transport.abort()
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, reply: Reply, leaves_after: int | None) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    reply.headers = {name.lower(): value.strip() for name, value in pairs}
    reply.status = int(first.split()[1])
    body = bytearray()
    try:
        async for part in _body(reader, reply.headers):
            body += part
            if leaves_after is not None and body.count(b"\n\n") >= leaves_after:
                reply.has_left = True
                return
        reply.is_whole = True
    finally:
        reply.body = bytes(body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The parts of a body as they come. Raises `IncompleteReadError` where it is cut short."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif "content-length" in headers:
        left = int(headers["content-length"])
        while left:
            part = await reader.read(min(left, READ_BYTES))
            if not part:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(part)
            yield part
    else:
        while part := await reader.read(READ_BYTES):
            yield part


async def volley(
    port: int,
    shots: Sequence[Shot],
    parallel: int = 1_000,
    heard: Callable[[Reply], None] | None = None,
) -> list[Reply]:
    """Make all calls, so many at a time; the replies in the order of `shots`.

    `heard` is told each as it ends.
    """
    turns = asyncio.Semaphore(parallel)

    async def one(shot: Shot) -> Reply:
        async with turns:
            reply = await call(port, shot)
        if heard is not None:
            heard(reply)
        return reply

    return await asyncio.gather(*(one(shot) for shot in shots))


def fire(port: int, shots: Sequence[Shot], parallel: int = 1_000) -> list[Reply]:
    """`volley` from where no loop runs."""
    return asyncio.run(volley(port, shots, parallel))
