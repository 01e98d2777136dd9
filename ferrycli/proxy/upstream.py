"""The seam to providers: one attempt out; a status, headers and the body's bytes back.

Whatever carries the bytes (connections of our own, httpx where there is a proxy, the simulated
provider in process) stands behind `Upstream`, so that the conductor never changes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from ferrycli.settings import Provider
from ferrycli.wire.headers import Headers


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, each counted on its own; the first that passes ends the attempt."""

    connect_s: float
    first_byte_s: float
    idle_s: float


class Attempt(Struct, frozen=True):
    """One request to one provider, without its credential."""

    provider: Provider
    path: str
    """Below the provider's base URL: `/chat/completions`."""
    headers: Headers
    body: bytes
    first_byte_s: float | None = None
    """Seconds until the reply begins; None: as for every target."""


class UpstreamReply(Protocol):
    """A reply whose head has come."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Headers:
        """As they came; the caller picks by allow-list."""

    async def read(self) -> bytes:
        """The bytes that have come since the last call, not compressed; empty at the end.

        Raises `UpstreamTimeout` when nothing comes for too long, `UpstreamFailed` when the
        provider ends before the body does.
        """

    async def close(self) -> None:
        """Let go of the connection; at once if the body is not read to its end."""


class Upstream(Protocol):
    """A way to providers."""

    async def open(self, attempt: Attempt) -> UpstreamReply:
        """Send the attempt and wait for the head of the reply.

        Raises `NoCredential`, `UpstreamFailed` or `UpstreamTimeout`.
        """

    async def close(self) -> None:
        """End every connection."""
