"""`ferry threads`: what to do about a thread that the loop guard stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, group, terminal_of

app = group("Let threads go on that the loop guard stopped.")

GUARDS = {
    "off": "the loop guard is off here, so it stopped nothing",
    "warn": "the loop guard only warns here, so it stopped nothing",
    "block": "",
}
"""What a release does not change, by the setting `guard.loop`."""


@app.command(
    "release",
    help=explained(
        "Let a thread go on that repeated itself: what it sent until now counts no more.",
        "ferry threads release th_9f2c",
        more="The loop guard counts the same request, and the same last message, in a thread;"
        " `ferry config show` has its settings under `guard`. It counts anew from the release on.",
        codes=(3, 6),
    ),
)
def release_thread(
    context: typer.Context,
    thread: Annotated[str, typer.Argument(metavar="THREAD", help="As calls name it.")],
) -> None:
    """Let a thread go on."""
    from ferrycli.rules.clean import safe
    from ferrycli.rules.phrases import ticked
    from ferrycli.store import reads, reads_threads, thread_changes

    terminal = terminal_of(context)
    settings = terminal.settings()
    name = safe(thread)
    window_s = settings.values["guard.window_s"]
    with reads.opened(settings.database) as connection:
        found = reads_threads.recent(connection, name, now_us() - window_s * 1_000_000)
    thread_changes.release_thread(settings.database, name)
    terminal.say(
        f"thread {ticked(name)} is released: {_counted(found.calls)} of the last"
        f" {_span(window_s)} count no more, {found.calls_refused:,} of them refused;"
        " a running server follows at once"
    )
    if note := GUARDS[settings.values["guard.loop"]]:
        terminal.say("", f'hint: {note}; `loop = "block"` in `[guard]` makes it stop threads')


def _counted(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls:,} calls"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
