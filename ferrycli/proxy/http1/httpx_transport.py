"""The pool as a transport of httpx: for every tool that speaks httpx, and for its tests.

Only the pool within httpx's own transport is replaced: pytest-httpx intercepts that transport's
`handle_async_request`, and would not see one of ours. The hot path does without all of this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from ferrycli.proxy.http1.addresses import OURS, Heads, Unsendable, first_lines, origin_of
from ferrycli.proxy.http1.connection import ENDED, NOT_HTTP
from ferrycli.proxy.http1.pool import NO_CONNECTION, NOT_FREE, Pool
from ferrycli.proxy.http1.reply import BROKE, Reply
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout

_ERRORS: dict[str, type[httpx.TransportError]] = {
    NO_CONNECTION: httpx.ConnectError,
    NOT_FREE: httpx.PoolTimeout,
    BROKE: httpx.ReadError,
    ENDED: httpx.RemoteProtocolError,
    NOT_HTTP: httpx.RemoteProtocolError,
}


class PoolTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, over our pool. Connecting is bounded by the pool's deadlines."""

    def __init__(self, pool: Pool, first_byte_s: float) -> None:
        """`first_byte_s`: until a reply begins, where a request has no read timeout."""
        # Without httpx's own, which would make a pool and read the roots of trust again.
        self._pool = _Within(pool, first_byte_s)  # type: ignore[assignment]


class _Within:
    """What stands in for httpcore's pool."""

    def __init__(self, pool: Pool, first_byte_s: float) -> None:
        self._pool = pool
        self._first_byte_s = first_byte_s
        self._heads = Heads()

    async def __aenter__(self) -> _Within:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every connection."""
        await self._pool.close()

    async def handle_async_request(self, request: Any) -> _Answer:
        """One request of httpcore's kind."""
        url, method = request.url, request.method
        read = httpx.URL(
            scheme=url.scheme.decode(), host=url.host.decode(), port=url.port, raw_path=url.target
        )
        headers = [(name.lower(), value) for name, value in request.headers]
        authority = next((value for name, value in headers if name == b"host"), read.netloc)
        headers = [pair for pair in headers if pair[0] not in OURS]
        body = b"".join([part async for part in request.stream])
        first_byte_s = request.extensions.get("timeout", {}).get("read") or self._first_byte_s
        try:
            head = self._heads.of(first_lines(method, url.target, authority), headers, len(body))
            reply = await self._pool.send(
                "", origin_of(read), head, body, first_byte_s, is_head=method == b"HEAD"
            )
        except Unsendable:
            raise httpx.LocalProtocolError("a header cannot be sent as it is") from None
        except (UpstreamFailed, UpstreamTimeout) as error:
            raise _as_httpx(error) from None
        return _Answer(reply.status, reply.headers, _Body(reply))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What httpx reads of a reply."""

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: _Body
    extensions: dict[str, Any] = field(default_factory=lambda: {"http_version": b"HTTP/1.1"})


class _Body:
    """The body, as httpx iterates over it."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while part := await self._reply.read():
                yield part
        except (UpstreamFailed, UpstreamTimeout) as error:
            raise _as_httpx(error) from None

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._reply.close()


def _as_httpx(error: UpstreamFailed | UpstreamTimeout) -> httpx.TransportError:
    if isinstance(error, UpstreamTimeout):
        kind = httpx.ConnectTimeout if error.phase == "connect" else httpx.ReadTimeout
        return kind(f"{error.phase}, {error.seconds:g} s")
    return _ERRORS.get(error.why, httpx.RemoteProtocolError)(error.why)
