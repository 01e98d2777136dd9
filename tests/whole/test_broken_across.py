"""Replies with status 200 that hold no answer: every SDK of another dialect is told of an error."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anthropic
import openai
import pytest
from google.genai.errors import APIError

from ferrycli.wire.frames import frame
from tests.whole.rig import Rig, rigged
from tests.whole.server import rows, settled_rows
from tests.whole.tape import Asked, Played
from tests.whole.test_across import CLIENTS
from tests.whole.voices import any_voice

SAID = "Too many are here."
ANTHROPICS = {"type": "error", "error": {"type": "overloaded_error", "message": SAID}}
BEFORE_AN_ANSWER = {
    # The first that comes, and the status that it stands for.
    "openai": (b'data: {"error":{"message":"%s","code":"overloaded"}}\n\n', 529),
    "anthropic": (b"event: error\ndata: " + json.dumps(ANTHROPICS).encode() + b"\n\n", 529),
    "gemini": (b'data: {"error":{"code":503,"message":"%s","status":"UNAVAILABLE"}}\r\n\r\n', 503),
    "bedrock": (
        frame(
            "throttlingException", json.dumps({"message": SAID}).encode(), message_type="exception"
        ),
        429,
    ),
}
OWN = {"chat": "openai", "responses": "openai", "messages": "anthropic", "gemini": "gemini"}
"""Where the client's dialect is the provider's, what came goes on as it is."""
ACROSS = [(name, kind) for name in CLIENTS for kind in BEFORE_AN_ANSWER]
ACROSS = [(name, kind) for name, kind in ACROSS if OWN[name.removesuffix("-stream")] != kind]
ERRORS = (openai.APIStatusError, anthropic.APIStatusError, APIError)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(tmp_path_factory.mktemp("broken")) as running:
        yield running._replace(retries=0)


def refused(rig: Rig, name: str, kind: str) -> tuple[int, str]:
    """Status and text of the error that the SDK raises."""
    before = len(rows(rig.server.database))
    with pytest.raises(ERRORS) as caught:
        CLIENTS[name][0](rig, f"{kind}/m-1", tools=False)
    error = caught.value
    status: int = getattr(error, "status_code", 0) or getattr(error, "code", 0)
    row = settled_rows(rig.server.database, before + 1)[-1]
    assert (row.provider, row.outcome, row.status) == (kind, "failed", status)
    return status, str(error)


@pytest.mark.parametrize(("name", "kind"), [one for one in ACROSS if one[0].endswith("stream")])
def test_a_stream_that_begins_with_an_error_has_its_status(rig: Rig, name: str, kind: str) -> None:
    event, stands_for = BEFORE_AN_ANSWER[kind]

    def play(asked: Asked) -> Played:
        return Played([event.replace(b"%s", SAID.encode())], any_voice(asked).content_type)

    rig.tape.play = play
    status, text = refused(rig, name, kind)
    assert status == stands_for
    assert SAID in text


@pytest.mark.parametrize("body", [b"hello", b'{"what":1}'], ids=["text", "another"])
@pytest.mark.parametrize(("name", "kind"), ACROSS)
def test_a_reply_that_cannot_be_read_is_no_empty_answer(
    rig: Rig, name: str, kind: str, body: bytes
) -> None:
    rig.tape.play = lambda _: Played([body])
    status, text = refused(rig, name, kind)
    assert status in (500, 502)
    assert "reply" in text
