"""Foreign strings: nothing that acts on a terminal or hides is left, and no name is mangled."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrycli.rules.clean import NAME_LENGTH_MAX, safe

LONGEST = NAME_LENGTH_MAX

CLEANED = [
    ("acme", "acme"),
    ("", ""),
    ("  acme  ", "acme"),
    ("acme corp", "acme corp"),
    ("[/x]", "[/x]"),
    ("Müller & Söhne", "Müller & Söhne"),
    ("株式会社", "株式会社"),
    ("😀", "😀"),
    ("\x1b[31mred", "[31mred"),
    ("\x9b31mred", "31mred"),
    ("a\x00b\x07c\x7fd\x85e", "abcde"),
    ("a\r\nb\tc", "abc"),
    ("\x1b]0;owned\x07", "]0;owned"),
    ("pay\u202egnp", "paygnp"),
    ("a\u2066b\u2069", "ab"),
    ("a\u061cb", "ab"),
    ("\u200bacme\ufeff", "acme"),
    ("a\u00adb", "ab"),
    ("a\u2028b\u2029c", "abc"),
    ("a\ud800b\udfff", "ab"),
    ("a\ue000b", "ab"),
    ("a\U000e0041b", "ab"),
    ("a\U0010ffffb", "ab"),
    ("\u00a0acme\u3000", "acme"),
    ("e\u0301", "é"),
    ("e\u200d\u0301", "é"),
    ("\x1b\u200b", ""),
]


@pytest.mark.parametrize(("text", "expected"), CLEANED, ids=ascii)
def test_what_acts_or_hides_is_left_out_and_the_rest_stays(text: str, expected: str) -> None:
    assert safe(text) == expected


LENGTHS = [
    ("x" * LONGEST, "x" * LONGEST),
    ("x" * (LONGEST + 1), "x" * LONGEST),
    ("ü" * LONGEST, "ü" * LONGEST),
    ("ü" * (LONGEST + 1), "ü" * LONGEST),
    (" " * LONGEST + "x", "x"),
    ("x" * (LONGEST - 1) + " y", "x" * (LONGEST - 1)),
    ("ü" * (LONGEST - 1) + " y", "ü" * (LONGEST - 1)),
    ("ü" * 10_000_000, "ü" * LONGEST),
]


@pytest.mark.parametrize(("text", "expected"), LENGTHS, ids=range(len(LENGTHS)))
def test_a_name_is_cut_at_its_longest_and_ends_in_no_space(text: str, expected: str) -> None:
    assert safe(text) == expected


def test_another_length_may_be_asked_for() -> None:
    assert safe("abcdef", 3) == "abc"
    assert safe("äbcdef", 3) == "äbc"


ANY_TEXT = st.text(st.characters(exclude_categories=()))
NASTY_TEXT = st.text(
    st.sampled_from(" \tae\u0301\u0327\u200d\u202e\u1100\u1161\x1b\ud800\u00a0é\U0001d160\u0958")
)


@given(st.one_of(ANY_TEXT, NASTY_TEXT), st.sampled_from([1, 2, 5, LONGEST]))
@example("a\u200d\u0301", LONGEST)
@example("ü y", 2)
def test_any_text_comes_out_clean_bounded_and_settled(text: str, length_max: int) -> None:
    cleaned = safe(text, length_max)
    assert len(cleaned) <= length_max
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.bidirectional(c) in _BIDI_CONTROLS for c in cleaned)
    assert cleaned == cleaned.strip()
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode()
    assert safe(cleaned, length_max) == cleaned


_BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"}


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=LONGEST))
def test_plain_printable_names_are_untouched(text: str) -> None:
    assert safe(text) == text
