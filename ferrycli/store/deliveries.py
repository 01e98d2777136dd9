"""Alerts on their way to people: at least once, with one id, in short transactions.

An alert is claimed with its recipients, a try is written down before it is made, and its end
after: whoever dies in between tries again, with the same id. Nothing is locked while a message is
sent. Uses the driver alone. Source: docs/notices.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ferrycli.rules.channels import Recipient
from ferrycli.rules.errors import LedgerUnavailable
from ferrycli.rules.notice_words import Alerted
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import seq_prefix

CLAIMED_MAX = 50
"""Alerts of one transaction."""
WAIT_US_MIN = MICROSECONDS
WAIT_US_MAX = 3_600 * MICROSECONDS
TOLD_WITHIN_US = 3 * 86_400 * MICROSECONDS
"""What could not be delivered so long after its alert is given up with the next failure."""
TRIES_MAX = 200
"""Given up, too: a server that dies of every try ends trying."""
ERROR_LENGTH_MAX = 200

Content = TypeVar("Content", "list[Any]", "dict[str, Any]")

Resolve = Callable[[str, tuple[str, ...]], tuple[Recipient, ...]]
"""Owner and channels that a rule names to who is told."""

_ALERT = (
    "a.id, a.kind, a.created_at, a.budget_id, a.subject, a.window_start, a.threshold,"
    " a.limit_nanousd, a.selector, a.action, a.owner, a.channels, a.spent_nanousd,"
    " a.held_nanousd, a.doubt_nanousd, a.detail, coalesce(b.period, ''), coalesce(b.zone, 'UTC'),"
    " coalesce(b.is_prepaid, 0), coalesce((SELECT c.id FROM calls c WHERE a.kind = 'overrun'"
    " AND c.seq = CAST(a.subject AS INTEGER)), ''),"
    " (SELECT count(*) FROM budgets o WHERE o.subject = b.subject AND o.period = b.period"
    " AND o.is_prepaid = b.is_prepaid AND o.removed_at IS NULL) > 1"
)
_BUDGET = "LEFT JOIN budgets b ON b.id = a.budget_id"
_NEW = (
    f"SELECT {_ALERT} FROM alerts a {_BUDGET} WHERE a.state = 'new' ORDER BY a.created_at LIMIT ?"
)
_CLAIM = "UPDATE alerts SET state = ? WHERE id = ? AND state = 'new'"
_ADD = (
    "INSERT OR IGNORE INTO deliveries (alert_id, channel, recipient, next_at) VALUES (?, ?, ?, ?)"
)
# A clock that was set back must not silence anybody for as long as it went back.
_IS_DUE = "d.state = 'waiting' AND (d.next_at <= ? OR d.next_at > ?)"
_DUE = (
    f"SELECT d.channel, d.recipient, d.tries, {_ALERT} FROM deliveries d"
    f" JOIN alerts a ON a.id = d.alert_id {_BUDGET} WHERE {_IS_DUE} AND d.channel = ?"
    " ORDER BY d.next_at, d.rowid LIMIT 1"
)
_DUE_ELSEWHERE = (
    f"SELECT d.channel FROM deliveries d WHERE {_IS_DUE}"
    " AND d.channel NOT IN (SELECT value FROM json_each(?)) LIMIT 1"
)
_THIS = "WHERE alert_id = ? AND channel = ? AND recipient = ? AND state = 'waiting'"
_TRY = f"UPDATE deliveries SET tries = ?, next_at = ? {_THIS}"
_DONE = f"UPDATE deliveries SET state = 'delivered', delivered_at = ?, error = '' {_THIS}"
_TOLD = "UPDATE alerts SET told_at = ? WHERE id = ? AND told_at IS NULL"
_LATER = f"UPDATE deliveries SET state = ?, next_at = ?, error = ? {_THIS}"
_END = (
    "UPDATE alerts SET state = CASE WHEN told_at IS NULL THEN 'failed' ELSE 'told' END"
    " WHERE id = ? AND state = 'sending' AND NOT EXISTS"
    " (SELECT 1 FROM deliveries WHERE alert_id = alerts.id AND state = 'waiting')"
)


@dataclass(frozen=True, slots=True)
class Due:
    """One try that may be made now, and is written down."""

    alert: Alerted
    channel: str
    recipient: str
    """An address, where the channel is mail; else empty."""
    number: int
    """Of the try: 1 for the first."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The delivery's key."""
        return self.alert.id, self.channel, self.recipient


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was picked up in one transaction."""

    count: int
    unheard: tuple[Alerted, ...]
    """Alerts for which no channel is configured."""


def wait_us(number: int, chance: float) -> int:
    """How long to wait after try `number`: from 1 s, doubled, to 1 h; up to a half of it less.

    `chance`: from 0 to 1, so that what failed together is not tried again together.
    """
    whole_us = min(WAIT_US_MIN << min(number - 1, 20), WAIT_US_MAX)
    return max(WAIT_US_MIN, whole_us - int(whole_us * chance / 2))


class Outbox:
    """A writer connection of its own to one database. Every method may raise `LedgerUnavailable`.

    Not for use by several threads at once.
    """

    def __init__(self, path: Path, now_us: Callable[[], int], chance: Callable[[], float]) -> None:
        """Raises `DatabaseUnusable`. `chance`: a number from 0 to 1."""
        self._now_us = now_us
        self._chance = chance
        self._version = -1
        self._connection = open_writer(path)
        try:
            with _told():
                # What a power failure takes back is sent again: no sync is waited for.
                self._connection.execute("PRAGMA synchronous=NORMAL")
        except LedgerUnavailable:
            self._connection.close()
            raise

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def has_moved(self) -> bool:
        """Whether another connection has committed since this was last asked; 4 µs."""
        with _told():
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        has_moved, self._version = version != self._version, version
        return has_moved

    def claim(self, resolve: Resolve) -> Claimed:
        """Give new alerts their deliveries, `CLAIMED_MAX` at most; who has none is unheard."""
        with _told():
            rows = self._connection.execute(_NEW, [CLAIMED_MAX]).fetchall()
        alerts = [_alerted(row) for row in rows]
        unheard: list[Alerted] = []
        if alerts:
            with self._writing():
                for alert in alerts:
                    found = resolve(alert.owner, alert.channels)
                    self._claim_one(alert, found)
                    if not found:
                        unheard.append(alert)
        return Claimed(len(alerts), tuple(unheard))

    def _claim_one(self, alert: Alerted, found: tuple[Recipient, ...]) -> None:
        state = "sending" if found else "nobody"
        self._connection.execute(_CLAIM, (state, alert.id))
        now_us = self._now_us()
        rows = [(alert.id, one.channel, one.address, now_us) for one in found]
        self._connection.executemany(_ADD, rows)

    def begin(self, channels: Iterable[str]) -> list[Due]:
        """One try for each of `channels` that has one due, each written down."""
        with _told():
            return list(self._begun(channels))

    def begin_elsewhere(self, channels: Iterable[str]) -> list[Due]:
        """As `begin`, for one channel that is none of `channels`: it is not configured any more."""
        now_us = self._now_us()
        values = (now_us, now_us + WAIT_US_MAX, json.dumps(list(channels)))
        with _told():
            row = self._connection.execute(_DUE_ELSEWHERE, values).fetchone()
        return self.begin([row[0]]) if row else []

    def _begun(self, channels: Iterable[str]) -> Iterator[Due]:
        now_us = self._now_us()
        found: list[Due] = []
        for channel in channels:
            values = (now_us, now_us + WAIT_US_MAX, channel)
            row = self._connection.execute(_DUE, values).fetchone()
            if row is not None:
                found.append(Due(_alerted(row[3:]), row[0], row[1], row[2] + 1))
        if found:
            with self._writing():
                for due in found:
                    next_us = now_us + wait_us(due.number, self._chance())
                    self._connection.execute(_TRY, (due.number, next_us, *due.key))
        yield from found

    def delivered(self, due: Due) -> None:
        """The message has got through."""
        now_us = self._now_us()
        with self._writing():
            if self._connection.execute(_DONE, (now_us, *due.key)).rowcount:
                self._connection.execute(_TOLD, (now_us, due.alert.id))
                self._connection.execute(_END, [due.alert.id])

    def not_delivered(self, due: Due, why: str, *, is_final: bool, wait_s: int = 0) -> bool:
        """It has not; whether it is given up.

        `why`: in words, without a secret. `wait_s`: what the receiver asked for.
        """
        now_us = self._now_us()
        is_old = now_us - due.alert.at_us >= TOLD_WITHIN_US
        is_given_up = is_final or is_old or due.number >= TRIES_MAX
        wait = max(wait_us(due.number, self._chance()), wait_s * MICROSECONDS)
        next_us = now_us + min(wait, WAIT_US_MAX)
        state = "failed" if is_given_up else "waiting"
        with self._writing():
            values = (state, next_us, why[:ERROR_LENGTH_MAX], *due.key)
            if self._connection.execute(_LATER, values).rowcount and is_given_up:
                self._connection.execute(_END, [due.alert.id])
        return is_given_up

    def next_us(self) -> int | None:
        """When the next try is due; None where nothing waits."""
        query = "SELECT min(next_at) FROM deliveries WHERE state = 'waiting'"
        with _told():
            found = self._connection.execute(query).fetchone()[0]
        return None if found is None else int(found)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise


@contextmanager
def _told() -> Iterator[None]:
    """What the driver says, as an error of the house."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerUnavailable(str(error)) from None


def _alerted(row: tuple[object, ...]) -> Alerted:
    """The columns of `_ALERT`. What the ledger wrote at the time counts before the budget's."""
    values = list(row)
    detail, subject = _detail(str(values[15])), str(values[4])
    if values[1] == "overrun" and subject.isdigit():
        subject = str(values[19]) or seq_prefix(int(subject))
    period, zone = str(values[16]), str(values[17])
    return Alerted(
        id=str(values[0]),
        kind=str(values[1]),
        at_us=_int(values[2]),
        budget_id=str(values[3]),
        subject=subject,
        window_start_us=_int(values[5]),
        threshold=_int(values[6]),
        limit_nanousd=_int(values[7]),
        selector=str(values[8]),
        action=str(values[9]),
        owner=str(values[10]),
        channels=tuple(str(one) for one in _read(str(values[11]), list)),
        spent_nanousd=_int(values[12]),
        held_nanousd=_int(values[13]),
        doubt_nanousd=_int(values[14]),
        period=str(detail.pop("period", period)),
        zone=str(detail.pop("zone", zone)),
        is_prepaid=bool(values[18]),
        needs_zone=bool(values[20]),
        detail=detail,
    )


def _detail(text: str) -> dict[str, str | int]:
    """Text to text or whole number; what is neither is written as JSON."""
    return {
        str(name): value if type(value) in (str, int) else json.dumps(value, ensure_ascii=False)
        for name, value in _read(text, dict).items()
    }


def _read(text: str, kind: type[Content]) -> Content:
    """JSON of one kind. What is none is empty: one bad row must not silence the others."""
    try:
        found = json.loads(text)
    except ValueError:
        return kind()
    return found if isinstance(found, kind) else kind()


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
