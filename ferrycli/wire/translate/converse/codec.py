"""Bedrock's Converse as a conversation: the codec."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.wire.dialect import Asking, Parser, Place, Writer
from ferrycli.wire.translate.converse import asked, written
from ferrycli.wire.translate.converse.answers import StreamAnswer, whole
from ferrycli.wire.translate.converse.replies import FrameParser, read_whole
from ferrycli.wire.translate.parsing import WholeParser
from ferrycli.wire.translate.talk import Talk


class ConverseCodec:
    """`Codec` of Bedrock's Converse. Its replies name neither themselves nor their model."""

    names: Mapping[str, str] = MappingProxyType(
        {
            "arguments": "toolUse.input",
            "document.url": "document.source.s3Location",
            "output_max": "inferenceConfig.maxTokens",
            "reasoning": "additionalModelRequestFields.thinking",
            "shape": "outputConfig.textFormat",
            "shape.description": "outputConfig.textFormat.structure.jsonSchema.description",
            "stop": "inferenceConfig.stopSequences",
            "temperature": "inferenceConfig.temperature",
            "tier": "serviceTier",
            "tool_choice": "toolConfig.toolChoice",
            "tool_result": "toolResult",
            "top_k": "additionalModelRequestFields.top_k",
        }
    )
    """What a request calls the fields of a `Talk` that it calls otherwise."""

    def read_request(self, body: bytes, place: Place) -> Talk:
        """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
        return asked.read_request(body, place)

    def write_request(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what Converse cannot say."""
        return written.write_request(talk)

    def parser(self, *, is_stream: bool) -> Parser:
        """For one reply of a provider."""
        return FrameParser() if is_stream else WholeParser(read_whole)

    def writer(self, asking: Asking) -> Writer:
        """For one reply to a client."""
        return StreamAnswer() if asking.is_stream else whole()


CONVERSE = ConverseCodec()
