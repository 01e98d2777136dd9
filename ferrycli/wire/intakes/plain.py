"""Pictures, sounds and moderations as they are asked for: JSON, or a form that also carries files.

What such a call costs has no bound that its request states. Nothing in a form is changed but the
model's name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import TEXT_ALONE, input_bound
from ferrycli.wire.intakes.carried import (
    FIELDS,
    Carrying,
    fields_of,
    fingerprints,
    text_members,
)
from ferrycli.wire.intakes.checks import CHOICES_MAX, bounded, decoded, model_asked
from ferrycli.wire.intakes.forms import Field, fields_in, form_boundary
from ferrycli.wire.intakes.setting import with_set
from ferrycli.wire.splice import NO_LAYOUT, Layout, layout

MODERATION_MODEL = "omni-moderation-latest"
"""The model where a request to moderate names none. Source: OpenAI's reference."""
UNBOUNDED_FIELD = "model"
"""Only another model would have a cost with a bound."""


class _Body(Carrying, kw_only=True):
    model: str | None = None
    prompt: Any = None
    input: Any = None
    voice: Any = None
    n: int | None = None
    stream: bool | None = None
    stream_format: Any = None


_decode_body = msgspec.json.Decoder(_Body).decode


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of such a request. Raises `NotJson` or `BadParameter`."""
    boundary = form_boundary(place.content_type)
    if boundary is not None:
        return _read_form(body, place, salt, boundary)
    parsed = decoded(_decode_body, body)
    model = model_asked(_model_of(parsed), place.model)
    text = parsed.prompt or parsed.input
    return Facts(
        model=model,
        is_stream=parsed.stream is True or parsed.stream_format == "sse",
        wants_usage=True,
        choices=bounded("n", parsed.n, CHOICES_MAX) or 1,
        input_bound=input_bound(len(body), TEXT_ALONE, 0, 1, model),
        input_characters=len(text) if isinstance(text, str) else 0,
        unbounded_field=UNBOUNDED_FIELD,
        is_estimable=False,
        metadata=text_members(parsed.metadata),
        fields=fields_of(parsed),
        fingerprints=fingerprints(body, b"", b"", salt),
        layout=layout(body),
        dialect="plain",
    )


def _model_of(parsed: _Body) -> str | None:
    """The model; what is to be moderated goes without one."""
    is_moderation = parsed.input is not None and parsed.prompt is None and parsed.voice is None
    return MODERATION_MODEL if parsed.model is None and is_moderation else parsed.model


def _read_form(body: bytes, place: Place, salt: bytes, boundary: bytes) -> Facts:
    fields = fields_in(body, boundary)
    named = _only(fields, "model")
    model = model_asked(None if named is None else _text(named, body), place.model)
    texts = {name: _text(one, body) for name in FIELDS if (one := _only(fields, name))}
    stream, count = _only(fields, "stream"), _only(fields, "n")
    return Facts(
        model=model,
        is_stream=stream is not None and _text(stream, body).strip().lower() in ("true", "1"),
        wants_usage=True,
        choices=_count(_text(count, body)) if count is not None else 1,
        input_bound=None,
        input_characters=sum(
            one.member.end - one.member.start for one in fields if one.member.name == "prompt"
        ),
        unbounded_field=UNBOUNDED_FIELD,
        is_estimable=False,
        fields=texts,
        fingerprints=fingerprints(body, b"", b"", salt),
        layout=NO_LAYOUT if named is None else Layout(found=(named.member,)),
        is_form=True,
        dialect="plain",
    )


def _only(fields: list[Field], name: str) -> Field | None:
    """The field of this name; None where there is none. Raises `BadParameter` where two are."""
    found = [field for field in fields if field.member.name == name]
    if len(found) > 1:
        raise BadParameter(name, "twice", "one value")
    if found and found[0].is_file:
        raise BadParameter(name, "a file", "text")
    return found[0] if found else None


def _text(field: Field, body: bytes) -> str:
    try:
        return body[field.member.start : field.member.end].decode()
    except UnicodeDecodeError:
        raise BadParameter(field.member.name, "no UTF-8", "text") from None


def _count(text: str) -> int:
    written = text.strip()
    if not (written.isascii() and written.isdigit() and len(written) <= 4):
        raise BadParameter("n", written[:40] or "empty", f"a whole number from 1 to {CHOICES_MAX}")
    return bounded("n", int(written), CHOICES_MAX) or 1


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body with the model's name set; in JSON also `sent.members`.

    A form takes no further members: no provider of forms has any.
    """
    if not facts.is_form:
        return with_set(body, facts, sent)
    if sent.model == facts.model or not facts.members:
        return body
    (model,) = facts.members
    return body[: model.start] + sent.model.encode() + body[model.end :]
