"""One call on its way: its ways, the attempt of now, and what there is to close at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ferrycli.proxy.closings import CardOf, Course, closing
from ferrycli.proxy.delivery import Delivery
from ferrycli.proxy.questions import Asked
from ferrycli.proxy.replies import own, send_error
from ferrycli.proxy.thread_bounds import ThreadCall
from ferrycli.proxy.upstream import UpstreamReply
from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import UpstreamTimeout
from ferrycli.rules.errors import FerryError
from ferrycli.rules.money import usd_exact
from ferrycli.rules.routes import Route
from ferrycli.store.rows import Closing
from ferrycli.wire.dialect import Dialect
from ferrycli.wire.headers import Headers


class Carriage:
    """One call, from the question to its closing."""

    def __init__(
        self,
        ways: Sequence[Asked],
        route: Route | None,
        thread: ThreadCall | None,
        warning: str,
        dialect: Dialect,
    ) -> None:
        self.ways = tuple(ways)
        """Every target that may carry it."""
        self.asked = self.ways[0]
        """The call at the target of now."""
        self.route = route
        self.thread = thread
        self.warning = warning
        """What the client is to be told besides; empty for nothing."""
        self.dialect = dialect
        """In which the client reads errors."""
        self.admission: Admission | None = None
        self.first: Admission | None = None
        """The admission of the call itself; later ones are of further attempts."""
        self.rest: list[Asked] = []
        """Where it goes when this target fails, in order."""
        self.attempts = 0
        """Attempts that were sent."""
        self.admitted = 0
        """Attempts that the ledger let go, as far as this call has heard."""
        self.past_nanousd: int | None = 0
        """What failed attempts cost, or may have; None: one of them has no price."""
        self.course = Course()
        self.is_sending = False
        """An attempt is under way at its provider."""
        self.reply: UpstreamReply | None = None
        self.delivery: Delivery | None = None

    @property
    def is_started(self) -> bool:
        """The client has the head of a reply: from now on nothing else can be told."""
        return self.delivery is not None and self.delivery.is_started

    def admit(self, admission: Admission) -> None:
        """The ledger let it go, by one of its ways."""
        self.admission = self.first = admission
        self.admitted = 1
        self.asked = self.ways[admission.index]
        self.rest = [self.ways[index] for index in admission.fallbacks]

    def go_on(self, admission: Admission, ways: Sequence[Asked]) -> None:
        """The ledger let a further attempt go, by one of `ways`."""
        self.admission = admission
        self.admitted += 1
        self.asked = ways[admission.index]
        self.rest = [ways[index] for index in admission.fallbacks]
        self.course = Course()
        self.reply = self.delivery = None

    def leave(self, drain_s: float) -> float:
        """The client has left: for how many seconds a reply under way is read on, for its usage."""
        if not self.is_sending or (self.delivery is not None and self.delivery.is_complete):
            return 0.0
        self.course.is_drained = drain_s > 0
        return drain_s

    def ended(self, outcome: str) -> None:
        """The call was stopped from outside; a reply that had come to its end ended by itself."""
        if self.is_started and self.delivery is not None and self.delivery.is_complete:
            has_failed = self.course.error_code or self.delivery.reading().error_code
            outcome = "failed" if has_failed else "ok"
        self.course.outcome = outcome

    async def fail(self, send: Any, error: FerryError, status: int | None = None) -> None:
        """It ends with an error; the client is told, if it can still be."""
        course = self.course
        course.error_code = error.code
        if isinstance(error, UpstreamTimeout):
            course.outcome = "timeout"
        else:
            course.outcome = "cut" if self.is_started else "failed"
        await self.refuse(send, error, status)

    async def refuse(self, send: Any, error: FerryError, status: int | None = None) -> None:
        """Tell the client, unless a reply has begun: then its connection just ends."""
        if self.is_started:
            return
        self.course.error_code = error.code
        self.course.status = status or error.status
        with contextlib.suppress(Exception):
            told = self.told() if self.admission is None else self.disclosed()
            await send_error(send, error, told, status, self.dialect)

    def told(self) -> Headers:
        """What even the refusal of a call that went nowhere says of it."""
        headers = [own("call-id", self.asked.name)]
        if self.warning:
            headers.append(own("warning", self.warning))
        return headers

    def disclosed(self) -> Headers:
        """What every reply says about what was done to the call."""
        asked, first, admission = self.asked, self.first, self.admission
        assert first is not None
        assert admission is not None
        headers = self.told()
        headers.append(own("provider", asked.target.provider))
        headers.append(own("model", asked.target.model))
        if asked.route:
            headers.append(own("route", asked.route))
        if first.tier != "normal":
            normal = next((one for one in self.ways if one.tier == "normal"), None)
            if normal is not None:
                headers.append(own("downgraded-from", str(normal.target)))
        if first.rule:
            headers.append(own("reason", f"{first.rule} ({first.reason})"))
        elif asked.assignment:
            headers.append(own("reason", f"assignment {asked.assignment}"))
        if self.attempts > 1:
            headers.append(own("attempts", str(self.attempts)))
        if admission.output_bound is not None:
            headers.append(own("max-tokens", str(admission.output_bound)))
        if admission.free_nanousd is not None:
            left = max(0, admission.free_nanousd - admission.hold_nanousd)
            headers.append(own("budget-remaining-usd", usd_exact(left)))
        return headers

    def closing(self, now_us: int, card_of: CardOf) -> Closing:
        """The one terminal message; for a call that was never admitted it changes nothing."""
        if self.delivery is not None:
            self.course.reading = self.delivery.reading()
        admission = self.admission or Admission(0)
        return closing(self.asked, admission, self.course, now_us, card_of, self.admitted)

    async def close(self) -> None:
        """Let go of the provider's connection."""
        if self.reply is not None:
            await self.reply.close()
