"""The provider that every measurement calls: a process that answers out of bytes made beforehand.

Built to cost little, so that it is not what is measured. It says its port on stdout and ends when
its stdin does, so that it cannot outlive what started it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from typing import Any

import httptools
import uvloop

HOST = "127.0.0.1"
BACKLOG = 2_048

AT_ONCE, LATE = "m-at-once", "m-late"
"""Models: one is answered at once, the other after `LATE_S`."""
LATE_S = 0.05

INPUT_TOKENS, OUTPUT_TOKENS = 240, 50
TEXT_EVENTS = 50

_HEAD = {"id": "chatcmpl-bench", "created": 1_795_000_000, "model": "m-1"}
_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def whole_body() -> bytes:
    """A reply in one piece, of about 1 KB, with its usage."""
    message = {"role": "assistant", "content": "measured " * 65, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    kind = {"object": "chat.completion", "service_tier": "default"}
    return json.dumps({**_HEAD, **kind, "choices": [choice], "usage": _USAGE}).encode()


def stream_events() -> list[bytes]:
    """A reply in pieces: `TEXT_EVENTS` of text, the end, the usage, and `[DONE]`."""
    head = {**_HEAD, "object": "chat.completion.chunk", "service_tier": "default", "usage": None}
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"content": f" word{number}"}, None) for number in range(TEXT_EVENTS)
    ]
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        for delta, end in [*deltas, ({}, "stop")]
    ]
    chunks.append({**head, "choices": [], "usage": _USAGE})
    return [b"data: %s\n\n" % text.encode() for text in [*map(json.dumps, chunks), "[DONE]"]]


def _whole_reply() -> bytes:
    body = whole_body()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _stream_reply() -> list[bytes]:
    """What is written at each turn of the loop: an event, framed, and its neighbours' frames."""
    frames = [b"%x\r\n%s\r\n" % (len(event), event) for event in stream_events()]
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    frames[0] = head + frames[0]
    frames[-1] += b"0\r\n\r\n"
    return frames


class _Provider(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    def __init__(self, whole: bytes, stream: list[bytes]) -> None:
        self._whole, self._stream = whole, stream
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._sent = 0

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = self._begin_stream if b'"stream":true' in self._body else self._answer_whole
        if LATE.encode() in self._body:
            self._loop.call_later(LATE_S, answer)
        else:
            answer()

    def _answer_whole(self) -> None:
        self._transport.write(self._whole)

    def _begin_stream(self) -> None:
        self._sent = 0
        self._stream_on()

    def _stream_on(self) -> None:
        # One event a turn: the loop sends what one turn has written as one piece.
        self._transport.write(self._stream[self._sent])
        self._sent += 1
        if self._sent < len(self._stream) and not self._transport.is_closing():
            self._loop.call_soon(self._stream_on)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    whole, stream = _whole_reply(), _stream_reply()
    server = await loop.create_server(lambda: _Provider(whole, stream), HOST, 0, backlog=BACKLOG)
    is_over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), is_over.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    await is_over.wait()


if __name__ == "__main__":
    gc.disable()
    uvloop.run(_serve())
