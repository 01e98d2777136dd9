"""Providers over HTTP, by httpx.

The provider's credential is attached here, in one function, and only to the address that it is
configured for. Redirects are never followed: a credential must not travel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

import httpx

from ferrycli.proxy.aws_signing import Signer
from ferrycli.proxy.upstream import Attempt, Deadlines
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.rules.errors import NoCredential
from ferrycli.wire.headers import Headers, provider_credential

KEEPALIVE_S = 30.0
_NOT_DISPATCHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


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

        `signers`: of those providers whose requests are signed, instead of carrying a key.
        """
        self._signers = signers
        self._deadlines = deadlines
        self._credentials = credentials
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=deadlines.connect_s, pool=deadlines.connect_s),
            limits=httpx.Limits(
                max_connections=connections_max,
                max_keepalive_connections=connections_max,
                keepalive_expiry=KEEPALIVE_S,
            ),
        )

    async def open(self, attempt: Attempt) -> HttpReply:
        """As `Upstream.open`."""
        provider = attempt.provider
        request = self._client.build_request(
            "POST",
            provider.base_url + attempt.path,
            headers=await self._with_credential(attempt),
            content=attempt.body,
        )
        first_byte_s = attempt.first_byte_s or self._deadlines.first_byte_s
        try:
            async with asyncio.timeout(first_byte_s):
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            raise UpstreamTimeout(provider.name, "first_byte", first_byte_s) from None
        except httpx.ConnectTimeout:
            raise UpstreamTimeout(provider.name, "connect", self._deadlines.connect_s) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            is_dispatched = not isinstance(error, (*_NOT_DISPATCHED, httpx.InvalidURL))
            raise UpstreamFailed(provider.name, _why(error), is_dispatched) from None
        return HttpReply(response, provider.name, self._deadlines.idle_s)

    async def close(self) -> None:
        """As `Upstream.close`."""
        await self._client.aclose()

    async def _with_credential(self, attempt: Attempt) -> Headers:
        provider, headers = attempt.provider, attempt.headers
        if (signer := self._signers.get(provider.name)) is not None:
            url = provider.base_url + attempt.path
            return [*headers, *await asyncio.to_thread(signer.sign, url, headers, attempt.body)]
        key = self._credentials.get(provider.name, "")
        if isinstance(key, NoCredential):
            raise key
        return [*headers, provider_credential(provider.kind, attempt.path, key)] if key else headers


class HttpReply:
    """A reply over HTTP."""

    def __init__(self, response: httpx.Response, provider: str, idle_s: float) -> None:
        self._response = response
        self._provider = provider
        self._idle_s = idle_s
        self._source: AsyncIterator[bytes] | None = None

    @property
    def status(self) -> int:
        """As `UpstreamReply.status`."""
        return self._response.status_code

    @property
    def headers(self) -> Headers:
        """As `UpstreamReply.headers`."""
        return list(self._response.headers.raw)

    async def read(self) -> bytes:
        """As `UpstreamReply.read`. What was compressed against our wish is unpacked here."""
        if self._source is None:
            packed = self._response.headers.get("content-encoding", "identity") != "identity"
            self._source = self._response.aiter_bytes() if packed else self._response.aiter_raw()
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(self._source, b"")
        except TimeoutError:
            raise UpstreamTimeout(self._provider, "idle", self._idle_s) from None
        except httpx.HTTPError as error:
            raise UpstreamFailed(self._provider, _why(error)) from None

    async def close(self) -> None:
        """As `UpstreamReply.close`."""
        await self._response.aclose()


def _why(error: Exception) -> str:
    """What went wrong, in a word and without addresses or contents."""
    names = {
        "ConnectError": "it could not be connected",
        "PoolTimeout": "no connection was free",
        "ReadError": "the connection broke",
        "WriteError": "the connection broke",
        "RemoteProtocolError": "it ended before the reply did",
        "LocalProtocolError": "the request could not be sent",
        "DecodingError": "its compressed reply could not be read",
        "InvalidURL": "its address is not usable",
    }
    return names.get(type(error).__name__, type(error).__name__)
