"""Where a provider's address is: what it says of the place in which models run. Pure."""

from __future__ import annotations

import re

from ferrycli.prices.names import place

GLOBAL = "global"

_HOSTS = (
    re.compile(r"(?P<place>[a-z0-9-]+)\.api\.(?:openai\.com|x\.ai)"),
    re.compile(r"bedrock-(?:runtime|mantle)(?:-fips)?\.(?P<place>[a-z0-9-]+)\."),
    re.compile(r"(?P<place>[a-z0-9-]+)-aiplatform\.googleapis\.com"),
    re.compile(r"aiplatform\.(?P<place>[a-z0-9-]+)\.rep\.googleapis\.com"),
)
"""Hosts that name their place."""

_PROJECT = re.compile(r"/locations/(?P<place>[a-z0-9-]+)(?:/|$)")


def endpoint_place(base_url: str) -> str:
    """The place that an address names: `eu`, `us-east-1`; empty for none, or for everywhere."""
    _, _, rest = base_url.partition("://")
    host, _, path = rest.lower().partition("/")
    found = next((match for one in _HOSTS if (match := one.match(host))), None)
    found = found or (_PROJECT.search(f"/{path}") if "aiplatform" in host else None)
    named = found["place"] if found else ""
    return "" if named == GLOBAL else named


def region(base_url: str, model: str) -> str:
    """Where `model` answers, as people are told: its profile's place, else the address's."""
    return place(model) or endpoint_place(base_url)
