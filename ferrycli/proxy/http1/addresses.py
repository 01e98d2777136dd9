"""What a URL means to a connection: its origin, and the first lines of a request to it.

httpx reads the URL, so that hosts and paths are encoded as httpx would encode them.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from ferrycli.wire.headers import Headers

ADDRESSES_MAX = 1_024
"""Paths may hold a model's name, which clients choose: more than these are read anew."""
NAMES_MAX = 256
PORT_MAX = 65_535
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
OURS = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade"})
"""Headers that say where a request goes and where it ends: nobody else's."""
_AGENT = b"user-agent: ferry\r\n"


class Unsendable(Exception):
    """A header that cannot be sent as it is."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections go."""

    is_tls: bool
    host: str
    """As DNS knows it, or an IP address without brackets."""
    port: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes."""

    origin: Origin
    post: bytes
    """The first two lines of a POST."""


def read_address(url: str) -> Address:
    """The address that `url` names. Raises `httpx.InvalidURL` or `httpx.UnsupportedProtocol`."""
    read = httpx.URL(url)
    if read.scheme not in ("http", "https") or not read.host:
        raise httpx.UnsupportedProtocol(f"`{read.scheme}` is not spoken here")
    return Address(origin_of(read), first_lines(b"POST", read.raw_path, read.netloc))


def origin_of(read: httpx.URL) -> Origin:
    """Where connections for `read` go. Raises `httpx.InvalidURL`."""
    is_tls = read.scheme == "https"
    port = (443 if is_tls else 80) if read.port is None else read.port
    if not 0 < port <= PORT_MAX:
        raise httpx.InvalidURL(f"no port: {port}")
    return Origin(is_tls, read.raw_host.decode("ascii"), port)


def first_lines(method: bytes, target: bytes, authority: bytes) -> bytes:
    """What a request begins with. `target`: path and query, percent-encoded."""
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, target, authority)


class Heads:
    """Makes the heads of requests, and refuses what would make two of one."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        """Names that were looked at and may be sent."""

    def of(self, first: bytes, headers: Headers, size: int) -> bytes:
        """The head of a request with a body of `size` bytes. Raises `Unsendable`.

        `first`: what `first_lines` made.
        """
        names = self._names
        lines = [first]
        has_agent = False
        for name, value in headers:
            if name not in names:
                self._learn(name)
            has_agent = has_agent or name == b"user-agent"
            lines.append(b"%b: %b\r\n" % (name, value))
        if not has_agent:
            lines.append(_AGENT)
        lines.append(b"content-length: %d\r\n\r\n" % size)
        head = b"".join(lines)
        ends = len(lines) + 2
        if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
            raise Unsendable
        return head

    def _learn(self, name: bytes) -> None:
        if not name or not _TOKEN.issuperset(name) or name.lower() in OURS:
            raise Unsendable
        if len(self._names) >= NAMES_MAX:
            self._names.clear()
        self._names.add(name)
