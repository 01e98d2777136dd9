"""Replies drawn at random as events, and events put in the one form in which they compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Parser, Writer
from ferrycli.wire.translate.answer import Answer
from ferrycli.wire.translate.seals import ANTHROPIC
from ferrycli.wire.translate.talk import (
    Argued,
    Called,
    Counted,
    Event,
    Finished,
    Reason,
    Said,
    Started,
    Thought,
)
from tests.wire.translate.talks import ARGUMENTS, IDS, SAID

USAGE = Usage(input=10, cache_read=3, cache_write_5m=2, output=7, reasoning=4)


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    at = draw(st.integers(0, len(text)))
    return [piece for piece in (text[:at], text[at:]) if piece]


@st.composite
def _thought(draw: st.DrawFn) -> list[Event]:
    if draw(st.booleans()):
        return [Thought(redacted=draw(SAID), maker=ANTHROPIC)]
    pieces = [Thought(piece) for piece in _pieces(draw, draw(st.just("") | SAID))]
    return [*pieces, Thought(signature=draw(SAID), maker=ANTHROPIC)]


@st.composite
def _call(draw: st.DrawFn) -> list[Event]:
    arguments = [Argued(piece) for piece in _pieces(draw, draw(ARGUMENTS))]
    return [Called(draw(IDS), draw(IDS)), *arguments]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Thoughts, then text, then calls, and what it used."""
    said = [Said(piece) for piece in _pieces(draw, draw(st.just("") | SAID))]
    calls = draw(st.lists(_call(), max_size=3))
    thoughts = draw(st.lists(_thought(), max_size=2))
    ends: list[Reason] = ["stop", "length", "content_filter"]
    reason = "tool_calls" if calls else draw(st.sampled_from(ends))
    return [
        Started(draw(IDS), draw(IDS)),
        *(event for thought in thoughts for event in thought),
        *said,
        *(event for call in calls for event in call),
        Finished(reason),
        Counted(USAGE),
    ]


def known(events: Iterable[Event]) -> tuple[object, ...]:
    """What events say, however they are cut."""
    answer = Answer()
    answer.take(events)
    answer.close()
    return (
        answer.id,
        answer.model,
        answer.parts,
        answer.refusal,
        answer.finished,
        answer.broken,
    )


def parsed(parser: Parser, chunks: Iterable[bytes]) -> list[Event]:
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return [*events, *parser.finish()]


def told(writer: Writer, events: Sequence[Event]) -> bytes:
    """A reply, written event by event."""
    return b"".join([*[writer.write([event]) for event in events], writer.finish()])
