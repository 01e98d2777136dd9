"""A call's row in its two halves, opening and closing, and the statements that write it.

The halves are named tuples, not dataclasses: an opening is itself the values of its statement, and
one of each is made for every call.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, NamedTuple

from ferrycli.rules.meters import METER
from ferrycli.rules.pricing import Cost
from ferrycli.rules.usage import BUCKETS, WRITE_BUCKETS, Usage


class Opening(NamedTuple):
    """What is known of a call before it goes. Field names are column names."""

    seq: int
    id: str
    started_at: int
    key_id: str
    tenant: str = ""
    user: str = ""
    assistant: str = ""
    thread: str = ""
    feature: str = ""
    provider: str = ""
    model: str = ""
    route: str = ""
    expected_nanousd: int | None = None
    price_version: str = ""
    priority: str = "normal"
    endpoint: str = ""
    is_stream: bool = False
    requested_model: str = ""
    sent_model: str = ""
    client_retry: int = 0
    tags: str = ""
    sources: str = ""
    prefix_hash: int = 0
    request_hash: int = 0
    last_message_hash: int = 0
    prefix_bytes: int = 0
    request_bytes: int = 0
    last_message_bytes: int = 0
    input_bound: int = 0
    choices: int = 1
    tier_asked: str = ""
    input_ceiling_nanousd: int | None = None
    output_rate_nanousd: int | None = None
    output_asked: int | None = None
    expected_output: int = 0
    assignment: str = ""


class Aim(NamedTuple):
    """What a call's row says of the target that it goes to. Field names are column names."""

    provider: str
    model: str
    route: str
    sent_model: str
    expected_nanousd: int | None = None
    price_version: str = ""
    input_bound: int = 0
    input_ceiling_nanousd: int | None = None
    output_rate_nanousd: int | None = None

    @classmethod
    def of(cls, opening: Opening) -> Aim:
        """The target that an opening names."""
        return cls(*_aim_of(opening))

    def on(self, opening: Opening) -> Opening:
        """`opening`, with this target instead of its own."""
        return opening._replace(**self._asdict())


_aim_of = attrgetter(*Aim._fields)


class Decided(NamedTuple):
    """What admission adds to an opening. Field names are column names."""

    state: str
    outcome: str
    admitted_at: int
    finished_at: int | None
    hold_nanousd: int
    output_held: int | None
    output_sent: int | None
    free_nanousd: int | None
    budget_id: str
    windows: str
    epoch: int
    instance_id: str
    status: int = 0
    error_code: str = ""
    cost_nanousd: int | None = None
    rule: str = ""
    reason: str = ""
    downgraded_from: str = ""
    admit_no: int = 0


def quoted(names: tuple[str, ...]) -> str:
    """Column names for a statement; `user` is a word of SQL."""
    return ", ".join(f'"{name}"' for name in names)


class Held(NamedTuple):
    """What admission adds to the opening of a call that goes. Field names are column names."""

    admitted_at: int
    hold_nanousd: int
    output_held: int | None
    output_sent: int | None
    free_nanousd: int | None
    budget_id: str
    windows: str
    epoch: int
    instance_id: str
    rule: str
    reason: str
    downgraded_from: str
    admit_no: int


ROWS_AT_ONCE = (16, 4, 1)
"""Rows of statements that write many: for each statement this thread gives up the interpreter's
lock and waits for it again."""

_HELD = (*Opening._fields, *Held._fields)
HELD_WIDTH = len(_HELD)
_HELD_ROW = f"({', '.join('?' * HELD_WIDTH)}, 'held')"
INSERT_HELD = {
    rows: f"INSERT INTO calls ({quoted((*_HELD, 'state'))}) VALUES {', '.join([_HELD_ROW] * rows)}"
    for rows in ROWS_AT_ONCE
}
"""By how many calls it writes; the parameters are those of an `Opening` and then of a `Held`."""
_COLUMNS = (*Opening._fields, *Decided._fields)
INSERT_CALL = f"INSERT INTO calls ({quoted(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
"""Its parameters are those of an `Opening` and then of a `Decided`."""


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One billed thing, where a reply billed several models, or of an event. Field names are
    column names."""

    provider: str
    model: str
    bucket: str
    quantity: int
    rate_nanousd: int | None
    """Per million units; None where nothing says it."""
    cost_nanousd: int | None
    reason: str = ""
    """What the provider calls it: `message`, `advisor_message`."""


_LINE = tuple(field.name for field in fields(BilledLine))
INSERT_LINE = (
    f"INSERT INTO lines (call_seq, number, {', '.join(_LINE)})"
    f" VALUES (?, ?, {', '.join('?' * len(_LINE))})"
)
_line_values = attrgetter(*_LINE)


def lines_values(seq: int, lines: tuple[BilledLine, ...]) -> list[tuple[Any, ...]]:
    """The parameters of `INSERT_LINE`, for each of a call's lines."""
    return [(seq, number, *_line_values(line)) for number, line in enumerate(lines, 1)]


class Closing(NamedTuple):
    """What became of a call; sent to the ledger exactly once for each."""

    seq: int
    state: str
    """`settled`, or `released` where nothing was billed."""
    outcome: str
    finished_at: int
    first_byte_at: int | None = None
    status: int = 0
    error_code: str = ""
    model: str = ""
    """The model in the reply; empty keeps the one that was asked for."""
    usage: Usage = Usage()
    cost: Cost | None = Cost()
    """None: unpriced."""
    is_cost_known: bool = True
    """False: the cost is an estimate, and the rest of the hold stays in doubt."""
    cost_source: str = ""
    provider_cost_nanousd: int | None = None
    tier: str = ""
    attempts: int = 1
    finish_reason: str = ""
    reason: str = ""
    """Empty keeps the reason of the admission."""
    attempt: int = 0
    """Which attempt it tells of, as the ledger has admitted them; 0: the one of now."""
    lines: tuple[BilledLine, ...] = ()
    """Where one reply billed several things; its cost is their sum."""
    characters: int = 0
    """Of an answer that is plain text, to be learned from; 0: it is not. No column has it."""

    @property
    def cost_nanousd(self) -> int | None:
        """The whole cost; None where it has no price."""
        return None if self.cost is None else self.cost.total


_USAGE = (*BUCKETS, "reasoning")
_CLOSING = (
    "state",
    "outcome",
    "finished_at",
    "first_byte_at",
    "status",
    "error_code",
    "cost_source",
    "provider_cost_nanousd",
    "tier",
    "attempts",
    "finish_reason",
)
_PARTS = {
    "cost_input_nanousd": ("input",),
    "cost_cache_read_nanousd": ("cache_read",),
    "cost_cache_write_nanousd": WRITE_BUCKETS,
    "cost_output_nanousd": ("output",),
    "cost_other_nanousd": (
        "audio_in",
        "audio_out",
        "image_in",
        "web_search",
        "provider",
        "estimate",
        "earlier",
        METER,
    ),
}
_PART_OF = {bucket: number for number, buckets in enumerate(_PARTS.values()) for bucket in buckets}
_OTHER = [*_PARTS].index("cost_other_nanousd")
_COMPUTED = (
    "cost_nanousd",
    "is_price_incomplete",
    "doubt_nanousd",
    "close_no",
    *(f"n_{name}" for name in _USAGE),
    *_PARTS,
)
_SET = (*_CLOSING, *_COMPUTED)
CLOSED_WIDTH = len(_SET) + 3


def _close_calls(rows: int) -> str:
    values, condition = [f"?{number}" for number in range(1, CLOSED_WIDTH + 1)], ""
    if rows > 1:
        values = [f"given.column{number}" for number in range(1, CLOSED_WIDTH + 1)]
        row = f"({', '.join('?' * CLOSED_WIDTH)})"
        condition = f" FROM (VALUES {', '.join([row] * rows)}) AS given"
    seq, model, reason, *others = values
    pairs = ", ".join(f"{name} = {value}" for name, value in zip(_SET, others, strict=True))
    return (
        f"UPDATE calls SET {pairs}, model = CASE WHEN {model} = '' THEN model ELSE {model} END,"
        f" reason = CASE WHEN {reason} = '' THEN reason ELSE {reason} END{condition}"
        f" WHERE calls.seq = {seq} AND calls.state = 'held'"
    )


CLOSE_CALL = {rows: _close_calls(rows) for rows in ROWS_AT_ONCE}
"""By how many calls it closes; the parameters of each are `close_values`."""
_closing_values = attrgetter(*_CLOSING)
_usage_values = attrgetter(*_USAGE)


_ADMITTED = tuple(name for name in Decided._fields if name not in (*_CLOSING, *_COMPUTED, "reason"))
_KEPT = tuple(name for name in Opening._fields if name != "model")
_FINISHED = (*_KEPT, *_ADMITTED, *_CLOSING, *_COMPUTED, "model", "reason")
INSERT_FINISHED = (
    f"INSERT INTO calls ({quoted(_FINISHED)}) VALUES ({', '.join('?' * len(_FINISHED))})"
)
"""A call that is written once, when it is over: what the two statements above make together."""
_kept_values = attrgetter(*_KEPT)
_admitted_values = attrgetter(*_ADMITTED)


def finished_values(
    opening: Opening, decided: Decided, closing: Closing, doubt_nanousd: int, close_no: int = 0
) -> tuple[Any, ...]:
    """The parameters of `INSERT_FINISHED`."""
    return (
        *_kept_values(opening),
        *_admitted_values(decided),
        *_closed_values(closing, doubt_nanousd, close_no),
        closing.model or opening.model,
        closing.reason or decided.reason,
    )


def close_values(closing: Closing, doubt_nanousd: int, close_no: int = 0) -> tuple[Any, ...]:
    """The parameters of `CLOSE_CALL`, of one call."""
    return (
        closing.seq,
        closing.model,
        closing.reason,
        *_closed_values(closing, doubt_nanousd, close_no),
    )


def _closed_values(closing: Closing, doubt_nanousd: int, close_no: int) -> tuple[Any, ...]:
    """What `_CLOSING` and `_COMPUTED` name."""
    cost = closing.cost
    parts = [0] * len(_PARTS)
    total = None
    if cost is not None:
        total = 0
        for bucket, amount in cost.lines:
            total += amount
            parts[_PART_OF.get(bucket, _OTHER)] += amount
    return (
        *_closing_values(closing),
        total,
        cost is not None and cost.is_incomplete,
        doubt_nanousd,
        close_no,
        *_usage_values(closing.usage),
        *parts,
    )


_AGAIN = (
    *Aim._fields,
    "hold_nanousd",
    "output_held",
    "output_sent",
    "free_nanousd",
    "budget_id",
    "windows",
    "attempts",
    "admit_no",
)
GO_AGAIN = (
    f"UPDATE calls SET {', '.join(f'{name} = ?' for name in _AGAIN)}"
    " WHERE seq = ? AND state = 'held'"
)
"""A call in flight goes to another target, with another hold."""

INSERT_ATTEMPT = (
    "INSERT INTO attempts (call_seq, number, provider, model, route, started_at, finished_at,"
    " state, status, error_code, reason, hold_nanousd, doubt_nanousd, cost_nanousd, cost_source,"
    " windows, input_ceiling_nanousd, output_rate_nanousd, output_held)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

INSERT_EVENT = (
    "INSERT INTO events (key_id, event_id, call_seq, body_hash, recorded_at) VALUES (?, ?, ?, ?, ?)"
)
