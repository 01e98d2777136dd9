"""The head of a request, gone through once: which of its headers ferry acts on, by what they say.

What each of them means is in `wire/headers.py`; here every function of that gets the few that are
its own. Names are lower-case bytes, as ASGI has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ferrycli.wire.headers import (
    CREDENTIAL_HEADERS,
    IDEMPOTENCY_HEADER,
    READ,
    READ_PREFIXES,
    SENT,
    Headers,
    attribution_headers,
    content_type,
    credential,
    idempotency_key,
    passes_ferry,
)

RETRY_HEADER = b"x-stainless-retry-count"
"""How often the client's SDK has tried before."""
RETRY_DIGITS_MAX = 5
RETRIES_MAX = 1_000

_CREDENTIAL, _SENT, _READ, _HOST, _ORIGIN, _ENCODING, _LENGTH, _VIA, _RETRY = range(9)
_ROLES = {
    **dict.fromkeys(SENT, _SENT),
    **dict.fromkeys(CREDENTIAL_HEADERS, _CREDENTIAL),
    **dict.fromkeys(READ, _READ),
    b"host": _HOST,
    b"origin": _ORIGIN,
    b"content-encoding": _ENCODING,
    b"content-length": _LENGTH,
    b"via": _VIA,
    RETRY_HEADER: _RETRY,
}


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the headers of one request say."""

    credentials: Headers
    sent: Headers
    """Those that may go on to a provider: `request_headers` says which, in its dialect."""
    attribution: Mapping[str, str]
    """As `attribution_headers`."""
    hosts: list[bytes]
    origins: list[bytes]
    encodings: list[bytes]
    lengths: list[bytes]
    is_from_ferry: bool
    """It has already been through a ferry."""
    retries: int
    """How often the client's SDK says that it has tried before."""
    content_type: str
    """What the body says that it is; empty where nothing is said."""
    bytes_total: int
    """Of all names and values."""
    has_idempotency: bool

    def credential(self) -> str:
        """The one credential; "" where there is none. Raises `TwoKeys`."""
        return credential(self.credentials)

    def idempotency_key(self) -> str:
        """The `Idempotency-Key`; "" where there is none. Raises `BadParameter`."""
        return idempotency_key(self.sent) if self.has_idempotency else ""


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """What the headers of a request say. Nothing is refused yet."""
    credentials, sent, read, hosts, origins = [], [], [], [], []
    encodings, lengths, ways, types = [], [], [], []
    retries = None
    size, has_idempotency = 0, False
    for pair in headers:
        name, value = pair
        size += len(name) + len(value)
        role = _ROLES.get(name)
        if role == _SENT:
            sent.append(pair)
            if name == b"content-type":
                types.append(pair)
            elif name == IDEMPOTENCY_HEADER:
                has_idempotency = True
        elif role is None:
            if name.startswith(READ_PREFIXES):
                read.append(pair)
        elif role == _CREDENTIAL:
            credentials.append(pair)
        elif role == _HOST:
            hosts.append(value)
        elif role == _LENGTH:
            lengths.append(value)
        elif role == _READ:
            read.append(pair)
        elif role == _VIA:
            ways.append(pair)
        elif role == _ORIGIN:
            origins.append(value)
        elif role == _ENCODING:
            encodings.append(value)
        elif retries is None and value.isdigit() and len(value) <= RETRY_DIGITS_MAX:
            retries = min(int(value), RETRIES_MAX)
    return Head(
        credentials,
        sent,
        attribution_headers(read) if read else {},
        hosts,
        origins,
        encodings,
        lengths,
        passes_ferry(ways) if ways else False,
        retries or 0,
        content_type(types) if types else "",
        size,
        has_idempotency,
    )
