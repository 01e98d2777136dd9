"""Brings one provider's reply to the client: an error, a whole reply, or a stream.

Bytes go on as they come; a reader taps a copy. The head of a stream waits for its first event, so
that a provider which breaks off before it, or says that it has failed, can still be replaced. What
the client got is written down in the call's `Course` as it happens, so that it is right whenever
the call ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ferrycli.proxy.closings import Course, reported_bill
from ferrycli.proxy.dispatch import Saying
from ferrycli.proxy.replies import own
from ferrycli.proxy.upstream import UpstreamReply
from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.rules.money import usd_exact
from ferrycli.wire.bodies import json_body
from ferrycli.wire.dialect import Reader
from ferrycli.wire.facts import Reading
from ferrycli.wire.headers import Headers
from ferrycli.wire.translate.parsing import OWN_VERDICTS

ERROR_BYTES_MAX = 1 << 20
"""More of a provider's error body is not passed on."""
_EVENT_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")
ERROR_REST_S = 1.0
"""What follows the error that a stream begins with is waited for no longer."""


class Delivery:
    """One reply on its way to the client."""

    def __init__(
        self,
        saying: Saying,
        admission: Admission,
        course: Course,
        now_us: Callable[[], int],
        send: Any,
        past_nanousd: int | None = 0,
    ) -> None:
        """`past_nanousd`: what attempts before this one cost; None: that is not known."""
        self._past_nanousd = past_nanousd
        self._saying = saying
        self._admission = admission
        self._course = course
        self._now_us = now_us
        self._send = send
        self._reader: Reader | None = None
        self.is_started = False
        """The client has the head of the reply: from now on nothing else can be told."""
        self._status = 200

    @property
    def is_translated(self) -> bool:
        """Whether the provider speaks another dialect than the client."""
        return self._saying.is_translated

    @property
    def is_complete(self) -> bool:
        """Whether the reply came to its own end, whatever became of the connection."""
        return self._reader is not None and self._reader.reading().is_complete

    def reading(self) -> Reading:
        """What the reply has said so far."""
        return self._reader.reading() if self._reader is not None else Reading()

    async def deliver(self, reply: UpstreamReply, disclosed: Headers) -> bytes | None:
        """Pass `reply` on to its end; the whole body of one that is no answer, kept back.

        None: it went to the client. Raises what `UpstreamReply.read` raises.
        """
        self._status = reply.status
        if 300 <= reply.status < 400:
            raise UpstreamFailed(self._saying.asked.target.provider, "it answered with a redirect")
        is_stream = _is_event_stream(reply.headers)
        headers = [*self._saying.reply_headers(reply.headers, is_stream=is_stream), *disclosed]
        if is_stream:
            return await self._deliver_stream(reply, headers)
        return await self._deliver_whole(reply, headers)

    async def read_error(self, reply: UpstreamReply) -> bytes:
        """The body of an error, as much of it as is passed on. Raises as `deliver` does."""
        reader = self._reader = self._saying.error_reader()
        size = 0
        while chunk := await reply.read():
            size += len(chunk)
            if size > ERROR_BYTES_MAX:
                break
            reader.feed(chunk)
        body = reader.finish()
        self._course.error_code = reader.reading().error_code or f"http_{reply.status}"
        self._course.outcome = "failed"
        return body

    async def pass_on(self, status: int, headers: Headers, body: bytes, disclosed: Headers) -> None:
        """What the provider said instead of an answer, status and body as they are."""
        self._status = status
        kept, told = self._saying.error(status, headers, body)
        await self._start([*kept, *disclosed, _length(told)])
        await self._finish(told)

    async def _deliver_whole(self, reply: UpstreamReply, headers: Headers) -> bytes | None:
        reader = self._reader = self._saying.reader(is_stream=False)
        while chunk := await reply.read():
            self._note_first_byte()
            if passed := reader.feed(chunk):
                await self._start(headers)
                await self._send_body(passed)
        body = reader.finish()
        reading = reader.reading()
        self._settle_outcome(reading)
        if not self.is_started:
            if self._course.outcome != "ok":
                return self._no_answer(body, reading)
            saying = self._saying
            bill = reported_bill(saying.asked, self._admission, reading, saying.card_of)
            self._course.bill = bill
            if bill is not None and bill.cost is not None and self._past_nanousd is not None:
                cost = usd_exact(bill.cost.total + self._past_nanousd)
                headers.append(own("cost-usd", cost))
            await self._start([*headers, _length(body)])
        await self._finish(body)
        return None

    async def _deliver_stream(self, reply: UpstreamReply, headers: Headers) -> bytes | None:
        reader = self._reader = self._saying.reader(is_stream=True)
        headers = [*headers, (b"cache-control", b"no-cache")]
        first = await self._first_event(reply, reader)
        if reader.has_begun and not reader.begins_with_error:
            await self._start(headers)
            if first:
                await self._send_body(first)
            first = b""
            # For every chunk of every stream: nothing that can be done once stands in here.
            read, feed, send = reply.read, reader.feed, self._send
            while chunk := await read():
                if passed := feed(chunk):
                    await send({"type": "http.response.body", "body": passed, "more_body": True})
        rest = first + reader.finish()
        self._settle_outcome(reader.reading())
        if not self.is_started:
            if self._course.outcome != "ok":
                return self._no_answer(rest, reader.reading())
            await self._start(headers)
        await self._finish(rest)
        return None

    async def _first_event(self, reply: UpstreamReply, reader: Reader) -> bytes:
        """What comes with the first event; all that comes soon, where that is an error."""
        first = b""
        while not (reader.has_begun or reader.begins_with_error):
            if not (chunk := await reply.read()):
                break
            self._note_first_byte()
            first += reader.feed(chunk)
        if reader.begins_with_error:
            first += await _rest_of_error(reader, reply)
        return first

    def _no_answer(self, body: bytes, reading: Reading) -> bytes:
        """What came instead of an answer; of a provider that speaks another dialect, its error."""
        if not self.is_translated:
            return body
        if reading.error_code not in (*OWN_VERDICTS, ""):
            said = {"code": reading.error_code, "message": reading.error_message}
            return json_body({"error": said})
        self._course.outcome, self._course.error_code = "cut", ""
        return body

    def _settle_outcome(self, reading: Reading) -> None:
        """How a reply ended that its provider has ended."""
        if reading.error_code:
            self._course.outcome, self._course.error_code = "failed", reading.error_code
        elif reading.is_complete or reading.finish_reason:
            self._course.outcome = "ok"
        else:
            self._course.outcome = "cut"

    def _note_first_byte(self) -> None:
        if self._course.first_byte_at is None:
            self._course.first_byte_at = self._now_us()

    async def _start(self, headers: Headers) -> None:
        if self.is_started:
            return
        self.is_started = True
        self._course.status = self._status
        start = {"type": "http.response.start", "status": self._status, "headers": headers}
        await self._send(start)

    async def _send_body(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _finish(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body})


async def _rest_of_error(reader: Reader, reply: UpstreamReply) -> bytes:
    """What follows the error that a stream begins with, as far as it comes soon."""
    rest = b""
    with contextlib.suppress(TimeoutError, UpstreamFailed, UpstreamTimeout):
        async with asyncio.timeout(ERROR_REST_S):
            while chunk := await reply.read():
                rest += reader.feed(chunk)
                if len(rest) > ERROR_BYTES_MAX:
                    break
    return rest


def _is_event_stream(headers: Headers) -> bool:
    return any(
        name.lower() == b"content-type" and value.lower().startswith(_EVENT_STREAMS)
        for name, value in headers
    )


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()
