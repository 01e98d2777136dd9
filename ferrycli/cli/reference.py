"""`docs/cli.md`, made from the tree of commands; a test compares the page with this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from ferrycli.cli.main import app
from ferrycli.cli.tree import EXIT_CODES

_HEAD = """\
# Commands

Made from the commands themselves by `ferrycli/cli/reference.py`; a test keeps the two equal.

Data goes to stdout, sentences to stderr. A terminal gets tables and cards; a pipe gets rows of
tabs with whole names and every place of an amount, no colour, and `--json` gives versioned
objects. `NO_COLOR`, `FORCE_COLOR`, `TERM=dumb` and `COLUMNS` are honoured.
"""


def reference() -> str:
    """The whole page."""
    root: Any = typer.main.get_command(app)
    parts = [_HEAD, _codes(), "## Options of every command\n", *_table(root)]
    for path, command in _leaves(root, "ferry"):
        parts += _section(path, command)
    return "\n".join(parts).rstrip() + "\n"


def _codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Commands that do something, each with all its words, in the order of the help."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from _leaves(child, f"{path} {name}")
        else:
            yield f"{path} {name}", child


def _section(path: str, command: Any) -> Iterator[str]:
    sentence, examples, *more = command.help.split("\n\n")
    lines = [line.strip() for line in examples.splitlines()[2:]]
    usual = "Exit codes: 0, 1, 2 and 130"
    yield f"## {path}\n\n{sentence}\n\n```sh\n" + "\n".join(lines) + "\n```\n"
    for paragraph in more:
        if not paragraph.startswith("Exit codes"):
            yield f"{paragraph}\n"
    own = [text for text in more if text.startswith("Exit codes")]
    yield (own[0].replace("Exit codes:", f"{usual};") if own else usual) + ".\n"
    yield from _table(command)


def _table(command: Any) -> Iterator[str]:
    rows = [_row(parameter) for parameter in command.params]
    if rows:
        yield "| argument or option | meaning |\n|---|---|"
        yield from rows
        yield ""


def _row(parameter: Any) -> str:
    name = parameter.metavar or parameter.name
    if parameter.param_type_name == "option":
        name = ", ".join(parameter.opts)
        if parameter.metavar:
            name += f" {parameter.metavar}"
    default = parameter.default
    meaning = parameter.help or ""
    if default not in (None, False, "", ()) and not callable(default):
        meaning += f" Default: {default}."
    return f"| `{name.replace('|', chr(92) + '|')}` | {meaning} |"
