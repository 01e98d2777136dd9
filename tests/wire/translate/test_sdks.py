"""The providers' own SDKs take what is written, by their own parsers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import (
    MessageParam,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from openai.types.chat import ChatCompletionUserMessageParam as UserMessage

from ferrycli.wire.dialect import Asking, Writer
from ferrycli.wire.translate.chat.codec import CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Counted,
    Event,
    Finished,
    Said,
    Started,
    Thought,
)
from tests.wire.translate.replies import USAGE, told

ANSWER: list[Event] = [
    Started("id-1", "model-1"),
    Thought("why"),
    Thought(" not"),
    Thought(signature="seal", maker="anthropic"),
    Thought(redacted="sealed", maker="anthropic"),
    Said("Hel"),
    Said("lo é😀\u2028"),
    Called("a", "f"),
    Argued('{"x"'),
    Argued(":1}"),
    Called("b", "g"),
    Argued("{}"),
    Finished("tool_calls"),
    Counted(USAGE),
]
SAID = "Hello é😀\u2028"
FAILED: list[Event] = [Started("id-1", "model-1"), Said("x"), Broken("overloaded_error", "busy")]
USER = UserMessage(role="user", content="hi")
ASKED: list[MessageParam] = [{"role": "user", "content": "hi"}]


def asking(is_stream: bool) -> Asking:
    return Asking("asked-for", is_stream, True, 1_700_000_000, "own-id")


def response(writer: Writer, is_stream: bool, events: list[Event]) -> httpx2.Response:
    kind = "text/event-stream" if is_stream else "application/json"
    return httpx2.Response(200, headers={"content-type": kind}, content=told(writer, events))


@contextmanager
def openai_client(is_stream: bool, events: list[Event]) -> Iterator[openai.OpenAI]:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return response(CHAT.writer(asking(is_stream)), is_stream, events)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        yield openai.OpenAI(
            api_key="k", base_url="http://chat.example/v1", http_client=http, max_retries=0
        )


@contextmanager
def anthropic_client(is_stream: bool, events: list[Event]) -> Iterator[anthropic.Anthropic]:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return response(MESSAGES.writer(asking(is_stream)), is_stream, events)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        yield anthropic.Anthropic(
            api_key="k", base_url="http://messages.example", http_client=http, max_retries=0
        )


def test_openais_sdk_reads_a_whole_reply() -> None:
    with openai_client(False, ANSWER) as client:
        reply = client.chat.completions.create(model="m", messages=[USER])
    choice = reply.choices[0]
    assert (reply.id, reply.model, choice.finish_reason) == ("id-1", "model-1", "tool_calls")
    assert choice.message.content == SAID
    calls = choice.message.tool_calls or []
    functions = [
        call.function for call in calls if isinstance(call, ChatCompletionMessageFunctionToolCall)
    ]
    assert [(one.name, one.arguments) for one in functions] == [("f", '{"x":1}'), ("g", "{}")]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == USAGE.input_total
    extra = choice.message.model_extra or {}
    assert [detail["index"] for detail in extra["reasoning_details"]] == [0, 1]


def test_openais_sdk_gathers_a_stream() -> None:
    with (
        openai_client(True, ANSWER) as client,
        client.chat.completions.stream(
            model="m", messages=[USER], stream_options={"include_usage": True}
        ) as stream,
    ):
        for _ in stream:
            pass
        reply = stream.get_final_completion()
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == SAID
    calls = choice.message.tool_calls or []
    assert [(call.id, call.function.arguments) for call in calls] == [("a", '{"x":1}'), ("b", "{}")]
    assert reply.usage is not None
    assert reply.usage.completion_tokens == USAGE.output_total


def test_openais_sdk_raises_the_error_of_a_stream() -> None:
    with openai_client(True, FAILED) as client:
        stream = client.chat.completions.create(model="m", messages=[USER], stream=True)
        with pytest.raises(openai.APIError) as raised:
            list(stream)
    assert (raised.value.message, raised.value.code) == ("busy", "overloaded_error")


def check(message: anthropic.types.Message) -> None:
    thought, sealed, said, first, second = message.content
    assert isinstance(thought, ThinkingBlock)
    assert (thought.thinking, thought.signature) == ("why not", "seal")
    assert isinstance(sealed, RedactedThinkingBlock)
    assert sealed.data == "sealed"
    assert isinstance(said, TextBlock)
    assert said.text == SAID
    assert isinstance(first, ToolUseBlock)
    assert isinstance(second, ToolUseBlock)
    assert (first.id, first.name, first.input) == ("a", "f", {"x": 1})
    assert (second.id, second.name, second.input) == ("b", "g", {})
    assert (message.id, message.model, message.stop_reason) == ("id-1", "model-1", "tool_use")
    assert message.usage.input_tokens == USAGE.input
    assert message.usage.cache_read_input_tokens == USAGE.cache_read
    assert message.usage.output_tokens == USAGE.output


def test_anthropics_sdk_reads_a_whole_reply() -> None:
    with anthropic_client(False, ANSWER) as client:
        check(client.messages.create(model="m", max_tokens=9, messages=ASKED))


def test_anthropics_sdk_gathers_a_stream() -> None:
    with (
        anthropic_client(True, ANSWER) as client,
        client.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream,
    ):
        assert "".join(stream.text_stream) == SAID
        check(stream.get_final_message())


def test_anthropics_sdk_raises_the_error_of_a_stream() -> None:
    with anthropic_client(True, FAILED) as client:
        stream = client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=True)
        with pytest.raises(anthropic.APIError, match="busy"):
            list(stream)
