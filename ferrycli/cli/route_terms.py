"""What the options of `ferry routes` say, read and checked; and what the database has of routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import Misused

if TYPE_CHECKING:
    from ferrycli.rules.circuit import CircuitState
    from ferrycli.rules.route_prices import Card
    from ferrycli.rules.routes import Assignment, Route
    from ferrycli.settings import Settings
    from ferrycli.store.route_changes import RoutePlan

SECONDS_MAX = 86_400
OUTPUT_TOKENS_MAX = 10_000_000
NO_RETRY = "none"


@dataclass(frozen=True, slots=True)
class Terms:
    """Options as they were written; None where one was not."""

    targets: Sequence[str] | None
    cheaper: str | None
    no_cheaper: bool
    free: str | None
    no_free: bool
    first_byte: float | None
    deadline: float | None
    output_max: int | None
    is_sticky: bool | None
    retry: Sequence[str] | None


def plan(name: str, terms: Terms) -> RoutePlan:
    """The route to be made or changed. Raises what is wrong with `terms`."""
    from ferrycli.rules.routes import check_name, parse_target

    check_name(name)
    targets = tuple(map(parse_target, terms.targets)) if terms.targets else None
    cheaper = _way("cheaper", terms.cheaper, terms.no_cheaper)
    free = _way("free", terms.free, terms.no_free)
    first_byte_s = _seconds("--first-byte", terms.first_byte)
    total_s = _seconds("--deadline", terms.deadline)
    retry = _retry(terms.retry)
    # Last, because it takes half a second: a mistake is told at once.
    from ferrycli.store.route_changes import RoutePlan

    made = RoutePlan(
        name, targets, cheaper, free, first_byte_s, total_s, bound(terms.output_max, 0),
        terms.is_sticky, retry,
    )  # fmt: skip
    if made == RoutePlan(name):
        raise Misused(
            "neither a target nor anything to change was named",
            f"`ferry routes set {name} PROVIDER/MODEL`, or see `ferry routes set --help`",
        )
    return made


def _way(which: str, name: str | None, is_none: bool) -> str | None:
    from ferrycli.rules.errors import ConfigBadValue

    if name is not None and is_none:
        wanted = f"--{which} or --no-{which}, not both"
        raise ConfigBadValue(f"flag --no-{which}", f"--{which}", name, wanted)
    if name is not None and not name.strip():
        raise ConfigBadValue(f"flag --{which}", which, name, "a route's name")
    return "" if is_none else name


def _seconds(flag: str, value: float | None) -> float | None:
    from ferrycli.rules.errors import ConfigBadValue

    if value is not None and not 0 <= value <= SECONDS_MAX:
        wanted = f"seconds, up to {SECONDS_MAX:,}; 0: as the settings say"
        raise ConfigBadValue(f"flag {flag}", flag.lstrip("-"), f"{value:.15g}", wanted)
    return value


def bound(value: int | None, least: int) -> int | None:
    """A bound on answers in tokens. Raises `ConfigBadValue`."""
    from ferrycli.rules.errors import ConfigBadValue

    if value is not None and not least <= value <= OUTPUT_TOKENS_MAX:
        none = "; 0: no bound" if least == 0 else ""
        wanted = f"tokens, {least} to {OUTPUT_TOKENS_MAX:,}{none}"
        raise ConfigBadValue("flag --max-output", "max-output", str(value), wanted)
    return value


def _retry(kinds: Sequence[str] | None) -> frozenset[str] | None:
    from ferrycli.rules.errors import BadField
    from ferrycli.rules.failures import OPTIONAL

    if not kinds:
        return None
    known = (*sorted(OPTIONAL), NO_RETRY)
    for kind in kinds:
        if kind not in known:
            raise BadField("failure", kind, known)
    return frozenset(kinds) - {NO_RETRY}


def until(text: str | None, settings: Settings) -> int | None:
    """When an assignment ends. Raises `ConfigBadValue`."""
    from ferrycli.rules.errors import BadSpan, ConfigBadValue
    from ferrycli.rules.spans import parse_deadline

    if text is None:
        return None
    try:
        return parse_deadline(text, now_us(), settings.zone)
    except BadSpan:
        wanted = "a time to come, such as 7d, friday or 2027-01-01"
        raise ConfigBadValue("flag --until", "until", text, wanted) from None


@dataclass(frozen=True, slots=True)
class Found:
    """What the database has of routes; all of it empty where there is none yet."""

    routes: dict[str, Route]
    assignments: tuple[Assignment, ...]
    health: dict[str, CircuitState]


def found(settings: Settings) -> Found:
    """Every route and assignment, and the circuits as they are now."""
    from ferrycli.rules.circuit import Circuits
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.store import reads, reads_servers, routebooks

    try:
        with reads.opened(settings.database) as connection:
            routes, assignments = routebooks.load_routes(connection)
            saved, now = Circuits(reads_servers.circuits(connection)), now_us()
            health = {target: saved.state(target, now) for target in saved.targets}
            return Found(routes, assignments, health)
    except NoDatabase:
        return Found({}, (), {})


def card(settings: Settings) -> Card:
    """What a target costs now, priced as a running server prices it."""
    from ferrycli.prices.cards import Cards
    from ferrycli.proxy.snapshot import Providers, Snapshot
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.rules.pricing import RateCard
    from ferrycli.rules.routing import Target
    from ferrycli.store import reads
    from ferrycli.store.books import Books

    try:
        with reads.opened(settings.database) as connection:
            overrides = reads.overrides(connection)
    except NoDatabase:
        overrides = []
    configured = Providers.of(settings.providers)
    kinds = {one.name: one.kind for one in configured.terms}
    snapshot = Snapshot(Books(), Cards(overrides), configured)
    now = now_us()

    def card_of(target: str) -> RateCard | None:
        name, _, model = target.partition("/")
        return snapshot.card(Target(name, kinds[name], model), now) if name in kinds else None

    return card_of
