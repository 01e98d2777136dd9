"""A conversation moves between providers: each is given back its own seals, and no other's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.wire.dialect import Asking, Codec, Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, OPENROUTER_CHAT
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.seals import UNSEALED, Seal, read
from ferrycli.wire.translate.talk import Event, Finished, Said, Started, Talk, Text, Thought, Turn
from tests.wire.translate.replies import told

CLIENTS: dict[str, Codec] = {
    "chat": CHAT,
    "converse": CONVERSE,
    "gemini": GEMINI,
    "messages": MESSAGES,
    "responses": RESPONSES,
}
# Each with the maker whose seals it takes, and a model.
PROVIDERS: dict[str, tuple[Codec, str, str]] = {
    "anthropic": (MESSAGES, "anthropic", "claude-sonnet-5"),
    "bedrock": (CONVERSE, "anthropic", "anthropic.claude-sonnet-5"),
    "bedrock-nova": (CONVERSE, "", "amazon.nova-2-pro"),
    "google": (GEMINI, "google", "gemini-3-pro"),
    "openai": (RESPONSES, "openai", "gpt-5.6"),
    "openai-chat": (CHAT, "", "gpt-5.6"),
    "openrouter-claude": (OPENROUTER_CHAT, "anthropic", "anthropic/claude-sonnet-5"),
    "openrouter-grok": (OPENROUTER_CHAT, "xai-responses-v1", "x-ai/grok-5"),
}
SEALS = {"anthropic": "RXFR", "google": "Z29v", "openai": "b3Bl", "xai-responses-v1": "eGFp"}
USER = {"role": "user", "content": "hi"}


def asked_next(name: str, reply: dict[str, Any]) -> bytes:
    """What a client asks next, with the reply that it was given as it came."""
    body: dict[str, Any]
    if name == "chat":
        body = {"model": "m", "messages": [USER, reply["choices"][0]["message"], USER]}
    elif name == "messages":
        answer = {"role": "assistant", "content": reply["content"]}
        body = {"model": "m", "max_tokens": 9, "messages": [USER, answer, USER]}
    elif name == "responses":
        body = {"model": "m", "input": [USER, *reply["output"], USER]}
    elif name == "gemini":
        hi = {"role": "user", "parts": [{"text": "hi"}]}
        body = {"contents": [hi, reply["candidates"][0]["content"], hi]}
    else:
        hi = {"role": "user", "content": [{"text": "hi"}]}
        body = {"messages": [hi, reply["output"]["message"], hi]}
    return json.dumps(body).encode()


def answers(maker: str) -> list[Event]:
    """An answer of a maker's, with a thought sealed, another sealed whole, and one without."""
    seal = SEALS[maker]
    return [
        Started("r", "m"),
        Thought("why"),
        Thought(signature=seal, maker=maker),
        Thought(redacted=seal, maker=maker),
        Thought("how"),
        Said("so"),
        Finished("stop"),
    ]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@pytest.mark.parametrize("maker", sorted(SEALS))
@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_seal_goes_to_its_maker_alone(client: str, maker: str, provider: str) -> None:
    reply = json.loads(told(CLIENTS[client].writer(Asking("m", False)), answers(maker)))
    target, own, model = PROVIDERS[provider]
    body = asked_next(client, reply)
    asked = carry.request(body, Place("m"), CLIENTS[client], target, model).decode()
    is_said = SEALS[maker] in asked
    assert is_said == (maker == own)
    assert "ferry:" not in asked
    assert "ZmVycnk6" not in asked
    assert '"so"' in asked


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_turn_of_foreign_thoughts_alone_is_no_turn(provider: str) -> None:
    target, _, model = PROVIDERS[provider]
    thought = Seal("signature", "nobody", "s").thinking("t")
    hi = Turn("user", (Text("hi"),))
    found = json.loads(target.write_request(Talk(model, (hi, Turn("assistant", (thought,)), hi))))
    turns = found.get("messages") or found.get("contents") or found["input"]
    if target not in (CHAT, OPENROUTER_CHAT):
        assert len(turns) == 2


NO_SEALS = ["", "ferry:", "ferry:signature:x:", "ferry:odd:x:s", "ZmVycnk6"]


@pytest.mark.parametrize("written", NO_SEALS)
def test_a_mark_that_says_nothing_is_no_seal(written: str) -> None:
    assert read(written, "signature", "anthropic") == UNSEALED
