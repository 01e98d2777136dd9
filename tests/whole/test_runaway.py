"""A runaway agent under `thread=*`: it stops at two dollars, and its SDK does not press on.

The whole run is in the suite: most of its 600 calls are refused, and a refusal is cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai

from tests.whole.records import at_rest, calls
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, serving
from tests.whole.stage import secret_in, stage
from tests.whole.upstream import Upstream

CALLS = 600
LIMIT_NANOUSD = 2 * 10**9
INPUT_FIRST, INPUT_MORE, OUTPUT = 1_000, 80, 400
"""Tokens: of the first call's input, by how much each later one is longer, and of every answer."""
SELECTOR = "assistant=bot,thread=*"


def cost(turn: int) -> int:
    """What the provider bills for the agent's call of this turn, in nano-dollars."""
    tokens = INPUT_FIRST + INPUT_MORE * turn
    return (tokens * INPUT_RATE + OUTPUT * OUTPUT_RATE) // 10**6


class Agent:
    """One that answers its own answers, in one thread, and does not heed a refusal.

    A token is four bytes here; the whole history is sent again with every call.
    """

    def __init__(self, server: Server, secret: str, thread: str) -> None:
        self.requests = 0
        """What the SDK has sent, whatever it was asked for."""
        self.codes: Counter[str] = Counter()
        self.is_told_to_stop = True
        """Whether every refusal said that there is no use in trying again."""
        self._thread = thread
        self._messages: list[dict[str, str]] = [
            {"role": "user", "content": "begin " * (INPUT_FIRST * 4 // 6)}
        ]
        # As an application has it: with the SDK's own two retries.
        self.client = openai.OpenAI(
            base_url=server.base_url,
            api_key=secret,
            http_client=openai.DefaultHttpxClient(event_hooks={"request": [self._count]}),
        )

    def _count(self, _request: object) -> None:
        self.requests += 1

    def call(self, turn: int) -> bool:
        """Make one call; whether it was answered."""
        wishes = {"in": f"{INPUT_FIRST + INPUT_MORE * turn}", "out": f"{OUTPUT}", "n": f"{turn}"}
        ask: dict[str, Any] = {
            "model": "up/m-1",
            "messages": self._messages,
            "max_tokens": OUTPUT,
            "metadata": {**wishes, "thread": self._thread, "assistant": "bot"},
        }
        try:
            self.client.chat.completions.create(**ask)
        except openai.RateLimitError as error:
            self.codes[str(error.code)] += 1
            told = error.response.headers
            self.is_told_to_stop &= told["x-should-retry"] == "false" and "retry-after" not in told
            return False
        # An eighth of what a turn adds is the answer, as it is kept; the rest is the next ask.
        self._messages += [
            {"role": "assistant", "content": "done" * (INPUT_MORE // 8)},
            {"role": "user", "content": f"{turn:4}" + "more" * (INPUT_MORE * 7 // 8 - 1)},
        ]
        return True


@contextmanager
def running(directory: Path) -> Iterator[tuple[Server, Upstream, str]]:
    with Upstream() as upstream:
        made = stage(directory, {"up": upstream.base_url})
        _, said, _ = made.set_up(
            "prices set 'up/m-*' --input 3 --cache-read 0.3 --output 15",
            "keys create bots --tenant acme --json",
            f"budgets set '{SELECTOR}' --limit 2/total --at '100% block'",
        )
        with serving(made.path) as server:
            yield server, upstream, secret_in(said)


def test_runaway_agent_stops_within_one_call_of_two_dollars_and_is_not_retried(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as (server, upstream, secret):
        agent = Agent(server, secret, "th_9f2c")
        answered = [turn for turn in range(CALLS) if agent.call(turn)]
        at_rest(server.database)
        bill = sum(seen.bill() for seen in upstream.seen)
        print(
            f"{len(answered)} of {CALLS} calls answered, ${bill / 10**9:.4f} billed;"
            f" the next would have cost ${cost(len(answered)) / 10**9:.4f}"
        )
        assert answered == list(range(len(upstream.seen)))
        assert bill == sum(map(cost, answered))
        # Within one call's cost of two dollars, and the next one would have gone over.
        assert bill <= LIMIT_NANOUSD < bill + cost(len(answered))
        refused = CALLS - len(answered)
        assert agent.codes == {"insufficient_quota": refused}
        assert agent.is_told_to_stop
        assert agent.requests == CALLS, "the SDK has tried again"
        rows = calls(server.database)
        assert sum(row["repeats"] for row in rows) == CALLS
        assert {row["client_retry"] for row in rows} == {0}
        denied = [row for row in rows if row["state"] == "denied"]
        assert sum(row["repeats"] for row in denied) == refused
        # A storm of refusals counts up instead of filling the file: 60 rows a minute at the most.
        assert len(denied) <= 60 * (1 + _minutes(rows))
        agent.client.close()


def _minutes(rows: list[dict[str, Any]]) -> int:
    return int((rows[-1]["admitted_at"] - rows[0]["admitted_at"]) // 60_000_000) + 1


def test_another_thread_of_the_same_agent_has_two_dollars_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path) as (server, upstream, secret):
        stopped = Agent(server, secret, "one")
        while stopped.call(len(upstream.seen)):
            pass
        fresh = Agent(server, secret, "two")
        assert fresh.call(0)
        assert upstream.seen[-1].wish["thread"] == "two"
        other = {"assistant": "other", "thread": "one", "in": "10", "out": "10"}
        ask: dict[str, Any] = {"model": "up/m-1", "messages": [{"role": "user", "content": "x"}]}
        stopped.client.chat.completions.create(**ask, metadata=other)
        for agent in (stopped, fresh):
            agent.client.close()
