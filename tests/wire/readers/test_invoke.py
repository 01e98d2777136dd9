"""Anthropic's events in Bedrock's frames: read as they are, and made a stream of events."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.frames import frame
from ferrycli.wire.readers import invoke, messages
from tests.wire.readers.fed import every_cut, read, relayed

START = {"type": "message_start", "message": {"model": "m-1", "usage": {"input_tokens": 9}}}
TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abc"}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
STOP = {
    "type": "message_stop",
    "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 7},
}
EVENTS = (START, TEXT, END, STOP)


def wrapped(data: bytes) -> bytes:
    payload = {"bytes": b64encode(data).decode(), "p": "abcd"}
    return frame("chunk", json.dumps(payload).encode())


FRAMES = [wrapped(json.dumps(event).encode()) for event in EVENTS]
BODY = b"".join(FRAMES)
FAILED = frame("throttlingException", b'{"message":"slow"}', message_type="exception")


def test_events_are_read_inside_their_frames_wherever_those_are_cut() -> None:
    for chunks in every_cut(BODY):
        reading = read(invoke.framed(False), *chunks)
        assert reading.usage == Usage(input=9, output=7)
        assert (reading.model, reading.finish_reason, reading.characters) == ("m-1", "end_turn", 3)
        assert reading.is_complete


def unframed(*chunks: bytes) -> bytes:
    return relayed(invoke.UnframingReader(messages.stream(False)), chunks)


def test_frames_become_the_events_that_an_sdk_reads() -> None:
    wanted = "".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS
    ).encode()
    for chunks in every_cut(BODY):
        reader = invoke.UnframingReader(messages.stream(False))
        assert relayed(reader, chunks) == wanted
        assert reader.reading().usage == Usage(input=9, output=7)
        assert reader.reading().is_complete
        assert (reader.has_begun, reader.begins_with_error) == (True, False)


ODD = [
    (wrapped(b'{\n"type":\r\n"ping"}'), b'event: ping\ndata: { "type":  "ping"}\n\n'),
    (wrapped(b'{"type":"x\\ny"}'), b'data: {"type":"x\\ny"}\n\n'),
    (wrapped(b"no json"), b"data: no json\n\n"),
    (frame("chunk", b'{"bytes":"no base64!"}'), b""),
    (frame("chunk", b'{"p":"abcd"}'), b""),
    (frame("chunk", b"no json"), b""),
    (frame("initial-response", b""), b""),
]


@pytest.mark.parametrize(("odd", "wanted"), ODD)
def test_what_is_no_event_of_anthropics_neither_stops_nor_breaks_the_stream(
    odd: bytes, wanted: bytes
) -> None:
    assert unframed(odd) == wanted
    reading = read(invoke.framed(False), FRAMES[0], odd, *FRAMES[1:])
    assert (reading.usage, reading.is_complete) == (Usage(input=9, output=7), True)


ERRORS = [
    (FAILED, "throttlingException", "slow"),
    (frame("", b"no json", message_type="exception"), "api_error", ""),
    (b"what is no frame at all", "api_error", "the provider sent what is no frame"),
]


@pytest.mark.parametrize(("failed", "code", "message"), ERRORS)
def test_an_exception_is_an_error_in_the_stream(failed: bytes, code: str, message: str) -> None:
    reader = invoke.UnframingReader(messages.stream(False))
    reader.feed(FRAMES[0])
    name, data = reader.feed(failed).decode().rstrip().split("\n")
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))
    assert error == {"type": "error", "error": {"type": code, "message": message}}
    assert reader.reading().error_code == code
    # Said once; nothing comes after it that could be taken for the end.
    if message.endswith("no frame"):
        assert reader.feed(b"x" * 50 + FRAMES[1]) == b""
    first = invoke.UnframingReader(messages.stream(False))
    first.feed(failed)
    assert (first.has_begun, first.begins_with_error) == (True, True)


def test_an_exception_is_seen_in_frames_that_go_on_as_they_are() -> None:
    reading = read(invoke.framed(False), FRAMES[0], FAILED)
    assert (reading.error_code, reading.usage) == ("throttlingException", Usage(input=9))
