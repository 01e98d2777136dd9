"""Whether ferry's books hold every call that was made: figures of others are not shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.replies import INPUT_TOKENS, OUTPUT_TOKENS
from ferrycli.rules.pricing import Rate, price
from ferrycli.rules.usage import Usage
from ferrycli.store import reads

RATE = Rate(input=3_000_000_000, cache_read=300_000_000, output=15_000_000_000)
"""Nano-dollars per million tokens: dollars 3, 0.30 and 15."""
BUDGETS = {"ferry": 1, "0 budgets": 0, "6 budgets": 6}
"""In how many budgets the calls of each key count."""

_ROWS = """
SELECT count(*), coalesce(sum(state = 'settled' AND outcome = 'ok'), 0),
    coalesce(sum(state = 'held'), 0) FROM calls
"""
_AMOUNTS = "SELECT coalesce(sum(spent_nanousd), 0), coalesce(sum(held_nanousd), 0) FROM windows"


def books_line(database: Path, made: Mapping[str, int], left: int = 0) -> str:
    """What ferry's books say of the calls made, by the key's name in `BUDGETS`.

    `left`: calls beside them, under no budget, whose client left before the end. Ends the program
    where they do not agree.
    """
    with reads.opened(database) as connection:
        rows, settled, open_rows = connection.execute(_ROWS).fetchone()
        spent, held = connection.execute(_AMOUNTS).fetchone()
    counted = sum(BUDGETS[name] * calls for name, calls in made.items())
    calls = sum(made.values())
    due = counted * price(Usage(input=INPUT_TOKENS, output=OUTPUT_TOKENS), RATE).total
    line = f"books: {calls + left:,} calls, {rows:,} rows, held {held}"
    found = (rows, settled, open_rows, spent, held)
    if found != (calls + left, calls, 0, due, 0):
        raise SystemExit(
            f"{line}; {settled:,} settled, spent {spent:,} of {due:,} nano-dollars: not balanced"
        )
    every = "every row" if not left else f"each but the {left} whose client left"
    return f"{line}\n       {every} is settled, and spent is what the upstream's counts cost"
