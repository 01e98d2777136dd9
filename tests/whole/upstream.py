"""An upstream that is not ferry's code: a small HTTP/1.1 server that counts what it bills.

What it answers is told by the request's `metadata`: `in`, `out`, `cached` (tokens), `chunks`,
`delay_ms` (between chunks), `answer` (a status, `cut`, `garbage`, `silent`). It keeps every
request that it saw and when its connection ended. An answer that it has begun it bills whole, read
to its end or not, as providers may.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferrycli.rules.pricing import ceil_cost
from tests.whole.listening import Listening
from tests.whole.server import CACHED_RATE, INPUT_RATE, OUTPUT_RATE

Prices = Mapping[str, tuple[int, int]]
"""Model to nano-dollars per million tokens, of input and of output."""


@dataclass
class Seen:
    """One request as it came in."""

    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    chunks_sent: int = 0
    is_finished: bool = False
    left_at: float | None = None
    """When the connection was found closed before the reply's end (monotonic seconds)."""
    sent: bytearray = field(default_factory=bytearray)
    """The reply's body as it was sent."""
    at: float = field(default_factory=time.monotonic)
    """When it came (monotonic seconds)."""

    @property
    def wish(self) -> dict[str, str]:
        """The request's `metadata`: what is to be answered, and whom the call is for."""
        return self.body.get("metadata") or {}

    @property
    def model(self) -> str:
        """The model, as it was asked of this provider."""
        return str(self.body["model"])

    @property
    def output_max(self) -> int:
        """The bound on the answer that came with the request."""
        bound = self.body.get("max_completion_tokens") or self.body.get("max_tokens")
        return int(bound or 10**9)

    @property
    def is_cut(self) -> bool:
        """Whether there was an answer that would have been longer than it might."""
        return 0 < self.completion_tokens < int(self.wish.get("out", "20"))

    def bill(self, prices: Prices | None = None) -> int:
        """What it is billed at, in nano-dollars; by default at the prices of `server.config`."""
        input_rate, output_rate = (prices or {}).get(self.model, (INPUT_RATE, OUTPUT_RATE))
        fresh = self.prompt_tokens - self.cached_tokens
        return (
            ceil_cost(fresh, input_rate)
            + ceil_cost(self.cached_tokens, CACHED_RATE)
            + ceil_cost(self.completion_tokens, output_rate)
        )

    def use(self) -> None:
        """Count the tokens of a whole answer: from here on it is billed."""
        self.prompt_tokens = int(self.wish.get("in", "100"))
        self.cached_tokens = int(self.wish.get("cached", "0"))
        self.completion_tokens = min(int(self.wish.get("out", "20")), self.output_max)


def billed(seen: Iterable[Seen], prices: Prices | None = None, **wanted: str) -> int:
    """What is billed, in nano-dollars, for the requests whose `metadata` says all of `wanted`."""
    return sum(
        one.bill(prices)
        for one in list(seen)
        if all(one.wish.get(name) == value for name, value in wanted.items())
    )


class Upstream(Listening):
    """Runs in a thread of its own, with a loop of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in lines[1:] if ": " in line)
                headers = {name.lower(): value for name, value in pairs}
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                seen = Seen(json.loads(raw), raw, headers)
                self.seen.append(seen)
                if not await self._answer(seen, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        wish = seen.wish
        answer = wish.get("answer", "")
        if answer.isdigit():
            error = {"error": {"message": "as asked", "type": "server_error", "code": "asked"}}
            _write_whole(writer, int(answer), json.dumps(error).encode(), seen)
            return True
        if answer == "garbage":
            _write_whole(writer, 200, b'{"id": "half', seen)
            return True
        if answer == "silent":
            return False
        seen.use()
        if seen.body.get("stream"):
            return await self._stream(seen, wish, reader, writer)
        await asyncio.sleep(int(wish.get("delay_ms", "0")) / 1000)
        _write_whole(writer, 200, json.dumps(completion(seen), indent=1).encode(), seen)
        await writer.drain()
        seen.is_finished = True
        return True

    async def _stream(
        self,
        seen: Seen,
        wish: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"x-request-id: req_up\r\nset-cookie: secret=1\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        gone = asyncio.ensure_future(_closed(reader))
        for event in events(seen, int(wish.get("chunks", "5"))):
            if gone.done():
                seen.left_at = time.monotonic()
                return False
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            seen.sent += event
            seen.chunks_sent += 1
            await writer.drain()
            if wish.get("answer") == "cut" and seen.chunks_sent == 3:
                gone.cancel()
                return False
            waiting = asyncio.ensure_future(asyncio.sleep(int(wish.get("delay_ms", "0")) / 1000))
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        gone.cancel()
        # Before the client may ask again: two readers must not wait on one connection.
        await asyncio.wait({gone})
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        seen.is_finished = True
        return wish.get("answer") != "close" and gone.cancelled()


async def _closed(reader: asyncio.StreamReader) -> None:
    """Return when the other side has closed, however it did."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)


def _usage(seen: Seen) -> dict[str, Any]:
    return {
        "prompt_tokens": seen.prompt_tokens,
        "completion_tokens": seen.completion_tokens,
        "total_tokens": seen.prompt_tokens + seen.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": seen.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _finish(seen: Seen) -> str:
    return "length" if seen.is_cut else "stop"


def completion(seen: Seen) -> dict[str, Any]:
    message = {"role": "assistant", "content": "word " * seen.completion_tokens, "refusal": None}
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": f"{seen.body['model']}-2026-11-01",
        "service_tier": "default",
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(seen)}
        ],
        "usage": _usage(seen),
    }


def events(seen: Seen, chunks: int) -> list[bytes]:
    """`chunks` pieces of text, the end, the usage if it was asked for, and `[DONE]`."""
    asked = bool((seen.body.get("stream_options") or {}).get("include_usage"))
    head = {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": f"{seen.body['model']}-2026-11-01",
        "service_tier": "default",
    }
    if asked:
        head["usage"] = None
    deltas: list[dict[str, Any]] = [{"delta": {"content": f"wörd {n} "}} for n in range(chunks)]
    deltas[0]["delta"]["role"] = "assistant"
    deltas.append({"delta": {}, "finish_reason": _finish(seen)})
    told = [{**head, "choices": [{"index": 0, "finish_reason": None, **d}]} for d in deltas]
    if asked:
        told.append({**head, "choices": [], "usage": _usage(seen)})
    lines = [json.dumps(event, ensure_ascii=False).encode() for event in told]
    return [b"data: " + line + b"\n\n" for line in [*lines, b"[DONE]"]]


def _write_whole(writer: asyncio.StreamWriter, status: int, body: bytes, seen: Seen) -> None:
    seen.sent += body
    writer.write(
        b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nset-cookie: a=b\r\n"
        b"content-length: %d\r\n\r\n" % (status, len(body)) + body
    )
