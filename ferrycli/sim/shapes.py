"""OpenAI's wire shapes, field for field as in recorded replies: whole, in chunks, and errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ferrycli.sim.choices import Choice
from ferrycli.sim.models import MODELS, SimModel
from ferrycli.sim.refusals import Failure

DONE = b"data: [DONE]\n\n"
_MODELS_SINCE_S = 1_767_225_600
"""2026-01-01 00:00 UTC."""


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of one reply repeats."""

    id: str
    created_s: int
    model: str
    service_tier: str

    def fields(self, kind: str) -> dict[str, object]:
        """The head of an object of this kind, in OpenAI's order."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created_s,
            "model": self.model,
            "service_tier": self.service_tier,
            "system_fingerprint": f"fp_{_hex(self.model.encode(), 10)}",
        }


@dataclass(frozen=True, slots=True)
class Count:
    """What one reply used. Cached and written tokens are inside the prompt's, never in both."""

    prompt_tokens: int
    cached_tokens: int
    written_tokens: int
    completion_tokens: int
    reasoning_tokens: int

    def fields(self) -> dict[str, object]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "audio_tokens": 0,
                "cache_write_tokens": self.written_tokens,
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def completion(
    head: Head, answers: Sequence[tuple[Choice, list[str]]], count: Count | None
) -> bytes:
    """A whole reply. Without `count` it has no usage at all."""
    reply = head.fields("chat.completion")
    reply["choices"] = [
        {
            "index": choice.index,
            "message": _message(choice, "".join(tokens)),
            "finish_reason": choice.finish_reason,
        }
        for choice, tokens in answers
    ]
    if count is not None:
        reply["usage"] = count.fields()
    return _pretty(reply)


def _message(choice: Choice, text: str) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": text}
    if choice.call_name is not None:
        function = {"name": choice.call_name, "arguments": text}
        message["content"] = None
        message["tool_calls"] = [{"id": choice.call_id, "type": "function", "function": function}]
    return {**message, "refusal": None, "annotations": []}


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one streamed reply."""

    head: Head
    has_usage_chunk: bool
    """Whether the chunks before the last say `usage: null`."""
    has_obfuscation: bool

    def opening(self, choice: Choice) -> bytes:
        """The first chunk of a choice: who speaks, or what is called."""
        delta: dict[str, object] = {"role": "assistant", "content": ""}
        if choice.call_name is not None:
            delta["content"] = None
            delta["tool_calls"] = [
                {
                    "index": 0,
                    "id": choice.call_id,
                    "type": "function",
                    "function": {"name": choice.call_name, "arguments": ""},
                }
            ]
        return self._chunk(choice, {**delta, "refusal": None})

    def token(self, choice: Choice, token: str) -> bytes:
        """One token of an answer, or of the arguments of its call."""
        if choice.call_name is None:
            return self._chunk(choice, {"content": token})
        return self._chunk(choice, {"tool_calls": [{"index": 0, "function": {"arguments": token}}]})

    def end(self, choice: Choice) -> bytes:
        """The last chunk of a choice: why it ends."""
        return self._chunk(choice, {})

    def usage(self, count: Count) -> bytes:
        """The chunk after the last choice, for callers that asked for usage."""
        fields = self.head.fields("chat.completion.chunk")
        return self._event({**fields, "choices": [], "usage": count.fields()})

    def _chunk(self, choice: Choice, delta: dict[str, object]) -> bytes:
        fields = self.head.fields("chat.completion.chunk")
        fields["choices"] = [
            {
                "index": choice.index,
                "delta": delta,
                "logprobs": None,
                "finish_reason": None if delta else choice.finish_reason,
            }
        ]
        if self.has_usage_chunk:
            fields["usage"] = None
        return self._event(fields)

    def _event(self, fields: dict[str, object]) -> bytes:
        if self.has_obfuscation:
            # Noise of changing length: it hides how long a token is from who watches the wire.
            noise = _hex(_bytes(json.dumps(fields["choices"])), 17)
            fields["obfuscation"] = noise[int(noise[0], 16) + 1 :]
        return event(fields)


def event(fields: dict[str, object]) -> bytes:
    """One server-sent event."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + _bytes(text) + b"\n\n"


def error(failure: Failure) -> dict[str, object]:
    """OpenAI's error object."""
    return {
        "error": {
            "message": failure.message,
            "type": failure.kind,
            "param": failure.param,
            "code": failure.code,
        }
    }


def error_body(failure: Failure) -> bytes:
    """The error as the body of a reply."""
    return _pretty(error(failure))


def model_list() -> bytes:
    """All models, as `GET /models` gives them."""
    return _pretty({"object": "list", "data": [_model(model) for model in MODELS]})


def model_body(model: SimModel) -> bytes:
    """One model, as `GET /models/{name}` gives it."""
    return _pretty(_model(model))


def _model(model: SimModel) -> dict[str, object]:
    fields: dict[str, object] = {"id": model.name, "object": "model"}
    return {**fields, "created": _MODELS_SINCE_S, "owned_by": "ferry-sim"}


def _pretty(fields: dict[str, object]) -> bytes:
    """Indented, as OpenAI sends what is not a stream."""
    return _bytes(json.dumps(fields, ensure_ascii=False, indent=2)) + b"\n"


def _bytes(text: str) -> bytes:
    # JSON may carry half a surrogate pair in a tool's name; UTF-8 has none.
    return text.encode("utf-8", "replace")


def _hex(data: bytes, length: int) -> str:
    return blake2b(data, digest_size=16).hexdigest()[:length]
