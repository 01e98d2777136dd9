"""Turns put in the order and company that a dialect wants them in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from ferrycli.wire.translate.talk import (
    Instruction,
    Part,
    Talk,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)

REMINDER = "<system-reminder>\n{}\n</system-reminder>"
"""An instruction where only a user can be quoted: as Anthropic's own agents write it there."""


def joined(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with neighbours of one side made one, so that sides alternate.

    In each, results of tools come first: they answer the turn before, and both Anthropic and
    OpenAI refuse them anywhere else.
    """
    return tuple(
        Turn(role, results_first([part for turn in group for part in turn.parts]))
        for role, group in groupby(turns, key=lambda turn: turn.role)
    )


def instructed(texts: Iterable[Text]) -> list[Turn]:
    """What a system prompt that stands among the turns is there: a turn, or none if it is empty."""
    parts = tuple(Instruction(one.text, one.cache) for one in texts if one.text)
    return [Turn("user", parts)] if parts else []


def reminder(part: Instruction) -> Text:
    """An instruction as a user's text, for dialects that have none among the turns.

    So it keeps its place, and loses weight; in front of all turns it would be the other way
    round, and no prompt would be cached past it.
    """
    return Text(REMINDER.format(part.text), part.cache)


def voices(parts: Sequence[Part]) -> Iterator[tuple[bool, tuple[Part, ...]]]:
    """A user's parts in runs: whether they are instructions, which are given as texts, or not."""
    for is_told, run in groupby(parts, key=lambda part: isinstance(part, Instruction)):
        yield is_told, tuple(_said(part) for part in run)


def _said(part: Part) -> Part:
    return Text(part.text, part.cache) if isinstance(part, Instruction) else part


def results_first(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The same parts, results of tools before all others."""
    return tuple(sorted(parts, key=lambda part: not isinstance(part, ToolResult)))


def with_tool_names(talk: Talk) -> Talk:
    """Every result with the name of the tool whose call it answers, where there is that call."""
    names = {
        part.id: part.name
        for turn in talk.turns
        for part in turn.parts
        if isinstance(part, ToolCall)
    }
    turns = tuple(
        replace(turn, parts=tuple(_named(part, names) for part in turn.parts))
        for turn in talk.turns
    )
    return replace(talk, turns=turns)


def _named(part: Part, names: dict[str, str]) -> Part:
    if isinstance(part, ToolResult) and (name := names.get(part.id)):
        return replace(part, name=name)
    return part
