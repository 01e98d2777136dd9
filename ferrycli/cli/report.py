"""`ferry report`: who spent what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import Misused, explained, terminal_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from ferrycli.report.budget_use import BudgetUse
    from ferrycli.report.spending import Asked, Found, Spending
    from ferrycli.rules.spans import Span
    from ferrycli.store.reads import Connection

ROWS_MAX_DEFAULT = 20

HELP = explained(
    "Show who spent what, beside what it was before.",
    "ferry report",
    "ferry report --by tenant,feature --since 7d",
    "ferry report --by model --where 'tenant=acme and cost>0.01'",
    "ferry report --by user --since 2026-11 --top 50 --csv",
    more="Dimensions: tenant user assistant thread feature provider model route key outcome."
    " Without --since: the last closed week, or this week so far where that is empty."
    " `ferry help periods` and `ferry help filters` show what --since and --where take.",
    codes=(6,),
)


@dataclass(frozen=True, slots=True)
class Form:
    """How the report is given."""

    top: int | None = None
    as_json: bool = False
    as_csv: bool = False
    has_next: bool = True
    """Whether commands that go on from here are named."""


def report(
    context: typer.Context,
    by: Annotated[
        str, typer.Option(metavar="DIM[,DIM]", help="What to sum by, in this order.")
    ] = "tenant",
    since: Annotated[str | None, typer.Option(metavar="SPAN", help="Which calls.")] = None,
    where: Annotated[
        str | None, typer.Option(metavar="FILTER", help="Of these, only what it says.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help=f"So many rows, then the others in one; 0: all. A terminal: {ROWS_MAX_DEFAULT}.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, with a heading.")] = False,
) -> None:
    """Show who spent what."""
    if as_json and as_csv:
        raise Misused("`--json` and `--csv` are two forms", "choose one of them")
    form = Form(top, as_json, as_csv)
    show(terminal_of(context), by=by, since=since, where=where, form=form)


def show(
    terminal: Terminal,
    *,
    by: str,
    since: str | None = None,
    where: str | None = None,
    form: Form | None = None,
) -> None:
    """Answer the question in the form that is wanted."""
    from ferrycli.cli.calls import say_none
    from ferrycli.report import spending as sheets
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.rules.filters import parse_filter
    from ferrycli.rules.spans import before, parse_span, slots
    from ferrycli.store import reads

    form = form or Form()
    settings = terminal.settings()
    zone, now = settings.zone, now_us()
    names = sheets.dimensions(by)
    expression = None if where is None else parse_filter(where)
    # What was asked for; or the last closed week, then this one.
    spans = [parse_span(one, now, zone) for one in (_USUAL if since is None else [since])]

    def asked(span: Span) -> Asked:
        compared = before(span, now, zone)
        is_fallback = span is not spans[0]
        return sheets.Asked(
            names, span, compared, slots(span, zone), where or "", is_fallback, expression
        )

    latest_us: int | None = None
    has_database = True
    question, found = asked(spans[0]), sheets.Found((), ())
    try:
        with reads.opened(settings.database) as connection:
            for question in map(asked, spans):
                if (found := _found(connection, question, now)).now:
                    break
            else:
                latest_us = reads.latest_call_at(connection)
    except NoDatabase:
        has_database = False
    sheet = sheets.spending(question, found)
    is_object = form.as_json or form.as_csv
    if not has_database or not (is_object or sheet.rows):
        say_none(terminal, settings, question.span.label, latest_us, where)
    if is_object or sheet.rows:
        _give(terminal, sheet, form, now, zone)


def _give(terminal: Terminal, sheet: Spending, form: Form, now: int, zone: tzinfo) -> None:
    """The sheet in the form that is wanted; a terminal gets the table, a pipe rows of tabs."""
    from ferrycli.report import spending as sheets
    from ferrycli.report.spending_table import span_words, spending_table

    rows_max = form.top or 0
    if form.as_json:
        terminal.json(sheets.spending_json(sheet, rows_max))
    elif form.as_csv:
        for line in sheets.spending_csv(sheet, rows_max):
            terminal.write(line)
    elif terminal.shows_tables:
        rows_max = ROWS_MAX_DEFAULT if form.top is None else form.top
        ferry = terminal.typed if form.has_next else ""
        terminal.show(
            spending_table(sheet, now, zone, terminal.width, rows_max=rows_max, ferry=ferry)
        )
    else:
        terminal.say(span_words(sheet.span, now, zone))
        terminal.rows(sheets.spending_heading(sheet), sheets.spending_fields(sheet, rows_max))


_USUAL = ("last-week", "this-week")


def _found(connection: Connection, asked: Asked, now: int) -> Found:
    """The sums of the span and of the one before it, and the budgets of the rows."""
    from ferrycli.report.budget_use import uses
    from ferrycli.report.spending import Found
    from ferrycli.store import reads, reads_budgets
    from ferrycli.store.sums import Question, sums

    span, past = asked.span, asked.compared
    rows = sums(
        connection,
        Question(asked.by, span.since_us, span.until_us, asked.expression, asked.slots.edges),
    )
    earlier = sums(connection, Question(asked.by, past.since_us, past.until_us, asked.expression))
    if not rows:
        return Found((), earlier)
    at = min(span.until_us, now) - 1
    budgets = reads_budgets.budgets(connection, at)
    keys = reads.keys(connection)
    found: dict[tuple[str, ...], BudgetUse] = {}
    for depth in range(1, len(asked.by) + 1):
        found |= uses(asked.by[:depth], keys, budgets, at)
    return Found(rows, earlier, found)
