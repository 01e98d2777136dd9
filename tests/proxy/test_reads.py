"""Reads for endpoints run a few at a time beside the event loop, and past a number not at all."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from ferrycli.proxy.reads import READS_MAX, READS_WAITING_MAX, Reads
from ferrycli.rules.denials import TooBusy
from ferrycli.rules.errors import NoDatabase, NoSuchCall
from ferrycli.store import changes
from ferrycli.store.reads import Connection
from tests.store.kit import staged

WAIT_S = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    changes.prepare(tmp_path / "ferry.db")
    return tmp_path / "ferry.db"


class Gate:
    """Holds reads up until it is opened, and counts those that are in it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self._lock = threading.Lock()
        self.inside, self.most = 0, 0
        self.is_full = threading.Event()

    def read(self, connection: Connection) -> int:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == READS_MAX:
                self.is_full.set()
        assert self.opened.wait(WAIT_S)
        with self._lock:
            self.inside -= 1
        found: int = connection.execute("SELECT count(*) FROM calls").fetchone()[0]
        return found


@staged
async def test_few_run_at_once_while_the_loop_goes_on(path: Path) -> None:
    gate, reads = Gate(), Reads(path)
    asked = [asyncio.create_task(reads.ask(gate.read)) for _ in range(READS_MAX * 3)]
    # The loop is free to wait here: were it held up, nothing would ever open the gate.
    assert await asyncio.to_thread(gate.is_full.wait, WAIT_S)
    assert not any(one.done() for one in asked)
    gate.opened.set()
    assert await asyncio.gather(*asked) == [0] * READS_MAX * 3
    assert gate.most == READS_MAX


@staged
async def test_more_than_can_wait_are_told_to_come_again(path: Path) -> None:
    gate, reads = Gate(), Reads(path)
    asked = [
        asyncio.create_task(reads.ask(gate.read)) for _ in range(READS_MAX + READS_WAITING_MAX)
    ]
    assert await asyncio.to_thread(gate.is_full.wait, WAIT_S)
    with pytest.raises(TooBusy):
        await reads.ask(gate.read)
    # Who leaves makes room for another.
    asked[-1].cancel()
    await asyncio.wait([asked[-1]])
    late = asyncio.create_task(reads.ask(gate.read))
    gate.opened.set()
    assert await late == 0
    assert await asyncio.gather(*asked[:-1]) == [0] * (READS_MAX + READS_WAITING_MAX - 1)


@staged
async def test_what_a_read_raises_comes_out_and_leaves_room(path: Path) -> None:
    reads = Reads(path)

    def fail(_connection: Connection) -> None:
        raise NoSuchCall("c_1")

    for _ in range((READS_MAX + READS_WAITING_MAX) * 2):
        with pytest.raises(NoSuchCall):
            await reads.ask(fail)


@staged
async def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoDatabase):
        await Reads(tmp_path / "none.db").ask(lambda _connection: None)
