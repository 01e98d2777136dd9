"""`ferry serve`: run the gateway until a signal, or say whether it could."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli.config import tell_checked
from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import Misused, explained, terminal_of

if TYPE_CHECKING:
    from ferrycli.report.checked import Checked
    from ferrycli.settings import Settings

HELP = explained(
    "Run the gateway, or say whether it could run.",
    "ferry serve",
    "ferry serve --listen 127.0.0.1:8080",
    "ferry --db ./ferry.db serve",
    "ferry serve --check",
    "ferry serve --check --json",
    more="Providers come from the config file and from variables such as OPENAI_API_KEY; with"
    " none, a simulated provider answers. A terminal gets a card; elsewhere stderr has one JSON"
    " object a line. --check looks at the config, the database and the address, and asks each"
    " provider for its models with the key that calls would carry (5 s at most); it serves"
    " nothing and changes nothing.",
    codes=(4, 5, 6),
)


def serve(
    context: typer.Context,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where to listen; port 0: a free one.")
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Look at everything that serving needs, and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: one JSON object.")] = False,
) -> None:
    """Run the gateway."""
    terminal = terminal_of(context)
    if as_json and not check:
        raise Misused(
            "`--json` goes with `--check`", "a server whose stderr is no terminal writes JSON lines"
        )
    settings = terminal.settings(listen=listen)
    if check:
        raise typer.Exit(_check(terminal, settings, as_json=as_json))
    from ferrycli.setup.serving import Screen
    from ferrycli.setup.serving import serve as serve_until_signal

    screen = None
    if sys.stderr.isatty():
        screen = Screen(lambda lines: terminal.say(*lines), terminal.columns)
    raise typer.Exit(serve_until_signal(settings, terminal.began_s, screen))


def _check(terminal: Terminal, settings: Settings, *, as_json: bool) -> int:
    """Show what was found; the exit code."""
    from ferrycli.report.checked import exit_code_of
    from ferrycli.setup.checking import check_serving

    things, providers = check_serving(settings, now_us())
    schema, headline = "ferry.serve-check/1", f"{_chance(things)}: "
    tell_checked(terminal, schema, things, providers, as_json=as_json, headline=headline)
    return exit_code_of([*things, *providers])


def _chance(things: Sequence[Checked]) -> str:
    """Whether a server would start now."""
    states = {one.subject: one.state for one in things}
    if "fault" in states.values():
        return "it would not start"
    # Of the database the one note is that it is served.
    return "a server runs already" if states["database"] == "note" else "it would start"
