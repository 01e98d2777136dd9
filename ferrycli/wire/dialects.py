"""The registry: every dialect by its name, out of its intake, readers, errors and codec.

Embeddings, completions and plain endpoints are OpenAI's, so their errors are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.wire import errors
from ferrycli.wire.dialect import Codec, Dialect
from ferrycli.wire.intakes import (
    chat,
    completions,
    converse,
    embeddings,
    gemini,
    messages,
    plain,
    responses,
)
from ferrycli.wire.readers import chat as chat_reader
from ferrycli.wire.readers import converse as converse_reader
from ferrycli.wire.readers import gemini as gemini_reader
from ferrycli.wire.readers import messages as messages_reader
from ferrycli.wire.readers import plain as plain_reader
from ferrycli.wire.readers import responses as responses_reader
from ferrycli.wire.translate.chat.codec import CHAT, chat_codec
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES

_OPENAI = (errors.openai_error, errors.openai_passed)
_ANTHROPIC = (errors.anthropic_error, errors.anthropic_passed)
_GOOGLE = (errors.gemini_error, errors.gemini_passed)
_AMAZON = (errors.bedrock_error, errors.bedrock_passed)

CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "chat": CHAT,
        "responses": RESPONSES,
        "messages": MESSAGES,
        "gemini": GEMINI,
        "converse": CONVERSE,
    }
)
"""By the name of the dialect; one that is not here is not translated."""


def codec_for(dialect: str, kind: str) -> Codec:
    """Who writes requests in `dialect` for a provider of this kind: not all take the same chat."""
    return chat_codec(kind) if dialect == "chat" else CODECS[dialect]


_EVERY: tuple[Dialect, ...] = (
    Dialect(
        "chat",
        chat.read,
        chat.outgoing,
        chat_reader.whole,
        chat_reader.stream,
        *_OPENAI,
        CODECS.get("chat"),
    ),
    Dialect(
        "responses",
        responses.read,
        responses.outgoing,
        responses_reader.whole,
        responses_reader.stream,
        *_OPENAI,
        CODECS.get("responses"),
    ),
    Dialect(
        "messages",
        messages.read,
        messages.outgoing,
        messages_reader.whole,
        messages_reader.stream,
        *_ANTHROPIC,
        CODECS.get("messages"),
    ),
    Dialect(
        "count_tokens",
        messages.read_count,
        messages.outgoing_count,
        plain_reader.free_whole,
        plain_reader.stream,
        *_ANTHROPIC,
    ),
    Dialect(
        "gemini",
        gemini.read,
        gemini.outgoing,
        gemini_reader.whole,
        gemini_reader.stream,
        *_GOOGLE,
        CODECS.get("gemini"),
    ),
    Dialect(
        "cached_contents",
        gemini.read_cached,
        gemini.outgoing_cached,
        plain_reader.uncounted_whole,
        plain_reader.stream,
        *_GOOGLE,
    ),
    Dialect(
        "converse",
        converse.read,
        converse.outgoing,
        converse_reader.whole,
        converse_reader.stream,
        *_AMAZON,
        CODECS.get("converse"),
    ),
    Dialect(
        "completions",
        completions.read,
        completions.outgoing,
        chat_reader.whole,
        chat_reader.stream,
        *_OPENAI,
    ),
    Dialect(
        "embeddings",
        embeddings.read,
        embeddings.outgoing,
        plain_reader.whole,
        plain_reader.stream,
        *_OPENAI,
    ),
    Dialect(
        "plain",
        plain.read,
        plain.outgoing,
        plain_reader.whole,
        plain_reader.stream,
        *_OPENAI,
    ),
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({one.name: one for one in _EVERY})
