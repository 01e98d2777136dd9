"""Gemini: what is read of a request in either case, how much input it can be, what bills more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.input_bounds import IMAGE_TOKENS
from ferrycli.wire.intakes.checks import CHOICES_MAX
from tests.wire.intakes.asked import SALT, body_of, facts_of, read

READ: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({"generationConfig": {"candidateCount": 3}}, {"choices": 3}),
    ({"generation_config": {"candidate_count": 3}}, {"choices": 3}),
    ({"generationConfig": None}, {"choices": 1, "output_asked": None}),
    ({"generationConfig": {}}, {"choices": 1, "output_asked": None}),
    ({"generation_config": {"max_output_tokens": 9}}, {"output_asked": 9}),
    ({"generationConfig": {"max_output_tokens": 9}}, {"output_asked": 9}),
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 99}}}, {"thinking_tokens": 99}),
    ({"generationConfig": {"thinking_config": {"thinking_budget": 99}}}, {"thinking_tokens": 99}),
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}, {"thinking_tokens": 0}),
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, {"thinking_tokens": 0}),
    ({"generationConfig": {"responseModalities": ["TEXT"]}}, {"has_audio": False}),
    ({"generationConfig": {"responseModalities": ["AUDIO"]}}, {"has_audio": True}),
    (
        {"generationConfig": {"responseModalities": ["TEXT", "Image"]}},
        {"unbounded_field": "generationConfig.responseModalities"},
    ),
    ({"cachedContent": "cachedContents/1"}, {"input_bound": None, "has_varying": False}),
    ({"cached_content": "cachedContents/1"}, {"input_bound": None}),
    ({"serviceTier": "FLEX"}, {"tier": "flex"}),
    ({"service_tier": "SERVICE_TIER_PRIORITY"}, {"tier": "priority"}),
    ({"serviceTier": "unspecified"}, {"tier": ""}),
    ({"serviceTier": None}, {"tier": ""}),
    ({"labels": {"tenant": "a", "n": 1}}, {"metadata": {"tenant": "a"}}),
    ({"labels": "odd"}, {"metadata": {}}),
    ({"tools": [{"functionDeclarations": []}]}, {"unbounded_field": ""}),
    ({"tools": [{"function_declarations": [{"name": "f"}]}, {}]}, {"unbounded_field": ""}),
    ({"tools": None}, {"unbounded_field": ""}),
]


@pytest.mark.parametrize(("more", "expected"), READ)
def test_a_field_is_read(more: dict[str, object], expected: dict[str, object]) -> None:
    got = facts_of("gemini", **more)
    assert {name: getattr(got, name) for name in expected} == expected
    assert [one.name for one in got.members] == ["contents", *more]
    assert got.wants_usage


def test_the_path_names_the_model() -> None:
    for named in ("gemini-x", "models/gemini-x"):
        got = DIALECTS["gemini"].read(body_of("gemini"), Place(named, True), SALT)
        assert (got.model, got.is_stream) == ("gemini-x", True)


CONFIG: list[tuple[dict[str, Any], str]] = [
    ({"candidateCount": 0}, "generationConfig.candidateCount"),
    ({"candidateCount": CHOICES_MAX + 1}, "generationConfig.candidateCount"),
    ({"candidateCount": "3"}, "generationConfig.candidateCount"),
    ({"maxOutputTokens": 0}, "generationConfig.maxOutputTokens"),
    ({"thinkingConfig": 5}, "generationConfig.thinkingConfig"),
    ({"thinkingConfig": {"thinkingBudget": -2}}, "generationConfig.thinkingConfig.thinkingBudget"),
    ({"thinkingConfig": {"thinkingBudget": "x"}}, "generationConfig.thinkingConfig.thinkingBudget"),
    ({"maxOutputTokens": 1, "max_output_tokens": 2}, "generationConfig.max_output_tokens"),
]


@pytest.mark.parametrize(("config", "field"), CONFIG)
def test_a_bad_parameter_is_refused_by_its_name(config: dict[str, object], field: str) -> None:
    for outer in ("generationConfig", "generation_config"):
        with pytest.raises(BadParameter) as caught:
            facts_of("gemini", **{outer: config})
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("generationConfig", "generation_config"),
        ("cachedContent", "cached_content"),
        ("systemInstruction", "system_instruction"),
    ],
)
def test_a_member_may_not_stand_in_both_cases(one: str, two: str) -> None:
    with pytest.raises(BadParameter) as caught:
        facts_of("gemini", **{one: {}, two: {}})
    assert (caught.value.field, caught.value.value) == (two, "twice")


def test_a_tier_of_another_type_is_refused() -> None:
    with pytest.raises(BadParameter) as caught:
        facts_of("gemini", serviceTier=5)
    assert caught.value.field == "serviceTier"


TOOLS: list[object] = [
    [{"googleSearch": {}}],
    [{"google_search": {}}],
    [{"functionDeclarations": [], "codeExecution": {}}],
    [{"urlContext": {}}],
    [{"googleSearchRetrieval": {}}],
    [{"fileSearch": {}}],
    [{"somethingNew": {}}],
    [5],
    "odd",
]


@pytest.mark.parametrize("tools", TOOLS)
def test_tools_of_google_have_no_bound(tools: object) -> None:
    assert facts_of("gemini", tools=tools).unbounded_field == "tools"


# Turns --------------------------------------------------------------------------------------

DATA = "iVBOR" * 4_000


def blob(kind: str | None, data: object = DATA) -> dict[str, object]:
    return {"inlineData": {"mimeType": kind, "data": data}}


def parts(*every: object) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "?"}, *every]}]}


def snake(part: dict[str, object]) -> dict[str, object]:
    text = json.dumps(part).replace("inlineData", "inline_data").replace("mimeType", "mime_type")
    got: dict[str, object] = json.loads(text.replace("fileData", "file_data"))
    return got


IMAGES: list[dict[str, object]] = [
    blob("image/png"),
    blob("IMAGE/webp"),
    snake(blob("image/png")),
    {"functionResponse": {"name": "f", "response": {}, "parts": [blob("image/png")]}},
    {"function_response": {"name": "f", "parts": [snake(blob("image/png"))]}},
]


@pytest.mark.parametrize("part", IMAGES)
def test_an_image_counts_by_itself_and_its_bytes_do_not(part: dict[str, object]) -> None:
    got = facts_of("gemini", **parts(part))
    assert got.images == 1
    assert got.input_bound is not None
    assert IMAGE_TOKENS <= got.input_bound < IMAGE_TOKENS + 1_000


def test_an_image_before_the_turns_counts_too() -> None:
    for name in ("systemInstruction", "system_instruction"):
        got = facts_of("gemini", **{name: {"parts": [blob("image/png")]}})
        assert got.images == 1


def test_speech_counts_by_its_length() -> None:
    got = facts_of("gemini", **parts(blob("audio/ogg")))
    assert got.has_audio
    assert got.input_bound is not None
    assert len(DATA) // 16 <= got.input_bound < len(DATA) // 16 + 1_000


ELSEWHERE: list[dict[str, object]] = [
    blob("application/pdf"),
    blob("video/mp4"),
    blob(None),
    {"fileData": {"fileUri": "https://a.example/b", "mimeType": "image/png"}},
    {"file_data": {"file_uri": "gs://a/b"}},
    {"functionResponse": {"parts": [{"fileData": {}}]}},
    snake(blob("application/pdf")),
]


@pytest.mark.parametrize("part", ELSEWHERE)
def test_what_cannot_be_counted_is_the_whole_context(part: dict[str, object]) -> None:
    got = facts_of("gemini", **parts(part))
    assert (got.input_bound, got.images) == (None, 0)
    hidden = body_of("gemini", **parts(part))
    for name in (b"fileData", b"inlineData", b"inline_data", b"file_data"):
        hidden = hidden.replace(b'"' + name, b'"\\u00%x' % name[0] + name[1:])
    assert read("gemini", hidden).input_bound is None


TEXTS: list[dict[str, object]] = [
    blob("text/plain"),
    {"text": json.dumps(blob("image/png"))},
    {"functionCall": {"name": "f", "args": blob("image/png")}},
    {"functionResponse": {"name": "f", "response": blob("image/png")}},
    {"text": "x", "thoughtSignature": DATA},
]


@pytest.mark.parametrize("part", TEXTS)
def test_what_only_looks_like_an_image_is_text(part: dict[str, object]) -> None:
    got = facts_of("gemini", **parts(part))
    assert got.images == 0
    assert got.input_bound is not None
    assert got.input_bound >= len(DATA)


# Cached contents ----------------------------------------------------------------------------


def test_what_is_cached_is_stored_for_a_price_without_a_bound() -> None:
    got = facts_of("cached_contents", ttl="60s")
    assert (got.model, got.output_asked, got.unbounded_field) == ("m", 0, "ttl")
    assert got.messages == ()
    empty = read("cached_contents", b'{"model":"models/m"}')
    assert empty.fingerprints.last_message_hash == 0
    elsewhere = facts_of("cached_contents", **parts({"fileData": {"fileUri": "gs://a"}}))
    assert elsewhere.input_bound is None
