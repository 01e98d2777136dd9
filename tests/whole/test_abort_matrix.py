"""The abort matrix: in each dialect a client leaves after each chunk, and pays what it was told.

Each time there is one row, marked as an estimate; nothing stays held; the provider is let go; and
the estimate is as near to the truth as docs/money.md, section 8, says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import httpx
import pytest

from ferrycli.rules.pricing import Rate
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes, reads
from ferrycli.wire.frames import FrameSplitter
from ferrycli.wire.readers import messages
from ferrycli.wire.readers.invoke import UnframingReader, unwrapped
from tests.whole import voices
from tests.whole.leaving import Call, Left, check_closed, leave
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, ROOT, Server, serving, settled_rows, windows
from tests.whole.tape import Asked, Played, Tape
from tests.whole.voices import Said

TEXT = (
    "Rome is warm ", "today: 21 °C at noon, ", "with a light wind from the west. ", "",
    "In the evening it cools down to about fourteen degrees, ", "so take a jacket along. ",
    'People there say "andiamo" ', "and walk along the river.\n\n", "Tomorrow: rain until four, ",
    "then clear again; the süßest oranges ", "are sold at the market on Sundays. ", "Have fun!",
)  # fmt: skip
CHARACTERS = sum(map(len, TEXT))
QUESTION = "What is the weather like in Rome, and what should I wear there this evening? " * 4
RATIO = 4.4
"""Characters per token, in question and answer, by which all of these models count."""
SAID = Said(TEXT, round(len(QUESTION) / RATIO), 0, round(CHARACTERS / RATIO))
LEARNED_ERROR_MAX = 0.05
"""Of the whole answer's tokens, once the model is learned."""
LEARNED_FROM, LAST = 22, 2
"""Twenty answers count; the last two calls bring them into the file."""


@dataclass(frozen=True)
class Tried:
    """A dialect, as it is asked for and answered."""

    kind: str
    model: str
    path: str
    voice: Callable[[Asked, Said], Played]
    body: dict[str, Any]
    is_unframed: bool = False


_TURN = {"role": "user", "content": QUESTION}
_MESSAGES = {"max_tokens": 1_000, "messages": [_TURN]}
_CONVERSE = {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
DIALECTS = {
    "chat": Tried(
        "openai",
        "gpt-x",
        "/v1/chat/completions",
        voices.chat,
        {"stream": True, "stream_options": {"include_usage": True}, "messages": [_TURN]},
    ),
    "responses": Tried(
        "openai", "gpt-y", "/v1/responses", voices.responses, {"stream": True, "input": QUESTION}
    ),
    "messages": Tried(
        "anthropic", "claude-x", "/v1/messages", voices.messages, {"stream": True, **_MESSAGES}
    ),
    "gemini": Tried(
        "gemini",
        "gemini-x",
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        voices.gemini,
        {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
    ),
    "converse": Tried(
        "bedrock",
        "amazon.nova-x",
        "/model/{model}/converse-stream",
        voices.converse,
        _CONVERSE,
    ),
    "invoke": Tried(
        "bedrock",
        "anthropic.claude-x",
        "/model/{model}/invoke-with-response-stream",
        voices.invoke,
        {"anthropic_version": "bedrock-2023-05-31", **_MESSAGES},
    ),
    "messages by invoke": Tried(
        "bedrock",
        "anthropic.claude-y",
        "/v1/messages",
        voices.invoke,
        {"stream": True, **_MESSAGES},
        is_unframed=True,
    ),
}


class Rig(NamedTuple):
    server: Server
    tape: Tape
    secret: str


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A server whose every provider is one tape, and a key with a strict budget."""
    directory = tmp_path_factory.mktemp("aborts")
    database = directory / "ferry.db"
    with ExitStack() as stack:
        tape = stack.enter_context(Tape(lambda _asked: Played([b"{}"])))
        lines = ["[server]", 'database = "ferry.db"', 'listen = "127.0.0.1:0"']
        for kind in sorted({tried.kind for tried in DIALECTS.values()}):
            ending = "/v1" if kind == "openai" else ""
            lines += [f"[providers.{kind}]", f'kind = "{kind}"', 'api_key_env = "UP_KEY"']
            lines += [f'base_url = "{tape.address}{ending}"']
            changes.set_price(database, kind, "*", Rate(input=INPUT_RATE, output=OUTPUT_RATE))
        path = directory / "ferry.toml"
        path.write_text("\n".join(lines) + "\n")
        plan = changes.KeyPlan(name="capped", allowance=Allowance.parse("500/month"))
        secret = changes.create_key(database, plan).secret
        yield Rig(stack.enter_context(serving(path)), tape, secret)


def call_of(tried: Tried, said: Said = SAID) -> Call:
    named = f"{tried.kind}/{tried.model}"
    body = dict(tried.body)
    if "{model}" not in tried.path:
        body["model"] = named
    sent, path = {**body, "model": tried.model}, tried.path
    if tried.voice is voices.invoke:
        # As Bedrock is asked, whatever the client's path.
        sent, path = dict(_MESSAGES), "/model/x/invoke-with-response-stream"
    played = tried.voice(Asked(path, {}, json.dumps(sent).encode()), said)
    told: list[bytes] = []
    if tried.is_unframed:
        reader = UnframingReader(messages.stream(False))
        told = [reader.feed(piece) for piece in played.pieces]
    path = tried.path.replace("{model}", named)
    return Call(path, body, played.pieces, played.content_type, told)


def delivered(call: Call, chunks: int) -> int:
    """Characters of the answer in the first `chunks` pieces."""
    # Every voice says a piece of the text in each chunk, one after the other.
    first = next(at for at, piece in enumerate(call.pieces) if TEXT[0].encode() in shown(piece))
    return sum(map(len, TEXT[: max(0, chunks - first)]))


def shown(piece: bytes) -> bytes:
    """The event in a piece, out of Bedrock's frames and their base64."""
    frames = FrameSplitter().feed(piece) if piece.startswith(b"\0") else []
    return b"".join(unwrapped(one) or one.payload for one in frames) or piece


def aborted(rig: Rig, tried: Tried) -> list[tuple[float, Left]]:
    """After each chunk but the last, which ends it: the tokens it had come to, and the call."""
    call, found = call_of(tried), []
    for chunks in range(len(call.pieces)):
        left = leave(rig.tape, rig.server.port, rig.secret, rig.server.database, call, chunks)
        truth = SAID.output * delivered(call, chunks) / CHARACTERS
        found.append((truth, left))
    return found


def finished(rig: Rig, tried: Tried, times: int, said: Said = SAID, delay_s: float = 0.0) -> None:
    """Calls that come to their end, of which the model is learned."""
    call = call_of(tried, said)
    rig.tape.play = lambda _asked: Played(call.pieces, call.content_type, delay_s=delay_s)
    before = len(settled_rows(rig.server.database, 0))
    url = f"http://127.0.0.1:{rig.server.port}{call.path}"
    headers = {"authorization": f"Bearer {rig.secret}"}
    with httpx.Client(timeout=30, headers=headers) as client, ThreadPoolExecutor(10) as pool:
        # The last ones alone: what the others taught is written with the next call.
        waves = [times - LAST, *[1] * LAST]
        for wave in waves:
            replies = list(pool.map(lambda _: client.post(url, json=call.body), range(wave)))
            assert {reply.status_code for reply in replies} == {200}, replies[0].text
    done = settled_rows(rig.server.database, before + times)
    assert {(row.outcome, row.cost_source) for row in done[before:]} == {("ok", "reported")}


def checked(rig: Rig, found: list[tuple[float, Left]]) -> None:
    """What is true of every call whose client has left, whatever was said of it."""
    for _, left in found:
        row = left.row
        assert (row.state, row.outcome, row.cost_source) == ("settled", "left", "estimated")
        assert (row.cost_nanousd or 0) > 0
        assert row.doubt_nanousd == row.hold_nanousd - (row.cost_nanousd or 0) > 0
    check_closed([left for _, left in found])
    assert len({left.row.id for _, left in found}) == len(found)
    assert [held for _, held, _ in windows(rig.server.database)] == [0]


def worst(found: list[tuple[float, Left]]) -> float:
    """The largest error of the answer's tokens, as a share of the whole answer's."""
    return max((left.row.output_tokens - truth for truth, left in found), key=abs) / SAID.output


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_client_that_leaves_after_any_chunk_pays_near_what_was_made(rig: Rig, name: str) -> None:
    tried = DIALECTS[name]
    before = len(settled_rows(rig.server.database, 0))
    at_first = aborted(rig, tried)
    checked(rig, at_first)
    finished(rig, tried, LEARNED_FROM)
    later = aborted(rig, tried)
    checked(rig, later)
    calls = len(at_first) + LEARNED_FROM + len(later)
    assert len(settled_rows(rig.server.database, 0)) == before + calls, "one row each"
    # In the middle of the answer: Anthropic and Gemini have said by then what the question was.
    asked = at_first[len(at_first) // 2][1].row.input_tokens
    assert asked == later[len(later) // 2][1].row.input_tokens
    line = (
        f"| {name} | {len(at_first)} | {(asked - SAID.input) / SAID.input:+.0%}"
        f" | {worst(at_first):+.0%} | {worst(later):+.0%} |"
    )
    print(line)
    assert abs(worst(later)) <= LEARNED_ERROR_MAX
    assert line in (ROOT / "docs" / "money.md").read_text()


STAY_S = 0.5
ANSWER, THOUGHTS = 120, 300
OUT_OF_SIGHT = [
    # Thoughts in what the model is learned of, is it a stream, is time what counts.
    (THOUGHTS, True, True),
    (0, True, False),
    (0, False, True),
]


@pytest.mark.parametrize(("thoughts", "is_stream", "is_by_time"), OUT_OF_SIGHT)
def test_what_a_model_makes_out_of_sight_is_paid_by_time(
    rig: Rig, thoughts: int, is_stream: bool, is_by_time: bool
) -> None:
    name = f"gpt-{thoughts}-{is_stream}"
    said = replace(SAID, output=ANSWER + thoughts, reasoning=thoughts)
    body = {**DIALECTS["chat"].body, "stream": is_stream, "max_completion_tokens": 5_000}
    if not is_stream:
        del body["stream_options"]
    tried = replace(DIALECTS["chat"], model=name, body=body)
    finished(rig, tried, LEARNED_FROM, said, delay_s=0.1 if not is_stream else 0.01)
    call = call_of(tried, said)
    left = leave(
        rig.tape,
        rig.server.port,
        rig.secret,
        rig.server.database,
        call,
        int(is_stream),
        STAY_S,
    )
    checked(rig, [(0, left)])
    with reads.opened(rig.server.database) as connection:
        query = "SELECT value FROM learned WHERE kind = 'tokens_per_second' AND subject = ?"
        subject = json.dumps(["openai", name], separators=(",", ":"))
        ((speed,),) = connection.execute(query, [subject])
    row = left.row
    assert row.finished_at is not None
    # Of two clocks one may be a little behind.
    least = STAY_S * 0.95 * speed / 1_000
    most = (row.finished_at - row.started_at) / 1e6 * speed / 1_000
    assert 0 < least < 5_000
    assert least <= row.output_tokens <= most + 1 if is_by_time else row.output_tokens == 0
