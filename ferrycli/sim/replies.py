"""The reply to one request, as chunks with the waits between them; also the broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ferrycli.sim import shapes
from ferrycli.sim.choices import Choice
from ferrycli.sim.refusals import MID_STREAM

_BROKEN_AFTER_CHUNKS = 8
"""Where a stream breaks that was asked to; a shorter one breaks half way."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes to send after a wait."""

    delay_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, headers, and a body that is made while it is read, once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: Iterator[Chunk]
    is_cut: bool = False
    """After the last chunk the connection breaks: the body is not whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything about one answer but its words, which its choices make while they are read."""

    stream: shapes.Stream
    choices: tuple[Choice, ...]
    prompt_tokens: int
    cached_tokens: int
    written_tokens: int
    first_token_ms: int
    token_delay_ms: int
    has_usage: bool
    """Without it the reply says nothing of usage, even if it was asked to."""

    def whole(self) -> Chunk:
        """The answer in one piece, after the time that a stream of it would take."""
        spoken = [(choice, list(choice.tokens())) for choice in self.choices]
        # Several choices are spoken at the same time.
        longest = max(len(tokens) for _, tokens in spoken)
        count = self._count() if self.has_usage else None
        delay_ms = self.first_token_ms + longest * self.token_delay_ms
        return Chunk(delay_ms, shapes.completion(self.stream.head, spoken, count))

    def streamed(self) -> Iterator[Chunk]:
        """The answer token by token, in OpenAI's events."""
        for choice in self.choices:
            is_first = choice is self.choices[0]
            yield Chunk(self.first_token_ms if is_first else 0, self.stream.opening(choice))
        speaking = [(choice, choice.tokens()) for choice in self.choices]
        while speaking:
            delay_ms = self.token_delay_ms
            for choice, tokens in tuple(speaking):
                token = next(tokens, None)
                if token is None:
                    speaking.remove((choice, tokens))
                    yield Chunk(0, self.stream.end(choice))
                else:
                    yield Chunk(delay_ms, self.stream.token(choice, token))
                    delay_ms = 0
        if self.stream.has_usage_chunk and self.has_usage:
            yield Chunk(0, self.stream.usage(self._count()))
        yield Chunk(0, shapes.DONE)

    def _count(self) -> shapes.Count:
        """What the answer used, once all of it has been read."""
        return shapes.Count(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            written_tokens=self.written_tokens,
            completion_tokens=sum(choice.completion_tokens for choice in self.choices),
            reasoning_tokens=sum(choice.reasoning_tokens for choice in self.choices),
        )


def cut(chunks: Iterator[Chunk], is_stream: bool) -> Iterator[Chunk]:
    """The first part of a reply, up to the middle of an event or of the whole."""
    *start, last = _start(chunks) if is_stream else list(chunks)
    yield from start
    yield Chunk(last.delay_ms, last.data[: len(last.data) // 2])


def failing(chunks: Iterator[Chunk], is_stream: bool) -> Iterator[Chunk]:
    """The first part of a stream, then an error and no end; of a whole reply, the error alone."""
    *start, last = _start(chunks) if is_stream else list(chunks)
    yield from start
    if is_stream:
        yield Chunk(last.delay_ms, shapes.event(shapes.error(MID_STREAM)))
    else:
        yield Chunk(last.delay_ms, shapes.error_body(MID_STREAM))


def _start(chunks: Iterator[Chunk]) -> list[Chunk]:
    """The first half of a stream, and one chunk; never more than a few, and never the end."""
    first = list(islice(chunks, 2 * _BROKEN_AFTER_CHUNKS))
    return first[: len(first) // 2 + 1]
