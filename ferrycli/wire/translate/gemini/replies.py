"""Gemini's replies into events: whole ones and chunks of a stream are alike.

A tool call is one part, with all of its arguments; one that has no id is given one. What was used
is not among the events: the dialect's `Reader` counts that.
Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from ferrycli.rules.clean import safe
from ferrycli.wire.translate.calls import made_id
from ferrycli.wire.translate.loose import Object, child, rows, text, whole, written
from ferrycli.wire.translate.parsing import CUT, broken_with
from ferrycli.wire.translate.seals import GOOGLE
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
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "LANGUAGE": "content_filter",
        "BLOCKLIST": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "SPII": "content_filter",
        "IMAGE_SAFETY": "content_filter",
        "IMAGE_PROHIBITED_CONTENT": "content_filter",
        "IMAGE_RECITATION": "content_filter",
        "MODEL_ARMOR": "content_filter",
    }
)
"""Any other end, but for `FAILURES`, is one like others: `stop`."""
FAILURES = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)
"""Ends at which there is no answer: no other dialect has reasons for them, so they are errors."""
NOT_ENDED = frozenset({"", "FINISH_REASON_UNSPECIFIED"})
FOREIGN_PARTS = MappingProxyType(
    {
        "inlineData": "a file",
        "fileData": "a file",
        "executableCode": "code that ran at Google",
        "codeExecutionResult": "code that ran at Google",
        "toolCall": "a call of Google's own tools",
        "toolResponse": "a call of Google's own tools",
    }
)


def read_whole(reply: Object) -> Iterator[Event]:
    """The events of a reply that is one object."""
    reading = GeminiReading()
    yield from reading.take(reply)
    yield from reading.end(is_marked=True)


class GeminiReading:
    """One reply; only its first candidate is read, for a translated request asks for one."""

    def __init__(self) -> None:
        self._id = ""
        self._is_started = False
        self._calls = 0
        self._ending: Finished | Broken = CUT

    def take(self, said: Object) -> Iterator[Event]:
        """The events of a chunk, or of a whole reply."""
        if said.get("error"):
            yield broken(said)
            return
        if not self._is_started:
            self._is_started = True
            self._id = safe(text(said, "responseId"))
            has_counted = bool(child(said, "usageMetadata"))
            yield Started(self._id, safe(text(said, "modelVersion")), has_counted)
        if text(child(said, "promptFeedback"), "blockReason"):
            self._ending = Finished("content_filter")
        for candidate in rows(said, "candidates"):
            if not candidate.get("index"):
                yield from self._candidate(candidate)

    def end(self, *, is_marked: bool) -> Iterator[Event]:  # noqa: ARG002  # Others need it.
        """Why the model ended is told last, for a chunk may follow the one that says it."""
        yield self._ending

    def _candidate(self, candidate: Object) -> Iterator[Event]:
        for part in rows(child(candidate, "content"), "parts"):
            yield from self._part(part)
        reason = text(candidate, "finishReason")
        if reason in FAILURES:
            message = text(candidate, "finishMessage") or f"the model ended with {reason}"
            self._ending = broken_with(reason.lower(), message)
        elif reason not in NOT_ENDED:
            plain: Reason = "tool_calls" if self._calls and reason == "STOP" else "stop"
            self._ending = Finished(REASONS.get(reason, plain))

    def _part(self, part: Object) -> Iterator[Event]:
        seal = text(part, "thoughtSignature")
        if "functionCall" in part:
            yield from self._call(child(part, "functionCall"), seal)
            return
        for name, what in FOREIGN_PARTS.items():
            if part.get(name):
                yield Broken("not_translatable", f"the reply holds {what}, which is Gemini's own")
                return
        words = text(part, "text")
        if part.get("thought") is True:
            words, thought = "", words
        else:
            thought = ""
        if words:
            yield Said(words)
        if thought or seal:
            yield read_seal(seal, "signature", GOOGLE).thought(thought)

    def _call(self, call: Object, seal: str) -> Iterator[Event]:
        self._calls += 1
        name = text(call, "name")
        arguments = written(child(call, "args"))
        call_id = text(call, "id") or made_id(self._id, self._calls, name, arguments)
        yield Called(call_id, name, seal)
        yield Argued(arguments)


def broken(said: Object) -> Broken:
    """The error that a reply holds: its name among Google's, or its number."""
    error = child(said, "error")
    code = text(error, "status") or str(whole(error, "code") or "error")
    return broken_with(code, text(error, "message"))
