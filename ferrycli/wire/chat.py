"""OpenAI's chat dialect: readers of the reply.

A reader taps a copy: what it is fed goes on at once, but for the one usage chunk that ferry asked
for and the client did not. Counts are cumulative: the last report wins, nothing is added up.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import BadUsage
from ferrycli.rules.money import AMOUNT_USD_MAX, nanousd
from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Reading
from ferrycli.wire.sse import EventSplitter, event_data, is_event, is_plain

BODY_KEPT_MAX = 4 << 20
"""A whole reply up to this is kept, for its cost to stand in a header; more passes by."""
TAIL_KEPT = 1 << 16
XAI_TICKS_PER_NANOUSD = 10
"""xAI counts 10^10 ticks a dollar."""

_USAGE_OBJECT = re.compile(rb'"usage"\s*:\s*\{')
_TEXT = re.compile(
    rb'"(?:content|arguments|reasoning|reasoning_content|refusal|text)"\s*:\s*'
    rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
)
_TELLING = re.compile(rb'"finish_reason"\s*:\s*"|"error"')
_DONE_EVENT_MAX = 32
_NAMED = re.compile(rb'"(model|service_tier|finish_reason)"\s*:\s*"([^"\\]{1,200})"')


class Reader(Protocol):
    """One reply, as it comes."""

    def feed(self, chunk: bytes) -> bytes:
        """What of the reply may go to the client now."""

    def finish(self) -> bytes:
        """What is still kept back, when the reply is over."""

    def reading(self) -> Reading:
        """What the reply has said of itself so far."""


class _PromptDetails(msgspec.Struct):
    cached_tokens: Any = 0
    cache_write_tokens: Any = 0
    audio_tokens: Any = 0


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Any = 0
    audio_tokens: Any = 0


class _Usage(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    # Not `Raw | None`: msgspec takes that for `None` alone.
    cost: msgspec.Raw = msgspec.Raw(b"")
    cost_in_usd_ticks: Any = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Reply(msgspec.Struct):
    """A whole reply or a chunk: both carry these."""

    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


class _Gathered:
    """The reading under way, filled from decoded parts."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.provider_cost: int | None = None
        self.model = ""
        self.tier = ""
        self.finish_reason = ""
        self.characters = 0
        self.error_code = ""
        self.is_complete = False

    def take(self, reply: _Reply) -> None:
        self.model = safe(reply.model) if reply.model else self.model
        self.tier = safe(reply.service_tier, 40) if reply.service_tier else self.tier
        for choice in reply.choices or ():
            if choice.finish_reason:
                self.finish_reason = safe(choice.finish_reason, 40)
        if reply.usage is not None:
            self.take_usage(reply.usage)
        if reply.error:
            self.error_code = _error_code(reply.error)

    def take_usage(self, reported: _Usage) -> None:
        """Keep the last report, also where it cannot be: then it is no report."""
        prompt = reported.prompt_tokens_details or _PromptDetails()
        completion = reported.completion_tokens_details or _CompletionDetails()
        self.provider_cost = _provider_cost(reported)
        try:
            self.usage = Usage.counted(
                cache_is_inside=True,
                input_tokens=reported.prompt_tokens,
                output_tokens=_or_zero(reported.completion_tokens),
                cache_read=_or_zero(prompt.cached_tokens),
                cache_write_30m=_or_zero(prompt.cache_write_tokens),
                audio_in=_or_zero(prompt.audio_tokens),
                audio_out=_or_zero(completion.audio_tokens),
                reasoning=_or_zero(completion.reasoning_tokens),
            )
        except BadUsage:
            self.usage = None

    def reading(self) -> Reading:
        return Reading(
            self.usage,
            self.provider_cost,
            self.model,
            self.tier,
            self.finish_reason,
            self.characters,
            self.error_code,
            self.is_complete,
        )


def _or_zero(value: object) -> object:
    """Details that a provider leaves empty count nothing."""
    return 0 if value is None else value


def _provider_cost(reported: _Usage) -> int | None:
    """What the provider itself says that the call cost, rounded up to a nano-dollar."""
    ticks = reported.cost_in_usd_ticks
    if type(ticks) is int and 0 <= ticks <= AMOUNT_USD_MAX * 10**10:
        return -(-ticks // XAI_TICKS_PER_NANOUSD)
    written = bytes(reported.cost)
    if written in (b"", b"null"):
        return None
    try:
        cost = Decimal(written.decode())
    except (InvalidOperation, UnicodeDecodeError):
        return None
    if not cost.is_finite() or not 0 <= cost <= AMOUNT_USD_MAX:
        return None
    return nanousd(cost)


def _error_code(error: object) -> str:
    if isinstance(error, dict):
        for name in ("code", "type", "status"):
            if (value := error.get(name)) not in (None, ""):
                return safe(str(value), 64)
    return "error"


class WholeReader:
    """A reply that is one JSON object; kept whole up to `BODY_KEPT_MAX`, then only its tail."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._is_long = False
        self._gathered = _Gathered()

    @property
    def is_long(self) -> bool:
        """Whether the reply outgrew what is kept, so that it goes on as it comes."""
        return self._is_long

    def feed(self, chunk: bytes) -> bytes:
        self._kept += chunk
        if not self._is_long and len(self._kept) <= BODY_KEPT_MAX:
            return b""
        passed = chunk if self._is_long else bytes(self._kept)
        self._is_long = True
        # Without a look inside, every byte counts as text: an estimate on the high side.
        self._gathered.characters += len(passed)
        del self._kept[:-TAIL_KEPT]
        return passed

    def finish(self) -> bytes:
        gathered = self._gathered
        if self._is_long:
            gathered.is_complete = True
            self._read_tail()
            return b""
        body = bytes(self._kept)
        gathered.characters = sum(len(text) for text in _TEXT.findall(body))
        try:
            gathered.take(_decode_reply(body))
            gathered.is_complete = True
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._read_tail()
        return body

    def _read_tail(self) -> None:
        """Usage out of the end of a reply that is too long, or odd, to be decoded whole."""
        tail = bytes(self._kept)
        gathered = self._gathered
        for name, value in _NAMED.findall(tail):
            text = safe(value.decode("utf-8", "replace"))
            if name == b"model":
                gathered.model = text
            elif name == b"service_tier":
                gathered.tier = text
            else:
                gathered.finish_reason = text
        for found in _USAGE_OBJECT.finditer(tail):
            end = _object_end(tail, found.end() - 1)
            try:
                gathered.take_usage(_decode_usage(tail[found.end() - 1 : end]))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue

    def reading(self) -> Reading:
        return self._gathered.reading()


def _object_end(data: bytes, start: int) -> int:
    depth = 0
    for position in range(start, min(len(data), start + TAIL_KEPT)):
        depth += {0x7B: 1, 0x7D: -1}.get(data[position], 0)
        if depth == 0:
            return position + 1
    return len(data)


class StreamReader:
    """A reply as server-sent events.

    `strips_usage`: take out the usage chunk that only ferry asked for. Then an unfinished event is
    kept back until its end is there; otherwise every byte goes on at once.
    """

    def __init__(self, *, strips_usage: bool) -> None:
        self._strips_usage = strips_usage
        self._splitter = EventSplitter()
        self._gathered = _Gathered()
        self._is_first = True
        self.has_begun = False
        """Its first event is whole, or a comment has come."""
        self.begins_with_error = False

    def feed(self, chunk: bytes) -> bytes:
        events = self._splitter.feed(chunk)
        kept = [event for event in events if not self._take(event)]
        if not self.has_begun:
            self.has_begun = self._splitter.unfinished.startswith(b":")
        return b"".join(kept) if self._strips_usage else chunk

    def finish(self) -> bytes:
        rest = self._splitter.flush()
        is_dropped = self._take(rest) if rest else False
        return rest if rest and self._strips_usage and not is_dropped else b""

    def reading(self) -> Reading:
        return self._gathered.reading()

    def _take(self, event: bytes) -> bool:
        """As `_note`, which the reply begins with where it is the first one."""
        is_dropped = self._note(event)
        if not self.has_begun and is_event(event):
            self.has_begun = True
            self.begins_with_error = bool(self._gathered.error_code) and not event.startswith(b":")
        return is_dropped

    def _note(self, event: bytes) -> bool:
        """Note what `event` says; whether it is the usage chunk that ferry asked for."""
        gathered = self._gathered
        if len(event) <= _DONE_EVENT_MAX and (event_data(event) or b"").strip() == b"[DONE]":
            gathered.is_complete = True
            return False
        for text in _TEXT.findall(event):
            gathered.characters += len(text)
        has_usage = _USAGE_OBJECT.search(event) is not None
        if not (has_usage or self._is_first or _TELLING.search(event)):
            return False
        data = event_data(event)
        if data is None:
            return False
        try:
            reply = _decode_reply(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # A report that cannot be read takes back the one before: the last one counts.
            if has_usage:
                gathered.usage = gathered.provider_cost = None
            return False
        self._is_first = False
        gathered.take(reply)
        has_only_usage = reply.usage is not None and not reply.choices and not reply.error
        return has_only_usage and is_plain(event)
