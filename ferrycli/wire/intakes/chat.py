"""OpenAI's chat dialect as it is asked: the body into `Facts`, and the body that is sent for it.

Decoded once, only the fields that ferry acts on. Nothing is defaulted, reordered or dropped: the
body goes on as it is, but for what must be set.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import TEXT_ALONE, chat_parts, input_bound
from ferrycli.wire.intakes.carried import (
    Carrying,
    fields_of,
    fingerprints,
    instructions,
    strings,
    text_members,
)
from ferrycli.wire.intakes.checks import (
    ABSENT,
    CHOICES_MAX,
    OUTPUT_ASKED_MAX,
    bounded,
    decoded,
    kinds_of,
    listed,
    model_name,
    named_member,
    present,
)
from ferrycli.wire.intakes.foreign_seals import own_seals_only
from ferrycli.wire.intakes.setting import values_set
from ferrycli.wire.intakes.text_turns import chat_texts, leading
from ferrycli.wire.intakes.usage_asked import StreamOptions, wants_usage, with_usage
from ferrycli.wire.splice import Layout, layout, spliced

UNBOUNDED_FIELDS = frozenset(
    """
    web_search_options models plugins search_parameters extra_body preset enable_search
    """.split()
)
"""Members that let a provider bill searches, other models or content kept elsewhere."""
LOCAL_TOOLS = frozenset({"", "function", "custom"})
"""Kinds of tools that the caller runs; every other runs at the provider, at a price of its own."""


class _Body(Carrying, kw_only=True):
    model: str
    # Not `Raw | None`: msgspec takes that for `None` alone.
    messages: msgspec.Raw
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    prediction: msgspec.Raw = ABSENT
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    """Answers that are made, of which `n` are kept: some servers take it here too."""
    service_tier: str | None = None
    modalities: Any = None


_decode_body = msgspec.json.Decoder(_Body).decode


def read(body: bytes, _place: Place, salt: bytes) -> Facts:
    """As `read_chat`: the path of a chat completion says nothing that its body does not."""
    return read_chat(body, salt)


def read_chat(body: bytes, salt: bytes) -> Facts:
    """The facts of a chat completion request. Fingerprints are keyed with `salt`.

    Raises `NotJson` or `BadParameter`.
    """
    parsed = decoded(_decode_body, body)
    raw_messages = bytes(parsed.messages)
    tools, functions = present(parsed.tools), present(parsed.functions)
    raw_tools = tools + functions
    messages = listed(parsed.messages, "messages", "message")
    found = layout(body, [raw for raw in (raw_messages, tools, functions) if raw])
    asked, fields = _output_asked(parsed)
    texts = chat_texts(raw_messages)
    parts = TEXT_ALONE if texts else chat_parts(raw_messages)
    prefix = raw_tools + (leading(messages, texts) if texts else instructions(messages))
    bound = input_bound(len(body), parts, len(raw_tools), len(messages), parsed.model)
    return Facts(
        model=model_name(parsed.model),
        is_stream=parsed.stream is True,
        wants_usage=wants_usage(parsed.stream_options),
        output_asked=asked,
        output_fields=fields,
        choices=_choices(parsed),
        tier=safe(parsed.service_tier, 40) if parsed.service_tier else "",
        input_bound=bound,
        images=parts.images,
        input_characters=len(raw_messages) + len(raw_tools),
        has_audio=parts.has_audio or "audio" in strings(parsed.modalities),
        predicted_bytes=len(present(parsed.prediction)),
        unbounded_field=unbounded_field(body, found, tools),
        metadata=text_members(parsed.metadata),
        fields=fields_of(parsed),
        fingerprints=fingerprints(body, prefix, messages[-1], salt),
        layout=found,
        messages=tuple(messages),
        is_text_alone=texts is not None,
    )


def unbounded_field(body: bytes, found: Layout, tools: bytes) -> str:
    """The member that makes the provider bill what no bound of this request covers; "" for none."""
    if name := named_member(body, found, UNBOUNDED_FIELDS):
        return name
    kinds = kinds_of(tools)
    return "tools" if kinds is None or kinds - LOCAL_TOOLS else ""


def _choices(parsed: _Body) -> int:
    if parsed.n is None and parsed.best_of is None:
        return 1
    return max(
        bounded("n", parsed.n, CHOICES_MAX) or 1,
        bounded("best_of", parsed.best_of, CHOICES_MAX) or 1,
    )


def _output_asked(parsed: _Body) -> tuple[int | None, tuple[str, ...]]:
    """The caller's limit and its fields; the largest, because a provider may read any of them."""
    newer = bounded("max_completion_tokens", parsed.max_completion_tokens, OUTPUT_ASKED_MAX)
    older = bounded("max_tokens", parsed.max_tokens, OUTPUT_ASKED_MAX)
    if newer is None:
        return older, () if older is None else ("max_tokens",)
    if older is None:
        return newer, ("max_completion_tokens",)
    return max(newer, older), ("max_completion_tokens", "max_tokens")


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The body for the provider: the caller's own, but for what ferry must set.

    Set are the model's name at the provider, the request for usage in a stream, ferry's bound
    on the answer (in the caller's fields if it used any, else in `sent.bound_field`), and
    `sent.members`, JSON by name, such as OpenRouter's `provider`.
    """
    values = values_set(facts, own_seals_only(body, facts, sent))
    if facts.is_stream and not facts.wants_usage:
        values["stream_options"] = with_usage(body, facts)
    if sent.output_bound is not None:
        for field in facts.output_fields or (sent.bound_field,):
            values[field] = str(sent.output_bound).encode()
    return spliced(body, facts.members, values) if values else body
