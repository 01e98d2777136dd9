"""How calls end: settled, released or recovered, once; and what that leaves in the windows.

A call's cost counts in the windows that it was held in, and in those of budgets that were made
while it ran. Where its true cost is not known under a strict budget, the rest of its hold stays in
doubt. Source: docs/money.md, section 4.
"""

from __future__ import annotations

from typing import NamedTuple

from ferrycli.rules.budget import doubt_of
from ferrycli.rules.pricing import Cost
from ferrycli.rules.selectors import Facts
from ferrycli.store.books import Books
from ferrycli.store.manners import Answered
from ferrycli.store.messages import Ended
from ferrycli.store.rows import Aim, Closing, close_values, lines_values
from ferrycli.store.standings import Period, Standings
from ferrycli.store.till import Place, windows_text
from ferrycli.store.writes import Writes

OVERRUN = "overrun"
"""The `reason` of a call or an attempt that cost more than was held for it."""


class OpenCall(NamedTuple):
    """A call in flight: what it holds, and in which windows."""

    hold_nanousd: int
    places: tuple[Place, ...]
    facts: Facts
    """Of the target that it goes to now."""
    aim: Aim
    feature: str
    admitted_at: int
    epoch: int
    is_critical: bool = False
    output_held: int | None = None
    """What the hold covers; None where it is no ceiling, so that it leaves no doubt."""
    output_bound: int | None = None
    """What bounds the answer, in tokens per choice; None where nothing does."""
    choices: int = 1
    has_idempotency_key: bool = False
    attempt: int = 1
    attempt_at: int = 0
    """When the attempt of now was admitted."""
    past_cost_nanousd: int = 0
    """Of attempts that have ended."""
    past_doubt_nanousd: int = 0
    is_past_unpriced: bool = False
    """An attempt that has ended was billed and has no price."""

    @property
    def is_waiting(self) -> bool:
        """Its last attempt has ended, and no other has begun."""
        return self.attempt_at < 0


class Endings:
    """The part of a batch that ends calls and attempts."""

    def __init__(self, books: Books, standings: Standings, period: Period, now_us: int) -> None:
        self._books = books
        self._standings = standings
        self._period = period
        self._now = now_us
        self.has_freed = False
        """Whether money came back that somebody may wait for."""
        self.overruns: list[tuple[OpenCall, Closing]] = []
        """Attempts that cost more than they held, each with its own cost."""
        self.answers: list[tuple[str, str, int, int | None]] = []
        """Route, feature, tokens and bound of answers, to be learned once this is committed."""
        self.answered: list[Answered] = []
        """The same answers, of which their models are learned."""

    def close(self, call: OpenCall, closing: Closing, writes: Writes, number: int) -> Closing:
        """Finish `call`; the closing as it is written, which names an overrun."""
        if closing.attempt and (call.is_waiting or closing.attempt < call.attempt):
            # Its cost was counted when it ended; of one admitted since, nothing was sent.
            closing = _of_nothing(closing)
        cost = closing.cost_nanousd or 0
        is_known = closing.is_cost_known and closing.cost is not None
        doubt, places = self._end_hold(call, cost, is_known=is_known)
        if places != call.places:
            writes.joined.append((windows_text(places), closing.seq))
        closing = self._marked(call, closing, cost)
        self._learn(closing, call)
        if call.attempt > 1 or call.is_waiting:
            if not call.is_waiting:
                writes.attempts.append(_attempt_values(call, closing, doubt, places))
            closing = _with_past(closing, call)
        writes.closed += close_values(closing, doubt + call.past_doubt_nanousd, number)
        if closing.lines:
            writes.lines += lines_values(closing.seq, closing.lines)
        return closing

    def end_attempt(self, seq: int, call: OpenCall, ended: Ended, writes: Writes) -> OpenCall:
        """Give back what a failed attempt held, but for what it may have cost; what is left."""
        closing = Closing(
            seq,
            "settled" if ended.is_billed else "released",
            "failed",
            ended.finished_at,
            status=ended.status,
            error_code=ended.error_code,
            reason=ended.reason,
            cost=ended.cost if ended.is_billed else Cost(),
            is_cost_known=ended.is_cost_known,
            cost_source=_source(ended),
        )
        cost = closing.cost_nanousd or 0
        doubt, places = self._end_hold(call, cost, is_known=ended.is_cost_known)
        closing = self._marked(call, closing, cost)
        writes.attempts.append(_attempt_values(call, closing, doubt, places))
        return call._replace(
            hold_nanousd=0,
            places=(),
            output_held=None,
            attempt_at=-1,
            past_cost_nanousd=call.past_cost_nanousd + cost,
            past_doubt_nanousd=call.past_doubt_nanousd + doubt,
            is_past_unpriced=call.is_past_unpriced or closing.cost is None,
        )

    def _marked(self, call: OpenCall, closing: Closing, cost: int) -> Closing:
        """`closing`; where a provider billed more than it was allowed, its row says so."""
        if call.output_held is None or cost <= call.hold_nanousd:
            return closing
        self.overruns.append((call, closing))
        return closing._replace(reason=OVERRUN)

    def _end_hold(
        self, call: OpenCall, cost: int, *, is_known: bool
    ) -> tuple[int, tuple[Place, ...]]:
        """Count the cost in every window that the call counts in; what stays in doubt, and these.

        Where nothing is in flight any more, nothing counts: that attempt has ended before.
        """
        if call.is_waiting:
            return 0, ()
        keeps = call.output_held is not None and not is_known
        doubt = doubt_of(call.hold_nanousd, cost) if keeps else 0
        hold = call.hold_nanousd
        change = self._standings.change
        change.release(call.places, hold, cost, doubt)
        self.has_freed = self.has_freed or hold > 0
        if call.epoch == self._books.epoch:
            return doubt, call.places
        joined = self._joined_since(call)
        # Held for a moment, so that a balance's grants carry what stays in doubt.
        change.hold([change.cell(place.key) for place in joined], cost + doubt)
        joined = tuple(change.drawing(place, cost + doubt) for place in joined)
        change.release(joined, cost + doubt, cost, doubt)
        return doubt, (*call.places, *joined)

    def _joined_since(self, call: OpenCall) -> tuple[Place, ...]:
        """Windows of budgets that count the call and were not there when it was admitted."""
        known = {place.budget_id for place in call.places}
        return tuple(
            Place((terms.id, subject, self._period(terms, call.admitted_at)[0]))
            for terms, subject in self._books.matching(call.facts)
            if terms.id not in known and terms.counts_from_us <= call.admitted_at
        )

    def _learn(self, closing: Closing, call: OpenCall) -> None:
        if closing.outcome != "ok" or closing.cost_source not in ("reported", "provider"):
            return
        choices = max(call.choices, 1)
        tokens = closing.usage.output // choices
        route = call.facts.get("route", "")
        self.answers.append((route, call.feature, tokens, call.output_bound))
        if not closing.lines:
            self.answered.append(
                Answered(
                    call.aim.provider,
                    call.aim.sent_model,
                    closing.characters,
                    closing.usage.output,
                    closing.usage.reasoning,
                    closing.finished_at - call.attempt_at,
                    choices,
                )
            )


def _source(ended: Ended) -> str:
    if not ended.is_billed:
        return ""
    return "unpriced" if ended.cost is None else ended.cost_source


def _of_nothing(closing: Closing) -> Closing:
    """The closing without what it says of an attempt: what is to be known of the call alone."""
    return Closing(
        closing.seq,
        "released",
        closing.outcome,
        closing.finished_at,
        status=closing.status,
        error_code=closing.error_code,
    )


def _with_past(closing: Closing, call: OpenCall) -> Closing:
    """The closing of a call of several attempts: its cost is that of all of them."""
    closing = closing._replace(attempts=call.attempt)
    if not call.past_cost_nanousd and not call.past_doubt_nanousd and not call.is_past_unpriced:
        return closing
    lines = (closing.cost or Cost()).lines
    is_incomplete = closing.cost is None or closing.cost.is_incomplete or call.is_past_unpriced
    earlier = ("earlier", call.past_cost_nanousd)
    return closing._replace(
        state="settled" if closing.state == "released" else closing.state,
        cost=Cost((*lines, earlier), is_incomplete=is_incomplete),
        cost_source=closing.cost_source or "estimated",
    )


def _attempt_values(
    call: OpenCall, closing: Closing, doubt: int, places: tuple[Place, ...]
) -> tuple[object, ...]:
    """The parameters of `INSERT_ATTEMPT`."""
    aim = call.aim
    return (
        closing.seq,
        call.attempt,
        aim.provider,
        aim.sent_model,
        aim.route,
        call.attempt_at,
        closing.finished_at,
        closing.state,
        closing.status,
        closing.error_code,
        closing.reason,
        call.hold_nanousd,
        doubt,
        closing.cost_nanousd,
        closing.cost_source,
        windows_text(places),
        aim.input_ceiling_nanousd,
        aim.output_rate_nanousd,
        call.output_held,
    )
