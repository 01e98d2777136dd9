"""Anthropic's messages dialect as it is asked: the body into `Facts`, and what is sent for it."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ferrycli.rules.clean import safe
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import (
    REQUEST_OVERHEAD,
    TEXT_ALONE,
    TOOLS_OVERHEAD,
    Parts,
    input_bound,
)
from ferrycli.wire.intakes.carried import Carrying, fields_of, fingerprints, text_members
from ferrycli.wire.intakes.chat import UNBOUNDED_FIELDS
from ferrycli.wire.intakes.checks import (
    ABSENT,
    OUTPUT_ASKED_MAX,
    Kind,
    bounded,
    decoded,
    listed,
    model_asked,
    named_member,
    positions,
    present,
)
from ferrycli.wire.intakes.foreign_seals import own_seals_only
from ferrycli.wire.intakes.setting import with_set
from ferrycli.wire.intakes.text_turns import is_messages_text
from ferrycli.wire.splice import Layout, without
from ferrycli.wire.turns import TURNS

LIMIT = "max_tokens"

UNBOUNDED = UNBOUNDED_FIELDS | {"mcp_servers", "container", "fallbacks"}
"""Members that let other models, or what runs at the provider, be billed."""
LOCAL_TOOLS = ("bash_", "text_editor_", "computer_", "memory_", "browser_toolset_")
"""How kinds of Anthropic's own tools begin that the caller runs; others run at the provider."""
DEFINED_TOOL_TOKENS = 8_192
"""The most that the hidden definition of one of Anthropic's own tools counts."""

INVOKE = "invoke"
INVOKE_VERSION = "bedrock-2023-05-31"
INVOKE_DROPS = frozenset({"model", "stream"})
"""What Bedrock has in the path instead, and refuses in the body."""


class _Thinking(msgspec.Struct):
    budget_tokens: int | None = None


class _Body(Carrying, kw_only=True):
    model: str | None = None
    messages: msgspec.Raw
    system: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    stream: bool | None = None
    max_tokens: int | None = None
    thinking: _Thinking | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    context_management: msgspec.Raw = ABSENT
    output_config: msgspec.Raw = ABSENT
    output_format: msgspec.Raw = ABSENT
    thread: msgspec.Raw = ABSENT


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_tools = msgspec.json.Decoder(list[Kind]).decode


class _Management(msgspec.Struct):
    edits: list[Kind] | None = None


_decode_management = msgspec.json.Decoder(_Management).decode


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request for a message. Raises `NotJson` or `BadParameter`."""
    parsed = decoded(_decode_body, body)
    model = model_asked(parsed.model, place.model)
    said, tools, system = bytes(parsed.messages), present(parsed.tools), present(parsed.system)
    turns = listed(parsed.messages, "messages", "message")
    found = positions(body, (said, tools, system))
    is_text = is_messages_text(said)
    parts = TEXT_ALONE if is_text else TURNS["messages"].parts(said)
    kinds = _kinds(tools)
    hidden = DEFINED_TOOL_TOKENS * sum(kind not in ("", "custom") for kind in kinds or ())
    if present(parsed.output_config) or present(parsed.output_format):
        hidden += TOOLS_OVERHEAD
    bound = input_bound(len(body) + REQUEST_OVERHEAD + hidden, parts, len(tools), len(turns), model)
    if _is_continued(parsed.thread):
        bound = None
    # 0 fills a cache, and nothing is answered.
    asked = bounded(LIMIT, parsed.max_tokens, OUTPUT_ASKED_MAX, least=0)
    thinking = parsed.thinking.budget_tokens if parsed.thinking is not None else None
    is_stream = parsed.stream is True if place.is_stream is None else place.is_stream
    return Facts(
        model=model,
        is_stream=is_stream,
        wants_usage=True,
        output_asked=asked,
        output_fields=() if asked is None else (LIMIT,),
        tier=_tier(parsed),
        input_bound=bound,
        images=0 if bound is None else parts.images,
        input_characters=len(said) + len(tools) + len(system),
        thinking_tokens=bounded("thinking.budget_tokens", thinking, OUTPUT_ASKED_MAX) or 0,
        unbounded_field=_unbounded_field(body, found, parsed, kinds, parts),
        metadata=text_members(parsed.metadata),
        fields=fields_of(parsed),
        fingerprints=fingerprints(body, tools + system, turns[-1], salt),
        layout=found,
        messages=tuple(turns),
        dialect="messages",
        is_text_alone=is_text,
    )


def _kinds(tools: bytes) -> list[str] | None:
    """The kind of each tool; None where the list cannot be read."""
    try:
        return [tool.type for tool in _decode_tools(tools)] if tools else []
    except msgspec.DecodeError:
        return None


def _tier(parsed: _Body) -> str:
    """The tier asked for, `fast+us` for a fast answer from the United States.

    `fast` answers have a price of their own, whatever the tier; so has the place.
    """
    place = "+us" if parsed.inference_geo == "us" else ""
    return (_speed(parsed) + place).removeprefix("+")


def _speed(parsed: _Body) -> str:
    if parsed.speed == "fast":
        return "fast"
    tier = safe(parsed.service_tier, 40) if parsed.service_tier else ""
    return "standard" if tier == "standard_only" else tier


def _is_continued(thread: msgspec.Raw) -> bool:
    """Whether the conversation so far is kept by the provider."""
    said = present(thread)
    try:
        return bool(said) and _decode_kind(said).type != "create"
    except msgspec.DecodeError:
        return True


_decode_kind = msgspec.json.Decoder(Kind).decode


def _unbounded_field(
    body: bytes,
    found: Layout,
    parsed: _Body,
    kinds: list[str] | None,
    parts: Parts,
) -> str:
    if name := named_member(body, found, UNBOUNDED, nothing=(b"null", b"[]")):
        return name
    if parsed.inference_geo not in (None, "global", "us"):
        return "inference_geo"
    if not _only_clears(parsed.context_management):
        return "context_management"
    if parts.has_tools:
        return "messages"
    local = kinds is not None and all(
        kind in ("", "custom") or kind.startswith(LOCAL_TOOLS) for kind in kinds
    )
    return "" if local else "tools"


def _only_clears(management: msgspec.Raw) -> bool:
    """Whether the context is only cleared; to make it shorter by a summary is a further call."""
    try:
        said = present(management)
        edits = _decode_management(said).edits if said else None
    except msgspec.DecodeError:
        return False
    return all(edit.type.startswith("clear_") for edit in edits or ())


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body, with the model's name, ferry's bound and `sent.members` set.

    In the form `invoke`, Bedrock's: without `model` and `stream`, and with a version.
    """
    sent = own_seals_only(body, facts, sent)
    if sent.form != INVOKE:
        return with_set(body, facts, sent, LIMIT)
    added = dict(sent.members)
    if all(member.name != "anthropic_version" for member in facts.members):
        added.setdefault("anthropic_version", msgspec.json.encode(INVOKE_VERSION))
    return without(with_set(body, facts, replace(sent, members=added), LIMIT), INVOKE_DROPS)


# Counting -----------------------------------------------------------------------------------


def read_count(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request to count tokens: nothing is billed, and nothing is answered."""
    return replace(
        read(body, place, salt),
        is_stream=False,
        output_asked=0,
        output_fields=(),
        input_bound=0,
        images=0,
        input_characters=0,
        thinking_tokens=0,
        unbounded_field="",
        messages=(),
    )


def outgoing_count(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body with the model's name and `sent.members` set."""
    return outgoing(body, facts, replace(sent, output_bound=None))
