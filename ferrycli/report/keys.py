"""Keys as they are listed and shown: JSON for programs, a table and a card for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from rich.text import Text

from ferrycli.report.budget_card import limit_sentence, policy_card, resets_words
from ferrycli.report.budgets import is_at, limit_words, period_of, used_words, zone_name
from ferrycli.report.layout import Cell, Column, Row, drawn, labelled, table
from ferrycli.report.limits import limits_words
from ferrycli.report.times import ago, iso, local
from ferrycli.rules.keys import PREFIX
from ferrycli.rules.money import usd, usd_exact
from ferrycli.rules.standings import Standing
from ferrycli.rules.windows import from_us
from ferrycli.store.reads import KeyRow
from ferrycli.store.reads_budgets import BudgetFacts

Told = Callable[[str], str]
"""From an owner to who gets the notices; empty: nobody."""

SCHEMA = "ferry.key/1"

COLUMNS = (
    Column("NAME", width_min=12),
    Column("KEY", leaves=2),
    Column("FOR", width_min=10, leaves=1),
    Column("SPENT", is_number=True),
    Column("OWN BUDGET", is_number=True),
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
    """A key, and the budgets of its own as they stand."""

    row: KeyRow
    budgets: tuple[BudgetFacts, ...]

    @classmethod
    def at(cls, row: KeyRow, budgets: Iterable[BudgetFacts]) -> KeyFacts:
        """The facts of `row`, with those of `budgets` that are its own."""
        return cls(row, tuple(one for one in budgets if one.key_id == row.id))

    @property
    def tightest(self) -> tuple[BudgetFacts, Standing] | None:
        """Its own budget of which most is used; None where it has none."""
        every = [(one, one.standings[0]) for one in self.budgets if one.standings]
        return max(every, key=lambda pair: pair[1].percent, default=None)

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
    """The object `ferry.key/1`, without the secret, which nobody has. Times in ISO 8601, UTC.

    `budget` is the tightest of `budgets`; null where it has none of its own.
    """
    row, tightest = facts.row, facts.tightest
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
        "budget": tightest and _budget_json(*tightest),
        "budgets": [_budget_json(one, one.standings[0]) for one in facts.budgets],
        "rpm": row.rpm,
        "tpm": row.tpm,
        "parallel_max": row.parallel_max,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "revoked_at": iso(row.revoked_at),
        "last_used_at": iso(row.last_used_at),
        "previous_last4": row.previous_last4 if has_previous(row, now_us) else "",
        "previous_until": iso(row.previous_until) if has_previous(row, now_us) else None,
    }


def _budget_json(budget: BudgetFacts, standing: Standing) -> dict[str, Any]:
    terms = budget.terms
    return {
        "limit_nanousd": standing.limit_nanousd,
        "period": terms.period,
        "timezone": terms.zone,
        "spent_nanousd": standing.spent,
        "held_nanousd": standing.held,
        "doubt_nanousd": standing.doubt,
        "window_start": iso(standing.window_start_us),
        "resets_at": iso(standing.resets_at_us),
        "rules": [str(rule) for rule in terms.rules],
        "mode": terms.mode,
        "is_prepaid": terms.is_prepaid,
    }


def has_previous(row: KeyRow, now_us: int) -> bool:
    """Whether the secret before the last rotation still opens."""
    return row.previous_until is not None and now_us < row.previous_until


def key_fields(facts: KeyFacts) -> list[str | None]:
    """The fields of `ROW_HEADING`."""
    row = facts.row
    amounts: list[str | None] = [None, None, None]
    if facts.tightest is not None:
        budget, standing = facts.tightest
        limit, spent = usd_exact(standing.limit_nanousd), usd_exact(standing.spent)
        amounts = [limit, period_of(budget), spent]
    return [
        row.id, row.name, row.last4, row.role, row.owner, _pins(row, ","),
        *amounts, iso(row.created_at), iso(row.expires_at),
        iso(row.revoked_at), iso(row.last_used_at),
    ]  # fmt: skip


def keys_table(every: Sequence[KeyFacts], now_us: int, width: int) -> list[Text]:
    """One line per key."""
    return table(COLUMNS, [_cells(facts, now_us) for facts in every], width)


def _cells(facts: KeyFacts, now_us: int) -> Row:
    row, state = facts.row, facts.state(now_us)
    has_ended = state != "active"
    spent, limit, used = Cell("–"), Cell("none", "dim"), Cell("")
    if facts.tightest is not None:
        budget, standing = facts.tightest
        spent = Cell(usd(standing.spent))
        limit = Cell(limit_words(budget, standing))
        is_over = is_at(standing, 100)
        words = used_words(standing)
        used = Cell(f"{words}!" if is_over else words, "red" if is_over else "")
    return [
        Cell(row.name, "dim" if has_ended else "bold"),
        Cell(f"{PREFIX}…{row.last4}", "dim"),
        Cell(_pins(row, " / ", has_names=False) or "–"),
        spent,
        limit,
        used,
        Cell(f"{from_us(row.expires_at):%Y-%m-%d}" if row.expires_at else "never"),
        Cell(ago(row.last_used_at, now_us)),
        Cell(state if row.role == "call" or has_ended else row.role, "red" if has_ended else ""),
    ]


def _pins(row: KeyRow, between: str, *, has_names: bool = True) -> str:
    pinned = [(name, value) for name, (mode, value) in policies_of(row).items() if mode == "pin"]
    return between.join(f"{name}={value}" if has_names else value for name, value in pinned)


def key_card(
    facts: KeyFacts, now_us: int, budget_status: str, told: Told, zone: tzinfo
) -> list[Text]:
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
    if has_previous(row, now_us):
        until = _local(row.previous_until or 0, zone)
        lines.append(labelled("", f"{PREFIX}…{row.previous_last4} opens too, until {until}"))
    if row.role != "call":
        lines.append(labelled("role", row.role))
    if row.owner:
        lines.append(labelled("owner", row.owner))
    lines.append(labelled("made", _local(row.created_at, zone)))
    lines.append(labelled("last used", ago(row.last_used_at, now_us)))
    if row.revoked_at is not None:
        lines.append(labelled("revoked", f"{_local(row.revoked_at, zone)}"))
    return [*lines, Text(""), *terms_lines(facts, now_us, budget_status, told, zone), Text("")]


def _local(at_us: int, zone: tzinfo) -> str:
    return f"{local(at_us, zone)} {zone_name(zone)}"


def created_sentence(facts: KeyFacts) -> str:
    """What was made, and what becomes of the secret."""
    who = _pins(facts.row, " / ", has_names=False)
    whose = f" for {who}" if who else ""
    return (
        f"Created key {facts.row.name}{whose}. The secret is shown once; ferry keeps only its hash."
    )


def terms_lines(
    facts: KeyFacts, now_us: int, budget_status: str, told: Told, zone: tzinfo
) -> Iterator[Text]:
    """The key's terms read back in words: attribution, budgets, limits, models, expiry.

    `told`: who gets the notices of an owner.
    """
    row = facts.row
    for name, (mode, value) in policies_of(row).items():
        if said := _policy(mode, value):
            yield labelled(name, said)
    if not facts.budgets:
        yield labelled("budget", "none of its own")
    for budget in facts.budgets:
        yield from _budget_lines(budget, now_us)
        yield from policy_card(budget.terms, told(budget.terms.owner), budget_status)
    yield labelled("limits", limits_words(row) or "none (--rpm, --tpm, --parallel)")
    yield labelled("models", ", ".join(json.loads(row.models)) or "all")
    expires = _local(row.expires_at, zone) if row.expires_at else "never"
    yield labelled("expires", expires)


def _budget_lines(budget: BudgetFacts, now_us: int) -> Iterator[Text]:
    terms, standing = budget.terms, budget.standings[0]
    granted = standing.limit_nanousd if terms.is_prepaid else None
    limit = f"{limit_sentence(terms, granted)}, {resets_words(terms, now_us)}"
    yield labelled("balance" if terms.is_prepaid else "budget", limit)
    if standing.extra_nanousd and not terms.is_prepaid:
        yield labelled("", f"boosted by {usd(standing.extra_nanousd)} for a time")
    spent = f"spent {usd(standing.spent)}"
    spent += f", held {usd(standing.held)}" if standing.held else ""
    spent += f", in doubt {usd(standing.doubt)}" if standing.doubt else ""
    yield labelled("", f"{spent}; left {usd(standing.free)}")


def _policy(mode: str, value: str) -> str:
    if mode == "pin":
        return f"{value}, whatever the call says"
    if mode == "allow":
        return f"{value}, where the call says nothing" if value else ""
    return "required of every call" if mode == "require" else "left out, whatever the call says"
