"""What a call is decided on: keys, budgets, prices and providers, at one epoch.

Rebuilt when the ledger publishes new books; cheap, because everything in it is shared or lazy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ferrycli.prices import catalogue
from ferrycli.prices.cards import Cards
from ferrycli.prices.regions import endpoint_place
from ferrycli.rules.choices import Choices, Roads, Wanted, choose, survey
from ferrycli.rules.circuit import CircuitState
from ferrycli.rules.denials import BadKey, NoKey
from ferrycli.rules.keys import DEMO_SECRET, KeyTerms, is_well_formed, shown
from ferrycli.rules.pricing import RateCard
from ferrycli.rules.routes import Assignments
from ferrycli.rules.routing import ProviderTerms, Target, accepts
from ferrycli.rules.selectors import OF_TARGET, Selector
from ferrycli.settings import CATALOGUES, Provider
from ferrycli.sim.models import MODELS
from ferrycli.store.books import Books
from ferrycli.wire.entries import unbilled_kinds
from ferrycli.wire.max_price import is_openrouter
from ferrycli.wire.ways import Speaker, Way, find_way

NAMED_KEPT_MAX = 4_096
MINUTE_US = 60_000_000
"""For so long a price stands: `prices/cards.py`."""

Blocked = Callable[[str, int], CircuitState | None]
"""Which circuit keeps calls away from `provider/model` at a moment; None where none does."""

_PRICED_AS = {model.name: model.priced_as for model in MODELS}
DEMO_KEY = KeyTerms(id="demo", name="demo", last4="demo", models=("sim/*",), is_demo=True)
SIM = Provider("sim", "sim")


@dataclass(frozen=True, slots=True)
class Providers:
    """The configured providers, and their names in the price catalogue."""

    by_name: Mapping[str, Provider]
    catalogue_ids: Mapping[str, str]
    places: Mapping[str, str]
    """Where the address of each is; empty for everywhere."""
    speakers: Mapping[str, Speaker]
    terms: tuple[ProviderTerms, ...]
    openrouters: frozenset[str]
    """Those that are OpenRouter, where a name may be served by many."""

    @classmethod
    def of(cls, configured: Sequence[Provider]) -> Providers:
        """From the settings; the simulated provider alone where there is none."""
        every = configured or (SIM,)
        catalogue_ids = {one.name: _catalogue_id(one) for one in every}
        return cls(
            {one.name: one for one in every},
            catalogue_ids,
            {one.name: endpoint_place(one.base_url) for one in every},
            {one.name: Speaker(one.kind, one.base_url, one.speaks) for one in every},
            tuple(ProviderTerms(one.name, one.kind, one.models) for one in every),
            frozenset(
                one.name for one in every if is_openrouter(catalogue_ids[one.name], one.base_url)
            ),
        )

    def way(self, target: Target, asks: str, *, is_stream: bool) -> Way | None:
        """How `target` is asked for `asks`; None where it cannot be."""
        return find_way(self.speakers[target.provider], asks, target.model, is_stream=is_stream)

    def kind_of(self, name: str) -> str:
        """What a provider is, for reading its errors: its name in the catalogue, else its kind."""
        return self.catalogue_ids[name] or self.by_name[name].kind

    @property
    def are_simulated(self) -> bool:
        """Whether nothing real is configured: then, and only then, the demo key opens."""
        return all(one.kind == "sim" for one in self.terms)


def _catalogue_id(provider: Provider) -> str:
    if provider.catalogue or provider.kind == "sim":
        return provider.catalogue
    return CATALOGUES.get(provider.kind) or catalogue.provider_id(provider.name, provider.base_url)


class Snapshot:
    """Books, cards and providers that belong together."""

    def __init__(self, books: Books, cards: Cards, providers: Providers) -> None:
        self.books = books
        self.cards = cards
        self.providers = providers
        self._assignments = Assignments(books.assignments)
        self._rule_routes = tuple(
            (Selector(tuple(pair for pair in terms.subject if pair[0] not in OF_TARGET)), rule)
            for terms in books.budgets.values()
            for rule in terms.rules
            if rule.route
        )
        """Rules that name a route, and whose calls they may be about, whatever the target."""
        self._minute = 0
        self._named: dict[tuple[str, str, str, bool], tuple[str, Choices]] = {}
        """What calls that name a model themselves came to in this minute, by what it depends on."""

    def key(self, secret: str, now_us: int, is_local: Callable[[], bool]) -> KeyTerms | None:
        """The key of `secret`; None where it is well formed and not known (yet).

        `is_local`: whether this machine asks. Raises `NoKey` or `BadKey`.
        """
        if not secret:
            raise NoKey
        if secret == DEMO_SECRET:
            if self.providers.are_simulated and is_local():
                return DEMO_KEY
            raise BadKey(secret, "demo")
        # Looked up by its hash: the comparison tells nothing about the secret.
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        known = self.books.keys.get(hashed)
        if known is None and not is_well_formed(secret):
            raise BadKey(shown(secret), "typo" if secret.startswith("fk_") else "unknown")
        if self.books.retiring.get(hashed, now_us) < now_us:
            raise BadKey(shown(secret), "rotated")
        return known

    def choose(
        self, wanted: Wanted, now_us: int, chance: Callable[[int], int], blocked: Blocked
    ) -> Choices:
        """The targets that may answer, in tiers and in order. Raises what `rules.choices` does.

        `chance(bits)`: a random number of so many bits.
        """
        is_named = not (
            wanted.attribution.route
            or wanted.model in self.books.routes
            or self.books.assignments
            or self._rule_routes
        )
        if not is_named:
            return self._chosen(wanted, now_us, chance(64), blocked)
        place = (wanted.model, wanted.key.id, wanted.asks, wanted.is_stream)
        minute = now_us // MINUTE_US
        if minute != self._minute or len(self._named) >= NAMED_KEPT_MAX:
            self._minute, self._named = minute, {}
        known = self._named.get(place)
        if known is None or blocked(known[0], now_us) is not None:
            choices = self._chosen(wanted, now_us, 0, blocked)
            if choices.choices[0].open_circuit is None:
                self._named[place] = (str(choices.choices[0].target), choices)
            return choices
        return known[1]

    def _chosen(self, wanted: Wanted, now_us: int, chance: int, blocked: Blocked) -> Choices:
        return choose(
            wanted,
            self._roads(wanted, now_us, blocked),
            now_us=now_us,
            chance=chance,
            rule_routes=self._routes_of_rules(wanted),
        )

    def survey(self, wanted: Wanted, now_us: int, blocked: Blocked) -> Choices:
        """As `choose`, also where no target is left."""
        return survey(
            wanted,
            self._roads(wanted, now_us, blocked),
            now_us=now_us,
            rule_routes=self._routes_of_rules(wanted),
        )

    def _roads(self, wanted: Wanted, now_us: int, blocked: Blocked) -> Roads:
        is_priced, kinds = self.serves(now_us), unbilled_kinds(wanted.asks)

        def serves(provider: ProviderTerms, model: str) -> bool:
            # The catalogue knows nothing of what has no price.
            is_known = provider.kind in kinds or is_priced(provider, model)
            target = Target(provider.name, provider.kind, model)
            return is_known and (not kinds or reaches(target, wanted))

        def names() -> list[str]:
            return [str(target) for target in self.known(wanted.key)]

        def carries(target: Target, wanted: Wanted) -> str:
            card = self.card(target, now_us)
            window = card.context_tokens_max if card is not None else None
            if window is not None and wanted.input_tokens > window:
                return f"its context holds {window:,} tokens"
            return ""

        def reaches(target: Target, wanted: Wanted) -> bool:
            way = self.providers.way(target, wanted.asks, is_stream=wanted.is_stream)
            return way is not None

        return Roads(
            self.providers.terms,
            serves,
            names,
            self.books.routes,
            self._assignments,
            carries,
            reaches,
            lambda target: blocked(target, now_us),
        )

    def _routes_of_rules(self, wanted: Wanted) -> list[tuple[str, str]]:
        """Tier and route of each rule that names one and may be about this call."""
        if not self._rule_routes:
            return []
        facts = wanted.facts()
        return [
            ("cheaper" if rule.action == "downgrade" else "free", rule.route)
            for selector, rule in self._rule_routes
            if selector.subject(facts) is not None
        ]

    def serves(self, now_us: int) -> Callable[[ProviderTerms, str], bool]:
        """Whether a price says that a provider has a model."""

        def is_priced(provider: ProviderTerms, model: str) -> bool:
            return self.card(Target(provider.name, provider.kind, model), now_us) is not None

        return is_priced

    def card(self, target: Target, now_us: int) -> RateCard | None:
        """The rate card of `target` at that moment; None: unpriced."""
        if target.kind == "sim":
            own = self.cards.card(target.provider, "", target.model, now_us)
            priced_as = _PRICED_AS.get(target.model)
            if own is not None or priced_as is None:
                return own
            return self.cards.card(target.provider, *priced_as, now_us)
        provider = self.providers.by_name[target.provider]
        return self.cards.card(
            target.provider,
            self.providers.catalogue_ids[target.provider],
            target.model,
            now_us,
            place=self.providers.places[target.provider],
            priced_as=provider.priced_as(target.model) if provider.aliases else "",
        )

    def known(self, key: KeyTerms | None) -> list[Target]:
        """Every target that has a name here and that `key` may call; None: whoever calls."""
        return [
            Target(provider.name, provider.kind, model)
            for provider in self.providers.terms
            for model in self._known_models(provider)
            if key is None or key.allows(provider.name, model)
        ]

    def _known_models(self, provider: ProviderTerms) -> list[str]:
        if provider.kind == "sim":
            return [model.name for model in MODELS]
        configured = self.providers.by_name[provider.name]
        exact = [glob for glob in provider.models if not set(glob) & set("*?[")]
        own = [
            one.model_glob
            for one in self.cards.overrides
            if one.provider == provider.name and not set(one.model_glob) & set("*?[")
        ]
        aliases = [name for name, _ in configured.aliases]
        place = self.providers.places[provider.name]
        known = catalogue.model_ids(self.providers.catalogue_ids[provider.name], place)
        return sorted(one for one in {*exact, *own, *aliases, *known} if accepts(provider, one))


class SnapshotKeeper:
    """The current snapshot; made anew when the ledger has newer books."""

    def __init__(self, books: Books, providers: Providers) -> None:
        self._providers = providers
        self._current = Snapshot(books, Cards(books.overrides), providers)

    def on(self, books: Books) -> Snapshot:
        """The snapshot for these books."""
        current = self._current
        if current.books is books:
            return current
        is_same = books.overrides == current.books.overrides
        cards = current.cards if is_same else Cards(books.overrides)
        self._current = Snapshot(books, cards, self._providers)
        return self._current
