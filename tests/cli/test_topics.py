"""`ferry help`: what it shows can be typed as it stands, and nothing is left out."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest

from ferrycli.cli.tree import EXIT_CODES
from ferrycli.rules.attribution import ALIASES
from ferrycli.rules.filters import ALIASES as FILTER_ALIASES
from ferrycli.rules.filters import FIELDS, OPERATORS, parse_filter
from ferrycli.rules.selectors import SELECTABLE, parse_selector
from ferrycli.rules.spans import NAMED, parse_span
from ferrycli.rules.windows import PERIODS, parse_period
from tests.cli.driver import Ferry, moment

NOW = moment("2026-11-23T09:00:00+00:00")
WIDTH = 80


def test_every_field_alias_and_operator_of_filters_is_named(ferry: Ferry) -> None:
    page = ferry("help", "filters").out
    for name in [*FIELDS, *FILTER_ALIASES, "tag:NAME", "and", "or", "not"]:
        assert re.search(rf"(?m)(^|[\s(])`?{re.escape(name)}\b", page), name
    for operator in {one for some in OPERATORS.values() for one in some}:
        assert f" {operator} " in page, operator


def test_every_filter_that_is_shown_can_be_read(ferry: Ferry) -> None:
    shown = re.findall(r"--where '([^']+)'", ferry("help", "filters").out)
    assert len(shown) > 3
    for text in shown:
        parse_filter(text)


def test_every_period_that_is_shown_can_be_read(ferry: Ferry) -> None:
    page, _, budgets = ferry("help", "periods").out.partition("--limit")
    shown = [
        span
        for line in page.splitlines()[2:]
        if line.startswith("  ")
        for span in re.split(r" {2,}", line.strip())[0].split()
    ]
    assert {*NAMED, "90m", "2026-W47", "2026-11-01..2026-11-15"} <= set(shown)
    for span in shown:
        parse_span(span, NOW, ZoneInfo("Europe/Berlin"))
    lines = [line.strip() for line in budgets.splitlines()[2:] if line.startswith("  ")]
    periods = [period for line in lines for period in re.split(r" {2,}", line)[0].split()]
    assert {*PERIODS, "7d", "36h"} == set(periods)
    for period in periods:
        parse_period(period)


def test_every_selector_that_is_shown_can_be_read(ferry: Ferry) -> None:
    page = ferry("help", "selectors").out
    shown = re.findall(r"budgets set (?:'([^']+)'|(\S+))", page)
    shown += [(pair, "") for pair in re.findall(r"(?m)^  (\S+=\S+) ", page)]
    assert len(shown) > 8
    for quoted, plain in shown:
        parse_selector(quoted or plain)
    for name in [*SELECTABLE, *ALIASES]:
        assert re.search(rf"\b{name}\b", page), name


def test_every_exit_code_is_listed(ferry: Ferry) -> None:
    page = ferry("help", "exit-codes").out
    rows = [line.split(maxsplit=1) for line in page.splitlines()]
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


@pytest.mark.parametrize("topic", ["filters", "periods", "selectors", "exit-codes"])
def test_a_page_fits_a_terminal(ferry: Ferry, topic: str) -> None:
    said = ferry("help", topic, columns=WIDTH)
    assert (said.code, said.err) == (0, "")
    assert [line for line in said.out.splitlines() if len(line) > WIDTH] == []
