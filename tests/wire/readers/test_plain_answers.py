"""What a reply teaches: whether its characters are the answer's own, and which are counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ferrycli.wire.dialect import Reader
from ferrycli.wire.frames import frame
from ferrycli.wire.readers import chat, converse, gemini, messages, responses
from ferrycli.wire.readers.bodies import BODY_KEPT_MAX
from ferrycli.wire.sse import EVENT_BYTES_MAX

Json = dict[str, Any]
SAID = "It is 21 °C in Rome."


def _chat(**message: Any) -> Json:
    return {"choices": [{"index": 0, "message": message, "delta": message}]}


def _block(**block: Any) -> Json:
    return {"content": [block]}


def _gemini(**part: Any) -> Json:
    return {"candidates": [{"content": {"role": "model", "parts": [part]}}]}


def _converse(**block: Any) -> Json:
    return {"output": {"message": {"role": "assistant", "content": [block]}}}


def _item(**item: Any) -> Json:
    return {"output": [item], "tools": [{"type": "function", "name": "f"}]}


TEXT = {"type": "output_text", "text": SAID}
WHOLE: list[tuple[Callable[[], Reader], Json, bool]] = [
    (chat.whole, _chat(content=SAID, reasoning=None, tool_calls=None), True),
    (chat.whole, _chat(content='say "reasoning": "x" again'), True),
    (chat.whole, _chat(content=SAID, reasoning_content="hm"), False),
    (chat.whole, _chat(content=SAID, reasoning="hm"), False),
    (chat.whole, _chat(tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]), False),
    (messages.whole, _block(type="text", text=SAID), True),
    (messages.whole, _block(type="thinking", thinking="hm", signature="x"), False),
    (messages.whole, _block(type="tool_use", name="f", input={"a": 1}), False),
    (messages.whole, _block(type="server_tool_use", name="f", input={"a": 1}), False),
    (gemini.whole, _gemini(text=SAID), True),
    (gemini.whole, _gemini(text=SAID, thoughtSignature="x"), True),
    (gemini.whole, _gemini(text=SAID, thought=True), False),
    (gemini.whole, _gemini(functionCall={"name": "f", "args": {"a": 1}}), False),
    (converse.whole, _converse(text=SAID), True),
    (converse.whole, _converse(reasoningContent={"reasoningText": {"text": "hm"}}), False),
    (converse.whole, _converse(toolUse={"name": "f", "input": {"a": 1}}), False),
    (responses.whole, _item(type="message", content=[TEXT]), True),
    (responses.whole, _item(type="function_call", arguments="{}"), False),
    (
        responses.whole,
        _item(type="reasoning", summary=[{"type": "summary_text", "text": "hm"}]),
        False,
    ),
]


@pytest.mark.parametrize(("whole", "body", "is_plain"), WHOLE)
def test_thoughts_and_tools_are_not_the_answers_own_text(
    whole: Callable[[], Reader], body: Json, is_plain: bool
) -> None:
    reader = whole()
    reader.feed(json.dumps(body).encode())
    reader.finish()
    reading = reader.reading()
    assert reading.characters > 0
    assert reading.is_plain == is_plain


def _events(*events: Json) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)


def _frames(*events: Json) -> bytes:
    return b"".join(frame("contentBlockDelta", json.dumps(one).encode()) for one in events)


TEXT_DELTA = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": SAID}}
THINKS = {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}}
ASKS = {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}}
HIDES = {"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": "x"}}
STREAMS: list[tuple[Callable[[bool], Reader], bytes, bool]] = [
    (chat.stream, _events(_chat(content="It "), _chat(content="is")), True),
    (chat.stream, _events(_chat(reasoning="hm"), _chat(content="It is")), False),
    (chat.stream, _events(_chat(content="It is"), _chat(reasoning="hm")), False),
    (messages.stream, _events(TEXT_DELTA), True),
    (messages.stream, _events(THINKS, TEXT_DELTA), False),
    (messages.stream, _events(HIDES, TEXT_DELTA), False),
    (messages.stream, _events(TEXT_DELTA, ASKS), False),
    (gemini.stream, _events(_gemini(text=SAID), _gemini(text=SAID)), True),
    (gemini.stream, _events(_gemini(text=SAID), _gemini(inlineData={"data": "x"})), False),
    (converse.stream, _frames({"delta": {"text": SAID}}), True),
    (converse.stream, _frames({"delta": {"reasoningContent": {"text": SAID}}}), False),
    (converse.stream, _frames({"delta": {"toolUse": {"input": "{}"}}}), False),
    (responses.stream, _events({"type": "response.output_text.delta", "delta": SAID}), True),
    (
        responses.stream,
        _events({"type": "response.reasoning_summary_text.delta", "delta": SAID}),
        False,
    ),
    (
        responses.stream,
        _events({"type": "response.function_call_arguments.delta", "delta": "{}"}),
        False,
    ),
]


@pytest.mark.parametrize(("stream", "said", "is_plain"), STREAMS)
def test_a_stream_that_shows_more_than_the_answer_is_not_plain(
    stream: Callable[[bool], Reader], said: bytes, is_plain: bool
) -> None:
    reader = stream(False)
    reader.feed(said)
    assert reader.reading().is_plain == is_plain


def test_what_is_too_long_to_be_looked_at_is_not_plain() -> None:
    long = chat.whole()
    long.feed(json.dumps(_chat(content="x" * BODY_KEPT_MAX)).encode())
    long.finish()
    event = chat.stream(False)
    said = _events(_chat(content="x" * EVENT_BYTES_MAX))
    for piece in (said[:-9], said[-9:]):
        event.feed(piece)
    assert (long.reading().is_plain, event.reading().is_plain) == (False, False)
    assert min(long.reading().characters, event.reading().characters) > EVENT_BYTES_MAX


def test_reply_of_nothing_is_not_plain() -> None:
    assert not chat.stream(False).reading().is_plain


def _counting(output: int, text: str) -> Json:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": output}
    return {**_gemini(text=text), "usageMetadata": usage}


def test_what_is_counted_on_the_way_is_known() -> None:
    reader = gemini.stream(False)
    reader.feed(_events(_counting(3, "one two three")))
    reader.feed(_events(_counting(5, " four five")))
    reading = reader.reading()
    assert (reading.characters, reading.characters_counted) == (23, 23)
    reader.feed(_events(_gemini(text=" six")))
    reading = reader.reading()
    assert (reading.characters, reading.characters_counted) == (27, 23)


def test_placeholder_of_a_start_counts_no_text() -> None:
    reader = messages.stream(False)
    usage = {"input_tokens": 7, "output_tokens": 1}
    reader.feed(_events({"type": "message_start", "message": {"usage": usage}}, TEXT_DELTA))
    assert reader.reading().characters_counted == 0
    reader.feed(_events({"type": "message_delta", "usage": {"output_tokens": 9}}))
    reading = reader.reading()
    assert reading.characters_counted == reading.characters > 0


def test_report_that_cannot_be_counts_no_text() -> None:
    reader = gemini.stream(False)
    reader.feed(_events(_counting(3, "one two three")))
    reader.feed(b'data: {"usageMetadata": {"promptTokenCount": 7, "candid\n\n')
    reading = reader.reading()
    assert (reading.usage, reading.characters_counted) == (None, 0)
