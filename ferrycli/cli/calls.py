"""`ferry calls`: what was called, by whom, and what each call cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import explained, group, terminal_of

if TYPE_CHECKING:
    from ferrycli.settings import Settings

app = group("Show single calls and what each cost.")

LIMIT_DEFAULT = 50

AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


@app.command(
    "list",
    help=explained(
        "List calls, the latest first.",
        "ferry calls list",
        "ferry calls list --where 'tenant=acme and cost>0.10'",
        "ferry calls list --since today --where 'outcome!=ok' --limit 500",
        "ferry calls list --since 2026-11-16..2026-11-18 --json",
        more="`ferry help periods` and `ferry help filters` show what --since and --where take.",
    ),
)
def list_calls(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="SPAN", help="Which calls.")] = "24h",
    where: Annotated[
        str | None, typer.Option(metavar="FILTER", help="Of these, only what it says.")
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=10**9, help="At most so many.")
    ] = LIMIT_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List calls, the latest first."""
    from itertools import chain

    from ferrycli.report.calls import ROW_HEADING, call_fields, calls_table
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.rules.filters import parse_filter
    from ferrycli.rules.spans import parse_span
    from ferrycli.store import reads
    from ferrycli.store.reads_receipts import call_json

    terminal = terminal_of(context)
    settings = terminal.settings()
    now = now_us()
    span = parse_span(since, now, settings.zone)
    wanted = None if where is None else parse_filter(where)
    try:
        with reads.opened(settings.database) as connection:
            rows = reads.calls(connection, span.since_us, span.until_us, limit, wanted)
            first = next(rows, None)
            if first is None:
                say_none(terminal, settings, span.label, reads.latest_call_at(connection), where)
            elif as_json:
                for row in chain([first], rows):
                    terminal.json(call_json(row))
            elif not terminal.shows_tables:
                terminal.rows(ROW_HEADING, map(call_fields, chain([first], rows)))
            else:
                shown = [first, *rows]
                terminal.show(calls_table(shown, settings.zone, terminal.width))
                is_cut = len(shown) == limit
                note = f" · the latest {limit}, more with --limit" if is_cut else ""
                terminal.say("", f"  {span.label} · {settings.zone.key}{note}")
    except NoDatabase:
        say_none(terminal, settings, span.label, None)


@app.command(
    "show",
    help=explained(
        "Show one call: tokens, rates, cost, attempts, times, and whom it belongs to, and why.",
        "ferry calls show c_01JD8Z4M2R",
        "ferry calls show c_01JD8Z4M2R --json",
        more="Any beginning of an id that only one call has is enough.",
        codes=(3, 6),
    ),
)
def show_call(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The call's id, or its beginning.")],
    as_json: AsJson = False,
) -> None:
    """Show one call."""
    from ferrycli.report.call_card import call_card
    from ferrycli.store import reads
    from ferrycli.store.reads_receipts import corrections, lines, tries, whole

    terminal = terminal_of(context)
    settings = terminal.settings()
    with reads.opened(settings.database) as connection:
        row = reads.call(connection, id)
        if as_json:
            terminal.json(whole(connection, row))
            return
        tried, said = tries(connection, row.seq), corrections(connection, row.seq)
        billed = lines(connection, row.seq)
        budget = next((one for one in reads.budgets(connection) if one.id == row.budget_id), None)
    terminal.show(call_card(row, tried, said, budget, settings.zone, terminal.width, billed))


@app.command(
    "correct",
    help=explained(
        "Say what a call truly cost, where a provider's bill is another.",
        "ferry calls correct c_01JD8Z4M2R --cost 0.1234 --note 'invoice of November'",
        more="Every budget that the call counts in moves with it, and nothing of it is in doubt any"
        " more. The row stays as it was settled; the correction stands beside it.",
        codes=(3, 6),
    ),
)
def correct_call(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The call's id, or its beginning.")],
    cost: Annotated[str, typer.Option(metavar="USD", help="The whole of what it cost.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="How that is known.")] = "",
    as_json: AsJson = False,
) -> None:
    """Correct a call's cost."""
    from dataclasses import asdict

    from ferrycli.cli.budget_money import existing
    from ferrycli.rules.clean import safe
    from ferrycli.rules.money import parse_usd, usd_full
    from ferrycli.store.call_changes import correct_call as correct

    terminal = terminal_of(context)
    settings = terminal.settings()
    cost_nanousd = parse_usd(cost)
    existing(settings)
    made = correct(settings.database, id, cost_nanousd, safe(note))
    if as_json:
        terminal.json({"schema": "ferry.correction/1", **asdict(made)})
        return
    was = "unpriced" if made.was_nanousd is None else usd_full(made.was_nanousd)
    if not made.is_new:
        terminal.say(f"{made.id} cost {was} already; nothing was changed")
        return
    doubt = f"; {usd_full(made.doubt_nanousd)} is in doubt no more" if made.doubt_nanousd else ""
    terminal.say(f"{made.id} cost {usd_full(cost_nanousd)}, was {was}{doubt}")


def say_none(
    terminal: Terminal,
    settings: Settings,
    span: str,
    latest_us: int | None,
    where: str | None = None,
) -> None:
    """Say that the span holds no calls, and how to make one or where the latest is."""
    from ferrycli.report.times import local
    from ferrycli.rules.phrases import path_ticked, ticked

    if latest_us is not None and where is not None:
        terminal.say(
            f"no calls in {ticked(span)} where {ticked(where)}",
            "",
            "hint: look further back with `--since 7d`, or ask for less: `ferry help filters`",
        )
        return
    if latest_us is not None:
        terminal.say(
            f"no calls in {ticked(span)}; the latest began {local(latest_us, settings.zone)}"
            f" {settings.zone.key}",
            "",
            "hint: look further back, such as with `--since 7d`",
        )
        return
    where_to = (
        "" if settings.database.exists() else f": no database at {path_ticked(settings.database)}"
    )
    terminal.say(f"no calls yet{where_to}", "", *first_call(settings))


def first_call(settings: Settings) -> list[str]:
    """How to make a first call: the base URL and a line to copy, without indent."""
    url = base_url(settings)
    body = '{"model":"sim/small","messages":[{"role":"user","content":"hello"}]}'
    return [
        f"Point an OpenAI client at {url}, or try it:",
        "",
        f"curl -s {url}/chat/completions \\",
        "  -H 'Authorization: Bearer fk_demo' \\",
        "  -H 'Content-Type: application/json' \\",
        f"  -d '{body}'",
        "",
        "`ferry serve` has to run; where a provider is set up, use a key of your own",
    ]


def base_url(settings: Settings) -> str:
    """Where OpenAI clients reach a server with these settings."""
    # A server that listens on every address is reached on this machine by its loopback.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/v1"
