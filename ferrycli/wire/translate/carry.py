"""A request carried into another dialect, and its reply carried back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from ferrycli.rules.denials import Untranslatable
from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Codec, Parser, Place, Reader, Writer
from ferrycli.wire.facts import Reading
from ferrycli.wire.translate.parsing import CUT
from ferrycli.wire.translate.talk import Broken, Counted, Event, Started
from ferrycli.wire.translate.turns import with_tool_names


def request(
    body: bytes,
    place: Place,
    source: Codec,
    target: Codec,
    model: str,
    output_bound: int | None = None,
) -> bytes:
    """The caller's request as the provider's dialect says it, for its `model`.

    `output_bound`: ferry's own limit on the answer, in the place of the caller's; how much is
    thought is fitted into it. None: the caller's stands.

    Raises `BadParameter`, or `Untranslatable` naming the field as the caller knows it.
    """
    talk = with_tool_names(replace(source.read_request(body, place), model=model))
    if output_bound is not None:
        talk = replace(talk, output_max=output_bound)
    try:
        if talk.choices > 1:
            raise Untranslatable("choices", "a translated reply holds one answer")
        return target.write_request(talk)
    except Untranslatable as refusal:
        # A codec's own words for what it calls otherwise than a `Talk` does.
        names: Mapping[str, str] = getattr(source, "names", {})
        raise Untranslatable(names.get(refusal.field, refusal.field), refusal.why) from None


class TranslatingReader:
    """A `Reader` of a reply in one dialect that passes it on in another.

    The provider's own reader taps every byte: what it counts is what is billed, so that is what
    the client is told, whatever else the reply says.
    """

    def __init__(self, reader: Reader, parser: Parser, writer: Writer) -> None:
        self._reader = reader
        self._parser = parser
        self._writer = writer
        self._broken: Broken | None = None
        self._has_told = False
        self._is_over = False

    @property
    def has_begun(self) -> bool:
        """Whether there is something to tell the client. Of a whole reply: not before its end."""
        return self._has_told

    @property
    def begins_with_error(self) -> bool:
        return self._reader.begins_with_error

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now, in its own dialect; its end with the provider's, not
        with the connection's."""
        self._reader.feed(chunk)
        said = self._told(self._parser.feed(chunk))
        if self._reader.reading().is_complete:
            said += self._ended()
        return said

    def finish(self) -> bytes:
        self._reader.finish()
        return self._ended()

    def reading(self) -> Reading:
        """What the provider's reader says; failed too where it could not be translated.

        A reply that broke off has not failed by itself: that it has no end says enough.
        """
        reading = self._reader.reading()
        broken = self._broken
        if broken is None or (broken is CUT and not reading.is_complete):
            return reading
        code = reading.error_code or broken.code or "error"
        return structs.replace(reading, error_code=code, error_message=broken.message)

    def _ended(self) -> bytes:
        if self._is_over:
            return b""
        self._is_over = True
        said = self._told(self._parser.finish())
        usage = self._reader.reading().usage
        if usage is not None:
            said += self._writer.write([Counted(usage)])
        return said + self._writer.finish()

    def _told(self, events: Sequence[Event]) -> bytes:
        told: list[Event] = []
        for event in events:
            if isinstance(event, Broken):
                self._broken = event
            if isinstance(event, Started) and event.has_counted_input:
                told.append(replace(event, input_usage=self._input()))
            else:
                told.append(event)
        said = self._writer.write(told) if told else b""
        self._has_told = self._has_told or bool(said)
        return said

    def _input(self) -> Usage | None:
        """What is known of the input when a reply begins.

        OpenAI and Converse say nothing before the end. No estimate stands in for it, for it would
        be taken for a count: Anthropic's clients are told 0 at the beginning, and take what
        `message_delta` says at the end instead, as Anthropic's SDKs do.
        """
        usage = self._reader.reading().usage
        return None if usage is None else usage._replace(output=0, audio_out=0, reasoning=0)
