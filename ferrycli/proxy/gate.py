"""Who may speak at all: addresses, sizes, encodings; checked before anything else is read.

The local web is closed: a page in a browser on this machine must not spend money, so a foreign
`Origin` or `Host` is refused, and no CORS header is ever sent.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ferrycli.proxy.exchange import EXTENSION
from ferrycli.proxy.heads import HEADERS_MAX, PATH_BYTES_MAX, check_size
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import (
    BodyTooLarge,
    CarriesLoop,
    CompressedBody,
    ForbiddenOrigin,
    HeadersTooLarge,
    PathTooLong,
    RequestTooSlow,
)
from ferrycli.wire.head import Head, read_head

BODY_IDLE_S = 10.0
"""A client that sends nothing of its body for this long is let go."""
BODY_TOTAL_S = 120.0
ADDRESSES_KNOWN_MAX = 256

Scope = MutableMapping[str, Any]


class ClientLeft(Exception):
    """The client closed its connection."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What this server accepts."""

    hosts: frozenset[str]
    """Names, lower case and without port, that `Host` and `Origin` may have."""
    body_bytes_max: int
    is_any_host: bool = False
    """Behind a proxy, the proxy decides on names."""

    @classmethod
    def of(
        cls, listen_host: str, hosts: Iterable[str], body_bytes_max: int, *, behind_proxy: bool
    ) -> Gate:
        """For a server that listens on `listen_host`."""
        usual = {"localhost", "127.0.0.1", "::1", listen_host.lower()}
        return cls(
            frozenset(usual | {name.lower() for name in hosts}),
            body_bytes_max,
            is_any_host=behind_proxy and not list(hosts),
        )

    def check(self, scope: Scope, head: Head | None = None) -> None:
        """Raise a refusal if the request cannot be accepted; `head`: what its headers say."""
        if not is_watched(scope):
            _check_size(scope, scope["headers"])
        if head is None:
            head = read_head(scope["headers"])
        self._check_names(head)
        for value in head.encodings:
            if value.strip().lower() not in (b"", b"identity"):
                raise CompressedBody(safe(value.decode("latin-1"), 40))
        for value in head.lengths:
            if int(value) > self.body_bytes_max:
                raise BodyTooLarge(self.body_bytes_max)
        if head.is_from_ferry:
            raise CarriesLoop

    def _check_names(self, head: Head) -> None:
        if len(head.hosts) != 1:
            hosts = ", ".join(value.decode("latin-1") for value in head.hosts)
            raise ForbiddenOrigin("Host", safe(hosts) or "(none)")
        host = head.hosts[0].decode("latin-1")
        if not self._knows(f"//{host}"):
            raise ForbiddenOrigin("Host", safe(host))
        for value in head.origins:
            # A browser sends it for other sites' pages; programs leave it out.
            if not self._knows(value.decode("latin-1")):
                raise ForbiddenOrigin("Origin", safe(value.decode("latin-1")))

    def _knows(self, address: str) -> bool:
        host = _host(address)
        return host is not None and (self.is_any_host or host in self.hosts)

    async def body(self, scope: Scope, receive: Any) -> bytes:
        """The request's body, whole.

        Raises `BodyTooLarge`, `RequestTooSlow` or `ClientLeft`, and what a `Connection` refuses.
        """
        if is_watched(scope):
            return await self._gather(receive)
        try:
            async with asyncio.timeout(BODY_TOTAL_S):
                return await self._gather(lambda: _next(receive))
        except TimeoutError:
            raise RequestTooSlow(BODY_TOTAL_S) from None

    async def _gather(self, receive: Any) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            part = message.get("body", b"")
            size += len(part)
            if size > self.body_bytes_max:
                raise BodyTooLarge(self.body_bytes_max)
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)


@lru_cache(ADDRESSES_KNOWN_MAX)
def _host(address: str) -> str | None:
    """The host of an address, in lower case; None where it has none. Most requests name one."""
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return None
    return host.lower() if host is not None else None


def _check_size(scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
    if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > PATH_BYTES_MAX:
        raise PathTooLong(PATH_BYTES_MAX)
    if len(headers) > HEADERS_MAX:
        raise HeadersTooLarge(f"more than {HEADERS_MAX} headers")
    check_size(headers)


def is_watched(scope: Scope) -> bool:
    """Whether the connection is our own, which keeps deadlines and sizes of heads by itself."""
    return EXTENSION in (scope.get("extensions") or ())


async def _next(receive: Any) -> MutableMapping[str, Any]:
    """The next part of a body. Raises `RequestTooSlow` where none comes."""
    try:
        async with asyncio.timeout(BODY_IDLE_S):
            message: MutableMapping[str, Any] = await receive()
            return message
    except TimeoutError:
        raise RequestTooSlow(BODY_IDLE_S) from None


def is_local(scope: Scope) -> bool:
    """Whether the request came from this machine, over loopback, and through no proxy."""
    client = scope.get("client")
    if not client or any(name.startswith(b"x-forwarded") for name, _ in scope["headers"]):
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
