"""Recorded replies of Gemini and of Converse are read to the events that they are, and told again.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ferrycli.wire.dialect import Asking, Codec, Place
from ferrycli.wire.readers import converse, gemini
from ferrycli.wire.translate import carry
from ferrycli.wire.translate.converse.codec import CONVERSE
from ferrycli.wire.translate.gemini.codec import GEMINI
from ferrycli.wire.translate.messages.codec import MESSAGES
from ferrycli.wire.translate.talk import Finished, Said, Started, Thought
from ferrycli.wire.translate.turns import joined
from tests.wire.recorded import FIXTURES, needs_recordings
from tests.wire.translate.replies import known, parsed, told

pytestmark = needs_recordings

CASES: dict[str, tuple[Codec, str]] = {
    "24-gemini-generate-cached-content": (GEMINI, "Paris."),
    "26-gemini-stream-cumulative": (GEMINI, "\n".join(str(one) for one in range(1, 31))),
    "28-gemini-implicit-cache-image": (GEMINI, "The image you sent is a cross-section of a kiwi"),
    "31-bedrock-converse-cache-write": (CONVERSE, "21"),
    "32-bedrock-converse-cache-read": (CONVERSE, "21"),
    "34-bedrock-converse-stream-nova": (CONVERSE, "The current temperature in Paris"),
    "35-bedrock-converse-stream-claude": (CONVERSE, '{"city":"Paris","country":"France"'),
}


@cache
def cases() -> dict[str, dict[str, Any]]:
    manifest = json.loads((FIXTURES / "manifest.json").read_text("utf-8"))
    return {case["id"]: case for case in manifest["fixtures"]}


def recorded(name: str, file: str) -> bytes:
    path: str = cases()[name][file]
    return (FIXTURES / path).read_bytes()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_recorded_reply_is_read_cut_anywhere_and_told_again(name: str) -> None:
    codec, text = CASES[name]
    body = recorded(name, "response_file")
    is_stream = cases()[name]["stream"]
    wanted = parsed(codec.parser(is_stream=is_stream), [body])
    assert isinstance(wanted[0], Started)
    assert wanted[-1] == Finished("stop")
    assert all(isinstance(one, Said | Thought) for one in wanted[1:-1])
    assert "".join(one.text for one in wanted if isinstance(one, Said)).startswith(text)
    for at in range(1, len(body)):
        assert parsed(codec.parser(is_stream=is_stream), [body[:at], body[at:]]) == wanted, at
    for other_is_stream in (False, True):
        data = told(codec.writer(Asking("asked", other_is_stream)), wanted)
        again = parsed(codec.parser(is_stream=other_is_stream), [data])
        assert known(again)[3:] == known(wanted)[3:]
        said = "".join(one.text for one in again if isinstance(one, Said))
        assert said == "".join(one.text for one in wanted if isinstance(one, Said))


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_recorded_reply_is_carried_with_its_usage(name: str) -> None:
    codec, _ = CASES[name]
    is_stream = cases()[name]["stream"]
    readers = gemini if codec is GEMINI else converse
    reader = carry.TranslatingReader(
        readers.stream(False) if is_stream else readers.whole(),
        codec.parser(is_stream=is_stream),
        MESSAGES.writer(Asking("asked", is_stream=False)),
    )
    data = reader.feed(recorded(name, "response_file")) + reader.finish()
    counts = json.loads(data)["usage"]
    wanted = cases()[name]["expected_usage"]
    inputs = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(counts[one] or 0 for one in inputs) == wanted["input_total"]
    assert counts["output_tokens"] == wanted["output_total"]


REQUESTS = sorted(set(CASES) - {"24-gemini-generate-cached-content"})


@pytest.mark.parametrize("name", REQUESTS)
def test_a_recorded_request_is_read_as_it_is_written(name: str) -> None:
    codec, _ = CASES[name]
    model = "gemini-3-pro" if codec is GEMINI else "anthropic.claude-sonnet-5"
    talk = codec.read_request(recorded(name, "request_file"), Place(model))
    assert talk.turns
    again = codec.read_request(codec.write_request(talk), Place(model))
    assert again == replace(talk, turns=joined(talk.turns))
