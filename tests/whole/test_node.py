"""OpenAI's and Vercel's SDKs for Node, answered by every kind of provider.

They come from npm's registry, so only `make soak` asks for them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.whole.rig import COST, KINDS, Rig, rigged
from tests.whole.server import rows, settled_rows
from tests.whole.voices import CALLS, INPUT, OUTPUT, TEXT

PACKAGES = ("openai@6", "ai@6", "@ai-sdk/openai@3", "zod@4")
SCRIPT = Path(__file__).with_name("node_sdks.mjs")
SECONDS_MAX = 120

SAID = {"text": "".join(TEXT)}
WHOLE = {**SAID, "tokens": [INPUT, OUTPUT]}
RAN = {**SAID, "ran": [f"21 degrees in {given['city']}" for _, _, given in CALLS]}
EXPECTED = {
    "openai": WHOLE,
    "openai-stream": WHOLE,
    "openai-tools": RAN,
    "vercel": WHOLE,
    "vercel-stream": WHOLE,
    "vercel-tools": RAN,
}
REQUESTS = sum(2 if name.endswith("tools") else 1 for name in EXPECTED)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, beside the packages that it imports."""
    if "FERRY_SOAK" not in os.environ:
        pytest.skip("installs packages from npm's registry: only `make soak` does")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not there")
    directory = tmp_path_factory.mktemp("packages")
    asked = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(directory), *PACKAGES]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode:
        pytest.skip(f"npm installs nothing: {done.stderr[-200:]}")
    return Path(shutil.copy(SCRIPT, directory))


def call(script: Path, rig: Rig, secret: str, model: str, *names: str) -> dict[str, Any]:
    """What each call gave, by its name."""
    asked = ["node", str(script), rig.address, secret, model, *names]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS_MAX, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {one.pop("name"): one for one in told}


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_sdks_for_node_are_answered_by_every_kind(script: Path, rig: Rig, kind: str) -> None:
    before = len(rows(rig.server.database))
    assert call(script, rig, rig.secret, f"{kind}/m-1", *EXPECTED) == EXPECTED
    settled = settled_rows(rig.server.database, before + REQUESTS)[before:]
    told = [(row.provider, row.outcome, row.cost_nanousd) for row in settled]
    assert told == [(kind, "ok", COST)] * REQUESTS


@pytest.mark.soak
@pytest.mark.parametrize(("name", "requests"), [("openai", 1), ("vercel", 3)])
def test_a_spent_budget_ends_in_one_request_or_vercels_three(
    script: Path, rig: Rig, name: str, requests: int
) -> None:
    before, asked = len(rows(rig.server.database)), len(rig.tape.asked)
    assert call(script, rig, rig.capped, "anthropic/m-1", name) == {name: {"status": 429}}
    assert len(rows(rig.server.database)) == before + requests
    assert len(rig.tape.asked) == asked
