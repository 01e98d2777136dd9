"""`ferry config`: what is configured, whether that is sound, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferrycli.cli.terminal import Terminal
from ferrycli.cli.tree import explained, group, terminal_of

if TYPE_CHECKING:
    from ferrycli.report.checked import Checked

app = group("Show, check and find the config.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command(
    "show",
    help=explained(
        "Show every option with its value and where that comes from.",
        "ferry config show",
        "ferry config show --json",
        "ferry --db ./ferry.db config show",
        more="Of keys and of other secrets only where they come from is shown, never the value.",
    ),
)
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every option."""
    from ferrycli.report import config
    from ferrycli.setup.configured import config_facts

    terminal = terminal_of(context)
    facts = config_facts(terminal.settings())
    if as_json:
        terminal.json(config.config_json(facts))
    elif terminal.shows_tables:
        terminal.show(config.config_table(facts, terminal.width))
    else:
        terminal.rows(config.ROW_HEADING, config.config_rows(facts))


@app.command(
    "check",
    help=explained(
        "Read the config and every provider's key, and say whether that is sound.",
        "ferry config check",
        "ferry config check --json",
        more="Keys and what channels need are read, not sent; `ferry serve --check` asks the"
        " providers, and `ferry budgets test` the channels.",
        codes=(4, 5),
    ),
)
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Check the config."""
    from ferrycli.report.checked import exit_code_of
    from ferrycli.setup.configured import check_config

    terminal = terminal_of(context)
    things, providers = check_config(terminal.settings())
    tell_checked(terminal, "ferry.config-check/1", things, providers, as_json=as_json)
    if code := exit_code_of([*things, *providers]):
        raise typer.Exit(code)


def tell_checked(
    terminal: Terminal,
    schema: str,
    things: Sequence[Checked],
    providers: Sequence[Checked],
    *,
    as_json: bool,
    headline: str = "",
) -> None:
    """What was looked at: lines under a verdict, rows of tabs, or an object of `schema`."""
    from rich.text import Text

    from ferrycli.report import checked

    every = [*things, *providers]
    if as_json:
        code = checked.exit_code_of(every)
        told: dict[str, Any] = {"schema": schema, "is_sound": code == 0, "exit_code": code}
        for name, group_of in (("checks", things), ("providers", providers)):
            told[name] = [checked.checked_json(one) for one in group_of]
        terminal.json(told)
    elif terminal.shows_tables:
        lines = [Text(""), Text(f"  {headline}{checked.verdict(every)}", "bold"), Text("")]
        lines += checked.checked_lines(things, terminal.width)
        if providers:
            lines += [Text(""), *checked.provider_lines(providers, terminal.width, "check")]
        terminal.show([*lines, Text("")])
    else:
        terminal.rows(checked.ROW_HEADING, [checked.checked_fields(one) for one in every])


@app.command(
    "path",
    help=explained(
        "Print where the config file is.",
        "ferry config path",
        more="Where there is none: where it is looked for, and a word on stderr.",
    ),
)
def show_path(context: typer.Context) -> None:
    """Print where the config file is."""
    from ferrycli import settings

    terminal = terminal_of(context)
    path = settings.config_path(settings.system(), terminal.config_named)
    terminal.write(str((path or settings.default_config_path()).absolute()))
    if path is None:
        terminal.say("there is no such file: options are their defaults, or come from variables")
    elif not path.exists():
        terminal.say("there is no such file")
