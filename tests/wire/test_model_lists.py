"""Lists of models, as the SDKs of three dialects read them."""

from __future__ import annotations

import json
from typing import Any

import anthropic.types
import openai.types
import pytest

from ferrycli.rules.models import ModelEntry
from ferrycli.wire.model_lists import model_body, models_body

OPENAI, ANTHROPIC, GEMINI = "chat", "messages", "gemini"

ENTRIES = [
    ModelEntry(
        "openai",
        "gpt-x",
        "eu",
        75_000_000,
        7_500_000,
        600_000_000,
        128_000,
        16_384,
        False,
        "genai-prices 9",
        "catalogue",
        ("chat", "cheap"),
    ),
    ModelEntry("local", "any/thing"),
    ModelEntry("sim", "free", "", 0, None, 0, is_incomplete=True),
]


def told(form: str, entries: list[ModelEntry] = ENTRIES) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(models_body(entries, form))
    return found


def test_openais_form_is_read_by_its_sdk() -> None:
    listed = told(OPENAI)
    assert listed["object"] == "list"
    models = [openai.types.Model.model_validate(one) for one in listed["data"]]
    assert [(one.id, one.object, one.owned_by) for one in models] == [
        ("openai/gpt-x", "model", "openai"),
        ("local/any/thing", "model", "local"),
        ("sim/free", "model", "sim"),
    ]
    assert told(OPENAI, []) == {"object": "list", "data": []}


def test_anthropics_form_is_read_by_its_sdk() -> None:
    listed = told(ANTHROPIC)
    models = [anthropic.types.ModelInfo.model_validate(one) for one in listed["data"]]
    assert [(one.id, one.type) for one in models][:2] == [
        ("openai/gpt-x", "model"),
        ("local/any/thing", "model"),
    ]
    assert models[0].created_at.year == 1970
    assert (models[0].max_input_tokens, models[1].max_input_tokens) == (128_000, None)
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (
        False,
        "openai/gpt-x",
        "sim/free",
    )
    assert told(ANTHROPIC, []) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_geminis_form_has_its_names_and_limits() -> None:
    first, second, _ = told(GEMINI)["models"]
    assert first["name"] == "models/openai/gpt-x"
    assert (first["inputTokenLimit"], first["outputTokenLimit"]) == (128_000, 16_384)
    assert "inputTokenLimit" not in second
    assert first["supportedGenerationMethods"] == ["generateContent"]


@pytest.mark.parametrize("form", [OPENAI, ANTHROPIC, GEMINI])
def test_every_form_says_what_a_model_costs_and_where_it_is(form: str) -> None:
    listed = told(form)
    models = listed["models" if form == GEMINI else "data"]
    assert [one["ferry"] for one in models] == [
        {
            "provider": "openai",
            "region": "eu",
            "input_usd_per_mtok": "0.075",
            "cache_read_usd_per_mtok": "0.0075",
            "output_usd_per_mtok": "0.6",
            "price_origin": "genai-prices 9",
            "price_incomplete": False,
            "context_tokens_max": 128_000,
            "routes": ["chat", "cheap"],
        },
        {
            "provider": "local",
            "region": None,
            "input_usd_per_mtok": None,
            "cache_read_usd_per_mtok": None,
            "output_usd_per_mtok": None,
            "price_origin": None,
            "price_incomplete": False,
            "context_tokens_max": None,
            "routes": [],
        },
        {
            "provider": "sim",
            "region": None,
            "input_usd_per_mtok": "0",
            "cache_read_usd_per_mtok": None,
            "output_usd_per_mtok": "0",
            "price_origin": None,
            "price_incomplete": True,
            "context_tokens_max": None,
            "routes": [],
        },
    ]
    for entry, one in zip(ENTRIES, models, strict=True):
        assert json.loads(model_body(entry, form)) == one
