"""`ferry models`: every model that can be called now, with what it costs and what leads to it."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, terminal_of

HELP = explained(
    "List every model that can be called now: where, for how much, by which routes.",
    "ferry models",
    "ferry models --search claude",
    "ferry models --key acme-web --json",
    more="Of each provider with a credential, the models that its list in the config, the price"
    " catalogue or a price of your own names. Dollars per million tokens, without long-context"
    " steps and tiers: `ferry prices show MODEL` has those.",
    codes=(3, 6),
)


def models(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only what this key may call.")
    ] = None,
    search: Annotated[
        str, typer.Option(metavar="TEXT", help="Only with these words in the name.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object a line.")] = False,
) -> None:
    """List every model that can be called now."""
    from ferrycli.report.models import ROW_HEADING, model_fields, model_json, models_table
    from ferrycli.rules.phrases import listed as named
    from ferrycli.rules.phrases import ticked
    from ferrycli.setup.models import listed

    terminal = terminal_of(context)
    found = listed(terminal.settings(), key, now_us())
    words = search.lower().split()
    entries = [one for one in found.entries if all(word in one.id.lower() for word in words)]
    if as_json:
        for one in entries:
            terminal.json(model_json(one))
    elif not entries:
        wanted = f" with {ticked(search)} in its name" if words else ""
        terminal.say(f"no model{wanted} can be called")
    elif terminal.shows_tables:
        terminal.show(models_table(entries, terminal.width))
    else:
        terminal.rows(ROW_HEADING, map(model_fields, entries))
    if found.without_key:
        terminal.say("", f"! left out, for want of a key: {named(found.without_key)}")
