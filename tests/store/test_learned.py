"""The expected answer is what the last answers say, and nothing else."""

from __future__ import annotations

import math
import sqlite3
import tracemalloc
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrycli.store import learned
from ferrycli.store.learned import WRITE_LEARNED, Learned, Row
from tests.store.kit import NOON, looking, rows


class Plain:
    """The rule as it is written down, with no thought for speed."""

    def __init__(self, stored: int | None = None) -> None:
        self._last: deque[int] = deque(maxlen=1_000)
        self._stored = stored

    def expected(self) -> int:
        if len(self._last) >= 200:
            return max(256, sorted(self._last)[math.ceil(len(self._last) * 0.95) - 1])
        return 1_024 if self._stored is None else max(256, self._stored)

    def note(self, tokens: int, bound: int | None) -> None:
        if bound is None or bound >= 1.5 * self.expected():
            self._last.append(tokens)


def told(answers: list[int], feature: str = "chat") -> Learned:
    book = Learned()
    for tokens in answers:
        book.note("", feature, tokens, None)
    return book


def write(path: Path, row: Row) -> None:
    with looking(path) as connection:
        connection.execute(WRITE_LEARNED, row)


def loaded(path: Path) -> Learned:
    book = Learned()
    with looking(path) as connection:
        book.load(connection)
    return book


ANSWERS = st.tuples(
    st.integers(0, 6_000), st.none() | st.integers(1, 6_000) | st.sampled_from((383, 384, 1_536))
)


@given(
    st.lists(ANSWERS, max_size=60),
    st.integers(1, 40),
    st.none() | st.integers(0, 5_000),
    st.sampled_from((0, 180, 199, 960)),
)
@settings(deadline=None, max_examples=60)
def test_expected_answer_is_the_rule_worked_by_hand(
    some: list[tuple[int, int | None]], times: int, stored: int | None, before: int
) -> None:
    book, plain = Learned(), Plain(stored)
    if stored is not None:
        book.load(_file_with(stored))
    for tokens, bound in [(700, None)] * before + some * times:
        book.note("cheap", "chat", tokens, bound)
        plain.note(tokens, bound)
        assert book.expected("cheap", "chat") == plain.expected()


def _file_with(value: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE learned (kind TEXT, subject TEXT, value INTEGER, samples INTEGER,"
        " updated_at INTEGER, PRIMARY KEY (kind, subject))"
    )
    connection.execute(WRITE_LEARNED, ("output_p95", '["cheap","chat"]', value, 200, 1))
    return connection


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], 1_024),
        ([500] * 199, 1_024),
        ([500] * 200, 500),
        ([500] * 190 + [9_000] * 10, 500),
        ([500] * 189 + [9_000] * 11, 9_000),
        ([255] * 200, 256),
        ([257] * 200, 257),
        ([9_000] * 1_000 + [500] * 949, 9_000),
        ([9_000] * 1_000 + [500] * 950, 500),
        ([1 << 40] * 200, (1 << 32) - 1),
    ],
)
def test_answers_make_the_expected_one(answers: list[int], expected: int) -> None:
    assert told(answers).expected("", "chat") == expected


def test_answer_that_may_have_been_cut_teaches_nothing() -> None:
    book = told([1_000] * 200)
    for _ in range(1_000):
        book.note("", "chat", 1_499, 1_499)
    assert book.expected("", "chat") == 1_000
    for _ in range(60):
        book.note("", "chat", 1_500, 1_500)
    assert book.expected("", "chat") == 1_500


def test_each_route_and_feature_learns_for_itself() -> None:
    book = told([300] * 200, "chat")
    assert book.expected("", "search") == 1_024
    assert book.expected("chat", "") == 1_024
    assert book.expected("", "chat") == 300


def test_stored_figure_counts_until_enough_new_answers_are_there(path: Path) -> None:
    write(path, ("output_p95", '["","chat"]', 2_000, 200, NOON))
    write(path, ("output_p95", '["","früh"]', 2_500, 199, NOON))
    write(path, ("characters", '["","chat"]', 7, 900, NOON))
    book = loaded(path)
    for _ in range(199):
        book.note("", "chat", 400, None)
    assert book.expected("", "chat") == 2_000
    book.note("", "chat", 400, None)
    assert book.expected("", "chat") == 400
    assert book.expected("", "früh") == 1_024


def test_rows_are_due_at_most_every_fifty_answers() -> None:
    book = told([400] * 199)
    assert book.due(NOON) == []
    book.note("", "chat", 400, None)
    assert book.due(NOON) == [("output_p95", '["","chat"]', 400, 200, NOON)]
    # What was not committed is due again.
    assert len(book.due(NOON)) == 1
    book.written()
    for _ in range(49):
        book.note("", "chat", 600, None)
        assert book.due(NOON) == []
    book.note("", "chat", 600, None)
    assert book.due(NOON + 1) == [("output_p95", '["","chat"]', 600, 250, NOON + 1)]


def test_last_rows_of_a_server_are_all_that_is_newer_than_the_file() -> None:
    book = told([400] * 200)
    for _ in range(150):
        book.note("", "search", 400, None)
    book.written()
    assert book.due(NOON, is_last=True) == []
    book.note("", "chat", 400, None)
    assert [row[1:4] for row in book.due(NOON, is_last=True)] == [('["","chat"]', 400, 201)]


def test_next_server_begins_with_what_this_one_has_learned(path: Path) -> None:
    book = told([777] * 200, "größe, \u2028 and more")
    for row in book.due(NOON):
        write(path, row)
    book.written()
    assert loaded(path).expected("", "größe, \u2028 and more") == 777
    assert [one["samples"] for one in rows(path, "SELECT * FROM learned")] == [200]


def test_pair_that_falls_out_of_memory_keeps_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "PAIRS_MAX", 2)
    book = told([3_000] * 200, "chat")
    book.note("", "one", 1, None)
    book.note("", "two", 1, None)
    assert book.expected("", "chat") == 3_000
    # Its answers are gone, so that it learns anew.
    for _ in range(200):
        book.note("", "chat", 500, None)
    assert book.expected("", "chat") == 500
    assert [row[1] for row in book.due(NOON, is_last=True)] == ['["","chat"]']


def test_pair_in_use_outlives_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "PAIRS_MAX", 2)
    monkeypatch.setattr(learned, "FIGURES_MAX", 0)
    book = told([3_000] * 200, "chat")
    for number in range(10):
        book.note("", f"other-{number}", 1, None)
        assert book.expected("", "chat") == 3_000
    for number in range(2):
        book.note("", f"last-{number}", 1, None)
    assert book.expected("", "chat") == 1_024


def test_memory_is_bounded_whatever_features_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "PAIRS_MAX", 20)
    monkeypatch.setattr(learned, "FIGURES_MAX", 20)
    book = Learned()

    def use(first: int) -> None:
        for number in range(first, first + 100):
            for _ in range(200):
                book.note("", f"feature-{number}", 5_000, None)

    use(0)
    tracemalloc.start()
    try:
        use(100)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 20 * 16_000
    assert len(book.due(NOON)) <= 20


def test_thousand_answers_of_one_pair_take_few_bytes() -> None:
    tracemalloc.start()
    try:
        book = told([5_000 + number for number in range(2_000)])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert book.expected("", "chat") > 5_000
    assert size < 16_000
