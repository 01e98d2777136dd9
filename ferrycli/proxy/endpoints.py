"""The small endpoints: what a key may do and has spent, the receipt of a call, models, health.

None of them carries a call, and none reads the database on the event loop.
"""

from __future__ import annotations

from typing import Any

from ferrycli.proxy.gate import Scope, is_local
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.listing import entries, entry
from ferrycli.proxy.replies import dialect_of, send_error, send_json
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadKey, MethodNotAllowed, NoSuchPath, Refusal
from ferrycli.rules.errors import FerryError, NoSuchCall
from ferrycli.rules.holders import sure_budgets, sure_facts, sure_limits
from ferrycli.rules.keys import PREFIX, KeyTerms
from ferrycli.store.ids import TEXT_LENGTH
from ferrycli.store.reads_holders import standings
from ferrycli.store.reads_receipts import receipt
from ferrycli.wire.bodies import json_body
from ferrycli.wire.me import me_body
from ferrycli.wire.model_lists import model_body, models_body


class Endpoint:
    """A small endpoint: refusals become replies."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    """Empty: any."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, _receive: Any, send: Any) -> None:
        try:
            if self.methods and scope["method"] not in self.methods:
                raise MethodNotAllowed(scope["method"], safe(scope["path"]))
            self._gateway.gate.check(scope)
            status, body = await self.answer(scope)
        except FerryError as error:
            await send_error(send, error, [], dialect=dialect_of(scope))
            return
        await send_json(send, status, body, [])

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        """Status and body. May raise a refusal."""
        raise NotImplementedError

    async def holder(self, scope: Scope) -> KeyTerms:
        """The key that asks, of any role, as it stands in the file now. Raises as `Gateway.key`."""
        key = await self._gateway.key(scope)
        books = await self._gateway.ledger.refresh()
        key = books.keys_by_id.get(key.id, key)
        key.check_open(self._gateway.now_us())
        return key


class Root(Endpoint):
    """`HEAD /`, by which Claude Code looks whether anybody is there."""

    methods = ("HEAD",)

    async def answer(self, _scope: Scope) -> tuple[int, bytes]:
        return 200, b""


class Me(Endpoint):
    """`GET /ferry/v1/me`: what the holder of this key may spend and has spent."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        gateway = self._gateway
        key = await self.holder(scope)
        books, now_us = gateway.ledger.books, gateway.now_us()
        facts = sure_facts(key)
        budgets = sure_budgets(books.matching(facts), facts)
        limits = sure_limits(books.limit_matcher.matching(facts), facts)
        found = await gateway.reads.ask(lambda connection: standings(connection, budgets, now_us))
        return 200, me_body(key, found, limits, now_us, gateway.spent_status)


class CallReceipt(Endpoint):
    """`GET /ferry/v1/calls/{id}`: one call, for its own key, or for one that may read."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        key = await self.holder(scope)
        id: str = scope["path_params"]["id"]
        plain = id.removeprefix("c_")
        if not (plain.isascii() and plain.isalnum() and len(plain) <= TEXT_LENGTH):
            raise NoSuchCall(safe(id))
        of = key.id if key.role == "call" else None
        found = await self._gateway.reads.ask(lambda connection: receipt(connection, id, of))
        return 200, json_body(found)


class Models(Endpoint):
    """`GET /v1/models` and `GET /v1beta/models`: what this key may call, in the asker's form."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        key, now_us = await self.caller(scope)
        found = entries(self._gateway.snapshot(), key, now_us)
        return 200, models_body(found, dialect_of(scope).name)

    async def caller(self, scope: Scope) -> tuple[KeyTerms, int]:
        """The key, which must be one for calls, and the time."""
        key = await self._gateway.key(scope)
        now_us = self._gateway.now_us()
        key.check(now_us)
        return key, now_us


class Model(Models):
    """`GET /v1/models/{id}` and `GET /v1beta/models/{id}`: one of them, by any of its names."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        key, now_us = await self.caller(scope)
        found = entry(self._gateway.snapshot(), key, scope["path_params"]["id"], now_us)
        return 200, model_body(found, dialect_of(scope).name)


class Health(Endpoint):
    """The process answers."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        await _check_reader(self._gateway, scope)
        return 200, b'{"status":"ok"}'


class Ready(Endpoint):
    """The ledger can write, and the server is not stopping."""

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        await _check_reader(self._gateway, scope)
        if self._gateway.state["stopping"]:
            return 503, b'{"status":"stopping"}'
        if self._gateway.ledger.is_failing:
            return 503, b'{"status":"ledger_unavailable"}'
        return 200, b'{"status":"ready"}'


async def _check_reader(gateway: Gateway, scope: Scope) -> None:
    """From this machine, or with a key of role `read` or `admin`."""
    if is_local(scope):
        return
    key = await gateway.key(scope)
    if key.role not in ("read", "admin"):
        raise BadKey(f"{PREFIX}…{key.last4}", "role")


class NotFound(Endpoint):
    """Any other path."""

    methods = ()

    async def answer(self, scope: Scope) -> tuple[int, bytes]:
        refusal: Refusal = NoSuchPath(scope["method"], safe(scope["path"]))
        raise refusal
