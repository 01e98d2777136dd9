"""The loop guard of a server: who is warned, and who is stopped, because a thread repeats itself.

Kept on the event loop; a thread that its owner released begins again. Source: docs/budgets.md,
"Loops".
"""

from __future__ import annotations

from dataclasses import dataclass

from ferrycli.rules.attribution import Attribution
from ferrycli.rules.denials import LoopDetected
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.loops import LoopGuard
from ferrycli.store.books import Books
from ferrycli.store.messages import Note
from ferrycli.wire.facts import Fingerprints

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Watched:
    """What follows from a call."""

    warning: str = ""
    """What its caller is told beside the answer."""
    note: Note | None = None
    """What the owner is told."""
    refusal: LoopDetected | None = None
    """Why it does not go."""


class LoopWatch:
    """What becomes of a call that is one repetition too many."""

    def __init__(self, mode: str, guard: LoopGuard) -> None:
        """`mode`: `off`, `warn` or `block`."""
        self._mode = mode
        self._guard = guard
        self._released: tuple[tuple[str, int], ...] = ()

    def look(
        self,
        books: Books,
        key: KeyTerms,
        attribution: Attribution,
        prints: Fingerprints,
        now_us: int,
    ) -> Watched:
        """Count one call, and say who is to hear of it."""
        if self._mode == "off" or not attribution.thread:
            return Watched()
        if books.thread_releases is not self._released:
            self._released = books.thread_releases
            for thread, released_at in self._released:
                self._guard.release(thread, released_at)
        seen = self._guard.note(
            (key.id, attribution.thread), prints.request_hash, prints.last_message_hash, now_us
        )
        if seen is None:
            return Watched()
        what = "request" if seen.what == "request" else "last message"
        detail: dict[str, str | int] = {"what": what, "times": seen.times, "key": key.name}
        if self._mode == "block":
            detail["action"] = "block"
        note = Note("loop", attribution.thread, now_us - now_us % _DAY_US, detail)
        if self._mode == "block":
            return Watched("", note, LoopDetected(seen.thread, seen.what, seen.times))
        return Watched(f"the same {what} came {seen.times} times in this thread", note)
