"""Calls that could not be priced, or not wholly, by what they used: reads for people."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ferrycli.rules.usage import BUCKETS, Usage
from ferrycli.store.ids import seq_at
from ferrycli.store.where import CORRECTIONS

_TARGET = "coalesce(nullif(c.sent_model, ''), c.model)"
_TIER = "coalesce(nullif(c.tier, ''), c.tier_asked)"
_SUMS = ", ".join(f"sum(c.n_{bucket})" for bucket in BUCKETS)
# A correction says what such a call truly cost: then nothing is missing.
_QUERY = (
    f"SELECT c.provider, {_TARGET}, {_TIER}, count(*), sum(c.cost_source = 'unpriced'), {_SUMS}"
    f" FROM calls c{CORRECTIONS}"
    " WHERE c.seq >= ? AND c.seq < ? AND c.state IN ('settled', 'recovered')"
    " AND (c.cost_source = 'unpriced' OR c.is_price_incomplete) AND coalesce(d.delta, 0) = 0"
    " GROUP BY 1, 2, 3 ORDER BY count(*) DESC, 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class PriceGap:
    """Calls of one target and tier whose cost is not known, or not wholly."""

    provider: str
    model: str
    """As the provider was asked for it: what a price is set for."""
    tier: str
    """In which they were served; what was asked for, where the replies do not say."""
    calls: int
    unpriced_calls: int
    """Of `calls`, those without any cost; the others have one that may be more."""
    used: Usage
    """What they used, all together."""


def price_gaps(connection: sqlite3.Connection, since_us: int, until_us: int) -> list[PriceGap]:
    """Of the calls that began in the span, those with a gap, the most first."""
    rows = connection.execute(_QUERY, [seq_at(since_us), seq_at(until_us)])
    return [
        PriceGap(provider, model, tier, calls, unpriced_calls, Usage(*counts))
        for provider, model, tier, calls, unpriced_calls, *counts in rows
    ]
