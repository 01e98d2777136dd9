"""Server-sent events as bytes: found at blank lines, never rewritten.

Lines end at CR, LF or CRLF and nowhere else: JSON may carry U+2028 raw. A split may fall
anywhere, inside UTF-8 too. Source: the HTML standard, section 9.2.6.
"""

from __future__ import annotations

import re

# Atomic groups: otherwise CRLF could match as CR and LF, two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_WHOLE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)\Z")
_LINE_END = re.compile(rb"\r\n|\n|\r")

EVENT_BYTES_MAX = 1 << 20
"""An event that grows past this is passed on as it comes, and not looked at."""


class EventSplitter:
    """Cuts a byte stream into events, each with the blank line that ends it."""

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._rest = b""
        self._event_bytes_max = event_bytes_max

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes. All that is fed comes out again, in order."""
        if not self._rest and b"\r" not in chunk:
            return self._feed_simple(chunk)
        if not self._rest and _is_one_line(chunk):
            return [chunk]
        data = self._rest + chunk
        events = []
        position = 0
        # What was searched before has no end in it, but one may straddle the cut.
        search_from = max(0, len(self._rest) - 3)
        while (end := _BLANK_LINE.search(data, max(position, search_from))) is not None:
            # A CR at the very end may be the first half of a CRLF that is not all here.
            if end.end() == len(data) and data.endswith(b"\r"):
                break
            events.append(data[position : end.end()])
            position = end.end()
        self._rest = data[position:]
        if len(self._rest) > self._event_bytes_max:
            events.append(self.flush())
        return events

    def _feed_simple(self, chunk: bytes) -> list[bytes]:
        """As `feed`, where nothing was left over and only LF ends lines."""
        if chunk.find(b"\n\n") == len(chunk) - 2 >= 0:
            return [chunk]
        *whole, self._rest = chunk.split(b"\n\n")
        events = [event + b"\n\n" for event in whole]
        if len(self._rest) > self._event_bytes_max:
            events.append(self.flush())
        return events

    def flush(self) -> bytes:
        """What is left of an unfinished event."""
        rest, self._rest = self._rest, b""
        return rest

    @property
    def unfinished(self) -> bytes:
        """What has come of an event that is not all here."""
        return self._rest


def _is_one_line(event: bytes) -> bool:
    """Whether it is one line, and the blank one that ends it, both with CRLF."""
    end = len(event) - 4
    return event.endswith(b"\r\n\r\n") and event.find(b"\r") == end == event.find(b"\n") - 1


def event_data(event: bytes) -> bytes | None:
    """The `data` of an event, its lines joined by LF; None where it has none."""
    if event.startswith(b"data:") and b"\r" not in event:
        only_line = event[5:].rstrip(b"\n")
        if b"\n" not in only_line:
            return only_line.removeprefix(b" ")
    elif event.startswith(b"data:") and _is_one_line(event):
        return event[5:-4].removeprefix(b" ")
    lines = _values(event, b"data")
    return b"\n".join(lines) if lines else None


def event_name(event: bytes) -> bytes:
    """The name of an event, the last one where it has several; empty where it has none."""
    names = _values(event, b"event")
    return names[-1] if names else b""


def _values(event: bytes, name: bytes) -> list[bytes]:
    """What the lines of one field say, in their order."""
    lines = _LINE_END.split(event.removeprefix(b"\xef\xbb\xbf"))
    fields = (line.partition(b":") for line in lines)
    return [value.removeprefix(b" ") for field, _, value in fields if field == name]


def is_event(event: bytes) -> bool:
    """Whether it says anything: blank lines alone are no event."""
    return event.strip(b"\r\n") != b""


def is_whole(event: bytes) -> bool:
    """Whether it ends with its blank line: no piece of an event that is too long to be kept."""
    return _WHOLE.search(event[-4:]) is not None


def first_data(stream: bytes) -> bytes:
    """The `data` of the first event that has any, the last one's end missing or not."""
    splitter = EventSplitter()
    found = (event_data(event) for event in [*splitter.feed(stream), splitter.flush()])
    return next((data for data in found if data is not None), b"")


def is_plain(event: bytes) -> bool:
    """Whether the event has `data` lines and nothing else: no name, id or comment."""
    return all(line.startswith(b"data") for line in _LINE_END.split(event) if line)


def written_event(data: bytes, name: str = "") -> bytes:
    """An event of one line of `data`, such as JSON is when msgspec writes it."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + data + b"\n\n"
