"""`python -m bench`: every measurement, one after the other, or the one that is named."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

MEASUREMENTS = (
    "holds",
    "ledger",
    "overhead",
    "streams",
    "profile",
    "beside",
    "report",
    "cold",
    "steady",
)
OTHERS = ("setup",)
"""What measures nothing, and runs only where it is named."""


def main(arguments: Sequence[str]) -> None:
    """Run what was asked for; what follows a measurement's name is its own to read."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    every = (*MEASUREMENTS, *OTHERS)
    parser.add_argument("measurement", nargs="?", choices=every, help="none: all that measure")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of the measurement named")
    asked = parser.parse_args(arguments)
    names = MEASUREMENTS if asked.measurement is None else (asked.measurement,)
    for name in names:
        importlib.import_module(f"bench.{name}").main(asked.options)


if __name__ == "__main__":
    main(sys.argv[1:])
