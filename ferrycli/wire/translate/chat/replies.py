"""A provider's chat reply into events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ferrycli.rules.clean import safe
from ferrycli.wire.translate.chat import details
from ferrycli.wire.translate.loose import Object, child, rows, text, whole
from ferrycli.wire.translate.parsing import CUT, UNREADABLE
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Event,
    Finished,
    Refused,
    Said,
    Started,
    Thinking,
    Thought,
)

Reason = Literal["stop", "length", "tool_calls", "content_filter", "stop_sequence"]

REASONS: dict[str, Reason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""Any other reason of a provider's own is an end like others: `stop`."""

CODE_LENGTH_MAX = 64
MESSAGE_LENGTH_MAX = 2_000


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
        self._calls: list[tuple[int, str]] = []
        """Number and id of each tool call, as the provider gave them."""
        self._has_arguments = True

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
        yield from self._fill_arguments()
        if not self._reason and not (is_marked and self._is_started):
            yield CUT
            return
        reason = REASONS.get(self._reason, "stop")
        yield Finished("tool_calls" if reason == "stop" and self._calls else reason)

    def _message(self, message: Object) -> Iterator[Event]:
        yield from _thoughts(message)
        if isinstance(message.get("content"), list):
            yield from _parts(rows(message, "content"))
        elif content := text(message, "content"):
            yield Said(content)
        if refusal := text(message, "refusal"):
            yield Refused(refusal)
        for at, call in enumerate(rows(message, "tool_calls")):
            yield from self._call(call, at)

    def _call(self, call: Object, at: int) -> Iterator[Event]:
        """A piece of a tool call. The pieces of one come together: they are told in order."""
        function = child(call, "function")
        number = whole(call, "index")
        number = at if number is None else number
        name, given_id = text(function, "name"), text(call, "id")
        current = self._calls[-1] if self._calls else None
        is_known = any(number == known for known, _ in self._calls)
        # Some servers give every call the number 0, and others repeat id and name in each piece.
        if name and (not is_known or (given_id and current and given_id != current[1])):
            yield from self._fill_arguments()
            own_id = given_id or f"call_{self._id}_{len(self._calls)}"
            self._calls.append((number, own_id))
            self._has_arguments = False
            seal = text(child(child(call, "extra_content"), "google"), "thought_signature")
            yield Called(own_id, name, seal)
        elif current is None or current[0] != number:
            yield UNREADABLE
            return
        if arguments := text(function, "arguments"):
            self._has_arguments = True
            yield Argued(arguments)

    def _fill_arguments(self) -> Iterator[Event]:
        """A call without arguments has an empty object of them."""
        if not self._has_arguments:
            self._has_arguments = True
            yield Argued("{}")


def broken(said: Object) -> Broken:
    """The error that a reply holds, in any of its forms."""
    error = said.get("error")
    if not isinstance(error, dict):
        return Broken("", safe(str(error), MESSAGE_LENGTH_MAX))
    named = (error.get(name) for name in ("code", "type", "status"))
    code = next((str(one) for one in named if one not in (None, "")), "")
    return Broken(
        safe(code, CODE_LENGTH_MAX), safe(str(error.get("message") or ""), MESSAGE_LENGTH_MAX)
    )


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
