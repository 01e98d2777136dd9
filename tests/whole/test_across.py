"""Real SDKs, each answered by every kind of provider, through its own parser: text and tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.genai import types
from google.genai.errors import ClientError

from tests.whole.rig import COST, KINDS, SCHEMA, Rig, rigged
from tests.whole.server import rows, settled_rows
from tests.whole.voices import CACHED, CALLS, INPUT, OUTPUT, TEXT, any_voice

WANTED_CALLS = [(name, given) for _, name, given in CALLS]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(tmp_path_factory.mktemp("across")) as running:
        yield running


Answer = tuple[str, list[tuple[str, Any]], str, tuple[int, int, int]]
"""Text, tool calls, why it ended, and the tokens: whole input, cached, output."""


def chat_whole(rig: Rig, model: str, *, tools: bool) -> Answer:
    given: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    reply = rig.openai().chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Weather?"}],
        tools=given if tools else openai.omit,
    )
    return _of_chat(reply)


def _of_chat(reply: Any) -> Answer:
    message, usage = reply.choices[0].message, reply.usage
    calls = [
        (call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or ()
    ]
    cached = usage.prompt_tokens_details.cached_tokens
    tokens = (usage.prompt_tokens, cached, usage.completion_tokens)
    return message.content or "", calls, reply.choices[0].finish_reason, tokens


def chat_stream(rig: Rig, model: str, *, tools: bool) -> Answer:
    given: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    with rig.openai().chat.completions.stream(
        model=model,
        messages=[{"role": "user", "content": "Weather?"}],
        tools=given if tools else openai.omit,
        stream_options={"include_usage": True},
    ) as stream:
        return _of_chat(stream.get_final_completion())


def _responses_tools() -> Any:
    return [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]


def _of_responses(reply: Any) -> Answer:
    calls = [
        (item.name, json.loads(item.arguments))
        for item in reply.output
        if item.type == "function_call"
    ]
    usage = reply.usage
    tokens = (usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens)
    return reply.output_text, calls, reply.status, tokens


def responses_whole(rig: Rig, model: str, *, tools: bool) -> Answer:
    reply = rig.openai().responses.create(
        model=model, input="Weather?", tools=_responses_tools() if tools else openai.omit
    )
    return _of_responses(reply)


def responses_stream(rig: Rig, model: str, *, tools: bool) -> Answer:
    with rig.openai().responses.stream(
        model=model, input="Weather?", tools=_responses_tools() if tools else openai.omit
    ) as stream:
        return _of_responses(stream.get_final_response())


def _messages_ask(model: str, *, tools: bool) -> dict[str, Any]:
    return {
        "model": model,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Weather?"}],
        **({"tools": [{"name": "weather", "input_schema": SCHEMA}]} if tools else {}),
    }


def _of_messages(reply: Any) -> Answer:
    text = "".join(block.text for block in reply.content if block.type == "text")
    calls = [(block.name, block.input) for block in reply.content if block.type == "tool_use"]
    usage = reply.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    tokens = (usage.input_tokens + read + written, read, usage.output_tokens)
    return text, calls, reply.stop_reason, tokens


def messages_whole(rig: Rig, model: str, *, tools: bool) -> Answer:
    with rig.anthropic() as client:
        return _of_messages(client.messages.create(**_messages_ask(model, tools=tools)))


def messages_stream(rig: Rig, model: str, *, tools: bool) -> Answer:
    with (
        rig.anthropic() as client,
        client.messages.stream(**_messages_ask(model, tools=tools)) as stream,
    ):
        return _of_messages(stream.get_final_message())


def _gemini_ask(model: str, *, tools: bool) -> dict[str, Any]:
    declared = types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    return {"model": model, "contents": "Weather?", "config": config if tools else None}


def _of_gemini(replies: list[types.GenerateContentResponse]) -> Answer:
    text = "".join(reply.text or "" for reply in replies)
    calls = [(call.name or "", call.args) for one in replies for call in one.function_calls or ()]
    last = replies[-1]
    assert last.candidates
    assert last.candidates[0].finish_reason
    usage = last.usage_metadata
    assert usage
    tokens = (usage.prompt_token_count, usage.cached_content_token_count)
    return text, calls, last.candidates[0].finish_reason, (*tokens, usage.candidates_token_count)  # type: ignore[return-value]


def gemini_whole(rig: Rig, model: str, *, tools: bool) -> Answer:
    with rig.google() as client:
        return _of_gemini([client.models.generate_content(**_gemini_ask(model, tools=tools))])


def gemini_stream(rig: Rig, model: str, *, tools: bool) -> Answer:
    with rig.google() as client:
        asked = _gemini_ask(model, tools=tools)
        return _of_gemini(list(client.models.generate_content_stream(**asked)))


Client = Callable[..., Answer]
CLIENTS: dict[str, tuple[Client, str, str]] = {
    # Client, and why it is told that an answer ended: of text, of tools.
    "chat": (chat_whole, "stop", "tool_calls"),
    "chat-stream": (chat_stream, "stop", "tool_calls"),
    "responses": (responses_whole, "completed", "completed"),
    "responses-stream": (responses_stream, "completed", "completed"),
    "messages": (messages_whole, "end_turn", "tool_use"),
    "messages-stream": (messages_stream, "end_turn", "tool_use"),
    "gemini": (gemini_whole, "STOP", "STOP"),
    "gemini-stream": (gemini_stream, "STOP", "STOP"),
}


@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLIENTS)
def test_every_sdk_is_answered_by_every_kind_of_provider(
    rig: Rig, name: str, kind: str, tools: bool
) -> None:
    client, ended_text, ended_tools = CLIENTS[name]
    if name.startswith("responses") and kind == "openai":
        pytest.skip("not translated: the recorded replies show it")
    before = len(rows(rig.server.database))
    text, calls, ended, tokens = client(rig, f"{kind}/m-1", tools=tools)
    row = settled_rows(rig.server.database, before + 1)[-1]
    assert (text, calls) == (("", WANTED_CALLS) if tools else ("".join(TEXT), []))
    assert ended == (ended_tools if tools else ended_text)
    assert tokens == (INPUT, CACHED, OUTPUT)
    assert (row.provider, row.outcome, row.cost_nanousd) == (kind, "ok", COST)
    assert (row.input_tokens, row.n_cache_read, row.output_tokens) == (INPUT, CACHED, OUTPUT)


CLAUDE = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
@pytest.mark.parametrize("name", ["messages", "messages-stream"])
def test_anthropics_sdk_is_answered_by_claude_at_bedrock_out_of_its_frames(
    rig: Rig, name: str, tools: bool
) -> None:
    client, ended_text, ended_tools = CLIENTS[name]
    before = len(rows(rig.server.database))
    text, calls, ended, tokens = client(rig, CLAUDE, tools=tools)
    row = settled_rows(rig.server.database, before + 1)[-1]
    assert (text, calls) == (("", WANTED_CALLS) if tools else ("".join(TEXT), []))
    assert (ended, tokens) == (ended_tools if tools else ended_text, (INPUT, CACHED, OUTPUT))
    assert (row.provider, row.outcome, row.cost_nanousd) == ("bedrock", "ok", COST)
    sent = rig.tape.asked[-1]
    verb = "invoke-with-response-stream" if name.endswith("stream") else "invoke"
    assert sent.path.endswith(f"-v1%3A0/{verb}")
    assert json.loads(sent.body)["anthropic_version"] == "bedrock-2023-05-31"


@pytest.mark.parametrize("verb", ["invoke", "invoke-with-response-stream"])
def test_a_client_of_bedrock_gets_the_frames_as_they_are(rig: Rig, verb: str) -> None:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
    before = len(rows(rig.server.database))
    got = httpx.post(
        f"{rig.server.base_url.removesuffix('/v1')}/model/{CLAUDE}/{verb}",
        json=body,
        headers={"authorization": f"Bearer {rig.secret}"},
    )
    row = settled_rows(rig.server.database, before + 1)[-1]
    played = any_voice(rig.tape.asked[-1])
    assert got.content == b"".join(played.pieces)
    assert got.headers["content-type"] == played.content_type
    assert (row.endpoint, row.cost_nanousd) == (f"/model/{{model}}/{verb}", COST)
    assert json.loads(rig.tape.asked[-1].body) == body


def post(rig: Rig, path: str, body: dict[str, Any], secret: str = "") -> httpx.Response:
    headers = {"x-goog-api-key": secret or rig.secret}
    return httpx.post(f"{rig.address}{path}", json=body, headers=headers)


@pytest.mark.parametrize("form", ["invoke", "invoke-with-response-stream", "converse"])
def test_amazons_clients_read_what_is_refused(rig: Rig, form: str) -> None:
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": [{"text": "Weather?"}]}]}
    refused = post(rig, f"/model/anthropic%2Fclaude-x/{form}", body, rig.capped)
    assert refused.status_code == (429 if form == "converse" else 404)
    kind = "ServiceQuotaExceeded" if form == "converse" else "ResourceNotFound"
    assert refused.headers["x-amzn-errortype"] == f"{kind}Exception"
    assert refused.json()["message"]


@pytest.mark.parametrize("above", ["/v1beta/models/", "/v1beta/"])
def test_a_gemini_model_is_named_as_vercels_sdk_names_it(rig: Rig, above: str) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Weather?"}]}]}
    reply = post(rig, f"{above}anthropic/m-1:generateContent", body)
    (candidate,) = reply.json()["candidates"]
    assert candidate["content"]["parts"] == [{"text": "".join(TEXT)}]
    unknown = post(rig, f"{above}anthropic/m-1:embedContent", body)
    assert (unknown.status_code, unknown.json()["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_spent_budget_makes_each_sdk_send_one_request(rig: Rig, name: str) -> None:
    client = CLIENTS[name][0]
    before, asked = len(rows(rig.server.database)), len(rig.tape.asked)
    spent = rig._replace(secret=rig.capped)
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError, ClientError)) as caught:
        client(spent, "anthropic/m-1", tools=False)
    assert "budget" in str(caught.value) or "spent" in str(caught.value)
    assert len(rows(rig.server.database)) == before + 1
    assert len(rig.tape.asked) == asked
