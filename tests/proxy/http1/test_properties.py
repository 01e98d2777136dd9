"""However the bytes of a reply are cut or spoilt: the same reply, or an error of ours."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ferrycli.proxy.http1.addresses import Origin
from ferrycli.proxy.http1.connection import Connection
from ferrycli.proxy.http1.reply import Reply
from ferrycli.rules.denials import UpstreamFailed

ORIGIN = Origin(False, "127.0.0.1", 1)
HEAD = b"HTTP/1.1 200 OK\r\nx-a: b\r\n"


class Transport:
    """What a connection does to its transport."""

    def __init__(self) -> None:
        self.is_aborted = False

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None:
        self.is_aborted = True

    def get_extra_info(self, name: str) -> None: ...

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Owner:
    """Counts what comes back."""

    def __init__(self) -> None:
        self.kept = self.gone = 0

    def answered(self, connection: Connection) -> None: ...

    def take_back(self, connection: Connection) -> None:
        self.kept += 1

    def forget(self, connection: Connection) -> None:
        self.gone += 1


def chunked(parts: list[bytes]) -> bytes:
    frames = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + frames + b"0\r\n\r\n"


def measured(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


Outcome = tuple[int, list[tuple[bytes, bytes]], bytes, str, int]
"""Status, headers, body, what went wrong, and how often the connection was kept."""


async def fed(pieces: list[bytes]) -> Outcome:
    """What comes of a reply of these pieces, and then the end."""
    loop = asyncio.get_running_loop()
    owner, transport = Owner(), Transport()
    connection = Connection(loop, owner, ORIGIN)
    connection.connection_made(transport)
    reply = Reply(loop, connection, "up", 60, 60)
    connection.ask(reply, b"", b"")
    for piece in pieces:
        if not transport.is_aborted and not owner.kept:
            connection.data_received(piece)
    if not transport.is_aborted and not owner.kept:
        connection.eof_received()
    kept = owner.kept
    connection.connection_lost(None)
    assert owner.gone == 1
    body, why = b"", ""
    try:
        await reply.begin(loop.time() + 60)
        while part := await reply.read():
            body += part
    except UpstreamFailed as error:
        why = error.why
    return reply.status, reply.headers, body, why, kept


def outcome(pieces: list[bytes]) -> Outcome:
    return asyncio.run(asyncio.wait_for(fed(pieces), 10))


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(one % (len(raw) + 1) for one in at)})
    return [raw[start:end] for start, end in pairwise(edges)]


replies: st.SearchStrategy[bytes] = st.one_of(
    st.binary(max_size=300).map(measured),
    st.lists(st.binary(min_size=1, max_size=60), max_size=6).map(chunked),
    st.binary(max_size=300).map(lambda body: HEAD + b"\r\n" + body),
    st.binary(max_size=99).map(lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + measured(body)),
)
cuts = st.lists(st.integers(0, 1_000), max_size=12)


@given(replies, cuts)
def test_any_cut_of_a_reply_is_the_same_reply(raw: bytes, at: list[int]) -> None:
    expected = outcome([raw])
    assert (expected[0], expected[3]) == (200, "")
    assert outcome(cut(raw, at)) == expected


@given(replies, st.integers(0, 1_000))
def test_part_of_a_reply_is_never_taken_for_the_whole(raw: bytes, at: int) -> None:
    _, headers, body, why, kept = outcome([raw])
    part = raw[: at % len(raw)]
    *_, short, fault, _ = outcome([part])
    if any(name in (b"content-length", b"transfer-encoding") for name, _ in headers):
        assert fault
        assert body.startswith(short)
    assert kept <= 1
    assert not why


spoilt = st.lists(st.tuples(st.integers(0, 1_000), st.binary(max_size=4)), min_size=1, max_size=4)


@given(replies, spoilt, cuts)
def test_spoilt_reply_is_a_reply_or_an_error_in_any_cut(
    raw: bytes, changes: list[tuple[int, bytes]], at: list[int]
) -> None:
    for place, inserted in changes:
        place %= len(raw) + 1
        raw = raw[:place] + inserted + raw[place + len(inserted) // 2 :]
    status, headers, body, why, _ = outcome([raw])
    again = outcome(cut(raw, at))
    assert again[0] == status
    assert (again[3] == "") == (why == "")
    if not why:
        assert again[1:3] == (headers, body)


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_any_bytes_end_in_a_reply_or_an_error(pieces: list[bytes]) -> None:
    status, *_, why, _ = outcome([piece for piece in pieces if piece])
    assert status or why


def test_late_bytes_of_a_connection_that_is_gone_are_nobodys() -> None:
    async def case() -> None:
        loop = asyncio.get_running_loop()
        owner, transport = Owner(), Transport()
        connection = Connection(loop, owner, ORIGIN)
        connection.connection_made(transport)
        reply = Reply(loop, connection, "up", 60, 60)
        connection.ask(reply, b"", b"")
        connection.abort()
        connection.data_received(measured(b"late"))
        connection.eof_received()
        connection.connection_lost(None)
        assert (owner.kept, owner.gone, reply.status) == (0, 1, 0)

    asyncio.run(case())
