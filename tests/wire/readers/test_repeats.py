"""An event that is known by its likeness is read as it would be by itself: both ways agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.facts import Reading
from ferrycli.wire.readers import streams
from ferrycli.wire.readers.gathered import strings_of
from ferrycli.wire.readers.repeats import LEARNED_MAX, Repeats

CHAT = 'data: {"id":"c","choices":[{"index":0,"delta":{%s},"finish_reason":%s}]%s}\n\n'
FIRST = {
    "chat": CHAT % ('"role":"assistant","content":""', "null", ',"model":"m"'),
    "messages": 'event: message_start\ndata: {"type":"message_start","message":{"model":"m",'
    '"usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
    "responses": 'event: response.created\ndata: {"type":"response.created","sequence_number":0,'
    '"response":{"model":"m","status":"in_progress"}}\n\n',
    "plain": 'data: {"type":"transcript.text.delta","delta":""}\n\n',
}
LAST = {
    "chat": CHAT % ("", '"stop"', ',"usage":{"prompt_tokens":3,"completion_tokens":2}')
    + "data: [DONE]\n\n",
    "messages": 'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":'
    '"end_turn"},"usage":{"output_tokens":2}}\n\ndata: {"type":"message_stop"}\n\n',
    "responses": 'data: {"type":"response.completed","response":{"status":"completed","usage":'
    '{"input_tokens":3,"output_tokens":2}}}\n\n',
    "plain": 'data: {"type":"transcript.text.done","usage":{"input_tokens":3}}\n\n',
}
SHAPES = {
    "chat": [
        CHAT % ('"content":"%s"', "null", ""),
        CHAT % ('"content":"%s"', "null", ',"usage":null,"obfuscation":"%s"'),
        CHAT % ('"reasoning":"%s","reasoning_details":[{"text":"%s"}]', "null", ""),
        CHAT % ('"tool_calls":[{"function":{"arguments":"%s"}}]', "null", ""),
        CHAT % ('"content": "%s"', "null", "") + ": ping\n\n",
        'data: {"choices":[{"delta":{"content":\ndata: "%s"}}]}\n\n',
        ': "content":"%s"\ndata: {"choices":[{"delta":{"content":"%s"}}]}\n\n',
        'data: {"choices":[{"delta":{"content":"%s"}}]}\r\n\r\n',
        'data: {"error":{"code":"%s"}}\n\n',
        'event: error\ndata: {"content":"%s"}\n\n',
        'data: {"model":"other","choices":[{"delta":{"content":"%s"}}]}\n\n',
    ],
    "messages": [
        (
            'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
            '{"type":"text_delta","text":"%s"}%s}\n\n'
        ),
        (
            'data: {"type":"content_block_delta","delta":{"type":"thinking_delta",'
            '"thinking":"%s"}}\n\n'
        ),
        (
            'data: {"type":"content_block_start","content_block":{"type":"tool_use",'
            '"input":{"a":"%s"},'
            '"text":"%s"}}\n\n'
        ),
        'data: {"type":"content_block_start","content_block":{"type":"%s","text":"%s"}}\n\n',
    ],
    "responses": [
        (
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
            '"sequence_number":%d,"delta":"%s","logprobs":[],"obfuscation":"%s"}\n\n'
        ),
        'data: {"type":"response.output_text.delta","delta":"%s","sequence_number":%d}\n\n',
        'data: {"type":"response.reasoning_text.delta","delta":"%s"}\n\n',
        'data: {"type":"%s","delta":"%s"}\n\n',
    ],
    "plain": ['data: {"type":"transcript.text.delta","delta":"%s"}\n\n'],
}
TEXTS = [
    *"a word error usage type fallback é [DONE] content } response.failed".split(),
    *('\\"', "\\\\", "a\\\\", "\\n", "a\\nb", '{"usage":{'),
    *('","text":"x', '"},"finish_reason":"x', "\n", "\r", "\\", "", " ", "x" * 300),
]


def filled(shape: str, random: Random) -> str:
    """An event of a shape: texts, numbers and spaces as they may come."""
    while "%" in shape:
        at = shape.index("%")
        if shape[at + 1] == "d":
            value = str(random.randrange(200))
        elif shape[at - 1] == '"':
            value = random.choice(TEXTS[:2] * 8 + TEXTS)
        else:
            value = random.choice(["", "", "   ", " "])
        shape = shape[:at] + value + shape[at + 2 :]
    return shape


def cut(stream: bytes, random: Random) -> Iterable[bytes]:
    """The stream as it may come: an event at a time, some of them, or in any pieces."""
    events = [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]
    way = random.randrange(3)
    while way == 0 and events:
        count = random.choice([1, 1, 1, 2, 3])
        yield b"".join(events[:count])
        del events[:count]
    while way == 1 and stream:
        size = random.randrange(1, 200)
        yield stream[:size]
        stream = stream[size:]
    yield from events if way == 2 else ()


def read(dialect: str, chunks: Sequence[bytes], *, strips: bool) -> tuple[bytes, Reading]:
    reader = DIALECTS[dialect].stream_reader(strips)
    passed = [reader.feed(chunk) for chunk in chunks]
    return b"".join([*passed, reader.finish()]), reader.reading()


class Never(Repeats):
    """No event is known by its likeness."""

    def text_length(self, event: bytes) -> int:
        return 0


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(SHAPES)), st.booleans())
def test_both_ways_read_the_same(random: Random, dialect: str, strips: bool) -> None:
    shapes = random.choices(SHAPES[dialect], k=random.choice([1, 1, 2, 4]))
    events = [filled(random.choice(shapes), random) for _ in range(random.randrange(25))]
    stream = FIRST[dialect] + "".join(events) + LAST[dialect] * random.randrange(2)
    chunks = list(cut(stream.encode(), random))
    quick = read(dialect, chunks, strips=strips)
    with patch.object(streams, "Repeats", Never):
        assert quick == read(dialect, chunks, strips=strips)


@given(st.randoms(use_true_random=False))
def test_pieces_of_an_event_that_is_too_long_are_not_taken_for_events(random: Random) -> None:
    event = (SHAPES["chat"][0] % "word").encode()
    long = [b'data: {"content":"' + b"x" * (1 << 20), event, b'","usage":{"prompt_tokens":1}}\n\n']
    chunks = [FIRST["chat"].encode(), event, event, *long, event]
    quick = read("chat", chunks, strips=False)
    with patch.object(streams, "Repeats", Never):
        assert quick == read("chat", chunks, strips=False)
    assert quick[1].characters > 1 << 20


STRINGS = strings_of("content", "delta", "text")


@pytest.mark.parametrize(
    "shape",
    [
        CHAT % ('"content":"%s"', "null", ""),
        CHAT % ('"content":"%s"', "null", ',"obfuscation":"%s"'),
        SHAPES["messages"][0].replace("%s}", "   }"),
        SHAPES["responses"][0].replace("%d", "1"),
    ],
)
def test_usual_events_are_known_after_the_first(shape: str) -> None:
    repeats = Repeats()
    first, second = (shape.replace("%s", text).encode() for text in ("a", " word\\n\\\\n"))
    repeats.learn(first, first[first.index(b"{") : -2], STRINGS)
    assert repeats.text_length(first) == 1
    assert repeats.text_length(second) == (0 if b"obfuscation" in second else len(" word\\n\\\\n"))
    assert repeats.text_length(first + first) == 2
    assert repeats.text_length(first[:-1]) == repeats.text_length(first + first[:-1]) == 0
    assert repeats.text_length(first + b"\n") == repeats.text_length(first + b"data: 1\n\n") == 0


def test_a_stream_whose_events_are_never_alike_is_not_learned_for_ever() -> None:
    repeats = Repeats()
    for at in range(LEARNED_MAX + 1):
        event = b'data: {"id":%d,"delta":"a"}\n\n' % at
        repeats.learn(event, event[6:-2], STRINGS)
    assert repeats.text_length(b'data: {"id":%d,"delta":"a"}\n\n' % (LEARNED_MAX - 1)) == 1
    assert repeats.text_length(b'data: {"id":%d,"delta":"a"}\n\n' % LEARNED_MAX) == 0
