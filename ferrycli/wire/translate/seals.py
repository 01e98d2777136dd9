"""Seals: what a maker of models puts on a thought or a call, to know its own again; and whose.

A provider refuses every seal but its own maker's, so each seal in a `Talk` says who made it, and a
request is written with those of the maker that it goes to. A client keeps seals for the provider
and gives them back. One whose dialect is the maker's own is given a seal as it is; any other is
given `ferry:KIND:MAKER:SEAL`, in base64 where the dialect's seals are bytes. So whatever provider
answers next, ferry knows the seals that it must not see: also where a body passes through as it
came, out of which they are taken (`wire/intakes/foreign_seals.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from ferrycli.wire.translate.media import base64_as_text, text_as_base64
from ferrycli.wire.translate.talk import Part, Thinking, Thought

Kind = Literal["signature", "redacted", "call", "unsealed"]
"""Of a thought whose text is beside it, a thought that is sealed whole, or a tool call. `unsealed`
stands where nobody has sealed a thought: a provider would refuse the empty seal, or take the
thought for one that it has kept itself."""

ANTHROPIC = "anthropic"
"""Claude, wherever it runs: its seals are good at Anthropic, Bedrock, Vertex and OpenRouter.

Source: https://docs.claude.com/en/docs/build-with-claude/extended-thinking, "across platforms"
"""
GOOGLE = "google"
OPENAI = "openai"
"""The maker as a `Talk` names it; others' seals come through OpenRouter alone, and have the name
that it gives to their form."""

MARK = "ferry:"
MARK_BASE64 = text_as_base64(MARK)
"""What every mark begins with in base64, for `MARK` is of six bytes: of eight characters, whole."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal as it was read."""

    kind: Kind
    maker: str = ""
    value: str = ""

    def thinking(self, text: str) -> Thinking:
        """The thought that has this seal; of a call's seal, a thought that says only `text`."""
        if self.kind == "signature":
            return Thinking(text, self.value, maker=self.maker)
        if self.kind == "redacted":
            return Thinking(redacted=self.value, maker=self.maker)
        return Thinking(text)

    def thought(self, text: str) -> Thought:
        """As `thinking`, as an event."""
        thinking = self.thinking(text)
        return Thought(thinking.text, thinking.signature, thinking.redacted, thinking.maker)


UNSEALED = Seal("unsealed")


def told(
    kind: Kind, maker: str, value: str, *, is_own: bool = False, is_bytes: bool = False
) -> str:
    """A seal for a client; `is_own`: his dialect is the one in which the maker made it.

    `is_bytes`: seals are in base64 there.
    """
    if is_own and value and not is_foreign(value):
        return value
    marked = f"{MARK}{kind}:{maker}:{value}"
    return text_as_base64(marked) if is_bytes else marked


def read(written: str, kind: Kind, maker: str) -> Seal:
    """A seal as a client, or a provider, has it: of this `kind` and `maker` where it has no mark.

    A mark that ferry has not made is as good as no seal.
    """
    if not written:
        return UNSEALED
    if written.startswith(MARK_BASE64):
        written = base64_as_text(written) or MARK
    if not written.startswith(MARK):
        return Seal(kind, maker, written)
    named, _, rest = written.removeprefix(MARK).partition(":")
    made_by, _, value = rest.partition(":")
    if named not in get_args(Kind) or not value:
        return UNSEALED
    return Seal(cast(Kind, named), made_by, value)


def taken_back(
    parts: Sequence[Part], maker: str, *, takes_unsealed: bool = False
) -> tuple[Part, ...]:
    """`parts` less the thoughts that the models of `maker` do not take back.

    A thought is no part of what was said: another model has its own.
    """
    return tuple(
        part
        for part in parts
        if not isinstance(part, Thinking) or (part.maker == maker if part.maker else takes_unsealed)
    )


def is_foreign(written: object) -> bool:
    """Whether it is a seal with a mark: no provider takes it."""
    return isinstance(written, str) and written.startswith((MARK, MARK_BASE64))


def is_claude(model: str) -> bool:
    """Whether a model is Anthropic's, by the names that Bedrock and OpenRouter have for it."""
    return "claude" in model or "anthropic" in model
