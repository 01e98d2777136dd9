"""What each command loads, seen from outside: a process of its own, and what it imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    "sqlmodel sqlalchemy pydantic genai_prices starlette uvicorn uvloop httpx textual".split()
)
SECONDS_MAX = 60

PROBE = """
import sys, json
from ferrycli.cli.main import run
code = run(sys.argv[1:])
print("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""

LIGHT = {
    "help": ["--help"],
    "version": ["--version"],
    "group": ["keys"],
    "usage": ["keys", "--nonsense"],
    "keys list": ["keys", "list"],
    "keys list, drawn": ["--color", "always", "keys", "list"],
    "keys show": ["keys", "show", "acme-web"],
    "budgets list": ["budgets", "list"],
    "budgets list, drawn": ["--color", "always", "budgets", "list"],
    "budgets show": ["budgets", "show", "acme-web"],
    "budgets check": ["budgets", "check"],
    "budgets set, tried": ["budgets", "set", "tenant=a", "--limit", "5/day", "--dry-run"],
    "a mistake in budgets set": ["budgets", "set", "tenant=a", "--limit", "5/x"],
    "help selectors": ["help", "selectors"],
    "calls list": ["calls", "list", "--since", "2026-11-16..2026-11-23"],
    "calls list, json": ["calls", "list", "--since", "2026-11-16..2026-11-23", "--json"],
    "calls show": ["calls", "show", "c_01M83PPH00E0"],
    "report": ["report", "--since", "2026-11-16..2026-11-23"],
    "report, filtered": ["report", "--where", "tenant=acme and cost>0.10", "--csv"],
    "calls list, filtered": ["calls", "list", "--where", "model~gpt", "--since", "4w"],
    "help filters": ["help", "filters"],
    "report, drawn": ["--color", "always", "report", "--since", "2026-11-16..2026-11-23"],
    "prices list": ["prices", "list"],
    "config show": ["config", "show"],
    "config show, drawn": ["--color", "always", "config", "show"],
    "config check": ["config", "check"],
    "config path": ["config", "path"],
    "db path": ["db", "path"],
    "db status": ["db", "status"],
    "db check": ["db", "check"],
    "a mistake in keys create": ["keys", "create", "--budget", "x"],
    "a mistake in prices set": ["prices", "set", "x"],
    "a mistake in prices check": ["prices", "check", "--since", "x"],
}


def loaded(database: Path, arguments: list[str]) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
        env=os.environ | {"FERRY_DATABASE": str(database)},
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("name", LIGHT)
def test_a_command_that_reads_loads_nothing_heavy(filled_path: Path, name: str) -> None:
    _, names = loaded(filled_path, LIGHT[name])
    assert names & HEAVY == set()


@pytest.mark.parametrize(
    "name", ["help", "help filters", "version", "group", "config path", "db path"]
)
def test_help_and_paths_load_no_rich_and_no_database(filled_path: Path, name: str) -> None:
    _, names = loaded(filled_path, LIGHT[name])
    assert names & {"rich", "sqlite3"} == set()


def test_the_probe_sees_what_a_change_loads(filled_path: Path) -> None:
    code, names = loaded(filled_path, ["keys", "set", "acme-web", "--owner", "ben"])
    assert code == 0
    assert names >= {"sqlmodel", "sqlite3"}


PRICED = {
    "prices show": (0, ["prices", "show", "openai/gpt-5-mini"]),
    "prices check": (5, ["prices", "check", "--since", "2026-11-23..2026-11-24"]),
    "models": (0, ["models"]),
    "models, drawn": (0, ["--color", "always", "models", "--key", "acme-web"]),
}
"""What asks the price catalogue, which takes its time."""


@pytest.mark.parametrize("name", PRICED)
def test_what_asks_for_prices_loads_no_table_classes_and_no_server(
    filled_path: Path, name: str
) -> None:
    wanted, arguments = PRICED[name]
    code, names = loaded(filled_path, arguments)
    assert (code, "genai_prices" in names) == (wanted, True)
    assert names & {"sqlmodel", "sqlalchemy", "starlette", "uvicorn", "textual"} == set()
