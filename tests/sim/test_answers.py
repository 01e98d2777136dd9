"""What the simulator answers: OpenAI's shapes, the words, the tokens, the pace."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from ferrycli.sim.provider import MODELS, SimModel, Simulator
from tests.sim.calls import (
    QUESTION,
    WEATHER,
    arguments,
    body,
    chat,
    contents,
    events,
    stream,
    text,
    whole,
)

WITH_USAGE: dict[str, object] = {"stream": True, "stream_options": {"include_usage": True}}
REQUIRED: dict[str, object] = {"tools": [WEATHER], "tool_choice": "required"}
NAMED: dict[str, object] = {
    "tools": [WEATHER],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
}
HELLOS = ("hello", "Hello!", "hi there", "  hey ", "Good morning", "ping", "Hello from curl")

# The keys of recorded replies of OpenAI, in the order in which they were sent.
HEAD = "id object created model service_tier system_fingerprint"
CHUNK_KEYS = f"{HEAD} choices usage obfuscation".split()
PROMPT_KEYS = "cached_tokens audio_tokens cache_write_tokens".split()
COMPLETION_KEYS = (
    "reasoning_tokens audio_tokens accepted_prediction_tokens rejected_prediction_tokens".split()
)


def usage_of(request: bytes) -> dict[str, object]:
    """The usage of a whole reply, as it stands on the wire."""
    usage = json.loads(text(chat(request)))["usage"]
    assert isinstance(usage, dict)
    return usage


# Shapes -------------------------------------------------------------------------------------


def test_a_whole_reply_has_the_fields_of_a_recorded_one() -> None:
    reply = json.loads(text(chat(body())))
    usage = reply["usage"]
    assert list(reply) == [*HEAD.split(), "choices", "usage"]
    assert list(reply["choices"][0]) == ["index", "message", "finish_reason"]
    assert list(reply["choices"][0]["message"]) == ["role", "content", "refusal", "annotations"]
    assert list(usage)[:3] == ["prompt_tokens", "completion_tokens", "total_tokens"]
    assert list(usage["prompt_tokens_details"]) == PROMPT_KEYS
    assert list(usage["completion_tokens_details"]) == COMPLETION_KEYS
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_has_the_fields_of_a_recorded_one() -> None:
    first, second, *_, last, usage = events(chat(body(**WITH_USAGE)).chunks)
    assert {tuple(event) for event in (first, second, last, usage)} == {tuple(CHUNK_KEYS)}
    assert first["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "", "refusal": None},
            "logprobs": None,
            "finish_reason": None,
        }
    ]
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert usage["choices"] == []
    assert [first["usage"], second["usage"], last["usage"]] == [None, None, None]


def test_a_stream_says_nothing_of_usage_unless_asked() -> None:
    sent = events(chat(body(stream=True)).chunks)
    assert not any("usage" in event for event in sent)
    assert all(event["choices"] for event in sent)


def test_a_stream_leaves_out_the_noise_when_asked() -> None:
    options = {"include_usage": True, "include_obfuscation": False}
    sent = events(chat(body(stream=True, stream_options=options)).chunks)
    assert not any("obfuscation" in event for event in sent)


@pytest.mark.parametrize(("is_stream", "kind"), [(False, "application/json"), (True, "text/event")])
def test_the_headers_name_the_kind_of_body(is_stream: bool, kind: str) -> None:
    headers = dict(chat(body(stream=is_stream)).headers)
    assert headers["content-type"].startswith(kind)
    assert headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("model", [model.name for model in MODELS if not model.is_flaky])
@pytest.mark.parametrize("prefix", ["", "sim/"])
def test_the_reply_names_the_bare_model(model: str, prefix: str) -> None:
    assert whole(body(model=prefix + model)).model == model


@pytest.mark.parametrize(
    ("asked", "got"),
    [(None, "default"), ("auto", "default"), ("flex", "flex"), ("priority", "priority")],
)
def test_the_reply_names_the_tier(asked: str | None, got: str) -> None:
    assert whole(body(service_tier=asked)).service_tier == got


def test_the_models_are_listed_and_shown() -> None:
    simulator = Simulator()
    listed = json.loads(text(simulator.answer("/models?limit=5", b"", 0)))
    assert [model["id"] for model in listed["data"]] == [model.name for model in MODELS]
    for name in ("small", "sim/small"):
        assert json.loads(text(simulator.answer(f"/models/{name}", b"", 0))) == listed["data"][0]


# Words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hello", HELLOS)
def test_a_hello_gets_a_short_hello_that_says_it_is_simulated(hello: str) -> None:
    reply = whole(body(hello))
    said = reply.choices[0].message.content or ""
    assert said.startswith(("Hello", "Ahoy"))
    assert "simulated" in said
    assert reply.usage is not None
    assert reply.usage.completion_tokens < 50


@pytest.mark.parametrize("number", range(20))
def test_the_first_sentence_says_that_the_answer_is_simulated(number: int) -> None:
    said = whole(body(f"{QUESTION} in {number} days")).choices[0].message.content or ""
    assert "simulated" in said.partition(". ")[0].lower()
    assert "“migration”" in said.partition(". ")[0]


@pytest.mark.parametrize("fields", [{}, REQUIRED, {"response_format": {"type": "json_object"}}])
def test_the_same_request_gets_the_same_answer(fields: dict[str, object]) -> None:
    first, second = (whole(body(**fields)) for _ in range(2))
    assert first.choices == second.choices
    assert first.usage == second.usage


def test_two_replies_of_one_simulator_never_share_an_id() -> None:
    simulator = Simulator()
    assert len({whole(body(), simulator).id for _ in range(50)}) == 50


def test_different_requests_get_different_answers() -> None:
    answers = {whole(body(f"{QUESTION}, {at}")).choices[0].message.content for at in range(100)}
    assert len(answers) == 100


def test_some_answers_are_short_and_some_are_long() -> None:
    usages = [whole(body(f"{QUESTION}, {at}")).usage for at in range(300)]
    lengths = sorted(usage.completion_tokens for usage in usages if usage)
    assert lengths[30] < 70
    assert 70 < lengths[150] < 250
    assert 350 < lengths[285] < lengths[299] < 1_300


def test_an_answer_has_about_four_characters_a_token() -> None:
    replies = [whole(body(f"{QUESTION}, {at}")) for at in range(50)]
    characters = sum(len(reply.choices[0].message.content or "") for reply in replies)
    tokens = sum(reply.usage.completion_tokens for reply in replies if reply.usage)
    assert 3.5 < characters / tokens < 4.5


# Tokens -------------------------------------------------------------------------------------

FORMS: dict[str, dict[str, object]] = {
    "text": {},
    "large": {"model": "large"},
    "bounded": {"max_tokens": 7},
    "large and bounded": {"model": "large", "max_completion_tokens": 40},
    "a call": REQUIRED,
    "a named call": NAMED,
    "a bounded call": {**REQUIRED, "max_tokens": 6},
    "a call without room": {**REQUIRED, "max_tokens": 1},
    "json": {"response_format": {"type": "json_object"}},
    "three choices": {"n": 3},
    "exact": {"metadata": {"sim_output_tokens": "40"}},
    "nothing": {"metadata": {"sim_output_tokens": "0"}},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_joined_is_the_whole_reply(form: str) -> None:
    reply = whole(body(**FORMS[form]))
    chunks = stream(body(**FORMS[form], **WITH_USAGE))
    ends = {
        choice.index: choice.finish_reason
        for chunk in chunks
        for choice in chunk.choices
        if choice.finish_reason
    }
    for choice in reply.choices:
        assert "".join(contents(chunks, choice.index)) == (choice.message.content or "")
        assert ends[choice.index] == choice.finish_reason
        for call in choice.message.tool_calls or []:
            assert isinstance(call, ChatCompletionMessageFunctionToolCall)
            assert "".join(arguments(chunks)) == call.function.arguments
    assert chunks[-1].usage == reply.usage


@pytest.mark.parametrize("form", FORMS)
def test_every_token_billed_is_a_chunk_sent_or_a_thought(form: str) -> None:
    chunks = stream(body(**FORMS[form], **WITH_USAGE))
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    thought = usage.completion_tokens_details.reasoning_tokens or 0
    indexes = {choice.index for chunk in chunks for choice in chunk.choices}
    sent = sum(len(contents(chunks, index)) for index in indexes) + len(arguments(chunks))
    opening = chunks[0].choices[0].delta.tool_calls or []
    # `get_weather` is three tokens of every call: `get`, `_` and `weather`.
    bound = FORMS[form].get("max_tokens")
    name = min(3, bound if isinstance(bound, int) else 3) if opening else 0
    assert usage.completion_tokens == sent + name + thought


@pytest.mark.parametrize("bound", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("model", ["small", "large"])
@pytest.mark.parametrize("tokens", [1, 2, 20])
def test_an_answer_ends_at_its_bound_and_says_so(bound: str, model: str, tokens: int) -> None:
    reply = whole(body(model=model, **{bound: tokens}))
    assert reply.usage is not None
    assert reply.usage.completion_tokens == tokens
    assert reply.choices[0].finish_reason == "length"
    assert reply.choices[0].message.content


def test_an_answer_that_just_fits_is_not_cut() -> None:
    natural = whole(body()).usage
    assert natural is not None
    tokens = natural.completion_tokens
    ends = [whole(body(max_tokens=most)).choices[0].finish_reason for most in (tokens - 1, tokens)]
    assert ends == ["length", "stop"]
    assert whole(body(max_tokens=tokens)).usage == natural


def test_the_newer_bound_decides_where_both_stand() -> None:
    usage = whole(body(max_tokens=5, max_completion_tokens=3)).usage
    assert usage is not None
    assert usage.completion_tokens == 3


@pytest.mark.parametrize("model", ["small", "large"])
@pytest.mark.parametrize("tokens", [1, 2, 300])
def test_a_test_gets_exactly_the_tokens_it_asks_for(model: str, tokens: int) -> None:
    reply = whole(body(model=model, metadata={"sim_output_tokens": str(tokens)}))
    assert reply.usage is not None
    assert reply.usage.completion_tokens == tokens
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.choices[0].message.content or "").endswith(".")


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.name)
@pytest.mark.parametrize("choices", [1, 128])
def test_no_reply_is_longer_than_its_model_allows(model: SimModel, choices: int) -> None:
    wish = {"sim_output_tokens": "999999999"}
    usage = usage_of(body(model=model.name, n=choices, metadata=wish))
    assert usage["completion_tokens"] == model.output_tokens_max


@pytest.mark.parametrize("wish", ["", "-1", "1.5", "ten", "٣", "1" * 10, 40, None, ["4"]])
def test_a_malformed_wish_is_no_wish(wish: object) -> None:
    assert usage_of(body(metadata={"sim_output_tokens": wish})) == usage_of(body())


@pytest.mark.parametrize("metadata", [None, 5, "x", [], {"sim_error": 5}, {"sim_error": "600"}])
def test_metadata_of_any_form_is_survived(metadata: object) -> None:
    assert usage_of(body(metadata=metadata)) == usage_of(body())


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("", 4 + 3),
        ("abcd", 4 + 1 + 3),
        ("abcde", 4 + 2 + 3),
        ("漢字", 4 + 2 + 3),
        ([{"type": "text", "text": "abcd"}], 4 + 1 + 3),
        ([{"type": "image_url", "image_url": {"url": "data:"}}], 4 + 765 + 3),
        (["abcd"], 4 + 1 + 3),
        (None, 4 + 3),
    ],
)
def test_a_prompt_costs_its_text_and_four_tokens_a_message(content: object, tokens: int) -> None:
    usage = usage_of(body(messages=[{"role": "user", "content": content}]))
    assert usage["prompt_tokens"] == tokens


def test_tools_are_part_of_the_prompt() -> None:
    bare, more = usage_of(body())["prompt_tokens"], usage_of(body(tools=[WEATHER]))["prompt_tokens"]
    compact = json.dumps([WEATHER], separators=(",", ":"))
    assert isinstance(bare, int)
    assert more == bare + 4 + -(-len(compact) // 4)


def test_large_thinks_and_small_does_not() -> None:
    thoughts = []
    for model in ("small", "large"):
        usage = whole(body(model=model)).usage
        assert usage is not None
        assert usage.completion_tokens_details is not None
        thoughts.append(usage.completion_tokens_details.reasoning_tokens)
    assert thoughts[0] == 0
    assert thoughts[1] in (64, 128, 192, 256)


def test_a_long_stream_is_made_while_it_is_read() -> None:
    tracemalloc.start()
    reply = chat(body(stream=True, metadata={"sim_output_tokens": "32768"}))
    chunks = sum(1 for _ in reply.chunks)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The role, the tokens, the end and `[DONE]`; at more than 200 bytes each they are 7 MB.
    assert chunks == 32_768 + 3
    assert peak_bytes < 500_000


# Calls and JSON -----------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "end"), [(REQUIRED, "tool_calls"), (NAMED, "stop")])
def test_a_call_that_is_asked_for_is_made(asked: dict[str, object], end: str) -> None:
    reply = whole(body("Is it raining in Paris today?", **asked))
    (call,) = reply.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    made = json.loads(call.function.arguments)
    assert call.function.name == "get_weather"
    assert made["city"] == "Paris"
    assert 1 <= made["days"] <= 5
    assert made["unit"] in ("metric", "imperial")
    assert reply.choices[0].message.content is None
    assert reply.choices[0].finish_reason == end


def test_a_streamed_call_begins_with_its_name_and_comes_in_fragments() -> None:
    chunks = stream(body(stream=True, **REQUIRED))
    (opening,) = chunks[0].choices[0].delta.tool_calls or []
    assert opening.id is not None
    assert opening.id.startswith("call_")
    assert opening.function is not None
    assert (opening.function.name, opening.function.arguments) == ("get_weather", "")
    assert len(arguments(chunks)) > 3
    assert json.loads("".join(arguments(chunks)))


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_call_that_is_only_allowed_is_not_made(choice: str | None) -> None:
    reply = whole(body(tools=[WEATHER], tool_choice=choice))
    assert reply.choices[0].message.tool_calls is None
    assert reply.choices[0].message.content


def test_a_function_without_parameters_is_called_without_arguments() -> None:
    tool = {"type": "function", "function": {"name": "now"}}
    reply = whole(body(tools=[tool], tool_choice="required"))
    (call,) = reply.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert call.function.arguments == "{}"


def test_an_answer_in_json_is_an_object_that_says_it_is_simulated() -> None:
    said = whole(body(response_format={"type": "json_object"})).choices[0].message.content or ""
    assert json.loads(said)["is_simulated"] is True


def test_an_answer_in_a_given_form_has_that_form() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer", "minimum": 90}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said = whole(body(response_format=form)).choices[0].message.content or ""
    assert json.loads(said)["score"] >= 90


# Pace ---------------------------------------------------------------------------------------


def delays(request: bytes, simulator: Simulator | None = None) -> list[int]:
    """The waits of a reply."""
    return [chunk.delay_ms for chunk in chat(request, simulator).chunks]


def test_a_stream_waits_for_its_first_token_and_then_for_each() -> None:
    wish = {"sim_output_tokens": "3"}
    simulator = Simulator(token_delay_ms=7, first_token_ms=90)
    assert delays(body(stream=True, metadata=wish), simulator) == [90, 7, 7, 7, 0, 0]


def test_a_whole_reply_takes_as_long_as_its_stream() -> None:
    assert delays(body()) == [sum(delays(body(**WITH_USAGE)))]
    assert delays(body(n=3)) == [sum(delays(body(n=3, **WITH_USAGE)))]


def test_thinking_takes_its_time() -> None:
    usage = whole(body(model="large")).usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    thought = usage.completion_tokens_details.reasoning_tokens or 0
    assert delays(body(model="large", stream=True))[0] == 120 + 12 * thought


@pytest.mark.parametrize(
    ("first", "token", "waits"),
    [
        ("0", "5", [0, 5, 5, 0, 0]),
        ("30", "0", [30, 0, 0, 0, 0]),
        ("soon", "", [120, 12, 12, 0, 0]),
        ("999999", "999999", [120_000, 10_000, 10_000, 0, 0]),
    ],
)
def test_a_request_may_set_its_pace(first: str, token: str, waits: list[int]) -> None:
    metadata = {"sim_first_token_ms": first, "sim_token_delay_ms": token, "sim_output_tokens": "2"}
    assert delays(body(stream=True, metadata=metadata)) == waits
