"""The body of `POST /ferry/v1/events`, read and answered: one event, or a list of them.

An event that cannot be read as it stands is refused by the name of its field: what is left out of
a bill in silence is found too late.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from ferrycli.rules.attribution import DIMENSIONS
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter
from ferrycli.rules.meters import COST_NANOUSD_MAX, Receipt
from ferrycli.rules.money import NANO_PER_USD, nanousd, usd
from ferrycli.rules.stamps import iso
from ferrycli.rules.usage import COUNT_MAX
from ferrycli.wire.bodies import json_body
from ferrycli.wire.intakes.carried import hashed, text_members
from ferrycli.wire.intakes.checks import decoded

SCHEMA = "ferry.events/1"
EVENTS_MAX = 200
"""Events of one request: they are recorded together, and calls wait meanwhile."""
ID_LENGTH_MAX = 200
METER_LENGTH_MAX = 100

_METER = re.compile(rf"[A-Za-z0-9_.:-]{{1,{METER_LENGTH_MAX}}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ABSENT = msgspec.Raw(b"")


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    meter: str
    quantity: int
    cost_usd: Decimal | None = None
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    tenant: str | None = None
    user: str | None = None
    assistant: str | None = None
    thread: str | None = None
    feature: str | None = None
    metadata: dict[str, Any] | None = None


class _Several(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_Event]


class _Either(msgspec.Struct):
    events: msgspec.Raw = _ABSENT


_decode_either = msgspec.json.Decoder(_Either).decode
_decode_several = msgspec.json.Decoder(_Several).decode
_decode_event = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Told:
    """One event, as its body tells it."""

    id: str
    meter: str
    quantity: int
    cost_nanousd: int | None
    """What it says itself that it cost."""
    occurred_us: int | None
    own: Mapping[str, str]
    """Dimension to value, as the event names them."""
    metadata: Mapping[str, str]
    body_hash: int
    """Salted, of what it says, however that is written."""


def read_events(body: bytes, salt: bytes) -> tuple[Told, ...]:
    """The events of a request, in their order. Raises `NotJson` or `BadParameter`."""
    if bytes(decoded(_decode_either, body).events) == b"":
        return (_told(decoded(_decode_event, body), "", salt),)
    events = decoded(_decode_several, body).events
    if not 1 <= len(events) <= EVENTS_MAX:
        raise BadParameter("events", f"{len(events):,} events", f"1 to {EVENTS_MAX:,} of them")
    return tuple(_told(one, f"events[{at}].", salt) for at, one in enumerate(events))


def _told(event: _Event, place: str, salt: bytes) -> Told:
    if not event.id or safe(event.id, ID_LENGTH_MAX) != event.id:
        wanted = f"text of 1 to {ID_LENGTH_MAX} printable characters"
        raise BadParameter(f"{place}id", safe(event.id, 40) or "empty", wanted)
    if not _METER.fullmatch(event.meter):
        wanted = f"a name such as vector_read: letters, digits, `_.:-`, {METER_LENGTH_MAX} at most"
        raise BadParameter(f"{place}meter", safe(event.meter, 40) or "empty", wanted)
    if not 0 <= event.quantity <= COUNT_MAX:
        wanted = f"a whole number from 0 to {COUNT_MAX:,}"
        raise BadParameter(f"{place}quantity", "out of range", wanted)
    cost = None if event.cost_usd is None else _cost(event.cost_usd, f"{place}cost_usd")
    occurred = event.occurred_at
    occurred_us = None if occurred is None else (occurred - _EPOCH) // _MICROSECOND
    own = {name: value for name in DIMENSIONS if (value := getattr(event, name))}
    said = (event.meter, event.quantity, cost, occurred_us, own, event.metadata or {})
    return Told(
        id=event.id,
        meter=event.meter,
        quantity=event.quantity,
        cost_nanousd=cost,
        occurred_us=occurred_us,
        own=own,
        metadata=text_members(event.metadata),
        body_hash=hashed(msgspec.json.encode(said, order="sorted"), salt),
    )


def _cost(amount: Decimal, field: str) -> int:
    """Nano-dollars, rounded up."""
    # `is_finite` first: NaN cannot be compared.
    if not (amount.is_finite() and 0 <= amount <= COST_NANOUSD_MAX // NANO_PER_USD):
        raise BadParameter(field, "out of range", f"dollars from 0 to {usd(COST_NANOUSD_MAX)}")
    return nanousd(amount)


def events_body(receipts: Sequence[Receipt]) -> bytes:
    """The answer: a receipt for each event, in the order of the request."""
    return json_body(
        {
            "schema": SCHEMA,
            "events": [
                {
                    "id": one.event,
                    "call": one.call,
                    "meter": one.meter,
                    "quantity": one.quantity,
                    "cost_nanousd": one.cost_nanousd,
                    "cost_source": one.cost_source,
                    "counted_at": iso(one.counted_us),
                    "duplicate": one.is_duplicate,
                }
                for one in receipts
            ],
        }
    )
