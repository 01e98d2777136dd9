"""Everything that ferry refuses or fails at, as classes that carry fields and no prose.

    FerryError
    ├── bad input      BadAmount BadUsage BadSpan BadFilter BadPolicy NameTaken ...
    ├── not there      NoSuchKey NoSuchCall NoSuchRate ...
    ├── out of reach   DatabaseLocked DatabaseNewer LedgerUnavailable ...
    └── denials        in `rules/denials.py`: what callers of the gateway are told

`rules/words.py` turns the fields into a sentence and a hint, once, for terminal and HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class FerryError(Exception):
    """What ferry says no to. Subclasses are dataclasses of the facts."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "api_error"
    """OpenAI's `error.type`."""
    exit_code: ClassVar[int] = 1
    may_retry: ClassVar[bool | None] = None
    """False tells SDKs not to try again; None leaves it to them."""
    retry_after_s: int | None = None
    """Of the class, or of one error where the class has a field of this name."""


class BadInput(FerryError):
    """What a person or a file said cannot be used."""

    status = 400
    code = "invalid_request"
    kind = "invalid_request_error"
    exit_code = 2


class NotThere(FerryError):
    """The object named does not exist."""

    status = 404
    code = "not_found"
    kind = "invalid_request_error"
    exit_code = 3


class OutOfReach(FerryError):
    """The database or the server cannot be used now."""

    status = 503
    code = "ledger_unavailable"
    exit_code = 6
    retry_after_s = 1


# Bad input ----------------------------------------------------------------------------------


@dataclass(eq=False, repr=False, match_args=False)
class BadAmount(BadInput):
    text: str


@dataclass(eq=False, repr=False, match_args=False)
class BadUsage(BadInput):
    field: str
    value: object


@dataclass(eq=False, repr=False, match_args=False)
class UnpricedUsage(BadInput):
    bucket: str


@dataclass(eq=False, repr=False, match_args=False)
class BadSpan(BadInput):
    text: str


@dataclass(eq=False, repr=False, match_args=False)
class SpanToCome(BadInput):
    text: str
    since_us: int


@dataclass(eq=False, repr=False, match_args=False)
class BadFilter(BadInput):
    """A `--where` that cannot be read, and the place in it."""

    text: str
    at: int
    """Characters before the place."""
    why: str
    name: str = ""
    """A name that does not exist, and those that do."""
    known: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class BadSelector(BadInput):
    """A selector that cannot be read or matches nothing, and the place in it."""

    text: str
    at: int
    """Characters before the place."""
    why: str
    name: str = ""
    """A dimension that does not exist, and those that do."""
    known: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class BadRule(BadInput):
    """A rule of a budget that cannot be read."""

    text: str
    why: str
    name: str = ""
    """An action that does not exist, and those that do."""
    known: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class RulesClash(BadInput):
    """Two rules of one budget that cannot both be meant."""

    first: str
    second: str
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class BadMode(BadInput):
    """A mode that cannot keep what a rule says."""

    mode: str
    rule: str


@dataclass(eq=False, repr=False, match_args=False)
class BadBudget(BadInput):
    text: str


@dataclass(eq=False, repr=False, match_args=False)
class RuleUnknownName(BadInput):
    """A rule that names a route or a channel that does not exist."""

    rule: str
    what: str
    name: str
    known: tuple[str, ...]


@dataclass(eq=False, repr=False, match_args=False)
class KeyRevoked(BadInput):
    """A key that has ended for good."""

    name: str


@dataclass(eq=False, repr=False, match_args=False)
class BudgetUnfit(BadInput):
    """A change that this kind of budget does not take."""

    selector: str
    why: str
    """A word that `rules/budget_words.py` knows."""


@dataclass(eq=False, repr=False, match_args=False)
class BudgetAmbiguous(BadInput):
    """Several budgets of one selector, where one must be named."""

    selector: str
    periods: tuple[str, ...]
    zones: tuple[str, ...] = ()
    """Of each of them; empty where none moves the period."""
    command: str = ""
    """What takes these options, where the command that was given does not."""


@dataclass(eq=False, repr=False, match_args=False)
class BadPolicy(BadInput):
    text: str


@dataclass(eq=False, repr=False, match_args=False)
class BadPrice(BadInput):
    text: str
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class BadField(BadInput):
    """A dimension, a column or an option value that does not exist."""

    what: str
    name: str
    known: tuple[str, ...]


@dataclass(eq=False, repr=False, match_args=False)
class NameTaken(BadInput):
    what: str
    name: str


@dataclass(eq=False, repr=False, match_args=False)
class ConfigUnreadable(BadInput):
    path: str
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class ConfigUnknownKey(BadInput):
    path: str
    table: str
    key: str
    known: tuple[str, ...]


@dataclass(eq=False, repr=False, match_args=False)
class ConfigBadValue(BadInput):
    origin: str
    """Where the value stands: a file and its key, a variable or a flag."""
    key: str
    value: str
    wanted: str


@dataclass(eq=False, repr=False, match_args=False)
class CallNotEnded(BadInput):
    """A call that is in flight, or that was denied, has no cost to correct."""

    id: str
    state: str
    """`held` or `denied`."""


@dataclass(eq=False, repr=False, match_args=False)
class AddressUnusable(BadInput):
    address: str
    why: str


# Not there ----------------------------------------------------------------------------------


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchKey(NotThere):
    name: str
    known: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchBudget(NotThere):
    selector: str
    period: str = ""
    """The period that was asked for; empty: any."""
    known: tuple[str, ...] = ()
    """Selectors; or the budgets of this one, where a period or a zone was asked for."""
    zone: str = ""
    """The zone that was asked for; empty: any."""


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchCall(NotThere):
    id: str


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchThread(NotThere):
    thread: str
    since_us: int
    """From when calls were looked at."""


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchRate(NotThere):
    id: str


@dataclass(eq=False, repr=False, match_args=False)
class IdAmbiguous(NotThere):
    what: str
    prefix: str
    matches: int


@dataclass(eq=False, repr=False, match_args=False)
class NoDatabase(NotThere):
    path: str


# Out of reach -------------------------------------------------------------------------------


@dataclass(eq=False, repr=False, match_args=False)
class LedgerUnavailable(OutOfReach):
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class DatabaseLocked(OutOfReach):
    path: str
    holder: str


@dataclass(eq=False, repr=False, match_args=False)
class DatabaseNewer(OutOfReach):
    path: str
    migration: str


@dataclass(eq=False, repr=False, match_args=False)
class DatabaseOlder(OutOfReach):
    path: str
    migration: str


@dataclass(eq=False, repr=False, match_args=False)
class DatabaseUnusable(OutOfReach):
    path: str
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class ServerRunning(OutOfReach):
    path: str
    holder: str


@dataclass(eq=False, repr=False, match_args=False)
class NoCredential(FerryError):
    """A provider whose key cannot be had: names where it was looked for, never a value."""

    status = 502
    code = "no_credential"
    kind = "api_error"
    exit_code = 4
    provider: str
    origin: str
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class ChannelUnusable(FerryError):
    """A channel of notices whose secret cannot be had: names where it was looked for."""

    status = 502
    code = "channel_unusable"
    exit_code = 4
    channel: str
    origin: str
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class NotDelivered(FerryError):
    """A notice that did not reach its receiver; `why` holds no secret and no reply."""

    code = "notice_not_delivered"
    channel: str
    why: str
    is_final: bool = False
    """Whether another try would end the same way."""
    wait_s: int = 0
    """Seconds that the receiver asked to be left alone; 0: it said nothing."""


@dataclass(eq=False, repr=False, match_args=False)
class NobodyTold(FerryError):
    """A notice for which no channel is configured."""

    code = "nobody_told"
    title: str
    more: int = 0
    """Further notices of the same moment."""
