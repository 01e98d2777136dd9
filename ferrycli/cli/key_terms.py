"""What the options of `keys create` and `keys set` say, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferrycli.cli import budget_terms
from ferrycli.cli.tree import Misused

if TYPE_CHECKING:
    from ferrycli.rules.attribution import Policy
    from ferrycli.rules.windows import Allowance
    from ferrycli.settings import Settings
    from ferrycli.store.changes import KeyEdit, KeyPlan

NAME_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class MoneyTerms:
    """Options of a key's budget and limits; None where one was not written."""

    balance: str | None = None
    at: Sequence[str] | None = None
    mode: str | None = None
    clamp: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None

    @property
    def has_policy(self) -> bool:
        """Whether a rule, mode or clamp is named, which only a budget has."""
        return self.at is not None or self.mode is not None or self.clamp is not None


@dataclass(frozen=True, slots=True)
class Terms:
    """Options as they were written; None where one was not."""

    pins: dict[str, str]
    default: Sequence[str] | None
    require: Sequence[str] | None
    deny: Sequence[str] | None
    models: Sequence[str] | None
    budget: str | None
    expires: str | None
    owner: str | None
    money: MoneyTerms
    any_model: bool = False
    no_budget: bool = False
    no_expiry: bool = False


def plan(terms: Terms, name: str | None, role: str, settings: Settings, now_us: int) -> KeyPlan:
    """The key to be made. Raises what is wrong with `terms`, a subclass of `BadInput`."""
    from ferrycli.rules.errors import BadField
    from ferrycli.rules.keys import ROLES

    if role not in ROLES:
        raise BadField("role", role, ROLES)
    checked_name = "" if name is None else checked(name)
    policies = _policies(terms)
    allowance = _allowance(terms)
    if terms.money.has_policy and allowance is None and terms.money.balance is None:
        raise Misused("rules, mode and clamp are of a budget", "name one: `--budget 50/month`")
    expires_at = _expires(terms, settings, now_us)
    money = _money(terms.money, settings)
    # Last, because it takes half a second: a mistake is told at once.
    from ferrycli.store.changes import KeyPlan

    return KeyPlan(
        name=checked_name,
        owner=terms.owner or "",
        role=role,
        policies=policies,
        models=tuple(terms.models or ()),
        expires_at=expires_at,
        allowance=allowance,
        zone=settings.zone.key,
        **money,
    )


def edit(terms: Terms, new_name: str | None, settings: Settings, now_us: int) -> KeyEdit:
    """What to change. Raises what is wrong with `terms`, a subclass of `BadInput`."""
    _refuse_both("--model", terms.models, "--any-model", terms.any_model)
    _refuse_both("--budget", terms.budget, "--no-budget", terms.no_budget)
    _refuse_both("--balance", terms.money.balance, "--no-budget", terms.no_budget)
    _refuse_both("--expires", terms.expires, "--no-expiry", terms.no_expiry)
    checked_name = None if new_name is None else checked(new_name)
    policies = _policies(terms) or None
    allowance = _allowance(terms)
    expires_at = _expires(terms, settings, now_us)
    money = _money(terms.money, settings)
    from ferrycli.store.changes import KeyEdit

    return KeyEdit(
        name=checked_name,
        owner=terms.owner,
        policies=policies,
        models=() if terms.any_model else (tuple(terms.models) if terms.models else None),
        expires_at=expires_at,
        never_expires=terms.no_expiry,
        allowance=allowance,
        removes_budget=terms.no_budget,
        zone=settings.zone.key,
        **money,
    )


def _money(terms: MoneyTerms, settings: Settings) -> dict[str, Any]:
    """Balance, policy and limits, as plans and edits of keys have them."""
    from ferrycli.rules.money import parse_usd
    from ferrycli.rules.thresholds import MODES
    from ferrycli.store.planning import CLAMPS, BudgetPolicy, Limits

    return {
        "balance_nanousd": None if terms.balance is None else parse_usd(terms.balance),
        "policy": BudgetPolicy(
            budget_terms.rules(terms.at),
            budget_terms.chosen("mode", terms.mode, MODES),
            budget_terms.chosen("clamp", terms.clamp, CLAMPS),
            budget_terms.channels(settings),
        ),
        "limits": Limits(terms.rpm, terms.tpm, terms.parallel),
    }


def checked(name: str) -> str:
    """A name that needs no quotes anywhere. Raises `ConfigBadValue`."""
    from ferrycli.rules.errors import ConfigBadValue

    is_plain = name[:1].isalnum() and all(letter.isalnum() or letter in "._-" for letter in name)
    if not is_plain or len(name) > NAME_LENGTH_MAX or name.startswith("key_"):
        wanted = f"up to {NAME_LENGTH_MAX} letters, digits, `.`, `_` and `-`, not `key_…`"
        raise ConfigBadValue("argument NAME", "name", name, wanted)
    return name


def _policies(terms: Terms) -> dict[str, Policy]:
    from ferrycli.rules.attribution import POLICED, PRIORITIES, Policy
    from ferrycli.rules.errors import BadField, BadPolicy

    found: dict[str, Policy] = {}

    def add(dimension: str, mode: str, value: str = "") -> None:
        if dimension not in POLICED:
            raise BadField("dimension", dimension, POLICED)
        if dimension == "priority" and mode in ("pin", "allow") and value not in PRIORITIES:
            raise BadField("priority", value, PRIORITIES)
        if dimension in found:
            raise BadPolicy(f"{found[dimension].mode} and {mode} of {dimension}")
        found[dimension] = Policy.of(mode, value)

    for dimension, value in terms.pins.items():
        if not value.strip():
            raise BadPolicy(f"--{dimension} ''")
        add(dimension, "pin", value)
    for text in terms.default or ():
        dimension, equals, value = text.partition("=")
        if not equals:
            raise BadPolicy(f"--default {text}")
        add(dimension.strip(), "allow", value.strip())
    for dimension in terms.require or ():
        add(dimension, "require")
    for dimension in terms.deny or ():
        add(dimension, "deny")
    return found


def _allowance(terms: Terms) -> Allowance | None:
    from ferrycli.rules.windows import Allowance

    return None if terms.budget is None else Allowance.parse(terms.budget)


def _expires(terms: Terms, settings: Settings, now_us: int) -> int | None:
    return budget_terms.deadline("expires", terms.expires, settings, now_us)


def _refuse_both(first: str, has_first: object, second: str, has_second: bool) -> None:
    from ferrycli.rules.errors import ConfigBadValue

    if has_first is not None and has_second:
        raise ConfigBadValue(f"flag {second}", first, second, f"{first} or {second}, not both")
