"""One answer, token by token, made while it is read.

The tokens that are read are the tokens that are billed: a stream sends one a chunk, and a whole
reply joins the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice

from ferrycli.rules.keys import base62
from ferrycli.sim import prose
from ferrycli.sim.ask import Ask
from ferrycli.sim.dice import Dice
from ferrycli.sim.invented import Inventor
from ferrycli.sim.tokens import count, split

_THOUGHT_STEP_TOKENS = 64
_THOUGHT_STEPS_MAX = 4


class Choice:
    """One of the answers to `ask`. What it came to is known when its tokens have been read."""

    def __init__(self, ask: Ask, index: int) -> None:
        self._ask = ask
        self._dice = Dice(ask.seed + index)
        self.index = index
        self.call_name = ask.call.name if ask.call is not None else None
        self.call_id = f"call_{base62(self._dice.wide(), 24)}"
        self.finish_reason: str | None = None
        """None until the last token has been read."""
        self.reasoning_tokens = self._thought()
        # The name of a called function is billed as well, and sent with the first chunk.
        name_tokens = count(self.call_name) if self.call_name is not None else 0
        self.completion_tokens = min(self.reasoning_tokens + name_tokens, ask.output_tokens_max)
        """Billed so far, thinking included."""

    def tokens(self) -> Iterator[str]:
        """What the answer says, or the arguments of its call."""
        for token in self._text():
            if self.completion_tokens >= self._ask.output_tokens_max:
                self.finish_reason = "length"
                return
            self.completion_tokens += 1
            yield token
        # OpenAI says `stop` where the request itself named the function.
        is_free_call = self.call_name is not None and not self._ask.is_call_named
        self.finish_reason = "tool_calls" if is_free_call else "stop"

    def _thought(self) -> int:
        """Tokens of thinking: at most half of what is allowed, so that there is an answer."""
        if not self._ask.model.reasons:
            return 0
        steps = 1 + self._dice.below(_THOUGHT_STEPS_MAX)
        bounds = [steps * _THOUGHT_STEP_TOKENS, self._ask.output_tokens_max // 2]
        if self._ask.wishes.output_tokens is not None:
            bounds.append(self._ask.wishes.output_tokens // 2)
        return min(bounds)

    def _text(self) -> Iterator[str]:
        ask = self._ask
        topic = prose.topic_of(ask.question)
        if ask.call is not None:
            return split(_json(self._invented(ask.call.schema)))
        if ask.is_json and ask.json_schema is not None:
            return split(_json(self._invented(ask.json_schema)))
        if ask.is_json:
            sentence = next(prose.endless(topic, self._dice))
            return split(_json({"topic": topic, "answer": sentence, "is_simulated": True}))
        if ask.wishes.output_tokens is not None:
            return self._exactly(ask.wishes.output_tokens - self.reasoning_tokens, topic)
        sentences = prose.answer(ask.question, ask.model.name, self._dice)
        return chain.from_iterable(map(split, sentences))

    def _invented(self, schema: object) -> object:
        """An object for `schema`: neither arguments nor an answer in JSON can be anything else."""
        value = Inventor(self._ask.question, self._dice).value(schema)
        return value if isinstance(value, dict) else {}

    def _exactly(self, tokens: int, topic: str | None) -> Iterator[str]:
        """`tokens` tokens, of which the last ends the sentence wherever it is."""
        endless = chain.from_iterable(map(split, prose.endless(topic, self._dice)))
        yield from islice(endless, max(0, tokens - 1))
        if tokens > 0:
            yield "."


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
