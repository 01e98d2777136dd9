"""Signs requests to Bedrock with the machine's AWS credentials, where no API key is named.

By botocore, the extra `bedrock`: it finds credentials as every AWS tool does (environment, profile,
role), renews them, and signs by Signature Version 4. Source: AWS's reference on API requests.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from ferrycli.rules.errors import NoCredential
from ferrycli.settings import Provider
from ferrycli.wire.headers import Headers

MISSING = "botocore is not installed: `pip install 'ferry-gateway[bedrock]'`"
ORIGIN = "AWS"
SERVICE = "bedrock"
_REGION = re.compile(r"bedrock[a-z-]*\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")
_SIGNED = frozenset({b"content-type"})
"""Of the request's own headers only these are signed: others may change on the way."""


class Signer(Protocol):
    """Who signs the requests of one provider."""

    def sign(self, url: str, headers: Headers, body: bytes) -> Headers:
        """The headers that prove who pays for a POST. May wait for credentials to be renewed.

        Raises `NoCredential`.
        """


def signers(providers: Sequence[Provider]) -> dict[str, Signer]:
    """Who signs, by the name of each provider that is at AWS and has no key of its own."""
    found: dict[str, Signer] = {}
    for one in providers:
        region = _REGION.fullmatch(urlsplit(one.base_url).hostname or "")
        if one.kind == "bedrock" and one.key_origin == "none" and region is not None:
            found[one.name] = AwsSigner(one, region[1])
    return found


class AwsSigner:
    """Signs with botocore."""

    def __init__(self, provider: Provider, region: str) -> None:
        self._provider = provider.name
        self._region = region
        self._credentials: Any = None

    def sign(self, url: str, headers: Headers, body: bytes) -> Headers:
        """As `Signer.sign`."""
        try:
            auth: Any = importlib.import_module("botocore.auth")
            awsrequest: Any = importlib.import_module("botocore.awsrequest")
        except ImportError:
            raise NoCredential(self._provider, ORIGIN, MISSING) from None
        signed = {name.decode(): value.decode() for name, value in headers if name in _SIGNED}
        request = awsrequest.AWSRequest("POST", url, data=body, headers=signed)
        auth.SigV4Auth(self._found(), SERVICE, self._region).add_auth(request)
        return [
            (name.lower().encode(), value.encode())
            for name, value in request.headers.items()
            if name.lower().encode() not in _SIGNED
        ]

    def _found(self) -> Any:
        """Credentials that hold now. Raises `NoCredential`."""
        session: Any = importlib.import_module("botocore.session")
        exceptions: Any = importlib.import_module("botocore.exceptions")
        try:
            if self._credentials is None:
                self._credentials = session.Session().get_credentials()
            if self._credentials is None:
                raise NoCredential(self._provider, ORIGIN, "no AWS credentials are found")
            return self._credentials.get_frozen_credentials()
        except exceptions.BotoCoreError as error:
            raise NoCredential(self._provider, ORIGIN, type(error).__name__) from None
