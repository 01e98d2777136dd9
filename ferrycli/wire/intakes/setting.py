"""What is set in every dialect's body: the model's name at the provider, and further members."""

from __future__ import annotations

import msgspec

from ferrycli.wire.dialect import Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.splice import spliced


def values_set(facts: Facts, sent: Sent) -> dict[str, bytes]:
    """The members to set, JSON by name; the model only where it is another than was asked for."""
    values = dict(sent.members)
    if sent.model != facts.model:
        values["model"] = msgspec.json.encode(sent.model)
    return values


def with_set(body: bytes, facts: Facts, sent: Sent, limit: str = "") -> bytes:
    """The caller's body with these set, and ferry's bound on the answer in the field `limit`.

    Empty: the dialect has no field for it.
    """
    values = values_set(facts, sent)
    if "model" not in values and all(one.name != "model" for one in facts.members):
        # A path has named it, or nothing has.
        values["model"] = msgspec.json.encode(sent.model)
    if limit and sent.output_bound is not None:
        values[limit] = str(sent.output_bound).encode()
    return spliced(body, facts.members, values) if values else body
