"""Events into a chat reply, whole or as a stream of chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Writer
from ferrycli.wire.errors import openai_passed
from ferrycli.wire.sse import written_event
from ferrycli.wire.translate.answer import Answer, WholeWriter
from ferrycli.wire.translate.chat import details
from ferrycli.wire.translate.chat.written import call_seal
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

BROKEN_STATUS = 502
"""What an error inside a reply would have had as its status: its provider is to blame."""
DONE = b"data: [DONE]\n\n"


def usage_told(usage: Usage) -> dict[str, Any]:
    """`usage` in OpenAI's shape: cached, written and spoken tokens are inside the sums."""
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.input_total + usage.output_total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": usage.audio_in,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_out,
        },
    }


def error_told(broken: Broken) -> bytes:
    """An error inside a reply, in OpenAI's shape."""
    return openai_passed(BROKEN_STATUS, broken.code, broken.message)


def _finish_reason(finished: Finished) -> str:
    return "stop" if finished.reason == "stop_sequence" else finished.reason


def whole(asking: Asking) -> Writer:
    """The writer of a reply that is one object."""

    def reply(answer: Answer, finished: Finished) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": _message(answer),
            "logprobs": None,
            "finish_reason": _finish_reason(finished),
        }
        told: dict[str, Any] = {
            "id": answer.id or asking.id,
            "object": "chat.completion",
            "created": asking.now_s,
            "model": answer.model or asking.model,
            "choices": [choice],
        }
        if answer.usage is not None:
            told["usage"] = usage_told(answer.usage)
        return told

    return WholeWriter(reply, error_told)


def _message(answer: Answer) -> dict[str, Any]:
    parts = answer.parts
    content = "".join(part.text for part in parts if isinstance(part, Text))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content or None,
        "refusal": answer.refusal or None,
    }
    if calls := [_call(part) for part in parts if isinstance(part, ToolCall)]:
        message["tool_calls"] = calls
    thoughts = [(at, part) for at, part in enumerate(parts) if isinstance(part, Thinking)]
    if thoughts:
        message["reasoning_content"] = "".join(thought.text for _, thought in thoughts)
        message["reasoning_details"] = [details.written(one, at) for at, one in thoughts]
    return message


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function, **call_seal(call.signature)}


class StreamedAnswer:
    """A `Writer` of a stream of chunks."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._id = asking.id
        self._model = asking.model
        self._is_started = False
        self._is_over = False
        self._is_finished = False
        self._calls = 0
        self._place = -1
        """Of the part under way, in the turn."""
        self._part: type[Event] | None = None
        self._is_sealed = False
        self._usage: Usage | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(part for event in events for part in self._written(event))

    def finish(self) -> bytes:
        if self._is_over or not self._is_finished:
            return b""
        self._is_over = True
        last = b""
        if self._asking.wants_usage and self._usage is not None:
            last = self._chunk([], usage_told(self._usage))
        return last + DONE

    def _written(self, event: Event) -> Iterator[bytes]:
        if self._is_over:
            return
        if isinstance(event, Broken):
            self._is_over = True
            yield written_event(error_told(event))
            return
        if isinstance(event, Counted):
            self._usage = event.usage
            return
        if isinstance(event, Started):
            self._id, self._model = event.id or self._id, event.model or self._model
        if not self._is_started:
            self._is_started = True
            yield self._delta({"role": "assistant", "content": ""})
        if isinstance(event, Finished):
            self._is_finished = True
            yield self._delta({}, _finish_reason(event))
        elif not isinstance(event, Started):
            yield self._delta(self._said(event))

    def _said(self, event: Said | Refused | Thought | Called | Argued) -> dict[str, Any]:
        """The `delta` of a piece of the answer."""
        self._move_on(event)
        if isinstance(event, Said):
            return {"content": event.text}
        if isinstance(event, Refused):
            return {"refusal": event.text}
        if isinstance(event, Thought):
            thought = Thinking(event.text, event.signature, event.redacted, event.maker)
            said = {"reasoning_details": [details.written(thought, self._place)]}
            return {"reasoning_content": event.text, **said} if event.text else said
        call: dict[str, Any] = {"index": self._calls - 1}
        if isinstance(event, Called):
            call |= {"id": event.id, "type": "function"}
            call |= {"function": {"name": event.name, "arguments": ""}}
            call |= call_seal(event.signature)
        else:
            call["function"] = {"arguments": event.json}
        return {"tool_calls": [call]}

    def _move_on(self, event: Event) -> None:
        """Count the parts of the turn: thoughts are told with their place in it."""
        if isinstance(event, Argued):
            return
        is_new = type(event) is not self._part or isinstance(event, Called)
        if isinstance(event, Thought):
            is_new = is_new or bool(event.redacted) or self._is_sealed
            self._is_sealed = bool(event.redacted or event.signature)
        self._part = type(event)
        self._place += is_new
        self._calls += isinstance(event, Called)

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._chunk([choice], None)

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> bytes:
        chunk: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._asking.now_s,
            "model": self._model,
            "choices": choices,
        }
        if self._asking.wants_usage:
            chunk["usage"] = usage
        return written_event(msgspec.json.encode(chunk))
