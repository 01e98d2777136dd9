"""`ferry serve`: run the gateway until a signal."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.tree import explained, terminal_of

HELP = explained(
    "Run the gateway.",
    "ferry serve",
    "ferry serve --listen 127.0.0.1:8080",
    "ferry --db ./ferry.db serve",
    more="Providers come from the config file and from variables such as OPENAI_API_KEY; with"
    " none, a simulated provider answers.",
    codes=(4, 6),
)


def serve(
    context: typer.Context,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where to listen; port 0: a free one.")
    ] = "",
) -> None:
    """Run the gateway."""
    from ferrycli.setup.serving import serve as serve_until_signal

    settings = terminal_of(context).settings(listen=listen)
    raise typer.Exit(serve_until_signal(settings))
