"""Tables and cards as lines of styled text, laid out for a width.

Columns leave in a declared order where the width is too small, long names lose their middle, and
a number is never cut or wrapped. Widths are terminal cells, so that wide characters line up.
Every text is cleaned here once more: what a database holds was said by strangers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from ferrycli.rules.clean import safe

GAP = 2
MARGIN = "  "
LABEL_WIDTH = 12
TEXT_LENGTH_MAX = 400
NAME_WIDTH = 16
"""Names keep so many cells, or three quarters of theirs, while optional columns are left."""
OPTIONAL_FROM = 4
"""Columns that leave at this or above are good to have; those below tell rows apart."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is headed, and what becomes of it where there is little room."""

    heading: str
    is_number: bool = False
    """Numbers stand to the right and are never cut."""
    leaves: int = 0
    """Where the table is too wide the highest goes first; 0 stays."""
    width_min: int = 0
    """Names may be cut in their middle down to this; 0: never."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One text of a row, and how it is drawn."""

    text: str
    style: str = ""
    indent: int = 0
    """Cells before the text; white space of its own is not kept."""

    @property
    def width(self) -> int:
        """Cells that it takes whole."""
        return self.indent + cell_len(self.text)


Row = Sequence[Cell]


def drawn(text: str, style: str = "") -> Text:
    """Foreign text, fit for a terminal: no control characters, never read as markup."""
    return Text(safe(text, TEXT_LENGTH_MAX), style=style, no_wrap=True, end="")


def labelled(label: str, text: str, style: str = "") -> Text:
    """A line of a card: a quiet label, then foreign text."""
    return Text.assemble(MARGIN, (f"{label:<{LABEL_WIDTH}}", "dim"), drawn(text, style))


def table(
    columns: Sequence[Column], rows: Iterable[Row], width: int, total: Row | None = None
) -> list[Text]:
    """Heading, rows and the total under a rule, each at most `width` cells where that can be."""
    body = [[_clean(cell) for cell in row] for row in rows]
    foot = [_clean(cell) for cell in total] if total else None
    every = [*body, *([foot] if foot else [])]
    widths = [
        max([cell_len(column.heading), *(row[at].width for row in every)])
        for at, column in enumerate(columns)
    ]
    kept = _fit(columns, widths, width - len(MARGIN))
    head = [Cell(column.heading, "bold") for column in columns]
    lines = [_line(columns, head, widths, kept)]
    lines += [_line(columns, row, widths, kept) for row in body]
    if foot:
        across = sum(widths[at] for at in kept) + GAP * (len(kept) - 1)
        lines.append(Text(MARGIN + "─" * across, style="dim", no_wrap=True, end=""))
        lines.append(_line(columns, foot, widths, kept))
    return lines


def folded(line: Text, width: int) -> list[Text]:
    """`line` in lines of at most `width`, broken at spaces and hung under its text.

    At two spaces or more if some stand in its right half: a note beside a text stays whole.
    """
    if cell_len(line.plain) <= width:
        return [line]
    start = re.match(r" *(?:\S+(?: \S+)* {2,})?", line.plain)
    hang = min(start.end() if start else 0, width // 2)
    room = len(_first_cells(line.plain, width))
    at = line.plain.rfind("  ", max(hang + 1, width // 2), room + 1)
    if at < 0:
        at = line.plain.rfind(" ", hang + 1, room + 1)
    if at < 0:
        return [line]
    first, rest = line.divide([at])
    first.rstrip()
    first.end = ""
    gap = len(rest.plain) - len(rest.plain.lstrip(" "))
    rest = Text(" " * hang, no_wrap=True, end="").append_text(rest[gap:])
    return [first, *folded(rest, width)]


def _clean(cell: Cell) -> Cell:
    return Cell(safe(cell.text, TEXT_LENGTH_MAX), cell.style, cell.indent)


def _fit(columns: Sequence[Column], widths: list[int], room: int) -> list[int]:
    """Which columns stay; `widths` shrinks where names have to be cut.

    Figures that are good to have leave before names are cut hard; what tells rows apart leaves
    last.
    """
    kept = list(range(len(columns)))

    def needed(floor: Callable[[int], int]) -> int:
        return sum(floor(at) for at in kept) + GAP * (len(kept) - 1)

    def hard(at: int) -> int:
        return min(widths[at], columns[at].width_min or widths[at])

    def soft(at: int) -> int:
        is_name = hard(at) < widths[at]
        return max(hard(at), min(widths[at] * 3 // 4, NAME_WIDTH)) if is_name else widths[at]

    for floor, leaves_min in ((soft, OPTIONAL_FROM), (hard, 1)):
        while needed(floor) > room and any(columns[at].leaves >= leaves_min for at in kept):
            kept.remove(max(kept, key=lambda at: (columns[at].leaves, at)))
    while sum(widths[at] for at in kept) + GAP * (len(kept) - 1) > room:
        names = [at for at in kept if widths[at] > hard(at)]
        if not names:
            break
        widths[max(names, key=lambda at: widths[at])] -= 1
    return kept


def _line(columns: Sequence[Column], row: Row, widths: Sequence[int], kept: Sequence[int]) -> Text:
    line = Text(MARGIN, no_wrap=True, end="")
    for place, at in enumerate(kept):
        text = row[at].text
        if not columns[at].is_number:
            text = " " * row[at].indent + middle_cut(text, widths[at] - row[at].indent)
        room = " " * (widths[at] - cell_len(text))
        if columns[at].is_number:
            line.append(room)
        line.append(text, row[at].style or None)
        if not columns[at].is_number and place < len(kept) - 1:
            line.append(room)
        if place < len(kept) - 1:
            line.append(" " * GAP)
    line.rstrip()
    return line


def middle_cut(text: str, width: int) -> str:
    """`text` in at most `width` cells; a long one loses its middle."""
    if cell_len(text) <= width:
        return text
    head, tail = (width - 1) // 2, width - 1 - (width - 1) // 2
    return f"{_first_cells(text, head)}…{_first_cells(text[::-1], tail)[::-1]}"


def _first_cells(text: str, width: int) -> str:
    kept = 0
    for at, letter in enumerate(text):
        kept += cell_len(letter)
        if kept > width:
            return text[:at]
    return text


def bar(part: int, whole: int, width: int) -> str:
    """A bar of eighths of blocks: `part` of `whole` over `width` cells."""
    if whole <= 0:
        return ""
    eighths = part * width * 8 // whole
    full, rest = divmod(min(max(eighths, 1 if part > 0 else 0), width * 8), 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def gauge(part: int, whole: int, width: int) -> str:
    """A bar as `bar` draws it, with `·` for what is left: it is full where all is used."""
    drawn_part = bar(part, whole, width)
    return drawn_part + "·" * (width - len(drawn_part))


SPARKS = "▁▂▃▄▅▆▇█"


def spark(amounts: Sequence[int]) -> str:
    """A line of one block an amount, as high as it is beside the largest; nothing is the lowest."""
    largest = max(amounts, default=0)
    if largest <= 0:
        return SPARKS[0] * len(amounts)
    # Rounded up, so that only what is nothing, or next to it, lies on the ground.
    return "".join(SPARKS[max(-(-max(one, 0) * 8 // largest) - 1, 0)] for one in amounts)


def percent(part: int, whole: int) -> str:
    """`38%`; empty where there is no whole, `<1%` and `>99%` where rounding would lie."""
    if whole <= 0:
        return ""
    share = (part * 200 + whole) // (whole * 2)
    if share == 0 and part > 0:
        return "<1%"
    return ">99%" if share >= 100 and part < whole else f"{share}%"
