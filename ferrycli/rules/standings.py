"""A budget as it is judged, and where one of its windows stands: docs/money.md, section 5."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferrycli.rules.thresholds import Rule, has_action
from ferrycli.rules.windows import is_rolling


@dataclass(frozen=True, slots=True)
class Terms:
    """A budget as it is judged."""

    id: str
    selector: str
    """`key=acme-web`, as a person writes it."""
    period: str
    zone: str
    limit_nanousd: int
    mode: str = "strict"
    clamp: str = "unset"
    """`unset`: a limit that the caller set is held whole or refused; `always`: it is lowered."""
    counts_from_us: int = 0
    subject: tuple[tuple[str, str], ...] = ()
    """Dimension and value pairs that a call must have; `key` holds the key's id."""
    rules: tuple[Rule, ...] = ()
    allow_unpriced: bool = False
    """Calls that nothing prices may go."""
    is_prepaid: bool = False
    """The limit is the sum of its grants."""
    owner: str = ""
    needs_zone: bool = False
    """Its selector and period stand in several zones: a command must say which."""
    percent_least: int | None = field(init=False, repr=False, compare=False)
    """The lowest percentage of its rules; None where it has none."""
    has_throttle: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        least = min((rule.percent for rule in self.rules), default=None)
        object.__setattr__(self, "percent_least", least)
        object.__setattr__(self, "has_throttle", has_action(self.rules, "throttle"))


@dataclass(slots=True)
class Standing:
    """One window of one budget, in nano-dollars.

    A value to everyone who is handed one. The ledger's batch alone keeps one for each window that
    it judges by, and moves its amounts with what the batch holds and spends.
    """

    terms: Terms
    window_start_us: int
    """Of a rolling period the bucket that holds now."""
    resets_at_us: int | None
    spent: int = 0
    held: int = 0
    doubt: int = 0
    subject: str = ""
    """The values that a `*` of the selector stands for, as the windows table has them."""
    extra_nanousd: int = 0
    """What boosts add to the limit; of a prepaid budget, all that its grants still carry."""
    base_nanousd: int | None = None
    """What percentages of a prepaid budget are of: what was left after its last grant."""
    alert_start_us: int | None = None
    """The window of a prepaid budget's notices: its last grant's time."""

    @property
    def limit_nanousd(self) -> int:
        """The most that may be spent, held and in doubt together."""
        return self.terms.limit_nanousd + self.extra_nanousd

    @property
    def free(self) -> int:
        """What may still be held; below 0 where the limit was lowered under what is spent."""
        limit = self.terms.limit_nanousd + self.extra_nanousd
        return limit - self.spent - self.held - self.doubt

    @property
    def base(self) -> int:
        """What a rule's percentage is of."""
        return self.limit_nanousd if self.base_nanousd is None else self.base_nanousd

    @property
    def used(self) -> int:
        """What of `base` is spent: holds and doubt trip no rule."""
        if self.base_nanousd is None:
            return self.spent
        return self.base_nanousd - (self.limit_nanousd - self.spent)

    @property
    def percent(self) -> int:
        """How much of `base` is used, rounded down; 100 of nothing."""
        return self.used * 100 // self.base if self.base > 0 else 100

    @property
    def is_quiet(self) -> bool:
        """Whether no rule of the budget has been reached."""
        terms = self.terms
        if (least := terms.percent_least) is None:
            return True
        limit = terms.limit_nanousd + self.extra_nanousd
        if (base := self.base_nanousd) is None:
            return self.spent * 100 < least * limit
        return (base - limit + self.spent) * 100 < least * base

    @property
    def told_start_us(self) -> int:
        """The window's start as its notices have it; of a rolling one 0."""
        if is_rolling(self.terms.period):
            return 0
        return self.window_start_us if self.alert_start_us is None else self.alert_start_us

    @property
    def place(self) -> tuple[str, str]:
        """Budget and subject: what stays the same from window to window."""
        return self.terms.id, self.subject
