"""Asks a provider for its models with the key that calls would carry, and says what came back.

The one place besides `http_upstream.py` where a credential is attached; as there, only to the
address that it is configured for, and redirects are not followed. Nothing of a reply but its
status is read or told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from ferrycli.notices.reasons import why
from ferrycli.settings import Provider
from ferrycli.wire.headers import ANTHROPIC_VERSION, provider_credential

PROBE_SECONDS_MAX = 5.0
PROBES_AT_ONCE_MAX = 32

_PATHS = {
    "openrouter": "/key",
    "anthropic": "/v1/models",
    "gemini": "/v1beta/models",
    "bedrock": "/openai/v1/models",
}
"""Where another path than `/models` asks for the key: OpenRouter lists models to anybody."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What one provider answered, or why it did not."""

    status: int | None
    """The HTTP status; None where none came."""
    took_ms: int
    """Until the head of the reply."""
    path: str
    """What was asked for, below the base URL."""
    why: str = ""
    """Why no status came, in words without addresses or contents."""


def probe(providers: Sequence[Provider], keys: Mapping[str, str]) -> dict[str, Probed]:
    """Ask all of `providers` at once, 5 s at most; by name.

    `keys`: by provider name, "" for a provider that wants none.
    """
    return asyncio.run(_probe_all(providers, keys))


async def _probe_all(providers: Sequence[Provider], keys: Mapping[str, str]) -> dict[str, Probed]:
    turns = asyncio.Semaphore(PROBES_AT_ONCE_MAX)
    # As `http_upstream.py`: a proxy that the environment names is used by both.
    async with httpx.AsyncClient(follow_redirects=False, timeout=httpx.Timeout(None)) as client:

        async def one(provider: Provider) -> Probed:
            async with turns:
                return await _probe(client, provider, keys[provider.name])

        found = await asyncio.gather(*map(one, providers))
    return {provider.name: each for provider, each in zip(providers, found, strict=True)}


async def _probe(client: httpx.AsyncClient, provider: Provider, key: str) -> Probed:
    path = _PATHS.get(provider.kind, _PATHS.get(provider.catalogue, "/models"))
    path = path.removeprefix("/v1") if provider.base_url.endswith("/v1") else path
    began_s = time.monotonic()

    def probed(status: int | None, why: str = "") -> Probed:
        return Probed(status, round((time.monotonic() - began_s) * 1000), path, why)

    try:
        request = client.build_request(
            "GET", provider.base_url + path, headers=_headers(provider, path, key)
        )
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            response = await client.send(request, stream=True)
            await response.aclose()
    except TimeoutError:
        return probed(None, f"no answer within {PROBE_SECONDS_MAX:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return probed(None, why(error))
    return probed(response.status_code)


def _headers(provider: Provider, path: str, key: str) -> dict[str, str]:
    headers = {"accept": "application/json"}
    if key:
        name, value = provider_credential(provider.kind, path, key)
        headers[name.decode()] = value.decode()
    if key and provider.catalogue == "anthropic":
        # Its list of models is not part of what it offers to OpenAI's SDK.
        headers |= {"x-api-key": key, "anthropic-version": ANTHROPIC_VERSION.decode()}
    return headers
