"""What a person sees, as files under `goldens/`: FERRY_GOLDENS=1 writes them anew."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import NOW
from tests.cli.driver import GOLDENS, Ferry, Said, golden, moment
from tests.setup.apart import fill_apart

REWRITES = os.environ.get("FERRY_GOLDENS") == "1"

SCREENS: dict[str, tuple[int, list[str]]] = {
    "report-100": (100, ["report", "--by", "tenant,feature"]),
    "report-80": (80, ["report", "--by", "tenant,feature"]),
    "report-60": (60, ["report", "--by", "tenant,feature"]),
    "report-today-80": (80, ["report", "--since", "today"]),
    "report-pipe": (0, ["report", "--by", "tenant,feature"]),
    "calls-100": (100, ["calls", "list", "--since", "today"]),
    "calls-80": (80, ["calls", "list", "--since", "7d"]),
    "calls-60": (60, ["calls", "list", "--since", "7d"]),
    "calls-pipe": (0, ["calls", "list", "--since", "today"]),
    "call-80": (80, ["calls", "show", "c_01M83PPH00E0"]),
    "call-60": (60, ["calls", "show", "c_01M83PPH00E0"]),
    "call-open-80": (80, ["calls", "show", "c_01M83PR1TGE0"]),
    "call-denied-80": (80, ["calls", "show", "c_01M83PQE"]),
    "call-estimated-80": (80, ["calls", "show", "c_01M83PPT"]),
    "keys-80": (80, ["keys", "list"]),
    "keys-60": (60, ["keys", "list"]),
    "keys-pipe": (0, ["keys", "list"]),
    "key-80": (80, ["keys", "show", "acme-web"]),
    "key-created-80": (
        80,
        ["keys", "create", "--tenant", "globex", "--require", "user", "--budget", "12.50/week"],
    ),
    "key-created-pipe": (0, ["keys", "create", "--tenant", "globex", "--budget", "12.50/week"]),
    "price-80": (80, ["prices", "show", "openai/gpt-5-mini"]),
    "check-80": (80, ["db", "check"]),
    "models-sim-80": (80, ["models"]),
}

WEEKS: dict[str, tuple[int, list[str]]] = {
    "weeks-140": (140, ["report"]),
    "weeks-100": (100, ["report"]),
    "weeks-80": (80, ["report"]),
    "weeks-60": (60, ["report"]),
    "weeks-ascii-80": (80, ["--ascii", "report"]),
    "weeks-pipe": (0, ["report"]),
    "weeks-csv": (0, ["report", "--by", "feature", "--top", "3", "--csv"]),
    "weeks-features-100": (100, ["report", "--by", "tenant,feature", "--top", "3"]),
    "weeks-models-60": (60, ["report", "--by", "provider,model"]),
    "weeks-where-80": (80, ["report", "--by", "model", "--where", "tenant=acme, output>2k"]),
    "weeks-running-100": (100, ["report", "--since", "this-week"]),
    "weeks-month-140": (140, ["report", "--by", "feature", "--since", "2026-11"]),
    "weeks-calls-100": (
        100,
        ["calls", "list", "--since", "2w", "--where", "thread=th_9f2c", "--limit", "5"],
    ),
}
"""Of the weeks of `ferry demo`, as they stand on that Monday."""

SAID: dict[str, tuple[int, list[str]]] = {
    "said-field-80": (80, ["report", "--where", "tenant=acme and modle~gpt"]),
    "said-value-80": (80, ["calls", "list", "--where", "cost > much"]),
    "said-dimension-80": (80, ["report", "--by", "tennant"]),
    "said-future-80": (80, ["report", "--since", "2026-12"]),
    "said-span-80": (80, ["report", "--since", "next-week"]),
    "prices-check-60": (60, ["prices", "check"]),
    "prices-check-80": (80, ["prices", "check"]),
    "prices-check-pipe": (0, ["prices", "check"]),
    "models-none-80": (80, ["models", "--search", "gpt"]),
    "said-nothing-80": (80, ["report", "--where", "tenant=nobody", "--since", "today"]),
}
"""What is said where there is nothing to show."""

PLAIN = {"NO_COLOR": "1"}

MODELS: dict[str, tuple[int, list[str]]] = {
    **{f"models-{width}": (width, ["models", "--search", "5.6"]) for width in (60, 80, 100, 140)},
    "models-pipe": (0, ["models", "--search", "5.6-sol"]),
}
"""Of two providers, with a route to both and a price of one's own."""


def seen(arguments: list[str], said: Said) -> str:
    """A screen as a golden keeps it."""
    text = f"$ ferry {' '.join(arguments)}\n{said.out}"
    text += f"--- stderr\n{said.err}" if said.err else ""
    return text + (f"--- exit code {said.code}\n" if said.code else "")


@pytest.fixture(scope="module")
def weeks_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's weeks, with the clock of the goldens."""
    path = tmp_path_factory.mktemp("weeks") / "ferry.db"
    fill_apart(path, moment(NOW), "Europe/Berlin")
    return path


@pytest.fixture
def weeks(weeks_path: Path, monkeypatch: pytest.MonkeyPatch, now_us: int) -> Ferry:
    """`ferry` on the demo's weeks."""
    return Ferry(weeks_path, monkeypatch)


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_what_it_was(filled: Ferry, name: str) -> None:
    columns, arguments = SCREENS[name]
    said = filled(*arguments, columns=columns, environment=PLAIN)
    assert said.code == 0, said.err
    text = seen(arguments, said)
    assert text == golden(f"{name}.txt", text, rewrites=REWRITES)


@pytest.mark.parametrize("name", WEEKS)
def test_a_screen_of_busy_weeks_is_what_it_was(weeks: Ferry, name: str) -> None:
    columns, arguments = WEEKS[name]
    said = weeks(*arguments, columns=columns, environment=PLAIN)
    assert said.code == 0, said.err
    text = seen(arguments, said)
    assert text == golden(f"{name}.txt", text, rewrites=REWRITES)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_listed_as_they_were(ferry: Ferry, name: str) -> None:
    given = PLAIN | {"OPENAI_API_KEY": "x", "AWS_BEARER_TOKEN_BEDROCK": "x"}
    both = ("openai/gpt-5.6-sol", "bedrock/us.openai.gpt-5.6-sol")
    assert ferry("routes", "set", "chat", *both, environment=given).code == 0
    ferry("prices", "set", "openai/gpt-5.6-luna", "--input", "0.125", "--output", "1")
    columns, arguments = MODELS[name]
    text = seen(arguments, ferry(*arguments, columns=columns, environment=given))
    assert text == golden(f"{name}.txt", text, rewrites=REWRITES)


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_instead_is_what_it_was(filled: Ferry, name: str) -> None:
    columns, arguments = SAID[name]
    text = seen(arguments, filled(*arguments, columns=columns, environment=PLAIN))
    assert text == golden(f"{name}.txt", text, rewrites=REWRITES)


def test_colours_are_what_they_were_and_change_no_cell(weeks: Ferry) -> None:
    said = weeks("report", columns=100)
    text = seen(["report"], said)
    assert text == golden("weeks-colour-100.txt", text, rewrites=REWRITES)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.out)
    assert plain != said.out
    assert plain == weeks("report", columns=100, environment=PLAIN).out


def test_ascii_is_ascii_and_moves_no_column() -> None:
    drawn, plain = (
        (GOLDENS / name).read_text("utf-8").splitlines()[1:]
        for name in ("weeks-80.txt", "weeks-ascii-80.txt")
    )
    assert "".join(plain).isascii()
    assert [len(line) for line in plain] == [len(line) for line in drawn]


def test_the_readme_shows_the_report_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    shown = (GOLDENS / "weeks-80.txt").read_text("utf-8").split("\n", 2)[2]
    assert f"```\n{shown.partition('  next')[0].rstrip()}\n```" in page


EVERY: Mapping[str, tuple[int, list[str]]] = SCREENS | WEEKS | SAID | MODELS


@pytest.mark.parametrize("name", [name for name, (columns, _) in EVERY.items() if columns])
def test_no_line_of_a_screen_is_wider_than_it(name: str) -> None:
    columns, _ = EVERY[name]
    text = golden(f"{name}.txt", "", rewrites=False)
    # What is there to be copied, or is said on stderr, is not folded.
    copied = re.compile("export |hint: |error: |  (next)? +ferry ")
    shown = [line for line in text.splitlines()[1:] if not copied.match(line)]
    assert [line for line in shown if len(line) > columns] == []


def test_every_golden_is_a_screen_of_some_test() -> None:
    assert {path.stem for path in GOLDENS.glob("*.txt")} == {*EVERY, "weeks-colour-100"}
