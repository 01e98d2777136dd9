"""Both event loops that ferry runs on, and the same examples in every run of the suite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, database=None, derandomize=True)
settings.register_profile("soak", deadline=None, database=None, max_examples=20_000)
settings.load_profile("soak" if os.environ.get("FERRY_SOAK") == "1" else "suite")

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on one of them."""
    if request.param == "asyncio":
        return asyncio.run
    return pytest.importorskip("uvloop").run  # type: ignore[no-any-return]
