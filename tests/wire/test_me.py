"""What the holder of a key reads of it: what bounds it, in figures and in words, and no secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.limits import LimitTerms
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule
from ferrycli.wire.me import me_body

USD = 1_000_000_000
NOW = int(datetime(2026, 11, 18, 12, 30, tzinfo=UTC).timestamp()) * 1_000_000
NOVEMBER = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000
DECEMBER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 1_000_000
KEY = KeyTerms(
    "key_1", "acme-web", "3f2a", "call", {"tenant": Policy("pin", "acme")}, ("openai/*",), DECEMBER
)
MONTH = Terms(
    "b_1", "tenant=*", "month", "Europe/Berlin", 50 * USD, "strict", "unset", owner="ana@acme.io",
    rules=tuple(map(parse_rule, ["100% block", "50% notify ops", "80% downgrade cheap"])),
)  # fmt: skip


def said(*standings: Standing, limits: tuple[LimitTerms, ...] = (), key: KeyTerms = KEY) -> Any:
    return json.loads(me_body(key, standings, limits, NOW, 402))


def test_key_is_told_with_what_it_allows() -> None:
    got = said(limits=(LimitTerms("key_1", "key=acme-web", (), 60, None, 4),))
    assert got == {
        "schema": "ferry.me/1",
        "at": "2026-11-18T12:30:00.000000Z",
        "key": {
            "id": "key_1",
            "name": "acme-web",
            "last4": "3f2a",
            "role": "call",
            "expires_at": "2026-12-01T00:00:00.000000Z",
        },
        "policies": {"tenant": {"mode": "pin", "value": "acme"}},
        "models": ["openai/*"],
        "limits": [{"selector": "key=acme-web", "rpm": 60, "tpm": None, "parallel": 4}],
        "budgets": [],
    }


def test_budget_is_told_in_figures_and_in_words() -> None:
    standing = Standing(
        MONTH, NOVEMBER, DECEMBER, 41 * USD, 2 * USD, USD, '["acme"]', extra_nanousd=10 * USD
    )
    (got,) = said(standing)["budgets"]
    words = [rule.pop("words") for rule in got["rules"]]
    assert got == {
        "selector": "tenant=*",
        "subject": ["acme"],
        "period": "month",
        "timezone": "Europe/Berlin",
        "mode": "strict",
        "prepaid": False,
        "limit_nanousd": 60 * USD,
        "spent_nanousd": 41 * USD,
        "held_nanousd": 2 * USD,
        "doubt_nanousd": USD,
        "left_nanousd": 16 * USD,
        "percent": 68,
        "window_start": "2026-11-01T00:00:00.000000Z",
        "resets_at": "2026-12-01T00:00:00.000000Z",
        "rules": [
            {"percent": 50, "action": "notify"},
            {"percent": 80, "action": "downgrade"},
            {"percent": 100, "action": "block"},
        ],
    }
    # Of the channels that a rule names its holder hears nothing.
    assert words[0] == "notify its owner"
    assert 'route "cheap"' in words[1]
    assert "HTTP 402" in words[2]


def test_nobody_who_is_told_is_named() -> None:
    assert b"ana@acme.io" not in me_body(KEY, [Standing(MONTH, 0, None)], (), NOW, 429)


def test_what_is_over_its_limit_has_nothing_left() -> None:
    (got,) = said(Standing(MONTH, NOVEMBER, DECEMBER, 90 * USD))["budgets"]
    assert (got["left_nanousd"], got["percent"]) == (0, 180)


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("total", None),
        ("rolling 7d", "2026-11-11T12:00:00.000000Z"),
        ("rolling 36h", "2026-11-17T00:00:00.000000Z"),
    ],
)
def test_period_without_an_end_says_from_when_it_counts(period: str, start: str | None) -> None:
    terms = Terms("b_1", "key=acme-web", period, "UTC", USD)
    (got,) = said(Standing(terms, 0, None))["budgets"]
    assert (got["window_start"], got["resets_at"]) == (start, None)


def test_balance_is_told_as_what_was_granted() -> None:
    terms = Terms("b_1", "key=acme-web", "total", "UTC", 0, is_prepaid=True)
    standing = Standing(
        terms, 0, None, 5 * USD, extra_nanousd=20 * USD, base_nanousd=18 * USD, alert_start_us=1
    )
    (got,) = said(standing)["budgets"]
    assert got["prepaid"] is True
    assert (got["limit_nanousd"], got["left_nanousd"]) == (20 * USD, 15 * USD)
    assert got["percent"] == 3 * 100 // 18
