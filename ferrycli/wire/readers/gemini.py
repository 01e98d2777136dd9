"""What replies in Gemini's dialect say, from Gemini or from Vertex.

Cached tokens are inside `promptTokenCount`; thoughts are beside the candidates, and what tools
found is input beside the prompt. Every chunk of a stream has a running total: of each count the
last wins. Counts of 0 are left out.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferrycli.wire.dialect import Reader
from ferrycli.wire.readers.bodies import WholeReader
from ferrycli.wire.readers.counting import amount, counted_inside, is_count
from ferrycli.wire.readers.gathered import Gathered, objects_of, strings_of
from ferrycli.wire.readers.streams import EventReader

_BILLED_BY_PROMPT = re.compile(r"gemini-(?:1|2)\b")
"""Models whose grounding is billed once a prompt, however many searches it took; of later ones
each search is billed that differs from the others. Source: ai.google.dev/gemini-api/docs/pricing.
"""


class _Modality(msgspec.Struct, rename="camel"):
    modality: Any = None
    token_count: Any = 0


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: Any = None
    cached_content_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    traffic_type: Any = None
    service_tier: Any = None


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[Any] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: Any = 0
    finish_reason: Any = None
    grounding_metadata: _Grounding | None = None


class _Reply(msgspec.Struct, rename="camel"):
    """A whole reply or a chunk: they are alike."""

    candidates: list[_Candidate] | None = None
    usage_metadata: _Usage | None = None
    model_version: Any = None
    prompt_feedback: Any = None
    error: Any = None


# A stream without `alt=sse` is one list of chunks.
_decode_replies = msgspec.json.Decoder(_Reply | list[_Reply]).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


_NOTHING = _Usage()
"""What was reported before anything was: never changed."""


class _Gemini(Gathered):
    delivered = strings_of("text", "code")
    delivered_objects = objects_of("args")
    not_plain = re.compile(rb'"(?:thought|functionCall|executableCode|inlineData)"\s*:')
    telling = re.compile(rb'"(?:candidates|promptFeedback|error)"')
    usage_object = objects_of("usageMetadata")

    def __init__(self) -> None:
        super().__init__()
        self._said = _NOTHING
        """Of each count the last that was reported."""
        self._queries: dict[str, None] = {}
        self._unfinished: set[int] = set()
        """Candidates that have begun and not ended."""

    def take_event(self, data: bytes) -> bool:
        replies = _decode_replies(data)
        for reply in replies if isinstance(replies, list) else (replies,):
            self._take_chunk(reply)
        return False

    def take_usage(self, usage: bytes) -> None:
        self._take(_decode_usage(usage))

    def lose_usage(self) -> None:
        super().lose_usage()
        self._said = _NOTHING

    def _take_chunk(self, reply: _Reply) -> None:
        self.name(model=reply.model_version)
        for candidate in reply.candidates or ():
            self._take_candidate(candidate)
        if isinstance(reply.prompt_feedback, dict):
            self.name(finish=reply.prompt_feedback.get("blockReason"))
        if reply.usage_metadata is not None:
            self._take(reply.usage_metadata)
        self.fail(reply.error)
        self.is_complete = bool(self.finish_reason) and not self._unfinished

    def _take_candidate(self, candidate: _Candidate) -> None:
        index = amount(candidate.index)
        if candidate.finish_reason:
            self.name(finish=candidate.finish_reason)
            self._unfinished.discard(index)
        else:
            self._unfinished.add(index)
        grounding = candidate.grounding_metadata or _Grounding()
        for query in grounding.web_search_queries or ():
            if isinstance(query, str) and query:
                self._queries[query] = None

    def _take(self, reported: _Usage) -> None:
        said = self._said
        if said is _NOTHING:
            self._said = said = reported
        else:
            for name in _Usage.__struct_fields__:
                if (value := getattr(reported, name)) is not None:
                    setattr(said, name, value)
        self.name(tier=said.service_tier or said.traffic_type)
        if said.prompt_token_count is None:
            # Vertex says the kind of traffic in every chunk and counts in the last one.
            return
        inputs = (said.prompt_tokens_details, said.tool_use_prompt_tokens_details)
        self.usage = counted_inside(
            _sum(said.prompt_token_count, said.tool_use_prompt_token_count),
            _sum(said.candidates_token_count, said.thoughts_token_count),
            cache_read=said.cached_content_token_count,
            audio_in=_fresh("AUDIO", inputs, said.cache_tokens_details),
            image_in=_fresh("IMAGE", inputs, said.cache_tokens_details),
            audio_out=_of("AUDIO", said.candidates_tokens_details),
            reasoning=said.thoughts_token_count,
            web_search=self._searches,
        )

    @property
    def _searches(self) -> int:
        if _BILLED_BY_PROMPT.match(self.model):
            return min(len(self._queries), 1)
        return len(self._queries)


def _sum(count: object, beside: object) -> object:
    """Both together; what is no count is given back, to be refused."""
    if count is None or beside is None:
        return count if beside is None else beside
    if is_count(count) and is_count(beside):
        return count + beside
    return beside if is_count(count) else count


def _of(modality: str, details: list[_Modality] | None) -> int:
    if not details:
        return 0
    return sum(amount(one.token_count) for one in details if one.modality == modality)


def _fresh(
    modality: str,
    inputs: tuple[list[_Modality] | None, ...],
    cached: list[_Modality] | None,
) -> int:
    """Input tokens of a kind that were not read from a cache: those have a bucket of their own."""
    if not any(inputs):
        return 0
    return max(sum(_of(modality, details) for details in inputs) - _of(modality, cached), 0)


def whole() -> Reader:
    """A reader of a reply, also of a stream that is one list of chunks."""
    return WholeReader(_Gemini())


def stream(_strips_usage: bool) -> Reader:
    """A reader of a stream. Nothing is stripped: its usage is always there."""
    return EventReader(_Gemini())
