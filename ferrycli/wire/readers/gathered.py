"""The reading of one reply under way, and what a dialect must say for it to be filled.

Most bytes of a reply are text that only counts: a dialect names the few that are worth decoding.
Nothing that a provider sends raises out of here.
"""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Line, Reading

OBJECT_BYTES_MAX = 1 << 16
USAGE_TRIES_MAX = 100
"""No more objects of usage than this are looked at in what cannot be decoded as it is."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_BRACE = re.compile(rb"[{}]")
_NOTHING = re.compile(rb"(?!)")
_NAMED = re.compile(
    rb'"(?:(model|modelVersion)|(service_tier|serviceTier|trafficType)'
    rb'|finish_reason|stop_reason|finishReason|stopReason)"\s*:\s*"([^"\\]{1,200})"'
)
"""Who answered, in which tier and why it ended, as every dialect names them."""


def strings_of(*names: str) -> re.Pattern[bytes]:
    """Finds the JSON strings of members of these names, as they are written."""
    return re.compile(rb'"(?:%b)"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"' % "|".join(names).encode())


def objects_of(*names: str) -> re.Pattern[bytes]:
    """Finds where JSON objects begin that are members of these names."""
    return re.compile(rb'"(?:%b)"\s*:\s*\{' % "|".join(names).encode())


class Gathered(ABC):
    """What has been read so far; a dialect is a subclass."""

    delivered: ClassVar[re.Pattern[bytes]] = _NOTHING
    """Strings of an event that are text of the answer."""
    delivered_whole: ClassVar[re.Pattern[bytes] | None] = None
    """The same in a whole reply, where it is not the same."""
    delivered_objects: ClassVar[re.Pattern[bytes] | None] = None
    """Objects that the model wrote, such as the arguments of a tool."""
    not_plain: ClassVar[re.Pattern[bytes]] = _NOTHING
    """Bytes which show that what was delivered is not the answer's text alone: thoughts, calls of
    tools. Nothing is learned of such a reply."""
    telling: ClassVar[re.Pattern[bytes]] = _NOTHING
    """Bytes of an event, besides usage, for which it is decoded."""
    usage_object: ClassVar[re.Pattern[bytes]] = objects_of("usage")
    counts_bytes: ClassVar[bool] = True
    """Whether every byte of a reply too long to be kept counts as text: an estimate on the high
    side."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.provider_cost: int | None = None
        self.model = ""
        self.tier = ""
        self.finish_reason = ""
        self.characters = 0
        self.characters_counted = 0
        self.is_plain = True
        self.error_code = ""
        self.is_complete = False
        self.lines: tuple[Line, ...] = ()
        self.was_text = False
        """The last event told nothing but what the strings in it say: `delivered`."""
        self._has_decoded = False

    # What a dialect says ----------------------------------------------------------------------

    def take_reply(self, body: bytes) -> None:
        """Take in a whole reply: as an event, where the two are alike. Raises as below."""
        self.take_event(body)

    def take_usual(self, _body: bytes) -> int | None:
        """Take in a whole reply of the usual shape, if it is: the length of its text as written.

        None: it is not, and nothing was taken in.
        """
        return None

    @abstractmethod
    def take_event(self, data: bytes) -> bool:
        """Take in an event of a stream; whether all that it says is usage.

        Raises one of `UNREADABLE` where it cannot be decoded.
        """

    @abstractmethod
    def take_usage(self, usage: bytes) -> None:
        """Take in an object of usage that was found by itself. Raises as above."""

    # What the readers do with it --------------------------------------------------------------

    def note_whole(self, body: bytes) -> None:
        """Read a reply that is one JSON value, as much of it as can be read."""
        if (length := self.take_usual(body)) is not None:
            self.characters = length
            self.is_complete = True
            return
        self.characters = 0
        self._note_delivered(body, self.delivered_whole or self.delivered)
        try:
            self.take_reply(body)
            self.is_complete = True
        except UNREADABLE:
            self.note_tail(body)

    def note_event(self, data: bytes) -> bool:
        """Read the data of an event; whether all that it says is usage."""
        self._note_delivered(data, self.delivered)
        has_usage = self.usage_object.search(data) is not None
        if self._has_decoded and not has_usage and not self.telling.search(data):
            # Objects that the model wrote are measured, each by itself.
            has_objects = self.delivered_objects is not None and self.delivered_objects.search(data)
            self.was_text = not has_objects
            return False
        self.was_text = False
        try:
            has_only_usage = self.take_event(data)
        except UNREADABLE:
            # A report that cannot be read takes back the one before: the last one counts.
            if has_usage:
                self.lose_usage()
            return False
        self._has_decoded = True
        if has_usage and self.usage is not None and self.usage.output:
            self.characters_counted = self.characters
        return has_only_usage

    def note_error(self, data: bytes) -> None:
        """Read the data of an event that is named an error: it is one whatever it says."""
        self.error_code = "error"
        try:
            said = msgspec.json.decode(data)
        except UNREADABLE:
            return
        if isinstance(said, dict) and not said.get("error"):
            self.fail(said)

    def note_tail(self, tail: bytes) -> None:
        """Read usage, and who made it, out of the end of what cannot be decoded as it is."""
        position = seen = 0
        for _ in range(USAGE_TRIES_MAX):
            if (start := self.usage_object.search(tail, position)) is None:
                break
            self._note_names(tail[seen : start.start()])
            opening, position = start.end() - 1, start.end()
            end = object_end(tail, opening)
            with contextlib.suppress(*UNREADABLE):
                self.take_usage(tail[opening:end])
                position = end
            seen = position
        self._note_names(tail[seen:])

    def note_bytes(self, size: int) -> None:
        """Of what is too long to be looked at, every byte may be text."""
        self.is_plain = False
        if self.counts_bytes:
            self.characters += size

    def lose_usage(self) -> None:
        """What was reported cannot be, so it is no report."""
        self.usage = self.provider_cost = None
        self.characters_counted = 0
        self.lines = ()

    def name(self, *, model: object = None, tier: object = None, finish: object = None) -> None:
        """Note who answered, in which tier, and why it ended; what is no text says nothing."""
        if isinstance(model, str) and model:
            self.model = safe(model)
        if isinstance(tier, str) and tier:
            # Vertex says `ON_DEMAND_FLEX` where all others say `flex`.
            self.tier = safe(tier, 40).lower().removeprefix("on_demand_")
        if isinstance(finish, str) and finish:
            self.finish_reason = safe(finish, 40)

    def fail(self, error: object) -> None:
        """Note an error inside a reply, where there is one."""
        if error:
            self.error_code = error_code(error)

    def reading(self) -> Reading:
        return Reading(
            usage=self.usage,
            provider_cost_nanousd=self.provider_cost,
            model=self.model,
            tier=self.tier,
            finish_reason=self.finish_reason,
            characters=self.characters,
            characters_counted=self.characters_counted,
            is_plain=self.is_plain and self.characters > 0,
            error_code=self.error_code,
            is_complete=self.is_complete,
            lines=self.lines,
        )

    def _note_names(self, piece: bytes) -> None:
        for model, tier, value in _NAMED.findall(piece):
            text = value.decode("utf-8", "replace")
            if model:
                self.name(model=text)
            elif tier:
                self.name(tier=text)
            else:
                self.name(finish=text)

    def _note_delivered(self, data: bytes, strings: re.Pattern[bytes]) -> None:
        if strings is not _NOTHING or self.delivered_objects is not None:
            self.characters += self._delivered_in(data, strings)
        # What never matches would be tried at every byte.
        if self.is_plain and self.not_plain is not _NOTHING:
            self.is_plain = self.not_plain.search(data) is None

    def _delivered_in(self, data: bytes, strings: re.Pattern[bytes]) -> int:
        length = 0
        for text in strings.findall(data):
            length += len(text)
        if self.delivered_objects is not None:
            position = 0
            while start := self.delivered_objects.search(data, position):
                # What is inside one is not counted again.
                position = object_end(data, start.end() - 1)
                length += position - start.end() + 1
        return length


def object_end(data: bytes, start: int) -> int:
    """Where the object that begins at `start` ends, braces inside its strings not looked at."""
    depth = 0
    for brace in _BRACE.finditer(data, start, start + OBJECT_BYTES_MAX):
        depth += 1 if brace[0] == b"{" else -1
        if depth == 0:
            return brace.end()
    return len(data)


def error_code(error: object) -> str:
    """The code of a provider's error: its `code`, `type` or `status`, whichever it has first."""
    if isinstance(error, dict):
        for name in ("code", "type", "status"):
            if (value := error.get(name)) not in (None, ""):
                return safe(str(value), 64)
    return "error"
