"""What replies in Bedrock's Converse dialect say.

Tokens read from a cache and written to one stand beside `inputTokens`; the twins that end in
`TokenCount` say the same again. No reply names its model: that is in the request's path. A stream
is made of frames, of which the last has the usage.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferrycli.wire.dialect import Reader
from ferrycli.wire.readers.bodies import WholeReader
from ferrycli.wire.readers.counting import amount, counted_beside, split_writes
from ferrycli.wire.readers.gathered import Gathered, objects_of, strings_of
from ferrycli.wire.readers.streams import FrameReader


class _Detail(msgspec.Struct, rename="camel"):
    ttl: Any = None
    input_tokens: Any = 0


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_write_input_tokens: Any = None
    cache_details: list[_Detail] | None = None


class _Reply(msgspec.Struct, rename="camel"):
    """A whole reply, or what a frame holds."""

    stop_reason: Any = None
    usage: _Usage | None = None
    performance_config: Any = None
    service_tier: Any = None


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


class _Converse(Gathered):
    delivered = strings_of("text", "input")
    delivered_objects = objects_of("input")
    not_plain = re.compile(rb'"(?:toolUse|reasoningContent)"\s*:')
    telling = re.compile(rb'"stopReason"')

    def take_event(self, data: bytes) -> bool:
        reply = _decode_reply(data)
        self.name(finish=reply.stop_reason, tier=_tier(reply))
        if reply.usage is not None:
            self._take(reply.usage)
            self.is_complete = True
        return False

    def take_usage(self, usage: bytes) -> None:
        self._take(_decode_usage(usage))

    def _take(self, reported: _Usage) -> None:
        details = reported.cache_details or ()
        briefly, lastingly = split_writes(
            reported.cache_write_input_tokens,
            sum(amount(one.input_tokens) for one in details if one.ttl == "5m"),
            sum(amount(one.input_tokens) for one in details if one.ttl == "1h"),
        )
        self.usage = counted_beside(
            reported.input_tokens,
            reported.output_tokens,
            cache_read=reported.cache_read_input_tokens,
            cache_write_5m=briefly,
            cache_write_1h=lastingly,
        )


def _tier(reply: _Reply) -> object:
    """`optimized` for low latency, else the service tier; None where the reply names neither."""
    config, served = reply.performance_config, reply.service_tier
    latency = config.get("latency") if isinstance(config, dict) else None
    if latency not in (None, "standard"):
        return latency
    return served.get("type") if isinstance(served, dict) else None


def whole() -> Reader:
    """A reader of a reply."""
    return WholeReader(_Converse())


def stream(_strips_usage: bool) -> Reader:
    """A reader of a stream of frames. Nothing is stripped: its usage is always there."""
    return FrameReader(_Converse())
