"""A reply that is one JSON object: kept whole up to a limit, beyond it only its end."""

from __future__ import annotations

from ferrycli.wire.facts import Reading
from ferrycli.wire.readers.gathered import Gathered

BODY_KEPT_MAX = 4 << 20
"""A whole reply up to this is kept, for its cost to stand in a header; more passes by."""
TAIL_KEPT = 1 << 16


class WholeReader:
    """Keeps back a reply until it is over, or has outgrown `BODY_KEPT_MAX`."""

    begins_with_error = False

    def __init__(self, gathered: Gathered) -> None:
        self._kept: bytes | bytearray = b""
        self._gathered = gathered
        self.has_begun = False
        """It has outgrown what is kept, so that it goes on as it comes."""

    def feed(self, chunk: bytes) -> bytes:
        if not self._kept and len(chunk) <= BODY_KEPT_MAX and not self.has_begun:
            # The usual reply comes in one piece.
            self._kept = chunk
            return b""
        kept = self._kept if isinstance(self._kept, bytearray) else bytearray(self._kept)
        self._kept = kept
        kept += chunk
        if not self.has_begun and len(kept) <= BODY_KEPT_MAX:
            return b""
        passed = chunk if self.has_begun else bytes(kept)
        self.has_begun = True
        self._gathered.note_bytes(len(passed))
        del kept[:-TAIL_KEPT]
        return passed

    def finish(self) -> bytes:
        kept = bytes(self._kept)
        if self.has_begun:
            self._gathered.is_complete = True
            self._gathered.note_tail(kept)
            return b""
        self._gathered.note_whole(kept)
        return kept

    def reading(self) -> Reading:
        return self._gathered.reading()
