"""Budgets as they are listed and checked: JSON and rows of tabs for programs, a table for people.

A budget with `*` is a line with the sum of what was seen, and the fullest of its subjects beneath.
Amounts in nano-dollars; what is left is the limit less what is spent, held and in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from rich.text import Text

from ferrycli.report.layout import MARGIN, Cell, Column, Row, drawn, gauge, table
from ferrycli.report.periods import slashed, when
from ferrycli.report.times import iso
from ferrycli.rules.money import usd, usd_exact
from ferrycli.rules.pace import NOTHING, Pace, Recent, pace
from ferrycli.rules.selectors import ANY, subject_values
from ferrycli.rules.standings import Standing
from ferrycli.rules.windows import is_rolling, span_us
from ferrycli.store.reads_budgets import BudgetFacts, has_zone
from ferrycli.store.reads_limits import LimitRow

SCHEMA = "ferry.budget/1"
NEAR_PERCENT = 80
GAUGE_WIDTH = 6
PACE_SHOWN_MAX = 999
SUBJECTS_SHOWN = 3
"""Of a budget with `*`, in a list."""

ROW_HEADING = (
    "selector", "subject", "limit_usd", "period", "spent_usd", "held_usd", "doubt_usd", "left_usd",
    "used_percent", "window_start", "resets_at", "pace_percent", "runs_out_at", "mode", "rules",
    "owner", "timezone", "rpm", "tpm", "parallel_max",
)  # fmt: skip
"""What a row of tabs holds; of limits the selector and the last three."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Budgets at one moment, and what is needed to draw them."""

    budgets: Sequence[BudgetFacts]
    now_us: int
    zone: tzinfo
    recent: Mapping[str, Recent] = field(default_factory=dict)
    """By budget without an end: what was spent of late."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Names of keys by id."""
    limits: Sequence[LimitRow] = ()
    """Of the same selectors, and of others."""

    def pace_of(self, facts: BudgetFacts, standing: Standing) -> Pace:
        """How fast a window is being spent."""
        start, end = standing.window_start_us, standing.resets_at_us
        if is_rolling(facts.terms.period):
            start, end = self.now_us - span_us(facts.terms.period), self.now_us
        return pace(
            standing.spent,
            max(start, facts.terms.counts_from_us if end is not None else 0),
            self.now_us,
            end,
            standing.limit_nanousd,
            self.recent.get(facts.terms.id, NOTHING),
        )

    def zone_of(self, facts: BudgetFacts) -> str:
        """The zone of a budget's days, where it is not the usual one or tells two apart."""
        named = (facts.terms.selector, facts.terms.period)
        zones = {
            one.terms.zone
            for one in self.budgets
            if (one.terms.selector, one.terms.period) == named and has_zone(one.terms)
        }
        is_said = has_zone(facts.terms) and zones != {zone_name(self.zone)}
        return facts.terms.zone if is_said else ""

    def values(self, standing: Standing) -> dict[str, str]:
        """The values of `*` that a standing is of, by dimension; a key by its name."""
        stars = [name for name, value in standing.terms.subject if value == ANY]
        found = dict(zip(stars, subject_values(standing.subject), strict=False))
        return {
            name: self.keys.get(value, value) if name == "key" else value
            for name, value in found.items()
        }


def zone_name(zone: tzinfo) -> str:
    """The IANA name of a zone."""
    return str(getattr(zone, "key", "UTC"))


def period_of(facts: BudgetFacts) -> str:
    """The budget's period; `balance` for a prepaid one."""
    return "balance" if facts.terms.is_prepaid else facts.terms.period


def limit_words(facts: BudgetFacts, standing: Standing | None) -> str:
    """`$50.00/month`; `$55.00 prepaid`, of a balance what was granted."""
    limit = facts.terms.limit_nanousd if standing is None else standing.limit_nanousd
    return f"{usd(limit)}{' prepaid' if facts.terms.is_prepaid else slashed(facts.terms.period)}"


def used_words(standing: Standing) -> str:
    """`79%`, rounded down as rules round; `<1%` where that would hide something."""
    if standing.base <= 0:
        return "100%"
    return "<1%" if standing.percent == 0 and standing.used > 0 else f"{max(standing.percent, 0)}%"


def is_at(standing: Standing, at_percent: int) -> bool:
    """Whether so many percent are used; what is in doubt counts as it does against the limit."""
    return (standing.used + standing.doubt) * 100 >= at_percent * standing.base


def budget_json(sheet: Sheet, facts: BudgetFacts, standing: Standing | None) -> dict[str, Any]:
    """The object `ferry.budget/1`: one window of a budget. Times in ISO 8601, UTC.

    `subject` has the value of each `*`; it is null where none was seen yet.
    """
    terms = facts.terms
    going = None if standing is None else sheet.pace_of(facts, standing)
    return {
        "schema": SCHEMA,
        "id": terms.id,
        "selector": terms.selector,
        "subject": None if standing is None else sheet.values(standing),
        "limit_nanousd": terms.limit_nanousd if standing is None else standing.limit_nanousd,
        "spent_nanousd": standing.spent if standing else 0,
        "held_nanousd": standing.held if standing else 0,
        "doubt_nanousd": standing.doubt if standing else 0,
        "left_nanousd": standing.free if standing else terms.limit_nanousd,
        "used_percent": standing.percent if standing else 0,
        "period": terms.period,
        "timezone": terms.zone,
        "window_start": iso(standing.window_start_us) if standing else None,
        "resets_at": iso(standing.resets_at_us) if standing else None,
        "rules": [str(rule) for rule in terms.rules],
        "mode": terms.mode,
        "clamp": terms.clamp,
        "owner": terms.owner,
        "is_prepaid": terms.is_prepaid,
        "allow_unpriced": terms.allow_unpriced,
        "boost_nanousd": 0 if standing is None or terms.is_prepaid else standing.extra_nanousd,
        "pace_percent": going and going.ratio_percent,
        "runs_out_at": going and iso(going.runs_out_at_us),
        "counts_from": iso(terms.counts_from_us),
        "created_at": iso(facts.created_at),
        "revision": facts.revision,
    }


def lines_of(sheet: Sheet) -> Iterator[tuple[BudgetFacts, Standing | None]]:
    """Every window of every budget; one without a window for a `*` of which nothing was seen."""
    for facts in sheet.budgets:
        for standing in facts.standings or (None,):
            yield facts, standing


def budget_fields(
    sheet: Sheet, facts: BudgetFacts, standing: Standing | None
) -> list[str | int | None]:
    """The fields of `ROW_HEADING`."""
    terms = facts.terms
    if standing is None:
        amounts: list[str | int | None] = ["0", "0", "0", usd_exact(terms.limit_nanousd), 0]
        amounts += [None, None, None, None]
    else:
        going = sheet.pace_of(facts, standing)
        amounts = [
            *map(usd_exact, (standing.spent, standing.held, standing.doubt, standing.free)),
            standing.percent, iso(standing.window_start_us), iso(standing.resets_at_us),
            going.ratio_percent, iso(going.runs_out_at_us),
        ]  # fmt: skip
    subject = "" if standing is None else ",".join(sheet.values(standing).values())
    limit = terms.limit_nanousd if standing is None else standing.limit_nanousd
    return [
        terms.selector, subject, usd_exact(limit), period_of(facts), *amounts, terms.mode,
        ", ".join(map(str, terms.rules)), terms.owner, terms.zone, None, None,
        None,
    ]  # fmt: skip


def limit_fields(limit: LimitRow) -> list[str | int | None]:
    """The fields of `ROW_HEADING` where there is a limit per minute or at once, and no money."""
    none = [None] * (len(ROW_HEADING) - 4)
    return [limit.selector, *none, limit.rpm, limit.tpm, limit.parallel_max]


def budgets_table(sheet: Sheet, width: int) -> list[Text]:
    """One line per budget, the fullest subjects of those with `*` beneath theirs."""
    standings = [one for facts in sheet.budgets for one in facts.standings]
    has_held = any(one.held for one in standings)
    has_doubt = any(one.doubt for one in standings)
    columns = [
        Column("BUDGET", width_min=20),
        Column("SPENT", is_number=True),
        *([Column("HELD", is_number=True, leaves=8)] if has_held else []),
        *([Column("DOUBT", is_number=True, leaves=9)] if has_doubt else []),
        Column("LEFT", is_number=True, leaves=3),
        Column("LIMIT", is_number=True),
        Column("USED", leaves=4),
        Column("", is_number=True),
        Column("PACE", is_number=True, leaves=6),
        Column("RESETS", leaves=7),
        Column("RUNS OUT", leaves=5),
    ]
    kept = {"HELD": has_held, "DOUBT": has_doubt}
    rows = [_kept(row, kept) for facts in sheet.budgets for row in _rows(sheet, facts)]
    return table(columns, rows, width)


def notes(sheet: Sheet, heading: str) -> list[Text]:
    """What has to be known to read the table, of which `heading` is the first line."""
    said = [f"All amounts in USD, times in {zone_name(sheet.zone)}."]
    has_end = any(one.resets_at_us for facts in sheet.budgets for one in facts.standings)
    if has_end and "PACE" in heading:
        said.append("At a pace of 100% a limit lasts just until it resets.")
    if any(is_at(one, NEAR_PERCENT) for facts in sheet.budgets for one in facts.standings):
        said.append(f"▲ {NEAR_PERCENT}% or more is used or in doubt, ! all of it.")
    return [Text.assemble(MARGIN, drawn(one, "dim")) for one in said]


def _kept(row: dict[str, Cell], kept: Mapping[str, bool]) -> Row:
    return [cell for name, cell in row.items() if kept.get(name, True)]


def _rows(sheet: Sheet, facts: BudgetFacts) -> Iterator[dict[str, Cell]]:
    name = Cell(facts.terms.selector, "bold")
    zone = sheet.zone_of(facts)
    in_zone = [_sum((), Cell(f"in {zone}", "dim", 2), Cell("")) | _NO_SUMS] if zone else []
    if not facts.selector.is_each:
        yield _cells(sheet, facts, facts.fullest, name)
        yield from in_zone
        return
    yield _each(facts, name)
    yield from in_zone
    for standing in facts.standings[:SUBJECTS_SHOWN]:
        whose = Cell(" / ".join(sheet.values(standing).values()), indent=2)
        yield _cells(sheet, facts, standing, whose) | {"LIMIT": Cell("")}
    more = len(facts.standings) - SUBJECTS_SHOWN
    if more > 0:
        rest = facts.standings[SUBJECTS_SHOWN:]
        yield _sum(rest, Cell(f"{more:,} other{'s' if more > 1 else ''}", "dim", 2), Cell(""))


_NO_SUMS = dict.fromkeys(("SPENT", "HELD", "DOUBT"), Cell(""))


def _each(facts: BudgetFacts, name: Cell) -> dict[str, Cell]:
    """The line of a budget with `*`: its limit, which is for each."""
    return _sum(facts.standings, name, Cell(f"each {limit_words(facts, None)}"))


def _sum(some: Sequence[Standing], name: Cell, limit: Cell) -> dict[str, Cell]:
    held, doubt = sum(one.held for one in some), sum(one.doubt for one in some)
    return {
        "BUDGET": name,
        "SPENT": Cell(usd(sum(one.spent for one in some))),
        "HELD": Cell(usd(held) if held else "–"),
        "DOUBT": Cell(usd(doubt) if doubt else "–"),
        "LEFT": Cell(""),
        "LIMIT": limit,
        "USED": Cell(""),
        "PERCENT": Cell(""),
        "PACE": Cell(""),
        "RESETS": Cell(""),
        "RUNS OUT": Cell(""),
    }


def _cells(
    sheet: Sheet, facts: BudgetFacts, standing: Standing | None, name: Cell
) -> dict[str, Cell]:
    assert standing is not None
    going = sheet.pace_of(facts, standing)
    has_pace = going.ratio_percent is not None and not is_rolling(facts.terms.period)
    is_over = is_at(standing, 100)
    style = "red" if is_over else "yellow" if is_at(standing, NEAR_PERCENT) else ""
    sign = "!" if is_over else "▲" if style else " "
    return {
        "BUDGET": name,
        "SPENT": Cell(usd(standing.spent)),
        "HELD": Cell(usd(standing.held) if standing.held else "–"),
        "DOUBT": Cell(usd(standing.doubt) if standing.doubt else "–"),
        "LEFT": Cell(usd(standing.free), "red" if standing.free <= 0 else ""),
        "LIMIT": Cell(limit_words(facts, standing)),
        "USED": Cell(gauge(max(standing.used, 0), standing.base, GAUGE_WIDTH), style),
        "PERCENT": Cell(f"{used_words(standing)}{sign}", style),
        "PACE": Cell(pace_words(going) if has_pace else "–"),
        "RESETS": Cell(_resets(sheet, facts, standing)),
        "RUNS OUT": Cell(runs_out(sheet, going), "red" if going.runs_out_at_us else ""),
    }


def _resets(sheet: Sheet, facts: BudgetFacts, standing: Standing) -> str:
    if standing.resets_at_us is not None:
        return when(standing.resets_at_us, sheet.now_us, sheet.zone)
    return "rolls" if is_rolling(facts.terms.period) else "never"


def pace_words(going: Pace) -> str:
    """`140%`, and no more than three digits: what is beyond is beyond."""
    ratio = going.ratio_percent or 0
    return f"{ratio}%" if ratio <= PACE_SHOWN_MAX else f">{PACE_SHOWN_MAX}%"


def runs_out(sheet: Sheet, going: Pace) -> str:
    """When a window is used up at this pace; `–`: not before it ends."""
    if going.runs_out_at_us is None:
        return "–"
    if going.runs_out_at_us <= sheet.now_us:
        return "now"
    return when(going.runs_out_at_us, sheet.now_us, sheet.zone)


def check_lines(sheet: Sheet, some: Sequence[tuple[BudgetFacts, Standing]]) -> Iterator[Text]:
    """Budgets that do not hold, a line each."""
    for facts, standing in some:
        whose = ", ".join(f"{name}={value}" for name, value in sheet.values(standing).items())
        zone = sheet.zone_of(facts)
        subject = f"{f' in {zone}' if zone else ''}{f' ({whose})' if whose else ''}"
        doubt = f", {usd(standing.doubt)} in doubt" if standing.doubt else ""
        said = f"{usd(standing.spent)} of {limit_words(facts, standing)} spent{doubt}"
        sign = ("! ", "red") if is_at(standing, 100) else ("▲ ", "yellow")
        yield Text.assemble(
            "  ", sign, drawn(f"{facts.terms.selector}{subject}  {used_words(standing)}  {said}")
        )
