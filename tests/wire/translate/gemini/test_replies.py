"""Gemini's replies: what is read out of them, cut anywhere, and what its clients are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Asking, Place
from ferrycli.wire.readers import gemini
from ferrycli.wire.translate.gemini.codec import GEMINI
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
    Text,
    Thinking,
    Thought,
)
from tests.wire.sizes import FEW
from tests.wire.translate.replies import answers, known, parsed, told

STARTED = Started("r1", "gemini-3-pro")
HEAD = {"responseId": "r1", "modelVersion": "gemini-3-pro"}
USAGE = Usage(input=6, cache_read=3, audio_in=1, output=7, reasoning=4)
USAGE_TOLD = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 3,
    "totalTokenCount": 17,
    "cachedContentTokenCount": 3,
    "thoughtsTokenCount": 4,
}


def chunk(*parts: dict[str, Any], finish: str = "", **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **HEAD, **more}


def stream(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in chunks)


def of_whole(body: object) -> list[Event]:
    return parsed(GEMINI.parser(is_stream=False), [json.dumps(body).encode()])


def of_stream(*chunks: object) -> list[Event]:
    return parsed(GEMINI.parser(is_stream=True), [stream(*chunks)])


def write(events: Sequence[Event], *, is_stream: bool) -> bytes:
    asking = Asking("gemini-asked", is_stream, id="own-id")
    return told(GEMINI.writer(asking), events)


def chunks_of(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\r\n\r\n") or not data
    return [json.loads(one.removeprefix(b"data: ")) for one in data.split(b"\r\n\r\n")[:-1]]


REPLIES: list[tuple[dict[str, Any], list[Event]]] = [
    (chunk({"text": "hi"}, finish="STOP"), [Said("hi"), Finished("stop")]),
    (
        chunk({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, finish="STOP"),
        [Thought("hm", "c2ln", maker="google"), Finished("stop")],
    ),
    (
        chunk({"text": "hi", "thoughtSignature": "c2ln"}, finish="STOP"),
        [Said("hi"), Thought(signature="c2ln", maker="google"), Finished("stop")],
    ),
    (
        chunk(
            {
                "functionCall": {"id": "c1", "name": "f", "args": {"a": 1}},
                "thoughtSignature": "c2ln",
            },
            {"functionCall": {"id": "c2", "name": "g"}},
            finish="STOP",
        ),
        [
            Called("c1", "f", "c2ln"),
            Argued('{"a":1}'),
            Called("c2", "g"),
            Argued("{}"),
            Finished("tool_calls"),
        ],
    ),
    (chunk({"text": "hi"}, finish="MAX_TOKENS"), [Said("hi"), Finished("length")]),
    (chunk(finish="SAFETY"), [Finished("content_filter")]),
    (chunk(finish="PROHIBITED_CONTENT"), [Finished("content_filter")]),
    (chunk(finish="OTHER"), [Finished("stop")]),
    (
        chunk(finish="MALFORMED_FUNCTION_CALL"),
        [Broken("malformed_function_call", "the model ended with MALFORMED_FUNCTION_CALL")],
    ),
    ({**HEAD, "promptFeedback": {"blockReason": "SAFETY"}}, [Finished("content_filter")]),
    (chunk({"text": "hi"}), [Said("hi"), CUT]),
    (
        chunk({"inlineData": {"mimeType": "image/png", "data": "aGk="}}, finish="STOP"),
        [Broken("not_translatable", "the reply holds a file, which is Gemini's own")],
    ),
    # What is oddly typed says nothing.
    (
        chunk({"text": 1}, {"functionCall": 2, "text": "x"}, finish="STOP"),
        [Called("", ""), Argued("{}"), Finished("tool_calls")],
    ),
]


@pytest.mark.parametrize(("reply", "wanted"), REPLIES)
def test_a_reply_says_the_same_whole_and_in_a_stream(
    reply: dict[str, Any], wanted: list[Event]
) -> None:
    def without_made_ids(events: list[Event]) -> list[Event]:
        return [
            Called("", one.name, one.signature)
            if isinstance(one, Called) and one.id.startswith("call_")
            else one
            for one in events
        ]

    assert without_made_ids(of_whole(reply)) == [STARTED, *wanted]
    assert without_made_ids(of_stream(reply)) == [STARTED, *wanted]


def test_only_the_first_candidate_is_read() -> None:
    second = {"content": {"parts": [{"text": "no"}]}, "index": 1, "finishReason": "SAFETY"}
    reply = chunk({"text": "hi"}, finish="STOP")
    reply["candidates"].append(second)
    assert of_whole(reply) == [STARTED, Said("hi"), Finished("stop")]


def test_a_call_without_an_id_has_the_same_one_each_time() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    reply = chunk(call, call, finish="STOP")
    first, second = [one for one in of_whole(reply) if isinstance(one, Called)]
    assert first.id.startswith("call_")
    assert first.id != second.id
    assert of_stream(reply) == of_whole(reply)


ERRORS: list[tuple[dict[str, Any], Broken]] = [
    (
        {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
        Broken("UNAVAILABLE", "busy"),
    ),
    ({"error": {"code": 500}}, Broken("500", "")),
    ({"error": "no"}, Broken("error", "")),
]


@pytest.mark.parametrize(("body", "broken"), ERRORS)
def test_an_error_inside_a_reply_ends_it(body: dict[str, Any], broken: Broken) -> None:
    assert of_whole(body) == [broken]
    said = chunk({"text": "hi"})
    assert of_stream(said, body, said) == [STARTED, Said("hi"), broken]


def test_the_end_is_told_after_chunks_that_follow_the_reason() -> None:
    found = of_stream(chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}), {})
    assert found == [STARTED, Said("a"), Said("b"), Finished("stop")]


CUT_STREAM = stream(
    chunk({"text": "thinking…", "thought": True}),
    chunk({"text": "hällo \u2028"}, {"text": "", "thoughtSignature": "c2ln"}),
    chunk({"functionCall": {"name": "f", "args": {"a": "\n"}}}),
    chunk({"text": ""}, finish="STOP", usageMetadata=USAGE_TOLD),
)


def test_a_stream_cut_at_every_byte_says_the_same() -> None:
    wanted = parsed(GEMINI.parser(is_stream=True), [CUT_STREAM])
    assert [type(one) for one in wanted] == [
        Started,
        Thought,
        Said,
        Thought,
        Called,
        Argued,
        Finished,
    ]
    for at in range(len(CUT_STREAM)):
        pieces = [CUT_STREAM[:at], CUT_STREAM[at:]]
        assert parsed(GEMINI.parser(is_stream=True), pieces) == wanted, at
    bytewise = [CUT_STREAM[at : at + 1] for at in range(len(CUT_STREAM))]
    assert parsed(GEMINI.parser(is_stream=True), bytewise) == wanted


def test_what_is_no_reply_is_broken() -> None:
    for body in (b"", b"null", b"[1]", b"{", b'{"a":"\xff"}', b"[" * 100_000):
        assert parsed(GEMINI.parser(is_stream=False), [body]) == [UNREADABLE], body
        lines = [b"data: " + body + b"\n\n"]
        wanted = [UNREADABLE] if body else [CUT]
        assert parsed(GEMINI.parser(is_stream=True), lines) == wanted, body


SNIPPETS = st.sampled_from(
    [
        b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]}}]}\r\n\r\n',
        b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"args":[]}}]}}]}\n\n',
        b'data: {"candidates":[{"content":[],"finishReason":{}}]}\n\n',
        b'data: {"candidates":{"a":1},"usageMetadata":[],"promptFeedback":3}\n\n',
        b'data: {"error":{}}\n\n',
        b"data: [DONE]\n\n",
        b"data",
        b"\r\n",
    ]
)


@given(st.lists(st.binary(max_size=20) | SNIPPETS, max_size=8), st.booleans())
def test_arbitrary_bytes_never_raise(chunks: list[bytes], is_stream: bool) -> None:
    events = parsed(GEMINI.parser(is_stream=is_stream), chunks)
    assert isinstance(events[-1], Broken | Finished)
    assert sum(isinstance(one, Broken | Finished) for one in events) == 1


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@FEW
@given(events=answers())
def test_what_is_told_is_read_again(is_stream: bool, events: list[Event]) -> None:
    """But for sealed thoughts, which are signatures."""
    plain = [one for one in events if not (isinstance(one, Thought) and one.redacted)]
    again = parsed(GEMINI.parser(is_stream=is_stream), [write(plain, is_stream=is_stream)])
    wanted, found = known(plain), known(again)
    # The model that was asked for is named where the provider has named none.
    assert _spoken(found[2]) == _spoken(wanted[2])
    assert (found[0], found[1], found[4:]) == (wanted[0], wanted[1], wanted[4:])


def test_a_sealed_thought_comes_back_from_the_client_as_it_was() -> None:
    sealed = Thought(redacted="c2VhbGVk", maker="anthropic")
    said: list[Said]
    for said in ([], [Said("hi")]):
        events: list[Event] = [STARTED, *said, sealed, Called("c", "f"), Finished("tool_calls")]
        for is_stream in (False, True):
            data = write(events, is_stream=is_stream)
            bodies = chunks_of(data) if is_stream else [json.loads(data)]
            parts = [part for body in bodies for part in body["candidates"][0]["content"]["parts"]]
            contents = [{"role": "model", "parts": parts}]
            asked = GEMINI.read_request(json.dumps({"contents": contents}).encode(), Place("m"))
            assert Thinking(redacted="c2VhbGVk", maker="anthropic") in asked.turns[0].parts
            assert [
                part for part in asked.turns[0].parts if isinstance(part, Text) and part.text
            ] == [Text(one.text) for one in said]


def _spoken(parts: object) -> list[Any]:
    """The parts, text and seals by themselves, and arguments as what they mean."""
    assert isinstance(parts, list)
    found: list[Any] = []
    for part in parts:
        if hasattr(part, "arguments"):
            found.append((part.id, part.name, json.loads(part.arguments or "{}")))
        elif hasattr(part, "signature"):
            found += [one for one in ("thought " + part.text, "seal " + part.signature) if one]
        elif part.text:
            found.append(part.text)
    return [one for one in found if one not in ("thought ", "seal ")]


def test_a_stream_is_server_sent_events_with_usage_in_its_last() -> None:
    events: list[Event] = [
        Started("r1", "served", input_usage=Usage(input=10)),
        Said("he"),
        Said("llo"),
        Called("c1", "f"),
        Argued('{"a":'),
        Argued("1}"),
        Called("c2", "g", "c2ln"),
        Finished("tool_calls"),
        Counted(USAGE),
    ]
    running = {"promptTokenCount": 10, "candidatesTokenCount": 0, "totalTokenCount": 10}
    head = {"modelVersion": "served", "responseId": "r1"}
    first = {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}
    second = {
        "functionCall": {"id": "c2", "name": "g", "args": {}},
        "thoughtSignature": "c2ln",
    }

    def told_chunk(part: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": 0}
        return {"candidates": [candidate], "usageMetadata": usage, **head}

    last = told_chunk({"text": ""}, USAGE_TOLD)
    last["candidates"][0]["finishReason"] = "STOP"
    assert chunks_of(write(events, is_stream=True)) == [
        told_chunk({"text": "he"}, running),
        told_chunk({"text": "llo"}, running),
        told_chunk(first, running),
        told_chunk(second, running),
        last,
    ]


def test_the_usage_that_is_told_is_read_as_it_was() -> None:
    reader = gemini.whole()
    reader.feed(write([STARTED, Said("x"), Finished("stop"), Counted(USAGE)], is_stream=False))
    reader.finish()
    again = reader.reading().usage
    assert again is not None
    assert (again.input_total, again.cache_read) == (10, 3)
    assert (again.output, again.reasoning) == (7, 4)


REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_why_the_model_ended_is_told(reason: Any) -> None:
    body = json.loads(write([STARTED, Said("x"), Finished(reason)], is_stream=False))
    assert body["candidates"][0]["finishReason"] == REASONS[reason]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_arguments_that_are_no_object_are_a_malformed_call(is_stream: bool) -> None:
    for reason, wanted in (
        ("tool_calls", "MALFORMED_FUNCTION_CALL"),
        ("length", "MAX_TOKENS"),
    ):
        ended = Finished(reason)  # type: ignore[arg-type]
        events: list[Event] = [STARTED, Called("c", "f"), Argued('{"a":'), ended]
        data = write(events, is_stream=is_stream)
        last = chunks_of(data)[-1] if is_stream else json.loads(data)
        assert last["candidates"][0]["finishReason"] == wanted
        assert b"functionCall" not in data


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_an_error_is_told_as_googles(is_stream: bool) -> None:
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    data = write(
        [STARTED, Said("hi"), Broken("unavailable", "busy"), Said("x")], is_stream=is_stream
    )
    assert (chunks_of(data)[-1] if is_stream else json.loads(data)) == error
    assert len(chunks_of(data)) == 2 if is_stream else True
    other = write([Broken("overloaded_error", "busy")], is_stream=is_stream)
    said = chunks_of(other)[-1] if is_stream else json.loads(other)
    assert said["error"] == {"code": 500, "message": "busy", "status": "INTERNAL"}


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_reply_that_breaks_off_is_told_as_an_error(is_stream: bool) -> None:
    data = write([STARTED, Said("hi")], is_stream=is_stream)
    last = chunks_of(data)[-1] if is_stream else json.loads(data)
    assert last["error"]["message"] == CUT.message


def test_a_refusal_is_text() -> None:
    body = json.loads(write([STARTED, Refused("no"), Finished("stop")], is_stream=False))
    assert body["candidates"][0]["content"]["parts"] == [{"text": "no"}]


def test_a_reply_without_a_name_has_what_was_asked_for() -> None:
    for is_stream in (False, True):
        data = write([Started("", ""), Said("hi"), Finished("stop")], is_stream=is_stream)
        body = chunks_of(data)[0] if is_stream else json.loads(data)
        assert (body["modelVersion"], body["responseId"]) == ("gemini-asked", "own-id")
