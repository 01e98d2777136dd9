"""A desk whose budgets are plain INSERTs, and calls in one line, for tests of what it does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from ferrycli.rules.budget import Admission, Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.meters import ENDPOINT, METER, Receipt
from ferrycli.rules.pricing import Cost
from ferrycli.store import audit
from ferrycli.store.batch import Desk
from ferrycli.store.connect import open_reader
from ferrycli.store.ids import IdMaker, NewId
from ferrycli.store.messages import (
    Admit,
    Again,
    Candidate,
    Ended,
    Event,
    Events,
    Message,
    Recorded,
    Verdict,
)
from ferrycli.store.recovery import recover
from ferrycli.store.rows import Aim, Closing, Opening
from tests.store.kit import DAY_US, NOON, SECOND_US, Clock
from tests.store.money_setting import Flaky

HOUR_US = 3_600 * SECOND_US
MONTH_START = NOON - NOON % DAY_US - 17 * DAY_US
"""2026-11-01 00:00 UTC."""
BLOCK = ("50% notify", "100% block")
FOREVER_S = 1e11


class Teller:
    """One server's desk, and another process's hand on its file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.other = sqlite3.connect(path, isolation_level=None)
        self.other.execute("PRAGMA wal_autocheckpoint=0")
        self.other.execute("PRAGMA synchronous=OFF")
        self.insert("keys", id="key_a", name="key_a", secret_sha256="a")
        self._ids = IdMaker(clock, lambda bits: 0)
        self._servers = 0
        self._events = 0
        self.open()

    # The server ---------------------------------------------------------------------------------

    def open(self) -> None:
        self._servers += 1
        self.connection = sqlite3.connect(self.path, isolation_level=None, factory=Flaky)
        self.connection.execute("PRAGMA wal_autocheckpoint=0")
        self.connection.execute("PRAGMA synchronous=OFF")
        server = f"i_{self._servers}"
        self.insert("instances", id=server, heartbeat_at=self.clock())
        self.desk = Desk(self.connection, self.clock, server)
        self.desk.refresh()

    def die(self) -> int:
        """kill -9, and another server on the same file; how many calls it recovered."""
        self.connection.close()
        self.open()
        return recover(self.desk)

    def close(self) -> None:
        self.connection.close()
        self.other.close()

    def do(self, *messages: Message, waiting: Sequence[Admit] = ()) -> list[Verdict | None]:
        return self.desk.process(messages, waiting)

    @contextmanager
    def failing(self, at: str) -> Iterator[None]:
        """The first statement that begins so fails, as on a disk that is full."""
        self.connection.fails_at = at
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            yield
        self.connection.fails_at = ""

    # What operators do --------------------------------------------------------------------------

    def insert(self, table: str, **columns: Any) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        values = list(columns.values())
        self.other.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)

    def budget(
        self, id: str, limit: int, *rules: str, period: str = "month", **columns: Any
    ) -> None:
        """Of tenant acme, where `pairs` does not say otherwise; strict, and counting back."""
        pairs = columns.pop("pairs", [["tenant", "acme"]])
        row: dict[str, Any] = {
            "id": id,
            "selector": ",".join(f"{name}={value or '(none)'}" for name, value in pairs),
            "subject": json.dumps(pairs),
            "limit_nanousd": limit,
            "period": period,
            "rules": json.dumps(rules),
            "created_at": self.clock(),
        }
        self.insert("budgets", **(row | columns))
        self.revise(id)

    def balance(self, id: str, *amounts: int, rules: Sequence[str] = BLOCK, **columns: Any) -> None:
        """A prepaid budget; its grants are named `b1`, `b2`, … after `b`."""
        self.budget(id, 0, *rules, period="total", is_prepaid=1, **columns)
        for number, amount in enumerate(amounts, 1):
            self.grant(f"{id}{number}", id, amount)

    def grant(self, id: str, budget: str, amount: int, **columns: Any) -> None:
        """Its balance is what the budget then has left, what is held or in doubt included."""
        (left,) = self.other.execute(
            "SELECT coalesce(sum(amount_nanousd - drawn_nanousd), 0) FROM grants"
            " WHERE budget_id = ? AND voided_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
            [budget, self.clock()],
        ).fetchone()
        row: dict[str, Any] = {
            "id": id,
            "budget_id": budget,
            "amount_nanousd": amount,
            "created_at": self.clock(),
            "balance_nanousd": left + amount,
        }
        if columns.get("kind") == "boost":
            row["balance_nanousd"] = 0
        self.insert("grants", **(row | columns))

    def change(self, table: str, id: str, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.other.execute(f"UPDATE {table} SET {names} WHERE id = ?", [*columns.values(), id])
        if table == "budgets":
            self.other.execute("UPDATE budgets SET revision = revision + 1 WHERE id = ?", [id])
            self.revise(id)

    def revise(self, id: str) -> None:
        query = "SELECT revision, limit_nanousd, mode, rules FROM budgets WHERE id = ?"
        revision, limit, mode, rules = self.other.execute(query, [id]).fetchone()
        content = {"limit_nanousd": limit, "mode": mode, "rules": json.loads(rules)}
        self.other.execute(
            "INSERT INTO revisions VALUES ('budget', ?, ?, ?, ?)",
            [id, revision, self.clock(), json.dumps(content)],
        )

    # What clients do ----------------------------------------------------------------------------

    def new(self) -> NewId:
        return self._ids.make()

    def admit(self, new: NewId, *targets: Candidate, **more: Any) -> Admit:
        """`more` is of the opening, but for what a question has of its own."""
        own = {
            name: more.pop(name)
            for name in ("tokens", "idempotency_key", "may_wait", "epoch")
            if name in more
        }
        first = targets[0]
        assert first.aim is not None
        named: dict[str, Any] = {
            "tenant": "acme",
            "expected_nanousd": first.aim.expected_nanousd,
            "provider": first.aim.provider,
            "model": first.aim.model,
            "sent_model": first.aim.sent_model,
        }
        facts = {"key": "key_a", "tenant": "acme"} | {
            name: more[name]
            for name in ("tenant", "user", "assistant", "thread", "feature")
            if name in more
        }
        opening = Opening(new.seq, new.text("c"), new.at_us, "key_a", **(named | more))
        candidates = tuple(
            Candidate(one.ask, {**facts, **one.facts}, one.aim, one.tier, one.via, one.condition)
            for one in targets
        )
        question = Admit(opening, candidates, self.desk.books.epoch)
        return question._replace(**own)

    def ask(self, *targets: Candidate, **more: Any) -> tuple[NewId, Verdict | None]:
        """One call, alone in its batch."""
        new = self.new()
        (verdict,) = self.do(self.admit(new, *targets, **more))
        return new, verdict

    def begin(self, *targets: Candidate, **more: Any) -> NewId:
        """One call that goes."""
        new, verdict = self.ask(*targets, **more)
        assert isinstance(verdict, Admission), verdict
        return new

    def spend(self, cost: int, **more: Any) -> NewId:
        """One call that goes, and comes to `cost` at once."""
        new = self.begin(to(cost), **more)
        self.do(settled(new, cost))
        return new

    def again(
        self, new: NewId | Opening, ended: Ended, *targets: Candidate, **facts: str
    ) -> Verdict | None:
        """An attempt has failed; where does the call go?"""
        all_facts = {"key": "key_a", "tenant": "acme", **facts}
        candidates = tuple(
            Candidate(one.ask, {**all_facts, **one.facts}, one.aim, one.tier) for one in targets
        )
        (verdict,) = self.do(Again(new.seq, ended, candidates, self.desk.books.epoch))
        return verdict

    def tell(self, *events: Event) -> tuple[Receipt, ...]:
        """Events of one request, which is not refused."""
        (verdict,) = self.do(Events(events, self.desk.books.epoch))
        assert isinstance(verdict, Recorded), verdict
        return verdict.receipts

    def record(self, cost: int, **facts: str) -> str:
        """A cost that happened; its call's id."""
        self._events += 1
        event = happening(f"e{self._events}", 1, cost_nanousd=cost, **facts)
        return self.tell(event)[0].call

    # What is in the file ------------------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        cursor = self.other.execute(query, values)
        names = [one[0] for one in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def call(self, new: NewId) -> dict[str, Any]:
        return self.called(new.text("c"))

    def called(self, id: str) -> dict[str, Any]:
        (found,) = self.rows("SELECT * FROM calls WHERE id = ?", id)
        return found

    def meter_price(self, glob: str, rate: int, from_us: int = 0) -> None:
        """Nano-dollars per million units."""
        (count,) = self.other.execute("SELECT count(*) FROM rates").fetchone()
        id = f"rate_{count}"
        self.insert("rates", id=id, provider=METER, model=glob, from_at=from_us, input=rate)

    def attempts(self, new: NewId) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM attempts WHERE call_seq = ? ORDER BY number", new.seq)

    def window(self, budget: str, subject: str = "") -> tuple[int, int, int]:
        """Spent, held and doubt, of all its windows together."""
        (found,) = self.rows(
            "SELECT coalesce(sum(spent_nanousd), 0) s, coalesce(sum(held_nanousd), 0) h,"
            " coalesce(sum(doubt_nanousd), 0) d FROM windows WHERE budget_id = ? AND subject = ?",
            budget,
            subject,
        )
        return found["s"], found["h"], found["d"]

    def drawn(self, grant: str) -> tuple[int, int, int]:
        """Held, doubt and drawn of a grant."""
        (found,) = self.rows("SELECT * FROM grants WHERE id = ?", grant)
        return found["held_nanousd"], found["doubt_nanousd"], found["drawn_nanousd"]

    def alerts(self, kind: str = "budget") -> list[tuple[str, str, int, int]]:
        """Budget, subject, percent, limit, in the order in which they were noted."""
        query = "SELECT * FROM alerts WHERE kind = ? ORDER BY created_at, rowid"
        return [
            (one["budget_id"], one["subject"], one["threshold"], one["limit_nanousd"])
            for one in self.rows(query, kind)
        ]

    def told(self, budget: str = "b") -> list[int]:
        """The percentages of a budget that were noted, in order."""
        return [percent for id, _, percent, _ in self.alerts() if id == budget]

    def faults(self) -> list[str]:
        """What the audit finds, and what is in memory and not in the file (I12)."""
        reader = open_reader(self.path)
        self.other.execute("UPDATE instances SET heartbeat_at = ?", [self.clock()])
        try:
            checks = audit.run(reader, self.clock(), FOREVER_S)
        finally:
            reader.close()
        found = [f"{one.name}: {fault}" for one in checks for fault in one.faults]
        for key, amounts in self.desk.till.windows.items():
            query = (
                "SELECT spent_nanousd, held_nanousd, doubt_nanousd FROM windows"
                " WHERE budget_id = ? AND subject = ? AND start = ?"
            )
            row = self.other.execute(query, key).fetchone() or (0, 0, 0)
            if tuple(amounts) != row:
                found.append(f"I12 {key}: {amounts} is not {row}")
        return found


def to(
    cost: int,
    provider: str = "up",
    tier: str = "normal",
    *,
    expected: int | None = None,
    via: str = "",
    facts: dict[str, str] | None = None,
    **more: Any,
) -> Candidate:
    """A target that holds `cost`, which is its ceiling; of 0 a zero-priced one.

    `expected` is what it is estimated at, else a tenth.
    """
    model = f"m-{provider}"
    estimate = cost // 10 if expected is None else expected
    given: dict[str, Any] = {
        "target": f"{provider}/{model}",
        "ceiling": Ceiling(cost, 0),
        "is_priced": True,
        "is_free": cost == 0,
        "output_asked": 100,
        "output_max": 1_000,
        "expected_nanousd": estimate,
    } | more
    aim = Aim(
        provider, model, "", model, estimate, input_ceiling_nanousd=cost, output_rate_nanousd=0
    )
    named = {"provider": provider, "model": model, "route": "", **(facts or {})}
    return Candidate(Ask(**given), named, aim, tier, via)


def settled(new: NewId | Opening, cost: int, **more: Any) -> Closing:
    given: dict[str, Any] = {"cost": Cost((("output", cost),)), "cost_source": "reported"} | more
    return Closing(new.seq, "settled", "ok", NOON, **given)


def estimated(new: NewId | Opening, cost: int) -> Closing:
    """The client left, and no usage came."""
    return settled(new, cost, cost_source="estimated", is_cost_known=False)


def released(new: NewId | Opening) -> Closing:
    return Closing(new.seq, "released", "failed", NOON)


def failed(cost: int | None = None, **more: Any) -> Ended:
    """An attempt that failed; of which the provider may have billed `cost`, if any."""
    is_billed = cost is not None
    money = Cost((("estimate", cost),)) if cost is not None else Cost()
    given: dict[str, Any] = {"status": 500, "cost": money, "is_billed": is_billed} | more
    return Ended(NOON, **given)


def happening(id: str = "e", quantity: int = 0, meter: str = "reads", **more: Any) -> Event:
    """An event of tenant acme; `more` is of it, or else of its opening."""
    own = {name: more.pop(name) for name in ("cost_nanousd", "occurred_us") if name in more}
    named: dict[str, Any] = {"tenant": "acme"} | more
    opening = Opening(
        0, "", 0, **{"key_id": "key_a", "provider": METER, "model": meter} | named,
        requested_model=meter, endpoint=ENDPOINT,
    )  # fmt: skip
    facts = {"key": opening.key_id, "provider": METER, "model": meter, "route": ""}
    facts |= {name: value for name, value in named.items() if name != "key_id"}
    body_hash = crc32(repr((quantity, meter, own, named)).encode())
    return Event(id, opening, facts, quantity, body_hash, **own)
