"""OpenAI's old completions as they are asked: a prompt, or several, and their continuations."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import REQUEST_OVERHEAD, TEXT_ALONE, input_bound
from ferrycli.wire.intakes import chat
from ferrycli.wire.intakes.carried import Carrying, fields_of, fingerprints, text_members
from ferrycli.wire.intakes.checks import (
    ABSENT,
    CHOICES_MAX,
    OUTPUT_ASKED_MAX,
    bounded,
    decoded,
    first_byte,
    model_asked,
    named_member,
    positions,
    present,
)
from ferrycli.wire.intakes.usage_asked import StreamOptions, wants_usage

LIMIT = "max_tokens"
PROMPTS_MAX = 2_048


class _Body(Carrying, kw_only=True):
    model: str | None = None
    prompt: msgspec.Raw = ABSENT
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    echo: Any = None
    service_tier: str | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_texts = msgspec.json.Decoder(list[str | list[int]]).decode
_decode_tokens = msgspec.json.Decoder(list[int]).decode
_decode_prompt = msgspec.json.Decoder(str | list[msgspec.Raw]).decode


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request to complete a prompt. Raises `NotJson` or `BadParameter`.

    `choices` counts the continuations of every prompt that are made, kept or not.
    """
    parsed = decoded(_decode_body, body)
    model = model_asked(parsed.model, place.model)
    prompt = present(parsed.prompt)
    found = positions(body, (prompt,))
    count = prompts_in(parsed.prompt, "prompt") if prompt else 1
    kept = bounded("n", parsed.n, CHOICES_MAX) or 1
    made = bounded("best_of", parsed.best_of, CHOICES_MAX) or 1
    # 0 is how a prompt is scored: nothing is answered.
    asked = bounded(LIMIT, parsed.max_tokens, OUTPUT_ASKED_MAX, least=0)
    return Facts(
        model=model,
        is_stream=parsed.stream is True,
        wants_usage=wants_usage(parsed.stream_options),
        output_asked=asked,
        output_fields=() if asked is None else (LIMIT,),
        choices=max(kept, made) * count,
        tier=safe(parsed.service_tier or "", 40),
        input_bound=input_bound(len(body) + REQUEST_OVERHEAD, TEXT_ALONE, 0, count, model),
        input_characters=len(prompt),
        # Each prompt is said again before its continuations.
        predicted_bytes=-(-len(prompt) // count) if parsed.echo else 0,
        unbounded_field=named_member(body, found, chat.UNBOUNDED_FIELDS),
        metadata=text_members(parsed.metadata),
        fields=fields_of(parsed),
        fingerprints=fingerprints(body, b"", prompt, salt),
        layout=found,
        dialect="completions",
    )


def prompts_in(raw: msgspec.Raw, field: str) -> int:
    """How many texts there are: one, or a list; each as text or as its tokens.

    Raises `BadParameter` for what is none of these, and for more than `PROMPTS_MAX`.
    """
    wanted = "text, a list of texts, or tokens"
    try:
        said = _decode_prompt(raw)
        if isinstance(said, str):
            return 1
        if said and first_byte(said[0]) not in (b'"', b"["):
            _decode_tokens(raw)
            return 1
        if said:
            _decode_texts(raw)
    except (msgspec.DecodeError, RecursionError):
        raise BadParameter(field, "not readable", wanted) from None
    if not said:
        raise BadParameter(field, "empty", wanted)
    if len(said) > PROMPTS_MAX:
        raise BadParameter(field, f"{len(said):,} of them", f"at most {PROMPTS_MAX:,}")
    return len(said)


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """As in chat, but for the field of ferry's bound."""
    return chat.outgoing(body, facts, replace(sent, bound_field=LIMIT))
