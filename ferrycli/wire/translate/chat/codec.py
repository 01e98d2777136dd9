"""OpenAI's chat completions as a `Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.wire.dialect import Asking, Parser, Place, Writer
from ferrycli.wire.translate.chat import asked
from ferrycli.wire.translate.chat.answers import StreamedAnswer, whole
from ferrycli.wire.translate.chat.replies import ChatReading, read_whole
from ferrycli.wire.translate.chat.written import ChatWriting
from ferrycli.wire.translate.parsing import StreamParser, WholeParser
from ferrycli.wire.translate.talk import Talk


class ChatCodec:
    """Chat completions as OpenAI has them, or as others do: `ChatWriting` says what differs."""

    names: Mapping[str, str] = MappingProxyType(
        {
            "arguments": "tool_calls[].function.arguments",
            "audio": "input_audio",
            "choices": "n",
            "document": "file.file_data",
            "image": "image_url.url",
            "output_max": "max_completion_tokens",
            "parallel_tools": "parallel_tool_calls",
            "reasoning": "reasoning_effort",
            "shape": "response_format",
            "shape.description": "response_format.json_schema.description",
            "tier": "service_tier",
            "tool_result": "content",
        }
    )
    """What a request calls the fields of a `Talk` that it calls otherwise."""

    def __init__(
        self, *, has_extras: bool = False, limit_field: str = "max_completion_tokens"
    ) -> None:
        self._writing = ChatWriting(has_extras=has_extras, limit_field=limit_field)

    def read_request(self, body: bytes, place: Place) -> Talk:
        """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
        return asked.read(body, place)

    def write_request(self, talk: Talk) -> bytes:
        """Raises `Untranslatable` for what chat cannot say."""
        return self._writing.body(talk)

    def parser(self, *, is_stream: bool) -> Parser:
        """For one reply of a provider."""
        return StreamParser(ChatReading()) if is_stream else WholeParser(read_whole)

    def writer(self, asking: Asking) -> Writer:
        """For one reply to a client."""
        return StreamedAnswer(asking) if asking.is_stream else whole(asking)


CHAT = ChatCodec()
OPENROUTER_CHAT = ChatCodec(has_extras=True)
"""For providers that take `cache_control`, `reasoning_details` and `top_k` in chat."""
COMPATIBLE_CHAT = ChatCodec(limit_field="max_tokens")
"""For servers that know only the older name of the limit on an answer."""

_OF_KINDS = {"openai": CHAT, "azure": CHAT, "openrouter": OPENROUTER_CHAT}


def chat_codec(kind: str) -> ChatCodec:
    """The codec to write requests with for a provider of this kind. All read alike."""
    return _OF_KINDS.get(kind, COMPATIBLE_CHAT)
