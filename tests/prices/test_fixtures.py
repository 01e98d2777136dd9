"""Recorded replies cost what was worked out for them by hand, to the nano-dollar.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ferrycli.prices.cards import published
from ferrycli.rules.money import nanousd
from ferrycli.rules.pricing import RateCard, price_call
from ferrycli.rules.usage import Usage
from tests.rules.arithmetic import mtok

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
MANIFEST = FIXTURES / "manifest.json"

pytestmark = pytest.mark.skipif(not MANIFEST.exists(), reason="the recorded replies are not here")

CASES: dict[str, dict[str, Any]] = (
    {case["id"]: case for case in json.loads(MANIFEST.read_text("utf-8"))["fixtures"]}
    if MANIFEST.exists()
    else {}
)

CATALOGUES = {"bedrock": "aws", "xai": "x-ai", "google": "google"}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

IN_DOLLARS = re.compile(r"-> \$(?P<amount>\d+(?:\.\d+)?)")
IN_MILLIONTHS = re.compile(r"= (?P<amount>\d+(?:\.\d+)?)(?: -> equal)?$")


def stated(case: dict[str, Any]) -> int | None:
    """The nano-dollars that a note states; None where it states none."""
    note = case["expected_note"]
    if found := IN_DOLLARS.search(note):
        return nanousd(Decimal(found["amount"]))
    # A product of rates, not a sum of tokens.
    if "*" in note and (found := IN_MILLIONTHS.search(note)):
        return nanousd(Decimal(found["amount"]) / 10**6)
    return None


PRICED = sorted(name for name, case in CASES.items() if stated(case) is not None)
OF_SEVERAL = sorted(
    name for name, case in CASES.items() if "lines" in (case["expected_usage"] or {})
)


def usage_of(case: dict[str, Any], counts: dict[str, Any]) -> Usage:
    writes = "cache_write_5m" if case["provider"] in ("anthropic", "bedrock") else "cache_write_30m"
    return Usage(
        input=counts["input_uncached"] - counts.get("input_audio", 0),
        cache_read=counts["cache_read"],
        output=counts["output_total"],
        audio_in=counts.get("input_audio", 0),
        reasoning=counts["reasoning"],
        **{writes: counts["cache_write"]},
    )


def card_at(case: dict[str, Any], model: str, at: datetime) -> RateCard:
    provider = case["provider"]
    at_us = int(at.timestamp()) * 10**6
    card = published(CATALOGUES.get(provider, provider), model, at_us)
    assert card is not None, (provider, model)
    return card


def answered(case: dict[str, Any]) -> tuple[str, datetime]:
    """Which model answered, and when."""
    body = (FIXTURES / case["response_file"]).read_text("utf-8", "replace")
    named = re.search(r'"(?:model|modelVersion)" ?: ?"([^"]+)"', body)
    in_path = re.search(r"/models?/([^/:]+)", unquote(case["url"]))
    found = named or in_path
    assert found is not None, case["id"]
    created = re.search(r'"created(?:_at)?" ?: ?(\d+)', body)
    return found[1], datetime.fromtimestamp(int(created[1]), UTC) if created else NOON


@pytest.mark.parametrize("name", PRICED)
def test_a_recorded_reply_costs_what_its_note_says(name: str) -> None:
    case = CASES[name]
    model, at = answered(case)
    if dated := re.search(r"on (20\d\d-\d\d-\d\d)", case["expected_note"]):
        assert at.date().isoformat() == dated[1]
    cost = price_call(usage_of(case, case["expected_usage"]), card_at(case, model, at), "")
    assert cost.total == stated(case)
    assert not cost.is_incomplete


def test_every_note_that_states_an_amount_is_found() -> None:
    assert len(PRICED) >= 10


LINES = {
    "21-anthropic-stream-advisor-second-model": [
        mtok("2", 1_128) + mtok("10", 135),
        mtok("5", 2_543) + mtok("25", 18),
        mtok("2", 1_283) + mtok("10", 10),
    ],
    "56-anthropic-fallback": [mtok("10", 408), mtok("5", 412) + mtok("25", 264)],
    "57-anthropic-fallback-stream": [mtok("10", 408), mtok("5", 412) + mtok("25", 264)],
}


def test_every_reply_of_several_models_is_listed() -> None:
    assert sorted(LINES) == OF_SEVERAL


@pytest.mark.parametrize("name", sorted(LINES))
def test_each_line_of_a_recorded_reply_costs_what_its_own_model_does(name: str) -> None:
    case = CASES[name]
    costs = [
        price_call(usage_of(case, line), card_at(case, line["model"], NOON), "standard+global")
        for line in case["expected_usage"]["lines"]
    ]
    assert [cost.total for cost in costs] == LINES[name]
    assert not any(cost.is_incomplete for cost in costs)
