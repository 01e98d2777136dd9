"""The provider that every measurement calls: a process that answers out of bytes made beforehand.

Built to cost little, so that it is not what is measured. It reads `Behaviour` as JSON from its one
argument, says its ports on stdout (plain, then TLS where it has a certificate) and ends when its
stdin does, so that it cannot outlive what started it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
import uvloop

from bench.replies import (
    ENCRYPTED,
    FLOOD,
    FLOOD_BYTES,
    HOST,
    LATE,
    LATE_S,
    SENT,
    STREAMS,
    TEXT_TICK,
    TICKS,
    WHOLE,
    stream_events,
    text_event,
    whole_body,
)

BACKLOG = 2_048
FLOOD_EVENT_BYTES = 1_000
_WRITE_BYTES_MAX = 1 << 16
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
# Gateways that write the request anew put a space behind the colon.
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What is not the same in every measurement."""

    tick_s: float = 0.02
    tick_events: int = 100
    certificate: str = ""
    """A file that holds it, and its key in `private_key`; "": no TLS."""
    private_key: str = ""


class _Replies:
    """The bytes of every reply, and how much of the last flood could be sent."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.whole = _in_one_piece(whole_body())
        self.streams = {
            model: _framed_stream(stream_events(count)) for model, count in STREAMS.items()
        }
        self.tick_s, self.tick_events = behaviour.tick_s, behaviour.tick_events
        event = text_event(TEXT_TICK)
        self.tick = _frame(event, len(event % 0) - len(event))
        self.ending = b"".join(map(_frame, stream_events(0))) + _END
        events = [text_event("x" * FLOOD_EVENT_BYTES)] * (_WRITE_BYTES_MAX // FLOOD_EVENT_BYTES)
        self.flood = b"".join(map(_frame, events))
        self.flood_sent = 0
        self.flooded: object = None
        """The connection that asked for the last flood: an older one may still be read."""


def _in_one_piece(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _frame(event: bytes, longer: int = 0) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event) + longer, event)


def _framed_stream(events: list[bytes]) -> list[bytes]:
    """What is written at each turn of the loop: an event, framed, and its neighbours' frames."""
    frames = list(map(_frame, events))
    frames[0] = _STREAM_HEAD + frames[0]
    frames[-1] += _END
    return frames


class _Provider(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    def __init__(self, replies: _Replies) -> None:
        self._replies = replies
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._sent = 0
        self._stream: list[bytes] = []
        self._is_flooding = self._is_paused = False
        self._answers: dict[bytes, Callable[[], None]] = {
            name.encode(): answer
            for name, answer in {
                WHOLE: self._answer_whole,
                ENCRYPTED: self._answer_whole,
                LATE: self._answer_later,
                TICKS: self._begin_ticks,
                FLOOD: self._begin_flood,
                SENT: self._answer_sent,
            }.items()
        }

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._transport.set_write_buffer_limits(_WRITE_BYTES_MAX)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._answers.clear()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        found = _MODEL.search(self._body)
        model = found[1] if found else b""
        if (answer := self._answers.get(model)) is not None:
            answer()
        elif (stream := self._replies.streams.get(model.decode())) is not None:
            self._stream = stream
            self._sent = 0
            self._stream_on()
        else:
            # Some gateways look around at an upstream before they are asked for anything.
            self._transport.write(_NOT_FOUND)

    def _answer_whole(self) -> None:
        self._transport.write(self._replies.whole)

    def _answer_later(self) -> None:
        self._loop.call_later(LATE_S, self._answer_whole)

    def _answer_sent(self) -> None:
        body = json.dumps({"sent": self._replies.flood_sent}).encode()
        self._transport.write(_in_one_piece(body))

    def _stream_on(self) -> None:
        # One event a turn: the loop sends what one turn has written as one piece.
        self._transport.write(self._stream[self._sent])
        self._sent += 1
        if self._sent < len(self._stream) and not self._transport.is_closing():
            self._loop.call_soon(self._stream_on)

    def _begin_ticks(self) -> None:
        self._transport.write(_STREAM_HEAD)
        self._sent = 0
        self._tick_on(self._loop.time())

    def _tick_on(self, due_s: float) -> None:
        replies = self._replies
        if self._transport.is_closing():
            return
        if self._sent == replies.tick_events:
            self._transport.write(replies.ending)
            return
        self._transport.write(replies.tick % time.monotonic_ns())
        self._sent += 1
        due_s += replies.tick_s
        self._loop.call_at(due_s, self._tick_on, due_s)

    def _begin_flood(self) -> None:
        self._replies.flood_sent = self._sent = 0
        self._replies.flooded = self
        self._transport.write(_STREAM_HEAD)
        self._is_flooding = True
        self._flood_on()

    def _flood_on(self) -> None:
        """Write until the socket takes no more; what is still in our hands is not sent."""
        replies, transport = self._replies, self._transport
        while self._is_flooding and not self._is_paused and not transport.is_closing():
            transport.write(replies.flood)
            self._sent += len(replies.flood)
            if replies.flooded is self:
                replies.flood_sent = self._sent - transport.get_write_buffer_size()
            if self._sent >= FLOOD_BYTES:
                transport.write(replies.ending)
                self._is_flooding = False

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._is_flooding:
            self._loop.call_soon(self._flood_on)


async def _serve(behaviour: Behaviour) -> None:
    loop = asyncio.get_running_loop()
    replies = _Replies(behaviour)
    server = await loop.create_server(lambda: _Provider(replies), HOST, 0, backlog=BACKLOG)
    servers = [server]
    if behaviour.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(behaviour.certificate, behaviour.private_key)
        servers.append(
            await loop.create_server(
                lambda: _Provider(replies), HOST, 0, backlog=BACKLOG, ssl=context
            )
        )
    is_over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), is_over.set)
    print(*(each.sockets[0].getsockname()[1] for each in servers), flush=True)
    await is_over.wait()


if __name__ == "__main__":
    gc.disable()
    uvloop.run(_serve(Behaviour(**json.loads(sys.argv[1]))))
