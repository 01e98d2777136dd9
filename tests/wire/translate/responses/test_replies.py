"""Replies in responses, read into events: whole, streamed, cut anywhere, and damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrycli.wire.dialect import Asking
from ferrycli.wire.translate import ordering
from ferrycli.wire.translate.parsing import CUT, UNREADABLE
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import (
    Argued,
    Broken,
    Called,
    Event,
    Finished,
    Refused,
    Said,
    Started,
    Thought,
)
from tests.wire.sizes import FEW, stride
from tests.wire.translate.responses.test_answers import REPLIES
from tests.wire.written import OBJECTS, RANDOMS, SCALARS, written

STARTED = Started("resp_1", "m")
TEXT = {"type": "output_text", "text": "Hello", "annotations": []}
MESSAGE = {"type": "message", "role": "assistant", "content": [TEXT]}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x":1}'}
OTHER_CALL = {"type": "function_call", "call_id": "d", "name": "g", "arguments": ""}
SUMMARY = [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]
THOUGHT = {"type": "reasoning", "summary": SUMMARY, "encrypted_content": "gAAA"}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed"}


def reply(*output: Any, **members: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "m", "status": "completed", "output": list(output), **members}


def parsed(body: bytes, *, is_stream: bool) -> list[Event]:
    parser = RESPONSES.parser(is_stream=is_stream)
    return [*parser.feed(body), *parser.finish()]


def of_whole(value: object) -> list[Event]:
    return parsed(json.dumps(value).encode(), is_stream=False)


def sse(*payloads: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {payload.get('type')}\ndata: {json.dumps(payload)}\n\n".encode()
        for payload in payloads
    )


def of_stream(*payloads: dict[str, Any]) -> list[Event]:
    return parsed(sse(CREATED, *payloads), is_stream=True)


CREATED = {"type": "response.created", "response": reply(status="in_progress")}
COMPLETED = {"type": "response.completed", "response": reply()}


def added(number: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": number, "item": item}


def done(number: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": number, "item": item}


def piece(kind: str, number: int, delta: str) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": number, "delta": delta}


WHOLE: list[tuple[dict[str, Any], list[Event]]] = [
    (reply(MESSAGE), [STARTED, Said("Hello"), Finished("stop")]),
    (reply(), [STARTED, Finished("stop")]),
    (
        reply(CALL, OTHER_CALL),
        [
            STARTED,
            Called("c", "f"),
            Argued('{"x":1}'),
            Called("d", "g"),
            Argued("{}"),
            Finished("tool_calls"),
        ],
    ),
    (
        reply(THOUGHT, SEARCH, MESSAGE),
        [
            STARTED,
            Thought("One.\n\nTwo."),
            Thought(signature="gAAA", maker="openai"),
            Said("Hello"),
            Finished("stop"),
        ],
    ),
    (
        reply({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]}),
        [STARTED, Thought("Hm."), Finished("stop")],
    ),
    (
        reply({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}),
        [STARTED, Refused("No."), Finished("stop")],
    ),
    (
        reply(MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        [STARTED, Said("Hello"), Finished("length")],
    ),
    (
        reply(status="incomplete", incomplete_details={"reason": "content_filter"}),
        [STARTED, Finished("content_filter")],
    ),
    (reply(status="incomplete", incomplete_details=None), [STARTED, Finished("length")]),
    (
        reply(status="failed", error={"code": "server_error", "message": "sorry"}),
        [Broken("server_error", "sorry")],
    ),
    (reply(status="cancelled"), [Broken("failed", "")]),
    ({"error": {"code": None, "type": "x", "message": "no"}}, [Broken("x", "no")]),
    (reply(status="in_progress"), [STARTED, CUT]),
    ({"id": "x"}, [UNREADABLE]),
    (reply({"type": "function_call", "call_id": "c"}), [STARTED, UNREADABLE]),
    (
        reply({"type": "function_call", "name": "f"}),
        [STARTED, Called("call_resp_1_1", "f"), Argued("{}"), Finished("tool_calls")],
    ),
    (reply(status=None, output=[None, 3, {"type": 7}]), [STARTED, Finished("stop")]),
]


@pytest.mark.parametrize(("body", "events"), WHOLE)
def test_a_whole_reply_is_read(body: dict[str, Any], events: list[Event]) -> None:
    assert of_whole(body) == events


STREAMS: list[tuple[list[dict[str, Any]], list[Event]]] = [
    (
        [
            added(0, {"type": "message"}),
            piece("output_text", 0, "Hel"),
            piece("output_text", 0, "lo"),
            done(0, MESSAGE),
            COMPLETED,
        ],
        [STARTED, Said("Hel"), Said("lo"), Finished("stop")],
    ),
    # No pieces: the text stands in the item's end, or only in the reply's.
    ([done(0, MESSAGE), COMPLETED], [STARTED, Said("Hello"), Finished("stop")]),
    (
        [{"type": "response.completed", "response": reply(MESSAGE, CALL)}],
        [
            STARTED,
            Said("Hello"),
            Called("c", "f"),
            Argued('{"x":1}'),
            Finished("tool_calls"),
        ],
    ),
    # The summary of a thought comes in parts, its seal with its end.
    (
        [
            added(0, {"type": "reasoning"}),
            {"type": "response.reasoning_summary_part.added", "output_index": 0},
            piece("reasoning_summary_text", 0, "One."),
            {"type": "response.reasoning_summary_part.added", "output_index": 0},
            piece("reasoning_summary_text", 0, "Two."),
            done(0, THOUGHT),
            done(0, THOUGHT),
            COMPLETED,
        ],
        [
            STARTED,
            Thought("One."),
            Thought("\n\n"),
            Thought("Two."),
            Thought(signature="gAAA", maker="openai"),
            Finished("stop"),
        ],
    ),
    (
        [piece("reasoning_text", 0, "Hm."), piece("refusal", 1, "No."), COMPLETED],
        [STARTED, Thought("Hm."), Refused("No."), Finished("stop")],
    ),
    # Some servers tell a thought and its summary both.
    (
        [
            piece("reasoning_text", 0, "Hm."),
            piece("reasoning_summary_text", 0, "He thinks."),
            piece("reasoning_text", 0, " So."),
            COMPLETED,
        ],
        [STARTED, Thought("Hm."), Thought(" So."), Finished("stop")],
    ),
    # Two calls whose arguments come mixed are told one after the other.
    (
        [
            added(0, {**CALL, "arguments": ""}),
            added(1, {**CALL, "call_id": "d", "arguments": ""}),
            piece("function_call_arguments", 1, "[1]"),
            piece("function_call_arguments", 0, '{"x"'),
            done(1, {**CALL, "call_id": "d"}),
            added(2, SEARCH),
            piece("function_call_arguments", 0, ":1}"),
            done(0, CALL),
            COMPLETED,
        ],
        [
            STARTED,
            Called("c", "f"),
            Argued('{"x"'),
            Argued(":1}"),
            Called("d", "f"),
            Argued("[1]"),
            Finished("tool_calls"),
        ],
    ),
    # Pieces of a call that nothing has begun are nobody's.
    ([piece("function_call_arguments", 0, "{}"), COMPLETED], [STARTED, Finished("stop")]),
    ([{"type": "response.queued", "response": reply()}], [STARTED, CUT]),
    ([done(0, MESSAGE)], [STARTED, Said("Hello"), CUT]),
    (
        [{"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, COMPLETED],
        [STARTED, Broken("rate_limit_exceeded", "slow")],
    ),
    (
        [{"type": "error", "error": {"type": "overloaded", "message": "busy"}}],
        [STARTED, Broken("overloaded", "busy")],
    ),
    ([{"error": {"message": "plain"}}], [STARTED, Broken("", "plain")]),
    (
        [{"type": "response.failed", "response": reply(error={"code": "c", "message": "m"})}],
        [STARTED, Broken("c", "m")],
    ),
    ([{"type": "response.cancelled", "response": reply()}], [STARTED, Broken("cancelled", "")]),
    ([{"type": "response.unheard_of"}, COMPLETED], [STARTED, Finished("stop")]),
    ([COMPLETED, done(0, MESSAGE), COMPLETED], [STARTED, Finished("stop")]),
]


@pytest.mark.parametrize(("payloads", "events"), STREAMS)
def test_a_stream_is_read(payloads: list[dict[str, Any]], events: list[Event]) -> None:
    assert of_stream(*payloads) == events


def test_a_stream_that_says_nothing_of_its_reply_is_read_as_well() -> None:
    events = [Started("", ""), Said("x"), Finished("stop")]
    stream = sse(piece("output_text", 0, "x"), {"type": "response.completed"})
    assert parsed(stream, is_stream=True) == events


def test_a_stream_that_is_marked_as_done_has_ended() -> None:
    stream = sse(CREATED, piece("output_text", 0, "x")) + b"data: [DONE]\n\n"
    assert parsed(stream, is_stream=True) == [STARTED, Said("x"), Finished("stop")]
    assert parsed(b"data: [DONE]\n\n", is_stream=True) == [CUT]


@pytest.mark.parametrize("extra", [0, 1])
def test_no_more_is_held_back_than_may_be(extra: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "HELD_EVENTS_MAX", 100)
    held = [piece("output_text", 1, "x")] * (100 + extra)
    events = of_stream(piece("output_text", 0, "y"), *held, COMPLETED)
    assert (events[-1] == UNREADABLE) == bool(extra)


# There and back -------------------------------------------------------------------------------


def joined(events: Sequence[Event]) -> list[Event]:
    """Pieces of one thing put together, as far as they were told as one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Said) and isinstance(last, Said):
            found[-1] = Said(last.text + event.text)
        elif isinstance(event, Argued) and isinstance(last, Argued):
            found[-1] = Argued(last.json + event.json)
        elif isinstance(event, Refused) and isinstance(last, Refused):
            found[-1] = Refused(last.text + event.text)
        elif isinstance(event, Thought) and isinstance(last, Thought) and not event.redacted:
            is_over = bool(last.redacted or last.signature)
            both = Thought(last.text + event.text, event.signature, maker=event.maker)
            found[len(found) - 1 + is_over :] = [event if is_over else both]
        else:
            found.append(event)
    return found


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
THOUGHTS = (
    st.builds(Thought, WORDS)
    | st.builds(Thought, WORDS, WORDS)
    | st.builds(Thought, redacted=WORDS)
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = [Started("resp_x", draw(WORDS))]
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["said", "refused", "thought", "called"]))
        if kind == "called":
            events.append(Called(f"call_{number}", draw(WORDS), draw(st.just("") | WORDS)))
            events += [Argued(one) for one in draw(st.lists(WORDS, min_size=1, max_size=3))]
        elif kind == "thought":
            events.append(draw(THOUGHTS))
        else:
            events.append(Said(draw(WORDS)) if kind == "said" else Refused(draw(WORDS)))
    has_calls = any(isinstance(event, Called) for event in events)
    whole: Finished = Finished("tool_calls" if has_calls else "stop")
    end = st.just(whole) | st.sampled_from([Finished("length"), Finished("content_filter")])
    return [*events, draw(end)]


@pytest.mark.parametrize("is_stream", [False, True])
@FEW
@given(events=answers())
def test_what_is_written_is_read_again(is_stream: bool, events: list[Event]) -> None:
    writer = RESPONSES.writer(Asking("m", is_stream))
    body = writer.write(events) + writer.finish()
    assert joined(parsed(body, is_stream=is_stream)) == joined(events)


@pytest.mark.parametrize("name", ["broken", "thoughts", "tools"])
def test_a_stream_cut_anywhere_gives_the_same_events(name: str) -> None:
    writer = RESPONSES.writer(Asking("m", True))
    body = writer.write(REPLIES[name]) + writer.finish()
    events = parsed(body, is_stream=True)
    for at in range(0, len(body), stride(body)):
        parser = RESPONSES.parser(is_stream=True)
        assert [*parser.feed(body[:at]), *parser.feed(body[at:]), *parser.finish()] == events
    parser = RESPONSES.parser(is_stream=True)
    single = [one for at in range(len(body)) for one in parser.feed(body[at : at + 1])]
    assert [*single, *parser.finish()] == events


# Anything -------------------------------------------------------------------------------------


def read(body: bytes) -> None:
    """Every event that comes of `body` can be told to a client, and nothing is raised."""
    for is_stream in (False, True):
        events = parsed(body, is_stream=is_stream)
        for is_answer_streamed in (False, True):
            writer = RESPONSES.writer(Asking("m", is_answer_streamed))
            assert writer.write(events) + writer.finish()


@given(st.binary(max_size=200))
@example(b"data: " + b"[" * 100_000 + b"\n\n")
@example(b'data: {"type":"response.output_item.done","item":{"type":"message"}}\n\n')
@example(b'{"output":[{"type":"message","content":[{"text":"\\ud800"}]}],"id":"\\udfff"}')
def test_any_bytes_are_read(body: bytes) -> None:
    read(body)


KINDS = sorted(
    {
        "error",
        *(
            str(payload["type"])
            for payloads, _ in STREAMS
            for payload in payloads
            if "type" in payload
        ),
    }
)


@FEW
@given(st.lists(st.tuples(st.sampled_from(KINDS), OBJECTS, SCALARS), max_size=3), RANDOMS)
def test_any_events_are_read(drawn: list[Any], random: Any) -> None:
    stream = b""
    for kind, members, scalar in drawn:
        item = {**members, "type": random.choice(["message", "reasoning", "function_call", scalar])}
        output = {"output": [item, scalar], "status": random.choice(["incomplete", scalar])}
        payload = {**members, "type": kind, "item": item, "response": output, "delta": "x"}
        payload["output_index"] = random.choice([0, 1, scalar])
        body = b" ".join(written(payload, random).splitlines())
        stream += b"data: " + body + b"\n\n"
    read(stream)
    read(written({"output": [one for one, *_ in drawn]}, random))
