"""`ferry`: the tree of commands, and the one frame in which errors become words and exit codes."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

import ferrycli
from ferrycli.cli import (
    audit,
    budgets,
    calls,
    config,
    db,
    demo,
    keys,
    models,
    prices,
    report,
    routes,
    serve,
    threads,
    topics,
)
from ferrycli.cli.terminal import COLORS, Terminal
from ferrycli.cli.tree import CONTEXT, show_help_alone, terminal_of

if TYPE_CHECKING:
    from ferrycli.rules.errors import FerryError

GLOBAL_WITH_VALUE = ("--config", "--db", "--color")
GLOBAL_FLAGS = ("--debug", "--ascii")

app = typer.Typer(
    help=ferrycli.__doc__,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    invoke_without_command=True,
)
app.command("serve", help=serve.HELP)(serve.serve)
app.add_typer(keys.app, name="keys")
app.add_typer(budgets.app, name="budgets")
app.add_typer(calls.app, name="calls")
app.command("report", help=report.HELP)(report.report)
app.command("demo", help=demo.HELP)(demo.demo)
app.add_typer(threads.app, name="threads")
app.add_typer(routes.app, name="routes")
app.add_typer(prices.app, name="prices")
app.command("models", help=models.HELP)(models.models)
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.command("audit", help=audit.HELP)(audit.audit)
app.add_typer(topics.app, name="help")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"ferry {ferrycli.__version__}\n")
        raise typer.Exit(0)


@app.callback()
def ferry(
    context: typer.Context,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="The config file; else FERRY_CONFIG.")
    ] = None,
    db: Annotated[
        str | None, typer.Option(metavar="PATH", help="The database; else FERRY_DATABASE.")
    ] = None,
    color: Annotated[
        str, typer.Option(metavar="auto|always|never", help="Colours; `always`: also in a pipe.")
    ] = "auto",
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="Draw with plain characters alone.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Options that every command takes, before or after its name."""
    terminal = terminal_of(context)
    terminal.config, terminal.database = config, db
    terminal.ascii, terminal.debug = ascii_only, debug
    if color not in COLORS:
        from ferrycli.rules.errors import BadField

        raise BadField("colour mode", color, COLORS)
    terminal.color = color
    show_help_alone(context)


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line (default: the process's); its exit code. Never raises."""
    # Closed by whoever started us: what would be said goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    terminal = Terminal()
    given = list(sys.argv[1:] if arguments is None else arguments)
    terminal.debug = "--debug" in given
    try:
        command = typer.main.get_command(app)
        code = command.main(_hoisted(given), prog_name="ferry", standalone_mode=False, obj=terminal)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (BrokenPipeError, SystemExit):
        # Whoever read had enough: Typer leaves for no other reason. What is still buffered must
        # not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return 0
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return 130
    except typer.TyperException as error:
        return _tell_usage(terminal, error)
    except Exception as error:  # noqa: BLE001  # The outermost frame of the process.
        return _tell(terminal, error)


def _hoisted(arguments: Sequence[str]) -> list[str]:
    """Global options in front, wherever before a `--` they were written."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for one in waiting:
        if one == "--":
            rest += [one, *waiting]
        elif one in GLOBAL_WITH_VALUE:
            front += [one, *([value] if (value := next(waiting, None)) is not None else [])]
        elif one in GLOBAL_FLAGS or one.partition("=")[0] in GLOBAL_WITH_VALUE:
            front.append(one)
        else:
            rest.append(one)
    return front + rest


def _tell(terminal: Terminal, error: Exception) -> int:
    """Say what went wrong; the exit code."""
    from ferrycli.rules.errors import FerryError
    from ferrycli.rules.phrases import plain, ticked

    if terminal.debug:
        traceback.print_exception(error)
    if isinstance(error, FerryError):
        return _tell_ferry(terminal, error)
    reason = plain(str(error))
    sentence = f"ferry stopped with {ticked(type(error).__name__)}"
    _print_error(
        terminal,
        f"{sentence}: {reason}" if reason else sentence,
        "" if terminal.debug else "`--debug` shows where",
    )
    return 1


def _tell_ferry(terminal: Terminal, error: FerryError) -> int:
    from ferrycli.rules.words import words

    said = words(error)
    _print_error(terminal, said.sentence, said.hint, said.picture)
    return error.exit_code


def _tell_usage(terminal: Terminal, error: typer.TyperException) -> int:
    from ferrycli.rules.phrases import plain

    sentence = plain(error.format_message()).replace("'", "`")
    sentence = re.sub(r"is not a valid int(eger)?( range)?$", "is no whole number", sentence)
    sentence = re.sub(r"is not a valid float( range)?$", "is no number", sentence)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "ferry"
    hint = getattr(error, "hint", f"`{path} --help` shows what it takes")
    _print_error(terminal, sentence, hint)
    return error.exit_code


def _print_error(terminal: Terminal, sentence: str, hint: str, picture: Sequence[str] = ()) -> None:
    sys.stdout.flush()
    shown = ["", *(f"  {line}" for line in picture)] if picture else []
    if not terminal.is_coloured(sys.stderr):
        terminal.say(f"error: {sentence}", *shown, *(["", f"hint: {hint}"] if hint else []))
        return
    from rich.text import Text

    lines = [Text.assemble(("error:", "bold red"), " ", sentence), *(Text(one) for one in shown)]
    if hint:
        lines += [Text(""), Text.assemble(("hint:", "bold cyan"), " ", hint)]
    terminal.say(*lines)
