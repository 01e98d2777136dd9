"""Real SDKs that run the tools they are asked to run and send back what these gave: two requests,
of which the second has the calls and the results of the first, in every provider's own dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.genai import types

from tests.whole.rig import COST, KINDS, SCHEMA, Rig, rigged
from tests.whole.server import rows, settled_rows
from tests.whole.voices import CALLS, TEXT

ASK: Any = {"role": "user", "content": "Weather?"}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(tmp_path_factory.mktemp("loops")) as running:
        yield running


def weather(city: str) -> str:
    """The weather of a city."""
    return f"21 degrees in {city}"


def chat(rig: Rig, model: str) -> str:
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    create = rig.openai().chat.completions.create
    first = create(model=model, messages=[ASK], tools=tools).choices[0].message
    results: list[Any] = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": weather(**json.loads(call.function.arguments)),
        }
        for call in first.tool_calls or ()
        if call.type == "function"
    ]
    said: Any = [ASK, first.model_dump(exclude_none=True), *results]
    return create(model=model, messages=said, tools=tools).choices[0].message.content or ""


def responses(rig: Rig, model: str) -> str:
    tools: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
    create = rig.openai().responses.create
    first = create(model=model, input=[ASK], tools=tools)
    results: list[Any] = [
        {
            "type": "function_call_output",
            "call_id": item.call_id,
            "output": weather(**json.loads(item.arguments)),
        }
        for item in first.output
        if item.type == "function_call"
    ]
    said: Any = [ASK, *(item.model_dump(exclude_none=True) for item in first.output), *results]
    return create(model=model, input=said, tools=tools).output_text


def messages(rig: Rig, model: str) -> str:
    asked: Any = {
        "model": model,
        "max_tokens": 200,
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
    }
    with rig.anthropic() as client:
        first = client.messages.create(messages=[ASK], **asked)
        results: list[Any] = [
            {"type": "tool_result", "tool_use_id": block.id, "content": weather(**block.input)}
            for block in first.content
            if block.type == "tool_use"
        ]
        said: Any = [
            ASK,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": results},
        ]
        last = client.messages.create(messages=said, **asked)
    return "".join(block.text for block in last.content if block.type == "text")


def gemini(rig: Rig, model: str) -> str:
    """The SDK itself runs a Python function."""
    with rig.google() as client:
        config = types.GenerateContentConfig(tools=[weather])
        return client.chats.create(model=model, config=config).send_message("Weather?").text or ""


LOOPS: dict[str, Callable[[Rig, str], str]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "gemini": gemini,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOOPS)
def test_a_second_request_has_the_calls_and_their_results(rig: Rig, name: str, kind: str) -> None:
    if name == "responses" and kind == "openai":
        pytest.skip("not translated: the recorded replies show it")
    before = len(rows(rig.server.database))
    assert LOOPS[name](rig, f"{kind}/m-1") == "".join(TEXT)
    settled = settled_rows(rig.server.database, before + 2)[before:]
    assert [(row.provider, row.outcome, row.cost_nanousd) for row in settled] == [
        (kind, "ok", COST),
        (kind, "ok", COST),
    ]
    sent = json.dumps(json.loads(rig.tape.asked[-1].body))
    cities = [given["city"] for _, _, given in CALLS]
    places = [sent.rindex(f"21 degrees in {city}") for city in cities]
    assert places == sorted(places)
    for city in cities:
        assert 0 <= sent.find(city) < places[0]
