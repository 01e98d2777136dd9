"""The calls of the demo's weeks as clients would make them, before anybody decides about them.

Deterministic for a seed and a calendar: every feature of every week has dice of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import NamedTuple

from ferrycli.rules.windows import MICROSECONDS
from ferrycli.setup.demo.cast import (
    HABITS,
    LOOKUP,
    SPEEDS,
    TRENDS,
    USERS,
    USUAL_SPEED,
    Habit,
    account,
)
from ferrycli.setup.demo.planted import OUTAGE, RUNAWAY, UNATTRIBUTED, UNPRICED, Fact
from ferrycli.setup.demo.weeks import HOUR_US, MINUTE_US, Week

TURNS_MAX = 12
GAP_S, GAP_S_MIN = 40, 6
"""What people take to read an answer and to ask on: on average beside the least, and the least."""
CACHE_STEP_TOKENS = 128
"""OpenAI reads its cache in steps of so many tokens."""
FAILING_SHARE = 0.005
LEAVING_SHARE = 0.004
"""Of calls that stream: one that does not is seldom left."""
RETRIES_MAX = 2
"""As the SDKs have it."""
BACKLOG_CALLS, BACKLOG_MINUTES = 180, 90
BACKLOG_GROWTH = (3.0, 0.3)
"""What had waited behind the runaway: the longest invoices first, as many as the budget lets
through, until not even the shortest fits."""
OVERHEAD_US = 5_000
"""More than a call spends inside the gateway."""
_FAILURES = (429, 429, 500, 503, 529)


class Planned(NamedTuple):
    """One call as a client makes it, and how it goes if it is let through."""

    at_us: int
    habit: Habit
    user: str
    thread: str
    fresh: int
    read: int
    """Input tokens that the provider's cache holds."""
    written: int
    answer: int
    message_tokens: int
    """Of the last message."""
    messages: int
    prefix_hash: int
    request_hash: int
    last_message_hash: int
    first_us: int
    """Until the first token."""
    token_us: int
    is_stream: bool = False
    status: int = 200
    """What the provider says."""
    retry: int = 0
    left_after: float = 1.0
    """The share of the answer after which the client leaves."""

    @property
    def input_tokens(self) -> int:
        """The whole input."""
        return self.fresh + self.read + self.written

    @property
    def ends_at_latest(self) -> int:
        """When its answer has come, however it goes."""
        return self.at_us + self.first_us + self.answer * self.token_us + OVERHEAD_US


def planned(
    seed: int, weeks: Sequence[Week], until_us: int, habits: Sequence[Habit] = HABITS
) -> list[Planned]:
    """Every call that is over by `until_us`, in the order of their beginning."""
    crowd = Crowd(seed)
    calls: list[Planned] = []
    for week in weeks:
        for habit in habits:
            calls += _Client(crowd, week, habit).calls()
        if week.is_last_closed:
            calls += _runaway(crowd, week)
            calls += _backlog(crowd, week)
            calls += _spread(crowd, week, UNPRICED)
            calls += _spread(crowd, week, UNATTRIBUTED)
    over = (one for one in calls if one.ends_at_latest <= until_us)
    return sorted(over, key=lambda one: one.at_us)


class Crowd:
    """The users of each tenant, a few of whom make most of the calls; and the seed of all dice."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._users: dict[str, tuple[list[str], list[float]]] = {}
        for tenant, count in USERS.items():
            drawn = self.dice("users", tenant).sample(range(1_000, 10_000), count)
            users = [str(number) for number in drawn]
            if tenant == RUNAWAY.tenant:
                users[2] = RUNAWAY.user
            self._users[tenant] = (
                users,
                list(accumulate(1 / rank for rank in range(1, count + 1))),
            )

    def dice(self, *names: object) -> Random:
        """Dice of their own for what `names` name."""
        return Random("/".join(map(str, (self._seed, *names))))  # noqa: S311  # No secret.

    def user(self, tenant: str, dice: Random) -> str:
        """Somebody of `tenant`."""
        users, weights = self._users[tenant]
        return dice.choices(users, cum_weights=weights)[0]

    def fingerprint(self, *names: object) -> int:
        """A hash that is the same for the same names, as SQLite keeps it."""
        text = "/".join(map(str, (self._seed, *names)))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


class _Client:
    """What calls for one feature of one tenant, in one week."""

    def __init__(self, crowd: Crowd, week: Week, habit: Habit, name: str = "") -> None:
        self._crowd = crowd
        self._week = week
        self._habit = habit
        self._tenant = account(habit.key).tenant
        self._dice = crowd.dice(week.index, habit.key, habit.feature, name)
        self._prefix_hash = crowd.fingerprint("prefix", self._tenant, habit.feature)
        self._provider = habit.target.partition("/")[0]
        self._speed = SPEEDS.get(habit.target, USUAL_SPEED)
        is_out = week.is_last_closed and habit.target == OUTAGE.target
        self._outage = week.span(OUTAGE) if is_out else (0, 0)

    def calls(self) -> Iterator[Planned]:
        """As many calls as the habit makes in this week, thread by thread."""
        left = round(self._habit.calls * TRENDS[self._tenant][self._week.index])
        while left > 0:
            thread = self._thread()[:left]
            left -= len(thread)
            yield from thread

    def call_at(self, at_us: int, growth: float = 1.0) -> Planned:
        """One call outside of threads, its context `growth` times as long as usual."""
        return self._call(at_us, self._user(), "", 0, 0, 0, growth)

    def _user(self) -> str:
        is_job = self._habit.manner.priority == "background"
        return "" if is_job else self._crowd.user(self._tenant, self._dice)

    def _thread(self) -> list[Planned]:
        """One thread, or one call, begun in an hour of the week that is drawn."""
        dice, habit, manner = self._dice, self._habit, self._habit.manner
        hour = dice.choices(self._week.hours, cum_weights=self._week.busy[manner.shape])[0]
        at_us = hour + int(dice.random() * HOUR_US)
        turns, thread = 1, ""
        if manner.turns > 1:
            turns += min(int(dice.expovariate(1 / (manner.turns - 0.5))), TURNS_MAX - 1)
            thread = f"th_{dice.getrandbits(32):08x}"
        user = self._user()
        is_known = habit.misses is not None and dice.random() >= habit.misses
        known = habit.prefix_tokens if is_known else 0
        history = 0
        calls: list[Planned] = []
        for turn in range(turns):
            if at_us >= self._week.end_us:
                break
            call = self._call(at_us, user, thread, turn, history, known)
            calls += self._tries(call)
            if calls[-1].status != 200:
                break
            known = habit.prefix_tokens + history
            history += call.message_tokens + call.answer
            took_us = call.first_us + call.answer * call.token_us
            pause_s = GAP_S_MIN + dice.expovariate(1 / GAP_S)
            at_us = calls[-1].at_us + took_us + int(pause_s * MICROSECONDS)
        return calls

    def _call(
        self,
        at_us: int,
        user: str,
        thread: str,
        turn: int,
        history: int,
        known: int,
        growth: float = 1.0,
    ) -> Planned:
        """A call whose thread so far has `history` tokens, of which a cache holds `known`."""
        dice, habit, speed = self._dice, self._habit, self._speed
        context = max(
            12, int(habit.context_tokens * growth * math.exp(dice.gauss(0, habit.spread)))
        )
        answer = max(2, round(habit.answer_tokens * math.exp(dice.gauss(0, habit.spread))))
        if habit.asked is not None:
            answer = min(answer, habit.asked)
        fresh, read, written = self._parts(habit.prefix_tokens + history, context, known)
        tokens_read = fresh + written + read // 10
        first_us = (speed.first_ms + speed.input_ktok_ms * tokens_read / 1_000) * 1_000
        is_stream = dice.random() < habit.manner.streams
        leaves = is_stream and dice.random() < LEAVING_SHARE
        return Planned(
            at_us,
            habit,
            user,
            thread,
            fresh,
            read,
            written,
            answer,
            context,
            2 + 2 * turn,
            self._prefix_hash,
            dice.getrandbits(63),
            dice.getrandbits(63),
            int(first_us * math.exp(dice.gauss(0, 0.25))),
            int(speed.token_ms * 1_000 * math.exp(dice.gauss(0, 0.15))),
            is_stream,
            left_after=dice.random() * 0.8 if leaves else 1.0,
        )

    def _parts(self, stable: int, context: int, known: int) -> tuple[int, int, int]:
        """Input that is fresh, read from a cache, and written to one."""
        if self._habit.misses is None:
            return stable + context, 0, 0
        if self._provider == "openai":
            known -= known % CACHE_STEP_TOKENS
        written = 0 if self._provider == "gemini" else stable - known
        return stable + context - known - written, known, written

    def _tries(self, call: Planned) -> list[Planned]:
        """The call, after tries that failed; only those, where the client gives up."""
        since_us, until_us = self._outage
        if since_us <= call.at_us < until_us:
            failures = [503] * (RETRIES_MAX + 1)
        elif self._dice.random() < FAILING_SHARE:
            failures = [self._dice.choice(_FAILURES)]
        else:
            return [call]
        tries = []
        at_us = call.at_us
        for retry, status in enumerate(failures):
            tries.append(call._replace(at_us=at_us, status=status, retry=retry, left_after=1.0))
            at_us += int((0.4 + self._dice.random() * (retry + 1)) * MICROSECONDS)
        if len(tries) <= RETRIES_MAX:
            tries.append(call._replace(at_us=at_us, retry=len(tries)))
        return tries


def _runaway(crowd: Crowd, week: Week) -> Iterator[Planned]:
    """A thread that grows by the same amount with each call, and in the end repeats itself."""
    since_us, until_us = week.span(RUNAWAY)
    dice = crowd.dice("runaway")
    habit = _habit_of(RUNAWAY)
    speed = SPEEDS[RUNAWAY.target]
    prefix = crowd.fingerprint("prefix", RUNAWAY.tenant, RUNAWAY.feature)
    last_message = dice.getrandbits(63)
    for number in range(RUNAWAY.calls):
        tokens = RUNAWAY.input_at(number)
        message = dice.getrandbits(63)
        yield Planned(
            since_us + (until_us - since_us) * number // RUNAWAY.calls,
            habit,
            RUNAWAY.user,
            RUNAWAY.thread,
            tokens,
            0,
            0,
            RUNAWAY.output_tokens,
            RUNAWAY.input_at(1) - RUNAWAY.input_at(0) - RUNAWAY.output_tokens,
            2 + 2 * number,
            prefix,
            dice.getrandbits(63),
            last_message if number >= RUNAWAY.calls - RUNAWAY.repeats else message,
            int((speed.first_ms + speed.input_ktok_ms * tokens / 1_000) * 1_000),
            int(speed.token_ms * 1_000),
        )


def _backlog(crowd: Crowd, week: Week) -> Iterator[Planned]:
    """What had waited while the runaway ran, and uses up what it has left of the budget."""
    client = _Client(crowd, week, _habit_of(RUNAWAY), "backlog")
    since_us = week.span(RUNAWAY)[1] + MINUTE_US
    first, last = BACKLOG_GROWTH
    for number in range(BACKLOG_CALLS):
        share = number / BACKLOG_CALLS
        at_us = since_us + int(BACKLOG_MINUTES * MINUTE_US * share)
        yield client.call_at(at_us, first + (last - first) * share)


def _spread(crowd: Crowd, week: Week, fact: Fact) -> Iterator[Planned]:
    """The calls of a fact that is no habit, at times that are drawn."""
    tokens, output = fact.input_tokens[0], fact.output_tokens
    habit = Habit(fact.key, fact.feature, fact.target, 0, 0, tokens, output, LOOKUP)
    client, dice = _Client(crowd, week, habit, fact.name), crowd.dice("times", fact.name)
    since_us, until_us = week.span(fact)
    for _ in range(fact.calls):
        yield client.call_at(dice.randrange(since_us, until_us))


def _habit_of(fact: Fact) -> Habit:
    return next(one for one in HABITS if (one.key, one.feature) == (fact.key, fact.feature))
