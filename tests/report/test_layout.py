"""Tables at every width: what leaves, what is cut, what never is."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len
from rich.text import Text

from ferrycli.report.layout import (
    Cell,
    Column,
    bar,
    drawn,
    folded,
    middle_cut,
    percent,
    table,
)

COLUMNS = (
    Column("NAME", width_min=8),
    Column("USD", is_number=True),
    Column("CALLS", is_number=True, leaves=5),
    Column("CACHED", is_number=True, leaves=9),
)


def lines(width: int, *rows: tuple[str, ...]) -> list[str]:
    return [line.plain for line in table(COLUMNS, [[Cell(t) for t in row] for row in rows], width)]


def test_numbers_stand_to_the_right_and_names_to_the_left() -> None:
    assert lines(80, ("acme", "512.40", "18,204", "38%"), ("hooli", "8.61", "6", "")) == [
        "  NAME      USD   CALLS  CACHED",
        "  acme   512.40  18,204     38%",
        "  hooli    8.61       6",
    ]


def test_columns_leave_in_their_order() -> None:
    row = ("a-name-of-twenty-let", "512.40", "18,204", "38%")
    heads = [lines(width, row)[0].split() for width in (60, 34, 22)]
    assert heads == [
        ["NAME", "USD", "CALLS", "CACHED"],
        ["NAME", "USD", "CALLS"],
        ["NAME", "USD"],
    ]


def test_a_long_name_loses_its_middle_and_money_nothing() -> None:
    assert (
        lines(25, ("a-name-of-twenty-let", "1,512.40", "1", ""))[1] == "  a-name…ty-let  1,512.40"
    )


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abcdefgh", 8, "abcdefgh"),
        ("abcdefgh", 7, "abc…fgh"),
        ("abcdefgh", 2, "…h"),
        ("日本語日本語", 12, "日本語日本語"),
        ("日本語日本語", 7, "日…語"),
        ("", 3, ""),
    ],
)
def test_a_middle_is_cut_by_cells_and_not_by_letters(text: str, width: int, cut: str) -> None:
    assert middle_cut(text, width) == cut
    assert cell_len(middle_cut(text, width)) <= width


def test_what_strangers_wrote_cannot_act() -> None:
    bad = "[red]\x1b[2J\u202egnp\u200b.exe[/]\n"
    assert drawn(bad).plain == "[red][2Jgnp.exe[/]"
    assert lines(80, (bad, "1", "2", "3"))[1] == "  [red][2Jgnp.exe[/]    1      2       3"


def test_a_table_is_never_wider_than_asked_while_columns_can_leave() -> None:
    chance = random.Random(4777)
    names = ["", "acme", "日本語のとても長い名前です", "x" * 90, "a b c", "é" * 30]
    for _ in range(300):
        rows = [
            (chance.choice(names), f"{chance.randint(0, 10**7):,}", "1", "2%") for _ in range(3)
        ]
        width = chance.randint(24, 160)
        for line in lines(width, *rows):
            assert cell_len(line) <= width


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 100, ""), (100, 100, "██████████"), (50, 100, "█████"), (1, 10_000, "▏"),
        (888, 1000, "████████▉"), (5, 0, ""), (300, 100, "██████████"),
    ],
)  # fmt: skip
def test_a_bar_is_as_long_as_its_part(part: int, whole: int, text: str) -> None:
    assert bar(part, whole, 10) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, ""), (0, 5, "0%"), (1, 1_000, "<1%"), (5, 1_000, "1%"), (1, 3, "33%"),
        (2, 3, "67%"), (999, 1_000, ">99%"), (5, 5, "100%"), (7, 5, "140%"),
    ],
)  # fmt: skip
def test_a_percentage_never_rounds_to_all_or_nothing(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_a_card_s_line_is_hung_under_its_text() -> None:
    line = Text("  budget      $50.00 a month, resets Tue 01 Dec 00:00 Europe/Berlin")
    assert [each.plain for each in folded(line, 40)] == [
        "  budget      $50.00 a month, resets Tue",
        "              01 Dec 00:00 Europe/Berlin",
    ]


def test_a_note_beside_a_text_stays_whole() -> None:
    line = Text('  at 80 %     calls take route "cheap"   mark: X-Ferry-Priority: critical')
    assert [each.plain for each in folded(line, 60)] == [
        '  at 80 %     calls take route "cheap"',
        "              mark: X-Ferry-Priority: critical",
    ]


def test_what_cannot_be_folded_stays_whole() -> None:
    assert [each.plain for each in folded(Text("x" * 50), 20)] == ["x" * 50]
