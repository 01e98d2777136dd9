"""A thread's last reported input as a bound on its next call's, where that begins the same.

Agents send the whole conversation again with each call. What the provider has counted of it once,
it counts again, so only what is new is bounded by its bytes. Kept in bounded memory, on the event
loop alone; a call without a thread costs nothing. Source: docs/money.md, section 5.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from ferrycli.rules.attribution import Attribution
from ferrycli.rules.routing import Target
from ferrycli.wire.beginnings import Marks, is_believed, marks, rest_bound
from ferrycli.wire.facts import Facts

THREADS_MAX = 10_000
"""Threads at one target each, under 1 kB; past it the least recently used goes."""
REPORTS_MAX = 4
"""Reports of one thread: parts of an agent that work side by side begin differently."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What a provider said of one call's input."""

    count: int
    """Messages of the call."""
    beginning: bytes
    frame: bytes
    input_tokens: int


class ThreadBounds:
    """What was reported of the calls of each thread at each target."""

    def __init__(self) -> None:
        self._reports: OrderedDict[bytes, tuple[_Report, ...]] = OrderedDict()

    def of(
        self,
        key_id: str,
        attribution: Attribution,
        facts: Facts,
        body: bytes,
        beside: bytes = b"",
    ) -> ThreadCall | None:
        """The handle of one call, made once; None for a call without a thread.

        `beside`: what stands in no body and may change what becomes of it.
        """
        if not attribution.thread:
            return None
        named = (key_id, attribution.tenant, attribution.thread)
        return ThreadCall(self, (*named, facts.dialect, beside.decode("latin-1")), facts, body)

    def reports(self, subject: bytes) -> tuple[_Report, ...]:
        """The latest reports of a thread at a target, which thereby stays longer."""
        found = self._reports.get(subject, ())
        if found:
            self._reports.move_to_end(subject)
        return found

    def add(self, subject: bytes, report: _Report) -> None:
        """Keep a report; an older one of the same beginning goes."""
        others = [
            one
            for one in self._reports.get(subject, ())
            if (one.beginning, one.frame) != (report.beginning, report.frame)
        ]
        self._reports[subject] = (*others[-(REPORTS_MAX - 1) :], report)
        self._reports.move_to_end(subject)
        while len(self._reports) > THREADS_MAX:
            self._reports.popitem(last=False)


class ThreadCall:
    """One call of a thread: its bound before it goes, and what was reported of it after."""

    def __init__(
        self, bounds: ThreadBounds, caller: tuple[str, ...], facts: Facts, body: bytes
    ) -> None:
        self._bounds = bounds
        self._caller = caller
        self._facts = facts
        self._body = body
        self._marks: Marks | None = None

    def bound(self, target: Target) -> int | None:
        """The most input tokens of this call at `target`; None where no earlier call bounds it."""
        reports = self._bounds.reports(self._subject(target))
        if not reports or (own := self._read()) is None:
            return None
        found = []
        for report in reports:
            is_same = (
                report.count <= len(own.beginnings)
                and report.frame == own.frame
                and report.beginning == own.beginnings[report.count - 1]
            )
            if is_same:
                rest = rest_bound(self._facts, report.count, target.model)
                found += [] if rest is None else [report.input_tokens + rest]
        return min(found, default=None)

    def note(self, target: Target, reported_input: int) -> None:
        """The provider reported so many input tokens, those of caches included."""
        if not is_believed(self._facts, target.model, reported_input):
            return
        if (own := self._read()) is not None:
            report = _Report(len(own.beginnings), own.beginnings[-1], own.frame, reported_input)
            self._bounds.add(self._subject(target), report)

    def _read(self) -> Marks | None:
        if self._marks is None:
            self._marks = marks(self._facts, self._body)
        return self._marks

    def _subject(self, target: Target) -> bytes:
        text = json.dumps([*self._caller, target.provider, target.model])
        return blake2b(text.encode(), digest_size=16).digest()
