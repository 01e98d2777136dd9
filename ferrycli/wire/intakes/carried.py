"""What every dialect's request carries besides its turns: attribution and fingerprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from ferrycli.rules.other_names import LENGTH_MAX, MEMBERS_MAX
from ferrycli.wire.facts import Fingerprints
from ferrycli.wire.intakes.checks import ABSENT, present
from ferrycli.wire.intakes.text_turns import INSTRUCTING

METADATA_MEMBERS_MAX = 64


PREFIX_KEPT_MAX = 1 << 15
"""The hash of a prefix of so many bytes is kept with it."""

FIELDS = ("user", "safety_identifier", "session_id", "prompt_cache_key")
"""Fields of text that attribution reads; some providers take them in every dialect."""
_NOTHING = (None,) * len(FIELDS)


class Carrying(msgspec.Struct):
    """The members of a body that say whom it belongs to; dialects add theirs."""

    user: Any = None
    safety_identifier: Any = None
    session_id: Any = None
    prompt_cache_key: Any = None
    trace: msgspec.Raw = ABSENT
    metadata: Any = None


def strings(value: object) -> list[str]:
    """The text in a list; none where it is no list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def text_members(value: object) -> Mapping[str, str]:
    """The `metadata` that is text to text; anything else in it is the provider's business."""
    if not isinstance(value, dict):
        return {}
    pairs = [(name, text) for name, text in value.items() if isinstance(text, str)]
    return dict(pairs[:METADATA_MEMBERS_MAX])


def fields_of(parsed: Carrying) -> dict[str, str]:
    """The fields that attribution reads, and `metadata.tags`; JSON where it is no text."""
    said = (parsed.user, parsed.safety_identifier, parsed.session_id, parsed.prompt_cache_key)
    fields: dict[str, str] = {}
    if said != _NOTHING:
        pairs = zip(FIELDS, said, strict=True)
        fields = {name: text for name, text in pairs if isinstance(text, str)}
    if (trace := present(parsed.trace)) and len(trace) <= LENGTH_MAX:
        fields["trace"] = trace.decode()
    if isinstance(parsed.metadata, dict) and (tags := strings(parsed.metadata.get("tags"))):
        fields["metadata.tags"] = msgspec.json.encode(tags[:MEMBERS_MAX]).decode()
    return fields


class _Role(msgspec.Struct, gc=False):
    role: str = ""


_decode_role = msgspec.json.Decoder(_Role).decode


def instructions(turns: Sequence[msgspec.Raw]) -> bytes:
    """The turns of system and developer that a request begins with."""
    leading = b""
    for turn in turns:
        try:
            role = _decode_role(turn).role
        except msgspec.DecodeError:
            break
        if role not in INSTRUCTING:
            break
        leading += bytes(turn)
    return leading


def fingerprints(
    body: bytes, prefix: bytes, last: bytes | msgspec.Raw, salt: bytes
) -> Fingerprints:
    """Of the tools and instructions in `prefix`, of all, and of the last turn."""
    last_bytes = len(last)
    return Fingerprints(
        _prefix_hashed(prefix, salt) if prefix else 0,
        hashed(body, salt),
        hashed(last, salt) if last_bytes else 0,
        len(prefix),
        len(body),
        last_bytes,
    )


def _prefix_hashed(prefix: bytes, salt: bytes) -> int:
    """As `hashed`: tools and instructions are the same in many requests."""
    return _kept_hash(prefix, salt) if len(prefix) <= PREFIX_KEPT_MAX else hashed(prefix, salt)


@lru_cache(256)
def _kept_hash(prefix: bytes, salt: bytes) -> int:
    return hashed(prefix, salt)


def hashed(data: bytes | msgspec.Raw, salt: bytes) -> int:
    """A salted 64-bit hash as SQLite can keep it: signed."""
    return int.from_bytes(blake2b(data, digest_size=8, key=salt).digest(), "big", signed=True)
