"""Replies that are streams: server-sent events, or AWS's frames; a reader taps a copy.

What it is fed goes on at once, but for the one usage chunk that ferry asked for and the client did
not. Counts are cumulative: the last report wins, nothing is added up.
"""

from __future__ import annotations

from collections.abc import Callable

from ferrycli.rules.clean import safe
from ferrycli.wire.facts import Reading
from ferrycli.wire.frames import Frame, FrameSplitter
from ferrycli.wire.readers.bodies import TAIL_KEPT
from ferrycli.wire.readers.gathered import Gathered
from ferrycli.wire.readers.repeats import Repeats
from ferrycli.wire.sse import (
    EVENT_BYTES_MAX,
    EventSplitter,
    event_data,
    event_name,
    is_event,
    is_plain,
    is_whole,
)

_DONE_EVENT_MAX = 32


class EventReader:
    """A reply as server-sent events.

    `strips_usage`: take out the usage chunk that only ferry asked for. Then an unfinished event is
    kept back until its end is there; otherwise every byte goes on at once.
    """

    def __init__(self, gathered: Gathered, *, strips_usage: bool = False) -> None:
        self._gathered = gathered
        self._strips_usage = strips_usage
        self._splitter = EventSplitter()
        self._repeats = Repeats()
        self._cut = b""
        """The end of what has come of an event that is too long to be kept."""
        self.has_begun = False
        """Its first event is whole, or a comment has come."""
        self.begins_with_error = False

    def feed(self, chunk: bytes) -> bytes:
        # The usual chunk is of whole events, and those like the last one.
        is_between = not self._cut and not self._splitter.unfinished
        if is_between and (length := self._repeats.text_length(chunk)):
            self._gathered.characters += length
            return chunk
        events = self._splitter.feed(chunk)
        kept = [event for event in events if not self._take(event)]
        if not self.has_begun:
            self.has_begun = self._splitter.unfinished.startswith(b":")
        return b"".join(kept) if self._strips_usage else chunk

    def finish(self) -> bytes:
        rest = self._splitter.flush()
        is_dropped = self._take(rest, is_last=True) if rest else False
        return rest if rest and self._strips_usage and not is_dropped else b""

    def reading(self) -> Reading:
        return self._gathered.reading()

    def _take(self, event: bytes, *, is_last: bool = False) -> bool:
        """As `_note`, which the reply begins with where it is the first one."""
        is_ended = is_last or len(event) <= EVENT_BYTES_MAX or is_whole(event)
        if self._cut or not is_ended:
            is_dropped = self._note_cut(event, is_ended=is_ended)
        else:
            is_dropped = self._note(event)
        if not self.has_begun and is_event(event):
            self.has_begun = True
            self.begins_with_error = bool(self._gathered.error_code) and not event.startswith(b":")
        return is_dropped

    def _note(self, event: bytes) -> bool:
        """Note what `event` says; whether it is the usage chunk that ferry asked for."""
        if length := self._repeats.text_length(event):
            self._gathered.characters += length
            return False
        data = event_data(event)
        if b"error" in event and event_name(event) == b"error":
            self._gathered.note_error(data or b"")
        if data is None:
            return False
        if len(event) <= _DONE_EVENT_MAX and data.strip() == b"[DONE]":
            self._gathered.is_complete = True
            return False
        has_only_usage = self._gathered.note_event(data)
        if self._gathered.was_text:
            self._repeats.learn(event, data, self._gathered.delivered)
        return has_only_usage and is_plain(event)

    def _note_cut(self, piece: bytes, *, is_ended: bool) -> bool:
        """Note a piece of an event that is too long to be looked at whole; its end may tell."""
        self._gathered.note_bytes(len(piece))
        tail = (self._cut + piece)[-TAIL_KEPT:]
        if is_ended:
            self._gathered.note_tail(tail)
        self._cut = b"" if is_ended else tail
        return False


class FrameReader:
    """A reply as frames of an AWS event stream, every byte of which goes on at once.

    `unwrapped`: the event that the frame of a model's own dialect has inside.
    """

    def __init__(
        self, gathered: Gathered, unwrapped: Callable[[Frame], bytes | None] | None = None
    ) -> None:
        self._gathered = gathered
        self._unwrapped = unwrapped
        self._splitter = FrameSplitter()
        self.has_begun = False
        """Its first frame is whole, or it is no stream of frames."""
        self.begins_with_error = False

    def feed(self, chunk: bytes) -> bytes:
        for frame in self._splitter.feed(chunk):
            self._note(frame)
            if not self.has_begun:
                self.has_begun = True
                self.begins_with_error = bool(self._gathered.error_code)
        self.has_begun = self.has_begun or self._splitter.is_broken
        return chunk

    def finish(self) -> bytes:
        return b""

    def reading(self) -> Reading:
        return self._gathered.reading()

    def _note(self, frame: Frame) -> None:
        if frame.is_exception:
            self._gathered.error_code = safe(frame.kind, 64) or "error"
            return
        data = frame.payload if self._unwrapped is None else self._unwrapped(frame)
        if data is not None:
            self._gathered.note_event(data)
