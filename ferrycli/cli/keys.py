"""`ferry keys`: who may call, on whose account, and up to how much."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli import budget_terms, key_secrets, key_terms
from ferrycli.cli.key_terms import MoneyTerms, Terms
from ferrycli.cli.terminal import Terminal, now_us, wrapped
from ferrycli.cli.tree import Misused, check_agreed, explained, group, terminal_of

if TYPE_CHECKING:
    from ferrycli.report.keys import KeyFacts, Told
    from ferrycli.settings import Settings

app = group("Make, change and end keys.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, or its id.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]

Tenant = Annotated[str | None, typer.Option(metavar="T", help="Pin the tenant.")]
User = Annotated[str | None, typer.Option(metavar="U", help="Pin the user.")]
Assistant = Annotated[str | None, typer.Option(metavar="A", help="Pin the assistant.")]
Thread = Annotated[str | None, typer.Option(metavar="T", help="Pin the thread.")]
Feature = Annotated[str | None, typer.Option(metavar="F", help="Pin the feature.")]
Priority = Annotated[
    str | None, typer.Option(metavar="P", help="Pin the priority: critical, normal, background.")
]
Default = Annotated[
    list[str] | None,
    typer.Option(metavar="DIM=VALUE", help="Use VALUE where the call says nothing; repeatable."),
]
Require = Annotated[
    list[str] | None, typer.Option(metavar="DIM", help="Refuse calls without it; repeatable.")
]
Deny = Annotated[
    list[str] | None, typer.Option(metavar="DIM", help="Ignore what calls say; repeatable.")
]
Model = Annotated[
    list[str] | None, typer.Option(metavar="GLOB", help="Allow only these models; repeatable.")
]
Budget = Annotated[
    str | None,
    typer.Option(metavar="USD/PERIOD", help="day, week, month, total, 7d or 36h: 50/month."),
]
Balance = Annotated[
    str | None, typer.Option(metavar="USD", help="Prepaid: this much, then top-ups.")
]
At = Annotated[
    list[str] | None,
    typer.Option(metavar="RULE", help='"80% downgrade"; repeatable; replaces all rules.'),
]
Mode = Annotated[
    str | None, typer.Option(metavar="strict|expected|soft", help="How its budget holds.")
]
Clamp = Annotated[
    str | None,
    typer.Option(metavar="unset|always", help="always: lower an output limit that does not fit."),
]
Rpm = Annotated[int | None, typer.Option(metavar="N", min=0, help="Calls a minute; 0: any.")]
Tpm = Annotated[int | None, typer.Option(metavar="N", min=0, help="Tokens a minute; 0: any.")]
Parallel = Annotated[int | None, typer.Option(metavar="N", min=0, help="Calls at once; 0: any.")]
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="90d, friday, or a date: 2027-01-01.")
]
Owner = Annotated[str | None, typer.Option(metavar="TEXT", help="Who answers for it.")]


@app.command(
    "create",
    help=explained(
        "Make a key. Its secret is shown once; only its hash is kept.",
        "ferry keys create --tenant acme --feature chat --budget 50/month",
        "ferry keys create ci --tenant acme --model 'openai/gpt-*' --expires 90d",
        "ferry keys create web --require user --default feature=chat --json",
        "ferry keys create trial --balance 20 --rpm 60",
        more="Without NAME the key is called after its tenant and feature. Where stdout is no"
        " terminal, the secret alone goes there.",
        codes=(6,),
    ),
)
def create_key(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="What to call it.", show_default=False)
    ] = None,
    tenant: Tenant = None,
    user: User = None,
    assistant: Assistant = None,
    thread: Thread = None,
    feature: Feature = None,
    priority: Priority = None,
    default: Default = None,
    require: Require = None,
    deny: Deny = None,
    model: Model = None,
    budget: Budget = None,
    balance: Balance = None,
    at: At = None,
    mode: Mode = None,
    clamp: Clamp = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    expires: Expires = None,
    owner: Owner = None,
    role: Annotated[
        str, typer.Option(metavar="call|read|admin", help="What the key is for.")
    ] = "call",
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="The secret, and nothing else.")] = False,
) -> None:
    """Make a key."""
    pins = _pins(tenant, user, assistant, thread, feature, priority)
    money = MoneyTerms(balance, at, mode, clamp, rpm, tpm, parallel)
    terms = Terms(pins, default, require, deny, model, budget, expires, owner, money)
    terminal = terminal_of(context)
    settings = terminal.settings()
    plan = key_terms.plan(terms, name, role, settings, now_us())

    from ferrycli.store import changes

    made = changes.create_key(settings.database, plan)
    facts = _facts(settings, made.id)
    if as_json:
        from ferrycli.report.keys import key_json

        terminal.json(key_json(facts, now_us()) | {"secret": made.secret})
    elif quiet:
        terminal.write(made.secret)
    else:
        _tell_created(terminal, settings, facts, made.secret)


@app.command(
    "list",
    help=explained(
        "List keys, with what each has spent of its budget.",
        "ferry keys list",
        "ferry keys list --json",
        codes=(6,),
    ),
)
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """List keys."""
    from ferrycli.report.keys import ROW_HEADING, KeyFacts, key_fields, key_json, keys_table
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.store import reads, reads_budgets

    terminal = terminal_of(context)
    settings = terminal.settings()
    now = now_us()
    try:
        with reads.opened(settings.database) as connection:
            budgets = reads_budgets.budgets(connection, now)
            every = [KeyFacts.at(row, budgets) for row in reads.keys(connection)]
    except NoDatabase:
        every = []
    if not every:
        create = "ferry keys create --tenant acme --feature chat --budget 50/month"
        terminal.say("no keys yet", "", f"hint: make one with `{create}`")
    elif as_json:
        for facts in every:
            terminal.json(key_json(facts, now))
    elif not terminal.shows_tables:
        terminal.rows(ROW_HEADING, map(key_fields, every))
    else:
        terminal.show(keys_table(every, now, terminal.width))


@app.command(
    "show",
    help=explained(
        "Show one key: what it may do and what it has spent.",
        "ferry keys show acme-chat",
        "ferry keys show acme-chat --json",
        codes=(3, 6),
    ),
)
def show_key(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one key."""
    terminal = terminal_of(context)
    settings = terminal.settings()
    facts = _facts(settings, name)
    _show(terminal, settings, facts, as_json=as_json)


@app.command(
    "set",
    help=explained(
        "Change a key. A running server follows at once.",
        "ferry keys set acme-chat --budget 80/month",
        "ferry keys set acme-chat --require user --name acme-web",
        "ferry keys set acme-chat --default tenant= --any-model --no-expiry",
        more="What is not named stays. An empty default, such as --default tenant=, lets calls"
        " say the dimension freely again. Another period is a new budget; it counts back to the"
        " start of its window.",
        codes=(3, 6),
    ),
)
def set_key(
    context: typer.Context,
    name: Name,
    new_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Call it so from now on.")
    ] = None,
    tenant: Tenant = None,
    user: User = None,
    assistant: Assistant = None,
    thread: Thread = None,
    feature: Feature = None,
    priority: Priority = None,
    default: Default = None,
    require: Require = None,
    deny: Deny = None,
    model: Model = None,
    any_model: Annotated[bool, typer.Option("--any-model", help="Allow every model.")] = False,
    budget: Budget = None,
    balance: Balance = None,
    at: At = None,
    mode: Mode = None,
    clamp: Clamp = None,
    no_budget: Annotated[
        bool, typer.Option("--no-budget", help="Remove its budgets, a balance too.")
    ] = False,
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    expires: Expires = None,
    no_expiry: Annotated[bool, typer.Option("--no-expiry", help="Never expire.")] = False,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Change a key."""
    pins = _pins(tenant, user, assistant, thread, feature, priority)
    money = MoneyTerms(balance, at, mode, clamp, rpm, tpm, parallel)
    ends = (any_model, no_budget, no_expiry)
    terms = Terms(pins, default, require, deny, model, budget, expires, owner, money, *ends)
    terminal = terminal_of(context)
    settings = terminal.settings()
    edit = key_terms.edit(terms, new_name, settings, now_us())

    from ferrycli.rules.errors import BudgetAmbiguous
    from ferrycli.store import changes

    if not edit.policy and edit == changes.KeyEdit(zone=edit.zone, policy=edit.policy):
        raise Misused("nothing to change was named", "`ferry keys set --help` shows what can be")
    try:
        changed = changes.edit_key(_existing(settings), name, edit)
    except BudgetAmbiguous as several:
        several.command = "ferry budgets set"
        raise
    _show(terminal, settings, _facts(settings, changed), as_json=as_json)


@app.command(
    "revoke",
    help=explained(
        "End a key at once, for good. Calls in flight go on; what it spent stays recorded.",
        "ferry keys revoke acme-chat",
        "ferry keys revoke acme-chat --yes",
        codes=(3, 6),
    ),
)
def revoke_key(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a key."""
    terminal = terminal_of(context)
    settings = terminal.settings()
    row = _facts(settings, name).row
    if row.revoked_at is not None:
        terminal.say(f"key `{row.name}` is revoked already")
        return
    question = f"Revoke key {row.name} (fk_…{row.last4})? It cannot be undone."
    check_agreed(terminal, question, "a key ends for good", yes=yes)

    from ferrycli.store import changes

    changes.revoke_key(settings.database, row.id)
    terminal.say(f"key `{row.name}` is revoked; a running server refuses it from now on")


app.command("rotate", help=key_secrets.ROTATE)(key_secrets.rotate)
app.command("boost", help=key_secrets.BOOST)(key_secrets.boost)


def _pins(
    tenant: str | None,
    user: str | None,
    assistant: str | None,
    thread: str | None,
    feature: str | None,
    priority: str | None,
) -> dict[str, str]:
    """The dimensions that are pinned, in the order in which they are listed everywhere."""
    every = {
        "tenant": tenant,
        "user": user,
        "assistant": assistant,
        "thread": thread,
        "feature": feature,
        "priority": priority,
    }
    return {name: value for name, value in every.items() if value is not None}


def _existing(settings: Settings) -> Path:
    """The database's path. Raises `NoDatabase`: changing a key must not make a file."""
    from ferrycli.rules.errors import NoDatabase

    if not settings.database.exists():
        raise NoDatabase(str(settings.database))
    return settings.database


def _facts(settings: Settings, name: str) -> KeyFacts:
    from ferrycli.report.keys import KeyFacts
    from ferrycli.store import reads, reads_budgets

    with reads.opened(settings.database) as connection:
        row = reads.key(connection, name)
        return KeyFacts.at(row, reads_budgets.of_key(connection, row.id, now_us()))


def _show(terminal: Terminal, settings: Settings, facts: KeyFacts, *, as_json: bool) -> None:
    from ferrycli.report.keys import key_card, key_json

    if as_json:
        terminal.json(key_json(facts, now_us()))
    else:
        status = settings.values["server.budget_status"]
        terminal.show(key_card(facts, now_us(), status, _told(settings), settings.zone))


def _told(settings: Settings) -> Told:
    """From an owner to who gets the notices."""
    return functools.partial(budget_terms.told, settings)


def _tell_created(terminal: Terminal, settings: Settings, facts: KeyFacts, secret: str) -> None:
    from ferrycli.cli.calls import base_url
    from ferrycli.report.keys import created_sentence, terms_lines

    sentence = created_sentence(facts)
    status = settings.values["server.budget_status"]
    terms = list(terms_lines(facts, now_us(), status, _told(settings), settings.zone))
    if not sys.stdout.isatty():
        terminal.say(sentence, "", *terms)
        terminal.write(secret)
        return
    # Without indent, so that a triple click copies a line and nothing else.
    terminal.show(
        [
            *wrapped(sentence, terminal.width), "", secret, "", *terms, "", "Use it", "",
            f"export OPENAI_BASE_URL={base_url(settings)}",
            f"export OPENAI_API_KEY={secret}",
            "",
            f"  ferry keys show {facts.row.name}",
        ]
    )  # fmt: skip
