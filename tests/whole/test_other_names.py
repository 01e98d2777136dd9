"""A team moves from another gateway by its base URL alone: the headers that it sends count."""

from __future__ import annotations

import json
from typing import Any

from tests.whole.server import Server, settled_rows
from tests.whole.upstream import Upstream

SESSION = "123e4567-e89b-12d3-a456-426614174000"
ASK: dict[str, Any] = {"model": "up/m-1", "messages": [{"role": "user", "content": "hi"}]}
CLAUDE = json.dumps({"device_id": "d", "account_uuid": "a", "session_id": SESSION})

MOVED: list[tuple[dict[str, str], dict[str, Any], dict[str, str], dict[str, str]]] = [
    # Headers, fields of the body, dimensions with their sources, tags.
    (
        {"x-litellm-end-user-id": "ana", "x-litellm-session-id": "t", "x-litellm-tags": "a,b"},
        {"user": "nobody", "metadata": {"in": "9", "tags": ["c"]}},
        {"user": "ana litellm", "thread": "t litellm", "feature": "chat default"},
        {"a": "true", "b": "true", "c": "true", "in": "9"},
    ),
    (
        {"Helicone-User-Id": "ana", "Helicone-Property-Feature": "f", "Helicone-Property-E": "p"},
        {"prompt_cache_key": "k"},
        {"user": "ana helicone", "thread": "k prompt_cache_key", "feature": "f helicone"},
        {"e": "p"},
    ),
    (
        # The key pins its tenant, whatever a header says.
        {"cf-aig-metadata": '{"tenant":"evil","user":7}', "baggage": "session.id=t,k=a%20b"},
        {"trace": {"agent": "scout"}},
        {
            "user": "7 cloudflare",
            "thread": "t baggage",
            "assistant": "scout openrouter",
            "feature": "chat default",
        },
        {"k": "a b"},
    ),
    (
        {"x-portkey-metadata": '{"broken', "X-Claude-Code-Session-Id": "t"},
        {"metadata": {"user_id": CLAUDE}},
        {"user": "a claude-code", "thread": "t claude-code", "feature": "chat default"},
        {},
    ),
]


def test_rows_say_who_called_and_which_name_said_it_and_nothing_leaks(
    server: Server, upstream: Upstream, secret: str
) -> None:
    client = server.client(secret)
    for headers, fields, _, _ in MOVED:
        client.chat.completions.create(**ASK, extra_headers=headers, extra_body=fields)
    for row, (_, _, dimensions, tags) in zip(settled_rows(server.database, 4), MOVED, strict=True):
        sources = json.loads(row.sources)
        found = {name: f"{getattr(row, name)} {source}" for name, source in sources.items()}
        assert found == {"tenant": "acme key", **dimensions}
        assert json.loads(row.tags or "{}") == tags
    sent = {name.lower() for headers, *_ in MOVED for name in headers}
    for seen, (_, fields, _, _) in zip(upstream.seen, MOVED, strict=True):
        assert not sent & {name.lower() for name in seen.headers}
        # The body is the caller's own and goes on as it is.
        assert {name: seen.body[name] for name in fields} == fields
