"""What no dialect's intake trusts: JSON that is none, types, depth, names, doubles, limits."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter, NotJson
from ferrycli.wire.dialect import Place
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.intakes.checks import MODEL_LENGTH_MAX, OUTPUT_ASKED_MAX
from tests.wire.intakes.asked import (
    IN_BODY,
    LEAST,
    LIMITED,
    NAMES,
    SALT,
    TURNED,
    body_of,
    nest,
    read,
)
from tests.wire.sizes import FEW
from tests.wire.written import OBJECTS, RANDOMS, VALUES, written


def with_text(name: str, text: str) -> bytes:
    """The least request with further members, as they are written."""
    return body_of(name)[:-1] + f",{text}}}".encode()


DEEP = "[" * 10_000 + "]" * 10_000
NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n",
    "a BOM": b'\xef\xbb\xbf{"model":"m"}',
    "half": b'{"model":"m"',
    "single quotes": b"{'model':1}",
    "depth without an end": b'{"a":' * 10_000,
}
WRITTEN_BADLY = {
    "a trailing comma": '"a":1,',
    "NaN": '"x":NaN',
    "a leading zero": '"x":01',
    "a raw line end": '"x":"a\nb"',
    "an unknown escape": r'"x":"\q"',
    "depth, not read": f'"x":{DEEP}',
    "depth in tools": f'"tools":{DEEP}',
    "depth in metadata": f'"metadata":{DEEP}',
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_is_refused_as_that(name: str, body: bytes) -> None:
    with pytest.raises(NotJson):
        read(name, body)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", WRITTEN_BADLY.values(), ids=WRITTEN_BADLY)
def test_json_that_is_written_badly_is_refused(name: str, text: str) -> None:
    with pytest.raises(NotJson):
        read(name, with_text(name, text))


@pytest.mark.parametrize("name", NAMES)
def test_text_that_is_no_utf_8_is_refused(name: str) -> None:
    with pytest.raises(NotJson):
        read(name, with_text(name, '"x":"X"').replace(b"X", b"\xff"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"5"])
def test_what_is_no_object_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(BadParameter) as caught:
        read(name, body)
    assert caught.value.field == "body"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ['"x":1,"x":1', '"\\u0078":1,"x":2'])
def test_a_member_that_stands_twice_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read(name, with_text(name, text))
    assert (caught.value.field, caught.value.value) == ("x", "twice")


BAD_MODELS = ["", " ", "a\r\nX-Evil: 1", "a\x00", "\x1b[2J", "m" * (MODEL_LENGTH_MAX + 1)]
BAD_MODELS += ["gpt\u202eini-o4", "gpt\u200b-4", "e\u0301"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", BAD_MODELS, ids=ascii)
def test_a_name_that_is_none_is_refused(name: str, model: str) -> None:
    place = Place(model) if LEAST[name].place.model else LEAST[name].place
    body = body_of(name) if place.model else body_of(name, model=model)
    with pytest.raises(BadParameter) as caught:
        DIALECTS[name].read(body, place, SALT)
    assert caught.value.field == "model"


@pytest.mark.parametrize("name", IN_BODY)
@pytest.mark.parametrize("model", [5, [], {}, True])
def test_a_model_of_another_type_is_refused(name: str, model: object) -> None:
    with pytest.raises(BadParameter) as caught:
        read(name, body_of(name, model=model))
    assert caught.value.field == "model"


@pytest.mark.parametrize("name", NAMES)
def test_a_request_without_a_model_is_refused(name: str) -> None:
    members = {key: value for key, value in LEAST[name].members.items() if key != "model"}
    with pytest.raises(BadParameter) as caught:
        DIALECTS[name].read(json.dumps(members).encode(), Place(), SALT)
    assert (caught.value.field, caught.value.value) == ("model", "missing")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", ["../../admin", "%2e%2e", "a b", "openai/gpt-4o", "模型"])
def test_a_model_that_is_only_strange_is_taken_as_a_name(name: str, model: str) -> None:
    place = Place(model) if LEAST[name].place.model else LEAST[name].place
    body = body_of(name) if place.model else body_of(name, model=model)
    assert DIALECTS[name].read(body, place, SALT).model == model


BAD_LIMITS: list[object] = [-1, 10**12, 10**30, OUTPUT_ASKED_MAX + 1, True, "5", 1.5, 1e3, []]


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("limit", BAD_LIMITS, ids=str)
def test_a_limit_out_of_its_bounds_is_refused_by_its_name(name: str, limit: object) -> None:
    with pytest.raises(BadParameter) as caught:
        read(name, body_of(name, **nest(LEAST[name].limit, limit)))
    assert caught.value.field == LEAST[name].limit
    assert caught.value.value.isprintable()


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_as_an_exponent_is_refused(name: str) -> None:
    body = body_of(name, **nest(LEAST[name].limit, 77)).replace(b"77", b"1e400")
    with pytest.raises(BadParameter) as caught:
        read(name, body)
    assert caught.value.field == LEAST[name].limit


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("limit", [1, 77, OUTPUT_ASKED_MAX])
def test_a_limit_within_its_bounds_is_read(name: str, limit: int) -> None:
    got = read(name, body_of(name, **nest(LEAST[name].limit, limit)))
    assert got.output_asked == limit
    assert got.output_fields == (LEAST[name].limit,)


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_of_null_is_none(name: str) -> None:
    got = read(name, body_of(name, **nest(LEAST[name].limit, None)))
    assert (got.output_asked, got.output_fields) == (None, ())


@pytest.mark.parametrize("name", [name for name in LIMITED if "." in LEAST[name].limit])
def test_a_limit_inside_an_object_may_not_stand_twice(name: str) -> None:
    outer, _, inner = LEAST[name].limit.partition(".")
    with pytest.raises(BadParameter) as caught:
        read(name, with_text(name, f'"{outer}":{{"{inner}":1,"{inner}":9}}'))
    assert caught.value.value == "twice"


@pytest.mark.parametrize("name", [name for name in LIMITED if "." in LEAST[name].limit])
@pytest.mark.parametrize("value", [5, "x", [], True])
def test_what_holds_the_limit_is_an_object(name: str, value: object) -> None:
    outer = LEAST[name].limit.partition(".")[0]
    with pytest.raises(BadParameter) as caught:
        read(name, body_of(name, **{outer: value}))
    assert caught.value.field == outer


STREAMED = ["chat", "completions", "messages", "plain", "responses"]


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("value", ["yes", 1, []])
def test_stream_is_true_or_false(name: str, value: object) -> None:
    with pytest.raises(BadParameter) as caught:
        read(name, body_of(name, stream=value))
    assert caught.value.field == "stream"


@pytest.mark.parametrize("name", STREAMED)
def test_the_body_says_whether_it_is_a_stream(name: str) -> None:
    assert read(name, body_of(name, stream=True)).is_stream
    assert not read(name, body_of(name, stream=False)).is_stream
    assert not read(name, body_of(name, stream=None)).is_stream


@pytest.mark.parametrize("name", ["converse", "gemini", "messages"])
def test_the_path_says_whether_it_is_a_stream(name: str) -> None:
    def read_at(is_stream: bool) -> bool:
        return DIALECTS[name].read(body_of(name), Place("m", is_stream), SALT).is_stream

    assert read_at(True)
    assert not read_at(False)


TURNS_BAD: list[object] = [[], {}, "", 5, None]


@pytest.mark.parametrize("name", ["chat", "converse", "gemini", "messages"])
@pytest.mark.parametrize("value", TURNS_BAD, ids=str)
def test_turns_are_a_list_of_at_least_one(name: str, value: object) -> None:
    turns = LEAST[name].turns
    with pytest.raises(BadParameter) as caught:
        read(name, body_of(name, **{turns: value}))
    assert caught.value.field == turns


# Fuzz ---------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    """
    { } [ ] , : " \\ true null 1e400 -0 "model":"m" "messages":[ "contents":[ "input": "prompt":
    {"role":"user","content":"hi"} {"role":"user","parts":[ "type":"image" "source":{ "tools":
    "inferenceConfig":{ "generationConfig":{ "maxTokens": "inlineData": "\\u0061" "\\ud800"
    """.split()
)


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(PIECES.map(str.encode) | st.binary(max_size=6), max_size=24).map(b"".join))
def test_any_bytes_are_read_or_refused(name: str, body: bytes) -> None:
    for one in (body, body_of(name)[:-1] + b"," + body):
        try:
            got = read(name, one)
        except (NotJson, BadParameter):
            continue
        assert got.model


READ = {
    "cached_contents": "contents tools systemInstruction ttl model",
    "chat": "messages tools prediction n metadata",
    "completions": "prompt n best_of echo suffix stream_options max_tokens trace",
    "converse": "messages system toolConfig inferenceConfig additionalModelRequestFields"
    " guardrailConfig promptVariables requestMetadata performanceConfig serviceTier",
    "count_tokens": "messages system tools thinking",
    "embeddings": "input encoding_format user metadata",
    "gemini": "contents systemInstruction system_instruction tools generationConfig"
    " generation_config cachedContent serviceTier labels model",
    "messages": "messages system tools thinking metadata context_management container thread"
    " output_config speed inference_geo mcp_servers service_tier",
    "plain": "prompt input n stream_format voice",
    "responses": "input instructions tools conversation prompt previous_response_id background"
    " service_tier metadata",
}
ODD = VALUES | st.lists(OBJECTS, max_size=3) | st.sampled_from([0, -1, 1, 10**30, "", "auto"])


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(st.data())
def test_any_members_are_read_or_refused(name: str, data: st.DataObject) -> None:
    known = st.sampled_from(READ[name].split())
    more: dict[str, Any] = data.draw(st.dictionaries(known, ODD, max_size=4))
    try:
        got = read(name, body_of(name, **more))
    except (NotJson, BadParameter):
        return
    assert [one.name for one in got.members] == list({**LEAST[name].members, **more})
    assert got.input_bound is None or got.input_bound >= 0
    assert got.choices >= 1
    assert got.thinking_tokens >= 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", [*range(880, 1_010, 13), 2_000])
def test_depth_near_the_most_is_read_or_refused(name: str, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    turn = json.loads(json.dumps(LEAST[name].members))
    odd = json.dumps({**turn, "messages": ["X"], "contents": ["X"], "input": ["X"]})
    for body in (
        with_text(name, f'"x":{nested}'),
        with_text(name, f'"tools":{nested}'),
        odd.replace('"X"', f'{{"type":"x","content":{nested},"parts":{nested}}}').encode(),
    ):
        try:
            read(name, body)
        except (NotJson, BadParameter):
            continue


WORDS = st.sampled_from(
    """
    type source content text image document base64 url data file_id input_image image_url
    input_file output role user tool_result function_call_output reasoning encrypted_content parts
    inlineData mimeType fileData functionResponse response toolResult guardContent format txt bytes
    s3Location audio json message item_reference input_audio image/png audio/wav tools namespace
    """.split()
)
PARTS = st.recursive(
    WORDS | st.integers(0, 9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


def text_bytes(value: object) -> int:
    """The UTF-8 bytes of every string in `value`: a token is never shorter."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(text_bytes, value)) + sum(map(text_bytes, value.values()))
    return sum(map(text_bytes, value)) if isinstance(value, list) else 0


@pytest.mark.parametrize("name", TURNED)
@given(st.lists(st.dictionaries(WORDS, PARTS, max_size=4), min_size=1, max_size=3), PARTS)
def test_parts_of_any_shape_are_counted_or_refused(
    name: str, turns: list[object], tools: object
) -> None:
    try:
        got = read(name, body_of(name, **{LEAST[name].turns: turns, "tools": tools}))
    except (NotJson, BadParameter):
        return
    # Only pictures and sounds are no text, and each of them counts for more than these words.
    assert got.input_bound is None or got.input_bound >= text_bytes(turns)


@pytest.mark.parametrize("name", [name for name in TURNED if name != "chat"])
@given(st.lists(OBJECTS, min_size=1, max_size=3), RANDOMS)
def test_no_text_has_more_tokens_than_its_bound(
    name: str, turns: list[object], random: Random
) -> None:
    members = {**LEAST[name].members, LEAST[name].turns: turns}
    got = read(name, written(members, random)).input_bound
    assert got is None or got >= text_bytes(turns) + len(turns)


ESCAPED_TEXTS = ["a" * 9_000, "\x01" * 900, "é" * 900, "😀" * 900, '"\\\n' * 900]


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("text", ESCAPED_TEXTS, ids=lambda text: ascii(text[0]))
@pytest.mark.parametrize("is_ascii", [True, False])
def test_escapes_do_not_make_text_shorter(name: str, text: str, is_ascii: bool) -> None:
    turn = {"role": "user", "content": [{"type": "text", "text": text}], "parts": [{"text": text}]}
    members = {**LEAST[name].members, LEAST[name].turns: [turn]}
    got = read(name, json.dumps(members, ensure_ascii=is_ascii).encode()).input_bound
    assert got is not None
    assert got >= len(text.encode())


def test_half_a_character_in_geminis_model_is_refused() -> None:
    with pytest.raises(NotJson):
        read("gemini", with_text("gemini", r'"model":"\ud800"'))
