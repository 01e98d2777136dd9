"""What ought to be, kept a second time in plain dictionaries: nothing of the code under test.

Calls are kept as they happened, each attempt with the windows that it was held in; what a window
holds is summed anew from them. Grants are moved as the contract says: drawn by expiry, then age.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

HOUR_US = 3_600_000_000
NEVER = 1 << 62

Facts = dict[str, str]
Spot = tuple[str, str, int]
"""Budget, subject, start."""


@dataclass
class Grant:
    """Money of a prepaid budget, or a boost of another."""

    id: str
    amount: int
    created: int
    is_boost: bool = False
    expires: int = NEVER
    is_voided: bool = False
    balance: int = 0
    held: int = 0
    doubt: int = 0
    drawn: int = 0

    @property
    def remaining(self) -> int:
        return self.amount - self.held - self.doubt - self.drawn

    def is_usable(self, now: int) -> bool:
        return not self.is_voided and now < self.expires


@dataclass
class Limit:
    """A budget."""

    id: str
    pairs: tuple[tuple[str, str], ...]
    period: str
    zone: str
    limit: int
    mode: str
    rules: tuple[str, ...] = ()
    counts_from: int = 0
    is_prepaid: bool = False
    is_removed: bool = False
    revision: int = 1
    grants: list[Grant] = field(default_factory=list)
    frozen: dict[Spot, int] = field(default_factory=dict)
    """Once it was removed: what it had counted of calls that were never held in it."""

    def subject(self, facts: Facts) -> str | None:
        """The window's subject of a call with these facts; None: no match."""
        stars = []
        for name, wanted in self.pairs:
            value = facts.get(name, "")
            if wanted == "*" and value:
                stars.append(value)
            elif value != wanted:
                return None
        return json.dumps(stars, separators=(",", ":"), ensure_ascii=False) if stars else ""

    @property
    def bucket(self) -> int:
        """The length of a rolling budget's buckets; 0 of others."""
        if not self.period.startswith("rolling"):
            return 0
        return min(HOUR_US, self.span // 48)

    @property
    def span(self) -> int:
        hours = {"d": 24, "h": 1}
        text = self.period.split()[1]
        return int(text[:-1]) * hours[text[-1]] * HOUR_US

    def start(self, at: int) -> int:
        """When the window began that holds a moment, on local dates."""
        if self.period == "total":
            return 0
        if self.bucket:
            return at // self.bucket * self.bucket
        zone = ZoneInfo(self.zone)
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(zone)
        day = local.date()
        while (self.period == "week" and day.isoweekday() != 1) or (
            self.period == "month" and day.day != 1
        ):
            day -= timedelta(days=1)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        return int(midnight.timestamp()) * 1_000_000

    def first(self, now: int) -> int:
        """The first start that counts now: of a rolling budget its oldest bucket."""
        if not self.bucket:
            return self.start(now)
        return (now - self.span + 1) // self.bucket * self.bucket

    def top(self, now: int) -> int:
        """The most that may be spent, held and in doubt together."""
        if self.is_prepaid:
            gone = sum(one.remaining for one in self.grants if not one.is_usable(now))
            return sum(one.amount for one in self.grants) - gone
        return self.limit + sum(
            one.amount for one in self.grants if one.created <= now and one.is_usable(now)
        )

    def in_order(self) -> list[Grant]:
        """Grants as they are drawn."""
        return sorted(self.grants, key=lambda one: (one.expires, one.created, one.id))


@dataclass
class Place:
    """A window that an attempt counts in, and the grants that it was held of."""

    budget: str
    subject: str
    start: int
    parts: list[tuple[str, int]] = field(default_factory=list)

    @property
    def spot(self) -> Spot:
        return self.budget, self.subject, self.start


@dataclass
class Attempt:
    """One attempt: what it holds, and once it is over, what it came to."""

    facts: Facts
    hold: int
    places: list[Place]
    keeps_doubt: bool
    expected: int | None
    is_over: bool = False
    ended: int = 0
    cost: int = 0
    doubt: int = 0
    is_priced: bool = True
    """Whether what it came to is known at all."""


@dataclass
class Call:
    """One call, from its admission on."""

    admitted: int
    attempts: list[Attempt]
    state: str = "held"
    is_priced: bool = True
    """Whether its row has a cost."""
    delta: int = 0
    doubt_delta: int = 0

    @property
    def is_over(self) -> bool:
        return self.state != "held"

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def cost(self) -> int:
        return sum(one.cost for one in self.attempts)

    @property
    def doubt(self) -> int:
        return sum(one.doubt for one in self.attempts)

    def shares(self) -> list[tuple[Attempt, int, int]]:
        """Each attempt's cost and doubt as they now stand."""
        if not self.is_over:
            return [(one, one.cost, one.doubt) for one in self.attempts]
        costs = _shared(max(0, self.cost + self.delta), [one.cost for one in self.attempts])
        doubts = _shared(self.doubt + self.doubt_delta, [one.doubt for one in self.attempts])
        return list(zip(self.attempts, costs, doubts, strict=True))


def _shared(total: int, own: list[int]) -> list[int]:
    """Earlier ones keep their own as far as it goes; the last has what is left."""
    shares = []
    for amount in own[:-1]:
        shares.append(min(amount, total))
        total -= shares[-1]
    return [*shares, total]


class Model:
    """Budgets and calls as they ought to be."""

    def __init__(self) -> None:
        self.limits: dict[str, Limit] = {}
        self.calls: dict[int, Call] = {}
        self.denials = 0

    def matching(self, facts: Facts) -> list[tuple[Limit, str]]:
        """Budgets in force that a call counts in, with its subject."""
        return [
            (one, subject)
            for one in self.limits.values()
            if not one.is_removed and (subject := one.subject(facts)) is not None
        ]

    def amounts(self) -> dict[Spot, list[int]]:
        """Every window that is not all zero: spent, held, doubt."""
        found: dict[Spot, list[int]] = {}

        def add(spot: Spot, *more: int) -> None:
            had = found.get(spot, [0, 0, 0])
            found[spot] = [a + b for a, b in zip(had, more, strict=True)]

        for call in self.calls.values():
            for attempt, cost, doubt in call.shares():
                for place in attempt.places:
                    add(place.spot, cost, 0 if attempt.is_over else attempt.hold, doubt)
                if attempt.is_over:
                    for spot in self.counted_back(call, attempt):
                        add(spot, cost, 0, 0)
        for limit in self.limits.values():
            for spot, spent in limit.frozen.items():
                add(spot, spent, 0, 0)
        return {spot: amounts for spot, amounts in found.items() if any(amounts)}

    def counted_back(self, call: Call, attempt: Attempt) -> list[Spot]:
        """Windows of budgets that count the call without having held it."""
        held = {place.budget for place in attempt.places}
        return [
            (one.id, subject, one.start(call.admitted))
            for one, subject in self.matching(attempt.facts)
            if one.id not in held and one.counts_from <= call.admitted
        ]

    def unheld(self, limit: Limit) -> dict[Spot, int]:
        """What a budget counts of calls that were never held in it."""
        found: dict[Spot, int] = {}
        for call in self.calls.values():
            for attempt, cost, _ in call.shares():
                for spot in self.counted_back(call, attempt) if attempt.is_over else ():
                    if spot[0] == limit.id:
                        found[spot] = found.get(spot, 0) + cost
        return found

    def free(self, limit: Limit, subject: str, now: int) -> int:
        """What may still be held in the window of now."""
        first = limit.first(now)
        used = sum(
            sum(amounts)
            for (budget, of, start), amounts in self.amounts().items()
            if (budget, of) == (limit.id, subject)
            and (start >= first if limit.bucket else start == first)
        )
        return limit.top(now) - used

    def spent(self, limit: Limit, subject: str, now: int) -> int:
        """What is spent in the window of now."""
        first = limit.first(now)
        return sum(
            amounts[0]
            for (budget, of, start), amounts in self.amounts().items()
            if (budget, of) == (limit.id, subject)
            and (start >= first if limit.bucket else start == first)
        )

    # What happens -------------------------------------------------------------------------------

    def hold(self, facts: Facts, hold: int, now: int) -> list[Place]:
        """The windows that a hold counts in now; what it holds of grants is taken."""
        places = []
        for limit, subject in self.matching(facts):
            place = Place(limit.id, subject, limit.start(now))
            left = hold
            for grant in limit.in_order() if limit.is_prepaid else ():
                part = min(left, grant.remaining)
                if part > 0 and grant.is_usable(now):
                    grant.held += part
                    place.parts.append((grant.id, part))
                    left -= part
            places.append(place)
        return places

    def end(self, call: Call, cost: int, now: int, *, is_known: bool) -> None:
        """The attempt in flight has come to `cost`."""
        attempt = call.last
        if attempt.is_over:
            return
        attempt.is_over, attempt.ended = True, now
        attempt.cost = cost
        attempt.doubt = max(0, attempt.hold - cost) if attempt.keeps_doubt and not is_known else 0
        for place in attempt.places:
            self._draw(place, cost, attempt.doubt, now)
        # Set while it ran: from now on they count it like those that held it.
        for budget, subject, start in self.counted_back(call, attempt):
            joined = Place(budget, subject, start)
            attempt.places.append(joined)
            self._draw(joined, cost, 0, now)

    def _draw(self, place: Place, cost: int, doubt: int, now: int) -> None:
        limit = self.limits[place.budget]
        grants = {one.id: one for one in limit.grants}
        for id, part in place.parts:
            grant = grants[id]
            grant.held -= part
            drawn = min(part, cost)
            grant.drawn += drawn
            unsure = min(part - drawn, doubt)
            grant.doubt += unsure
            cost, doubt = cost - drawn, doubt - unsure
        if limit.is_prepaid and not limit.is_removed:
            for grant in limit.in_order():
                if cost and grant.is_usable(now):
                    drawn = max(0, min(cost, grant.remaining))
                    grant.drawn += drawn
                    cost -= drawn
