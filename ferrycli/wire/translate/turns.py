"""Turns put in the order and company that a dialect wants them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ferrycli.wire.translate.talk import Part, Talk, ToolCall, ToolResult, Turn


def joined(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with neighbours of one side made one, so that sides alternate.

    In each, results of tools come first: they answer the turn before, and both Anthropic and
    OpenAI refuse them anywhere else.
    """
    return tuple(
        Turn(role, results_first([part for turn in group for part in turn.parts]))
        for role, group in groupby(turns, key=lambda turn: turn.role)
    )


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
