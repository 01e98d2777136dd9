"""A provider's chat reply into events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ferrycli.wire.translate.calls import is_object
from ferrycli.wire.translate.chat import details
from ferrycli.wire.translate.loose import Object, child, rows, text, whole
from ferrycli.wire.translate.ordering import InOrder
from ferrycli.wire.translate.parsing import CUT, UNREADABLE, broken_with
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Event,
    Finished,
    Reason,
    Refused,
    Said,
    Started,
    Thinking,
    Thought,
)

REASONS: dict[str, Reason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""Any other reason of a provider's own is an end like others: `stop`."""


def read_whole(reply: Object) -> Iterator[Event]:
    """The events of a reply that is one object."""
    reading = ChatReading(message_name="message")
    yield from reading.take(reply)
    # It is all there, so it came to its end, also where some server leaves the reason out.
    yield from reading.end(is_marked=True)


class ChatReading:
    """One reply; only its first choice is read, for a translated request asks for one.

    What it used is not among its events: the dialect's `Reader` counts that.
    """

    def __init__(self, message_name: str = "delta") -> None:
        self._message_name = message_name
        self._is_started = False
        self._id = ""
        self._reason = ""
        self._calls = 0
        self._numbered: dict[int, _Call] = {}
        """The last call of each number, as the provider gives them."""
        self._open: dict[int, _Call] = {}
        """The calls that are not known to be whole, by their places."""
        self._current: _Call | None = None
        """The call that began last, until something follows it."""
        self._order = InOrder()
        self._places = 0

    def take(self, said: Object) -> Iterator[Event]:
        """The events of a chunk, or of a whole reply."""
        if said.get("error"):
            yield broken(said)
            return
        choices = [choice for choice in rows(said, "choices") if not choice.get("index")]
        if not self._is_started and choices:
            self._is_started = True
            self._id = text(said, "id")
            yield Started(self._id, text(said, "model"))
        for choice in choices:
            if choice.get("error"):
                yield broken(choice)
                return
            yield from self._message(child(choice, self._message_name))
            self._reason = text(choice, "finish_reason") or self._reason

    def end(self, *, is_marked: bool) -> Iterator[Event]:
        """Its end is told last, for some providers give the reason for it early, or twice."""
        yield from self._close()
        if not self._reason and not (is_marked and self._is_started):
            yield CUT
            return
        reason = REASONS.get(self._reason, "stop")
        yield Finished("tool_calls" if reason == "stop" and self._calls else reason)

    def _message(self, message: Object) -> Iterator[Event]:
        yield from self._beside(_thoughts(message))
        if isinstance(message.get("content"), list):
            yield from self._beside(_parts(rows(message, "content")))
        elif content := text(message, "content"):
            yield from self._beside([Said(content)])
        if refusal := text(message, "refusal"):
            yield from self._beside([Refused(refusal)])
        for at, call in enumerate(rows(message, "tool_calls")):
            yield from self._call(call, at)

    def _call(self, call: Object, at: int) -> Iterator[Event]:
        """A piece of a tool call. Most providers send one call after the other; some mix them."""
        function = child(call, "function")
        number = whole(call, "index")
        number = at if number is None else number
        name, given_id = text(function, "name"), text(call, "id")
        known = self._numbered.get(number)
        # Some servers give every call the number 0, and others repeat id and name in each piece.
        if name and (known is None or (given_id and given_id != known.id)):
            yield from self._settle()
            known = _Call(self._next(), given_id or f"call_{self._id}_{self._calls}")
            self._numbered[number] = self._current = known
            self._open[known.place] = known
            self._calls += 1
            seal = text(child(child(call, "extra_content"), "google"), "thought_signature")
            yield from self._order.put(known.place, [Called(known.id, name, seal)])
        elif known is None:
            yield UNREADABLE
            return
        if arguments := text(function, "arguments"):
            if known.place not in self._open:
                # Its arguments were whole before.
                yield from (() if arguments.isspace() else (UNREADABLE,))
                return
            known.pieces.append(arguments)
            yield from self._order.put(known.place, [Argued(arguments)])

    def _beside(self, events: Iterable[Event]) -> Iterator[Event]:
        """What is no call: in its place behind the calls that are not whole."""
        for event in events:
            yield from self._settle()
            place = self._next()
            yield from self._order.put(place, [event])
            yield from self._order.close(place)

    def _settle(self) -> Iterator[Event]:
        """Something follows the last call: it is whole, if its arguments are.

        Looked at once: a call whose pieces go on after that waits for the end of the reply.
        """
        last, self._current = self._current, None
        if last is not None and last.pieces and is_object("".join(last.pieces)):
            del self._open[last.place]
            yield from self._order.close(last.place)

    def _close(self) -> Iterator[Event]:
        """Every call is whole. One without arguments has an empty object of them."""
        for call in self._open.values():
            if not call.pieces:
                yield from self._order.put(call.place, [Argued("{}")])
            yield from self._order.close(call.place)
        self._open.clear()
        yield from self._order.flush()

    def _next(self) -> int:
        self._places += 1
        return self._places


@dataclass(slots=True, eq=False)
class _Call:
    """A tool call under way: its place among the items of the reply, and its arguments so far."""

    place: int
    id: str
    pieces: list[str] = field(default_factory=list)


def broken(said: Object) -> Broken:
    """The error that a reply holds, in any of its forms."""
    error = said.get("error")
    if not isinstance(error, dict):
        return broken_with("", str(error))
    named = (error.get(name) for name in ("code", "type", "status"))
    code = next((str(one) for one in named if one not in (None, "")), "")
    return broken_with(code, str(error.get("message") or ""))


def _thoughts(message: Object) -> Iterator[Event]:
    """OpenRouter's details where there are any: only they have seals. Else the text alone."""
    told = rows(message, "reasoning_details")
    for detail in told:
        thought = details.read(
            text(detail, "text") or text(detail, "summary"),
            text(detail, "signature"),
            text(detail, "data"),
            text(detail, "format"),
        )
        if thought != Thinking():
            yield Thought(thought.text, thought.signature, thought.redacted, thought.maker)
    plain = text(message, "reasoning_content") or text(message, "reasoning")
    if plain and not told:
        yield Thought(plain)


def _parts(parts: list[Object]) -> Iterator[Event]:
    """Content in parts, as Mistral has it where a model thinks."""
    for part in parts:
        for thought in rows(part, "thinking"):
            if thinking := text(thought, "text"):
                yield Thought(thinking)
        if said := text(part, "text"):
            yield Said(said)
