"""Recorded requests: what their providers counted as input is never above ferry's bound of it.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from ferrycli.wire.dialect import Place
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.facts import Facts
from tests.wire.recorded import FIXTURES, needs_recordings

HAS_FIXTURES = (FIXTURES / "manifest.json").exists()

pytestmark = needs_recordings

ENDS = (
    ("/chat/completions", "chat"),
    ("/responses", "responses"),
    ("/messages", "messages"),
    ("/embeddings", "embeddings"),
    (":generateContent", "gemini"),
    (":streamGenerateContent", "gemini"),
    ("/cachedContents", "cached_contents"),
    ("/converse", "converse"),
    ("/converse-stream", "converse"),
    ("/invoke", "messages"),
)


@cache
def cases() -> dict[str, dict[str, Any]]:
    if not HAS_FIXTURES:
        return {}
    manifest = json.loads((FIXTURES / "manifest.json").read_text("utf-8"))
    return {case["id"]: case for case in manifest["fixtures"] if case.get("request_file")}


def dialect_of(path: str) -> str:
    return next(name for end, name in ENDS if path.endswith(end))


def facts(case: dict[str, Any]) -> Facts:
    path = unquote(urlsplit(case["url"]).path)
    parts = path.split("/")
    model = ""
    if "/model/" in path:
        model = parts[parts.index("model") + 1]
    elif "/models/" in path:
        model = parts[parts.index("models") + 1].partition(":")[0]
    body = (FIXTURES / case["request_file"]).read_bytes()
    return DIALECTS[dialect_of(path)].read(body, Place(model), b"salt")


@pytest.mark.parametrize("name", sorted(cases()))
def test_a_recorded_request_is_read(name: str) -> None:
    got = facts(cases()[name])
    assert got.model
    assert got.fingerprints.request_hash


@pytest.mark.parametrize("name", sorted(cases()))
def test_what_was_counted_is_within_the_bound(name: str) -> None:
    case = cases()[name]
    counted = case["expected_usage"]
    if case["request_shortened"] or counted is None:
        pytest.skip("its request is not whole, or was not answered")
    got = facts(case)
    if got.unbounded_field:
        return
    bound = got.input_bound_at(got.model)
    assert bound is None or bound >= counted["input_total"]


BOUNDED = [
    "14-anthropic-cache-write-5m",
    "17-anthropic-stream-thinking",
    "26-gemini-stream-cumulative",
    "31-bedrock-converse-cache-write",
    "34-bedrock-converse-stream-nova",
    "08-openai-responses-stream",
    "11-openai-embeddings",
]
UNBOUNDED = ["09-openai-responses-stream-web-search", "18-anthropic-stream-web-fetch"]


@pytest.mark.parametrize("name", BOUNDED)
def test_the_bound_is_one_of_text(name: str) -> None:
    got = facts(cases()[name])
    assert got.input_bound is not None
    assert not got.unbounded_field


@pytest.mark.parametrize("name", UNBOUNDED)
def test_tools_of_the_provider_have_none(name: str) -> None:
    assert facts(cases()[name]).unbounded_field == "tools"
