"""Counts as providers give them, into usage and money: what more than one dialect does with them.

A count that cannot be makes the whole report none. Counts that overlap are fitted into their whole,
the dearest first, so that nothing is counted twice and nothing is made cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard

import msgspec

from ferrycli.rules.errors import BadUsage
from ferrycli.rules.money import AMOUNT_USD_MAX, nanousd
from ferrycli.rules.usage import COUNT_MAX, Usage

XAI_TICKS_PER_NANOUSD = 10
"""xAI counts 10^10 ticks a dollar."""


def is_count(value: object) -> TypeGuard[int]:
    """Whether `value` can be a number of tokens."""
    return type(value) is int and 0 <= value <= COUNT_MAX


def or_zero(value: object) -> object:
    """Details that a provider leaves empty count nothing."""
    return 0 if value is None else value


def amount(value: object) -> int:
    """`value` where it is a count, else 0: for figures that are not worth losing a report for."""
    return value if is_count(value) else 0


def counted_inside(
    input_tokens: object,
    output_tokens: object,
    *,
    cache_read: object = 0,
    cache_write_30m: object = 0,
    cache_write_12h: object = 0,
    audio_in: object = 0,
    audio_out: object = 0,
    image_in: object = 0,
    web_search: object = 0,
    reasoning: object = 0,
) -> Usage | None:
    """Usage where every part of the input and of the output is inside its whole.

    A part or an output of None counts nothing. None for what cannot be.
    """
    try:
        # Parts that do fit, as they nearly always do.
        return Usage.counted(
            cache_is_inside=True,
            input_tokens=input_tokens,
            output_tokens=0 if output_tokens is None else output_tokens,
            cache_read=0 if cache_read is None else cache_read,
            cache_write_30m=0 if cache_write_30m is None else cache_write_30m,
            cache_write_12h=0 if cache_write_12h is None else cache_write_12h,
            audio_in=0 if audio_in is None else audio_in,
            audio_out=0 if audio_out is None else audio_out,
            image_in=0 if image_in is None else image_in,
            web_search=web_search,
            reasoning=0 if reasoning is None else reasoning,
        )
    except BadUsage:
        pass
    parts = {
        "audio_in": audio_in,
        "image_in": image_in,
        "cache_write_12h": cache_write_12h,
        "cache_write_30m": cache_write_30m,
        "cache_read": cache_read,
    }
    left = input_tokens
    fitted: dict[str, object] = {}
    # The dearest first: of parts that overlap, those are believed.
    for bucket, counted in parts.items():
        fitted[bucket] = part = _fitted(or_zero(counted), left)
        if isinstance(left, int) and isinstance(part, int):
            left -= part
    try:
        return Usage.counted(
            cache_is_inside=True,
            input_tokens=input_tokens,
            output_tokens=or_zero(output_tokens),
            audio_out=_fitted(or_zero(audio_out), or_zero(output_tokens)),
            web_search=web_search,
            reasoning=or_zero(reasoning),
            **fitted,
        )
    except BadUsage:
        return None


def counted_beside(
    input_tokens: object,
    output_tokens: object,
    *,
    cache_read: object,
    cache_write_5m: object,
    cache_write_1h: object,
    web_search: object = 0,
    reasoning: object = 0,
) -> Usage | None:
    """Usage where tokens read from and written to a cache stand beside the input.

    What is None of cache, searches and thoughts counts nothing. None for what cannot be.
    """
    try:
        return Usage.counted(
            cache_is_inside=False,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read=or_zero(cache_read),
            cache_write_5m=or_zero(cache_write_5m),
            cache_write_1h=or_zero(cache_write_1h),
            web_search=or_zero(web_search),
            reasoning=or_zero(reasoning),
        )
    except BadUsage:
        return None


def _fitted(part: object, whole: object) -> object:
    """No more of `part` than `whole`; what is no count stays as it is, to be refused."""
    if is_count(part) and is_count(whole):
        return min(part, whole)
    return part


def split_writes(total: object, short: object, long: object) -> tuple[object, object]:
    """Tokens written to a cache, by how long it keeps them: for the short and for the long time.

    The total decides, for a split may lag behind it: the rest is given to the time that is there
    (the long one where both are; the short one, every provider's own choice, where none is).
    `short` and `long` may be None. What is no count is given back, to be refused.
    """
    briefly, lastingly = or_zero(short), or_zero(long)
    if total is None:
        return briefly, lastingly
    if not is_count(total):
        return total, 0
    if not (is_count(briefly) and is_count(lastingly)):
        return briefly, lastingly
    if not lastingly:
        return total, 0
    kept = min(briefly, max(total - lastingly, 0))
    return kept, total - kept


def summed(usages: Iterable[Usage]) -> Usage:
    """All of them together, bucket by bucket."""
    return Usage(*map(sum, zip(*usages, strict=True)))


class Costed(msgspec.Struct):
    """A report of usage that may also say what the call cost."""

    # Not `Raw | None`: msgspec takes that for `None` alone.
    cost: msgspec.Raw = msgspec.Raw(b"")
    cost_details: msgspec.Raw = msgspec.Raw(b"")
    is_byok: Any = None
    cost_in_usd_ticks: Any = None


class _CostDetails(msgspec.Struct):
    upstream_inference_cost: msgspec.Raw = msgspec.Raw(b"")


_decode_details = msgspec.json.Decoder(_CostDetails).decode


def provider_cost(reported: Costed) -> int | None:
    """What the provider itself says that the call cost, in nano-dollars, rounded up.

    Where OpenRouter was given the caller's own key of a provider, `cost` is its fee alone: what
    the other provider bills is added, or without that nothing is known.
    """
    ticks = reported.cost_in_usd_ticks
    if type(ticks) is int and 0 <= ticks <= AMOUNT_USD_MAX * 10**10:
        return -(-ticks // XAI_TICKS_PER_NANOUSD)
    cost = _nanousd(reported.cost)
    if cost is not None and reported.is_byok is True:
        upstream = _upstream_nanousd(reported.cost_details)
        return None if upstream is None else cost + upstream
    return cost


def _upstream_nanousd(details: msgspec.Raw) -> int | None:
    try:
        return _nanousd(_decode_details(details).upstream_inference_cost)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _nanousd(written: msgspec.Raw) -> int | None:
    if not len(written):
        return None
    try:
        cost = Decimal(bytes(written).decode())
    except (InvalidOperation, UnicodeDecodeError):
        return None
    if not cost.is_finite() or not 0 <= cost <= AMOUNT_USD_MAX:
        return None
    return nanousd(cost)
