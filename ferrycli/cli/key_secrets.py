"""`ferry keys rotate` and `boost`: another secret, or more money for a time, for the same key."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli import budget_money, budget_terms
from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, terminal_of

Name = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, or its id.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]

ROTATE = explained(
    "Give a key another secret. Its id, budgets, limits and reports stay.",
    "ferry keys rotate acme-web",
    "ferry keys rotate acme-web --grace 24h",
    more="The new secret is shown once. With --grace the old one opens that much longer, so that"
    " clients can be moved; without, it ends at once.",
    codes=(3, 6),
)
BOOST = explained(
    "Raise a key's own limit for a time.",
    "ferry keys boost acme-web +20",
    "ferry keys boost acme-web +20 --until friday",
    more="Without --until: until the window of now ends. Of a key with a balance alone it is a"
    " top-up, which expires then.",
    codes=(3, 6),
)


def rotate(
    context: typer.Context,
    name: Name,
    grace: Annotated[
        str | None, typer.Option(metavar="TIME", help="So long the old one opens too: 24h.")
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="The secret, and nothing else.")] = False,
) -> None:
    """Give a key another secret."""
    import sys

    from ferrycli.report.times import iso, local

    terminal = terminal_of(context)
    settings = terminal.settings()
    until = budget_terms.deadline("grace", grace, settings, now_us())
    budget_money.existing(settings)

    from ferrycli.store import changes

    made = changes.rotate_key(settings.database, name, until)
    if as_json:
        terminal.json(
            {
                "schema": "ferry.key_secret/1",
                "id": made.id,
                "name": made.name,
                "secret": made.secret,
                "last4": made.last4,
                "previous_until": iso(until),
            }
        )
        return
    old = "The old one ends now."
    if until is not None:
        old = f"The old one opens until {local(until, settings.zone)} {settings.zone.key}."
    sentence = (
        f"Rotated key {made.name}. The secret is shown once; ferry keeps only its hash. {old}"
    )
    if quiet:
        terminal.write(made.secret)
    elif not sys.stdout.isatty():
        terminal.say(sentence)
        terminal.write(made.secret)
    else:
        from ferrycli.cli.terminal import wrapped

        # Without indent, so that a triple click copies a line and nothing else.
        terminal.show([*wrapped(sentence, terminal.width), "", made.secret, ""])


def boost(
    context: typer.Context,
    name: Name,
    amount: Annotated[str, typer.Argument(metavar="USD", help="What to add: +20.")],
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="24h, friday, or 2027-01-01.")
    ] = None,
    period: budget_money.Period = None,
    zone: budget_money.Zone = None,
    as_json: AsJson = False,
) -> None:
    """Raise a key's own limit for a time."""
    terminal = terminal_of(context)
    settings = terminal.settings()
    nanousd = budget_money.added_amount(amount)
    ends = budget_terms.deadline("until", until, settings, now_us())
    named, zone = budget_money.period_named(period), budget_terms.zone(zone)
    budget_money.existing(settings)

    from ferrycli.store import grant_changes

    added = grant_changes.boost(settings.database, name, nanousd, ends, named, zone)
    budget_money.tell_added(terminal, settings, added, as_json=as_json)
