"""Gemini's generateContent as a conversation, at Google's API and at Vertex: the codec."""

from __future__ import annotations

from ferrycli.wire.dialect import Asking, Parser, Place, Writer
from ferrycli.wire.translate import gemini_asked, gemini_written
from ferrycli.wire.translate.gemini_answers import StreamAnswer, WholeAnswer
from ferrycli.wire.translate.gemini_replies import GeminiReading, read_whole
from ferrycli.wire.translate.parsing import StreamParser, WholeParser
from ferrycli.wire.translate.talk import Talk


class GeminiCodec:
    """`Codec` of Gemini's generateContent."""

    def read_request(self, body: bytes, place: Place) -> Talk:
        return gemini_asked.read_request(body, place)

    def write_request(self, talk: Talk) -> bytes:
        return gemini_written.write_request(talk)

    def parser(self, *, is_stream: bool) -> Parser:
        return StreamParser(GeminiReading()) if is_stream else WholeParser(read_whole)

    def writer(self, asking: Asking) -> Writer:
        return StreamAnswer(asking) if asking.is_stream else WholeAnswer(asking)
