"""The real openai SDK against a real server in front of an upstream that is not ferry's code."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from ferrycli.rules.pricing import ceil_cost
from tests.whole.server import CACHED_RATE, INPUT_RATE, OUTPUT_RATE, Server, rows, settled_rows
from tests.whole.upstream import Upstream

MESSAGES: Any = [{"role": "user", "content": "say words, bitte"}]


def cost(fresh: int, cached: int, out: int) -> int:
    return (
        ceil_cost(fresh, INPUT_RATE) + ceil_cost(cached, CACHED_RATE) + ceil_cost(out, OUTPUT_RATE)
    )


def ask(**more: Any) -> dict[str, Any]:
    wishes = {"in": "120", "cached": "100", "out": "37", "chunks": "6"}
    return {"model": "up/m-1", "messages": MESSAGES, "metadata": wishes, **more}


def test_whole_reply_equals_the_upstreams_and_costs_what_it_says(
    server: Server, upstream: Upstream, secret: str
) -> None:
    client = server.client(secret)
    direct = server.client("x", upstream.base_url)
    headers = {"X-Ferry-User": "ana", "X-Ferry-Thread": "t-1", "X-Ferry-Feature": "search"}
    reply = client.chat.completions.with_raw_response.create(**ask(), extra_headers=headers)
    wanted = direct.chat.completions.create(**ask(model="m-1"))
    assert reply.parse().model_dump() == wanted.model_dump()
    assert upstream.seen[0].body == upstream.seen[1].body
    [row] = settled_rows(server.database, 1)
    assert (row.tenant, row.user, row.thread, row.feature) == ("acme", "ana", "t-1", "search")
    assert (row.key, row.provider, row.model) == ("acme-chat", "up", "m-1-2026-11-01")
    assert (row.input_tokens, row.n_cache_read, row.output_tokens) == (120, 100, 37)
    assert row.cost_nanousd == cost(20, 100, 37)
    assert (row.state, row.outcome, row.cost_source) == ("settled", "ok", "reported")
    assert reply.headers["x-ferry-cost-usd"] == "0.000645"
    assert reply.headers["x-ferry-call-id"] == row.id
    assert "set-cookie" not in reply.headers


def test_stream_is_what_the_upstream_sent_where_the_client_asked_for_usage(
    server: Server, upstream: Upstream, secret: str
) -> None:
    client = server.client(secret)
    with client.chat.completions.with_streaming_response.create(
        **ask(stream=True, stream_options={"include_usage": True})
    ) as reply:
        got = b"".join(reply.iter_bytes())
    assert got == bytes(upstream.seen[0].sent)
    [row] = settled_rows(server.database, 1)
    assert (row.cost_nanousd, row.feature) == (cost(20, 100, 37), "chat")


def test_stream_lacks_only_the_usage_chunk_that_ferry_asked_for(
    server: Server, upstream: Upstream, secret: str
) -> None:
    client = server.client(secret)
    with client.chat.completions.with_streaming_response.create(**ask(stream=True)) as reply:
        got = b"".join(reply.iter_bytes())
    events = bytes(upstream.seen[0].sent).split(b"\n\n")
    wanted = b"\n\n".join(event for event in events if b'"choices": []' not in event)
    assert len(events) == 6 + 1 + 1 + 1 + 1
    assert got == wanted
    assert upstream.seen[0].body["stream_options"] == {"include_usage": True}
    [row] = settled_rows(server.database, 1)
    assert (row.cost_nanousd, row.outcome) == (cost(20, 100, 37), "ok")


def test_sync_stream_through_the_sdks_own_parser(server: Server, secret: str) -> None:
    client = server.client(secret)
    chunks = list(client.chat.completions.create(**ask(stream=True)))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "".join(f"wörd {n} " for n in range(6))
    assert all(chunk.usage is None for chunk in chunks)


def test_async_calls_each_get_a_row(server: Server, secret: str) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=server.base_url, api_key=secret, max_retries=0
        ) as client:

            async def one(number: int) -> str:
                if number % 2:
                    whole = await client.chat.completions.create(**ask(user=f"u{number}"))
                    return whole.choices[0].message.content or ""
                stream = await client.chat.completions.create(**ask(stream=True, user=f"u{number}"))
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            return await asyncio.gather(*(one(number) for number in range(40)))

    texts = asyncio.run(run())
    assert set(texts) == {"word " * 37, "".join(f"wörd {n} " for n in range(6))}
    found = settled_rows(server.database, 40)
    assert sorted(row.user for row in found) == sorted(f"u{number}" for number in range(40))
    assert {row.cost_nanousd for row in found} == {cost(20, 100, 37)}


def test_body_goes_on_byte_for_byte_where_nothing_must_be_set(
    server: Server, upstream: Upstream, secret: str
) -> None:
    import httpx

    body = (
        b'{ "model":"m-1",\n "messages" : [{"role":"user",'
        b'"content":"h\\u00e9 \xe2\x80\xa8"}],"x":1.50}'
    )
    reply = httpx.post(
        f"{server.base_url}/chat/completions",
        content=body,
        headers={"Authorization": f"Bearer {secret}", "X-Ferry-Tenant": "evil"},
    )
    assert reply.status_code == 200
    assert upstream.seen[0].raw == body
    headers = upstream.seen[0].headers
    assert headers["authorization"] == "Bearer sk-upstream-canary"
    assert not [name for name in headers if name.startswith("x-ferry")]
    assert secret not in str(headers)


def test_path_prefix_attributes_for_clients_that_set_only_a_base_url(
    server: Server, secret: str
) -> None:
    base_url = server.base_url.replace("/v1", "/@thread=t%2F9,user=bo%2Cann,env=prod/v1")
    client = server.client(secret, base_url)
    client.chat.completions.create(**ask())
    [row] = settled_rows(server.database, 1)
    assert (row.thread, row.user) == ("t/9", "bo,ann")
    assert '"env": "prod"' in row.tags


@pytest.mark.parametrize(
    ("wish", "error", "state", "outcome"),
    [
        ({"answer": "500"}, openai.InternalServerError, "released", "failed"),
        ({"answer": "429"}, openai.RateLimitError, "released", "failed"),
        ({"answer": "silent"}, openai.InternalServerError, "settled", "failed"),
    ],
)
def test_failures_of_the_upstream_are_told_and_kept(
    server: Server,
    secret: str,
    wish: dict[str, str],
    error: type[openai.APIStatusError],
    state: str,
    outcome: str,
) -> None:
    client = server.client(secret)
    with pytest.raises(error):
        client.chat.completions.create(**ask(metadata=wish))
    [row] = settled_rows(server.database, 1)
    assert (row.state, row.outcome) == (state, outcome)
    assert (row.cost_nanousd == 0) == (state == "released")


def test_stream_that_the_upstream_cuts_is_an_estimate(server: Server, secret: str) -> None:
    client = server.client(secret)
    with pytest.raises(Exception, match=r"(?i)incomplete|peer closed|connection"):
        list(client.chat.completions.create(**ask(stream=True, metadata={"answer": "cut"})))
    [row] = settled_rows(server.database, 1)
    assert (row.state, row.outcome, row.cost_source) == ("settled", "cut", "estimated")
    assert (row.cost_nanousd or 0) > 0


REFUSALS: list[tuple[dict[str, Any], type[openai.APIStatusError], str]] = [
    ({"max_tokens": -1}, openai.BadRequestError, "invalid_parameter"),
    ({"messages": []}, openai.BadRequestError, "invalid_parameter"),
    ({"model": ""}, openai.BadRequestError, "invalid_parameter"),
    ({"model": "nobody-has-this"}, openai.NotFoundError, "model_not_found"),
    ({"model": "up/other"}, openai.NotFoundError, "model_not_found"),
]


@pytest.mark.parametrize(("more", "error", "code"), REFUSALS)
def test_refused_request_is_told_in_openais_shape_and_never_sent(
    server: Server,
    upstream: Upstream,
    secret: str,
    more: dict[str, Any],
    error: type[openai.APIStatusError],
    code: str,
) -> None:
    client = server.client(secret)
    with pytest.raises(error) as caught:
        client.chat.completions.create(**ask(**more))
    assert caught.value.code == code
    [row] = settled_rows(server.database, 1)
    assert (row.state, row.error_code, row.cost_nanousd) == ("denied", code, 0)
    assert upstream.seen == []


def test_stranger_is_refused_and_leaves_no_row(server: Server, secret: str) -> None:
    for api_key in ("sk-foreign", secret[:-1] + ("0" if secret[-1] != "0" else "1"), "fk_demo"):
        client = server.client(api_key)
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(**ask())
        assert caught.value.code == "invalid_api_key"
    assert rows(server.database) == []
