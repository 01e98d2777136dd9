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

from msgspec import Struct
from msgspec.structs import replace

from ferrycli.proxy.attempts import Attempts
from ferrycli.proxy.carriage import Carriage
from ferrycli.proxy.dispatch import Request
from ferrycli.proxy.gate import ClientLeft, Scope
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.listener import Listener
from ferrycli.proxy.questions import Asked, question
from ferrycli.proxy.replies import dialect_of, own, send_error
from ferrycli.proxy.thread_bounds import ThreadCall
from ferrycli.rules.attribution import PRIORITIES, Attribution, Carried, attribute
from ferrycli.rules.budget import Admission
from ferrycli.rules.choices import Choices, Wanted
from ferrycli.rules.denials import BudgetSpent, MethodNotAllowed, Stopping, UpstreamTimeout
from ferrycli.rules.errors import FerryError, LedgerUnavailable
from ferrycli.rules.estimate import tokens
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import RateCard, unbilled
from ferrycli.rules.routes import Route
from ferrycli.rules.routing import Target
from ferrycli.store.ids import NewId
from ferrycli.store.messages import Deny, Stale
from ferrycli.store.rows import Opening
from ferrycli.wire.dialect import NOWHERE, Place
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.entries import Entry, endpoint, place
from ferrycli.wire.facts import Facts
from ferrycli.wire.head import Head, read_head
from ferrycli.wire.headers import said_in_dialect

STALE_TRIES_MAX = 8
"""How often a question is built anew because keys, budgets or prices changed meanwhile."""


@dataclass(slots=True)
class _Known:
    """What is known of a call so far; what it is understood from is read once."""

    new: NewId
    name: str
    """`new` as it is shown."""
    scope: Scope
    head: Head
    place: Place = NOWHERE
    key: KeyTerms | None = None
    body: bytes = b""
    facts: Facts | None = None
    attribution: Attribution = Attribution()
    thread: ThreadCall | None = None
    warning: str = ""


class _Understood(Struct, frozen=True):
    """A call, on the books of one moment."""

    ways: tuple[Asked, ...]
    route: Route | None


class Calls:
    """The calls of one entry, such as `POST /v1/chat/completions`: an ASGI callable."""

    def __init__(self, gateway: Gateway, entry: Entry) -> None:
        self._gateway = gateway
        self._entry = entry
        self._endpoint = endpoint(entry, NOWHERE)
        self._read = DIALECTS[entry.dialect].read
        self._refuses_in = DIALECTS[entry.refuses_in]

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        new = self._gateway.ids.make()
        known = _Known(new, new.text("c"), scope, read_head(scope["headers"]))
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed(scope["method"], self._entry.path)
            known.place = place(
                self._entry, scope.get("path_params", {}).get("model", ""), known.head.content_type
            )
            if self._gateway.state["stopping"]:
                raise Stopping
            self._gateway.gate.check(scope, known.head)
            known.key = await self._gateway.key(scope, known.head.credential())
            known.body = await self._gateway.gate.body(scope, receive)
            understood = self._understand(known)
        except ClientLeft:
            return
        except FerryError as error:
            self._deny(known, error)
            told = [own("call-id", known.name)]
            # What no call is made of may be asked in another dialect, as `GET /v1/models/…`.
            dialect = dialect_of(scope) if known.place is NOWHERE else self._refuses_in
            await send_error(send, error, told, dialect=dialect)
            return
        await self._ask_and_carry(known, understood, receive, send)

    def _understand(self, known: _Known) -> _Understood:
        """The request in values, on the snapshot of this moment. Raises a refusal."""
        gateway = self._gateway
        now_us = gateway.now_us()
        snapshot = gateway.snapshot()
        assert known.key is not None
        # The key may have changed since the request came: the snapshot's is the one that counts.
        key = snapshot.books.keys_by_id.get(known.key.id, known.key)
        key.check(now_us)
        is_new = known.facts is None
        facts = known.facts = known.facts or self._read(
            known.body, known.place, snapshot.books.salt
        )
        known.attribution = attribute(
            Carried(
                known.head.attribution,
                known.scope.get("ferry.path", ""),
                facts.metadata,
                facts.fields,
            ),
            key.policies,
        )
        if is_new and not self._entry.unbilled_at:
            self._watch(known, key, facts, now_us)
        wanted = Wanted(
            facts.model,
            key,
            known.attribution,
            facts.is_stream,
            tokens(facts.input_characters, facts.model),
            self._entry.wanted,
        )
        choices = snapshot.choose(
            wanted,
            now_us,
            gateway.chance,
            gateway.circuits.blocked,
        )
        first = Asked(
            id=known.new,
            name=known.name,
            endpoint=self._endpoint_of(known.place),
            key=key,
            attribution=known.attribution,
            facts=facts,
            target=choices.choices[0].target,
            card=self._card(choices.choices[0].target, now_us),
            epoch=snapshot.books.epoch,
            client_retry=known.head.retries,
            choice=choices.choices[0],
            assignment=choices.assignment,
            idempotency_key=known.head.idempotency_key(),
            manner=gateway.manner(choices.choices[0].target),
        )
        return _Understood(self._ways(first, choices, known.thread, now_us), choices.route)

    def _ways(
        self, first: Asked, choices: Choices, thread: ThreadCall | None, now_us: int
    ) -> tuple[Asked, ...]:
        """The call at each of its targets."""
        if thread is None and len(choices.choices) == 1:
            return (first,)
        snapshot = self._gateway.snapshot()
        ways = [
            first,
            *(
                replace(
                    first,
                    choice=choice,
                    target=choice.target,
                    card=self._card(choice.target, now_us),
                    manner=self._gateway.manner(choice.target),
                )
                for choice in choices.choices[1:]
            ),
        ]
        if thread is None:
            return tuple(ways)
        # What one of OpenRouter's providers counted, another may count otherwise.
        return tuple(
            one
            if one.target.provider in snapshot.providers.openrouters
            else replace(one, thread_bound=thread.bound(one.target))
            for one in ways
        )

    def _endpoint_of(self, at: Place) -> str:
        return self._endpoint if self._entry.dialect != "gemini" else endpoint(self._entry, at)

    def _card(self, target: Target, now_us: int) -> RateCard | None:
        """What the call costs at `target`; nothing where no provider bills it."""
        if target.kind in self._entry.unbilled_at:
            return unbilled(target.provider, target.model)
        return self._gateway.snapshot().card(target, now_us)

    def _watch(self, known: _Known, key: KeyTerms, facts: Facts, now_us: int) -> None:
        """What earlier calls of the thread say of this one. Raises `LoopDetected`."""
        gateway = self._gateway
        if known.attribution.thread:
            beside = said_in_dialect(known.head.sent, self._entry.dialect)
            known.thread = gateway.threads.of(key.id, known.attribution, facts, known.body, beside)
        watched = gateway.loops.look(
            gateway.ledger.books, key, known.attribution, facts.fingerprints, now_us
        )
        warnings = [_unread(known.attribution.unread_priority), watched.warning]
        known.warning = "; ".join(said for said in warnings if said)
        if watched.note is not None:
            gateway.ledger.note_soon(watched.note)
        if watched.refusal is not None:
            raise watched.refusal

    def _deny(self, known: _Known, error: FerryError) -> None:
        """A refused call of a known key is a row too; a stranger's is not."""
        if known.key is None or known.key.id not in self._gateway.ledger.books.keys_by_id:
            return
        attribution, facts = known.attribution, known.facts
        opening = Opening(
            seq=known.new.seq,
            id=known.name,
            started_at=known.new.at_us,
            key_id=known.key.id,
            tenant=attribution.tenant,
            user=attribution.user,
            assistant=attribution.assistant,
            thread=attribution.thread,
            feature=attribution.feature,
            priority=attribution.priority,
            endpoint=self._endpoint_of(known.place),
            is_stream=facts.is_stream if facts else False,
            requested_model=facts.model if facts else "",
        )
        self._gateway.ledger.deny_soon(Deny(opening, error))

    async def _ask_and_carry(
        self, known: _Known, understood: _Understood, receive: Any, send: Any
    ) -> None:
        gateway = self._gateway
        call = Carriage(
            understood.ways, understood.route, known.thread, known.warning, self._refuses_in
        )
        total_s = understood.route.total_s if understood.route is not None else None
        total_s = total_s or gateway.total_s
        listener = Listener(known.scope, receive, lambda: call.leave(gateway.drain_s), total_s)
        try:
            # Who waits for money to the end of its deadline could not be answered any more.
            await self._admit(call, known, min(gateway.budget_wait_s, total_s / 2))
            assert known.facts is not None
            request = Request(
                gateway,
                self._entry,
                known.place,
                known.head.sent,
                known.scope["query_string"],
                known.body,
                known.facts,
            )
            attempts = Attempts(gateway, call, request, lambda _call: self._understand(known).ways)
            await attempts.carry(send)
        except asyncio.CancelledError:
            # The client left, its time is up, or the server stops and has waited long enough. Each
            # way a reply that has begun ends here, unfinished, and its connection is closed.
            listener.forgive()
            if listener.is_late:
                await call.fail(send, UpstreamTimeout(str(call.asked.target), "total", total_s))
            else:
                call.ended("left" if listener.has_left else "cut")
                if not listener.has_left:
                    await call.refuse(send, Stopping())
        except FerryError as error:
            status = gateway.spent_status if isinstance(error, BudgetSpent) else None
            await call.fail(send, error, status)
        finally:
            closing = call.closing(gateway.now_us(), gateway.snapshot().card)
            gateway.ledger.settle_soon(closing)
            listener.stop()
            if call.thread is not None and closing.cost_source in ("reported", "provider"):
                call.thread.note(call.asked.target, closing.usage.input_total)
            # A cancellation that is still on its way would otherwise end the closing.
            with contextlib.suppress(asyncio.CancelledError):
                await call.close()

    async def _admit(self, call: Carriage, known: _Known, wait_s: float) -> None:
        """Ask the ledger; sets the call's admission, or raises the refusal."""
        for _ in range(STALE_TRIES_MAX):
            asked = question(call.ways, may_wait=wait_s > 0)
            verdict = await self._gateway.ledger.admit(asked, wait_s)
            if isinstance(verdict, Admission):
                call.admit(verdict)
                return
            if not isinstance(verdict, Stale):
                assert isinstance(verdict, FerryError)
                raise verdict
            understood = self._understand(known)
            call.ways, call.route = understood.ways, understood.route
        raise LedgerUnavailable("keys and budgets keep changing")


def _unread(priority: str) -> str:
    """What a caller is told whose priority is none; empty where it is one."""
    if not priority:
        return ""
    return f"priority `{priority}` counts for nothing: it is none of {', '.join(PRIORITIES)}"
