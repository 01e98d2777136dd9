"""Recorded replies of every provider give the usage that was worked out for them by hand.

The recordings lie beside the project, not in it: where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ferrycli.rules.money import nanousd
from ferrycli.rules.usage import Usage
from ferrycli.wire.dialect import Reader
from ferrycli.wire.facts import Reading
from ferrycli.wire.frames import FrameSplitter
from ferrycli.wire.readers import chat, converse, gemini, messages, plain, responses
from ferrycli.wire.sse import EventSplitter
from tests.wire.readers.fed import bytewise, halves, read, relayed
from tests.wire.recorded import FIXTURES, MANIFEST, needs_recordings
from tests.wire.sizes import stride

pytestmark = needs_recordings

CASES: dict[str, dict[str, Any]] = (
    {case["id"]: case for case in json.loads(MANIFEST.read_text("utf-8"))["fixtures"]}
    if MANIFEST.exists()
    else {}
)
STREAMS = sorted(name for name, case in CASES.items() if case["stream"])
ERRORS = sorted(name for name, case in CASES.items() if case["status"] >= 400)
BILLED = sorted(set(CASES) - set(ERRORS))

# A part of the address, and who reads what comes from there: whole, and as a stream.
READERS: dict[str, tuple[Callable[[], Reader], Callable[[bool], Reader]]] = {
    "/chat/completions": (chat.whole, chat.stream),
    "/responses": (responses.whole, responses.stream),
    "/embeddings": (plain.whole, plain.stream),
    "/messages": (messages.whole, messages.stream),
    ":generateContent": (gemini.whole, gemini.stream),
    ":streamGenerateContent": (gemini.whole, gemini.stream),
    "/cachedContents": (plain.uncounted_whole, plain.stream),
    "/converse": (converse.whole, converse.stream),
    "/invoke": (messages.whole, messages.stream),
}

# Words of the manifest for which a reading has none: a fetch is free, and of tokens by kind
# a reading has those that are billed apart.
UNSAID = frozenset("web_fetches cache_read_image cache_read_text input_text".split())


def reader_of(name: str) -> Reader:
    case = CASES[name]
    whole, stream = next(two for part, two in READERS.items() if part in case["url"])
    return stream(False) if case["stream"] else whole()


def response(name: str) -> bytes:
    file: str = CASES[name]["response_file"]
    return (FIXTURES / file).read_bytes()


def said_of(usage: Usage) -> dict[str, object]:
    """`usage` in the words of the manifest."""
    return {
        "input_total": usage.input_total,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "input_uncached": usage.input_total - usage.cache_read - usage.cache_write,
        "input_audio": usage.audio_in,
        "input_image": usage.image_in,
        "output_total": usage.output_total,
        "reasoning": usage.reasoning,
    }


def said(reading: Reading) -> dict[str, object]:
    """`reading` in the words of the manifest."""
    if reading.usage is None:
        return {}
    found = said_of(reading.usage)
    if reading.provider_cost_nanousd is not None:
        found["provider_cost_usd"] = reading.provider_cost_nanousd
    if reading.error_code:
        found["status"] = "error"
    if reading.lines:
        found["lines"] = [
            {"model": line.model, "kind": line.kind, **said_of(line.usage)}
            for line in reading.lines
        ]
    return found


def expected(name: str) -> dict[str, object]:
    wanted = dict(CASES[name]["expected_usage"])
    if "provider_cost_usd" in wanted:
        wanted["provider_cost_usd"] = nanousd(Decimal(wanted["provider_cost_usd"]))
    if "input_image" in wanted:
        # Of images in the input, those that were not read from a cache have their bucket.
        wanted["input_image"] -= wanted["cache_read_image"]
    # Tokens that are kept for a time, and not billed by the call that keeps them.
    wanted.pop("cached_tokens_stored", None)
    return {key: value for key, value in wanted.items() if key not in UNSAID}


def check(reading: Reading, name: str) -> None:
    found, wanted = said(reading), expected(name)
    # What only some replies say is said by those and no others.
    for word in ("lines", "status", "provider_cost_usd"):
        assert (word in found) == (word in wanted)
    wanted_lines: Any = wanted.pop("lines", [])
    lines: Any = found.pop("lines", [])
    assert wanted_lines == [
        {key: line[key] for key in one} for line, one in zip(lines, wanted_lines, strict=True)
    ]
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("name", BILLED)
def test_a_recorded_reply_gives_its_usage_however_it_comes(name: str) -> None:
    body = response(name)
    told = read(reader_of(name), body)
    check(told, name)
    assert told.is_complete
    assert read(reader_of(name), *bytewise(body)) == told
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    assert read(reader_of(name), *pieces) == told


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_says_the_same_wherever_it_is_cut(name: str) -> None:
    body = response(name)
    told = read(reader_of(name), body)
    for two in halves(body, stride(body)):
        reader = reader_of(name)
        assert [reader.feed(two[0]), reader.feed(two[1]), reader.finish()] == [*two, b""]
        assert reader.reading() == told, len(two[0])


CODES = {
    "12-openai-error-404": "model_not_found",
    "13-openai-error-400": "invalid_request_error",
    "22-anthropic-error-404": "not_found_error",
    "23-anthropic-error-400": "invalid_request_error",
    "30-gemini-error-404": "404",
    # Bedrock says the kind in a header.
    "40-bedrock-error-400": "",
    "48-openrouter-error-429": "429",
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_error_names_its_code_and_no_usage(name: str) -> None:
    # An error is read by the reader of its dialect, or by chat's, whichever is at hand.
    for reader in (reader_of(name), chat.whole()):
        reading = read(reader, response(name))
        assert (reading.error_code, reading.usage) == (CODES[name], None)
        assert reading.provider_cost_nanousd is None


MODELS = {
    "21-anthropic-stream-advisor-second-model": "claude-sonnet-5",
    "56-anthropic-fallback": "claude-opus-4-8",
    "57-anthropic-fallback-stream": "claude-opus-4-8",
    "52-azure-chat": "gpt-4o-2024-11-20",
    "59-azure-responses-stream": "gpt-5.1",
    "26-gemini-stream-cumulative": "gemini-2.5-flash",
    "34-bedrock-converse-stream-nova": "",
    "36-bedrock-invoke-anthropic-cache": "claude-haiku-4-5-20251001",
}


@pytest.mark.parametrize("name", sorted(set(MODELS) & set(CASES)))
def test_a_recorded_reply_names_the_model_that_served_it(name: str) -> None:
    assert read(reader_of(name), response(name)).model == MODELS[name]


def test_a_search_in_a_recorded_reply_is_counted() -> None:
    reading = read(responses.whole(), response("09-openai-responses-stream-web-search"))
    assert reading.usage is not None
    assert reading.usage.web_search == 1


@pytest.mark.parametrize("name", [name for name in STREAMS if "/chat/" in CASES[name]["url"]])
def test_a_stripped_stream_is_the_same_wherever_it_is_cut(name: str) -> None:
    body = response(name)
    wanted = relayed(chat.stream(True), [body])
    missing = [one for one in body.split(b"\n\n") if one not in wanted.split(b"\n\n")]
    is_openai = CASES[name]["provider"] == "openai"
    assert len(missing) == is_openai
    assert all(b'"choices":[]' in one for one in missing)
    for two in halves(body, stride(body)):
        assert relayed(chat.stream(True), two) == wanted
    assert relayed(chat.stream(True), bytewise(body)) == wanted


# What is known where a stream is cut ---------------------------------------------------------


def parts(name: str) -> list[bytes]:
    body = response(name)
    if name.startswith(("34", "35")):
        return [frame.raw for frame in FrameSplitter().feed(body)]
    splitter = EventSplitter()
    return [one for one in [*splitter.feed(body), splitter.flush()] if one]


KNOWN = {
    "anthropic": "input",
    "google": "both",
    "openai": "",
    "azure": "",
    "bedrock": "",
    "groq": "",
    "mistral": "",
    "openrouter": "",
}
"""What a reply has said of its usage before its end."""


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_recorded_stream_has_said_what_its_provider_says_early(name: str) -> None:
    events = parts(name)
    assert b"".join(events) == response(name)
    known = KNOWN[CASES[name]["provider"]]
    reader, final = reader_of(name), read(reader_of(name), response(name))
    assert final.usage is not None
    characters = 0
    for event in events:
        reader.feed(event)
        cut = reader.reading()
        assert characters <= cut.characters <= final.characters
        characters = cut.characters
        if cut.finish_reason or cut.is_complete or cut.error_code or cut.usage == final.usage:
            continue
        assert (cut.usage is not None) == bool(known)
        if cut.usage is not None:
            assert 0 < cut.usage.input_total <= final.usage.input_total
            assert (cut.usage.output_total > 0) == (known == "both")
            assert cut.usage.output_total <= final.usage.output_total
    assert final.characters > 0
