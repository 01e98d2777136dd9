"""A client that leaves a stream after any of its chunks, and what became of its call."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferrycli.store.reads import CallRow
from tests.whole.server import settled_rows
from tests.whole.tape import Played, Tape

READ_S_MAX = 30.0
CLOSED_S_MAX = 1.0
CLOSED_S_EVER = 10.0
"""On a machine that is busy with other tests."""


@dataclass(frozen=True)
class Call:
    """What a client asks, and the pieces in which it would be answered."""

    path: str
    body: dict[str, Any]
    pieces: Sequence[bytes]
    content_type: str
    told: Sequence[bytes] = ()
    """What the client gets of each piece, where it is not the piece itself."""

    def until(self, chunks: int) -> int:
        """Bytes that the client has got when so many pieces have come."""
        return sum(map(len, (self.told or self.pieces)[:chunks]))


@dataclass(frozen=True)
class Left:
    """One call whose client has left."""

    row: CallRow
    closed_s: float
    """Until the provider's connection was closed."""


def leave(
    tape: Tape,
    port: int,
    secret: str,
    database: Path,
    call: Call,
    chunks: int,
    stay_s: float = 0.0,
) -> Left:
    """Ask, read until `chunks` pieces have come, and leave; the row, once it is there.

    `stay_s`: stay on so long though nothing more comes.
    """
    tape.play = lambda _asked: Played(call.pieces[:chunks], call.content_type, is_held=True)
    asked, left, before = len(tape.asked), len(tape.left_at), _count(database)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READ_S_MAX)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    connection.request("POST", call.path, json.dumps(call.body), headers)
    _until(lambda: len(tape.asked) > asked)
    if wanted := call.until(chunks):
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        got = 0
        while got < wanted:
            piece = reply.read1(1 << 16)
            assert piece, f"{got} of {wanted} bytes"
            got += len(piece)
        assert got == wanted
        reply.close()
    time.sleep(stay_s)
    gone_at = time.monotonic()
    connection.close()
    row = settled_rows(database, before + 1)[-1]
    _until(lambda: len(tape.left_at) > left)
    return Left(row, tape.left_at[-1] - gone_at)


def check_closed(found: Sequence[Left]) -> None:
    """The provider is let go at once."""
    took = sorted(left.closed_s for left in found)
    assert took[len(took) // 2] < CLOSED_S_MAX
    assert took[-1] < CLOSED_S_EVER


def _count(database: Path) -> int:
    return len(settled_rows(database, 0))


def _until(claim: Any) -> None:
    deadline = time.monotonic() + READ_S_MAX
    while not claim():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)
