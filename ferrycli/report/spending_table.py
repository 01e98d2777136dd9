"""Who spent what, drawn: headline, a tree of rows with shares, the total, and notes beneath.

Several dimensions are indented, each level under its sum. Columns leave in the order of
`Column.leaves` where there is little room; amounts never do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import time, tzinfo
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from ferrycli.report.budget_use import BudgetUse
from ferrycli.report.layout import (
    LABEL_WIDTH,
    MARGIN,
    TEXT_LENGTH_MAX,
    Cell,
    Column,
    Row,
    bar,
    drawn,
    gauge,
    percent,
    spark,
    table,
)
from ferrycli.report.periods import every, short
from ferrycli.report.spending import Line, Spending, merged
from ferrycli.rules.attribution import DIMENSIONS
from ferrycli.rules.clean import safe
from ferrycli.rules.money import NANO_PER_USD, usd, usd_exact
from ferrycli.rules.spans import Slots, Span
from ferrycli.rules.windows import from_us

BAR_WIDTH = 10
GAUGE_WIDTH = 6
NONE = "(none)"
INDENT = 2
NAME_WIDTH_MIN = 12
STEEP_PERCENT = 50
"""A rise by so much is drawn apart."""
WEEKS_SLOTS = 15
"""Edges of two weeks' days."""
NEAR_PERCENT = 80
"""From here on a budget is told of beneath the table."""


def spending_table(
    sheet: Spending, now_us: int, zone: tzinfo, width: int, *, rows_max: int = 0, ferry: str = ""
) -> list[Text | str]:
    """Headline, rows, the total, and what has to be known to read them.

    `rows_max`: so many rows on each level, then `others`; 0 shows all. `ferry`: how the next
    commands are typed; empty names none.
    """
    drawing = _Drawing(sheet, rows_max, now_us)
    rows = [*drawing.rows(), drawing.total()]
    *body, total = rows if drawing.uses else [row[:-1] for row in rows]
    lines = table(drawing.columns(), body, width, total)
    across = max(cell_len(line.plain) for line in lines)
    title = f"Spend by {', '.join(sheet.by)}"
    words = span_words(sheet.span, now_us, zone)
    words = f"last week is empty · {words}" if sheet.is_fallback else words
    head = _headline(title, words, across)
    if sheet.where:
        head.append(Text.assemble(MARGIN, ("where ", "dim"), drawn(sheet.where)))
    notes = [*_alarms(drawing.uses), *_notes(sheet)]
    following: list[Text | str] = [Text(""), *_next(sheet, ferry)] if ferry else []
    return [Text(""), *head, Text(""), *lines, Text(""), *notes, *following, Text("")]


class _Drawing:
    """The cells of one table: what is common to its rows is worked out once."""

    def __init__(self, sheet: Spending, rows_max: int, now_us: int) -> None:
        self._sheet = sheet
        self._rows_max = rows_max
        total = sheet.total.sum.cost_nanousd
        self._places = 2 if total >= NANO_PER_USD else 4 if total >= NANO_PER_USD // 100 else 6
        self._largest = max((line.sum.cost_nanousd for line in _levels(sheet.rows)), default=0)
        self._has_before = sheet.total.before_nanousd > 0
        self.uses: list[tuple[Line, BudgetUse]] = []
        """Budgets of the rows that were drawn."""
        self._has_slots = len(sheet.slots.edges) > 2
        self._slots_begun = sum(edge < now_us for edge in sheet.slots.edges[:-1])
        self._gone: Counter[tuple[str, ...]] = Counter()
        for names, cost in sheet.gone:
            for depth in range(1, len(names)):
                self._gone[names[:depth]] += cost

    def columns(self) -> list[Column]:
        """The columns of `rows`; the last is left out where no budget was drawn."""
        sheet = self._sheet
        name_width = NAME_WIDTH_MIN if len(sheet.by) == 1 else NAME_WIDTH_MIN + 2 * INDENT
        columns = [Column(" / ".join(sheet.by).upper(), width_min=name_width)]
        columns.append(Column("USD", is_number=True))
        if self._has_before:
            columns.append(Column(f"vs {sheet.compared.label}", is_number=True, leaves=2))
        if self._has_slots:
            # A month of days takes the room of three figures, and goes before them.
            leaves = 7 if len(sheet.slots.edges) <= WEEKS_SLOTS else 11
            columns.append(Column(slots_heading(sheet.slots, sheet.span), leaves=leaves))
        columns += [
            Column("SHARE", leaves=5),
            Column("", is_number=True, leaves=3),
            Column("CALLS", is_number=True, leaves=6),
            Column("INPUT", is_number=True, leaves=9),
            Column("CACHED", is_number=True, leaves=8),
            Column("OUTPUT", is_number=True, leaves=10),
        ]
        return [*columns, Column("BUDGET USED", leaves=4)] if self.uses else columns

    def rows(self) -> Iterator[Row]:
        """Every row but the total, in the order of the table."""
        yield from self._level(self._sheet.rows, 0)

    def _level(self, lines: Sequence[Line], depth: int) -> Iterator[Row]:
        """Rows of one level, each followed by those beneath it; `others` last."""
        is_leaf = depth == len(self._sheet.by) - 1
        found = [(line, [line]) for line in lines] if is_leaf else _grouped(lines, depth)
        # A sum is compared with all that it came to, what is gone beneath it included.
        groups = [
            (replace(one, before_nanousd=one.before_nanousd + self._gone[one.names]), beneath)
            for one, beneath in found
        ]
        shown = groups[: self._rows_max] if self._rows_max > 0 else groups
        for one, beneath in shown:
            head = replace(one, use=self._sheet.uses.get(one.names))
            if head.use:
                self.uses.append((head, head.use))
            yield self._cells(head, self._name(head.names[depth], depth, is_leaf=is_leaf))
            if not is_leaf:
                yield from self._level(beneath, depth + 1)
        rest = groups[len(shown) :]
        if rest:
            others = merged([line for line, _ in rest])
            count = f"{others.merged} other{'s' if others.merged > 1 else ''}"
            yield self._cells(others, Cell(count, "dim", INDENT * depth))

    def _name(self, name: str, depth: int, *, is_leaf: bool) -> Cell:
        style = "dim" if not name else "" if is_leaf else "bold"
        return Cell(name or NONE, style, INDENT * depth)

    def total(self) -> Row:
        """The last row."""
        cells = self._cells(self._sheet.total, Cell("total"), is_total=True)
        return [Cell(cell.text, "bold") for cell in cells]

    def _cells(self, line: Line, name: Cell, *, is_total: bool = False) -> list[Cell]:
        row, whole = line.sum, self._sheet.total.sum
        cells = [name, Cell(self._cost(line))]
        if self._has_before:
            cells.append(_change(line))
        if self._has_slots:
            cells.append(Cell(spark(row.slots[: self._slots_begun]), "cyan"))
        # What many rows come to may be more than the largest of them: it has no place on the scale.
        has_bar = not is_total and row.cost_nanousd <= self._largest
        blocks = bar(row.cost_nanousd, self._largest, BAR_WIDTH) if has_bar else ""
        return [
            *cells,
            Cell(blocks, "cyan"),
            Cell("" if is_total else percent(row.cost_nanousd, whole.cost_nanousd) or "–"),
            Cell(f"{row.calls:,}"),
            Cell(tokens(row.input_tokens)),
            Cell(percent(row.cache_read_tokens, row.input_tokens) or "–"),
            Cell(tokens(row.output_tokens)),
            Cell("") if is_total else _use_cell(line),
        ]

    def _cost(self, line: Line) -> str:
        """A cost; `≥` where some of its calls have no price, `unpriced` where all have none."""
        row = line.sum
        if not row.unpriced_calls:
            return _money(row.cost_nanousd, self._places)
        if row.cost_nanousd == 0:
            return "unpriced"
        return f"≥{_money(row.cost_nanousd, self._places)}"


def _grouped(lines: Sequence[Line], depth: int) -> list[tuple[Line, list[Line]]]:
    """Lines under the sum of those that share their first names, the dearest sum first."""

    def names(line: Line) -> tuple[str, ...]:
        return line.names[: depth + 1]

    groups = []
    for shared, some in groupby(sorted(lines, key=names), names):
        beneath = sorted(some, key=_dearest)
        total = merged(beneath)
        groups.append((Line(replace(total.sum, by=shared), total.before_nanousd), beneath))
    return sorted(groups, key=lambda group: _dearest(group[0]))


def _dearest(line: Line) -> tuple[int, int, tuple[str, ...]]:
    return -line.sum.cost_nanousd, -line.sum.calls, line.names


def _levels(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines of the first level, by which bars are scaled."""
    if not lines or len(lines[0].names) < 2:
        return lines
    return [head for head, _ in _grouped(lines, 0)]


def _change(line: Line) -> Cell:
    """By how much the cost rose or fell; `new` where there was none before."""
    now, past = line.sum.cost_nanousd, line.before_nanousd
    if past == 0:
        return Cell("new" if now else "–", "dim")
    change = ((now - past) * 200 + past) // (past * 2)
    if change >= 1_000:
        return Cell(f"×{(now + past // 2) // past:,}", "yellow")
    return Cell(f"{change:+d}%" if change else "0%", "yellow" if change >= STEEP_PERCENT else "")


def _use_cell(line: Line) -> Cell:
    use = line.use
    if use is None:
        return Cell("–", "dim")
    used = percent(use.spent_nanousd, use.limit_nanousd) or "–"
    is_out = _is_out(line, use)
    text = f"{gauge(use.spent_nanousd, use.limit_nanousd, GAUGE_WIDTH)} {used:>4}"
    return Cell(f"{text}{short(use.period)}{'!' if is_out else ''}", "red" if is_out else "")


def _is_out(line: Line, use: BudgetUse) -> bool:
    """Whether the budget stops calls: spent, or with less left than a call may cost."""
    is_full = use.spent_nanousd >= use.limit_nanousd
    is_near = use.spent_nanousd * 100 >= use.limit_nanousd * NEAR_PERCENT
    return is_full or (is_near and line.sum.denied_calls > 0)


def tokens(count: int) -> str:
    """`950`, `147.1k`, `13.6M`: three or four digits that tell the size."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count * 10 // size / 10:,.1f}{unit}"
    return str(count)


def _money(amount_nanousd: int, places: int) -> str:
    unit = 10 ** (9 - places)
    if 0 < amount_nanousd < unit:
        return f"<{usd_exact(unit)}"
    whole, part = divmod((amount_nanousd + unit // 2) // unit, 10**places)
    return f"{whole:,}.{part:0{places}d}"


def slots_heading(slots: Slots, span: Span) -> str:
    """`MTWTFSS` above the days of a week; else what each block is."""
    if span.period == "week" and slots.unit == "day":
        return "MTWTFSS"
    return f"BY {slots.unit.upper()}"


def _headline(title: str, span: str, across: int) -> list[Text]:
    """Title and span on one line as wide as the table, or on two."""
    gap = across - cell_len(MARGIN + title + span)
    if gap >= len(MARGIN):
        return [Text.assemble(MARGIN, (title, "bold"), " " * gap, (span, "dim"))]
    return [Text.assemble(MARGIN, (title, "bold")), Text.assemble(MARGIN, (span, "dim"))]


def span_words(span: Span, now_us: int, zone: tzinfo) -> str:
    """`week 47 · Mon 16 Nov – Sun 22 Nov 2026 · Europe/Berlin`; `so far` while it runs."""
    is_running = span.since_us < now_us < span.until_us
    first, end = from_us(span.since_us, zone), from_us(span.until_us, zone)
    if first.time() == end.time() == time():
        last = from_us((now_us if is_running else span.until_us) - 1, zone)
        days = f"{last:%a %d %b %Y}"
        if first.date() != last.date():
            year = f" {first:%Y}" if first.year != last.year else ""
            days = f"{first:%a %d %b}{year} – {days}"
    else:
        days = f"{first:%d %b %H:%M} – {end:%d %b %Y %H:%M}"
    label = {"week": f"week {first:%V}".replace(" 0", " "), "month": f"{first:%B}"}
    name = label.get(span.period, span.label)
    return f"{name}{' so far' if is_running else ''} · {days} · {zone}"


def _alarms(uses: Sequence[tuple[Line, BudgetUse]]) -> Iterator[Text]:
    """Budgets that are used up, and those that soon will be."""
    for line, use in uses:
        if use.spent_nanousd * 100 < use.limit_nanousd * NEAR_PERCENT:
            continue
        sign = ("! ", "red") if _is_out(line, use) else ("▲ ", "yellow")
        used = percent(use.spent_nanousd, use.limit_nanousd)
        whose = " / ".join(name or NONE for name in line.names)
        refused = f", {_calls(line.sum.denied_calls)} refused" if line.sum.denied_calls else ""
        of = f"{usd(use.limit_nanousd)} {every(use.period)}"
        yield Text.assemble(MARGIN, sign, drawn(f"{whose}: {used} of {of} used{refused}"))


def _notes(sheet: Spending) -> Iterator[Text]:
    total = sheet.total.sum
    for at, name in enumerate(sheet.by):
        if name in DIMENSIONS:
            missing = [line.sum for line in sheet.rows if not line.names[at]]
            if calls := sum(row.calls for row in missing):
                cost = usd(sum(row.cost_nanousd for row in missing))
                header = f"X-Ferry-{name.capitalize()}"
                yield _note(f"{_calls(calls)} without a {name}, {cost}; clients may send {header}")
    if total.unpriced_calls:
        text = f"{_calls(total.unpriced_calls)} unpriced, in no amount above"
        yield _note(f"{text}: `ferry calls list --where unpriced`", "! ", "yellow")
    if total.estimated_calls:
        yield _note(f"{_calls(total.estimated_calls)} estimated: no usage was reported", "≈ ")
    if total.failed_calls:
        yield _note(f"{_calls(total.failed_calls)} failed")
    if total.denied_calls:
        yield _note(f"{_calls(total.denied_calls)} refused, at no cost")
    if sheet.gone:
        cost = usd(sum(cost for _, cost in sheet.gone))
        rows = f"{len(sheet.gone):,} row{'' if len(sheet.gone) == 1 else 's'}"
        yield _note(f"{rows} of {sheet.compared.label} spent nothing now, {cost} then")
    if total.open_calls:
        yield _note(f"{_calls(total.open_calls)} in flight, in no amount yet")
    yield _note("All amounts in USD.", style="dim")


def _note(text: str, sign: str = "  ", style: str = "") -> Text:
    return Text.assemble(MARGIN, (sign, style), drawn(text, style))


def _calls(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'}"


def _next(sheet: Spending, ferry: str) -> Iterator[str]:
    """A report that goes deeper, and the calls behind the dearest row."""
    deeper = next((name for name in ("feature", "model", "tenant") if name not in sheet.by), "")
    if deeper:
        yield _copied("next", f"{ferry} report --by {','.join([*sheet.by, deeper])}")
    named = zip(sheet.by, sheet.rows[0].names, strict=True)
    wanted = " and ".join(f"{name}={_value(value)}" for name, value in named)
    since = f" --since {sheet.span.label}" if " " not in sheet.span.label else ""
    # In single quotes a shell reads everything as it stands, but for the quote itself.
    quoted = "'" + wanted.replace("'", "'\\''") + "'"
    command = f"{ferry} calls list{since} --where {quoted}"
    yield _copied("" if deeper else "next", command)


def _copied(label: str, command: str) -> str:
    """A command on one line, so that it can be copied: plain text is never folded."""
    return f"{MARGIN}{label:<{LABEL_WIDTH}}{safe(command, TEXT_LENGTH_MAX)}"


def _value(text: str) -> str:
    """A value as a filter takes it: quoted where it would not be read whole."""
    is_plain = re.fullmatch(r"[\w.:/@+-]+", text) is not None
    return text if is_plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
