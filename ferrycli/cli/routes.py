"""`ferry routes`: names that calls ask for, the targets behind them, and who is moved where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli import budget_terms, explain, route_terms
from ferrycli.cli.route_terms import Terms
from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import check_agreed, explained, group, terminal_of

if TYPE_CHECKING:
    from ferrycli.rules.routes import Assignment
    from ferrycli.settings import Settings

app = group("Say which providers answer which calls, and who is moved where.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]
Name = Annotated[str, typer.Argument(metavar="ROUTE", help="The route's name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command(
    "set",
    help=explained(
        "Make a route, or change one. A running server follows at once.",
        "ferry routes set cheap openai/gpt-5-mini",
        "ferry routes set chat openai/gpt-5 anthropic/claude-sonnet-4-5 --cheaper cheap",
        "ferry routes set chat openai/gpt-5@3 azure/gpt-5@1 --first-byte 30 --deadline 120",
        "ferry routes set chat 'openai/gpt-5 if tenant=acme and used<80' openai/gpt-5-mini",
        "ferry routes set chat --max-output 3000 --no-cheaper --retry not_found",
        more="Calls ask for a route by its name, as their model or in X-Ferry-Route. Targets are"
        " tried in the order in which they are written; with weights (@3) calls are shared out,"
        " and a thread stays at its target. A condition is written as `ferry help filters` says,"
        " over tenant user assistant thread feature key priority model stream input tag:NAME, and"
        " used, the percentage that the fullest budget has used. Targets that are named replace"
        " those that were there; what is not named stays.",
        codes=(3, 6),
    ),
)
def set_route(
    context: typer.Context,
    name: Name,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="PROVIDER/MODEL[@WEIGHT][ if CONDITION].",
            show_default=False,
        ),
    ] = None,
    cheaper: Annotated[
        str | None, typer.Option(metavar="ROUTE", help="For a budget's rule `downgrade`.")
    ] = None,
    no_cheaper: Annotated[bool, typer.Option("--no-cheaper", help="No cheaper route.")] = False,
    free: Annotated[
        str | None, typer.Option(metavar="ROUTE", help="For a budget's rule `free`.")
    ] = None,
    no_free: Annotated[bool, typer.Option("--no-free", help="No free route.")] = False,
    first_byte: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="For a target to begin its answer; 0: as usual."),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="For the whole call, all tries; 0: as usual."),
    ] = None,
    max_output: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="The longest answer; 0: no bound.")
    ] = None,
    sticky: Annotated[
        bool | None,
        typer.Option("--sticky/--no-sticky", help="Whether a thread stays at its target."),
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            metavar="context|not_found|none",
            help="Go on to the next target after this failure too; repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a route, or change one."""
    terms = Terms(
        targets, cheaper, no_cheaper, free, no_free, first_byte, deadline, max_output, sticky, retry
    )
    plan = route_terms.plan(name, terms)
    terminal = terminal_of(context)
    settings = terminal.settings()

    from ferrycli.rules.route_words import warned
    from ferrycli.store import route_changes

    world = route_changes.World(budget_terms.providers(settings), route_terms.card(settings))
    made = route_changes.set_route(settings.database, plan, world)
    if made.before is None:
        terminal.say(f"route `{name}` is made: calls ask for it as their model, `{name}`")
    elif made.before != made.route:
        terminal.say(f"route `{name}` is changed: the next call goes by it")
    else:
        terminal.say(f"route `{name}` is that already")
    for warning in made.warnings:
        terminal.say(f"! {warned(warning)}")
    _show(terminal, settings, name, as_json=as_json)


@app.command(
    "list",
    help=explained(
        "List routes, and who is moved to which.",
        "ferry routes list",
        "ferry routes list --json",
        "ferry routes list --assignments --json",
        codes=(6,),
    ),
)
def list_routes(
    context: typer.Context,
    assignments: Annotated[
        bool, typer.Option("--assignments", help="List assignments alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List routes."""
    terminal = terminal_of(context)
    settings = terminal.settings()
    found = route_terms.found(settings)
    if assignments:
        _list_assignments(terminal, settings, found.assignments, as_json=as_json)
        return
    from ferrycli.report import routes as drawing

    if not found.routes:
        make = "ferry routes set chat PROVIDER/MODEL PROVIDER/MODEL"
        terminal.say("no routes yet: calls go where their model is served", "")
        terminal.say(f"hint: make one with `{make}`")
    elif as_json:
        card = route_terms.card(settings)
        for route in found.routes.values():
            facts = drawing.RouteFacts.of(
                route, found.routes, card, found.assignments, found.health
            )
            terminal.json(drawing.route_json(facts))
    elif not terminal.shows_tables:
        terminal.rows(drawing.ROW_HEADING, map(drawing.route_fields, found.routes.values()))
    else:
        terminal.show(drawing.routes_table(list(found.routes.values()), terminal.width))
    if found.assignments and terminal.shows_tables and not as_json:
        terminal.write()
        _list_assignments(terminal, settings, found.assignments, as_json=False)


def _list_assignments(
    terminal: Terminal, settings: Settings, every: tuple[Assignment, ...], *, as_json: bool
) -> None:
    from ferrycli.report import routes as drawing

    now = now_us()
    if not every:
        terminal.say("nothing is assigned: calls use what they ask for", "")
        terminal.say("hint: move some with `ferry routes assign tenant=acme ROUTE`")
    elif as_json:
        for one in every:
            terminal.json(drawing.assignment_json(one, now))
    elif not terminal.shows_tables:
        terminal.rows(drawing.ASSIGNMENT_HEADING, map(drawing.assignment_fields, every))
    else:
        terminal.show(drawing.assignments_table(every, settings.zone, now, terminal.width))


@app.command(
    "show",
    help=explained(
        "Show one route: its targets by tier, with what each costs.",
        "ferry routes show chat",
        "ferry routes show chat --json",
        codes=(3, 6),
    ),
)
def show_route(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one route."""
    terminal = terminal_of(context)
    _show(terminal, terminal.settings(), name, as_json=as_json)


def _show(terminal: Terminal, settings: Settings, name: str, *, as_json: bool) -> None:
    from ferrycli.report import routes as drawing
    from ferrycli.rules.route_errors import NoSuchRoute

    found = route_terms.found(settings)
    if name not in found.routes:
        raise NoSuchRoute(name, tuple(found.routes))
    facts = drawing.RouteFacts.of(
        found.routes[name],
        found.routes,
        route_terms.card(settings),
        found.assignments,
        found.health,
    )
    if as_json:
        terminal.json(drawing.route_json(facts))
    else:
        terminal.show(drawing.route_card(facts, settings.zone, terminal.width))


app.command("explain", help=explain.HELP)(explain.explain)


@app.command(
    "assign",
    help=explained(
        "Move the calls that match to a route, whatever they ask for. The next call goes there.",
        "ferry routes assign tenant=acme cheap",
        "ferry routes assign 'tenant=acme,feature=chat' cheap --until friday",
        "ferry routes assign feature=report-writer --max-output 3000",
        more="Of several that match, the one with the most pairs counts, then the newest. In a"
        " selector `model` and `route` are what the call asks for. Assigning again replaces;"
        " `ferry routes unassign` takes it back.",
        codes=(3, 6),
    ),
)
def assign(
    context: typer.Context,
    selector: Annotated[
        str, typer.Argument(metavar="SELECTOR", help="Which calls: tenant=acme,feature=chat.")
    ],
    route: Annotated[
        str | None,
        typer.Argument(metavar="[ROUTE]", help="Where they go.", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="7d, friday, or a date: 2027-01-01.")
    ] = None,
    max_output: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="The longest answer.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Move calls to a route."""
    from ferrycli.rules.selectors import parse_selector

    chosen = parse_selector(selector)
    output_max = route_terms.bound(max_output, 1)
    terminal = terminal_of(context)
    settings = terminal.settings()
    until_us = route_terms.until(until, settings)
    names = tuple(one.name for one in budget_terms.providers(settings))

    from ferrycli.store.route_changes import AssignmentPlan
    from ferrycli.store.route_changes import assign as assign_calls

    plan = AssignmentPlan(chosen, route or "", output_max, until_us, names)
    made = assign_calls(settings.database, plan)
    if as_json:
        from ferrycli.report.routes import assignment_json

        terminal.json(assignment_json(made.assignment, now_us()))
        return
    terminal.say(_said(made.assignment, settings))
    if made.before is not None and made.before.route not in ("", made.assignment.route):
        terminal.say(f"before, they used route `{made.before.route}`")


def _said(assignment: Assignment, settings: Settings) -> str:
    """What is assigned, in words."""
    from ferrycli.report.times import local

    parts = [f"use route `{assignment.route}`"] if assignment.route else []
    if assignment.output_max is not None:
        parts.append(f"get answers of at most {assignment.output_max:,} tokens")
    ends = ""
    if assignment.until_us is not None:
        ends = f", until {local(assignment.until_us, settings.zone)}"
    return f"calls of `{assignment.selector_text}` {' and '.join(parts)} from now on{ends}"


@app.command(
    "unassign",
    help=explained(
        "End an assignment: calls use what they ask for again.",
        "ferry routes unassign tenant=acme",
        codes=(3, 6),
    ),
)
def unassign(
    context: typer.Context,
    selector: Annotated[
        str, typer.Argument(metavar="SELECTOR", help="As it was assigned; or the assignment's id.")
    ],
) -> None:
    """End an assignment."""
    from ferrycli.rules.selectors import parse_selector

    named = selector if "=" not in selector else parse_selector(selector)
    terminal = terminal_of(context)
    settings = terminal.settings()
    path = _existing(settings)

    from ferrycli.store.route_changes import unassign as unassign_calls

    ended = unassign_calls(path, named)
    terminal.say(f"calls of `{ended.selector_text}` use what they ask for again")


@app.command(
    "remove",
    help=explained(
        "Remove a route. One that is in use stays, and what uses it is named.",
        "ferry routes remove chat",
        "ferry routes remove chat --yes",
        codes=(3, 6),
    ),
)
def remove_route(context: typer.Context, name: Name, yes: Yes = False) -> None:
    """Remove a route."""
    from ferrycli.rules.route_errors import NoSuchRoute

    terminal = terminal_of(context)
    settings = terminal.settings()
    path = _existing(settings)
    routes = route_terms.found(settings).routes
    if name not in routes:
        raise NoSuchRoute(name, tuple(routes))
    question = f"Remove route {name}? Calls that ask for it are refused."
    check_agreed(terminal, question, "calls that ask for the route would be refused", yes=yes)

    from ferrycli.store.route_changes import remove_route as remove

    remove(path, name)
    terminal.say(f"route `{name}` is removed; a running server refuses it from now on")


def _existing(settings: Settings) -> Path:
    """The database's path. Raises `NoDatabase`: taking away must not make a file."""
    from ferrycli.rules.errors import NoDatabase

    if not settings.database.exists():
        raise NoDatabase(str(settings.database))
    return settings.database
