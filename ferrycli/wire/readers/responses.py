"""What replies in OpenAI's responses dialect say.

Everything is inside `input_tokens` and `output_tokens`; web searches are billed beside, each by
itself. A stream says what it used in the event that ends it, however it ends.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferrycli.wire.dialect import Reader
from ferrycli.wire.readers.bodies import WholeReader
from ferrycli.wire.readers.chat import NO_WRITES, WriteDetails
from ferrycli.wire.readers.counting import Costed, counted_inside, provider_cost, split_writes
from ferrycli.wire.readers.gathered import Gathered, strings_of
from ferrycli.wire.readers.streams import EventReader

_ENDS = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""States of a reply in which nothing more comes of it."""


class _InputDetails(msgspec.Struct):
    cached_tokens: Any = 0
    cache_write_tokens: Any = None
    cache_write_tokens_details: WriteDetails | None = None
    audio_tokens: Any = 0


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Any = 0


class _Usage(Costed):
    input_tokens: Any = None
    output_tokens: Any = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Item(msgspec.Struct):
    type: Any = None
    action: Any = None


class _Reply(msgspec.Struct):
    model: Any = None
    service_tier: Any = None
    status: Any = None
    usage: _Usage | None = None
    output: list[_Item] | None = None
    error: Any = None
    incomplete_details: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    response: _Reply | None = None
    item: _Item | None = None
    error: Any = None
    code: Any = None


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


_NO_INPUT, _NO_OUTPUT = _InputDetails(), _OutputDetails()


class _Responses(Gathered):
    delivered = strings_of("delta")
    delivered_whole = strings_of("text", "arguments", "refusal", "input", "code")
    not_plain = re.compile(
        rb'"type"\s*:\s*"(?:\w+_call|summary_text|reasoning_text'
        rb'|response\.(?:reasoning|function_call|custom_tool_call|code_interpreter|mcp)[\w.]*)"'
    )
    telling = re.compile(
        rb'"type"\s*:\s*"(?:error|web_search_call|response\.(?:completed|incomplete|failed|cancelled))"'
    )

    def __init__(self) -> None:
        super().__init__()
        self._searches = 0

    def take_reply(self, body: bytes) -> None:
        self._take_response(_decode_reply(body))

    def take_event(self, data: bytes) -> bool:
        event = _decode_event(data)
        if event.response is not None:
            self._take_response(event.response)
            self.is_complete = event.response.status in _ENDS
        elif event.type == "response.output_item.done" and event.item is not None:
            self._searches += _is_billed_search(event.item)
        if event.type == "error":
            self.fail(event.error or {"code": event.code, "type": "error"})
        return False

    def take_usage(self, usage: bytes) -> None:
        self._take(_decode_usage(usage))
        # Found at the end of an event that is too long: no other but the last one has any.
        self.is_complete = True

    def _take_response(self, reply: _Reply) -> None:
        self.name(model=reply.model, tier=reply.service_tier)
        # All over again at the end; as they came, where that is too long to be looked at.
        searches = sum(_is_billed_search(item) for item in reply.output or ())
        self._searches = max(self._searches, searches)
        if reply.usage is not None:
            self._take(reply.usage)
        if reply.status in _ENDS:
            reason = reply.incomplete_details
            reason = reason.get("reason") if isinstance(reason, dict) else None
            self.name(finish=reason or reply.status)
        self.fail(reply.error)
        if reply.status == "failed" and not self.error_code:
            self.error_code = "failed"

    def _take(self, reported: _Usage) -> None:
        put_in = reported.input_tokens_details or _NO_INPUT
        made = reported.output_tokens_details or _NO_OUTPUT
        details = put_in.cache_write_tokens_details or NO_WRITES
        half_hour, half_day = split_writes(
            put_in.cache_write_tokens, details.ttl_30m, details.ttl_12h
        )
        self.provider_cost = provider_cost(reported)
        self.usage = counted_inside(
            reported.input_tokens,
            reported.output_tokens,
            cache_read=put_in.cached_tokens,
            cache_write_30m=half_hour,
            cache_write_12h=half_day,
            audio_in=put_in.audio_tokens,
            reasoning=made.reasoning_tokens,
            web_search=self._searches,
        )


def _is_billed_search(item: _Item) -> bool:
    """Whether it is a search that is billed: opening a page and looking in it are not.

    Source: developers.openai.com/api/docs/guides/tools-web-search, "Output and citations".
    """
    if item.type != "web_search_call":
        return False
    action = item.action.get("type") if isinstance(item.action, dict) else None
    return action in (None, "search")


def whole() -> Reader:
    """A reader of a reply."""
    return WholeReader(_Responses())


def stream(_strips_usage: bool) -> Reader:
    """A reader of a stream. Nothing is stripped: its usage is always there."""
    return EventReader(_Responses())
