"""Items of a responses reply while they are being told: what is said of each as it grows.

Every payload is one server-sent event, but for the numbers that the whole reply gives it. An item
is the same in its last event and in the output of the reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ferrycli.wire.translate.responses.tools import CallName, custom_input
from ferrycli.wire.translate.seals import OPENAI, UNSEALED, Seal, told
from ferrycli.wire.translate.talk import Thought

Json = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]
PartKind = Literal["output_text", "refusal"]


class OpenMessage:
    """Text, and refusals to answer."""

    prefix = "msg"

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self._content: list[Json] = []
        """The parts that are whole."""
        self._kind: PartKind | None = None
        self._pieces: list[str] = []

    def item(self, status: Status) -> Json:
        part = [] if self._kind is None else [self._part(self._kind)]
        return {
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [*self._content, *part],
        }

    def say(self, kind: PartKind, piece: str) -> Iterator[Json]:
        if kind != self._kind:
            yield from self._close_part()
            self._kind = kind
            yield self._event("response.content_part.added", part=self._part(kind))
        self._pieces.append(piece)
        if kind == "refusal":
            yield self._event("response.refusal.delta", delta=piece)
        else:
            yield self._event("response.output_text.delta", delta=piece, logprobs=[])

    def close(self) -> Iterator[Json]:
        yield from self._close_part()

    def _close_part(self) -> Iterator[Json]:
        if self._kind is None:
            return
        part = self._part(self._kind)
        if self._kind == "refusal":
            yield self._event("response.refusal.done", refusal=part["refusal"])
        else:
            yield self._event("response.output_text.done", text=part["text"], logprobs=[])
        yield self._event("response.content_part.done", part=part)
        self._content.append(part)
        self._kind = None
        self._pieces.clear()

    def _part(self, kind: PartKind) -> Json:
        said = "".join(self._pieces)
        if kind == "refusal":
            return {"type": kind, "refusal": said}
        return {"type": kind, "text": said, "annotations": [], "logprobs": []}

    def _event(self, kind: str, **members: Any) -> Json:
        return {"type": kind, "content_index": len(self._content), **members}


class OpenThought:
    """A thought, told as OpenAI tells the summary of one: no more is shown of its own."""

    prefix = "rs"

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self._pieces: list[str] = []
        self._seal = UNSEALED

    def goes_on(self, event: Thought) -> bool:
        """Whether `event` is more of this thought: its seal comes whole, and last."""
        return self._seal is UNSEALED and not event.redacted

    def item(self, status: Status) -> Json:
        item: Json = {
            "id": self.id,
            "type": "reasoning",
            "status": status,
            "summary": [self._part()] if self._pieces else [],
        }
        if status == "in_progress":
            return item
        seal = self._seal
        is_own = seal.maker == OPENAI and seal.kind != "call"
        encrypted = told(seal.kind, seal.maker, seal.value, is_own=is_own)
        return item | {"encrypted_content": encrypted}

    def think(self, piece: str) -> Iterator[Json]:
        if not self._pieces:
            yield self._event("response.reasoning_summary_part.added", part=self._part())
        self._pieces.append(piece)
        yield self._event("response.reasoning_summary_text.delta", delta=piece)

    def seal(self, seal: Seal) -> None:
        self._seal = seal

    def close(self) -> Iterator[Json]:
        if self._pieces:
            part = self._part()
            yield self._event("response.reasoning_summary_text.done", text=part["text"])
            yield self._event("response.reasoning_summary_part.done", part=part)

    def _part(self) -> Json:
        return {"type": "summary_text", "text": "".join(self._pieces)}

    def _event(self, kind: str, **members: Any) -> Json:
        return {"type": kind, "summary_index": 0, **members}


class OpenCall:
    """A call of a tool, in the kind and by the name that the client knows it by."""

    prefix = "fc"

    def __init__(self, item_id: str, call_id: str, name: CallName) -> None:
        self.id = item_id
        self._call_id = call_id
        self._name = name
        self._pieces: list[str] = []

    def item(self, status: Status) -> Json:
        is_custom = self._name.is_custom
        item: Json = {
            "id": self.id,
            "type": "custom_tool_call" if is_custom else "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._name.name,
        }
        if self._name.namespace:
            item["namespace"] = self._name.namespace
        given = "" if status == "in_progress" else self._given()
        return item | {"input" if is_custom else "arguments": given}

    def argue(self, piece: str) -> Iterator[Json]:
        """What a custom tool is given stands in JSON until all of it is there."""
        self._pieces.append(piece)
        if not self._name.is_custom:
            yield {"type": "response.function_call_arguments.delta", "delta": piece}

    def close(self) -> Iterator[Json]:
        given = self._given()
        if not self._name.is_custom:
            yield {"type": "response.function_call_arguments.done", "arguments": given}
            return
        yield {"type": "response.custom_tool_call_input.delta", "delta": given}
        yield {"type": "response.custom_tool_call_input.done", "input": given}

    def _given(self) -> str:
        arguments = "".join(self._pieces) or "{}"
        return custom_input(arguments) if self._name.is_custom else arguments


OpenItem = OpenMessage | OpenThought | OpenCall
