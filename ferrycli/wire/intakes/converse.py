"""Bedrock's Converse dialect as it is asked: the body into `Facts`, and what is sent for it.

The path names the model and says whether the reply is a stream.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import REQUEST_OVERHEAD, TEXT_ALONE, input_bound
from ferrycli.wire.intakes.carried import fingerprints, text_members
from ferrycli.wire.intakes.checks import (
    ABSENT,
    OUTPUT_ASKED_MAX,
    bounded,
    decoded,
    decoded_members,
    listed,
    model_asked,
    positions,
    present,
)
from ferrycli.wire.intakes.foreign_seals import own_seals_only
from ferrycli.wire.intakes.text_turns import is_converse_text
from ferrycli.wire.splice import members, nested, spliced
from ferrycli.wire.turns import TURNS

CONFIG, LIMIT = "inferenceConfig", "maxTokens"
MORE = "additionalModelRequestFields"

LOCAL_TOOLS = frozenset({"toolSpec", "cachePoint"})
"""Members of a tool that the caller runs, or that is none; every other runs at the provider."""
HARMLESS = frozenset(
    """
    thinking reasoning_config reasoningConfig reasoning_effort output_config top_k topK top_p topP
    temperature stop_sequences anthropic_beta anthropic_version
    """.split()
)
"""A model's own fields that make no call dearer than its bounds say."""
OPTIMIZED = "optimized"


class _Inference(msgspec.Struct):
    maxTokens: int | None = None  # noqa: N815  # As Bedrock writes it.


class _ToolConfig(msgspec.Struct):
    tools: list[dict[str, msgspec.Raw]] | None = None


class _Named(msgspec.Struct):
    type: Any = None
    latency: Any = None


class _Thinking(msgspec.Struct):
    budget_tokens: Any = None


class _Body(msgspec.Struct, rename="camel", kw_only=True):
    messages: msgspec.Raw
    system: msgspec.Raw = ABSENT
    inference_config: _Inference | None = None
    tool_config: msgspec.Raw = ABSENT
    additional_model_request_fields: dict[str, msgspec.Raw] | None = None
    guardrail_config: msgspec.Raw = ABSENT
    prompt_variables: msgspec.Raw = ABSENT
    request_metadata: Any = None
    performance_config: _Named | None = None
    service_tier: _Named | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_tools = msgspec.json.Decoder(_ToolConfig).decode
_decode_thinking = msgspec.json.Decoder(_Thinking).decode


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request to converse. Raises `NotJson` or `BadParameter`."""
    parsed = decoded(_decode_body, body)
    model = model_asked(None, place.model)
    said, tools, system = (
        bytes(parsed.messages),
        present(parsed.tool_config),
        present(parsed.system),
    )
    turns = listed(parsed.messages, "messages", "message")
    found = positions(body, (said, tools, system))
    _refuse_doubles(body, parsed)
    before = b'{"content":' + system + b"}," if system else b""
    every = b"[" + before + b",".join(turns) + b"]"
    is_text = is_converse_text(every)
    parts = TEXT_ALONE if is_text else TURNS["converse"].parts(every)
    limit = parsed.inference_config.maxTokens if parsed.inference_config is not None else None
    asked = bounded(f"{CONFIG}.{LIMIT}", limit, OUTPUT_ASKED_MAX)
    bound = None
    if not present(parsed.prompt_variables):
        bound = input_bound(len(body) + REQUEST_OVERHEAD, parts, len(tools), len(turns), model)
    return Facts(
        model=model,
        is_stream=place.is_stream is True,
        wants_usage=True,
        output_asked=asked,
        output_fields=() if asked is None else (f"{CONFIG}.{LIMIT}",),
        tier=_tier(parsed),
        input_bound=bound,
        images=0 if bound is None else parts.images,
        input_characters=len(said) + len(tools) + len(system),
        has_audio=parts.has_audio,
        thinking_tokens=_thinking(parsed),
        unbounded_field=_unbounded_field(parsed, tools),
        metadata=text_members(parsed.request_metadata),
        fingerprints=fingerprints(body, tools + system, turns[-1], salt),
        layout=found,
        messages=tuple(turns),
        dialect="converse",
        is_text_alone=is_text,
        has_varying=bool(present(parsed.prompt_variables)),
    )


def _refuse_doubles(body: bytes, parsed: _Body) -> None:
    """Raises `BadParameter` for a limit that stands twice."""
    if parsed.inference_config is not None:
        members(bytes(decoded_members(body)[CONFIG]))


def _tier(parsed: _Body) -> str:
    """The tier asked for; what is optimized for latency has a price of its own."""
    if parsed.performance_config is not None and parsed.performance_config.latency == OPTIMIZED:
        return OPTIMIZED
    kind = parsed.service_tier.type if parsed.service_tier is not None else None
    return safe(kind, 40) if isinstance(kind, str) else ""


def _thinking(parsed: _Body) -> int:
    """Claude's budget for thoughts, under the names that it has had here."""
    more = parsed.additional_model_request_fields or {}
    for name in ("thinking", "reasoning_config"):
        try:
            budget = _decode_thinking(more[name]).budget_tokens if name in more else None
        except msgspec.DecodeError:
            continue
        if type(budget) is int:
            field = f"{MORE}.{name}.budget_tokens"
            return bounded(field, budget, OUTPUT_ASKED_MAX) or 0
    return 0


def _unbounded_field(parsed: _Body, tools: bytes) -> str:
    if present(parsed.guardrail_config):
        return "guardrailConfig"
    if present(parsed.prompt_variables):
        # Of a prompt that the provider keeps, with the tools that it names.
        return "promptVariables"
    for name in parsed.additional_model_request_fields or ():
        if name not in HARMLESS:
            return f"{MORE}.{safe(name, 64)}"
    try:
        every = (_decode_tools(tools).tools if tools else None) or []
    except msgspec.DecodeError:
        return "toolConfig"
    return "toolConfig" if any(set(tool) - LOCAL_TOOLS for tool in every) else ""


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body with ferry's bound and `sent.members` set."""
    values = dict(own_seals_only(body, facts, sent).members)
    if sent.output_bound is not None:
        value = str(sent.output_bound).encode()
        values[CONFIG] = nested(body, facts.members, CONFIG, LIMIT, value)
    return spliced(body, facts.members, values) if values else body
