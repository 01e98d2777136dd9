"""Seals of thoughts in `encrypted_content`, where OpenAI's responses have their own.

What another provider has sealed says of itself what it is, so that the next request with the item
gives the same thought, or the same call, back to whom it came from. OpenAI's own seals say it only
inside a `Talk`: there they must be told from the others', for OpenAI opens no seal but its own.
"""

from __future__ import annotations

from typing import Literal

SealKind = Literal["signature", "redacted", "call", "unsealed"]
"""Of a thought whose text is beside it, a thought that is sealed whole, or a tool call. `unsealed`
stands where nobody has sealed a thought: an item without `encrypted_content` is taken for one that
OpenAI has kept, whose size nobody knows."""

_MARKS: dict[SealKind, str] = {
    "signature": "ferry:signature:",
    "redacted": "ferry:redacted:",
    "call": "ferry:call:",
    "unsealed": "ferry:unsealed:",
}
_OPENAI = "openai:"


def enclosed(kind: SealKind, seal: str) -> str:
    """A provider's seal as `encrypted_content` for a client."""
    return openai_seal(seal) or _MARKS[kind] + seal


def disclosed(encrypted: str) -> tuple[SealKind | None, str]:
    """What a client's or a provider's `encrypted_content` is; None: a seal of OpenAI's own."""
    for kind, mark in _MARKS.items():
        if encrypted.startswith(mark):
            return kind, encrypted.removeprefix(mark)
    return None, encrypted


def signature_of_openai(encrypted: str) -> str:
    """OpenAI's own seal, as the signature of a thought in a `Talk`."""
    return _OPENAI + encrypted if encrypted else ""


def openai_seal(signature: str) -> str:
    """What `signature_of_openai` was given; empty for the seal of anybody else."""
    return signature.removeprefix(_OPENAI) if signature.startswith(_OPENAI) else ""
