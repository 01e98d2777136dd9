"""The loop guard: the same request, or the same last message, too often in one thread.

Pure: `now_us` is passed in. It sees hashes and no text, and counts them whether or not others come
between. The window is counted in parts; one that overlaps it counts whole. Memory is bounded: of
more hashes than are remembered, the one seen longest ago is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

HASHES_MAX = 20_000
RELEASES_MAX = 10_000
PARTS = 12
"""Of a window: so long after it, at most one part more is what was seen forgotten."""


@dataclass(frozen=True, slots=True)
class LoopSeen:
    """The same, more often than is allowed."""

    what: str
    """`request` or `message`."""
    times: int
    """Within the window, this time included."""
    thread: str


@dataclass(slots=True)
class _Count:
    """How often one hash was seen, by parts of a window."""

    released_us: int
    by_part: dict[int, int] = field(default_factory=dict)


class LoopGuard:
    """What was seen of late, by key, thread and hash."""

    def __init__(
        self,
        request_max: int,
        message_max: int,
        window_us: int,
        *,
        hashes_max: int = HASHES_MAX,
        releases_max: int = RELEASES_MAX,
    ) -> None:
        """`request_max`, `message_max`: times that are allowed within `window_us`; 0: any."""
        self._allowed = (("request", request_max), ("message", message_max))
        self._part_us = max(window_us // PARTS, 1)
        self._hashes_max = hashes_max
        self._releases_max = releases_max
        self._counts: OrderedDict[tuple[str, str, str, int], _Count] = OrderedDict()
        self._releases: OrderedDict[str, int] = OrderedDict()

    def note(
        self, thread_key: tuple[str, str], request_hash: int, last_message_hash: int, now_us: int
    ) -> LoopSeen | None:
        """Count one call of a thread, and say whether the same came too often.

        `thread_key`: key id and thread; without a thread nothing is counted. A hash of 0 is none.
        Where both came too often, the request is told.
        """
        key, thread = thread_key
        if not thread:
            return None
        seen: LoopSeen | None = None
        hashes = (request_hash, last_message_hash)
        for (what, allowed), hashed in zip(self._allowed, hashes, strict=True):
            if not allowed or not hashed:
                continue
            times = self._count((key, thread, what, hashed), now_us)
            if times > allowed and seen is None:
                seen = LoopSeen(what, times, thread)
        return seen

    def release(self, thread: str, at_us: int) -> None:
        """Forget what was seen in `thread` before `at_us`, under any key.

        A release that is known already, or older than one that is, changes nothing.
        """
        if at_us <= self._releases.get(thread, 0):
            return
        self._releases[thread] = at_us
        self._releases.move_to_end(thread)
        if len(self._releases) > self._releases_max:
            self._releases.popitem(last=False)

    def _count(self, place: tuple[str, str, str, int], now_us: int) -> int:
        """Count once more, and how often that makes."""
        released_us = self._releases.get(place[1], 0)
        count = self._counts.get(place)
        if count is None:
            count = self._counts[place] = _Count(released_us)
            if len(self._counts) > self._hashes_max:
                self._counts.popitem(last=False)
        self._counts.move_to_end(place)
        now = now_us // self._part_us
        # A clock that went back a whole window leaves nothing that would be seen for ever.
        kept = {part: n for part, n in count.by_part.items() if abs(now - part) <= PARTS}
        if released_us > count.released_us:
            count.released_us = released_us
            kept = {part: n for part, n in kept.items() if part * self._part_us >= released_us}
        kept[now] = kept.get(now, 0) + 1
        count.by_part = kept
        return sum(kept.values())
