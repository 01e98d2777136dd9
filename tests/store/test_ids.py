"""Ids order calls by time, and any beginning of one finds it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrycli.store import ids
from ferrycli.store.ids import (
    ALPHABET,
    CHANCE_BITS,
    SEQ_MAX,
    TEXT_LENGTH,
    IdMaker,
    NewId,
    compose,
    decode,
    encode,
    prefix_range,
    seq_at,
    seq_of,
    seq_prefix,
    seq_us,
    tick_us,
)
from tests.store.kit import NOON, Clock

MOMENTS = st.integers(0, (1 << 42) * 1000 - 1)
CHANCES = st.integers(0, (1 << CHANCE_BITS) - 1)


def made_at(now_us: int, chance: int = 0) -> NewId:
    return IdMaker(lambda: now_us, lambda _bits: chance).make()


@given(MOMENTS, CHANCES)
def test_id_is_a_uuid_of_version_7_with_its_milliseconds_in_front(now_us: int, chance: int) -> None:
    number = made_at(now_us, chance).number
    assert number >> 80 == now_us // 1000
    assert number >> 76 & 15 == 7
    assert number >> 62 & 3 == 2
    assert number.bit_length() <= 128


@given(MOMENTS, CHANCES)
@example(NOON + 1, 0)
@example(NOON + 999, (1 << CHANCE_BITS) - 1)
def test_time_of_an_id_is_the_clock_to_a_microsecond(now_us: int, chance: int) -> None:
    assert now_us - 1 <= made_at(now_us, chance).at_us <= now_us


@given(MOMENTS, MOMENTS, CHANCES)
@example(NOON, NOON, (1 << CHANCE_BITS) - 1)
@example(NOON + 1, NOON + 1, 0)
@example(NOON + 999, NOON + 1000, (1 << CHANCE_BITS) - 1)
@example(0, 0, 0)
def test_span_takes_in_a_call_exactly_if_it_began_in_it(now_us: int, at: int, chance: int) -> None:
    new = made_at(now_us, chance)
    assert (new.seq >= seq_at(at)) == (new.at_us >= at)


@given(MOMENTS, st.integers(-3, 3), CHANCES)
def test_span_is_exact_at_the_microsecond(now_us: int, apart_us: int, chance: int) -> None:
    new = made_at(now_us, chance)
    at = max(0, now_us + apart_us)
    assert (new.seq >= seq_at(at)) == (new.at_us >= at)


@given(st.integers(0, (1 << 54) - 1), CHANCES)
def test_every_tick_has_the_time_of_its_row_key(tick: int, chance: int) -> None:
    number = compose(tick, chance)
    assert seq_of(number) >= seq_at(tick_us(tick))
    assert seq_of(number) < seq_at(tick_us(tick) + 1)


@pytest.mark.parametrize(("moment", "seq"), [(-1, 0), (-(10**20), 0), (0, 0), (10**20, SEQ_MAX)])
def test_span_is_bounded_to_what_the_file_can_hold(moment: int, seq: int) -> None:
    assert seq_at(moment) == seq


@given(st.lists(st.integers(-(10**10), 10**7), min_size=1, max_size=50))
def test_ids_never_go_back_where_the_clock_does(steps_us: list[int]) -> None:
    clock = Clock()
    maker = IdMaker(clock, lambda _bits: 0)
    made = []
    for step in steps_us:
        clock.now_us = max(0, clock.now_us + step)
        made.append(maker.make())
    for earlier, later in itertools.pairwise(made):
        assert later.number > earlier.number
        assert later.seq > earlier.seq
        assert later.at_us >= earlier.at_us
        assert later.text("c") > earlier.text("c")


def test_ten_thousand_ids_of_one_moment_are_ten_thousand_row_keys() -> None:
    maker = IdMaker(Clock(), lambda _bits: 0)
    assert len({maker.make().seq for _ in range(10_000)}) == 10_000


@given(st.integers(0, (1 << 128) - 1))
def test_text_of_a_number_reads_back(number: int) -> None:
    text = encode(number)
    assert len(text) == TEXT_LENGTH
    assert set(text) <= set(ALPHABET)
    assert decode(text) == number
    assert decode(text.lower()) == number


@pytest.mark.parametrize(
    ("written", "meant"), [("I", "1"), ("i", "1"), ("L", "1"), ("l", "1"), ("O", "0"), ("o", "0")]
)
def test_letters_that_are_easily_mistaken_are_read_as_meant(written: str, meant: str) -> None:
    assert decode(written) == decode(meant)
    assert prefix_range(f"0{written}") == prefix_range(f"0{meant}")


@pytest.mark.parametrize("text", ["-", "01-", "é", "c_", "0 1", "\x00", "01\n2", "🙂"])
def test_what_is_no_beginning_of_an_id_has_no_range(text: str) -> None:
    assert prefix_range(text) is None


@pytest.mark.parametrize("text", ["", "  ", "c_", "0" * 27, "04" + "0" * 24, "8", "Z" * 26])
def test_nothing_and_too_much_have_no_range(text: str) -> None:
    assert prefix_range(text) is None


def test_largest_time_that_an_id_can_have_has_a_range() -> None:
    assert prefix_range("03" + "Z" * 24) == (SEQ_MAX, SEQ_MAX)


@given(MOMENTS, CHANCES, st.integers(1, TEXT_LENGTH), st.booleans())
def test_every_beginning_of_an_id_is_a_range_that_holds_it(
    now_us: int, chance: int, length: int, is_bare: bool
) -> None:
    new = made_at(now_us, chance)
    beginning = new.text("c")[: 2 + length]
    bounds = prefix_range(beginning.removeprefix("c_") if is_bare else f" {beginning} ")
    assert bounds is not None
    assert bounds[0] <= new.seq <= bounds[1]


@given(MOMENTS, MOMENTS, st.integers(1, 10))
def test_range_of_a_time_prefix_leaves_other_times_out(
    now_us: int, other_us: int, length: int
) -> None:
    """The first ten letters of an id are its time alone: 50 bits, of which two are empty."""
    one, other = made_at(now_us), made_at(other_us)
    bounds = prefix_range(one.text("c")[: 2 + length])
    assert bounds is not None
    same = one.text("c")[: 2 + length] == other.text("c")[: 2 + length]
    assert (bounds[0] <= other.seq <= bounds[1]) == same


def test_parts_of_an_id_add_up() -> None:
    assert ids.TEXT_LENGTH * 5 >= 128
    assert seq_of((1 << 122) - 1) == SEQ_MAX


@given(MOMENTS, CHANCES)
@example(NOON + 999, (1 << CHANCE_BITS) - 1)
def test_row_key_tells_when_its_call_began_and_how_its_id_begins(now_us: int, chance: int) -> None:
    new = made_at(now_us, chance)
    assert seq_us(new.seq) == new.at_us
    assert new.text("c").startswith(seq_prefix(new.seq))
    bounds = prefix_range(seq_prefix(new.seq))
    assert bounds is not None
    assert bounds[0] <= new.seq <= bounds[1] < bounds[0] + 4
