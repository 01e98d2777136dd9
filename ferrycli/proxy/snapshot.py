"""What a call is decided on: keys, budgets, prices and providers, at one epoch.

Rebuilt when the ledger publishes new books; cheap, because everything in it is shared or lazy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ferrycli.prices import catalogue
from ferrycli.prices.cards import Cards
from ferrycli.rules.denials import BadKey, NoKey
from ferrycli.rules.keys import DEMO_SECRET, KeyTerms, is_well_formed, shown
from ferrycli.rules.pricing import RateCard
from ferrycli.rules.routing import ProviderTerms, Target, allowed, find_target
from ferrycli.settings import Provider
from ferrycli.sim.models import MODELS
from ferrycli.store.books import Books
from ferrycli.wire.bodies import ModelEntry

_PRICED_AS = {model.name: model.priced_as for model in MODELS}
DEMO_KEY = KeyTerms(id="demo", name="demo", last4="demo", models=("sim/*",), is_demo=True)
SIM = Provider("sim", "sim")


@dataclass(frozen=True, slots=True)
class Providers:
    """The configured providers, and their names in the price catalogue."""

    by_name: Mapping[str, Provider]
    catalogue_ids: Mapping[str, str]
    terms: tuple[ProviderTerms, ...]

    @classmethod
    def of(cls, configured: Sequence[Provider]) -> Providers:
        """From the settings; the simulated provider alone where there is none."""
        every = configured or (SIM,)
        return cls(
            {one.name: one for one in every},
            {one.name: _catalogue_id(one) for one in every},
            tuple(ProviderTerms(one.name, one.kind, one.models) for one in every),
        )

    @property
    def are_simulated(self) -> bool:
        """Whether nothing real is configured: then, and only then, the demo key opens."""
        return all(one.kind == "sim" for one in self.terms)


def _catalogue_id(provider: Provider) -> str:
    if provider.catalogue or provider.kind == "sim":
        return provider.catalogue
    if provider.kind == "openai":
        return "openai"
    return catalogue.provider_id(provider.name, provider.base_url)


class Snapshot:
    """Books, cards and providers that belong together."""

    def __init__(self, books: Books, cards: Cards, providers: Providers) -> None:
        self.books = books
        self.cards = cards
        self.providers = providers

    def key(self, secret: str, *, is_local: bool) -> KeyTerms | None:
        """The key of `secret`; None where it is well formed and not known (yet).

        Raises `NoKey` or `BadKey`.
        """
        if not secret:
            raise NoKey
        if secret == DEMO_SECRET:
            if self.providers.are_simulated and is_local:
                return DEMO_KEY
            raise BadKey(secret, "demo")
        if not is_well_formed(secret):
            raise BadKey(shown(secret), "typo" if secret.startswith("fk_") else "unknown")
        # Looked up by its hash: the comparison tells nothing about the secret.
        return self.books.keys.get(hashlib.sha256(secret.encode()).hexdigest())

    def target(self, asked: str, key: KeyTerms, now_us: int) -> Target:
        """Where a call for the model `asked` goes. Raises `ModelNotFound`, `ModelNotAllowed`."""

        def serves(provider: ProviderTerms, model: str) -> bool:
            return self.card(Target(provider.name, provider.kind, model), now_us) is not None

        def names() -> list[str]:
            return [entry.id for entry in self.models(key, now_us)]

        return allowed(key, find_target(asked, self.providers.terms, serves, names))

    def card(self, target: Target, now_us: int) -> RateCard | None:
        """The rate card of `target` at that moment; None: unpriced."""
        if target.kind == "sim":
            own = self.cards.card(target.provider, "", target.model, now_us)
            priced_as = _PRICED_AS.get(target.model)
            if own is not None or priced_as is None:
                return own
            return self.cards.card(target.provider, *priced_as, now_us)
        catalogue_id = self.providers.catalogue_ids[target.provider]
        return self.cards.card(target.provider, catalogue_id, target.model, now_us)

    def models(self, key: KeyTerms, now_us: int) -> list[ModelEntry]:
        """What `key` may call, with prices; of every provider, those that are known."""
        return [
            self._entry(provider, model, now_us)
            for provider in self.providers.terms
            for model in self._known_models(provider)
            if key.allows(provider.name, model)
        ]

    def _known_models(self, provider: ProviderTerms) -> list[str]:
        if provider.kind == "sim":
            return [model.name for model in MODELS]
        exact = [glob for glob in provider.models if not set(glob) & set("*?[")]
        known = catalogue.model_ids(self.providers.catalogue_ids[provider.name])
        own = [
            one.model_glob
            for one in self.cards.overrides
            if one.provider == provider.name and not set(one.model_glob) & set("*?[")
        ]
        return sorted({*exact, *own, *known})

    def _entry(self, provider: ProviderTerms, model: str, now_us: int) -> ModelEntry:
        card = self.card(Target(provider.name, provider.kind, model), now_us)
        rate = card.steps[0].rate if card else None
        return ModelEntry(
            f"{provider.name}/{model}",
            provider.name,
            rate.input if rate else None,
            rate.output if rate else None,
            card.context_tokens_max if card else None,
        )


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
