"""Rate cards by model: the operator's overrides first, then the catalogue; cached for a minute.

A card is of one moment. Prices change at whole minutes at the earliest (a day's date, an hour of
the day), so a card is compiled again each minute that it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from ferrycli.prices import catalogue as catalogue_prices
from ferrycli.prices.limits import output_tokens_max
from ferrycli.rules.pricing import Override, RateCard, Step

CARDS_KEPT_MAX = 4_096
_MINUTE_US = 60_000_000

_Key = tuple[str, str, str]


class Cards:
    """Where a rate card comes from. Not for use by several threads."""

    def __init__(self, overrides: Sequence[Override]) -> None:
        """`overrides`: the latest first, as `Books.overrides` has them."""
        self._overrides = tuple(overrides)
        self._kept: dict[_Key, tuple[int, RateCard | None]] = {}

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What was handed in."""
        return self._overrides

    def card(self, provider: str, catalogue: str, model: str, at_us: int) -> RateCard | None:
        """The card in force at `at_us` (UTC microseconds); None where nothing prices the model.

        `provider` is the configured name, which overrides are for; `catalogue` the provider's id
        in the price catalogue, "" for none.
        """
        key, minute = (provider, catalogue, model), at_us // _MINUTE_US
        kept = self._kept.get(key)
        if kept is not None and kept[0] == minute:
            return kept[1]
        card = self._compiled(provider, catalogue, model, at_us)
        if len(self._kept) >= CARDS_KEPT_MAX:
            self._kept.clear()
        self._kept[key] = (minute, card)
        return card

    def _with_tiers(
        self, catalogue: str, model: str, at_us: int, tiers: Mapping[str, tuple[Step, ...]]
    ) -> RateCard | None:
        """The catalogue's card, with the tiers for which the operator set a price."""
        card = catalogue_prices.find_card(catalogue, model, at_us)
        if card is None or not tiers:
            return card
        merged = {**dict(card.tiers), **tiers}
        version = f"{card.version}, tiers by override"
        return replace(card, tiers=tuple(merged.items()), version=version)

    def _compiled(self, provider: str, catalogue: str, model: str, at_us: int) -> RateCard | None:
        matching = [
            one
            for one in self._overrides
            if one.provider == provider
            and one.from_us <= at_us
            and fnmatchcase(model, one.model_glob)
        ]
        plain = next((one for one in matching if not one.tier), None)
        tiers = {one.tier: (Step(0, one.rate),) for one in reversed(matching) if one.tier}
        if plain is None:
            return self._with_tiers(catalogue, model, at_us, tiers)
        return RateCard(
            provider=provider,
            model=plain.model_glob,
            steps=(Step(0, plain.rate),),
            tiers=tuple(tiers.items()),
            version=f"override {plain.id}",
            output_tokens_max=output_tokens_max(model),
        )
