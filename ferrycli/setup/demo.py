"""`ferry demo --once`: a real server on a scratch database, real calls through it over HTTP.

Never uses a real provider or the real database: the server's environment has no provider keys,
and everything is in a folder that is removed at the end.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

from ferrycli.rules.attribution import Policy
from ferrycli.rules.windows import Allowance
from ferrycli.settings import WELL_KNOWN
from ferrycli.store import changes

CALLS = 120
CLIENTS = 8
STOP_SECONDS_MAX = 30
CALL_SECONDS_MAX = 30
_SEED = 4777


@dataclass(frozen=True, slots=True)
class _Traffic:
    """One feature of one tenant, and how much of the traffic it is."""

    tenant: str
    feature: str
    model: str
    share: int
    output_tokens: int
    prefix_words: int = 0
    """A system prompt of this length comes first in each call."""


_TRAFFIC = (
    _Traffic("acme", "support-bot", "sim/large", 30, 160, 1_200),
    _Traffic("acme", "search", "sim/small", 20, 40),
    _Traffic("globex", "ticket-tagger", "sim/large", 20, 11, 300),
    _Traffic("initech", "invoice-bot", "sim/large", 12, 320),
    _Traffic("umbrella", "chat", "sim/small", 14, 120),
    _Traffic("hooli", "", "sim/flaky", 10, 80),
)


@contextmanager
def demonstrated() -> Iterator[tuple[Path, int, int]]:
    """A scratch database after some traffic: its path, calls answered, calls refused."""
    with tempfile.TemporaryDirectory(prefix="ferry-demo-") as folder:
        database = Path(folder) / "ferry.db"
        keys = _make_keys(database)
        with _server(database) as address:
            dice = random.Random(_SEED)  # noqa: S311  # The same demo each time.
            bodies = [_body(dice) for _ in range(CALLS)]
            with ThreadPoolExecutor(CLIENTS) as pool:
                answered = sum(
                    pool.map(lambda one: _is_answered(address, keys[one[0].tenant], one[1]), bodies)
                )
        yield database, answered, CALLS - answered


def _make_keys(database: Path) -> dict[str, str]:
    """A key for each tenant; initech's has a budget that does not last."""
    secrets = {}
    for tenant in dict.fromkeys(one.tenant for one in _TRAFFIC):
        allowance = Allowance.parse("0.012/week" if tenant == "initech" else "50/month")
        policies = {"tenant": Policy.of("pin", tenant)}
        plan = changes.KeyPlan(name=tenant, policies=policies, allowance=allowance)
        secrets[tenant] = changes.create_key(database, plan).secret
    return secrets


@contextmanager
def _server(database: Path) -> Iterator[str]:
    """A server without providers, so that only simulated models answer; its address."""
    hidden = {provider.api_key_env for provider in WELL_KNOWN}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in hidden and not name.startswith("FERRY_")
    }
    empty = database.with_name("ferry.toml")
    empty.touch()
    command = [sys.executable, "-m", "ferrycli", "--config", str(empty), "--db", str(database)]
    process = subprocess.Popen(
        [*command, "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True, env=kept
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        yield json.loads(said)["addr"]
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS_MAX)


def _body(dice: random.Random) -> tuple[_Traffic, bytes]:
    one = dice.choices(_TRAFFIC, [traffic.share for traffic in _TRAFFIC])[0]
    messages = [{"role": "user", "content": f"question {dice.randrange(40)}"}]
    if one.prefix_words:
        prefix = " ".join(["policy"] * one.prefix_words)
        messages.insert(0, {"role": "system", "content": f"{one.tenant} {prefix}"})
    wishes = {
        "sim_first_token_ms": str(dice.randrange(5, 60)),
        "sim_token_delay_ms": "0",
        "sim_output_tokens": str(max(1, round(one.output_tokens * dice.uniform(0.6, 1.4)))),
        "user": f"user-{dice.randrange(12)}",
    }
    if one.feature:
        wishes["feature"] = one.feature
    request = {
        "model": one.model,
        "messages": messages,
        "metadata": wishes,
        "stream": dice.random() < 0.5,
        "max_tokens": 512,
    }
    return one, json.dumps(request).encode()


def _is_answered(address: str, secret: str, body: bytes) -> bool:
    """Make one call and read its reply to the end; False where it was refused or failed."""
    request = urllib.request.Request(  # Our own server, over HTTP.
        f"http://{address}/v1/chat/completions",
        body,
        {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS_MAX) as reply:  # noqa: S310
            reply.read()
    except HTTPError as error:
        error.close()
        return False
    return True
