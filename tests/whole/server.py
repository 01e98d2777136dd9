"""A real `ferry serve` in a process of its own, on a free port, with its own database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai

from ferrycli.rules.pricing import Rate
from ferrycli.store import changes, reads
from ferrycli.store.reads import CallRow

START_S_MAX = 30.0
ROOT = Path(__file__).parents[2]

INPUT_RATE, CACHED_RATE, OUTPUT_RATE = 3_000_000_000, 300_000_000, 15_000_000_000
"""What the upstream's models cost, in nano-dollars per million tokens."""


def config(directory: Path, upstream_url: str, extra: str = "") -> Path:
    """A config with one provider, `up`, at `upstream_url`."""
    path = directory / "ferry.toml"
    path.write_text(
        f'[server]\ndatabase = "ferry.db"\nlisten = "127.0.0.1:0"\n{extra}\n'
        f'[providers.up]\nkind = "openai"\nbase_url = "{upstream_url}"\n'
        'api_key_env = "UP_KEY"\nmodels = ["m-*"]\n'
    )
    changes.set_price(
        directory / "ferry.db",
        "up",
        "m-*",
        Rate(input=INPUT_RATE, cache_read=CACHED_RATE, output=OUTPUT_RATE),
    )
    return path


class Server:
    """One `ferry serve` process."""

    def __init__(self, config_path: Path, **environment: str) -> None:
        self.database = config_path.parent / "ferry.db"
        began = time.monotonic()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ferrycli", "serve"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={
                **kept,
                "UP_KEY": "sk-upstream-canary",
                "FERRY_CONFIG": str(config_path),
                "PYTHONPATH": str(ROOT),
                **environment,
            },
        )
        assert self.process.stderr is not None
        # What an earlier server left to be told may be said before.
        told: list[dict[str, Any]] = []
        while not told or told[-1]["event"] != "ready":
            line = self.process.stderr.readline()
            assert line, told
            told.append(json.loads(line))
        self.ready = told[-1]
        self.start_s = time.monotonic() - began
        self.port = int(self.ready["addr"].rpartition(":")[2])
        self._clients: list[openai.OpenAI] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, secret: str, base_url: str = "") -> openai.OpenAI:
        """The SDK as an application has it, without retries; closed when the server stops."""
        client = openai.OpenAI(base_url=base_url or self.base_url, api_key=secret, max_retries=0)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """End the connections of every SDK client."""
        for client in self._clients:
            client.close()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()
        self.process.wait(30)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what was said on stderr."""
        self.close_clients()
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def serving(config_path: Path, **environment: str) -> Iterator[Server]:
    """A server that has started, and is stopped at the end whatever happens."""
    server = Server(config_path, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            code, said = server.stop()
            assert code == 0, said
            assert "Traceback" not in said, said


def rows(database: Path) -> list[CallRow]:
    """Every call, the oldest first."""
    with reads.opened(database) as connection:
        return list(reads.calls(connection, 0, 1 << 60))[::-1]


def settled_rows(database: Path, count: int, within_s: float = 10.0) -> list[CallRow]:
    """The calls, once there are `count` and none is in flight."""
    deadline = time.monotonic() + within_s
    while True:
        found = rows(database)
        if len(found) >= count and all(row.state != "held" for row in found):
            return found
        assert time.monotonic() < deadline, [(row.id, row.state) for row in found]
        time.sleep(0.01)


def windows(database: Path) -> list[tuple[int, int, int]]:
    """Spent, held and doubt of every window."""
    with reads.opened(database) as connection:
        query = "SELECT spent_nanousd, held_nanousd, doubt_nanousd FROM windows"
        return [tuple(row) for row in connection.execute(query)]
