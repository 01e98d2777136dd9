"""Keys: a typo is told from the form alone, a secret is not shown, and a key has its limits."""

from __future__ import annotations

import string
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadKey, ModelNotAllowed
from ferrycli.rules.keys import (
    DEMO_SECRET,
    PREFIX,
    KeyTerms,
    base62,
    compose,
    is_well_formed,
    shown,
)

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ENTROPY = st.integers(0, 62**30 - 1)

DIGITS = [
    (0, 1, "0"),
    (61, 1, "z"),
    (62, 1, "0"),
    (62, 2, "10"),
    (9, 3, "009"),
    (10, 1, "A"),
    (36, 1, "a"),
    (62**6 - 1, 6, "zzzzzz"),
    (2**32 - 1, 6, "4gfFC3"),
]


@pytest.mark.parametrize(("number", "length", "expected"), DIGITS)
def test_numbers_are_written_in_base_62(number: int, length: int, expected: str) -> None:
    assert base62(number, length) == expected


@given(ENTROPY)
def test_a_secret_is_the_prefix_30_characters_and_6_of_their_checksum(entropy: int) -> None:
    secret = compose(entropy)
    assert len(secret) == len("fk_") + 30 + 6
    assert secret.startswith("fk_")
    assert set(secret[3:]) <= set(BASE62)
    checked = 0
    for digit in secret[-6:]:
        checked = checked * 62 + BASE62.index(digit)
    assert checked == zlib.crc32(secret[:-6].encode())
    assert is_well_formed(secret)


@given(ENTROPY, ENTROPY)
def test_different_entropy_makes_different_secrets(one: int, other: int) -> None:
    assert (compose(one) == compose(other)) == (one == other)


@pytest.mark.parametrize("entropy", [0, 1, 62**30 - 1, 2**178 - 1, 0x1234567890ABCDEF << 100])
def test_every_change_of_one_character_is_a_typo(entropy: int) -> None:
    secret = compose(entropy)
    printable = [chr(code) for code in range(32, 127)]
    for at, right in enumerate(secret):
        for wrong in (*printable, "\n", "\x00", "é", "\ud800"):
            if wrong != right:
                assert not is_well_formed(secret[:at] + wrong + secret[at + 1 :])


@given(ENTROPY, st.integers(0, 37))
def test_two_neighbours_in_the_wrong_order_are_a_typo(entropy: int, at: int) -> None:
    secret = compose(entropy)
    assume(secret[at] != secret[at + 1])
    assert not is_well_formed(secret[:at] + secret[at + 1] + secret[at] + secret[at + 2 :])


@given(ENTROPY, st.integers(0, 39), st.characters())
def test_a_character_more_or_less_is_a_typo(entropy: int, at: int, more: str) -> None:
    secret = compose(entropy)
    assert not is_well_formed(secret[:at] + more + secret[at:])
    assert not is_well_formed(secret[: min(at, 38)] + secret[min(at, 38) + 1 :])


FOREIGN = ["", "fk_", DEMO_SECRET, "sk-" + "a" * 36, "FK_" + compose(5)[3:], compose(5) + "\n"]


@pytest.mark.parametrize("secret", FOREIGN)
def test_what_is_not_ours_is_not_well_formed(secret: str) -> None:
    assert not is_well_formed(secret)


@pytest.mark.parametrize("filler", ["!", " ", "-", "_", "\n", "\x1b"])
def test_a_right_checksum_over_characters_that_are_not_ours_is_not_well_formed(filler: str) -> None:
    body = PREFIX + filler * 30
    assert not is_well_formed(body + base62(zlib.crc32(body.encode()), 6))


SHOWN = [
    (compose(7), f"fk_…{compose(7)[-4:]}"),
    ("fk_12345678", "fk_…5678"),
    ("fk_1234567", "…"),
    (DEMO_SECRET, "…"),
    ("sk-proj-" + "a" * 40, "…"),
    ("", "…"),
    ("fk_" + "a" * 30 + "b\x1b[m", "fk_…"),
    ("fk_" + "é" * 40, "…"),
    ("fk_" + "a" * 30 + "\u202e", "…"),
]


@pytest.mark.parametrize(("secret", "expected"), SHOWN)
def test_of_a_secret_the_prefix_and_the_last_four_are_shown(secret: str, expected: str) -> None:
    assert shown(secret) == expected


@given(st.text() | st.text(st.characters(max_codepoint=127)).map("fk_".__add__))
def test_no_more_than_four_characters_are_shown_of_any_secret(secret: str) -> None:
    told = shown(secret).removeprefix(PREFIX).removeprefix("…")
    assert len(told) <= 4
    assert told == "" or (told.isalnum() and told.isascii())


# What a key allows --------------------------------------------------------------------------------

NOW = 1_800_000_000_000_000

CHECKS: list[tuple[dict[str, object], str | None]] = [
    ({}, None),
    ({"revoked_at": NOW + 1}, None),
    ({"revoked_at": NOW}, "revoked"),
    ({"revoked_at": 0}, "revoked"),
    ({"expires_at": NOW + 1}, None),
    ({"expires_at": NOW}, "expired"),
    ({"expires_at": NOW, "revoked_at": NOW}, "revoked"),
    ({"role": "read"}, "role"),
    ({"role": "admin"}, "role"),
    ({"role": "admin", "expires_at": NOW}, "expired"),
    ({"is_demo": True}, None),
]


@pytest.mark.parametrize(("terms", "why"), CHECKS)
def test_a_key_is_good_until_the_moment_it_is_not(
    terms: dict[str, object], why: str | None
) -> None:
    key = KeyTerms("key_1", "acme", "3f2a", **terms)  # type: ignore[arg-type]
    if why is None:
        key.check(NOW)
        return
    with pytest.raises(BadKey) as caught:
        key.check(NOW)
    assert (caught.value.why, caught.value.shown) == (why, "fk_…3f2a")


ALLOWED = [
    ((), "openai", "gpt-5.6", True),
    (("gpt-*",), "openai", "gpt-5.6", True),
    (("openai/gpt-*",), "openai", "gpt-5.6", True),
    (("openai/*",), "openai", "gpt-5.6", True),
    (("*",), "openai", "gpt-5.6", True),
    (("gpt-5.6",), "openai", "gpt-5.6-mini", False),
    (("gpt-5.?",), "openai", "gpt-5.6", True),
    (("anthropic/*",), "openai", "gpt-5.6", False),
    (("openai/*",), "azure", "gpt-5.6", False),
    (("GPT-*",), "openai", "gpt-5.6", False),
    (("claude-*", "gpt-*"), "openai", "gpt-5.6", True),
    (("",), "openai", "gpt-5.6", False),
]


@pytest.mark.parametrize(("globs", "provider", "model", "is_allowed"), ALLOWED)
def test_a_keys_globs_say_which_models_it_may_use(
    globs: tuple[str, ...], provider: str, model: str, is_allowed: bool
) -> None:
    key = KeyTerms("key_1", "acme", "3f2a", models=globs)
    assert key.allows(provider, model) is is_allowed
    if is_allowed:
        key.check_model(provider, model)
        return
    with pytest.raises(ModelNotAllowed) as caught:
        key.check_model(provider, model)
    assert (caught.value.model, caught.value.allowed) == (f"{provider}/{model}", globs)


def test_a_glob_for_one_provider_allows_no_other() -> None:
    key = KeyTerms("key_1", "acme", "3f2a", models=("openai/*",))
    assert not key.allows("openrouter", "openai/gpt-5.6")
