"""The seam of dialects: what each must be able to do for a call to be carried in it.

A dialect reads requests and replies, says errors, and sets in a body what ferry must set; all of it
bytes in and values out. `wire/dialects.py` names them; nothing outside `wire` tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ferrycli.rules.errors import FerryError
from ferrycli.wire.facts import Facts, Reading
from ferrycli.wire.translate.talk import Event, Talk


class Place(msgspec.Struct, frozen=True, gc=False):
    """What the path of a request says, where its body does not."""

    model: str = ""
    """Empty: the body names it."""
    is_stream: bool | None = None
    """None: the body says it."""
    content_type: str = ""
    """The header, where the body may be a form: there it says where the parts begin."""


NOWHERE = Place()
"""A path that says nothing of the call."""


class Sent(msgspec.Struct, frozen=True, gc=False):
    """What is sent otherwise than it came; every other byte goes on as it is."""

    model: str
    """The model's name at the provider; not set where the dialect has it in the path."""
    output_bound: int | None = None
    """ferry's bound on the answer, in tokens, each choice by itself; None: it sets none."""
    bound_field: str = ""
    """The field for the bound where the caller used none and the dialect has several."""
    members: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    """Further members, JSON by name, such as OpenRouter's `provider`."""
    form: str = ""
    """A provider's own form of the dialect: `invoke` for Anthropic's messages at Bedrock."""


class Reader(Protocol):
    """One reply, as it comes; what it is fed goes on at once, but for what only ferry asked for."""

    @property
    def has_begun(self) -> bool:
        """Whether the head may go to the client: a first event is whole, or a comment has come.

        Of a reply that is one object, false until it has outgrown what is kept.
        """

    @property
    def begins_with_error(self) -> bool:
        """Whether the first event of a stream says that the provider has failed."""

    def feed(self, chunk: bytes) -> bytes:
        """What of the reply may go to the client now."""

    def finish(self) -> bytes:
        """What is still kept back, when the reply is over."""

    def reading(self) -> Reading:
        """What the reply has said of itself so far."""


class Parser(Protocol):
    """One reply of a provider into events, for a client that speaks another dialect."""

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The events that `chunk` completes. Of a whole reply: none before `finish`."""

    def finish(self) -> Sequence[Event]:
        """The last events. `Broken` where a whole reply cannot be read."""


class Writer(Protocol):
    """Events into the reply for a client."""

    def write(self, events: Sequence[Event]) -> bytes:
        """What goes to the client now; of a whole reply nothing before `finish`."""

    def finish(self) -> bytes:
        """The rest: the whole reply, or the end of a stream."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a writer must know of the request that it answers."""

    model: str
    """As the client asked for it."""
    is_stream: bool
    wants_usage: bool = True
    """Whether a stream ends with what was counted, where the dialect leaves that to the client."""
    now_s: int = 0
    """When the reply says that it was made, in Unix seconds."""
    id: str = ""
    """An id for replies whose provider gives none."""
    request: bytes = b""
    """The request's body, for dialects whose replies repeat it; empty: they repeat nothing."""


class Codec(Protocol):
    """A dialect as a conversation is read from it and written to it."""

    def read_request(self, body: bytes, place: Place) -> Talk:
        """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""

    def write_request(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what this dialect cannot say."""

    def parser(self, *, is_stream: bool) -> Parser:
        """For one reply in this dialect."""

    def writer(self, asking: Asking) -> Writer:
        """For one reply in this dialect."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect, whole."""

    name: str
    """`chat responses messages gemini converse embeddings completions …`"""
    read: Callable[[bytes, Place, bytes], Facts]
    """Body, place and the salt of fingerprints to facts. Raises `NotJson` or `BadParameter`."""
    outgoing: Callable[[bytes, Facts, Sent], bytes]
    """The caller's body, with what `Sent` names set and every other byte as it was."""
    whole_reader: Callable[[], Reader]
    stream_reader: Callable[[bool], Reader]
    """Given whether the usage that only ferry asked for is taken out."""
    error_body: Callable[[FerryError], bytes]
    passed_error: Callable[[int, str, str], bytes]
    """A provider's error by status, code and message, for a client of this dialect."""
    codec: Codec | None = None
    """None: nothing is translated to or from it."""
