"""Sending what ferry itself says: refusals and small JSON bodies, and its own reply headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ferrycli.proxy.gate import Scope
from ferrycli.rules.clean import safe
from ferrycli.rules.errors import FerryError
from ferrycli.wire.dialect import Dialect
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.entries import apart, speaker_of
from ferrycli.wire.errors import bedrock_type, error_headers
from ferrycli.wire.headers import Headers

JSON = (b"content-type", b"application/json")


async def send_json(send: Any, status: int, body: bytes, headers: Headers) -> None:
    """One JSON reply."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [JSON, (b"content-length", str(len(body)).encode()), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_error(
    send: Any,
    error: FerryError,
    headers: Headers,
    status: int | None = None,
    dialect: Dialect = DIALECTS["chat"],
) -> None:
    """A refusal in the caller's dialect, with what tells SDKs whether to try again."""
    extra = [*headers, *error_headers(dialect.name, bedrock_type(error))]
    if error.may_retry is False:
        extra.append((b"x-should-retry", b"false"))
    if error.retry_after_s is not None:
        extra.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.status in (408, 413, 431):
        extra.append((b"connection", b"close"))
    await send_json(send, status or error.status, dialect.error_body(error), extra)


def refusing(refusal: FerryError) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """An application that answers whatever is asked by `refusal`."""

    async def refuse(scope: Any, _receive: Any, send: Any) -> None:
        _, path = apart(scope["raw_path"])
        await send_error(send, refusal, [], dialect=dialect_of({**scope, "path": path}))

    return refuse


def dialect_of(scope: Scope) -> Dialect:
    """The dialect in which whoever asks is answered, where no call is carried."""
    has_version = any(name == b"anthropic-version" for name, _ in scope["headers"])
    return DIALECTS[speaker_of(scope["path"], has_version)]


def own(name: str, value: str) -> tuple[bytes, bytes]:
    """One of ferry's reply headers: `own("call-id", "c_…")`."""
    text = safe(value).encode("ascii", "replace")
    return f"x-ferry-{name}".encode(), text
