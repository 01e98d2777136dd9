"""Why a call is not carried: classes of fields that the gateway's callers are told.

Each says its HTTP status, its `code`, and whether an SDK should try again. As in
`rules/errors.py`, no prose: `rules/refusals.py` has the words.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ferrycli.rules.errors import FerryError


class Refusal(FerryError):
    """A call that is not carried; the class says how that is told."""

    status = 400
    code = "invalid_request"
    kind = "invalid_request_error"


@dataclass(eq=False, repr=False, match_args=False)
class NoKey(Refusal):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"


@dataclass(eq=False, repr=False, match_args=False)
class BadKey(Refusal):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
    shown: str
    """The key as it may be shown: prefix and last four."""
    why: str
    """`unknown`, `typo`, `revoked`, `expired`, `role` or `demo`."""


@dataclass(eq=False, repr=False, match_args=False)
class TwoKeys(Refusal):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
    headers: tuple[str, ...]


@dataclass(eq=False, repr=False, match_args=False)
class ModelNotAllowed(Refusal):
    status = 403
    code = "model_not_allowed"
    model: str
    allowed: tuple[str, ...]


@dataclass(eq=False, repr=False, match_args=False)
class ModelNotFound(Refusal):
    exit_code = 3
    status = 404
    code = "model_not_found"
    model: str
    nearest: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    """Providers that all serve it, where the bare name is ambiguous."""


@dataclass(eq=False, repr=False, match_args=False)
class NoTarget(Refusal):
    """A route of which no target may carry this call now."""

    status = 503
    code = "no_target"
    kind = "api_error"
    retry_after_s = 1
    target: str
    reasons: tuple[tuple[str, str, str], ...] = ()
    """Of each normal target: its name, why it was left out (a code of `rules/choices.py`), and
    what of it."""


@dataclass(eq=False, repr=False, match_args=False)
class NotOffered(Refusal):
    """A model whose provider does not offer what was asked for."""

    status = 404
    code = "endpoint_not_offered"
    target: str
    asked: str
    """`embeddings`, `images/generations`."""


@dataclass(eq=False, repr=False, match_args=False)
class RouteNotFound(Refusal):
    exit_code = 3
    status = 404
    code = "model_not_found"
    route: str
    nearest: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, match_args=False)
class RequestUnfit(Refusal):
    """A request that no target of its route can carry, now or later."""

    code = "unsupported_request"
    route: str
    reasons: tuple[tuple[str, str, str], ...]
    """As of `NoTarget`."""


@dataclass(eq=False, repr=False, match_args=False)
class MissingAttribution(Refusal):
    code = "missing_attribution"
    dimension: str
    header: str


@dataclass(eq=False, repr=False, match_args=False)
class ModelUnpriced(Refusal):
    code = "model_unpriced"
    target: str
    budget: str


@dataclass(eq=False, repr=False, match_args=False)
class CallUnbounded(Refusal):
    code = "call_unbounded"
    target: str
    budget: str
    field: str
    """The request field that would bound it."""


@dataclass(eq=False, repr=False, match_args=False)
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
    subject: tuple[str, ...] = ()
    """The values that the `*` of the selector stand for."""
    is_prepaid: bool = False
    zone: str = "UTC"
    """The time zone that the period is of."""
    needs_zone: bool = False
    """Its selector and period stand in several: a command must say which."""

    @property
    def free_nanousd(self) -> int:
        """What was left for a hold; below 0 where the limit is under what is used."""
        return self.limit_nanousd - self.spent_nanousd - self.held_nanousd - self.doubt_nanousd


@dataclass(eq=False, repr=False, match_args=False)
class BudgetSpent(BudgetRefusal):
    code = "insufficient_quota"
    kind = "insufficient_quota"
    may_retry = False


@dataclass(eq=False, repr=False, match_args=False)
class BudgetBusy(BudgetRefusal):
    code = "budget_busy"
    kind = "rate_limit_error"
    retry_after_s = 1


@dataclass(eq=False, repr=False, match_args=False)
class LeftWaiting(BudgetRefusal):
    """The client left while the call waited for money: nobody is told, but its row says so."""

    status = 499
    code = "left_waiting"
    may_retry = False


def left_waiting(busy: BudgetBusy) -> LeftWaiting:
    """What becomes of a call that would else have been refused as `busy`, when its client left."""
    return LeftWaiting(**{one.name: getattr(busy, one.name) for one in fields(busy)})


@dataclass(eq=False, repr=False, match_args=False)
class DuplicateCall(Refusal):
    """A second call with an `Idempotency-Key`: the fields are the first one's receipt."""

    status = 409
    code = "duplicate_call"
    may_retry = False
    idempotency_key: str
    call: str
    """Its id, or enough of it to find it."""
    state: str
    """`held` while it is in flight."""
    outcome: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_nanousd: int | None
    """None: in flight, or unpriced."""


@dataclass(eq=False, repr=False, match_args=False)
class IdempotencyMismatch(Refusal):
    status = 422
    code = "idempotency_mismatch"
    may_retry = False
    idempotency_key: str
    call: str


@dataclass(eq=False, repr=False, match_args=False)
class RateLimited(Refusal):
    """A limit by the minute, or a budget's throttle."""

    status = 429
    code = "rate_limit_exceeded"
    kind = "rate_limit_error"
    selector: str
    """`key=acme-web`; of a throttle the budget's."""
    what: str
    """`rpm`, `tpm`, `parallel` or `throttle`."""
    limit: int
    used: int
    retry_after_s: int = 60
    """1 to 60."""


@dataclass(eq=False, repr=False, match_args=False)
class LoopDetected(Refusal):
    """A thread in which the same was sent too often."""

    status = 429
    code = "loop_detected"
    kind = "rate_limit_error"
    may_retry = False
    thread: str
    what: str
    """`request` or `message`."""
    times: int


@dataclass(eq=False, repr=False, match_args=False)
class NotJson(Refusal):
    code = "invalid_json"
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class BadParameter(Refusal):
    code = "invalid_parameter"
    field: str
    value: str
    wanted: str


@dataclass(eq=False, repr=False, match_args=False)
class Untranslatable(Refusal):
    """A member of a request that the provider's dialect cannot say."""

    code = "not_translatable"
    field: str
    """As the caller wrote it, such as `logit_bias` or `messages[2].content[0].type`."""
    why: str
    """`anthropic messages have no such thing`: a clause."""


@dataclass(eq=False, repr=False, match_args=False)
class BodyTooLarge(Refusal):
    status = 413
    code = "request_too_large"
    bytes_max: int


@dataclass(eq=False, repr=False, match_args=False)
class MalformedRequest(Refusal):
    why: str


@dataclass(eq=False, repr=False, match_args=False)
class HeadersTooLarge(Refusal):
    status = 431
    code = "headers_too_large"
    what: str


@dataclass(eq=False, repr=False, match_args=False)
class PathTooLong(Refusal):
    status = 414
    code = "path_too_long"
    bytes_max: int


@dataclass(eq=False, repr=False, match_args=False)
class CompressedBody(Refusal):
    status = 415
    code = "unsupported_encoding"
    encoding: str


@dataclass(eq=False, repr=False, match_args=False)
class RequestTooSlow(Refusal):
    status = 408
    code = "request_timeout"
    seconds: float


@dataclass(eq=False, repr=False, match_args=False)
class ForbiddenOrigin(Refusal):
    status = 403
    code = "forbidden_origin"
    header: str
    value: str


@dataclass(eq=False, repr=False, match_args=False)
class CarriesLoop(Refusal):
    status = 508
    code = "loop_detected"
    may_retry = False


@dataclass(eq=False, repr=False, match_args=False)
class NoSuchPath(Refusal):
    status = 404
    code = "not_found"
    method: str
    path: str


@dataclass(eq=False, repr=False, match_args=False)
class MethodNotAllowed(Refusal):
    status = 405
    code = "method_not_allowed"
    method: str
    path: str


@dataclass(eq=False, repr=False, match_args=False)
class TooBusy(Refusal):
    status = 503
    code = "too_busy"
    kind = "api_error"
    retry_after_s = 1


@dataclass(eq=False, repr=False, match_args=False)
class Stopping(Refusal):
    status = 503
    code = "stopping"
    kind = "api_error"
    retry_after_s = 1


@dataclass(eq=False, repr=False, match_args=False)
class InternalFailure(Refusal):
    """A defect of ferry's own. The client is told the kind of error and no more."""

    status = 500
    code = "internal_error"
    kind = "api_error"
    error: str


# Upstream -----------------------------------------------------------------------------------


@dataclass(eq=False, repr=False, match_args=False)
class UpstreamFailed(FerryError):
    """No target answered; told to the caller as a gateway error."""

    status = 502
    code = "upstream_failed"
    kind = "api_error"
    provider: str
    why: str
    is_dispatched: bool = True
    """Whether the request may have reached the provider, so that it may be billed."""


@dataclass(eq=False, repr=False, match_args=False)
class UpstreamTimeout(FerryError):
    status = 504
    code = "upstream_timeout"
    kind = "api_error"
    provider: str
    phase: str
    """`connect`, `first_byte`, `idle` or `total`."""
    seconds: float
