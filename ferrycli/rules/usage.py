"""What one billed model call used, in buckets that do not overlap.

`Usage.counted` is the only way in from a provider's figures: it takes the dialect's convention
and refuses counts that cannot be. Source: docs/money.md, section 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ferrycli.rules.errors import BadUsage

COUNT_MAX = 10**12
"""No request of any provider comes near a million million tokens: more is a broken reply."""

BUCKETS = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "output",
    "audio_in",
    "audio_out",
    "image_in",
    "web_search",
)
"""The billed buckets, in the order in which they are listed everywhere."""

WRITE_BUCKETS = ("cache_write_5m", "cache_write_30m", "cache_write_1h", "cache_write_12h")
INPUT_BUCKETS = ("input", "cache_read", *WRITE_BUCKETS, "audio_in", "image_in")

_GIVEN = (
    "cache_read",
    *WRITE_BUCKETS,
    "audio_in",
    "audio_out",
    "image_in",
    "web_search",
    "reasoning",
    "input_tokens",
    "output_tokens",
)
"""What a provider counts, in the order in which it is looked at."""
_ZERO = 0


class Usage(NamedTuple):
    """Counts per bucket; each token is in exactly one. `reasoning` is inside `output`.

    A tuple, because several are made for each call and one costs a third of a dataclass.
    """

    input: int = 0
    """Fresh text tokens: neither read from a cache nor written to one."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_30m: int = 0
    cache_write_1h: int = 0
    cache_write_12h: int = 0
    output: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    web_search: int = 0
    reasoning: int = 0
    """For information; billed as part of `output`."""

    @classmethod
    def counted(
        cls,
        *,
        cache_is_inside: bool,
        input_tokens: Any,
        output_tokens: Any,
        cache_read: Any = 0,
        cache_write_5m: Any = 0,
        cache_write_30m: Any = 0,
        cache_write_1h: Any = 0,
        cache_write_12h: Any = 0,
        audio_in: Any = 0,
        audio_out: Any = 0,
        image_in: Any = 0,
        web_search: Any = 0,
        reasoning: Any = 0,
    ) -> Usage:
        """Usage from a provider's counts.

        `cache_is_inside`: whether `input_tokens` already includes cached and written tokens
        (OpenAI, Gemini) or stands beside them (Anthropic, Bedrock Converse). Audio and image
        input are inside `input_tokens`, audio output inside `output_tokens`.
        Raises `BadUsage` naming the field, for what is no count from 0 to `COUNT_MAX` and for
        parts that exceed their whole.
        """
        given = (
            cache_read,
            cache_write_5m,
            cache_write_30m,
            cache_write_1h,
            cache_write_12h,
            audio_in,
            audio_out,
            image_in,
            web_search,
            reasoning,
            input_tokens,
            output_tokens,
        )
        for value in given:
            # Most are the one zero, which needs no look.
            if value is not _ZERO and (type(value) is not int or not 0 <= value <= COUNT_MAX):
                raise BadUsage(
                    _GIVEN[next(at for at, one in enumerate(given) if one is value)], value
                )
        fresh = input_tokens - audio_in - image_in
        if cache_is_inside:
            fresh -= cache_read + cache_write_5m + cache_write_30m + cache_write_1h
            fresh -= cache_write_12h
        written = output_tokens - audio_out
        if fresh < 0:
            raise BadUsage("input_tokens", input_tokens)
        if written < 0:
            raise BadUsage("output_tokens", output_tokens)
        return cls(
            fresh,
            cache_read,
            cache_write_5m,
            cache_write_30m,
            cache_write_1h,
            cache_write_12h,
            written,
            audio_in,
            audio_out,
            image_in,
            web_search,
            reasoning,
        )

    @property
    def input_total(self) -> int:
        """All input tokens, cached and written ones included."""
        return self.input + self.cache_read + self.cache_write + self.audio_in + self.image_in

    @property
    def cache_write(self) -> int:
        """Tokens written to a cache, for whatever time."""
        short = self.cache_write_5m + self.cache_write_30m
        return short + self.cache_write_1h + self.cache_write_12h

    @property
    def output_total(self) -> int:
        """All output tokens, spoken and reasoning ones included."""
        return self.output + self.audio_out
