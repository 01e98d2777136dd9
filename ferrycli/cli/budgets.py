"""`ferry budgets`: what may be spent, by whom, and what happens on the way there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli import budget_money, budget_shown, budget_terms
from ferrycli.cli.budget_money import AsJson, Named, Period
from ferrycli.cli.terminal import Terminal, now_us, wrapped
from ferrycli.cli.tree import Misused, explained, group, terminal_of

if TYPE_CHECKING:
    from ferrycli.settings import Settings
    from ferrycli.store.planning import BudgetPlan, BudgetSet, Limits

app = group("Set, show and check what may be spent.")

PerMinute = Annotated[int | None, typer.Option(metavar="N", min=0, help="0: no limit.")]


@app.command(
    "set",
    help=explained(
        "Set what may be spent, and what happens on the way there. A running server follows at"
        " once.",
        "ferry budgets set tenant=acme --limit 50/month",
        'ferry budgets set tenant=acme --limit 50/month --at "50% notify ops" --at "100% block"',
        "ferry budgets set assistant=bot,thread=* --limit 2/total --at '100% block'",
        "ferry budgets set provider=openai --limit 500/7d --mode expected",
        "ferry budgets set feature=chat --rpm 60 --parallel 4",
        more="A budget is named by selector and period, and by --zone where there are several: that"
        " one is changed, another is made beside it and counts back to the start of its window."
        " Without --at: tell at 50 %, take the cheaper route at 80 %, block at 100 %."
        " `ferry help selectors` and `ferry help periods` show what SELECTOR and --limit take.",
        codes=(3, 6),
    ),
)
def set_budget(
    context: typer.Context,
    selector: Named,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="USD[/PERIOD]", help="50/month, 100/7d, 2/total; 80 keeps the period."
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help='"80% downgrade"; repeatable; replaces all rules.'),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="strict|expected|soft",
            help="strict: never over. expected: by what calls probably cost. soft: only tells.",
        ),
    ] = None,
    clamp: Annotated[
        str | None,
        typer.Option(
            metavar="unset|always",
            help="always: lower a caller's output limit that does not fit.",
        ),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="WHO", help="A channel or an address: who is told.")
    ] = None,
    balance: Annotated[
        str | None, typer.Option(metavar="USD", help="Prepaid: this much, then top-ups.")
    ] = None,
    period: Period = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Of its days: Europe/Berlin.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="now", help="Do not count back.")
    ] = None,
    allow_unpriced: Annotated[
        bool | None,
        typer.Option("--allow-unpriced/--no-allow-unpriced", help="Let calls without a price go."),
    ] = None,
    rpm: PerMinute = None,
    tpm: PerMinute = None,
    parallel: PerMinute = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would make; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set a budget."""
    from ferrycli.rules.thresholds import MODES
    from ferrycli.store.planning import CLAMPS, Limits

    terminal = terminal_of(context)
    settings = terminal.settings()
    if since not in (None, "now"):
        raise Misused(f"`--from` takes `now`, not `{since}`", "leave it out to count back")
    if balance is not None and (limit is not None or period is not None or since is not None):
        raise Misused("a balance has no limit and no period", "leave out `--limit`, or `--balance`")
    amount, named = budget_terms.limit(limit, period)
    plan = _plan(
        settings,
        selector,
        limit_nanousd=amount,
        period=named,
        zone=budget_terms.zone(zone),
        rules=budget_terms.rules(at),
        mode=budget_terms.chosen("mode", mode, MODES),
        clamp=budget_terms.chosen("clamp", clamp, CLAMPS),
        owner=budget_terms.owner(owner, settings),
        allow_unpriced=allow_unpriced,
        counts_from_now=since == "now",
        balance_usd=balance,
    )
    limits = Limits(rpm, tpm, parallel)
    if limits and not _has_policy(plan):
        _set_limits(terminal, settings, plan, limits, dry_run=dry_run, as_json=as_json)
        return
    made = _made(settings, plan, limits, dry_run=dry_run)
    _tell_made(terminal, settings, made, limits, as_json=as_json)


def _plan(
    settings: Settings, selector: str, *, balance_usd: str | None, **named: object
) -> BudgetPlan:
    from ferrycli.rules.money import parse_usd
    from ferrycli.store.planning import BudgetPlan, Money

    balance = None if balance_usd is None else Money(parse_usd(balance_usd), "first grant")
    return BudgetPlan(
        selector=budget_terms.selector(selector),
        zone_default=settings.zone.key,
        balance=balance,
        providers=budget_terms.providers(settings),
        channels=budget_terms.channels(settings),
        **named,  # type: ignore[arg-type]
    )


def _has_policy(plan: BudgetPlan) -> bool:
    """Whether something of a budget is named, and not limits alone."""
    said = (plan.limit_nanousd, plan.rules, plan.owner, plan.allow_unpriced, plan.balance)
    named = (plan.period, plan.zone, plan.mode, plan.clamp, plan.counts_from_now)
    return any(one is not None for one in said) or any(named)


def _made(settings: Settings, plan: BudgetPlan, limits: Limits, *, dry_run: bool) -> BudgetSet:
    if dry_run:
        from ferrycli.store import planning, reads

        with reads.opened(settings.database) as connection:
            return planning.tried(connection, plan, now_us())

    from ferrycli.store import budget_changes, limit_changes

    made = budget_changes.set_budget(settings.database, plan)
    if limits:
        limit_changes.set_limits(settings.database, plan.selector, limits, plan.providers)
    return made


def _set_limits(
    terminal: Terminal,
    settings: Settings,
    plan: BudgetPlan,
    limits: Limits,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Limits alone, without a budget."""
    from ferrycli.report.limits import limit_json, limits_words
    from ferrycli.store.reads_limits import LimitRow

    if dry_run:
        raise Misused("limits count nothing back", "leave out `--dry-run`")

    from ferrycli.store import limit_changes

    held = limit_changes.set_limits(settings.database, plan.selector, limits, plan.providers)
    named, pairs = str(plan.selector), plan.selector.pairs
    if as_json:
        row = LimitRow(named, pairs, held.rpm, held.tpm, held.parallel_max)
        terminal.json(limit_json(row))
    else:
        terminal.say(f"{named}: {limits_words(held) or 'no limits any more'}")


def _tell_made(
    terminal: Terminal, settings: Settings, made: BudgetSet, limits: Limits, *, as_json: bool
) -> None:
    """The policy read back in words, and what the counting back makes of it."""
    from ferrycli.report import budget_card as card
    from ferrycli.report.budgets import Sheet, budget_json
    from ferrycli.report.layout import labelled
    from ferrycli.report.limits import limits_words
    from ferrycli.store.reads_budgets import BudgetFacts

    now = now_us()
    told = budget_terms.told(settings, made.terms.owner)
    if as_json:
        facts = BudgetFacts(made.terms, "", now, 0, made.standings, ())
        sheet = Sheet([facts], now, settings.zone, keys=_key_names(settings, made))
        for standing in made.standings or (None,):
            terminal.json(budget_json(sheet, facts, standing) | {"is_kept": made.is_kept})
    else:
        status = settings.values["server.budget_status"]
        limit = card.limit_sentence(made.terms, _granted(made))
        words = limits_words(limits) if limits else ""
        terminal.show(
            [
                *wrapped(card.made_sentence(made), terminal.columns),
                *wrapped(card.counted_sentence(made), terminal.columns),
                "",
                labelled("limit", f"{limit}, {card.resets_words(made.terms, now)}"),
                *card.policy_card(made.terms, told, status),
                *([labelled("limits", words)] if words else []),
            ]
        )
    terminal.say(*_warnings(made, told, has_channels=bool(settings.channels)))


def _key_names(settings: Settings, made: BudgetSet) -> dict[str, str]:
    """Names of keys by id, where the windows are of keys."""
    from ferrycli.rules.selectors import ANY
    from ferrycli.store import reads, reads_budgets

    if ("key", ANY) not in made.terms.subject:
        return {}
    with reads.opened(settings.database) as connection:
        return reads_budgets.key_names(connection)


def _granted(made: BudgetSet) -> int | None:
    return made.standings[0].limit_nanousd if made.terms.is_prepaid else None


def _warnings(made: BudgetSet, told: str, *, has_channels: bool) -> list[str]:
    """What whoever sets a budget should know before the first call."""
    lines = []
    for dimension in made.left_out:
        lines += [
            "",
            f"! some keys let a call leave its {dimension} out: such calls count in no window",
            f"  `ferry keys set NAME --require {dimension}` refuses them",
        ]
    if made.terms.rules and not told and not any(rule.channels for rule in made.terms.rules):
        why = f"{made.terms.owner or 'its owner'} is not one" if has_channels else "none is there"
        lines += [
            "",
            f"! nobody will be told: notices need a channel, and {why}",
            "  write a `[channels.NAME]` and `[alerts] default` into the config",
        ]
    if not made.is_kept:
        lines += ["", "nothing was changed"]
    return lines


app.command("list", help=budget_shown.LIST)(budget_shown.list_budgets)
app.command("show", help=budget_shown.SHOW)(budget_shown.show_budget)
app.command("check", help=budget_shown.CHECK)(budget_shown.check_budgets)
app.command("topup", help=budget_money.TOPUP)(budget_money.topup)
app.command("remove", help=budget_money.REMOVE)(budget_money.remove)
app.command("release-doubt", help=budget_money.RELEASE)(budget_money.release_doubt)
app.command("test", help=budget_money.TEST)(budget_money.test)
