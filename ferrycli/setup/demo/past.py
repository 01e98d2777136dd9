"""Decides about the demo's calls as a server would have, on the clock of the past.

What is asked, judged and closed is built by the gateway's own functions; only the transactions
are missing. So windows equal their calls, and no strict budget is passed.
"""

from __future__ import annotations

import json
from heapq import heappop, heappush
from zoneinfo import ZoneInfo

from ferrycli.prices.catalogue import find_card
from ferrycli.proxy.closings import Course, closing
from ferrycli.proxy.questions import Asked, question
from ferrycli.rules.attribution import Attribution
from ferrycli.rules.budget import Admission, doubt_of, judge
from ferrycli.rules.denials import Refusal
from ferrycli.rules.estimate import chars_per_token_deci
from ferrycli.rules.pricing import RateCard, price_call
from ferrycli.rules.routing import Target
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.usage import Usage
from ferrycli.rules.windows import window_end, window_start
from ferrycli.settings import WELL_KNOWN
from ferrycli.setup.demo.cast import account
from ferrycli.setup.demo.planted import RUNAWAY
from ferrycli.setup.demo.traffic import Planned
from ferrycli.setup.demo.weeks import HOUR_US
from ferrycli.store.books import Books
from ferrycli.store.ids import NewId
from ferrycli.store.rows import Closing, Decided, finished_values
from ferrycli.wire.facts import Facts, Fingerprints, Reading
from ferrycli.wire.input_bounds import MESSAGE_OVERHEAD

ENDPOINT = "/v1/chat/completions"
ADMITTED_AFTER_US = 1_400
"""A call is understood, judged and on disk in so many microseconds."""
PASSED_AFTER_US = 900
"""And its last byte is passed on."""
MESSAGE_BYTES = 42
"""Of JSON around each message."""
DAY_US = 24 * HOUR_US

_KINDS = {one.name: one.kind for one in WELL_KNOWN}
_CATALOGUES = {one.name: one.catalogue or one.name for one in WELL_KNOWN}
_TIERS = {"openai": "default", "anthropic": "standard"}
_ERRORS = {
    429: "rate_limit_exceeded",
    500: "server_error",
    503: "service_unavailable",
    529: "overloaded_error",
}

WindowKey = tuple[str, str, int]
"""Budget id, subject, start."""


class Past:
    """A server's ledger in memory. Calls are taken in the order of their beginning."""

    def __init__(self, books: Books, instance_id: str) -> None:
        self._books = books
        self._instance_id = instance_id
        self._keys = {terms.name: terms for terms in books.keys_by_id.values()}
        self._cards: dict[tuple[str, int], RateCard | None] = {}
        self._zones: dict[str, ZoneInfo] = {}
        self._periods: dict[str, tuple[int, int | None]] = {}
        self._open: list[tuple[int, int, tuple[WindowKey, ...], int, int, int]] = []
        """What runs, as a heap: when it ends, row key, windows, hold, cost and doubt."""
        self.windows: dict[WindowKey, list[int]] = {}
        """Spent, held and doubt."""
        self.last_used: dict[str, int] = {}
        """Key id to when it was last admitted."""
        self.finished: list[tuple[object, ...]] = []
        """Parameters of `INSERT_FINISHED`."""
        self.denied: list[tuple[object, ...]] = []
        """Parameters of `INSERT_CALL`."""

    def take(self, call: Planned, id: NewId) -> None:
        """Admit or deny a call, and finish it."""
        asked = self._asked(call, id)
        admitted_at = id.at_us + ADMITTED_AFTER_US
        self.settle(admitted_at)
        standings = tuple(
            self._standing(terms, admitted_at)
            for terms in self._books.key_budgets.get(asked.key.id, ())
        )
        asking = question([asked])
        verdict = judge(standings, asking.candidates[0].ask)
        if not isinstance(verdict, Admission):
            decided = self._denied(verdict, admitted_at)
            self.denied.append((*asking.opening, *decided))
            return
        windows = tuple((one.terms.id, "", one.window_start_us) for one in standings)
        decided = self._admitted(verdict, windows, admitted_at)
        closed = _closed(call, asked, verdict, admitted_at)
        cost = closed.cost_nanousd or 0
        is_doubtful = not closed.is_cost_known or closed.cost is None
        doubt = doubt_of(verdict.hold_nanousd, cost) if windows and is_doubtful else 0
        self.last_used[asked.key.id] = admitted_at
        self.finished.append(finished_values(asking.opening, decided, closed, doubt))
        if windows:
            for key in windows:
                self.windows.setdefault(key, [0, 0, 0])[1] += verdict.hold_nanousd
            entry = (closed.finished_at, id.seq, windows, verdict.hold_nanousd, cost, doubt)
            heappush(self._open, entry)

    def settle(self, until_us: int) -> None:
        """Count what has finished by then."""
        while self._open and self._open[0][0] <= until_us:
            _, _, windows, hold, cost, doubt = heappop(self._open)
            for key in windows:
                amounts = self.windows[key]
                amounts[0] += cost
                amounts[1] -= hold
                amounts[2] += doubt

    def window_rows(self) -> list[tuple[object, ...]]:
        """Every window that a call was held in."""
        return [(*key, *amounts) for key, amounts in self.windows.items()]

    def _standing(self, terms: Terms, now_us: int) -> Standing:
        start, end = self._periods.get(terms.id, (0, 0))
        if end is not None and not start <= now_us < end:
            zone = self._zones.setdefault(terms.zone, ZoneInfo(terms.zone))
            start = window_start(terms.period, zone, now_us)
            end = window_end(terms.period, zone, start)
            self._periods[terms.id] = (start, end)
        spent, held, doubt = self.windows.get((terms.id, "", start), (0, 0, 0))
        return Standing(terms, start, end, spent, held, doubt)

    def _asked(self, call: Planned, id: NewId) -> Asked:
        habit = call.habit
        provider, _, model = habit.target.partition("/")
        return Asked(
            id=id,
            name=id.text("c"),
            endpoint=ENDPOINT,
            key=self._keys[habit.key],
            attribution=_attribution(call),
            facts=_facts(call, model),
            target=Target(provider, _KINDS.get(provider, "compatible"), model),
            card=self._card(habit.target, id.at_us),
            epoch=self._books.epoch,
            client_retry=call.retry,
        )

    def _card(self, target: str, at_us: int) -> RateCard | None:
        """The prices of that day: a card for each minute, as servers have it, costs seconds."""
        key = (target, at_us // DAY_US)
        if key not in self._cards:
            provider, _, model = target.partition("/")
            self._cards[key] = find_card(_CATALOGUES.get(provider, ""), model, key[1] * DAY_US)
        return self._cards[key]

    def _admitted(
        self, admission: Admission, windows: tuple[WindowKey, ...], now_us: int
    ) -> Decided:
        return Decided(
            state="held",
            outcome="",
            admitted_at=now_us,
            finished_at=None,
            hold_nanousd=admission.hold_nanousd,
            output_held=admission.output_held,
            output_sent=admission.output_bound,
            free_nanousd=admission.free_nanousd,
            budget_id=admission.binding,
            windows=json.dumps(windows) if windows else "",
            epoch=self._books.epoch,
            instance_id=self._instance_id,
        )

    def _denied(self, refusal: Refusal, now_us: int) -> Decided:
        return Decided(
            state="denied",
            outcome="denied",
            admitted_at=now_us,
            finished_at=now_us,
            hold_nanousd=0,
            output_held=None,
            output_sent=None,
            free_nanousd=None,
            budget_id=getattr(refusal, "budget", ""),
            windows="",
            epoch=self._books.epoch,
            instance_id=self._instance_id,
            status=refusal.status,
            error_code=refusal.code,
            cost_nanousd=0,
        )


def _characters(tokens: int, model: str) -> int:
    return tokens * chars_per_token_deci(model) // 10


def _facts(call: Planned, model: str) -> Facts:
    """The request as the gateway would have read it."""
    deci = chars_per_token_deci(model)
    characters = call.input_tokens * deci // 10
    request_bytes = characters + call.messages * MESSAGE_BYTES
    prefix_tokens = call.habit.prefix_tokens
    return Facts(
        model=model,
        is_stream=call.is_stream,
        wants_usage=call.is_stream,
        output_asked=call.habit.asked,
        input_bound=request_bytes + call.messages * MESSAGE_OVERHEAD,
        input_characters=characters,
        fingerprints=Fingerprints(
            call.prefix_hash if prefix_tokens else 0,
            call.request_hash,
            call.last_message_hash,
            prefix_tokens * deci // 10,
            request_bytes,
            call.message_tokens * deci // 10,
        ),
    )


def _attribution(call: Planned) -> Attribution:
    habit = call.habit
    owner = account(habit.key)
    priority = habit.manner.priority
    sources = [("tenant", "key")]
    if call.user:
        sources.append(("user", "openai"))
    if habit.manner.is_bot:
        sources.append(("assistant", "header"))
    if call.thread:
        sources.append(("thread", "header"))
    if habit.feature:
        sources.append(("feature", "key" if owner.feature else "header"))
    if priority != "normal":
        sources.append(("priority", "header"))
    return Attribution(
        tenant=owner.tenant,
        user=call.user,
        assistant=habit.feature if habit.manner.is_bot else "",
        thread=call.thread,
        feature=habit.feature,
        priority=priority,
        tags=owner.tags,
        sources=tuple(sources),
    )


def _closed(call: Planned, asked: Asked, admission: Admission, admitted_at: int) -> Closing:
    """What became of an admitted call."""
    begun_us = admitted_at + call.first_us
    if call.status != 200:
        course = Course(
            upstream_status=call.status,
            status=call.status,
            error_code=_ERRORS[call.status],
        )
        return closing(asked, admission, course, admitted_at + call.first_us // 2)
    answer = min(call.answer, admission.output_held or call.answer)
    if call.left_after < 1:
        told = int(answer * call.left_after)
        reading = Reading(characters=_characters(told, asked.target.model))
        course = Course(True, 200, 200, begun_us, "left", reading=reading)
        return closing(asked, admission, course, begun_us + told * call.token_us)
    last_us = begun_us + answer * call.token_us
    first_us = begun_us if call.is_stream else last_us
    reading = _reading(call, asked, answer)
    course = Course(True, 200, 200, first_us, "ok", reading=reading)
    return closing(asked, admission, course, last_us + PASSED_AFTER_US)


def _reading(call: Planned, asked: Asked, answer: int) -> Reading:
    """The reply as the gateway would have read it."""
    provider = asked.target.provider
    usage = Usage(
        input=call.fresh,
        cache_read=call.read,
        cache_write_5m=call.written if provider == "anthropic" else 0,
        cache_write_30m=call.written if provider != "anthropic" else 0,
        output=answer,
        reasoning=int(answer * call.habit.thinks),
    )
    own_cost = None
    if provider == "openrouter" and asked.card is not None:
        own_cost = price_call(usage, asked.card, "").total
    is_cut = answer < call.answer or answer == call.habit.asked
    finish = "tool_calls" if call.thread == RUNAWAY.thread else "stop"
    return Reading(
        usage=usage,
        provider_cost_nanousd=own_cost,
        model=asked.target.model,
        tier=_TIERS.get(provider, ""),
        finish_reason="length" if is_cut else finish,
        is_complete=True,
    )
