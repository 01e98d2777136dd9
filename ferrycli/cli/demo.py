"""`ferry demo`: see it work, without a provider, a key or a database of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli.report import Form, show
from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import explained, terminal_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.text import Text

    from ferrycli.setup.demo.scratch import Ending
    from ferrycli.store.reads import CallRow

HELP = explained(
    "Fill a scratch database with four weeks of made-up traffic, and keep calls coming.",
    "ferry demo",
    "ferry demo --once",
    more="Calls go through a real server, over HTTP; answers are simulated. No real provider and no"
    " real database is ever used. Ctrl-C ends it, and nothing of it is left.",
)

HEADING = (
    ("TIME", 8), ("TENANT", 8), ("FEATURE", 13), ("MODEL", 5), ("IN", -6), ("OUT", -4),
    ("USD", -9), ("STATUS", 11),
)  # fmt: skip
"""Columns of a line, and their widths; below 0: a number."""


def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Some calls, then the report of the last week, and end.")
    ] = False,
) -> None:
    """Fill a scratch database and make calls on it."""
    from ferrycli.setup.demo.scratch import Ending

    terminal = terminal_of(context)
    with Ending.heard() as ending:
        if once:
            _once(terminal, ending)
            return
        try:
            _endless(terminal, ending)
        except KeyboardInterrupt:
            # The way to end it, so no failure.
            terminal.say("")


def _once(terminal: Terminal, ending: Ending) -> None:
    from ferrycli.setup.demo import scratch as play

    with play.scratch(now_us(), terminal.settings().zone, ending, _progress) as made:
        with play.serving(made, ending) as server:
            answered, refused = play.drive(made, server)
        terminal.say(f"{answered} calls answered, {refused} refused or failed; all simulated")
        terminal.database = str(made.database)
        show(terminal, by="tenant", form=Form(has_next=False))


def _endless(terminal: Terminal, ending: Ending) -> None:
    from ferrycli.report.calls import ROW_HEADING
    from ferrycli.setup.demo import scratch as play

    zone = terminal.settings().zone
    with (
        play.scratch(now_us(), zone, ending, _progress) as made,
        play.serving(made, ending) as server,
    ):
        terminal.database = str(made.database)
        terminal.say(*_head(terminal, server.address))
        with closing(play.live(made, server)) as rows:
            if terminal.shows_tables:
                terminal.show([_line([name for name, _ in HEADING], "bold")])
                terminal.show(_drawn(row, zone) for row in rows)
            else:
                terminal.rows(ROW_HEADING, _at_once(rows))


def _at_once(rows: Iterable[CallRow]) -> Iterator[list[str | int | None]]:
    """The fields of each row, which whoever reads the pipe gets without waiting for the next."""
    from ferrycli.report.calls import call_fields

    for row in rows:
        yield call_fields(row)
        sys.stdout.flush()


def _progress(done: int, total: int) -> None:
    """How far the weeks are filled, on one line of a terminal that is empty again at the end."""
    if sys.stderr.isatty():
        text = "" if done == total else f"  filling four weeks: {done * 100 // total} %"
        sys.stderr.write(f"\r{text:<40}\r")
        sys.stderr.flush()


def _head(terminal: Terminal, address: str) -> list[str]:
    """Where calls go, and what can be typed in another terminal."""
    from ferrycli.rules.keys import DEMO_SECRET
    from ferrycli.setup.serving import typed

    program, options = typed(terminal.settings())
    ferry = " ".join([program, *options])
    looks = ("report", "report --by feature", "report --by tenant,model", "calls list", "keys list")
    return [
        "",
        "  Four weeks of made-up traffic, and simulated calls that keep coming.",
        f"  Clients may join in at http://{address}/v1",
        f"  with the key {DEMO_SECRET} and the model sim/small.",
        "",
        "  Look at it from another terminal",
        "",
        *(f"    {ferry} {look}" for look in looks),
        "",
        "  Ctrl-C ends it and removes the database.",
        "",
    ]


def _drawn(row: CallRow, zone: tzinfo) -> Text:
    """A call on one line of 80 columns."""
    from ferrycli.report.times import clock
    from ferrycli.rules.money import NANO_PER_USD

    is_counted = row.input_tokens or row.output_tokens
    cost = f"{row.cost_nanousd / NANO_PER_USD:.4f}" if row.cost_nanousd else "–"
    words = [str(row.status or ""), "" if row.outcome == "ok" else row.outcome]
    fields = [
        clock(row.finished_at or row.started_at, zone, has_day=False),
        row.tenant or "(none)",
        row.feature or "(none)",
        row.model or row.requested_model,
        f"{row.input_tokens:,}" if is_counted else "–",
        f"{row.output_tokens:,}" if is_counted else "–",
        f"≈{cost}" if row.cost_source == "estimated" else cost,
        " ".join(word for word in words if word),
    ]
    return _line(fields, "" if row.outcome == "ok" else "red")


def _line(fields: Sequence[str], style: str) -> Text:
    from rich.text import Text

    from ferrycli.report.layout import MARGIN, drawn, middle_cut

    cells = [
        middle_cut(text, width).ljust(width) if width > 0 else text.rjust(-width)
        for text, (_, width) in zip(fields, HEADING, strict=True)
    ]
    return Text.assemble(MARGIN, drawn("  ".join(cells), style), end="")
