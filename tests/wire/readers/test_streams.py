"""What holds of every reader: it loses no byte, and knows what a cut reply has said.

The abort matrix: a stream of each dialect, and what is known of it after each of its events.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Reader
from ferrycli.wire.frames import frame
from ferrycli.wire.readers import chat, converse, gemini, invoke, messages, plain, responses
from ferrycli.wire.sse import EVENT_BYTES_MAX
from tests.wire.readers.fed import bytewise, event, relayed

READERS: dict[str, Callable[[], Reader]] = {
    "chat": chat.whole,
    "chat stream": lambda: chat.stream(False),
    "converse": converse.whole,
    "converse frames": lambda: converse.stream(False),
    "free": plain.free_whole,
    "gemini": gemini.whole,
    "gemini stream": lambda: gemini.stream(False),
    "invoke frames": lambda: invoke.framed(False),
    "messages": messages.whole,
    "messages stream": lambda: messages.stream(False),
    "plain": plain.whole,
    "plain stream": lambda: plain.stream(False),
    "responses": responses.whole,
    "responses stream": lambda: responses.stream(False),
    "uncounted": plain.uncounted_whole,
}


# What is known where a stream is cut ---------------------------------------------------------


# An event, and what is known after it: usage, characters delivered, and whether it was the last.
Row = tuple[bytes, Usage | None, int, bool]


def bare(**data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def said(text: str, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return bare(model="m-1", choices=[choice], **more)


CHAT_COUNTS = {"prompt_tokens": 9, "completion_tokens": 2}
CHAT: list[Row] = [
    (said("abc"), None, 3, False),
    (said("de"), None, 5, False),
    (said("", "stop"), None, 5, False),
    (bare(choices=[], usage=CHAT_COUNTS), Usage(input=9, output=2), 5, False),
    (b"data: [DONE]\n\n", Usage(input=9, output=2), 5, True),
]
# Mistral counts in the last chunk that has content.
MISTRAL: list[Row] = [
    (said("abc"), None, 3, False),
    (said("", "stop", usage=CHAT_COUNTS), Usage(input=9, output=2), 3, False),
    (b"data: [DONE]\n\n", Usage(input=9, output=2), 3, True),
]
RESPONSES_COUNTS = {"input_tokens": 9, "output_tokens": 2}
RESPONSES: list[Row] = [
    (event(type="response.created", response={"model": "m-1", "usage": None}), None, 0, False),
    (event(type="response.output_text.delta", delta="abc"), None, 3, False),
    (event(type="response.output_text.done", text="abc"), None, 3, False),
    (
        event(
            type="response.completed",
            response={"model": "m-1", "status": "completed", "usage": RESPONSES_COUNTS},
        ),
        Usage(input=9, output=2),
        3,
        True,
    ),
]
ANTHROPIC: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"model": "m-1", "usage": {"input_tokens": 9}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "abc"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
ANTHROPIC_KNOWN: list[tuple[Usage | None, int, bool]] = [
    (Usage(input=9), 0, False),
    (Usage(input=9), 0, False),
    (Usage(input=9), 0, False),
    (Usage(input=9), 3, False),
    (Usage(input=9), 3, False),
    (Usage(input=9, output=2), 3, False),
    (Usage(input=9, output=2), 3, True),
]
MESSAGES = [(event(**one), *known) for one, known in zip(ANTHROPIC, ANTHROPIC_KNOWN, strict=True)]


def wrapped(one: dict[str, Any]) -> bytes:
    inner = {"bytes": b64encode(json.dumps(one).encode()).decode()}
    return frame("chunk", json.dumps(inner).encode())


INVOKE = [(wrapped(one), *known) for one, known in zip(ANTHROPIC, ANTHROPIC_KNOWN, strict=True)]


def part(text: str, answered: int, **more: object) -> bytes:
    candidate = {"content": {"parts": [{"text": text}]}, **more}
    total = {"promptTokenCount": 9, "candidatesTokenCount": answered}
    return bare(candidates=[candidate], usageMetadata=total, modelVersion="m-1")


GEMINI: list[Row] = [
    (part("abc", 1), Usage(input=9, output=1), 3, False),
    (part("de", 2), Usage(input=9, output=2), 5, False),
    (part("", 3, finishReason="STOP"), Usage(input=9, output=3), 5, True),
]


def framed(kind: str, **payload: object) -> bytes:
    return frame(kind, json.dumps(payload).encode())


CONVERSE: list[Row] = [
    (framed("messageStart", role="assistant"), None, 0, False),
    (framed("contentBlockDelta", delta={"text": "abc"}), None, 3, False),
    (framed("contentBlockStop", contentBlockIndex=0), None, 3, False),
    (framed("messageStop", stopReason="end_turn"), None, 3, False),
    (
        framed("metadata", usage={"inputTokens": 9, "outputTokens": 2}),
        Usage(input=9, output=2),
        3,
        True,
    ),
]

MATRIX: dict[str, tuple[str, list[Row]]] = {
    "OpenAI's chat": ("chat stream", CHAT),
    "Mistral's chat": ("chat stream", MISTRAL),
    "OpenAI's responses": ("responses stream", RESPONSES),
    "Anthropic's messages": ("messages stream", MESSAGES),
    "Anthropic's messages at Bedrock": ("invoke frames", INVOKE),
    "Gemini": ("gemini stream", GEMINI),
    "Converse": ("converse frames", CONVERSE),
}


@pytest.mark.parametrize(("name", "rows"), MATRIX.values(), ids=MATRIX)
@pytest.mark.parametrize("is_bytewise", [False, True])
def test_a_cut_stream_has_said_what_stands_in_the_matrix(
    name: str, rows: list[Row], is_bytewise: bool
) -> None:
    reader = READERS[name]()
    for one, usage, characters, is_complete in rows:
        for chunk in bytewise(one) if is_bytewise else [one]:
            assert reader.feed(chunk) == chunk
        reading = reader.reading()
        assert (reading.usage, reading.characters) == (usage, characters)
        assert reading.is_complete is is_complete
    assert reader.finish() == b""


@pytest.mark.parametrize(("name", "rows"), MATRIX.values(), ids=MATRIX)
def test_half_an_event_has_said_nothing_new(name: str, rows: list[Row]) -> None:
    before: tuple[Usage | None, int, bool] = (None, 0, False)
    for at, (one, usage, characters, is_complete) in enumerate(rows):
        reader = READERS[name]()
        for earlier, *_ in rows[:at]:
            reader.feed(earlier)
        reader.feed(one[: len(one) // 2])
        reading = reader.reading()
        assert (reading.usage, reading.characters, reading.is_complete) == before
        before = (usage, characters, is_complete)


# Any bytes ------------------------------------------------------------------------------------

SEEDS = {name: b"".join(one for one, *_ in rows) for _, (name, rows) in sorted(MATRIX.items())}
WHOLES = (
    json.dumps({"model": "m", "choices": [], "usage": CHAT_COUNTS}).encode(),
    json.dumps({"status": "completed", "output": [], "usage": RESPONSES_COUNTS}).encode(),
    json.dumps({"content": [], "usage": {"input_tokens": 1, "output_tokens": 2}}).encode(),
    json.dumps({"candidates": [], "usageMetadata": {"promptTokenCount": 9}}).encode(),
    json.dumps({"stopReason": "x", "usage": {"inputTokens": 9, "outputTokens": 2}}).encode(),
)
PIECES = st.sampled_from(
    [
        b"data: ", b"event: ", b"\n\n", b"\r\n\r\n", b"\r", b"{", b"}", b"[", b"]", b",", b":",
        b'"usage":{', b'"usageMetadata":{', b'"input_tokens":', b'"promptTokenCount":', b"-1",
        b"1e400", b"9" * 30, b'"iterations":[{', b'"type":"message_delta"', b'"error":',
        b'"response":{', b'"candidates":[{', b'"text":"\\', b'"args":{', b"[DONE]", b"\xff",
        b"\x00\x00\x00\x10\x00\x00\x00\x00", b'{"code":"\\ud800"}', b"[" * 2_000, b"null", b'"',
        *WHOLES, *SEEDS.values(),
    ]
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(READERS))
@given(st.lists(PIECES | st.binary(max_size=12), max_size=12), st.booleans())
def test_no_bytes_break_a_reader_or_get_lost(
    name: str, pieces: list[bytes], is_bytewise: bool
) -> None:
    data = b"".join(pieces)
    reader = READERS[name]()
    chunks = bytewise(data) if is_bytewise and len(data) < 2_000 else pieces
    assert relayed(reader, chunks) == data
    again = READERS[name]()
    assert relayed(again, [data]) == data
    assert reader.reading() == again.reading()


@pytest.mark.parametrize("name", sorted(READERS))
@given(st.data())
def test_a_mutated_reply_breaks_no_reader(name: str, data: st.DataObject) -> None:
    reply = bytearray(data.draw(st.sampled_from([*SEEDS.values(), *WHOLES])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(len(reply) - 1, 0)))
        length = data.draw(st.integers(0, 12))
        reply[at : at + length] = data.draw(st.binary(max_size=6) | PIECES)
    at = data.draw(st.integers(0, len(reply)))
    reader = READERS[name]()
    assert relayed(reader, [bytes(reply[:at]), bytes(reply[at:])]) == bytes(reply)
    usage = reader.reading().usage
    assert usage is None or usage.input_total >= 0


@pytest.mark.parametrize("name", sorted(name for name in READERS if name.endswith("stream")))
def test_one_endless_line_is_passed_on_and_not_kept(name: str) -> None:
    reader = READERS[name]()
    line = b"data: " + b'{"text":"' + b"x" * (EVENT_BYTES_MAX // 2)
    for chunk in [line] * 6:
        assert reader.feed(chunk) is chunk
    assert reader.finish() == b""
    reading = reader.reading()
    # All of it may have been text, where there is any.
    assert reading.characters == (0 if name == "plain stream" else 6 * len(line))


def test_text_is_counted_once_behind_an_event_that_is_too_long() -> None:
    reader = chat.stream(False)
    long = said("x" * EVENT_BYTES_MAX)
    relayed(reader, [long[:-10], long[-10:], said("abc")])
    assert reader.reading().characters == len(long) + 3


def test_an_event_that_is_too_long_is_not_taken_for_one_of_usage_alone() -> None:
    reader = chat.stream(True)
    long = bare(x="y" * EVENT_BYTES_MAX, choices=[], usage=CHAT_COUNTS)
    assert relayed(reader, [long[:-40], long[-40:], said("abc")]) == long + said("abc")
    assert reader.reading().usage == Usage(input=9, output=2)


def test_a_reply_made_to_be_slow_is_read_at_once() -> None:
    # Were each of these looked through to the end of the reply, it would take hours.
    for piece in (b'"usage":{', b'"input":{', b'"args":{', b'"usageMetadata":{', b'"text":"'):
        body = piece * 200_000
        for name in ("chat", "converse", "gemini", "messages", "plain", "responses"):
            reader = READERS[name]()
            assert relayed(reader, [body]) == body
            assert reader.reading().usage is None
