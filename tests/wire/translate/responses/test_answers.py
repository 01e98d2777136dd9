"""Replies of responses as the openai SDK reads them, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pydantic
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseStreamEvent

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Place
from ferrycli.wire.sse import EventSplitter, event_data
from ferrycli.wire.translate.responses import answers as responses_answers
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Counted,
    Event,
    Finished,
    Refused,
    Said,
    Started,
    Text,
    Thinking,
    Thought,
    ToolCall,
)

NOW_S = 1_764_000_000
STARTED = Started("msg_01", "claude-sonnet-5")
USAGE = Usage(input=100, cache_read=20, cache_write_5m=3, output=40, reasoning=15)
COUNTED = Counted(USAGE)
ASKED: dict[str, Any] = {"model": "fast", "input": "hi"}

TEXT: list[Event] = [STARTED, Said("Hel"), Said("lo"), Finished("stop"), COUNTED]
TOOLS: list[Event] = [
    STARTED,
    Said("I look."),
    Called("c1", "get_capital"),
    Argued('{"of":'),
    Argued('"France"}'),
    Called("c2", "get_capital"),
    Argued('{"of":"Chad"}'),
    Finished("tool_calls"),
    COUNTED,
]
THOUGHTS: list[Event] = [
    STARTED,
    Thought("Let me "),
    Thought("see."),
    Thought(signature="EqQB", maker="anthropic"),
    Thought(redacted="sealed whole", maker="anthropic"),
    Said("42"),
    Finished("stop"),
    COUNTED,
]
SEALED_CALL: list[Event] = [
    STARTED,
    Thought("A tool."),
    Called("c1", "f", "gemini seal"),
    Argued("{}"),
    Called("c2", "g"),
    Finished("tool_calls"),
]
REFUSAL: list[Event] = [
    STARTED,
    Said("Well. "),
    Refused("I will "),
    Refused("not."),
    Finished("stop"),
]
SHORT: list[Event] = [STARTED, Said("It was a dark and"), Finished("length"), COUNTED]
FILTERED: list[Event] = [STARTED, Finished("content_filter")]
BROKEN: list[Event] = [STARTED, Said("It w"), Broken("overloaded_error", "try later")]
NOTHING: list[Event] = []
SILENT: list[Event] = [STARTED, Finished("stop")]

REPLIES: dict[str, list[Event]] = {
    "text": TEXT,
    "tools": TOOLS,
    "thoughts": THOUGHTS,
    "sealed_call": SEALED_CALL,
    "refusal": REFUSAL,
    "short": SHORT,
    "filtered": FILTERED,
    "broken": BROKEN,
    "nothing": NOTHING,
    "silent": SILENT,
}


def written(events: Sequence[Event], request: dict[str, Any], *, is_stream: bool) -> bytes:
    body = json.dumps(request, indent=1).encode()
    writer = RESPONSES.writer(Asking("fast", is_stream, True, NOW_S, "c_1", body))
    # One by one: what is written does not depend on how events come together.
    parts = [writer.write([event]) for event in events]
    assert is_stream or not any(parts)
    return b"".join(parts) + writer.finish()


def told(events: Sequence[Event], request: dict[str, Any] = ASKED) -> list[dict[str, Any]]:
    """The JSON of every event of a stream; names are what the JSON says too."""
    splitter = EventSplitter()
    found = []
    for event in splitter.feed(written(events, request, is_stream=True)):
        payload = json.loads(event_data(event) or b"")
        assert event.startswith(f"event: {payload['type']}\ndata: ".encode())
        found.append(payload)
    assert not splitter.flush()
    return found


@contextmanager
def answered(events: Sequence[Event]) -> Iterator[openai.OpenAI]:
    """The SDK's client of a server that answers every request with `events`."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)
        RESPONSES.read_request(request.content, Place())
        is_stream = asked.get("stream") is True
        kind = "text/event-stream" if is_stream else "application/json"
        content = written(events, asked, is_stream=is_stream)
        return httpx2.Response(200, headers={"content-type": kind}, content=content)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        yield openai.OpenAI(api_key="x", http_client=http, max_retries=0)


def response(events: Sequence[Event], **asked: Any) -> Response:
    with answered(events) as client:
        found = client.responses.create(**{**ASKED, **asked})
    assert isinstance(found, Response)
    return found


# The whole reply ------------------------------------------------------------------------------


def test_the_sdk_reads_text_and_what_was_used() -> None:
    found = response(TEXT)
    assert found.output_text == "Hello"
    assert found.status == "completed"
    assert (found.id, found.model, found.created_at) == ("resp_msg_01", "claude-sonnet-5", NOW_S)
    assert found.usage is not None
    assert found.usage.input_tokens == 100 + 20 + 3
    assert found.usage.output_tokens == 40
    assert found.usage.total_tokens == 100 + 20 + 3 + 40
    assert found.usage.input_tokens_details.cached_tokens == 20
    assert found.usage.input_tokens_details.cache_write_tokens == 3
    assert found.usage.output_tokens_details.reasoning_tokens == 15


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_every_whole_reply_is_what_the_sdk_says_a_response_is(name: str) -> None:
    body = written(REPLIES[name], ASKED, is_stream=False)
    found = json.loads(body)
    if found["error"]:
        # OpenAI's list of codes is its own; a provider's code says more.
        found["error"]["code"] = "server_error"
    Response.model_validate(found, strict=True)


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_a_stream_ends_with_the_whole_reply(name: str) -> None:
    whole = json.loads(written(REPLIES[name], ASKED, is_stream=False))
    assert told(REPLIES[name])[-1]["response"] == whole


def test_an_id_is_given_where_the_provider_has_none() -> None:
    assert response([Started("", ""), Said("x"), Finished("stop")]).id == "resp_c_1"
    assert response([Said("x"), Finished("stop")]).model == "fast"
    assert response([Started("resp_7", "m"), Finished("stop")]).id == "resp_7"


def test_items_of_two_replies_have_no_id_in_common() -> None:
    replies = [[Started(name, "m"), *TOOLS[1:]] for name in ("one", "two")]
    ids = [item["id"] for reply in replies for item in told(reply)[-1]["response"]["output"]]
    assert len(set(ids)) == len(ids) == 6
    assert max(len(one) for one in ids) <= 64


def test_a_reply_repeats_what_was_asked_but_stores_nothing() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
    found = response(
        TEXT,
        instructions="Be short.",
        tools=[tool],
        tool_choice="required",
        temperature=0.5,
        metadata={"a": "b"},
        max_output_tokens=99,
        store=True,
    )
    assert found.instructions == "Be short."
    assert found.tools[0].to_dict() == tool
    assert (found.tool_choice, found.temperature) == ("required", 0.5)
    assert (found.metadata, found.max_output_tokens) == ({"a": "b"}, 99)
    assert found.to_dict()["store"] is False


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"tools": 3}', b'{"metadata": ' + b"[" * 5000]
)
def test_a_request_that_cannot_be_repeated_is_not(body: bytes) -> None:
    writer = RESPONSES.writer(Asking("m", False, request=body))
    writer.write(TEXT)
    assert json.loads(writer.finish())["status"] == "completed"


# Tools ----------------------------------------------------------------------------------------


def test_the_sdk_reads_parallel_calls() -> None:
    calls = [item for item in response(TOOLS).output if isinstance(item, ResponseFunctionToolCall)]
    assert [(call.call_id, call.name, call.arguments) for call in calls] == [
        ("c1", "get_capital", '{"of":"France"}'),
        ("c2", "get_capital", '{"of":"Chad"}'),
    ]


def test_a_call_without_arguments_has_an_empty_object_of_them() -> None:
    calls = [one for one in response(SEALED_CALL).output if one.type == "function_call"]
    assert [call.arguments for call in calls] == ["{}", "{}"]


def test_a_call_goes_back_in_its_namespace() -> None:
    inner = {"type": "function", "name": "find", "parameters": None, "strict": None}
    namespace = {"type": "namespace", "name": "crm", "description": "d", "tools": [inner]}
    events: list[Event] = [STARTED, Called("c1", "crm__find"), Argued("{}"), Finished("tool_calls")]
    (call,) = response(events, tools=[namespace]).output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.namespace, call.name) == ("crm", "find")


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (['{"inp', 'ut":"ls -l"}'], "ls -l"),
        (['{"input":"ls", "x":"y"}'], '{"input":"ls", "x":"y"}'),
        (["ls"], "ls"),
        ([], "{}"),
    ],
)
def test_a_call_of_a_custom_tool_goes_back_as_one(arguments: list[str], given: str) -> None:
    pieces = [Argued(piece) for piece in arguments]
    events: list[Event] = [STARTED, Called("c1", "shell"), *pieces, Finished("tool_calls")]
    asked = {**ASKED, "tools": [{"type": "custom", "name": "shell"}]}
    payloads = told(events, asked)
    kinds = [payload["type"] for payload in payloads]
    assert kinds.count("response.custom_tool_call_input.delta") == 1
    assert "response.function_call_arguments.delta" not in kinds
    (call,) = payloads[-1]["response"]["output"]
    assert (call["type"], call["name"], call["input"]) == ("custom_tool_call", "shell", given)


# Thoughts -------------------------------------------------------------------------------------


def turns_after(events: Sequence[Event]) -> tuple[Any, ...]:
    """The parts of the assistant's turn when a client sends back what it was given."""
    output = told(events)[-1]["response"]["output"]
    request = {"model": "m", "input": [{"role": "user", "content": "hi"}, *output]}
    talk = RESPONSES.read_request(json.dumps(request).encode(), Place())
    return talk.turns[1].parts


def test_thoughts_come_back_with_their_seals() -> None:
    assert turns_after(THOUGHTS) == (
        Thinking("Let me see.", "EqQB", maker="anthropic"),
        Thinking(redacted="sealed whole", maker="anthropic"),
        Text("42"),
    )


def test_the_seal_of_a_call_comes_back_to_the_call() -> None:
    assert turns_after(SEALED_CALL) == (
        Thinking("A tool."),
        ToolCall("c1", "f", "{}", "gemini seal"),
        ToolCall("c2", "g", "{}"),
    )


def test_each_sealed_thought_is_an_item_by_itself() -> None:
    events: list[Event] = [
        STARTED,
        Thought("a"),
        Thought(signature="1", maker="anthropic"),
        Thought(signature="2", maker="anthropic"),
        Thought("b", "3", maker="anthropic"),
        Thought(redacted="r", maker="anthropic"),
        Thought(signature="4", maker="anthropic"),
        Said("x"),
        Finished("stop"),
    ]
    assert turns_after(events) == (
        Thinking("a", "1", maker="anthropic"),
        Thinking("", "2", maker="anthropic"),
        Thinking("b", "3", maker="anthropic"),
        Thinking(redacted="r", maker="anthropic"),
        Thinking("", "4", maker="anthropic"),
        Text("x"),
    )


def test_a_thought_without_a_seal_is_not_taken_for_one_that_is_kept_elsewhere() -> None:
    events: list[Event] = [STARTED, Thought("a"), Said("x"), Finished("stop")]
    item = told(events)[-1]["response"]["output"][0]
    assert item["encrypted_content"] == "ferry:unsealed::"
    assert turns_after(events) == (Thinking("a"), Text("x"))


def test_a_seal_of_openai_goes_on_as_it_came() -> None:
    events: list[Event] = [
        STARTED,
        Thought(signature="gAAA", maker="openai"),
        Finished("stop"),
    ]
    (item,) = told(events)[-1]["response"]["output"]
    assert item["encrypted_content"] == "gAAA"


# Ends -----------------------------------------------------------------------------------------


def test_an_answer_cut_at_the_limit_is_incomplete() -> None:
    found = response(SHORT)
    assert found.status == "incomplete"
    assert found.incomplete_details is not None
    assert found.incomplete_details.reason == "max_output_tokens"
    assert found.output[0].to_dict()["status"] == "incomplete"


def test_a_filtered_answer_is_incomplete() -> None:
    details = response(FILTERED).incomplete_details
    assert details is not None
    assert details.reason == "content_filter"


def test_a_broken_reply_has_failed_and_keeps_what_came() -> None:
    found = response(BROKEN)
    assert (found.status, found.output_text) == ("failed", "It w")
    assert found.error is not None
    assert (found.error.code, found.error.message) == ("overloaded_error", "try later")


@pytest.mark.parametrize("events", [NOTHING, [STARTED], [STARTED, Said("x")]])
def test_a_reply_that_has_not_ended_has_failed(events: list[Event]) -> None:
    found = response(events)
    assert found.status == "failed"
    assert found.error is not None


def test_nothing_follows_a_failure() -> None:
    assert told([*BROKEN, Said("x"), Finished("stop"), COUNTED]) == told(BROKEN)


def test_an_answer_that_is_too_large_to_be_kept_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses_answers, "REPLY_KEPT_MAX", 5)
    start: list[Event] = [STARTED, Called("c", "f"), Argued("{}"), Thought("t")]
    assert told([*start, Finished("stop")])[-1]["type"] == "response.completed"
    assert told([*start, Said("x"), Finished("stop")])[-1]["type"] == "response.failed"


# Streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_every_event_is_one_that_the_sdk_knows(name: str) -> None:
    known: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ResponseStreamEvent)
    payloads = told(REPLIES[name])
    for payload in payloads:
        if error := payload.get("response", {}).get("error"):
            error["code"] = "server_error"
        known.validate_python(payload, strict=True)
    assert [payload["sequence_number"] for payload in payloads] == list(range(len(payloads)))


def test_the_events_of_a_text_come_in_openais_order() -> None:
    assert [payload["type"].removeprefix("response.") for payload in told(TEXT)] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_the_events_of_a_thought_and_a_call_come_in_openais_order() -> None:
    events: list[Event] = [
        STARTED,
        Thought("a"),
        Called("c", "f"),
        Argued("{}"),
        Finished("tool_calls"),
    ]
    assert [payload["type"].removeprefix("response.") for payload in told(events)][2:-1] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_items_of_a_stream_keep_their_places_and_ids(name: str) -> None:
    payloads = told(REPLIES[name])
    output = payloads[-1]["response"]["output"]
    for payload in payloads:
        if "output_index" in payload:
            named = payload.get("item_id") or payload["item"]["id"]
            assert output[payload["output_index"]]["id"] == named
        if payload["type"] == "response.output_item.done":
            assert output[payload["output_index"]] == payload["item"]


@pytest.mark.parametrize("name", ["silent", "text", "thoughts", "tools", "refusal"])
def test_the_sdk_puts_a_stream_together_as_the_whole_reply(name: str) -> None:
    with answered(REPLIES[name]) as client:
        whole = client.responses.create(model="fast", input="hi")
        with client.responses.stream(model="fast", input="hi") as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert final.output_text == whole.output_text
    assert final.usage == whole.usage
    assert [one.to_dict()["id"] for one in final.output] == [
        one.to_dict()["id"] for one in whole.output
    ]


@pytest.mark.parametrize(
    ("name", "last"), [("short", "response.incomplete"), ("broken", "response.failed")]
)
def test_the_sdk_is_told_that_a_stream_did_not_complete(name: str, last: str) -> None:
    with answered(REPLIES[name]) as client:
        with client.responses.stream(model="fast", input="hi") as stream:
            assert [event.type for event in stream][-1] == last
        created = client.responses.create(model="fast", input="hi", stream=True)
        assert [event.type for event in created][-1] == last


class Capital(pydantic.BaseModel):
    city: str


def test_the_sdk_parses_a_structured_answer_whole_and_streamed() -> None:
    events: list[Event] = [STARTED, Said('{"ci'), Said('ty":"Paris"}'), Finished("stop")]
    with answered(events) as client:
        parsed = client.responses.parse(model="fast", input="hi", text_format=Capital)
        with client.responses.stream(model="fast", input="hi", text_format=Capital) as stream:
            final = stream.get_final_response()
    assert parsed.output_parsed == final.output_parsed == Capital(city="Paris")


def test_the_sdk_parses_arguments_of_tools() -> None:
    class GetCapital(pydantic.BaseModel):
        of: str

    tool = openai.pydantic_function_tool(GetCapital, name="get_capital")["function"]
    flat: Any = {"type": "function", **tool}
    with answered(TOOLS) as client:
        parsed = client.responses.parse(model="fast", input="hi", tools=[flat])
    calls = [one for one in parsed.output if one.type == "function_call"]
    assert [json.loads(call.arguments)["of"] for call in calls] == ["France", "Chad"]
