"""How long answers are: the 95th percentile of each route and feature, learned as calls end.

Kept by the ledger thread alone, in bounded memory: of each pair its last 1,000 answers, sorted. The
file holds one figure per pair, which counts after a restart until enough new answers are there.
Source: docs/money.md, section 5.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from bisect import bisect_left, insort
from collections import OrderedDict

KIND = "output_p95"
"""The kind of these rows in the table `learned`."""
EXPECTED_UNTIL_LEARNED = 1_024
EXPECTED_MIN = 256
ANSWERS_KEPT = 1_000
ANSWERS_NEEDED = 200
PERCENT = 95
PAIRS_MAX = 1_000
"""Pairs whose answers are in memory, some 8 kB each; past it the least recently used goes."""
FIGURES_MAX = 10_000
"""Pairs of which the figure alone is in memory."""
WRITE_EVERY = 50
"""Answers of a pair between two writes of its row."""
TOKENS_MAX = (1 << 32) - 1
"""What a place in memory can hold; a longer answer counts as this."""

READ_LEARNED = (
    "SELECT subject, value FROM learned WHERE kind = ? AND samples >= ?"
    " ORDER BY updated_at DESC LIMIT ?"
)
WRITE_LEARNED = (
    "INSERT INTO learned (kind, subject, value, samples, updated_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (kind, subject) DO UPDATE SET value = excluded.value,"
    " samples = excluded.samples, updated_at = excluded.updated_at"
)

Pair = tuple[str, str]
"""Route and feature; either may be the empty string."""
Row = tuple[str, str, int, int, int]
"""The parameters of `WRITE_LEARNED`: kind, subject, value, samples and time."""


class _Answers:
    """The last answers of one pair, in the order in which they came and in that of size."""

    def __init__(self) -> None:
        self._came = array("I")
        self._oldest = 0
        """Where in `_came` the next one goes, once that is full."""
        self._sorted = array("I")
        self.unwritten = 0

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, tokens: int) -> None:
        if len(self._came) < ANSWERS_KEPT:
            self._came.append(tokens)
        else:
            del self._sorted[bisect_left(self._sorted, self._came[self._oldest])]
            self._came[self._oldest] = tokens
            self._oldest = (self._oldest + 1) % ANSWERS_KEPT
        insort(self._sorted, tokens)
        self.unwritten += 1

    def percentile(self) -> int:
        """The least answer that `PERCENT` of the answers do not pass."""
        return self._sorted[-(-len(self._sorted) * PERCENT // 100) - 1]


class Learned:
    """The expected answer of every route and feature. For the ledger thread alone."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Pair, _Answers] = OrderedDict()
        self._figures: OrderedDict[Pair, int] = OrderedDict()
        """Percentiles of earlier answers, which are in memory no longer."""
        self._due: set[Pair] = set()

    def load(self, connection: sqlite3.Connection) -> None:
        """Take the figures that are in the file; what is in memory of answers stays."""
        rows = connection.execute(READ_LEARNED, (KIND, ANSWERS_NEEDED, FIGURES_MAX)).fetchall()
        self._figures.clear()
        # The latest last: the first ones are the first to go.
        for text, value in reversed(rows):
            route, feature = json.loads(text)
            self._figures[(route, feature)] = value

    def expected(self, route: str, feature: str) -> int:
        """`e`, in tokens of one choice."""
        pair = (route, feature)
        if (answers := self._answers.get(pair)) is not None:
            self._answers.move_to_end(pair)
            if len(answers) >= ANSWERS_NEEDED:
                return max(answers.percentile(), EXPECTED_MIN)
        if (figure := self._figures.get(pair)) is not None:
            self._figures.move_to_end(pair)
            return max(figure, EXPECTED_MIN)
        return EXPECTED_UNTIL_LEARNED

    def note(self, route: str, feature: str, output_tokens: int, bound: int | None) -> None:
        """An answer of `output_tokens`, of one choice, that was bounded at `bound` tokens.

        None: it had no bound. An answer whose bound was below 1.5 e is left out: it may have been
        cut, and would make answers seem shorter than they are. To be told once a transaction is
        committed, else an answer could count twice.
        """
        if bound is not None and bound * 2 < self.expected(route, feature) * 3:
            return
        pair = (route, feature)
        if (answers := self._answers.get(pair)) is None:
            answers = self._answers[pair] = _Answers()
            self._drop_past_limits()
        self._answers.move_to_end(pair)
        answers.add(min(max(output_tokens, 0), TOKENS_MAX))
        if len(answers) >= ANSWERS_NEEDED and answers.unwritten >= WRITE_EVERY:
            self._due.add(pair)

    def due(self, now_us: int, *, is_last: bool = False) -> list[Row]:
        """Rows to be written now, in the transaction that is open; mostly none.

        `is_last`: everything that is newer than its row, because the server stops.
        """
        if is_last:
            pairs = {pair for pair, one in self._answers.items() if one.unwritten}
        else:
            pairs = self._due
        return [
            (KIND, subject(pair), answers.percentile(), len(answers), now_us)
            for pair in sorted(pairs)
            if len(answers := self._answers[pair]) >= ANSWERS_NEEDED
        ]

    def written(self) -> None:
        """The rows that `due` gave are committed."""
        for pair in self._due:
            self._answers[pair].unwritten = 0
        self._due.clear()

    def _drop_past_limits(self) -> None:
        while len(self._answers) > PAIRS_MAX:
            pair, answers = self._answers.popitem(last=False)
            self._due.discard(pair)
            if len(answers) >= ANSWERS_NEEDED:
                self._figures[pair] = answers.percentile()
                self._figures.move_to_end(pair)
        while len(self._figures) > FIGURES_MAX:
            self._figures.popitem(last=False)


def subject(pair: Pair) -> str:
    """What a figure was learned of, as its row names it."""
    return json.dumps(list(pair), ensure_ascii=False, separators=(",", ":"))
