"""How usable a hard limit is: calls in parallel that spend it, by ferry's rules and by two others.

A simulation: the real `decide` and the real `Learned` under a made-up clock, no server and no disk.
Answers are lognormal; nobody sets a limit on them. Each client asks again as soon as he was
answered, a second later where he was told that the money is only held, and leaves where he was told
that it is spent. Beside ferry's rules: the same without waiting, and holding the whole ceiling, as
gateways do that hold at all. Source: docs/money.md, section 5.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ferrycli.rules.admission import Contender, Passage, decide
from ferrycli.rules.budget import Admission, Ask, refusal_of
from ferrycli.rules.ceilings import HOLD_LINES, Ceiling
from ferrycli.rules.denials import BudgetBusy, BudgetSpent, Refusal
from ferrycli.rules.pricing import ceil_cost
from ferrycli.rules.standings import Standing, Terms
from ferrycli.store.learned import Learned

USD = 10**9
LIMITS_USD = (1, 10, 100, 500)
PARALLEL = (200, 1_000)
SEED = 20_261_123

INPUT_RATE, OUTPUT_RATE = 3 * USD, 15 * USD
OUTPUT_MAX = 64_000
"""The most that the model can answer: what a gateway holds that holds the ceiling."""
INPUT_TOKENS = (200, 3_000)
BYTES_PER_TOKEN = 4
"""The input's bound is its bytes; what is billed, its tokens."""
OUTPUT_MEDIAN, OUTPUT_SIGMA = 253, 0.85
"""The 95th percentile is 1,024 tokens."""
FIRST_TOKEN_S, TOKENS_PER_S = 0.4, 90
RETRY_S = 1.0
WAIT_S = 5.0

Judge = Callable[[Standing, Ask], Admission | Refusal]


def by_rules(standing: Standing, ask: Ask) -> Admission | Refusal:
    """As ferry decides."""
    decided = decide((Contender(ask, (standing,)),), is_critical=False)
    return decided.admission if isinstance(decided, Passage) else decided.refusal


def by_ceiling(standing: Standing, ask: Ask) -> Admission | Refusal:
    """The most that the model can answer is held, or the call is refused."""
    assert ask.ceiling is not None
    hold = ask.ceiling.at(OUTPUT_MAX)
    if hold <= standing.free:
        return Admission(hold, None, standing.free, "", OUTPUT_MAX)
    return refusal_of(standing, hold, is_spent=hold > standing.free + standing.held)


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to admit calls."""

    name: str
    judge: Judge
    wait_s: float


POLICIES = (
    Policy("ferry", by_rules, WAIT_S),
    Policy("no waiting", by_rules, 0.0),
    Policy("ceiling", by_ceiling, 0.0),
)


@dataclass(slots=True)
class Tally:
    """What came of one run."""

    limit_nanousd: int
    spent: int = 0
    used_most: int = 0
    """Spent and held together, at the most."""
    asked: int = 0
    answered: int = 0
    cut: int = 0
    asked_before: dict[int, int] = field(default_factory=lambda: {50: 0, 90: 0, 101: 0})
    refused_before: dict[int, int] = field(default_factory=lambda: {50: 0, 90: 0, 101: 0})

    def note(self, *, is_refused: bool) -> None:
        """An ask was decided."""
        self.asked += 1
        for percent in self.asked_before:
            if self.spent * 100 < percent * self.limit_nanousd:
                self.asked_before[percent] += 1
                self.refused_before[percent] += is_refused

    def refused(self, percent: int) -> float:
        """Of the asks that were decided while less than so much was spent, the share refused."""
        return self.refused_before[percent] / max(1, self.asked_before[percent])

    @property
    def cut_share(self) -> float:
        """Of all answers, those that ended at the bound."""
        return self.cut / max(1, self.answered)

    @property
    def spent_share(self) -> float:
        """Of the limit."""
        return self.spent / self.limit_nanousd


@dataclass(slots=True)
class _Call:
    """One call: what it would use if nothing bounded it."""

    ask: Ask
    input_tokens: int
    output_tokens: int
    since_s: float


class Simulation:
    """One budget, and clients that spend it."""

    def __init__(self, limit_nanousd: int, parallel: int, policy: Policy, seed: int = SEED) -> None:
        self._terms = Terms("b", "tenant=acme", "total", "UTC", limit_nanousd)
        self._policy = policy
        self._dice = random.Random(seed)
        self._learned = Learned()
        self._held = 0
        self._now = 0.0
        self._count = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._waiting: deque[_Call] = deque()
        self.tally = Tally(limit_nanousd)
        for _ in range(parallel):
            self._at(0.0, self._begin)

    def run(self) -> Tally:
        """Until every client has left."""
        while self._events:
            self._now, _, event = heapq.heappop(self._events)
            event()
        return self.tally

    def _at(self, when_s: float, event: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when_s, self._count, event))

    def _begin(self) -> None:
        """A client asks."""
        dice = self._dice
        tokens = dice.randint(*INPUT_TOKENS)
        output = round(dice.lognormvariate(0, OUTPUT_SIGMA) * OUTPUT_MEDIAN)
        bound = ceil_cost(tokens * BYTES_PER_TOKEN, INPUT_RATE) + HOLD_LINES + 1
        ask = Ask(
            target="p/m",
            ceiling=Ceiling(bound, OUTPUT_RATE),
            is_priced=True,
            is_free=False,
            output_asked=None,
            output_max=OUTPUT_MAX,
            expected_nanousd=0,
            expected_output_tokens=self._learned.expected("", ""),
        )
        call = _Call(ask, tokens, max(1, min(output, OUTPUT_MAX)), self._now)
        # First come, first served: who comes while others wait waits behind them.
        verdict = None if self._waiting else self._policy.judge(self._standing(), ask)
        if isinstance(verdict, Admission):
            self._go(call, verdict)
        elif isinstance(verdict, BudgetSpent):
            self._leave()
        elif self._policy.wait_s:
            self._waiting.append(call)
            self._at(self._now + self._policy.wait_s, lambda: self._give_up(call))
        else:
            self._come_back()

    def _standing(self) -> Standing:
        return Standing(self._terms, 0, None, self.tally.spent, self._held)

    def _go(self, call: _Call, admission: Admission) -> None:
        self.tally.note(is_refused=False)
        self._held += admission.hold_nanousd
        self.tally.used_most = max(self.tally.used_most, self.tally.spent + self._held)
        bound = admission.output_held if admission.output_held is not None else OUTPUT_MAX
        output = min(call.output_tokens, bound)
        lasts_s = FIRST_TOKEN_S + output / TOKENS_PER_S
        self._at(self._now + lasts_s, lambda: self._end(call, admission, output))

    def _end(self, call: _Call, admission: Admission, output: int) -> None:
        """The call is settled, whoever waits is looked at again, and the client asks anew."""
        tally = self.tally
        self._held -= admission.hold_nanousd
        tally.spent += ceil_cost(call.input_tokens, INPUT_RATE) + ceil_cost(output, OUTPUT_RATE)
        tally.answered += 1
        tally.cut += output < call.output_tokens
        self._learned.note("", "", output, admission.output_held)
        while self._waiting:
            verdict = self._policy.judge(self._standing(), self._waiting[0].ask)
            if isinstance(verdict, BudgetBusy):
                break
            first = self._waiting.popleft()
            if isinstance(verdict, Admission):
                self._go(first, verdict)
            else:
                self._leave()
        self._begin()

    def _give_up(self, call: _Call) -> None:
        """The wait is over; nothing where the call has gone or left meanwhile."""
        if call in self._waiting:
            self._waiting.remove(call)
            self._come_back()

    def _leave(self) -> None:
        """A client is told that the money is spent."""
        self.tally.note(is_refused=True)

    def _come_back(self) -> None:
        """A client is told that the money is only held."""
        self.tally.note(is_refused=True)
        self._at(self._now + RETRY_S, self._begin)


def main(arguments: Sequence[str] = ()) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m bench holds", description=__doc__)
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS_USD, metavar="USD")
    parser.add_argument("--parallel", type=int, nargs="+", default=PARALLEL, metavar="N")
    asked = parser.parse_args(arguments)
    for line in lines(asked.limits, asked.parallel):
        print(line, flush=True)


def lines(limits_usd: Sequence[int], parallel: Sequence[int]) -> Iterator[str]:
    """The table, line by line."""
    yield "holds: clients in parallel that spend a hard limit to its end, simulated"
    yield (
        f"  answers lognormal, median {OUTPUT_MEDIAN}, sigma {OUTPUT_SIGMA}; no limit set; model at"
        f" most {OUTPUT_MAX:,}; $3 in, $15 out"
    )
    yield "  refused: of all asks until so much was spent; a client told `busy` asks again"
    yield ""
    yield (
        f"  {'limit':>6} {'clients':>8}  {'by':<10} {'answered':>9} {'refused':>9} {'refused':>9}"
        f" {'cut':>7} {'spent':>8} {'over':>5}"
    )
    yield (
        f"  {'':>6} {'':>8}  {'':<10} {'':>9} {'to 50 %':>9} {'to 90 %':>9} {'':>7}"
        f" {'of it':>8} {'':>5}"
    )
    for limit in limits_usd:
        for clients in parallel:
            for policy in POLICIES:
                tally = Simulation(limit * USD, clients, policy).run()
                over = max(0, tally.used_most - tally.limit_nanousd)
                yield (
                    f"  {f'${limit}':>6} {clients:>8,}  {policy.name:<10} {tally.answered:>9,}"
                    f" {tally.refused(50):>9.2%} {tally.refused(90):>9.2%} {tally.cut_share:>7.2%}"
                    f" {tally.spent_share:>8.2%} {over:>5}"
                )
