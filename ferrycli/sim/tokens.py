"""Text in pieces that pass for tokens: about four characters each, in English.

No vocabulary: words are cut after seven letters, and a piece carries the space before it, as the
real ones do. The pieces of a text, joined, are the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

BYTES_PER_TOKEN = 4
"""Of a prompt, whose tokens nobody sees one by one."""

_PIECE = re.compile(
    r"\s?[^\W\d_]{1,7}"  # a word or a part of one
    r"|\s?\d{1,3}"
    r"|\s?[^\w\s]{1,3}"  # punctuation
    r"|\s+"
    r"|.",
    re.DOTALL,
)


def split(text: str) -> Iterator[str]:
    """The tokens of `text`, none of them empty."""
    return (match.group() for match in _PIECE.finditer(text))


def count(text: str) -> int:
    """How many tokens `text` has."""
    return sum(1 for _ in split(text))
