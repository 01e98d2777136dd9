"""Choices that look like chance and are not: the same seed always falls the same way."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MASK = 2**64 - 1


def seed(*parts: bytes) -> int:
    """64 bits that any change of `parts`, or of where one ends, changes."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big")


class Dice:
    """A row of numbers that follows from its seed (splitmix64)."""

    def __init__(self, start: int) -> None:
        self._state = start & _MASK

    def bits(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def wide(self) -> int:
        """The next 192 bits, for an id."""
        return self.bits() << 128 | self.bits() << 64 | self.bits()

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1."""
        return self.bits() % count

    def pick(self, of: Sequence[T]) -> T:
        """One of a sequence that is not empty."""
        return of[self.below(len(of))]
