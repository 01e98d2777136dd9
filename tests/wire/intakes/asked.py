"""The smallest request of each dialect that takes JSON, and where its model is named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ferrycli.wire.dialect import NOWHERE, Place
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.facts import Facts

SALT = b"salt"


@dataclass(frozen=True, slots=True)
class Least:
    """What a request must have, by member."""

    members: dict[str, Any]
    place: Place = NOWHERE
    limit: str = ""
    """The path of the caller's limit on the answer; empty where there is none."""
    turns: str = ""
    """The member with the turns; empty where they bound no later call."""


_IN_PATH = Place("m", False)
_HI: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
_PARTS: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "hi"}]}]
_BLOCKS: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "hi"}]}]

LEAST: dict[str, Least] = {
    "cached_contents": Least({"model": "models/m", "contents": _PARTS}),
    "chat": Least({"model": "m", "messages": _HI}, limit="max_tokens", turns="messages"),
    "completions": Least({"model": "m", "prompt": "hi"}, limit="max_tokens"),
    "converse": Least(
        {"messages": _BLOCKS}, _IN_PATH, "inferenceConfig.maxTokens", turns="messages"
    ),
    "count_tokens": Least({"model": "m", "messages": _HI}),
    "embeddings": Least({"model": "m", "input": "hi"}),
    "gemini": Least(
        {"contents": _PARTS}, _IN_PATH, "generationConfig.maxOutputTokens", turns="contents"
    ),
    "messages": Least({"model": "m", "messages": _HI}, limit="max_tokens", turns="messages"),
    "plain": Least({"model": "m", "prompt": "hi"}),
    "responses": Least({"model": "m", "input": "hi"}, limit="max_output_tokens", turns="input"),
}
NAMES = sorted(LEAST)
LIMITED = [name for name in NAMES if LEAST[name].limit]
TURNED = [name for name in NAMES if LEAST[name].turns]
IN_BODY = [name for name in NAMES if not LEAST[name].place.model]


def body_of(name: str, **more: object) -> bytes:
    """The least request of dialect `name`, with further members or others."""
    return json.dumps({**LEAST[name].members, **more}).encode()


def read(name: str, body: bytes) -> Facts:
    """Its facts, by the registry."""
    return DIALECTS[name].read(body, LEAST[name].place, SALT)


def facts_of(name: str, **more: object) -> Facts:
    """The facts of the least request with further members, or others."""
    return read(name, body_of(name, **more))


def nest(path: str, value: object) -> dict[str, object]:
    """`a.b` and a value as `{"a": {"b": value}}`."""
    outer, _, inner = path.partition(".")
    return {outer: nest(inner, value)} if inner else {outer: value}
