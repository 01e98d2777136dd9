"""What replies in Gemini's dialect say: whole ones, lists of chunks, and streams."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.usage import Usage
from ferrycli.wire.facts import Reading
from ferrycli.wire.readers import gemini
from ferrycli.wire.readers.bodies import BODY_KEPT_MAX
from tests.wire.readers.fed import every_cut, of_object, read, relayed


def chunk(text: str = "", finish: str = "", **more: object) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-3-flash", **more}


def sse(*chunks: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in chunks)


def stream(*chunks: dict[str, Any]) -> Reading:
    return read(gemini.stream(False), sse(*chunks))


def whole(**more: object) -> Reading:
    return of_object(gemini.whole(), **more)


def counts(prompt: object = 100, answered: object = 20, **more: object) -> dict[str, Any]:
    return {"promptTokenCount": prompt, "candidatesTokenCount": answered, **more}


def modalities(**kinds: object) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in kinds.items()]


COUNTS: list[tuple[dict[str, Any], Usage | None]] = [
    (counts(), Usage(input=100, output=20)),
    (counts(cachedContentTokenCount=60), Usage(input=40, cache_read=60, output=20)),
    (counts(thoughtsTokenCount=30), Usage(input=100, output=50, reasoning=30)),
    (
        {"promptTokenCount": 100, "thoughtsTokenCount": 30},
        Usage(input=100, output=30, reasoning=30),
    ),
    ({"promptTokenCount": 100, "totalTokenCount": 100}, Usage(input=100)),
    (counts(toolUsePromptTokenCount=50), Usage(input=150, output=20)),
    (
        counts(promptTokensDetails=modalities(TEXT=60, AUDIO=40)),
        Usage(input=60, audio_in=40, output=20),
    ),
    (
        counts(promptTokensDetails=modalities(TEXT=10, IMAGE=40, VIDEO=30, DOCUMENT=20)),
        Usage(input=60, image_in=40, output=20),
    ),
    (
        counts(
            cachedContentTokenCount=50,
            promptTokensDetails=modalities(TEXT=20, IMAGE=50, AUDIO=30),
            cacheTokensDetails=modalities(IMAGE=30, AUDIO=20),
        ),
        Usage(input=20, cache_read=50, image_in=20, audio_in=10, output=20),
    ),
    (
        counts(
            cachedContentTokenCount=50,
            promptTokensDetails=modalities(IMAGE=10),
            cacheTokensDetails=modalities(IMAGE=50),
        ),
        Usage(input=50, cache_read=50, output=20),
    ),
    (
        counts(cachedContentTokenCount=80, promptTokensDetails=modalities(AUDIO=100)),
        Usage(audio_in=100, output=20),
    ),
    (
        counts(
            toolUsePromptTokenCount=50, toolUsePromptTokensDetails=modalities(TEXT=20, IMAGE=30)
        ),
        Usage(input=120, image_in=30, output=20),
    ),
    (
        counts(candidatesTokensDetails=modalities(AUDIO=15, TEXT=5)),
        Usage(input=100, output=5, audio_out=15),
    ),
    (counts(promptTokensDetails=modalities(AUDIO="x", IMAGE=None)), Usage(input=100, output=20)),
    ({"totalTokenCount": 100}, None),
    (counts(None), None),
    (counts(-1), None),
    (counts("100"), None),
    (counts(100, 1.5), None),
    (counts(thoughtsTokenCount=True), None),
    (counts(toolUsePromptTokenCount=-1), None),
    (counts(10**18, toolUsePromptTokenCount=1), None),
    (counts(cachedContentTokenCount=-1), None),
    (counts(promptTokensDetails=5), None),
]


@pytest.mark.parametrize(("usage", "expected"), COUNTS)
def test_thoughts_stand_beside_and_cached_tokens_inside(
    usage: dict[str, Any], expected: Usage | None
) -> None:
    assert whole(**chunk("hi", "STOP", usageMetadata=usage)).usage == expected
    assert stream(chunk("hi"), chunk("ho", "STOP", usageMetadata=usage)).usage == expected


STREAMS: list[tuple[list[dict[str, Any]], Usage | None]] = [
    ([counts(100, 5), counts(100, 12), counts(100, 20)], Usage(input=100, output=20)),
    ([counts(100, 5), counts(140, 20)], Usage(input=140, output=20)),
    ([counts(100, 20), counts(100, 12)], Usage(input=100, output=12)),
    # A count that is left out is what it was.
    (
        [counts(100, 5, thoughtsTokenCount=7), {"promptTokenCount": 100}],
        Usage(input=100, output=12, reasoning=7),
    ),
    ([{"trafficType": "ON_DEMAND"}, counts()], Usage(input=100, output=20)),
    ([counts(), {"trafficType": "ON_DEMAND"}], Usage(input=100, output=20)),
    ([{"trafficType": "ON_DEMAND"}], None),
    ([counts(), counts(-1)], None),
    ([counts(), counts(promptTokensDetails=5)], None),
    ([counts(), counts(promptTokensDetails=5), counts(9, 9)], Usage(input=9, output=9)),
]


@pytest.mark.parametrize(("totals", "expected"), STREAMS)
def test_a_running_total_is_never_added_up(
    totals: list[dict[str, Any]], expected: Usage | None
) -> None:
    chunks = [chunk("a", usageMetadata=total) for total in totals]
    assert stream(*chunks).usage == expected


def test_a_stream_that_is_one_list_is_read_as_its_chunks() -> None:
    chunks = [
        chunk("ab", usageMetadata=counts(100, 5)),
        chunk("cd", "STOP", usageMetadata=counts()),
    ]
    reading = read(gemini.whole(), json.dumps(chunks, indent=1).encode())
    assert (reading.usage, reading.characters) == (Usage(input=100, output=20), 4)
    assert (reading.is_complete, reading.finish_reason) == (True, "STOP")
    failed = read(gemini.whole(), b'[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]')
    assert (failed.error_code, failed.usage) == ("429", None)


def candidates(*ones: tuple[int, str]) -> dict[str, Any]:
    return {
        "candidates": [
            {"index": index, "content": {}, **({"finishReason": finish} if finish else {})}
            for index, finish in ones
        ]
    }


BOTH = candidates((0, ""), (1, ""))

ENDS: list[tuple[list[dict[str, Any]], str, bool]] = [
    ([chunk("a")], "", False),
    ([chunk("a"), chunk("b", "STOP")], "STOP", True),
    ([chunk("a"), chunk("b", "MAX_TOKENS")], "MAX_TOKENS", True),
    ([chunk("a", "STOP"), chunk("b")], "STOP", False),
    ([chunk("a", "STOP"), chunk("b", "STOP")], "STOP", True),
    ([BOTH, candidates((0, "STOP"))], "STOP", False),
    (
        [BOTH, candidates((0, "STOP")), candidates((1, "STOP"))],
        "STOP",
        True,
    ),
    ([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": counts()}], "SAFETY", True),
    ([{"promptFeedback": 5}], "", False),
    ([chunk("a", "STOP"), {"usageMetadata": counts()}], "STOP", True),
]


@pytest.mark.parametrize(("chunks", "finish", "is_complete"), ENDS)
def test_a_stream_is_complete_when_every_candidate_has_ended(
    chunks: list[dict[str, Any]], finish: str, is_complete: bool
) -> None:
    reading = stream(*chunks)
    assert (reading.finish_reason, reading.is_complete) == (finish, is_complete)


def grounded(*queries: object) -> dict[str, Any]:
    return {"finishReason": "STOP", "groundingMetadata": {"webSearchQueries": list(queries)}}


SEARCHES: list[tuple[str, list[Any], int]] = [
    ("gemini-3-flash", ["a", "b"], 2),
    ("gemini-3-flash", ["a", "", "a", None, 5], 1),
    ("gemini-3-flash", [], 0),
    ("gemini-2.5-pro", ["a", "b"], 1),
    ("gemini-2.5-pro", [""], 0),
    ("gemini-1.5-pro", ["a", "b"], 1),
    ("gemini-20-pro", ["a", "b"], 2),
    ("", ["a", "b"], 2),
]


@pytest.mark.parametrize(("model", "queries", "count"), SEARCHES)
def test_searches_are_counted_as_the_model_is_billed_for_them(
    model: str, queries: list[Any], count: int
) -> None:
    last = {"candidates": [grounded(*queries)], "modelVersion": model, "usageMetadata": counts()}
    expected = Usage(input=100, output=20, web_search=count)
    assert whole(**last).usage == expected
    # The queries may be said again in every chunk.
    assert stream(last, last).usage == expected
    split = {"candidates": [grounded(*queries)], "modelVersion": model}
    assert stream(split, {"usageMetadata": counts()}).usage == expected


TIERS = [
    ({"serviceTier": "standard"}, "standard"),
    ({"serviceTier": "FLEX"}, "flex"),
    ({"trafficType": "ON_DEMAND"}, "on_demand"),
    ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
    ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
    ({"serviceTier": 5}, ""),
]


@pytest.mark.parametrize(("said", "tier"), TIERS)
def test_tiers_go_by_the_names_that_others_use(said: dict[str, Any], tier: str) -> None:
    reading = whole(**chunk("hi", "STOP", usageMetadata=counts(**said)))
    assert (reading.tier, reading.model) == (tier, "gemini-3-flash")


def test_an_error_in_a_stream_is_seen() -> None:
    error = {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}
    reading = stream(chunk("hi", usageMetadata=counts()), {"error": error})
    assert (reading.error_code, reading.usage) == ("503", Usage(input=100, output=20))
    reader = gemini.stream(False)
    reader.feed(sse({"error": error}))
    assert reader.begins_with_error


def test_text_thoughts_and_arguments_count_as_characters() -> None:
    parts = [
        {"text": "abc"},
        {"text": "1234567", "thought": True, "thoughtSignature": "x" * 99},
        {"functionCall": {"name": "f", "args": {"a": {"b": 1}}}},
        {"executableCode": {"code": "print()"}},
    ]
    reply = {"candidates": [{"content": {"parts": parts}}]}
    expected = 3 + 7 + len('{"a": {"b": 1}}') + 7
    assert whole(**reply).characters == expected
    assert stream(reply, reply).characters == 2 * expected


def test_every_cut_of_a_stream_says_the_same() -> None:
    body = sse(
        chunk("é😀\u2028", usageMetadata=counts(100, 5)), chunk("b", "STOP", usageMetadata=counts())
    )
    final = read(gemini.stream(False), body)
    for chunks in every_cut(body):
        assert read(gemini.stream(False), *chunks) == final


def test_usage_is_found_at_the_end_of_a_long_reply() -> None:
    end = json.dumps({"usageMetadata": counts(trafficType="ON_DEMAND_FLEX")})[1:]
    start = '{"candidates":[{"content":{"parts":[{"text":"'
    body = f'{start}{"x" * BODY_KEPT_MAX}"}}]}},"finishReason":"STOP"}}],{end}'.encode()
    reader = gemini.whole()
    assert relayed(reader, [body[:100], body[100:]]) == body
    reading = reader.reading()
    assert reading.usage == Usage(input=100, output=20)
    assert (reading.finish_reason, reading.tier) == ("STOP", "flex")
