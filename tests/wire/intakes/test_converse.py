"""Bedrock's Converse: what is read of a request, how much input it can be, what bills more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.input_bounds import IMAGE_TOKENS
from tests.wire.intakes.asked import facts_of

MORE = "additionalModelRequestFields"
SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}

READ: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({"inferenceConfig": {}}, {"output_asked": None}),
    ({"inferenceConfig": None}, {"output_asked": None}),
    ({"serviceTier": {"type": "flex"}}, {"tier": "flex"}),
    ({"serviceTier": {"type": 5}}, {"tier": ""}),
    ({"performanceConfig": {"latency": "optimized"}}, {"tier": "optimized"}),
    ({"performanceConfig": {"latency": "standard"}}, {"tier": ""}),
    ({"requestMetadata": {"tenant": "a", "n": 1}}, {"metadata": {"tenant": "a"}}),
    ({MORE: {"thinking": {"type": "enabled", "budget_tokens": 99}}}, {"thinking_tokens": 99}),
    ({MORE: {"reasoning_config": {"budget_tokens": 99}}}, {"thinking_tokens": 99}),
    ({MORE: {"thinking": "odd", "top_k": 5}}, {"thinking_tokens": 0, "unbounded_field": ""}),
    ({MORE: {"anthropic_beta": ["x"]}}, {"unbounded_field": ""}),
    ({MORE: None}, {"unbounded_field": ""}),
    ({MORE: {"tools": []}}, {"unbounded_field": f"{MORE}.tools"}),
    ({MORE: {"max_tokens": 99_999}}, {"unbounded_field": f"{MORE}.max_tokens"}),
    ({"guardrailConfig": {"guardrailIdentifier": "g"}}, {"unbounded_field": "guardrailConfig"}),
    ({"guardrailConfig": None}, {"unbounded_field": ""}),
    ({"promptVariables": {"a": {"text": "b"}}}, {"input_bound": None, "has_varying": True}),
    ({"toolConfig": {"tools": [SPEC, {"cachePoint": {}}]}}, {"unbounded_field": ""}),
    ({"toolConfig": {"tools": None}}, {"unbounded_field": ""}),
    ({"toolConfig": {"tools": [SPEC, {"systemTool": {}}]}}, {"unbounded_field": "toolConfig"}),
    ({"toolConfig": {"tools": [5]}}, {"unbounded_field": "toolConfig"}),
    ({"toolConfig": 5}, {"unbounded_field": "toolConfig"}),
]


@pytest.mark.parametrize(("more", "expected"), READ)
def test_a_field_is_read(more: dict[str, object], expected: dict[str, object]) -> None:
    got = facts_of("converse", **more)
    assert {name: getattr(got, name) for name in expected} == expected
    assert [one.name for one in got.members] == ["messages", *more]
    assert (got.model, got.wants_usage) == ("m", True)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({MORE: 5}, MORE),
        ({MORE: {"thinking": {"budget_tokens": -1}}}, f"{MORE}.thinking.budget_tokens"),
        ({"serviceTier": "flex"}, "serviceTier"),
        ({"performanceConfig": []}, "performanceConfig"),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(more: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        facts_of("converse", **more)
    assert caught.value.field == field


# Turns --------------------------------------------------------------------------------------

DATA = "iVBOR" * 4_000
HELD = {"bytes": DATA}
STORED = {"s3Location": {"uri": "s3://a/b"}}
PICTURE = {"image": {"format": "png", "source": HELD}}


def content(*blocks: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "?"}, *blocks]}]}


def document(form: str, source: object) -> dict[str, object]:
    return {"document": {"format": form, "name": "d", "source": source}}


@pytest.mark.parametrize(
    "block", [PICTURE, {"toolResult": {"content": [PICTURE]}}, {"guardContent": PICTURE}]
)
def test_an_image_counts_by_itself_and_its_bytes_do_not(block: dict[str, object]) -> None:
    for more in (content(block), {"system": [block]}):
        got = facts_of("converse", **more)
        assert got.images == 1
        assert got.input_bound is not None
        assert IMAGE_TOKENS <= got.input_bound < IMAGE_TOKENS + 1_000


def test_speech_counts_by_its_length() -> None:
    got = facts_of("converse", **content({"audio": {"format": "mp3", "source": HELD}}))
    assert got.has_audio
    assert got.input_bound is not None
    assert len(DATA) // 16 <= got.input_bound < len(DATA) // 16 + 1_000


ELSEWHERE: list[dict[str, object]] = [
    {"image": {"format": "png", "source": STORED}},
    document("pdf", HELD),
    document("docx", HELD),
    document("txt", STORED),
    {"video": {"format": "mp4", "source": HELD}},
    {"audio": {"format": "mp3", "source": STORED}},
    {"image": "odd"},
    {"somethingNew": {}},
    {"toolResult": {"content": [document("pdf", HELD)]}},
]


@pytest.mark.parametrize("block", ELSEWHERE)
def test_what_cannot_be_counted_is_the_whole_context(block: dict[str, object]) -> None:
    got = facts_of("converse", **content(block))
    assert (got.input_bound, got.images) == (None, 0)


TEXTS: list[dict[str, object]] = [
    document("txt", HELD),
    document("pdf", {"text": DATA}),
    document("pdf", {"content": [{"text": DATA}]}),
    {"text": json.dumps(PICTURE)},
    {"toolUse": {"name": "f", "input": PICTURE}},
    {"toolResult": {"content": [{"json": PICTURE}]}},
    {"guardContent": {"text": {"text": DATA}}},
    {"reasoningContent": {"reasoningText": {"text": DATA}}},
    {"cachePoint": {"type": DATA}},
]


@pytest.mark.parametrize("block", TEXTS)
def test_what_only_looks_like_an_image_is_text(block: dict[str, object]) -> None:
    got = facts_of("converse", **content(block))
    assert got.images == 0
    assert got.input_bound is not None
    assert got.input_bound >= len(DATA)
