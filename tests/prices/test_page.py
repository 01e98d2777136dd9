"""The table of docs/prices.md is what the overlay holds: `python -m tests.prices.test_page`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ferrycli.prices.overlay import FEES, FORMER, KEPT, PLACED, SCALED
from ferrycli.rules.money import usd_exact

PAGE = Path(__file__).parents[2] / "docs" / "prices.md"
HEADING = "| what | for | price | source |\n|---|---|---|---|\n"
TABLE = re.compile(re.escape(HEADING) + r"(?:\|.*\n)*")


def times(numerator: int, denominator: int) -> str:
    """`6 ×`, `1.1 ×`; halves and tenths come out even."""
    return f"{numerator / denominator:g} ×"


def rows() -> Iterator[tuple[str, str, str, str]]:
    for scaled in SCALED:
        factor = scaled.factor
        unsure = f", not sure of {len(factor.unsure)} kinds of token" if factor.unsure else ""
        if len(factor.unsure) == 1:
            unsure = f", `{factor.unsure[0]}` perhaps not"
        price = f"{times(factor.numerator, factor.denominator)}{unsure}"
        yield f"tier `{factor.word}`", models(scaled.catalogue, scaled.models), price, scaled.source
    for placed in PLACED:
        places = ", ".join(f"`{place}`" for place in placed.places)
        price = times(placed.numerator, placed.denominator)
        price += "" if placed.is_sure else " at the most"
        what = f"address in {'any place' if placed.places == ('*',) else places}"
        yield what, models(placed.catalogue, placed.models), price, placed.source
    for fee in FEES:
        price = f"${usd_exact(fee.web_search // 1_000)} a thousand"
        yield "web search", f"{fee.catalogue}", price, fee.source
    for kept in KEPT:
        yield "cache write for 12 hours", kept.catalogue, f"{kept.times} × input", kept.source
    for former in FORMER:
        rate = former.steps[0].rate
        assert rate.input is not None
        assert rate.output is not None
        price = f"${usd_exact(rate.input)} in, ${usd_exact(rate.output)} out, and its steps"
        yield "former price", f"{former.catalogue}: `{former.model}`", price, former.source


def models(catalogue: str, globs: tuple[str, ...]) -> str:
    if globs == ("*",):
        return f"{catalogue}: every model not named above"
    return f"{catalogue}: {', '.join(f'`{glob}`' for glob in globs)}"


def made() -> str:
    return HEADING + "".join(f"| {' | '.join(row)} |\n" for row in rows())


def test_the_page_shows_the_overlay_as_it_is() -> None:
    found = TABLE.search(PAGE.read_text("utf-8"))
    assert found is not None
    assert found[0] == made()


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: made(), PAGE.read_text("utf-8")), "utf-8")
