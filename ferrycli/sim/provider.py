"""The simulated provider: one request in, one reply out, as OpenAI would send it.

Nothing is read but the request and what earlier requests of the same `Simulator` left in its
prefix memory. Delays are values: who sends the reply does the waiting.
"""

from __future__ import annotations

from ferrycli.rules.keys import base62
from ferrycli.sim import prompt, refusals, shapes
from ferrycli.sim.ask import Ask, read
from ferrycli.sim.choices import Choice
from ferrycli.sim.dice import Dice, seed
from ferrycli.sim.models import MODELS, SimModel, named
from ferrycli.sim.replies import Answer, Chunk, Reply, cut, failing

__all__ = ["MODELS", "Chunk", "Reply", "SimModel", "Simulator"]

SLOW_FIRST_TOKEN_MS = 30_000
_FLAKY_SHARE = 6
"""A flaky model fails by itself on one request in six."""


class Simulator:
    """A provider in this process, for one thread."""

    def __init__(
        self, *, token_delay_ms: int = 12, first_token_ms: int = 120, prefixes_max: int = 4_096
    ) -> None:
        self._token_delay_ms = token_delay_ms
        self._first_token_ms = first_token_ms
        self._prefixes = prompt.PrefixMemory(prefixes_max)
        self._replies = 0

    def answer(self, path: str, body: bytes, now_s: int) -> Reply:
        """The reply to `body` at `path`, which is what follows `/v1`. Never raises.

        `now_s` is when the reply says that it was made, in Unix seconds.
        """
        self._replies += 1
        # Ids differ from reply to reply; words do not.
        reply_id = _id(Dice(seed(body, b"%d %d" % (now_s, self._replies))))
        route = path.partition("?")[0]
        try:
            if route == "/chat/completions":
                return self._chat(body, reply_id, now_s)
            chunk = Chunk(0, _models(route))
        except refusals.Refused as refused:
            return _refusal(refused.failure, reply_id)
        return Reply(200, _headers(reply_id), iter((chunk,)))

    def _chat(self, body: bytes, reply_id: str, now_s: int) -> Reply:
        """The answer to `body`, or what it asked for instead of one. Raises `Refused`."""
        ask = read(body)
        error = _error(ask, body)
        if error is not None and error in refusals.FAILURES:
            raise refusals.Refused(refusals.FAILURES[error])
        answer = self._answer(ask, reply_id, now_s, error)
        headers = _headers(reply_id, is_stream=ask.is_stream)
        chunks = answer.streamed() if ask.is_stream else iter((answer.whole(),))
        match error:
            case "cut":
                return Reply(200, headers, cut(chunks, ask.is_stream), is_cut=True)
            case "error-event":
                return Reply(200, headers, failing(chunks, ask.is_stream))
            case "empty":
                return Reply(200, headers, iter(()))
        return Reply(200, headers, chunks)

    def _answer(self, ask: Ask, reply_id: str, now_s: int, error: str | None) -> Answer:
        head = shapes.Head(f"chatcmpl-{reply_id}", now_s, ask.model.name, ask.service_tier)
        choices = tuple(Choice(ask, index) for index in range(ask.choices))
        cached, written = self._prefixes.recall(ask.model.name, ask.prompt)
        token_delay_ms, first_token_ms = ask.wishes.token_delay_ms, ask.wishes.first_token_ms
        if token_delay_ms is None:
            token_delay_ms = self._token_delay_ms
        if first_token_ms is None:
            thinking = max(choice.reasoning_tokens for choice in choices)
            first_token_ms = self._first_token_ms + thinking * token_delay_ms
        return Answer(
            stream=shapes.Stream(head, ask.has_usage_chunk, ask.has_obfuscation),
            choices=choices,
            prompt_tokens=prompt.tokens(ask.prompt),
            cached_tokens=cached,
            written_tokens=written,
            first_token_ms=SLOW_FIRST_TOKEN_MS if error == "slow" else first_token_ms,
            token_delay_ms=token_delay_ms,
            has_usage=error != "no-usage",
        )


def _error(ask: Ask, body: bytes) -> str | None:
    """What goes wrong: what the request asks for, or what a flaky model makes of it."""
    if ask.wishes.error is not None or not ask.model.is_flaky:
        return ask.wishes.error
    dice = Dice(seed(body))
    return dice.pick(refusals.SPONTANEOUS) if dice.below(_FLAKY_SHARE) == 0 else None


def _models(route: str) -> bytes:
    """The list of models, or one of them. Raises `Refused`."""
    if route == "/models":
        return shapes.model_list()
    name = route.removeprefix("/models/")
    if name == route:
        raise refusals.no_such_path(route)
    model = named(name)
    if model is None:
        raise refusals.no_such_model(name)
    return shapes.model_body(model)


def _refusal(failure: refusals.Failure, reply_id: str) -> Reply:
    headers = _headers(reply_id)
    if failure.retry_after_s is not None:
        headers += (("retry-after", str(failure.retry_after_s)),)
    return Reply(failure.status, headers, iter((Chunk(0, shapes.error_body(failure)),)))


def _headers(reply_id: str, *, is_stream: bool = False) -> tuple[tuple[str, str], ...]:
    kind = "text/event-stream; charset=utf-8" if is_stream else "application/json"
    return (("content-type", kind), ("x-request-id", f"req_{reply_id}"))


def _id(dice: Dice) -> str:
    """29 letters and digits, as in OpenAI's ids."""
    return base62(dice.wide(), 29)
