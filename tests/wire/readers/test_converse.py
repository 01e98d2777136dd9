"""What replies in Bedrock's Converse dialect say: whole ones, and streams of frames."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Reading
from ferrycli.wire.frames import frame
from ferrycli.wire.readers import converse
from tests.wire.readers.fed import every_cut, of_object, read


def whole(**reply: object) -> Reading:
    return of_object(converse.whole(), **reply)


def framed(kind: str, **payload: object) -> bytes:
    return frame(kind, json.dumps({**payload, "p": "abcdefgh"}).encode())


def text(piece: str) -> bytes:
    return framed("contentBlockDelta", contentBlockIndex=0, delta={"text": piece})


def metadata(**usage: object) -> bytes:
    return framed("metadata", usage=usage, metrics={"latencyMs": 1})


START = framed("messageStart", role="assistant")
STOP = framed("messageStop", stopReason="end_turn")


def stream(*frames: bytes) -> Reading:
    return read(converse.stream(False), *frames)


def counts(**more: object) -> dict[str, Any]:
    return {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, **more}


DETAILS = [{"ttl": "5m", "inputTokens": 10}, {"ttl": "1h", "inputTokens": 40}]

COUNTS: list[tuple[dict[str, Any], Usage | None]] = [
    (counts(), Usage(input=3, output=4)),
    (counts(cacheReadInputTokens=50), Usage(input=3, cache_read=50, output=4)),
    (counts(cacheWriteInputTokens=50), Usage(input=3, cache_write_5m=50, output=4)),
    (
        counts(cacheReadInputTokens=50, cacheReadInputTokenCount=50, cacheWriteInputTokenCount=9),
        Usage(input=3, cache_read=50, output=4),
    ),
    (
        counts(cacheWriteInputTokens=50, cacheDetails=DETAILS),
        Usage(input=3, cache_write_5m=10, cache_write_1h=40, output=4),
    ),
    (
        counts(cacheWriteInputTokens=50, cacheDetails=DETAILS[1:]),
        Usage(input=3, cache_write_1h=50, output=4),
    ),
    (
        counts(cacheWriteInputTokens=50, cacheDetails=[{"ttl": "2w", "inputTokens": "x"}, {}]),
        Usage(input=3, cache_write_5m=50, output=4),
    ),
    (counts(cacheReadInputTokens=None, cacheDetails=None), Usage(input=3, output=4)),
    (counts(serverToolUsage={}), Usage(input=3, output=4)),
    (counts(inputTokens=None), None),
    (counts(outputTokens=None), None),
    (counts(outputTokens=-1), None),
    (counts(cacheWriteInputTokens="50"), None),
    (counts(cacheDetails=5), None),
]


@pytest.mark.parametrize(("usage", "expected"), COUNTS)
def test_cached_tokens_stand_beside_the_input_and_their_twins_say_nothing(
    usage: dict[str, Any], expected: Usage | None
) -> None:
    assert whole(stopReason="end_turn", usage=usage).usage == expected
    reading = stream(START, text("hi"), STOP, metadata(**usage))
    assert reading.usage == expected


PLAIN = {"latency": "standard"}

TIERS = [
    ({"performanceConfig": {"latency": "optimized"}}, "optimized"),
    ({"performanceConfig": PLAIN}, ""),
    ({"serviceTier": {"type": "flex"}}, "flex"),
    (
        {"performanceConfig": {"latency": "standard"}, "serviceTier": {"type": "priority"}},
        "priority",
    ),
    ({"performanceConfig": 5, "serviceTier": "x"}, ""),
]


@pytest.mark.parametrize(("said", "tier"), TIERS)
def test_the_tier_is_what_the_reply_says(said: dict[str, Any], tier: str) -> None:
    assert whole(usage=counts(), **said).tier == tier
    assert stream(framed("metadata", usage=counts(), **said)).tier == tier


def test_no_reply_names_its_model() -> None:
    reading = whole(output={}, stopReason="max_tokens", usage=counts())
    assert (reading.model, reading.finish_reason, reading.is_complete) == ("", "max_tokens", True)


def test_a_stream_is_complete_with_its_metadata() -> None:
    cut = stream(START, text("abc"), STOP)
    assert (cut.usage, cut.is_complete, cut.finish_reason) == (None, False, "end_turn")
    assert stream(START, text("abc"), STOP, metadata(**counts())).is_complete


def test_an_exception_in_a_stream_is_seen() -> None:
    failed = frame("modelStreamErrorException", b'{"message":"x"}', message_type="exception")
    assert stream(START, text("hi"), failed).error_code == "modelStreamErrorException"
    assert stream(START, frame("", b"{}", message_type="exception")).error_code == "error"
    reader = converse.stream(False)
    assert reader.feed(failed[:-1]) == failed[:-1]
    assert (reader.has_begun, reader.begins_with_error) == (False, False)
    reader.feed(failed[-1:])
    assert (reader.has_begun, reader.begins_with_error) == (True, True)


def test_a_stream_begins_with_its_first_frame() -> None:
    reader = converse.stream(False)
    reader.feed(START)
    assert (reader.has_begun, reader.begins_with_error) == (True, False)


def test_text_and_arguments_count_as_characters_and_padding_does_not() -> None:
    frames = [
        START,
        text("abc"),
        framed("contentBlockDelta", delta={"toolUse": {"input": '{"a":1}'}}),
        framed("contentBlockDelta", delta={"reasoningContent": {"text": "1234567"}}),
    ]
    assert stream(*frames).characters == 3 + len('{\\"a\\":1}') + 7
    content = [{"text": "abc"}, {"toolUse": {"name": "f", "input": {"a": 1}}}]
    message = {"message": {"content": content}}
    assert whole(output=message).characters == 3 + len('{"a": 1}')


def test_every_cut_of_a_stream_says_the_same_at_once() -> None:
    body = START + text("é😀") + STOP + metadata(**counts())
    final = stream(body)
    assert final.usage == Usage(input=3, output=4)
    for chunks in every_cut(body):
        reader = converse.stream(False)
        assert [reader.feed(chunk) for chunk in chunks] == list(chunks)
        assert reader.reading() == final


def test_what_is_no_frame_ends_the_reading_and_not_the_relaying() -> None:
    reader = converse.stream(False)
    wrong = b"data: this is no frame at all\n\n"
    for chunk in (wrong, metadata(**counts())):
        assert reader.feed(chunk) == chunk
    assert (reader.has_begun, reader.begins_with_error) == (True, False)
    assert reader.reading() == Reading()
    late = stream(START, text("abc"), wrong, metadata(**counts()))
    assert (late.characters, late.usage) == (3, None)
