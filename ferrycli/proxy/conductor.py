"""Carries one call: key, facts, attribution, admission, provider, reply, settlement.

The place where streaming meets money. Three rules: nothing goes upstream before its row and hold
are on disk; once the ledger was asked, exactly one terminal message follows, from the one
`finally`, without an await; no byte waits for accounting.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from ferrycli.proxy.closings import Course, closing
from ferrycli.proxy.delivery import Delivery
from ferrycli.proxy.gate import ClientLeft, Scope
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.listener import Listener
from ferrycli.proxy.questions import CLIENT_RETRIES_MAX, Asked, question
from ferrycli.proxy.replies import own, send_error
from ferrycli.proxy.upstream import Attempt, UpstreamReply
from ferrycli.rules.attribution import Attribution, Carried, attribute
from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import (
    BudgetSpent,
    MethodNotAllowed,
    Stopping,
    UpstreamFailed,
    UpstreamTimeout,
)
from ferrycli.rules.errors import FerryError, LedgerUnavailable
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.money import usd_exact
from ferrycli.store.batch import Deny, Stale
from ferrycli.store.ids import NewId
from ferrycli.store.rows import Opening
from ferrycli.wire.chat import outgoing
from ferrycli.wire.facts import Facts
from ferrycli.wire.headers import attribution_headers, request_headers
from ferrycli.wire.intake import read_chat

STALE_TRIES_MAX = 8
"""How often a question is built anew because keys, budgets or prices changed meanwhile."""
BOUND_FIELDS = {"openai": "max_completion_tokens"}
"""The field in which a kind of provider takes a bound on the answer; else `max_tokens`."""


@dataclass(slots=True)
class _Known:
    """What is known of a call so far, for the row of a refused one."""

    key: KeyTerms | None = None
    facts: Facts | None = None
    attribution: Attribution = Attribution()


class ChatCompletions:
    """`POST /v1/chat/completions`, an ASGI callable."""

    path = "/v1/chat/completions"
    upstream_path = "/chat/completions"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        new = self._gateway.ids.make()
        known = _Known()
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed(scope["method"], self.path)
            if self._gateway.state["stopping"]:
                raise Stopping
            self._gateway.gate.check(scope)
            known.key = await self._gateway.key(scope)
            body = await self._gateway.gate.body(receive)
            asked = self._understand(new, scope, body, known, known.key)
        except ClientLeft:
            return
        except FerryError as error:
            self._deny(new, known, error)
            await send_error(send, error, [own("call-id", new.text("c"))])
            return
        await self._ask_and_carry(asked, scope, body, receive, send)

    def _understand(
        self, new: NewId, scope: Scope, body: bytes, known: _Known, key: KeyTerms
    ) -> Asked:
        """The request in values, on the snapshot of this moment. Raises a refusal."""
        gateway = self._gateway
        now_us = gateway.now_us()
        snapshot = gateway.snapshot()
        # The key may have changed since the request came: the snapshot's is the one that counts.
        key = snapshot.books.keys_by_id.get(key.id, key)
        key.check(now_us)
        facts = known.facts or read_chat(body, snapshot.books.salt)
        known.facts = facts
        carried = Carried(
            attribution_headers(scope["headers"]),
            scope.get("ferry.path", ""),
            facts.metadata,
            facts.fields,
        )
        attribution = known.attribution = attribute(carried, key.policies)
        target = snapshot.target(facts.model, key, now_us)
        return Asked(
            id=new,
            endpoint=self.path,
            key=key,
            attribution=attribution,
            facts=facts,
            target=target,
            card=snapshot.card(target, now_us),
            epoch=snapshot.books.epoch,
            client_retry=_client_retry(scope),
        )

    def _deny(self, new: NewId, known: _Known, error: FerryError) -> None:
        """A refused call of a known key is a row too; a stranger's is not."""
        if known.key is None or known.key.id not in self._gateway.ledger.books.keys_by_id:
            return
        attribution, facts = known.attribution, known.facts
        opening = Opening(
            seq=new.seq,
            id=new.text("c"),
            started_at=new.at_us,
            key_id=known.key.id,
            tenant=attribution.tenant,
            user=attribution.user,
            assistant=attribution.assistant,
            thread=attribution.thread,
            feature=attribution.feature,
            priority=attribution.priority,
            endpoint=self.path,
            is_stream=facts.is_stream if facts else False,
            requested_model=facts.model if facts else "",
        )
        self._gateway.ledger.deny_soon(Deny(opening, error))

    async def _ask_and_carry(
        self, asked: Asked, scope: Scope, body: bytes, receive: Any, send: Any
    ) -> None:
        gateway = self._gateway
        call = _Carriage(asked)
        listener = Listener(receive)
        try:
            async with asyncio.timeout(gateway.total_s):
                await self._admit(call, scope, body)
                await self._carry(call, scope, body, send)
        except asyncio.CancelledError:
            # Either the client left, or the server stops and has waited long enough. Both ways
            # the reply ends here, unfinished, and the server closes its connection.
            call.ended("left" if listener.has_left else "cut")
            listener.forgive()
        except TimeoutError:
            await call.fail(send, UpstreamTimeout(str(asked.target), "total", gateway.total_s))
        except FerryError as error:
            status = gateway.spent_status if isinstance(error, BudgetSpent) else None
            await call.fail(send, error, status)
        finally:
            gateway.ledger.settle_soon(call.closing(gateway.now_us()))
            listener.stop()
            # A cancellation that is still on its way would otherwise end the closing.
            with contextlib.suppress(asyncio.CancelledError):
                await call.close()

    async def _admit(self, call: _Carriage, scope: Scope, body: bytes) -> None:
        """Ask the ledger; sets the call's admission, or raises the refusal."""
        for _ in range(STALE_TRIES_MAX):
            verdict = await self._gateway.ledger.admit(question(call.asked))
            if isinstance(verdict, Admission):
                call.admission = verdict
                return
            if not isinstance(verdict, Stale):
                raise verdict
            known = _Known(call.asked.key, call.asked.facts)
            call.asked = self._understand(call.asked.id, scope, body, known, call.asked.key)
        raise LedgerUnavailable("keys and budgets keep changing")

    async def _carry(self, call: _Carriage, scope: Scope, body: bytes, send: Any) -> None:
        gateway, asked = self._gateway, call.asked
        assert call.admission is not None
        provider = gateway.snapshot().providers.by_name[asked.target.provider]
        bound_field = BOUND_FIELDS.get(provider.kind, "max_tokens")
        bound = call.admission.output_bound
        attempt = Attempt(
            provider,
            self.upstream_path,
            request_headers(scope["headers"]),
            outgoing(body, asked.facts, asked.target.model, bound, bound_field),
        )
        call.course.is_dispatched = True
        try:
            call.reply = await gateway.upstream(provider.kind).open(attempt)
        except UpstreamFailed as error:
            call.course.is_dispatched = error.is_dispatched
            raise
        except UpstreamTimeout as error:
            call.course.is_dispatched = error.phase != "connect"
            raise
        except FerryError:
            call.course.is_dispatched = False
            raise
        call.course.upstream_status = call.reply.status
        call.delivery = Delivery(asked, call.admission, call.course, gateway.now_us, send)
        await call.delivery.deliver(call.reply, _disclosed(asked, call.admission))


class _Carriage:
    """One admitted call on its way: what there is to close and to tell at the end."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.admission: Admission | None = None
        self.course = Course()
        self.reply: UpstreamReply | None = None
        self.delivery: Delivery | None = None

    def ended(self, outcome: str) -> None:
        """The call was stopped from outside; a reply that had come to its end is `ok`."""
        is_complete = self.delivery is not None and self.delivery.is_complete
        self.course.outcome = "ok" if is_complete else outcome

    async def fail(self, send: Any, error: FerryError, status: int | None = None) -> None:
        """Tell the client, if it can still be told; else its connection just ends."""
        course = self.course
        course.error_code = error.code
        is_started = self.delivery is not None and self.delivery.is_started
        if isinstance(error, UpstreamTimeout):
            course.outcome = "timeout"
        else:
            course.outcome = "cut" if is_started else "failed"
        if not is_started:
            course.status = status or error.status
            headers = [own("call-id", self.asked.id.text("c"))]
            with contextlib.suppress(asyncio.CancelledError):
                await send_error(send, error, headers, status)

    def closing(self, now_us: int) -> Any:
        """The one terminal message; for a call that was never admitted it changes nothing."""
        if self.delivery is not None:
            self.course.reading = self.delivery.reading()
        return closing(self.asked, self.admission or Admission(0), self.course, now_us)

    async def close(self) -> None:
        """Let go of the provider's connection."""
        if self.reply is not None:
            await self.reply.close()


def _disclosed(asked: Asked, admission: Admission) -> list[tuple[bytes, bytes]]:
    """What every reply says about what was done to the call."""
    headers = [
        own("call-id", asked.id.text("c")),
        own("provider", asked.target.provider),
        own("model", asked.target.model),
    ]
    if asked.attribution.route:
        headers.append(own("route", asked.attribution.route))
    if admission.output_bound is not None:
        headers.append(own("max-tokens", str(admission.output_bound)))
    if admission.free_nanousd is not None:
        left = max(0, admission.free_nanousd - admission.hold_nanousd)
        headers.append(own("budget-remaining-usd", usd_exact(left)))
    return headers


def _client_retry(scope: Scope) -> int:
    """How often the client's SDK has tried this call before."""
    for name, value in scope["headers"]:
        if name == b"x-stainless-retry-count" and value.isdigit() and len(value) < 6:
            return min(int(value), CLIENT_RETRIES_MAX)
    return 0
