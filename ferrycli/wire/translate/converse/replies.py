"""Converse's replies into events: whole ones, and streams of frames.

What was used is not among the events: the dialect's `Reader` counts that.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from ferrycli.wire.frames import Frame, FrameSplitter
from ferrycli.wire.translate.loose import (
    Object,
    Unreadable,
    child,
    decoded,
    rows,
    text,
    written,
)
from ferrycli.wire.translate.parsing import CUT, UNREADABLE, broken_with, up_to_break
from ferrycli.wire.translate.seals import ANTHROPIC
from ferrycli.wire.translate.seals import read as read_seal
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Event,
    Finished,
    Reason,
    Said,
    Started,
)

REASONS: MappingProxyType[str, Reason] = MappingProxyType(
    {
        "end_turn": "stop",
        "tool_use": "tool_calls",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "stop_sequence": "stop_sequence",
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
    }
)
"""Any other end, but for `FAILURES`, is one like others: `stop`."""
FAILURES = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Ends at which there is no answer: no other dialect has reasons for them, so they are errors."""
SHOWN_BLOCKS = ("text", "toolUse", "reasoningContent", "citationsContent")
OWN_TOOLS = Broken("not_translatable", "the reply holds a call of Bedrock's own tools")
FOREIGN = Broken("not_translatable", "the reply holds what only Converse has")


def read_whole(reply: Object) -> Iterator[Event]:
    """The events of a reply that is one object."""
    message = child(child(reply, "output"), "message")
    if not message:
        yield _broken("error", reply)
        return
    yield Started("", "")
    for block in rows(message, "content"):
        yield from _block(block)
    yield _ended(text(reply, "stopReason"))


class FrameParser:
    """A `Parser` of streams of frames."""

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._is_over = False
        self._has_arguments = True
        self._reason = ""

    def feed(self, chunk: bytes) -> Sequence[Event]:
        return [found for frame in self._splitter.feed(chunk) for found in self._events(frame)]

    def finish(self) -> Sequence[Event]:
        if self._is_over:
            return ()
        self._is_over = True
        return [*self._fill_arguments(), _ended(self._reason)]

    def _events(self, frame: Frame) -> Sequence[Event]:
        if self._is_over:
            return ()
        try:
            found = up_to_break(self._take(frame))
        except Unreadable:
            found = [UNREADABLE]
        self._is_over = any(isinstance(one, Broken) for one in found)
        return found

    def _take(self, frame: Frame) -> Iterator[Event]:
        said = decoded(frame.payload)
        if frame.is_exception:
            yield _broken(frame.kind, said)
        elif frame.kind == "messageStart":
            yield Started("", "")
        elif frame.kind == "contentBlockStart":
            yield from self._start(child(said, "start"))
        elif frame.kind == "contentBlockDelta":
            yield from self._delta(child(said, "delta"))
        elif frame.kind == "contentBlockStop":
            yield from self._fill_arguments()
        elif frame.kind == "messageStop":
            self._reason = text(said, "stopReason")

    def _start(self, start: Object) -> Iterator[Event]:
        yield from self._fill_arguments()
        call = child(start, "toolUse")
        if call and not call.get("type"):
            self._has_arguments = False
            yield Called(text(call, "toolUseId"), text(call, "name"))
        elif call or "toolResult" in start:
            yield OWN_TOOLS
        elif start:
            yield FOREIGN

    def _delta(self, delta: Object) -> Iterator[Event]:
        if piece := text(child(delta, "toolUse"), "input"):
            self._has_arguments = True
            yield Argued(piece)
        if words := text(delta, "text"):
            yield Said(words)
        reasoning = child(delta, "reasoningContent")
        yield from _thoughts(reasoning, text(reasoning, "text"), text(reasoning, "signature"))
        if delta.get("image"):
            yield FOREIGN

    def _fill_arguments(self) -> Iterator[Event]:
        """A call without arguments has an empty object of them."""
        if not self._has_arguments:
            self._has_arguments = True
            yield Argued("{}")


def _block(block: Object) -> Iterator[Event]:
    if words := text(block, "text"):
        yield Said(words)
    for cited in rows(child(block, "citationsContent"), "content"):
        if words := text(cited, "text"):
            yield Said(words)
    reasoning = child(block, "reasoningContent")
    shown = child(reasoning, "reasoningText")
    yield from _thoughts(reasoning, text(shown, "text"), text(shown, "signature"))
    if call := child(block, "toolUse"):
        if call.get("type"):
            yield OWN_TOOLS
            return
        yield Called(text(call, "toolUseId"), text(call, "name"))
        yield Argued(written(child(call, "input")))
    if block and not any(name in block for name in SHOWN_BLOCKS):
        yield FOREIGN


def _thoughts(reasoning: Object, said: str, signature: str) -> Iterator[Event]:
    """Of Converse's models only Claude seals its thoughts."""
    if said or signature:
        yield read_seal(signature, "signature", ANTHROPIC).thought(said)
    if redacted := text(reasoning, "redactedContent"):
        yield read_seal(redacted, "redacted", ANTHROPIC).thought("")


def _ended(reason: str) -> Finished | Broken:
    if not reason:
        return CUT
    if reason in FAILURES:
        return Broken(reason, f"the model ended with {reason}")
    return Finished(REASONS.get(reason, "stop"))


def _broken(kind: str, said: Object) -> Broken:
    message = text(said, "message") or text(said, "Message")
    return broken_with(kind or "error", message or UNREADABLE.message)
