"""Keys as they are listed and shown: JSON for programs, a table and a card for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, drawn, labelled, percent, table
from ferrycli.report.times import ago, iso, local, zone_named
from ferrycli.rules.keys import PREFIX
from ferrycli.rules.money import usd, usd_exact
from ferrycli.rules.windows import from_us, window_end, window_start
from ferrycli.store.reads import BudgetRow, KeyRow

SCHEMA = "ferry.key/1"

COLUMNS = (
    Column("NAME", width_min=12),
    Column("KEY", leaves=2),
    Column("FOR", width_min=10, leaves=1),
    Column("SPENT", is_number=True),
    Column("BUDGET", is_number=True),
    Column("USED", is_number=True, leaves=5),
    Column("EXPIRES", leaves=6),
    Column("LAST USED", leaves=4),
    Column("STATE"),
)

ROW_HEADING = (
    "id", "name", "last4", "role", "owner", "pins", "limit_usd", "period", "spent_usd",
    "created_at", "expires_at", "revoked_at", "last_used_at",
)  # fmt: skip
"""What a row of tabs holds."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key, and its own budget with the window of now; amounts in nano-dollars."""

    row: KeyRow
    budget: BudgetRow | None
    """None: the key has no budget of its own."""
    window_start: int
    resets_at: int | None
    """UTC microseconds; None for `total` and without a budget."""
    spent: int
    held: int
    doubt: int

    @classmethod
    def at(cls, row: KeyRow, budgets: Sequence[BudgetRow], now_us: int) -> KeyFacts:
        """The facts of `row` at `now_us`; a window that has ended counts as empty."""
        budget = next((one for one in budgets if one.key_id == row.id), None)
        if budget is None:
            return cls(row, None, 0, None, 0, 0, 0)
        zone = zone_named(budget.zone)
        start = window_start(budget.period, zone, now_us)
        end = window_end(budget.period, zone, start)
        if budget.window_start != start:
            return cls(row, budget, start, end, 0, 0, 0)
        amounts = (budget.spent_nanousd, budget.held_nanousd, budget.doubt_nanousd)
        return cls(row, budget, start, end, *amounts)

    def state(self, now_us: int) -> str:
        """`active`, `expired` or `revoked` at `now_us`."""
        if self.row.revoked_at is not None:
            return "revoked"
        is_over = self.row.expires_at is not None and self.row.expires_at <= now_us
        return "expired" if is_over else "active"


def policies_of(row: KeyRow) -> Mapping[str, tuple[str, str]]:
    """Dimension to mode and value."""
    return {name: (mode, value) for name, (mode, value) in json.loads(row.policies).items()}


def key_json(facts: KeyFacts, now_us: int) -> dict[str, Any]:
    """The object `ferry.key/1`, without the secret, which nobody has. Times in ISO 8601, UTC."""
    row, budget = facts.row, facts.budget
    return {
        "schema": SCHEMA,
        "id": row.id,
        "name": row.name,
        "last4": row.last4,
        "role": row.role,
        "owner": row.owner,
        "state": facts.state(now_us),
        "policies": {
            name: {"mode": mode, "value": value} for name, (mode, value) in policies_of(row).items()
        },
        "models": json.loads(row.models),
        "budget": budget
        and {
            "limit_nanousd": budget.limit_nanousd,
            "period": budget.period,
            "timezone": budget.zone,
            "spent_nanousd": facts.spent,
            "held_nanousd": facts.held,
            "doubt_nanousd": facts.doubt,
            "window_start": iso(facts.window_start),
            "resets_at": iso(facts.resets_at),
        },
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "revoked_at": iso(row.revoked_at),
        "last_used_at": iso(row.last_used_at),
    }


def key_fields(facts: KeyFacts) -> list[str | None]:
    """The fields of `ROW_HEADING`."""
    row, budget = facts.row, facts.budget
    return [
        row.id, row.name, row.last4, row.role, row.owner, _pins(row, ","),
        usd_exact(budget.limit_nanousd) if budget else None, budget.period if budget else None,
        usd_exact(facts.spent) if budget else None, iso(row.created_at), iso(row.expires_at),
        iso(row.revoked_at), iso(row.last_used_at),
    ]  # fmt: skip


def keys_table(every: Sequence[KeyFacts], now_us: int, width: int) -> list[Text]:
    """One line per key."""
    return table(COLUMNS, [_cells(facts, now_us) for facts in every], width)


def _cells(facts: KeyFacts, now_us: int) -> Row:
    row, budget, state = facts.row, facts.budget, facts.state(now_us)
    has_ended = state != "active"
    limit = f"{usd(budget.limit_nanousd)}/{budget.period}" if budget else "none"
    is_over = budget is not None and facts.spent >= budget.limit_nanousd
    used = percent(facts.spent, budget.limit_nanousd) if budget else ""
    return [
        Cell(row.name, "dim" if has_ended else "bold"),
        Cell(f"{PREFIX}…{row.last4}", "dim"),
        Cell(_pins(row, " / ", has_names=False) or "–"),
        Cell(usd(facts.spent) if budget else "–"),
        Cell(limit, "" if budget else "dim"),
        Cell(f"{used}!" if is_over else used, "red" if is_over else ""),
        Cell(f"{from_us(row.expires_at):%Y-%m-%d}" if row.expires_at else "never"),
        Cell(ago(row.last_used_at, now_us)),
        Cell(state if row.role == "call" or has_ended else row.role, "red" if has_ended else ""),
    ]


def _pins(row: KeyRow, between: str, *, has_names: bool = True) -> str:
    pinned = [(name, value) for name, (mode, value) in policies_of(row).items() if mode == "pin"]
    return between.join(f"{name}={value}" if has_names else value for name, value in pinned)


def key_card(facts: KeyFacts, now_us: int, budget_status: str) -> list[Text]:
    """What a key is, may do and has spent. `budget_status`: HTTP status of a spent budget."""
    row, state = facts.row, facts.state(now_us)
    lines = [
        Text(""),
        Text.assemble(
            "  ",
            drawn(row.name, "bold"),
            "   ",
            (state, "green" if state == "active" else "red"),
        ),
        Text(""),
        labelled("key", f"{PREFIX}…{row.last4}   {row.id}"),
    ]
    if row.role != "call":
        lines.append(labelled("role", row.role))
    if row.owner:
        lines.append(labelled("owner", row.owner))
    lines.append(labelled("made", f"{local(row.created_at, UTC)} UTC"))
    lines.append(labelled("last used", ago(row.last_used_at, now_us)))
    if row.revoked_at is not None:
        lines.append(labelled("revoked", f"{local(row.revoked_at, UTC)} UTC"))
    return [*lines, Text(""), *terms_lines(facts, budget_status), Text("")]


def created_sentence(facts: KeyFacts) -> str:
    """What was made, and what becomes of the secret."""
    who = _pins(facts.row, " / ", has_names=False)
    whose = f" for {who}" if who else ""
    return (
        f"Created key {facts.row.name}{whose}. The secret is shown once; ferry keeps only its hash."
    )


def terms_lines(facts: KeyFacts, budget_status: str) -> Iterator[Text]:
    """The key's terms read back in words: attribution, budget, models, expiry."""
    row, budget = facts.row, facts.budget
    for name, (mode, value) in policies_of(row).items():
        if said := _policy(mode, value):
            yield labelled(name, said)
    if budget is None:
        yield labelled("budget", "none")
    else:
        limit = f"{usd(budget.limit_nanousd)} {_EVERY.get(budget.period, budget.period)}"
        spent = f"spent {usd(facts.spent)}"
        spent += f", held {usd(facts.held)}" if facts.held else ""
        spent += f", in doubt {usd(facts.doubt)}" if facts.doubt else ""
        yield labelled("budget", f"{limit}{_reset(facts)}")
        yield labelled("", spent)
        yield labelled("at 100 %", f"block with HTTP {budget_status} insufficient_quota")
    yield labelled("models", ", ".join(json.loads(row.models)) or "all")
    expires = f"{local(row.expires_at, UTC)} UTC" if row.expires_at else "never"
    yield labelled("expires", expires)


_EVERY = {"day": "a day", "week": "a week", "month": "a month", "total": "in total"}


def _policy(mode: str, value: str) -> str:
    if mode == "pin":
        return f"{value}, whatever the call says"
    if mode == "allow":
        return f"{value}, where the call says nothing" if value else ""
    return "required of every call" if mode == "require" else "left out, whatever the call says"


def _reset(facts: KeyFacts) -> str:
    if facts.budget is None or facts.resets_at is None:
        return ", never resets"
    zone = zone_named(facts.budget.zone)
    return f", resets {from_us(facts.resets_at, zone):%a %d %b %H:%M} {facts.budget.zone}"
