"""`python -m bench`: every measurement, one after the other."""

from __future__ import annotations

from bench import ledger

if __name__ == "__main__":
    ledger.main()
