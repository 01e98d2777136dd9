"""OpenAI's responses dialect as it is asked: the body into `Facts`, and what is sent for it."""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import REQUEST_OVERHEAD, TEXT_ALONE, Parts, input_bound
from ferrycli.wire.intakes.carried import (
    Carrying,
    fields_of,
    fingerprints,
    instructions,
    text_members,
)
from ferrycli.wire.intakes.chat import UNBOUNDED_FIELDS
from ferrycli.wire.intakes.checks import (
    ABSENT,
    OUTPUT_ASKED_MAX,
    bounded,
    decoded,
    first_byte,
    listed,
    model_asked,
    named_member,
    positions,
    present,
)
from ferrycli.wire.intakes.foreign_seals import own_seals_only
from ferrycli.wire.intakes.setting import with_set
from ferrycli.wire.intakes.text_turns import leading, responses_texts
from ferrycli.wire.splice import Layout
from ferrycli.wire.turns import TURNS

LIMIT = "max_output_tokens"

UNBOUNDED = UNBOUNDED_FIELDS | {
    "context_management",
    "moderation",
    "background_options",
    "prompt",
}
"""Members that let other models be billed, further calls of this one, or, as a prompt that the
provider keeps, tools that it names."""
LOCAL_TOOLS = frozenset({"", "function", "custom", "local_shell", "apply_patch"})
"""Kinds of tools that the caller runs; every other runs at the provider, at a price of its own."""


class _Body(Carrying, kw_only=True):
    model: str | None = None
    input: msgspec.Raw = ABSENT
    instructions: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    stream: bool | None = None
    background: bool | None = None
    max_output_tokens: int | None = None
    service_tier: str | None = None
    previous_response_id: msgspec.Raw = ABSENT
    conversation: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT


_decode_body = msgspec.json.Decoder(_Body).decode


class _Tool(msgspec.Struct):
    type: str = ""
    tools: Any = None


_decode_tools = msgspec.json.Decoder(list[_Tool]).decode


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request for a response. Raises `NotJson` or `BadParameter`."""
    parsed = decoded(_decode_body, body)
    model = model_asked(parsed.model, place.model)
    said, tools = present(parsed.input), present(parsed.tools)
    framed = present(parsed.instructions)
    items = _items(parsed.input) if said else []
    found = positions(body, (said, tools, framed))
    texts = responses_texts(said) if said else []
    parts = TEXT_ALONE if texts is not None else _parts(items)
    varying = present(parsed.conversation) + present(parsed.prompt)
    bound = None
    if not varying and not present(parsed.previous_response_id):
        bound = input_bound(len(body) + REQUEST_OVERHEAD, parts, len(tools), len(items), model)
    asked = bounded(LIMIT, parsed.max_output_tokens, OUTPUT_ASKED_MAX)
    last = items[-1] if items else b""
    opening = instructions(items) if texts is None else leading(items, texts)
    return Facts(
        model=model,
        is_stream=parsed.stream is True,
        wants_usage=True,
        output_asked=asked,
        output_fields=() if asked is None else (LIMIT,),
        tier=safe(parsed.service_tier, 40) if parsed.service_tier else "",
        input_bound=bound,
        images=0 if bound is None else parts.images,
        input_characters=len(said) + len(tools) + len(framed),
        has_audio=parts.has_audio,
        unbounded_field=_unbounded_field(body, found, parsed, parts),
        metadata=text_members(parsed.metadata),
        fields=fields_of(parsed),
        fingerprints=fingerprints(body, tools + framed + opening, last, salt),
        layout=found,
        messages=tuple(items),
        dialect="responses",
        has_varying=bool(varying),
        is_text_alone=texts is not None,
    )


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The items of the input; text alone is one."""
    return [raw] if first_byte(raw) == b'"' else listed(raw, "input", "item")


def _parts(items: list[msgspec.Raw]) -> Parts:
    return TURNS["responses"].parts(b",".join(items).join((b"[", b"]")))


def _unbounded_field(body: bytes, found: Layout, parsed: _Body, parts: Parts) -> str:
    if name := named_member(body, found, UNBOUNDED):
        return name
    if parsed.background and not parsed.stream:
        return "background"
    if parts.has_tools:
        return "input"
    try:
        tools = _decode_tools(parsed.tools) if present(parsed.tools) else []
    except msgspec.DecodeError:
        return "tools"
    return "" if all(map(_is_local, tools)) else "tools"


def _is_local(tool: _Tool) -> bool:
    """Whether the caller runs it; a namespace, if he runs everything in it."""
    if tool.type != "namespace":
        return tool.type in LOCAL_TOOLS
    inner = tool.tools if isinstance(tool.tools, list) else [None]
    kinds = [one.get("type") if isinstance(one, dict) else None for one in inner]
    return all(isinstance(kind, str) and kind in LOCAL_TOOLS for kind in kinds)


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body, with the model's name, ferry's bound and `sent.members` set."""
    return with_set(body, facts, own_seals_only(body, facts, sent), LIMIT)
