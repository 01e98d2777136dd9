"""Events into a responses reply, whole or as a stream.

A whole reply is the object in the last event of the stream that would tell the same. In it is what
the client asked for, as OpenAI repeats it, but for `store`: nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from ferrycli.rules.denials import Refusal
from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking
from ferrycli.wire.sse import written_event
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.parsing import CUT, REPLY_KEPT_MAX, TOO_LARGE
from ferrycli.wire.translate.responses.open_items import (
    Json,
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenThought,
    Status,
)
from ferrycli.wire.translate.responses.tools import CallName, call_names
from ferrycli.wire.translate.seals import GOOGLE, Seal
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
    Thought,
)

CODE_UNSAID = "server_error"

UNASKED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""Members of a reply that repeat the request, where it says nothing of them."""
REPEATED = (*UNASKED, "max_tool_calls", "prompt_cache_key", "safety_identifier")

INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is not whole; at any other end it is."""

_ID_BYTES = 12


Piece = Said | Refused | Thought | Called | Argued
"""What an answer is made of."""


def usage_told(usage: Usage) -> Json:
    """`usage` in the shape of responses: cached and written tokens are inside the sum."""
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output_total,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input_total + usage.output_total,
    }


def _repeated(request: bytes) -> Json:
    """What a reply repeats of the request that it answers, without white space: an event is one
    line."""
    try:
        asked = Asked(request)
        found = {name: asked.raw(name) for name in REPEATED}
        packed = {name: msgspec.json.format(raw, indent=-1) for name, raw in found.items() if raw}
    except (Refusal, msgspec.DecodeError, RecursionError):
        return dict(UNASKED)
    return UNASKED | {name: msgspec.Raw(raw) for name, raw in packed.items()}


class _Telling:
    """One reply being told: events in, the JSON of server-sent events out."""

    def __init__(self, asking: Asking) -> None:
        self._created_s = asking.now_s
        self._id = asking.id
        self._model = asking.model
        self._names = call_names(asking.request) if asking.request else {}
        self._repeated = _repeated(asking.request)
        self._item_ids = ""
        self._output: list[Json] = []
        self._open: OpenItem | None = None
        self._sequence = 0
        self._kept = 0
        """Characters of the answer, all of which its last event says again."""
        self._is_begun = False
        self._is_over = False
        self._finished: Finished | None = None
        self._broken: Broken | None = None
        self._usage: Usage | None = None

    def take(self, event: Event) -> Iterator[Json]:
        if self._is_over:
            return
        if isinstance(event, Started):
            self._id, self._model = event.id or self._id, event.model or self._model
        elif isinstance(event, Counted):
            self._usage = event.usage
            return
        yield from self._begin()
        if isinstance(event, Broken):
            yield from self._fail(event)
        elif isinstance(event, Finished):
            self._finished = event
            is_whole = event.reason not in INCOMPLETE_REASONS
            yield from self._close("completed" if is_whole else "incomplete")
        elif not isinstance(event, Started):
            self._kept += _characters(event)
            if self._kept > REPLY_KEPT_MAX:
                yield from self._fail(TOO_LARGE)
            else:
                yield from self._piece(event)

    def end(self) -> Iterator[Json]:
        """The last event, with what was counted. A reply that has not ended has failed."""
        if self._is_over:
            return
        yield from self._begin()
        if self._finished is None:
            yield from self._fail(CUT)
            return
        self._is_over = True
        is_whole = self._finished.reason not in INCOMPLETE_REASONS
        yield self._whole_reply("completed" if is_whole else "incomplete")

    def reply(self, status: str) -> Json:
        """The reply as far as it has come."""
        open_item = [] if self._open is None else [self._open.item("incomplete")]
        broken, finished = self._broken, self._finished
        error = broken and {"code": broken.code or CODE_UNSAID, "message": broken.message}
        reason = INCOMPLETE_REASONS.get(finished.reason) if finished else None
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_s,
            "status": status,
            "error": error,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": self._model,
            "output": [*self._output, *open_item],
            **self._repeated,
            "store": False,
            "usage": None if self._usage is None else usage_told(self._usage),
        }

    def _begin(self) -> Iterator[Json]:
        if self._is_begun:
            return
        self._is_begun = True
        # Clients take an id that begins otherwise for something else than a response.
        self._id = self._id if self._id.startswith("resp_") else f"resp_{self._id}"
        own_id = self._id.encode("utf-8", "replace")
        self._item_ids = blake2b(own_id, digest_size=_ID_BYTES).hexdigest()
        yield self._event("response.created", response=self.reply("in_progress"))
        yield self._event("response.in_progress", response=self.reply("in_progress"))

    def _whole_reply(self, status: str) -> Json:
        return self._event(f"response.{status}", response=self.reply(status))

    def _fail(self, broken: Broken) -> Iterator[Json]:
        self._is_over = True
        self._broken = broken
        yield self._whole_reply("failed")

    def _piece(self, event: Piece) -> Iterator[Json]:
        if isinstance(event, Said | Refused):
            if event.text:
                message = self._open
                if not isinstance(message, OpenMessage):
                    message = OpenMessage(self._new_id(OpenMessage.prefix))
                    yield from self._add(message)
                kind: Any = "output_text" if isinstance(event, Said) else "refusal"
                yield from self._of_item(message.say(kind, event.text))
        elif isinstance(event, Thought):
            yield from self._think(event)
        elif isinstance(event, Called):
            yield from self._call(event)
        elif isinstance(self._open, OpenCall) and event.json:
            yield from self._of_item(self._open.argue(event.json))

    def _think(self, event: Thought) -> Iterator[Json]:
        thought = self._open
        if not isinstance(thought, OpenThought) or not thought.goes_on(event):
            thought = OpenThought(self._new_id(OpenThought.prefix))
            yield from self._add(thought)
        if event.text:
            yield from self._of_item(thought.think(event.text))
        if event.redacted:
            thought.seal(Seal("redacted", event.maker, event.redacted))
        elif event.signature:
            thought.seal(Seal("signature", event.maker, event.signature))

    def _call(self, event: Called) -> Iterator[Json]:
        if event.signature:
            # A call has no place for its seal: it goes before it, as a thought of its own.
            seal = OpenThought(self._new_id(OpenThought.prefix))
            yield from self._add(seal)
            seal.seal(Seal("call", GOOGLE, event.signature))
        name = self._names.get(event.name, CallName(event.name))
        yield from self._add(OpenCall(self._new_id(OpenCall.prefix), event.id, name))

    def _add(self, item: OpenItem) -> Iterator[Json]:
        yield from self._close("completed")
        self._open = item
        number = len(self._output)
        added = item.item("in_progress")
        yield self._event("response.output_item.added", output_index=number, item=added)

    def _close(self, status: Status) -> Iterator[Json]:
        """The item under way is whole."""
        if self._open is None:
            return
        yield from self._of_item(self._open.close())
        item = self._open.item(status)
        self._open = None
        self._output.append(item)
        number = len(self._output) - 1
        yield self._event("response.output_item.done", output_index=number, item=item)

    def _of_item(self, payloads: Iterable[Json]) -> Iterator[Json]:
        assert self._open is not None
        for payload in payloads:
            place = {"item_id": self._open.id, "output_index": len(self._output)}
            yield self._event(**(payload | place))

    def _new_id(self, prefix: str) -> str:
        """The same for the same item of the same reply, and never for another's."""
        number = len(self._output) + (self._open is not None)
        return f"{prefix}_{self._item_ids}{number:04x}"

    def _event(self, type: str, **members: Any) -> Json:
        self._sequence += 1
        return {"type": type, "sequence_number": self._sequence - 1, **members}


class StreamedResponse:
    """A `Writer` of server-sent events."""

    def __init__(self, asking: Asking) -> None:
        self._telling = _Telling(asking)

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(
            _written(payload) for event in events for payload in self._telling.take(event)
        )

    def finish(self) -> bytes:
        return b"".join(_written(payload) for payload in self._telling.end())


class WholeResponse:
    """A `Writer` of a reply that is one object."""

    def __init__(self, asking: Asking) -> None:
        self._telling = _Telling(asking)
        self._last: Json = {}

    def write(self, events: Sequence[Event]) -> bytes:
        for event in events:
            self._keep(self._telling.take(event))
        return b""

    def finish(self) -> bytes:
        self._keep(self._telling.end())
        return msgspec.json.encode(self._last["response"])

    def _keep(self, payloads: Iterable[Json]) -> None:
        for payload in payloads:
            self._last = payload


def _characters(event: Piece) -> int:
    if isinstance(event, Argued):
        return len(event.json)
    if isinstance(event, Called):
        return len(event.id) + len(event.name) + len(event.signature)
    if isinstance(event, Thought):
        return len(event.text) + len(event.signature) + len(event.redacted)
    return len(event.text)


def _written(payload: Json) -> bytes:
    return written_event(msgspec.json.encode(payload), payload["type"])
