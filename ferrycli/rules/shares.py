"""How a call's cost is parted: over its attempts, and over the grants that a hold was held of.

Both are told by the row alone, so that a correction moves exactly what the call had moved. Pure.
Source: docs/money.md, sections 3 and 7.
"""

from __future__ import annotations

from collections.abc import Sequence


def parted(total: int, earlier: Sequence[int]) -> tuple[int, ...]:
    """`total` over the attempts of a call, in their order.

    Attempts before the last keep `earlier`, their own amounts, as far as the total goes; the last
    has the rest. So a correction is the last attempt's, unless it takes off more than that has.
    """
    left = max(total, 0)
    shares = []
    for amount in earlier:
        share = min(max(amount, 0), left)
        shares.append(share)
        left -= share
    return (*shares, left)


Parts = Sequence[tuple[str, int]]
"""Grant and the nano-dollars that were held of it, in the order in which they are drawn."""


def doubt_of_grants(parts: Parts, cost: int, doubt: int) -> dict[str, int]:
    """How much of each grant is in doubt where a hold ended at `cost`, with so much `doubt` left.

    The cost was drawn first, then comes the doubt, each in the order of the parts.
    """
    found: dict[str, int] = {}
    for grant, held in parts:
        drawn = min(held, cost)
        unsure = min(held - drawn, doubt)
        cost, doubt = cost - drawn, doubt - unsure
        found[grant] = found.get(grant, 0) + unsure
    return found
