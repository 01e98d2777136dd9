"""`ferry budgets list`, `show` and `check`: what is bounded, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli import budget_money, budget_terms
from ferrycli.cli.budget_money import AsJson, Named
from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, terminal_of

if TYPE_CHECKING:
    from ferrycli.report.budgets import Sheet
    from ferrycli.settings import Settings

LIST = explained(
    "List budgets: what is spent, held and left, and when it runs out at this pace; and limits.",
    "ferry budgets list",
    "ferry budgets list --json",
    more="Of a budget with `*` the fullest are shown; --json has a line for each.",
    codes=(6,),
)
SHOW = explained(
    "Show one budget: its policy in words, its windows, what was added, who was told.",
    "ferry budgets show tenant=acme",
    "ferry budgets show thread=th_9f2c",
    "ferry budgets show tenant=acme --json",
    more="A word alone is a key's name. One value of a `*` shows that window, also"
    " of a budget that names more than that.",
    codes=(3, 6),
)
CHECK = explained(
    "Check that no budget is at its limit; leave with 5 where one is.",
    "ferry budgets check",
    "ferry budgets check tenant=acme --at 80",
    more="What is in doubt counts, as it does against the limit.",
    codes=(3, 5, 6),
)


def list_budgets(context: typer.Context, as_json: AsJson = False) -> None:
    """List budgets and limits."""
    from ferrycli.report import budgets as report
    from ferrycli.report.limits import limit_json, limits_table

    terminal = terminal_of(context)
    settings = terminal.settings()
    sheet = _sheet(settings)
    if not sheet.budgets and not sheet.limits:
        hint = "make one with `ferry budgets set tenant=acme --limit 50/month`"
        terminal.say("no budgets yet", "", f"hint: {hint}")
    elif as_json:
        for facts, standing in report.lines_of(sheet):
            terminal.json(report.budget_json(sheet, facts, standing))
        for limit in sheet.limits:
            terminal.json(limit_json(limit))
    elif not terminal.shows_tables:
        rows = [report.budget_fields(sheet, *one) for one in report.lines_of(sheet)]
        terminal.rows(report.ROW_HEADING, [*rows, *map(report.limit_fields, sheet.limits)])
    else:
        if sheet.budgets:
            lines = report.budgets_table(sheet, terminal.width)
            terminal.show([*lines, "", *report.notes(sheet, lines[0].plain)])
        if sheet.limits:
            between = [""] if sheet.budgets else []
            terminal.show([*between, *limits_table(sheet.limits, terminal.width)])


def _sheet(settings: Settings, selector: str | None = None, *, is_of_money: bool = False) -> Sheet:
    """Every budget and limit, or those that are about `selector`; none without a database.

    `is_of_money`: a limit alone is not enough. Raises `NoSuchBudget` where nothing is found.
    """
    from ferrycli.report.budgets import Sheet
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.store import reads, reads_budgets, reads_limits, reads_pace

    now = now_us()
    try:
        with reads.opened(settings.database) as connection:
            if selector is None:
                limits = reads_limits.limits(connection)
                found = reads_budgets.budgets(connection, now)
            else:
                found, limits = budget_money.known(
                    connection, selector, now, is_of_money=is_of_money, is_wide=True
                )
            recent = reads_pace.recent(connection, found, now)
            keys = reads_budgets.key_names(connection)
    except NoDatabase:
        if selector is not None:
            raise
        return Sheet([], now, settings.zone)
    return Sheet(found, now, settings.zone, recent, keys, limits)


def show_budget(context: typer.Context, selector: Named, as_json: AsJson = False) -> None:
    """Show one budget, or limits alone."""
    from ferrycli.report.budget_card import budget_card
    from ferrycli.report.budgets import budget_json
    from ferrycli.report.limits import limit_card, limit_json
    from ferrycli.store import reads, reads_budgets

    terminal = terminal_of(context)
    settings = terminal.settings()
    sheet = _sheet(settings, selector)
    status = settings.values["server.budget_status"]
    with reads.opened(settings.database) as connection:
        for facts in sheet.budgets:
            one_window = facts.standings[0].subject if len(facts.standings) == 1 else None
            alerts = reads_budgets.alerts_of(connection, facts.terms.id, one_window)
            if as_json:
                shown = [budget_json(sheet, facts, one) for one in facts.standings or (None,)]
                more = budget_money.details_json(sheet, facts, alerts)
                for one in shown:
                    terminal.json(one | more)
                continue
            told = budget_terms.told(settings, facts.terms.owner)
            terminal.show(budget_card(sheet, facts, alerts, told, status, terminal.width))
    beside = {facts.terms.subject for facts in sheet.budgets}
    for limit in sheet.limits:
        if as_json:
            terminal.json(limit_json(limit))
        elif limit.pairs not in beside:
            terminal.show(limit_card(limit))


def check_budgets(
    context: typer.Context,
    selector: Annotated[
        str | None,
        typer.Argument(metavar="[SELECTOR]", help="Only these budgets.", show_default=False),
    ] = None,
    at: Annotated[
        int, typer.Option(metavar="PERCENT", min=1, max=1000, help="So much used is too much.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Check budgets."""
    from ferrycli.report import budgets as report

    terminal = terminal_of(context)
    settings = terminal.settings()
    sheet = _sheet(settings, selector, is_of_money=True)
    exhausted = budget_money.exhausted(settings, sheet) if sheet.budgets else frozenset()
    found = [
        (facts, standing)
        for facts, standing in report.lines_of(sheet)
        if standing is not None
        and (report.is_at(standing, at) or (at <= 100 and standing.place in exhausted))
    ]
    if as_json:
        for one in found:
            terminal.json(report.budget_json(sheet, *one))
    elif found:
        terminal.show(report.check_lines(sheet, found))
    count = len(sheet.budgets)
    budgets = f"{count:,} budget{'' if count == 1 else 's'}"
    if found:
        some = len({facts.terms.id for facts, _ in found})
        terminal.say(f"{some:,} of {budgets} at {at} % or above")
        raise typer.Exit(5)
    terminal.say(f"{budgets}, none at {at} %" if count else "no budgets yet")
