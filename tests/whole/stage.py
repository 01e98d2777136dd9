"""A gateway as a person sets it up: a config file, and ferry's own commands in other processes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.whole.server import ROOT

COMMAND_S_MAX = 60
CONNECTIONS_MAX = 64
"""httpx walks through all of its connections on every request: with more, a thousand calls at once
take longer than calls wait for money. Calls beyond these hold theirs while they wait their turn."""
MANY = """
import contextlib, io, json, sys
from ferrycli.cli.main import run
done = []
for arguments in json.load(sys.stdin):
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = run(arguments)
    done.append([arguments, code, said.getvalue(), complained.getvalue()])
json.dump(done, sys.stdout)
"""
"""Several command lines in one process, because ferry's start costs more than what they do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A config file and the database beside it."""

    path: Path

    @property
    def database(self) -> Path:
        """Where the calls are kept."""
        return self.path.parent / "ferry.db"

    def ferry(self, line: str) -> str:
        """Carry out one command in a process of its own; what it said on stdout."""
        done = self.tried(line)
        assert done.returncode == 0, f"ferry {line}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def tried(self, line: str) -> subprocess.CompletedProcess[str]:
        """The same, whatever comes of it."""
        command = [sys.executable, "-m", "ferrycli", "--config", str(self.path), *shlex.split(line)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=_environment(),
            timeout=COMMAND_S_MAX,
            check=False,
        )

    def set_up(self, *lines: str) -> list[str]:
        """Carry out commands one after the other; what each said on stdout. None may fail."""
        commands = [["--config", str(self.path), *shlex.split(line)] for line in lines]
        process = subprocess.run(
            [sys.executable, "-c", MANY],
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=_environment(),
            timeout=COMMAND_S_MAX,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        done = json.loads(process.stdout)
        for arguments, code, _, complained in done:
            assert code == 0, f"ferry {shlex.join(arguments[2:])}: exit {code}\n{complained}"
        return [said for _, _, said, _ in done]

    def budgets(self) -> list[dict[str, Any]]:
        """What `ferry budgets list --json` says."""
        return [json.loads(line) for line in self.ferry("budgets list --json").splitlines()]


def secret_in(said: str) -> str:
    """The secret in what `keys create … --json` said."""
    return str(json.loads(said)["secret"])


def stage(
    directory: Path,
    providers: Mapping[str, str],
    *,
    server: str = "",
    upstream: str = "",
    more: str = "",
) -> Stage:
    """A config with `providers` (name to base URL), further lines of two tables, and `more`."""
    lines = ["[server]", 'database = "ferry.db"', 'listen = "127.0.0.1:0"', server, ""]
    lines += ["[upstream]", f"connections_max = {CONNECTIONS_MAX}", upstream, ""]
    for name, base_url in providers.items():
        lines += [f"[providers.{name}]", 'kind = "compatible"', f'base_url = "{base_url}"']
        lines += ['api_key_env = "UP_KEY"', 'models = ["m-*"]', ""]
    path = directory / "ferry.toml"
    path.write_text("\n".join([*lines, more, ""]))
    return Stage(path)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "UP_KEY": "sk-upstream-canary"}
