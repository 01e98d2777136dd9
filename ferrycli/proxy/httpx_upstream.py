"""Providers by httpx: where the environment names a proxy, and where a transport is given.

Slower than a connection of our own, and able to do what that is not: proxies, SOCKS, HTTP/2.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx

from ferrycli.proxy.upstream import Deadlines
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.wire.headers import Headers

_NOT_DISPATCHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class HttpxUpstream:
    """One client to all providers."""

    def __init__(
        self,
        deadlines: Deadlines,
        connections_max: int,
        keepalive_s: float,
        tls: ssl.SSLContext,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._deadlines = deadlines
        self._has_transport = transport is not None
        self._client = httpx.AsyncClient(
            verify=tls,
            transport=transport,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=deadlines.connect_s, pool=deadlines.connect_s),
            limits=httpx.Limits(
                max_connections=connections_max,
                max_keepalive_connections=connections_max,
                keepalive_expiry=keepalive_s,
            ),
        )

    def is_wanted(self, url: str) -> bool:
        """Whether only httpx can reach `url`: through a proxy or a transport. Its own decision."""
        direct = self._client._transport
        return self._has_transport or self._client._transport_for_url(httpx.URL(url)) is not direct

    async def open(
        self, provider: str, url: str, headers: Headers, body: bytes, first_byte_s: float
    ) -> HttpxReply:
        """As `Upstream.open`; the credential is among the headers."""
        try:
            async with asyncio.timeout(first_byte_s):
                request = self._client.build_request("POST", url, headers=headers, content=body)
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            raise UpstreamTimeout(provider, "first_byte", first_byte_s) from None
        except httpx.ConnectTimeout:
            raise UpstreamTimeout(provider, "connect", self._deadlines.connect_s) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            is_dispatched = not isinstance(error, (*_NOT_DISPATCHED, httpx.InvalidURL))
            raise UpstreamFailed(provider, _why(error), is_dispatched) from None
        return HttpxReply(response, provider, self._deadlines.idle_s)

    async def close(self) -> None:
        """As `Upstream.close`."""
        await self._client.aclose()


class HttpxReply:
    """A reply over httpx."""

    def __init__(self, response: httpx.Response, provider: str, idle_s: float) -> None:
        self._response = response
        self._provider = provider
        self._idle_s = idle_s
        self._source: AsyncIterator[bytes] = response.aiter_raw()

    @property
    def status(self) -> int:
        """As `UpstreamReply.status`."""
        return self._response.status_code

    @property
    def headers(self) -> Headers:
        """As `UpstreamReply.headers`."""
        return list(self._response.headers.raw)

    async def read(self) -> bytes:
        """As `UpstreamReply.read`, packed as it came."""
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
        "ProxyError": "its proxy refused",
        "PoolTimeout": "no connection was free",
        "ReadError": "the connection broke",
        "WriteError": "the connection broke",
        "RemoteProtocolError": "it ended before the reply did",
        "LocalProtocolError": "the request could not be sent",
        "InvalidURL": "its address is not usable",
        "UnsupportedProtocol": "its address is not usable",
    }
    return names.get(type(error).__name__, type(error).__name__)
