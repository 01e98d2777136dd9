"""What replies that are no conversation say: embeddings, images, sound, counts of tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Reading
from ferrycli.wire.readers import plain
from ferrycli.wire.readers.bodies import BODY_KEPT_MAX
from ferrycli.wire.sse import EVENT_BYTES_MAX
from tests.wire.readers.fed import event, of_object, read, relayed


def whole(**reply: object) -> Reading:
    return of_object(plain.whole(), **reply)


EMBEDDINGS = {"object": "list", "data": [{"embedding": "AAAA"}], "model": "e-1"}

COUNTS: list[tuple[dict[str, Any], Usage | None]] = [
    ({"prompt_tokens": 4, "total_tokens": 4}, Usage(input=4)),
    ({"prompt_tokens": 0, "total_tokens": 0}, Usage()),
    ({"total_tokens": 4}, None),
    ({"prompt_tokens": -4}, None),
    (
        {
            "input_tokens": 50,
            "output_tokens": 4_000,
            "total_tokens": 4_050,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
        Usage(input=10, image_in=40, output=4_000),
    ),
    (
        {
            "input_tokens": 50,
            "output_tokens": 4_000,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40, "cached_tokens": 6},
        },
        Usage(input=4, cache_read=6, image_in=40, output=4_000),
    ),
    (
        {
            "type": "tokens",
            "input_tokens": 14,
            "output_tokens": 45,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        },
        Usage(audio_in=14, output=45),
    ),
    ({"type": "tokens", "input_tokens": 14, "output_tokens": 45}, Usage(input=14, output=45)),
    ({"type": "duration", "seconds": 9}, None),
    ({"type": "duration", "seconds": 9, "input_tokens": 5}, None),
    ({"input_tokens": 50, "output_tokens": "x"}, None),
    ({"input_tokens": 50, "input_tokens_details": 5}, None),
]


@pytest.mark.parametrize(("usage", "expected"), COUNTS)
def test_usage_is_read_by_whatever_name(usage: dict[str, Any], expected: Usage | None) -> None:
    reading = whole(**EMBEDDINGS, usage=usage)
    assert reading.usage == expected
    assert (reading.model, reading.characters) == ("e-1", 0)
    body = b'{"data":"' + b"A" * BODY_KEPT_MAX + b'","usage":' + json.dumps(usage).encode() + b"}"
    reader = plain.whole()
    assert relayed(reader, [body]) == body
    assert (reader.reading().usage, reader.reading().characters) == (expected, 0)


USED = {"input_tokens": 50, "output_tokens": 40}

STREAMS: list[tuple[list[bytes], Usage | None, bool, int]] = [
    (
        [
            event(type="image_generation.partial_image", b64_json="A" * 90),
            event(type="image_generation.completed", b64_json="A" * 90, usage=USED),
        ],
        Usage(input=50, output=40),
        True,
        0,
    ),
    (
        [
            event(type="transcript.text.delta", delta="abc"),
            event(type="transcript.text.done", text="abc", usage=USED),
        ],
        Usage(input=50, output=40),
        True,
        3,
    ),
    ([event(type="transcript.text.delta", delta="abc")], None, False, 3),
    (
        [
            event(type="speech.audio.delta", audio="AAAA"),
            event(type="speech.audio.done", usage=USED),
        ],
        Usage(input=50, output=40),
        True,
        0,
    ),
    ([event(type="transcript.text.done", text="abc")], None, True, 0),
]


@pytest.mark.parametrize(("events", "usage", "is_complete", "characters"), STREAMS)
def test_streams_say_at_their_end_what_was_used(
    events: list[bytes], usage: Usage | None, is_complete: bool, characters: int
) -> None:
    reading = read(plain.stream(False), *events)
    assert (reading.usage, reading.is_complete) == (usage, is_complete)
    assert reading.characters == characters


def test_usage_is_found_behind_an_image_that_is_too_long_to_be_kept() -> None:
    last = event(type="image_generation.completed", b64_json="A" * EVENT_BYTES_MAX, usage=USED)
    reading = read(plain.stream(False), last[:900_000], last[900_000:])
    assert (reading.usage, reading.is_complete) == (Usage(input=50, output=40), True)
    assert reading.characters == 0


BODIES = [
    (b"a transcription as text\n", 24, True),
    (b"WEBVTT\n\n00:00 --> 00:01\nhi", 26, True),
    (b'{"text":"abc"}', 3, True),
    (b'{"text":"abc","usa', 3, False),
    (b"<html>502 Bad Gateway</html>", 0, False),
    (b"", 0, False),
]


@pytest.mark.parametrize(("body", "characters", "is_complete"), BODIES)
def test_a_transcription_may_be_plain_text(body: bytes, characters: int, is_complete: bool) -> None:
    reading = read(plain.whole(), body)
    assert (reading.characters, reading.is_complete) == (characters, is_complete)
    assert reading.usage is None


SPEECH = b"ID3\x04\x00\xff\xfb" + bytes(range(256))


@pytest.mark.parametrize("body", [SPEECH, b'{"id":"modr-1","model":"mod","results":[]}', b""])
def test_what_never_says_its_usage_has_none_and_is_whole(body: bytes) -> None:
    reading = read(plain.uncounted_whole(), body[:5], body[5:])
    assert (reading.usage, reading.characters, reading.is_complete) == (None, 0, True)
    long = SPEECH * (BODY_KEPT_MAX // len(SPEECH) + 2) + b'"usage":{"input_tokens":5}'
    reading = read(plain.uncounted_whole(), long)
    assert (reading.usage, reading.characters, reading.is_complete) == (None, 0, True)


def test_a_count_of_tokens_costs_nothing() -> None:
    for body in (b'{"input_tokens":2095}', b'{"totalTokens":31}', b'{"usage":{"input_tokens":9}}'):
        reading = read(plain.free_whole(), body)
        assert (reading.usage, reading.is_complete) == (Usage(), True)
    assert read(plain.free_whole(), b"<html>").usage is None


@pytest.mark.parametrize("reader", [plain.whole, plain.uncounted_whole, plain.free_whole])
def test_an_error_is_seen(reader: Any) -> None:
    reading = of_object(reader(), error={"code": "invalid_file", "message": "x"})
    assert reading.error_code == "invalid_file"
    failed = event(error={"type": "server_error"})
    assert read(plain.stream(False), failed).error_code == "server_error"
