"""How a model answers is what its last answers say: characters per token, and tokens a second."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrycli.rules.estimate import UNLEARNED, Manner
from ferrycli.rules.usage import Usage
from ferrycli.store import manners
from ferrycli.store.learned import WRITE_LEARNED, Row
from ferrycli.store.manners import Answered, Manners
from ferrycli.store.rows import BilledLine
from tests.store.kit import (
    NOON,
    USD,
    Clock,
    Ids,
    ask,
    looking,
    make_key,
    opening,
    question,
    running,
    staged,
)
from tests.store.kit import settled as ended
from tests.store.teller import Teller, failed, settled, to

MODEL = ("up", "m-1")
PLAIN = Answered("up", "m-1", 400, 100, 0, 2_000_000)
"""Four characters a token, fifty tokens a second."""
THOUGHT = PLAIN._replace(characters=0, output_tokens=300, reasoning_tokens=250)
"""At 150 tokens a second."""


def told(*answers: Answered) -> Manners:
    """What is known once each answer has been written, as a server does."""
    book = Manners()
    for answered in answers:
        note(book, answered)
    return book


def note(book: Manners, answered: Answered) -> None:
    book.note(answered)
    if book.due(NOON):
        book.written()


def known(book: Manners, model: tuple[str, str] = MODEL) -> Manner:
    return book.known.get(model, UNLEARNED)


CASES: list[tuple[list[Answered], Manner]] = [
    ([], UNLEARNED),
    ([PLAIN] * 9, UNLEARNED),
    ([PLAIN] * 19, UNLEARNED),
    ([PLAIN] * 20, Manner(4_000, 50_000)),
    # Sums, not a mean of ratios: a long answer counts for more than a short one.
    (
        [PLAIN._replace(characters=30, output_tokens=10)] * 10
        + [PLAIN._replace(characters=4_500, output_tokens=1_000)] * 10,
        Manner((300 + 45_000) * 1_000 // 10_100),
    ),
    # Thoughts are no text, but they take time.
    ([THOUGHT._replace(characters=200)] * 20, Manner(4_000, 150_000, has_thoughts=True)),
    ([THOUGHT] * 20, Manner(None, 150_000, has_thoughts=True)),
    ([PLAIN] * 19 + [THOUGHT] * 21, Manner(None, 19 * 50_000, has_thoughts=True)),
    # Fewer than one character a token or more than eight: that was not the text's count.
    ([PLAIN._replace(characters=99)] * 40, Manner(None, 50_000)),
    ([PLAIN._replace(characters=100)] * 20, Manner(1_000, 50_000)),
    ([PLAIN._replace(characters=800)] * 20, Manner(8_000, 50_000)),
    ([PLAIN._replace(characters=801)] * 40, Manner(None, 50_000)),
    ([PLAIN._replace(characters=0)] * 20, Manner(None, 50_000)),
    ([PLAIN._replace(output_tokens=0)] * 40, UNLEARNED),
    ([PLAIN._replace(reasoning_tokens=100)] * 20, Manner(None, 50_000, has_thoughts=True)),
    # A short answer says nothing of the speed, and neither does an impossible one.
    ([PLAIN._replace(output_tokens=99)] * 20, Manner(4_040)),
    ([PLAIN._replace(took_us=20_000)] * 20, Manner(4_000, 5_000_000)),
    ([PLAIN._replace(took_us=19_999)] * 20, Manner(4_000)),
    ([PLAIN._replace(took_us=0)] * 20, Manner(4_000)),
    ([PLAIN._replace(took_us=-7)] * 20, Manner(4_000)),
    # Of three choices each is as fast as one.
    (
        [PLAIN._replace(characters=1_200, output_tokens=300, choices=3)] * 20,
        Manner(4_000, 50_000),
    ),
    # The last 200 count.
    ([PLAIN] * 20 + [PLAIN._replace(characters=300)] * 200, Manner(3_000, 50_000)),
    ([PLAIN] * 100 + [PLAIN._replace(characters=300)] * 100, Manner(3_500, 50_000)),
]


@pytest.mark.parametrize(("answers", "expected"), CASES)
def test_answers_make_the_manner(answers: list[Answered], expected: Manner) -> None:
    if answers and expected.tokens_per_second_milli == 19 * 50_000:
        # Nineteen plain ones are too few, and both kinds together are forty for the speed.
        tokens, us = 19 * 100 + 21 * 300, 40 * 2_000_000
        expected = replace(expected, tokens_per_second_milli=tokens * 10**9 // us)
    assert known(told(*answers)) == expected


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 600)), max_size=40),
    st.integers(1, 12),
)
@settings(deadline=None, max_examples=60)
def test_ratio_is_that_of_the_sums_worked_by_hand(some: list[tuple[int, int]], times: int) -> None:
    book, last = Manners(), deque[tuple[int, int]](maxlen=200)
    for characters, tokens in some * times:
        book.note(PLAIN._replace(characters=characters, output_tokens=tokens, took_us=0))
        if tokens and tokens <= characters <= 8 * tokens:
            last.append((characters, tokens))
    rows = {row[0]: row[2:4] for row in book.due(NOON, is_last=True)}
    if len(last) < 20:
        assert rows == {}
        return
    characters, tokens = (sum(pair[at] for pair in last) for at in (0, 1))
    # What is due may be of an answer earlier that was not written: the last one writes all.
    assert rows["chars_per_token"] == (characters * 1_000 // tokens, len(last))


def test_each_model_of_each_provider_learns_for_itself() -> None:
    book = told(*[PLAIN] * 20)
    assert known(book, ("up", "m-2")) == known(book, ("other", "m-1")) == UNLEARNED


def test_rows_are_due_every_twenty_answers_until_they_are_written() -> None:
    book = Manners()
    for _ in range(9):
        book.note(PLAIN)
    # An answer that teaches nothing is not counted.
    book.note(PLAIN._replace(characters=0, output_tokens=1))
    assert book.due(NOON) == []
    for _ in range(11):
        book.note(PLAIN)
    wanted: list[Row] = [
        ("chars_per_token", '["up","m-1"]', 4_000, 20, NOON),
        ("reasoning", '["up","m-1"]', 0, 20, NOON),
        ("tokens_per_second", '["up","m-1"]', 50_000, 20, NOON),
    ]
    assert sorted(book.due(NOON)) == wanted
    assert sorted(book.due(NOON)) == wanted, "what was not committed is due again"
    assert book.known == {}
    book.written()
    assert book.due(NOON) == []
    assert known(book) == Manner(4_000, 50_000)


def test_last_rows_of_a_server_are_all_that_is_newer_than_the_file() -> None:
    book = told(*[PLAIN] * 20)
    assert book.due(NOON, is_last=True) == []
    few = PLAIN._replace(model="m-2")
    for answered in (PLAIN, few):
        book.note(answered)
    rows = [row[:4] for row in book.due(NOON, is_last=True)]
    assert ("chars_per_token", '["up","m-1"]', 4_000, 21) in rows
    assert {row[1] for row in rows} == {'["up","m-1"]'}, "one answer is not enough"


def write(path: Path, *rows: Row) -> None:
    with looking(path) as connection:
        connection.executemany(WRITE_LEARNED, rows)


def loaded(path: Path) -> Manners:
    book = Manners()
    with looking(path) as connection:
        book.load(connection)
    return book


def test_next_server_begins_with_what_this_one_has_learned(path: Path) -> None:
    book = told(*[PLAIN._replace(model="größe/x")] * 19)
    book.note(PLAIN._replace(model="größe/x"))
    write(path, *book.due(NOON))
    assert known(loaded(path), ("up", "größe/x")) == Manner(4_000, 50_000)


def test_stored_figure_counts_until_enough_new_answers_are_there(path: Path) -> None:
    write(
        path,
        ("chars_per_token", '["up","m-1"]', 3_000, 20, NOON),
        ("tokens_per_second", '["up","m-1"]', 9_000, 20, NOON),
        ("reasoning", '["up","m-1"]', 800, 20, NOON),
        ("output_p95", '["up","m-1"]', 7, 900, NOON),
        ("chars_per_token", '["up","m-2"]', 3_000, 19, NOON),
    )
    book = loaded(path)
    assert known(book) == Manner(3_000, 9_000, has_thoughts=True)
    assert known(book, ("up", "m-2")) == UNLEARNED
    for _ in range(20):
        note(book, PLAIN._replace(output_tokens=50, characters=200))
    assert known(book) == Manner(4_000, 9_000, has_thoughts=True), "no speed was learned since"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("chars_per_token", 0, Manner(1_000)),
        ("chars_per_token", -1, Manner(1_000)),
        ("chars_per_token", 1 << 62, Manner(8_000)),
        ("tokens_per_second", -1, Manner(None, 0)),
        ("tokens_per_second", 1 << 62, Manner(None, 5_000_000)),
        ("reasoning", -1, UNLEARNED),
    ],
)
def test_no_figure_in_the_file_makes_an_estimate_absurd(
    path: Path, kind: str, value: int, expected: Manner
) -> None:
    write(path, (kind, '["up","m-1"]', value, 20, NOON))
    assert known(loaded(path)) == expected


def test_what_falls_out_of_memory_keeps_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manners, "MODELS_MAX", 2)
    book = told(*[PLAIN] * 20)
    for name in ("a", "b"):
        note(book, PLAIN._replace(model=name))
    assert known(book) == Manner(4_000, 50_000)
    # Its answers are gone, so that it learns anew.
    for _ in range(20):
        note(book, PLAIN._replace(characters=300))
    assert known(book) == Manner(3_000, 50_000)


def test_model_in_use_outlives_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manners, "MODELS_MAX", 2)
    book = Manners()
    for number in range(20):
        note(book, PLAIN)
        note(book, PLAIN._replace(model=f"other-{number}"))
    assert known(book) == Manner(4_000, 50_000)


def test_models_that_are_known_are_bounded(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(manners, "FIGURES_MAX", 2)
    book = told(*(PLAIN._replace(model=name) for name in "abc" for _ in range(20)))
    assert [name for _, name in book.known] == ["b", "c"]
    write(
        path,
        *(("chars_per_token", f'["up","{name}"]', 3_000, 20, at) for at, name in enumerate("xyz")),
        *(("reasoning", f'["up","{name}"]', 5, 20, at) for at, name in enumerate("zyx")),
    )
    assert len(loaded(path).known) == 2


def test_answers_of_one_model_take_few_bytes() -> None:
    tracemalloc.start()
    try:
        book = told(*[PLAIN] * 1_000)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert known(book) == Manner(4_000, 50_000)
    assert size < 20_000


def test_file_that_has_nothing_teaches_nothing() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE learned (kind TEXT, subject TEXT, value INTEGER, samples INTEGER,"
        " updated_at INTEGER)"
    )
    book = Manners()
    book.load(connection)
    connection.close()
    assert book.known == {}


# In the ledger ------------------------------------------------------------------------------------


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    found.budget("b", 10**9)
    found.desk.refresh()
    yield found
    assert found.faults() == []
    found.close()


def test_models_are_learned_and_written_behind_the_calls(teller: Teller) -> None:
    """From the last attempt's target and its own time, whatever the reply calls the model."""
    calls = [teller.begin(to(1)) for _ in range(20)]
    teller.clock.move(5)
    for new in calls:
        teller.again(new, failed(), to(1, "down"))
    teller.clock.move(2)
    usage = Usage(output=100, reasoning=20)
    told: dict[str, Any] = {
        "usage": usage,
        "characters": 320,
        "model": "served",
        "finished_at": teller.clock(),
    }
    teller.do(*(settled(new, 1)._replace(**told) for new in calls))
    query = "SELECT kind, subject, value, samples FROM learned ORDER BY kind"
    assert teller.rows(query) == []
    teller.do()
    model = [tuple(row.values()) for row in teller.rows(query)]
    subject = json.dumps(["down", "m-down"], separators=(",", ":"))
    assert model == [
        ("chars_per_token", subject, 320 * 1_000 // 80, 20),
        ("reasoning", subject, 200, 20),
        ("tokens_per_second", subject, 50_000, 20),
    ]
    manner = Manner(4_000, 50_000, has_thoughts=True)
    assert teller.desk.manners.known == {("down", "m-down"): manner}
    teller.die()
    assert teller.desk.manners.known == {("down", "m-down"): manner}


@pytest.mark.parametrize(
    "told",
    [
        {"outcome": "left", "cost_source": "estimated"},
        {"outcome": "left", "cost_source": "reported"},
        {"cost_source": "estimated"},
        {"lines": (BilledLine("up", "m-up", "output", 100, 1, 1),)},
    ],
)
def test_what_was_not_told_to_its_end_by_one_model_teaches_nothing(
    teller: Teller, told: dict[str, Any]
) -> None:
    calls = [teller.begin(to(1)) for _ in range(20)]
    teller.clock.move(2)
    one: dict[str, Any] = {
        "usage": Usage(output=100),
        "characters": 400,
        "finished_at": teller.clock(),
        **told,
    }
    teller.do(*(settled(new, 1)._replace(**one) for new in calls))
    teller.do()
    assert teller.rows("SELECT * FROM learned WHERE kind <> 'output_p95'") == []


@staged
async def test_server_tells_what_it_has_learned_and_the_next_one_begins_with_it(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    manner = Manner(4_000, 50_000)
    async with running(path, clock) as ledger:
        assert ledger.manners == {}
        calls = [ids.make() for _ in range(21)]
        for new in calls:
            opened = opening(new, key.id, sent_model="m-1")
            asked = question(opened, ask(USD), {"key": key.id}, ledger.books.epoch)
            await ledger.admit(asked)
        clock.move(2)
        for new in calls:
            usage = Usage(output=100)
            ledger.settle_soon(ended(new, 1, clock(), usage=usage, characters=400))
            await ledger.refresh()
        assert ledger.manners == {("up", "m-1"): manner}
    with looking(path) as connection:
        samples = connection.execute("SELECT max(samples) FROM learned WHERE kind <> 'output_p95'")
        assert samples.fetchone()[0] == 21, "the last one is written as the server stops"
    assert known(loaded(path)) == manner
