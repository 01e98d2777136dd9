"""What one dialect says and others have no member for is said where it can be, or left out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferrycli.wire.dialect import Codec, Place
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.chat.codec import CHAT, COMPATIBLE_CHAT
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.lengths import WORDS
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import (
    Image,
    Talk,
    Text,
    Turn,
)

TARGETS: dict[str, Codec] = {
    "chat": CHAT,
    "compatible": COMPATIBLE_CHAT,
    "converse": CONVERSE,
    "gemini": GEMINI,
    "messages": MESSAGES,
    "responses": RESPONSES,
}
HI = Turn("user", (Text("hi"),))
TALK = Talk("m", (HI,), (Text("be kind"),))


def write(name: str, talk: Talk) -> Any:
    return json.loads(TARGETS[name].write_request(talk))


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize("verbosity", ["low", "high"])
def test_a_length_is_asked_for_in_a_member_or_in_words(verbosity: str, name: str) -> None:
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "verbosity": verbosity}
    )
    asked = carry.request(body.encode(), Place(), CHAT, TARGETS[name], "gpt-5.6").decode()
    has_member = name in ("chat", "responses")
    assert (f'"verbosity":"{verbosity}"' in asked) == has_member
    assert (WORDS[verbosity] in asked) != has_member


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_picture_that_may_be_seen_less_closely_is_shown(name: str) -> None:
    image = Image("image/png", "AAAA", detail="low")
    asked = TARGETS[name].write_request(Talk("m", (Turn("user", (image,)),))).decode()
    assert "AAAA" in asked
    assert ('"detail":"low"' in asked) == (name in ("chat", "compatible", "responses"))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_one_call_at_once_means_nothing_without_tools(name: str) -> None:
    assert write(name, replace(TALK, parallel_tools=False)) == write(name, TALK)
