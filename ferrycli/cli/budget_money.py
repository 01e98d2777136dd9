"""`ferry budgets topup`, `remove`, `release-doubt` and `test`: what is done to one budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferrycli.cli import budget_terms
from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import check_agreed, explained, terminal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferrycli.report.budgets import Sheet
    from ferrycli.settings import Settings
    from ferrycli.store.grant_changes import Added
    from ferrycli.store.reads import Connection
    from ferrycli.store.reads_budgets import AlertRow, BudgetFacts
    from ferrycli.store.reads_limits import LimitRow

AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]
Named = Annotated[str, typer.Argument(metavar="SELECTOR", help="tenant=acme, or a key's name.")]
Period = Annotated[
    str | None,
    typer.Option(metavar="PERIOD", help="Which one, where there are several: month, 7d."),
]
Zone = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Which one, where there are several: Europe/Berlin."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
EFFECT = "this changes what may be spent"

TOPUP = explained(
    "Add to a balance.",
    'ferry budgets topup acme-web 20 --note "invoice 4711"',
    "ferry budgets topup tenant=acme 100 --expires 2027-01-01 --id pay_8842",
    more="The same --id again adds nothing and says what was added then. What expires is drawn"
    " first.",
    codes=(3, 6),
)
REMOVE = explained(
    "Remove a budget. What it counted stays recorded; calls are no longer bounded by it.",
    "ferry budgets remove tenant=acme",
    "ferry budgets remove tenant=acme --period day --yes",
    more="Limits per minute and at once stay; where there is no budget, they are removed.",
    codes=(3, 6),
)
RELEASE = explained(
    "Set free what is in doubt: what calls without reported usage may have cost beyond their"
    " estimate.",
    "ferry budgets release-doubt tenant=acme",
    "ferry budgets release-doubt thread=th_9f2c --yes",
    more="Of the window of now. The promise never to be over ends with it: what providers bill"
    " beyond the estimates is over.",
    codes=(3, 6),
)
TEST = explained(
    "Send a sample notice to everybody who would be told.",
    "ferry budgets test tenant=acme",
    more="Nothing is written into the database.",
    codes=(3, 6),
)


def about(
    connection: Connection, text: str, now: int, *, is_exact: bool = False
) -> list[BudgetFacts]:
    """Budgets of the selector that `text` writes, or of a `*` the one value that it names.

    `is_exact`: of this selector and no other. Raises `NoSuchBudget` or `NoSuchKey`.
    """
    there, _ = known(connection, text, now, is_exact=is_exact, is_of_money=True)
    return there


def known(
    connection: Connection,
    text: str,
    now: int,
    *,
    is_exact: bool = False,
    is_of_money: bool = False,
    is_wide: bool = False,
) -> tuple[list[BudgetFacts], list[LimitRow]]:
    """As `about`, with the limits beside them; limits alone will do, unless `is_of_money`.

    `is_wide`: where nothing is found, also windows of budgets that name more than `text` does.
    """
    from ferrycli.rules.errors import NoSuchBudget
    from ferrycli.rules.selectors import Selector
    from ferrycli.store import reads_budgets, reads_limits, selecting

    found = selecting.chosen(connection, budget_terms.selector(text))
    pairs = Selector(found.pairs)
    look = reads_budgets.of_selector if is_exact else reads_budgets.about
    there = look(connection, pairs, now)
    limits = reads_limits.limits_about(connection, pairs, is_exact=is_exact)
    if not there and not limits and is_wide:
        there = reads_budgets.around(connection, pairs, now)
    if not there and (is_of_money or not limits):
        raise NoSuchBudget(str(found.selector), "", reads_budgets.selectors(connection))
    return there, limits


def details_json(sheet: Sheet, facts: BudgetFacts, alerts: Sequence[AlertRow]) -> dict[str, Any]:
    """What `show` gives beyond a line of the list: grants, and notices by their own names."""
    from ferrycli.report.times import iso

    used = "used_nanousd" if facts.terms.is_prepaid else "spent_nanousd"
    return {
        "grants": [
            {
                "id": one.id,
                "kind": one.kind,
                "external_id": one.external_id,
                "amount_nanousd": one.amount_nanousd,
                "remaining_nanousd": one.remaining_nanousd,
                "note": one.note,
                "created_at": iso(one.created_at),
                "expires_at": iso(one.expires_at),
                "is_usable": one.is_usable(sheet.now_us),
            }
            for one in facts.grants
        ],
        "alerts": [
            {
                "subject": one.subject,
                "window_start": iso(one.window_start or None),
                "threshold": one.threshold,
                "limit_nanousd": one.limit_nanousd,
                used: one.spent_nanousd,
                "action": one.action,
                "created_at": iso(one.created_at),
                "state": one.state,
                "told_at": iso(one.told_at),
            }
            for one in alerts
        ],
    }


def exhausted(settings: Settings, sheet: Sheet) -> frozenset[tuple[str, str]]:
    """Budget and subject of windows that have refused a call for money that is spent."""
    from ferrycli.store import reads, reads_budgets

    with reads.opened(settings.database) as connection:
        return reads_budgets.exhausted(connection, sheet.budgets)


def topup(
    context: typer.Context,
    selector: Named,
    amount: Annotated[str, typer.Argument(metavar="USD", help="What to add: 20.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="What it was for.")] = "",
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="90d, friday, or 2027-01-01.")
    ] = None,
    external_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Your number of it: never added twice.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Add to a balance."""
    terminal = terminal_of(context)
    settings = terminal.settings()
    wanted = budget_terms.selector(selector)
    nanousd = added_amount(amount)
    ends = budget_terms.deadline("expires", expires, settings, now_us())
    existing(settings)

    from ferrycli.store import grant_changes

    added = grant_changes.topup(settings.database, wanted, nanousd, note, ends, external_id)
    tell_added(terminal, settings, added, as_json=as_json)


def added_amount(text: str) -> int:
    """Nano-dollars of `20` or `+20`. Raises `BadAmount`."""
    from ferrycli.rules.money import parse_usd

    return parse_usd(text.strip().removeprefix("+"))


def existing(settings: Settings) -> None:
    """Raises `NoDatabase`: what changes something that is there must not make a file."""
    from ferrycli.rules.errors import NoDatabase

    if not settings.database.exists():
        raise NoDatabase(str(settings.database))


def tell_added(terminal: Terminal, settings: Settings, added: Added, *, as_json: bool) -> None:
    """What a top-up or a boost has made."""
    from ferrycli.report.budget_card import limit_sentence
    from ferrycli.report.periods import when
    from ferrycli.report.times import iso, local
    from ferrycli.rules.money import usd

    if as_json:
        terminal.json(
            {
                "schema": "ferry.grant/1",
                "id": added.grant_id,
                "selector": added.budget.selector,
                "amount_nanousd": added.amount_nanousd,
                "created_at": iso(added.created_at),
                "expires_at": iso(added.expires_at),
                "balance_nanousd": added.balance_nanousd,
                "is_new": added.is_new,
            }
        )
        return
    selector = added.budget.selector
    if not added.is_new:
        at = local(added.created_at, settings.zone)
        terminal.say(f"{usd(added.amount_nanousd)} was added to {selector} already, {at}")
        terminal.say("nothing was changed")
        return
    ends = ""
    if added.expires_at is not None:
        ends = f" until {when(added.expires_at, now_us(), settings.zone)}"
    if added.budget.is_prepaid:
        left = usd(added.balance_nanousd)
        terminal.say(f"added {usd(added.amount_nanousd)} to {selector}{ends}: {left} is left")
    else:
        limit = limit_sentence(added.budget)
        terminal.say(f"added {usd(added.amount_nanousd)} to {selector}{ends}, on top of {limit}")


def remove(
    context: typer.Context,
    selector: Named,
    period: Period = None,
    zone: Zone = None,
    yes: Yes = False,
) -> None:
    """Remove a budget, or limits alone."""
    from ferrycli.report.budget_card import limit_sentence
    from ferrycli.report.limits import limits_words
    from ferrycli.store import reads, reads_budgets

    terminal = terminal_of(context)
    settings = terminal.settings()
    wanted = budget_terms.selector(selector)
    named, zone = period_named(period), budget_terms.zone(zone)
    is_one = bool(named or zone)
    with reads.opened(settings.database) as connection:
        there, limits = known(connection, selector, now_us(), is_exact=True, is_of_money=is_one)
        found = reads_budgets.one_of(there, wanted, named, zone) if there else None
    if found is None:
        _remove_limits(terminal, settings, limits[0], yes=yes)
        return
    granted = found.fullest.limit_nanousd if found.terms.is_prepaid and found.fullest else None
    said = f"{found.terms.selector}, {limit_sentence(found.terms, granted)}"
    check_agreed(terminal, f"Remove the budget of {said}?", EFFECT, yes=yes)

    from ferrycli.store import budget_changes

    named = reads_budgets.period_named(found.terms)
    removed = budget_changes.remove_budget(settings.database, wanted, named, found.terms.zone)
    terminal.say(f"removed the budget of {removed.terms.selector}; what it counted stays recorded")
    for limit in limits:
        terminal.say(f"its limits stay: {limits_words(limit)}")


def _remove_limits(terminal: Terminal, settings: Settings, limit: LimitRow, *, yes: bool) -> None:
    from ferrycli.report.limits import limits_words
    from ferrycli.rules.selectors import Selector

    question = f"Remove the limits of {limit.selector}, {limits_words(limit)}?"
    check_agreed(terminal, question, "this changes how fast calls may come", yes=yes)

    from ferrycli.store import limit_changes
    from ferrycli.store.planning import Limits

    limit_changes.set_limits(settings.database, Selector(limit.pairs), Limits(0, 0, 0))
    terminal.say(f"removed the limits of {limit.selector}")


def period_named(text: str | None) -> str:
    """A canonical period, `balance`, or empty where none was named. Raises `BadBudget`."""
    from ferrycli.rules.windows import parse_period

    if text is None or text == "balance":
        return text or ""
    return parse_period(text)


def release_doubt(context: typer.Context, selector: Named, yes: Yes = False) -> None:
    """Set doubt free."""
    from ferrycli.rules.money import usd
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    with reads.opened(settings.database) as connection:
        found = about(connection, selector, now_us())
    doubt = sum(one.doubt for facts in found for one in facts.standings)
    if not doubt:
        terminal.say(f"nothing is in doubt of {found[0].terms.selector}; nothing was changed")
        return
    question = f"Set {usd(doubt)} of {found[0].terms.selector} free, though it may have been spent?"
    check_agreed(terminal, question, EFFECT, yes=yes)

    from ferrycli.store import grant_changes

    released = 0
    for facts in found:
        # A selector of one value of a `*` frees that window alone.
        one = facts.standings[0].subject if len(facts.standings) == 1 else None
        released += grant_changes.release_doubt(settings.database, facts.terms.id, one)
    terminal.say(f"set {usd(released)} of {found[0].terms.selector} free")


def test(context: typer.Context, selector: Named) -> None:
    """Send a sample notice."""
    from ferrycli.setup.notice_sample import send_sample
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    with reads.opened(settings.database) as connection:
        found = about(connection, selector, now_us())
    tried = send_sample(settings, found[0].terms, now_us())
    if not tried:
        terminal.say(
            "nobody would be told: no channel is configured",
            "",
            "hint: write a `[channels.NAME]` and `[alerts] default` into the config",
        )
        raise typer.Exit(1)
    for one in tried:
        terminal.say(f"{'✓' if one.is_delivered else '!'} {one.said}")
    if not all(one.is_delivered for one in tried):
        raise typer.Exit(1)
