"""A reply reaches the client in its own dialect, with what the provider's own reader counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Place
from ferrycli.wire.facts import Reading
from ferrycli.wire.readers.chat import stream
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.talk import Event, Finished, Said, Started
from ferrycli.wire.translate.turns import with_tool_names
from tests.wire.translate.replies import told

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 4},
}
ANSWER: list[Event] = [Started("id-1", "model-1"), Said("Hel"), Said("lo"), Finished("stop")]


class CountingReader:
    """What a dialect's own reader says of a reply, without reading it."""

    has_begun = False
    begins_with_error = False

    def __init__(self, usage: Usage | None, end: bytes) -> None:
        self._usage = usage
        self._end = end
        self._seen = b""

    def feed(self, chunk: bytes) -> bytes:
        self._seen += chunk
        return chunk

    def finish(self) -> bytes:
        return b""

    def reading(self) -> Reading:
        return Reading(self._usage, is_complete=self._end in self._seen)


def asking(is_stream: bool, wants_usage: bool = True) -> Asking:
    return Asking("asked-for", is_stream, wants_usage, 1_700_000_000, "own-id")


def from_chat() -> carry.TranslatingReader:
    reader = stream(False)
    writer = MESSAGES.writer(asking(True))
    return carry.TranslatingReader(reader, CHAT.parser(is_stream=True), writer)


def from_whole_chat(*, tells_in_a_stream: bool) -> carry.TranslatingReader:
    reader = CountingReader(Usage(input=6, cache_read=4, output=7), b"never")
    writer = MESSAGES.writer(asking(tells_in_a_stream))
    return carry.TranslatingReader(reader, CHAT.parser(is_stream=False), writer)


def chat_stream(ending: bytes = b"data: [DONE]\n\n") -> bytes:
    said = told(CHAT.writer(asking(True, wants_usage=False)), ANSWER)
    usage = json.dumps({"choices": [], "usage": USAGE}).encode()
    return said.removesuffix(b"data: [DONE]\n\n") + b"data: " + usage + b"\n\n" + ending


def events(stream: bytes) -> list[dict[str, Any]]:
    lines = [line for line in stream.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def test_a_chat_stream_reaches_a_client_of_anthropics_at_every_cut() -> None:
    stream = chat_stream()
    whole = from_chat()
    expected = whole.feed(stream)
    assert events(expected)[-2]["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 0},
    }
    for at in range(len(stream)):
        reader = from_chat()
        parts = [reader.feed(stream[:at]), reader.feed(stream[at:]), reader.finish()]
        assert b"".join(parts) == expected, at
        assert reader.reading().usage == Usage(input=6, cache_read=4, output=7)


def test_the_end_is_told_with_the_providers_end_and_once() -> None:
    reader = from_chat()
    assert reader.feed(chat_stream()).endswith(b'data: {"type":"message_stop"}\n\n')
    assert reader.feed(b"data: {oops}\n\n") == b""
    assert reader.finish() == b""


def test_an_end_that_is_not_marked_is_told_when_the_connection_ends() -> None:
    reader = from_chat()
    assert b"message_stop" not in reader.feed(chat_stream(b""))
    assert reader.finish().endswith(b'data: {"type":"message_stop"}\n\n')


def test_it_begins_when_there_is_something_to_tell() -> None:
    reader = from_chat()
    assert reader.feed(b": OPENROUTER PROCESSING\n\n") == b""
    begun = [reader.has_begun]
    assert reader.feed(b'data: {"id":"i","choices":[{"delta":{}}]}\n\n')
    assert [*begun, reader.has_begun] == [False, True]
    assert not reader.begins_with_error


def test_a_stream_that_begins_with_an_error_says_so() -> None:
    reader = from_chat()
    said = reader.feed(b'data: {"error":{"message":"m","code":"c"}}\n\n')
    assert said.startswith(b"event: error\n")
    assert reader.begins_with_error
    assert reader.reading().error_code == "c"
    assert reader.finish() == b""


def test_a_stream_that_cannot_be_read_has_failed() -> None:
    reader = from_chat()
    reader.feed(b"data: {oops}\n\n")
    assert reader.reading().error_code == "reply_unreadable"


def test_a_stream_that_broke_off_has_no_error_of_its_own() -> None:
    reader = from_chat()
    begun = reader.feed(chat_stream()[:300])
    assert begun.startswith(b"event: message_start\n")
    assert b"event: error\n" in reader.finish()
    assert reader.reading().error_code == ""
    assert not reader.reading().is_complete


def test_a_whole_reply_without_an_answer_has_failed() -> None:
    reader = from_whole_chat(tells_in_a_stream=False)
    reader.feed(b"<html>")
    assert json.loads(reader.finish())["type"] == "error"
    assert reader.reading().error_code == "reply_unreadable"


def whole_chat() -> bytes:
    body = json.loads(told(CHAT.writer(asking(False)), ANSWER))
    return json.dumps({**body, "usage": USAGE}).encode()


def test_a_whole_reply_is_told_at_its_end() -> None:
    reader = from_whole_chat(tells_in_a_stream=False)
    body = whole_chat()
    assert reader.feed(body[:20]) + reader.feed(body[20:]) == b""
    assert not reader.has_begun
    message = json.loads(reader.finish())
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("end_turn", 7)


def test_a_whole_reply_can_be_told_as_a_stream() -> None:
    reader = from_whole_chat(tells_in_a_stream=True)
    assert reader.feed(whole_chat()) == b""
    kinds = [event["type"] for event in events(reader.finish())]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


@pytest.mark.parametrize("wants_usage", [True, False])
def test_a_client_of_chat_gets_usage_at_the_end_where_it_asked(wants_usage: bool) -> None:
    usage = Usage(input=6, cache_read=4, output=7)
    reader = carry.TranslatingReader(
        CountingReader(usage, b"message_stop"),
        MESSAGES.parser(is_stream=True),
        CHAT.writer(asking(True, wants_usage)),
    )
    said = reader.feed(told(MESSAGES.writer(asking(True)), ANSWER))
    assert said.endswith(b"data: [DONE]\n\n")
    chunks = events(said.removesuffix(b"data: [DONE]\n\n"))
    if wants_usage:
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["prompt_tokens"] == 10
        assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    else:
        assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)
    assert [chunk["model"] for chunk in chunks] == ["model-1"] * len(chunks)


def test_results_are_told_with_the_names_of_their_tools() -> None:
    messages = [
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "5"},
        {"role": "tool", "tool_call_id": "lost", "content": "6", "name": "own"},
    ]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    talk = with_tool_names(CHAT.read_request(body, Place()))
    assert [getattr(turn.parts[0], "name", "") for turn in talk.turns] == ["f", "f", "own"]
