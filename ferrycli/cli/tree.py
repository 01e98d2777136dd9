"""Groups of commands and the text of their help: one sentence, then examples, then options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import typer

from ferrycli.cli.terminal import Terminal

CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 100}


def group(sentence: str) -> typer.Typer:
    """A group of commands that shows its help where no command follows."""
    app = typer.Typer(
        help=sentence,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
        invoke_without_command=True,
    )

    @app.callback()
    def alone(context: typer.Context) -> None:
        show_help_alone(context)

    return app


def show_help_alone(context: typer.Context) -> None:
    """Print the group's help and leave, if no command was given."""
    if context.invoked_subcommand is None:
        terminal_of(context).write(context.get_help())
        raise typer.Exit(0)


def explained(sentence: str, *examples: str, more: str = "", codes: Sequence[int] = ()) -> str:
    """A command's help: what it does, examples to copy, what options do not say, exit codes.

    `codes`: those besides 0, 1, 2 and 130, which every command may give.
    """
    # \b keeps the lines of a paragraph as they are.
    parts = [sentence, "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)]
    parts += [more] if more else []
    if codes:
        parts.append("Exit codes: " + ", ".join(f"{code} {EXIT_CODES[code]}" for code in codes))
    return "\n\n".join(parts)


EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "usage or config",
    3: "not found",
    4: "no credential",
    5: "a check did not hold",
    6: "server or database out of reach",
    130: "interrupted",
}


class Misused(typer.TyperException):
    """A command line that can be read and makes no sense; `hint` names what would."""

    exit_code = 2

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


def terminal_of(context: typer.Context) -> Terminal:
    """The terminal that `run` put into the context."""
    return cast(Terminal, context.obj)


def check_agreed(terminal: Terminal, question: str, effect: str, *, yes: bool) -> None:
    """Ask whether it shall be done, and leave with 1 if not. `yes`: that is said already.

    Raises `Misused`, which names the `effect`, where nobody is there to ask.
    """
    if yes:
        return
    if not terminal.asks:
        raise Misused(f"{effect}, and nobody is there to ask", "say it with `--yes`")
    if not typer.confirm(question, err=True):
        terminal.say("nothing was changed")
        raise typer.Exit(1)
