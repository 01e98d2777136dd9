"""Routing: which target a model's name means, and what is suggested where it means none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ferrycli.rules.denials import ModelNotAllowed, ModelNotFound
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.routing import (
    NEAREST_MAX,
    ProviderTerms,
    Target,
    allowed,
    find_target,
)

OPENAI = ProviderTerms("openai", "openai")
ANTHROPIC = ProviderTerms("anthropic", "anthropic")
AZURE = ProviderTerms("azure", "azure", ("prod-*",))
LISTED = ProviderTerms("eu", "compatible", ("gpt-5.6", "llama-*"))
VLLM = ProviderTerms("vllm", "compatible")
SIM = ProviderTerms("sim", "sim")

CATALOGUE = {
    "openai": ("gpt-5.6", "gpt-5.6-mini", "shared"),
    "anthropic": ("claude-opus-5.5", "shared"),
    "sim": ("echo",),
}


def serves(provider: ProviderTerms, model: str) -> bool:
    return model in CATALOGUE.get(provider.name, ())


def names() -> Sequence[str]:
    return [f"{name}/{model}" for name, models in CATALOGUE.items() for model in models]


FOUND = [
    # A provider's name in front decides, whatever the catalogue knows.
    ("openai/gpt-5.6", [OPENAI, ANTHROPIC], "openai/gpt-5.6"),
    ("openai/not-known-yet", [OPENAI, ANTHROPIC], "openai/not-known-yet"),
    ("anthropic/gpt-5.6", [OPENAI, ANTHROPIC], "anthropic/gpt-5.6"),
    ("vllm/meta/llama-4", [OPENAI, VLLM], "vllm/meta/llama-4"),
    ("azure/prod-1", [OPENAI, AZURE], "azure/prod-1"),
    ("sim/echo", [OPENAI, SIM], "sim/echo"),
    # A bare name goes to who lists it, then to whose catalogue knows it.
    ("gpt-5.6", [OPENAI, ANTHROPIC], "openai/gpt-5.6"),
    ("claude-opus-5.5", [OPENAI, ANTHROPIC], "anthropic/claude-opus-5.5"),
    ("gpt-5.6", [OPENAI, LISTED], "eu/gpt-5.6"),
    ("llama-4", [OPENAI, LISTED], "eu/llama-4"),
    ("echo", [SIM], "sim/echo"),
    ("echo", [OPENAI, SIM], "sim/echo"),
    # Then to the only one that is configured, also where the name has a slash of its own.
    ("my-finetune", [VLLM], "vllm/my-finetune"),
    ("my-finetune", [VLLM, SIM], "vllm/my-finetune"),
    ("meta/llama-4", [VLLM], "vllm/meta/llama-4"),
    # What is in front of the slash is no provider: the whole is a model's name.
    ("acme/prod-1", [AZURE, ProviderTerms("x", "compatible", ("acme/*",))], "x/acme/prod-1"),
]


@pytest.mark.parametrize(("asked", "providers", "expected"), FOUND)
def test_a_name_means_one_target(asked: str, providers: list[ProviderTerms], expected: str) -> None:
    found = find_target(asked, providers, serves, names)
    assert str(found) == expected
    assert found.kind == next(one.kind for one in providers if one.name == found.provider)


AMBIGUOUS = [
    ("shared", [OPENAI, ANTHROPIC], ("openai", "anthropic")),
    ("gpt-5.6", [LISTED, ProviderTerms("us", "compatible", ("gpt-*",))], ("eu", "us")),
]


@pytest.mark.parametrize(("asked", "providers", "serving"), AMBIGUOUS)
def test_a_bare_name_that_several_serve_names_them(
    asked: str, providers: list[ProviderTerms], serving: tuple[str, ...]
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_target(asked, providers, serves, names)
    assert (caught.value.model, caught.value.providers) == (asked, serving)
    assert caught.value.nearest == ()


UNKNOWN = [
    ("gpt-5.7", [OPENAI, ANTHROPIC]),
    ("gpt-5.7", [OPENAI]),
    ("gpt-5.7", [AZURE]),
    ("azure/dev-1", [OPENAI, AZURE]),
    ("openai/", [OPENAI]),
    ("/gpt-5.6", [OPENAI]),
    ("", [OPENAI]),
    ("my-finetune", [VLLM, ANTHROPIC]),
    ("my-finetune", [SIM]),
    ("gpt-5.6", []),
]


@pytest.mark.parametrize(("asked", "providers"), UNKNOWN)
def test_a_name_that_nothing_serves_is_not_found(
    asked: str, providers: list[ProviderTerms]
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_target(asked, providers, serves, names)
    assert (caught.value.model, caught.value.providers) == (asked, ())


def test_the_nearest_names_are_suggested_and_no_more_than_three() -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_target("openai/gpt-5.6-mni", [ANTHROPIC, AZURE], serves, names)
    assert caught.value.nearest[0] == "openai/gpt-5.6-mini"
    assert "openai/gpt-5.6" in caught.value.nearest
    assert len(caught.value.nearest) <= NEAREST_MAX == 3


def test_names_are_collected_only_where_nothing_serves() -> None:
    def never() -> Sequence[str]:
        raise AssertionError

    assert str(find_target("gpt-5.6", [OPENAI], serves, never)) == "openai/gpt-5.6"


def test_a_target_is_given_only_to_a_key_that_may_use_it() -> None:
    target = Target("openai", "openai", "gpt-5.6")
    assert allowed(KeyTerms("key_1", "a", "3f2a", models=("gpt-*",)), target) is target
    with pytest.raises(ModelNotAllowed):
        allowed(KeyTerms("key_1", "a", "3f2a", models=("claude-*",)), target)
