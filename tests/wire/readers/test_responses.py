"""What replies in OpenAI's responses dialect say: whole ones, and streams as far as they came."""

from __future__ import annotations

from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Reading
from ferrycli.wire.readers import responses
from ferrycli.wire.sse import EVENT_BYTES_MAX
from tests.wire.readers.fed import bytewise, event, every_cut, of_object, read


def counts(**more: object) -> dict[str, Any]:
    return {"input_tokens": 100, "output_tokens": 30, "total_tokens": 130, **more}


def reply(status: str = "completed", **more: object) -> dict[str, Any]:
    return {"object": "response", "status": status, "model": "m-1", "output": [], **more}


def whole(**more: Any) -> Reading:
    return of_object(responses.whole(), **reply(**more))


def stream(*events: bytes) -> Reading:
    return read(responses.stream(False), *events)


def told(kind: str, **more: object) -> bytes:
    status = "in_progress" if kind in ("created", "in_progress") else kind
    return event(type=f"response.{kind}", response=reply(status, **more))


CREATED = told("created", usage=None)


def delta(piece: str, kind: str = "output_text") -> bytes:
    return event(type=f"response.{kind}.delta", item_id="i", delta=piece)


COUNTS: list[tuple[dict[str, Any], Usage | None]] = [
    (counts(), Usage(input=100, output=30)),
    (
        counts(input_tokens_details={"cached_tokens": 60}),
        Usage(input=40, cache_read=60, output=30),
    ),
    (
        counts(input_tokens_details={"cached_tokens": 60, "cache_write_tokens": 30}),
        Usage(input=10, cache_read=60, cache_write_30m=30, output=30),
    ),
    (
        counts(
            input_tokens_details={
                "cache_write_tokens": 30,
                "cache_write_tokens_details": {"ttl_30m": 10, "ttl_12h": 20},
            }
        ),
        Usage(input=70, cache_write_30m=10, cache_write_12h=20, output=30),
    ),
    (
        counts(
            input_tokens_details={
                "cache_write_tokens": 30,
                "cache_write_tokens_details": {"ttl_12h": 20},
            }
        ),
        Usage(input=70, cache_write_12h=30, output=30),
    ),
    (
        counts(input_tokens_details={"cached_tokens": 90, "cache_write_tokens": 30}),
        Usage(cache_read=70, cache_write_30m=30, output=30),
    ),
    (
        counts(output_tokens_details={"reasoning_tokens": 20}),
        Usage(input=100, output=30, reasoning=20),
    ),
    (counts(input_tokens_details=None, output_tokens_details=None), Usage(input=100, output=30)),
    (counts(output_tokens=None), Usage(input=100)),
    (counts(input_tokens=None), None),
    (counts(input_tokens=-1), None),
    (counts(output_tokens="30"), None),
    (counts(input_tokens_details={"cached_tokens": -1}), None),
    (counts(input_tokens_details=5), None),
]


@pytest.mark.parametrize(("usage", "expected"), COUNTS)
def test_all_parts_are_inside_the_whole(usage: dict[str, Any], expected: Usage | None) -> None:
    assert whole(usage=usage).usage == expected
    assert stream(CREATED, delta("hi"), told("completed", usage=usage)).usage == expected


CUT = {"reason": "max_output_tokens"}
BROKEN = {"code": "server_error", "message": "x"}

ENDS = [
    ("completed", {}, "completed", "", True),
    (
        "incomplete",
        {"incomplete_details": CUT},
        "max_output_tokens",
        "",
        True,
    ),
    ("incomplete", {"incomplete_details": None}, "incomplete", "", True),
    ("failed", {"error": BROKEN}, "failed", "server_error", True),
    ("failed", {"error": None}, "failed", "failed", True),
    ("cancelled", {}, "cancelled", "", True),
    ("in_progress", {}, "", "", False),
]


@pytest.mark.parametrize(("kind", "more", "finish", "code", "is_complete"), ENDS)
def test_every_end_of_a_stream_says_what_it_used(
    kind: str, more: dict[str, Any], finish: str, code: str, is_complete: bool
) -> None:
    reading = stream(CREATED, delta("hi"), told(kind, usage=counts(), **more))
    assert reading.usage == Usage(input=100, output=30)
    assert (reading.finish_reason, reading.error_code) == (finish, code)
    assert reading.is_complete is is_complete
    assert reading.model == "m-1"


ERRORS = [
    (
        event(type="error", code="rate_limit_exceeded", message="x", param=None),
        "rate_limit_exceeded",
    ),
    (event(type="error", error={"code": None, "type": "overloaded"}), "overloaded"),
    (event(type="error", message="x"), "error"),
    (told("failed", error={"code": "server_error"}, usage=None), "server_error"),
]


@pytest.mark.parametrize(("failed", "code"), ERRORS)
def test_an_error_in_a_stream_is_seen(failed: bytes, code: str) -> None:
    assert stream(CREATED, delta("hi"), failed).error_code == code
    reader = responses.stream(False)
    reader.feed(failed)
    assert (reader.has_begun, reader.begins_with_error) == (True, True)


def search(action: object, kind: str = "web_search_call") -> dict[str, Any]:
    return {"type": kind, "id": "ws", "status": "completed", "action": action}


SEARCHES: list[tuple[list[Any], int]] = [
    ([search({"type": "search", "query": "x"})], 1),
    ([search({"type": "search"}), search({"type": "search"})], 2),
    ([search({"type": "open_page"}), search({"type": "find_in_page"})], 0),
    ([search({"type": "search"}), search({"type": "open_page"})], 1),
    ([search(None)], 1),
    ([search({})], 1),
    ([search({"type": "search"}, "file_search_call")], 0),
    ([{"type": "message"}, {}], 0),
]


@pytest.mark.parametrize(("output", "count"), SEARCHES)
def test_searches_are_counted_and_pages_are_not(output: list[Any], count: int) -> None:
    expected = Usage(input=100, output=30, web_search=count)
    assert whole(output=output, usage=counts()).usage == expected
    done = told("completed", output=output, usage=counts())
    items = [event(type="response.output_item.done", item=item) for item in output]
    began = [event(type="response.output_item.added", item=item) for item in output]
    assert stream(CREATED, delta("hi"), done).usage == expected
    assert stream(CREATED, *began, *items, delta("hi"), done).usage == expected
    # Where the last event does not list them, or is too long, they have been seen already.
    assert stream(CREATED, *began, *items, told("completed", usage=counts())).usage == expected
    long = told("completed", output=[*output, {"x": "y" * EVENT_BYTES_MAX}], usage=counts())
    assert stream(CREATED, *items, long[:-9], long[-9:]).usage == expected


def test_a_reply_names_its_model_and_tier() -> None:
    reading = whole(service_tier="flex", usage=counts())
    assert (reading.model, reading.tier, reading.finish_reason) == ("m-1", "flex", "completed")
    early = stream(told("created", service_tier="priority"), delta("hi"))
    assert (early.model, early.tier, early.usage, early.is_complete) == (
        "m-1",
        "priority",
        None,
        False,
    )


def test_a_reply_to_be_fetched_later_has_said_nothing_yet() -> None:
    reading = whole(status="queued", usage=None)
    assert (reading.usage, reading.finish_reason) == (None, "")


def test_openrouters_figure_stands_here_too() -> None:
    usage = counts(cost=0.002196, is_byok=False, cost_details={"upstream_inference_cost": 0.002196})
    assert whole(usage=usage).provider_cost_nanousd == 2_196_000


def test_only_what_the_model_wrote_counts_as_characters() -> None:
    events = [
        CREATED,
        delta("abc"),
        delta("1234567", "reasoning_summary_text"),
        delta('{"a":', "function_call_arguments"),
        event(type="response.output_text.done", text="abc"),
        told("completed", output=[{"content": [{"text": "abc"}]}], instructions="x" * 99),
    ]
    assert stream(*events).characters == 3 + 7 + len('{\\"a\\":"') - 1
    output = [
        {"type": "message", "content": [{"type": "output_text", "text": "abc"}]},
        {"type": "function_call", "arguments": "1234567"},
        {"type": "reasoning", "summary": [], "encrypted_content": "x" * 99},
    ]
    assert whole(output=output, instructions="x" * 99).characters == 3 + 7


def test_text_that_speaks_of_the_dialect_says_nothing() -> None:
    for text in ('"usage":{"input_tokens":1}', '"type":"response.completed"', '"type":"error"'):
        reading = stream(CREATED, delta(text), delta("\n\ndata: " + text + "\n\n"))
        assert (reading.usage, reading.error_code, reading.is_complete) == (None, "", False)


def test_every_cut_of_a_stream_says_the_same() -> None:
    body = CREATED + delta("é😀\u2028") + told("completed", usage=counts())
    final = stream(body)
    for chunks in every_cut(body):
        assert stream(*chunks) == final


def test_usage_is_found_in_a_last_event_that_is_too_long() -> None:
    output = [{"type": "message", "content": [{"text": "x" * EVENT_BYTES_MAX}]}]
    last = told("completed", output=output, service_tier="flex", usage=counts())
    for size in (len(last), 65_536, 1_000_003):
        pieces = [last[at : at + size] for at in range(0, len(last), size)]
        reading = stream(CREATED, delta("hi"), *pieces)
        assert reading.usage == Usage(input=100, output=30)
        assert (reading.is_complete, reading.tier) == (True, "flex")
    assert stream(CREATED, last[:-20]).usage is None
    assert stream(CREATED, *bytewise(last[-30:])).usage is None


def test_a_stream_goes_on_after_an_event_that_is_too_long() -> None:
    long = event(type="response.x", text="x" * EVENT_BYTES_MAX)
    reading = stream(CREATED, long, delta("abc"), told("completed", usage=counts()))
    assert (reading.usage, reading.is_complete) == (Usage(input=100, output=30), True)
