"""`docs/cli.md` is what the commands say, and every example can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ferrycli.cli.reference import reference
from tests.rules.test_words import parse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
EXAMPLES = re.findall(r"^ferry .*$", reference(), re.MULTILINE)


def test_the_page_is_made_from_the_commands() -> None:
    written = PAGE.read_text("utf-8")
    assert written == reference(), "write it anew: python -m tests.cli.test_reference"


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_typed(example: str) -> None:
    parse(shlex.split(example)[1:])


@pytest.mark.parametrize(
    "command",
    ["serve", "report", "db path", "db status", "db check"]
    + [f"keys {verb}" for verb in ("create", "list", "show", "set", "revoke")]
    + [f"calls {verb}" for verb in ("list", "show")]
    + [f"prices {verb}" for verb in ("set", "list", "show")]
    + [f"config {verb}" for verb in ("show", "check", "path")],
)
def test_every_command_has_its_section_and_an_example(command: str) -> None:
    section = reference().split(f"\n## ferry {command}\n")[1].split("\n## ")[0]
    assert f"\nferry {command}" in section
    assert "Exit codes: 0, 1, 2 and 130" in section


if __name__ == "__main__":
    PAGE.write_text(reference(), "utf-8")
