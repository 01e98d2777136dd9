"""`ferry routes`: what is made, changed, shown, assigned and refused, as a person sees it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.pricing import Rate, RateCard, Step
from ferrycli.rules.routes import RouteTarget
from ferrycli.rules.routing import ProviderTerms
from ferrycli.store import changes
from ferrycli.store.route_changes import RoutePlan, World, set_route
from tests.cli.conftest import NOW
from tests.cli.driver import Ferry, Said, moment

DOLLAR = 1_000_000_000
KEYS = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}


PRICES = {
    "openai/big": Rate(input=4 * DOLLAR, output=20 * DOLLAR),
    "openai/small": Rate(input=DOLLAR // 10, output=DOLLAR // 2),
    "anthropic/big": Rate(input=5 * DOLLAR, output=15 * DOLLAR),
    "openai/gift": Rate(input=0, output=0),
}
PROVIDERS = (ProviderTerms("openai", "openai"), ProviderTerms("anthropic", "compatible"))
PLAIN = {"NO_COLOR": "1"}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models with a price, and the routes `cheap`, `gratis` and `chat`."""
    path = tmp_path_factory.mktemp("routed") / "ferry.db"
    for target, rate in PRICES.items():
        provider, _, model = target.partition("/")
        changes.set_price(path, provider, model, rate)
    world = World(PROVIDERS, lambda target: RateCard("", target, (Step(0, PRICES[target]),)))
    for plan in (
        RoutePlan("cheap", (RouteTarget("openai/small"),)),
        RoutePlan("gratis", (RouteTarget("openai/gift"),)),
        RoutePlan(
            "chat", (RouteTarget("openai/big"), RouteTarget("anthropic/big")), "cheap", "gratis"
        ),
    ):
        set_route(path, plan, world)
    return path


@pytest.fixture
def routed(ferry: Ferry, made_once: Path, monkeypatch: pytest.MonkeyPatch) -> Ferry:
    """`ferry` with two providers, on a copy of that database."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    shutil.copy(made_once, ferry.database)
    return ferry


def shown(ferry: Ferry, name: str = "chat") -> dict[str, Any]:
    found: dict[str, Any] = ferry("routes", "show", name, "--json").json
    return found


def refused(said: Said, code: int, *parts: str) -> None:
    assert said.code == code
    assert said.out == ""
    for part in parts:
        assert part in said.err


def test_a_route_is_shown_with_what_each_tier_costs(routed: Ferry) -> None:
    route = shown(routed)
    assert route["schema"] == "ferry.route/1"
    assert route["targets"] == [
        {
            "target": "openai/big", "weight": 1, "when": "", "input_nanousd": 4 * DOLLAR,
            "output_nanousd": 20 * DOLLAR, "is_free": False,
        },
        {
            "target": "anthropic/big", "weight": 1, "when": "", "input_nanousd": 5 * DOLLAR,
            "output_nanousd": 15 * DOLLAR, "is_free": False,
        },
    ]  # fmt: skip
    assert (route["cheaper"], route["free"], route["sticky"]) == ("cheap", "gratis", True)
    tiers = {name: [one["target"] for one in every] for name, every in route["tiers"].items()}
    assert tiers == {
        "normal": ["openai/big", "anthropic/big"],
        "cheaper": ["openai/small"],
        "free": ["openai/gift"],
    }
    assert route["tiers"]["free"][0]["is_free"] is True


def test_a_change_of_a_route_is_told_and_so_is_none(routed: Ferry) -> None:
    for said in ("is changed: the next call goes by it", "is that already"):
        assert f"route `chat` {said}" in routed("routes", "set", "chat", "--deadline", "60").err


def test_nothing_is_cut_where_nobody_looks(routed: Ferry) -> None:
    """A pipe has no width: a long condition, and every column, are all there."""
    names = [f"a-customer-with-a-long-name-{number}" for number in range(4)]
    condition = " or ".join(f"tenant={name}" for name in names)
    said = routed("routes", "set", "long", f"openai/big if {condition}")
    assert condition in said.out
    assert "…" in routed("routes", "show", "long", columns=100).out
    assert "…" not in routed("routes", "show", "long").out


def test_a_route_is_made_with_all_that_it_may_say(routed: Ferry) -> None:
    said = routed(
        "routes", "set", "mix", "openai/big@3", "anthropic/big if tenant=acme and used<80",
        "--first-byte", "30", "--deadline", "120.5", "--max-output", "3000", "--no-sticky",
        "--retry", "not_found", "--retry", "context", "--json",
    )  # fmt: skip
    assert said.code == 0
    assert "route `mix` is made" in said.err
    route = said.json
    assert [(one["weight"], one["when"]) for one in route["targets"]] == [
        (3, ""),
        (1, "tenant=acme and used<80"),
    ]
    assert (route["first_byte_s"], route["total_s"], route["output_max"]) == (30.0, 120.5, 3000)
    assert (route["sticky"], route["retry"]) == (False, ["context", "not_found"])


def test_what_is_not_named_stays_and_what_is_taken_back_goes(routed: Ferry) -> None:
    routed("routes", "set", "chat", "--first-byte", "30", "--retry", "context", "--no-sticky")
    said = routed("routes", "set", "chat", "openai/small", "--json")
    assert "is made" not in said.err
    assert (said.json["first_byte_s"], said.json["retry"]) == (30.0, ["context"])
    assert said.json["cheaper"] == "cheap"
    routed(
        "routes", "set", "chat", "--first-byte", "0", "--retry", "none", "--no-cheaper",
        "--no-free", "--sticky",
    )  # fmt: skip
    route = shown(routed)
    assert (route["first_byte_s"], route["retry"], route["sticky"]) == (None, [], True)
    assert (route["cheaper"], route["free"]) == ("", "")
    assert [one["target"] for one in route["targets"]] == ["openai/small"]


def test_a_cheaper_route_that_is_dearer_is_told_with_both_prices(routed: Ferry) -> None:
    said = routed("routes", "set", "tiny", "openai/small", "--cheaper", "chat")
    assert said.code == 0
    assert "! the cheaper route is dearer: `openai/big` of route `chat` costs $4 in and $20" in (
        said.err
    )
    assert "`openai/small` of route `tiny` $0.1 in and $0.5 out" in said.err
    assert shown(routed, "tiny")["cheaper"] == "chat"


def test_a_target_without_a_price_is_told(routed: Ferry) -> None:
    said = routed("routes", "set", "new", "openai/not-priced")
    assert said.code == 0
    assert "! `openai/not-priced` of route `new` has no price" in said.err
    assert "no price" in routed("routes", "show", "new", columns=80, environment=PLAIN).out


MISTAKES = [
    (["set", "all", "openai/big"], 2, "a route cannot be called `all`: it is a word of rules"),
    (["set", "a/b", "openai/big"], 2, "it has a slash"),
    (["set", "new"], 2, "neither a target nor anything to change was named"),
    (["set", "new", "--deadline", "5"], 2, "`new` cannot be a target: a route has one target"),
    (["set", "new", "big"], 2, "`big` cannot be a target: it is not written PROVIDER/MODEL"),
    (["set", "new", "openai/big@0"], 2, "its weight is not a whole number from 1 to 1,000"),
    (["set", "new", "openai/big", "openai/big@2"], 2, "`openai/big` cannot be a target: it is"),
    (["set", "new", "azure/big"], 2, "its provider is not configured"),
    (["set", "new", "openai/big if nonsense=1"], 2, "there is no field `nonsense`"),
    (["set", "new", "openai/big", "--cheaper", "chaep"], 3, "there is no route `chaep`"),
    (["set", "new", "openai/big", "--cheaper", "new"], 2, "lead back to itself: `new` → `new`"),
    (["set", "cheap", "--cheaper", "chat"], 2, "back to itself: `cheap` → `chat` → `cheap`"),
    (["set", "new", "openai/big", "--free", "cheap"], 2, "costs $0.1 in and $0.5 out"),
    (["set", "chat", "--cheaper", "cheap", "--no-cheaper"], 2, "not both"),
    (["set", "chat", "--cheaper", ""], 2, "is no value for `cheaper`"),
    (["set", "chat", "--first-byte", "-1"], 2, "`-1` is no value for `first-byte`"),
    (["set", "chat", "--deadline", "1e9"], 2, "is no value for `deadline`"),
    (["set", "chat", "--max-output", "-5"], 2, "`-5` is no value for `max-output`"),
    (["set", "chat", "--retry", "never"], 2, "there is no failure `never`"),
    (["show", "chta"], 3, "there is no route `chta`"),
    (["remove", "chta", "--yes"], 3, "did you mean `chat`?"),
    (["remove", "cheap", "--yes"], 2, "route `cheap` is in use by `route chat`"),
    (["remove", "chat"], 2, "nobody is there to ask"),
    (["assign", "tenant=acme"], 2, "neither a route nor a bound is named"),
    (["assign", "tenant=acme", "nope"], 3, "there is no route `nope`"),
    (["assign", "provider=openai", "cheap"], 2, "a call has no provider before it has a route"),
    (["assign", "route=cheap", "cheap"], 2, "would go where they go already"),
    (["assign", "nonsense", "cheap"], 2, "the selector cannot be used"),
    (["assign", "key=nobody", "cheap"], 3, "there is no key `nobody`"),
    (["assign", "tenant=acme", "cheap", "--until", "yesterday"], 2, "is no value for `until`"),
    (["assign", "tenant=acme", "--max-output", "0"], 2, "`0` is no value for `max-output`"),
    (["unassign", "tenant=acme"], 3, "nothing is assigned to `tenant=acme`"),
    (["unassign", "as_zzz"], 3, "nothing is assigned to `as_zzz`"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), MISTAKES)
def test_what_cannot_be_is_refused_with_the_reason_and_nothing_is_changed(
    routed: Ferry, arguments: list[str], code: int, sentence: str
) -> None:
    def state() -> list[Any]:
        with closing(sqlite3.connect(routed.database)) as connection:
            return connection.execute("SELECT * FROM revisions").fetchall()

    before = state()
    refused(routed("routes", *arguments), code, "error: ", sentence)
    assert state() == before


@pytest.mark.parametrize(
    "arguments", [["set", "all", "openai/x"], ["set", "x", "y"], ["assign", "nonsense", "x"]]
)
def test_a_mistake_makes_no_database(ferry: Ferry, arguments: list[str]) -> None:
    assert ferry("routes", *arguments).code == 2
    assert not ferry.database.exists()


def test_taking_away_makes_no_database(ferry: Ferry) -> None:
    assert ferry("routes", "remove", "chat", "--yes").code == 3
    assert ferry("routes", "unassign", "tenant=acme").code == 3
    assert not ferry.database.exists()


def test_no_routes_are_said(ferry: Ferry) -> None:
    said = ferry("routes", "list", "--json")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("no routes yet")
    said = ferry("routes", "list", "--assignments")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("nothing is assigned")


def test_without_a_provider_a_route_is_of_simulated_models(ferry: Ferry) -> None:
    assert ferry("routes", "set", "chat", "sim/small").code == 0
    assert ferry("routes", "set", "chat", "openai/gpt-5").code == 2


def test_a_list_has_a_row_a_route(routed: Ferry) -> None:
    heading, *rows = routed("routes", "list").out.splitlines()
    assert heading.startswith("name\ttargets\tcheaper\tfree")
    assert [row.split("\t")[0] for row in rows] == ["chat", "cheap", "gratis"]
    assert rows[0].split("\t")[1] == "openai/big, anthropic/big"
    assert {row.count("\t") for row in rows} == {heading.count("\t")}
    lines = routed("routes", "list", "--json").json_lines
    assert lines[0] == shown(routed)


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_tables_and_cards_fit_their_terminal(routed: Ferry, columns: int) -> None:
    routed("routes", "assign", "tenant=acme,feature=report-writer", "cheap", "--until", "7d")
    routed("routes", "set", "mix", "openai/big@3", "anthropic/big if tenant=acme and used<80")
    for arguments in (["list"], ["list", "--assignments"], ["show", "mix"], ["show", "chat"]):
        said = routed("routes", *arguments, columns=columns, environment=PLAIN)
        assert said.code == 0
        assert max(map(len, said.out.splitlines())) <= columns
        assert "openai/big" in said.out or "--assignments" in arguments


def test_shares_and_conditions_are_shown_where_there_are_any(routed: Ferry) -> None:
    plain = routed("routes", "show", "chat", columns=100, environment=PLAIN).out
    assert "SHARE" not in plain
    assert " IF " not in plain
    routed("routes", "set", "mix", "openai/big@3", "anthropic/big if tenant=acme")
    mixed = routed("routes", "show", "mix", columns=100, environment=PLAIN).out
    assert "75%" in mixed
    assert "tenant=acme" in mixed


def test_a_circuit_that_is_open_is_shown(routed: Ferry) -> None:
    with closing(sqlite3.connect(routed.database)) as connection:
        connection.execute(
            "INSERT INTO health VALUES ('openai', 'big', 'open', ?, ?, '503 overloaded')",
            [moment(NOW), moment("2026-11-23T09:00:30+00:00")],
        )
        connection.execute("INSERT INTO health VALUES ('anthropic', 'big', 'closed', 0, NULL, '')")
        connection.commit()
    assert shown(routed)["circuits"] == {
        "openai/big": {
            "state": "open",
            "until": "2026-11-23T09:00:30.000000Z",
            "reason": "503 overloaded",
        }
    }
    drawn = routed("routes", "show", "chat", columns=100, environment=PLAIN).out
    assert "openai/big is left alone until 10:00:30 (503 overloaded)" in drawn


def test_a_circuit_whose_time_is_over_is_not_told_as_open(routed: Ferry) -> None:
    with closing(sqlite3.connect(routed.database)) as connection:
        connection.execute(
            "INSERT INTO health VALUES ('openai', 'big', 'open', ?, ?, '503 overloaded')",
            [moment(NOW) - 9_000_000, moment(NOW) - 4_000_000],
        )
        connection.commit()
    assert shown(routed)["circuits"]["openai/big"]["state"] == "half_open"
    drawn = routed("routes", "show", "chat", columns=100, environment=PLAIN).out
    assert "openai/big is asked by one call, to see (503 overloaded)" in drawn


def test_calls_are_moved_and_moved_back(routed: Ferry) -> None:
    said = routed("routes", "assign", "tenant=acme", "cheap", "--until", "2026-12-01", "--json")
    assert said.json["schema"] == "ferry.assignment/1"
    assert (said.json["selector"], said.json["route"]) == ("tenant=acme", "cheap")
    assert said.json["until"] == "2026-11-30T23:00:00.000000Z"  # Midnight in Berlin.
    assert shown(routed, "cheap")["assignments"] == ["tenant=acme"]
    refused(routed("routes", "remove", "gratis", "--yes"), 2, "route chat")
    again = routed("routes", "assign", "tenant=acme", "chat", "--max-output", "3000")
    assert "calls of `tenant=acme` use route `chat` and get answers of at most 3,000 tokens" in (
        again.err
    )
    assert "before, they used route `cheap`" in again.err
    (line,) = routed("routes", "list", "--assignments", "--json").json_lines
    assert (line["route"], line["output_max"], line["until"]) == ("chat", 3000, None)
    assert line["id"] == said.json["id"]
    assert routed("routes", "unassign", "tenant=acme").code == 0
    assert routed("routes", "list", "--assignments", "--json").out == ""


def test_an_assignment_ends_by_its_id(routed: Ferry) -> None:
    made = routed("routes", "assign", "tenant=acme", "cheap", "--json").json
    said = routed("routes", "unassign", made["id"][:20])
    assert said.code == 0
    assert said.err == "calls of `tenant=acme` use what they ask for again\n"


def test_an_assignment_that_is_over_says_so(routed: Ferry, monkeypatch: pytest.MonkeyPatch) -> None:
    routed("routes", "assign", "tenant=acme", "cheap", "--until", "1h")
    later = moment(NOW) + 2 * 3_600_000_000
    monkeypatch.setattr("ferrycli.cli.routes.now_us", lambda: later)
    assert routed("routes", "list", "--assignments", "--json").json["is_over"] is True
    assert " over " in routed("routes", "list", "--assignments", columns=100, environment=PLAIN).out


def test_a_removed_route_is_gone(routed: Ferry) -> None:
    said = routed("routes", "remove", "chat", typed="y\n")
    assert said.code == 0
    assert "route `chat` is removed" in said.err
    refused(routed("routes", "show", "chat"), 3, "there is no route `chat`")


def test_a_no_keeps_the_route(routed: Ferry) -> None:
    said = routed("routes", "remove", "chat", typed="n\n")
    assert said.code == 1
    assert "nothing was changed" in said.err
    assert shown(routed)["name"] == "chat"
