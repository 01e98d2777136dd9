"""What replies in OpenAI's chat dialect say, and in that of completions before it.

Cached, written and spoken tokens are inside `prompt_tokens`, thoughts inside `completion_tokens`,
but for servers whose total shows them beside it.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferrycli.wire.dialect import Reader
from ferrycli.wire.readers.bodies import WholeReader
from ferrycli.wire.readers.counting import (
    Costed,
    counted_inside,
    is_count,
    provider_cost,
    split_writes,
)
from ferrycli.wire.readers.gathered import Gathered, strings_of
from ferrycli.wire.readers.streams import EventReader
from ferrycli.wire.readers.usual_chat import UsualUsage, usual_reply


class WriteDetails(msgspec.Struct, frozen=True, gc=False):
    """OpenAI's tokens written to a cache, by how long it keeps them."""

    ttl_30m: Any = 0
    ttl_12h: Any = 0


class _PromptDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: Any = None
    cache_write_tokens: Any = None
    cache_write_tokens_details: WriteDetails | None = None
    audio_tokens: Any = 0


class _CompletionDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: Any = 0
    audio_tokens: Any = 0


class _Usage(Costed):
    prompt_tokens: Any = None
    completion_tokens: Any = 0
    total_tokens: Any = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: Any = None
    """DeepSeek's own name for cached tokens."""


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Groq(msgspec.Struct):
    usage: _Usage | None = None


class _Reply(msgspec.Struct):
    """A whole reply or a chunk: both carry these."""

    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    x_groq: _Groq | None = None
    error: Any = None


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


_NO_PROMPT, _NO_COMPLETION = _PromptDetails(), _CompletionDetails()
NO_WRITES = WriteDetails()


class _Chat(Gathered):
    delivered = strings_of(
        "content", "arguments", "reasoning", "reasoning_content", "refusal", "text"
    )
    not_plain = re.compile(rb'"(?:arguments|reasoning|reasoning_content)"\s*:\s*"[^"]')
    telling = re.compile(rb'"finish_reason"\s*:\s*"|"error"')

    def take_usual(self, body: bytes) -> int | None:
        usual = usual_reply(body)
        if usual is None:
            return None
        reply, length = usual
        self.name(model=reply.model, tier=reply.service_tier, finish=reply.choices[0].finish_reason)
        if reply.usage is not None:
            self._count(reply.usage)
        return length

    def take_event(self, data: bytes) -> bool:
        reply = _decode_reply(data)
        self.name(model=reply.model, tier=reply.service_tier)
        for choice in reply.choices or ():
            self.name(finish=choice.finish_reason)
        if reply.usage is not None:
            self._take(reply.usage)
        elif reply.x_groq is not None and reply.x_groq.usage is not None:
            self._take(reply.x_groq.usage)
        self.fail(reply.error)
        return reply.usage is not None and not reply.choices and not reply.error

    def take_usage(self, usage: bytes) -> None:
        self._take(_decode_usage(usage))

    def _take(self, reported: _Usage) -> None:
        """Keep the last report, also where it cannot be: then it is no report."""
        self.provider_cost = provider_cost(reported)
        self._count(reported, is_in_ticks=reported.cost_in_usd_ticks is not None)

    def _count(self, reported: _Usage | UsualUsage, *, is_in_ticks: bool = False) -> None:
        prompt = reported.prompt_tokens_details or _NO_PROMPT
        completion = reported.completion_tokens_details or _NO_COMPLETION
        details = prompt.cache_write_tokens_details or NO_WRITES
        cached = prompt.cached_tokens
        half_hour, half_day = split_writes(
            prompt.cache_write_tokens, details.ttl_30m, details.ttl_12h
        )
        self.usage = counted_inside(
            reported.prompt_tokens,
            _output(reported, completion.reasoning_tokens, is_in_ticks=is_in_ticks),
            cache_read=reported.prompt_cache_hit_tokens if cached is None else cached,
            cache_write_30m=half_hour,
            cache_write_12h=half_day,
            audio_in=prompt.audio_tokens,
            audio_out=completion.audio_tokens,
            reasoning=completion.reasoning_tokens,
        )


def _output(reported: _Usage | UsualUsage, reasoning: object, *, is_in_ticks: bool) -> object:
    """All output tokens: with the thoughts, where they are beside `completion_tokens`.

    The total shows where they are; without one it is xAI that has them beside, and counts the cost
    in ticks.
    """
    prompt, answered, total = (
        reported.prompt_tokens,
        reported.completion_tokens,
        reported.total_tokens,
    )
    if not (is_count(prompt) and is_count(answered) and is_count(reasoning)):
        return answered
    is_beside = total == prompt + answered + reasoning
    if not is_beside and total != prompt + answered:
        is_beside = is_in_ticks
    return answered + reasoning if is_beside else answered


def whole() -> Reader:
    """A reader of a reply, or of an error of any dialect that has it in `error`."""
    return WholeReader(_Chat())


def stream(strips_usage: bool) -> Reader:
    """A reader of a stream; `strips_usage`: without the usage chunk that only ferry asked for."""
    return EventReader(_Chat(), strips_usage=strips_usage)
