"""No request in any dialect costs more than was held for it, whoever answers, and however dear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest

from ferrycli.rules.pricing import Rate
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from tests.whole.greedy import greedy
from tests.whole.records import Row, at_rest, query
from tests.whole.server import Server, serving
from tests.whole.tape import Tape

KINDS = ("openai", "anthropic", "gemini", "bedrock", "compatible")
RATE = Rate(
    input=3_000_000_000,
    cache_read=300_000_000,
    cache_write_5m=3_750_000_000,
    cache_write_1h=6_000_000_000,
    output=15_000_000_000,
)
MODEL = "claude-3-7-m"
"""One that is told how much to think by a budget."""
Json = dict[str, Any]

USER = [{"role": "user", "content": "hi there, ünïcode " * 5}]
TOOL = {"name": "w", "description": "d" * 50, "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CHAT: list[Json] = [
    {},
    {"max_tokens": 50, "max_completion_tokens": 300},
    {"max_tokens": 20_000},
    {"n": 3, "max_tokens": 50},
    {"best_of": 4, "max_tokens": 50},
    {"n": 2, "best_of": 4},
    {"reasoning_effort": "high"},
    {"reasoning_effort": "low", "max_completion_tokens": 3_000},
    {"tools": [{"type": "function", "function": TOOL}], "stream": True},
    {"max_output_tokens": 9, "maxTokens": 9},
    {"prediction": {"type": "content", "content": "abc" * 20}, "max_tokens": 30},
    {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        "max_tokens": 60,
    },
]
MESSAGES: list[Json] = [
    {},
    {"max_tokens": 0},
    {"max_tokens": 32_000, "stream": True},
    {"max_tokens": 32_000, "thinking": {"type": "enabled", "budget_tokens": 10_000}},
    {"max_tokens": 5_000, "thinking": {"type": "adaptive"}},
    {"max_tokens": 100, "max_completion_tokens": 5_000},
    {"max_tokens": 90, "tools": [{"name": "w", "input_schema": {"type": "object"}}]},
    {
        "max_tokens": 100,
        "system": [
            {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
    },
]
RESPONSES: list[Json] = [
    {},
    {"max_output_tokens": 30_000, "stream": True},
    {"max_tool_calls": 50, "max_output_tokens": 100},
    {"reasoning": {"effort": "high"}},
    {"max_tokens": 5},
    {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}},
]
COMPLETIONS: list[Json] = [
    {},
    {"max_tokens": 50, "n": 2, "best_of": 5},
    {"prompt": ["a", "b", "c"], "max_tokens": 40, "stream": True},
]
GEMINI: list[Json] = [
    {},
    {"generationConfig": None},
    {"generation_config": {"max_output_tokens": 100}},
    {"generationConfig": {"max_output_tokens": 30_000}},
    {"generationConfig": {"maxOutputTokens": 10}, "generation_config": {"max_output_tokens": 9}},
    {"generationConfig": {"maxOutputTokens": 10, "max_output_tokens": 50_000}},
    {"generation_config": {"candidate_count": 4}},
    {"generationConfig": {"thinkingConfig": {"thinkingBudget": 20_000}}},
    {"generation_config": {"thinking_config": {"thinking_budget": -1}}},
    {"cached_content": "cachedContents/x", "generationConfig": {"maxOutputTokens": 10}},
    {"GenerationConfig": {"maxOutputTokens": 5}, "maxOutputTokens": 5},
]
CONVERSE: list[Json] = [
    {},
    {"inferenceConfig": None},
    {"inferenceConfig": {"maxTokens": 30_000}},
    {"inferenceConfig": {"maxTokens": 10}, "additionalModelRequestFields": {"max_tokens": 50_000}},
    {"additionalModelRequestFields": {"inferenceConfig": {"maxTokens": 50_000}}},
    {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 20_000}}},
    {"inference_config": {"max_tokens": 5}},
]
BODIES: list[tuple[str, Json]] = [
    *(("/v1/chat/completions", {"messages": USER, **one}) for one in CHAT),
    *(("/v1/messages", {"messages": USER, **one}) for one in MESSAGES),
    *(("/v1/responses", {"input": "hi " * 20, **one}) for one in RESPONSES),
    *(("/v1/completions", {"prompt": "hi " * 9, **one}) for one in COMPLETIONS),
    *(
        (f"/v1beta/models/{{model}}:{verb}", {"contents": [{"parts": [{"text": "hi"}]}], **one})
        for one in GEMINI
        for verb in ("generateContent", "streamGenerateContent")
    ),
    *(
        (
            f"/model/{{model}}/{verb}",
            {"messages": [{"role": "user", "content": [{"text": "hi"}]}], **one},
        )
        for one in CONVERSE
        for verb in ("converse", "converse-stream")
    ),
]


class Rig(NamedTuple):
    server: Server
    tape: Tape
    secret: str

    def ask(self, kind: str, path: str, body: Json) -> httpx.Response:
        model = f"{kind}/{MODEL}"
        if "{model}" not in path:
            body = {"model": model, **body}
        return httpx.post(
            self.server.base_url.removesuffix("/v1") + path.format(model=model),
            json=body,
            headers={"authorization": f"Bearer {self.secret}"},
            timeout=30,
        )


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    directory = tmp_path_factory.mktemp("greedy")
    database = directory / "ferry.db"
    with ExitStack() as stack:
        tape = stack.enter_context(Tape(greedy))
        lines = ["[server]", 'database = "ferry.db"', 'listen = "127.0.0.1:0"']
        for kind in KINDS:
            ending = "/v1" if kind in ("openai", "compatible") else ""
            lines += [f"[providers.{kind}]", f'kind = "{kind}"', 'api_key_env = "UP_KEY"']
            lines += [f'base_url = "{tape.address}{ending}"']
            changes.set_price(database, kind, "*", RATE)
        path = directory / "ferry.toml"
        path.write_text("\n".join(lines) + "\n")
        plan = changes.KeyPlan(name="app", allowance=Allowance.parse("1000/month"))
        secret = changes.create_key(database, plan).secret
        yield Rig(stack.enter_context(serving(path)), tape, secret)


def thinks_too_much(asked: bytes) -> bool:
    """Whether a request of Claude's asks for more thought than its limit holds: it is refused."""
    body = json.loads(asked)
    more = body.get("additionalModelRequestFields") or {}
    thinking = body.get("thinking") or more.get("thinking") or {}
    limit = body.get("max_tokens") or (body.get("inferenceConfig") or {}).get("maxTokens")
    return limit is not None and int(thinking.get("budget_tokens") or -1) >= int(limit)


@pytest.mark.parametrize("kind", KINDS)
def test_dearest_answer_costs_no_more_than_was_held(rig: Rig, kind: str) -> None:
    before = len(rig.tape.asked)
    answered = 0
    for path, body in BODIES:
        reply = rig.ask(kind, path, body)
        assert reply.status_code in (200, 400, 404), (path, body, reply.text)
        answered += reply.status_code == 200
    rows, _ = at_rest(rig.server.database)
    sold: list[Row] = [row for row in rows if row["provider"] == kind and row["state"] != "denied"]
    assert answered >= 30
    assert [row for row in sold if (row["cost_nanousd"] or 0) > row["hold_nanousd"]] == []
    assert [one.body for one in rig.tape.asked[before:] if thinks_too_much(one.body)] == []
    assert query(rig.server.database, "SELECT kind, subject FROM alerts") == []
