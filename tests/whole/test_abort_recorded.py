"""Recorded streams, left after each of their chunks: how far the estimate is from what was counted.

They are read where they are, and are not part of the project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ferrycli.store import changes
from ferrycli.wire.dialect import Reader
from ferrycli.wire.readers import chat, converse, gemini, messages, responses
from ferrycli.wire.sse import EventSplitter
from tests.whole.leaving import Call, Left, check_closed, leave
from tests.whole.server import ROOT, serving
from tests.whole.tape import Played, Tape
from tests.whole.test_recorded import (
    FIXTURES,
    MANIFEST,
    Rig,
    config_of,
    model_of,
    provider_name,
    request_of,
    way,
)

CHUNKS_MAX = 12
"""Of a longer stream so many, evenly apart."""
DIALECTS: dict[str, tuple[str, Callable[[bool], Reader]]] = {
    "chat": ("/chat/completions", chat.stream),
    "responses": ("/responses", responses.stream),
    "messages": ("/messages", messages.stream),
    "gemini": (":streamGenerateContent", gemini.stream),
    "converse": ("/converse", converse.stream),
}
"""What is in the address, and who reads what comes from there."""
SEVERAL = "several models in one reply"


def group_of(fixture: dict[str, Any]) -> str:
    if fixture["expected_usage"].get("lines"):
        return SEVERAL
    return dialect_of(fixture)


def dialect_of(fixture: dict[str, Any]) -> str:
    return next(name for name, (part, _) in DIALECTS.items() if part in fixture["url"])


STREAMS = [
    one
    for one in MANIFEST
    if one["stream"] and "error" not in one["id"] and not one["content_type"].endswith("json")
]
GROUPS = sorted({group_of(one) for one in STREAMS})


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    directory = tmp_path_factory.mktemp("recorded-aborts")
    with ExitStack() as stack:
        tape = stack.enter_context(Tape(lambda _asked: Played([b"{}"])))
        path = directory / "ferry.toml"
        path.write_text(config_of(tape))
        secret = changes.create_key(directory / "ferry.db", changes.KeyPlan(name="app")).secret
        server = stack.enter_context(serving(path, AWS_BEARER_TOKEN_BEDROCK=""))
        yield Rig(server, tape, secret)


def pieces_of(fixture: dict[str, Any]) -> list[bytes]:
    """The reply, an event or a frame in each piece."""
    reply = (FIXTURES / fixture["response_file"]).read_bytes()
    if "eventstream" not in fixture["content_type"]:
        splitter = EventSplitter()
        return [*splitter.feed(reply), *filter(None, [splitter.flush()])]
    frames = []
    while reply:
        size = int.from_bytes(reply[:4])
        frames.append(reply[:size])
        reply = reply[size:]
    return frames


def call_of(fixture: dict[str, Any], pieces: list[bytes]) -> Call:
    body = request_of(fixture)
    asked_for = f"{provider_name(fixture)}/{model_of(fixture, body)}"
    path = way(fixture).path.replace("{model}", asked_for)
    if "model" in body:
        body["model"] = asked_for
    if dialect_of(fixture) == "chat":
        # Else ferry takes out the chunk that only it asked for.
        body["stream_options"] = {"include_usage": True}
    query = "?alt=sse" if "alt=sse" in fixture["url"] else ""
    return Call(path + query, body, pieces, fixture["content_type"])


def truths(fixture: dict[str, Any], pieces: list[bytes]) -> list[float]:
    """Output tokens that the reply had come to before each piece, and at its end.

    The share of the text that was delivered, of all that was counted; thoughts out of sight come
    before the first of it. All of what the reply itself had counted by then, where it does.
    """
    reader = DIALECTS[dialect_of(fixture)][1](False)
    readings = [reader.reading()]
    for piece in pieces:
        reader.feed(piece)
        readings.append(reader.reading())
    whole = readings[-1]
    output = fixture["expected_usage"]["output_total"]
    hidden = fixture["expected_usage"]["reasoning"] if whole.is_plain else 0
    return [
        float(one.usage.output)
        if one.usage is not None and one.characters_counted
        else (hidden + (output - hidden) * one.characters / whole.characters) * bool(one.characters)
        for one in readings
    ]


def aborted(rig: Rig, fixture: dict[str, Any]) -> list[tuple[int, float]]:
    """Estimate and truth of the output, after each chunk up to the one that ends the reply."""
    pieces = pieces_of(fixture)
    reader = DIALECTS[dialect_of(fixture)][1](False)
    ends = next(
        at for at, piece in enumerate(pieces) if reader.feed(piece) and reader.reading().is_complete
    )
    truth, call, found = truths(fixture, pieces), call_of(fixture, pieces), []
    lefts: list[Left] = []
    for chunks in sorted({ends * at // CHUNKS_MAX for at in range(CHUNKS_MAX + 1)}):
        left = leave(rig.tape, rig.server.port, rig.secret, rig.server.database, call, chunks)
        row = left.row
        assert (row.state, row.outcome) == ("settled", "left")
        assert row.cost_source in ("estimated", "unpriced")
        assert row.cost_nanousd != 0
        lefts.append(left)
        found.append((row.output_tokens, truth[chunks]))
    check_closed(lefts)
    return found


@pytest.mark.skipif(not MANIFEST, reason="the recorded replies are not here")
@pytest.mark.parametrize("group", GROUPS)
def test_estimate_of_a_recorded_reply_is_as_near_as_the_docs_say(rig: Rig, group: str) -> None:
    streams = [one for one in STREAMS if group_of(one) == group]
    found = [pair for one in streams for pair in aborted(rig, one)]
    estimate, truth = (sum(pair[at] for pair in found) for at in (0, 1))
    errors = [round(one - true) for one, true in found]
    line = (
        f"| {group} | {len(streams)} | {len(found)} | {estimate / truth:.2f}"
        f" | {min(errors):+d} | {max(errors):+d} |"
    )
    print(line)
    assert line in (ROOT / "docs" / "money.md").read_text()
