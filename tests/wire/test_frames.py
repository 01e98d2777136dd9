"""AWS's frames: found wherever the bytes are cut, and believed only where every sum is right."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.wire import frames
from ferrycli.wire.frames import FRAME_BYTES_MAX, Frame, FrameSplitter, frame

DELTA = frame("contentBlockDelta", b'{"delta":{"text":"hi"}}')
EMPTY = frame("ping", b"")
THROTTLED = frame("throttlingException", b'{"message":"slow"}', message_type="exception")


def split(*chunks: bytes) -> list[Frame]:
    splitter = FrameSplitter()
    return [found for chunk in chunks for found in splitter.feed(chunk)]


def with_headers(block: bytes, payload: bytes = b"{}") -> bytes:
    """A frame of headers as they are given, its sums right."""
    lengths = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    before = lengths + struct.pack(">I", crc32(lengths)) + block + payload
    return before + struct.pack(">I", crc32(before))


def string(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value


def test_a_frame_is_written_as_amazon_writes_it() -> None:
    # Laid out by hand from the description of the format.
    headers = (
        b"\x0b:event-type\x07\x00\x08metadata"
        b"\x0d:content-type\x07\x00\x10application/json"
        b"\x0d:message-type\x07\x00\x05event"
    )
    assert frame("metadata", b"{}") == with_headers(headers)


def test_an_exception_has_its_own_header() -> None:
    assert split(THROTTLED) == [
        Frame("throttlingException", True, b'{"message":"slow"}', THROTTLED)
    ]
    assert split(frame("x", b"", message_type="event", content_type="text/plain"))[0].kind == "x"


@pytest.mark.parametrize("size", [1, 2, 3, 11, 12, 13, 50, 10_000])
def test_frames_are_found_wherever_the_bytes_are_cut(size: int) -> None:
    data = DELTA + EMPTY + THROTTLED
    found = split(*[data[at : at + size] for at in range(0, len(data), size)])
    assert [(one.kind, one.is_exception) for one in found] == [
        ("contentBlockDelta", False),
        ("ping", False),
        ("throttlingException", True),
    ]
    assert b"".join(one.raw for one in found) == data
    assert found[0].payload == b'{"delta":{"text":"hi"}}'


HEADERS = [
    (b"", "", False),
    (string(b":event-type", b"chunk"), "chunk", False),
    (string(b":message-type", b"error") + string(b":error-code", b"Gone"), "Gone", True),
    (b"\x01a\x00" + b"\x01b\x01" + string(b":event-type", b"k"), "k", False),
    (b"\x01a\x02\x7f" + b"\x01b\x03ab" + string(b":event-type", b"k"), "k", False),
    (b"\x01a\x04abcd" + b"\x01b\x05abcdefgh" + string(b":event-type", b"k"), "k", False),
    (b"\x01a\x06\x00\x03abc" + string(b":event-type", b"k"), "k", False),
    (b"\x01a\x08abcdefgh" + b"\x01b\x09" + b"u" * 16 + string(b":event-type", b"k"), "k", False),
    (string(b":event-type", b"\xff"), "�", False),
]


@pytest.mark.parametrize(("block", "kind", "is_exception"), HEADERS)
def test_headers_of_every_type_are_passed_over(block: bytes, kind: str, is_exception: bool) -> None:
    raw = with_headers(block)
    assert split(raw) == [Frame(kind, is_exception, b"{}", raw)]


def changed(at: int, byte: int = 0xFF) -> bytes:
    wrong = bytearray(DELTA)
    wrong[at] ^= byte
    return bytes(wrong)


def sized(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths)) + b"x" * 40


WRONG = {
    "total": changed(3),
    "headers' length": changed(7),
    "first checksum": changed(8),
    "headers": changed(20),
    "payload": changed(len(DELTA) - 8),
    "last checksum": changed(len(DELTA) - 1),
    "no frame": b"data: {}\n\n" * 3,
    "too short": sized(15, 0),
    "too long": sized(FRAME_BYTES_MAX + 1, 0),
    "headers longer than all": sized(40, 25),
    "header of no type": with_headers(b"\x01a\x0a"),
    "header without a type": with_headers(b"\x01a"),
    "header's name cut": with_headers(b"\x05a"),
    "header's length cut": with_headers(b"\x01a\x07\x00"),
    "header's value cut": with_headers(b"\x01a\x07\x00\x05abc"),
    "header's number cut": with_headers(b"\x01a\x05abc"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("is_bytewise", [False, True])
def test_a_wrong_frame_ends_the_reading(wrong: bytes, is_bytewise: bool) -> None:
    data = DELTA + wrong + DELTA
    splitter = FrameSplitter()
    chunks = [data[at : at + 1] for at in range(len(data))] if is_bytewise else [data]
    found = [one for chunk in chunks for one in splitter.feed(chunk)]
    assert [one.raw for one in found] == [DELTA]
    assert splitter.is_broken
    assert splitter.feed(DELTA) == []


def test_what_is_left_of_an_unfinished_frame_is_given_back() -> None:
    splitter = FrameSplitter()
    splitter.feed(DELTA + EMPTY[:-1])
    assert splitter.flush() == EMPTY[:-1]
    assert splitter.flush() == b""
    assert not splitter.is_broken


def test_a_frame_may_be_as_long_as_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = frame("k", b"x" * 1_000)
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", len(longest))
    assert [one.raw for one in split(longest)] == [longest]
    assert split(frame("k", b"x" * 1_001)) == []


def test_a_broken_stream_keeps_nothing_more() -> None:
    splitter = FrameSplitter()
    splitter.feed(b"no frame at all")
    for _ in range(3):
        splitter.feed(b"x" * 1_000)
    assert splitter.flush() == b"no frame at all"


PIECES = st.sampled_from([DELTA, EMPTY, THROTTLED, DELTA[:15], changed(20)]) | st.binary(max_size=9)


@given(st.lists(PIECES, max_size=8), st.integers(1, 40))
def test_frames_come_out_the_same_of_any_bytes_cut_anywhere(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole = split(data)
    assert split(*[data[at : at + size] for at in range(0, len(data), size)]) == whole
    assert data.startswith(b"".join(one.raw for one in whole))


@given(st.text(max_size=40), st.binary(max_size=200), st.sampled_from(["event", "exception"]))
def test_what_is_written_is_read_back(kind: str, payload: bytes, message_type: str) -> None:
    raw = frame(kind, payload, message_type=message_type)
    assert split(raw) == [Frame(kind, message_type == "exception", payload, raw)]
