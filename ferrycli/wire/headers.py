"""Which headers cross ferry, in either direction: by allow-list, so that no secret does.

Names are lower-case bytes, as ASGI has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from ferrycli.rules.attribution import HEADER_NAMES, TAGS_HEADER
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, TwoKeys
from ferrycli.rules.other_names import LISTS, PREFIXES

Headers = list[tuple[bytes, bytes]]

_REQUEST = frozenset(
    {
        b"accept",
        b"content-type",
        b"idempotency-key",
        b"user-agent",
    }
)
"""What of a client's request goes to the provider, as it is."""
_OPENAI = frozenset({b"openai-organization", b"openai-project", b"openai-beta"})
_ANTHROPIC = frozenset({b"anthropic-version", b"anthropic-beta"})
_OF_DIALECT = {
    **dict.fromkeys(("chat", "responses", "completions", "embeddings", "plain"), _OPENAI),
    **dict.fromkeys(("messages", "count_tokens"), _ANTHROPIC),
}
"""What goes on besides where the provider speaks the client's dialect."""
_PASSED = {dialect: _REQUEST | own for dialect, own in _OF_DIALECT.items()}
SENT = _REQUEST | _OPENAI | _ANTHROPIC
"""Every name that may go on, in whatever dialect."""
ANTHROPIC_VERSION = b"2023-06-01"
"""Asked for where the client names none; the next one refuses sampling parameters."""

_REPLY = frozenset(
    {
        b"content-type",
        b"content-language",
        b"openai-model",
        b"openai-processing-ms",
        b"openai-version",
        b"x-request-id",
        b"request-id",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
        b"x-amzn-requestid",
        b"x-amzn-errortype",
    }
)
_REPLY_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-", b"x-amzn-bedrock-")
"""What of a provider's reply goes to the client."""

CREDENTIAL_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")
VIA = b"ferry"
"""How ferry names itself in `Via`, so that a loop through itself is seen."""
_ADDED = ((b"accept-encoding", b"identity"), (b"via", b"1.1 " + VIA))

IDEMPOTENCY_HEADER = b"idempotency-key"
IDEMPOTENCY_KEY_LENGTH_MAX = 255

READ = {name.encode(): name for name in (*HEADER_NAMES, TAGS_HEADER)}
READ_PREFIXES = tuple(prefix.encode() for prefix in PREFIXES)
"""What attribution reads: whole names, and how names begin."""


def request_headers(
    headers: Iterable[tuple[bytes, bytes]], dialect: str = "chat", *, is_same: bool = True
) -> Headers:
    """The headers for the provider: no credential, no `X-Ferry-*` and no other name of attribution.

    `dialect`: what the provider is spoken to in; `is_same`: the client speaks it too, so that what
    it says in headers of that dialect is said to the provider.

    Asks for an answer that is not compressed: its bytes are relayed as they are and read on the
    way.
    """
    if is_same:
        passed = _PASSED.get(dialect, _REQUEST)
        kept = [pair for pair in headers if pair[0] in passed]
    else:
        kept = [pair for pair in headers if pair[0] == b"user-agent"]
        kept.append((b"content-type", b"application/json"))
    is_anthropic = _OF_DIALECT.get(dialect) is _ANTHROPIC
    if is_anthropic and not any(name == b"anthropic-version" for name, _ in kept):
        kept.append((b"anthropic-version", ANTHROPIC_VERSION))
    kept += _ADDED
    return kept


def said_in_dialect(headers: Iterable[tuple[bytes, bytes]], dialect: str) -> bytes:
    """What the request says in headers of its dialect, such as betas: they may change its input."""
    own = _OF_DIALECT.get(dialect, frozenset())
    return b"\n".join(sorted(name + b":" + value for name, value in headers if name in own))


def anthropic_betas(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The betas that a client of Anthropic's dialect asks for; Bedrock takes them in the body."""
    said = b",".join(value for name, value in headers if name == b"anthropic-beta")
    return [safe(one.strip()) for one in said.decode("utf-8", "replace").split(",") if one.strip()]


def reply_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers for the client out of the provider's reply."""
    kept = []
    for written, value in headers:
        is_short = len(written) <= _NAME_LENGTH_MAX
        name = _passed_back(written) if is_short else _named(written)
        if name and _is_clean(value):
            kept.append((name, value))
    return kept


def _named(written: bytes) -> bytes:
    """The name under which a header of a reply goes to the client; empty where it does not."""
    name = written.lower()
    is_passed = name in _REPLY or (name.startswith(_REPLY_PREFIXES) and _is_clean(name))
    return name if is_passed else b""


_NAME_LENGTH_MAX = 64
_passed_back = lru_cache(1_024)(_named)
"""The same for short names, which providers repeat with every reply."""


_CLEAN = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))
"""Every byte but the controls."""


def _is_clean(value: bytes) -> bool:
    return not value.translate(None, _CLEAN)


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The one credential of a request; "" where there is none.

    Raises `TwoKeys` where two headers carry different ones.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in CREDENTIAL_HEADERS:
            plain = value.strip()
            if name == b"authorization":
                scheme, _, rest = plain.partition(b" ")
                plain = rest.strip() if scheme.lower() == b"bearer" else b""
            if plain:
                if found.get(name, plain) != plain:
                    raise TwoKeys((name.decode(),))
                found[name] = plain
    if len(set(found.values())) > 1:
        raise TwoKeys(tuple(sorted(name.decode() for name in found)))
    return next(iter(found.values()), b"").decode("utf-8", "replace")


def content_type(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What the body says that it is; empty where nothing is said."""
    said = next((value for name, value in headers if name == b"content-type"), b"")
    return said.decode("latin-1")


_OWN_CREDENTIALS = {"anthropic": b"x-api-key", "gemini": b"x-goog-api-key", "azure": b"api-key"}
"""In which header a kind of provider takes its key; else as a bearer."""


def provider_credential(kind: str, path: str, key: str) -> tuple[bytes, bytes]:
    """The header by which a provider knows who pays; `path` is what it is asked for."""
    name = _OWN_CREDENTIALS.get(kind)
    # What Gemini offers to OpenAI's SDK takes what that sends.
    if name is None or (kind == "gemini" and "/openai/" in path):
        return b"authorization", f"Bearer {key}".encode()
    return name, key.encode()


def idempotency_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The `Idempotency-Key` of a request; "" where there is none.

    Raises `BadParameter` for one that would have to be changed to be kept, since two keys must
    never become one, and for two that differ.
    """
    found = {value.strip() for name, value in headers if name == IDEMPOTENCY_HEADER}
    found.discard(b"")
    if not found:
        return ""
    text = min(found).decode("utf-8", "replace")
    if len(found) > 1 or safe(text, IDEMPOTENCY_KEY_LENGTH_MAX) != text or "\ufffd" in text:
        wanted = f"one key of at most {IDEMPOTENCY_KEY_LENGTH_MAX} printable characters"
        raise BadParameter("Idempotency-Key", text, wanted)
    return text


def attribution_headers(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """The headers that attribution reads; of a name that stands twice, the first, or the list."""
    read: dict[str, str] = {}
    for raw_name, value in headers:
        name = READ.get(raw_name)
        if name is None:
            if not raw_name.startswith(READ_PREFIXES):
                continue
            name = raw_name.decode("utf-8", "replace")
        text = value.decode("utf-8", "replace")
        if name in LISTS and name in read:
            read[name] += "," + text
        else:
            read.setdefault(name, text)
    return read


def passes_ferry(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request has already been through a ferry."""
    return any(
        name == b"via" and VIA in (part.strip().rpartition(b" ")[2] for part in value.split(b","))
        for name, value in headers
    )
