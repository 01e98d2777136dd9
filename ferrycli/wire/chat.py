"""OpenAI's chat dialect: the outgoing body."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from ferrycli.wire.facts import Facts
from ferrycli.wire.splice import spliced


def outgoing(
    body: bytes,
    facts: Facts,
    model: str,
    output_bound: int | None,
    bound_field: str,
    members: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """The body for the provider: the caller's own, but for what ferry must set.

    Set are the model's name at the provider, the request for usage in a stream, ferry's bound
    on the answer (in the caller's fields if it used any, else in `bound_field`), and `members`,
    JSON by name, such as OpenRouter's `provider`.
    """
    values = dict(members)
    if model != facts.model:
        values["model"] = msgspec.json.encode(model)
    if facts.is_stream and not facts.wants_usage:
        values["stream_options"] = _with_usage(body, facts)
    if output_bound is not None:
        for field in facts.output_fields or (bound_field,):
            values[field] = str(output_bound).encode()
    return spliced(body, facts.members, values) if values else body


def _with_usage(body: bytes, facts: Facts) -> bytes:
    for member in facts.members:
        if member.name == "stream_options":
            options = _decode_options(body[member.start : member.end]) or {}
            return msgspec.json.encode({**options, "include_usage": True})
    return b'{"include_usage":true}'


# Raw: numbers keep their digits, also those that no float holds.
_decode_options = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
