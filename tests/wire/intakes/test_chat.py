"""A chat request's body: what is refused and how, what is read, and how much input it can be."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter, NotJson
from ferrycli.rules.other_names import LENGTH_MAX
from ferrycli.wire.facts import Facts, Fingerprints
from ferrycli.wire.input_bounds import IMAGE_TOKENS
from ferrycli.wire.intakes.carried import METADATA_MEMBERS_MAX
from ferrycli.wire.intakes.chat import read_chat
from ferrycli.wire.intakes.checks import CHOICES_MAX, MODEL_LENGTH_MAX, OUTPUT_ASKED_MAX
from tests.wire.written import OBJECTS, RANDOMS, escaped, written

SALT = b"salt"
SHORT = st.text(max_size=5)
MESSAGES = '"messages":[{"role":"user","content":"hi"}]'
DEEP = "[" * 10_000 + "]" * 10_000


def fields(text: str) -> bytes:
    return f'{{"model":"m",{MESSAGES},{text}}}'.encode()


def model(text: str) -> bytes:
    return f'{{"model":"{text}",{MESSAGES}}}'.encode()


def facts(*messages: object, **more: object) -> Facts:
    said = messages or ({"role": "user", "content": "hi"},)
    return read_chat(json.dumps({"model": "m", "messages": said, **more}).encode(), SALT)


# Refusals -----------------------------------------------------------------------------------

NOT_JSON = {
    "empty": b"",
    "white space": b" \n",
    "half": b'{"model":"m",' + MESSAGES.encode(),
    "two values": fields('"a":1') + b"{}",
    "NUL after it": fields('"a":1') + b"\x00",
    "a BOM": b"\xef\xbb\xbf" + fields('"a":1'),
    "UTF-16": fields('"a":1').decode().encode("utf-16"),
    "a trailing comma": fields('"a":1,'),
    "a comment": fields('/* no */"a":1'),
    "single quotes": fields("'a':1"),
    "NaN": fields('"temperature":NaN'),
    "Infinity": fields('"temperature":-Infinity'),
    "NaN as a limit": fields('"max_tokens":NaN'),
    "a leading zero": fields('"seed":01'),
    "a raw line end in text": fields('"user":"a\nb"'),
    "no UTF-8 in text": fields('"user":"X"').replace(b"X", b"\xff"),
    "no UTF-8 in text that is not read": fields('"x":"X"').replace(b"X", b"\xc3"),
    "no UTF-8 in a name": fields('"X":1').replace(b"X", b"\xff"),
    "no UTF-8 in a role": b'{"model":"m","messages":[{"role":"\xff"}]}',
    "a surrogate in UTF-8": fields('"x":"X"').replace(b"X", b"\xed\xa0\x80"),
    "an over-long slash": fields('"x":"X"').replace(b"X", b"\xc0\xaf"),
    "half a pair in text": fields(r'"user":"\ud800"'),
    "half a pair in a name": fields(r'"\udc00":1'),
    "an unknown escape": fields(r'"x":"\q"'),
    "depth, not read": fields(f'"x":{DEEP}'),
    "depth, read": fields(f'"metadata":{DEEP}'),
    "depth, carried": fields(f'"tools":{DEEP}'),
    "depth in messages": f'{{"model":"m","messages":{DEEP}}}'.encode(),
    "depth in a message": f'{{"model":"m","messages":[{{"content":{DEEP}}}]}}'.encode(),
    "depth of objects": fields('"x":' + '{"a":' * 10_000 + "1" + "}" * 10_000),
    "depth without an end": b'{"a":' * 10_000,
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_is_refused_as_that(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_chat(body, SALT)


BAD: dict[str, tuple[bytes, str]] = {
    "a list": (b"[]", "body"),
    "a string": (b'"x"', "body"),
    "null": (b"null", "body"),
    "a number": (b"5", "body"),
    "no model": (f"{{{MESSAGES}}}".encode(), "model"),
    "no messages": (b'{"model":"m"}', "messages"),
    "0 messages": (b'{"model":"m","messages":[]}', "messages"),
    "messages null": (b'{"model":"m","messages":null}', "messages"),
    "messages an object": (b'{"model":"m","messages":{"role":"user"}}', "messages"),
    "messages a string": (b'{"model":"m","messages":"hi"}', "messages"),
    "stream a string": (fields('"stream":"yes"'), "stream"),
    "stream a number": (fields('"stream":1'), "stream"),
    "options a list": (fields('"stream":true,"stream_options":[]'), "stream_options"),
    "options odd": (
        fields('"stream_options":{"include_usage":"yes"}'),
        "stream_options.include_usage",
    ),
    "n of a million": (fields('"n":1000000'), "n"),
    "n of 0": (fields('"n":0'), "n"),
    "n negative": (fields('"n":-1'), "n"),
    "n true": (fields('"n":true'), "n"),
    "n a float": (fields('"n":1.0'), "n"),
    "n over its most": (fields(f'"n":{CHOICES_MAX + 1}'), "n"),
    "limit -1": (fields('"max_tokens":-1'), "max_tokens"),
    "limit 0": (fields('"max_tokens":0'), "max_tokens"),
    "limit 10^12": (fields('"max_tokens":1000000000000'), "max_tokens"),
    "limit 10^30": (fields(f'"max_tokens":{10**30}'), "max_tokens"),
    "limit 1e400": (fields('"max_tokens":1e400'), "max_tokens"),
    "limit 1e3": (fields('"max_tokens":1e3'), "max_tokens"),
    "limit true": (fields('"max_tokens":true'), "max_tokens"),
    "limit a string": (fields('"max_tokens":"5"'), "max_tokens"),
    "limit over its most": (fields(f'"max_tokens":{OUTPUT_ASKED_MAX + 1}'), "max_tokens"),
    "newer limit -1": (fields('"max_completion_tokens":-1'), "max_completion_tokens"),
    "tier a number": (fields('"service_tier":5'), "service_tier"),
    "model a number": (f'{{"model":5,{MESSAGES}}}'.encode(), "model"),
    "model null": (f'{{"model":null,{MESSAGES}}}'.encode(), "model"),
    "model empty": (model(""), "model"),
    "model a space": (model(" "), "model"),
    "model with a line end": (model(r"a\r\nX-Evil: 1"), "model"),
    "model with NUL": (model(r"a\u0000"), "model"),
    "model with an escape": (model(r"\u001b[2J"), "model"),
    "model of 10 KB": (model("m" * 10_240), "model"),
    "model one too long": (model("m" * (MODEL_LENGTH_MAX + 1)), "model"),
    "model right to left": (model("gpt\u202eini-o4"), "model"),
    "model right to left, escaped": (model(r"gpt\u202eini-o4"), "model"),
    "model with a zero width": (model("gpt\u200b-4"), "model"),
    "model not normalised": (model("e\u0301"), "model"),
    "model twice": (f'{{"model":"a","model":"b",{MESSAGES}}}'.encode(), "model"),
    "model twice, escaped": (f'{{"model":"a","\\u006dodel":"b",{MESSAGES}}}'.encode(), "model"),
    "messages twice": (
        f"{{{MESSAGES},{MESSAGES[:-1]},{{}}],".encode() + b'"model":"m"}',
        "messages",
    ),
    "limit twice": (fields('"max_tokens":1,"max_tokens":9'), "max_tokens"),
    "an unread member twice": (fields('"x":1,"x":1'), "x"),
}


@pytest.mark.parametrize(("body", "field"), BAD.values(), ids=BAD)
def test_a_bad_parameter_is_refused_by_its_name(body: bytes, field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read_chat(body, SALT)
    error = caught.value
    assert error.field == field
    assert error.value
    assert error.wanted
    assert len(error.value) <= 200
    assert error.value.isprintable()


TYPES = [
    ('"max_tokens":"9"', "text", "a whole number"),
    ('"max_tokens":9.5', "a number", "a whole number"),
    ('"stream":1', "a whole number", "true or false"),
    ('"service_tier":[]', "a list", "text"),
    ('"stream_options":true', "true or false", "an object"),
]


@pytest.mark.parametrize(("written", "value", "wanted"), TYPES)
def test_types_are_told_in_words(written: str, value: str, wanted: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read_chat(fields(written), SALT)
    assert (caught.value.value, caught.value.wanted) == (value, wanted)


@pytest.mark.parametrize(
    "name", ["../../admin", "%2e%2e", "a b", "openai/gpt-4o", "模型", "sim:x@1"]
)
def test_a_model_that_is_only_strange_is_taken_as_a_name(name: str) -> None:
    assert read_chat(model(name), SALT).model == name


# What is read -------------------------------------------------------------------------------


def test_a_plain_request_is_read() -> None:
    got = facts()
    assert (got.model, got.is_stream, got.wants_usage) == ("m", False, False)
    assert (got.output_asked, got.output_fields, got.choices, got.tier) == (None, (), 1, "")
    assert (got.has_audio, got.unbounded_field, got.metadata, got.fields) == (False, "", {}, {})
    assert [one.name for one in got.members] == ["model", "messages"]


READ: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({"stream": True}, {"is_stream": True, "wants_usage": False}),
    ({"stream": None, "stream_options": None}, {"is_stream": False}),
    ({"stream": True, "stream_options": {"include_usage": True}}, {"wants_usage": True}),
    ({"stream": True, "stream_options": {"include_usage": False}}, {"wants_usage": False}),
    ({"max_tokens": 1}, {"output_asked": 1, "output_fields": ("max_tokens",)}),
    ({"max_tokens": OUTPUT_ASKED_MAX}, {"output_asked": OUTPUT_ASKED_MAX}),
    (
        {"max_completion_tokens": 9, "max_tokens": 7},
        {"output_asked": 9, "output_fields": ("max_completion_tokens", "max_tokens")},
    ),
    ({"max_tokens": None}, {"output_asked": None, "output_fields": ()}),
    ({"n": CHOICES_MAX}, {"choices": CHOICES_MAX}),
    ({"n": None}, {"choices": 1}),
    ({"best_of": 5, "n": 2}, {"choices": 5}),
    ({"best_of": None, "n": 3}, {"choices": 3}),
    ({"service_tier": "flex"}, {"tier": "flex"}),
    ({"service_tier": None}, {"tier": ""}),
    ({"service_tier": "a\x1bb"}, {"tier": "ab"}),
    (
        {"user": "u", "safety_identifier": "s"},
        {"fields": {"user": "u", "safety_identifier": "s"}},
    ),
    ({"user": 5, "safety_identifier": None}, {"fields": {}}),
    (
        {"session_id": "s", "prompt_cache_key": "k"},
        {"fields": {"session_id": "s", "prompt_cache_key": "k"}},
    ),
    ({"session_id": 5, "prompt_cache_key": [], "trace": None}, {"fields": {}}),
    ({"trace": {"a": "é"}}, {"fields": {"trace": '{"a": "\\u00e9"}'}}),
    ({"trace": {"a": "x" * LENGTH_MAX}}, {"fields": {}}),
    (
        {"metadata": {"tags": ["a", 5, "b:c"], "x": "y"}},
        {"fields": {"metadata.tags": '["a","b:c"]'}, "metadata": {"x": "y"}},
    ),
    ({"metadata": {"tags": "a"}}, {"fields": {}, "metadata": {"tags": "a"}}),
    ({"metadata": {"tags": [5]}}, {"fields": {}, "metadata": {}}),
    ({"metadata": {"tenant": "acme", "n": 5, "x": None}}, {"metadata": {"tenant": "acme"}}),
    ({"metadata": "x"}, {"metadata": {}}),
    ({"metadata": ["x"]}, {"metadata": {}}),
    ({"modalities": ["text", "audio"]}, {"has_audio": True}),
    ({"modalities": ["text"]}, {"has_audio": False}),
    ({"modalities": "audio"}, {"has_audio": False}),
    ({"web_search_options": {}}, {"unbounded_field": "web_search_options"}),
    ({"web_search_options": {"a": 1}}, {"unbounded_field": "web_search_options"}),
    ({"web_search_options": None}, {"unbounded_field": ""}),
    ({"tools": [], "functions": []}, {"unbounded_field": ""}),
    ({"tools": None, "functions": None, "prediction": None}, {"unbounded_field": ""}),
    ({"tools": [{"type": "function"}], "tool_choice": "auto"}, {"model": "m"}),
    ({"tools": "odd", "functions": 5}, {"model": "m"}),
    ({"prediction": {"type": "content", "content": "x"}}, {"model": "m"}),
    ({"response_format": {"type": "json_object"}, "unknown": [1]}, {"model": "m"}),
]


@pytest.mark.parametrize(("more", "expected"), READ)
def test_a_field_is_read_and_no_other_is_in_the_way(
    more: dict[str, object], expected: dict[str, object]
) -> None:
    got = facts(**more)
    assert {name: getattr(got, name) for name in expected} == expected
    assert [one.name for one in got.members] == ["model", "messages", *more]


def test_metadata_has_a_most() -> None:
    got = facts(metadata={f"k{at}": "v" for at in range(METADATA_MEMBERS_MAX + 9)})
    assert len(got.metadata) == METADATA_MEMBERS_MAX


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("models", ["openai/gpt-5-pro"]),
        ("plugins", [{"id": "web"}]),
        ("preset", "house-rules"),
        ("enable_search", True),
        ("search_parameters", {"mode": "on"}),
        ("tools", [{"type": "openrouter:web_search"}]),
        ("extra_body", {"google": {"cached_content": "cachedContents/1"}}),
    ],
)
def test_what_bills_another_model_or_a_search_has_no_bound(field: str, value: object) -> None:
    got = facts(**{field: value})
    assert got.unbounded_field == field or got.input_bound is None


# The input bound ----------------------------------------------------------------------------


def bound(*messages: object, **more: object) -> int | None:
    return facts(*messages, **more).input_bound


def user(*parts: object) -> dict[str, object]:
    return {"role": "user", "content": list(parts)}


def text_bytes(value: object) -> int:
    """The UTF-8 bytes of every string in `value`: a token is never shorter."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(text_bytes, value)) + sum(map(text_bytes, value.values()))
    return sum(map(text_bytes, value)) if isinstance(value, list) else 0


def image(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


SMALL = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 3).decode()
TINY = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
PICTURE_TILES = 2_833 + 8 * 5_667
"""GPT-4o mini's count of a picture of 768 by 2,048: the most."""


@given(st.lists(OBJECTS, min_size=1, max_size=3), RANDOMS)
def test_no_text_has_more_tokens_than_its_bound(messages: list[object], random: Random) -> None:
    body = b'{"model":"m","messages":' + written(messages, random) + b"}"
    got = read_chat(body, SALT).input_bound
    assert got is None or got >= text_bytes(messages) + len(messages)


TEXTS = ["a" * 10_000, "\x01" * 1_000, "é" * 1_000, "😀" * 1_000, '"\\\n' * 1_000, "﷽" * 1_000]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[0]))
@pytest.mark.parametrize("is_ascii", [True, False])
def test_escapes_do_not_make_text_shorter(text: str, is_ascii: bool) -> None:
    request = {"model": "m", "messages": [{"role": "user", "content": text}]}
    got = read_chat(json.dumps(request, ensure_ascii=is_ascii).encode(), SALT).input_bound
    assert got is not None
    assert got >= len(text.encode())


def test_every_message_has_room_for_its_template() -> None:
    few = bound(*[{"role": "user", "content": ""}] * 10)
    many = bound(*[{"role": "user", "content": ""}] * 20)
    assert few is not None
    assert many is not None
    assert many - few >= 10 * 8


ESCAPED_TYPE = b'{"%s":"%s","image_url":{"url":"https://a.example/b.png"}}' % (
    escaped("type").encode(),
    escaped("image_url").encode(),
)
IMAGES: list[tuple[str, int, bytes]] = [
    ("m", IMAGE_TOKENS, json.dumps(image("https://a.example/b.png")).encode()),
    ("m", IMAGE_TOKENS, json.dumps(image(SMALL)).encode()),
    ("m", IMAGE_TOKENS, json.dumps(image(TINY)).encode()),
    ("m", IMAGE_TOKENS, json.dumps(image(SMALL)).replace("/", "\\/").encode()),
    ("m", IMAGE_TOKENS, b'{ "type" :\n"image_url","image_url":{"url":"https://a.example/b"}}'),
    ("m", IMAGE_TOKENS, b'{"image_url":{"url":"https://a.example/b"},"type":"image_url"}'),
    ("m", IMAGE_TOKENS, ESCAPED_TYPE),
    ("m", IMAGE_TOKENS, ESCAPED_TYPE.replace(b"https:", b"\\\\\\\\\\" + b"u0068ttps:")),
    ("gpt-4o-mini", PICTURE_TILES, json.dumps(image(TINY)).encode()),
    ("openai/gpt-4o-mini-2024-07-18", PICTURE_TILES, json.dumps(image(TINY)).encode()),
    ("ft:gpt-4o-mini:acme::1", PICTURE_TILES, json.dumps(image(TINY)).encode()),
]


@pytest.mark.parametrize(("name", "tokens", "part"), IMAGES)
@pytest.mark.parametrize("count", [1, 3])
def test_every_image_counts_whatever_its_bytes(
    name: str, tokens: int, part: bytes, count: int
) -> None:
    parts = b",".join([part] * count)
    body = b'{"model":"%s","messages":[{"role":"user","content":[%s]}]}' % (name.encode(), parts)
    got = read_chat(body, SALT).input_bound
    assert got is not None
    assert got >= count * tokens


@pytest.mark.parametrize(("name", "tokens", "part"), IMAGES)
def test_an_image_counts_by_the_model_that_looks_at_it(name: str, tokens: int, part: bytes) -> None:
    def read(model: str) -> Facts:
        content = b"[%s,%s]" % (part, part)
        said = b'{"model":"%s","messages":[{"role":"user","content":%s}]}'
        return read_chat(said % (model.encode(), content), SALT)

    as_route, as_model = read("x" * len(name)), read(name)
    assert as_route.input_bound_at(name) == as_model.input_bound
    assert as_model.input_bound_at("x") == as_route.input_bound
    assert as_model.input_bound_at(name) == as_model.input_bound
    assert as_model.images == 2
    assert tokens >= IMAGE_TOKENS


def test_a_text_alone_counts_the_same_at_every_model() -> None:
    got = facts()
    assert got.input_bound_at("gpt-4o-mini") == got.input_bound is not None
    assert facts(user({"type": "file", "file": {"file_id": "f"}})).input_bound_at("m") is None


def test_messages_are_views_of_the_body() -> None:
    body = b'{"messages": [ {"role":"user" ,"content":"a"},{"content":"a, b"} ],"model":"m"}'
    got = read_chat(body, SALT).messages
    assert [bytes(one) for one in got] == [
        b'{"role":"user" ,"content":"a"}',
        b'{"content":"a, b"}',
    ]


def test_the_bytes_of_an_image_are_no_text() -> None:
    large = "data:image/png;base64," + base64.b64encode(b"\x89PNG" * 100_000).decode()
    got = bound(user({"type": "text", "text": "what?"}, image(large)))
    assert got is not None
    # Left out of the text; what still counts is a small share, in case it is speech.
    assert IMAGE_TOKENS < got < IMAGE_TOKENS + len(large) // 50


def speech(seconds: int, bytes_a_second: int) -> dict[str, object]:
    data = base64.b64encode(b"\x07\xf1" * (seconds * bytes_a_second // 2)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}


@pytest.mark.parametrize("bytes_a_second", [1_000, 2_000, 16_000, 48_000])
def test_speech_counts_by_its_length(bytes_a_second: int) -> None:
    # OpenAI counts 10 tokens a second, Google 32 of its own; an MP3 has 8 kbit/s at the least.
    got = facts(user(speech(60, bytes_a_second)))
    assert got.has_audio
    assert got.input_bound is not None
    assert got.input_bound >= 10 * 60


ELSEWHERE: list[dict[str, object]] = [
    {"type": "file", "file": {"file_id": "file-1"}},
    {
        "type": "file",
        "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a"},
    },
    {"type": "file", "file": {"file_url": "https://a.example/b.pdf"}},
    {"type": "document_url", "document_url": "https://a.example/b.pdf"},
    {"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}},
    {"type": "audio_url", "audio_url": {"url": "https://a.example/b.mp3"}},
    {"type": "input_video", "input_video": {"data": "AAAA"}},
]


@pytest.mark.parametrize("part", ELSEWHERE, ids=lambda part: json.dumps(part)[:40])
def test_content_that_cannot_be_counted_has_no_bound_of_its_own(part: dict[str, object]) -> None:
    assert bound(user({"type": "text", "text": "sum up"}, part)) is None
    hidden = json.dumps({"messages": [user(part)]}).replace("_", escaped("_"))
    body = b'{"model":"m",' + hidden.encode()[1:]
    assert read_chat(body, SALT).input_bound is None


def test_an_earlier_spoken_answer_is_not_in_the_request() -> None:
    got = facts({"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "?"})
    assert got.input_bound is None
    assert got.has_audio


IMITATIONS = [
    '","data":"' + "A" * 5_000,
    '{"data":"' + "A" * 5_000 + '"}',
    '"url":"data:image/png;base64,' + "A" * 5_000 + '"',
    '\\"url\\":\\"' + "A" * 5_000 + '\\"',
    "data:image/png;base64," + "A" * 5_000,
    '"type":"text"' + "A" * 5_000,
]


@pytest.mark.parametrize("text", IMITATIONS, ids=lambda text: text[:20])
def test_text_that_imitates_encoded_parts_is_counted_as_text(text: str) -> None:
    for message in (
        {"role": "user", "content": text},
        user({"type": "text", "text": text}),
        {
            "role": "assistant",
            "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": text}}],
        },
    ):
        request = json.dumps({"model": "m", "messages": [message]})
        for body in (request, request.replace("A", escaped("A"))):
            got = read_chat(body.encode(), SALT).input_bound
            assert got is not None
            assert got >= len(text.encode())


def test_images_in_text_do_not_count_as_images() -> None:
    got = bound({"role": "user", "content": json.dumps([image(TINY)] * 50)})
    assert got is not None
    assert got < IMAGE_TOKENS


OTHER_INPUT: list[tuple[str, object]] = [
    ("tools", [{"type": "function", "function": {"name": "f", "description": "x" * 4_000}}]),
    ("functions", [{"name": "f", "description": "x" * 4_000}]),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "x" * 4_000}}),
    ("prediction", {"type": "content", "content": "x" * 4_000}),
    ("documents", [{"text": "x" * 4_000}]),
]


@pytest.mark.parametrize(("name", "value"), OTHER_INPUT)
def test_what_stands_beside_the_messages_is_input_too(name: str, value: object) -> None:
    plain = bound()
    got = bound(**{name: value})
    assert plain is not None
    assert got is not None
    share = 3 if name in ("tools", "functions") else 1
    assert got - plain >= share * 4_000


def test_tools_and_functions_both_count() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 1_000}}
    both, one = bound(tools=[tool], functions=[tool]), bound(tools=[tool])
    assert both is not None
    assert one is not None
    assert both - one >= 3 * 1_000


# Fingerprints -------------------------------------------------------------------------------

SYSTEM = {"role": "system", "content": "You are terse."}
DEVELOPER = {"role": "developer", "content": "Be brief."}
ASK = {"role": "user", "content": "hi"}
OTHER = {"role": "user", "content": "ho"}
TOOL = {"type": "function", "function": {"name": "f"}}


def prints(*messages: object, salt: bytes = SALT, **more: object) -> Fingerprints:
    body = json.dumps({"model": "m", "messages": messages, **more}).encode()
    return read_chat(body, salt).fingerprints


def test_the_same_beginning_has_the_same_hash_whatever_follows() -> None:
    one, two = prints(SYSTEM, DEVELOPER, ASK), prints(SYSTEM, DEVELOPER, OTHER, ASK)
    assert one.prefix_hash == two.prefix_hash != 0
    assert one.last_message_hash == two.last_message_hash
    assert one.request_hash != two.request_hash
    assert prints(SYSTEM, ASK).prefix_hash != one.prefix_hash
    assert prints(SYSTEM, ASK, tools=[TOOL]).prefix_hash != prints(SYSTEM, ASK).prefix_hash
    assert prints(SYSTEM, ASK, SYSTEM).prefix_hash == prints(SYSTEM, ASK).prefix_hash


def test_a_request_without_a_beginning_has_none() -> None:
    got = prints(ASK)
    assert (got.prefix_hash, got.prefix_bytes) == (0, 0)
    every: list[object] = [5, "system", None, [], {"role": 5}, {"role": None}, {}]
    for odd in every:
        assert prints(odd, SYSTEM).prefix_hash == 0


def test_another_salt_gives_another_hash() -> None:
    one, two = prints(SYSTEM, ASK), prints(SYSTEM, ASK, salt=b"pepper")
    assert one.prefix_hash != two.prefix_hash
    assert one.request_hash != two.request_hash
    assert one.last_message_hash != two.last_message_hash
    assert one.prefix_bytes == two.prefix_bytes
    assert prints(SYSTEM, ASK) == one


def test_sizes_are_those_of_the_parts() -> None:
    got = prints(SYSTEM, ASK, tools=[TOOL])
    request = {"model": "m", "messages": [SYSTEM, ASK], "tools": [TOOL]}
    assert got.request_bytes == len(json.dumps(request))
    assert got.prefix_bytes == len(json.dumps(SYSTEM)) + len(json.dumps([TOOL]))
    assert got.last_message_bytes == len(json.dumps(ASK))


def test_hashes_fit_a_signed_column() -> None:
    every = [prints({"role": "user", "content": str(at)}).request_hash for at in range(200)]
    assert all(-(2**63) <= one < 2**63 for one in every)
    assert min(every) < 0 < max(every)
    assert len(set(every)) == 200


# Fuzz ---------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]',
        b'{"model":"m"',
        b'"messages":[',
        b'"messages":',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b'"role":"system"',
        b'"tools":',
        b'"stream":',
        b'"stream_options":',
        b'"max_tokens":',
        b'"n":',
        b'"metadata":',
        b"true",
        b"null",
        b"1e400",
        b"-0",
        b"1" * 30,
        b'"\\u0061"',
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf",
        b"\x00",
        b"[" * 500,
        b"]" * 500,
        b"\\",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=6), max_size=24).map(b"".join))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        got = read_chat(body, SALT)
    except (NotJson, BadParameter):
        return
    assert got.model


@given(
    st.dictionaries(
        st.sampled_from(
            "stream stream_options max_tokens max_completion_tokens n service_tier user metadata"
            " safety_identifier modalities tools functions prediction web_search_options x".split()
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | SHORT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3),
            max_leaves=6,
        ),
    ),
    st.lists(OBJECTS | st.integers() | st.none() | st.text(max_size=4), max_size=3),
)
def test_any_fields_are_read_or_refused(more: dict[str, object], messages: list[object]) -> None:
    body = json.dumps({"model": "m", "messages": messages, **more}).encode()
    try:
        got = read_chat(body, SALT)
    except (NotJson, BadParameter):
        return
    assert [one.name for one in got.members] == ["model", "messages", *more]
    assert got.input_bound is None or got.input_bound > 0


@pytest.mark.parametrize("depth", [*range(880, 1_010, 3), 2_000])
def test_depth_near_the_most_is_read_or_refused(depth: int) -> None:
    nest = "[" * depth + "]" * depth
    for body in (
        fields(f'"x":{nest}'),
        fields(f'"tools":{nest}'),
        fields(f'"metadata":{nest}'),
        f'{{"model":"m","messages":[{{"role":"system","x":{nest}}}]}}'.encode(),
        f'{{"model":"m","messages":[{{"\\u0072ole":"system","x":{nest}}}]}}'.encode(),
    ):
        try:
            read_chat(body, SALT)
        except NotJson:
            continue


def test_a_prediction_is_measured_by_its_bytes() -> None:
    prediction = {"type": "content", "content": "x" * 90}
    assert facts(prediction=prediction).predicted_bytes == len(json.dumps(prediction))
    assert facts(prediction=None).predicted_bytes == 0
    assert facts().predicted_bytes == 0


def test_the_larger_of_two_limits_counts() -> None:
    """A provider may read either: the hold must cover both."""
    assert facts(max_completion_tokens=1, max_tokens=9_000).output_asked == 9_000


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "x", "data": "A" * 300_000},
        {"type": "image_url", "image_url": {"url": "data:text/plain;base64," + "A" * 300_000}},
        {"type": "text", "text": "x", "url": "A" * 300_000},
    ],
)
def test_only_pictures_and_sounds_are_left_out_of_the_bytes(part: dict[str, object]) -> None:
    found = facts({"role": "user", "content": [part]}).input_bound
    assert found is not None
    assert found > 300_000


def test_a_video_counts_as_the_whole_context() -> None:
    part = {"type": "video", "video": ["https://a.example/1.png"]}
    assert facts({"role": "user", "content": [part]}).input_bound is None
