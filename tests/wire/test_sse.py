"""Events as bytes: nothing lost, nothing changed, and the same ones wherever they are cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.wire.sse import EVENT_BYTES_MAX, EventSplitter, event_data, is_plain

CORPORA = {
    "LF": b"data: a\n\ndata: b\n\n",
    "CR": b"data: a\r\rdata: b\r\r",
    "CRLF": b"data: a\r\n\r\ndata: b\r\n\r\n",
    "mixed": b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\rdata: e\r\n\r",
    "blank lines": b"\n\n\n\r\n\r\n\r\rdata: a\n\n\n",
    "a BOM": b"\xef\xbb\xbfdata: a\n\ndata: b\n\n",
    "raw line separators": 'data: "\u2028\u2029\x85\x0b\x0c\x1c"\n\ndata: b\n\n'.encode(),
    "wide characters": 'data: "é😀"\r\n\r\ndata: ü\r\n\r\n'.encode(),
    "names and comments": b"event: x\nid: 1\ndata: a\ndata: b\n\n: OPEN\n\nretry: 3\n\n",
    "no last line end": b"data: a\n\ndata: b",
}
PIECES = st.sampled_from(
    [
        *(b"data: a", b"data:", b"event: x", b": c"),
        *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"),
        *("é😀".encode(), "\u2028\x85".encode(), b"\xef\xbb\xbf", b"\x00", b"\xff", b""),
    ]
)
STREAMS = st.lists(PIECES, max_size=24).map(b"".join) | st.binary(max_size=60)


def split(chunks: Iterable[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter()
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    return events, splitter.flush()


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def events_of(data: bytes) -> list[bytes]:
    """A whole stream's finished events by the standard: lines first, then blank ones."""
    lines = re.split(rb"\r\n|\n|\r", data)
    events: list[bytes] = []
    values: list[bytes] = []
    for line in lines[:-1]:
        if not line:
            if values:
                events.append(b"\n".join(values))
            values = []
        elif line.startswith(b"data:"):
            values.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            values.append(b"")
    return events


def data_of(events: Iterable[bytes]) -> list[bytes]:
    return [data for event in events if (data := event_data(event)) is not None]


@pytest.mark.parametrize("data", CORPORA.values(), ids=CORPORA)
def test_a_corpus_reads_the_same_cut_at_any_two_places(data: bytes) -> None:
    events, rest = split([data])
    whole = data_of([*events, rest])
    for places in combinations(range(len(data) + 1), 2):
        found, left = split(cut(data, places))
        assert b"".join(found) + left == data, places
        assert data_of([*found, left]) == whole, places


@pytest.mark.parametrize("data", CORPORA.values(), ids=CORPORA)
def test_a_corpus_reads_the_same_byte_by_byte(data: bytes) -> None:
    events, rest = split([data])
    found, left = split(data[at : at + 1] for at in range(len(data)))
    assert b"".join(found) + left == data
    assert data_of([*found, left]) == data_of([*events, rest])


@given(STREAMS, st.lists(st.integers(0, 100), max_size=6))
def test_what_goes_in_comes_out(data: bytes, places: list[int]) -> None:
    found, left = split(cut(data, [min(place, len(data)) for place in places]))
    assert b"".join(found) + left == data


@given(STREAMS, st.lists(st.integers(0, 100), max_size=6))
def test_events_do_not_depend_on_the_cuts(data: bytes, places: list[int]) -> None:
    events, rest = split([data])
    found, left = split(cut(data, [min(place, len(data)) for place in places]))
    assert data_of([*found, left]) == data_of([*events, rest])


@given(STREAMS)
def test_finished_events_are_those_of_the_standard(data: bytes) -> None:
    # A blank line after it, so that nothing is left unfinished.
    finished = data.removeprefix(b"\xef\xbb\xbf").replace(b"\xef\xbb\xbf", b"") + b"\n\n"
    events, rest = split([finished])
    assert rest.strip(b"\r\n") == b""
    assert data_of(events) == events_of(finished)


EVENT_DATA = [
    (b"data: a\n\n", b"a"),
    (b"data:a\n\n", b"a"),
    (b"data:  a\n\n", b" a"),
    (b"data: a \n\n", b"a "),
    (b"data\n\n", b""),
    (b"data:\n\n", b""),
    (b"data: \n\n", b""),
    (b"data: a\r\rdata: never\r\r", b"a\nnever"),
    (b"data: a\ndata: b\n\n", b"a\nb"),
    (b"data: a\r\ndata: b\r\n\r\n", b"a\nb"),
    (b"data: a\ndata: b", b"a\nb"),
    (b"data: a\nid: 1", b"a"),
    (b"data: a\nid: 1\n", b"a"),
    (b"data: a", b"a"),
    (b"data: data: a\n\n", b"data: a"),
    (b": comment\n\n", None),
    (b": data: a\n\n", None),
    (b"event: ping\n\n", None),
    (b"event: x\ndata: a\n\n", b"a"),
    (b"\n\n", None),
    (b"", None),
    (b"database: a\n\n", None),
    (b"Data: a\n\n", None),
    (b" data: a\n\n", None),
    (b"\xef\xbb\xbfdata: a\n\n", b"a"),
    ("data: \u2028\u0085\n\n".encode(), "\u2028\u0085".encode()),
    (b"data: a\x0bb\x0c\x1c\n\n", b"a\x0bb\x0c\x1c"),
]


@pytest.mark.parametrize(("event", "expected"), EVENT_DATA)
def test_data_is_read_as_the_standard_says(event: bytes, expected: bytes | None) -> None:
    assert event_data(event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b"data: a\n\n", True),
        (b"data: a\r\ndata: b\r\n\r\n", True),
        (b"event: x\ndata: a\n\n", False),
        (b"id: 1\ndata: a\n\n", False),
        (b"data: a\n: comment\n\n", False),
    ],
)
def test_an_event_is_plain_if_it_is_data_alone(event: bytes, expected: bool) -> None:
    assert is_plain(event) is expected


def test_an_event_comes_out_with_the_byte_that_ends_it() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n") == []
    assert splitter.unfinished
    assert splitter.feed(b"\n") == [b"data: a\n\n"]
    assert not splitter.unfinished


def test_an_event_that_grows_too_large_is_passed_on_as_it_comes() -> None:
    splitter = EventSplitter()
    line = b"data: " + b"x" * (EVENT_BYTES_MAX - 6)
    assert splitter.feed(line) == []
    assert splitter.feed(b"y") == [line + b"y"]
    # What follows is its end, and then events are found again.
    assert splitter.feed(b"z\n\ndata: a\n\n") == [b"z\n\n", b"data: a\n\n"]


def test_one_endless_line_costs_no_more_than_the_largest_event() -> None:
    splitter = EventSplitter()
    held = 0
    for _ in range(64):
        held += (1 << 20) - sum(len(event) for event in splitter.feed(b"x" * (1 << 20)))
        assert 0 <= held <= EVENT_BYTES_MAX
