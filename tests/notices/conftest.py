"""A message to send, and no proxy of the machine between it and its receiver."""

from __future__ import annotations

import pytest

from ferrycli.rules.notice_words import Message

NOW = 1_794_916_800_000_000  # 2026-11-17 12:00 UTC


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def written() -> Message:
    """A message with letters that a careless channel would break."""
    return Message(
        "a_01KAB2M7",
        "budget",
        NOW,
        "tenant=acme & sons has spent $40.12 of $50.00, 80 %",
        "It is <so> far — „weit“.\n\nRaise it: ferry budgets set 'tenant=acme & sons' --limit 80",
        {"selector": "tenant=acme & sons", "spent_nanousd": 40_120_000_000},
    )
