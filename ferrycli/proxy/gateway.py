"""What every endpoint of one running server shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ferrycli.proxy.gate import Gate, Scope, is_local
from ferrycli.proxy.loop_watch import LoopWatch
from ferrycli.proxy.reads import Reads
from ferrycli.proxy.snapshot import Snapshot, SnapshotKeeper
from ferrycli.proxy.thread_bounds import ThreadBounds
from ferrycli.proxy.upstream import Upstream
from ferrycli.rules.circuit import Circuits
from ferrycli.rules.denials import BadKey
from ferrycli.rules.estimate import UNLEARNED, Manner
from ferrycli.rules.keys import KeyTerms, shown
from ferrycli.rules.retries import RetryBudget
from ferrycli.rules.routing import Target
from ferrycli.store.ids import IdMaker
from ferrycli.store.ledger import Ledger
from ferrycli.wire.headers import credential


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ledger, the ways to providers, and what decides who may use them."""

    ledger: Ledger
    keeper: SnapshotKeeper
    gate: Gate
    http: Upstream
    sim: Upstream
    reads: Reads
    ids: IdMaker
    now_us: Callable[[], int]
    total_s: float
    """Seconds that a whole call may take."""
    spent_status: int
    """The status of a refusal for a spent budget: 429 or 402."""
    budget_wait_s: float
    """Seconds that a call waits for money that others hold; 0: it does not."""
    drain_s: float
    """Seconds that a reply is read on whose client left, for its usage; 0: it is closed."""
    loops: LoopWatch
    chance: Callable[[int], int]
    """A random number of so many bits."""
    state: Mapping[str, bool]
    """`stopping`: set while the server drains."""
    circuits: Circuits = field(default_factory=Circuits)
    retries: RetryBudget = field(default_factory=RetryBudget)
    threads: ThreadBounds = field(default_factory=ThreadBounds)

    def snapshot(self) -> Snapshot:
        """What calls are decided on now."""
        return self.keeper.on(self.ledger.books)

    async def key(self, scope: Scope, secret: str | None = None) -> KeyTerms:
        """The key of a request, as it stands in the file; `secret`: its credential, if read.

        One that the snapshot does not know may be new: then the file is asked. Raises `NoKey`,
        `BadKey` or `TwoKeys`.
        """
        if secret is None:
            secret = credential(scope["headers"])
        now_us = self.now_us()

        def is_here() -> bool:
            return is_local(scope)

        key = self.snapshot().key(secret, now_us, is_here)
        if key is None:
            await self.ledger.refresh()
            key = self.snapshot().key(secret, now_us, is_here)
        if key is None:
            raise BadKey(shown(secret), "unknown")
        return key

    def manner(self, target: Target) -> Manner:
        """How the model of `target` answers, as far as it is learned."""
        return self.ledger.manners.get((target.provider, target.model), UNLEARNED)

    def upstream(self, kind: str) -> Upstream:
        """The way to a provider of this kind."""
        return self.sim if kind == "sim" else self.http
