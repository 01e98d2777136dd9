"""`ferry routes explain`: where a call would go now, and why; no call is made."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, terminal_of

INPUT_TOKENS_USUAL = 1_000
TOKENS_MAX = 10_000_000

HELP = explained(
    "Say what would happen to a call now: its targets, the budgets asked, what is held.",
    "ferry routes explain chat --key acme-web",
    "ferry routes explain openai/gpt-5 --key acme-web --tenant acme --priority critical",
    "ferry routes explain chat --key acme-web --input 20000 --max-output 3000 --json",
    more="No call is made and nothing is held. What a running server alone knows is left out: calls"
    " a minute, and whether a circuit's probe is out. Where a budget would refuse the call the exit"
    " code is 0 all the same: that is the answer.",
    codes=(3, 6),
)

Dimension = Annotated[str | None, typer.Option(metavar="VALUE", help="As the call would say it.")]


def explain(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="What the call asks for: a route or a model.")
    ],
    key: Annotated[str, typer.Option(metavar="NAME", help="The key that it is made with.")],
    tenant: Dimension = None,
    user: Dimension = None,
    assistant: Dimension = None,
    thread: Dimension = None,
    feature: Dimension = None,
    priority: Annotated[
        str | None, typer.Option(metavar="P", help="critical, normal or background.")
    ] = None,
    route: Annotated[
        str | None, typer.Option(metavar="ROUTE", help="As X-Ferry-Route would name it.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A tag; repeatable.")
    ] = None,
    input: Annotated[
        int, typer.Option(metavar="TOKENS", help="How long the request is, as estimated.")
    ] = INPUT_TOKENS_USUAL,
    max_output: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="The limit that the request sets.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="It asks for a stream.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object a line.")] = False,
) -> None:
    """Say what would happen to a call now."""
    said = {
        "tenant": tenant,
        "user": user,
        "assistant": assistant,
        "thread": thread,
        "feature": feature,
        "priority": priority,
        "route": route,
        "tags": ",".join(tag) if tag else None,
    }
    _check(priority, input, max_output)
    terminal = terminal_of(context)
    settings = terminal.settings()

    from ferrycli.setup.explaining import Question
    from ferrycli.setup.explaining import explained as explained_now

    question = Question(
        model,
        key,
        {name: value for name, value in said.items() if value is not None},
        input,
        max_output,
        stream,
    )
    value = explained_now(settings, question, now_us())
    if as_json:
        from ferrycli.report.explain import explain_json

        terminal.json(explain_json(value))
        return
    from ferrycli.cli.route_terms import found
    from ferrycli.report.explain import explain_lines

    assignments = {one.id: one for one in found(settings).assignments}
    keys = {value.wanted.key.id: value.wanted.key.name}
    terminal.show(
        explain_lines(value, settings.zone, terminal.width, assignments=assignments, keys=keys)
    )


def _check(priority: str | None, input: int, max_output: int | None) -> None:
    from ferrycli.rules.attribution import PRIORITIES
    from ferrycli.rules.errors import BadField, ConfigBadValue

    if priority is not None and priority not in PRIORITIES:
        raise BadField("priority", priority, PRIORITIES)
    for flag, value, least in (("--input", input, 0), ("--max-output", max_output, 1)):
        if value is not None and not least <= value <= TOKENS_MAX:
            wanted = f"tokens, {least} to {TOKENS_MAX:,}"
            raise ConfigBadValue(f"flag {flag}", flag.lstrip("-"), str(value), wanted)
