"""One batch as it is judged: what its messages would change, and what each is answered.

The draft sees the committed amounts with its own changes over them, so that the second call of a
moment meets what the first one took. Nothing of it counts before COMMIT. Calls that wait for money
that is only held are asked again, the first first, when some came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ferrycli.rules.denials import BudgetRefusal
from ferrycli.rules.errors import FerryError, LedgerUnavailable
from ferrycli.rules.selectors import Selector, subject_text
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import percents
from ferrycli.rules.windows import first_bucket, is_rolling
from ferrycli.store import corrections, idempotency
from ferrycli.store.admissions import Admissions, Denied
from ferrycli.store.alerts import NewAlert, alert_values, crossed
from ferrycli.store.endings import Endings, OpenCall
from ferrycli.store.events import Happenings
from ferrycli.store.learned import WRITE_LEARNED
from ferrycli.store.memory import Memory
from ferrycli.store.messages import (
    Admit,
    Again,
    Deny,
    Events,
    Message,
    Note,
    Recorded,
    Stale,
    Verdict,
    Waits,
)
from ferrycli.store.refused import free_of, reason_of, rule_of
from ferrycli.store.rows import (
    Closing,
    Decided,
    Opening,
)
from ferrycli.store.writes import Writes

_WRITE_SEQUENCE = "UPDATE meta SET value = ? WHERE name = 'sequence'"
_REACHING = (
    "SELECT subject FROM windows WHERE budget_id = ? AND start >= ? GROUP BY subject"
    " HAVING sum(spent_nanousd) >= ? LIMIT ?"
)
REACHING_MAX = 1_000
"""Windows of one budget that a batch looks at; of more, the command that set it tells."""
AMOUNT_MAX = (1 << 63) - 1
"""The most that a column holds."""


class Draft:
    """What one batch would change."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._now = memory.now()
        self._writes = Writes()
        self._late: list[Closing] = []
        self._seen: list[tuple[Standing, list[NewAlert]]] = []
        """Windows that refused a call, and what they have reached."""
        books = memory.books
        self._standings = memory.standings_at(self._now)
        self.change = self._standings.change
        self.endings = Endings(books, self._standings, memory.period, self._now)
        self._admissions = Admissions(
            memory.connection,
            books,
            self._standings,
            memory.limiter,
            memory.learned,
            memory.instance_id,
            self._now,
        )
        self._happenings = Happenings(
            memory.connection,
            books,
            self._standings,
            memory.period,
            memory.instance_id,
            self._now,
        )
        self.opened: dict[int, OpenCall] = {}
        self.closed: set[int] = set()
        self.used: dict[str, int] = {}
        """Key id to when it was last admitted."""
        self.admitted = 0
        self.sequence = memory.sequence
        self.has_corrected = False
        """Whether windows were changed in the file, beside `change`."""
        self.has_learned = False

    def judge(self, messages: Iterable[Message], waiting: Sequence[Admit]) -> list[Verdict | None]:
        """A verdict for each message, then for each call that waits."""
        verdicts: list[Verdict | None] = []
        self._admissions.blocked = set().union(*(one.short for one in waiting))
        came: list[tuple[int, Admit, frozenset[tuple[str, str]]]] = []
        for number, message in enumerate(messages):
            verdict = self._take(message)
            verdicts.append(verdict)
            if isinstance(verdict, Waits) and isinstance(message, Admit):
                came.append((number, message, verdict.places))
        first = len(verdicts)
        verdicts += [question.waits for question in waiting]
        may_go = self.endings.has_freed or self._memory.has_moved
        if may_go or any(self._is_due(one) for one in waiting):
            self._admissions.blocked = set()
            shorts = [question.short for question in waiting]
            queue = zip(range(first, len(verdicts)), waiting, shorts, strict=True)
            for number, question, short in (*queue, *came):
                # Behind one that waits for the same: a look at the standings would change nothing.
                if self._is_due(question) or not short & self._admissions.blocked:
                    verdicts[number] = self._admit(question)
        return verdicts

    def _is_due(self, question: Admit) -> bool:
        """Whether one that waits is to be asked again though no money came back."""
        return not question.may_wait or question.epoch != self._memory.books.epoch

    def _take(self, message: Message) -> Verdict | None:
        """Carry out one message; a verdict for a question."""
        match message:
            case Admit():
                return self._admit(message)
            case Closing():
                self._close(message)
            case Again():
                return self._again(message)
            case Events():
                return self._record(message)
            case Deny(opening=opening, refusal=refusal):
                self._insert_denied(opening, refusal)
            case Note(kind=kind, subject=subject, window_start=start, detail=detail):
                self._note(kind, subject, start, detail)
            case health:
                self._writes.health.append(health)
        return None

    def _number(self) -> int:
        """The next of the ledger's own numbers, which order its decisions."""
        self.sequence += 1
        return self.sequence

    # Questions ------------------------------------------------------------------------------

    def _admit(self, question: Admit) -> Verdict:
        books = self._memory.books
        if question.epoch != books.epoch:
            return Stale(books)
        answer = self._admissions.admit(question, self.sequence + 1)
        if isinstance(answer, Waits):
            return answer
        if answer.exhausted:
            self._note_exhausted(answer.exhausted)
        if isinstance(answer, Denied):
            self._note_reached(answer.refusal)
            self._insert_denied(answer.opening, answer.refusal)
            return answer.refusal
        self._number()
        opening = question.opening
        self.opened[opening.seq] = answer.call
        self.used[opening.key_id] = self._now
        self.admitted += 1
        self._writes.held += answer.row
        return answer.admission

    def _again(self, question: Again) -> Verdict:
        """End the attempt that failed, and judge where the call goes next."""
        books = self._memory.books
        if question.epoch != books.epoch:
            return Stale(books)
        call = self._open_call(question.seq)
        if call is None:
            return LedgerUnavailable("the call is over")
        if not call.is_waiting:
            call = self.endings.end_attempt(question.seq, call, question.ended, self._writes)
        self.opened[question.seq] = call
        if not question.candidates:
            return LedgerUnavailable("there is no other target")
        answer = self._admissions.again(question, call, self.sequence + 1)
        self._note_exhausted(answer.exhausted)
        if isinstance(answer, Denied):
            return answer.refusal
        self._number()
        self.opened[question.seq] = answer.call
        self._writes.again.append(answer.row)
        return answer.admission

    def _record(self, question: Events) -> Verdict:
        """Costs that happened: their rows are written once, whole, and no budget is asked."""
        books = self._memory.books
        if question.epoch != books.epoch:
            return Stale(books)
        verdict = self._happenings.record(question, self._writes, self._number)
        if isinstance(verdict, Recorded):
            self.used |= {event.opening.key_id: self._now for event in question.events}
        return verdict

    def _open_call(self, seq: int) -> OpenCall | None:
        """A call in flight, as this batch leaves it."""
        if seq in self.closed:
            return None
        return self.opened.get(seq) or self._memory.open_call(seq)

    def _insert_denied(self, opening: Opening, refusal: FerryError) -> None:
        reason = (opening.key_id, opening.thread, refusal.code)
        row = self._memory.storms.seen(reason, opening.seq, self._now)
        if row is not None:
            self._writes.repeats[row] = self._writes.repeats.get(row, 0) + 1
            return
        decided = Decided(
            state="denied",
            outcome="denied",
            admitted_at=self._now,
            finished_at=self._now,
            hold_nanousd=0,
            output_held=None,
            output_sent=None,
            free_nanousd=free_of(refusal),
            budget_id=refusal.budget if isinstance(refusal, BudgetRefusal) else "",
            windows="",
            epoch=self._memory.books.epoch,
            instance_id=self._memory.instance_id,
            status=refusal.status,
            error_code=refusal.code,
            cost_nanousd=0,
            rule=rule_of(refusal, self._refusing(refusal)),
            reason=reason_of(refusal),
            admit_no=self._number(),
        )
        self._writes.denied.append((*opening, *decided))

    # Endings --------------------------------------------------------------------------------

    def _close(self, closing: Closing) -> None:
        """Finish a call once; what is finished already stays as it is, or is corrected."""
        call = self._open_call(closing.seq)
        if call is None:
            is_told = closing.seq in self.closed or closing.cost is None
            if not is_told and closing.state == "settled":
                self._late.append(closing)
            return
        written = self.endings.close(call, closing, self._writes, self._number())
        self.closed.add(closing.seq)
        if written.state == "released" and call.has_idempotency_key:
            # At once: the client may have asked again within this batch.
            idempotency.unbind(self._memory.connection, closing.seq)
        limiter = self._memory.limiter
        if limiter.is_in_flight(closing.seq):
            tokens = closing.usage.input_total + closing.usage.output
            limiter.settle(closing.seq, tokens, self._now)

    # Notices --------------------------------------------------------------------------------

    def _note(self, kind: str, subject: str, start: int, detail: Mapping[str, str | int]) -> None:
        alert = NewAlert(kind, "", subject, start, 0, 0, self._now, detail=detail)
        self._writes.alerts.append(alert_values(alert, self._memory.new_id("a")))

    def _note_overrun(self, call: OpenCall, closing: Closing) -> None:
        detail: dict[str, str | int] = {
            "hold_nanousd": call.hold_nanousd,
            "cost_nanousd": closing.cost_nanousd or 0,
            "target": f"{call.aim.provider}/{call.aim.sent_model}",
        }
        self._note("overrun", str(closing.seq), 0, detail)

    def _note_exhausted(self, exhausted: Sequence[Standing]) -> None:
        """A budget refused every paid candidate for money that is spent: it is used up."""
        for one in exhausted:
            self._seen.append((one, crossed(one, self._now, is_exhausted=True)))

    def _note_reached(self, refusal: FerryError) -> None:
        """Note what a budget that refused has reached by time alone: no window of it moves."""
        if (standing := self._refusing(refusal)) is not None:
            self._seen.append((standing, crossed(standing, self._now)))

    def _refusing(self, refusal: FerryError) -> Standing | None:
        """Of the budget that refused; None where it was none, or is gone since one waited."""
        budgets = self._memory.books.budgets
        if not isinstance(refusal, BudgetRefusal) or refusal.budget not in budgets:
            return None
        terms = budgets[refusal.budget]
        subject = subject_text([*refusal.subject]) if refusal.subject else ""
        return self._standings.now(terms, subject)

    def check(self, changed: Iterable[Terms]) -> None:
        """Note overruns, and what has been reached: in windows that moved, and under new terms."""
        for call, closing in self.endings.overruns:
            self._note_overrun(call, closing)
        budgets = self._memory.books.budgets
        moved = [
            self._standings.at(budgets[cell.key[0]], cell)
            for cell in self.change.moved
            if cell.key[0] in budgets
        ]
        self._note_fallen((*moved, *(one for one, _ in self._seen)))
        for _, alerts in self._seen:
            self._tell(alerts)
        for standing in moved:
            if not standing.is_quiet:
                self._note_crossings(standing)
        # As they are now: what changed before the last batch may have changed again since.
        for terms in [budgets[id] for id in {one.id: None for one in changed} if id in budgets]:
            for subject in self._reaching(terms):
                self._note_crossings(self._standings.now(terms, subject))

    def _note_fallen(self, standings: Iterable[Standing]) -> None:
        """End the notices that rolling windows had fallen under, by time alone, before this batch.

        Once for each window, and before anything is told: what is told now stands.
        """
        alarms = self._memory.alarms
        rolling = {one.place: one.terms for one in standings if is_rolling(one.terms.period)}
        for (_, subject), terms in rolling.items():
            now = self._standings.now(terms, subject)
            if alarms.has_told(now):
                before = replace(now, spent=self.change.spent_before(now))
                self._writes.ended_notices += alarms.ended(before)

    def _reaching(self, terms: Terms) -> list[str]:
        """Subjects that may have reached a percentage: of many windows not each is looked at."""
        if not terms.rules:
            return []
        if not Selector(terms.subject).is_each:
            return [""]
        # A budget of many windows has neither grants nor boosts.
        least = -(-percents(terms.rules)[0] * terms.limit_nanousd // 100)
        first, _ = self._memory.period(terms, self._now)
        if is_rolling(terms.period):
            first = first_bucket(terms.period, self._now)
        values = (terms.id, first, min(least, AMOUNT_MAX), REACHING_MAX)
        return [row[0] for row in self._memory.connection.execute(_REACHING, values)]

    def _note_crossings(self, standing: Standing) -> None:
        self._tell(crossed(standing, self._now))

    def _tell(self, alerts: Iterable[NewAlert]) -> None:
        for alert in alerts:
            if self._memory.alarms.fires(alert):
                self._writes.alerts.append(alert_values(alert, self._memory.new_id("a")))

    # Into the file --------------------------------------------------------------------------

    def write(self) -> None:
        """Everything, in the transaction that is open."""
        connection = self._memory.connection
        self._writes.write(connection)
        self.change.write(connection)
        for closing in self._late:
            self.has_corrected |= self._correct(closing)
        if self.sequence != self._memory.sequence:
            connection.execute(_WRITE_SEQUENCE, [str(self.sequence)])
        memory = self._memory
        if rows := [*memory.learned.due(self._now), *memory.manners.due(self._now)]:
            connection.executemany(WRITE_LEARNED, rows)
            self.has_learned = True

    def _correct(self, closing: Closing) -> bool:
        """A settlement for a call that is over: for a recovered one it is the better figure."""
        return corrections.late(
            self._memory.connection,
            closing.seq,
            closing.cost_nanousd or 0,
            self._memory.new_id("corr"),
            self._now,
        )
