"""Everything that ferry refuses or fails at, as classes that carry fields and no prose.

    FerryError
    ├── bad input      BadAmount BadUsage BadSpan BadBudget BadGlob BadName NameTaken ...
    ├── not there      NoSuchKey NoSuchCall NoSuchModel ...
    ├── refusals       BudgetSpent BudgetBusy BadKey ModelNotAllowed ... (have an HTTP status)
    └── out of reach   DatabaseLocked DatabaseNewer LedgerUnavailable ...

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


class Refusal(FerryError):
    """A call that is not carried; the class says how that is told."""

    status = 400
    code = "invalid_request"
    kind = "invalid_request_error"


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


@dataclass(eq=False)
class BadAmount(BadInput):
    text: str


@dataclass(eq=False)
class BadUsage(BadInput):
    field: str
    value: object


@dataclass(eq=False)
class UnpricedUsage(BadInput):
    bucket: str


@dataclass(eq=False)
class BadSpan(BadInput):
    text: str


@dataclass(eq=False)
class BadBudget(BadInput):
    text: str


@dataclass(eq=False)
class BadPolicy(BadInput):
    text: str


@dataclass(eq=False)
class BadPrice(BadInput):
    text: str
    why: str


@dataclass(eq=False)
class BadField(BadInput):
    """A dimension, a column or an option value that does not exist."""

    what: str
    name: str
    known: tuple[str, ...]


@dataclass(eq=False)
class NameTaken(BadInput):
    what: str
    name: str


@dataclass(eq=False)
class ConfigUnreadable(BadInput):
    path: str
    why: str


@dataclass(eq=False)
class ConfigUnknownKey(BadInput):
    path: str
    table: str
    key: str
    known: tuple[str, ...]


@dataclass(eq=False)
class ConfigBadValue(BadInput):
    origin: str
    """Where the value stands: a file and its key, a variable or a flag."""
    key: str
    value: str
    wanted: str


@dataclass(eq=False)
class AddressUnusable(BadInput):
    address: str
    why: str


# Not there ----------------------------------------------------------------------------------


@dataclass(eq=False)
class NoSuchKey(NotThere):
    name: str
    known: tuple[str, ...] = ()


@dataclass(eq=False)
class NoSuchCall(NotThere):
    id: str


@dataclass(eq=False)
class NoSuchRate(NotThere):
    id: str


@dataclass(eq=False)
class IdAmbiguous(NotThere):
    what: str
    prefix: str
    matches: int


@dataclass(eq=False)
class NoDatabase(NotThere):
    path: str


# Refusals of calls --------------------------------------------------------------------------


@dataclass(eq=False)
class NoKey(Refusal):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"


@dataclass(eq=False)
class BadKey(Refusal):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
    shown: str
    """The key as it may be shown: prefix and last four."""
    why: str
    """`unknown`, `typo`, `revoked`, `expired`, `role` or `demo`."""


@dataclass(eq=False)
class TwoKeys(Refusal):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
    headers: tuple[str, ...]


@dataclass(eq=False)
class ModelNotAllowed(Refusal):
    status = 403
    code = "model_not_allowed"
    model: str
    allowed: tuple[str, ...]


@dataclass(eq=False)
class ModelNotFound(Refusal):
    status = 404
    code = "model_not_found"
    model: str
    nearest: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    """Providers that all serve it, where the bare name is ambiguous."""


@dataclass(eq=False)
class MissingAttribution(Refusal):
    code = "missing_attribution"
    dimension: str
    header: str


@dataclass(eq=False)
class ModelUnpriced(Refusal):
    code = "model_unpriced"
    target: str
    budget: str


@dataclass(eq=False)
class CallUnbounded(Refusal):
    code = "call_unbounded"
    target: str
    budget: str
    field: str
    """The request field that would bound it."""


@dataclass(eq=False)
class BudgetRefusal(Refusal):
    """What a budget's refusal tells: amounts in nano-dollars, times in UTC microseconds."""

    status = 429
    budget: str
    owner_hint: str
    """What `ferry budgets set` takes to name it."""
    period: str
    limit_nanousd: int
    spent_nanousd: int
    held_nanousd: int
    doubt_nanousd: int
    needed_nanousd: int
    window_start_us: int
    resets_at_us: int | None


@dataclass(eq=False)
class BudgetSpent(BudgetRefusal):
    code = "insufficient_quota"
    kind = "insufficient_quota"
    may_retry = False


@dataclass(eq=False)
class BudgetBusy(BudgetRefusal):
    code = "budget_busy"
    kind = "rate_limit_error"
    retry_after_s = 1


@dataclass(eq=False)
class NotJson(Refusal):
    code = "invalid_json"
    why: str


@dataclass(eq=False)
class BadParameter(Refusal):
    code = "invalid_parameter"
    field: str
    value: str
    wanted: str


@dataclass(eq=False)
class BodyTooLarge(Refusal):
    status = 413
    code = "request_too_large"
    bytes_max: int


@dataclass(eq=False)
class HeadersTooLarge(Refusal):
    status = 431
    code = "headers_too_large"
    what: str


@dataclass(eq=False)
class PathTooLong(Refusal):
    status = 414
    code = "path_too_long"
    bytes_max: int


@dataclass(eq=False)
class CompressedBody(Refusal):
    status = 415
    code = "unsupported_encoding"
    encoding: str


@dataclass(eq=False)
class BodyTooSlow(Refusal):
    status = 408
    code = "request_timeout"
    seconds: float


@dataclass(eq=False)
class ForbiddenOrigin(Refusal):
    status = 403
    code = "forbidden_origin"
    header: str
    value: str


@dataclass(eq=False)
class CarriesLoop(Refusal):
    status = 508
    code = "loop_detected"
    may_retry = False


@dataclass(eq=False)
class NoSuchPath(Refusal):
    status = 404
    code = "not_found"
    method: str
    path: str


@dataclass(eq=False)
class MethodNotAllowed(Refusal):
    status = 405
    code = "method_not_allowed"
    method: str
    path: str


@dataclass(eq=False)
class TooBusy(Refusal):
    status = 503
    code = "too_busy"
    kind = "api_error"
    retry_after_s = 1


@dataclass(eq=False)
class Stopping(Refusal):
    status = 503
    code = "stopping"
    kind = "api_error"
    retry_after_s = 1


@dataclass(eq=False)
class InternalFailure(Refusal):
    """A defect of ferry's own. The client is told the kind of error and no more."""

    status = 500
    code = "internal_error"
    kind = "api_error"
    error: str


# Upstream -----------------------------------------------------------------------------------


@dataclass(eq=False)
class UpstreamFailed(FerryError):
    """No target answered; told to the caller as a gateway error."""

    status = 502
    code = "upstream_failed"
    kind = "api_error"
    provider: str
    why: str
    is_dispatched: bool = True
    """Whether the request may have reached the provider, so that it may be billed."""


@dataclass(eq=False)
class UpstreamTimeout(FerryError):
    status = 504
    code = "upstream_timeout"
    kind = "api_error"
    provider: str
    phase: str
    seconds: float


@dataclass(eq=False)
class NoCredential(FerryError):
    """A provider whose key cannot be had: names where it was looked for, never a value."""

    status = 502
    code = "no_credential"
    kind = "api_error"
    exit_code = 4
    provider: str
    origin: str
    why: str


# Out of reach -------------------------------------------------------------------------------


@dataclass(eq=False)
class LedgerUnavailable(OutOfReach):
    why: str


@dataclass(eq=False)
class DatabaseLocked(OutOfReach):
    path: str
    holder: str


@dataclass(eq=False)
class DatabaseNewer(OutOfReach):
    path: str
    migration: str


@dataclass(eq=False)
class DatabaseUnusable(OutOfReach):
    path: str
    why: str


@dataclass(eq=False)
class ServerRunning(OutOfReach):
    path: str
    holder: str
