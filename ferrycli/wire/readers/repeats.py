"""Events that say the same as one before, but for their text: nearly every event of a stream.

Once an event was read and told nothing besides text, the next is compared with it, not read: the
same bytes, and between them another text, number or padding of the kind that was there. What is
read by patterns alone (`wire/readers/gathered.py`) is then the same as well: each of them begins at
a quote, and no quote stands in what is new.
"""

from __future__ import annotations

import re

EVENT_BYTES_MAX = 4_096
"""A longer event is not learned."""
LEARNED_MAX = 8
"""Events that are learned of one stream without one that was known by them."""
VARYING_MAX = 8

# Each ends with the byte that stands behind it.
_VARYING = re.compile(
    rb'"obfuscation"\s*:\s*"([^"]*)"|"sequence_number"\s*:\s*([0-9]+)[,}]|\}( *)\}\n\n\Z'
)
_BACKSLASH = 0x5C
_TEXT, _PADDING, _NUMBER, _SPACES = range(4)


class Repeats:
    """What one stream's events look like."""

    def __init__(self) -> None:
        self._pieces: list[tuple[bytes, int, bytes]] = []
        """Bytes that stay, what follows them, and the byte behind that."""
        self._end = b""
        self._lines = -1
        self._left = LEARNED_MAX

    def learn(self, event: bytes, data: bytes, strings: re.Pattern[bytes]) -> None:
        """Take `event` for an example: its `data` told nothing besides the `strings` in it."""
        if not self._left or len(event) > EVENT_BYTES_MAX or _is_odd(event, data):
            return
        head = len(event) - len(data) - 2
        found = [(*match.span(1), _TEXT) for match in strings.finditer(event, head)]
        if not found or any(start == end for start, end, _ in found):
            return
        for match in _VARYING.finditer(event, head):
            group = match.lastindex or 0
            found.append((*match.span(group), group))
        found.sort()
        pieces, position = [], 0
        for start, end, kind in found:
            behind = event[end : end + 1]
            is_value = kind != _TEXT or event[end + 1 : end + 2] in (b",", b"}", b"]")
            if start < position or not is_value:
                return
            pieces.append((event[position:start], kind, behind))
            position = end
        if len(pieces) <= VARYING_MAX:
            self._left -= 1
            self._pieces, self._end = pieces, event[position:]
            self._lines = event.count(b"\n")

    def text_length(self, events: bytes) -> int:
        """The length of the text in events that are all like the example; 0 where one is not."""
        pieces, end = self._pieces, self._end
        if not pieces:
            return 0
        position = length = count = 0
        while position < len(events):
            for piece, kind, behind in pieces:
                if not events.startswith(piece, position):
                    return 0
                start = position + len(piece)
                position = events.find(behind, start)
                if position < start:
                    return 0
                if kind == _TEXT:
                    # What is empty may be told otherwise; a backslash in front makes it no end.
                    if position == start or events[position - 1] == _BACKSLASH:
                        return 0
                    length += position - start
                elif not _is_of(kind, events[start:position]):
                    return 0
            if not events.startswith(end, position):
                return 0
            position += len(end)
            count += 1
        is_alike = (
            events.count(b"\n") == self._lines * count
            and b"\r" not in events
            and b'"error"' not in events
        )
        if not is_alike:
            return 0
        self._left = LEARNED_MAX
        return length


def _is_odd(event: bytes, data: bytes) -> bool:
    """Whether it is written otherwise than with all of its data in its last line, plainly."""
    return (
        not event.endswith(data + b"\n\n")
        or b'"' in event[: -len(data) - 2]
        or b"error" in event
        or b"\\" in event
        or b"\r" in event
    )


def _is_of(kind: int, varying: bytes) -> bool:
    if kind == _NUMBER:
        return varying.isdigit()
    return not varying.strip(b" ") if kind == _SPACES else b"\\" not in varying
