"""Marked seals taken out of a body that passes through: no provider knows them.

A conversation that moves between providers has thoughts in it that ferry carried to the client
from another dialect, with a mark (`wire/translate/seals.py`). Its next request may go to a provider
of the client's own dialect, as it came: there a thought with a mark is refused, and with it the
whole conversation. It is no part of what was said, so it is left out, and every other byte stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Sent
from ferrycli.wire.facts import Facts
from ferrycli.wire.splice import Member, items_changed, members, spliced, without
from ferrycli.wire.translate.gemini.asked import NO_SIGNATURE
from ferrycli.wire.translate.seals import MARK, MARK_BASE64, is_foreign

Change = Callable[[bytes], bytes | None]
"""What a JSON value becomes; None: it is taken out."""

_MARKS = (MARK.encode(), MARK_BASE64.encode())
_NO_SIGNATURE = msgspec.json.encode(NO_SIGNATURE)


def own_seals_only(body: bytes, facts: Facts, sent: Sent) -> Sent:
    """`sent`, and with it the turns of `body` without marked seals, where there are any."""
    if facts.is_text_alone or not any(mark in body for mark in _MARKS):
        return sent
    outer, change = _DIALECTS[facts.dialect]
    for member in facts.members:
        raw = body[member.start : member.end]
        if member.name != outer or not raw.startswith(b"["):
            continue
        try:
            changed = items_changed(raw, change)
        except (BadParameter, msgspec.DecodeError):
            # Oddly written inside: that is for the provider to judge.
            return sent
        return sent if changed == raw else replace(sent, members={outer: changed, **sent.members})
    return sent


def _of_turn(name: str, change: Change, *, is_dropped_empty: bool = True) -> Change:
    """A turn whose list `name` is changed; without anything left in it, no turn."""

    def changed(turn: bytes) -> bytes | None:
        found = _members(turn)
        raw = _value(turn, found, name)
        if not raw.startswith(b"["):
            return turn
        inner = items_changed(raw, change)
        if inner == raw:
            return turn
        if is_dropped_empty and not inner.strip(b"[] \t\r\n"):
            return None
        return spliced(turn, found, {name: inner})

    return changed


def _thought(*names: str) -> Change:
    """A thought whose seal is in one of these members, perhaps one inside the other."""

    def changed(raw: bytes) -> bytes | None:
        return None if any(is_foreign(_text(raw, name)) for name in names) else raw

    return changed


def _part_of_gemini(part: bytes) -> bytes | None:
    """A call keeps its place with the signature that Google has for calls of others."""
    found = _members(part)
    for name in ("thoughtSignature", "thought_signature"):
        if not is_foreign(_text(part, name)):
            continue
        names = {member.name for member in found}
        if names & {"functionCall", "function_call"}:
            return spliced(part, found, {name: _NO_SIGNATURE})
        is_said = bool(_text(part, "text")) and _value(part, found, "thought") != b"true"
        return without(part, {name}) if is_said or names - _OF_THOUGHTS else None
    return part


_OF_THOUGHTS = frozenset({"text", "thought", "thoughtSignature", "thought_signature"})


def _members(raw: bytes) -> tuple[Member, ...]:
    return tuple(members(raw)) if raw.startswith(b"{") else ()


def _value(raw: bytes, found: tuple[Member, ...], name: str) -> bytes:
    """The JSON of a member; empty where there is none."""
    return next((raw[one.start : one.end] for one in found if one.name == name), b"")


def _text(raw: bytes, path: str) -> str:
    """The text at `a.b`; empty where there is none."""
    for name in path.split("."):
        raw = _value(raw, _members(raw), name)
    found = msgspec.json.decode(raw) if raw.startswith(b'"') else ""
    return found if isinstance(found, str) else ""


_DIALECTS: Mapping[str, tuple[str, Change]] = MappingProxyType(
    {
        "chat": (
            "messages",
            _of_turn("reasoning_details", _thought("signature", "data"), is_dropped_empty=False),
        ),
        "responses": ("input", _thought("encrypted_content")),
        "messages": ("messages", _of_turn("content", _thought("signature", "data"))),
        "gemini": ("contents", _of_turn("parts", _part_of_gemini)),
        "converse": (
            "messages",
            _of_turn(
                "content",
                _thought(
                    "reasoningContent.reasoningText.signature", "reasoningContent.redactedContent"
                ),
            ),
        ),
    }
)
