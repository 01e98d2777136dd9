"""Which heads of requests are none, whatever the parser thinks of them.

httptools takes HTTP/0.9, any number of `Host`, targets of every form, and encodings around chunks:
what another server in front may read in another way, and so let through something that it did not
see. It refuses by itself what is malformed otherwise, lengths and line ends above all.
"""

from __future__ import annotations

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import HeadersTooLarge, MalformedRequest, MethodNotAllowed

HEADERS_MAX = 100
HEADER_BYTES_MAX = 64 * 1024
PATH_BYTES_MAX = 8 * 1024
HEAD_BYTES_MAX = HEADER_BYTES_MAX + PATH_BYTES_MAX + 1024
"""Of a head that is not whole, with all that is between its parts."""
_UNSPOKEN = frozenset({b"CONNECT", b"TRACE"})
_VERSIONS = frozenset({"1.0", "1.1"})


def check_line(method: bytes, target: bytes, version: str) -> None:
    """Raise the refusal of a request line that is not answered."""
    if version not in _VERSIONS:
        raise MalformedRequest(f"HTTP/{version} is not spoken here")
    if method in _UNSPOKEN:
        raise MethodNotAllowed(method.decode("ascii"), safe(target.decode("latin-1")))
    if not target.startswith(b"/") or not target.isascii():
        raise MalformedRequest("its target does not begin with a slash")


def check_headers(version: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Raise the refusal of headers that no request may have.

    Whether the client waits to be told before it sends its body.
    """
    hosts = 0
    encodings = 0
    is_expecting = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            encodings += 1
            if encodings > 1 or value.lower() != b"chunked" or version == "1.0":
                raise MalformedRequest("its body is encoded in another way than chunked")
        elif name == b"expect":
            is_expecting = value.lower() == b"100-continue"
        elif name == b"upgrade" and (value.lower() != b"h2c" or version == "1.0"):
            # h2c is what some clients offer with whatever they ask; nobody has to take it up.
            raise MalformedRequest(f"nothing is upgraded to {safe(value.decode('latin-1'), 40)}")
    if hosts != 1:
        raise MalformedRequest("it has more than one `Host`" if hosts else "it has no `Host`")
    return is_expecting


def check_size(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise the refusal of headers that are too many bytes."""
    if sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES_MAX:
        raise too_large()


def without_offer(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The head of a request of HTTP/1.1 that offers another protocol, without the offer."""
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    for name, value in headers:
        if name == b"connection":
            kept = [one for one in value.split(b",") if one.strip().lower() != b"upgrade"]
            lines.append(b"connection: %b\r\n" % b",".join(kept).strip())
        elif name != b"upgrade":
            lines.append(b"%b: %b\r\n" % (name, value))
    return [*lines, b"\r\n"]


def too_large() -> HeadersTooLarge:
    """What is said of too many bytes of headers."""
    return HeadersTooLarge(f"more than {HEADER_BYTES_MAX:,} bytes of headers")
