"""Gemini's dialect as it is asked: the body into `Facts`, and what is sent for it.

The path names the model and says whether the reply is a stream. Every member may be written in
camel or in snake case; both at once is refused, because two readers may take different ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import REQUEST_OVERHEAD, TEXT_ALONE, input_bound
from ferrycli.wire.intakes.carried import fingerprints, strings, text_members
from ferrycli.wire.intakes.checks import (
    ABSENT,
    CHOICES_MAX,
    OUTPUT_ASKED_MAX,
    bounded,
    decoded_members,
    decoded_part,
    listed,
    model_asked,
    positions,
    present,
)
from ferrycli.wire.intakes.foreign_seals import own_seals_only
from ferrycli.wire.intakes.text_turns import is_gemini_text
from ferrycli.wire.splice import Member, members, nested, spliced
from ferrycli.wire.turns import TURNS

CONFIG, LIMIT = "generationConfig", "maxOutputTokens"
MODEL_PREFIX = "models/"

LOCAL_TOOLS = frozenset({"functionDeclarations"})
"""Members of a tool that the caller runs; every other runs at the provider."""

_UNDERSCORE = re.compile(r"_([a-z])")

_Members = dict[str, msgspec.Raw]
_decode_members = msgspec.json.Decoder(_Members).decode
_decode_int = msgspec.json.Decoder(int | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_any = msgspec.json.Decoder(Any).decode
_decode_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)


def _in_camel(said: Mapping[str, msgspec.Raw], inside: str = "") -> _Members:
    """Members by their name in camel case. Raises `BadParameter` where one stands in both."""
    found: _Members = {}
    for name, value in said.items():
        if _camel(name) in found:
            raise BadParameter(".".join((*inside.split(), name))[:64], "twice", "one value")
        found[_camel(name)] = value
    return found


def _object(said: Mapping[str, msgspec.Raw], field: str, inside: str = "") -> _Members:
    """The members of a member that is an object, in camel case; none where it is left out."""
    raw = said.get(field, ABSENT)
    if not present(raw):
        return {}
    path = ".".join((*inside.split(), field))
    # Looked through once more for names that stand twice.
    inner = decoded_part(_decode_members, raw, path)
    members(bytes(raw))
    return _in_camel(inner, path)


def _whole(said: Mapping[str, msgspec.Raw], field: str, inside: str) -> int | None:
    raw = said.get(field, ABSENT)
    return decoded_part(_decode_int, raw, f"{inside}.{field}") if len(raw) else None


def read(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request to generate content. Raises `NotJson` or `BadParameter`."""
    written = decoded_members(body)
    said = _in_camel(written)
    found = positions(body, list(written.values()))
    model = model_asked(None, place.model.removeprefix(MODEL_PREFIX))
    _any(said.get("model"))
    raw_turns, tools = said.get("contents", ABSENT), present(said.get("tools", ABSENT))
    turns = listed(raw_turns, "contents", "content")
    system = present(said.get("systemInstruction", ABSENT))
    every = _every(bytes(raw_turns), system)
    is_text = is_gemini_text(every)
    parts = TEXT_ALONE if is_text else TURNS["gemini"].parts(every)
    config = _object(said, CONFIG)
    thinking = _object(config, "thinkingConfig", CONFIG)
    budget = _whole(thinking, "thinkingBudget", f"{CONFIG}.thinkingConfig")
    asked = bounded(f"{CONFIG}.{LIMIT}", _whole(config, LIMIT, CONFIG), OUTPUT_ASKED_MAX)
    choices = bounded(
        f"{CONFIG}.candidateCount", _whole(config, "candidateCount", CONFIG), CHOICES_MAX
    )
    bound = None
    if not present(said.get("cachedContent", ABSENT)):
        bound = input_bound(len(body) + REQUEST_OVERHEAD, parts, len(tools), len(turns), model)
    modalities = [one.upper() for one in strings(_any(config.get("responseModalities")))]
    return Facts(
        model=model,
        is_stream=place.is_stream is True,
        wants_usage=True,
        output_asked=asked,
        output_fields=() if asked is None else (f"{CONFIG}.{LIMIT}",),
        choices=choices or 1,
        tier=_tier(said),
        input_bound=bound,
        images=0 if bound is None else parts.images,
        input_characters=len(raw_turns) + len(tools) + len(system),
        has_audio=parts.has_audio or "AUDIO" in modalities or "speechConfig" in config,
        thinking_tokens=bounded(
            f"{CONFIG}.thinkingConfig.thinkingBudget",
            None if budget == -1 else budget,
            OUTPUT_ASKED_MAX,
            least=0,
        )
        or 0,
        unbounded_field=_unbounded_field(tools, modalities),
        metadata=text_members(_any(said.get("labels"))),
        fingerprints=fingerprints(body, tools + system, turns[-1], salt),
        layout=found,
        messages=tuple(turns),
        dialect="gemini",
        is_text_alone=is_text,
    )


def _any(raw: msgspec.Raw | None) -> object:
    return None if raw is None else decoded_part(_decode_any, raw, "body")


def _every(turns: bytes, system: bytes) -> bytes:
    """The turns and what stands before them."""
    return b"[" + system + b"," + turns[turns.index(b"[") + 1 :] if system else turns


def _tier(said: Mapping[str, msgspec.Raw]) -> str:
    raw = said.get("serviceTier", ABSENT)
    text = decoded_part(_decode_text, raw, "serviceTier") if len(raw) else None
    tier = safe(text or "", 40).lower().removeprefix("service_tier_")
    return "" if tier == "unspecified" else tier


def _unbounded_field(tools: bytes, modalities: list[str]) -> str:
    """What makes the cost unbounded: tools of Google's own, and pictures as answers."""
    if "IMAGE" in modalities:
        return f"{CONFIG}.responseModalities"
    try:
        kinds = [_camel(name) for tool in _decode_tools(tools) for name in tool] if tools else []
    except msgspec.DecodeError:
        return "tools"
    return "tools" if set(kinds) - LOCAL_TOOLS else ""


def outgoing(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body with ferry's bound and `sent.members` set.

    A `model` in it, which the path overrules, is made to say the same.
    """
    values = dict(own_seals_only(body, facts, sent).members)
    values |= _model(body, facts, sent)
    if sent.output_bound is not None:
        outer, inner = _limit(body, facts.members)
        value = str(sent.output_bound).encode()
        values[outer] = nested(body, facts.members, outer, inner, value)
    return spliced(body, facts.members, values) if values else body


def _limit(body: bytes, found: tuple[Member, ...]) -> tuple[str, str]:
    """Where the limit stands, or is to stand, as the caller writes such names."""
    for member in found:
        raw = body[member.start : member.end]
        if _camel(member.name) == CONFIG:
            names = [] if raw == b"null" else [inner.name for inner in members(raw)]
            return member.name, next((one for one in names if _camel(one) == LIMIT), LIMIT)
    return CONFIG, LIMIT


def _model(body: bytes, facts: Facts, sent: Sent) -> dict[str, bytes]:
    for member in facts.members:
        if member.name == "model":
            said = body[member.start : member.end]
            name = msgspec.json.decode(said)
            bare = name.removeprefix(MODEL_PREFIX) if isinstance(name, str) else ""
            if bare != sent.model:
                return {"model": msgspec.json.encode(MODEL_PREFIX + sent.model)}
    return {}


# Cached contents ----------------------------------------------------------------------------


def read_cached(body: bytes, place: Place, salt: bytes) -> Facts:
    """The facts of a request to keep content in a cache: stored by the hour, without an answer.

    For how long is a matter of the provider, so its cost has no bound.
    """
    written = decoded_members(body)
    said = _in_camel(written)
    found = positions(body, list(written.values()))
    raw = said.get("model", ABSENT)
    named = decoded_part(_decode_text, raw, "model") if len(raw) else None
    model = model_asked(None if named is None else named.removeprefix(MODEL_PREFIX), place.model)
    turns, tools = present(said.get("contents", ABSENT)), present(said.get("tools", ABSENT))
    contents = listed(said["contents"], "contents", "content") if turns else []
    system = present(said.get("systemInstruction", ABSENT))
    parts = TURNS["gemini"].parts(_every(turns or b"[]", system))
    bound = input_bound(len(body) + REQUEST_OVERHEAD, parts, len(tools), len(contents), model)
    last = bytes(contents[-1]) if contents else b""
    return Facts(
        model=model,
        wants_usage=True,
        output_asked=0,
        input_bound=bound,
        images=0 if bound is None else parts.images,
        input_characters=len(turns) + len(tools) + len(system),
        has_audio=parts.has_audio,
        unbounded_field="ttl",
        is_estimable=False,
        fingerprints=fingerprints(body, tools + system, last, salt),
        layout=found,
        dialect="gemini",
    )


def outgoing_cached(body: bytes, facts: Facts, sent: Sent) -> bytes:
    """The caller's body with the model's name and `sent.members` set."""
    values = {**sent.members, **_model(body, facts, sent)}
    return spliced(body, facts.members, values) if values else body
