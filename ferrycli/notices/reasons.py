"""Why a connection failed, in a few words: no address, no secret, nothing that was answered.

Of notices, and of a provider that is asked whether it can be reached.
"""

from __future__ import annotations

import os
import socket
import ssl


def why(error: BaseException) -> str:
    """The cause at the bottom of `error`."""
    for cause in reversed(_causes(error)):
        if isinstance(cause, ssl.SSLCertVerificationError):
            told = _unnamed(cause.verify_message)
            return f"its certificate is not trusted{f' ({told})' if told else ''}"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS there"
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, TimeoutError):
            return "it took too long"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    return _BY_NAME.get(type(error).__name__, f"it failed ({type(error).__name__})")


_BY_NAME = {
    "ConnectError": "it could not be connected",
    "InvalidURL": "its address is not usable",
    "LocalProtocolError": "the request could not be sent",
    "ProxyError": "the proxy refused",
    "ReadError": "the connection broke",
    "RemoteProtocolError": "it does not speak HTTP there",
    "UnsupportedProtocol": "its address is not usable",
    "WriteError": "the connection broke",
    "SMTPServerDisconnected": "the connection broke",
    "SMTPNotSupportedError": "it offers no encryption or no login",
}


def _unnamed(message: str) -> str:
    """OpenSSL's message; of one with a quote, which names the host, what stands before a comma.

    The host may be part of the secret: `Hostname mismatch, certificate is not valid for '…'.`
    """
    before, quote, _ = message.partition("'")
    cause, comma, _ = before.partition(",")
    return message if not quote else cause if comma else ""


def _causes(error: BaseException) -> list[BaseException]:
    """`error` and what led to it; of several at once (one for each address) the first."""
    causes = [error]
    while True:
        last = causes[-1]
        if isinstance(last, BaseExceptionGroup):
            cause: BaseException | None = last.exceptions[0]
        else:
            cause = last.__cause__ or last.__context__
        if cause is None or cause in causes:
            return causes
        causes.append(cause)
