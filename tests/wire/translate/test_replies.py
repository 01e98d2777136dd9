"""Replies read into events and written from them, in either dialect, whole and as streams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Codec
from ferrycli.wire.sse import EVENT_BYTES_MAX
from ferrycli.wire.translate import parsing
from ferrycli.wire.translate.chat.codec import CHAT
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.parsing import CUT, TOO_LARGE, UNREADABLE
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
    Thought,
)
from tests.wire.sizes import FEW
from tests.wire.translate.replies import answers, known, parsed, told

CODECS: dict[str, Codec] = {"chat": CHAT, "messages": MESSAGES}
WAYS = [(name, is_stream) for name in sorted(CODECS) for is_stream in (False, True)]
THOUGHT: list[Event] = [
    Thought("why"),
    Thought(" not"),
    Thought(signature="seal", maker="anthropic"),
]
CALLS: list[Event] = [
    Called("a", "f"),
    Argued('{"x"'),
    Argued(":1}"),
    Called("b", "g"),
    Argued("{}"),
]
ANSWER: list[Event] = [
    Started("id-1", "model-1"),
    *THOUGHT,
    Thought(redacted="sealed", maker="anthropic"),
    Said("é"),
    Said("😀"),
    *CALLS,
    Finished("tool_calls"),
]


def asking(is_stream: bool, wants_usage: bool = True) -> Asking:
    return Asking("asked-for", is_stream, wants_usage, 1_700_000_000, "own-id")


def sse(*data: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in data)


@pytest.mark.parametrize(("name", "is_stream"), WAYS)
@FEW
@given(events=answers())
def test_what_is_told_is_read_again(name: str, is_stream: bool, events: list[Event]) -> None:
    codec = CODECS[name]
    reply = told(codec.writer(asking(is_stream)), events)
    again = known(parsed(codec.parser(is_stream=is_stream), [reply]))
    if is_stream or name == "chat":
        assert again == known(events)
    else:
        # There arguments are values, written anew.
        assert decoded(again) == decoded(known(events))


def decoded(answer: tuple[Any, ...]) -> list[Any]:
    parts = [
        (part.id, part.name, json.loads(part.arguments)) if hasattr(part, "arguments") else part
        for part in answer[2]
    ]
    return [*answer[:2], parts, *answer[3:]]


@pytest.mark.parametrize(("name", "is_stream"), WAYS)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_reply_cut_anywhere_gives_the_same_events(
    name: str, is_stream: bool, ending: str
) -> None:
    codec = CODECS[name]
    reply = told(codec.writer(asking(is_stream)), ANSWER).replace(b"\n", ending.encode())
    whole = known(parsed(codec.parser(is_stream=is_stream), [reply]))
    assert whole == known(ANSWER)
    for at in range(len(reply) + 1):
        cut = parsed(codec.parser(is_stream=is_stream), [reply[:at], reply[at:]])
        assert known(cut) == whole, at
    single = [reply[at : at + 1] for at in range(len(reply))]
    assert known(parsed(codec.parser(is_stream=is_stream), single)) == whole


@pytest.mark.parametrize("name", sorted(CODECS))
def test_a_stream_that_breaks_off_says_so(name: str) -> None:
    reply = told(CODECS[name].writer(asking(True)), ANSWER)
    for at in range(len(reply)):
        events = parsed(CODECS[name].parser(is_stream=True), [reply[:at]])
        ends = [event for event in events if isinstance(event, Broken | Finished)]
        assert ends in ([CUT], [ANSWER[-1]]), at
        assert isinstance(events[-1], Broken | Finished), at


PIECES = st.sampled_from(
    [
        *(b"data: ", b"event: error\n", b"\n\n", b"\r\n", b"[DONE]", b'{"error":', b'"x"', b"}"),
        *(b'{"choices":[{"delta":', b'{"content":1}', b'{"tool_calls":[{"index":', b"}]}"),
        *(b'{"type":"content_block_start","content_block":', b'{"type":"tool_use"', b"\xff"),
        *(b'{"type":"message_start","message":7}', b"null", b"[", b"1e999", b'"\\ud800"'),
    ]
)
BYTES = st.binary(max_size=80) | st.lists(PIECES, max_size=20).map(b"".join)


@pytest.mark.parametrize(("name", "is_stream"), WAYS)
@given(chunks=st.lists(BYTES, max_size=4))
def test_no_bytes_are_raised_upon(name: str, is_stream: bool, chunks: list[bytes]) -> None:
    events = parsed(CODECS[name].parser(is_stream=is_stream), chunks)
    ends = [event for event in events if isinstance(event, Broken | Finished)]
    assert len(ends) == 1
    for other in CODECS.values():
        for is_told_at_once in (False, True):
            told(other.writer(asking(is_told_at_once)), events)


@pytest.mark.parametrize(("name", "is_stream"), WAYS)
@FEW
@given(data=st.data())
def test_odd_values_in_a_reply_are_as_good_as_none(
    name: str, is_stream: bool, data: st.DataObject
) -> None:
    reply = told(CODECS[name].writer(asking(is_stream)), ANSWER)
    odd = [b"null", b"7", b'"x"', b"[]", b"{}", b"[[]]", b'{"a":1}', b"true", b"-1"]
    names = [b"choices", b"delta", b"message", b"content", b"tool_calls", b"function", b"index"]
    names += [b"usage", b"content_block", b"input", b"id", b"type", b"reasoning_details", b"text"]
    member = b'"' + data.draw(st.sampled_from(names)) + b'":'
    changed = reply.replace(member, member + data.draw(st.sampled_from(odd)) + b',"was":')
    parsed(CODECS[name].parser(is_stream=is_stream), [changed])


CHUNK = {"id": "i", "model": "m"}


def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": delta, **choice}]}


def call(index: int, **members: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": index, **members}]})


START, STOP = Started("i", "m"), chunk({}, finish_reason="stop")
CHAT_STREAMS: list[tuple[bytes, list[Event]]] = [
    (sse(chunk({"content": "a"}), STOP), [START, Said("a"), Finished("stop")]),
    (
        b": OPENROUTER PROCESSING\n\n" + sse(chunk({"content": "a"}, finish_reason="length"), STOP),
        [START, Said("a"), Finished("stop")],
    ),
    (sse(chunk({"content": "a"})), [START, Said("a"), CUT]),
    (sse(chunk({"content": "a"})) + b"data: [DONE]", [START, Said("a"), Finished("stop")]),
    (b"data: [DONE]\n\n", [CUT]),
    (sse(chunk({"refusal": "no"}), STOP), [START, Refused("no"), Finished("stop")]),
    (
        sse(chunk({"reasoning_content": "t", "content": None}), STOP),
        [START, Thought("t"), Finished("stop")],
    ),
    (
        sse(
            chunk(
                {
                    "reasoning": "t",
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "t"},
                        {"type": "reasoning.encrypted", "data": "d"},
                        {"type": "reasoning.summary", "summary": "s"},
                    ],
                }
            ),
            STOP,
        ),
        [
            START,
            Thought("t"),
            Thought(redacted="d", maker="unknown"),
            Thought("s"),
            Finished("stop"),
        ],
    ),
    (
        sse(
            chunk(
                {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]},
                        {"type": "text", "text": "a"},
                    ]
                }
            ),
            STOP,
        ),
        [START, Thought("t"), Said("a"), Finished("stop")],
    ),
    (
        sse(
            call(0, id="a", function={"name": "f", "arguments": ""}),
            call(0, function={"arguments": "{}"}),
            call(1, id="b", function={"name": "g"}),
            STOP,
        ),
        [
            START,
            Called("a", "f"),
            Argued("{}"),
            Called("b", "g"),
            Argued("{}"),
            Finished("tool_calls"),
        ],
    ),
    # Every call has the number 0.
    (
        sse(
            call(0, id="a", function={"name": "f", "arguments": "{}"}),
            call(0, id="b", function={"name": "f", "arguments": "[]"}),
            STOP,
        ),
        [
            START,
            Called("a", "f"),
            Argued("{}"),
            Called("b", "f"),
            Argued("[]"),
            Finished("tool_calls"),
        ],
    ),
    # Id and name are repeated, or there is no id.
    (
        sse(
            call(0, id="a", function={"name": "f", "arguments": "{"}),
            call(0, id="a", function={"name": "f", "arguments": "}"}),
            call(1, function={"name": "g", "arguments": "{}"}),
            STOP,
        ),
        [
            START,
            Called("a", "f"),
            Argued("{"),
            Argued("}"),
            Called("call_i_1", "g"),
            Argued("{}"),
            Finished("tool_calls"),
        ],
    ),
    # Pieces of calls come mixed, and text among them.
    (
        sse(
            call(0, id="a", function={"name": "f"}),
            call(1, id="b", function={"name": "g"}),
            call(1, function={"arguments": '{"y":'}),
            call(0, function={"arguments": '{"x":'}),
            chunk({"content": "so"}),
            call(2, id="c", function={"name": "h"}),
            call(1, function={"arguments": "1}"}),
            call(0, function={"arguments": "2}"}),
            STOP,
        ),
        [
            START,
            Called("a", "f"),
            Argued('{"x":'),
            Argued("2}"),
            Called("b", "g"),
            Argued('{"y":'),
            Argued("1}"),
            Said("so"),
            Called("c", "h"),
            Argued("{}"),
            Finished("tool_calls"),
        ],
    ),
    # More of a call that was whole; white space is nothing more.
    (
        sse(
            call(0, id="a", function={"name": "f", "arguments": "{}"}),
            call(1, id="b", function={"name": "g"}),
            call(0, function={"arguments": "\n"}),
            call(0, function={"arguments": "{}"}),
            STOP,
        ),
        [START, Called("a", "f"), Argued("{}"), Called("b", "g"), UNREADABLE],
    ),
    (
        sse(
            call(
                0,
                id="a",
                function={"name": "f"},
                extra_content={"google": {"thought_signature": "s"}},
            ),
            STOP,
        ),
        [START, Called("a", "f", "s"), Argued("{}"), Finished("tool_calls")],
    ),
    (
        sse({**CHUNK, "choices": [{"index": 1, "delta": {"content": "other"}}]}, STOP),
        [START, Finished("stop")],
    ),
    (sse(chunk({"content": "a"}, finish_reason="eos")), [START, Said("a"), Finished("stop")]),
    (sse({"error": {"message": "m", "code": 502}}, STOP), [Broken("502", "m")]),
    (sse({"error": "plainly"}), [Broken("", "plainly")]),
    (
        sse(chunk({"content": "a"}, error={"message": "m", "type": "t"})),
        [START, Broken("t", "m")],
    ),
    (sse({**CHUNK, "choices": None}, STOP), [START, Finished("stop")]),
    (b"data: {oops}\n\n" + sse(STOP), [UNREADABLE]),
    (sse(STOP) + b"data: [DONE]\n\ndata: {oops}\n\n", [START, Finished("stop")]),
    (
        b'data: {"id":"i","model":"m","choices":[{"delta":{"content":"\\ud83d"}}]}\n\n' + sse(STOP),
        [START, Said("\ufffd"), Finished("stop")],
    ),
]


@pytest.mark.parametrize(("stream", "events"), CHAT_STREAMS)
def test_a_stream_of_chat_is_read(stream: bytes, events: list[Event]) -> None:
    assert parsed(CHAT.parser(is_stream=True), [stream]) == events


def test_a_whole_chat_reply_with_an_error_in_it_is_broken() -> None:
    body = b'{"error":{"message":"m","type":"t","code":"c"}}'
    assert parsed(CHAT.parser(is_stream=False), [body]) == [Broken("c", "m")]


WHOLE_WITHOUT_REASON = [
    (CHAT, {**CHUNK, "choices": [{"message": {"content": "a"}}]}, Finished("stop")),
    (CHAT, {**CHUNK, "choices": []}, CUT),
    (CHAT, CHUNK, CUT),
    (MESSAGES, {**CHUNK, "content": [{"type": "text", "text": "a"}]}, Finished("stop")),
    (MESSAGES, CHUNK, CUT),
]


@pytest.mark.parametrize(("codec", "reply", "end"), WHOLE_WITHOUT_REASON)
def test_a_whole_reply_needs_no_reason_for_its_end(
    codec: Codec, reply: dict[str, Any], end: Event
) -> None:
    body = json.dumps(reply).encode()
    assert parsed(codec.parser(is_stream=False), [body])[-1] == end


def begun(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    delta = {"type": kind, **delta}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stopped(reason: str, sequence: str | None = None) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return [{"type": "message_delta", "delta": delta}, {"type": "message_stop"}]


MESSAGE = {"type": "message_start", "message": CHUNK}
MESSAGES_STREAMS: list[tuple[bytes, list[Event]]] = [
    (sse(MESSAGE, *stopped("end_turn")), [START, Finished("stop")]),
    (sse(MESSAGE, {"type": "ping"}, *stopped("max_tokens")), [START, Finished("length")]),
    (sse(MESSAGE, *stopped("stop_sequence", "X")), [START, Finished("stop_sequence", "X")]),
    (sse(MESSAGE, *stopped("refusal")), [START, Finished("content_filter")]),
    (sse(MESSAGE, *stopped("model_context_window_exceeded")), [START, Finished("length")]),
    (sse(MESSAGE, *stopped("pause_turn")), [START, Finished("stop")]),
    (sse(MESSAGE, MESSAGE, *stopped("end_turn")), [START, Finished("stop")]),
    (sse(MESSAGE, stopped("end_turn")[0]), [START, Finished("stop")]),
    (sse(MESSAGE), [START, CUT]),
    (sse(MESSAGE, {"type": "message_stop"}), [START, Finished("stop")]),
    (sse({"type": "message_stop"}), [CUT]),
    (
        sse(
            MESSAGE,
            begun(0, type="text", text="a"),
            piece(0, "text_delta", text="b"),
            piece(0, "citations_delta", citation={}),
            {"type": "content_block_stop", "index": 0},
            *stopped("end_turn"),
        ),
        [START, Said("a"), Said("b"), Finished("stop")],
    ),
    (
        sse(
            MESSAGE,
            begun(0, type="fallback"),
            begun(1, type="server_tool_use", id="s", name="web_search", input={}),
            piece(1, "input_json_delta", partial_json="{}"),
            begun(2, type="tool_use", id="a", name="f", input={}),
            {"type": "content_block_stop", "index": 2},
            begun(3, type="tool_use", id="b", name="g", input={"x": 1}),
            *stopped("tool_use"),
        ),
        [
            START,
            Called("a", "f"),
            Argued("{}"),
            Called("b", "g"),
            Argued('{"x":1}'),
            Finished("tool_calls"),
        ],
    ),
    (
        sse(MESSAGE, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
        [START, Broken("overloaded_error", "m")],
    ),
]


@pytest.mark.parametrize(("stream", "events"), MESSAGES_STREAMS)
def test_a_stream_of_anthropics_is_read(stream: bytes, events: list[Event]) -> None:
    assert parsed(MESSAGES.parser(is_stream=True), [stream]) == events


USAGES = [
    (
        Usage(input=10, cache_read=3, cache_write_5m=2, cache_write_1h=1, output=7, reasoning=4),
        {"prompt_tokens": 16, "completion_tokens": 7, "total_tokens": 23},
        {"cached_tokens": 3, "cache_write_tokens": 3, "audio_tokens": 0},
        {"reasoning_tokens": 4, "audio_tokens": 0},
        {"input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 3}
        | {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 4}},
    ),
    (
        Usage(input=10, audio_in=5, image_in=2, output=7, audio_out=6, web_search=2),
        {"prompt_tokens": 17, "completion_tokens": 13, "total_tokens": 30},
        {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 5},
        {"reasoning_tokens": 0, "audio_tokens": 6},
        {"input_tokens": 17, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
        | {"output_tokens": 13, "output_tokens_details": {"thinking_tokens": 0}}
        | {"server_tool_use": {"web_search_requests": 2}},
    ),
]


@pytest.mark.parametrize(("usage", "sums", "prompt", "completion", "anthropic"), USAGES)
def test_usage_is_told_by_each_dialects_rule(
    usage: Usage, sums: Any, prompt: Any, completion: Any, anthropic: Any
) -> None:
    events = [*ANSWER, Counted(usage)]
    details = {"prompt_tokens_details": prompt, "completion_tokens_details": completion}
    chat = json.loads(told(CHAT.writer(asking(False)), events))
    assert chat["usage"] == {**sums, **details}
    message = json.loads(told(MESSAGES.writer(asking(False)), events))
    assert message["usage"] == anthropic


def test_a_reply_without_usage_says_none_in_chat() -> None:
    assert "usage" not in json.loads(told(CHAT.writer(asking(False)), ANSWER))


@pytest.mark.parametrize("name", sorted(CODECS))
def test_an_answer_without_its_end_is_told_as_an_error(name: str) -> None:
    reply = json.loads(told(CODECS[name].writer(asking(False)), ANSWER[:3]))
    assert CUT.message in reply["error"]["message"]
    streamed = told(CODECS[name].writer(asking(True)), ANSWER[:3])
    assert not streamed.endswith((b"[DONE]\n\n", b'{"type":"message_stop"}\n\n'))


ERRORS = [
    ("overloaded_error", "overloaded_error", "m"),
    ("", "api_error", "m"),
    ("server_busy", "api_error", "server_busy: m"),
]


@pytest.mark.parametrize(("code", "kind", "message"), ERRORS)
def test_an_error_is_told_with_a_type_that_anthropic_has(
    code: str, kind: str, message: str
) -> None:
    told_error = told(MESSAGES.writer(asking(True)), [Broken(code, "m"), Said("never")])
    name, data = told_error.splitlines()[:2]
    assert name == b"event: error"
    error = {"type": kind, "message": message}
    assert json.loads(data.removeprefix(b"data: ")) == {"type": "error", "error": error}


def test_a_whole_reply_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "REPLY_KEPT_MAX", 10)
    assert parsed(CHAT.parser(is_stream=False), [b"1234567890", b"1", b"2"]) == [TOO_LARGE]


def test_arguments_that_are_no_object_reach_a_client_of_chat_as_they_are() -> None:
    events: list[Event] = [Called("a", "f"), Argued("[1"), Finished("tool_calls")]
    chat = json.loads(told(CHAT.writer(asking(False)), events))
    function = chat["choices"][0]["message"]["tool_calls"][0]["function"]
    assert function == {"name": "f", "arguments": "[1"}
    message = json.loads(told(MESSAGES.writer(asking(False)), events))
    assert message["content"][0]["input"] is None


TWO_THOUGHTS: list[Event] = [
    Started("i", "m"),
    Thought("a"),
    Thought("b"),
    Thought(signature="s1", maker="anthropic"),
    Thought("c", "s2", maker="anthropic"),
    Thought(signature="s3", maker="anthropic"),
    Said("x"),
    Said("y"),
    Thought(redacted="r", maker="anthropic"),
    Thought(redacted="q", maker="anthropic"),
    Called("a", "f"),
    Argued("{}"),
    Thought("d", "s4", maker="anthropic"),
    Finished("stop"),
]


def test_a_thought_ends_with_its_seal() -> None:
    message = json.loads(told(MESSAGES.writer(asking(False)), TWO_THOUGHTS))
    thoughts = [
        {"type": "thinking", "thinking": "ab", "signature": "s1"},
        {"type": "thinking", "thinking": "c", "signature": "s2"},
        {"type": "thinking", "thinking": "", "signature": "s3"},
    ]
    assert message["content"][:3] == thoughts
    assert [block["type"] for block in message["content"][3:]] == [
        *("text", "redacted_thinking", "redacted_thinking", "tool_use", "thinking")
    ]
    streamed = told(MESSAGES.writer(asking(True)), TWO_THOUGHTS).decode()
    data = [json.loads(line[6:]) for line in streamed.split("\n") if line.startswith("data: ")]
    begun = [one["content_block"]["type"] for one in data if "content_block" in one]
    assert begun == [block["type"] for block in message["content"]]
    seals = [
        one["delta"]["signature"]
        for one in data
        if one.get("delta", {}).get("type") == "signature_delta"
    ]
    assert seals == ["s1", "s2", "s3", "s4"]


def test_a_thought_in_chat_has_the_number_of_its_place_in_the_turn() -> None:
    whole = json.loads(told(CHAT.writer(asking(False)), TWO_THOUGHTS))
    details = whole["choices"][0]["message"]["reasoning_details"]
    assert [detail["index"] for detail in details] == [0, 1, 2, 4, 5, 7]
    streamed = told(CHAT.writer(asking(True)), TWO_THOUGHTS).decode()
    data = [json.loads(line[6:]) for line in streamed.split("\n") if line.startswith("data: {")]
    deltas = [one["choices"][0]["delta"] for one in data if one["choices"]]
    indexes = [detail["index"] for delta in deltas for detail in delta.get("reasoning_details", ())]
    assert indexes == [0, 0, 0, 1, 2, 4, 5, 7]


def test_an_event_larger_than_others_are_passed_on_by_is_read() -> None:
    text = "x" * (EVENT_BYTES_MAX + 1)
    event = sse(chunk({"content": text}))
    chunks = [event[:-3], event[-3:], sse(STOP)]
    assert parsed(CHAT.parser(is_stream=True), chunks) == [START, Said(text), Finished("stop")]
