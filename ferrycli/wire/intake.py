"""A chat request's body into `Facts`: decoded once, only the fields that ferry acts on.

Nothing is defaulted, reordered or dropped: the body goes on as it is, but for what must be set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, NotJson
from ferrycli.rules.other_names import LENGTH_MAX, MEMBERS_MAX
from ferrycli.wire.facts import Facts, Fingerprints
from ferrycli.wire.input_bounds import AUDIO, image_tokens, input_bound, unescaped
from ferrycli.wire.splice import Member, members

MODEL_LENGTH_MAX = 200
OUTPUT_ASKED_MAX = 10_000_000
CHOICES_MAX = 128
METADATA_MEMBERS_MAX = 64

UNBOUNDED_FIELDS = frozenset(
    {"web_search_options", "models", "plugins", "search_parameters", "extra_body"}
)
"""Members that let a provider bill searches, other models or content kept elsewhere."""
LOCAL_TOOLS = frozenset({"", "function", "custom"})
"""Kinds of tools that the caller runs; every other runs at the provider, at a price of its own."""

_ABSENT = msgspec.Raw(b"")

T = TypeVar("T")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    # Not `Raw | None`: msgspec takes that for `None` alone.
    messages: msgspec.Raw
    tools: msgspec.Raw = _ABSENT
    functions: msgspec.Raw = _ABSENT
    prediction: msgspec.Raw = _ABSENT
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    service_tier: str | None = None
    user: Any = None
    safety_identifier: Any = None
    session_id: Any = None
    prompt_cache_key: Any = None
    trace: msgspec.Raw = _ABSENT
    metadata: Any = None
    modalities: Any = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Tool(msgspec.Struct):
    type: str = ""


_decode_tools = msgspec.json.Decoder(list[_Tool]).decode


class _Role(msgspec.Struct):
    role: str = ""


_decode_role = msgspec.json.Decoder(_Role).decode


def read_chat(body: bytes, salt: bytes) -> Facts:
    """The facts of a chat completion request. Fingerprints are keyed with `salt`.

    Raises `NotJson` or `BadParameter`.
    """
    parsed = decoded(body, _decode_body)
    raw_messages = bytes(parsed.messages)
    tools, functions = _present(parsed.tools), _present(parsed.functions)
    raw_tools = tools + functions
    messages = _messages(parsed.messages)
    found = members(body, [raw for raw in (raw_messages, tools, functions) if raw])
    asked, fields = _output_asked(parsed)
    scanned = unescaped(raw_messages)
    has_audio = AUDIO.search(scanned) is not None or "audio" in _strings(parsed.modalities)
    bound, images = input_bound(len(body), scanned, raw_tools, len(messages))
    return Facts(
        model=_model(parsed.model),
        is_stream=parsed.stream is True,
        wants_usage=_wants_usage(parsed),
        output_asked=asked,
        output_fields=fields,
        choices=_bounded("n", parsed.n, CHOICES_MAX) or 1,
        tier=safe(parsed.service_tier or "", 40),
        input_bound=None if bound is None else bound + images * image_tokens(parsed.model),
        images=images,
        input_characters=len(raw_messages) + len(raw_tools),
        has_audio=has_audio,
        predicted_bytes=len(_present(parsed.prediction)),
        unbounded_field=_unbounded_field(body, found, tools),
        metadata=text_members(parsed.metadata),
        fields=_fields(parsed),
        fingerprints=_fingerprints(body, messages, raw_tools, salt),
        members=tuple(found),
        messages=tuple(messages),
    )


def decoded(body: bytes, decode: Callable[[bytes], T]) -> T:
    """What `decode`, of msgspec, makes of a body. Raises `NotJson` or `BadParameter`."""
    try:
        # msgspec steps over what it does not decode, without a look at its characters.
        str(body, "utf-8")
        return decode(body)
    except msgspec.ValidationError as error:
        raise _bad_parameter(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(safe(str(error))) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None


def _present(raw: msgspec.Raw) -> bytes:
    """The bytes of a value; none where it is left out or null."""
    value = bytes(raw)
    return b"" if value == b"null" else value


def _unbounded_field(body: bytes, found: list[Member], tools: bytes) -> str:
    """The member that makes the provider bill what no bound of this request covers; "" for none."""
    for member in found:
        if member.name in UNBOUNDED_FIELDS and body[member.start : member.end] != b"null":
            return member.name
    try:
        kinds = {tool.type for tool in _decode_tools(tools)} if tools else set()
    except msgspec.DecodeError:
        return "tools"
    return "tools" if kinds - LOCAL_TOOLS else ""


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""What msgspec calls types, in words."""


def _bad_parameter(text: str) -> BadParameter:
    """msgspec's words for a wrong type, such as ``Expected `bool`, got `str` - at `$.stream` ``."""
    wanted, _, place = text.partition(" - at ")
    field = place.strip("`").removeprefix("$.") or "body"
    if missing := re.search(r"required field `(\w+)`", wanted):
        return BadParameter(missing[1], "missing", "a value")
    if unknown := re.search(r"unknown field `([^`]*)`", wanted):
        name = safe(f"{field}.{unknown[1]}".removeprefix("body."))
        return BadParameter(name, "set", "no value, as there is no such field")
    if expected := re.match(r"Expected `([^`]+)`, got `([^`]+)`", wanted):
        named = (_TYPES.get(one.removesuffix(" | null"), one) for one in expected.groups())
        wanted, got = named
        return BadParameter(field, got, wanted)
    if "out of range" in wanted:
        return BadParameter(field, "out of range", "a number that fits")
    return BadParameter(field, "not readable", safe(wanted))


def _messages(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        messages = _decode_list(raw)
    except msgspec.DecodeError:
        raise BadParameter("messages", "no list", "a list of messages") from None
    if not messages:
        raise BadParameter("messages", "empty", "at least one message")
    return messages


def _model(name: str) -> str:
    """The model as asked for. What has control characters or no end names no model."""
    if not name or len(name) > MODEL_LENGTH_MAX or safe(name) != name:
        raise BadParameter("model", safe(name, 40) or "empty", "the name of a model")
    return name


def _output_asked(parsed: _Body) -> tuple[int | None, tuple[str, ...]]:
    """The caller's limit and its fields; the largest, because a provider may read any of them."""
    limits = {
        field: limit
        for field in ("max_completion_tokens", "max_tokens")
        if (limit := _bounded(field, getattr(parsed, field), OUTPUT_ASKED_MAX)) is not None
    }
    return max(limits.values(), default=None), tuple(limits)


def _bounded(field: str, value: int | None, most: int) -> int | None:
    if value is not None and not 1 <= value <= most:
        raise BadParameter(field, str(value)[:40], f"a whole number from 1 to {most:,}")
    return value


def _wants_usage(parsed: _Body) -> bool:
    return parsed.stream_options is not None and parsed.stream_options.include_usage is True


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def text_members(value: object) -> Mapping[str, str]:
    """Of a `metadata` what is text to text; anything else in it is the provider's business."""
    if not isinstance(value, dict):
        return {}
    pairs = [(name, text) for name, text in value.items() if isinstance(text, str)]
    return dict(pairs[:METADATA_MEMBERS_MAX])


def _fields(parsed: _Body) -> dict[str, str]:
    """The fields that attribution reads, and `metadata.tags`; JSON where it is no text."""
    names = ("user", "safety_identifier", "session_id", "prompt_cache_key")
    fields = {name: text for name in names if isinstance(text := getattr(parsed, name), str)}
    if (trace := _present(parsed.trace)) and len(trace) <= LENGTH_MAX:
        fields["trace"] = trace.decode()
    if isinstance(parsed.metadata, dict) and (tags := _strings(parsed.metadata.get("tags"))):
        fields["metadata.tags"] = msgspec.json.encode(tags[:MEMBERS_MAX]).decode()
    return fields


def _fingerprints(
    body: bytes, messages: list[msgspec.Raw], tools: bytes, salt: bytes
) -> Fingerprints:
    prefix = tools
    for message in messages:
        try:
            role = _decode_role(message).role
        except msgspec.DecodeError:
            break
        if role not in ("system", "developer"):
            break
        prefix += bytes(message)
    last = bytes(messages[-1])
    return Fingerprints(
        hashed(prefix, salt) if prefix else 0,
        hashed(body, salt),
        hashed(last, salt),
        len(prefix),
        len(body),
        len(last),
    )


def hashed(data: bytes, salt: bytes) -> int:
    """A salted 64-bit hash as SQLite can keep it: signed."""
    return int.from_bytes(blake2b(data, digest_size=8, key=salt).digest(), "big", signed=True)
