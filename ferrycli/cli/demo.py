"""`ferry demo`: see it work, without a provider, a key or a database of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.report import report
from ferrycli.cli.tree import explained, terminal_of

HELP = explained(
    "Run a server on a scratch database, make calls through it, and show the report.",
    "ferry demo",
    "ferry demo --once",
    more="Answers are simulated: no real provider and no real database is ever used.",
)


def demo(
    context: typer.Context,
    once: Annotated[  # noqa: ARG001  # The only form so far; scripts may name it.
        bool, typer.Option("--once", help="Calls, report, exit: what it does without it too.")
    ] = False,
) -> None:
    """Make calls through a real server and show the report."""
    from ferrycli.setup.demo import demonstrated

    terminal = terminal_of(context)
    with demonstrated() as (database, answered, refused):
        terminal.say(f"{answered} calls answered, {refused} refused or failed; all simulated")
        terminal.database = str(database)
        report(context, by="tenant,feature", since="today", as_json=False)
