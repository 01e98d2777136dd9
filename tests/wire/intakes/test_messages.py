"""Anthropic's messages: what is read of a request, how much input it can be, what bills more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.rules.attribution import Carried, attribute
from ferrycli.rules.denials import BadParameter
from ferrycli.wire.input_bounds import IMAGE_TOKENS
from ferrycli.wire.intakes.messages import DEFINED_TOOL_TOKENS
from tests.wire.intakes.asked import body_of, facts_of, read

CLAUDE_CODE = json.dumps({"device_id": "d" * 64, "account_uuid": "acc-1", "session_id": "sess-1"})

READ: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({"max_tokens": 0}, {"output_asked": 0, "output_fields": ("max_tokens",)}),
    ({"service_tier": "standard_only"}, {"tier": "standard"}),
    ({"service_tier": "auto"}, {"tier": "auto"}),
    ({"service_tier": "auto", "speed": "fast"}, {"tier": "fast"}),
    ({"speed": "standard"}, {"tier": ""}),
    ({"inference_geo": "us"}, {"tier": "us"}),
    ({"inference_geo": "us", "speed": "fast"}, {"tier": "fast+us"}),
    ({"thinking": {"type": "adaptive"}}, {"thinking_tokens": 0}),
    ({"thinking": {"type": "enabled", "budget_tokens": 1_024}}, {"thinking_tokens": 1_024}),
    ({"thinking": None}, {"thinking_tokens": 0}),
    ({"metadata": {"user_id": "u-1"}}, {"metadata": {"user_id": "u-1"}}),
    ({"metadata": {"user_id": None}}, {"metadata": {}}),
    ({"session_id": "s", "user": "u"}, {"fields": {"session_id": "s", "user": "u"}}),
    ({"thread": {"type": "continue", "previous_message_id": "m"}}, {"input_bound": None}),
    ({"system": "be brief", "cache_control": {"type": "ephemeral"}}, {"unbounded_field": ""}),
]


@pytest.mark.parametrize(("more", "expected"), READ)
def test_a_field_is_read(more: dict[str, object], expected: dict[str, object]) -> None:
    got = facts_of("messages", **more)
    assert {name: getattr(got, name) for name in expected} == expected
    assert [one.name for one in got.members] == ["model", "messages", *more]
    assert got.wants_usage


BAD: list[tuple[dict[str, Any], str]] = [
    ({"thinking": 5}, "thinking"),
    ({"thinking": {"budget_tokens": "many"}}, "thinking.budget_tokens"),
    ({"thinking": {"budget_tokens": True}}, "thinking.budget_tokens"),
    ({"service_tier": 5}, "service_tier"),
    ({"speed": []}, "speed"),
    ({"inference_geo": 5}, "inference_geo"),
]


@pytest.mark.parametrize(("more", "field"), BAD)
def test_a_bad_parameter_is_refused_by_its_name(more: dict[str, object], field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        facts_of("messages", **more)
    assert caught.value.field == field


def tool(kind: str) -> list[dict[str, object]]:
    return [{"name": "mine", "input_schema": {}}, {"type": kind, "name": "x"}]


UNBOUNDED: list[tuple[dict[str, Any], str]] = [
    *(
        ({"tools": tool(kind)}, "tools")
        for kind in (
            "web_search_20250305",
            "web_fetch_20250910",
            "code_execution_20250825",
            "advisor_20260301",
            "mcp_toolset",
            "tool_search_tool_bm25_20251119",
            "something_new",
        )
    ),
    ({"tools": "odd"}, "tools"),
    ({"tools": [{"type": 5}]}, "tools"),
    ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
    ({"container": "container_1"}, "container"),
    ({"container": {"skills": []}}, "container"),
    ({"fallbacks": "default"}, "fallbacks"),
    ({"fallbacks": [{"model": "x"}]}, "fallbacks"),
    ({"models": ["x"]}, "models"),
    ({"inference_geo": "eu"}, "inference_geo"),
    ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management"),
    ({"context_management": {"edits": 5}}, "context_management"),
    ({"context_management": []}, "context_management"),
    (
        {"messages": [{"role": "user", "content": [{"type": "tool_addition", "tool": {}}]}]},
        "messages",
    ),
]


@pytest.mark.parametrize(("more", "field"), UNBOUNDED, ids=str)
def test_what_bills_more_than_the_request_says_has_no_bound(
    more: dict[str, object], field: str
) -> None:
    assert facts_of("messages", **more).unbounded_field == field


BOUNDED: list[dict[str, Any]] = [
    {"tools": [{"name": "mine", "input_schema": {}}]},
    {"tools": [{"type": "custom", "name": "mine"}]},
    *({"tools": tool(kind)} for kind in ("bash_20250124", "text_editor_20250728")),
    *({"tools": tool(kind)} for kind in ("computer_20251124", "memory_20250818")),
    {"tools": []},
    {"tools": None},
    {"mcp_servers": []},
    {"mcp_servers": None},
    {"container": None},
    {"inference_geo": "global"},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
    {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
    {"context_management": None},
    {"context_management": {}},
    {"thread": {"type": "create"}},
    {"thread": None},
]


@pytest.mark.parametrize("more", BOUNDED, ids=str)
def test_what_the_caller_runs_is_bounded(more: dict[str, object]) -> None:
    got = facts_of("messages", **more)
    assert got.unbounded_field == ""
    assert got.input_bound is not None


def test_hidden_definitions_of_tools_count() -> None:
    own = facts_of("messages", tools=[{"name": "mine", "input_schema": {}}]).input_bound
    known = facts_of("messages", tools=tool("bash_20250124")).input_bound
    assert own is not None
    assert known is not None
    assert known - own >= DEFINED_TOOL_TOKENS


def test_claude_code_is_known_by_account_and_session_and_never_raw() -> None:
    got = facts_of("messages", metadata={"user_id": CLAUDE_CODE})
    belongs = attribute(Carried(metadata=got.metadata, body=got.fields), {})
    assert (belongs.user, belongs.thread, belongs.tags) == ("acc-1", "sess-1", ())
    assert dict(belongs.sources) == {
        "user": "claude-code",
        "thread": "claude-code",
    }


def test_counting_tokens_costs_nothing() -> None:
    got = facts_of(
        "count_tokens", tools=tool("web_search_20250305"), system="x" * 900, max_tokens=5
    )
    assert (got.output_asked, got.input_bound, got.unbounded_field) == (0, 0, "")
    assert (got.messages, got.input_characters, got.images) == ((), 0, 0)
    assert got.fingerprints.request_bytes == len(
        body_of("count_tokens", tools=tool("web_search_20250305"), system="x" * 900, max_tokens=5)
    )


# Turns --------------------------------------------------------------------------------------

DATA = "iVBOR" * 4_000


def source(kind: str, **more: object) -> dict[str, object]:
    return {"type": kind, **more}


def block(kind: str, from_: dict[str, object]) -> dict[str, object]:
    return {"type": kind, "source": from_}


PICTURE = block("image", source("base64", media_type="image/png", data=DATA))


def content(*blocks: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


IMAGES: list[dict[str, object]] = [
    PICTURE,
    block("image", source("url", url="https://a.example/b.png")),
    block("image", source("file", file_id="file_1")),
    {"type": "tool_result", "tool_use_id": "t", "content": [PICTURE]},
    {"type": "document", "source": {"type": "content", "content": [PICTURE]}},
]


@pytest.mark.parametrize("one", IMAGES)
def test_an_image_counts_by_itself_and_its_bytes_do_not(one: dict[str, object]) -> None:
    got = facts_of("messages", **content({"type": "text", "text": "?"}, one))
    assert got.images == 1
    assert got.input_bound is not None
    assert IMAGE_TOKENS <= got.input_bound < IMAGE_TOKENS + 1_000


ELSEWHERE: list[dict[str, object]] = [
    block("document", source("base64", media_type="application/pdf", data="JVBERi0=")),
    block("document", source("url", url="https://a.example/b.pdf")),
    block("document", source("file", file_id="file_1")),
    {"type": "container_upload", "file_id": "file_1"},
    {"type": "web_search_tool_result", "content": [{"encrypted_content": "x"}]},
    {"type": "tool_result", "content": [block("document", source("file", file_id="f"))]},
    {"type": "something_new"},
]


@pytest.mark.parametrize("one", ELSEWHERE)
def test_what_cannot_be_counted_is_the_whole_context(one: dict[str, object]) -> None:
    got = facts_of("messages", **content({"type": "text", "text": "?"}, one))
    assert (got.input_bound, got.images) == (None, 0)


TEXTS: list[dict[str, object]] = [
    {"type": "text", "text": "data:image/png;base64," + DATA},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"source": PICTURE, "x": PICTURE}},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"type": "image", "data": DATA}},
    {"type": "tool_result", "content": json.dumps([PICTURE])},
    {"type": "document", "source": source("text", media_type="text/plain", data=DATA)},
    {"type": "thinking", "thinking": DATA, "signature": "x"},
    {"type": "redacted_thinking", "data": DATA},
]


@pytest.mark.parametrize("one", TEXTS)
def test_what_only_looks_like_an_image_is_text(one: dict[str, object]) -> None:
    got = facts_of("messages", **content(one))
    assert got.images == 0
    assert got.input_bound is not None
    assert got.input_bound >= len(DATA)


def test_names_that_are_written_as_escapes_are_seen() -> None:
    body = body_of("messages", **content(block("document", source("file", file_id="f"))))
    hidden = body.replace(b'"document"', b'"\\u0064ocument"').replace(b'"type"', b'"typ\\u0065"')
    assert read("messages", hidden).input_bound is None
