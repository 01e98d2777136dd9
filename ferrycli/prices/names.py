"""What a model is called: the names under which the price catalogue may know it, in order.

Pure: names in, names out. A name that is not known under any of these has no price.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FREE = ":free"
"""At OpenRouter, a model that costs nothing; a word of a name anywhere else."""

_ROUTED = (":nitro", ":floor", ":exacto")
"""OpenRouter's ways of choosing among those who serve a model: priced as the model itself.
Source: https://openrouter.ai/docs/guides/routing/model-variants/overview.md, November 2026."""

_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d*:(inference-profile|foundation-model)/(.+)"
)
_PLACE = re.compile(r"(?:us-gov|us|eu|apac|jp|au|ca|in|sa|me|mx|global)\.(?=[a-z0-9-]+\.)")
_VERSIONS = ("-v1:0", "-1:0")
"""What `bedrock-mantle` leaves off the ids of `bedrock-runtime`."""

_PATH = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/|models/")
"""What Gemini and Vertex put before a model's id."""

_VENDORS = ("openai/", "anthropic/", "google/", "mistralai/", "deepseek/", "x-ai/", "meta-llama/")
"""What clients put before a model's id that are used to a router."""

_DATED = re.compile(r"[-@](?:20\d{6}|20\d\d-[01]\d-[0-3]\d|latest)$")


def names(catalogue: str, model: str) -> Iterator[str]:
    """`model` as it is, then the names that the catalogue of its provider may have for it."""
    yield model
    plain = _PATH.sub("", model, count=1) if _PATH.match(model) else model
    if catalogue == "aws":
        plain = profile(plain)
    if catalogue == "openrouter":
        plain = next((plain.removesuffix(way) for way in _ROUTED if plain.endswith(way)), plain)
    if plain != model:
        yield plain
    if (bare := next((plain.removeprefix(v) for v in _VENDORS if plain.startswith(v)), "")) != "":
        yield bare
    if catalogue == "aws":
        yield from (f"{plain}{version}" for version in _VERSIONS)
        if (anywhere := _PLACE.sub("", plain, count=1)) != plain:
            yield anywhere
    for name in (plain, bare):
        if (undated := _DATED.sub("", name)) != name:
            yield undated


def profile(model: str) -> str:
    """The id of a model or of a system's inference profile, out of its ARN; else as it is.

    The ARN of an application's own profile does not say which model it is for.
    """
    found = _ARN.fullmatch(model)
    return found[2] if found else model


def place(model: str) -> str:
    """Where a Bedrock profile answers: `us`, `eu`, `global`; empty where the id says nothing."""
    found = _PLACE.match(profile(model))
    return found[0].rstrip(".") if found else ""
