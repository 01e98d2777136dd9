"""What replies in the chat dialect say, however they come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Reading
from ferrycli.wire.readers import chat
from ferrycli.wire.readers.bodies import BODY_KEPT_MAX, TAIL_KEPT, WholeReader
from tests.wire.readers.fed import every_cut, relayed

# Streams ------------------------------------------------------------------------------------


def event(**chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def delta(text: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return event(id="c", model="m-1", choices=[choice], **more)


END = event(model="m-1", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
DONE = b"data: [DONE]\n\n"


def counts(prompt: object = 12, completion: object = 34, **more: object) -> dict[str, object]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def usage_event(choices: object = (), **usage: object) -> bytes:
    return event(model="m-1", choices=choices, usage=usage or counts())


def read(*events: bytes, strips: bool = False) -> Reading:
    reader = chat.stream(strips)
    relayed(reader, events)
    return reader.reading()


COMMON = {
    "OpenAI's": delta("é😀\u2028") + END + usage_event() + DONE,
    "without an end": delta("hi") + END + usage_event().rstrip(b"\n"),
    "CRLF": (delta("hi") + END + usage_event() + DONE).replace(b"\n", b"\r\n"),
    "CR": (delta("hi") + END + usage_event() + DONE).replace(b"\n", b"\r"),
    "comments": b": OPENROUTER PROCESSING\n\n" + delta("hi") + usage_event() + DONE,
    "null choices": delta("hi") + END + usage_event(None) + DONE,
    "no choices": delta("hi") + END + event(usage=counts()) + DONE,
    "usage after the end": delta("hi") + END + DONE + usage_event(),
    "usage null in every chunk": delta("hi", usage=None) + END + usage_event() + DONE,
    "no space": (delta("hi") + usage_event() + DONE).replace(b"data: ", b"data:"),
}


@pytest.mark.parametrize("stream", COMMON.values(), ids=COMMON)
def test_every_byte_is_relayed_at_once_where_the_client_asked_for_usage(stream: bytes) -> None:
    for chunks in every_cut(stream):
        reader = chat.stream(False)
        assert [reader.feed(chunk) for chunk in chunks] == list(chunks)
        assert reader.finish() == b""
        usage = reader.reading().usage
        assert usage == Usage(input=12, output=34)


@pytest.mark.parametrize("stream", COMMON.values(), ids=COMMON)
def test_exactly_the_usage_chunk_is_missing_where_he_did_not(stream: bytes) -> None:
    ends = [end for end in (b"\r\n\r\n", b"\n\n", b"\r\r") if end in stream]
    events = [one + ends[0] for one in stream.split(ends[0])]
    events[-1] = events[-1].removesuffix(ends[0])
    wanted = b"".join(one for one in events if b'"prompt_tokens"' not in one)
    for chunks in every_cut(stream):
        reader = chat.stream(True)
        assert relayed(reader, chunks) == wanted
        assert reader.reading().usage == Usage(input=12, output=34)


KEPT = {
    "usage in the last chunk with content": delta("hi", usage=counts()) + DONE,
    "usage in the chunk that ends": event(
        choices=[{"delta": {}, "finish_reason": "stop"}], usage=counts()
    ),
    "an error with usage": event(choices=[], usage=counts(), error={"code": 400}),
    "another event by its name": b"event: usage\n" + usage_event(),
    "Azure's first chunk": event(choices=[], prompt_filter_results=[{"usage": {}}]) + delta("hi"),
    "another system's usage": event(choices=[], x_groq={"usage": counts()}),
    "content that tells of usage": delta('data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'),
    "no JSON": b'data: {"choices":[],"usage":{\n\n' + delta("hi"),
    "nothing": b"",
}


@pytest.mark.parametrize("stream", KEPT.values(), ids=KEPT)
def test_anything_but_a_chunk_of_usage_alone_is_kept(stream: bytes) -> None:
    for chunks in every_cut(stream):
        assert relayed(chat.stream(True), chunks) == stream


def test_a_finished_event_is_not_kept_back() -> None:
    reader = chat.stream(True)
    assert reader.feed(delta("hi")) == delta("hi")
    assert reader.feed(END[:20]) == b""
    assert reader.feed(END[20:] + DONE) == END + DONE


LAST_WINS = [
    ([usage_event(), usage_event(**counts(13, 35))], Usage(input=13, output=35)),
    ([usage_event(**counts(12, n)) for n in range(1, 35)], Usage(input=12, output=34)),
    ([usage_event(**counts(20, 40)), usage_event()], Usage(input=12, output=34)),
    ([delta("a", usage=counts(12, n)) for n in (1, 2, 3)], Usage(input=12, output=3)),
    ([usage_event(), delta("a", usage=None)], Usage(input=12, output=34)),
    ([usage_event(), DONE, usage_event(**counts(1, 2))], Usage(input=1, output=2)),
    (
        [
            event(choices=[{}], x_groq={"id": "r", "usage": counts(9, 9)}),
            event(choices=[], usage=counts(), x_groq={"usage": counts(8, 8)}),
        ],
        Usage(input=12, output=34),
    ),
]


@pytest.mark.parametrize(("events", "expected"), LAST_WINS)
def test_counts_are_never_added_up(events: list[bytes], expected: Usage) -> None:
    for strips in (False, True):
        assert read(delta("hi"), *events, strips=strips).usage == expected


IMPOSSIBLE: list[object] = [-1, 12.0, "12", 10**18, 10**30, True, [], {}]


@pytest.mark.parametrize("count", IMPOSSIBLE, ids=repr)
@pytest.mark.parametrize("place", ["prompt_tokens", "completion_tokens", "cached_tokens"])
def test_what_is_no_count_is_no_usage(place: str, count: object) -> None:
    usage: dict[str, Any] = counts()
    if place == "cached_tokens":
        usage["prompt_tokens_details"] = {place: count}
    else:
        usage[place] = count
    assert read(delta("hi"), usage_event(**usage)).usage is None
    assert whole(usage=usage).usage is None
    # A broken report takes back the one before it.
    assert read(usage_event(), usage_event(**usage)).usage is None


@pytest.mark.parametrize("usage", [counts(None), {"completion_tokens": 3}, {"total_tokens": 3}])
def test_usage_without_an_input_is_no_usage(usage: dict[str, object]) -> None:
    assert read(usage_event(**usage)).usage is None
    assert whole(usage=usage).usage is None


@pytest.mark.parametrize("usage", [None, [], "x", 5, True, {"prompt_tokens_details": []}])
def test_usage_that_is_no_object_of_counts_is_no_usage(usage: object) -> None:
    assert read(event(choices=[], usage=usage)).usage is None
    assert whole(usage=usage).usage is None


@pytest.mark.parametrize("details", [5, "x", [], True])
def test_a_report_whose_details_cannot_be_takes_back_the_one_before(details: object) -> None:
    usage = counts(prompt_tokens_details=details)
    assert read(usage_event(), usage_event(**usage)).usage is None


OVERLAPPING = [
    ({"cached_tokens": 11}, {}, Usage(cache_read=10, output=5)),
    (
        {"cached_tokens": 6, "cache_write_tokens": 5},
        {},
        Usage(cache_read=5, cache_write_30m=5, output=5),
    ),
    (
        {"cached_tokens": 6, "cache_write_tokens": 50},
        {},
        Usage(cache_write_30m=10, output=5),
    ),
    (
        {"cached_tokens": 6, "cache_write_tokens": 1, "audio_tokens": 7},
        {},
        Usage(audio_in=7, cache_write_30m=1, cache_read=2, output=5),
    ),
    ({}, {"audio_tokens": 6}, Usage(input=10, audio_out=5)),
    ({}, {"reasoning_tokens": 6}, Usage(input=10, output=5, reasoning=6)),
]


@pytest.mark.parametrize(("details", "made", "expected"), OVERLAPPING)
def test_counts_that_overlap_are_fitted_into_their_whole_the_dearest_first(
    details: dict[str, int], made: dict[str, int], expected: Usage
) -> None:
    usage = counts(10, 5, prompt_tokens_details=details, completion_tokens_details=made)
    assert read(usage_event(**usage)).usage == expected
    reading = whole(usage={**usage, "cost": 0.5})
    assert (reading.usage, reading.provider_cost_nanousd) == (expected, 500_000_000)


def test_a_report_that_cannot_be_leaves_the_providers_cost() -> None:
    reading = whole(usage=counts(-1, cost=0.5))
    assert (reading.usage, reading.provider_cost_nanousd) == (None, 500_000_000)


WRITTEN = [
    ({"cache_write_tokens": 30}, (30, 0)),
    ({"cache_write_tokens": 30, "cache_write_tokens_details": None}, (30, 0)),
    ({"cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_30m": 30}}, (30, 0)),
    ({"cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_12h": 30}}, (0, 30)),
    (
        {"cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_30m": 10, "ttl_12h": 20}},
        (10, 20),
    ),
    ({"cache_write_tokens_details": {"ttl_30m": 10, "ttl_12h": 20}}, (10, 20)),
]


@pytest.mark.parametrize(("details", "expected"), WRITTEN)
def test_tokens_are_written_for_half_an_hour_or_half_a_day(
    details: dict[str, Any], expected: tuple[int, int]
) -> None:
    usage = whole(usage=counts(100, 5, prompt_tokens_details=details)).usage
    assert usage is not None
    assert (usage.cache_write_30m, usage.cache_write_12h) == expected
    assert usage.input_total == 100


THOUGHTS = [
    # reasoning, total, ticks: all of the output, of 3 tokens answered to 10
    (7, 20, None, 10),
    (7, 20, 5, 10),
    (7, 13, None, 3),
    (7, 13, 5, 3),
    (7, None, None, 3),
    (7, None, 5, 10),
    (7, 99, None, 3),
    (7, 99, 5, 10),
    (7, "20", None, 3),
    (0, 13, 5, 3),
]


@pytest.mark.parametrize(("reasoning", "total", "ticks", "output"), THOUGHTS)
def test_thoughts_are_beside_the_answer_where_the_total_shows_it(
    reasoning: int, total: object, ticks: int | None, output: int
) -> None:
    details = {"reasoning_tokens": reasoning}
    usage = counts(
        10, 3, total_tokens=total, cost_in_usd_ticks=ticks, completion_tokens_details=details
    )
    assert whole(usage=usage).usage == Usage(input=10, output=output, reasoning=reasoning)


CACHED = [
    ({"prompt_cache_hit_tokens": 8}, 8),
    ({"prompt_cache_hit_tokens": 8, "prompt_tokens_details": {"cached_tokens": 8}}, 8),
    ({"prompt_cache_hit_tokens": 8, "prompt_tokens_details": {"cached_tokens": None}}, 8),
    ({"prompt_cache_hit_tokens": None, "prompt_tokens_details": None}, 0),
]


@pytest.mark.parametrize(("more", "cached"), CACHED)
def test_deepseek_has_its_own_name_for_cached_tokens(more: dict[str, Any], cached: int) -> None:
    assert whole(usage=counts(**more)).usage == Usage(
        input=12 - cached, cache_read=cached, output=34
    )


GROQ = [
    ({"x_groq": {"id": "r", "usage": counts()}}, Usage(input=12, output=34)),
    ({"x_groq": {"usage": counts(1, 2)}, "usage": counts()}, Usage(input=12, output=34)),
    ({"x_groq": {"usage": None}}, None),
    ({"x_groq": {"id": "r"}}, None),
    ({"x_groq": None}, None),
]


@pytest.mark.parametrize(("more", "expected"), GROQ)
def test_groqs_usage_counts_once(more: dict[str, Any], expected: Usage | None) -> None:
    assert read(delta("hi", **more), DONE).usage == expected


def test_a_completion_is_read_like_a_chat() -> None:
    choice = {"text": "abc", "index": 0, "finish_reason": "length"}
    reading = whole(object="text_completion", model="m-1", choices=[choice], usage=counts())
    assert (reading.usage, reading.characters) == (Usage(input=12, output=34), 3)
    assert reading.finish_reason == "length"
    part = event(choices=[{**choice, "finish_reason": None}], model="m-1")
    assert read(part, usage_event(), DONE).usage == Usage(input=12, output=34)


def test_details_are_taken_out_of_their_whole() -> None:
    details = {"cached_tokens": 100, "cache_write_tokens": 30, "audio_tokens": 7}
    made = {"reasoning_tokens": 20, "audio_tokens": 4}
    usage = counts(200, 50, prompt_tokens_details=details, completion_tokens_details=made)
    assert read(usage_event(**usage)).usage == Usage(
        input=200 - 100 - 30 - 7,
        cache_read=100,
        cache_write_30m=30,
        audio_in=7,
        output=50 - 4,
        audio_out=4,
        reasoning=20,
    )
    empty = dict.fromkeys(details), dict.fromkeys(made)
    usage = counts(prompt_tokens_details=empty[0], completion_tokens_details=empty[1])
    assert read(usage_event(**usage)).usage == Usage(input=12, output=34)
    usage = counts(prompt_tokens_details=None, completion_tokens_details=None)
    assert read(usage_event(**usage)).usage == Usage(input=12, output=34)


ERRORS = [
    ({"code": 400, "message": "Token limit reached"}, "400"),
    ({"code": "server_error", "type": "x"}, "server_error"),
    ({"code": None, "type": "overloaded"}, "overloaded"),
    ({"message": "no"}, "error"),
    ("text", "error"),
    ({"code": "\x1b[31mred\n"}, "[31mred"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_an_error_inside_a_200_is_seen(error: object, code: str) -> None:
    assert read(delta("hi"), event(error=error), DONE).error_code == code
    assert read(event(error=error)).error_code == code
    assert whole(error=error).error_code == code
    reading = read(delta("hi"), event(choices=[], error=error, usage=counts()), strips=True)
    assert (reading.error_code, reading.usage) == (code, Usage(input=12, output=34))


NAMED_ERRORS = [
    (b'event: error\ndata: {"message":"overloaded"}\n\n', "error"),
    (b'event:error\r\ndata: {"code":529,\r\ndata: "message":"x"}\r\n\r\n', "529"),
    (b'data: {"type":"overloaded_error"}\revent: error\r\r', "overloaded_error"),
    (b'id: 1\nevent: error\ndata: {"error":{},"code":"busy"}\n\n', "busy"),
    (b'event: error\ndata: {"error":{"code":"busy"},"code":"x"}\n\n', "busy"),
    (b"event: error\ndata: Overloaded\n\n", "error"),
    (b'event: error\ndata: {"x":"\\ud800"}\n\n', "error"),
    (b'event: error\ndata: {"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}\n\n", "error"),
    (b"event: error\ndata: [DONE]\n\n", "error"),
    (b"event: ping\nevent: error\n\n", "error"),
    (b'event: error\ndata: {"usage":{"prompt_tokens":5}}\n\n', "error"),
]


@pytest.mark.parametrize(("error", "code"), NAMED_ERRORS)
def test_an_event_that_is_named_error_is_one_whatever_it_says(error: bytes, code: str) -> None:
    assert read(delta("hi"), error, DONE).error_code == code
    for strips in (False, True):
        reader = chat.stream(strips)
        passed = reader.feed(error + delta("hi")) + reader.finish()
        assert passed == error + delta("hi")
        assert (reader.begins_with_error, reader.reading().error_code) == (True, code)


@pytest.mark.parametrize(
    "other",
    [
        b'event: errors\ndata: {"message":"x"}\n\n',
        b'event: error\nevent: ping\ndata: {"message":"x"}\n\n',
        b'data: {"message":"event: error"}\n\n',
        b"id: event: error\n\n",
        b": event: error\n\n",
        delta("\nevent: error\n"),
    ],
)
def test_an_event_of_another_name_is_no_error(other: bytes) -> None:
    assert read(other, delta("hi"), other, DONE).error_code == ""


def test_an_error_that_is_null_is_none() -> None:
    assert read(delta("hi", error=None), DONE).error_code == ""


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([delta("a"), DONE], True),
        ([delta("a"), b"data:[DONE]\r\n\r\n"], True),
        ([delta("a"), b"data: [DONE]"], True),
        ([delta("a"), b"data: [DONE] \n\n"], True),
        ([delta("a"), END], False),
        ([delta("a"), b": [DONE]\n\n"], False),
        ([delta("[DONE]")], False),
        ([delta("data: [DONE]\n\n")], False),
        ([b'data: "[DONE]"\n\n'], False),
        ([b"event: [DONE]\n\n"], False),
        ([], False),
    ],
)
def test_a_stream_is_complete_once_it_says_so(events: list[bytes], expected: bool) -> None:
    assert read(*events).is_complete is expected


@pytest.mark.parametrize(
    "text",
    ["[DONE]", '"usage":{"prompt_tokens":1,"completion_tokens":1}', '"error":{}', '\\"usage\\":{'],
)
def test_content_that_speaks_of_the_dialect_says_nothing(text: str) -> None:
    reading = read(delta("hi"), delta(text), delta("\n\ndata: " + text + "\n\n"))
    assert (reading.usage, reading.error_code, reading.is_complete) == (None, "", False)
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    assert whole(choices=[choice]).usage is None


def test_a_reply_says_who_made_it_how_and_why_it_ended() -> None:
    cut = event(choices=[{"delta": {}, "finish_reason": "length"}])
    for end, reason in ((END, "stop"), (cut, "length")):
        reading = read(delta("hi", service_tier="flex"), delta("ho"), end, usage_event(), DONE)
        assert (reading.model, reading.tier) == ("m-1", "flex")
        assert reading.finish_reason == reason


def test_foreign_names_are_cleaned() -> None:
    reading = read(event(model="\x1b[2Jm", service_tier="a\nb", choices=[]))
    assert (reading.model, reading.tier) == ("[2Jm", "ab")
    assert len(read(event(model="m" * 5_000, choices=[])).model) <= 200


def test_characters_of_the_answer_are_counted() -> None:
    call = {"function": {"name": "f", "arguments": "12345"}}
    events = [
        delta("abc"),
        delta(""),
        event(choices=[{"delta": {"tool_calls": [call]}}]),
        event(choices=[{"delta": {"reasoning_content": "1234567"}}]),
        event(choices=[{"delta": {"refusal": "no"}}]),
        event(choices=[{"delta": {"content": None}}]),
    ]
    for strips in (False, True):
        assert read(*events, strips=strips).characters == 3 + 5 + 7 + 2
    message = {"content": "abc", "reasoning": "1234567", "tool_calls": [call]}
    assert whole(choices=[{"message": message}]).characters == 3 + 7 + 5


def test_a_chunk_of_odd_types_neither_stops_a_stream_nor_hides_what_follows() -> None:
    odd = [
        b"data: \n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b'data: {"choices":5}\n\n',
        b'data: {"choices":[null]}\n\n',
        b'data: {"model":5,"usage":{"prompt_tokens":1}}\n\n',
        b"data: \xff\xfe\n\n",
        b'data: {"error":{"code":"\\ud800"}}\n\n',
        b'data: {"error":' + b"[" * 10_000 + b"]" * 10_000 + b"}\n\n",
    ]
    for one in odd:
        reader = chat.stream(True)
        assert relayed(reader, [one, delta("hi"), usage_event(), DONE]) == one + delta("hi") + DONE
        assert reader.reading().usage == Usage(input=12, output=34)
        assert reader.reading().model == "m-1"


# Whole replies ------------------------------------------------------------------------------


def whole(**reply: object) -> Reading:
    reader = chat.whole()
    relayed(reader, [json.dumps(reply).encode()])
    return reader.reading()


BODIES = {
    "a reply": (b'{"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}', 1),
    "a reply without usage": (b'{"model":"m","choices":[]}', None),
    "half of one": (b'{"model":"m","choices":[{"message":{"content":"abc', None),
    "half, with usage": (b'{"usage":{"prompt_tokens":1,"completion_tokens":2},"choices":[{"a', 1),
    "HTML": (b"<html><body>502 Bad Gateway</body></html>", None),
    "nothing": (b"", None),
    "null": (b"null", None),
    "a list": (b"[1]", None),
    "no text": (b"\xff\xfe\x00", None),
    "depth": (b"[" * 10_000 + b"]" * 10_000, None),
    "a BOM": (b'\xef\xbb\xbf{"usage":{"prompt_tokens":1,"completion_tokens":2}}', 1),
    "a member twice": (
        b'{"usage":{"prompt_tokens":9},"usage":{"prompt_tokens":1,"completion_tokens":2}}',
        1,
    ),
}


@pytest.mark.parametrize(("body", "input_tokens"), BODIES.values(), ids=BODIES)
def test_a_whole_reply_comes_out_as_it_is(body: bytes, input_tokens: int | None) -> None:
    wanted = None if input_tokens is None else Usage(input=input_tokens, output=2)
    for chunks in every_cut(body) if len(body) < 200 else [[body]]:
        reader = chat.whole()
        assert relayed(reader, chunks) == body
        assert reader.reading().usage == wanted


@pytest.mark.parametrize(("size", "is_long"), [(BODY_KEPT_MAX, False), (BODY_KEPT_MAX + 1, True)])
def test_usage_is_found_in_a_reply_of_any_length(size: int, is_long: bool) -> None:
    start = b'{"model":"m-0","choices":[{"message":{"content":"'
    end = b'"},"finish_reason":"stop"}],"model":"m-1","service_tier":"flex","usage":'
    end += json.dumps(counts(prompt_tokens_details={"cached_tokens": 2})).encode() + b"}"
    body = start + b"x" * (size - len(start) - len(end)) + end
    for step in (size, 65_536, 100_001):
        reader = chat.whole()
        assert relayed(reader, [body[at : at + step] for at in range(0, size, step)]) == body
        assert reader.has_begun is is_long
        reading = reader.reading()
        assert reading.usage == Usage(input=10, cache_read=2, output=34)
        assert (reading.model, reading.tier, reading.finish_reason) == ("m-1", "flex", "stop")


def test_a_long_reply_is_not_kept() -> None:
    reader = chat.whole()
    assert isinstance(reader, WholeReader)
    reader.feed(b"x" * (BODY_KEPT_MAX + 1))
    for _ in range(8):
        chunk = b"y" * (1 << 20)
        assert reader.feed(chunk) is chunk
        assert len(reader._kept) <= TAIL_KEPT
    assert reader.finish() == b""


def test_a_tail_takes_no_usage_out_of_content() -> None:
    text = json.dumps('"usage":{"prompt_tokens":1,"completion_tokens":1}').encode()
    reader = chat.whole()
    relayed(reader, [b'{"a":"' + b"x" * BODY_KEPT_MAX + b'","content":' + text + b"}"])
    assert reader.reading().usage is None


def test_a_long_reply_without_usage_has_characters() -> None:
    reader = chat.whole()
    relayed(reader, [b'{"content":"' + b"x" * BODY_KEPT_MAX + b'"}'])
    assert reader.reading().characters >= BODY_KEPT_MAX


# The provider's own figure ------------------------------------------------------------------

COSTS: list[tuple[str, int | None]] = [
    ("0.00341475", 3_414_750),
    ("0", 0),
    ("-0.0", 0),
    ("1", 1_000_000_000),
    ("0.0000000001", 1),
    ("0.1", 100_000_000),
    ("3.4e-7", 340),
    ("1e-300", 1),
    ("0.1000000000000000000000000000000001", 100_000_001),
    ("1000000000", 10**18),
    ("1000000000.1", None),
    ("1e400", None),
    ("1e99999999999999999999", None),
    ("-0.01", None),
    ("null", None),
    ("true", None),
    ('"0.1"', None),
    ("{}", None),
    ("[0.1]", None),
]


@pytest.mark.parametrize(("cost", "nanousd"), COSTS)
def test_a_providers_cost_is_read_as_a_decimal_and_rounded_up(
    cost: str, nanousd: int | None
) -> None:
    usage = f'{{"prompt_tokens":12,"completion_tokens":34,"cost":{cost}}}'
    reader = chat.whole()
    relayed(reader, [f'{{"choices":[],"usage":{usage}}}'.encode()])
    assert reader.reading().provider_cost_nanousd == nanousd
    assert reader.reading().usage == Usage(input=12, output=34)
    streamed = read(f'data: {{"choices":[],"usage":{usage}}}\n\n'.encode())
    assert streamed.provider_cost_nanousd == nanousd
    assert streamed.usage == Usage(input=12, output=34)


BYOK: list[tuple[str, int | None]] = [
    ('"cost":0.05,"is_byok":true,"cost_details":{"upstream_inference_cost":1.2}', 1_250_000_000),
    ('"cost":0,"is_byok":true,"cost_details":{"upstream_inference_cost":3.4e-7}', 340),
    ('"cost":0.05,"is_byok":false,"cost_details":{"upstream_inference_cost":0.05}', 50_000_000),
    ('"cost":0.05,"cost_details":{"upstream_inference_cost":0.05}', 50_000_000),
    ('"cost":0.05,"is_byok":true,"cost_details":{"upstream_inference_cost":null}', None),
    ('"cost":0.05,"is_byok":true,"cost_details":{}', None),
    ('"cost":0.05,"is_byok":true,"cost_details":[5]', None),
    ('"cost":0.05,"is_byok":true', None),
    ('"cost":0.05,"is_byok":"yes"', 50_000_000),
    ('"is_byok":true,"cost_details":{"upstream_inference_cost":1.2}', None),
]


@pytest.mark.parametrize(("fields", "nanousd"), BYOK)
def test_with_a_key_of_ones_own_the_fee_is_not_all(fields: str, nanousd: int | None) -> None:
    usage = f'{{"prompt_tokens":12,"completion_tokens":34,{fields}}}'
    reader = chat.whole()
    relayed(reader, [f'{{"choices":[],"usage":{usage}}}'.encode()])
    assert reader.reading().provider_cost_nanousd == nanousd
    assert reader.reading().usage == Usage(input=12, output=34)


TICKS: list[tuple[object, int | None]] = [
    (1_176_500, 117_650),
    (0, 0),
    (1, 1),
    (10, 1),
    (11, 2),
    (10**19, 10**18),
    (10**19 + 1, None),
    (-1, None),
    (1.5, None),
    (True, None),
    ("5", None),
    (None, None),
]


@pytest.mark.parametrize(("ticks", "nanousd"), TICKS)
def test_xais_ticks_are_ten_to_the_ten_a_dollar(ticks: object, nanousd: int | None) -> None:
    reading = whole(usage=counts(cost_in_usd_ticks=ticks))
    assert reading.provider_cost_nanousd == nanousd
    assert reading.usage == Usage(input=12, output=34)


def test_a_cost_survives_in_a_tail() -> None:
    reader = chat.whole()
    usage = json.dumps(counts(cost=0.5)).encode()
    relayed(reader, [b'{"a":"' + b"x" * BODY_KEPT_MAX + b'","usage":' + usage + b"}"])
    assert reader.reading().provider_cost_nanousd == 500_000_000


# Fuzz ---------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        b"data: ",
        b"\n\n",
        b"\r\n\r\n",
        b"\r",
        b'{"choices":[',
        b"]",
        b"}",
        b'"usage":{',
        b'"usage":null',
        b'"prompt_tokens":',
        b"1",
        b"1e400",
        b",",
        b'"error":',
        b'{"code":"\\ud800"}',
        b'"finish_reason":"',
        b'"model":"',
        b'"cost":',
        b'"content":"\\',
        b'"',
        b"\\",
        b"[DONE]",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x00",
    ]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=8), max_size=40), st.booleans())
def test_readers_survive_arbitrary_bytes(pieces: list[bytes], strips: bool) -> None:
    data = b"".join(pieces)
    stream = chat.stream(strips)
    out = relayed(stream, pieces)
    stream.reading()
    if not strips:
        assert out == data
    else:
        assert len(out) <= len(data)
    reader = chat.whole()
    assert relayed(reader, pieces) == data
    reader.reading()


@given(st.lists(FRAGMENTS | st.binary(max_size=8), max_size=40))
def test_a_stream_says_the_same_wherever_it_is_cut(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    readings, outputs = [], []
    for chunks in (pieces, [data], [data[at : at + 1] for at in range(len(data))]):
        reader = chat.stream(True)
        outputs.append(relayed(reader, chunks))
        readings.append(reader.reading())
    assert readings[0] == readings[1] == readings[2]
    assert outputs[0] == outputs[1] == outputs[2]


def test_a_report_that_cannot_be_read_takes_back_the_cost_too() -> None:
    reading = read(usage_event(cost=0.0), usage_event(prompt_tokens_details=5))
    assert (reading.usage, reading.provider_cost_nanousd) == (None, None)
