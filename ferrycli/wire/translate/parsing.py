"""A reply's bytes into the JSON that a dialect reads events from, whole or as server-sent events.

Whatever comes, nothing is raised: what cannot be read is `Broken`, and nothing follows that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ferrycli.rules.clean import safe
from ferrycli.wire.sse import EventSplitter, event_data, is_event
from ferrycli.wire.translate.loose import Object, Unreadable, decoded
from ferrycli.wire.translate.talk import Broken, Event

REPLY_KEPT_MAX = 64 << 20
"""A whole reply is kept up to this, for it can only be read when it is all there."""
STREAMED_EVENT_MAX = 8 << 20
"""A larger event of a stream is not read."""

TOO_LARGE = Broken("reply_too_large", "the provider's reply is too large to be translated")
UNREADABLE = Broken("reply_unreadable", "the provider's reply cannot be read")
CUT = Broken("reply_cut", "the provider's reply broke off")
OWN_VERDICTS = frozenset(one.code for one in (TOO_LARGE, UNREADABLE, CUT))
"""Codes of what a provider has not said itself."""

_DONE = b"[DONE]"
_CODE_LENGTH_MAX = 64
_MESSAGE_LENGTH_MAX = 2_000


def broken_with(code: str, message: str) -> Broken:
    """A provider's own words for what went wrong."""
    return Broken(safe(code, _CODE_LENGTH_MAX), safe(message, _MESSAGE_LENGTH_MAX))


class EventReading(Protocol):
    """What a dialect knows of its own streams."""

    def take(self, said: Object) -> Iterable[Event]:
        """The events of one server-sent event's JSON."""

    def end(self, *, is_marked: bool) -> Iterable[Event]:
        """The last events; `CUT` where the model has not ended.

        `is_marked`: the provider says itself that this is the end.
        """


class WholeParser:
    """A `Parser` of replies that are one JSON object."""

    def __init__(self, read: Callable[[Object], Iterable[Event]]) -> None:
        self._read = read
        self._kept = bytearray()
        self._is_too_large = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        if len(self._kept) + len(chunk) > REPLY_KEPT_MAX:
            self._is_too_large = True
            self._kept.clear()
        if not self._is_too_large:
            self._kept += chunk
        return ()

    def finish(self) -> Sequence[Event]:
        if self._is_too_large:
            return (TOO_LARGE,)
        try:
            return up_to_break(self._read(decoded(bytes(self._kept))))
        except Unreadable:
            return (UNREADABLE,)


class StreamParser:
    """A `Parser` of server-sent events."""

    def __init__(self, reading: EventReading) -> None:
        self._reading = reading
        self._splitter = EventSplitter(STREAMED_EVENT_MAX)
        self._is_over = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        return [found for event in self._splitter.feed(chunk) for found in self._events(event)]

    def finish(self) -> Sequence[Event]:
        """Of an event without its end only what can be read: some servers forget the end."""
        rest = self._splitter.flush()
        try:
            last = self._taken(rest)
        except Unreadable:
            last = ()
        return [*last, *self._ended(is_marked=False)]

    def _events(self, event: bytes) -> Sequence[Event]:
        try:
            return self._taken(event)
        except Unreadable:
            self._is_over = True
            return (UNREADABLE,)

    def _taken(self, event: bytes) -> Sequence[Event]:
        data = event_data(event) if is_event(event) else None
        if self._is_over or data is None or not data.strip():
            return ()
        if data.strip() == _DONE:
            return self._ended(is_marked=True)
        found = up_to_break(self._reading.take(decoded(data)))
        self._is_over = any(isinstance(one, Broken) for one in found)
        return found

    def _ended(self, *, is_marked: bool) -> Sequence[Event]:
        if self._is_over:
            return ()
        self._is_over = True
        return up_to_break(self._reading.end(is_marked=is_marked))


def up_to_break(events: Iterable[Event]) -> list[Event]:
    """The events up to the first `Broken`, with it."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if isinstance(event, Broken):
            break
    return found
