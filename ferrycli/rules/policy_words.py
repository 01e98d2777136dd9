"""The rules of a budget read back in words, for whoever has just written them.

Pure. One line a rule, in ascending order: at what, what happens, and a note beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ferrycli.rules.clean import safe
from ferrycli.rules.thresholds import Rule

CRITICAL_NOTE = "mark: X-Ferry-Priority: critical"
NOBODY = "nobody: the budget has no owner, and `alerts.default` is not set"
BLOCK_NOTE = "(SDKs are told not to retry)"


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One rule in words."""

    at: str
    """`at 80 %`."""
    does: str
    note: str = ""
    """What stands beside it, where there is something to know; else empty."""


def policy_lines(
    rules: Iterable[Rule], *, owner: str = "", alerts_default: str = "", status: int = 429
) -> tuple[PolicyLine, ...]:
    """Every rule in words, the lowest percentage first.

    `owner`, `alerts_default`: who is told, as in `rule_words`; `status`: of a refused call.
    """
    return tuple(
        PolicyLine(
            f"at {rule.percent} %",
            rule_words(rule, owner=owner, alerts_default=alerts_default, status=status),
            rule_note(rule),
        )
        for rule in sorted(rules, key=lambda rule: rule.percent)
    )


def rule_words(rule: Rule, *, owner: str = "", alerts_default: str = "", status: int = 429) -> str:
    """What happens where `rule` is reached: `block with HTTP 429 insufficient_quota`.

    The budget's `owner` is told, else `alerts_default` (the setting `alerts.default`).
    """
    match rule.action:
        case "notify":
            told = dict.fromkeys((owner or alerts_default, *rule.channels))
            names = [safe(one) for one in told if one]
            return f"notify {_and(names)}" if names else f"notify {NOBODY}"
        case "downgrade":
            who = "all calls" if rule.is_all else "calls that are not critical"
            return f"{who} take {_route(rule, 'their cheaper route')}"
        case "throttle":
            calls = "call" if rule.per_minute == 1 else "calls"
            more = "more get HTTP 429 rate_limit_exceeded"
            return f"let through {rule.per_minute:,} {calls} a minute; {more}"
        case "free":
            return f"all calls take {_route(rule, 'their free route')}, or what costs nothing"
    also = ", also what costs nothing" if rule.is_all else ""
    return f"block with HTTP {status} insufficient_quota{also}"


def rule_note(rule: Rule) -> str:
    """What the words of `rule` leave to be known; empty where nothing does."""
    if rule.action == "downgrade" and not rule.is_all:
        return CRITICAL_NOTE
    return BLOCK_NOTE if rule.action == "block" else ""


def _route(rule: Rule, own: str) -> str:
    return f'route "{safe(rule.route)}"' if rule.route else own


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
