"""Rate cards by model: the operator's overrides, else what is published; cached for a minute.

A card is of one moment. Prices change at whole minutes at the earliest (a day's date, an hour of
the day), so a card is compiled again each minute that it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from ferrycli.prices import catalogue as catalogue_prices
from ferrycli.prices.limits import output_tokens_max
from ferrycli.prices.overlay import EDITION, free_card, overlaid
from ferrycli.rules.pricing import Override, RateCard, Step

CARDS_KEPT_MAX = 4_096
_MINUTE_US = 60_000_000

_Key = tuple[str, str, str, str, str]


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

    def card(
        self,
        provider: str,
        catalogue: str,
        model: str,
        at_us: int,
        *,
        place: str = "",
        priced_as: str = "",
    ) -> RateCard | None:
        """The card in force at `at_us` (UTC microseconds); None where nothing prices the model.

        `provider` is the configured name, which overrides are for; `catalogue` the provider's id
        in the price catalogue, "" for none. `place` is where its address is, "" for none;
        `priced_as` the model behind a name of the operator's own, "" for the same.
        """
        key, minute = (provider, catalogue, model, place, priced_as), at_us // _MINUTE_US
        kept = self._kept.get(key)
        if kept is not None and kept[0] == minute:
            return kept[1]
        card = self._compiled(key, at_us)
        if len(self._kept) >= CARDS_KEPT_MAX:
            self._kept.clear()
        self._kept[key] = (minute, card)
        return card

    def _compiled(self, key: _Key, at_us: int) -> RateCard | None:
        provider, catalogue, model, place, priced_as = key
        called = (model, priced_as or model)
        matching = [
            one
            for one in self._overrides
            if one.provider == provider
            and one.from_us <= at_us
            and any(fnmatchcase(name, one.model_glob) for name in called)
        ]
        plain = next((one for one in matching if not one.tier), None)
        tiers = {one.tier.lower(): (Step(0, one.rate),) for one in reversed(matching) if one.tier}
        if plain is None:
            return _with_tiers(published(catalogue, called[1], at_us, place), tiers)
        return RateCard(
            provider=provider,
            model=plain.model_glob,
            steps=(Step(0, plain.rate),),
            tiers=tuple(tiers.items()),
            version=f"override {plain.id}",
            output_tokens_max=output_tokens_max(called[1]),
        )


def published(catalogue: str, model: str, at_us: int, place: str = "") -> RateCard | None:
    """What is published: the catalogue's card, with ferry's own overlay; None for neither."""
    card = catalogue_prices.find_card(catalogue, model, at_us)
    return free_card(catalogue, model) if card is None else overlaid(card, place, at_us)


def source(card: RateCard) -> str:
    """Whose plain price it is: `override`, `overlay` or `catalogue`."""
    if card.version.startswith("override"):
        return "override"
    return "overlay" if card.version.startswith(EDITION) else "catalogue"


def _with_tiers(card: RateCard | None, tiers: Mapping[str, tuple[Step, ...]]) -> RateCard | None:
    """A published card, with the tiers for which the operator set a price."""
    if card is None or not tiers:
        return card
    merged = {**dict(card.tiers), **tiers}
    version = f"{card.version}, tiers by override"
    return replace(card, tiers=tuple(merged.items()), version=version)
