"""Endpoints whose body is a model and an input: embeddings and moderations, without an answer.

Also `outgoing` for every body in which only the model's name is ferry's to set.
"""

from __future__ import annotations

import msgspec

from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import TEXT_ALONE, Parts, input_bound
from ferrycli.wire.intakes.carried import Carrying, fields_of, fingerprints, text_members
from ferrycli.wire.intakes.chat import UNBOUNDED_FIELDS
from ferrycli.wire.intakes.checks import (
    decoded,
    model_asked,
    named_member,
    positions,
    present,
)
from ferrycli.wire.intakes.setting import with_set

MODERATION_MODEL = "omni-moderation-latest"
"""The model where a request to moderate names none. Source: OpenAI's reference."""


class _Body(Carrying, kw_only=True):
    model: str | None = None
    input: msgspec.Raw


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_embeddings(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request for embeddings. Raises `NotJson` or `BadParameter`."""
    return _read(decoded(_decode_body, body), body, place, salt, "embeddings")


def read_moderation(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request to moderate. Raises `NotJson` or `BadParameter`."""
    parsed = decoded(_decode_body, body)
    parsed.model = MODERATION_MODEL if parsed.model is None else parsed.model
    return _read(parsed, body, place, salt, "moderations")


def _read(parsed: _Body, body: bytes, place: Place, salt: bytes, dialect: str) -> Facts:
    model = model_asked(parsed.model, place.model)
    said = present(parsed.input)
    found = positions(body, (said,))
    inputs = _decode_list(said) if said.startswith(b"[") else []
    # An input that is an object is a picture or the like, and may name what is elsewhere.
    is_text = not said.startswith(b"{") and not any(bytes(one[:1]) == b"{" for one in inputs)
    parts = TEXT_ALONE if is_text else Parts(is_elsewhere=True)
    return Facts(
        model=model,
        wants_usage=True,
        output_asked=0,
        input_bound=input_bound(len(body), parts, 0, max(1, len(inputs)), model),
        input_characters=len(said),
        unbounded_field=named_member(body, found, UNBOUNDED_FIELDS),
        metadata=text_members(parsed.metadata),
        fields=fields_of(parsed),
        fingerprints=fingerprints(body, b"", said, salt),
        members=found,
        dialect=dialect,
    )


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body with the model's name and `sent.members` set."""
    return with_set(body, facts, sent)
