"""What the completion scripts know: every command, option and argument, and what can stand there.

Read from the tree of commands, like `docs/cli.md`. The scripts in `completions/` are made from
this, one module a shell; a test compares them. `_values` alone says what may follow an option or
stand as an argument: names that only the database has are asked for as `cli/complete.py` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import typer

from ferrycli.cli.main import GLOBAL_FLAGS, GLOBAL_WITH_VALUE, app
from ferrycli.cli.tree import CONTEXT

LEADING_TO_DATABASE = ("--config", "--db")
"""Options that a script passes on when it asks for names."""

HELP = "Show what it does and takes."


@dataclass(frozen=True, slots=True)
class Values:
    """What can stand in one place; nothing of it: anything, so that nothing can be offered."""

    words: tuple[str, ...] = ()
    """One that ends in `=` is begun by it: no space follows."""
    kind: str = ""
    """Names of this kind, from the database."""
    are_files: bool = False
    are_listed: bool = False
    """Several of `words`, with commas between."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One word after the command's own, at its place."""

    metavar: str
    values: Values
    repeats: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One option, under every name that it has."""

    names: tuple[str, ...]
    sentence: str
    metavar: str
    """Empty for a flag."""
    values: Values
    repeats: bool
    stands_alone: bool = False
    """Ends the command, so that nothing more is worth offering."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command with what belongs to it alone; `every_option` has the others."""

    words: tuple[str, ...]
    """After `ferry`, of which it is none."""
    sentence: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...]

    @property
    def path(self) -> str:
        return " ".join(self.words)

    def walk(self) -> Iterator[Command]:
        """This command and all below it, in the order of the help."""
        yield self
        for command in self.commands:
            yield from command.walk()


@dataclass(frozen=True, slots=True)
class Tree:
    """All that can be typed."""

    root: Command
    every_option: tuple[Option, ...]
    """Those that each command takes, wherever they stand."""

    def places(self) -> dict[tuple[str, str], Values | None]:
        """What can stand after an option of a command, or as its argument.

        By path and name, or number from 1 (`*`: that and every further one). The path `*` stands
        for every command that is not listed with the name. None: a flag, which nothing follows.
        """
        named: dict[str, dict[str, Values | None]] = {}
        owners = [("*", self.every_option), *((one.path, one.options) for one in self.root.walk())]
        for path, options in owners:
            for option in options:
                for name in option.names:
                    named.setdefault(name, {})[path] = option.values if option.metavar else None
        found: dict[tuple[str, str], Values | None] = {}
        for name, follows in named.items():
            if len(kinds := set(follows.values())) == 1:
                follows = dict.fromkeys(["*"], *kinds)
            found |= {(path, name): values for path, values in follows.items()}
        for command in self.root.walk():
            for at, argument in enumerate(command.arguments, 1):
                found[command.path, "*" if argument.repeats else str(at)] = argument.values
        return found


def tree() -> Tree:
    """The commands as they stand."""
    known = _values()
    root: Any = typer.main.get_command(app)
    everywhere = {*GLOBAL_FLAGS, *GLOBAL_WITH_VALUE}
    options = [_option(one, known) for one in root.params if not one.hidden]
    helping: Any = CONTEXT["help_option_names"]
    help_option = Option(tuple(helping), HELP, "", Values(), repeats=False, stands_alone=True)
    own = tuple(one for one in options if not everywhere & set(one.names))
    shared = tuple(one for one in options if everywhere & set(one.names))
    return Tree(replace(_command(root, (), known), options=own), (*shared, help_option))


def filled(text: str, parts: dict[str, str]) -> str:
    """A script with each `@NAME@` replaced by its part."""
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def _command(command: Any, words: tuple[str, ...], known: dict[str, Values]) -> Command:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    options = [one for one in shown if one.param_type_name == "option"]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    children = getattr(command, "commands", {}).items()
    return Command(
        words,
        " ".join((command.help or "").split("\n\n")[0].split()),
        tuple(_option(one, known) for one in options),
        tuple(_argument(one, known) for one in arguments),
        tuple(_command(one, (*words, name), known) for name, one in children if not one.hidden),
    )


def _option(parameter: Any, known: dict[str, Values]) -> Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    metavar = "" if parameter.is_flag else parameter.metavar or parameter.name.upper()
    found = (known[name] for name in (*names, metavar) if name in known)
    return Option(
        names,
        " ".join((parameter.help or "").split()),
        metavar,
        next(found, _choices(parameter, metavar)),
        parameter.multiple,
        # Only these are carried out before anything else is read.
        parameter.is_eager,
    )


def _argument(parameter: Any, known: dict[str, Values]) -> Argument:
    metavar = parameter.metavar or parameter.name.upper()
    values = known.get(f"argument {metavar}", _choices(parameter, metavar))
    return Argument(metavar, values, parameter.nargs != 1)


def _choices(parameter: Any, metavar: str) -> Values:
    """The words of `a|b|c`, or of a type that has choices."""
    if re.fullmatch(r"\[?[\w.-]+(\|[\w.-]+)+\]?", metavar):
        return Values(words=tuple(metavar.strip("[]").split("|")))
    return Values(words=tuple(map(str, getattr(parameter.type, "choices", ()))))


def _values() -> dict[str, Values]:
    """What follows an option (by its name, or else its metavar), or stands as an argument."""
    from ferrycli.rules.attribution import POLICED, PRIORITIES
    from ferrycli.rules.selectors import SELECTABLE
    from ferrycli.rules.spans import NAMED
    from ferrycli.rules.windows import PERIODS
    from ferrycli.store.sums import GROUPS

    return {
        "--tenant": Values(kind="tenants"),
        "--user": Values(kind="users"),
        "--assistant": Values(kind="assistants"),
        "--thread": Values(kind="threads"),
        "--feature": Values(kind="features"),
        "--model": Values(kind="models"),
        "--priority": Values(words=PRIORITIES),
        "KEY": Values(kind="keys"),
        "FILE": Values(are_files=True),
        "PATH": Values(are_files=True),
        "PERIOD": Values(words=PERIODS),
        "ROUTE": Values(kind="routes"),
        "SPAN": Values(words=(*NAMED, "24h", "7d")),
        "DIM": Values(words=POLICED),
        "DIM[,DIM]": Values(words=tuple(GROUPS), are_listed=True),
        "DIM=VALUE": Values(words=tuple(f"{name}=" for name in POLICED)),
        "argument NAME": Values(kind="keys"),
        "argument ID": Values(kind="calls"),
        "argument THREAD": Values(kind="threads"),
        "argument SELECTOR": Values(words=tuple(f"{name}=" for name in SELECTABLE)),
        "argument [SELECTOR]": Values(words=tuple(f"{name}=" for name in SELECTABLE)),
        "argument MODEL": Values(kind="models"),
        "argument ROUTE": Values(kind="routes"),
        "argument [ROUTE]": Values(kind="routes"),
        "argument [TARGET]...": Values(kind="models"),
        "argument PROVIDER/MODEL": Values(kind="models"),
        "argument FILE": Values(are_files=True),
        "argument PATH": Values(are_files=True),
    }
