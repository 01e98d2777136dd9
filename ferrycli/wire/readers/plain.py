"""What replies say that are no conversation: embeddings, images, sound, counts of tokens.

OpenAI's newer endpoints count `input_tokens` and `output_tokens`, with what is audio and what is
image inside them; embeddings count `prompt_tokens`. Seconds of sound are no tokens, and no usage.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Reader
from ferrycli.wire.readers.bodies import WholeReader
from ferrycli.wire.readers.counting import Costed, counted_inside, provider_cost
from ferrycli.wire.readers.gathered import Gathered, strings_of
from ferrycli.wire.readers.streams import EventReader


class _Details(msgspec.Struct):
    cached_tokens: Any = 0
    audio_tokens: Any = 0
    image_tokens: Any = 0


class _Usage(Costed):
    type: Any = None
    prompt_tokens: Any = None
    input_tokens: Any = None
    output_tokens: Any = 0
    input_tokens_details: _Details | None = None
    # Transcriptions say it in the singular.
    input_token_details: _Details | None = None


class _Reply(msgspec.Struct):
    """A whole reply, or an event that may be the last."""

    type: Any = None
    model: Any = None
    service_tier: Any = None
    usage: _Usage | None = None
    error: Any = None


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode

_MARKUP = (b"{", b"[", b"<")
"""What JSON and pages of proxies begin with."""
_ENDS = (".completed", ".done")
"""How the type of the last event of a stream of images, of sound or of a transcription ends."""


class _Plain(Gathered):
    # `delta` of a transcription; sound and pictures are no text.
    delivered = strings_of("delta")
    delivered_whole = strings_of("text")
    telling = re.compile(rb'"type"\s*:\s*"[^"\\]*\.(?:completed|done)"|"error"')
    counts_bytes = False

    def take_event(self, data: bytes) -> bool:
        reply = _decode_reply(data)
        self.name(model=reply.model, tier=reply.service_tier)
        if reply.usage is not None:
            self._take(reply.usage)
        if isinstance(reply.type, str) and reply.type.endswith(_ENDS):
            self.is_complete = True
        self.fail(reply.error)
        return False

    def take_usage(self, usage: bytes) -> None:
        self._take(_decode_usage(usage))
        # Found at the end of an event that is too long: an image's, and no other has any.
        self.is_complete = True

    def note_whole(self, body: bytes) -> None:
        super().note_whole(body)
        if body and body.lstrip()[:1] not in _MARKUP:
            # A transcription as plain text, all of it the answer.
            self.characters = len(body)
            self.is_complete = True

    def _take(self, reported: _Usage) -> None:
        self.provider_cost = provider_cost(reported)
        self.usage = None
        if reported.type == "duration":
            return
        details = reported.input_tokens_details or reported.input_token_details or _Details()
        embedded = reported.prompt_tokens
        self.usage = counted_inside(
            reported.input_tokens if embedded is None else embedded,
            reported.output_tokens,
            cache_read=details.cached_tokens,
            audio_in=details.audio_tokens,
            image_in=details.image_tokens,
        )


class _Uncounted(Gathered):
    """Of a reply that never says what it used."""

    telling = re.compile(rb'"error"')
    counts_bytes = False

    def take_event(self, data: bytes) -> bool:
        reply = _decode_reply(data)
        self.name(model=reply.model)
        self.fail(reply.error)
        return False

    def take_usage(self, usage: bytes) -> None:
        """None is looked for."""

    def note_whole(self, body: bytes) -> None:
        super().note_whole(body)
        # Speech is no JSON, and where its end was cut off the connection says so.
        self.is_complete = True


class _Free(_Uncounted):
    """Of a reply for which nothing is billed: none of it, exactly."""

    def take_reply(self, body: bytes) -> None:
        super().take_reply(body)
        self.usage = Usage()


def whole() -> Reader:
    """A reader of embeddings, images and transcriptions."""
    return WholeReader(_Plain())


def stream(_strips_usage: bool) -> Reader:
    """A reader of images, speech or a transcription as events. Nothing is stripped."""
    return EventReader(_Plain())


def uncounted_whole() -> Reader:
    """A reader of what never says its usage: moderations, speech, `cachedContents`."""
    return WholeReader(_Uncounted())


def free_whole() -> Reader:
    """A reader of what is not billed: counts of tokens, lists of models."""
    return WholeReader(_Free())
