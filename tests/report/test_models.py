"""Models as a table: what is not known is said, and what is said of none takes no room."""

from __future__ import annotations

import pytest

from ferrycli.report.models import models_table
from ferrycli.rules.models import ModelEntry
from tests.rules.arithmetic import dollars


def drawn(*entries: ModelEntry, width: int = 100) -> list[str]:
    return [str(line) for line in models_table(entries, width)]


def priced(model: str = "m", **more: object) -> ModelEntry:
    terms = {"input_rate": dollars("1"), "output_rate": 0, "version": "v 1", "source": "catalogue"}
    return ModelEntry("p", model, **(terms | more))  # type: ignore[arg-type]


def test_a_model_without_a_price_says_so() -> None:
    heading, first, *_ = drawn(ModelEntry("p", "m"))
    assert heading.split() == ["MODEL", "INPUT", "OUTPUT", "PRICE"]
    assert first.split() == ["p/m", "–", "–", "none"]


def test_what_the_price_cannot_say_is_marked_and_explained() -> None:
    lines = drawn(priced(), priced("n", is_incomplete=True))
    assert [line.split()[-1] for line in lines[1:3]] == ["catalogue", "≈"]
    assert lines[-1].split()[0] == "≈"
    assert "≈" not in "".join(drawn(priced()))


def test_the_note_names_what_the_prices_are_from() -> None:
    lines = drawn(priced(), priced("n", version="v 1, overlay"), priced("o", source="override"))
    assert lines[-1] == "  USD per million tokens · v 1, overlay"
    assert drawn(ModelEntry("p", "m"))[-1] == "  USD per million tokens"


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(512, "512"), (8_192, "8k"), (128_000, "128k"), (999_999, "999k"), (1_000_000, "1M"),
     (1_048_576, "1.05M"), (10_000_000, "10M")],
)  # fmt: skip
def test_a_context_is_short(tokens: int, text: str) -> None:
    heading, first, *_ = drawn(priced(context_tokens_max=tokens))
    assert heading.split()[1] == "CONTEXT"
    assert first.split()[1] == text


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    routes = tuple(f"route-{number}" for number in range(9))
    long = priced("m" * 90, region="us-gov-west-1", context_tokens_max=1, cache_read_rate=1)
    lines = drawn(long, priced(routes=routes), width=width)
    assert max(len(line) for line in lines) <= width
