"""How much is tried: what still bites in every run of the suite, all of it with FERRY_SOAK=1."""

from __future__ import annotations

import os

from hypothesis import settings

IS_SOAK = os.environ.get("FERRY_SOAK") == "1"

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
