"""`ferry routes explain`: what would become of a call, and that asking changes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.cli.driver import Ferry, Said

DOLLAR = 1_000_000_000
PLAIN = {"NO_COLOR": "1"}


@pytest.fixture
def routed(ferry: Ferry, monkeypatch: pytest.MonkeyPatch) -> Ferry:
    """A provider, three models with a price, two routes, and a key with a budget."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    for arguments in (
        ("prices", "set", "openai/big", "--input", "4", "--output", "20"),
        ("prices", "set", "openai/next", "--input", "4", "--output", "20"),
        ("prices", "set", "openai/small", "--input", "0.1", "--output", "0.5"),
        ("routes", "set", "cheap", "openai/small"),
        ("routes", "set", "chat", "openai/big", "openai/next", "--cheaper", "cheap"),
        ("keys", "create", "web", "--tenant", "acme", "--budget", "50/month"),
    ):
        assert ferry(*arguments).code == 0
    return ferry


def asked(ferry: Ferry, *arguments: str) -> Said:
    return ferry("routes", "explain", *arguments, "--key", "web")


def test_a_call_s_way_is_told_with_what_it_would_hold(routed: Ferry) -> None:
    found = asked(routed, "chat", "--input", "1000", "--max-output", "100", "--json").json
    assert (found["schema"], found["route"], found["goes"]) == ("ferry.explain/1", "chat", True)
    assert [(one["target"], one["tier"], one["place"]) for one in found["targets"]] == [
        ("openai/big", "normal", 1),
        ("openai/next", "normal", 2),
        ("openai/small", "cheaper", 0),
    ]
    (budget,) = found["budgets"]
    assert (budget["selector"], budget["free_nanousd"]) == ("key=web", 50 * DOLLAR)
    assert found["free_nanousd"] == 50 * DOLLAR
    # At the least the answer that was asked for, and never more than the dearest input and it.
    assert 100 * 20 * DOLLAR // 1_000_000 < found["hold_nanousd"] < DOLLAR // 10


def test_the_legend_explains_the_columns_that_are_there(routed: Ferry) -> None:
    for columns in (60, 100):
        *_, heading, legend = [
            line
            for line in asked_at(routed, columns).splitlines()
            if line.lstrip().startswith(("TIER", "USD;"))
        ]
        for name in ("INPUT", "OUTPUT"):
            assert (name in legend) == (name in heading), columns


def asked_at(ferry: Ferry, columns: int) -> str:
    arguments = ("routes", "explain", "chat", "--key", "web")
    return ferry(*arguments, columns=columns, environment=PLAIN).out


def test_the_card_says_it_to_a_person(routed: Ferry) -> None:
    arguments = ("routes", "explain", "chat", "--key", "web", "--feature", "chat", "--tag", "a=b")
    drawn = routed(*arguments, columns=100, environment=PLAIN).out
    for part in (
        "chat   no call is made",
        "tenant=acme, feature=chat, tag:a=b, normal priority",
        "chat, asked for as the model",
        "✓ goes to openai/big",
        "if that fails, to openai/next",
        "$50.00 that is free of budget key=web",
    ):
        assert part in drawn


def test_what_the_key_pins_and_what_is_assigned_counts(routed: Ferry) -> None:
    routed("routes", "assign", "tenant=acme", "cheap")
    found = asked(routed, "chat", "--tenant", "globex", "--json").json
    assert (found["tenant"], found["route"]) == ("acme", "cheap")
    assert found["assignment"].startswith("as_")
    drawn = routed("routes", "explain", "chat", "--key", "web", columns=100, environment=PLAIN).out
    assert "cheap, assigned to tenant=acme (as_" in drawn


def test_a_route_may_be_named_as_the_header_would(routed: Ferry) -> None:
    assert asked(routed, "openai/big", "--route", "cheap", "--json").json["route"] == "cheap"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["explain", "chta", "--key", "web"], 3, "there is no model `chta`"),
        (["explain", "chat", "--key", "web", "--route", "x"], 3, "there is no route `x`"),
        (["explain", "chat", "--key", "nobody"], 3, "there is no key `nobody`"),
        (["explain", "chat"], 2, "`--key`"),
        (["explain", "chat", "--key", "web", "--priority", "x"], 2, "there is no priority `x`"),
        (["explain", "chat", "--key", "web", "--input", "-1"], 2, "`-1` is no value for `input`"),
        (["explain", "chat", "--key", "web", "--max-output", "0"], 2, "is no value for `max-out"),
    ],
)
def test_what_cannot_be_asked_is_said(
    routed: Ferry, arguments: list[str], code: int, sentence: str
) -> None:
    said = routed("routes", *arguments)
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err


@pytest.mark.parametrize("model", ["sized", "openai/gpt-big", "openai/claude-big"])
@pytest.mark.parametrize("tokens", [200, 2_500, 3_000, 3_001])
def test_a_request_is_as_long_as_was_said(routed: Ferry, model: str, tokens: int) -> None:
    for name in ("gpt-big", "claude-big"):
        routed("prices", "set", f"openai/{name}", "--input", "4", "--output", "20")
    routed("routes", "set", "sized", "openai/big if input>3000", "openai/next")
    drawn = routed(
        "routes", "explain", model, "--key", "web", "--input", f"{tokens}", columns=100,
        environment=PLAIN,
    ).out  # fmt: skip
    assert f"about {tokens:,} tokens in" in drawn
    if model == "sized":
        assert ("✓ goes to openai/big" in drawn) == (tokens > 3_000)


def test_asking_changes_nothing(routed: Ferry) -> None:
    def content(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    before = content(routed.database)
    assert asked(routed, "chat").code == 0
    assert content(routed.database) == before


def test_without_a_database_there_is_nothing_to_ask(ferry: Ferry) -> None:
    assert ferry("routes", "explain", "chat", "--key", "web").code == 3
    assert not ferry.database.exists()
