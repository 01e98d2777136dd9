"""Lists of models as ferry answers them: in OpenAI's form, in Anthropic's and in Gemini's.

Each model carries a member `ferry` besides, which says what no form has a place for: provider,
region, price. Bytes out of values.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ferrycli.rules.models import ModelEntry
from ferrycli.rules.money import usd_exact

_UNKNOWN_DAY = "1970-01-01T00:00:00Z"
"""What Anthropic's form says where the day of a model is not known."""


def models_body(entries: Sequence[ModelEntry], dialect: str) -> bytes:
    """All of `entries` for who speaks `dialect`, whole: there is no second page of them."""
    if dialect == "gemini":
        return msgspec.json.encode({"models": [_gemini(one) for one in entries]})
    if dialect == "messages":
        return msgspec.json.encode(
            {
                "data": [_anthropic(one) for one in entries],
                "has_more": False,
                "first_id": entries[0].id if entries else None,
                "last_id": entries[-1].id if entries else None,
            }
        )
    return msgspec.json.encode({"object": "list", "data": [_openai(one) for one in entries]})


def model_body(entry: ModelEntry, dialect: str) -> bytes:
    """One model, for who speaks `dialect`."""
    written = {"gemini": _gemini, "messages": _anthropic}.get(dialect, _openai)
    return msgspec.json.encode(written(entry))


def _openai(entry: ModelEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "object": "model",
        "created": 0,
        "owned_by": entry.provider,
        "ferry": _facts(entry),
    }


def _anthropic(entry: ModelEntry) -> dict[str, object]:
    return {
        "type": "model",
        "id": entry.id,
        "display_name": entry.id,
        "created_at": _UNKNOWN_DAY,
        "lifecycle": "active",
        "max_input_tokens": entry.context_tokens_max,
        "max_tokens": entry.output_tokens_max,
        "ferry": _facts(entry),
    }


def _gemini(entry: ModelEntry) -> dict[str, object]:
    limits = {
        "inputTokenLimit": entry.context_tokens_max,
        "outputTokenLimit": entry.output_tokens_max,
    }
    return {
        "name": f"models/{entry.id}",
        "version": "",
        "displayName": entry.id,
        **{name: limit for name, limit in limits.items() if limit is not None},
        "supportedGenerationMethods": ["generateContent"],
        "ferry": _facts(entry),
    }


def _facts(entry: ModelEntry) -> dict[str, object]:
    return {
        "provider": entry.provider,
        "region": entry.region or None,
        "input_usd_per_mtok": _price(entry.input_rate),
        "cache_read_usd_per_mtok": _price(entry.cache_read_rate),
        "output_usd_per_mtok": _price(entry.output_rate),
        "price_origin": entry.version or None,
        "price_incomplete": entry.is_incomplete,
        "context_tokens_max": entry.context_tokens_max,
        "routes": entry.routes,
    }


def _price(rate: int | None) -> str | None:
    return None if rate is None else usd_exact(rate)
