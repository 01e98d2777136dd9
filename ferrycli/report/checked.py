"""What was looked at, each with what was found: lines, rows and JSON.

Pure. Shared by the start-up card, `ferry serve --check` and `ferry config check`, so that a
provider reads the same wherever it is named; and by the checks of the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from ferrycli.report.layout import MARGIN, drawn, folded, middle_cut
from ferrycli.rules.clean import safe
from ferrycli.rules.money import usd_full
from ferrycli.store.audit.faults import Check, Fault

OK, NOTE, FAULT = "ok", "note", "fault"
SIGNS = {OK: ("✓", "green"), NOTE: ("!", "yellow"), FAULT: ("✗", "red")}

ROW_HEADING = ("subject", "state", "key_from", "said", "status", "took_ms")
"""What a row of tabs holds."""

SUBJECT_WIDTH_MIN = 9
CLAIM_WIDTH_MIN = 11
KEY_FROM_WIDTH_MIN = 16

_EXIT_CODES = (2, 6, 4, 5)
"""The graver first: what cannot be read, what cannot start, what has no key, what is away."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at."""

    subject: str
    """`config`, `database`, `address`, or a provider's name."""
    state: str
    """`ok`, `note` (serving goes on without it) or `fault`."""
    said: str
    """What was found; "" where there is nothing to say."""
    exit_code: int = 0
    """Of a fault."""
    key_from: str = ""
    """Of a provider: `env OPENAI_API_KEY`, `none`; "" for what has no key."""
    status: int | None = None
    """The HTTP status of a provider that answered."""
    took_ms: int | None = None


def exit_code_of(every: Sequence[Checked]) -> int:
    """0 where nothing is a fault, else the code of the gravest."""
    found = {one.exit_code for one in every if one.state == FAULT}
    return next((code for code in _EXIT_CODES if code in found), 1 if found else 0)


def checked_json(one: Checked) -> dict[str, Any]:
    """One entry of `checks` or `providers`."""
    entry: dict[str, Any] = {"subject": one.subject, "state": one.state, "said": one.said}
    if one.key_from:
        entry |= {"key_from": one.key_from, "status": one.status, "took_ms": one.took_ms}
    return entry


def checked_fields(one: Checked) -> list[Any]:
    """The fields of `ROW_HEADING`."""
    return [one.subject, one.state, one.key_from, one.said, one.status, one.took_ms]


def verdict(every: Sequence[Checked]) -> str:
    """`everything is in order`, or how much is not."""
    faults = sum(one.state == FAULT for one in every)
    notes = sum(one.state == NOTE for one in every)
    parts = [
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in ((faults, "fault"), (notes, "note"))
        if count
    ]
    return ", ".join(parts) or "everything is in order"


def checked_lines(every: Sequence[Checked], width: int) -> list[Text]:
    """One line each, folded under itself: sign, subject, what was found."""
    room = max(SUBJECT_WIDTH_MIN, *(cell_len(one.subject) for one in every))
    lines: list[Text] = []
    for one in every:
        head = Text.assemble(_signed(one), _padded(safe(one.subject), room), "  ")
        lines += _hung(head, drawn(one.said), width)
    return lines


def provider_lines(every: Sequence[Checked], width: int, check: str = "") -> list[Text]:
    """Providers under a heading, each with where its key comes from and what was found.

    What is too long to stand beside stands below. `check` heads the last column; "" where it
    holds troubles alone.
    """
    names = [middle_cut(safe(one.subject), width // 3) for one in every]
    name_room = max(SUBJECT_WIDTH_MIN, *map(cell_len, names))
    start = cell_len(_signed(every[0]).plain) + name_room + 2
    keys = [safe(_key_words(one.key_from), 400) for one in every]
    widest = max(cell_len("key from"), *map(cell_len, keys))
    key_room = min(widest, max(width - start, KEY_FROM_WIDTH_MIN))
    beside = width - start - key_room - 2
    title = Text.assemble(MARGIN, (_padded("Providers", start - len(MARGIN)), "bold"))
    title.append(_padded("key from", key_room), "dim")
    if cell_len(check) <= beside:
        title.append(f"  {check}", "dim")
    lines = [_bare(title)]
    for one, name, key in zip(every, names, keys, strict=True):
        line = Text.assemble(_signed(one), _padded(name, name_room), "  ")
        line.append(_padded(middle_cut(key, key_room), key_room), "dim")
        said = drawn(one.said, _said_style(one))
        if not said.plain or cell_len(said.plain) <= beside:
            lines.append(_bare(line.append("  ").append_text(said)))
        else:
            lines += [_bare(line), *_hung(Text(" " * (start - name_room - 2)), said, width)]
    return lines


def claim_lines(found: Sequence[Check]) -> list[Text]:
    """Each check of the database with its claim and count, and below it what does not hold."""
    room = max(CLAIM_WIDTH_MIN, *(len(one.name) for one in found))
    lines: list[Text] = []
    for one in found:
        sign, style = SIGNS[FAULT if one.faults else OK]
        claim = f" {one.name:<{room}}  {one.claim} ({one.count:,})"
        lines.append(Text.assemble((sign, style), claim))
        lines += [Text.assemble("    ", drawn(_fault(fault), "red")) for fault in one.faults]
    return lines


def _fault(fault: Fault) -> str:
    if fault.is_now is None or fault.should_be is None:
        return f"{fault.subject}: {fault.what}"
    off = fault.is_now - fault.should_be
    return (
        f"{fault.subject}: {fault.what} is {usd_full(fault.is_now)} and should be"
        f" {usd_full(fault.should_be)}, off by {usd_full(off)}"
    )


def _key_words(key_from: str) -> str:
    return {"none": "no key", "": "in process"}.get(key_from, key_from)


def _said_style(one: Checked) -> str:
    return "" if one.state == OK else SIGNS[one.state][1]


def _signed(one: Checked) -> Text:
    sign, style = SIGNS[one.state]
    return Text.assemble(MARGIN * 2, (f"{sign} ", style))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _hung(head: Text, said: Text, width: int) -> list[Text]:
    """`said` behind `head`, folded under its own beginning."""
    hang = cell_len(head.plain)
    first, *rest = folded(said, max(width - hang, 1))
    lines = [_bare(head.append_text(first))]
    return [*lines, *(_bare(Text(" " * hang).append_text(one)) for one in rest)]


def _bare(line: Text) -> Text:
    line.rstrip()
    line.no_wrap, line.end = True, ""
    return line
