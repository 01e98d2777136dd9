"""How providers are verified: as httpx does it, by certifi's roots or those that are named.

`SSL_CERT_FILE` and `SSL_CERT_DIR` name others. One context serves all connections, and a host's
last session is offered to it again, which saves a round trip under TLS 1.2 and the certificates
under both.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx

SESSIONS_MAX = 256


class Tls:
    """The one context, and what it remembers of hosts."""

    def __init__(self) -> None:
        self._sessions: dict[str, ssl.SSLSession] = {}
        """By host: the context verified its name when the session began, and never another."""
        self.context = httpx.create_ssl_context()
        """Verifies the chain and the name, and speaks HTTP/1.1 only."""
        self.context.set_alpn_protocols(["http/1.1"])
        self._wrap_bio = self.context.wrap_bio
        # asyncio and uvloop offer no session of their own, and make the connection's TLS by this.
        self.context.wrap_bio = self._resuming  # type: ignore[method-assign]

    def remember(self, host: str, connection: ssl.SSLObject) -> None:
        """Keep the session, once its connection has brought a reply: tickets come that late."""
        if (session := connection.session) is None:
            return
        if len(self._sessions) >= SESSIONS_MAX:
            self._sessions.clear()
        self._sessions[host] = session

    def _resuming(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: Any = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        session = session or self._sessions.get(server_hostname)
        return self._wrap_bio(incoming, outgoing, server_side, server_hostname, session)
