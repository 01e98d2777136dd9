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
    retry_after_s: ClassVar[int | None] = None


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
class BadBudget(BadInput):
    text: str


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
class AddressUnusable(BadInput):
    address: str
    why: str


# Not there ----------------------------------------------------------------------------------


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchKey(NotThere):
    name: str
    known: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchCall(NotThere):
    id: str


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
