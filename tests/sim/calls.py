"""How the tests of the simulator ask it, and how they read what it says."""

from __future__ import annotations

import json
from collections.abc import Iterable

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ferrycli.sim.provider import Chunk, Reply, Simulator

NOW_S = 1_763_900_000
QUESTION = "Explain how a small team should plan its first data migration"
WEATHER: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 1, "maximum": 5},
                "unit": {"enum": ["metric", "imperial"]},
            },
            "required": ["city"],
        },
    },
}


def body(question: str = QUESTION, /, **fields: object) -> bytes:
    """A request for `small`; `fields` are added, or replace what stands there."""
    messages = [{"role": "user", "content": question}]
    return json.dumps({"model": "small", "messages": messages, **fields}).encode()


def chat(request: bytes, simulator: Simulator | None = None) -> Reply:
    """The reply of a simulator, a new one unless it is given."""
    return (simulator or Simulator()).answer("/chat/completions", request, NOW_S)


def text(reply: Reply) -> bytes:
    """The whole body."""
    return b"".join(chunk.data for chunk in reply.chunks)


def whole(request: bytes, simulator: Simulator | None = None) -> ChatCompletion:
    """The reply that is not a stream, as the SDK reads it."""
    reply = chat(request, simulator)
    assert reply.status == 200
    return ChatCompletion.model_validate_json(text(reply), strict=True)


def events(chunks: Iterable[Chunk]) -> list[dict[str, object]]:
    """What a finished stream says, event by event, without `[DONE]`."""
    *lines, done = [chunk.data.decode() for chunk in chunks]
    assert done == "data: [DONE]\n\n"
    assert all(line.startswith("data: {") and line.endswith("}\n\n") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def stream(request: bytes, simulator: Simulator | None = None) -> list[ChatCompletionChunk]:
    """The reply that is a stream, as the SDK reads it."""
    reply = chat(request, simulator)
    assert reply.status == 200
    return [ChatCompletionChunk.model_validate(event) for event in events(reply.chunks)]


def contents(chunks: Iterable[ChatCompletionChunk], index: int = 0) -> list[str]:
    """The tokens of one choice: its chunks that carry text."""
    choices = (choice for chunk in chunks for choice in chunk.choices if choice.index == index)
    return [choice.delta.content for choice in choices if choice.delta.content]


def arguments(chunks: Iterable[ChatCompletionChunk]) -> list[str]:
    """The fragments of the arguments of the one call in a stream."""
    calls = (
        call
        for chunk in chunks
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    )
    fragments = (call.function.arguments for call in calls if call.function)
    return [fragment for fragment in fragments if fragment]
