"""What replies in Anthropic's messages dialect say.

Tokens read from a cache and written to one stand beside `input_tokens`; thoughts are inside the
output. A stream says its input first, then overwrites any count in `message_delta`. Of the output,
`message_start` has only a placeholder, so a stream that is cut has its input and no output yet.
One reply may be several model calls: `iterations` are lines of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from ferrycli.rules.clean import safe
from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Reader
from ferrycli.wire.facts import Line, Reading
from ferrycli.wire.readers.bodies import WholeReader
from ferrycli.wire.readers.counting import (
    Costed,
    amount,
    counted_beside,
    or_zero,
    provider_cost,
    split_writes,
    summed,
)
from ferrycli.wire.readers.gathered import Gathered, objects_of, strings_of
from ferrycli.wire.readers.streams import EventReader

_ANSWERS = frozenset({"message", "fallback_message"})
"""Kinds of model calls that wrote the answer; others advised it or shortened what went before."""


class _Creation(msgspec.Struct):
    ephemeral_5m_input_tokens: Any = None
    ephemeral_1h_input_tokens: Any = None


class _Counts(Costed):
    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_creation: _Creation | None = None


class _Iteration(_Counts):
    type: Any = None
    model: Any = None


class _ServerTools(msgspec.Struct):
    web_search_requests: Any = 0


class _OutputDetails(msgspec.Struct):
    thinking_tokens: Any = 0


class _Usage(_Counts):
    service_tier: Any = None
    speed: Any = None
    inference_geo: Any = None
    server_tool_use: _ServerTools | None = None
    output_tokens_details: _OutputDetails | None = None
    iterations: list[_Iteration] | None = None


class _Message(msgspec.Struct):
    model: Any = None
    stop_reason: Any = None
    usage: _Usage | None = None
    error: Any = None


class _Fallback(msgspec.Struct):
    """The block that says which model goes on."""

    type: Any = None
    to: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    message: _Message | None = None
    delta: Any = None
    content_block: _Fallback | None = None
    usage: _Usage | None = None
    error: Any = None


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


def _tier(said: _Usage) -> object:
    """How fast, and where: `fast+us`, each word with a price of its own."""
    tier = "fast" if said.speed == "fast" else said.service_tier
    if said.inference_geo != "us":
        return tier
    return f"{tier}+us" if isinstance(tier, str) and tier else "us"


_NOTHING = _Usage()
"""What was reported before anything was: never changed."""


class MessagesGathered(Gathered):
    """The reading of one reply under way."""

    delivered = strings_of("text", "thinking", "partial_json")
    delivered_objects = objects_of("input")
    not_plain = re.compile(
        rb'"type"\s*:\s*"(?:(?:redacted_)?thinking|thinking_delta|input_json_delta|[a-z_]*tool_use)"'
    )
    telling = re.compile(rb'"type"\s*:\s*"(?:message_(?:start|delta|stop)|fallback|error)"')

    def __init__(self) -> None:
        super().__init__()
        self._said = _NOTHING
        """Of each count the last that was reported."""
        self._first_model = ""
        """Whose the calls are that name no model."""

    def take_reply(self, body: bytes) -> None:
        message = _decode_message(body)
        self.name(model=message.model, finish=message.stop_reason)
        self._first_model = self.model
        if message.usage is not None:
            self._take(message.usage)
        self.fail(message.error)

    def take_event(self, data: bytes) -> bool:
        event = _decode_event(data)
        if event.type == "message_start" and event.message is not None:
            self._start(event.message)
        elif event.type == "message_delta":
            reason = event.delta.get("stop_reason") if isinstance(event.delta, dict) else None
            self.name(finish=reason)
            if event.usage is not None:
                self._take(event.usage)
        elif event.type == "message_stop":
            self.is_complete = True
        elif event.type == "error" or event.error:
            self.fail(event.error or "error")
        elif event.content_block is not None and isinstance(event.content_block.to, dict):
            self.name(model=event.content_block.to.get("model"))
        return False

    def take_usage(self, usage: bytes) -> None:
        self._take(_decode_usage(usage))

    def lose_usage(self) -> None:
        super().lose_usage()
        self._said = _NOTHING

    def reading(self) -> Reading:
        reading = super().reading()
        if not self._has_output and (self.is_complete or self.finish_reason):
            # It is over and has said nothing of its output: that is no report.
            return structs.replace(reading, usage=None)
        return reading

    @property
    def _has_output(self) -> bool:
        return self._said.output_tokens is not None or bool(self._said.iterations)

    def _start(self, message: _Message) -> None:
        self.name(model=message.model)
        self._first_model = self.model
        if message.usage is not None:
            # One token, or two, stands there for an output that is not counted yet.
            message.usage.output_tokens = None
            self._take(message.usage)

    def _take(self, reported: _Usage) -> None:
        said = self._said
        if said is _NOTHING:
            self._said = said = reported
        else:
            for name in _Usage.__struct_fields__:
                if (value := getattr(reported, name)) not in (None, b""):
                    setattr(said, name, value)
        self.name(tier=_tier(said))
        self.provider_cost = provider_cost(said)
        self.lines = ()
        if said.iterations:
            self._take_calls(said.iterations)
        else:
            self.usage = _counted(said, or_zero(said.output_tokens), self._extras)

    def _take_calls(self, calls: list[_Iteration]) -> None:
        """Each model call by itself; what was counted once for all is with the answering one."""
        answering = max(
            (at for at, call in enumerate(calls) if call.type in _ANSWERS), default=len(calls) - 1
        )
        extras = self._extras
        reasoning = extras.pop("reasoning")
        lines = []
        for at, call in enumerate(calls):
            usage = _counted(call, call.output_tokens, extras if at == answering else {})
            if usage is None:
                self.lose_usage()
                return
            model = call.model if isinstance(call.model, str) else ""
            kind = call.type if isinstance(call.type, str) else ""
            lines.append(
                Line(safe(model) or self._first_model or self.model, safe(kind, 40), usage)
            )
        self.name(model=lines[answering].model)
        total = summed(line.usage for line in lines)
        self.usage = total._replace(reasoning=amount(reasoning))
        is_one = len(lines) == 1 and lines[0].model == self._first_model
        self.lines = () if is_one else tuple(lines)

    @property
    def _extras(self) -> dict[str, object]:
        """What is counted of the whole reply alone; reading what was fetched is free."""
        tools = self._said.server_tool_use or _ServerTools()
        made = self._said.output_tokens_details or _OutputDetails()
        return {"web_search": tools.web_search_requests, "reasoning": made.thinking_tokens}


def _counted(counts: _Counts, output_tokens: object, extras: Mapping[str, object]) -> Usage | None:
    creation = counts.cache_creation or _Creation()
    briefly, lastingly = split_writes(
        counts.cache_creation_input_tokens,
        creation.ephemeral_5m_input_tokens,
        creation.ephemeral_1h_input_tokens,
    )
    return counted_beside(
        counts.input_tokens,
        output_tokens,
        cache_read=counts.cache_read_input_tokens,
        cache_write_5m=briefly,
        cache_write_1h=lastingly,
        **extras,
    )


def whole() -> Reader:
    """A reader of a reply, also of Bedrock's `invoke`."""
    return WholeReader(MessagesGathered())


def stream(_strips_usage: bool) -> Reader:
    """A reader of a stream. Nothing is stripped: its usage is always there."""
    return EventReader(MessagesGathered())
