"""A provider's reply in OpenAI's responses into events.

Items that only a tool run at OpenAI brings forth are passed over: a translated request has none of
those. What was used is not among the events: the dialect's `Reader` counts that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ferrycli.wire.translate.chat.replies import broken
from ferrycli.wire.translate.loose import Object, child, rows, text, whole
from ferrycli.wire.translate.ordering import InOrder
from ferrycli.wire.translate.parsing import CUT, UNREADABLE
from ferrycli.wire.translate.responses.items import PARAGRAPH
from ferrycli.wire.translate.seals import OPENAI
from ferrycli.wire.translate.seals import read as read_seal
from ferrycli.wire.translate.talk import (
    Argued,
    Called,
    Event,
    Finished,
    Reason,
    Refused,
    Said,
    Started,
    Thought,
)

ITEMS_MAX = 10_000
"""Of one reply: many more than any model gives."""

INCOMPLETE_REASONS: dict[str, Reason] = {"content_filter": "content_filter"}
"""Any other reason why an answer is not whole is a limit that it came to: `length`."""

_FAILED = frozenset({"response.failed", "response.cancelled"})
_PIECES = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.function_call_arguments.delta": "function_call",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_part.added": "reasoning",
}
"""Events that are a piece of an item, and the type of the item."""


def read_whole(reply: Object) -> Iterator[Event]:
    """The events of a reply that is one object."""
    if not isinstance(reply.get("output"), list) and not reply.get("error"):
        yield UNREADABLE
        return
    reading = ResponsesReading()
    yield from reading.take({"type": _kind_of_end(reply), "response": reply})
    yield from reading.end(is_marked=False)


def _kind_of_end(reply: Object) -> str:
    """The event that ends a stream with this reply."""
    status = text(reply, "status")
    if reply.get("error") or status in ("failed", "cancelled"):
        return "response.failed"
    return f"response.{status or 'completed'}"


@dataclass(slots=True)
class _Item:
    """What was told of one item of the output."""

    has_text: bool = False
    """Of its text, its arguments or its thought, by its type."""
    thought_kind: str = ""
    """The event by which its thought comes: OpenAI's summary of it, or the thought itself."""
    is_called: bool = False
    is_sealed: bool = False
    is_whole: bool = False


class ResponsesReading:
    """One reply as a stream; what only an item's end says, or only the reply's, is told as well."""

    def __init__(self) -> None:
        self._id = ""
        self._is_started = False
        self._is_over = False
        self._items: dict[int, _Item] = {}
        self._order = InOrder()
        self._last = 0
        """The number of the item that came last, for events that say none."""
        self._calls = 0
        self._call_seal = ""

    def take(self, said: Object) -> Iterator[Event]:
        """The events of one server-sent event."""
        kind, response = text(said, "type"), child(said, "response")
        if self._is_over:
            return
        if kind == "error" or (said.get("error") and not kind):
            yield broken(said if said.get("error") else {"error": said})
            return
        if kind in _FAILED:
            yield broken(response if response.get("error") else {"error": {"code": _word(kind)}})
            return
        if response and not self._is_started:
            yield from self._start(response)
        if kind in _PIECES:
            yield from self._in_order(said, self._piece(kind, said))
        elif kind in ("response.output_item.added", "response.output_item.done"):
            is_whole = kind.endswith("done")
            item = child(said, "item")
            yield from self._in_order(
                said, self._of_item(item, self._item(said), is_whole=is_whole)
            )
            if is_whole:
                yield from self._order.close(self._last)
        elif kind in ("response.completed", "response.incomplete"):
            yield from self._end(response)

    def end(self, *, is_marked: bool) -> Iterator[Event]:
        """Some servers mark the end of a stream as chat has it, and nothing else."""
        if self._is_over:
            return
        if is_marked and self._is_started:
            yield from self._end({})
        else:
            yield CUT

    def _start(self, response: Object) -> Iterator[Event]:
        self._is_started = True
        self._id = text(response, "id")
        yield Started(self._id, text(response, "model"))

    def _in_order(self, said: Object, events: Iterator[Event]) -> Iterator[Event]:
        if not self._is_started:
            yield from self._start({})
        self._item(said)
        yield from self._order.put(self._last, events)
        if len(self._items) > ITEMS_MAX:
            yield UNREADABLE

    def _item(self, said: Object) -> _Item:
        number = whole(said, "output_index")
        self._last = self._last if number is None else number
        return self._items.setdefault(self._last, _Item())

    def _piece(self, kind: str, said: Object) -> Iterator[Event]:
        item = self._item(said)
        if kind == "response.reasoning_summary_part.added":
            if item.has_text:
                yield Thought(PARAGRAPH)
            return
        piece = text(said, "delta")
        if not piece or (_PIECES[kind] == "function_call" and not item.is_called):
            return
        if _PIECES[kind] == "reasoning":
            item.thought_kind = item.thought_kind or kind
            if kind != item.thought_kind:
                return
        item.has_text = True
        if kind == "response.output_text.delta":
            yield Said(piece)
        elif kind == "response.refusal.delta":
            yield Refused(piece)
        elif _PIECES[kind] == "reasoning":
            yield Thought(piece)
        else:
            yield Argued(piece)

    def _of_item(self, said: Object, item: _Item, *, is_whole: bool) -> Iterator[Event]:
        """What an item says that was not told before."""
        kind = text(said, "type")
        item.is_whole = item.is_whole or is_whole
        if kind == "function_call":
            yield from self._call(said, item, is_whole=is_whole)
        elif kind == "reasoning" and is_whole:
            yield from self._thought(said, item)
        elif kind == "message" and is_whole and not item.has_text:
            for part in rows(said, "content"):
                if words := text(part, "text"):
                    yield Said(words)
                if refusal := text(part, "refusal"):
                    yield Refused(refusal)

    def _call(self, said: Object, item: _Item, *, is_whole: bool) -> Iterator[Event]:
        name = text(said, "name")
        if not item.is_called:
            if not name and not is_whole:
                return
            if not name:
                yield UNREADABLE
                return
            self._calls += 1
            item.is_called = True
            own_id = text(said, "call_id") or text(said, "id") or f"call_{self._id}_{self._calls}"
            seal, self._call_seal = self._call_seal, ""
            yield Called(own_id, name, seal)
        if is_whole and not item.has_text:
            item.has_text = True
            yield Argued(text(said, "arguments") or "{}")

    def _thought(self, said: Object, item: _Item) -> Iterator[Event]:
        if not item.has_text:
            summary = PARAGRAPH.join(text(part, "text") for part in rows(said, "summary"))
            content = "".join(text(part, "text") for part in rows(said, "content"))
            if summary or content:
                item.has_text = True
                yield Thought(summary or content)
        encrypted = text(said, "encrypted_content")
        if not encrypted or item.is_sealed:
            return
        item.is_sealed = True
        seal = read_seal(encrypted, "signature", OPENAI)
        if seal.kind == "call":
            self._call_seal = seal.value
        elif seal.value:
            yield seal.thought("")

    def _end(self, response: Object) -> Iterator[Event]:
        if not self._is_started:
            yield from self._start(response)
        for number, said in enumerate(rows(response, "output")):
            item = self._item({"output_index": number})
            if not item.is_whole:
                yield from self._order.put(number, self._of_item(said, item, is_whole=True))
                yield from self._order.close(number)
        yield from self._order.flush()
        self._is_over = True
        if text(response, "status") == "incomplete":
            why = text(child(response, "incomplete_details"), "reason")
            yield Finished(INCOMPLETE_REASONS.get(why, "length"))
        else:
            yield Finished("tool_calls" if self._calls else "stop")


def _word(kind: str) -> str:
    """`failed` of `response.failed`."""
    return kind.rpartition(".")[2]
