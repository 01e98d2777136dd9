"""Events put together again: what a model has answered, and the writer of whole replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.translate.parsing import CUT
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Counted,
    Event,
    Finished,
    Refused,
    Said,
    Started,
    Text,
    Thinking,
    Thought,
    ToolCall,
)


class Answer:
    """One reply, as far as its events have come."""

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.parts: list[Text | Thinking | ToolCall] = []
        self.refusal = ""
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self.broken: Broken | None = None
        self._pieces: list[str] = []
        """Of the text or the arguments that the last part will have."""

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            self._take(event)

    def close(self) -> None:
        """The last part is whole."""
        pieces, self._pieces = "".join(self._pieces), []
        if not self.parts or not pieces:
            return
        last = self.parts[-1]
        if isinstance(last, ToolCall):
            self.parts[-1] = replace(last, arguments=pieces)
        else:
            self.parts[-1] = replace(last, text=pieces)

    def _take(self, event: Event) -> None:
        if isinstance(event, Said):
            self._say(event)
        elif isinstance(event, Thought):
            self._think(event)
        elif isinstance(event, Called):
            self._begin(ToolCall(event.id, event.name, "", event.signature))
        elif isinstance(event, Argued):
            if self.parts and isinstance(self.parts[-1], ToolCall):
                self._pieces.append(event.json)
        elif isinstance(event, Refused):
            self.refusal += event.text
        elif isinstance(event, Started):
            self.id, self.model = event.id, event.model
        elif isinstance(event, Finished):
            self.finished = event
        elif isinstance(event, Counted):
            self.usage = event.usage
        else:
            self.broken = event

    def _think(self, event: Thought) -> None:
        if event.redacted:
            self._begin(Thinking(redacted=event.redacted, maker=event.maker))
            return
        last = self.parts[-1] if self.parts else None
        if not isinstance(last, Thinking) or last.redacted or last.signature:
            last = Thinking()
            self._begin(last)
        self._pieces.append(event.text)
        if event.signature:
            self.parts[-1] = replace(last, signature=event.signature, maker=event.maker)

    def _say(self, event: Said) -> None:
        if not self.parts or not isinstance(self.parts[-1], Text):
            self._begin(Text(""))
        self._pieces.append(event.text)

    def _begin(self, part: Text | Thinking | ToolCall) -> None:
        self.close()
        self.parts.append(part)


def spoken(events: Iterable[Event]) -> list[Event]:
    """The events with refusals as text, for dialects that have no words of their own for one."""
    return [Said(one.text) if isinstance(one, Refused) else one for one in events]


class WholeWriter:
    """A `Writer` of a reply that is one object."""

    def __init__(
        self,
        reply: Callable[[Answer, Finished], object],
        error: Callable[[Broken], bytes],
        *,
        has_refusals: bool = True,
    ) -> None:
        """`reply`: an answer that has ended, as the dialect says it. `error`: what broke it.

        `has_refusals`: the dialect knows a refusal from text.
        """
        self._reply = reply
        self._error = error
        self._has_refusals = has_refusals
        self._answer = Answer()

    def write(self, events: Sequence[Event]) -> bytes:
        self._answer.take(events if self._has_refusals else spoken(events))
        return b""

    def finish(self) -> bytes:
        answer = self._answer
        answer.close()
        if answer.broken or not answer.finished:
            return self._error(answer.broken or CUT)
        return msgspec.json.encode(self._reply(answer, answer.finished))
