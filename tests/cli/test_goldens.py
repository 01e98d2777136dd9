"""What a person sees, as files under `goldens/`: FERRY_GOLDENS=1 writes them anew."""

from __future__ import annotations

import os

import pytest

from tests.cli.driver import Ferry, golden

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
}


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_what_it_was(filled: Ferry, name: str) -> None:
    columns, arguments = SCREENS[name]
    said = filled(*arguments, columns=columns, environment={"NO_COLOR": "1"})
    assert said.code == 0, said.err
    seen = f"$ ferry {' '.join(arguments)}\n{said.out}"
    if said.err:
        seen += f"--- stderr\n{said.err}"
    assert seen == golden(f"{name}.txt", seen, rewrites=REWRITES)


@pytest.mark.parametrize("name", [name for name, (columns, _) in SCREENS.items() if columns])
def test_no_line_of_a_screen_is_wider_than_it(name: str) -> None:
    columns, _ = SCREENS[name]
    text = golden(f"{name}.txt", "", rewrites=False)
    shown = [line for line in text.splitlines()[1:] if not line.startswith("export ")]
    assert [line for line in shown if len(line) > columns] == []


def test_every_golden_is_a_screen_of_some_test() -> None:
    from tests.cli.driver import GOLDENS

    assert {path.stem for path in GOLDENS.glob("*.txt")} == set(SCREENS)
