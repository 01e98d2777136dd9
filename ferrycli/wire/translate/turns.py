"""Turns put in the order and company that a dialect wants them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ferrycli.wire.translate.talk import Part, Talk, Text, ToolCall, ToolResult, Turn


def joined(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with neighbours of one side made one, so that sides alternate.

    In each, results of tools come first: they answer the turn before, and both Anthropic and
    OpenAI refuse them anywhere else.
    """
    return tuple(
        Turn(role, results_first([part for turn in group for part in turn.parts]))
        for role, group in groupby(turns, key=lambda turn: turn.role)
    )


def hoisted(talk: Talk) -> Talk:
    """`talk` with instructions from between turns behind the system prompt, in their order.

    Anthropic's messages, Gemini and Converse have no place for them in a conversation. Clients send
    them all the same: Codex CLI when its user changes what it may do, LangChain and others with
    what they have found. As a user's words they would weigh less than the operator meant, and the
    model would answer them; left out, they would be lost. So they come before all turns, the last
    said last, as Anthropic's and Google's own layers for OpenAI's dialect have it.
    Source: https://docs.anthropic.com/en/api/openai-sdk, "System / developer message hoisting"
    """
    later = [
        part
        for turn in talk.turns
        if turn.role == "system"
        for part in turn.parts
        if isinstance(part, Text)
    ]
    if not later:
        return talk
    turns = tuple(turn for turn in talk.turns if turn.role != "system")
    return replace(talk, system=(*talk.system, *later), turns=turns)


def in_place(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns as `joined` has them, with no instruction between a call and its results.

    OpenAI refuses any message there, so what stands there comes after the results.
    """
    ordered: list[Turn] = []
    kept_back: list[Turn] = []
    waiting: set[str] = set()
    for turn in turns:
        if turn.role == "system" and waiting:
            kept_back.append(turn)
            continue
        calls = {part.id for part in turn.parts if isinstance(part, ToolCall)}
        results = {part.id for part in turn.parts if isinstance(part, ToolResult)}
        if turn.role != "system" and not results:
            # Whoever goes on without results has no more of them to come.
            waiting.clear()
            ordered += kept_back
            kept_back.clear()
        waiting = (waiting | calls) - results
        ordered.append(turn)
        if not waiting:
            ordered += kept_back
            kept_back.clear()
    return joined([*ordered, *kept_back])


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
