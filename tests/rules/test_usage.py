"""Usage: a provider's overlapping counts become disjoint buckets, or are refused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.errors import BadUsage
from ferrycli.rules.usage import BUCKETS, COUNT_MAX, INPUT_BUCKETS, WRITE_BUCKETS, Usage

PARTS = (*BUCKETS[1:6], "audio_in", "audio_out", "image_in", "web_search", "reasoning")
"""What `counted` takes besides the whole input and output."""

INSIDE: list[tuple[int, int, dict[str, int], Usage]] = [
    (100, 20, {}, Usage(input=100, output=20)),
    (0, 0, {}, Usage()),
    (100, 20, {"cache_read": 60}, Usage(input=100 - 60, cache_read=60, output=20)),
    (100, 20, {"cache_read": 100}, Usage(input=0, cache_read=100, output=20)),
    (
        100,
        20,
        {"cache_read": 10, "cache_write_5m": 1, "cache_write_30m": 2, "cache_write_1h": 3}
        | {"cache_write_12h": 4, "audio_in": 5, "image_in": 6, "audio_out": 7, "reasoning": 8},
        Usage(
            input=100 - 10 - (1 + 2 + 3 + 4) - 5 - 6,
            cache_read=10,
            cache_write_5m=1,
            cache_write_30m=2,
            cache_write_1h=3,
            cache_write_12h=4,
            audio_in=5,
            image_in=6,
            output=20 - 7,
            audio_out=7,
            reasoning=8,
        ),
    ),
]


@pytest.mark.parametrize(("whole_in", "whole_out", "parts", "expected"), INSIDE)
def test_parts_inside_the_whole_are_taken_out_of_it(
    whole_in: int, whole_out: int, parts: Mapping[str, int], expected: Usage
) -> None:
    counted = Usage.counted(
        cache_is_inside=True, input_tokens=whole_in, output_tokens=whole_out, **parts
    )
    assert counted == expected
    assert counted.input_total == whole_in
    assert counted.output_total == whole_out


def test_cached_tokens_beside_the_input_leave_it_as_it_is() -> None:
    counted = Usage.counted(
        cache_is_inside=False,
        input_tokens=4,
        output_tokens=7,
        cache_read=1_000,
        cache_write_5m=200,
        cache_write_1h=30,
    )
    assert counted == Usage(
        input=4, cache_read=1_000, cache_write_5m=200, cache_write_1h=30, output=7
    )
    assert counted.input_total == 4 + 1_000 + 200 + 30
    assert counted.cache_write == 200 + 30


def test_audio_is_inside_the_input_also_where_the_cache_is_beside_it() -> None:
    counted = Usage.counted(
        cache_is_inside=False, input_tokens=10, output_tokens=0, cache_read=5, audio_in=10
    )
    assert counted == Usage(input=0, cache_read=5, audio_in=10)


def test_the_dialects_convention_has_no_default() -> None:
    with pytest.raises(TypeError, match="cache_is_inside"):
        Usage.counted(input_tokens=1, output_tokens=1)  # type: ignore[call-arg]


def test_searches_are_counted_and_are_no_tokens() -> None:
    counted = Usage.counted(cache_is_inside=True, input_tokens=9, output_tokens=2, web_search=3)
    assert counted.web_search == 3
    assert (counted.input_total, counted.output_total) == (9, 2)


OVERLAPS: list[tuple[bool, dict[str, int], str]] = [
    (True, {"cache_read": 101}, "input_tokens"),
    (True, {"cache_read": 60, "cache_write_30m": 41}, "input_tokens"),
    (True, {"cache_write_5m": 101}, "input_tokens"),
    (True, {"audio_in": 60, "image_in": 41}, "input_tokens"),
    (True, {"audio_out": 21}, "output_tokens"),
    (False, {"audio_in": 101}, "input_tokens"),
    (False, {"image_in": 101}, "input_tokens"),
    (False, {"audio_out": 21}, "output_tokens"),
]


@pytest.mark.parametrize(("is_inside", "parts", "field"), OVERLAPS)
def test_a_part_larger_than_its_whole_by_one_is_refused(
    is_inside: bool, parts: dict[str, int], field: str
) -> None:
    with pytest.raises(BadUsage) as caught:
        Usage.counted(cache_is_inside=is_inside, input_tokens=100, output_tokens=20, **parts)
    assert caught.value.field == field
    fitting = {**parts, max(parts): parts[max(parts)] - 1}
    Usage.counted(cache_is_inside=is_inside, input_tokens=100, output_tokens=20, **fitting)


NO_COUNTS = [-1, 1.0, 0.0, "1", "", None, True, False, COUNT_MAX + 1, 10**18, Decimal(1), b"1", []]


@pytest.mark.parametrize("value", NO_COUNTS, ids=repr)
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", *PARTS])
def test_what_is_no_count_is_refused_in_every_field(field: str, value: object) -> None:
    counts: dict[str, object] = {"input_tokens": 0, "output_tokens": 0, field: value}
    with pytest.raises(BadUsage) as caught:
        Usage.counted(cache_is_inside=False, **counts)
    assert (caught.value.field, caught.value.value) == (field, value)


def test_the_largest_count_is_taken() -> None:
    counted = Usage.counted(cache_is_inside=True, input_tokens=COUNT_MAX, output_tokens=COUNT_MAX)
    assert (counted.input, counted.output) == (COUNT_MAX, COUNT_MAX)


def test_every_field_of_usage_but_reasoning_is_a_billed_bucket() -> None:
    assert set(Usage._fields) == {*BUCKETS, "reasoning"}
    assert set(WRITE_BUCKETS) == {bucket for bucket in BUCKETS if "write" in bucket}
    assert set(INPUT_BUCKETS) == set(BUCKETS) - {"output", "audio_out", "web_search"}


@given(st.booleans(), st.fixed_dictionaries({name: st.integers(0, 10**6) for name in PARTS}))
def test_no_token_is_counted_twice_and_none_is_lost(is_inside: bool, parts: dict[str, int]) -> None:
    cached = parts["cache_read"] + sum(parts[bucket] for bucket in WRITE_BUCKETS)
    inside = parts["audio_in"] + parts["image_in"] + (cached if is_inside else 0)
    fresh, spoken = 17, parts["audio_out"]
    counted = Usage.counted(
        cache_is_inside=is_inside, input_tokens=inside + fresh, output_tokens=spoken + 5, **parts
    )
    assert counted.input == fresh
    assert counted.output == 5
    assert counted.input_total == fresh + parts["audio_in"] + parts["image_in"] + cached
    assert counted.output_total == spoken + 5
    assert counted.cache_write == cached - parts["cache_read"]
