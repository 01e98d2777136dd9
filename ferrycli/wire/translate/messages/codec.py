"""Anthropic's messages as a `Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.wire.dialect import Asking, Parser, Place, Writer
from ferrycli.wire.translate.messages import asked, written
from ferrycli.wire.translate.messages.answers import StreamedMessage, whole
from ferrycli.wire.translate.messages.replies import MessagesReading, read_whole
from ferrycli.wire.translate.parsing import StreamParser, WholeParser
from ferrycli.wire.translate.talk import Talk


class MessagesCodec:
    """Messages of version 2023-06-01, which is the one to send them with."""

    names: Mapping[str, str] = MappingProxyType(
        {
            "arguments": "input",
            "document": "source",
            "document.url": "source.url",
            "image": "source",
            "output_max": "max_tokens",
            "parallel_tools": "tool_choice.disable_parallel_tool_use",
            "reasoning": "thinking",
            "shape": "output_config.format",
            "stop": "stop_sequences",
            "tier": "service_tier",
            "tool_result": "tool_result.content",
            "user": "metadata.user_id",
        }
    )
    """What a request calls the fields of a `Talk` that it calls otherwise."""

    def read_request(self, body: bytes, place: Place) -> Talk:
        """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
        return asked.read(body, place)

    def write_request(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what Anthropic's messages cannot say."""
        return written.body(talk)

    def parser(self, *, is_stream: bool) -> Parser:
        """For one reply of a provider."""
        return StreamParser(MessagesReading()) if is_stream else WholeParser(read_whole)

    def writer(self, asking: Asking) -> Writer:
        """For one reply to a client."""
        return StreamedMessage(asking) if asking.is_stream else whole(asking)


MESSAGES = MessagesCodec()
