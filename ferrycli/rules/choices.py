"""From what a call asks for to the targets that may answer it, in tiers and in order.

What decides is, in this order: an assignment that matches, `X-Ferry-Route`, a route's name as the
model, `provider/model`, a bare model. Every target that is left out says why. Pure: who serves
what, what targets can carry and which circuits are open is handed in. Source: docs/routes.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from ferrycli.rules.attribution import Attribution
from ferrycli.rules.circuit import CircuitState
from ferrycli.rules.denials import (
    ModelNotAllowed,
    NoTarget,
    NotOffered,
    Refusal,
    RequestUnfit,
    RouteNotFound,
)
from ferrycli.rules.filters import TAG, Value
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.routes import USED, Assignments, Route, RouteTarget, spread_of
from ferrycli.rules.routing import ProviderTerms, Target, accepts, find_target, nearest_names
from ferrycli.rules.selectors import facts_of


class Wanted(Struct, frozen=True):
    """What a call asks for, as far as its way depends on it."""

    model: str
    """As the body names it."""
    key: KeyTerms
    attribution: Attribution
    is_stream: bool = False
    input_tokens: int = 0
    """An estimate."""
    asks: str = "chat"
    """The dialect or endpoint that it is asked in, as `wire/ways.py` names them."""
    needs: frozenset[str] = frozenset()
    """What the request has that not every model carries: `tools`, `images`, `audio`."""

    def facts(self) -> dict[str, str]:
        """Dimension to value, as assignments select by them."""
        said = self.attribution
        return {**facts_of(said), "route": said.route, "key": self.key.id, "model": self.model}

    def field(self, name: str) -> Value | None:
        """What a condition reads; None for what is not known here."""
        if name.startswith(TAG):
            return dict(self.attribution.tags).get(name.removeprefix(TAG), "")
        match name:
            case "key":
                return self.key.name
            case "model":
                return self.model
            case "stream":
                return int(self.is_stream)
            case "input":
                return self.input_tokens
            case "used":
                return None
        return str(getattr(self.attribution, name))


def _carries_all(_target: Target, _wanted: Wanted) -> str:
    return ""


def _reaches_all(_target: Target, _wanted: Wanted) -> bool:
    return True


def _never_blocked(_target: str) -> CircuitState | None:
    return None


class Roads(Struct, frozen=True):
    """What there is to go by at one moment."""

    providers: Sequence[ProviderTerms]
    serves: Callable[[ProviderTerms, str], bool]
    names: Callable[[], Sequence[str]]
    """Models to suggest to the call's key."""
    routes: Mapping[str, Route]
    assignments: Assignments
    carries: Callable[[Target, Wanted], str] = _carries_all
    """Why a target cannot carry the request, in few words; empty where it can."""
    reaches: Callable[[Target, Wanted], bool] = _reaches_all
    """Whether a target's provider can be asked for this at all."""
    blocked: Callable[[str], CircuitState | None] = _never_blocked
    """The circuit that keeps calls away from `provider/model`; None where none does."""


class Choice(Struct, frozen=True):
    """One target that may answer."""

    target: Target
    tier: str = "normal"
    """`normal`, `cheaper` or `free`."""
    route: str = ""
    """The route that it is a target of; empty for a model that was named itself."""
    via: str = ""
    """The route that a budget's rule names; empty for the asked route's own."""
    condition: Callable[[int], bool] | None = None
    """Of the percentage that the fullest matching budget has used: whether it is a target."""
    when: str = ""
    """`condition` as it is written."""
    output_max: int | None = None
    """The least of what the asked route, this one and an assignment allow, in tokens per choice."""
    first_byte_s: float | None = None
    open_circuit: CircuitState | None = None
    """Set where it is kept only because every other normal target is left alone as well."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A target that may not answer, and why."""

    target: str
    """`provider/model`; empty where a whole route is meant."""
    tier: str
    code: str
    """`provider` (not configured), `unlisted` (not among the models listed for it), `key` (may not
    use it), `condition`, `carries`, `circuit` or `route` (there is none of this name)."""
    route: str = ""
    via: str = ""
    detail: str = ""
    """The condition, what cannot be carried, or what opened the circuit."""
    until_us: int | None = None
    """Of an open circuit."""


class Choices(Struct, frozen=True):
    """Every target of a call, kept or dropped."""

    asked: str
    """The name that decided: a route's, or the model's."""
    route: Route | None = None
    """The route in effect; None where a model was named."""
    assignment: str = ""
    """The id of the assignment that chose the route or bounds the answer."""
    choices: tuple[Choice, ...] = ()
    """Normal ones first, then cheaper, then free; in the order in which they are tried."""
    dropped: tuple[Dropped, ...] = ()
    output_max: int | None = None


RuleRoutes = Sequence[tuple[str, str]]
"""Tier and route of each rule of a matching budget that names a route."""


def choose(
    wanted: Wanted, roads: Roads, *, now_us: int, chance: int = 0, rule_routes: RuleRoutes = ()
) -> Choices:
    """The targets that may answer, at least one.

    `chance` is a random number: where a call goes that does not stick to its thread's target.
    Raises what `survey` does, and `ModelNotAllowed`, `RequestUnfit` or `NoTarget` where nothing
    is left.
    """
    found = survey(wanted, roads, now_us=now_us, chance=chance, rule_routes=rule_routes)
    if not found.choices:
        raise refusal_of(found, wanted)
    return found


def survey(
    wanted: Wanted, roads: Roads, *, now_us: int, chance: int = 0, rule_routes: RuleRoutes = ()
) -> Choices:
    """Every target, kept or dropped. Raises `RouteNotFound` or `ModelNotFound`."""
    found = _Survey(wanted, roads, chance)
    found.assign(now_us)
    route = found.route
    if route is None:
        found.add_model()
    else:
        found.add(route, "normal")
    if route is not None and route.cheaper:
        found.add_named(route.cheaper, "cheaper")
    for tier, name in dict.fromkeys(rule_routes):
        if tier == "cheaper":
            found.add_named(name, tier, via=name)
    if route is not None and route.free:
        found.add_named(route.free, "free")
    for tier, name in dict.fromkeys(rule_routes):
        if tier == "free":
            found.add_named(name, tier, via=name)
    return found.choices()


def refusal_of(found: Choices, wanted: Wanted) -> Refusal:
    """What a call is told of which no target is left."""
    normal = [one for one in found.dropped if one.tier == "normal"]
    codes = {one.code for one in normal}
    if codes == {"key"}:
        # A model that was named itself is told with the provider that it means.
        name = found.asked if found.route is not None else normal[0].target
        return ModelNotAllowed(name, wanted.key.models)
    reasons = tuple((one.target, one.code, one.detail) for one in normal)
    if codes and codes <= {"key", "carries"}:
        return RequestUnfit(found.asked, reasons)
    return NoTarget(found.asked, reasons)


class _Survey:
    """One call's targets, as they are found."""

    def __init__(self, wanted: Wanted, roads: Roads, chance: int) -> None:
        self._wanted = wanted
        self._roads = roads
        self._chance = chance
        self._providers = {one.name: one for one in roads.providers}
        self._kept: list[Choice] = []
        self._dropped: list[Dropped] = []
        self.route: Route | None = None
        self._asked = wanted.model
        self._assignment = ""
        self._output_max: int | None = None

    def assign(self, now_us: int) -> None:
        """Find the route in effect. Raises `RouteNotFound`."""
        wanted, routes = self._wanted, self._roads.routes
        name = ""
        if self._roads.assignments:
            name = self._assigned(now_us)
        if not name:
            name = wanted.attribution.route or (wanted.model if wanted.model in routes else "")
        if name:
            if name not in routes:
                raise RouteNotFound(name, nearest_names(name, list(routes)))
            self._asked, self.route = name, routes[name]
            self._output_max = _least(self._output_max, self.route.output_max)

    def _assigned(self, now_us: int) -> str:
        """The route of the assignment that matches best, and the bound of the one that has one."""
        name = ""
        for one in self._roads.assignments.matching(self._wanted.facts(), now_us):
            if one.route and one.route not in self._roads.routes:
                self._dropped.append(Dropped("", "normal", "route", one.route, detail=one.id))
                continue
            if one.route and not name:
                name, self._assignment = one.route, one.id
            if one.output_max is not None and self._output_max is None:
                self._output_max = one.output_max
                self._assignment = self._assignment or one.id
        return name

    def add_model(self) -> None:
        """The model that the call names itself. Raises `ModelNotFound`."""
        roads = self._roads

        def names() -> list[str]:
            return [*roads.routes, *roads.names()]

        target = find_target(self._wanted.model, roads.providers, roads.serves, names)
        if not self._wanted.key.allows(target.provider, target.model):
            self._dropped.append(Dropped(str(target), "normal", "key"))
            return
        if not roads.reaches(target, self._wanted):
            raise NotOffered(str(target), self._wanted.asks)
        # What else it can carry is for its provider to say: nobody else was asked for.
        circuit = roads.blocked(str(target))
        self._kept.append(Choice(target, output_max=self._output_max, open_circuit=circuit))

    def add_named(self, name: str, tier: str, via: str = "") -> None:
        """The targets of another route, in `tier`."""
        route = self._roads.routes.get(name)
        if route is None:
            self._dropped.append(Dropped("", tier, "route", name, via))
        else:
            self.add(route, tier, via)

    def add(self, route: Route, tier: str, via: str = "") -> None:
        """The targets of `route`, in the order in which they are tried."""
        blocked: list[tuple[Choice, CircuitState]] = []
        has_sure = False
        for one in route.ordered(self._spread(route)):
            choice = self._choice(one, route, tier, via)
            if isinstance(choice, Dropped):
                self._dropped.append(choice)
            elif (circuit := self._roads.blocked(one.target)) is not None:
                blocked.append((choice, circuit))
            else:
                self._kept.append(choice)
                has_sure |= choice.condition is None
        if blocked and tier == "normal" and not has_sure:
            # Better a provider that may fail than a call that does.
            soonest = min(blocked, key=lambda one: one[1].until_us or 0)
            blocked.remove(soonest)
            self._kept.append(replace(soonest[0], open_circuit=soonest[1]))
        for choice, state in blocked:
            self._dropped.append(
                Dropped(
                    str(choice.target), tier, "circuit", route.name, via, state.reason,
                    state.until_us,
                )
            )  # fmt: skip

    def _spread(self, route: Route) -> int:
        said = self._wanted.attribution
        is_bound = route.has_weights and route.is_sticky and said.thread
        return spread_of(said.tenant, said.thread) if is_bound else self._chance

    def _choice(self, one: RouteTarget, route: Route, tier: str, via: str) -> Choice | Dropped:
        """The target if nothing but its circuit may keep calls away."""
        provider_name, _, model = one.target.partition("/")
        provider = self._providers.get(provider_name)

        def dropped(code: str, detail: str = "") -> Dropped:
            return Dropped(one.target, tier, code, route.name, via, detail)

        if provider is None:
            return dropped("provider", provider_name)
        if not accepts(provider, model):
            return dropped("unlisted", provider_name)
        if not self._wanted.key.allows(provider_name, model):
            return dropped("key")
        condition = self._condition(one)
        if condition is False:
            return dropped("condition", one.when_text)
        later = None if condition is True else condition
        target = Target(provider_name, provider.kind, model)
        if not self._roads.reaches(target, self._wanted):
            return dropped("carries", f"its provider offers no {self._wanted.asks}")
        if why := self._roads.carries(target, self._wanted):
            return dropped("carries", why)
        asked = self.route
        return Choice(
            target,
            tier,
            route.name,
            via,
            later,
            one.when_text if later else "",
            _least(self._output_max, route.output_max),
            route.first_byte_s or (asked.first_byte_s if asked else None),
        )

    def _condition(self, one: RouteTarget) -> bool | Callable[[int], bool]:
        """Whether the target's condition is met, or a function of what is used."""
        test, field = one.test, self._wanted.field
        if test is None:
            return True
        if not one.turns:
            return test(field)

        def holds(used: int) -> bool:
            return test(lambda name: used if name == USED else field(name))

        outcomes = {holds(used) for used in one.turns}
        return holds if len(outcomes) > 1 else outcomes.pop()

    def choices(self) -> Choices:
        return Choices(
            self._asked,
            self.route,
            self._assignment,
            tuple(self._kept),
            tuple(self._dropped),
            self._output_max,
        )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
