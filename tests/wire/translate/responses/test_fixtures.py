"""Recorded replies of providers in responses give the answers that stand in them.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

from itertools import groupby

import pytest

from ferrycli.wire.dialect import Asking
from ferrycli.wire.translate.responses.codec import RESPONSES
from ferrycli.wire.translate.talk import Event, Finished, Said, Started, Thought
from tests.wire.recorded import FIXTURES, needs_recordings

pytestmark = needs_recordings

ANSWERS = [
    ("06-openai-responses-cache-write.response.json", "gpt-5.6-sol", 0, "OK"),
    (
        "08-openai-responses-stream.response.sse",
        "gpt-4o-2024-08-06",
        0,
        "The capital of France is Paris.",
    ),
    (
        "09-openai-responses-stream-web-search.response.json",
        "gpt-5-2025-08-07",
        2,
        (
            "Mexico City weather today (Tuesday, September 16, 2025): Cloudy. Current around 73°F;"
            " high near 74°F and low around 56°F. Showers return midweek. "
        ),
    ),
    (
        "10-openai-responses-background-stream.response.sse",
        "gpt-4o-2024-08-06",
        0,
        "2 + 2 equals 4.",
    ),
    (
        "38-bedrock-mantle-responses-cache-write.response.json",
        "openai.gpt-5.6-luna",
        1,
        "First tool result: `first result`\n\nSecond tool result: `second result`",
    ),
    ("47-openrouter-responses-cache-read.response.json", "openai/gpt-5.6-sol", 0, "OK"),
    ("59-azure-responses-stream.response.sse", "gpt-5.1", 0, "Hello"),
]


def events(name: str, chunk_bytes: int = 1 << 20) -> list[Event]:
    body = (FIXTURES / name).read_bytes()
    parser = RESPONSES.parser(is_stream=name.endswith(".sse"))
    chunks = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
    return [*(one for chunk in chunks for one in parser.feed(chunk)), *parser.finish()]


@pytest.mark.parametrize(("name", "model", "thoughts", "answer"), ANSWERS)
def test_a_recorded_reply_gives_its_answer(
    name: str, model: str, thoughts: int, answer: str
) -> None:
    found = events(name)
    assert isinstance(found[0], Started)
    assert (found[0].model, bool(found[0].id)) == (model, True)
    kinds = [kind for kind, _ in groupby(found, type)]
    assert kinds == [Started, *([Thought] if thoughts else []), Said, Finished]
    makers = [one.maker for one in found if isinstance(one, Thought)]
    assert makers == ["openai"] * thoughts
    assert "".join(one.text for one in found if isinstance(one, Said)) == answer
    assert found[-1] == Finished("stop")


@pytest.mark.parametrize("name", [name for name, *_ in ANSWERS])
def test_a_recorded_reply_is_the_same_byte_by_byte_and_written_again(name: str) -> None:
    found = events(name)
    assert events(name, 1) == found
    writer = RESPONSES.writer(Asking("m", True))
    parser = RESPONSES.parser(is_stream=True)
    again = [*parser.feed(writer.write(found) + writer.finish()), *parser.finish()]
    assert again[1:] == found[1:]
