"""Where calls come in: each path of the server that carries one, and what it says of the call.

There is no unmetered route: what is not here is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from ferrycli.rules.denials import NoSuchPath
from ferrycli.wire.dialect import Place


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
    unbilled_at: frozenset[str] = frozenset()
    """Kinds of providers that answer it for nothing; of others, some do not."""

    @property
    def refuses_in(self) -> str:
        """The dialect in which its clients read errors."""
        return "converse" if self.asks == "invoke" else self.dialect

    @property
    def wanted(self) -> str:
        """What `ways.find_way` is asked for."""
        return self.asks or self.dialect


def _plain(path: str, *unbilled_at: str) -> Entry:
    return Entry(f"/v1/{path}", "plain", path, unbilled_at=frozenset(unbilled_at))


ENTRIES: tuple[Entry, ...] = (
    Entry("/v1/chat/completions", "chat"),
    Entry("/v1/responses", "responses"),
    Entry("/v1/messages", "messages"),
    Entry(
        "/v1/messages/count_tokens",
        "count_tokens",
        is_stream=False,
        unbilled_at=frozenset({"anthropic"}),
    ),
    Entry("/v1/completions", "completions"),
    Entry("/v1/embeddings", "embeddings", is_stream=False),
    _plain("moderations", "openai", "azure"),
    _plain("images/generations"),
    _plain("images/edits"),
    _plain("images/variations"),
    _plain("audio/speech"),
    _plain("audio/transcriptions"),
    _plain("audio/translations"),
    Entry("/v1beta/models/{model:path}", "gemini"),
    Entry("/v1/models/{model:path}", "gemini"),
    Entry("/v1beta/cachedContents", "cached_contents", is_stream=False),
    # Where a name has a slash, Vercel's SDK leaves out `models/`.
    Entry("/v1beta/{model:path}", "gemini"),
    Entry("/model/{model:path}/converse", "converse", is_stream=False),
    Entry("/model/{model:path}/converse-stream", "converse", is_stream=True),
    Entry("/model/{model:path}/invoke", "messages", "invoke", is_stream=False),
    Entry("/model/{model:path}/invoke-with-response-stream", "messages", "invoke", is_stream=True),
)

_UNBILLED = {entry.wanted: entry.unbilled_at for entry in ENTRIES if entry.unbilled_at}


def unbilled_kinds(wanted: str) -> frozenset[str]:
    """Kinds of providers that answer what is asked for nothing."""
    return _UNBILLED.get(wanted, frozenset())


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


def apart(raw_path: bytes) -> tuple[str, str]:
    """What `/@tenant=acme` before a path says, and the path without it; "" where it says nothing.

    For clients that set only a base URL.
    """
    if not raw_path.startswith(b"/@"):
        return "", unquote(raw_path.decode("latin-1"))
    said, _, rest = raw_path[2:].decode("latin-1").partition("/")
    return said, f"/{unquote(rest)}"


def speaker_of(path: str, has_anthropic_version: bool) -> str:
    """The dialect in which whoever asked for `path` is answered."""
    if path.startswith("/v1beta/") or path.endswith(_GEMINI_VERBS):
        return "gemini"
    if path.startswith("/model/"):
        return "converse"
    if path.startswith("/v1/messages") or has_anthropic_version:
        return "messages"
    return "chat"
