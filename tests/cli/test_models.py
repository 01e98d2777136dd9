"""`ferry models`: what can be called, by whom, and what is left out and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.driver import Ferry

DOLLAR = 1_000_000_000
KEYED = {"OPENAI_API_KEY": "x"}


def test_without_a_provider_the_simulated_one_answers(ferry: Ferry) -> None:
    said = ferry("models")
    assert said.code == 0
    heading, *rows = said.out.splitlines()
    assert heading.split("\t")[:2] == ["id", "region"]
    assert [row.partition("\t")[0] for row in rows] == ["sim/flaky", "sim/large", "sim/small"]
    assert not ferry.database.exists()


def test_a_program_gets_everything_that_is_known(ferry: Ferry) -> None:
    ferry("prices", "set", "openai/gpt-5-mini", "--input", "3", "--output", "15")
    ferry("routes", "set", "chat", "openai/gpt-5-mini", environment=KEYED)
    (told,) = ferry("models", "--search", "5-MINI gpt", "--json", environment=KEYED).json_lines
    assert told["price_origin"].startswith("override rate_")
    del told["price_origin"]
    assert told == {
        "schema": "ferry.model/1",
        "id": "openai/gpt-5-mini",
        "provider": "openai",
        "model": "gpt-5-mini",
        "region": None,
        "context_tokens_max": None,
        "output_tokens_max": None,
        "nanousd_per_million": {"input": 3 * DOLLAR, "output": 15 * DOLLAR},
        "price_source": "override",
        "price_incomplete": False,
        "routes": ["chat"],
    }


def test_a_key_sees_only_what_it_may_call(ferry: Ferry) -> None:
    made = ferry("keys", "create", "acme", "--model", "openai/gpt-4o-mini*", "--json").json
    for name in ("acme", made["id"]):
        lines = ferry("models", "--key", name, "--json", environment=KEYED).json_lines
        assert {one["id"] for one in lines} == {
            "openai/gpt-4o-mini",
            "openai/gpt-4o-mini-audio-preview",
            "openai/gpt-4o-mini-realtime-preview",
            "openai/gpt-4o-mini-transcribe",
            "openai/gpt-4o-mini-tts",
        }
    ferry("keys", "revoke", "acme", "--yes")
    said = ferry("models", "--key", "acme", environment=KEYED)
    assert (said.code, said.out) != (0, "")
    assert "revoked" in said.err


@pytest.mark.parametrize("is_made", [False, True])
def test_a_key_that_is_not_there_is_not_found(ferry: Ferry, *, is_made: bool) -> None:
    if is_made:
        ferry("keys", "create", "acme")
    said = ferry("models", "--key", "nobody")
    assert (said.code, said.out) == (3, "")


def test_a_provider_without_its_key_is_left_out_and_named(ferry: Ferry, tmp_path: Path) -> None:
    config = tmp_path / "ferry.toml"
    config.write_text(
        '[providers.openai]\napi_key_env = "NOT_SET"\n'
        '[providers.local]\nbase_url = "http://localhost:1/v1"\nmodels = ["llama-7b"]\n'
        '[providers.asked]\nbase_url = "http://localhost:1/v1"\nmodels = ["qwen"]\n'
        f'api_key_cmd = "touch {tmp_path / "ran"}"\n'
    )
    said = ferry("models", "--json", environment={"FERRY_CONFIG": str(config)})
    assert [one["id"] for one in said.json_lines] == ["asked/qwen", "local/llama-7b"]
    assert "! left out, for want of a key: `openai`" in said.err
    assert not (tmp_path / "ran").exists()
    config.write_text('[providers.openai]\napi_key_env = "NOT_SET"\n')
    said = ferry("models", environment={"FERRY_CONFIG": str(config)})
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("no model can be called\n")
