"""Where calls come in: each path of the server that carries one, and what it says of the call.

There is no unmetered route: what is not here is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferrycli.rules.denials import NoSuchPath
from ferrycli.wire.dialect import Place

INVENTORS = frozenset({"openai", "azure", "anthropic"})
"""Kinds that answer for nothing what the `is_unbilled` entries ask."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path, or a family of them."""

    path: str
    """As the router takes it; `{model:path}` stands for a model's name, slashes included."""
    dialect: str
    """By which it is read; one of the registry."""
    asks: str = ""
    """What `ways.find_way` is asked for, where it is not the dialect's name."""
    is_stream: bool | None = None
    """None: the body says it."""
    is_unbilled: bool = False
    """Those who have invented it answer it for nothing."""

    def is_unbilled_at(self, kind: str) -> bool:
        """Whether a provider of this kind answers it for nothing: of others, some do not."""
        return self.is_unbilled and kind in INVENTORS

    @property
    def wanted(self) -> str:
        """What `ways.find_way` is asked for."""
        return self.asks or self.dialect


def _plain(path: str, *, is_unbilled: bool = False) -> Entry:
    return Entry(f"/v1/{path}", "plain", path, is_unbilled=is_unbilled)


ENTRIES: tuple[Entry, ...] = (
    Entry("/v1/chat/completions", "chat"),
    Entry("/v1/responses", "responses"),
    Entry("/v1/messages", "messages"),
    Entry("/v1/messages/count_tokens", "count_tokens", is_stream=False, is_unbilled=True),
    Entry("/v1/completions", "completions"),
    Entry("/v1/embeddings", "embeddings", is_stream=False),
    _plain("moderations", is_unbilled=True),
    _plain("images/generations"),
    _plain("images/edits"),
    _plain("images/variations"),
    _plain("audio/speech"),
    _plain("audio/transcriptions"),
    _plain("audio/translations"),
    Entry("/v1beta/models/{model:path}", "gemini"),
    Entry("/v1/models/{model:path}", "gemini"),
    Entry("/v1beta/cachedContents", "cached_contents", is_stream=False),
    Entry("/model/{model:path}/converse", "converse", is_stream=False),
    Entry("/model/{model:path}/converse-stream", "converse", is_stream=True),
    Entry("/model/{model:path}/invoke", "messages", "invoke", is_stream=False),
    Entry("/model/{model:path}/invoke-with-response-stream", "messages", "invoke", is_stream=True),
)

_VERBS = {"generateContent": False, "streamGenerateContent": True}
_GEMINI_VERBS = tuple(f":{verb}" for verb in _VERBS)


def place(entry: Entry, named: str, content_type: str = "") -> Place:
    """What the path says of the call; `named` is what stood for the model, empty for nothing.

    `content_type` is the header's.

    Raises `NoSuchPath` for a verb of Gemini's that is not carried.
    """
    if entry.dialect != "gemini":
        return Place(named, entry.is_stream, content_type)
    model, _, verb = named.rpartition(":")
    if not model or verb not in _VERBS:
        raise NoSuchPath("POST", entry.path.replace("{model:path}", named))
    return Place(model, _VERBS[verb])


def endpoint(entry: Entry, at: Place) -> str:
    """How a row names what was asked: the path, with `{model}` for the model's name."""
    named = entry.path.replace("{model:path}", "{model}")
    if entry.dialect != "gemini":
        return named
    return f"{named}:{'streamGenerateContent' if at.is_stream else 'generateContent'}"


def speaker_of(path: str, has_anthropic_version: bool) -> str:
    """The dialect in which whoever asked for `path` is answered."""
    if path.startswith("/v1beta/") or path.endswith(_GEMINI_VERBS):
        return "gemini"
    if path.startswith("/model/"):
        return "converse"
    if path.startswith("/v1/messages") or has_anthropic_version:
        return "messages"
    return "chat"
