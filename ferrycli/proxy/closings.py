"""What became of a call, as the ledger is told: outcome, usage, cost and how sure it is. No I/O.

Source: docs/money.md, sections 3, 4 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct, structs

from ferrycli.proxy.questions import Asked, input_bound
from ferrycli.rules.budget import Admission
from ferrycli.rules.errors import UnpricedUsage
from ferrycli.rules.estimate import answer_tokens, tokens, unseen_tokens
from ferrycli.rules.pricing import COUNTED_BUCKETS, Cost, RateCard, price_call, rate_of
from ferrycli.rules.routing import Target
from ferrycli.rules.usage import Usage
from ferrycli.store.rows import BilledLine, Closing
from ferrycli.wire.facts import Line, Reading

CardOf = Callable[[Target, int], RateCard | None]
"""The rate card of another model, at a moment in UTC microseconds: a reply may bill several."""


def _no_card(_target: Target, _now_us: int) -> RateCard | None:
    return None


@dataclass(slots=True)
class Course:
    """How a call is going; the conductor writes it down as it happens."""

    is_dispatched: bool = False
    """The request may have reached the provider."""
    upstream_status: int = 0
    status: int = 0
    """What the client got; 0 while it got nothing."""
    first_byte_at: int | None = None
    outcome: str = "failed"
    is_drained: bool = False
    """The client has left, and the reply is read on for its usage."""
    error_code: str = ""
    reading: Reading = Reading()
    dispatched_at: int | None = None
    """When it was sent; None: it was not."""
    bill: Bill | None = None
    """What its whole reply said that it cost, once that was there."""

    def elapsed_us(self, now_us: int) -> int:
        """For how long the provider may have worked on it."""
        return 0 if self.dispatched_at is None else now_us - self.dispatched_at


def closing(
    asked: Asked,
    admission: Admission,
    course: Course,
    now_us: int,
    card_of: CardOf = _no_card,
    attempt: int = 0,
) -> Closing:
    """The one terminal message for an admitted call; `attempt` as `Closing.attempt`."""
    reading = course.reading
    outcome = "left" if course.is_drained else course.outcome
    is_billed = course.is_dispatched and not (
        course.upstream_status >= 400 and reading.usage is None
    )
    if not is_billed:
        return Closing(
            asked.id.seq,
            "released",
            outcome,
            now_us,
            course.first_byte_at,
            course.status,
            course.error_code,
            attempt=attempt,
        )
    is_final = course.outcome == "ok" or reading.is_complete
    bill = course.bill if is_final else None
    if bill is None:
        elapsed_us = course.elapsed_us(now_us)
        bill = _bill(asked, admission, reading, card_of, elapsed_us, is_final=is_final)
    return Closing(
        seq=asked.id.seq,
        state="settled",
        outcome=outcome,
        finished_at=now_us,
        first_byte_at=course.first_byte_at,
        status=course.status,
        error_code=course.error_code,
        model=reading.model,
        usage=bill.usage,
        cost=bill.cost,
        is_cost_known=bill.is_known,
        cost_source=bill.source,
        provider_cost_nanousd=reading.provider_cost_nanousd,
        tier=reading.tier,
        finish_reason=reading.finish_reason,
        lines=bill.lines,
        characters=_plain_characters(asked, reading),
        attempt=attempt,
    )


def _plain_characters(asked: Asked, reading: Reading) -> int:
    """Characters of an answer whose tokens are those of its text; 0: of this one they are not."""
    usage = reading.usage
    if not reading.is_plain or usage is None or usage.audio_out or asked.facts.predicted_bytes:
        return 0
    return reading.characters


class Bill(Struct, frozen=True):
    """Usage and cost, and where they are from: `provider reported estimated unpriced`."""

    usage: Usage
    cost: Cost | None
    source: str
    lines: tuple[BilledLine, ...] = ()
    """Where several models were billed."""

    @property
    def is_known(self) -> bool:
        """Whether it is what was billed: a fee by the piece that nothing prices is not in it."""
        if self.source != "reported" or self.cost is None:
            return self.source in ("provider", "reported")
        for bucket in COUNTED_BUCKETS:
            if getattr(self.usage, bucket) and not any(bucket == one for one, _ in self.cost.lines):
                return False
        return True


def _bill(
    asked: Asked,
    admission: Admission,
    reading: Reading,
    card_of: CardOf,
    elapsed_us: int = 0,
    *,
    is_final: bool,
) -> Bill:
    """What the reply says that it cost; where it was not all there, an estimate.

    Counts may come along with a stream, and grow: before its end they are a part of the bill.
    """
    if is_final and reading.provider_cost_nanousd is not None:
        cost = Cost((("provider", reading.provider_cost_nanousd),))
        return Bill(reading.usage or Usage(), cost, "provider")
    is_free = asked.card is not None and asked.card.is_free
    if reading.usage is None and not (asked.facts.is_estimable or is_free):
        return Bill(Usage(), None, "unpriced")
    usage, source = reading.usage, "reported"
    if usage is None or not is_final:
        usage, source = _estimated(asked, admission, reading, elapsed_us), "estimated"
    if is_final and reading.lines:
        return _bill_of_lines(asked, reading, usage, card_of)
    if asked.card is None:
        return Bill(usage, None, "unpriced")
    try:
        priced = _priced(usage, asked.card, reading.tier, asked.facts.tier)
    except UnpricedUsage:
        return Bill(usage, None, "unpriced")
    if source == "estimated" and admission.binding and priced.total > admission.hold_nanousd:
        # What was reserved is the most that it can have cost: an estimate never says more.
        priced = Cost((("estimate", admission.hold_nanousd),))
    return Bill(usage, priced, source)


def _bill_of_lines(asked: Asked, reading: Reading, usage: Usage, card_of: CardOf) -> Bill:
    """Each model call of a reply at its own model's rates; unpriced where one of them is."""
    billed: list[BilledLine] = []
    is_incomplete = False
    for line in reading.lines:
        target = structs.replace(asked.target, model=line.model) if line.model else asked.target
        card = asked.card if target == asked.target else card_of(target, asked.id.at_us)
        try:
            cost, lines = _billed(line, target, card, reading.tier)
        except UnpricedUsage:
            return Bill(usage, None, "unpriced")
        is_incomplete |= cost.is_incomplete
        billed += lines
    sums: dict[str, int] = {}
    for one in billed:
        sums[one.bucket] = sums.get(one.bucket, 0) + (one.cost_nanousd or 0)
    cost = Cost(tuple(sums.items()), is_incomplete)
    return Bill(usage, cost, "reported", tuple(billed))


def _billed(
    line: Line, target: Target, card: RateCard | None, tier: str
) -> tuple[Cost, list[BilledLine]]:
    """One model call, bucket by bucket. Raises `UnpricedUsage`."""
    if card is None:
        raise UnpricedUsage("input")
    cost = price_call(line.usage, card, tier)
    rate, _ = card.rate(line.usage.input_total, tier)
    return cost, [
        BilledLine(
            target.provider,
            target.model,
            bucket,
            getattr(line.usage, bucket),
            rate_of(rate, bucket),
            amount,
            line.kind,
        )
        for bucket, amount in cost.lines
    ]


def _estimated(asked: Asked, admission: Admission, reading: Reading, elapsed_us: int) -> Usage:
    """Usage of a reply that did not report all of it: what it reported on the way, and the rest.

    What came after the last count is estimated by its characters; where no text was counted, all of
    it is, or by time what the model may have made out of sight, whichever is more.
    """
    model, facts, reported = asked.target.model, asked.facts, reading.usage
    uncounted = reading.characters - reading.characters_counted
    output = answer_tokens(uncounted, model, asked.manner)
    if reported is not None and reading.characters_counted:
        return reported._replace(output=reported.output + output)
    output = max(output, _unseen(asked, admission, elapsed_us))
    if reported is not None:
        return reported._replace(output=max(reported.output, output))
    put_in = min(tokens(facts.input_characters, model), input_bound(asked))
    return Usage(input=put_in, output=output)


def _unseen(asked: Asked, admission: Admission, elapsed_us: int) -> int:
    """Tokens that may have been made out of sight, at most what bounds the answer."""
    card_max = asked.card.output_tokens_max if asked.card is not None else None
    bounds = (asked.output_asked, admission.output_bound, card_max)
    bound = min((one for one in bounds if one is not None), default=None)
    facts = asked.facts
    return unseen_tokens(elapsed_us, asked.manner, facts.choices, bound, is_stream=facts.is_stream)


def _priced(usage: Usage, card: RateCard, served: str, asked: str) -> Cost:
    """The cost in the tier that the reply names; where it names none, the dearer of two.

    A provider that ignores the tier asked for bills the plain rate and does not say so.
    """
    if served or not asked:
        return price_call(usage, card, served)
    costs = (price_call(usage, card, ""), price_call(usage, card, asked))
    return max(costs, key=lambda cost: cost.total)


def attempt_bill(
    asked: Asked, admission: Admission, reading: Reading, card_of: CardOf, elapsed_us: int
) -> Bill:
    """What an attempt of which the client has got nothing cost, or may have cost."""
    is_final = reading.is_complete
    return _bill(asked, admission, reading, card_of, elapsed_us, is_final=is_final)


def reported_bill(
    asked: Asked, admission: Admission, reading: Reading, card_of: CardOf
) -> Bill | None:
    """The bill of a whole reply, for its header; None where its cost is not known for sure."""
    bill = _bill(asked, admission, reading, card_of, is_final=True)
    return bill if bill.source in ("provider", "reported") and bill.cost is not None else None
