"""Gemini's generateContent as a conversation, at Google's API and at Vertex: the codec."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.wire.dialect import Asking, Parser, Place, Writer
from ferrycli.wire.translate.gemini import asked, written
from ferrycli.wire.translate.gemini.answers import StreamAnswer, whole
from ferrycli.wire.translate.gemini.replies import GeminiReading, read_whole
from ferrycli.wire.translate.parsing import StreamParser, WholeParser
from ferrycli.wire.translate.talk import Talk


class GeminiCodec:
    """`Codec` of Gemini's generateContent."""

    names: Mapping[str, str] = MappingProxyType(
        {
            "arguments": "functionCall.args",
            "audio": "inlineData",
            "choices": "generationConfig.candidateCount",
            "document": "inlineData",
            "document.url": "fileData.fileUri",
            "frequency_penalty": "generationConfig.frequencyPenalty",
            "image": "inlineData",
            "output_max": "generationConfig.maxOutputTokens",
            "presence_penalty": "generationConfig.presencePenalty",
            "reasoning": "generationConfig.thinkingConfig",
            "seed": "generationConfig.seed",
            "shape": "generationConfig.responseMimeType",
            "stop": "generationConfig.stopSequences",
            "temperature": "generationConfig.temperature",
            "tier": "serviceTier",
            "tool_choice": "toolConfig.functionCallingConfig.mode",
            "tool_result": "functionResponse",
            "top_k": "generationConfig.topK",
        }
    )
    """What a request calls the fields of a `Talk` that it calls otherwise."""

    def read_request(self, body: bytes, place: Place) -> Talk:
        """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
        return asked.read_request(body, place)

    def write_request(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what Gemini cannot say."""
        return written.write_request(talk)

    def parser(self, *, is_stream: bool) -> Parser:
        """For one reply of a provider."""
        return StreamParser(GeminiReading()) if is_stream else WholeParser(read_whole)

    def writer(self, asking: Asking) -> Writer:
        """For one reply to a client."""
        return StreamAnswer(asking) if asking.is_stream else whole(asking)


GEMINI = GeminiCodec()
