"""What a client gets of a stream, and when: chunks in, messages out, at every cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ferrycli.proxy.closings import Course
from ferrycli.proxy.delivery import ERROR_BYTES_MAX, Delivery
from ferrycli.proxy.dispatch import Request, Saying
from ferrycli.proxy.questions import Asked
from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.rules.errors import FerryError
from ferrycli.rules.routing import Target
from ferrycli.wire.bodies import error_text
from ferrycli.wire.dialect import NOWHERE
from ferrycli.wire.entries import ENTRIES
from ferrycli.wire.facts import Facts
from ferrycli.wire.headers import Headers
from ferrycli.wire.sse import EVENT_BYTES_MAX
from ferrycli.wire.ways import Way
from tests.changed import replace
from tests.proxy.test_closings import asked

ERROR = b'data: {"error":{"message":"Busy.","type":"overloaded_error"}}\n\n'
NAMED = b'event: error\ndata: {"type":"error",\ndata: "error":{"type":"overloaded_error"}}\n\n'
WORD = b'data: {"choices":[{"delta":{"content":"w\xc3\xb6rd"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
COMMENT = b": OPENROUTER PROCESSING\n\n"


@dataclass
class Stream:
    """A reply with status 200."""

    pieces: Sequence[bytes]
    breaks: Exception | None = None
    """How it ends after them; None: well, unless it is `endless`."""
    endless: bool = False
    """Nothing more comes, and it stays open."""
    status: int = 200
    headers: Headers = field(default_factory=lambda: [(b"content-type", b"text/event-stream")])
    come: int = 0
    """Pieces that have come."""

    async def read(self) -> bytes:
        if self.come < len(self.pieces):
            self.come += 1
            return self.pieces[self.come - 1]
        if self.breaks is not None:
            raise self.breaks
        if self.endless:
            await asyncio.Event().wait()
        return b""

    async def close(self) -> None:
        """There is nothing to let go of."""


class Unpriced:
    """As much of a gateway as a reply asks for: what other models cost."""

    def snapshot(self) -> Unpriced:
        return self

    def card(self, _target: Target, _now_us: int) -> None:
        """Nothing has a price."""


def saying(call: Asked) -> Saying:
    """A call of a client of chat completions at a provider that speaks them."""
    gateway: Any = Unpriced()
    request = Request(gateway, ENTRIES[0], NOWHERE, [], b"", b"{}", call.facts)
    return Saying(request, call, Way("chat", "/chat/completions"))


@dataclass
class Told:
    """What came of a stream."""

    stream: Stream
    wants_usage: bool = True
    course: Course = field(default_factory=lambda: Course(True, 200))
    kept: bytes | None = None
    """The whole of it, where it is no answer."""
    started_after: int | None = None
    """Pieces that had come when the client got the head of the reply; None: it got none."""
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    """What the client got, each with the pieces that had come by then."""
    failed: FerryError | None = None

    def __post_init__(self) -> None:
        call = replace(asked(), facts=Facts("m", is_stream=True, wants_usage=self.wants_usage))
        delivery = Delivery(saying(call), Admission(0), self.course, lambda: 7, self._send)
        try:
            self.kept = asyncio.run(delivery.deliver(self.stream, []))
        except FerryError as error:
            self.failed = error
        self.reading = delivery.reading()

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.started_after = self.stream.come
        elif message["body"]:
            self.sent.append((self.stream.come, message["body"]))

    @property
    def body(self) -> bytes:
        return b"".join(body for _, body in self.sent)


def crlf(event: bytes) -> bytes:
    return event.replace(b"\n", b"\r\n")


def cuts(whole: bytes) -> list[list[bytes]]:
    """`whole` in two at every byte, and in single bytes."""
    return [
        *([whole[:at], whole[at:]] for at in range(1, len(whole))),
        [whole[at : at + 1] for at in range(len(whole))],
    ]


@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("event", [WORD, crlf(WORD), WORD.replace(b"\n", b"\r")])
def test_client_gets_nothing_before_the_first_event_is_whole(
    event: bytes, wants_usage: bool
) -> None:
    for pieces in cuts(event):
        told = Told(Stream([*pieces, END, DONE]), wants_usage)
        assert (told.kept, told.course.outcome) == (None, "ok")
        assert told.body == event + END + DONE
        # A CR at the end may be half of a CRLF: what follows shows it.
        assert told.started_after in (len(pieces), len(pieces) + event.endswith(b"\r"))
        assert told.started_after == told.sent[0][0]


@pytest.mark.parametrize("piece", [b"d", b"data: {", WORD[:-1], b"\n\n", b"\r\n\r\nevent: x\n"])
def test_stream_that_breaks_before_its_first_event_can_still_be_replaced(piece: bytes) -> None:
    told = Told(Stream([piece], UpstreamFailed("up", "the connection broke")))
    assert told.failed is not None
    assert (told.started_after, told.sent) == (None, [])


@pytest.mark.parametrize("wants_usage", [True, False])
def test_bytes_after_the_first_event_go_out_as_they_come(wants_usage: bool) -> None:
    pieces = [WORD[:9], WORD[9:] + END[:5], END[5:], DONE]
    told = Told(Stream(pieces), wants_usage)
    if wants_usage:
        assert told.sent == [(2, WORD + END[:5]), (3, END[5:]), (4, DONE)]
    else:
        assert told.sent == [(2, WORD), (3, END), (4, DONE)]


@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("event", [ERROR, NAMED, crlf(ERROR), crlf(NAMED), b"\n" + ERROR])
def test_error_that_a_stream_begins_with_is_kept_back_wherever_it_is_cut(
    event: bytes, wants_usage: bool
) -> None:
    for pieces in cuts(event + DONE):
        told = Told(Stream(pieces), wants_usage)
        assert (told.started_after, told.kept) == (None, event + DONE)
        assert (told.course.outcome, told.course.error_code) == ("failed", "overloaded_error")
        assert error_text(told.kept or b"")[0] == "overloaded_error"


@pytest.mark.parametrize("wants_usage", [True, False])
def test_comment_begins_the_reply_and_an_error_after_it_is_passed_on(wants_usage: bool) -> None:
    for pieces in cuts(COMMENT + ERROR):
        told = Told(Stream(pieces), wants_usage)
        assert (told.started_after, told.kept) == (1, None)
        assert told.body == COMMENT + ERROR
        assert (told.course.outcome, told.course.error_code) == ("failed", "overloaded_error")


@pytest.mark.parametrize("wants_usage", [True, False])
def test_error_after_the_first_event_is_passed_on(wants_usage: bool) -> None:
    for pieces in cuts(WORD + ERROR):
        told = Told(Stream(pieces), wants_usage)
        assert (told.kept, told.body) == (None, WORD + ERROR)
        assert (told.course.outcome, told.course.error_code) == ("failed", "overloaded_error")


def test_what_follows_an_error_is_kept_too_and_is_not_waited_for() -> None:
    for stream in (
        Stream([ERROR, DONE], endless=True),
        Stream([ERROR, DONE], UpstreamFailed("up", "the connection broke")),
        Stream([ERROR, DONE], UpstreamTimeout("up", "idle", 0.5)),
    ):
        told = Told(stream)
        assert (told.kept, told.course.error_code) == (ERROR + DONE, "overloaded_error")
    told = Told(Stream([ERROR, *[WORD] * (2 * ERROR_BYTES_MAX // len(WORD))]))
    assert told.kept is not None
    assert len(told.kept) <= len(ERROR) + ERROR_BYTES_MAX + len(WORD)


@pytest.mark.parametrize(
    ("body", "code"),
    [(ERROR[:-2], "overloaded_error"), (WORD[:-9], ""), (b"<html>", ""), (b"\n\n", "")],
)
def test_stream_that_ends_before_an_event_is_whole_is_no_answer(body: bytes, code: str) -> None:
    told = Told(Stream([body]))
    assert (told.started_after, told.kept) == (None, body)
    assert told.course.error_code == code


def test_empty_stream_is_no_answer() -> None:
    told = Told(Stream([]))
    assert (told.started_after, told.kept) == (None, b"")


def test_event_without_an_end_goes_out_once_it_is_too_long() -> None:
    told = Told(Stream([b"data: " + b"x" * EVENT_BYTES_MAX, b"more"]))
    assert told.sent[0][0] == 1
    assert told.body == b"data: " + b"x" * EVENT_BYTES_MAX + b"more"
