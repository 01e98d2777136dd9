"""Chance for ids and routes: the system's random bytes, fetched many at a time.

A fetch lets go of the interpreter, and whichever thread takes it is not soon done with it: one for
every call cost more than all the rest of making its id.
"""

from __future__ import annotations

import os
from array import array

BITS_MAX = 64
_FETCHED_BYTES = 4_096


class Chance:
    """Random numbers of the system's, as `secrets.randbits` gives them. For one thread."""

    def __init__(self) -> None:
        self._numbers = array("Q")

    def __call__(self, bits: int) -> int:
        """A number of `bits` random bits, at most `BITS_MAX`."""
        if not self._numbers:
            self._numbers.frombytes(os.urandom(_FETCHED_BYTES))
        return self._numbers.pop() >> BITS_MAX - bits
