"""Providers over HTTP: by connections of our own, and by httpx where only that gets through.

The provider's credential is attached here, in one function, and only to the address that it is
configured for. Redirects are never followed: a credential must not travel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import httpx

from ferrycli.proxy.aws_signing import Signer
from ferrycli.proxy.http1.addresses import ADDRESSES_MAX, Address, Heads, Unsendable, read_address
from ferrycli.proxy.http1.pool import Pool
from ferrycli.proxy.http1.tls import Tls
from ferrycli.proxy.http1.unpacking import unpacked
from ferrycli.proxy.httpx_upstream import HttpxUpstream
from ferrycli.proxy.upstream import Attempt, Deadlines, UpstreamReply
from ferrycli.rules.denials import UpstreamFailed
from ferrycli.rules.errors import NoCredential
from ferrycli.wire.headers import Headers, provider_credential

KEEPALIVE_S = 30.0


class HttpUpstream:
    """One pool of connections to all providers."""

    def __init__(
        self,
        deadlines: Deadlines,
        credentials: Mapping[str, str | NoCredential],
        connections_max: int,
        transport: httpx.AsyncBaseTransport | None = None,
        signers: Mapping[str, Signer] = MappingProxyType({}),
    ) -> None:
        """`credentials`: by provider name; "" for a provider that wants none.

        `transport`: carries every call instead of the pool, through httpx.
        `signers`: of those providers whose requests are signed, instead of carrying a key.
        """
        self._signers = signers
        self._first_byte_s = deadlines.first_byte_s
        self._credentials = credentials
        tls = Tls()
        self._pool = Pool(deadlines, connections_max, KEEPALIVE_S, tls)
        self._httpx = HttpxUpstream(deadlines, connections_max, KEEPALIVE_S, tls.context, transport)
        self._heads = Heads()
        self._addresses: dict[str, Address | None] = {}
        """By URL; None: it is reached through httpx."""

    async def open(self, attempt: Attempt) -> UpstreamReply:
        """As `Upstream.open`."""
        provider = attempt.provider
        name, url = provider.name, provider.base_url + attempt.path
        if name in self._signers:
            headers = await self._signed(attempt, url)
        else:
            headers = self._with_credential(attempt)
        first_byte_s = attempt.first_byte_s or self._first_byte_s
        address = self._addresses[url] if url in self._addresses else self._learn(name, url)
        if address is None:
            return unpacked(
                await self._httpx.open(name, url, headers, attempt.body, first_byte_s), name
            )
        try:
            head = self._heads.of(address.post, headers, len(attempt.body))
        except Unsendable:
            raise UpstreamFailed(name, "the request could not be sent", False) from None
        reply = await self._pool.send(name, address.origin, head, attempt.body, first_byte_s)
        return unpacked(reply, name) if reply.is_packed else reply

    async def close(self) -> None:
        """As `Upstream.close`."""
        await self._pool.close()
        await self._httpx.close()

    def _with_credential(self, attempt: Attempt) -> Headers:
        provider, headers = attempt.provider, attempt.headers
        key = self._credentials.get(provider.name, "")
        if isinstance(key, NoCredential):
            raise key
        return [*headers, provider_credential(provider.kind, attempt.path, key)] if key else headers

    async def _signed(self, attempt: Attempt, url: str) -> Headers:
        signer, headers = self._signers[attempt.provider.name], attempt.headers
        return [*headers, *await asyncio.to_thread(signer.sign, url, headers, attempt.body)]

    def _learn(self, provider: str, url: str) -> Address | None:
        """Where `url` leads. Raises `UpstreamFailed` where nowhere."""
        try:
            address = None if self._httpx.is_wanted(url) else read_address(url)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise UpstreamFailed(provider, "its address is not usable", False) from None
        if len(self._addresses) >= ADDRESSES_MAX:
            self._addresses.clear()
        self._addresses[url] = address
        return address
