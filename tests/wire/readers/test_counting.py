"""Counts as they come from providers: fitted, split and summed, or refused."""

from __future__ import annotations

import pytest

from ferrycli.rules.usage import COUNT_MAX, Usage
from ferrycli.wire.readers.counting import amount, counted_inside, split_writes, summed


def test_the_dearest_part_is_believed_first() -> None:
    usage = counted_inside(
        100,
        10,
        audio_in=30,
        image_in=30,
        cache_write_12h=30,
        cache_write_30m=30,
        cache_read=30,
        audio_out=11,
    )
    assert usage == Usage(
        audio_in=30,
        image_in=30,
        cache_write_12h=30,
        cache_write_30m=100 - 3 * 30,
        audio_out=10,
    )
    assert usage.input_total == 100


@pytest.mark.parametrize("part", [-1, 1.0, "1", True, COUNT_MAX + 1, [1]])
def test_a_part_that_is_no_count_is_refused_and_not_fitted(part: object) -> None:
    for bucket in ("audio_in", "cache_read", "cache_write_30m", "audio_out", "reasoning"):
        assert counted_inside(100, 10, **{bucket: part}) is None
    assert counted_inside(part, 10) is None
    assert counted_inside(100, part) is None
    assert amount(part) == 0


def test_a_part_that_is_left_empty_is_none() -> None:
    assert counted_inside(100, None, cache_read=None, reasoning=None) == Usage(input=100)
    assert counted_inside(None, 10) is None


SPLITS: list[tuple[object, object, object, tuple[object, object]]] = [
    (100, "x", 0, ("x", 0)),
    (100, 0, -1, (0, -1)),
    ("x", 60, 40, ("x", 0)),
    (-1, 60, 40, (-1, 0)),
    (None, "x", 40, ("x", 40)),
    (100, 60, 50, (50, 50)),
]


@pytest.mark.parametrize(("total", "brief", "lasting", "expected"), SPLITS)
def test_a_split_gives_back_what_is_no_count(
    total: object, brief: object, lasting: object, expected: tuple[object, object]
) -> None:
    assert split_writes(total, brief, lasting) == expected


def test_a_sum_is_bucket_by_bucket() -> None:
    one, other = Usage(input=1, output=2, reasoning=1), Usage(input=10, cache_read=5)
    assert summed([one, other]) == Usage(input=11, cache_read=5, output=2, reasoning=1)
    assert summed([]) == Usage()
