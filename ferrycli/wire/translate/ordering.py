"""Pieces of several items that come mixed, put one item after the other: so events tell them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ferrycli.wire.translate.parsing import UNREADABLE
from ferrycli.wire.translate.talk import Event

HELD_EVENTS_MAX = 100_000
"""Of one reply: more pieces than any model gives."""


class InOrder:
    """Events of numbered items. The item that began first is told at once; what comes of others
    meanwhile is held back.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._held: dict[int, list[Event]] = {}
        self._whole: set[int] = set()
        self._held_count = 0

    def put(self, number: int, events: Iterable[Event]) -> Iterator[Event]:
        if self._first is None:
            self._first = number
        if number == self._first:
            yield from events
            return
        held = self._held.setdefault(number, [])
        before = len(held)
        held += events
        self._held_count += len(held) - before
        if self._held_count > HELD_EVENTS_MAX:
            yield UNREADABLE

    def close(self, number: int) -> Iterator[Event]:
        """The item is whole: what was held back of the next ones."""
        if number != self._first:
            self._whole.add(number)
            return
        self._first = None
        for held in sorted(self._held):
            yield from self._release(held)
            if held not in self._whole:
                self._first = held
                return

    def flush(self) -> Iterator[Event]:
        for held in sorted(self._held):
            yield from self._release(held)

    def _release(self, number: int) -> list[Event]:
        events = self._held.pop(number)
        self._held_count -= len(events)
        return events
