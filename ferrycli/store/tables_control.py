"""The tables of control, as SQLModel classes: grants, routes, limits, notices, histories.

As in `store/tables.py`: whole nano-dollars, UTC microseconds, and a missing dimension is the empty
string. Source: docs/money.md, docs/routes.md, docs/notices.md.
"""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from ferrycli.store.tables import big


class Alert(SQLModel, table=True):
    """Something that an owner must be told, once: written in the transaction that saw it."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "alerts_once",
            "kind",
            "budget_id",
            "subject",
            "window_start",
            "threshold",
            "limit_nanousd",
            unique=True,
        ),
        Index("alerts_new", "created_at", sqlite_where=text("state = 'new'")),
    )

    id: str = Field(primary_key=True)
    """The id that every delivery carries."""
    kind: str = "budget"
    """`budget`, `overrun`, `provider_money`, `circuit` or `loop`."""
    budget_id: str = ""
    subject: str = ""
    """Of a budget the window's subject; else the provider, target or thread."""
    window_start: int = big()
    """Of a rolling budget 0, and, once it has fallen under this, when this was noted."""
    threshold: int = big()
    """Percent, of a budget; 0 of other kinds."""
    limit_nanousd: int = big()
    selector: str = ""
    action: str = ""
    """The rules at this threshold as they are written, joined by commas."""
    owner: str = ""
    channels: str = "[]"
    """JSON: channels that the rule names besides the owner's."""
    spent_nanousd: int = big()
    held_nanousd: int = big()
    doubt_nanousd: int = big()
    detail: str = "{}"
    """JSON: what else there is to say, text to text."""
    created_at: int = big()
    state: str = "new"
    """`new`, `sending`, `told`, `failed`, or `nobody` where no channel is configured."""
    told_at: int | None = big(default=None, nullable=True)


class Delivery(SQLModel, table=True):
    """One alert on its way to one channel."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_waiting", "next_at", sqlite_where=text("state = 'waiting'")),
    )

    alert_id: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    recipient: str = Field(primary_key=True, default="")
    """An address, where the channel is mail; else empty."""
    state: str = "waiting"
    """`waiting`, `delivered` or `failed` (given up)."""
    tries: int = big()
    next_at: int = big()
    error: str = ""
    delivered_at: int | None = big(default=None, nullable=True)


class Grant(SQLModel, table=True):
    """Money added to a budget: a top-up of a prepaid one, or a boost of another for a time.

    Of a top-up, amount = remaining + held + doubt + drawn + expired + voided, each at least 0.
    """

    __tablename__ = "grants"
    __table_args__ = (
        Index("grants_of", "budget_id"),
        Index(
            "grants_external",
            "budget_id",
            "external_id",
            unique=True,
            sqlite_where=text("external_id <> ''"),
        ),
    )

    id: str = Field(primary_key=True)
    budget_id: str
    kind: str = "grant"
    """`grant` or `boost`."""
    external_id: str = ""
    """The operator's own number of it: the same one is never granted twice."""
    amount_nanousd: int = big()
    note: str = ""
    created_at: int = big()
    expires_at: int | None = big(default=None, nullable=True)
    voided_at: int | None = big(default=None, nullable=True)
    balance_nanousd: int = big()
    """What was left of the budget right after this grant, what was held and in doubt included."""
    held_nanousd: int = big()
    doubt_nanousd: int = big()
    drawn_nanousd: int = big()


class Route(SQLModel, table=True):
    """A name that calls ask for, and the targets that may answer."""

    __tablename__ = "routes"
    __table_args__ = (
        Index("routes_name", "name", unique=True, sqlite_where=text("removed_at IS NULL")),
    )

    id: str = Field(primary_key=True)
    name: str
    targets: str = "[]"
    """JSON: objects of `target`, `weight`, `when`."""
    cheaper: str = ""
    free: str = ""
    settings: str = "{}"
    """JSON: `first_byte_s`, `total_s`, `output_max`, `sticky`, `retry`."""
    created_at: int = big()
    removed_at: int | None = big(default=None, nullable=True)
    revision: int = big(default=1)


class Assignment(SQLModel, table=True):
    """Calls that match a selector use a route instead of what they ask for."""

    __tablename__ = "assignments"

    id: str = Field(primary_key=True)
    selector: str
    subject: str = "[]"
    """JSON: [dimension, value] pairs, as of a budget."""
    route: str = ""
    """Empty: only `output_max` applies."""
    output_max: int | None = big(default=None, nullable=True)
    until_at: int | None = big(default=None, nullable=True)
    created_at: int = big()
    removed_at: int | None = big(default=None, nullable=True)
    revision: int = big(default=1)


class Limit(SQLModel, table=True):
    """Requests and tokens a minute, and calls at once, of what matches a selector."""

    __tablename__ = "limits"

    id: str = Field(primary_key=True)
    selector: str
    subject: str = "[]"
    rpm: int | None = big(default=None, nullable=True)
    tpm: int | None = big(default=None, nullable=True)
    parallel_max: int | None = big(default=None, nullable=True)
    created_at: int = big()
    removed_at: int | None = big(default=None, nullable=True)
    revision: int = big(default=1)


class ThreadRelease(SQLModel, table=True):
    """A thread that its owner let go on after the loop guard stopped it."""

    __tablename__ = "thread_releases"

    id: str = Field(primary_key=True)
    thread: str
    released_at: int = big()


class Revision(SQLModel, table=True):
    """What a budget, a limit, a route or an assignment said at one time."""

    __tablename__ = "revisions"

    object: str = Field(primary_key=True)
    """`budget`, `limit`, `route` or `assignment`."""
    id: str = Field(primary_key=True)
    revision: int = big(key=True)
    at: int = big()
    content: str = "{}"
    """JSON: the row."""


class Idempotency(SQLModel, table=True):
    """An `Idempotency-Key` of a call that went out, for 24 hours."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("idempotency_age", "created_at"),)

    key_id: str = Field(primary_key=True)
    idempotency_key: str = Field(primary_key=True)
    call_seq: int = big()
    request_hash: int = big()
    created_at: int = big()


class Event(SQLModel, table=True):
    """The id of an event that was told, for ever: what the row of `calls` beside it was made of.

    A new one takes the day that it counts in out of `summed_days`.
    """

    __tablename__ = "events"
    __table_args__ = (Index("events_call", "call_seq", unique=True),)

    key_id: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    call_seq: int = big()
    body_hash: int = big()
    """Salted, of what it said."""
    recorded_at: int = big()
    """When it came; the times of its call are those of the moment that it counts for."""


class Health(SQLModel, table=True):
    """The circuit of one model at one provider."""

    __tablename__ = "health"

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    state: str = "closed"
    """`closed`, `open` or `half_open`."""
    since: int = big()
    until_at: int | None = big(default=None, nullable=True)
    reason: str = ""
