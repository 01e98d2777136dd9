"""What the options of budgets say, read and checked: selectors, rules, amounts, times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferrycli.rules.routing import ProviderTerms
    from ferrycli.rules.selectors import Selector
    from ferrycli.rules.thresholds import Rule
    from ferrycli.settings import Settings


def selector(text: str) -> Selector:
    """A selector as it was written; a word alone is a key. Raises `BadSelector`."""
    from ferrycli.rules.selectors import Selector, parse_selector

    plain = text.strip()
    if plain and not set(plain) & set("=,!~<>() \"'"):
        return Selector((("key", plain),))
    return parse_selector(text)


def rules(texts: Sequence[str] | None) -> tuple[Rule, ...] | None:
    """Rules as they were written; None where none was. Raises `BadRule`."""
    from ferrycli.rules.thresholds import parse_rule

    return None if texts is None else tuple(parse_rule(text) for text in texts)


def zone(name: str | None) -> str:
    """The name of a time zone that exists; empty where none was named. Raises `ConfigBadValue`."""
    from zoneinfo import ZoneInfo

    from ferrycli.rules.errors import ConfigBadValue

    if not name:
        return ""
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        wanted = "an IANA name, such as Europe/Berlin"
        raise ConfigBadValue("flag --zone", "zone", name, wanted) from None


def limit(text: str | None, period: str | None) -> tuple[int | None, str]:
    """Nano-dollars and period of `50/month`, of `80` alone, or of a `--period` beside it.

    Raises `BadBudget`, `BadAmount` or `ConfigBadValue`.
    """
    from ferrycli.rules.errors import ConfigBadValue
    from ferrycli.rules.money import parse_usd
    from ferrycli.rules.windows import Allowance, parse_period

    named = "" if period is None else parse_period(period)
    if text is None:
        return None, named
    if "/" not in text:
        return parse_usd(text), named
    allowance = Allowance.parse(text)
    if named and named != allowance.period:
        wanted = f"`{allowance.period}`, as --limit says, or nothing"
        raise ConfigBadValue("flag --period", "period", period or "", wanted)
    return allowance.limit_nanousd, allowance.period


def deadline(flag: str, text: str | None, settings: Settings, now_us: int) -> int | None:
    """When `90d`, `friday` or `2027-01-01` is. Raises `ConfigBadValue`."""
    from ferrycli.rules.errors import BadSpan, ConfigBadValue
    from ferrycli.rules.spans import parse_deadline

    if text is None:
        return None
    try:
        return parse_deadline(text, now_us, settings.zone)
    except BadSpan:
        wanted = "a time to come, such as 24h, friday or 2027-01-01"
        raise ConfigBadValue(f"flag --{flag}", flag, text, wanted) from None


def chosen(what: str, value: str | None, known: Sequence[str]) -> str:
    """`value`, if it is one of `known`; empty for None. Raises `BadField`."""
    from ferrycli.rules.errors import BadField

    if value is None:
        return ""
    if value not in known:
        raise BadField(what, value, tuple(known))
    return value


def told(settings: Settings, owner: str) -> str:
    """Who gets the notices of this owner's budgets, as they are named; empty: nobody."""
    from ferrycli.rules.channels import recipients

    found = recipients(owner, (), settings.channels, settings.alerts_default)
    return ", ".join(dict.fromkeys(one.address or one.channel for one in found))


def providers(settings: Settings) -> tuple[ProviderTerms, ...]:
    """What calls can go to; the simulated provider where nothing is configured."""
    from ferrycli.rules.routing import ProviderTerms

    every = tuple(ProviderTerms(one.name, one.kind, one.models) for one in settings.providers)
    return every or (ProviderTerms("sim", "sim"),)


def owner(text: str | None, settings: Settings) -> str | None:
    """Who is told of a budget; empty: nobody of its own. Raises `ConfigBadValue`.

    A channel's name, or an address; where there are channels, one of kind email has to serve it.
    """
    from ferrycli.rules.channels import EMAIL, is_address
    from ferrycli.rules.errors import ConfigBadValue
    from ferrycli.rules.phrases import listed

    names = channels(settings)
    if not text or text in names:
        return text
    has_mail = any(one.kind == EMAIL for one in settings.channels)
    if is_address(text) and (has_mail or not names):
        return text
    known = f"a channel ({listed(names)})" if names else "a channel, of which there is none"
    is_served = "" if has_mail else ", which a channel of kind email must serve"
    raise ConfigBadValue("flag --owner", "owner", text, f"{known}, or an address{is_served}")


def channels(settings: Settings) -> tuple[str, ...]:
    """The names of the channels of notices."""
    return tuple(one.name for one in settings.channels)
