"""An upstream, a server in front of it, and a key: what every whole test starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from tests.whole.server import Server, config, serving
from tests.whole.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def config_path(tmp_path: Path, upstream: Upstream) -> Path:
    return config(tmp_path, upstream.base_url)


@pytest.fixture
def server(config_path: Path) -> Iterator[Server]:
    with serving(config_path) as running:
        yield running


@pytest.fixture
def secret(config_path: Path) -> str:
    """A key pinned to tenant acme, with a feature by default."""
    policies = {"tenant": Policy.of("pin", "acme"), "feature": Policy.of("allow", "chat")}
    plan = changes.KeyPlan(name="acme-chat", policies=policies)
    return changes.create_key(config_path.parent / "ferry.db", plan).secret


@pytest.fixture
def capped_secret(config_path: Path) -> str:
    """A key with a strict budget of $50 a month."""
    plan = changes.KeyPlan(name="capped", allowance=Allowance.parse("50/month"))
    return changes.create_key(config_path.parent / "ferry.db", plan).secret
