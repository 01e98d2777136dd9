"""Small bodies in OpenAI's shape: the list of models."""

from __future__ import annotations

import json

from ferrycli.wire.bodies import ModelEntry, models_body


def test_models_are_listed_with_their_prices() -> None:
    entries = [
        ModelEntry("openai/gpt-x", "openai", 75_000_000, 600_000_000, 128_000),
        ModelEntry("local/any", "local"),
        ModelEntry("sim/free", "sim", 0, 0),
    ]
    told = json.loads(models_body(entries))
    assert told["object"] == "list"
    prices = [
        (one["ferry"]["input_usd_per_mtok"], one["ferry"]["output_usd_per_mtok"])
        for one in told["data"]
    ]
    assert prices == [("0.075", "0.6"), (None, None), ("0", "0")]
    assert [(one["id"], one["object"], one["owned_by"]) for one in told["data"]] == [
        ("openai/gpt-x", "model", "openai"),
        ("local/any", "model", "local"),
        ("sim/free", "model", "sim"),
    ]
    assert told["data"][0]["ferry"]["context_tokens_max"] == 128_000
    assert json.loads(models_body([]))["data"] == []
