"""The same examples in every run of the suite; FERRY_SOAK=1 draws new ones, and many."""

from __future__ import annotations

from tests.wire import sizes  # noqa: F401  # It loads the profile, before any test is made.
