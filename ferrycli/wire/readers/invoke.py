"""Anthropic's events as Bedrock's `invoke-with-response-stream` sends them: in base64, in frames.

They are read as they are for a client that reads frames, or made the events of a stream that they
are for one that does not know Bedrock.
"""

from __future__ import annotations

import msgspec

from ferrycli.wire.dialect import Reader
from ferrycli.wire.facts import Reading
from ferrycli.wire.frames import Frame, FrameSplitter
from ferrycli.wire.readers.gathered import UNREADABLE
from ferrycli.wire.readers.messages import MessagesGathered
from ferrycli.wire.readers.streams import FrameReader


class _Chunk(msgspec.Struct):
    """What a frame holds. msgspec takes it out of the base64."""

    event: bytes | None = msgspec.field(name="bytes", default=None)


class _Event(msgspec.Struct):
    type: str = ""


class _Exception(msgspec.Struct):
    message: str = ""


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_exception = msgspec.json.Decoder(_Exception).decode

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
"""Between the values of JSON a line end is white space; inside a string none stands as it is."""


def unwrapped(frame: Frame) -> bytes | None:
    """The event inside a frame; None where there is none."""
    try:
        return _decode_chunk(frame.payload).event
    except UNREADABLE:
        return None


def framed(_strips_usage: bool) -> Reader:
    """A reader of frames that go on as frames."""
    return FrameReader(MessagesGathered(), unwrapped)


class UnframingReader:
    """Takes events out of their frames and gives them to the reader of such a stream."""

    def __init__(self, tap: Reader) -> None:
        self._tap = tap
        self._splitter = FrameSplitter()
        self._is_over = False

    @property
    def has_begun(self) -> bool:
        return self._tap.has_begun

    @property
    def begins_with_error(self) -> bool:
        return self._tap.begins_with_error

    def feed(self, chunk: bytes) -> bytes:
        events = [_as_event(frame) for frame in self._splitter.feed(chunk)]
        if self._splitter.is_broken and not self._is_over:
            # What follows cannot be told apart: a client must not take this for the end.
            self._is_over = True
            events.append(_error("api_error", "the provider sent what is no frame"))
        return self._tap.feed(b"".join(events))

    def finish(self) -> bytes:
        return self._tap.finish()

    def reading(self) -> Reading:
        return self._tap.reading()


def _as_event(frame: Frame) -> bytes:
    """A frame as a server-sent event, nothing where it holds none."""
    if frame.is_exception:
        try:
            message = _decode_exception(frame.payload).message
        except UNREADABLE:
            message = ""
        return _error(frame.kind or "api_error", message)
    data = unwrapped(frame)
    if data is None:
        return b""
    try:
        name = _decode_event(data).type
    except UNREADABLE:
        name = ""
    # Anthropic's SDKs ignore an event without its name.
    named = f"event: {name}\n".encode() if name.isidentifier() else b""
    return named + b"data: " + data.translate(_ONE_LINE) + b"\n\n"


def _error(code: str, message: str) -> bytes:
    error = {"type": "error", "error": {"type": code, "message": message}}
    return b"event: error\ndata: " + msgspec.json.encode(error) + b"\n\n"
