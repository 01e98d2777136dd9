"""Which models are listed, for whom, and what is known of each."""

from __future__ import annotations

import pytest

from ferrycli.prices.cards import Cards
from ferrycli.proxy.listing import entries, entry
from ferrycli.proxy.snapshot import Providers, Snapshot
from ferrycli.rules.denials import ModelNotAllowed, ModelNotFound
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import Override, Rate
from ferrycli.rules.routes import Route, RouteTarget
from ferrycli.settings import Provider
from ferrycli.store.books import Books
from tests.rules.arithmetic import dollars

NOW_US = 1_795_176_000_000_000
"""2026-11-20 12:00 UTC."""

BEDROCK = "https://bedrock-runtime.{}.amazonaws.com"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"

PROVIDERS = (
    Provider("openai", "openai", "https://eu.api.openai.com/v1", models=("gpt-5.6-*", "gpt-4o*")),
    Provider("bedrock", "compatible", BEDROCK.format("us-east-1"), catalogue="aws",
             aliases=((PROFILE, "eu.anthropic.claude-opus-5"),)),
    Provider("work", "compatible", "https://acme.openai.azure.com/openai/v1", catalogue="azure",
             models=("my-gpt", "other"), aliases=(("my-gpt", "gpt-4o"),)),
    Provider("local", "compatible", "http://localhost:1/v1", models=("llama*",)),
)  # fmt: skip
OVERRIDES = [
    Override("rate_1", "local", "llama-7b", Rate(input=dollars("0.1"), output=0)),
    Override("rate_2", "local", "llama-*", Rate(input=0, output=0)),
    Override("rate_3", "local", "not-listed", Rate(input=0, output=0)),
]
ROUTES = {
    "chat": Route("chat", (RouteTarget("work/my-gpt"), RouteTarget("openai/gpt-4o"))),
    "cheap": Route("cheap", (RouteTarget("work/my-gpt"), RouteTarget("work/my-gpt", 2))),
}
SNAPSHOT = Snapshot(
    Books(routes=ROUTES, overrides=tuple(OVERRIDES)), Cards(OVERRIDES), Providers.of(PROVIDERS)
)
ALL = {one.id: one for one in entries(SNAPSHOT, None, NOW_US)}


def key(*models: str) -> KeyTerms:
    return KeyTerms("key_1", "k", "last", models=models)


def test_models_are_listed_by_name() -> None:
    assert list(ALL) == sorted(ALL)


def test_only_what_the_operator_lists_is_listed() -> None:
    own = {one for one in ALL if not one.startswith("bedrock/")}
    assert {one for one in own if one.startswith(("work/", "local/"))} == {
        "work/my-gpt",
        "work/other",
        "local/llama-7b",
    }
    openai = {one.removeprefix("openai/") for one in own if one.startswith("openai/")}
    assert {"gpt-5.6-sol", "gpt-4o", "gpt-4o-mini"} <= openai
    assert all(one.startswith(("gpt-5.6-", "gpt-4o")) for one in openai)


def test_what_the_place_adds_is_in_the_price() -> None:
    sol = ALL["openai/gpt-5.6-sol"]
    assert (sol.region, sol.input_rate, sol.source) == ("eu", dollars("4.4"), "overlay")
    assert ALL["openai/gpt-4o"].input_rate == dollars("2.5")


def test_regional_profiles_are_listed_as_they_are_called() -> None:
    one = ALL["bedrock/us.anthropic.claude-opus-5"]
    assert (one.region, one.input_rate) == ("us", dollars("5.5"))
    assert ALL["bedrock/global.anthropic.claude-opus-5"].region == "global"
    assert ALL["bedrock/amazon.nova-lite-v1:0"].region == "us-east-1"
    assert not any("regional." in name for name in ALL)


@pytest.mark.parametrize(
    ("place", "named"), [("eu-west-1", {"eu", "global"}), ("ap-south-1", {"global"})]
)
def test_profiles_are_those_of_the_address(place: str, named: set[str]) -> None:
    bedrock = Provider("bedrock", "compatible", BEDROCK.format(place), catalogue="aws")
    snapshot = Snapshot(Books(), Cards([]), Providers.of([bedrock]))
    ids = [one.model for one in entries(snapshot, None, NOW_US) if "claude" in one.model]
    assert {one.partition(".")[0] for one in ids} == named


def test_a_deployment_has_the_price_of_its_model() -> None:
    one = ALL["work/my-gpt"]
    assert (one.input_rate, one.context_tokens_max) == (dollars("2.5"), 128_000)
    assert (one.routes, ALL["work/other"].input_rate) == (("chat", "cheap"), None)
    assert ALL["openai/gpt-4o"].routes == ("chat",)
    profile = ALL[f"bedrock/{PROFILE}"]
    assert (profile.region, profile.input_rate) == ("eu", dollars("5.5"))


def test_a_price_of_ones_own_says_so() -> None:
    one = ALL["local/llama-7b"]
    assert (one.version, one.source) == ("override rate_1", "override")
    assert (one.input_rate, one.cache_read_rate, one.output_rate) == (dollars("0.1"), None, 0)
    nothing = ALL["work/other"]
    assert (nothing.version, nothing.source, nothing.is_incomplete) == ("", "", False)


def test_a_key_sees_what_it_may_call() -> None:
    seen = [one.id for one in entries(SNAPSHOT, key("work/*", "llama-7b"), NOW_US)]
    assert seen == ["local/llama-7b", "work/my-gpt", "work/other"]


@pytest.mark.parametrize(
    ("asked", "id"),
    [
        ("work/my-gpt", "work/my-gpt"),
        ("my-gpt", "work/my-gpt"),
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
        ("local/llama-70b", "local/llama-70b"),
        ("bedrock/us.anthropic.claude-opus-5", "bedrock/us.anthropic.claude-opus-5"),
    ],
)
def test_one_model_is_found_by_any_name_that_a_call_may_use(asked: str, id: str) -> None:
    found = entry(SNAPSHOT, key(), asked, NOW_US)
    assert found.id == id
    assert found.input_rate is not None
    assert ALL.get(id, found) == found


def test_a_model_that_is_not_there_or_not_allowed_is_refused() -> None:
    with pytest.raises(ModelNotFound):
        entry(SNAPSHOT, key(), "work/nothing", NOW_US)
    with pytest.raises(ModelNotAllowed):
        entry(SNAPSHOT, key("local/*"), "work/my-gpt", NOW_US)


def test_what_was_shut_down_is_not_offered() -> None:
    gemini = Provider("gemini", "compatible", "https://g.example", catalogue="google")
    snapshot = Snapshot(Books(), Cards([]), Providers.of([gemini]))
    models = {one.model for one in entries(snapshot, None, NOW_US)}
    assert "gemini-2.5-flash" in models
    assert "gemini-2.0-flash" not in models


def test_the_simulated_provider_alone_has_its_models() -> None:
    snapshot = Snapshot(Books(), Cards([]), Providers.of(()))
    listed = entries(snapshot, None, NOW_US)
    assert [one.id for one in listed] == ["sim/flaky", "sim/large", "sim/small"]
    assert all(one.input_rate for one in listed)
