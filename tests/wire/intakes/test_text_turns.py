"""What is taken for text and calls alone is that: a close look at the same turns finds no more."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import NotJson
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.input_bounds import TEXT_ALONE, Parts, chat_parts
from ferrycli.wire.intakes.carried import instructions
from ferrycli.wire.intakes.text_turns import (
    chat_texts,
    is_converse_text,
    is_gemini_text,
    is_messages_text,
    leading,
    responses_texts,
)
from ferrycli.wire.turns import TURNS
from tests.wire.written import RANDOMS, written

TEXT = st.sampled_from(
    [
        "hi",
        "",
        "type",
        "audio",
        'audio": {',
        '"type": "image_url"',
        'x\\"file_id": 1',
        "file_id",
        "image",
        "ferry:signature:anthropic:x",
        "é\u2028",
    ]
)
KINDS = st.sampled_from(
    """
    text function tool_use tool_result message function_call function_call_output input_text
    output_text image image_url input_audio input_image thinking document reasoning ephemeral
    """.split()
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "", None, 1])
NAMES = st.sampled_from(
    """
    role content text name arguments input output id call_id status tool_use_id tool_calls function
    refusal tool_call_id cache_control is_error annotations source data signature encrypted_content
    file_id image_url audio video reasoning_details
    """.split()
)
LEAVES = TEXT | st.none() | st.booleans() | st.integers(0, 3)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda members, typed, roled: {**members, **typed, **roled},
        st.dictionaries(NAMES, inner, max_size=3),
        st.just({}) | st.builds(lambda kind: {"type": kind}, KINDS),
        st.just({}) | st.builds(lambda role: {"role": role}, ROLES),
    )


VALUES = st.recursive(LEAVES, lambda inner: objects(inner) | st.lists(inner, max_size=3))
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(lambda text: {"type": "input_text", "text": text}, TEXT),
    st.builds(lambda text: {"type": "tool_use", "id": "1", "input": {"type": text}}, TEXT),
    st.builds(lambda text: {"type": "tool_result", "content": text}, TEXT),
    st.builds(lambda text: {"text": text}, TEXT),
    st.builds(lambda text: {"functionCall": {"name": text, "args": {"parts": text}}}, TEXT),
    st.builds(lambda text: {"toolUse": {"toolUseId": text, "name": "f", "input": text}}, TEXT),
    objects(VALUES),
)
CALLS = st.builds(
    lambda text: {"id": "1", "type": "function", "function": {"name": "f", "arguments": text}}, TEXT
)
TURNS_OF_ANY = st.lists(
    st.one_of(
        st.builds(
            lambda role, name, content: {"role": role, name: content},
            ROLES,
            st.sampled_from(["content", "content", "parts"]),
            TEXT | st.lists(BLOCKS, max_size=3),
        ),
        st.builds(lambda calls: {"role": "assistant", "tool_calls": calls}, st.lists(CALLS)),
        objects(VALUES),
    ),
    min_size=1,
    max_size=4,
)


@given(TURNS_OF_ANY, RANDOMS)
def test_what_is_text_alone_has_nothing_else_in_it(turns: list[Any], random: Random) -> None:
    said = written(turns, random)
    found = {
        "chat": chat_texts(said),
        "messages": [] if is_messages_text(said) else None,
        "responses": responses_texts(said),
        "gemini": [] if is_gemini_text(said) else None,
        "converse": [] if is_converse_text(said) else None,
    }
    raws = msgspec.json.decode(said, type=list[msgspec.Raw])
    for dialect, texts in found.items():
        if texts is None:
            continue
        assert TURNS[dialect].parts(said) == TEXT_ALONE
        assert not TURNS[dialect].varies(said)
        if dialect in ("chat", "responses"):
            assert leading(raws, texts) == instructions(raws)
        is_looked_at(dialect, said)


def is_looked_at(dialect: str, said: bytes) -> None:
    """That nothing in the turns would be taken out, were they looked at for seals."""
    body = b'{"model":"m","%s":%s}' % (TURNS[dialect].member.encode(), said)
    facts = DIALECTS[dialect].read(body, Place("m", False), b"salt")
    assert facts.is_text_alone
    closely = msgspec.structs.replace(facts, is_text_alone=False)
    for sent in (Sent("m"), Sent("n", 5, "max_tokens")):
        assert DIALECTS[dialect].outgoing(body, facts, sent) == DIALECTS[dialect].outgoing(
            body, closely, sent
        )


SYSTEM = {"role": "system", "content": "s"}
CACHED = {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "1", "name": "f", "input": {"type": "object", "n": [1]}}
RESULT = {"type": "tool_result", "tool_use_id": "1", "content": "a", "is_error": False}
USUAL: dict[str, list[Any]] = {
    "chat": [
        SYSTEM,
        {"role": "user", "content": [CACHED]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
        {"role": "tool", "tool_call_id": "1", "content": "a"},
    ],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [CACHED, USE]},
        {"role": "user", "content": [RESULT, {**RESULT, "content": [CACHED]}]},
    ],
    "responses": [
        {"role": "developer", "content": "s"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "t"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "a"},
        {
            "type": "message",
            "role": "assistant",
            "id": "m",
            "status": "completed",
            "content": [{"type": "output_text", "text": "t", "annotations": []}],
        },
    ],
}


@pytest.mark.parametrize("dialect", USUAL)
def test_usual_conversations_are_known_for_text(dialect: str) -> None:
    said = json.dumps(USUAL[dialect]).encode()
    is_looked_at(dialect, said)
    assert TURNS[dialect].parts(said) == TEXT_ALONE


USUAL["gemini"] = [
    {"role": "user", "parts": [{"text": "t"}]},
    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": [1]}}}]},
    {"parts": [{"functionResponse": {"name": "f", "response": {"inlineData": 1}}}]},
]
USUAL["converse"] = [
    {"role": "user", "content": [{"text": "t"}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]},
    {"content": [{"toolResult": {"toolUseId": "1", "content": [{"json": {"image": 1}}]}}]},
]
NO_TEXT: list[tuple[str, str]] = [
    ("chat", '[{"role":"user","content":"a","audio":{"id":"a"}}]'),
    ("chat", '[{"role":"user","content":[{"type":"image_url","image_url":"data:"}]}]'),
    ("chat", '[{"role":"user","content":[{"type":"text","type":"image_url","text":"a"}]}]'),
    ("chat", '[{"role":"user","content":[{"\\u0066ile_id":1}],"content":"a"}]'),
    ("chat", '[{"role":"user","content":"a","reasoning_details":[]}]'),
    ("chat", '[{"role":"user","content":"\\ud800"}]'),
    ("messages", '[{"role":"user","content":[{"type":"text","type":"image"}]}]'),
    ("messages", '[{"role":"user","content":[{"type":"text","source":{}}]}]'),
    ("messages", '[{"role":"user","content":[{"type":"thinking","signature":"s"}]}]'),
    ("messages", '[{"role":"user","content":[{"type":"tool_use","input":{"a":"\\ud800"}}]}]'),
    ("responses", '[{"role":"user"}]'),
    ("responses", '[{"type":"item_reference","id":"i"}]'),
    ("responses", '[{"role":"user","content":[{"type":"input_file"}]}]'),
    ("responses", '[{"type":"reasoning","encrypted_content":"ferry:"}]'),
    ("responses", '"\\ud800"'),
    ("gemini", '[{"parts":[{"inlineData":{}}]}]'),
    ("gemini", '[{"parts":[{"text":"t","thoughtSignature":"s"}]}]'),
    ("gemini", '[{"parts":[{"functionResponse":{"name":"f","parts":[]}}]}]'),
    ("gemini", '[{"parts":{"text":"t"}}]'),
    ("converse", '[{"content":[{"image":{}}]}]'),
    ("converse", '[{"content":[{"reasoningContent":{}}]}]'),
    ("converse", '[{"content":[{"toolResult":{"toolUseId":"1","content":[{"document":{}}]}}]}]'),
]
READS = {
    "chat": chat_texts,
    "messages": is_messages_text,
    "responses": responses_texts,
    "gemini": is_gemini_text,
    "converse": is_converse_text,
}


@pytest.mark.parametrize(("dialect", "said"), NO_TEXT)
def test_whatever_else_is_in_them_is_looked_at_closely(dialect: str, said: str) -> None:
    assert READS[dialect](said.encode()) in (None, False)


def test_text_that_hides_no_part_is_found_out_of_any_writing() -> None:
    hidden = rb'[{"role":"user","content":"a","\u0061udio":{"id":"a"}}]'
    assert chat_texts(hidden) is None
    assert chat_parts(hidden) == Parts(is_elsewhere=True, has_audio=True)
    with pytest.raises(NotJson):
        chat_parts(rb'[{"role":"user","content":"\u0061\ud800"}]')
