"""What the ledger is asked and told, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ferrycli.rules.budget import Admission, Ask
from ferrycli.rules.denials import BudgetBusy
from ferrycli.rules.errors import FerryError
from ferrycli.rules.meters import Receipt
from ferrycli.rules.pricing import Cost
from ferrycli.rules.selectors import Facts
from ferrycli.store.books import Books
from ferrycli.store.rows import Aim, Closing, Opening


class Candidate(NamedTuple):
    """One target that may carry a call."""

    ask: Ask
    facts: Facts
    """Dimension to value, for the selectors of budgets; `key` is the key's id, `provider`,
    `model` and `route` are the target's."""
    aim: Aim | None = None
    """None: the target that the opening itself names."""
    tier: str = "normal"
    via: str = ""
    """The route that a budget's rule names."""
    condition: Callable[[int], bool] | None = None
    """Of the percentage that the fullest matching budget has used."""


class Admit(NamedTuple):
    """A question: may this call go, and where?"""

    opening: Opening
    candidates: tuple[Candidate, ...]
    epoch: int
    """Of the books on which the question was built."""
    tokens: int = 0
    """What counts against tokens a minute until the call's usage is known."""
    idempotency_key: str = ""
    may_wait: bool = False
    """Whether the call waits for money that is only held."""
    waits: Waits | None = None
    """Of one that waits: what for, when it was asked last."""

    @property
    def short(self) -> frozenset[tuple[str, str]]:
        """Of one that waits: the windows that had not got enough."""
        return frozenset() if self.waits is None else self.waits.places


@dataclass(frozen=True, slots=True)
class Again:
    """A question: an attempt has failed; may the call go to one of these?"""

    seq: int
    ended: Ended
    candidates: tuple[Candidate, ...]
    epoch: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an attempt that failed before the client got a byte."""

    finished_at: int
    status: int = 0
    error_code: str = ""
    reason: str = ""
    cost: Cost | None = Cost()
    """Where the provider may have billed; None: it did, and has no price."""
    is_billed: bool = False
    """Whether the provider may have billed it."""
    cost_source: str = "estimated"
    """Of a billed one; `reported` or `provider` where its reply said what it used."""

    @property
    def is_cost_known(self) -> bool:
        """Whether nothing of its cost is in doubt."""
        is_told = self.cost_source in ("reported", "provider") and self.cost is not None
        return is_told or not self.is_billed


@dataclass(frozen=True, slots=True)
class Deny:
    """A call of a known key that was refused before any budget was asked."""

    opening: Opening
    refusal: FerryError


@dataclass(frozen=True, slots=True)
class Event:
    """A cost that happened and was no model call, as it was told."""

    id: str
    """Its caller's own: of one key it stands for one event, for ever."""
    opening: Opening
    """Whose it is; row key, id and times are given to it as it is recorded. The model is the
    meter."""
    facts: Facts
    """Dimension to value, as of a `Candidate`."""
    quantity: int
    body_hash: int
    cost_nanousd: int | None = None
    """What it says itself that it cost; None: the meter's price says it."""
    occurred_us: int | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """A question: record these, all or none. None is ever refused for money."""

    events: tuple[Event, ...]
    epoch: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is no budget's crossing and that the operator must be told once."""

    kind: str
    subject: str
    window_start: int = 0
    """Told once for each start: a day's, for what may go on for days."""
    detail: Mapping[str, str | int] = field(default_factory=dict)
    """Facts of it, beside its subject; a time is named `…_at`."""


@dataclass(frozen=True, slots=True)
class HealthNote:
    """The circuit of a target has changed."""

    provider: str
    model: str
    state: str
    since_us: int
    until_us: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The books moved on since the question was built: build it again on these."""

    books: Books


@dataclass(frozen=True, slots=True)
class Waits:
    """The call waits for money that others hold."""

    places: frozenset[tuple[str, str]]
    """Budget and subject of the windows that are short."""
    refusal: BudgetBusy
    """What the call is told if it waits no longer."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Events are recorded, or were before."""

    receipts: tuple[Receipt, ...]
    """In the order of the events."""


Verdict = Admission | Recorded | FerryError | Stale | Waits
Message = Admit | Again | Events | Deny | Closing | Note | HealthNote
