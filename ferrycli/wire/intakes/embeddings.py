"""Embeddings as they are asked for: a model and an input; nothing is answered in tokens."""

from __future__ import annotations

import msgspec

from ferrycli.wire.dialect import Place
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import TEXT_ALONE, Parts, input_bound
from ferrycli.wire.intakes.carried import Carrying, fields_of, fingerprints, text_members
from ferrycli.wire.intakes.chat import UNBOUNDED_FIELDS
from ferrycli.wire.intakes.checks import (
    decoded,
    first_byte,
    model_asked,
    named_member,
    positions,
    present,
)
from ferrycli.wire.intakes.setting import with_set


class _Body(Carrying, kw_only=True):
    model: str | None = None
    input: msgspec.Raw


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request for embeddings. Raises `NotJson` or `BadParameter`."""
    parsed = decoded(_decode_body, body)
    model = model_asked(parsed.model, place.model)
    said = present(parsed.input)
    found = positions(body, (said,))
    inputs = _decode_list(said) if said.startswith(b"[") else []
    # An input that is an object is a picture or the like, and may name what is elsewhere.
    is_text = not said.startswith(b"{") and not any(first_byte(one) == b"{" for one in inputs)
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
        layout=found,
        dialect="embeddings",
    )


outgoing = with_set
"""The caller's body with the model's name and `Sent.members` set."""
