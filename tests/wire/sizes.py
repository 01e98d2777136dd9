"""How much is tried: what still bites in every run of the suite, all of it with FERRY_SOAK=1."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

IS_SOAK = os.environ.get("FERRY_SOAK") == "1"

# Loaded here and not by pytest's own hooks, for `FEW` is made of what is loaded before it. A busy
# machine draws slowly: neither that nor a deadline says anything of what is tried.
_ALWAYS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("suite", **_ALWAYS, derandomize=True)
settings.register_profile("soak", **_ALWAYS, max_examples=20_000)
settings.load_profile("soak" if IS_SOAK else "suite")

FEW = settings(max_examples=2_000 if IS_SOAK else 25)
"""For what is slow to draw, and says much each time: whole conversations, and claims that are tried
in every dialect by itself."""
CUT_EVERYWHERE_BYTES_MAX = 3_000
STRIDE = 37
"""Between the places where a longer stream is cut: prime, so that it falls in step with no pattern
of events; shorter than any of them, so that each is cut."""


def stride(stream: bytes) -> int:
    """The distance between the places where `stream` is cut in two."""
    return 1 if len(stream) < CUT_EVERYWHERE_BYTES_MAX or IS_SOAK else STRIDE
