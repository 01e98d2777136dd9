"""The words of every error: which there are, how they read, and that hints can be typed."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from typing import Any

import pytest
import typer

from ferrycli.cli.main import app
from ferrycli.rules import denials, errors
from ferrycli.rules.errors import FerryError
from ferrycli.rules.phrases import (
    argument,
    next_limit,
    path_ticked,
    plain,
    shortened,
    ticked,
)
from ferrycli.rules.words import WRITERS, words

DOLLAR = 1_000_000_000
NOVEMBER = 1_793_491_200_000_000  # 2026-11-01 00:00 UTC
DECEMBER = 1_796_083_200_000_000  # 2026-12-01 00:00 UTC

GROUPS = {
    FerryError,
    denials.Refusal,
    errors.BadInput,
    errors.NotThere,
    errors.OutOfReach,
    denials.BudgetRefusal,
}
"""Classes that are never raised themselves."""


def every_kind(of: type[FerryError] = FerryError) -> list[type[FerryError]]:
    found = [one for kind in of.__subclasses__() for one in [kind, *every_kind(kind)]]
    return sorted(set(found) - GROUPS, key=lambda kind: kind.__name__)


SAMPLES: dict[str, object] = {
    "str": "acme-web",
    "int": 1_048_576,
    "float": 30.0,
    "bool": False,
    "object": "x",
    "tuple[str, ...]": ("acme-web", "acme-app"),
    "int | None": DECEMBER,
    "tuple[tuple[str, str, str], ...]": (("openai/gpt-x", "circuit", "503 overloaded"),),
}


def sample(kind: type[Any], **given: object) -> FerryError:
    """An error of `kind` whose fields are of the right type."""
    values = {field.name: SAMPLES[str(field.type)] for field in fields(kind)}
    error: FerryError = kind(**(values | given))
    return error


def text_fields(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind) if str(field.type) == "str"]


def spent(**given: Any) -> denials.BudgetSpent:
    values: dict[str, Any] = {
        "budget": "b_1",
        "owner_hint": "key=acme-web",
        "period": "month",
        "limit_nanousd": 50 * DOLLAR,
        "spent_nanousd": 50 * DOLLAR,
        "held_nanousd": 0,
        "doubt_nanousd": 0,
        "needed_nanousd": 0,
        "window_start_us": NOVEMBER,
        "resets_at_us": DECEMBER,
    }
    return denials.BudgetSpent(**(values | given))


def test_there_are_errors_to_speak_of() -> None:
    assert len(every_kind()) > 40


@pytest.mark.parametrize("kind", every_kind())
def test_every_error_has_words_of_its_own(kind: type[FerryError]) -> None:
    assert kind in WRITERS


@pytest.mark.parametrize("kind", every_kind())
def test_a_sentence_is_lower_case_and_has_no_full_stop(kind: type[FerryError]) -> None:
    said = words(sample(kind))
    for text in (said.sentence, said.hint):
        assert not text.endswith(".")
        assert "\n" not in text
        assert "None" not in text
        assert text.count("`") % 2 == 0
    assert re.match(r"[a-z`]", said.sentence)


@pytest.mark.parametrize("kind", every_kind())
def test_no_foreign_text_reaches_a_terminal_raw(kind: type[FerryError]) -> None:
    bad = "\x1b[31m`rm`\n" + "x" * 5_000
    said = words(sample(kind, **dict.fromkeys(text_fields(kind), bad)))
    for text in (said.sentence, said.hint):
        assert "\x1b" not in text
        assert "\n" not in text
        assert len(text) < 1_000


def commands(hint: str) -> list[str]:
    """The commands that a hint names."""
    return re.findall(r"`(ferry [^`]*)`", hint)


def hints() -> list[str]:
    """Every hint that can be had by changing one field of a sample at a time."""
    variants: list[FerryError] = [sample(kind) for kind in every_kind()]
    whys = ("unknown", "typo", "revoked", "expired", "role", "demo")
    variants += [sample(denials.BadKey, why=why) for why in whys]
    variants += [sample(errors.NameTaken, what=what) for what in ("key", "budget")]
    variants += [sample(errors.IdAmbiguous, what=what) for what in ("key", "call", "rate")]
    variants += [sample(errors.NoSuchKey, known=()), spent(), spent(owner_hint="tenant=acme")]
    variants += [spent(needs_zone=True)]
    variants += [
        sample(errors.NoSuchKey, name="zzz"),
        sample(errors.NameTaken, name="a b", what="key"),
    ]
    return sorted({words(one).hint for one in variants})


def test_every_command_in_a_hint_can_be_typed() -> None:
    named = [command for hint in hints() for command in commands(hint)]
    assert len(named) > 10
    for command in named:
        parse(shlex.split(command)[1:])


def parse(arguments: list[str]) -> None:
    """Read a command line as ferry would, without carrying it out; raises what it would raise."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while rest and hasattr(command, "commands"):
        if rest[0] == "--db":
            rest = rest[2:]
        else:
            command = command.commands[rest.pop(0)]
    command.make_context("ferry", rest)


@pytest.mark.parametrize("bad", ["keys make", "keys set NAME --limit 80", "keys show"])
def test_a_command_that_cannot_be_typed_is_found(bad: str) -> None:
    with pytest.raises((KeyError, typer.TyperException)):
        parse(shlex.split(bad))


def test_a_spent_budget_reads_as_the_manual_says() -> None:
    said = words(spent())
    assert said.sentence == (
        "key `acme-web` has spent $50.00 of $50.00 this month, since 2026-11-01 00:00 UTC"
    )
    assert said.hint == (
        "raise it with `ferry keys set acme-web --budget 80/month`, or wait until"
        " 2026-12-01 00:00 UTC"
    )


@pytest.mark.parametrize("selector", ["key=acme-web", "tenant=acme"])
def test_of_a_budget_that_stands_in_several_zones_the_command_names_the_one(selector: str) -> None:
    hint = words(spent(owner_hint=selector, zone="Europe/Berlin", needs_zone=True)).hint
    (command,) = commands(hint)
    assert shlex.split(command)[1:] == [
        *("budgets", "set", selector),
        *("--limit", "80/month", "--zone", "Europe/Berlin"),
    ]


def test_what_is_held_in_doubt_and_needed_is_named_where_it_is_not_nothing() -> None:
    sentence = words(
        spent(
            spent_nanousd=49 * DOLLAR,
            held_nanousd=DOLLAR // 2,
            doubt_nanousd=DOLLAR // 4,
            needed_nanousd=2 * DOLLAR,
        )
    ).sentence
    assert "$0.50 is held by calls in flight" in sentence
    assert "$0.25 is in doubt" in sentence
    assert "this call needs $2.00 of $0.25 left" in sentence


def test_rounding_never_says_that_all_is_spent_where_it_is_not() -> None:
    assert "has spent $49.9999 of $50.00" in words(spent(spent_nanousd=49_999_900_000)).sentence


def test_a_budget_for_all_time_has_no_moment_to_wait_for() -> None:
    said = words(spent(period="total", window_start_us=0, resets_at_us=None))
    assert said.sentence == "key `acme-web` has spent $50.00 of $50.00 in total"
    assert said.hint == "raise it with `ferry keys set acme-web --budget 80/total`"


def test_a_day_is_said_to_be_of_its_zone() -> None:
    said = words(
        spent(period="day", zone="Europe/Berlin", window_start_us=NOVEMBER - 3_600_000_000)
    )
    assert said.sentence == (
        "key `acme-web` has spent $50.00 of $50.00 today in Europe/Berlin,"
        " since 2026-10-31 23:00 UTC"
    )


def test_a_busy_budget_says_that_money_comes_back() -> None:
    busy = denials.BudgetBusy(
        "b_1", "key=acme-web", "day", 5 * DOLLAR, DOLLAR, 4 * DOLLAR, 0, DOLLAR // 10,
        NOVEMBER, NOVEMBER + 86_400_000_000,
    )  # fmt: skip
    said = words(busy)
    assert said.sentence == (
        "key `acme-web` has $0.00 free of $5.00 today, since 2026-11-01 00:00 UTC, and this call"
        " needs $0.10; $1.00 is spent; $4.00 is held by calls in flight"
    )
    assert said.hint.startswith("try again in a second")


@pytest.mark.parametrize(
    ("limit", "least", "next_one"),
    [("50", "0", "80"), ("10", "0", "20"), ("1", "0", "2"), ("12.5", "0", "20"),
     ("0", "0.004", "0.004"), ("0.05", "0", "0.08"), ("50", "91", "100"), ("2000", "0", "3000")],
)  # fmt: skip
def test_the_limit_that_a_hint_names_is_round_and_enough(
    limit: str, least: str, next_one: str
) -> None:
    nano = [int(float(text) * DOLLAR) for text in (limit, least)]
    assert next_limit(*nano) == next_one


def test_the_nearest_name_is_offered() -> None:
    assert words(errors.NoSuchKey("acme-wbe", ("acme-web", "zoo"))).hint == (
        "did you mean `acme-web`? `ferry keys list` shows all"
    )
    assert words(errors.BadField("dimension", "tenat", ("tenant", "user"))).hint == (
        "did you mean `tenant`?"
    )
    assert words(errors.BadField("role", "xyz", ("call", "read", "admin"))).hint == (
        "it is one of `call`, `read` or `admin`"
    )


def test_an_error_without_words_still_says_what_it_is() -> None:
    class Unheard(FerryError):
        pass

    try:
        assert words(Unheard()).sentence == "ferry stopped with `Unheard`"
    finally:
        del Unheard


def test_values_are_quoted_bounded_and_clean() -> None:
    assert ticked("a`b\x07") == "`a'b`"
    assert ticked("x" * 500) == f"`{'x' * 39}…{'x' * 40}`"
    assert shortened("abcdef", 5) == "ab…ef"
    assert path_ticked(f"/{'x' * 300}\x07/a`b") == f"`/{'x' * 300}/a'b`"
    assert plain("No such file.") == "no such file"
    assert plain("HTTP is off.") == "HTTP is off"
    assert plain("") == ""
    assert argument("a b") == "'a b'"
    assert argument("openai/gpt-5.1") == "openai/gpt-5.1"


@pytest.mark.parametrize(
    ("periods", "zones", "named"),
    [
        (("month", "day"), ("UTC", "Asia/Tokyo"), "`--period PERIOD`: `month` or `day`"),
        (("month", "balance"), ("UTC", ""), "`--period PERIOD`: `month` or `balance`"),
        (("day", "day"), ("UTC", "Asia/Tokyo"), "`--zone ZONE`: `UTC` or `Asia/Tokyo`"),
        (
            ("day", "day", "total"),
            ("UTC", "Asia/Tokyo", ""),
            "`--period PERIOD --zone ZONE`: `day UTC`, `day Asia/Tokyo` or `total`",
        ),
    ],
)
def test_what_tells_budgets_of_one_selector_apart_is_named(
    periods: tuple[str, ...], zones: tuple[str, ...], named: str
) -> None:
    said = words(errors.BudgetAmbiguous("tenant=acme", periods, zones))
    assert said.hint == f"name one with {named}; nothing was changed"


def test_a_command_that_takes_no_zone_names_the_one_that_does() -> None:
    several = errors.BudgetAmbiguous("user=*", ("day",) * 2, ("UTC", "Asia/Tokyo"), "ferry do")
    assert "with `ferry do 'user=*' --zone ZONE`: `UTC` or" in (words(several).hint or "")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("of type str", "of type `str`"),
        ("missing", "missing"),
        ("out of range", "out of range"),
        ("0", "`0`"),
    ],
)
def test_a_parameter_is_told_by_its_value_or_by_what_is_wrong(value: str, said: str) -> None:
    assert words(denials.BadParameter("n", value, "int")).sentence == f"`n` cannot be {said}"
