"""What is asked and what is answered in every measurement, made beforehand.

The model that a request names decides the reply; every reply says that it used the same tokens, so
that all calls cost the same.
"""

from __future__ import annotations

import json
from typing import Any

HOST = "127.0.0.1"

WHOLE, LATE, ENCRYPTED = "m-whole", "m-late", "m-encrypted"
"""Models of a reply in one piece: at once, after `LATE_S`, and asked for over TLS."""
STREAMS = {"m-stream-50": 50, "m-stream-500": 500}
"""Models of a stream, with its events of text; each event is written at a turn of the loop."""
TICKS = "m-ticks"
"""The model of a stream that has an event each while, which says when it was written."""
FLOOD, SENT = "m-flood", "m-sent"
"""The model of a stream of `FLOOD_BYTES`, and the one that says how much of it could be sent."""

TEXT_TICK = " t%020d"
"""The text of such an event: nanoseconds of the clock that all processes share."""

LATE_S = 0.05
FLOOD_BYTES = 200_000_000
"""More than the system's socket buffers take, which grow to 32 MB each where readers are fast."""
INPUT_TOKENS, OUTPUT_TOKENS = 240, 50
REQUEST_BYTES = 1_000

_HEAD = {"id": "chatcmpl-bench", "created": 1_795_000_000, "model": "m-1"}
_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
TEXT = "measured measured"
"""Stands in every reply in one piece, whoever writes it anew."""


def whole_body() -> bytes:
    """A reply in one piece, of about 1 KB, with its usage."""
    message = {"role": "assistant", "content": "measured " * 65, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    kind = {"object": "chat.completion", "service_tier": "default"}
    return json.dumps({**_HEAD, **kind, "choices": [choice], "usage": _USAGE}).encode()


def stream_events(text_events: int) -> list[bytes]:
    """A reply in pieces: so many of text, the end, the usage, and `[DONE]`."""
    texts = [text_event(f" word{number}") for number in range(text_events)]
    chunks: list[dict[str, Any]] = [
        {**_chunk_head(), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**_chunk_head(), "choices": [], "usage": _USAGE},
    ]
    return [*texts, *map(_event, map(json.dumps, chunks)), _event("[DONE]")]


def text_event(text: str) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return _event(json.dumps({**_chunk_head(), "choices": [choice]}))


def reply_body(model: str) -> bytes:
    """What a call of `model` must bring, byte for byte."""
    return b"".join(stream_events(STREAMS[model])) if model in STREAMS else whole_body()


def request_body(model: str, body_bytes: int = REQUEST_BYTES) -> bytes:
    """What is asked, of `body_bytes` or a few bytes more or less."""
    chat: dict[str, Any] = {"model": model}
    if model in STREAMS or model in (TICKS, FLOOD):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    system = {"role": "system", "content": "You measure what lies between us. " * 6}
    user = {"role": "user", "content": ""}
    chat |= {"max_tokens": 256, "messages": [system, user]}
    bare = len(json.dumps(chat, separators=(",", ":")))
    question = "How long did this take? "
    user["content"] = question * max(1, round((body_bytes - bare) / len(question)))
    return json.dumps(chat, separators=(",", ":")).encode()


def _chunk_head() -> dict[str, Any]:
    return {**_HEAD, "object": "chat.completion.chunk", "service_tier": "default", "usage": None}


def _event(text: str) -> bytes:
    return b"data: %s\n\n" % text.encode()
