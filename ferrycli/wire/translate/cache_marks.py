"""`cache_control`, as Anthropic writes it, and OpenRouter in chat: all up to here is cached."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.talk import (
    Audio,
    CacheTtl,
    Part,
    Thinking,
)

TTL_UNSAID: CacheTtl = "5m"
"""What a mark without `ttl` means."""


def read_cache(asked: Asked) -> CacheTtl:
    """The mark of a block, a tool or a request."""
    mark = asked.object("cache_control")
    if mark is None:
        return ""
    if mark.needed_text("type") != "ephemeral":
        raise mark.refuse("type", "there is no cache but an `ephemeral` one")
    ttl = mark.text("ttl") or TTL_UNSAID
    if ttl not in ("5m", "1h"):
        raise BadParameter(mark.at("ttl"), ttl[:40], "`5m` or `1h`")
    mark.close()
    return cast(CacheTtl, ttl)


def cache_member(ttl: CacheTtl) -> dict[str, Any]:
    """The member to put beside the others of a block; none where nothing is asked."""
    if not ttl:
        return {}
    mark = {"type": "ephemeral"} if ttl == TTL_UNSAID else {"type": "ephemeral", "ttl": ttl}
    return {"cache_control": mark}


def with_last_marked(parts: tuple[Part, ...], ttl: CacheTtl) -> tuple[Part, ...]:
    """A mark on the whole is one on its last part; a part's own stands."""
    if not ttl or not parts:
        return parts
    last = parts[-1]
    if isinstance(last, Audio | Thinking) or last.cache:
        return parts
    return (*parts[:-1], replace(last, cache=ttl))
