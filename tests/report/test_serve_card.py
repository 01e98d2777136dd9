"""The start-up card at three widths: FERRY_GOLDENS=1 writes the files under `goldens/` anew."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from ferrycli.report.checked import NOTE, OK, Checked
from ferrycli.report.serve_card import (
    CardFacts,
    KeysFacts,
    card,
    lasting,
    size_words,
    stopped_words,
    stopping_words,
)
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.reads import KeyRow
from ferrycli.store.reads_budgets import BudgetFacts
from tests.rules.test_words import parse

GOLDENS = Path(__file__).parent / "goldens"
NOW = 1_795_000_000 * MICROSECONDS
DAY = 86_400 * MICROSECONDS

DEMO = CardFacts(
    version="0.1.0",
    ready_s=0.52,
    database="~/.local/share/ferry/ferry.db",
    database_bytes=None,
    base_url="http://127.0.0.1:4777",
    program="ferry",
    options=(),
    providers=(),
    looked_at=("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"),
    demo_secret="fk_demo",
    keys=KeysFacts(),
    prices="genai-prices 0.2.3",
    prices_own=0,
    recovered=0,
    is_loopback=True,
    grace_s=30,
)
REAL = replace(
    DEMO,
    demo_secret="",
    database_bytes=411_700_000,
    providers=(
        Checked("openai", OK, "", key_from="env OPENAI_API_KEY"),
        Checked("anthropic", OK, "", key_from="file /run/secrets/anthropic"),
    ),
    keys=KeysFacts(active=14, expiring=1, expires_first_at=NOW + 3 * DAY, armed=9, used_up=1),
    prices_own=3,
)
BUSY = replace(
    REAL,
    database="/srv/a-long-way-down/from/the/top/of/this/machine/ferry/production-2026.db",
    database_bytes=10_240_000_000,
    program=".venv/bin/ferry",
    options=("--db '/srv/a-long-way-down/from/the/top/of the machine/production-2026.db'",),
    providers=(
        *REAL.providers,
        Checked("mistral", NOTE, "the variable is not set: set it", key_from="env MISTRAL"),
        Checked(
            "local-llama-of-the-machine-below-the-stairs",
            NOTE,
            "no such file or directory: its calls are refused until you mend the file and start"
            " again",
            key_from="file /run/secrets/of-the-machine-below-the-stairs/llama-2026",
        ),
        Checked("open", OK, "", key_from="none"),
        Checked("sim", OK, "", key_from=""),
    ),
    keys=KeysFacts(1_412, 12, NOW + 2 * DAY, 1_300, 40, 7),
    prices_own=120,
    recovered=12,
    is_loopback=False,
    grace_s=3_600,
)
CARDS = {"demo": DEMO, "first": replace(REAL, keys=KeysFacts()), "real": REAL, "busy": BUSY}
WIDTHS = (60, 80, 100)


def drawn(facts: CardFacts, width: int) -> list[str]:
    return [line.plain for line in card(facts, NOW, width)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_what_it_was(name: str, width: int) -> None:
    seen = "".join(f"{line}\n" for line in drawn(CARDS[name], width))
    path = GOLDENS / f"serve-{name}-{width}.txt"
    if os.environ.get("FERRY_GOLDENS") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(seen, "utf-8")
    assert seen == path.read_text("utf-8")


def test_every_golden_is_a_card_of_this_file() -> None:
    wanted = {f"serve-{name}-{width}" for name in CARDS for width in WIDTHS}
    assert {path.stem for path in GOLDENS.glob("serve-*.txt")} == wanted


@pytest.mark.parametrize("width", range(60, 161, 5))
@pytest.mark.parametrize("name", CARDS)
def test_no_line_is_wider_than_the_terminal_but_a_command(name: str, width: int) -> None:
    facts = CARDS[name]
    for line in drawn(facts, width):
        is_copied = any(option in line for option in facts.options) or facts.base_url in line
        assert cell_len(line) <= width or is_copied, line
        assert line == line.rstrip()


EXPLAINED = re.compile(r"  (the latest|who spent|keys and|a busy).*")


def commands(facts: CardFacts, width: int) -> list[str]:
    """Every command of the card as a shell gets it."""
    text = "\n".join(drawn(facts, width)).replace(" \\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith(("  ferry", "  No "))]
    found = [re.search(rf" {{2}}({re.escape(facts.program)} .*)", line) for line in lines]
    return [EXPLAINED.sub("", match[1]) for match in found if match]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("name", "count"), [("demo", 5), ("first", 4), ("real", 3), ("busy", 3)])
def test_every_command_of_the_card_can_be_typed(name: str, count: int, width: int) -> None:
    found = commands(CARDS[name], width)
    assert len(found) == count, found
    for command in found:
        parse(shlex.split(command)[1:])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_call_to_paste_is_one_that_a_shell_and_the_server_can_read(width: int) -> None:
    pasted = "\n".join(drawn(DEMO, width)).partition("Try it now")[2].partition("Make a key")[0]
    words = shlex.split(pasted.replace("\\\n", ""))
    assert words[:3] == ["curl", "-s", "http://127.0.0.1:4777/v1/chat/completions"]
    assert words[3:7] == [
        "-H", "Authorization: Bearer fk_demo", "-H", "Content-Type: application/json",
    ]  # fmt: skip
    assert words[7] == "-d"
    assert json.loads(words[8])["model"] == "sim/small"
    assert len(words) == 9


def test_names_from_outside_cannot_act_on_the_terminal() -> None:
    bad = Checked("x\x1b[2Jy", NOTE, "why\x1b]0;z\x07", key_from="file /a\x1b[31m")
    text = "\n".join(drawn(replace(REAL, database="/a\x1b[2J", providers=(bad,)), 80))
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (KeysFacts(), "0 active"),
        (KeysFacts(active=1_412), "1,412 active"),
        (KeysFacts(2, 1, NOW + DAY - 1), "2 active, 1 expires in 23 h"),
        (KeysFacts(2, 1, NOW + DAY), "2 active, 1 expires in 1 d"),
        (KeysFacts(3, 2, NOW), "3 active, 2 expire within 7 d, first in 0 s"),
        (KeysFacts(1), "none; `keys set NAME --budget 50/month` arms one"),
        (KeysFacts(9, armed=9), "9 armed\n"),
        (KeysFacts(9, armed=9, used_up=1), "9 armed, 1 used up\n"),
        (KeysFacts(9, armed=9, used_up=1, near=2), "9 armed, 1 used up, 2 over 90 %\n"),
    ],
)
def test_keys_and_budgets_are_told_in_words(facts: KeysFacts, said: str) -> None:
    assert said in "\n".join(drawn(replace(REAL, keys=facts), 70))


def key(name: str, **fields: int | None) -> KeyRow:
    times = {"created_at": 0, "expires_at": None, "revoked_at": None, "last_used_at": None}
    return KeyRow(name, name, "fk_", "abcd", "call", "", "{}", "[]", **{**times, **fields})  # type: ignore[arg-type]


def budget(key_id: str, spent: int | None, doubt: int = 0) -> BudgetFacts:
    """A budget of 1,000; None: no window of it was ever used."""
    terms = Terms(key_id, f"key={key_id}", "total", "UTC", 1_000)
    standings = () if spent is None else (Standing(terms, 0, None, spent, 0, doubt),)
    return BudgetFacts(terms, key_id, 0, 1, standings, ())


@pytest.mark.parametrize(
    ("keys", "budgets", "facts"),
    [
        ([], [], KeysFacts()),
        ([key("a"), key("b", revoked_at=1)], [], KeysFacts(active=1)),
        ([key("a", expires_at=NOW)], [budget("a", 1_000)], KeysFacts()),
        ([key("a", expires_at=NOW + 1)], [], KeysFacts(1, 1, NOW + 1)),
        ([key("a", expires_at=NOW + 7 * DAY)], [], KeysFacts(1, 1, NOW + 7 * DAY)),
        ([key("a", expires_at=NOW + 7 * DAY + 1)], [], KeysFacts(1)),
        ([key("a")], [budget("a", 900)], KeysFacts(1, armed=1)),
        ([key("a")], [budget("a", 901)], KeysFacts(1, armed=1, near=1)),
        ([key("a")], [budget("a", 900, doubt=1)], KeysFacts(1, armed=1, near=1)),
        ([key("a")], [budget("a", 999)], KeysFacts(1, armed=1, near=1)),
        ([key("a")], [budget("a", 1_000)], KeysFacts(1, armed=1, used_up=1)),
        ([key("a")], [budget("a", 999, doubt=1)], KeysFacts(1, armed=1, used_up=1)),
        ([key("a")], [budget("a", None)], KeysFacts(1, armed=1)),
        ([key("a")], [budget("b", 1_000)], KeysFacts(1)),
        ([key("a")], [budget("", 1_000), budget("b", 1_000)], KeysFacts(1, armed=1, used_up=1)),
    ],
)
def test_keys_are_counted_as_they_stand_now(
    keys: list[KeyRow], budgets: list[BudgetFacts], facts: KeysFacts
) -> None:
    assert KeysFacts.of(keys, budgets, NOW) == facts


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (-1, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h"),
        (2 * 3_600 + 5 * 60 + 59, "2 h 5 min"),
        (3_600 + 59, "1 h"),
        (86_400 * 3 + 4 * 3_600, "3 d 4 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(duration_s: float, words: str) -> None:
    assert lasting(duration_s) == words


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 kB"),
        (1, "1 kB"),
        (999_999, "1000 kB"),
        (1_000_000, "1 MB"),
        (411_700_000, "412 MB"),
        (1_000_000_000, "1.0 GB"),
        (10_240_000_000, "10.2 GB"),
    ],
)
def test_a_size_is_told_with_its_unit(size_bytes: int, words: str) -> None:
    assert size_words(size_bytes) == words


def test_what_is_said_at_the_end_counts_calls() -> None:
    assert stopping_words(0, 30) == ""
    assert stopping_words(1, 30) == (
        "stopping: 1 call is running, up to 30 s (Ctrl-C again stops now)"
    )
    assert stopping_words(1_200, 5) == (
        "stopping: 1,200 calls are running, up to 5 s (Ctrl-C again stops now)"
    )
    assert stopped_words(1_204, 0, 7_500) == "stopped after 2 h 5 min, 1,204 calls"
    assert stopped_words(1, 1, 7) == "stopped after 7 s, 1 call, 1 cut off"
