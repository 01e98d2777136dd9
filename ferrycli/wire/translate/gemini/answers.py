"""Events into Gemini's replies, whole or as a stream.

A stream is server-sent events with CRLF, as Google sends them at `alt=sse`: each a whole reply with
what is new of the answer, and the usage so far. A tool call is one part, so it is told when all of
its arguments have come. A refusal is text here, for Gemini has no words of its own for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Writer
from ferrycli.wire.translate.answer import Answer, WholeWriter, spoken
from ferrycli.wire.translate.calls import with_whole_calls
from ferrycli.wire.translate.gemini.parts import reply_parts
from ferrycli.wire.translate.parsing import CUT
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Counted,
    Event,
    Finished,
    Started,
    Text,
    Thinking,
    ToolCall,
)

Json = dict[str, Any]

REASONS = MappingProxyType({"length": "MAX_TOKENS", "content_filter": "SAFETY"})
"""Any other end is `STOP`."""
MALFORMED = "MALFORMED_FUNCTION_CALL"
"""The end of an answer with a call whose arguments are no object: Gemini can only show one."""
STATUSES = MappingProxyType(
    {
        "INVALID_ARGUMENT": 400,
        "PERMISSION_DENIED": 403,
        "NOT_FOUND": 404,
        "RESOURCE_EXHAUSTED": 429,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504,
    }
)
"""Google's names of errors, and the HTTP status of each."""


def error_told(broken: Broken) -> bytes:
    """An error inside a reply, in Google's shape."""
    status = broken.code.upper() if broken.code.upper() in STATUSES else "INTERNAL"
    error = {"code": STATUSES[status], "message": broken.message, "status": status}
    return msgspec.json.encode({"error": error})


def usage_told(usage: Usage) -> Json:
    """`usage` in Gemini's shape: thoughts beside the answer, all of the input in the prompt."""
    reasoning = min(usage.reasoning, usage.output_total)
    sometimes = {"cachedContentTokenCount": usage.cache_read, "thoughtsTokenCount": reasoning}
    return {
        "promptTokenCount": usage.input_total,
        "candidatesTokenCount": usage.output_total - reasoning,
        "totalTokenCount": usage.input_total + usage.output_total,
        **{name: count for name, count in sometimes.items() if count},
    }


def whole(asking: Asking) -> Writer:
    """The writer of a reply that is one object."""

    def reply(answer: Answer, finished: Finished) -> Json:
        head = _head(answer.id or asking.id, answer.model or asking.model)
        shown = with_whole_calls(answer.parts)
        reason = _reason(finished, is_malformed=len(shown) < len(answer.parts))
        return _reply(head, shown, answer.usage, reason)

    return WholeWriter(reply, error_told, has_refusals=False)


class StreamAnswer:
    """A `Writer` of a stream."""

    def __init__(self, asking: Asking) -> None:
        self._head = _head(asking.id, asking.model)
        self._waiting: list[Event] = []
        """A call of a tool and what has come of its arguments."""
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._is_malformed = False
        self._is_over = False

    def write(self, events: Sequence[Event]) -> bytes:
        ready: list[Event] = []
        broken: Broken | None = None
        for event in spoken(events):
            if isinstance(event, Started):
                self._head |= {
                    name: one for name, one in _head(event.id, event.model).items() if one
                }
                self._usage = event.input_usage
            elif isinstance(event, Finished):
                self._finished = event
            elif isinstance(event, Counted):
                self._usage = event.usage
            elif isinstance(event, Broken):
                broken = broken or event
            elif isinstance(event, Argued):
                self._waiting.append(event)
            else:
                ready += self._called()
                (self._waiting if isinstance(event, Called) else ready).append(event)
        if self._finished is not None:
            ready += self._called()
        return self._told(ready, broken)

    def finish(self) -> bytes:
        told = self._told(self._called(), None)
        if self._is_over:
            return told
        self._is_over = True
        if self._finished is None:
            return told + _event(error_told(CUT))
        reason = _reason(self._finished, is_malformed=self._is_malformed)
        reply = _reply(self._head, [Text("")], self._usage, reason)
        return told + _event(msgspec.json.encode(reply))

    def _called(self) -> list[Event]:
        called, self._waiting = self._waiting, []
        return called

    def _told(self, events: Sequence[Event], broken: Broken | None) -> bytes:
        if self._is_over:
            return b""
        answer = Answer()
        answer.take(events)
        answer.close()
        shown = with_whole_calls(answer.parts)
        self._is_malformed |= len(shown) < len(answer.parts)
        told = b""
        if shown:
            told = _event(msgspec.json.encode(_reply(self._head, shown, self._usage, "")))
        if broken is not None:
            self._is_over = True
            told += _event(error_told(broken))
        return told


def _event(data: bytes) -> bytes:
    # Arguments are told as the model wrote them, and an event's line ends where a line does.
    return b"data: " + msgspec.json.format(data, indent=-1) + b"\r\n\r\n"


def _reason(finished: Finished, *, is_malformed: bool) -> str:
    return REASONS.get(finished.reason, MALFORMED if is_malformed else "STOP")


def _head(reply_id: str, model: str) -> Json:
    return {"modelVersion": model, "responseId": reply_id}


def _reply(
    head: Json,
    parts: Sequence[Text | Thinking | ToolCall],
    usage: Usage | None,
    reason: str,
) -> Json:
    candidate: Json = {"content": {"parts": reply_parts(parts), "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    counts = {} if usage is None else {"usageMetadata": usage_told(usage)}
    return {"candidates": [candidate], **counts, **head}
