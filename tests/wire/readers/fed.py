"""Replies fed to readers: whole, cut, one byte at a time; and events as tests write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from ferrycli.wire.dialect import Reader
from ferrycli.wire.facts import Reading


def relayed(reader: Reader, chunks: Iterable[bytes]) -> bytes:
    """All that `reader` gives out for `chunks`, to its end."""
    return b"".join([*[reader.feed(chunk) for chunk in chunks], reader.finish()])


def read(reader: Reader, *chunks: bytes) -> Reading:
    """What `reader` has read of `chunks`, all of which it gives out."""
    assert relayed(reader, chunks) == b"".join(chunks)
    return reader.reading()


def of_object(reader: Reader, **reply: object) -> Reading:
    """What `reader` has read of a reply that is one object."""
    return read(reader, json.dumps(reply).encode())


def event(**data: object) -> bytes:
    """A server-sent event, with its name where it has a type."""
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def bytewise(data: bytes) -> list[bytes]:
    """One byte at a time."""
    return [data[at : at + 1] for at in range(len(data))]


def halves(data: bytes, step: int = 1) -> Iterator[Sequence[bytes]]:
    """In two, at every place, or at every so manieth."""
    for at in range(1, len(data), step):
        yield [data[:at], data[at:]]


def every_cut(data: bytes) -> Iterator[Sequence[bytes]]:
    """Whole, one byte at a time, and in two at every place."""
    yield [data]
    yield bytewise(data)
    yield from halves(data)
