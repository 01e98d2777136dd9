"""How calls begin: judged against the standings of the moment, held or denied; and go again.

Nothing is held that was not judged on the amounts as the calls before it left them. Source:
docs/money.md, sections 5 and 6.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import structs

from ferrycli.rules import idempotency as sameness
from ferrycli.rules.admission import Contender, Denial, Passage, decide
from ferrycli.rules.budget import Admission, Ask, expecting, judge
from ferrycli.rules.denials import BudgetBusy, RateLimited, Refusal
from ferrycli.rules.errors import FerryError
from ferrycli.rules.limits import Exceeded, Limiter, LimitTerms
from ferrycli.rules.selectors import subject_values
from ferrycli.rules.standings import Standing
from ferrycli.rules.thresholds import active
from ferrycli.store import idempotency
from ferrycli.store.books import Books
from ferrycli.store.endings import OpenCall
from ferrycli.store.learned import Learned
from ferrycli.store.messages import Admit, Again, Candidate, Waits
from ferrycli.store.rows import Aim, Held, Opening
from ferrycli.store.standings import Standings
from ferrycli.store.till import Place, windows_text

Limits = Sequence[tuple[LimitTerms, str]]


class Opened(NamedTuple):
    """A call that goes."""

    admission: Admission
    call: OpenCall
    row: tuple[object, ...]
    exhausted: tuple[Standing, ...] = ()


class Denied(NamedTuple):
    """A call that does not."""

    refusal: FerryError
    opening: Opening
    exhausted: tuple[Standing, ...] = ()


class Admissions:
    """The part of a batch that judges."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        books: Books,
        standings: Standings,
        limiter: Limiter,
        learned: Learned,
        instance_id: str,
        now_us: int,
    ) -> None:
        self._connection = connection
        self._books = books
        self._standings = standings
        self._limiter = limiter
        self._learned = learned
        self._instance_id = instance_id
        self._now = now_us
        self.blocked: set[tuple[str, str]] = set()
        """Windows that an earlier call waits for: who comes later waits behind it."""
        self._expected: dict[tuple[str, str], int] = {}
        """What was learned of answers, by route and feature: it stays so within a batch."""

    def admit(self, question: Admit, number: int) -> Opened | Denied | Waits:
        """Judge a call on the amounts of this moment, and hold what it needs."""
        opening = question.opening
        if (refusal := self._refused_at_once(question)) is not None:
            return Denied(refusal, opening)
        limits = [self._books.limit_matcher.matching(one.facts) for one in question.candidates]
        shared = limits[0]
        if len(limits) > 1:
            shared = tuple(one for one in shared if all(one in each for each in limits[1:]))
        if (exceeded := self._exceeded(shared, question)) is not None:
            return Denied(_limited(exceeded, exceeded.kind), opening)
        contenders = self._contenders(question.candidates, opening.feature)
        verdict = self._decide(question, contenders)
        if isinstance(verdict, Denial):
            if verdict.short and question.may_wait:
                places = frozenset(one.place for one in verdict.short)
                self.blocked |= places
                assert isinstance(verdict.refusal, BudgetBusy)
                return Waits(places, _as_held(verdict.refusal, contenders))
            e = contenders[0].ask.expected_output_tokens
            opening = opening._replace(expected_output=e)
            return Denied(verdict.refusal, opening, verdict.exhausted)
        index = verdict.admission.index
        chosen, own = contenders[index], limits[index]
        throttles = _throttles(chosen.standings)
        for these, what in ((own, ""), (throttles, "throttle")):
            if (exceeded := self._exceeded(these, question)) is not None:
                return Denied(_limited(exceeded, what or exceeded.kind), opening)
        if own or throttles:
            self._limiter.take(opening.seq, [*own, *throttles], question.tokens, self._now)
        return self._open(question, verdict, chosen, number)

    def _exceeded(self, limits: Limits, question: Admit) -> Exceeded | None:
        return self._limiter.check(limits, question.tokens, self._now) if limits else None

    def _decide(self, question: Admit, contenders: Sequence[Contender]) -> Passage | Denial:
        """The decision on a call; for one that came later, nothing is free that others wait for.

        So it waits behind them, unless it needs nothing there or can go elsewhere.
        """
        is_critical = question.opening.priority == "critical"
        if question.may_wait and self.blocked:
            behind = [self._behind(one) for one in contenders]
            verdict = decide(behind, is_critical=is_critical)
            if isinstance(verdict, Denial) and verdict.short:
                return verdict
            if isinstance(verdict, Passage):
                return _as_it_stands(verdict, contenders)
        return decide(contenders, is_critical=is_critical)

    def _behind(self, contender: Contender) -> Contender:
        """`contender` as it is for a call that stands behind those that wait."""
        if self.blocked.isdisjoint(one.place for one in contender.standings):
            return contender
        standings = tuple(
            replace(one, held=max(one.held, one.limit_nanousd - one.spent))
            if one.place in self.blocked
            else one
            for one in contender.standings
        )
        return contender._replace(standings=standings)

    def again(self, question: Again, call: OpenCall, number: int) -> Opened | Denied:
        """Judge where a call goes whose attempt has ended; no one waits, and no limit counts."""
        contenders = self._contenders(question.candidates, call.feature)
        verdict = decide(contenders, is_critical=call.is_critical)
        if isinstance(verdict, Denial):
            return Denied(verdict.refusal, Opening(question.seq, "", 0, ""), verdict.exhausted)
        admission = verdict.admission
        chosen, candidate = contenders[admission.index], question.candidates[admission.index]
        aim = _expected_there(candidate.aim or call.aim, candidate.ask, chosen.ask)
        places, text = self._hold(admission.hold_nanousd, chosen.standings)
        next_call = call._replace(
            hold_nanousd=admission.hold_nanousd,
            places=places,
            facts=candidate.facts,
            aim=aim,
            epoch=self._books.epoch,
            output_held=admission.output_held,
            output_bound=_bound(chosen.ask, admission),
            attempt=call.attempt + 1,
            attempt_at=self._now,
        )
        row = (
            *aim,
            admission.hold_nanousd,
            admission.output_held,
            admission.output_bound,
            admission.free_nanousd,
            admission.binding,
            text,
            next_call.attempt,
            number,
            question.seq,
        )
        return Opened(admission, next_call, row, verdict.exhausted)

    def _refused_at_once(self, question: Admit) -> FerryError | None:
        """Why a call goes nowhere, whatever it costs."""
        opening = question.opening
        if (key := self._books.keys_by_id.get(opening.key_id)) is not None:
            try:
                key.check(self._now)
            except Refusal as refusal:
                return refusal
        if not question.idempotency_key:
            return None
        found = idempotency.find(
            self._connection, opening.key_id, question.idempotency_key, self._now
        )
        return None if found is None else sameness.refusal(found, opening.request_hash)

    def _contenders(self, candidates: Sequence[Candidate], feature: str) -> tuple[Contender, ...]:
        return tuple(
            [
                Contender(
                    # With the length of answer that was learned.
                    expecting(one.ask, self._answer(one.facts.get("route", ""), feature)),
                    self._standings.of(one.facts),
                    one.tier,
                    one.via,
                    one.condition,
                )
                for one in candidates
            ]
        )

    def _answer(self, route: str, feature: str) -> int:
        """The expected answer, in tokens."""
        pair = (route, feature)
        if (known := self._expected.get(pair)) is None:
            known = self._expected[pair] = self._learned.expected(route, feature)
        return known

    def _open(self, question: Admit, passage: Passage, chosen: Contender, number: int) -> Opened:
        opening, admission = question.opening, passage.admission
        candidate = question.candidates[admission.index]
        aim = _expected_there(candidate.aim or Aim.of(opening), candidate.ask, chosen.ask)
        if candidate.aim is not None or candidate.ask is not chosen.ask:
            opening = aim.on(opening)
        if opening.expected_output != chosen.ask.expected_output_tokens:
            opening = opening._replace(expected_output=chosen.ask.expected_output_tokens)
        places, text = self._hold(admission.hold_nanousd, chosen.standings)
        if question.idempotency_key:
            idempotency.bind(
                self._connection,
                opening.key_id,
                question.idempotency_key,
                opening.seq,
                opening.request_hash,
            )
        call = OpenCall(
            hold_nanousd=admission.hold_nanousd,
            places=places,
            facts=candidate.facts,
            aim=aim,
            feature=opening.feature,
            admitted_at=self._now,
            epoch=self._books.epoch,
            is_critical=opening.priority == "critical",
            output_held=admission.output_held,
            output_bound=_bound(chosen.ask, admission),
            choices=opening.choices,
            has_idempotency_key=bool(question.idempotency_key),
            attempt_at=self._now,
        )
        held = Held(
            admitted_at=self._now,
            hold_nanousd=admission.hold_nanousd,
            output_held=admission.output_held,
            output_sent=admission.output_bound,
            free_nanousd=admission.free_nanousd,
            budget_id=admission.binding,
            windows=text,
            epoch=self._books.epoch,
            instance_id=self._instance_id,
            rule=admission.rule,
            reason=admission.reason,
            downgraded_from=_asked_target(question) if admission.tier != "normal" else "",
            admit_no=number,
        )
        return Opened(admission, call, opening + held, passage.exhausted)

    def _hold(self, amount: int, standings: tuple[Standing, ...]) -> tuple[tuple[Place, ...], str]:
        """Hold `amount` in every window, and of the grants of every prepaid budget.

        Where it counts, and how the row says that.
        """
        spots, change = self._standings.spots(standings), self._standings.change
        change.hold(spots.cells, amount)
        if not spots.of_grants:
            return spots.places, spots.text
        places = list(spots.places)
        for number in spots.of_grants:
            places[number] = change.drawing(places[number], amount)
        return tuple(places), windows_text(places, spots.texts)


def _expected_there(aim: Aim, asked: Ask, judged: Ask) -> Aim:
    """`aim` with what the call probably costs there, by what was learned of answers since."""
    if judged is asked or aim.expected_nanousd is None:
        return aim
    return aim._replace(expected_nanousd=judged.expected_nanousd)


def _as_it_stands(passage: Passage, contenders: Sequence[Contender]) -> Passage:
    """A passage that was decided as for one behind others, with the amounts that are there."""
    chosen = contenders[passage.admission.index]
    truly = judge(chosen.standings, chosen.ask)
    assert isinstance(truly, Admission)
    admission = structs.replace(
        passage.admission, free_nanousd=truly.free_nanousd, binding=truly.binding
    )
    standings = {one.place: one for each in contenders for one in each.standings}
    return Passage(admission, tuple(standings[one.place] for one in passage.exhausted))


def _as_held(busy: BudgetBusy, contenders: Sequence[Contender]) -> BudgetBusy:
    """A refusal that was decided as for one behind others, with what is truly held."""
    held = {
        (one.terms.id, subject_values(one.subject)): one.held
        for each in contenders
        for one in each.standings
    }
    return replace(busy, held_nanousd=held[busy.budget, busy.subject])


def _limited(exceeded: Exceeded, what: str) -> RateLimited:
    return RateLimited(
        exceeded.terms.selector, what, exceeded.limit, exceeded.used, exceeded.retry_after_s
    )


def _throttles(standings: Sequence[Standing]) -> list[tuple[LimitTerms, str]]:
    """The throttles that are active: of each budget the lowest."""
    found = []
    for one in standings:
        if not one.terms.has_throttle:
            continue
        if (rule := active(one.terms.rules, one.used, one.base).throttle) is not None:
            limit = LimitTerms(one.terms.id, one.terms.selector, (), rule.per_minute, None, None)
            found.append((limit, one.subject))
    return found


def _asked_target(question: Admit) -> str:
    """The first normal target: where a call that went elsewhere would have gone."""
    normal = (one for one in question.candidates if one.tier == "normal")
    return next((one.ask.target for one in normal), "")


def _bound(ask: Ask, admission: Admission) -> int | None:
    """What bounds the answer, in tokens per choice; None where nothing does."""
    # Where ferry sets a bound, it is none above the caller's own.
    return ask.output_asked if admission.output_bound is None else admission.output_bound
