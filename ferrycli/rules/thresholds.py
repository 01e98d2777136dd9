"""What a budget does on the way to its limit: `80% downgrade`, and which of its rules is active.

A rule applies when `spent × 100 >= P × limit` at admission; what is held never trips it. Of
downgrade, free and block the one with the highest percentage reached counts; of throttles the
lowest; notices all. Pure. Source: docs/money.md, section 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import BadField, BadMode, BadRule, RulesClash

ACTIONS = ("notify", "downgrade", "throttle", "free", "block")
STEERING = frozenset({"downgrade", "free", "block"})
"""Actions of which one counts."""
REFUSING = frozenset({"free", "block"})
"""Actions that only a budget that refuses can keep."""
MODES = ("strict", "expected", "soft")
DEFAULT_RULES = ("50% notify", "80% downgrade", "100% block")
"""Of a budget for which nobody wrote rules."""

PERCENT_MAX = 1_000
PER_MINUTE_MAX = 1_000_000
RULES_MAX = 20
TEXT_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Rule:
    """`at P% ACTION`."""

    percent: int
    action: str
    route: str = ""
    """Of downgrade and free: the route instead of the asked one's own; empty: its own."""
    channels: tuple[str, ...] = ()
    """Of notify: who is told besides the owner."""
    per_minute: int = 0
    """Of throttle: calls a minute."""
    is_all: bool = False
    """`downgrade all`: critical calls too. `block all`: also what costs nothing."""

    def __str__(self) -> str:
        """As it is written: `80% downgrade cheap`."""
        words = [f"{self.percent}%", self.action]
        if self.action == "throttle":
            words.append(f"{self.per_minute}/min")
        if self.route:
            words.append(self.route)
        words += self.channels
        if self.is_all:
            words.append("all")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Active:
    """The rules of one budget that apply now."""

    steering: Rule | None = None
    """Downgrade, free or block."""
    throttle: Rule | None = None


NOTHING_ACTIVE = Active()


def has_reached(percent: int, used: int, base: int) -> bool:
    """Whether `used` of `base` nano-dollars is `percent` or more; of nothing, everything is."""
    return used * 100 >= percent * base


def active(rules: Sequence[Rule], used: int, base: int) -> Active:
    """The rules that apply where `used` of `base` is spent."""
    reached = [rule for rule in rules if has_reached(rule.percent, used, base)]
    if not reached:
        return NOTHING_ACTIVE
    steering = [rule for rule in reached if rule.action in STEERING]
    throttles = [rule for rule in reached if rule.action == "throttle"]
    return Active(
        max(steering, key=lambda rule: rule.percent, default=None),
        min(throttles, key=lambda rule: rule.per_minute, default=None),
    )


def percents(rules: Iterable[Rule]) -> tuple[int, ...]:
    """The thresholds of these rules, ascending, each once."""
    return tuple(sorted({rule.percent for rule in rules}))


def has_action(rules: Iterable[Rule], action: str) -> bool:
    """Whether some rule, reached or not, has this action."""
    return any(rule.action == action for rule in rules)


_AT = re.compile(r"\s*(?:at\s+)?(\S+?)\s*%\s*", re.IGNORECASE)
_PER_MINUTE = re.compile(r"([0-9]{1,9})\s*/\s*min(?:ute)?", re.IGNORECASE)
_ALL = "all"
_NEVER = frozenset({("downgrade", "free"), ("downgrade", "block"), ("free", "block")})
"""Actions, and those that end the spending below them."""


def parse_rule(text: str) -> Rule:
    """The rule that `text` writes: `80% downgrade cheap`, `at 90 % throttle 10/min`.

    Raises `BadRule`.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise BadRule(text, f"it is longer than {TEXT_LENGTH_MAX} characters")
    found = _AT.match(text)
    if found is None:
        raise BadRule(text, "it begins with no percentage")
    percent = int(found[1]) if re.fullmatch(r"[0-9]{1,9}", found[1]) else 0
    if not 1 <= percent <= PERCENT_MAX:
        raise BadRule(text, f"a percentage is a whole number from 1 to {PERCENT_MAX:,}")
    action, *rest = text[found.end() :].split() or [""]
    return _rule(text, percent, action.lower(), rest)


def _rule(text: str, percent: int, action: str, rest: list[str]) -> Rule:
    """A rule from the words after its action."""
    match action:
        case "notify":
            names = (safe(name) for name in ",".join(rest).split(","))
            channels = tuple(dict.fromkeys(name for name in names if name))
            return Rule(percent, action, channels=channels)
        case "throttle":
            found = _PER_MINUTE.fullmatch(" ".join(rest))
            if found is None or not 1 <= int(found[1]) <= PER_MINUTE_MAX:
                wanted = f"`throttle` takes calls a minute, 1 to {PER_MINUTE_MAX:,}: `10/min`"
                raise BadRule(text, wanted)
            return Rule(percent, action, per_minute=int(found[1]))
        case "downgrade" | "block" | "free":
            is_all = action != "free" and rest[-1:] == [_ALL]
            if is_all:
                rest = rest[:-1]
            route = safe(rest[0]) if rest and action != "block" and rest[0] != _ALL else ""
            if left := rest[1:] if route else rest:
                raise BadRule(text, "there is left over", " ".join(left))
            return Rule(percent, action, route, is_all=is_all)
        case "":
            raise BadRule(text, f"after the percentage comes one of `{' '.join(ACTIONS)}`")
    raise BadRule(text, "there is no action", action, ACTIONS)


def default_mode(rules: Iterable[Rule]) -> str:
    """The mode of a budget for which none was chosen: `strict` where a rule refuses."""
    return "strict" if any(rule.action in REFUSING for rule in rules) else "soft"


def check_rules(rules: Sequence[Rule], mode: str) -> None:
    """Nothing, where these can be the rules of one budget of `mode`.

    Raises `BadField` for an unknown mode, `BadRule` for too many, `BadMode` where the mode
    refuses nothing and a rule does, `RulesClash` for two that cannot both act.
    """
    if mode not in MODES:
        raise BadField("mode", mode, MODES)
    if len(rules) > RULES_MAX:
        raise BadRule(str(rules[RULES_MAX]), f"a budget has at most {RULES_MAX} rules")
    for rule in rules:
        if mode == "soft" and rule.action in REFUSING:
            raise BadMode(mode, str(rule))
    for first, second in combinations(sorted(rules, key=lambda rule: rule.percent), 2):
        if why := _clash(first, second):
            raise RulesClash(str(first), str(second), why)


def _clash(first: Rule, second: Rule) -> str:
    """Why two rules, the lower percentage first, cannot both be meant; empty where they can."""
    if first == second:
        return "it is the same rule"
    actions = (first.action, second.action)
    if first.percent == second.percent:
        if STEERING.issuperset(actions):
            return "of downgrade, free and block one acts at a time"
        if actions == ("throttle", "throttle"):
            return "one of two throttles acts at a time"
    elif (second.action, first.action) in _NEVER:
        return f"what `{first.action}` holds back never comes to {second.percent}%"
    return ""
