"""`ferry report`: who spent what."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, terminal_of

HELP = explained(
    "Show who spent what, in a table with shares.",
    "ferry report",
    "ferry report --by tenant,feature --since 7d",
    "ferry report --by model --since 2026-11 --json",
    more="Dimensions: tenant user assistant thread feature provider model route key outcome."
    " Without --since: the last closed week, or this week so far where that is empty.",
    codes=(6,),
)


def report(
    context: typer.Context,
    by: Annotated[
        str, typer.Option(metavar="DIM[,DIM]", help="What to sum by, in this order.")
    ] = "tenant",
    since: Annotated[str | None, typer.Option(metavar="SPAN", help="Which calls.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show who spent what."""
    from ferrycli.cli.calls import say_none
    from ferrycli.report import spending as sheet
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.rules.spans import parse_span
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    names = sheet.dimensions(by)
    now = now_us()
    spans = [parse_span(one, now, settings.zone) for one in _spans(since)]
    span, latest_us = spans[0], None
    rows: list[reads.Sum] = []
    try:
        with reads.opened(settings.database) as connection:
            for span in spans:
                if rows := reads.sums(connection, names, span.since_us, span.until_us):
                    break
            if not rows:
                latest_us = reads.latest_call_at(connection)
    except NoDatabase:
        say_none(terminal, settings, span.label, None)
        return
    spending = sheet.Spending.of(names, span, rows)
    if as_json:
        terminal.json(sheet.spending_json(spending))
    elif not rows:
        say_none(terminal, settings, span.label, latest_us)
    elif not terminal.shows_tables:
        terminal.say(sheet.span_words(span, now, settings.zone))
        terminal.rows(sheet.spending_heading(spending), sheet.spending_fields(spending))
    else:
        is_fallback = span is not spans[0]
        terminal.show(
            sheet.spending_table(
                spending, now, settings.zone, terminal.width, is_fallback=is_fallback
            )
        )


def _spans(since: str | None) -> list[str]:
    """The spans to try, in order: what was asked for, or the last closed week, then this one."""
    return ["last-week", "this-week"] if since is None else [since]
