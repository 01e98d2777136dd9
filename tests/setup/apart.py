"""Fills a database with the demo's weeks in a process of its own.

In this one every line of the rules is traced for its coverage, which takes three times as long.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import sys
from pathlib import Path
from zoneinfo import ZoneInfo
from ferrycli.setup.demo.filling import fill
fill(Path(sys.argv[1]), int(sys.argv[2]), ZoneInfo(sys.argv[3]))
"""
SECONDS_MAX = 120


def fill_apart(path: Path, now_us: int, zone: str) -> None:
    """The weeks as they stand at `now_us`, in `zone`."""
    command = [sys.executable, "-c", _SCRIPT, str(path), str(now_us), zone]
    subprocess.run(command, check=True, timeout=SECONDS_MAX)
