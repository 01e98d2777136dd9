"""Lists of models from a running server, as the SDKs of OpenAI and Anthropic read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from ferrycli.store import changes
from ferrycli.store.changes import KeyPlan
from tests.whole.server import Server, config, serving

WORK = """
[providers.work]
base_url = "https://eu.api.openai.com/v1"
catalogue = "openai"
models = ["gpt-4o", "gpt-5.6-sol", "my-gpt"]
aliases = { "my-gpt" = "gpt-4o" }
"""
IDS = ["work/gpt-4o", "work/gpt-5.6-sol", "work/my-gpt"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with two providers, of which one lists its models."""
    with serving(config(tmp_path, "http://127.0.0.1:1/v1", WORK)) as running:
        yield running


def secret(server: Server, *models: str) -> str:
    plan = KeyPlan(name=f"k{len(models)}", models=models)
    return changes.create_key(server.database, plan).secret


def test_openais_sdk_lists_models_and_asks_for_one(server: Server) -> None:
    client = server.client(secret(server))
    listed = list(client.models.list())
    assert [one.id for one in listed] == IDS
    assert [one.owned_by for one in listed] == ["work"] * 3
    sol = client.models.retrieve("work/gpt-5.6-sol").to_dict()
    assert sol["ferry"] == {
        "provider": "work",
        "region": "eu",
        "input_usd_per_mtok": "4.4",
        "cache_read_usd_per_mtok": "0.44",
        "output_usd_per_mtok": "22",
        "price_origin": "overlay 2026-11, genai-prices 0.2.3",
        "price_incomplete": False,
        "context_tokens_max": 1_050_000,
        "routes": [],
    }
    # By a bare name, and by one that only a price of a glob knows.
    assert client.models.retrieve("my-gpt").id == "work/my-gpt"
    assert client.models.retrieve("up/m-7").to_dict()["ferry"]
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-nonsense")
    assert caught.value.code == "model_not_found"


def test_anthropics_sdk_lists_models_and_asks_for_one(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}"
    with anthropic.Anthropic(base_url=url, api_key=secret(server), max_retries=0) as client:
        assert [one.id for one in client.models.list()] == IDS
        one = client.models.retrieve("work/gpt-4o")
        assert (one.type, one.max_input_tokens) == ("model", 128_000)


def test_geminis_form_is_under_its_own_path(server: Server) -> None:
    headers = {"x-goog-api-key": secret(server)}
    url = f"http://127.0.0.1:{server.port}/v1beta/models"
    listed = httpx.get(url, headers=headers).json()["models"]
    assert [one["name"] for one in listed] == [f"models/{id}" for id in IDS]
    assert httpx.get(f"{url}/work/gpt-4o", headers=headers).json() == listed[0]
    assert httpx.get(f"{url}/work/none", headers=headers).status_code == 404


def test_a_key_is_told_of_nothing_that_it_may_not_call(server: Server) -> None:
    client = server.client(secret(server, "work/my-*"))
    assert [one.id for one in client.models.list()] == ["work/my-gpt"]
    with pytest.raises(openai.PermissionDeniedError):
        client.models.retrieve("work/gpt-4o")
    with pytest.raises(openai.AuthenticationError):
        server.client("fk_nobody").models.list()


def test_a_list_is_read_and_not_written(server: Server) -> None:
    headers = {"authorization": f"Bearer {secret(server)}"}
    for path in ("/v1/models", "/v1/models/work/gpt-4o", "/v1beta/models"):
        url = f"http://127.0.0.1:{server.port}{path}"
        # Gemini's calls are posted below a model's path.
        refused = 404 if path.endswith("gpt-4o") else 405
        assert httpx.post(url, headers=headers).status_code == refused
        head = httpx.head(url, headers=headers)
        assert (head.status_code, head.content) == (200, b"")
