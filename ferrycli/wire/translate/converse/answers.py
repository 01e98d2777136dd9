"""Events into Converse's replies, whole or as a stream of frames.

A refusal is text here, for Converse has no words of its own for one. How long the model took is not
known where events are written, and is told as 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Writer
from ferrycli.wire.frames import frame
from ferrycli.wire.translate.answer import Answer, WholeWriter
from ferrycli.wire.translate.calls import with_whole_calls
from ferrycli.wire.translate.converse.parts import Blocks, as_told, call_id
from ferrycli.wire.translate.parsing import CUT
from ferrycli.wire.translate.seals import UNSEALED, told
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Counted,
    Event,
    Finished,
    Refused,
    Said,
    Thinking,
    Thought,
)

Json = dict[str, Any]

REASONS = MappingProxyType(
    {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "content_filtered",
        "stop_sequence": "stop_sequence",
    }
)
MALFORMED = "malformed_tool_use"
"""The end of an answer with a call whose arguments are no object: a whole reply cannot show it."""
EXCEPTIONS = frozenset(
    {
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "serviceUnavailableException",
    }
)
METRICS = {"latencyMs": 0}


def error_told(broken: Broken) -> bytes:
    """An error of a whole reply, in Bedrock's shape."""
    return msgspec.json.encode({"message": broken.message})


def usage_told(usage: Usage) -> Json:
    """`usage` in Converse's shape: what was read from a cache or written to one is beside."""
    told: Json = {
        "inputTokens": usage.input_total - usage.cache_read - usage.cache_write,
        "outputTokens": usage.output_total,
        "totalTokens": usage.input_total + usage.output_total,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": usage.cache_write,
    }
    written = {"5m": usage.cache_write_5m, "1h": usage.cache_write_1h}
    details = [{"ttl": ttl, "inputTokens": count} for ttl, count in written.items() if count]
    return {**told, "cacheDetails": details} if details else told


def whole() -> Writer:
    """The writer of a reply that is one object."""
    return WholeWriter(_reply, error_told, has_refusals=False)


def _reply(answer: Answer, finished: Finished) -> Json:
    shown = with_whole_calls(answer.parts)
    reason = REASONS[finished.reason]
    if len(shown) < len(answer.parts) and reason != "max_tokens":
        reason = MALFORMED
    content = Blocks().of([as_told(part) for part in shown]) or [{"text": ""}]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reason,
        "usage": usage_told(answer.usage or Usage()),
        "metrics": METRICS,
    }


class StreamAnswer:
    """A `Writer` of a stream of frames."""

    def __init__(self) -> None:
        self._is_begun = False
        self._kind = ""
        """What the open block holds: `text`, `thought`, `call`; empty where none is open."""
        self._index = -1
        self._finished = False
        self._usage: Usage | None = None
        self._is_over = False

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(told for event in events for told in self._told(event))

    def finish(self) -> bytes:
        if self._is_over:
            return b""
        self._is_over = True
        if not self._finished:
            return _exception(CUT)
        told = {"usage": usage_told(self._usage or Usage()), "metrics": METRICS}
        return _frame("metadata", told)

    def _told(self, event: Event) -> Iterator[bytes]:
        if self._is_over:
            return
        if not self._is_begun and not isinstance(event, Broken):
            self._is_begun = True
            yield _frame("messageStart", {"role": "assistant"})
        if isinstance(event, Said | Refused):
            yield from self._delta("text", {"text": event.text})
        elif isinstance(event, Thought):
            yield from self._thought(event)
        elif isinstance(event, Called):
            yield from self._open("call")
            start = {"toolUse": {"toolUseId": call_id(event.id), "name": event.name}}
            yield _frame("contentBlockStart", {"start": start, "contentBlockIndex": self._index})
        elif isinstance(event, Argued):
            if self._kind == "call":
                yield from self._delta("call", {"toolUse": {"input": event.json}})
        elif isinstance(event, Finished):
            yield from self._close()
            self._finished = True
            yield _frame("messageStop", {"stopReason": REASONS[event.reason]})
        elif isinstance(event, Counted):
            self._usage = event.usage
        elif isinstance(event, Broken):
            self._is_over = True
            yield _exception(event)

    def _thought(self, event: Thought) -> Iterator[bytes]:
        """A sealed thought is a block by itself; a signature is the end of the one that is open."""
        thought = as_told(Thinking(event.text, event.signature, event.redacted, event.maker))
        assert isinstance(thought, Thinking)
        if thought.redacted:
            yield from self._open("sealed")
            yield from self._delta(
                "sealed", {"reasoningContent": {"redactedContent": thought.redacted}}
            )
        if thought.text:
            yield from self._delta("thought", {"reasoningContent": {"text": thought.text}})
        if event.signature:
            if self._kind != "thought":
                yield from self._open("thought")
            yield from self._close(thought.signature)

    def _delta(self, kind: str, delta: Json) -> Iterator[bytes]:
        if self._kind != kind:
            yield from self._open(kind)
        yield _frame("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index})

    def _open(self, kind: str) -> Iterator[bytes]:
        yield from self._close()
        self._kind = kind
        self._index += 1

    def _close(self, signature: str = "") -> Iterator[bytes]:
        if self._kind == "thought":
            seal = signature or told(UNSEALED.kind, "", "")
            yield from self._delta("thought", {"reasoningContent": {"signature": seal}})
        if self._kind:
            self._kind = ""
            yield _frame("contentBlockStop", {"contentBlockIndex": self._index})


def _frame(kind: str, payload: Json) -> bytes:
    return frame(kind, msgspec.json.encode(payload))


def _exception(broken: Broken) -> bytes:
    kind = broken.code if broken.code in EXCEPTIONS else "internalServerException"
    payload = msgspec.json.encode({"message": broken.message})
    return frame(kind, payload, message_type="exception")
