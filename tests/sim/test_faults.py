"""What the simulator says instead of an answer: asked for, by itself, or because it has to."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrycli.sim.provider import MODELS, SLOW_FIRST_TOKEN_MS, Reply, Simulator
from tests.sim.calls import NOW_S, QUESTION, WEATHER, body, chat, events, text, whole


def failing(error: str, **fields: object) -> Reply:
    """The reply to a request that asks for `error`."""
    return chat(body(metadata={"sim_error": error}, **fields))


def error_of(reply: Reply) -> dict[str, object]:
    """The error of a reply, which has OpenAI's four fields and no others."""
    told = json.loads(text(reply))
    assert list(told) == ["error"]
    assert list(told["error"]) == ["message", "type", "param", "code"]
    assert isinstance(told["error"]["message"], str)
    return dict(told["error"])


# Asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [model.name for model in MODELS])
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("error", ["400", "429", "500", "503", "529"])
def test_a_status_can_be_asked_for(error: str, is_stream: bool, model: str) -> None:
    reply = failing(error, stream=is_stream, model=model)
    assert reply.status == int(error)
    assert dict(reply.headers)["content-type"] == "application/json"
    assert ("retry-after" in dict(reply.headers)) == (error == "429")
    assert str(error_of(reply)["message"]).startswith("Simulated: ")


def test_a_cut_stream_ends_in_the_middle_of_an_event() -> None:
    reply = failing("cut", stream=True)
    *sent, last = [chunk.data for chunk in reply.chunks]
    assert reply.is_cut
    assert len(sent) == 8
    assert all(data.endswith(b"\n\n") for data in sent)
    assert last.startswith(b"data: ")
    assert not last.endswith(b"\n\n")


@pytest.mark.parametrize("tokens", ["0", "1", "2"])
def test_even_a_short_stream_is_cut_before_its_end(tokens: str) -> None:
    wishes = {"sim_error": "cut", "sim_output_tokens": tokens}
    sent = text(chat(body(stream=True, metadata=wishes)))
    assert sent.startswith(b"data: {")
    assert b"[DONE]" not in sent
    assert b'"finish_reason":"stop"' not in sent


def test_a_cut_whole_reply_is_half_of_it() -> None:
    reply = failing("cut")
    sent = text(reply)
    assert reply.is_cut
    assert sent.startswith(b"{")
    with pytest.raises(ValueError, match=r"."):
        json.loads(sent)


def test_an_error_comes_in_the_middle_of_a_stream() -> None:
    reply = failing("error-event", stream=True)
    *sent, last = [chunk.data for chunk in reply.chunks]
    assert (reply.status, reply.is_cut) == (200, False)
    assert len(sent) == 8
    assert list(json.loads(last.removeprefix(b"data: "))["error"]) == [
        "message", "type", "param", "code",
    ]  # fmt: skip


def test_an_error_comes_as_a_whole_reply_with_status_200() -> None:
    reply = failing("error-event")
    assert reply.status == 200
    assert error_of(reply)["type"] == "server_error"


def test_a_reply_can_say_nothing_of_usage() -> None:
    assert "usage" not in json.loads(text(failing("no-usage")))
    options = {"include_usage": True}
    sent = events(failing("no-usage", stream=True, stream_options=options).chunks)
    assert all(event["choices"] and event["usage"] is None for event in sent)


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_reply_can_be_empty(is_stream: bool) -> None:
    reply = failing("empty", stream=is_stream)
    assert reply.status == 200
    assert list(reply.chunks) == []


@pytest.mark.parametrize("first", ["0", "500"])
def test_a_slow_reply_waits_half_a_minute_for_its_first_token(first: str) -> None:
    wishes = {"sim_error": "slow", "sim_first_token_ms": first}
    chunks = list(chat(body(stream=True, metadata=wishes)).chunks)
    assert chunks[0].delay_ms == SLOW_FIRST_TOKEN_MS
    assert b"".join(chunk.data for chunk in chunks).endswith(b"data: [DONE]\n\n")


# By itself ----------------------------------------------------------------------------------


def test_flaky_fails_on_about_one_request_in_six() -> None:
    requests = [body(f"{QUESTION}, {at}", model="flaky") for at in range(1_200)]
    statuses = [chat(request).status for request in requests]
    counted = Counter(statuses)
    assert set(counted) == {200, 429, 500, 503}
    assert 1_200 / 8 < 1_200 - counted[200] < 1_200 / 4
    assert [chat(request).status for request in requests[:100]] == statuses[:100]


@pytest.mark.parametrize("model", ["small", "large"])
def test_the_others_never_fail_by_themselves(model: str) -> None:
    assert {chat(body(f"{at}", model=model)).status for at in range(300)} == {200}


def test_a_failure_that_is_asked_for_comes_before_one_by_itself() -> None:
    wish = {"sim_error": "529"}
    requests = [body(f"{at}", model="flaky", metadata=wish) for at in range(100)]
    assert {chat(request).status for request in requests} == {529}


# Because it has to --------------------------------------------------------------------------

HELLO = [{"role": "user", "content": "hello"}]
REFUSED: dict[str, tuple[bytes, int, str | None, str | None]] = {
    "nothing": (b"", 400, None, None),
    "no json": (b"{", 400, None, None),
    "not a number": (b'{"model": "small", "n": NaN}', 400, None, None),
    "no utf-8": (b'{"model": "\xff"}', 400, None, None),
    "no object": (b"[]", 400, None, None),
    "too deep": (b"[" * 200_000, 400, None, None),
    "no model": (body(model=None), 400, None, None),
    "model of a kind": (body(model=["small"]), 400, None, None),
    "unknown model": (body(model="gpt-4o"), 404, None, "model_not_found"),
    "no messages": (b'{"model": "small"}', 400, "messages", "missing_required_parameter"),
    "words": (body(messages="hello"), 400, "messages", "invalid_type"),
    "empty": (body(messages=[]), 400, "messages", "empty_array"),
    "a word": (body(messages=["hello"]), 400, "messages[0]", "invalid_type"),
    "no role": (body(messages=[{}]), 400, "messages[0].role", "missing_required_parameter"),
    "a role of a kind": (body(messages=[{"role": 1}]), 400, "messages[0].role", "invalid_type"),
    "no such role": (
        body(messages=[*HELLO, {"role": "pirate"}]), 400, "messages[1].role", "invalid_value",
    ),
    "content of a kind": (
        body(messages=[{"role": "user", "content": 5}]), 400, "messages[0].content", "invalid_type",
    ),
    "max_tokens of 0": (body(max_tokens=0), 400, "max_tokens", "integer_below_min_value"),
    "max_tokens in words": (body(max_tokens="9"), 400, "max_tokens", "invalid_type"),
    "max_tokens as truth": (body(max_tokens=True), 400, "max_tokens", "invalid_type"),
    "a huge negative": (
        body(max_tokens=-(10**4_000)), 400, "max_tokens", "integer_below_min_value",
    ),
    "n of 0": (body(n=0), 400, "n", "integer_below_min_value"),
    "n of 129": (body(n=129), 400, "n", "integer_above_max_value"),
    "stream in words": (body(stream="yes"), 400, "stream", "invalid_type"),
    "usage without a stream": (
        body(stream_options={"include_usage": True}), 400, "stream_options", None,
    ),
    "tools of a kind": (body(tools={}), 400, "tools", "invalid_type"),
    "a call without tools": (body(tool_choice="required"), 400, "tool_choice", None),
    "a call of no tool": (
        body(tools=[WEATHER], tool_choice={"function": {"name": "x"}}), 400, "tool_choice", None,
    ),
    "too long": (body("x" * 1_600_001), 400, "messages", "context_length_exceeded"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_body_gets_the_error_that_openai_has_for_it(case: str) -> None:
    request, status, param, code = REFUSED[case]
    reply = chat(request)
    error = error_of(reply)
    assert (reply.status, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"


def test_a_number_on_its_bound_is_taken() -> None:
    assert chat(body(n=1, max_tokens=1)).status == 200
    assert chat(body(n=128, metadata={"sim_output_tokens": "1"})).status == 200


def test_a_prompt_fits_up_to_the_last_token() -> None:
    # 400,000 tokens, less four for the message and three for the answer's opening.
    fits = "x" * (4 * (400_000 - 4 - 3))
    assert chat(body(fits)).status == 200
    assert chat(body(fits + "x")).status == 400


def test_an_unknown_model_is_told_the_known_ones() -> None:
    message = str(error_of(chat(body(model="gpt-4o")))["message"])
    assert all(f"`{name}`" in message for name in ("gpt-4o", "small", "large", "flaky"))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/embeddings", "unknown_url"),
        ("", "unknown_url"),
        ("/models/", "model_not_found"),
        ("/models/gpt-4o", "model_not_found"),
        ("/chat/completions/", "unknown_url"),
        ("/\ud800\x1b[31m", "unknown_url"),
    ],
)
def test_an_unknown_path_is_not_found(path: str, code: str) -> None:
    reply = Simulator().answer(path, b"", NOW_S)
    assert reply.status == 404
    assert error_of(reply)["code"] == code


# Whatever comes -----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = (
    "messages n stream stream_options max_tokens max_completion_tokens tools tool_choice"
    " response_format metadata service_tier user stop"
).split()
FUNCTION = st.fixed_dictionaries({"name": st.text(max_size=8), "parameters": JSON})
TOOLS = st.lists(st.fixed_dictionaries({"function": FUNCTION}), min_size=1, max_size=3)


def is_read_whole(reply: Reply) -> bool:
    """Whether a reply holds together: a status of HTTP, and UTF-8 in every chunk."""
    assert 200 <= reply.status < 600
    return all(chunk.data.decode() and chunk.delay_ms >= 0 for chunk in reply.chunks)


@given(path=st.text(max_size=20), request=st.binary(max_size=200))
def test_no_bytes_raise(path: str, request: bytes) -> None:
    for at in (path, "/chat/completions"):
        assert is_read_whole(Simulator().answer(at, request, NOW_S))


@settings(deadline=None)  # 128 choices take their time.
@given(fields=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_fields_raise(fields: dict[str, object]) -> None:
    assert is_read_whole(chat(body(**fields)))


@given(tools=TOOLS, is_stream=st.booleans())
def test_no_tools_raise(tools: list[object], is_stream: bool) -> None:
    request = body(tools=tools, tool_choice="required", stream=is_stream)
    assert is_read_whole(chat(request))


@given(parts=st.lists(JSON, max_size=4))
def test_no_content_raises(parts: list[object]) -> None:
    assert is_read_whole(chat(body(messages=[{"role": "user", "content": parts}])))


def test_half_a_surrogate_is_survived() -> None:
    tool = {"type": "function", "function": {"name": "\ud800", "parameters": {"enum": ["\udfff"]}}}
    request = body("\ud800 hello", tools=[tool], tool_choice="required")
    assert is_read_whole(chat(request))
    assert whole(request).choices[0].message.tool_calls
