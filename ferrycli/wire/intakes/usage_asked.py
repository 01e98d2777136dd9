"""Usage in streams, where the client must ask for it: OpenAI's `stream_options`."""

from __future__ import annotations

import msgspec

from ferrycli.wire.facts import Facts


class StreamOptions(msgspec.Struct):
    """What of `stream_options` ferry acts on."""

    include_usage: bool | None = None


def wants_usage(options: StreamOptions | None) -> bool:
    """Whether the client itself asks for usage."""
    return options is not None and options.include_usage is True


def with_usage(body: bytes, facts: Facts) -> bytes:
    """The body's `stream_options` with usage asked for, whatever else they say."""
    for member in facts.members:
        if member.name == "stream_options":
            options = _decode_options(body[member.start : member.end]) or {}
            return msgspec.json.encode({**options, "include_usage": True})
    return b'{"include_usage":true}'


# Raw: numbers keep their digits, also those that no float holds.
_decode_options = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
