"""Which models can be called now, and what is known of each: of all that a key may call, or of one.

Read from a snapshot; nothing is asked of a provider.
"""

from __future__ import annotations

from ferrycli.prices.cards import source
from ferrycli.prices.regions import region
from ferrycli.proxy.snapshot import Snapshot
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.models import ModelEntry
from ferrycli.rules.routing import Target, allowed, find_target


def entries(snapshot: Snapshot, key: KeyTerms | None, now_us: int) -> list[ModelEntry]:
    """Every model that is known and that `key` may call, by name; None: whoever calls."""
    routes = _routes(snapshot)
    targets = snapshot.known(key)
    return sorted(
        (_entry(snapshot, one, routes.get(str(one), ()), now_us) for one in targets),
        key=lambda entry: entry.id,
    )


def entry(snapshot: Snapshot, key: KeyTerms, asked: str, now_us: int) -> ModelEntry:
    """The model that a call for `asked` would go to. Raises `ModelNotFound`, `ModelNotAllowed`."""

    def ids() -> list[str]:
        return [str(one) for one in snapshot.known(key)]

    target = find_target(asked, snapshot.providers.terms, snapshot.serves(now_us), ids)
    routes = _routes(snapshot).get(str(target), ())
    return _entry(snapshot, allowed(key, target), routes, now_us)


def _routes(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Target to the routes that have it."""
    found: dict[str, tuple[str, ...]] = {}
    for name, route in sorted(snapshot.books.routes.items()):
        for one in dict.fromkeys(target.target for target in route.targets):
            found[one] = (*found.get(one, ()), name)
    return found


def _entry(snapshot: Snapshot, target: Target, routes: tuple[str, ...], now_us: int) -> ModelEntry:
    provider = snapshot.providers.by_name[target.provider]
    where = region(provider.base_url, provider.priced_as(target.model) or target.model)
    card = snapshot.card(target, now_us)
    if card is None:
        return ModelEntry(target.provider, target.model, where, routes=routes)
    rate = card.steps[0].rate
    return ModelEntry(
        target.provider,
        target.model,
        where,
        rate.input,
        rate.cache_read,
        rate.output,
        card.context_tokens_max,
        card.output_tokens_max,
        card.is_incomplete,
        card.version,
        source(card),
        routes,
    )
