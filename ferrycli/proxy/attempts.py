"""Sends a call to its targets, one after the other, until one answers.

Before the first byte has gone to the client a failure goes to the next target, with a hold of its
own; after it never. A second try at the same target is rare, and bounded for the whole server. When
nothing is left, the last error is passed on as it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ferrycli.proxy.carriage import Carriage
from ferrycli.proxy.closings import attempt_bill
from ferrycli.proxy.delivery import Delivery
from ferrycli.proxy.dispatch import Request
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.questions import Asked, candidate
from ferrycli.proxy.upstream import UpstreamReply
from ferrycli.rules.budget import Admission
from ferrycli.rules.circuit import OPEN, CircuitState, Permit
from ferrycli.rules.denials import UpstreamFailed, UpstreamTimeout
from ferrycli.rules.errors import FerryError
from ferrycli.rules.failures import Failure, classify, failure_of, may_go_on, retry_after_s
from ferrycli.store.messages import Again, Ended, HealthNote, Note, Stale
from ferrycli.wire.bodies import error_text
from ferrycli.wire.headers import Headers

SECOND_TRY_AFTER_S = 0.25
SECOND_TRY_WAIT_S_MAX = 2.0
"""A provider that asks for a longer wait is not tried a second time."""
STALE_TRIES_MAX = 8
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US

Anew = Callable[[Carriage], Sequence[Asked]]
"""The ways of a call on the books of now, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """An attempt of which the client has got nothing."""

    failure: Failure
    error: FerryError | None = None
    """None: the provider replied with an error of its own."""
    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    """What it replied, to be passed on where nothing is left."""
    wait_s: float | None = None
    """How long the provider asks to be left alone."""


class Attempts:
    """The tries of one call."""

    def __init__(self, gateway: Gateway, call: Carriage, request: Request, anew: Anew) -> None:
        self._gateway = gateway
        self._call = call
        self._request = request
        self._anew = anew
        self._repeats = 0

    async def carry(self, send: Any) -> None:
        """Bring an answer to the client, or the last error. Raises it where it is ferry's own."""
        self._gateway.retries.note_call()
        while True:
            failed = await self._try(send)
            if failed is None:
                return
            # Nobody reads what another target would say.
            if self._call.course.is_drained or not await self._goes_on(failed):
                await self._tell(failed)
                return

    async def _try(self, send: Any) -> _Failed | None:
        """One attempt; None where the client has its answer, however that ended."""
        call, gateway = self._call, self._gateway
        is_last = not call.rest
        target = str(call.asked.target)
        permit = gateway.circuits.claim(target, gateway.now_us(), is_last=is_last)
        if permit is None:
            error = UpstreamFailed(call.asked.target.provider, "it is left alone", False)
            return _Failed(Failure("retry", 0, "circuit_open"), error)
        self._note_circuit(target, permit.change)
        call.is_sending = True
        try:
            failed = await self._send(send)
        except BaseException:
            # The client left, the deadline passed, or the reply broke off under way.
            gateway.circuits.release(permit)
            raise
        finally:
            call.is_sending = False
        self._note(target, permit, failed)
        return failed

    async def _send(self, send: Any) -> _Failed | None:
        call, gateway = self._call, self._gateway
        call.attempts += 1
        course = call.course
        assert call.admission is not None
        course.is_dispatched, course.dispatched_at = True, gateway.now_us()
        try:
            saying = self._request.to(call.asked)
            reply = call.reply = await gateway.upstream(call.asked.target.kind).open(
                saying.attempt(call.admission)
            )
            course.upstream_status = reply.status
            delivery = Delivery(
                saying,
                call.admission,
                course,
                gateway.now_us,
                send,
                call.past_nanousd,
            )
            call.delivery = delivery
            if reply.status >= 400:
                return self._failed_reply(reply, await delivery.read_error(reply))
            body = await delivery.deliver(reply, call.disclosed())
            return None if body is None else self._failed_reply(reply, body)
        except UpstreamFailed as error:
            if call.is_started:
                raise
            course.is_dispatched = course.is_dispatched and error.is_dispatched
            return self._cut_off(error)
        except UpstreamTimeout as error:
            if call.is_started:
                raise
            course.is_dispatched = error.phase != "connect"
            return self._cut_off(error)
        except FerryError as error:
            if call.is_started:
                raise
            course.is_dispatched = False
            return _Failed(failure_of(error), error)

    def _cut_off(self, error: UpstreamFailed | UpstreamTimeout) -> _Failed:
        """No reply, or one whose body did not come: the status of an error counts all the same."""
        reply = self._call.reply
        if reply is None or reply.status < 400:
            return _Failed(failure_of(error), error)
        wait_s = retry_after_s(reply.headers, self._gateway.now_us())
        return _Failed(classify(reply.status), error, reply.status, wait_s=wait_s)

    def _failed_reply(self, reply: UpstreamReply, body: bytes) -> _Failed:
        """A reply that is no answer, whatever its status: read, but not passed on yet."""
        provider, error = self._call.asked.target.provider, None
        if reply.status >= 400 or self._call.course.error_code:
            code, message = error_text(body)
            kind = self._gateway.snapshot().providers.kind_of(provider)
            code = code or (self._call.course.error_code if reply.status < 400 else "")
            failure = classify(reply.status, code, kind, message)
        else:
            error = UpstreamFailed(provider, f"its reply is {'not whole' if body else 'empty'}")
            failure = replace(classify(reply.status), code=error.code)
        return _Failed(
            failure,
            error,
            reply.status,
            reply.headers,
            body,
            retry_after_s(reply.headers, self._gateway.now_us()),
        )

    async def _goes_on(self, failed: _Failed) -> bool:
        """Whether another attempt goes; then the call is at its target."""
        call = self._call
        retry = call.route.retry if call.route is not None else frozenset()
        if call.is_started or not may_go_on(failed.failure, retry):
            return False
        now_us = self._gateway.now_us()
        ways = [
            one for one in call.rest if self._gateway.circuits.allows(str(one.target), now_us)
        ] or call.rest
        if not ways:
            if not self._may_repeat(failed):
                return False
            ways = [call.asked]
            await asyncio.sleep(failed.wait_s or SECOND_TRY_AFTER_S)
        await call.close()
        return await self._ask_again(failed, ways)

    def _may_repeat(self, failed: _Failed) -> bool:
        """Whether the one target there is may be tried a second time."""
        if self._repeats or self._call.attempts > 1 or not failed.failure.may_repeat:
            return False
        if (failed.wait_s or 0) > SECOND_TRY_WAIT_S_MAX or not self._gateway.retries.take():
            return False
        self._repeats += 1
        return True

    async def _ask_again(self, failed: _Failed, ways: Sequence[Asked]) -> bool:
        """Ask the ledger, which ends the attempt that failed, for one of `ways`."""
        call = self._call
        ended = self._ended(failed)
        cost = ended.cost.total if ended.cost is not None else None
        if call.past_nanousd is not None:
            call.past_nanousd = None if cost is None else call.past_nanousd + cost
        for _ in range(STALE_TRIES_MAX):
            candidates = tuple(candidate(one) for one in ways)
            question = Again(call.asked.id.seq, ended, candidates, ways[0].epoch)
            verdict = await self._gateway.ledger.again(question)
            if isinstance(verdict, Admission):
                call.go_on(verdict, ways)
                return True
            if not isinstance(verdict, Stale):
                return False
            wanted = [str(one.target) for one in ways]
            ways = [one for one in self._anew(call) if str(one.target) in wanted]
            if not ways:
                return False
        return False

    def _ended(self, failed: _Failed) -> Ended:
        """What the ledger is told of the attempt."""
        call = self._call
        course, now_us = call.course, self._gateway.now_us()
        reading = call.delivery.reading() if call.delivery is not None else course.reading
        is_billed = course.is_dispatched and not (failed.status >= 400 and reading.usage is None)
        code = failed.error.code if failed.error is not None else course.error_code
        assert call.admission is not None
        ended = Ended(now_us, failed.status, code, str(failed.failure))
        if not is_billed:
            return ended
        card_of, elapsed_us = self._gateway.snapshot().card, course.elapsed_us(now_us)
        bill = attempt_bill(call.asked, call.admission, reading, card_of, elapsed_us)
        return replace(ended, cost=bill.cost, is_billed=True, cost_source=bill.source)

    async def _tell(self, failed: _Failed) -> None:
        """Pass on what came last. Raises the error where nothing did."""
        call = self._call
        delivery, status = call.delivery, failed.status
        if failed.error is not None and (
            not failed.body or (delivery is not None and delivery.is_translated)
        ):
            raise failed.error
        assert delivery is not None
        if delivery.is_translated and status < 400:
            # The client has none of the provider's ways to say an error in a good reply.
            status = failed.failure.status
        await delivery.pass_on(status, failed.headers, failed.body, call.disclosed())

    # What is told to others -----------------------------------------------------------------

    def _note(self, target: str, permit: Permit, failed: _Failed | None) -> None:
        """The circuit, and the owner where the provider wants money, hear of it."""
        gateway, now_us = self._gateway, self._gateway.now_us()
        if failed is None:
            self._note_circuit(target, gateway.circuits.note_success(permit, now_us))
            return
        state = gateway.circuits.note_failure(permit, failed.failure, now_us, failed.wait_s)
        self._note_circuit(target, state)
        if failed.failure.kind == "money":
            day = now_us - now_us % _DAY_US
            provider = self._call.asked.target.provider
            detail = {"target": target, "failure": str(failed.failure)}
            gateway.ledger.note_soon(Note("provider_money", provider, day, detail))

    def _note_circuit(self, target: str, state: CircuitState | None) -> None:
        if state is not None:
            provider, _, model = target.partition("/")
            self._gateway.ledger.note_soon(
                HealthNote(
                    provider, model, state.state, state.since_us, state.until_us, state.reason
                )
            )
            if state.state == OPEN:
                hour = state.since_us - state.since_us % _HOUR_US
                detail: dict[str, str | int] = {
                    "reason": state.reason,
                    "until_at": state.until_us or 0,
                }
                self._gateway.ledger.note_soon(Note("circuit", target, hour, detail))
