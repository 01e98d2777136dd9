"""What ferry reads of a request, and of its reply: values that cross rooms.

Structs, because several are made for each call: frozen as a dataclass is, and made in C.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.input_bounds import image_tokens
from ferrycli.wire.splice import NO_LAYOUT, Layout, Member


class Fingerprints(msgspec.Struct, frozen=True, gc=False):
    """Salted 64-bit hashes of parts of a request, and the bytes of each part; 0: not there."""

    prefix_hash: int = 0
    request_hash: int = 0
    last_message_hash: int = 0
    prefix_bytes: int = 0
    request_bytes: int = 0
    last_message_bytes: int = 0


class Facts(msgspec.Struct, frozen=True, gc=False):
    """A request as far as ferry acts on it. The body itself is carried, not read."""

    model: str
    is_stream: bool = False
    wants_usage: bool = False
    """Whether the client itself asked for usage in the stream."""
    output_asked: int | None = None
    output_fields: tuple[str, ...] = ()
    """The fields in which the client set a limit; the largest counts."""
    choices: int = 1
    tier: str = ""
    """The tier asked for; of several words joined by `+` where several fields say it: `fast+us`."""
    input_bound: int | None = 0
    """The most tokens that the input can be, at the model asked for; None: as many as its context
    holds."""
    images: int = 0
    """Images in `input_bound`: each counts by the model that looks at it."""
    input_characters: int = 0
    has_audio: bool = False
    thinking_tokens: int = 0
    """The caller's budget for thoughts, inside the limit on the answer: that is never set lower."""
    predicted_bytes: int = 0
    """The size of a predicted answer; it bounds the tokens of it that may be rejected."""
    unbounded_field: str = ""
    """The field that makes the cost of the call unbounded; empty where it is bounded."""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    fields: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Fields that attribution reads, such as `user`; JSON where they are no text."""
    fingerprints: Fingerprints = Fingerprints()
    layout: Layout = NO_LAYOUT
    """Where the members of the body stand, or fields of a form that may be set."""
    messages: tuple[msgspec.Raw, ...] = ()
    """Each message as it stands in the body: views of it, for `bytes(…)`.

    Empty where no earlier call of a thread bounds this one's input."""
    dialect: str = "chat"
    """By whose rules `messages` are read."""
    is_estimable: bool = True
    """Whether text says what is billed, where the reply does not: not of sounds and pictures."""
    is_form: bool = False
    """The body is a form, not JSON: the members of its `layout` are fields of it."""
    has_varying: bool = False
    """It names content beside its messages that may be another at the next call."""
    is_text_alone: bool = False
    """Its turns are known to be text and calls of the caller's own tools, and nothing besides."""

    @property
    def members(self) -> tuple[Member, ...]:
        """Where the members of the body stand."""
        return self.layout.members

    def input_bound_at(self, model: str) -> int | None:
        """`input_bound`, at another model than the one asked for."""
        if self.input_bound is None or not self.images:
            return self.input_bound
        dearer = image_tokens(model) - image_tokens(self.model)
        return self.input_bound + self.images * dearer


class Line(msgspec.Struct, frozen=True, gc=False):
    """One of several model calls inside one reply, each billed by itself."""

    model: str
    kind: str
    """As the provider names it: `message`, `advisor_message`, `fallback_message`."""
    usage: Usage


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What a reply said of itself, as far as it came."""

    usage: Usage | None = None
    """The sum of the `lines` where there are any. None: none was reported, or what was reported
    cannot be."""
    provider_cost_nanousd: int | None = None
    model: str = ""
    tier: str = ""
    """As the reply names it; of several words joined by `+` where several fields say it."""
    finish_reason: str = ""
    characters: int = 0
    """Characters of answer that were delivered, for an estimate."""
    is_plain: bool = False
    """These are the answer's own text: no thoughts, no arguments of tools."""
    characters_counted: int = 0
    """Those of them that `usage` counts, where counts come on the way."""
    error_code: str = ""
    """Set where a reply with status 200 carries an error."""
    error_message: str = ""
    """What that says, where the reply is carried into another dialect."""
    is_complete: bool = False
    """The reply came to its own end."""
    lines: tuple[Line, ...] = ()
    """Where one reply billed several models, or another than it names; else empty."""
