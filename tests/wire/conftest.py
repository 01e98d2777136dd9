"""The same examples in every run of the suite; FERRY_SOAK=1 draws new ones, and many."""

from __future__ import annotations

from hypothesis import settings

from tests.wire.sizes import IS_SOAK

settings.register_profile("suite", deadline=None, database=None, derandomize=True)
settings.register_profile("soak", deadline=None, database=None, max_examples=20_000)
settings.load_profile("soak" if IS_SOAK else "suite")
