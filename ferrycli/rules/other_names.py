"""The names under which other systems' callers say whom a call belongs to, read as ferry's own.

Pure data, and how each form is read; nothing here raises, whatever a caller sends. What comes out
is neither cleaned nor under a policy yet. Source: docs/attribution.md, "Other systems' names".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote

LENGTH_MAX = 8_192
"""Characters of a value of several members; a longer one is not read. As W3C has it."""
MEMBERS_MAX = 64
"""Members of one value that are read."""

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Name:
    """One place where a client may say a dimension, or several members at once."""

    place: str
    """`header` (lower case), `prefix` (what such a header begins with; the rest is a member's
    name), `body` (a field of the request) or `metadata` (a member of the body's)."""
    name: str
    dimension: str
    """Empty where it says members, each by its own name."""
    source: str
    reader: Callable[[str], Pairs] | None = None
    """How members are read; None: the value is the dimension's, or that of the prefix's rest."""

    def members(self, said_as: str, value: str) -> Pairs:
        """Pairs of name and value. `said_as`: the name in full, where this is its beginning."""
        if self.reader is None:
            return ((said_as.removeprefix(self.name), value),)
        return islice(self.reader(value), MEMBERS_MAX) if len(value) <= LENGTH_MAX else ()


# Forms --------------------------------------------------------------------------------------------


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_object(text: str) -> Iterator[tuple[str, str]]:
    """`{"team":"a","n":1}`: members that are text, a number or a truth; others say nothing."""
    found = _decoded(text)
    for name, value in found.items() if isinstance(found, dict) else ():
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, str | int | float):
            yield name, str(value)


def listed(text: str) -> Iterator[tuple[str, str]]:
    """`feature:search,env=prod,beta`, or a JSON list of such; a member alone is `true`."""
    found = _decoded(text) if text.lstrip().startswith("[") else text.split(",")
    for member in found if isinstance(found, list) else ():
        if isinstance(member, str):
            name, *value = re.split("[:=]", member, maxsplit=1)
            yield name.strip(), value[0].strip() if value else "true"


def object_or_list(text: str) -> Iterator[tuple[str, str]]:
    """A JSON object, or `k=v,k2=v2`."""
    return json_object(text) if text.lstrip().startswith("{") else listed(text)


def baggage(text: str) -> Iterator[tuple[str, str]]:
    """W3C's `k=v;property,k2=v2`, values with `%20`; a member without `=` is none."""
    for member in text.split(","):
        name, equals, value = member.partition(";")[0].partition("=")
        if equals:
            yield name.strip(), unquote(value.strip())


_CLAUDE_CODE = re.compile(r"user_([^_]+)_account_([^_]*)_session_(\S+)")
"""What Claude Code wrote into `user_id` before it wrote JSON: device, account, session."""


def person(text: str) -> Iterator[tuple[str, str]]:
    """A user that is named as such: neither an object nor what Claude Code sends by itself."""
    plain = text.strip()
    if not plain.startswith("{") and not _CLAUDE_CODE.fullmatch(plain):
        yield "user", plain


def claude_code(text: str) -> Iterator[tuple[str, str]]:
    """Account (or device, where there is none) and session, in either form of Claude Code."""
    plain = text.strip()
    if plain.startswith("{"):
        said = dict(json_object(plain))
        yield "user", said.get("account_uuid") or said.get("device_id", "")
        yield "thread", said.get("session_id", "")
    elif match := _CLAUDE_CODE.fullmatch(plain):
        device, account, session = match.groups()
        yield "user", account or device
        yield "thread", session


# The table ----------------------------------------------------------------------------------------

OTHERS: tuple[Name, ...] = (
    Name("header", "x-litellm-end-user-id", "user", "litellm"),
    Name("header", "x-litellm-customer-id", "tenant", "litellm"),
    Name("header", "x-litellm-session-id", "thread", "litellm"),
    Name("header", "x-litellm-trace-id", "thread", "litellm"),
    Name("header", "x-litellm-tags", "", "litellm", listed),
    Name("header", "x-litellm-spend-logs-metadata", "", "litellm", json_object),
    Name("body", "metadata.tags", "", "litellm", listed),
    Name("header", "helicone-user-id", "user", "helicone"),
    Name("header", "helicone-session-id", "thread", "helicone"),
    Name("prefix", "helicone-property-", "", "helicone"),
    Name("header", "x-portkey-trace-id", "thread", "portkey"),
    Name("header", "x-portkey-metadata", "", "portkey", object_or_list),
    Name("header", "cf-aig-metadata", "", "cloudflare", json_object),
    Name("header", "ai-reporting-user", "user", "vercel"),
    Name("header", "ai-reporting-tags", "", "vercel", listed),
    Name("header", "x-bf-session-id", "thread", "bifrost"),
    Name("prefix", "x-bf-dim-", "", "bifrost"),
    Name("body", "session_id", "thread", "openrouter"),
    Name("header", "x-session-id", "thread", "openrouter"),
    Name("body", "trace", "", "openrouter", json_object),
    Name("body", "user", "", "openai", person),
    Name("body", "safety_identifier", "", "openai", person),
    Name("metadata", "user_id", "", "anthropic", person),
    Name("header", "baggage", "", "baggage", baggage),
    # From here on, what clients send by themselves.
    Name("header", "x-claude-code-session-id", "thread", "claude-code"),
    Name("metadata", "user_id", "", "claude-code", claude_code),
    # Gateways that translate Claude Code's requests put it there.
    Name("body", "user", "", "claude-code", claude_code),
    Name("header", "thread-id", "thread", "codex"),
    Name("header", "session-id", "thread", "codex"),
    # Threads may share one: anything else that names a thread is better.
    Name("body", "prompt_cache_key", "thread", "prompt_cache_key"),
)
"""From the name that is believed first."""

OTHER_ALIASES = {"_user": "user", "session.id": "thread"}
"""Words for a dimension in other systems' members, besides ferry's own."""

PREFIXES = tuple(name.name for name in OTHERS if name.place == "prefix")


def _ranks(place: str) -> dict[str, tuple[int, ...]]:
    ranks: dict[str, tuple[int, ...]] = {}
    for rank, name in enumerate(OTHERS):
        if name.place == place:
            ranks[name.name] = (*ranks.get(name.name, ()), rank)
    return ranks


RANKS = {place: _ranks(place) for place in ("header", "prefix", "body", "metadata")}
"""Where each name stands in `OTHERS`, by place: one that is read in two ways stands there twice."""

LISTS = frozenset({"baggage"})
"""Headers that may stand several times, as one list."""
