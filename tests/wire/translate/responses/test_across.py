"""The openai SDK's responses, answered by providers that have none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import FunctionToolParam, ResponseInputParam

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Codec, Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, OPENROUTER_CHAT
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import (
    Argued,
    Called,
    Counted,
    Event,
    Finished,
    Said,
    Started,
    Thought,
)
from tests.wire.translate.replies import told
from tests.wire.translate.test_carry import CountingReader

USAGE = Usage(input=10, cache_read=3, output=7, reasoning=4)
FIRST: list[Event] = [
    Started("id-1", "model-1"),
    Thought("I must"),
    Thought(" look."),
    Thought(signature="EqQB", maker="anthropic"),
    Said("Let me look."),
    Called("c1", "get_capital"),
    Argued('{"of": "France"}'),
    Called("c2", "get_capital"),
    Argued('{"of": "Chad"}'),
    Finished("tool_calls"),
    Counted(USAGE),
]
SECOND: list[Event] = [
    Started("id-2", "model-1"),
    Said("Paris and N'Djamena."),
    Finished("stop"),
    Counted(USAGE),
]
TOOL = FunctionToolParam(
    type="function",
    name="get_capital",
    parameters={"type": "object", "properties": {"of": {"type": "string"}}},
    strict=False,
)
CODECS: dict[str, Codec] = {
    "chat": CHAT,
    "converse": CONVERSE,
    "gemini": GEMINI,
    "messages": MESSAGES,
    "openrouter": OPENROUTER_CHAT,
}
SIDES = {
    "chat": ["user", "assistant", "tool", "tool"],
    "converse": ["user", "assistant", "user"],
    "gemini": ["user", "model", "user"],
    "messages": ["user", "assistant", "user"],
    "openrouter": ["user", "assistant", "tool", "tool"],
}
"""Whose the messages of the second request are."""


class Provider:
    """Answers in its own dialect, behind a gateway that translates; keeps what it was asked."""

    def __init__(self, codec: Codec, answers: list[list[Event]]) -> None:
        self.codec = codec
        self.answers = answers
        self.asked: list[dict[str, Any]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        body = carry.request(request.content, Place(), RESPONSES, self.codec, "claude-opus-5")
        self.asked.append(json.loads(body))
        is_stream = json.loads(request.content).get("stream") is True
        events = self.answers[len(self.asked) - 1]
        reply = told(self.codec.writer(Asking("model-1", is_stream, True, 0, "")), events)
        asking = Asking("fast", is_stream, True, 0, "c_1", request.content)
        parser, writer = self.codec.parser(is_stream=is_stream), RESPONSES.writer(asking)
        reader = carry.TranslatingReader(CountingReader(USAGE, b"never"), parser, writer)
        pieces = [reader.feed(reply[at : at + 7]) for at in range(0, len(reply), 7)]
        kind = "text/event-stream" if is_stream else "application/json"
        content = b"".join([*pieces, reader.finish()])
        return httpx2.Response(200, headers={"content-type": kind}, content=content)


@contextmanager
def client_of(provider: Provider) -> Iterator[openai.OpenAI]:
    with httpx2.Client(transport=httpx2.MockTransport(provider.answer)) as http:
        yield openai.OpenAI(api_key="k", http_client=http, max_retries=0)


def ask(client: openai.OpenAI, given: ResponseInputParam, is_stream: bool) -> Any:
    asked: dict[str, Any] = {"model": "fast", "input": given, "tools": [TOOL], "store": False}
    asked["include"] = ["reasoning.encrypted_content"]
    if not is_stream:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        stream.until_done()
        return stream.get_final_response()


def run(name: str, is_stream: bool) -> Provider:
    """A model that asks two tools at once, and answers with what they gave."""
    provider = Provider(CODECS[name], [FIRST, SECOND])
    given: Any = [{"role": "user", "content": "Which capitals?"}]
    with client_of(provider) as client:
        reply = ask(client, given, is_stream)
        assert reply.usage.input_tokens == 13
        calls = [item for item in reply.output if item.type == "function_call"]
        assert [json.loads(call.arguments)["of"] for call in calls] == ["France", "Chad"]
        given += [item.to_dict() for item in reply.output]
        for call, capital in zip(calls, ["Paris", "N'Djamena"], strict=True):
            output = {"type": "function_call_output", "call_id": call.call_id, "output": capital}
            given.append(output)
        assert ask(client, given, is_stream).output_text == "Paris and N'Djamena."
    return provider


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("name", sorted(CODECS))
def test_a_turn_with_tools_goes_there_and_back(name: str, is_stream: bool) -> None:
    asked = run(name, is_stream).asked[1]
    turns = asked["contents" if name == "gemini" else "messages"]
    assert [turn["role"] for turn in turns] == SIDES[name]


@pytest.mark.parametrize("is_stream", [False, True])
def test_anthropic_is_given_back_its_own_thoughts(is_stream: bool) -> None:
    answer = run("messages", is_stream).asked[1]["messages"][1]["content"]
    assert answer[0] == {"type": "thinking", "thinking": "I must look.", "signature": "EqQB"}
    assert [block["type"] for block in answer[1:]] == ["text", "tool_use", "tool_use"]


@pytest.mark.parametrize("is_stream", [False, True])
def test_openrouter_is_given_back_its_own_thoughts(is_stream: bool) -> None:
    answer = run("openrouter", is_stream).asked[1]["messages"][1]
    (thought,) = answer["reasoning_details"]
    assert (thought["text"], thought["signature"]) == ("I must look.", "EqQB")
