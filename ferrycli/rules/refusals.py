"""The words of refusals: why a call was not carried, and what lets the next one go.

Pure. Those of budgets name what, how much was spent of what, what is held and in doubt where that
is not nothing, what was needed, since when, until when, and what to do.
"""

from __future__ import annotations

from ferrycli.rules import denials
from ferrycli.rules.clean import safe
from ferrycli.rules.meters import DuplicateEvent
from ferrycli.rules.money import usd
from ferrycli.rules.phrases import (
    Words,
    Writers,
    apart,
    argument,
    listed,
    moment,
    next_limit,
    period_phrase,
    plain,
    ticked,
)
from ferrycli.rules.windows import ROLLING, is_rolling

REFUSALS = Writers()


@REFUSALS.of(denials.NoKey)
def _no_key(_error: denials.NoKey) -> Words:
    hint = "send `Authorization: Bearer fk_…`; `ferry keys create` makes a key"
    return Words("the request carries no key", hint)


_BAD_KEYS = {
    "unknown": ("is not known here", "`ferry keys list` shows those that are"),
    "typo": ("is mistyped: its checksum does not hold", "copy it again, whole"),
    "revoked": ("is revoked", "make another with `ferry keys create`"),
    "expired": ("has expired", "its owner can run `ferry keys set NAME --expires 90d`"),
    "role": ("makes no calls: its role is another", "make one with `ferry keys create`"),
    "demo": (
        "opens simulated models only, on this machine only, while no provider is set up",
        "make one of your own with `ferry keys create`",
    ),
}


@REFUSALS.of(denials.BadKey)
def _bad_key(error: denials.BadKey) -> Words:
    said, hint = _BAD_KEYS.get(error.why, (f"cannot be used: {plain(error.why)}", ""))
    return Words(f"key {ticked(error.shown)} {said}", hint)


@REFUSALS.of(denials.TwoKeys)
def _two_keys(error: denials.TwoKeys) -> Words:
    sentence = f"the request carries different keys in {listed(error.headers, 'and')}"
    return Words(sentence, "send one of them")


@REFUSALS.of(denials.ModelNotAllowed)
def _model_not_allowed(error: denials.ModelNotAllowed) -> Words:
    may = f"it may use {listed(error.allowed)}; " if error.allowed else ""
    hint = f"{may}its owner can add to them with `ferry keys set NAME --model GLOB`"
    return Words(f"this key may not use model {ticked(error.model)}", hint)


@REFUSALS.of(denials.ModelNotFound)
def _model_not_found(error: denials.ModelNotFound) -> Words:
    if error.providers:
        names = listed(f"{provider}/{error.model}" for provider in error.providers)
        return Words(f"several providers serve model {ticked(error.model)}", f"name one: {names}")
    hint = f"did you mean {listed(error.nearest)}?" if error.nearest else ""
    hint = hint or "write it as `provider/model`; `GET /v1/models` lists what this key may use"
    return Words(f"there is no model {ticked(error.model)}", hint)


@REFUSALS.of(denials.MissingAttribution)
def _missing_attribution(error: denials.MissingAttribution) -> Words:
    sentence = f"the call names no {ticked(error.dimension)}, and its key requires one"
    return Words(sentence, f"send the header {ticked(f'{error.header}: VALUE')}")


@REFUSALS.of(denials.ModelUnpriced)
def _model_unpriced(error: denials.ModelUnpriced) -> Words:
    sentence = f"{ticked(error.target)} has no price, and {_budget(error.budget)} is a hard limit"
    target = argument(error.target)
    return Words(sentence, f"set one with `ferry prices set {target} --input 3 --output 15`")


@REFUSALS.of(denials.CallUnbounded)
def _call_unbounded(error: denials.CallUnbounded) -> Words:
    sentence = (
        f"the most that this call to {ticked(error.target)} can cost cannot be stated,"
        f" and {_budget(error.budget)} is a hard limit"
    )
    return Words(sentence, f"set or leave out {ticked(error.field)}" if error.field else "")


def _budget(selector: str) -> str:
    """`key=acme-web` as `the budget of key `acme-web``; other selectors as they are written."""
    dimension, _, name = selector.partition("=")
    if dimension == "key" and "," not in name:
        return f"the budget of key {ticked(name)}"
    return f"budget {ticked(selector)}"


def _holder(error: denials.BudgetRefusal) -> str:
    """Who has spent, in words."""
    dimension, _, name = error.owner_hint.partition("=")
    if dimension == "key" and "," not in name:
        return f"key {ticked(name)}"
    if not error.subject:
        return f"budget {ticked(error.owner_hint)}"
    return f"budget {ticked(error.owner_hint)} of {listed(error.subject, 'and')}"


def _raised(error: denials.BudgetRefusal) -> str:
    """The command that gives the budget enough for this call."""
    selector = argument(error.owner_hint)
    used = error.spent_nanousd + error.held_nanousd + error.doubt_nanousd
    if error.is_prepaid:
        return f"add to it with `ferry budgets topup {selector} USD`"
    limit = next_limit(error.limit_nanousd, used + error.needed_nanousd)
    amount = argument(f"{limit}/{error.period.removeprefix(ROLLING)}")
    dimension, _, name = error.owner_hint.partition("=")
    if error.needs_zone:
        amount += f" --zone {argument(error.zone)}"
    elif dimension == "key" and "," not in name:
        return f"raise it with `ferry keys set {argument(name)} --budget {amount}`"
    return f"raise it with `ferry budgets set {selector} --limit {amount}`"


@REFUSALS.of(denials.BudgetSpent)
def _budget_spent(error: denials.BudgetSpent) -> Words:
    sentence = (
        f"{_holder(error)} has spent {apart(error.spent_nanousd, error.limit_nanousd)}"
        f" of {usd(error.limit_nanousd)} {_since(error)}"
    )
    used = error.spent_nanousd + error.held_nanousd + error.doubt_nanousd
    free = error.limit_nanousd - used
    facts = _facts(error)
    if free > 0:
        facts.append(f"this call needs {apart(error.needed_nanousd, free)} of {usd(free)} left")
    elif error.needed_nanousd:
        facts.append(f"this call needs {usd(error.needed_nanousd)}")
    ways = [_raised(error)]
    if free > 0:
        ways.append("ask for a shorter answer")
    if error.resets_at_us is not None:
        ways.append(f"wait until {moment(error.resets_at_us)}")
    elif is_rolling(error.period):
        ways.append("wait: what was spent longest ago ceases to count first")
    return Words("; ".join([sentence, *facts]), ", or ".join(ways))


def _short(error: denials.BudgetRefusal) -> str:
    """What a budget lacks for a call while others hold it."""
    used = error.spent_nanousd + error.held_nanousd + error.doubt_nanousd
    free = max(0, error.limit_nanousd - used)
    sentence = (
        f"{_holder(error)} has {usd(free)} free of {usd(error.limit_nanousd)} {_since(error)},"
        f" and this call needs {apart(error.needed_nanousd, free)}"
    )
    facts = [f"{apart(error.spent_nanousd, error.limit_nanousd)} is spent", *_facts(error)]
    return "; ".join([sentence, *facts])


@REFUSALS.of(denials.BudgetBusy)
def _budget_busy(error: denials.BudgetBusy) -> Words:
    hint = "try again in a second: what the calls in flight do not use comes back as they end"
    return Words(_short(error), hint)


@REFUSALS.of(denials.LeftWaiting)
def _left_waiting(error: denials.LeftWaiting) -> Words:
    return Words(f"the client left while its call waited: {_short(error)}")


def _since(error: denials.BudgetRefusal) -> str:
    period = period_phrase(error.period)
    # The start of a rolling window is that of its newest bucket.
    if is_rolling(error.period) or not error.window_start_us:
        return period
    of_zone = f" in {safe(error.zone)}" if error.zone != "UTC" else ""
    return f"{period}{of_zone}, since {moment(error.window_start_us)}"


def _facts(error: denials.BudgetRefusal) -> list[str]:
    facts = []
    if error.held_nanousd:
        facts.append(f"{usd(error.held_nanousd)} is held by calls in flight")
    if error.doubt_nanousd:
        facts.append(f"{usd(error.doubt_nanousd)} is in doubt")
    return facts


@REFUSALS.of(denials.DuplicateCall)
def _duplicate_call(error: denials.DuplicateCall) -> Words:
    used = f"`Idempotency-Key` {ticked(error.idempotency_key)} was used by call"
    if error.state == "held":
        sentence = f"{used} {ticked(error.call)}, which is in flight"
        return Words(sentence, "wait for its answer; another call needs another key")
    cost = "has no price" if error.cost_nanousd is None else f"cost {usd(error.cost_nanousd)}"
    sentence = f"{used} {ticked(error.call)}, which is over ({plain(error.outcome)}) and {cost}"
    return Words(sentence, "answers are not kept; another call needs another key")


@REFUSALS.of(denials.IdempotencyMismatch)
def _idempotency_mismatch(error: denials.IdempotencyMismatch) -> Words:
    used = f"`Idempotency-Key` {ticked(error.idempotency_key)} was used by call"
    sentence = f"{used} {ticked(error.call)} with another body"
    return Words(sentence, "another call needs another key")


@REFUSALS.of(DuplicateEvent)
def _duplicate_event(error: DuplicateEvent) -> Words:
    was = f"{error.quantity:,} of {ticked(f'{error.provider}/{error.model}')}"
    sentence = f"event {ticked(error.event)} was recorded as call {ticked(error.call)}, {was}"
    return Words(sentence, "another event needs another id; none of this request was recorded")


_USED = {
    "rpm": "has made {used} of {limit} calls in the last minute",
    "tpm": "has used {used} of {limit} tokens in the last minute, and this call needs more than"
    " is left",
    "parallel": "has {used} of {limit} calls in flight",
    "throttle": "is throttled: {used} of {limit} calls were made in the last minute",
}


@REFUSALS.of(denials.RateLimited)
def _rate_limited(error: denials.RateLimited) -> Words:
    who = _budget(error.selector)
    if error.what != "throttle":
        dimension, _, name = error.selector.partition("=")
        is_key = dimension == "key" and "," not in name
        who = f"key {ticked(name)}" if is_key else ticked(error.selector)
    said = _USED.get(error.what, "has used {used} of {limit}")
    used = said.format(used=f"{error.used:,}", limit=f"{error.limit:,}")
    return Words(f"{who} {used}", f"try again in {error.retry_after_s} s")


@REFUSALS.of(denials.LoopDetected)
def _loop_detected(error: denials.LoopDetected) -> Words:
    same = "same last message" if error.what == "message" else "same request"
    sentence = f"thread {ticked(error.thread)} has sent the {same} {error.times:,} times"
    release = f"`ferry threads release {argument(error.thread)}`"
    return Words(sentence, f"end the loop; whoever runs ferry can let it go on with {release}")


@REFUSALS.of(denials.NotJson)
def _not_json(error: denials.NotJson) -> Words:
    return Words(f"the body is no JSON object: {plain(error.why)}")


OF_TYPE = "of type "
NO_VALUES = frozenset({"missing", "not readable", "out of range", "set", "twice"})
"""What is told of a parameter instead of its value."""


@REFUSALS.of(denials.Untranslatable)
def _untranslatable(error: denials.Untranslatable) -> Words:
    return Words(
        f"{ticked(error.field)} cannot be carried to this provider: {safe(error.why)}",
        "leave it out, or ask for a model whose provider speaks the dialect of the request",
    )


@REFUSALS.of(denials.BadParameter)
def _bad_parameter(error: denials.BadParameter) -> Words:
    kind = error.value.removeprefix(OF_TYPE)
    said = f"{OF_TYPE}{ticked(kind)}" if kind != error.value else ticked(error.value)
    said = error.value if error.value in NO_VALUES else said
    return Words(f"{ticked(error.field)} cannot be {said}", f"it takes {plain(error.wanted)}")


@REFUSALS.of(denials.BodyTooLarge)
def _body_too_large(error: denials.BodyTooLarge) -> Words:
    sentence = f"the body is larger than {error.bytes_max:,} bytes"
    return Words(sentence, "whoever runs ferry can raise `body_mb_max` in `[server]`")


@REFUSALS.of(denials.MalformedRequest)
def _malformed_request(error: denials.MalformedRequest) -> Words:
    return Words(f"the request is no HTTP that is understood here: {plain(error.why)}")


@REFUSALS.of(denials.HeadersTooLarge)
def _headers_too_large(error: denials.HeadersTooLarge) -> Words:
    return Words(f"the request's headers are too large: {plain(error.what)}")


@REFUSALS.of(denials.PathTooLong)
def _path_too_long(error: denials.PathTooLong) -> Words:
    return Words(f"the path is longer than {error.bytes_max:,} bytes")


@REFUSALS.of(denials.CompressedBody)
def _compressed_body(error: denials.CompressedBody) -> Words:
    sentence = f"the body is compressed with {ticked(error.encoding)}"
    return Words(sentence, "send it without `Content-Encoding`")


@REFUSALS.of(denials.RequestTooSlow)
def _request_too_slow(error: denials.RequestTooSlow) -> Words:
    return Words(f"the request did not arrive whole within {error.seconds:g} s")


@REFUSALS.of(denials.ForbiddenOrigin)
def _forbidden_origin(error: denials.ForbiddenOrigin) -> Words:
    sentence = f"{ticked(f'{error.header}: {error.value}')} is not served here"
    return Words(sentence, "whoever runs ferry can add the name to `hosts` in `[server]`")


@REFUSALS.of(denials.CarriesLoop)
def _carries_loop(_error: denials.CarriesLoop) -> Words:
    hint = "the `base_url` of a provider leads back to ferry"
    return Words("the request has passed through this ferry before", hint)


@REFUSALS.of(denials.NoSuchPath)
def _no_such_path(error: denials.NoSuchPath) -> Words:
    sentence = f"there is no {ticked(f'{error.method} {error.path}')}"
    return Words(sentence, "the base URL of OpenAI clients ends in `/v1`")


@REFUSALS.of(denials.MethodNotAllowed)
def _method_not_allowed(error: denials.MethodNotAllowed) -> Words:
    return Words(f"{ticked(error.path)} does not take {ticked(error.method)}")


@REFUSALS.of(denials.TooBusy)
def _too_busy(_error: denials.TooBusy) -> Words:
    return Words("as many calls are in flight as this server carries", "try again in a second")


@REFUSALS.of(denials.Stopping)
def _stopping(_error: denials.Stopping) -> Words:
    return Words("this server is stopping", "try again in a second")


# Upstream -----------------------------------------------------------------------------------

_PHASES = {
    "connect": "did not accept a connection",
    "first_byte": "did not begin to answer",
    "idle": "sent nothing more",
    "total": "did not finish",
}
"""Phases are named like the settings that bound them: `connect_s` and so on."""
_OPTIONS = {"first_byte": "--first-byte", "total": "--deadline"}
"""What of `ferry routes set` bounds a phase instead."""


@REFUSALS.of(denials.UpstreamFailed)
def _upstream_failed(error: denials.UpstreamFailed) -> Words:
    return Words(f"provider {ticked(error.provider)} did not answer: {plain(error.why)}")


@REFUSALS.of(denials.UpstreamTimeout)
def _upstream_timeout(error: denials.UpstreamTimeout) -> Words:
    said = _PHASES.get(error.phase, f"was too slow ({plain(error.phase)})")
    hint = ""
    if error.phase in _PHASES:
        hint = f"whoever runs ferry can raise `{error.phase}_s` in `[upstream]`"
        if error.phase in _OPTIONS:
            hint += f", or the route's `{_OPTIONS[error.phase]}`"
    return Words(f"provider {ticked(error.provider)} {said} within {error.seconds:g} s", hint)


@REFUSALS.of(denials.InternalFailure)
def _internal(error: denials.InternalFailure) -> Words:
    return Words(f"ferry itself failed ({plain(error.error)})", "its log says where")
