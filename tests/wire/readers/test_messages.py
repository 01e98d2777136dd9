"""What replies in Anthropic's dialect say: whole ones, and streams as far as they came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Line, Reading
from ferrycli.wire.readers import messages
from ferrycli.wire.readers.bodies import BODY_KEPT_MAX
from tests.wire.readers.fed import event, every_cut, of_object, read, relayed


def whole(**message: object) -> Reading:
    return of_object(messages.whole(), **message)


def stream(*events: bytes) -> Reading:
    return read(messages.stream(False), *events)


def started(model: str = "m-1", **usage: object) -> bytes:
    message = {"id": "msg", "model": model, "content": [], "usage": {"output_tokens": 1, **usage}}
    return event(type="message_start", message=message)


def text(piece: str) -> bytes:
    return event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": piece})


def ended(reason: str | None = "end_turn", **usage: object) -> bytes:
    return event(type="message_delta", delta={"stop_reason": reason}, usage=usage)


STOP = event(type="message_stop")

COUNTS: list[tuple[dict[str, Any], Usage | None]] = [
    ({"input_tokens": 3, "output_tokens": 4}, Usage(input=3, output=4)),
    ({"input_tokens": 0, "output_tokens": 0}, Usage()),
    (
        {"input_tokens": 3, "cache_read_input_tokens": 50, "output_tokens": 4},
        Usage(input=3, cache_read=50, output=4),
    ),
    (
        {"input_tokens": 3, "cache_creation_input_tokens": 50, "output_tokens": 4},
        Usage(input=3, cache_write_5m=50, output=4),
    ),
    (
        {"input_tokens": 3, "cache_read_input_tokens": None, "output_tokens": 4},
        Usage(input=3, output=4),
    ),
    (
        {"input_tokens": 3, "output_tokens": 4, "server_tool_use": {"web_search_requests": 2}},
        Usage(input=3, output=4, web_search=2),
    ),
    (
        {"input_tokens": 3, "output_tokens": 4, "server_tool_use": {"web_fetch_requests": 2}},
        Usage(input=3, output=4),
    ),
    (
        {"input_tokens": 3, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 7}},
        Usage(input=3, output=9, reasoning=7),
    ),
    ({"input_tokens": 3}, None),
    ({"output_tokens": 3}, None),
    ({"input_tokens": -1, "output_tokens": 4}, None),
    ({"input_tokens": 3, "output_tokens": 1.5}, None),
    ({"input_tokens": "3", "output_tokens": 4}, None),
    ({"input_tokens": 3, "output_tokens": 10**18}, None),
    ({"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": True}, None),
    ({"input_tokens": 3, "output_tokens": 4, "cache_creation_input_tokens": -1}, None),
    ({"input_tokens": 3, "output_tokens": 4, "cache_creation": 5}, None),
    (
        {"input_tokens": 3, "output_tokens": 4, "server_tool_use": {"web_search_requests": "2"}},
        None,
    ),
]


@pytest.mark.parametrize(("usage", "expected"), COUNTS)
def test_cached_tokens_stand_beside_the_input(
    usage: dict[str, Any], expected: Usage | None
) -> None:
    assert whole(model="m-1", stop_reason="end_turn", usage=usage).usage == expected
    assert stream(started(), text("hi"), ended(**usage), STOP).usage == expected


# total, for five minutes and for an hour as reported; both as counted
SPLITS = [
    (100, 100, 0, (100, 0)),
    (100, 0, 100, (0, 100)),
    (100, 60, 40, (60, 40)),
    (100, None, None, (100, 0)),
    (100, 0, 0, (100, 0)),
    (100, 30, 0, (100, 0)),
    (100, 0, 30, (0, 100)),
    (100, 30, 30, (30, 70)),
    (100, 100, 30, (70, 30)),
    (100, 10, 300, (0, 100)),
    (None, 60, 40, (60, 40)),
    (0, 60, 40, (0, 0)),
    (None, None, None, (0, 0)),
]


@pytest.mark.parametrize(("total", "brief", "lasting", "expected"), SPLITS)
def test_a_split_that_lags_gets_the_rest_where_it_is(
    total: int | None, brief: int | None, lasting: int | None, expected: tuple[int, int]
) -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 4,
        "cache_creation_input_tokens": total,
        "cache_creation": {
            "ephemeral_5m_input_tokens": brief,
            "ephemeral_1h_input_tokens": lasting,
        },
    }
    found = whole(usage=usage).usage
    assert found is not None
    assert (found.cache_write_5m, found.cache_write_1h) == expected


def test_a_split_of_the_start_serves_a_total_that_grew() -> None:
    creation = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10}
    start = started(input_tokens=3, cache_creation_input_tokens=10, cache_creation=creation)
    end = ended(cache_creation_input_tokens=25, output_tokens=4)
    assert stream(start, end, STOP).usage == Usage(input=3, cache_write_1h=25, output=4)


STREAMS: list[tuple[list[bytes], Usage | None]] = [
    ([started(input_tokens=9), ended(output_tokens=7), STOP], Usage(input=9, output=7)),
    (
        [started(input_tokens=9), ended(input_tokens=90, output_tokens=7), STOP],
        Usage(input=90, output=7),
    ),
    (
        [started(input_tokens=9), ended(None, output_tokens=3), ended(output_tokens=7), STOP],
        Usage(input=9, output=7),
    ),
    (
        [started(input_tokens=9, cache_read_input_tokens=5), ended(output_tokens=7), STOP],
        Usage(input=9, cache_read=5, output=7),
    ),
    (
        [started(input_tokens=9, cache_read_input_tokens=5), ended(output_tokens=None), STOP],
        None,
    ),
    # A second start overwrites what it names and no more, and has no output to report.
    (
        [started(input_tokens=9), started(input_tokens=11), ended(output_tokens=7), STOP],
        Usage(input=11, output=7),
    ),
    (
        [started(input_tokens=9), ended(output_tokens=7), started(input_tokens=11), STOP],
        Usage(input=11, output=7),
    ),
    # It is over, and has said nothing of its output.
    ([started(input_tokens=9), text("hi"), STOP], None),
    ([started(input_tokens=9), event(type="message_delta", delta={"stop_reason": "x"})], None),
    # A report that cannot be takes back the one before.
    ([started(input_tokens=9), ended(output_tokens=-7), STOP], None),
    ([started(input_tokens=9), ended(output_tokens=7, iterations=5), STOP], None),
    ([started(input_tokens=9), ended(output_tokens=7), ended(input_tokens="x")], None),
]


@pytest.mark.parametrize(("events", "expected"), STREAMS)
def test_each_count_is_what_was_said_of_it_last(
    events: list[bytes], expected: Usage | None
) -> None:
    assert stream(*events).usage == expected


def test_a_cut_stream_has_its_input_and_no_output() -> None:
    reading = stream(started(input_tokens=9, cache_read_input_tokens=5), text("abc"), text("de"))
    assert reading.usage == Usage(input=9, cache_read=5)
    assert (reading.characters, reading.is_complete, reading.finish_reason) == (5, False, "")


CALLS = [
    {"type": "message", "input_tokens": 1, "output_tokens": 2},
    {"type": "advisor_message", "model": "adv", "input_tokens": 10, "output_tokens": 20},
    {"type": "message", "input_tokens": 100, "output_tokens": 200, "cache_read_input_tokens": 5},
]


@pytest.mark.parametrize("is_stream", [False, True])
def test_calls_of_other_models_are_lines_and_their_sum_is_the_usage(is_stream: bool) -> None:
    usage: dict[str, Any] = {
        "input_tokens": 101,
        "output_tokens": 202,
        "output_tokens_details": {"thinking_tokens": 9},
        "server_tool_use": {"web_search_requests": 3},
        "iterations": CALLS,
    }
    if is_stream:
        reading = stream(started("main", input_tokens=1), ended(**usage), STOP)
    else:
        reading = whole(model="main", usage=usage)
    lines = (
        Line("main", "message", Usage(input=1, output=2)),
        Line("adv", "advisor_message", Usage(input=10, output=20)),
        Line("main", "message", Usage(input=100, cache_read=5, output=200, web_search=3)),
    )
    assert reading.lines == lines
    assert reading.usage == Usage(
        input=1 + 10 + 100,
        cache_read=5,
        output=2 + 20 + 200,
        web_search=3,
        reasoning=9,
    )
    assert reading.model == "main"


FALLBACK = [
    {"type": "message", "model": "first", "input_tokens": 1, "output_tokens": 0},
    {"type": "fallback_message", "model": "second", "input_tokens": 2, "output_tokens": 3},
]
COMPACTED = [
    {"type": "compaction", "input_tokens": 100, "output_tokens": 10},
    {"type": "message", "input_tokens": 2, "output_tokens": 3},
]
SERVED: list[tuple[list[dict[str, Any]], str, int]] = [
    (FALLBACK, "second", 2),
    (COMPACTED, "main", 2),
    ([COMPACTED[1], COMPACTED[0]], "main", 2),
    ([FALLBACK[1]], "second", 1),
    ([COMPACTED[1]], "main", 0),
    ([{"type": 5, "model": [], "input_tokens": 1, "output_tokens": 2}], "main", 0),
    ([{"input_tokens": 1, "output_tokens": 2, "model": "x"}, CALLS[1]], "adv", 2),
    ([], "main", 0),
]


@pytest.mark.parametrize(("calls", "model", "lines"), SERVED)
def test_the_model_is_the_one_that_answered(
    calls: list[dict[str, Any]], model: str, lines: int
) -> None:
    usage = {"input_tokens": 2, "output_tokens": 3, "iterations": calls}
    reading = whole(model="main", usage=usage)
    assert (reading.model, len(reading.lines)) == (model, lines)
    assert reading.usage is not None
    expected = sum(call["input_tokens"] for call in calls) or 2
    assert reading.usage.input_total == expected


BROKEN_CALLS: list[Any] = [
    [{**CALLS[0], "output_tokens": None}, CALLS[1]],
    [{**CALLS[0], "input_tokens": -1}, CALLS[1]],
    [5],
    5,
    {},
]


@pytest.mark.parametrize("calls", BROKEN_CALLS)
def test_calls_that_cannot_be_are_no_report(calls: object) -> None:
    usage: dict[str, Any] = {"input_tokens": 2, "output_tokens": 3, "iterations": calls}
    reading = stream(started(input_tokens=2), ended(**usage), STOP)
    assert (reading.usage, reading.lines) == (None, ())


def test_a_stream_that_is_handed_on_is_the_next_models_at_once() -> None:
    block = {"type": "fallback", "from": {"model": "first"}, "to": {"model": "second"}}
    handed = event(type="content_block_start", index=0, content_block=block)
    assert stream(started("first", input_tokens=1), handed).model == "second"
    odd = event(type="content_block_start", index=0, content_block={"type": "fallback", "to": 5})
    assert stream(started("first", input_tokens=1), odd).model == "first"


TIERS = [
    ({"service_tier": "standard"}, "standard"),
    ({"service_tier": "priority"}, "priority"),
    ({"service_tier": "standard", "speed": "fast"}, "fast"),
    ({"service_tier": "standard", "speed": "standard"}, "standard"),
    ({"service_tier": None, "inference_geo": "us"}, "us"),
    ({"service_tier": "standard", "inference_geo": "us"}, "standard+us"),
    ({"service_tier": "standard", "speed": "fast", "inference_geo": "us"}, "fast+us"),
    ({"service_tier": "standard", "inference_geo": "global"}, "standard"),
    ({"service_tier": "standard", "inference_geo": 5}, "standard"),
    ({"service_tier": 5}, ""),
]


@pytest.mark.parametrize(("said", "tier"), TIERS)
def test_the_tier_is_what_the_reply_says(said: dict[str, Any], tier: str) -> None:
    usage = {"input_tokens": 2, "output_tokens": 3, **said}
    assert whole(usage=usage).tier == tier
    assert stream(started(**usage), ended(output_tokens=3), STOP).tier == tier


def test_a_provider_between_may_say_what_it_cost() -> None:
    usage: dict[str, Any] = {"input_tokens": 2, "output_tokens": 3, "cost": 0.5}
    assert whole(usage=usage).provider_cost_nanousd == 500_000_000
    assert stream(started(input_tokens=2), ended(**usage)).provider_cost_nanousd == 500_000_000


ERRORS = [
    ({"type": "overloaded_error", "message": "busy"}, "overloaded_error"),
    (None, "error"),
    ("text", "error"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_an_error_in_a_stream_is_seen(error: object, code: str) -> None:
    failed = event(type="error", error=error)
    reading = stream(started(input_tokens=9), text("hi"), failed)
    assert (reading.error_code, reading.usage) == (code, Usage(input=9))
    reader = messages.stream(False)
    reader.feed(failed)
    assert (reader.has_begun, reader.begins_with_error) == (True, True)


def test_characters_of_text_thoughts_and_arguments_count() -> None:
    deltas = [
        {"type": "text_delta", "text": "abc"},
        {"type": "thinking_delta", "thinking": "1234567"},
        {"type": "input_json_delta", "partial_json": '{"a":1}'},
        {"type": "signature_delta", "signature": "x" * 500},
    ]
    events = [event(type="content_block_delta", index=0, delta=delta) for delta in deltas]
    assert stream(*events).characters == 3 + 7 + len('{\\"a\\":1}')
    content = [
        {"type": "text", "text": "abc"},
        {"type": "thinking", "thinking": "1234567", "signature": "x" * 500},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": {"b": 1}}},
    ]
    assert whole(content=content).characters == 3 + 7 + len('{"a": {"b": 1}}')


TELLING_TEXTS = [
    '"usage":{"input_tokens":1}',
    '{"type":"error","error":{}}',
    '"type":"message_stop"',
]


@pytest.mark.parametrize("said", TELLING_TEXTS)
def test_text_that_speaks_of_the_dialect_says_nothing(said: str) -> None:
    reading = stream(started(input_tokens=9), text(said), text(f"\n\ndata: {said}\n\n"))
    assert (reading.usage, reading.error_code) == (Usage(input=9), "")
    assert not reading.is_complete


def test_every_cut_of_a_stream_says_the_same_at_once() -> None:
    usage: dict[str, Any] = {"output_tokens": 202, "iterations": CALLS}
    body = b"".join([started("main", input_tokens=1), text("é😀\u2028"), ended(**usage), STOP])
    told = stream(body)
    for chunks in every_cut(body):
        reader = messages.stream(False)
        assert [reader.feed(chunk) for chunk in chunks] == list(chunks)
        assert reader.finish() == b""
        assert reader.reading() == told


def test_usage_is_found_at_the_end_of_a_long_message() -> None:
    end = json.dumps({"usage": {"input_tokens": 1, "output_tokens": 2}, "stop_reason": "end_turn"})
    body = b'{"content":[{"text":"' + b"x" * BODY_KEPT_MAX + b'"}],' + end.encode()[1:]
    reader = messages.whole()
    assert relayed(reader, [body[:100], body[100:]]) == body
    reading = reader.reading()
    assert (reading.usage, reading.finish_reason) == (Usage(input=1, output=2), "end_turn")
    assert reading.is_complete


@pytest.mark.parametrize("named", ["main", ""])
def test_calls_at_the_end_of_a_long_message_are_no_other_models(named: str) -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "iterations": CALLS}
    end = json.dumps({"model": named, "usage": usage, "stop_reason": "end_turn"}).encode()[1:]
    reader = messages.whole()
    relayed(reader, [b'{"content":[{"text":"' + b"x" * BODY_KEPT_MAX + b'"}],' + end])
    reading = reader.reading()
    assert [line.model for line in reading.lines] == [named, "adv", named]
    assert (reading.model, reading.finish_reason) == (named, "end_turn")
