"""How each model answers: characters per token and tokens a second, learned as calls end.

Kept by the ledger thread alone, in bounded memory: of each model its last 200 answers. What counts
is what is in the file, so that it is the same after a restart. Source: docs/money.md, section 8.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ferrycli.rules.estimate import (
    CHARS_PER_TOKEN_MAX,
    CHARS_PER_TOKEN_MIN,
    TOKENS_PER_SECOND_MAX,
    UNLEARNED,
    Manner,
)
from ferrycli.store.learned import READ_LEARNED, Row, subject

CHARACTERS, SPEED, THOUGHTS = "chars_per_token", "tokens_per_second", "reasoning"
"""Kinds of rows in the table `learned`, each with thousandths as its value: of characters, of
tokens, and of the output that was reasoning."""
ANSWERS_KEPT = 200
ANSWERS_NEEDED = 20
"""Fewer do not count: one long answer in another script would be the ratio."""
WRITE_EVERY = 20
"""Answers of a model between two writes of its rows."""
MODELS_MAX = 500
"""Models whose answers are in memory, at most 10 kB each; past it the least recently used goes."""
FIGURES_MAX = 2_000
"""Models of which what was learned is in memory."""
SPEED_TOKENS_MIN = 100
"""A shorter answer says more of the way to the provider than of the model's speed."""

Model = tuple[str, str]
"""Provider, and its name for the model."""


class Answered(NamedTuple):
    """An answer that came to its own end, and whose usage was reported."""

    provider: str
    model: str
    characters: int
    """Of one that is plain text; 0: it is not."""
    output_tokens: int
    """Thoughts included."""
    reasoning_tokens: int
    took_us: int
    """From when it was sent to its end."""
    choices: int = 1


class _Ratio:
    """A ratio of two sums, over the last `ANSWERS_KEPT` pairs."""

    def __init__(self) -> None:
        self._overs, self._unders = array("Q"), array("Q")
        self._oldest = 0
        """Where the next pair goes, once there are enough."""
        self._over = self._under = 0

    def __len__(self) -> int:
        return len(self._overs)

    def add(self, over: int, under: int) -> None:
        self._over += over
        self._under += under
        if len(self._overs) < ANSWERS_KEPT:
            self._overs.append(over)
            self._unders.append(under)
            return
        at = self._oldest
        self._over -= self._overs[at]
        self._under -= self._unders[at]
        self._overs[at], self._unders[at] = over, under
        self._oldest = (at + 1) % ANSWERS_KEPT

    def times(self, factor: int) -> int | None:
        """The ratio, multiplied, rounded down; None until there are enough pairs."""
        return self._over * factor // self._under if len(self) >= ANSWERS_NEEDED else None


class _Answers:
    """The last answers of one model."""

    def __init__(self) -> None:
        self._characters, self._speed, self._thoughts = _Ratio(), _Ratio(), _Ratio()
        self.unwritten = 0

    def add(self, answered: Answered) -> None:
        """Learn of it what it can teach."""
        output = answered.output_tokens
        text = output - answered.reasoning_tokens
        is_text = text * CHARS_PER_TOKEN_MIN <= answered.characters <= text * CHARS_PER_TOKEN_MAX
        if has_text := text > 0 and is_text:
            self._characters.add(answered.characters, text)
        made = output // answered.choices
        is_possible = made * 1_000_000 <= answered.took_us * TOKENS_PER_SECOND_MAX
        if has_speed := made >= SPEED_TOKENS_MIN and is_possible:
            self._speed.add(made, answered.took_us)
            self._thoughts.add(answered.reasoning_tokens, output)
        self.unwritten += has_text or has_speed

    def figures(self) -> list[tuple[str, int, int]]:
        """Kind, value and samples of what there are enough answers for."""
        ratios = (
            (CHARACTERS, self._characters, 1_000),
            (SPEED, self._speed, 1_000_000_000),
            (THOUGHTS, self._thoughts, 1_000),
        )
        return [
            (kind, value, len(ratio))
            for kind, ratio, factor in ratios
            if (value := ratio.times(factor)) is not None
        ]


class Manners:
    """How every model answers. For the ledger thread alone, but for `known`."""

    def __init__(self) -> None:
        self.known: Mapping[Model, Manner] = {}
        """What is in the file. Replaced whole; read by anyone."""
        self._answers: OrderedDict[Model, _Answers] = OrderedDict()
        self._due: dict[Model, list[tuple[str, int, int]]] = {}

    def load(self, connection: sqlite3.Connection) -> None:
        """Take what is in the file."""
        known: dict[Model, Manner] = {}
        for kind in (CHARACTERS, SPEED, THOUGHTS):
            rows = connection.execute(READ_LEARNED, (kind, ANSWERS_NEEDED, FIGURES_MAX)).fetchall()
            # The latest last: the first ones are the first to go.
            for text, value in reversed(rows):
                provider, name = json.loads(text)
                model = (provider, name)
                known[model] = _with(known.get(model, UNLEARNED), kind, value)
        self.known = _latest(known)

    def note(self, answered: Answered) -> None:
        """To be told once a transaction is committed, else an answer could count twice."""
        model = (answered.provider, answered.model)
        if (answers := self._answers.get(model)) is None:
            answers = self._answers[model] = _Answers()
            if len(self._answers) > MODELS_MAX:
                self._answers.popitem(last=False)
        self._answers.move_to_end(model)
        answers.add(answered)
        if answers.unwritten >= WRITE_EVERY and (figures := answers.figures()):
            self._due[model] = figures
            answers.unwritten = 0

    def due(self, now_us: int, *, is_last: bool = False) -> list[Row]:
        """Rows to be written now, in the transaction that is open; mostly none.

        `is_last`: everything that is newer than its row, because the server stops.
        """
        if is_last:
            for model, answers in self._answers.items():
                if answers.unwritten and (figures := answers.figures()):
                    self._due[model] = figures
        return [
            (kind, subject(model), value, samples, now_us)
            for model in sorted(self._due)
            for kind, value, samples in self._due[model]
        ]

    def written(self) -> None:
        """The rows that `due` gave are committed: from now on they count."""
        known = dict(self.known)
        for model, figures in self._due.items():
            manner = known.pop(model, UNLEARNED)
            for kind, value, _ in figures:
                manner = _with(manner, kind, value)
            known[model] = manner
        self._due.clear()
        self.known = _latest(known)


def _with(manner: Manner, kind: str, value: int) -> Manner:
    """`manner`, with one figure of a row; within what a figure can be, whatever the file says."""
    if kind == CHARACTERS:
        least, most = CHARS_PER_TOKEN_MIN * 1_000, CHARS_PER_TOKEN_MAX * 1_000
        return replace(manner, chars_per_token_milli=min(max(value, least), most))
    if kind == SPEED:
        speed = min(max(value, 0), TOKENS_PER_SECOND_MAX * 1_000)
        return replace(manner, tokens_per_second_milli=speed)
    return replace(manner, has_thoughts=value > 0)


def _latest(known: dict[Model, Manner]) -> dict[Model, Manner]:
    """The last `FIGURES_MAX` of them."""
    return dict(list(known.items())[-FIGURES_MAX:])
