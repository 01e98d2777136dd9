"""Bodies that ferry itself writes, in OpenAI's shape: errors, the list of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import FerryError
from ferrycli.rules.money import usd_exact
from ferrycli.rules.words import words

MESSAGE_LENGTH_MAX = 2_000


def error_body(error: FerryError) -> bytes:
    """`{"error": {message, type, param, code, ferry}}`: the hint is part of the message."""
    said = words(error)
    param = getattr(error, "field", None)
    message = f"{said.sentence}; {said.hint}" if said.hint else said.sentence
    return msgspec.json.encode(
        {
            "error": {
                "message": safe(message, MESSAGE_LENGTH_MAX),
                "type": error.kind,
                "param": None if param is None else safe(param),
                "code": error.code,
                "ferry": _facts(error),
            }
        }
    )


def _facts(error: FerryError) -> dict[str, object]:
    """The error's own fields, for programs; text is cleaned."""
    facts: dict[str, object] = {}
    for field in fields(error):  # type: ignore[arg-type]  # Every subclass is a dataclass.
        value = getattr(error, field.name)
        if isinstance(value, str):
            value = safe(value)
        elif isinstance(value, tuple):
            value = [safe(str(item)) for item in value]
        facts[field.name] = value
    return facts


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model as `/v1/models` lists it; prices in nano-dollars per million tokens."""

    id: str
    provider: str
    input_rate: int | None = None
    output_rate: int | None = None
    context_tokens_max: int | None = None


def models_body(entries: Sequence[ModelEntry]) -> bytes:
    """OpenAI's list of models, with provider and price where they are known."""
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [
                {
                    "id": entry.id,
                    "object": "model",
                    "created": 0,
                    "owned_by": entry.provider,
                    "ferry": {
                        "provider": entry.provider,
                        "input_usd_per_mtok": _price(entry.input_rate),
                        "output_usd_per_mtok": _price(entry.output_rate),
                        "context_tokens_max": entry.context_tokens_max,
                    },
                }
                for entry in entries
            ],
        }
    )


def _price(rate: int | None) -> str | None:
    return None if rate is None else usd_exact(rate)
