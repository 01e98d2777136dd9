"""The chat dialect: what goes to the provider."""

from __future__ import annotations

import json

import pytest

from ferrycli.wire.dialect import Sent
from ferrycli.wire.intakes.chat import outgoing, read_chat

MESSAGES = '"messages":[{"role":"user","content":"hi"}]'


def request(fields: str) -> bytes:
    return f'{{ "model" : "m", {MESSAGES}{fields} }}\n'.encode()


def sent(body: bytes, model: str = "m", bound: int | None = None) -> bytes:
    return outgoing(body, read_chat(body, b"salt"), Sent(model, bound, "max_completion_tokens"))


UNTOUCHED = [
    "",
    ', "stream" : false, "x":1e5,"x\\u0079": [1.0, "\\/"]',
    ', "stream":true,"stream_options":{"include_usage":true}',
    ',"stream":null,"stream_options":null,"max_tokens":5',
    ',"stream_options":{"include_usage":false}',
]


@pytest.mark.parametrize("fields", UNTOUCHED)
def test_a_body_in_which_nothing_must_be_set_goes_as_it_is(fields: str) -> None:
    body = request(fields)
    assert sent(body) is body


def test_the_model_is_set_in_its_place() -> None:
    body = request(',"x":{"model":"m"}')
    assert sent(body, "o/n") == body.replace(b'"model" : "m"', b'"model" : "o/n"', 1)


OPTIONS = [
    ("", b',"stream_options":{"include_usage":true}'),
    (',"stream_options":null', b',"stream_options":{"include_usage":true}'),
    (',"stream_options":{}', b',"stream_options":{"include_usage":true}'),
    (
        ',"stream_options":{"include_usage":null}',
        b',"stream_options":{"include_usage":true}',
    ),
    (
        ',"stream_options":{"include_obfuscation":false,"include_usage":false}',
        b',"stream_options":{"include_obfuscation":false,"include_usage":true}',
    ),
    (
        ',"stream_options":{"far":1e999,"exact":1.10}',
        b',"stream_options":{"far":1e999,"exact":1.10,"include_usage":true}',
    ),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_usage_is_asked_for_in_every_stream(options: str, expected: bytes) -> None:
    body = request(',"stream":true' + options)
    wanted = request(',"stream":true').rstrip(b" }\n") + expected + b" }\n"
    assert sent(body) == wanted


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        (',"max_tokens":32000', ',"max_tokens":100'),
        (',"max_completion_tokens":32000', ',"max_completion_tokens":100'),
        ("", ',"max_completion_tokens":100'),
        (',"max_tokens":null', ',"max_tokens":null,"max_completion_tokens":100'),
        (
            ',"max_tokens":7,"max_completion_tokens":9',
            ',"max_tokens":100,"max_completion_tokens":100',
        ),
    ],
)
def test_a_bound_stands_in_the_callers_own_field(fields: str, changed: str) -> None:
    assert json.loads(sent(request(fields), bound=100)) == json.loads(request(changed))


def test_a_body_is_understood_the_same_after_it_was_changed() -> None:
    body = request(',"stream":true,"n":2')
    again = read_chat(sent(body, "other", 77), b"salt")
    assert (again.model, again.output_asked, again.wants_usage) == ("other", 77, True)
    assert again.choices == 2
