"""Calls of the demo that are really made: over HTTP, to a server with simulated models.

Each client takes one call after the other from its caller and says the call's id when it is over.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from ferrycli.setup.demo.cast import HABITS, OPUS, SOL, SONNET, Habit, account

CALL_SECONDS_MAX = 60
PREFIX_TOKENS_MAX = 6_000
ANSWER_TOKENS_MAX = 400
"""Where answers were longer, they are about so long: nobody watches a report being written."""
CALLS_LEAST = 250
"""Features are drawn as if they had so many calls a week, so that each is seen soon."""
FLAKY_SHARE = 0.12
SLOW_SHARE = 0.08
LEAVING_SHARE = 0.02
_PROMPT_WORDS = "policy tone refund shipping account plan limits escalation privacy format".split()


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make."""

    key: str
    """The name of the key that it is made with."""
    body: bytes
    leaves: bool = False
    """Whether the client goes away in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a client knows of a call that is over."""

    call_id: str
    """Empty where the server did not answer."""
    is_answered: bool


class Callers:
    """Draws requests: who calls how often is much as in the weeks before."""

    def __init__(self, dice: Random, *, is_quick: bool) -> None:
        """`is_quick`: nobody waits for an answer or goes away from one."""
        self._dice = dice
        self._is_quick = is_quick
        self._weights = list(accumulate(max(habit.calls, CALLS_LEAST) for habit in HABITS))

    def request(self) -> Request:
        """The next call."""
        dice = self._dice
        habit = dice.choices(HABITS, cum_weights=self._weights)[0]
        streams = dice.random() < max(habit.manner.streams, 0.3)
        leaves = not self._is_quick and streams and dice.random() < LEAVING_SHARE
        question = f"question {dice.randrange(400)} about {dice.choice(_PROMPT_WORDS)}"
        messages = [{"role": "user", "content": question}]
        if prefix := _prefix(habit):
            messages.insert(0, {"role": "system", "content": prefix})
        request = {
            "model": self._model(habit),
            "messages": messages,
            "metadata": self._metadata(habit),
            "stream": streams,
            "user": str(1_000 + int(dice.paretovariate(1.1) * 37) % 9_000),
        }
        if habit.asked is not None:
            request["max_tokens"] = habit.asked
        return Request(habit.key, json.dumps(request).encode(), leaves)

    def _model(self, habit: Habit) -> str:
        if self._dice.random() < FLAKY_SHARE:
            return "sim/flaky"
        return "sim/large" if habit.target in (OPUS, SONNET, SOL) else "sim/small"

    def _metadata(self, habit: Habit) -> dict[str, str]:
        """Attribution, and what the simulator is asked for."""
        dice = self._dice
        answer = min(habit.answer_tokens, ANSWER_TOKENS_MAX) * dice.lognormvariate(-0.2, 0.35)
        is_slow = not self._is_quick and dice.random() < SLOW_SHARE
        delay_ms = 0 if self._is_quick else 40 if is_slow else 7
        wishes = {
            "sim_first_token_ms": str(dice.randrange(5, 60 if self._is_quick else 900)),
            "sim_token_delay_ms": str(delay_ms),
            "sim_output_tokens": str(max(2, round(answer))),
            **dict(account(habit.key).tags),
        }
        if habit.feature:
            wishes["feature"] = habit.feature
        if habit.manner.is_bot:
            wishes["assistant"] = habit.feature
        if habit.manner.turns > 1:
            wishes["thread"] = f"th_{dice.getrandbits(32):08x}"
        return wishes


def _prefix(habit: Habit) -> str:
    """The system prompt of a feature: the same in each call."""
    tenant = account(habit.key).tenant
    words = min(habit.prefix_tokens, PREFIX_TOKENS_MAX) * 4 // 7
    start = f"You are the {habit.feature} of {tenant}."
    return " ".join([start, *(_PROMPT_WORDS[at % len(_PROMPT_WORDS)] for at in range(words))])


def make_call(address: str, secret: str, request: Request) -> Told:
    """Make the call and read its answer, to the end if the client stays."""
    connection = http.client.HTTPConnection(address, timeout=CALL_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    call_id = ""
    try:
        connection.request("POST", "/v1/chat/completions", request.body, headers)
        reply = connection.getresponse()
        call_id = reply.headers.get("X-Ferry-Call-Id", "")
        reply.read(400) if request.leaves else reply.read()
        return Told(call_id, reply.status == 200)
    except (OSError, http.client.HTTPException):
        return Told(call_id, False)
    finally:
        connection.close()
