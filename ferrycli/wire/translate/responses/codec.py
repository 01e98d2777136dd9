"""OpenAI's responses as a `Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.wire.dialect import Asking, Parser, Place, Writer
from ferrycli.wire.translate.parsing import StreamParser, WholeParser
from ferrycli.wire.translate.responses import asked, written
from ferrycli.wire.translate.responses.answers import StreamedResponse, WholeResponse
from ferrycli.wire.translate.responses.replies import ResponsesReading, read_whole
from ferrycli.wire.translate.talk import Talk


class ResponsesCodec:
    """Responses, as far as one request and its answer go: nothing is kept between two."""

    names: Mapping[str, str] = MappingProxyType(
        {
            "arguments": "function_call.arguments",
            "audio": "input_audio",
            "document": "input_file",
            "document.url": "input_file.file_url",
            "image": "input_image.image_url",
            "output_max": "max_output_tokens",
            "parallel_tools": "parallel_tool_calls",
            "shape": "text.format",
            "shape.description": "text.format.description",
            "tier": "service_tier",
            "tool_result": "function_call_output.output",
        }
    )
    """What a request calls the fields of a `Talk` that it calls otherwise."""

    def read_request(self, body: bytes, place: Place) -> Talk:
        """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
        return asked.read(body, place)

    def write_request(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what OpenAI's responses cannot say."""
        return written.body(talk)

    def parser(self, *, is_stream: bool) -> Parser:
        """For one reply of a provider."""
        return StreamParser(ResponsesReading()) if is_stream else WholeParser(read_whole)

    def writer(self, asking: Asking) -> Writer:
        """For one reply to a client."""
        return StreamedResponse(asking) if asking.is_stream else WholeResponse(asking)


RESPONSES = ResponsesCodec()
