"""A whole reply of the usual shape is read as any other would be: both ways agree."""

from __future__ import annotations

import json
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.wire.facts import Reading
from ferrycli.wire.readers import chat
from ferrycli.wire.readers.usual_chat import usual_reply
from tests.wire.written import RANDOMS, written

USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 8,
    "total_tokens": 38,
    "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "accepted_prediction_tokens": 0},
}
MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "content": 'a "b"\nc',
    "refusal": None,
    "annotations": [],
}
CHOICE = {"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}
REPLY: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [CHOICE],
    "usage": USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp",
}


def read(body: bytes) -> Reading:
    reader = chat.whole()
    reader.feed(body)
    reader.finish()
    return reader.reading()


def agree(body: bytes) -> None:
    quick = read(body)
    with patch.object(chat, "usual_reply", lambda _body: None):
        assert quick == read(body)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("text", ["", "a", 'a "b"\nc', "é", "content", '"content":"x"'])
def test_the_usual_reply_is_known(text: str, separators: tuple[str, str]) -> None:
    choice = {**CHOICE, "message": {**MESSAGE, "content": text}}
    body = json.dumps({**REPLY, "choices": [choice]}, separators=separators).encode()
    usual = usual_reply(body)
    assert usual is not None
    assert usual[1] == len(json.dumps(text)) - 2
    agree(body)


USUAL = json.dumps(REPLY, separators=(",", ":"))
UNUSUAL = [
    ("content", "\\u0063ontent"),
    ('"role"', '"content":"xy","role"'),
    ('"refusal":null', '"\\u0063ontent":"xy"'),
    ('"refusal":null', '"\\u0063ontent":[{"text":"xy"}]'),
    ('"refusal":null', '"refusal":"no"'),
    ('"refusal":null', '"refusal":"no","refusal":null'),
    ('"refusal":null', '"reasoning":"hm"'),
    ('"refusal":null', '"tool_calls":[{"function":{"arguments":"{}"}}]'),
    ('"annotations":[]', '"annotations":[{"text":"xy"}],"annotations":[]'),
    ('"annotations":[]', '"annotations":[{"text":"xy"}]'),
    ('"logprobs":null', '"logprobs":{"content":[]}'),
    ('"object":"chat.completion"', '"object":"content"'),
    ('"id":"chatcmpl-1"', '"id":"content","x":{"content":"a"}'),
    ('"content":', '"content" :'),
    ('"content":', '"content":  '),
    ('"created":1', '"created":1,"error":{"code":"x"}'),
    ('"created":1', '"created":1,"choices":[]'),
    ('"usage":{', '"usage":{"cost":0.5,'),
    ('"usage":{', '"usage":{"text":"xy",'),
    ('"prompt_tokens":30', '"prompt_tokens":"30"'),
    ('"prompt_tokens":30', '"prompt_tokens":-30'),
    ('"total_tokens":38', '"total_tokens":41'),
    ('"model":"m-1"', '"model":null'),
    ('"finish_reason":"stop"}', '"finish_reason":"stop"},{"index":1,"message":{"content":"b"}}'),
]


@pytest.mark.parametrize(("old", "new"), UNUSUAL)
def test_what_is_written_otherwise_is_read_the_same(old: str, new: str) -> None:
    assert old in USUAL
    agree(USUAL.replace(old, new).encode())


@given(RANDOMS, st.integers(0, len(USUAL)), st.binary(max_size=3))
def test_a_broken_reply_is_read_the_same(random: Random, at: int, what: bytes) -> None:
    body = USUAL.encode()
    agree(body[:at] + what + body[at + random.randrange(4) :])
    agree(written(REPLY, random))
