"""`POST /ferry/v1/events`: costs that happened and were no model calls, told by a key's holder.

Each is attributed as a call is, and a row once the answer is given. None is refused for money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferrycli.proxy.gate import ClientLeft, Scope
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.questions import pairs_text
from ferrycli.proxy.replies import own, send_error, send_json
from ferrycli.rules.attribution import Attribution, Carried, attribute
from ferrycli.rules.denials import BadKey, MethodNotAllowed, Refusal, Stopping
from ferrycli.rules.errors import FerryError, LedgerUnavailable
from ferrycli.rules.keys import DEMO_SECRET, KeyTerms
from ferrycli.rules.meters import ENDPOINT, METER
from ferrycli.rules.selectors import facts_of
from ferrycli.store.ids import NewId
from ferrycli.store.messages import Deny, Event, Events, Recorded, Stale
from ferrycli.store.rows import Opening
from ferrycli.wire.events import Told, events_body, read_events
from ferrycli.wire.head import Head, read_head

STALE_TRIES_MAX = 8
"""How often events are attributed anew because keys, budgets or prices changed meanwhile."""


@dataclass(slots=True)
class _Request:
    """What is known of a request so far."""

    new: NewId
    scope: Scope
    head: Head
    key: KeyTerms | None = None
    told: tuple[Told, ...] = ()
    attribution: Attribution = Attribution()
    """Of the event that was attributed last."""


class EventsTold:
    """The endpoint, an ASGI callable."""

    path = ENDPOINT

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        request = _Request(self._gateway.ids.make(), scope, read_head(scope["headers"]))
        try:
            recorded = await self._record(request, receive)
        except ClientLeft:
            return
        except FerryError as error:
            self._deny(request, error)
            await send_error(send, error, [own("call-id", request.new.text("c"))])
            return
        await send_json(send, 200, events_body(recorded.receipts), [])

    async def _record(self, request: _Request, receive: Any) -> Recorded:
        """Record what the request tells. Raises a refusal, with nothing recorded."""
        gateway = self._gateway
        if request.scope["method"] != "POST":
            raise MethodNotAllowed(request.scope["method"], self.path)
        if gateway.state["stopping"]:
            raise Stopping
        gateway.gate.check(request.scope, request.head)
        key = await gateway.key(request.scope, request.head.credential())
        if key.is_demo:
            raise BadKey(DEMO_SECRET, "demo")
        request.key = key
        body = await gateway.gate.body(request.scope, receive)
        request.told = read_events(body, gateway.ledger.books.salt)
        for _ in range(STALE_TRIES_MAX):
            verdict = await gateway.ledger.record(self._question(request, key))
            if isinstance(verdict, Recorded):
                return verdict
            if not isinstance(verdict, Stale):
                assert isinstance(verdict, FerryError)
                raise verdict
        raise LedgerUnavailable("keys and budgets keep changing")

    def _question(self, request: _Request, key: KeyTerms) -> Events:
        """The events, attributed on the books of this moment. Raises a refusal."""
        books = self._gateway.ledger.books
        # The key may have changed since the request came: that of the books is the one that counts.
        key = books.keys_by_id.get(key.id, key)
        key.check(self._gateway.now_us())
        events = []
        for told in request.told:
            request.attribution = attribute(
                Carried(
                    request.head.attribution,
                    request.scope.get("ferry.path", ""),
                    told.metadata,
                    event=told.own,
                ),
                key.policies,
            )
            events.append(_event(told, request.attribution, key))
        return Events(tuple(events), books.epoch)

    def _deny(self, request: _Request, error: FerryError) -> None:
        """A refused request of a known key is a row too; a stranger's is not."""
        if request.key is None or not isinstance(error, Refusal):
            return
        if request.key.id in self._gateway.ledger.books.keys_by_id:
            new = request.new
            opening = _opening(new.seq, new.text("c"), new.at_us, request.attribution, request.key)
            self._gateway.ledger.deny_soon(Deny(opening, error))


def _opening(
    seq: int, id: str, at_us: int, attribution: Attribution, key: KeyTerms, meter: str = ""
) -> Opening:
    return Opening(
        seq=seq,
        id=id,
        started_at=at_us,
        key_id=key.id,
        tenant=attribution.tenant,
        user=attribution.user,
        assistant=attribution.assistant,
        thread=attribution.thread,
        feature=attribution.feature,
        provider=METER if meter else "",
        model=meter,
        requested_model=meter,
        priority=attribution.priority,
        endpoint=ENDPOINT,
        tags=pairs_text(attribution.tags),
        sources=pairs_text(attribution.sources),
    )


def _event(told: Told, attribution: Attribution, key: KeyTerms) -> Event:
    """One event as the ledger records it: row key, id and times are the ledger's to give."""
    target = {"key": key.id, "provider": METER, "model": told.meter, "route": ""}
    return Event(
        id=told.id,
        opening=_opening(0, "", 0, attribution, key, told.meter),
        facts={**facts_of(attribution), **target},
        quantity=told.quantity,
        body_hash=told.body_hash,
        cost_nanousd=told.cost_nanousd,
        occurred_us=told.occurred_us,
    )
