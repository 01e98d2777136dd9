"""Events into a reply of Anthropic's messages, whole or as a stream of named events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Writer
from ferrycli.wire.sse import written_event
from ferrycli.wire.translate.answer import Answer, WholeWriter
from ferrycli.wire.translate.loose import Unreadable, decoded
from ferrycli.wire.translate.seals import ANTHROPIC, GOOGLE, UNSEALED, Kind, told
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Counted,
    Event,
    Finished,
    Refused,
    Said,
    Started,
    Text,
    Thinking,
    Thought,
    ToolCall,
)

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "stop_sequence": "stop_sequence",
}
ERROR_TYPES = frozenset(
    """
    api_error authentication_error billing_error invalid_request_error not_found_error
    overloaded_error permission_error rate_limit_error request_too_large timeout_error
    """.split()
)
ERROR_TYPE_UNKNOWN = "api_error"


def usage_told(usage: Usage | None) -> dict[str, Any]:
    """`usage` in Anthropic's shape: cached and written tokens stand beside the input.

    An SDK wants the two sums in every reply, so they are 0 where nothing was counted.
    """
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    told: dict[str, Any] = {
        "input_tokens": usage.input_total - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output_total,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }
    if usage.web_search:
        told["server_tool_use"] = {"web_search_requests": usage.web_search}
    return told


def error_told(broken: Broken) -> bytes:
    """An error inside a reply, in Anthropic's shape; another provider's code stands before."""
    if broken.code in ERROR_TYPES or not broken.code:
        message = broken.message
    else:
        message = f"{broken.code}: {broken.message}"
    kind = broken.code if broken.code in ERROR_TYPES else ERROR_TYPE_UNKNOWN
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


def _stopped(finished: Finished, has_refused: bool) -> dict[str, Any]:
    is_refusal = has_refused and finished.reason == "stop"
    return {
        "stop_reason": "refusal" if is_refusal else STOP_REASONS[finished.reason],
        "stop_sequence": finished.stop_sequence or None,
    }


def whole(asking: Asking) -> Writer:
    """The writer of a reply that is one object."""

    def reply(answer: Answer, finished: Finished) -> dict[str, Any]:
        content = [block for part in answer.parts for block in _blocks(part)]
        if answer.refusal:
            content.append({"type": "text", "text": answer.refusal})
        return {
            "id": answer.id or asking.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model or asking.model,
            "content": content,
            **_stopped(finished, bool(answer.refusal)),
            "usage": usage_told(answer.usage),
        }

    return WholeWriter(reply, error_told)


def _blocks(part: Text | Thinking | ToolCall) -> Iterator[dict[str, Any]]:
    if isinstance(part, Text):
        yield {"type": "text", "text": part.text}
    elif isinstance(part, ToolCall):
        if part.signature:
            yield _redacted("call", GOOGLE, part.signature)
        arguments = _object_or_none(part.arguments)
        yield {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments}
    elif part.redacted:
        yield _redacted("redacted", part.maker, part.redacted)
    else:
        signature = _signature(part.maker, part.signature)
        yield {"type": "thinking", "thinking": part.text, "signature": signature}


def _redacted(kind: Kind, maker: str, seal: str) -> dict[str, Any]:
    data = told(kind, maker, seal, is_own=kind == "redacted" and maker == ANTHROPIC)
    return {"type": "redacted_thinking", "data": data}


def _signature(maker: str, seal: str) -> str:
    kind: Kind = "signature" if seal else UNSEALED.kind
    return told(kind, maker, seal, is_own=maker == ANTHROPIC)


def _object_or_none(arguments: str) -> dict[str, Any] | None:
    """The arguments of a call; None where a model has written no object: a client's own check of
    them fails then, as it should."""
    try:
        return decoded(arguments.encode() or b"{}")
    except Unreadable:
        return None


class StreamedMessage:
    """A `Writer` of a stream: blocks one after the other, each begun and ended."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._is_started = False
        self._is_over = False
        self._has_refused = False
        self._number = -1
        """Of the block under way, or the last one."""
        self._block = ""
        """The kind of the block under way: `text`, `thinking` or `tool_use`."""
        self._finished: Finished | None = None
        self._usage: Usage | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(part for event in events for part in self._written(event))

    def finish(self) -> bytes:
        """What was used is told with the reason of the end, so both wait for this."""
        if self._is_over or self._finished is None:
            return b""
        self._is_over = True
        delta = _stopped(self._finished, self._has_refused)
        ending = [
            *self._start(Started("", "")),
            *self._end_block(),
            _event("message_delta", delta=delta, usage=usage_told(self._usage)),
            _event("message_stop"),
        ]
        return b"".join(ending)

    def _written(self, event: Event) -> Iterator[bytes]:
        if self._is_over:
            return
        if isinstance(event, Broken):
            self._is_over = True
            yield written_event(error_told(event), "error")
        elif isinstance(event, Counted):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finished = event
        elif isinstance(event, Started):
            yield from self._start(event)
        else:
            yield from self._start(Started("", ""))
            yield from self._said(event)

    def _start(self, started: Started) -> Iterator[bytes]:
        if self._is_started:
            return
        self._is_started = True
        message: dict[str, Any] = {
            "id": started.id or self._asking.id,
            "type": "message",
            "role": "assistant",
            "model": started.model or self._asking.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_told(started.input_usage),
        }
        yield _event("message_start", message=message)

    def _said(self, event: Said | Refused | Thought | Called | Argued) -> Iterator[bytes]:
        if isinstance(event, Said | Refused):
            self._has_refused = self._has_refused or isinstance(event, Refused)
            yield from self._in_block("text", {"type": "text", "text": ""})
            yield self._delta("text_delta", text=event.text)
        elif isinstance(event, Thought):
            yield from self._thought(event)
        elif isinstance(event, Called):
            yield from self._end_block()
            if event.signature:
                yield from self._sealed(_redacted("call", GOOGLE, event.signature))
            block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
            yield from self._in_block("tool_use", block)
        elif self._block == "tool_use":
            yield self._delta("input_json_delta", partial_json=event.json)

    def _thought(self, event: Thought) -> Iterator[bytes]:
        if event.redacted:
            yield from self._end_block()
            yield from self._sealed(_redacted("redacted", event.maker, event.redacted))
            return
        yield from self._in_block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            yield self._delta("thinking_delta", thinking=event.text)
        if event.signature:
            yield from self._end_block(_signature(event.maker, event.signature))

    def _sealed(self, block: dict[str, Any]) -> Iterator[bytes]:
        yield from self._in_block("redacted", block)
        yield from self._end_block()

    def _in_block(self, kind: str, block: dict[str, Any]) -> Iterator[bytes]:
        """Begin a block, unless one of its kind is under way."""
        if self._block == kind:
            return
        yield from self._end_block()
        self._block = kind
        self._number += 1
        yield _event("content_block_start", index=self._number, content_block=block)

    def _end_block(self, signature: str = "") -> Iterator[bytes]:
        if not self._block:
            return
        if self._block == "thinking":
            # In one piece: SDKs take the last one for the whole.
            yield self._delta("signature_delta", signature=signature or _signature("", ""))
        self._block = ""
        yield _event("content_block_stop", index=self._number)

    def _delta(self, kind: str, **said: str) -> bytes:
        delta = {"type": kind, **said}
        return _event("content_block_delta", index=self._number, delta=delta)


def _event(kind: str, **members: object) -> bytes:
    return written_event(msgspec.json.encode({"type": kind, **members}), kind)
