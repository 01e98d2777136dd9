"""Why calls have no whole price, and that the command which is named would mend it."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ferrycli.cli.main import run
from ferrycli.report.price_gaps import Found
from ferrycli.settings import Settings, load
from ferrycli.setup.price_gaps import found
from ferrycli.store import changes
from ferrycli.store.ids import seq_at

NOON = 1_795_176_000_000_000
DAY = 86_400_000_000

CONFIG = """
[providers.openai]
api_key_env = "X"
[providers.groq]
base_url = "https://api.groq.com/openai/v1"
[providers.google]
base_url = "https://generativelanguage.googleapis.com"
[providers.local]
base_url = "http://localhost:1/v1"
[providers.perplexity]
base_url = "https://api.perplexity.ai"
"""

GAPS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"provider": "local", "sent_model": "llama 7b"},
        "no price",
        "ferry prices set 'local/llama 7b' --input USD --output USD",
    ),
    (
        {"provider": "gone", "n_cache_read": 7, "n_audio_in": 2},
        "no price",
        "ferry prices set gone/m --input USD --output USD --cache-read USD --audio-in USD",
    ),
    (
        {"provider": "groq", "sent_model": "llama-3.1-8b-instant", "n_web_search": 3},
        "no fee for web searches",
        "ferry prices set groq/llama-3.1-8b-instant --input 0.05 --output 0.08 --web-search USD",
    ),
    (
        {"provider": "openai", "sent_model": "gpt-6.1-sol", "tier": "ultrafast"},
        "no price for tier ultrafast",
        "ferry prices set openai/gpt-6.1-sol --input USD --output USD --tier ultrafast",
    ),
    (
        {"provider": "google", "sent_model": "gemini-2.5-flash", "tier": "priority"},
        "no price for tier priority",
        "ferry prices set google/gemini-2.5-flash --input USD --output USD --tier priority",
    ),
    (
        {"provider": "openai", "sent_model": "text-embedding-3-small", "n_output": 4},
        "no price for output",
        "ferry prices set openai/text-embedding-3-small --input 0.02 --output USD",
    ),
    (
        {"provider": "openai", "sent_model": "gpt-4o", "n_cache_write_12h": 4},
        "the price is not whole",
        (
            "ferry prices set openai/gpt-4o --input 2.5 --output 10 --cache-read 1.25"
            " --cache-write-12h USD --web-search 10"
        ),
    ),
    (
        {"provider": "perplexity", "sent_model": "sonar"},
        "the price is not whole",
        "ferry prices set perplexity/sonar --input 1 --output 1",
    ),
    ({"provider": "openai", "sent_model": "gpt-4o-mini"}, "priced since", ""),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = tmp_path / "ferry.toml"
    config.write_text(f'[server]\ndatabase = "{tmp_path / "ferry.db"}"\n{CONFIG}', "utf-8")
    loaded = load({}, config=config)
    changes.prepare(loaded.database)
    return loaded


def call(settings: Settings, columns: dict[str, Any]) -> None:
    row = {
        "seq": seq_at(NOON), "id": "c_1", "state": "settled", "sent_model": "m", "n_input": 10,
        "n_output": 0 if columns.get("sent_model", "").startswith("text-") else 5,
        "is_price_incomplete": 1,
    } | columns  # fmt: skip
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    with closing(sqlite3.connect(settings.database)) as connection, connection:
        connection.execute(f"INSERT INTO calls ({names}) VALUES ({marks})", [*row.values()])


def only(settings: Settings) -> Found:
    (one,) = found(settings, NOON - DAY, NOON + DAY, NOON)
    return one


@pytest.mark.parametrize(("columns", "why", "command"), GAPS)
def test_a_gap_says_why_and_what_would_mend_it(
    settings: Settings, columns: dict[str, Any], why: str, command: str
) -> None:
    call(settings, columns)
    one = only(settings)
    assert (one.why, one.command, one.is_mended) == (why, command, not command)


@pytest.mark.parametrize("columns", [one for one, _, command in GAPS if command])
def test_what_is_named_mends_it(settings: Settings, columns: dict[str, Any]) -> None:
    call(settings, columns)
    command = only(settings).command.replace("USD", "1")
    words = shlex.split(command)[1:]
    assert run(["--config", str(settings.config_path), *words]) == 0
    assert only(settings).is_mended


def test_a_span_without_a_gap_has_nothing_to_tell(settings: Settings) -> None:
    assert found(settings, NOON, NOON + DAY, NOON) == []
