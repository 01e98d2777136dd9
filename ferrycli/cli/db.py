"""`ferry db`: where the database is, what it holds, and whether it is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli.terminal import Terminal, now_us
from ferrycli.cli.tree import explained, group, terminal_of

if TYPE_CHECKING:
    from ferrycli.store.reads import Status

app = group("Find, describe and check the database.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command("path", help=explained("Print where the database is.", "ferry db path"))
def show_path(context: typer.Context) -> None:
    """Print where the database is."""
    terminal = terminal_of(context)
    terminal.write(str(terminal.settings().database))


@app.command(
    "status",
    help=explained(
        "Show what the database holds, and which server was seen last.",
        "ferry db status",
        "ferry db status --json",
        codes=(6,),
    ),
)
def show_status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what the database holds."""
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    path = str(settings.database)
    try:
        with reads.opened(settings.database) as connection:
            status = reads.status(connection)
    except NoDatabase:
        terminal.say(
            f"no database yet at `{path}`",
            "",
            "hint: `ferry serve` and `ferry keys create` make it",
        )
        return
    if as_json:
        terminal.json(_status_json(path, status))
    else:
        _tell_status(terminal, path, status)


def _status_json(path: str, status: Status) -> dict[str, object]:
    from ferrycli.report.times import iso

    return {
        "schema": "ferry.database/1",
        "path": path,
        "bytes": status.page_bytes,
        "calls": status.calls,
        "calls_open": status.calls_open,
        "keys": status.keys,
        "first_call_at": iso(status.first_call_at),
        "last_call_at": iso(status.last_call_at),
        "migrations": list(status.migrations),
        "server": status.instance,
        "heartbeat_at": iso(status.heartbeat_at),
    }


def _tell_status(terminal: Terminal, path: str, status: Status) -> None:
    from datetime import UTC

    from ferrycli.report.layout import labelled
    from ferrycli.report.times import ago, local

    now = now_us()
    seen = f"{status.instance}, {ago(status.heartbeat_at, now)}" if status.instance else "never"
    lines = [
        labelled("database", path),
        labelled("size", f"{status.page_bytes / 2**20:,.1f} MiB"),
        labelled("calls", f"{status.calls:,}, {status.calls_open:,} in flight"),
        labelled("keys", f"{status.keys:,} not revoked"),
        labelled("server", seen),
        labelled("migrations", ", ".join(status.migrations)),
    ]
    if status.first_call_at is not None and status.last_call_at is not None:
        first, last = local(status.first_call_at, UTC), local(status.last_call_at, UTC)
        lines.insert(3, labelled("from", f"{first} to {last} UTC"))
    terminal.show(["", *lines, ""])


@app.command(
    "check",
    help=explained(
        "Check the file, its references, and that every window and every day equals its calls.",
        "ferry db check",
        "ferry db check --json",
        more="Reads one moment and changes nothing; a running server is not held up.",
        codes=(3, 5, 6),
    ),
)
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Check the database."""
    from dataclasses import asdict

    from ferrycli.report.checked import claim_lines
    from ferrycli.store import reads
    from ferrycli.store.audit import checks

    terminal = terminal_of(context)
    settings = terminal.settings()
    with reads.opened(settings.database) as connection:
        found = checks.run(connection)
    is_sound = not any(one.faults for one in found)
    if as_json:
        listed = [asdict(one) for one in found]
        terminal.json({"schema": "ferry.check/1", "is_sound": is_sound, "checks": listed})
    else:
        terminal.show(claim_lines(found))
    if not is_sound:
        raise typer.Exit(5)
