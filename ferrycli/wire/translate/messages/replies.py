"""A reply of Anthropic's messages into events."""

from __future__ import annotations

from collections.abc import Iterator

from ferrycli.wire.translate.chat.replies import broken
from ferrycli.wire.translate.loose import Object, child, rows, text, whole, written
from ferrycli.wire.translate.parsing import CUT
from ferrycli.wire.translate.seals import ANTHROPIC
from ferrycli.wire.translate.seals import read as read_seal
from ferrycli.wire.translate.talk import (
    Argued,
    Called,
    Event,
    Finished,
    Reason,
    Said,
    Started,
    Thought,
)

REASONS: dict[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Any other reason is an end like others: `stop`."""


def read_whole(reply: Object) -> Iterator[Event]:
    """The events of a reply that is one object."""
    if reply.get("error"):
        yield broken(reply)
        return
    yield Started(text(reply, "id"), text(reply, "model"))
    for block in rows(reply, "content"):
        yield from _block(block)
        if text(block, "type") == "tool_use" and not child(block, "input"):
            yield Argued("{}")
    # It is all there, so it came to its end, also where some server leaves the reason out.
    yield from _ended(reply, is_marked=isinstance(reply.get("content"), list))


class MessagesReading:
    """One reply as a stream.

    Blocks that only a tool run at Anthropic brings forth are passed over: a translated request
    has none of those. What was used is not among the events: the dialect's `Reader` counts that.
    """

    def __init__(self) -> None:
        self._is_started = False
        self._call: int | None = None
        """The number of the block that is a tool call, while it is under way."""
        self._has_arguments = True
        self._signature = ""
        """What has come of the seal of the thought under way."""
        self._end: Object = {}
        self._is_over = False

    def take(self, said: Object) -> Iterator[Event]:
        kind = text(said, "type")
        if kind == "error" or said.get("error"):
            yield broken(said)
        elif kind == "message_start" and not self._is_started:
            # A second one happens, where another model takes over: it is the same reply.
            self._is_started = True
            message = child(said, "message")
            has_counted = bool(child(message, "usage"))
            yield Started(text(message, "id"), text(message, "model"), has_counted)
        elif kind == "content_block_start":
            yield from self._begin(child(said, "content_block"), whole(said, "index"))
        elif kind == "content_block_delta":
            yield from self._piece(child(said, "delta"), whole(said, "index"))
        elif kind == "content_block_stop":
            yield from self._end_block()
        elif kind == "message_delta":
            delta = child(said, "delta")
            self._end = delta if text(delta, "stop_reason") else self._end
        elif kind == "message_stop":
            yield from self.end(is_marked=True)

    def end(self, *, is_marked: bool) -> Iterator[Event]:
        if self._is_over:
            return
        self._is_over = True
        yield from self._end_block()
        yield from _ended(self._end, is_marked=is_marked and self._is_started)

    def _begin(self, block: Object, number: int | None) -> Iterator[Event]:
        yield from self._end_block()
        self._call = None
        if text(block, "type") == "tool_use":
            self._call = number
            self._has_arguments = bool(child(block, "input"))
        yield from _block(block)

    def _piece(self, delta: Object, number: int | None) -> Iterator[Event]:
        kind = text(delta, "type")
        if kind == "text_delta" and (said := text(delta, "text")):
            yield Said(said)
        elif kind == "thinking_delta" and (thought := text(delta, "thinking")):
            yield Thought(thought)
        elif kind == "signature_delta":
            self._signature += text(delta, "signature")
        elif kind == "input_json_delta" and (piece := text(delta, "partial_json")):
            if self._call is None or number != self._call:
                return
            self._has_arguments = True
            yield Argued(piece)

    def _end_block(self) -> Iterator[Event]:
        """A seal is told whole; a call without arguments has an empty object of them."""
        if self._signature:
            signature, self._signature = self._signature, ""
            yield read_seal(signature, "signature", ANTHROPIC).thought("")
        if not self._has_arguments:
            self._has_arguments = True
            yield Argued("{}")


def _block(block: Object) -> Iterator[Event]:
    """The events of a block as it stands, or as it begins: then its pieces follow."""
    kind = text(block, "type")
    if kind == "text" and (said := text(block, "text")):
        yield Said(said)
    elif kind == "thinking":
        seal = read_seal(text(block, "signature"), "signature", ANTHROPIC)
        thought = seal.thought(text(block, "thinking"))
        if thought != Thought():
            yield thought
    elif kind == "redacted_thinking" and (data := text(block, "data")):
        yield read_seal(data, "redacted", ANTHROPIC).thought("")
    elif kind == "tool_use":
        yield Called(text(block, "id"), text(block, "name"))
        if arguments := child(block, "input"):
            yield Argued(written(arguments))


def _ended(end: Object, *, is_marked: bool) -> Iterator[Event]:
    reason = text(end, "stop_reason")
    if not reason and not is_marked:
        yield CUT
        return
    sequence = text(end, "stop_sequence") if reason == "stop_sequence" else ""
    yield Finished(REASONS.get(reason, "stop"), sequence)
