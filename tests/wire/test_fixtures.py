"""Recorded replies in OpenAI's chat shape give the usage that was worked out for them by hand.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.money import nanousd
from ferrycli.wire.chat import Reader, StreamReader, WholeReader
from ferrycli.wire.facts import Reading

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"

IS_SOAK = os.environ.get("FERRY_SOAK") == "1"

pytestmark = pytest.mark.skipif(
    not (FIXTURES / "manifest.json").exists(), reason="the recorded replies are not here"
)

WHOLE = [
    "01-openai-chat-cache-write",
    "02-openai-chat-cache-read",
    "05-openai-chat-audio-in",
    "37-bedrock-mantle-chat",
    "41-openrouter-cache-read-and-write",
    "42-openrouter-cache-write",
    "51-deepseek-chat-cached",
    "52-azure-chat",
    "53-ollama-chat",
    # Not 54-xai-chat, but for what it cost: xAI counts reasoning beside `completion_tokens`,
    # and the reader of OpenAI's shape takes it to be inside.
]
STREAMS = [
    "03-openai-chat-stream-tools",
    "04-openai-chat-stream-text",
    "44-openrouter-stream-error-in-200",
    "49-groq-stream",
    "50-mistral-stream",
]
ERRORS = [
    ("12-openai-error-404", "model_not_found"),
    ("13-openai-error-400", "invalid_request_error"),
    ("48-openrouter-error-429", "429"),
]


@cache
def cases() -> dict[str, dict[str, Any]]:
    manifest = json.loads((FIXTURES / "manifest.json").read_text("utf-8"))
    return {case["id"]: case for case in manifest["fixtures"]}


def response(name: str) -> bytes:
    file: str = cases()[name]["response_file"]
    return (FIXTURES / file).read_bytes()


def relayed(reader: Reader, chunks: Iterable[bytes]) -> bytes:
    return b"".join([*[reader.feed(chunk) for chunk in chunks], reader.finish()])


def counts(reading: Reading) -> dict[str, object]:
    usage = reading.usage
    assert usage is not None
    found: dict[str, object] = {
        "input_total": usage.input_total,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "output_total": usage.output_total,
        "reasoning": usage.reasoning,
        "input_audio": usage.audio_in,
    }
    return found


def expected(name: str) -> dict[str, object]:
    wanted = cases()[name]["expected_usage"]
    return {"input_audio": 0, **{key: wanted[key] for key in wanted if key in KEYS}}


KEYS = frozenset("input_total cache_read cache_write output_total reasoning input_audio".split())


def expected_cost(name: str) -> int | None:
    cost = cases()[name]["expected_usage"].get("provider_cost_usd")
    return None if cost is None else nanousd(Decimal(cost))


@pytest.mark.parametrize("name", WHOLE)
def test_a_recorded_reply_gives_its_usage(name: str) -> None:
    body = response(name)
    for step in (len(body), 100, 1):
        reader = WholeReader()
        chunks = [body[at : at + step] for at in range(0, len(body), step)]
        assert relayed(reader, chunks) == body
        reading = reader.reading()
        assert counts(reading) == expected(name)
        assert reading.provider_cost_nanousd == expected_cost(name)
        assert (reading.error_code, reading.is_complete) == ("", True)
        assert reading.model == json.loads(body)["model"]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("strips", [False, True], ids=["whole", "stripped"])
def test_a_recorded_stream_gives_its_usage_cut_at_every_byte(name: str, strips: bool) -> None:
    body = response(name)
    reader = StreamReader(strips_usage=strips)
    wanted = relayed(reader, [body])
    told = reader.reading()
    assert counts(told) == expected(name)
    assert told.provider_cost_nanousd == expected_cost(name)
    assert told.is_complete
    # Every place where there are few or there is time, else every thirteenth.
    for at in range(1, len(body), 1 if len(body) < 8_000 or IS_SOAK else 13):
        reader = StreamReader(strips_usage=strips)
        assert relayed(reader, [body[:at], body[at:]]) == wanted, at
        assert reader.reading() == told, at
    reader = StreamReader(strips_usage=strips)
    assert relayed(reader, [body[at : at + 1] for at in range(len(body))]) == wanted
    assert reader.reading() == told


def test_only_the_usage_chunk_is_stripped_from_a_recorded_stream() -> None:
    for name in STREAMS:
        body = response(name)
        passed = relayed(StreamReader(strips_usage=True), [body])
        missing = [one for one in body.split(b"\n\n") if one not in passed.split(b"\n\n")]
        assert len(missing) == (name in OPENAI_STREAMS), name
        assert all(b'"choices":[]' in one for one in missing), name


OPENAI_STREAMS = ("03-openai-chat-stream-tools", "04-openai-chat-stream-text")


def test_an_error_in_a_recorded_stream_is_seen() -> None:
    reader = StreamReader(strips_usage=True)
    relayed(reader, [response("44-openrouter-stream-error-in-200")])
    assert reader.reading().error_code == "400"


@pytest.mark.parametrize(("name", "code"), ERRORS)
def test_a_recorded_error_names_its_code_and_no_usage(name: str, code: str) -> None:
    reader = WholeReader()
    relayed(reader, [response(name)])
    assert (reader.reading().error_code, reader.reading().usage) == (code, None)


def test_xais_own_figure_decides_what_it_cost() -> None:
    reader = WholeReader()
    relayed(reader, [response("54-xai-chat")])
    assert reader.reading().provider_cost_nanousd == expected_cost("54-xai-chat")


def test_every_recorded_chat_reply_is_in_a_list() -> None:
    listed = {*WHOLE, *STREAMS, *(name for name, _ in ERRORS), "54-xai-chat"}
    chats = {name for name, case in cases().items() if "/chat/completions" in case["url"]}
    assert chats == listed
