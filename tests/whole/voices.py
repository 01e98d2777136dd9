"""Providers' replies, small and by hand: the same two answers in each provider's own shape.

Asked with tools they call two of them at once; asked without, or with what these gave, they say a
sentence. Whole or in events, as the request says it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ferrycli.wire.frames import frame
from ferrycli.wire.sse import event_data
from tests.whole.tape import Asked, Played

TEXT = ("It is ", "süß, 21 °C ", "in Rome.")
CALLS = (("call_a1", "weather", {"city": "Rome"}), ("call_b2", "weather", {"city": "Oslo"}))
INPUT, CACHED, OUTPUT = 40, 16, 9
"""Tokens of every reply: the whole input, what of it came from a cache, the answer."""


@dataclass(frozen=True)
class Said:
    """An answer without tools, in the pieces in which it comes, and what it is counted as."""

    text: Sequence[str] = TEXT
    input: int = INPUT
    cached: int = CACHED
    output: int = OUTPUT
    reasoning: int = 0
    """Of the output; its text is not shown."""


SHORT = Said()
Voice = Callable[[Asked], Played]
Json = dict[str, Any]
SSE = "text/event-stream"


def _is_answered(asked: Asked) -> bool:
    """Whether the request has results of tools, in whichever dialect."""
    names = (b'"tool_call_id"', b'"tool_result"', b'"functionResponse"', b'"toolResult"')
    return any(name in asked.body for name in names)


def _data(events: list[Json], end: bytes = b"") -> list[bytes]:
    return [
        *(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events),
        *([end] * bool(end)),
    ]


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def chat(asked: Asked, said: Said = SHORT) -> Played:
    """OpenAI's chat completions."""
    body = json.loads(asked.body)
    has_tools = bool(body.get("tools")) and not _is_answered(asked)
    usage = {
        "prompt_tokens": said.input,
        "completion_tokens": said.output,
        "total_tokens": said.input + said.output,
        "prompt_tokens_details": {"cached_tokens": said.cached},
        "completion_tokens_details": {"reasoning_tokens": said.reasoning},
    }
    head: Json = {"id": "chatcmpl-1", "created": 1_795_000_000, "model": body["model"]}
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for id, name, given in CALLS
    ]
    finish = "tool_calls" if has_tools else "stop"
    if not body.get("stream"):
        message: Json = {"role": "assistant", "content": None if has_tools else "".join(said.text)}
        if has_tools:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": finish}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return Played([json.dumps(whole).encode()])
    deltas: list[Json] = [{"role": "assistant", "content": None if has_tools else ""}]
    if has_tools:
        for index, call in enumerate(calls):
            one: Any = call["function"]
            first, second = _halves(one["arguments"])
            named = {**call, "index": index, "function": {"name": one["name"], "arguments": first}}
            deltas += [{"tool_calls": [named]}]
            deltas += [{"tool_calls": [{"index": index, "function": {"arguments": second}}]}]
    else:
        deltas += [{"content": piece} for piece in said.text]
    head["object"] = "chat.completion.chunk"
    events = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({**head, "choices": [], "usage": usage})
    return Played(_data(events, b"data: [DONE]\n\n"), SSE)


def messages(asked: Asked, said: Said = SHORT) -> Played:
    """Anthropic's messages."""
    body = json.loads(asked.body)
    has_tools = bool(body.get("tools")) and not _is_answered(asked)
    usage = {"input_tokens": said.input - said.cached, "cache_read_input_tokens": said.cached}
    model = body.get("model", "claude")
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
    stop = "tool_use" if has_tools else "end_turn"
    if not body.get("stream"):
        blocks: list[Json] = [{"type": "text", "text": "".join(said.text)}]
        if has_tools:
            blocks = [
                {"type": "tool_use", "id": id, "name": name, "input": given}
                for id, name, given in CALLS
            ]
        whole = {
            **head,
            "content": blocks,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": said.output},
        }
        return Played([json.dumps(whole).encode()])
    begun = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    events: list[Json] = [
        {"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 1}}},
        {"type": "ping"},
    ]
    for index, (start, deltas) in enumerate(_blocks(said, has_tools=has_tools)):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop, "stop_sequence": None}
    events.append(
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.output}}
    )
    events.append({"type": "message_stop"})
    pieces = [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events]
    return Played(pieces, SSE)


def _blocks(said: Said, *, has_tools: bool) -> list[tuple[Json, list[Json]]]:
    if not has_tools:
        deltas = [{"type": "text_delta", "text": piece} for piece in said.text]
        return [({"type": "text", "text": ""}, deltas)]
    return [
        (
            {"type": "tool_use", "id": id, "name": name, "input": {}},
            [
                {"type": "input_json_delta", "partial_json": half}
                for half in _halves(json.dumps(given))
            ],
        )
        for id, name, given in CALLS
    ]


def gemini(asked: Asked, said: Said = SHORT) -> Played:
    """Gemini's generateContent."""
    body = json.loads(asked.body)
    has_tools = bool(body.get("tools")) and not _is_answered(asked)
    parts: list[Json] = [{"text": piece} for piece in said.text]
    if has_tools:
        parts = [{"functionCall": {"name": name, "args": given}} for _, name, given in CALLS]
    head = {"modelVersion": "gemini-x", "responseId": "r1"}

    def reply(parts: list[Json], reason: str | None, output: int = said.output) -> Json:
        usage = {
            "promptTokenCount": said.input,
            "cachedContentTokenCount": said.cached,
            "candidatesTokenCount": output,
            "totalTokenCount": said.input + output,
        }
        candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
        if reason:
            candidate["finishReason"] = reason
        return {"candidates": [candidate], "usageMetadata": usage, **head}

    if "streamGenerateContent" not in asked.path:
        whole = reply(parts if has_tools else [{"text": "".join(said.text)}], "STOP")
        return Played([json.dumps(whole).encode()])
    # Each chunk has the total so far.
    sizes = [len(json.dumps(part)) for part in parts]
    events = [
        reply([part], None, said.output * sum(sizes[: at + 1]) // sum(sizes))
        for at, part in enumerate(parts[:-1])
    ]
    events.append(reply(parts[-1:], "STOP"))
    return Played([b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in events], SSE)


def converse(asked: Asked, said: Said = SHORT) -> Played:
    """Bedrock's Converse."""
    body = json.loads(asked.body)
    has_tools = bool(body.get("toolConfig")) and not _is_answered(asked)
    usage = {
        "inputTokens": said.input - said.cached,
        "cacheReadInputTokens": said.cached,
        "outputTokens": said.output,
        "totalTokens": said.input + said.output,
    }
    stop = "tool_use" if has_tools else "end_turn"
    if not asked.path.endswith("-stream"):
        content: list[Json] = [{"text": "".join(said.text)}]
        if has_tools:
            content = [
                {"toolUse": {"toolUseId": id, "name": name, "input": given}}
                for id, name, given in CALLS
            ]
        whole = {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop,
            "usage": usage,
            "metrics": {"latencyMs": 7},
        }
        return Played([json.dumps(whole).encode()])
    events: list[tuple[str, Json]] = [("messageStart", {"role": "assistant"})]
    if has_tools:
        for index, (id, name, given) in enumerate(CALLS):
            start = {"toolUse": {"toolUseId": id, "name": name}}
            events.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
            for half in _halves(json.dumps(given)):
                delta = {"contentBlockIndex": index, "delta": {"toolUse": {"input": half}}}
                events.append(("contentBlockDelta", delta))
            events.append(("contentBlockStop", {"contentBlockIndex": index}))
    else:
        for piece in said.text:
            delta = {"contentBlockIndex": 0, "delta": {"text": piece}}
            events.append(("contentBlockDelta", delta))
        events.append(("contentBlockStop", {"contentBlockIndex": 0}))
    events.append(("messageStop", {"stopReason": stop}))
    events.append(("metadata", {"usage": usage, "metrics": {"latencyMs": 7}}))
    pieces = [frame(name, json.dumps(told).encode()) for name, told in events]
    return Played(pieces, "application/vnd.amazon.eventstream")


def responses(asked: Asked, said: Said = SHORT) -> Played:
    """OpenAI's responses: a stream, without tools."""
    body = json.loads(asked.body)
    head: Json = {"id": "resp_1", "object": "response", "model": body["model"], "output": []}
    usage = {
        "input_tokens": said.input,
        "input_tokens_details": {"cached_tokens": said.cached},
        "output_tokens": said.output,
        "output_tokens_details": {"reasoning_tokens": said.reasoning},
        "total_tokens": said.input + said.output,
    }
    part = {"type": "output_text", "text": "".join(said.text), "annotations": []}
    item: Json = {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    told: list[Json] = [
        {"type": "response.created", "response": {**head, "status": "in_progress", "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *({"type": "response.output_text.delta", **at, "delta": piece} for piece in said.text),
        {"type": "response.output_text.done", **at, "text": part["text"]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    ended = {**head, "status": "completed", "output": [item], "usage": usage}
    told.append({"type": "response.completed", "response": ended})
    pieces = [
        f"event: {one['type']}\ndata: {json.dumps({**one, 'sequence_number': number})}\n\n".encode()
        for number, one in enumerate(told)
    ]
    return Played(pieces, SSE)


def invoke(asked: Asked, said: Said = SHORT) -> Played:
    """Anthropic's messages as Bedrock invokes them: no model and no stream in the body."""
    is_stream = asked.path.endswith("-stream")
    body = json.loads(asked.body)
    assert {"model", "stream"}.isdisjoint(body)
    again = json.dumps({**body, "stream": is_stream}).encode()
    played = messages(Asked(asked.path, asked.headers, again), said)
    if not is_stream:
        return played
    pieces = [
        frame("chunk", json.dumps({"bytes": b64encode(event_data(one) or b"").decode()}).encode())
        for one in played.pieces
    ]
    return Played(pieces, "application/vnd.amazon.eventstream")


def any_voice(asked: Asked) -> Played:
    """Whoever is asked, by the path."""
    if "/invoke" in asked.path:
        return invoke(asked)
    if "/converse" in asked.path:
        return converse(asked)
    if "generateContent" in asked.path or "GenerateContent" in asked.path:
        return gemini(asked)
    if asked.path.startswith("/v1/messages"):
        return messages(asked)
    return chat(asked)
