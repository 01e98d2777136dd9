"""How each kind of provider is spoken to: in which dialect, and at which path below its address.

Where a provider speaks the caller's dialect, the body goes on as it came; else a conversation is
translated into the dialect that the provider speaks best, and anything else is not carried.
Source: docs/providers.md, and the providers' own references.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import quote, urlsplit

TALKS = ("chat", "responses", "messages", "gemini", "converse")
"""Dialects of conversations: each is translated into any other."""

_OPENAI = MappingProxyType(
    {
        "chat": "/chat/completions",
        "responses": "/responses",
        "completions": "/completions",
        "embeddings": "/embeddings",
        "moderations": "/moderations",
        "images/generations": "/images/generations",
        "images/edits": "/images/edits",
        "images/variations": "/images/variations",
        "audio/speech": "/audio/speech",
        "audio/transcriptions": "/audio/transcriptions",
        "audio/translations": "/audio/translations",
    }
)
_READ = ("chat", "responses", "completions", "embeddings")
"""Of these the requests and replies are read by a dialect of their own."""
_MESSAGES = "/v1/messages"
_GEMINI = "/models/{model}:{verb}"
_OWN_RESPONSES = ("openai", "openrouter", "azure")
"""Kinds that have responses; another says so by `speaks`."""

_OF_OPENAI = re.compile(r"(?:^|\.)openai\.")
_OF_ANTHROPIC = re.compile(r"(?:^|[./])anthropic\.")
"""Families of Bedrock's models, as their ids and profiles name them."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a provider."""

    dialect: str
    path: str
    """Below the provider's address, with its query."""
    form: str = ""
    """As `Sent.form`."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A provider as far as its dialects go."""

    kind: str
    base_url: str = ""
    speaks: tuple[str, ...] = ()
    """Dialects besides those of its kind, as the operator knows them."""


def find_way(speaker: Speaker, dialect: str, model: str, *, is_stream: bool) -> Way | None:
    """The way of a request in `dialect` for `model`; None where the provider cannot be asked.

    `dialect` is a dialect's name, or an endpoint's that has one of its own, such as
    `images/generations`.
    """
    spoken = _spoken(speaker, model, is_stream=is_stream)
    if (own := spoken.get(dialect)) is not None:
        return own
    if dialect not in TALKS:
        return None
    return next((way for way in spoken.values() if way.dialect in TALKS), None)


def spoken_by(speaker: Speaker, model: str) -> tuple[str, ...]:
    """What a provider is spoken to in, the dialect that it speaks best first."""
    return tuple(_spoken(speaker, model, is_stream=False))


def _spoken(speaker: Speaker, model: str, *, is_stream: bool) -> Mapping[str, Way]:
    """Ways by dialect, the one that is translated into first."""
    kind = speaker.kind
    if kind == "sim":
        return {"chat": Way("chat", _OPENAI["chat"])}
    if kind == "anthropic":
        return _anthropic(speaker.base_url)
    if kind in ("gemini", "vertex"):
        return _google(speaker, model, is_stream=is_stream)
    if kind == "bedrock":
        return _bedrock(speaker.base_url, model, is_stream=is_stream)
    ways = {name: Way(name if name in _READ else "plain", path) for name, path in _OPENAI.items()}
    if kind not in _OWN_RESPONSES and "responses" not in speaker.speaks:
        del ways["responses"]
    if "messages" in speaker.speaks:
        ways["messages"] = Way("messages", "/messages")
    if "/openai/deployments/" in speaker.base_url:
        return {
            name: replace(way, path=f"{way.path}?{_AZURE_VERSION}") for name, way in ways.items()
        }
    return ways


_AZURE_VERSION = "api-version=2024-12-01-preview"
"""What Azure's older addresses, one a deployment, want to be told."""


def _anthropic(base_url: str) -> Mapping[str, Way]:
    # Its OpenAI layer loses prompt caching, so chat is translated.
    path = _MESSAGES.removeprefix("/v1") if base_url.endswith("/v1") else _MESSAGES
    return {
        "messages": Way("messages", path),
        "count_tokens": Way("count_tokens", f"{path}/count_tokens"),
    }


def _google(speaker: Speaker, model: str, *, is_stream: bool) -> Mapping[str, Way]:
    if speaker.base_url.endswith("/openai"):
        # What Gemini offers to OpenAI's SDK, by the address that this is given.
        return {name: Way(name, _OPENAI[name]) for name in ("chat", "embeddings")}
    # Vertex's address is that of a project's publisher: all up to `/models`.
    above = "" if speaker.kind == "vertex" or speaker.base_url.endswith("/v1beta") else "/v1beta"
    verb = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
    name = quote(model.removeprefix("models/"), safe="")
    ways = {"gemini": Way("gemini", above + _GEMINI.format(model=name, verb=verb))}
    if speaker.kind == "gemini":
        ways["embeddings"] = Way("embeddings", f"{above}/openai/embeddings")
        ways["cached_contents"] = Way("cached_contents", f"{above}/cachedContents")
    return ways


def _bedrock(base_url: str, model: str, *, is_stream: bool) -> Mapping[str, Way]:
    if base_url.endswith("/v1"):
        # What Bedrock offers to OpenAI's SDK, by the address that this is given.
        return {name: Way(name, _OPENAI[name]) for name in ("chat", "responses")}
    if base_url.endswith("/anthropic"):
        return {"messages": Way("messages", _MESSAGES)}
    if (urlsplit(base_url).hostname or "").startswith("bedrock-mantle"):
        return {
            "chat": Way("chat", "/v1/chat/completions"),
            "responses": Way("responses", "/v1/responses"),
            "messages": Way("messages", "/anthropic/v1/messages"),
        }
    if model in (".", ".."):
        # Of these no segment of a path can be made.
        return {}
    name = quote(model, safe="")
    converse = Way("converse", f"/model/{name}/converse{'-stream' if is_stream else ''}")
    if _OF_OPENAI.search(model):
        return {"chat": Way("chat", "/openai/v1/chat/completions"), "converse": converse}
    ways = {"converse": converse}
    if _OF_ANTHROPIC.search(model):
        verb = "invoke-with-response-stream" if is_stream else "invoke"
        # A client of this very path reads its frames; one of `/v1/messages` gets events.
        ways["messages"] = ways["invoke"] = Way("messages", f"/model/{name}/{verb}", "invoke")
    return ways
