"""Converse's replies: what is read out of them, cut anywhere, and what its clients are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking
from ferrycli.wire.frames import FrameSplitter, frame
from ferrycli.wire.readers import converse
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.parsing import CUT, UNREADABLE
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

STARTED = Started("", "")
USAGE = Usage(input=6, cache_read=3, cache_write_5m=2, cache_write_1h=1, output=7)
USAGE_TOLD = {
    "inputTokens": 6,
    "outputTokens": 7,
    "totalTokens": 19,
    "cacheReadInputTokens": 3,
    "cacheWriteInputTokens": 3,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 2}, {"ttl": "1h", "inputTokens": 1}],
}


def framed(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(frame(kind, json.dumps(payload).encode()) for kind, payload in events)


def delta(index: int, said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": said, "p": "abc"}


def started(index: int, **call: str) -> tuple[str, dict[str, Any]]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": call}}


def stopped(index: int) -> tuple[str, dict[str, Any]]:
    return "contentBlockStop", {"contentBlockIndex": index}


START = ("messageStart", {"role": "assistant"})


def of_whole(*blocks: dict[str, Any], stop: str = "end_turn") -> list[Event]:
    message = {"role": "assistant", "content": list(blocks)}
    body = {"output": {"message": message}, "stopReason": stop, "usage": USAGE_TOLD}
    return parsed(CONVERSE.parser(is_stream=False), [json.dumps(body).encode()])


def of_stream(*events: tuple[str, dict[str, Any]], stop: str = "end_turn") -> list[Event]:
    whole = framed(START, *events, ("messageStop", {"stopReason": stop}))
    return parsed(CONVERSE.parser(is_stream=True), [whole])


def write(events: Sequence[Event], *, is_stream: bool) -> bytes:
    return told(CONVERSE.writer(Asking("asked", is_stream)), events)


def frames_of(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    splitter = FrameSplitter()
    found = [(one.kind, json.loads(one.payload)) for one in splitter.feed(data)]
    assert splitter.flush() == b""
    return found


WHOLE: list[tuple[dict[str, Any], list[Event]]] = [
    ({"text": "hi"}, [Said("hi")]),
    (
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        [Thought("hm", "c2ln", maker="anthropic")],
    ),
    (
        {"reasoningContent": {"redactedContent": "aGk="}},
        [Thought(redacted="aGk=", maker="anthropic")],
    ),
    (
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
        [Called("c1", "f"), Argued('{"a":1}')],
    ),
    (
        {"citationsContent": {"content": [{"text": "so"}], "citations": [{"title": "x"}]}},
        [Said("so")],
    ),
    ({"text": 1}, []),
    ({}, []),
]


@pytest.mark.parametrize(("block", "wanted"), WHOLE)
def test_a_block_of_a_whole_reply_is_read(block: dict[str, Any], wanted: list[Event]) -> None:
    assert of_whole(block) == [STARTED, *wanted, Finished("stop")]


STREAMED: list[tuple[list[tuple[str, dict[str, Any]]], list[Event]]] = [
    ([delta(0, {"text": "he"}), delta(0, {"text": "y"}), stopped(0)], [Said("he"), Said("y")]),
    (
        [
            delta(0, {"reasoningContent": {"text": "hm"}}),
            delta(0, {"reasoningContent": {"signature": "c2ln"}}),
            stopped(0),
            delta(1, {"reasoningContent": {"redactedContent": "aGk="}}),
            stopped(1),
        ],
        [
            Thought("hm"),
            Thought(signature="c2ln", maker="anthropic"),
            Thought(redacted="aGk=", maker="anthropic"),
        ],
    ),
    (
        [
            started(1, toolUseId="c1", name="f"),
            delta(1, {"toolUse": {"input": '{"a":'}}),
            delta(1, {"toolUse": {"input": "1}"}}),
            stopped(1),
            started(2, toolUseId="c2", name="g"),
            delta(2, {"toolUse": {"input": ""}}),
            stopped(2),
        ],
        [Called("c1", "f"), Argued('{"a":'), Argued("1}"), Called("c2", "g"), Argued("{}")],
    ),
    ([delta(0, {"citation": {"title": "x"}}), ("soon", {"new": 1})], []),
]


@pytest.mark.parametrize(("events", "wanted"), STREAMED)
def test_frames_are_read(events: list[tuple[str, dict[str, Any]]], wanted: list[Event]) -> None:
    assert of_stream(*events) == [STARTED, *wanted, Finished("stop")]


REASONS: dict[str, Event] = {
    "end_turn": Finished("stop"),
    "tool_use": Finished("tool_calls"),
    "max_tokens": Finished("length"),
    "model_context_window_exceeded": Finished("length"),
    "stop_sequence": Finished("stop_sequence"),
    "guardrail_intervened": Finished("content_filter"),
    "content_filtered": Finished("content_filter"),
    "malformed_tool_use": Broken("malformed_tool_use", "the model ended with malformed_tool_use"),
    "what_is_new": Finished("stop"),
    "": CUT,
}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_why_the_model_ended_is_read(reason: str) -> None:
    assert of_whole(stop=reason)[-1] == of_stream(stop=reason)[-1] == REASONS[reason]


def test_an_exception_frame_ends_a_stream() -> None:
    said = framed(START, delta(0, {"text": "hi"}))
    thrown = frame("throttlingException", b'{"message":"slow down"}', message_type="exception")
    found = parsed(
        CONVERSE.parser(is_stream=True), [said + thrown + framed(delta(0, {"text": "x"}))]
    )
    assert found == [STARTED, Said("hi"), Broken("throttlingException", "slow down")]


OWN = ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "1", "type": "server_tool_use"}}})
IMAGE = {"image": {"format": "png", "source": {"bytes": "aGk="}}}


def test_what_only_converse_has_is_broken() -> None:
    for found in (
        of_stream(OWN),
        of_stream(("contentBlockStart", {"start": {"toolResult": {"toolUseId": "1"}}})),
        of_stream(("contentBlockStart", {"start": {"image": {"format": "png"}}})),
        of_stream(delta(0, IMAGE)),
        of_whole(IMAGE),
        of_whole({"toolUse": {"toolUseId": "1", "type": "server_tool_use"}}),
    ):
        assert isinstance(found[-1], Broken)
        assert found[-1].code == "not_translatable"


def test_what_is_no_reply_is_broken() -> None:
    for body in (b"", b"[]", b"{", b'{"a":"\xff"}', b"[" * 100_000):
        assert parsed(CONVERSE.parser(is_stream=False), [body]) == [UNREADABLE]
        chunks = [frame("contentBlockDelta", body)]
        assert parsed(CONVERSE.parser(is_stream=True), chunks) == [UNREADABLE]
    error = b'{"message":"no"}'
    assert parsed(CONVERSE.parser(is_stream=False), [error]) == [Broken("error", "no")]


CUT_STREAM = framed(
    START,
    delta(0, {"reasoningContent": {"text": "hm…"}}),
    stopped(0),
    delta(1, {"text": "hällo"}),
    stopped(1),
    started(2, toolUseId="c1", name="f"),
    delta(2, {"toolUse": {"input": "{}"}}),
    stopped(2),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": USAGE_TOLD}),
)


def test_a_stream_cut_at_every_byte_says_the_same() -> None:
    wanted = parsed(CONVERSE.parser(is_stream=True), [CUT_STREAM])
    assert wanted == [
        STARTED,
        Thought("hm…"),
        Said("hällo"),
        Called("c1", "f"),
        Argued("{}"),
        Finished("tool_calls"),
    ]
    for at in range(len(CUT_STREAM)):
        pieces = [CUT_STREAM[:at], CUT_STREAM[at:]]
        assert parsed(CONVERSE.parser(is_stream=True), pieces) == wanted, at
    bytewise = [CUT_STREAM[at : at + 1] for at in range(len(CUT_STREAM))]
    assert parsed(CONVERSE.parser(is_stream=True), bytewise) == wanted


SNIPPETS = st.sampled_from(
    [
        framed(START),
        framed(delta(0, {"text": []})),
        frame("contentBlockDelta", b'{"delta":7}'),
        frame("contentBlockStart", b'{"start":{"toolUse":{"name":[]}}}'),
        frame("messageStop", b'{"stopReason":{}}'),
        frame("modelStreamErrorException", b"[]", message_type="exception"),
        b'{"output":{"message":{"content":[1,{"toolUse":{"input":3}}]}}}',
        CUT_STREAM[:50],
    ]
)


@given(st.lists(st.binary(max_size=20) | SNIPPETS, max_size=8), st.booleans())
def test_arbitrary_bytes_never_raise(chunks: list[bytes], is_stream: bool) -> None:
    events = parsed(CONVERSE.parser(is_stream=is_stream), chunks)
    assert sum(isinstance(one, Broken | Finished) for one in events) == 1


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@FEW
@given(events=answers())
def test_what_is_told_is_read_again(is_stream: bool, events: list[Event]) -> None:
    again = parsed(CONVERSE.parser(is_stream=is_stream), [write(events, is_stream=is_stream)])
    wanted, found = known(events), known(again)
    # A reply of Converse's names neither itself nor its model.
    assert found[:2] == ("", "")
    assert _shown(found[2]) == _shown(wanted[2])
    assert found[3:] == wanted[3:]


def _shown(parts: object) -> list[object]:
    """The parts, with arguments as what they mean; a whole reply writes JSON anew."""
    assert isinstance(parts, list)
    return [
        (part.id, part.name, json.loads(part.arguments or "{}"))
        if hasattr(part, "arguments")
        else part
        for part in parts
    ]


def test_a_stream_is_frames_in_blocks() -> None:
    events: list[Event] = [
        STARTED,
        Thought("hm"),
        Thought(signature="c2ln", maker="anthropic"),
        Thought(redacted="aGk=", maker="anthropic"),
        Said("he"),
        Refused("y"),
        Called("c1", "f"),
        Argued('{"a":'),
        Argued("1}"),
        Called("c2", "g"),
        Finished("tool_calls"),
        Counted(USAGE),
    ]
    found = frames_of(write(events, is_stream=True))
    for _, payload in found:
        payload.pop("p", None)

    def plain(index: int, said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "contentBlockDelta", {"delta": said, "contentBlockIndex": index}

    assert found == [
        START,
        plain(0, {"reasoningContent": {"text": "hm"}}),
        plain(0, {"reasoningContent": {"signature": "c2ln"}}),
        stopped(0),
        plain(1, {"reasoningContent": {"redactedContent": "aGk="}}),
        stopped(1),
        plain(2, {"text": "he"}),
        plain(2, {"text": "y"}),
        stopped(2),
        started(3, toolUseId="c1", name="f"),
        plain(3, {"toolUse": {"input": '{"a":'}}),
        plain(3, {"toolUse": {"input": "1}"}}),
        stopped(3),
        started(4, toolUseId="c2", name="g"),
        stopped(4),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": USAGE_TOLD, "metrics": {"latencyMs": 0}}),
    ]


def test_a_whole_reply_is_one_object() -> None:
    events: list[Event] = [STARTED, Said("hi"), Finished("length"), Counted(USAGE)]
    assert json.loads(write(events, is_stream=False)) == {
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "stopReason": "max_tokens",
        "usage": USAGE_TOLD,
        "metrics": {"latencyMs": 0},
    }


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_the_usage_that_is_told_is_read_as_it_was(is_stream: bool) -> None:
    reader = converse.stream(False) if is_stream else converse.whole()
    reader.feed(write([STARTED, Finished("stop"), Counted(USAGE)], is_stream=is_stream))
    reader.finish()
    assert reader.reading().usage == USAGE


def test_arguments_that_are_no_object_are_a_malformed_call() -> None:
    events: list[Event] = [STARTED, Called("c", "f"), Argued('{"a":'), Finished("tool_calls")]
    body = json.loads(write(events, is_stream=False))
    assert body["stopReason"] == "malformed_tool_use"
    cut = json.loads(write([*events[:-1], Finished("length")], is_stream=False))
    assert cut["stopReason"] == "max_tokens"


def test_an_error_is_told_as_bedrocks() -> None:
    events: list[Event] = [STARTED, Said("hi"), Broken("throttlingException", "slow"), Said("x")]
    assert json.loads(write(events, is_stream=False)) == {"message": "slow"}
    found = frames_of(write(events, is_stream=True))
    assert found[-1] == ("throttlingException", {"message": "slow"})
    other = frames_of(write([Broken("overloaded", "busy")], is_stream=True))
    assert other == [("internalServerException", {"message": "busy"})]


def test_a_reply_that_breaks_off_is_told_as_an_error() -> None:
    assert json.loads(write([STARTED, Said("hi")], is_stream=False)) == {"message": CUT.message}
    found = frames_of(write([STARTED, Said("hi")], is_stream=True))
    assert found[-1] == ("internalServerException", {"message": CUT.message})
