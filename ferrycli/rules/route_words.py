"""The words of routes: why a target is left out, and what is refused when routes are changed.

Pure. Used by `rules/words.py`, and by what `ferry routes explain` draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferrycli.rules import denials, route_errors
from ferrycli.rules.money import usd_exact
from ferrycli.rules.phrases import (
    Words,
    Writers,
    argument,
    choice,
    listed,
    nearest,
    plain,
    ticked,
)
from ferrycli.rules.route_errors import KEYWORDS, NAME_LENGTH_MAX, TARGETS_MAX, WEIGHT_MAX

if TYPE_CHECKING:
    from ferrycli.rules.route_prices import RouteWarning

ROUTE_WORDS = Writers()

UNCHANGED = "nothing was changed"
REASONS_MAX = 4


def why_dropped(code: str, detail: str = "", until: str = "") -> str:
    """Why a target may not answer, by a code of `rules/choices.py`, as part of a sentence.

    `until`: when its circuit lets a call through; empty where that is not known.
    """
    match code:
        case "provider":
            return f"provider {ticked(detail)} is not configured"
        case "unlisted":
            return f"provider {ticked(detail)} does not list this model"
        case "key":
            return "the key may not use it"
        case "condition":
            return f"its condition is not met: {ticked(detail)}"
        case "circuit":
            opened = f" ({plain(detail)})" if detail else ""
            return f"its circuit is open{f' until {until}' if until else ''}{opened}"
        case "route":
            return "there is no such route"
    return plain(detail) or plain(code)


def _reasons(reasons: tuple[tuple[str, str, str], ...]) -> str:
    said = [f"{ticked(name)}: {why_dropped(code, detail)}" for name, code, detail in reasons]
    more = len(said) - REASONS_MAX
    return "; ".join(said[:REASONS_MAX] + ([f"and {more} more"] if more > 0 else []))


@ROUTE_WORDS.of(denials.NoTarget)
def _no_target(error: denials.NoTarget) -> Words:
    sentence = f"no target of {ticked(error.target)} can take this call now"
    if error.reasons:
        sentence += f" ({_reasons(error.reasons)})"
    return Words(sentence, f"whoever runs ferry sees why with {_explained(error.target)}")


def _explained(name: str) -> str:
    return f"`ferry routes explain {argument(name)} --key NAME`"


@ROUTE_WORDS.of(denials.RequestUnfit)
def _request_unfit(error: denials.RequestUnfit) -> Words:
    sentence = f"no target of route {ticked(error.route)} can carry this request"
    if error.reasons:
        sentence += f" ({_reasons(error.reasons)})"
    return Words(sentence, f"whoever runs ferry sees why with {_explained(error.route)}")


@ROUTE_WORDS.of(denials.NotOffered)
def _not_offered(error: denials.NotOffered) -> Words:
    sentence = f"the provider of {ticked(error.target)} offers no {plain(error.asked)}"
    return Words(sentence, "`GET /v1/models` lists what this key may call")


@ROUTE_WORDS.of(denials.RouteNotFound)
def _route_not_found(error: denials.RouteNotFound) -> Words:
    hint = f"did you mean {listed(error.nearest)}?" if error.nearest else ""
    hint = hint or "leave out `X-Ferry-Route`; whoever runs ferry makes routes"
    return Words(f"there is no route {ticked(error.route)}", hint)


_BAD_NAMES = {
    "keyword": f"is a word of rules: {', '.join(sorted(KEYWORDS))}",
    "slash": "has a slash, as models have",
}


@ROUTE_WORDS.of(route_errors.BadRouteName)
def _bad_route_name(error: route_errors.BadRouteName) -> Words:
    said = _BAD_NAMES.get(error.why, "is no name")
    hint = f"a name has up to {NAME_LENGTH_MAX} letters, digits, `.`, `_` and `-`; {UNCHANGED}"
    return Words(f"a route cannot be called {ticked(error.name)}: it {said}", hint)


_BAD_TARGETS = {
    "form": "it is not written PROVIDER/MODEL",
    "weight": f"its weight is not a whole number from 1 to {WEIGHT_MAX:,}",
    "twice": "it is there twice",
    "provider": "its provider is not configured",
    "many": f"a route has {TARGETS_MAX} targets at the most",
    "none": "a route has one target at least",
    "unlisted": "its provider lists its models, and this is none of them",
}


@ROUTE_WORDS.of(route_errors.BadRouteTarget)
def _bad_route_target(error: route_errors.BadRouteTarget) -> Words:
    why = _BAD_TARGETS.get(error.why, plain(error.why))
    hint = "write `openai/gpt-5`, `openai/gpt-5@3` or `'openai/gpt-5 if tenant=acme'`"
    if error.known:
        hint = f"configured: {listed(error.known, 'and')}; `ferry config show` says from where"
    return Words(f"{ticked(error.text)} cannot be a target: {why}", f"{hint}; {UNCHANGED}")


@ROUTE_WORDS.of(route_errors.RouteInCircle)
def _route_in_circle(error: route_errors.RouteInCircle) -> Words:
    way = " → ".join(ticked(name) for name in error.chain)
    sentence = f"a route cannot lead back to itself: {way}"
    return Words(sentence, f"name another with `--cheaper` or `--free`; {UNCHANGED}")


@ROUTE_WORDS.of(route_errors.RouteInUse)
def _route_in_use(error: route_errors.RouteInUse) -> Words:
    sentence = f"route {ticked(error.route)} is in use by {listed(error.users, 'and')}"
    return Words(sentence, f"point these elsewhere first, or end them; {UNCHANGED}")


@ROUTE_WORDS.of(route_errors.FreeRouteCosts)
def _free_route_costs(error: route_errors.FreeRouteCosts) -> Words:
    sentence = (
        f"{ticked(error.target)} of route {ticked(error.route)} costs"
        f" {_price(error.input_nanousd, error.output_nanousd)},"
        f" and {ticked(error.user)} takes that route as its free one"
    )
    hint = (
        "take a target that costs nothing, or say that it does:"
        f" `ferry prices set {argument(error.target)} --input 0 --output 0`"
    )
    return Words(sentence, f"{hint}; {UNCHANGED}")


def _price(input_nanousd: int | None, output_nanousd: int | None) -> str:
    amounts = [
        "no price" if amount is None else f"${usd_exact(amount)}"
        for amount in (input_nanousd, output_nanousd)
    ]
    return f"{amounts[0]} in and {amounts[1]} out per million tokens"


def warned(warning: RouteWarning) -> str:
    """What a warning says, as one sentence."""
    one, other = warning.one, warning.other
    name = f"{ticked(one.target)} of route {ticked(one.route)}"
    if other is not None:
        its = f"{ticked(other.target)} of route {ticked(other.route)}"
        return (
            f"the cheaper route is dearer: {its} costs"
            f" {_price(other.input_nanousd, other.output_nanousd)},"
            f" {name} {_price(one.input_nanousd, one.output_nanousd)}"
        )
    if warning.code == "unpriced_free":
        says = f"`ferry prices set {argument(one.target)} --input 0 --output 0`"
        return f"{name} has no price, so it is not taken as free; {says} says that it is"
    return f"{name} has no price: hard limits do not let it go, and what it costs is not known"


_BAD_ASSIGNMENTS = {
    "provider": "a call has no provider before it has a route",
    "nothing": "neither a route nor a bound is named, so nothing would change",
    "past": "it would be over before it began",
    "itself": "calls of that route would go where they go already",
}


@ROUTE_WORDS.of(route_errors.BadAssignment)
def _bad_assignment(error: route_errors.BadAssignment) -> Words:
    why = _BAD_ASSIGNMENTS.get(error.why, plain(error.why))
    sentence = f"{ticked(error.selector)} cannot be assigned: {why}"
    return Words(sentence, f"write it as `ferry routes assign tenant=acme ROUTE`; {UNCHANGED}")


@ROUTE_WORDS.of(route_errors.NoSuchRoute)
def _no_such_route(error: route_errors.NoSuchRoute) -> Words:
    hint = f"make it with `ferry routes set {argument(error.name)} PROVIDER/MODEL`"
    if error.known:
        near = nearest(error.name, error.known)
        hint = f"{choice(error.name, near)} " if near else ""
        hint += "`ferry routes list` shows all"
    return Words(f"there is no route {ticked(error.name)}", hint)


@ROUTE_WORDS.of(route_errors.NoSuchAssignment)
def _no_such_assignment(error: route_errors.NoSuchAssignment) -> Words:
    hint = "`ferry routes assign` makes one"
    if error.known:
        near = nearest(error.text, error.known)
        hint = f"{choice(error.text, near)} " if near else ""
        hint += "`ferry routes list` shows all"
    return Words(f"nothing is assigned to {ticked(error.text)}", hint)
