"""`ferry audit`: whether the books are true, each invariant of docs/money.md by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, terminal_of

HELP = explained(
    "Check that the books are true: every invariant of money, on every call there is.",
    "ferry audit",
    "ferry audit --json",
    more="Sums every window, balance and total anew from the rows of calls. Reads one moment and"
    " changes nothing; a running server is not held up. A million calls take some seconds.",
    codes=(3, 5, 6),
)


def audit(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check the books."""
    from dataclasses import asdict

    from ferrycli.report.checked import claim_lines
    from ferrycli.store import audit as books
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    with reads.opened(settings.database) as connection:
        found = books.run(connection, now_us(), settings.values["upstream.total_s"])
    faults = sum(len(one.faults) for one in found)
    if as_json:
        listed = [asdict(one) for one in found]
        terminal.json({"schema": "ferry.audit/1", "is_sound": not faults, "checks": listed})
    else:
        terminal.show(claim_lines(found))
    if faults:
        raise typer.Exit(5)
