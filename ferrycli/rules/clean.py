"""Foreign strings made safe to store and to show: one function, used at ingest.

No control character, no bidirectional or invisible format character, bounded length. What is left
can be printed to a terminal as it is.
"""

from __future__ import annotations

import unicodedata

NAME_LENGTH_MAX = 200

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph ends."""


def safe(text: str, length_max: int = NAME_LENGTH_MAX) -> str:
    """`text` with every character that could act on a terminal or hide left out.

    Normalised (NFC), surrounding white space removed, cut at `length_max` characters.
    """
    if text.isascii() and text.isprintable():
        return text.strip()[:length_max].rstrip()
    # Bounded before normalising, so that a huge string costs no more than a large one.
    bounded = text[: length_max * 4]
    kept = "".join(c for c in bounded if unicodedata.category(c) not in _UNSAFE_CATEGORIES)
    # Normalised last: what is left out may have stood between a letter and its accent.
    return unicodedata.normalize("NFC", kept).strip()[:length_max].rstrip()
