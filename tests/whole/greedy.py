"""A provider that bills the most that a request lets it: all of the answer, all input as written.

It takes a limit from whatever field reaches it, in either of Google's spellings, and where it
finds none answers as much as a model can.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ferrycli.wire.frames import frame
from tests.whole.tape import Asked, Played

Json = dict[str, Any]

OUTPUT_TOKENS_MAX = 64_000
"""What an answer without a limit comes to."""
AROUND_TURN, HIDDEN_OF_TOOLS = 12, 400
"""Tokens of a chat template and of the instructions that come with tools."""
_NO_INPUT = frozenset(
    """
    model stream stream_options metadata max_tokens inferenceConfig additionalModelRequestFields
    thinking reasoning reasoning_effort
    """.split()
)
SSE = "text/event-stream"


def in_camel(value: Any) -> Any:
    """Names as Google writes them; it takes the others too."""
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z])", lambda found: found[1].upper(), name): in_camel(one)
            for name, one in value.items()
        }
    return [in_camel(one) for one in value] if isinstance(value, list) else value


def bytes_of(value: Any) -> int:
    """Bytes of all text in a value."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(len(name) + bytes_of(one) for name, one in value.items())
    return sum(bytes_of(one) for one in value) if isinstance(value, list) else 4


def input_tokens(body: Json) -> int:
    """A token for each byte, and what templates add."""
    turns = body.get("messages") or body.get("contents") or body.get("input")
    count = len(turns) if isinstance(turns, list) else 1
    tools = body.get("tools") or body.get("toolConfig")
    hidden = bytes_of(tools) + HIDDEN_OF_TOOLS if tools else 0
    said = {name: one for name, one in body.items() if name not in _NO_INPUT}
    return bytes_of(said) + AROUND_TURN * count + hidden


def output_tokens(path: str, body: Json) -> int:
    """The longest answers that the request lets it make, all together."""
    body = in_camel(body)
    more = body.get("additionalModelRequestFields") or {}
    config = body.get("generationConfig") or body.get("inferenceConfig") or {}
    # Anthropic refuses a field that it does not know; all others may take any.
    names = ["maxTokens"]
    if not path.startswith("/v1/messages"):
        names += ["maxCompletionTokens", "maxOutputTokens"]
    named = [one.get(name) for one in (body, more, config) for name in names]
    limits = [int(one) for one in named if isinstance(one, int | float)]
    count = max(int(body.get("n") or 1), int(body.get("bestOf") or 1))
    count = max(count, int(config.get("candidateCount") or 1))
    prompt = body.get("prompt")
    if path.endswith("/v1/completions") and isinstance(prompt, list):
        count *= len(prompt)
    return max(limits, default=OUTPUT_TOKENS_MAX) * count


def greedy(asked: Asked) -> Played:
    """The dearest reply, in the dialect of the path."""
    body = json.loads(asked.body)
    used, made = input_tokens(body), output_tokens(asked.path, body)
    if "/converse" in asked.path:
        return _converse(asked.path.endswith("-stream"), used, made)
    if "enerateContent" in asked.path:
        return _gemini("stream" in asked.path, used, made)
    if asked.path.startswith("/v1/messages"):
        return _messages(bool(body.get("stream")), used, made)
    if asked.path.endswith("/responses"):
        return _responses(bool(body.get("stream")), used, made)
    return _chat(bool(body.get("stream")), used, made)


def _whole(reply: Json) -> Played:
    return Played([json.dumps(reply).encode()])


def _events(events: list[Json], end: bytes = b"") -> Played:
    pieces = [
        b"event: %b\ndata: %b\n\n" % (str(one.get("type", "x")).encode(), json.dumps(one).encode())
        for one in events
    ]
    return Played([*pieces, *([end] if end else [])], SSE)


def _chat(is_stream: bool, used: int, made: int) -> Played:
    usage = {"prompt_tokens": used, "completion_tokens": made, "total_tokens": used + made}
    if not is_stream:
        message = {"role": "assistant", "content": "x"}
        choice = {"index": 0, "message": message, "text": "x", "finish_reason": "length"}
        return _whole({"id": "c", "model": "m", "choices": [choice], "usage": usage})
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "length"}
    told: list[Json] = [{"choices": [choice]}, {"choices": [], "usage": usage}]
    return Played(
        [b"data: " + json.dumps(one).encode() + b"\n\n" for one in told] + [b"data: [DONE]\n\n"],
        SSE,
    )


def _responses(is_stream: bool, used: int, made: int) -> Played:
    usage = {"input_tokens": used, "output_tokens": made, "total_tokens": used + made}
    reply = {"id": "r", "status": "incomplete", "model": "m", "output": [], "usage": usage}
    if not is_stream:
        return _whole(reply)
    return _events([{"type": "response.incomplete", "response": reply}])


def _messages(is_stream: bool, used: int, made: int) -> Played:
    usage: Json = {
        "input_tokens": 0,
        "cache_creation_input_tokens": used,
        "cache_creation": {"ephemeral_1h_input_tokens": used},
    }
    text = {"type": "text", "text": "x"}
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m"}
    if not is_stream:
        usage["output_tokens"] = made
        return _whole({**head, "content": [text], "stop_reason": "max_tokens", "usage": usage})
    return _events(
        [
            {"type": "message_start", "message": {**head, "content": [], "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": text},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "max_tokens"},
                "usage": {"output_tokens": made},
            },
            {"type": "message_stop"},
        ]
    )


def _gemini(is_stream: bool, used: int, made: int) -> Played:
    usage = {"promptTokenCount": used, "candidatesTokenCount": made}
    content = {"role": "model", "parts": [{"text": "x"}]}
    candidate = {"content": content, "finishReason": "MAX_TOKENS", "index": 0}
    reply = {"candidates": [candidate], "usageMetadata": usage}
    if not is_stream:
        return _whole(reply)
    return Played([b"data: " + json.dumps(reply).encode() + b"\r\n\r\n"], SSE)


def _converse(is_stream: bool, used: int, made: int) -> Played:
    usage = {
        "inputTokens": 0,
        "cacheWriteInputTokens": used,
        "cacheDetails": [{"ttl": "1h", "inputTokens": used}],
        "outputTokens": made,
    }
    if not is_stream:
        message = {"role": "assistant", "content": [{"text": "x"}]}
        return _whole({"output": {"message": message}, "stopReason": "max_tokens", "usage": usage})
    events = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}}),
        ("messageStop", {"stopReason": "max_tokens"}),
        ("metadata", {"usage": usage}),
    ]
    return Played(
        [frame(name, json.dumps(one).encode()) for name, one in events],
        "application/vnd.amazon.eventstream",
    )
