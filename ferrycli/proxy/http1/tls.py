"""How providers are verified: as httpx does it, by certifi's roots or those that are named.

`SSL_CERT_FILE` and `SSL_CERT_DIR` name others. One context serves all connections.
"""

from __future__ import annotations

import ssl

import httpx


def tls_context() -> ssl.SSLContext:
    """A context that verifies the name and the chain, and speaks HTTP/1.1 only."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
