"""The walls of the house: who may import whom and what, and how large a file may grow.

The tables come first, so that moving a wall is one line in a diff; the eye that reads the code
comes after them, and then the tests: ferry as it stands breaks no rule, and each rule bites.
Imports count wherever they are written: at the top, in a function, under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

# A room, and the rooms that it may import. Itself goes without saying.
ROOMS: dict[str, str] = {
    "rules": "",
    "wire": "rules",
    "sim": "rules wire",
    "prices": "rules",
    "settings": "rules",
    "store": "rules",
    "notices": "rules",
    "proxy": "rules wire sim prices store settings notices",
    "report": "rules store prices",
    "top": "rules store",
    "setup": "rules wire sim prices settings store notices proxy report top",
    "cli": "rules wire sim prices settings store notices proxy report top setup",
}

# The floors, from the top. An arrow of the table above never points to a higher one.
FLOORS = ("cli", "setup", "proxy top report", "wire sim prices settings store notices", "rules")

# What lies outside the rooms, and the room that it may import: both ways in to the command line.
DOORS: dict[str, str] = {"__init__.py": "cli", "__main__.py": "cli"}

# These import other rooms inside functions only: a command loads what it needs and no more.
LATE = "cli __init__.py __main__.py"

# A package, and where it may be imported: rooms, or single files of rooms.
PACKAGES: dict[str, str] = {
    "rich": "cli top report",
    "typer": "cli",
    "textual": "top",
    "starlette": "proxy",
    "uvicorn": "proxy",
    "uvloop": "proxy",
    "httptools": "proxy",
    "httpx": "proxy notices",
    "apprise": "notices",
    "botocore": "proxy",
    # Its `Struct` is a frozen record that costs a fifteenth of a dataclass to make: for values that
    # every call makes. Only `wire` decodes with it.
    "msgspec": "wire rules store proxy",
    "genai_prices": "prices",
    "sqlmodel": "store/tables*.py store/migrations.py store/*changes.py",
    "sqlalchemy": "store/tables*.py store/migrations.py store/*changes.py",
    "pydantic": "store/tables.py proxy/admin.py",
    "psycopg": "store",
    "tomlkit": "settings setup",
    "platformdirs": "settings setup",
    "jinja2": "report",
    "duckdb": "report",
    # Devices of the standard library that have one home.
    "sqlite3": "store",
    "smtplib": "notices",
    "tomllib": "settings setup",
}

# Read by every command and on every call: no way leads from here to a package that is slow.
QUICK = "store/reads*.py store/ledger*.py"
SLOW = "sqlmodel sqlalchemy pydantic"

# Rooms that touch no device, and the part of the standard library that touches none either.
PURE = "rules wire sim report"
PURE_STDLIB = frozenset(
    """
    __future__ abc array base64 binascii bisect codecs collections colorsys contextlib copy csv
    dataclasses datetime decimal difflib enum fnmatch fractions functools graphlib hashlib heapq
    hmac html io ipaddress itertools json keyword math numbers operator re statistics string
    struct textwrap types typing unicodedata urllib.parse xml.etree.ElementTree zlib zoneinfo
    """.split()
)
# Called by these names, a clock is read or a file opened.
PURE_CALLS = frozenset("now utcnow today open input print breakpoint".split())
# And of these, even the mention: `default_factory=datetime.now` reads a clock as well.
CLOCKS = frozenset("datetime.now datetime.utcnow datetime.today date.today".split())

FILE_LINES_MAX = 400
BODY_LINES_MAX = 70
TEST_LINES_MAX = 800
NAMES_REFUSED = "utils.py helpers.py common.py base.py"

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a file imports, and how."""

    line: int
    module: str
    in_function: bool
    for_types: bool


@dataclass(frozen=True, slots=True)
class File:
    """One file of `ferrycli/`, with its path from there: `store/reads.py`."""

    path: str
    source: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room it is in; a file that lies in none is a room by its own name."""
        first = self.path.split("/")[0]
        return first.removesuffix(".py") if first.removesuffix(".py") in ROOMS else first

    @property
    def module(self) -> str:
        parts = ["ferrycli", *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def says(self, line: int, rule: str) -> str:
        return f"ferrycli/{self.path}:{line}: {rule}"

    def lies_in(self, places: str) -> bool:
        """Whether this is one of `places`: rooms, or paths that may hold `*`."""
        return any(self.room == place or fnmatchcase(self.path, place) for place in places.split())


class Imports(ast.NodeVisitor):
    """Collects every import of a file, each as an absolute name."""

    def __init__(self, file: File) -> None:
        self.found: list[Import] = []
        self._in_function = False
        self._for_types = False
        is_package = file.path.endswith("__init__.py")
        self._package = file.module if is_package else file.module.rpartition(".")[0]

    def _add(self, node: ast.AST, module: str) -> None:
        line = getattr(node, "lineno", 0)
        self.found.append(Import(line, module, self._in_function, self._for_types))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        origin = node.module or ""
        if node.level:
            parents = self._package.split(".")
            above = parents[: len(parents) - node.level + 1]
            origin = ".".join([*above, *origin.split(".")] if origin else above)
        # `from ferrycli import store` imports a room; `from ferrycli.store import reads` a module.
        for alias in node.names:
            self._add(node, origin if alias.name == "*" else f"{origin}.{alias.name}")

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            match node.args:
                case [ast.Constant(value=str(module)), *_]:
                    self._add(node, module)
                case _:
                    self._add(node, "?")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test).split(".")[-1] != "TYPE_CHECKING":
            self.generic_visit(node)
            return
        before, self._for_types = self._for_types, True
        for child in node.body:
            self.visit(child)
        self._for_types = before
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        before, self._in_function = self._in_function, True
        self.generic_visit(node)
        self._in_function = before

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef


class House:
    """The files of `ferrycli/`, and what each rule has to say about them."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.files = [File(path, text, ast.parse(text)) for path, text in sorted(sources.items())]
        self._modules = {file.module: file for file in self.files}
        self._imports = {file.path: self._read(file) for file in self.files}

    @staticmethod
    def _read(file: File) -> list[Import]:
        eye = Imports(file)
        eye.visit(file.tree)
        return eye.found

    def violations(self) -> list[str]:
        """Each broken rule as `file:line: rule`, in the order of files."""
        found = [*self._cycles(), *self._slow_ways()]
        for file in self.files:
            found += self._places(file)
            found += self._sizes(file)
            for each in self._imports[file.path]:
                found += self._arrows(file, each)
                found += self._packages(file, each)
            if file.lies_in(PURE):
                found += self._devices(file)
        return sorted(found)

    def _places(self, file: File) -> Iterator[str]:
        name = file.path.rpartition("/")[2]
        if file.room not in ROOMS and file.path not in DOORS:
            yield file.says(1, f"`{file.room}` is not a room of the house")
        # The settings were one file until channels of notices came to providers and options, and
        # 400 lines held no more: no room is a single file now.
        if file.room in ROOMS and "/" not in file.path:
            yield file.says(1, f"{file.room} is a room of many files, `{file.room}/`")
        if name in NAMES_REFUSED.split():
            yield file.says(1, f"`{name}` says nothing of what is in it")
        if not ast.get_docstring(file.tree):
            yield file.says(1, "a module says its duty in a docstring")

    def _sizes(self, file: File) -> Iterator[str]:
        lines = len(file.source.splitlines())
        if lines > FILE_LINES_MAX:
            yield file.says(FILE_LINES_MAX + 1, f"{lines} lines in a file of {FILE_LINES_MAX}")
        for node in ast.walk(file.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                has_docstring = ast.get_docstring(node, clean=False) is not None
                body = node.body[1:] if has_docstring else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                if lines > BODY_LINES_MAX:
                    rule = f"{lines} lines in the body of `{node.name}`, of {BODY_LINES_MAX}"
                    yield file.says(node.lineno, rule)

    def _arrows(self, file: File, each: Import) -> Iterator[str]:
        top, _, rest = each.module.partition(".")
        room = rest.split(".")[0]
        if top != "ferrycli" or room not in ROOMS or room == file.room:
            return
        if room not in (DOORS.get(file.path) or ROOMS.get(file.room, "")).split():
            yield file.says(each.line, f"{file.room} may not import {room}")
        elif file.lies_in(LATE) and not each.in_function and not each.for_types:
            yield file.says(each.line, f"{file.room} imports {room} inside functions only")

    def _packages(self, file: File, each: Import) -> Iterator[str]:
        package = each.module.split(".")[0]
        if package == "ferrycli":
            return
        if package == "?":
            if not file.lies_in("cli"):
                yield file.says(each.line, "a module imported by a name that no test can read")
        elif package in PACKAGES:
            if not file.lies_in(PACKAGES[package]):
                rule = f"`{package}` is imported in {PACKAGES[package]}, not in {file.path}"
                yield file.says(each.line, rule)
        elif package not in sys.stdlib_module_names:
            yield file.says(each.line, f"`{package}` has no room in the house")

    def _devices(self, file: File) -> Iterator[str]:
        for each in self._imports[file.path]:
            top = each.module.split(".")[0]
            is_pure = any(f"{each.module}.".startswith(f"{ok}.") for ok in PURE_STDLIB)
            if top in sys.stdlib_module_names and top not in PACKAGES and not is_pure:
                yield file.says(each.line, f"{file.room} is pure: no `{top}`")
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                said = text if ".".join(text.split(".")[-2:]) in CLOCKS else None
            elif isinstance(node, ast.Call):
                name = ast.unparse(node.func).split(".")[-1]
                said = f"{name}()" if name in PURE_CALLS else None
            else:
                continue
            if said:
                yield file.says(node.lineno, f"{file.room} is pure: no `{said}`")

    def _edges(self, file: File) -> dict[str, int]:
        """The modules of the house that `file` names, each with the line of its first import."""
        edges: dict[str, int] = {}
        for each in self._imports[file.path]:
            parent = each.module.rpartition(".")[0]
            target = each.module if each.module in self._modules else parent
            if target in self._modules and target != file.module:
                edges.setdefault(target, each.line)
        return edges

    def _cycles(self) -> Iterator[str]:
        # The two ways in are left out: every module may ask the package for its version.
        edges = {file.module: self._edges(file) for file in self.files if file.path not in DOORS}
        try:
            TopologicalSorter({one: [*others] for one, others in edges.items()}).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1][::-1]
            first = self._modules[cycle[0]]
            line = edges[cycle[0]][cycle[1]]
            yield first.says(line, f"a cycle of imports: {' > '.join(cycle)}")

    def _slow_ways(self) -> Iterator[str]:
        """Ways from a quick file to a slow package, over any number of imports."""
        slow = set(SLOW.split())
        for start in (file for file in self.files if file.lies_in(QUICK)):
            ways = [(start, 0, start.path)]
            seen = {start.module}
            while ways:
                here, line, way = ways.pop()
                names = {each.module.split(".")[0] for each in self._imports[here.path]}
                if here is not start and names & slow:
                    rule = f"no way leads from here to {min(names & slow)}: {way}"
                    yield start.says(line, rule)
                for module, at in self._loads(here).items():
                    if module not in seen:
                        seen.add(module)
                        file = self._modules[module]
                        ways.append((file, line or at, f"{way} > {file.path}"))

    def _loads(self, file: File) -> dict[str, int]:
        """What importing `file` loads: what it names, and the packages that those lie in."""
        edges = self._edges(file)
        for module, line in [*edges.items(), (file.module, 1)]:
            parents = module.split(".")[:-1]
            for count in range(1, len(parents) + 1):
                parent = ".".join(parents[:count])
                if parent in self._modules and parent != file.module:
                    edges.setdefault(parent, line)
        return edges


@cache
def ferry() -> House:
    root = ROOT / "ferrycli"
    files = (path for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    return House({f.relative_to(root).as_posix(): f.read_text("utf-8") for f in files})


def planted(source: str, path: str, beside: Mapping[str, str] | None = None) -> list[str]:
    """What is said about a house that holds `source` at `path`, under a docstring in line 1."""
    rest = {at: f'"""Text."""\n{text}' for at, text in (beside or {}).items()}
    return House({path: f'"""Text."""\n{source}', **rest}).violations()


def test_ferry_breaks_no_rule() -> None:
    assert not ferry().violations(), "\n".join(["", *ferry().violations()])


def test_the_house_that_was_read_is_not_empty() -> None:
    assert {file.room for file in ferry().files} >= {"rules", "__main__.py"}


def test_tests_stay_readable() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in (ROOT / "tests").rglob("*.py")
    }
    assert not {path: count for path, count in lines.items() if count > TEST_LINES_MAX}


def test_every_room_has_a_floor() -> None:
    assert sorted(" ".join(FLOORS).split()) == sorted(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_arrow_of_the_table_points_up(room: str) -> None:
    def height(room: str) -> int:
        return -next(at for at, floor in enumerate(FLOORS) if room in floor.split())

    assert [to for to in ROOMS[room].split() if height(to) > height(room)] == []


def test_the_table_has_no_cycle() -> None:
    TopologicalSorter({room: may.split() for room, may in ROOMS.items()}).prepare()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_home_of_a_package_is_a_room(package: str) -> None:
    assert {home.split("/")[0] for home in PACKAGES[package].split()} <= set(ROOMS)


BROKEN: dict[str, tuple[str, str, str]] = {
    "a sibling": ("wire/sse.py", "from ferrycli.store.reads import rows", "wire may not import"),
    "an arrow up": ("rules/budget.py", "import ferrycli.store.reads", "rules may not import store"),
    "a room by name": ("rules/budget.py", "from ferrycli import store", "may not import store"),
    "a relative name": ("wire/sse.py", "from ..proxy import app", "wire may not import proxy"),
    "a package, relative": ("wire/__init__.py", "from ..top import x", "wire may not import top"),
    "in a function": (
        "sim/x.py",
        "def f():\n    import ferrycli.proxy.app",
        "may not import proxy",
    ),
    "for types": (
        "report/x.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ferrycli.proxy import app",
        "report may not import proxy",
    ),
    "by a string": (
        "prices/x.py",
        "import importlib\nimportlib.import_module('ferrycli.store.reads')",
        "prices may not import store",
    ),
    "by a name unread": (
        "prices/x.py",
        "import importlib\nimportlib.import_module(name)",
        "a name that no test can read",
    ),
    "a star": ("notices/x.py", "from ferrycli.store import *", "notices may not import store"),
    "setup asks cli": ("setup/demo.py", "def f():\n    import ferrycli.cli.main", "import cli"),
    "settings asks store": ("settings/x.py", "from ferrycli.store import ids", "may not import"),
    "a door asks a room": ("__main__.py", "def f():\n    import ferrycli.proxy", "import proxy"),
    "a door in a hurry": ("__main__.py", "from ferrycli.cli.main import run", "functions only"),
    "cli in a hurry": ("cli/keys.py", "from ferrycli.store import reads", "functions only"),
    "cli in a class": ("cli/keys.py", "class A:\n    import ferrycli.store.reads", "functions"),
    "no such room": ("services/billing.py", "", "`services` is not a room"),
    "a file in no room": ("version.py", "", "`version.py` is not a room"),
    "settings in one file": ("settings.py", "", "a room of many files"),
    "store in one file": ("store.py", "", "a room of many files"),
    "a package elsewhere": ("proxy/app.py", "import typer", "`typer` is imported in cli"),
    "a submodule elsewhere": ("setup/x.py", "from rich.table import Table", "`rich` is imported"),
    "a package unlisted": ("proxy/app.py", "import requests", "`requests` has no room"),
    "a package unlisted, late": ("cli/x.py", "def f():\n    import attrs", "`attrs` has no room"),
    "a package at the door": ("__init__.py", "import rich", "`rich` is imported in"),
    "an ORM that reads": ("store/reads.py", "from sqlmodel import select", "`sqlmodel` is"),
    "an ORM in the ledger": ("store/ledger_sqlite.py", "import sqlalchemy", "`sqlalchemy` is"),
    "a database elsewhere": ("report/x.py", "import sqlite3", "`sqlite3` is imported in store"),
    "no docstring": ("rules/x.py", "", "a docstring"),
    "a file too long": ("rules/x.py", "\n" * FILE_LINES_MAX, "401 lines in a file of 400"),
    "a body too long": (
        "proxy/x.py",
        "async def carry():\n    '''Text.'''\n" + "    x = 1\n" * (BODY_LINES_MAX + 1),
        "71 lines in the body of `carry`",
    ),
    "a drawer": ("proxy/utils.py", "", "`utils.py` says nothing"),
    "a drawer below": ("store/sqlite/base.py", "", "`base.py` says nothing"),
    "a clock": ("rules/x.py", "from datetime import datetime as d\nx = d.now()", "no `now()`"),
    "a clock handed on": (
        "rules/x.py",
        "import datetime\nf(datetime.datetime.now)",
        "no `datetime",
    ),
    "a day": ("report/x.py", "from datetime import date\nx = date.today()", "no `today()`"),
    "a clock by the second": ("wire/x.py", "import time", "wire is pure: no `time`"),
    "chance": ("sim/x.py", "from random import random", "sim is pure: no `random`"),
    "chance in a function": ("rules/x.py", "def f():\n    import secrets", "no `secrets`"),
    "a loop of events": ("wire/x.py", "import asyncio", "no `asyncio`"),
    "a log": ("rules/x.py", "import logging", "no `logging`"),
    "a file": ("wire/x.py", "f = open('x')", "wire is pure: no `open()`"),
    "a file by its path": ("report/x.py", "from pathlib import Path", "no `pathlib`"),
    "a socket behind urllib": ("wire/x.py", "import urllib.request", "no `urllib`"),
    "the environment": ("rules/x.py", "from os import environ", "no `os`"),
}


@pytest.mark.parametrize(("path", "source", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_found(path: str, source: str, said: str) -> None:
    if said == "a docstring":
        found = House({path: "x = 1"}).violations()
    else:
        found = planted(source, path)
    assert [line for line in found if said in line and line.startswith(f"ferrycli/{path}:")], found


SOUND: dict[str, tuple[str, str]] = {
    "down": ("proxy/conductor.py", "from ferrycli.rules.pricing import price\nimport httptools"),
    "at home": ("store/reads.py", "import sqlite3\nfrom . import ids\nfrom .columns import CALLS"),
    "the ORM at home": ("store/changes.py", "import sqlmodel\nfrom ferrycli.store.tables import x"),
    "cli, late": ("cli/keys.py", "import typer\ndef f():\n    import ferrycli.store.reads"),
    "cli, for types": ("cli/x.py", "if TYPE_CHECKING:\n    from ferrycli.store import reads"),
    "cli asks cli": ("cli/main.py", "from ferrycli.cli.keys import app"),
    "a door, late": ("__main__.py", "def main():\n    from ferrycli.cli.main import run"),
    "the version": ("proxy/app.py", "from ferrycli import __version__"),
    "a time passed in": ("rules/x.py", "def f(ask):\n    return ask.now < ask.until"),
    "parsing an address": ("wire/x.py", "from urllib.parse import urlsplit"),
    "a file of the longest": ("rules/x.py", "\n" * (FILE_LINES_MAX - 1)),
    "a body of the longest": (
        "rules/x.py",
        "def f():\n    '''Text.'''\n" + "    x = 1\n" * BODY_LINES_MAX,
    ),
}


@pytest.mark.parametrize(("path", "source"), SOUND.values(), ids=SOUND)
def test_a_sound_file_passes(path: str, source: str) -> None:
    assert planted(source, path) == []


def test_a_violation_names_its_line() -> None:
    found = planted("import re\n\nimport asyncio", "rules/budget.py")
    assert found == ["ferrycli/rules/budget.py:4: rules is pure: no `asyncio`"]


def test_a_cycle_is_found_even_through_a_function() -> None:
    found = planted(
        "from ferrycli.rules.b import x",
        "rules/a.py",
        {
            "rules/b.py": "def f():\n    from ferrycli.rules import c",
            "rules/c.py": "from . import a",
        },
    )
    assert len(found) == 1
    assert "a cycle of imports: " in found[0]
    assert all(f"ferrycli.rules.{name}" in found[0] for name in "abc")


def test_a_slow_package_is_found_behind_others() -> None:
    found = planted(
        "import sqlite3\nfrom ferrycli.store.ids import new",
        "store/reads.py",
        {"store/ids.py": "from ferrycli.store import tables", "store/tables.py": "import sqlmodel"},
    )
    way = "store/reads.py > store/ids.py > store/tables.py"
    assert found == [f"ferrycli/store/reads.py:3: no way leads from here to sqlmodel: {way}"]


def test_a_slow_package_is_found_in_the_package_of_a_quick_file() -> None:
    found = planted(
        "import sqlite3",
        "store/ledger.py",
        {"store/__init__.py": "from .tables import Call", "store/tables.py": "import sqlmodel"},
    )
    way = "store/ledger.py > store/__init__.py > store/tables.py"
    assert found == [f"ferrycli/store/ledger.py:1: no way leads from here to sqlmodel: {way}"]
