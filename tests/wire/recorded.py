"""The recorded replies of providers. They lie beside the project, not in it, and may be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
MANIFEST = FIXTURES / "manifest.json"

needs_recordings = pytest.mark.skipif(
    not MANIFEST.exists(), reason="the recorded replies are not here"
)
