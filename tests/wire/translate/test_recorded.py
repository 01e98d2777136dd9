"""Recorded replies are read to their ends, and reach a client of the other dialect.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.wire.dialect import Asking, Codec, Reader
from ferrycli.wire.readers import chat, messages
from ferrycli.wire.translate.carry import TranslatingReader
from ferrycli.wire.translate.chat.codec import CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.talk import Broken, Event, Finished, Started
from tests.wire.recorded import FIXTURES, needs_recordings
from tests.wire.translate.replies import known, parsed, told

pytestmark = needs_recordings

REPLIES: list[tuple[str, Codec, str]] = [
    ("01-openai-chat-cache-write", CHAT, "stop"),
    ("02-openai-chat-cache-read", CHAT, "stop"),
    ("03-openai-chat-stream-tools", CHAT, "tool_calls"),
    ("04-openai-chat-stream-text", CHAT, "tool_calls"),
    ("37-bedrock-mantle-chat", CHAT, "stop"),
    ("41-openrouter-cache-read-and-write", CHAT, "length"),
    ("49-groq-stream", CHAT, "tool_calls"),
    ("50-mistral-stream", CHAT, "stop"),
    ("51-deepseek-chat-cached", CHAT, "stop"),
    ("52-azure-chat", CHAT, "stop"),
    ("53-ollama-chat", CHAT, "stop"),
    ("54-xai-chat", CHAT, "stop"),
    ("14-anthropic-cache-write-5m", MESSAGES, "stop"),
    ("16-anthropic-cache-read-and-write", MESSAGES, "stop"),
    ("17-anthropic-stream-thinking", MESSAGES, "stop"),
    ("18-anthropic-stream-web-fetch", MESSAGES, "stop"),
    ("21-anthropic-stream-advisor-second-model", MESSAGES, "stop"),
    ("36-bedrock-invoke-anthropic-cache", MESSAGES, "stop"),
    ("56-anthropic-fallback", MESSAGES, "stop"),
    ("57-anthropic-fallback-stream", MESSAGES, "stop"),
]


def recorded(name: str) -> tuple[bytes, bool]:
    """The reply, and whether it is a stream."""
    manifest = json.loads((FIXTURES / "manifest.json").read_text("utf-8"))
    case: dict[str, Any] = next(one for one in manifest["fixtures"] if one["id"] == name)
    file: str = case["response_file"]
    return (FIXTURES / file).read_bytes(), file.endswith(".sse")


def read(codec: Codec, name: str) -> list[Event]:
    reply, is_stream = recorded(name)
    return parsed(codec.parser(is_stream=is_stream), [reply])


@pytest.mark.parametrize(("name", "codec", "reason"), REPLIES, ids=[case[0] for case in REPLIES])
def test_a_recorded_reply_is_read_to_its_end(name: str, codec: Codec, reason: str) -> None:
    events = read(codec, name)
    assert isinstance(events[0], Started)
    assert events[-1] == Finished(reason)  # type: ignore[arg-type]  # It is one of the reasons.
    assert not any(isinstance(event, Broken) for event in events)
    assert len(events) > 2


@pytest.mark.parametrize(("name", "codec", "reason"), REPLIES, ids=[case[0] for case in REPLIES])
def test_a_recorded_reply_reaches_the_other_sides_clients(
    name: str, codec: Codec, reason: str
) -> None:
    events = read(codec, name)
    other: Codec = MESSAGES if codec is CHAT else CHAT
    for is_stream in (False, True):
        reply = told(other.writer(Asking("m", is_stream, id="own-id")), events)
        again = parsed(other.parser(is_stream=is_stream), [reply])
        assert known(again)[2:] == known(events)[2:]


@pytest.mark.parametrize(("name", "codec", "reason"), REPLIES, ids=[case[0] for case in REPLIES])
def test_the_client_is_told_what_the_providers_reader_counts(
    name: str, codec: Codec, reason: str
) -> None:
    reply, is_stream = recorded(name)
    provider, client = (chat, MESSAGES) if codec is CHAT else (messages, CHAT)
    reader = provider.stream(False) if is_stream else provider.whole()
    writer = client.writer(Asking("m", is_stream, id="own-id"))
    carried = TranslatingReader(reader, codec.parser(is_stream=is_stream), writer)
    said = b"".join(carried.feed(reply[at : at + 100]) for at in range(0, len(reply), 100))
    said += carried.finish()
    tap = client_reader(client, is_stream)
    tap.feed(said)
    tap.finish()
    usage, told_usage = carried.reading().usage, tap.reading().usage
    assert usage is not None
    assert told_usage is not None
    assert told_usage.input_total == usage.input_total
    assert told_usage.cache_read == usage.cache_read
    assert told_usage.output_total == usage.output_total
    assert tap.reading().is_complete


def client_reader(client: Codec, is_stream: bool) -> Reader:
    if client is CHAT:
        return chat.stream(False) if is_stream else chat.whole()
    return messages.stream(False) if is_stream else messages.whole()


def test_a_recorded_stream_is_the_same_byte_by_byte() -> None:
    for name, codec in (
        ("03-openai-chat-stream-tools", CHAT),
        ("57-anthropic-fallback-stream", MESSAGES),
    ):
        reply, _ = recorded(name)
        single = [reply[at : at + 1] for at in range(len(reply))]
        assert parsed(codec.parser(is_stream=True), single) == read(codec, name)


def test_a_recorded_error_in_a_stream_is_broken() -> None:
    events = read(CHAT, "44-openrouter-stream-error-in-200")
    assert isinstance(events[-1], Broken)
    assert events[-1].code
    assert events[-1].message


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("12-openai-error-404", CHAT),
        ("13-openai-error-400", CHAT),
        ("22-anthropic-error-404", MESSAGES),
        ("23-anthropic-error-400", MESSAGES),
        ("48-openrouter-error-429", CHAT),
    ],
)
def test_a_recorded_error_is_broken(name: str, codec: Codec) -> None:
    (event,) = read(codec, name)
    assert isinstance(event, Broken)
    assert event.message
