"""What a notice says: the fields of an alert become a title, some sentences and facts.

Pure. Foreign text is cleaned and bounded here, so that every channel can carry what comes out as
it is. Amounts are nano-dollars, times UTC microseconds. Source: docs/notices.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import BadRule
from ferrycli.rules.money import usd
from ferrycli.rules.phrases import apart, next_limit, period_phrase, shortened
from ferrycli.rules.selectors import ANY
from ferrycli.rules.thresholds import Rule, parse_rule
from ferrycli.rules.windows import from_us, is_rolling, window_end

TITLE_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 2_000
LINE_LENGTH_MAX = 600
FACT_LENGTH_MAX = 300
DETAILS_MAX = 24

SAMPLE = "sample"
"""The kind of a notice that nothing caused: somebody tries whether it comes."""

TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert as it stands in the database."""

    id: str
    kind: str
    """`budget`, `overrun`, `provider_money`, `circuit`, `loop`, or `sample`."""
    at_us: int
    budget_id: str = ""
    subject: str = ""
    """Of a budget the window's subject; else the provider, target, thread or call's id."""
    window_start_us: int = 0
    threshold: int = 0
    limit_nanousd: int = 0
    selector: str = ""
    action: str = ""
    owner: str = ""
    channels: tuple[str, ...] = ()
    spent_nanousd: int = 0
    """Of a balance what is used of it, expired or spent."""
    held_nanousd: int = 0
    doubt_nanousd: int = 0
    period: str = ""
    zone: str = "UTC"
    needs_zone: bool = False
    """As of the budget: a command must say which zone."""
    is_prepaid: bool = False
    detail: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """A notice on its way, the same on every channel and in every try."""

    id: str
    kind: str
    at_us: int
    title: str
    """One line, no full stop."""
    text: str
    """Lines of whole sentences that go on from the title; the last ones are commands."""
    facts: Mapping[str, str | int]


def message(alert: Alerted, zone: tzinfo = UTC) -> Message:
    """What is told of `alert`; `zone` is the one that the budget's periods are of."""
    title, lines = _WRITERS.get(alert.kind, _other)(alert, zone)
    kept = (safe(line, LINE_LENGTH_MAX) for line in lines if line is not None)
    return Message(
        alert.id,
        alert.kind,
        alert.at_us,
        shortened(safe(title, TITLE_LENGTH_MAX * 2), TITLE_LENGTH_MAX),
        "\n".join(kept)[:TEXT_LENGTH_MAX].strip(),
        _facts(alert, zone),
    )


def moment_in(at_us: int, zone: tzinfo) -> str:
    """UTC microseconds as `2026-12-01 00:00 Europe/Berlin`."""
    name = "UTC" if zone is UTC else str(zone)
    return f"{from_us(at_us, zone):%Y-%m-%d %H:%M} {name}"


def subject_words(selector: str, subject: str) -> str:
    """The selector with the values that its `*` stand for: `assistant=bot,thread=t-17`."""
    try:
        values = json.loads(subject) if subject else []
    except ValueError:
        return f"{selector} ({subject})"
    parts = selector.split(",")
    starred = [at for at, part in enumerate(parts) if part.endswith(f"={ANY}")]
    if not isinstance(values, list) or len(values) != len(starred):
        return f"{selector} ({subject})" if subject else selector
    for at, value in zip(starred, values, strict=True):
        parts[at] = f"{parts[at].removesuffix(ANY)}{value}"
    return ",".join(parts)


Lines = list[str | None]
"""An empty one parts paragraphs; None is left out."""


# Budgets ------------------------------------------------------------------------------------


def _budget(alert: Alerted, zone: tzinfo) -> tuple[str, Lines]:
    used, limit = alert.spent_nanousd, alert.limit_nanousd
    # A selector may be long, and the amounts must not fall off the title.
    who = shortened(safe(subject_words(alert.selector, alert.subject), 400), 100)
    what, verb, also = "limit", "spent", ""
    of_what = f"{usd(limit)} {period_phrase(alert.period or TOTAL)}"
    if alert.is_prepaid:
        what, verb, also = "balance", "used", "; what has expired counts as used"
        of_what = f"its balance of {apart(limit, used)}"
    percent = used * 100 // limit if limit > 0 else 100
    is_short = alert.threshold == 100 and used < limit
    if is_short:
        title = f"{who} is used up: {apart(used, limit)} of {of_what}"
        first = f"The {usd(max(0, limit - used))} that is left was not enough for a call."
    else:
        title = f"{who} has {verb} {apart(used, limit)} of {of_what}, {percent} %"
        over = f"It is {apart(used - limit, 0)} over its {what}."
        first = over if used > limit else f"It has reached {alert.threshold} % of its {what}{also}."
    held, doubt = alert.held_nanousd, alert.doubt_nanousd
    lines: Lines = [
        first,
        f"Calls in flight hold {usd(held)} besides." if held else None,
        f"Up to {usd(doubt)} more may have been spent." if doubt else None,
        _short(alert) if is_short else _from_now_on(alert),
        _window_words(alert, zone),
        "",
        *_commands(alert),
    ]
    if alert.kind == SAMPLE:
        is_sample = "This is a sample: nothing has happened. A notice reads like this."
        return f"Sample: {title}", [is_sample, "", *lines]
    return title, lines


def _from_now_on(alert: Alerted) -> str:
    """What the rules at this threshold do."""
    said = [words for text in alert.action.split(", ") if (words := _rule(text))]
    return f"From now on {'; '.join(said)}." if said else "Nothing changes for its calls."


def _short(alert: Alerted) -> str:
    """What becomes of calls where some money is left: one that it is enough for goes."""
    for text in alert.action.split(", "):
        if text.startswith("100% free"):
            return f"For calls that need more than is left {_rule(text)}."
    return "Calls that need more than is left are refused (insufficient_quota)."


def _rule(text: str) -> str:
    """What one rule does, as the end of a sentence; empty where it only tells."""
    if not text.strip():
        return ""
    try:
        rule = parse_rule(text)
    except BadRule:
        return f"`{safe(text)}` applies"
    return _rule_words(rule)


def _rule_words(rule: Rule) -> str:
    route = f" `{safe(rule.route)}`"
    match rule.action:
        case "downgrade":
            who = "all calls" if rule.is_all else "calls that are not critical"
            return f"{who} use {f'route{route}' if rule.route else 'their cheaper route'}"
        case "throttle":
            return f"{rule.per_minute:,} calls a minute are let through"
        case "free":
            way = f" on route{route}" if rule.route else ""
            return f"only models that cost nothing answer{way}"
        case "block":
            also = ", also those that would cost nothing" if rule.is_all else ""
            return f"calls are refused (insufficient_quota){also}"
    return ""


def _window_words(alert: Alerted, zone: tzinfo) -> str | None:
    """When the window began, and when it ends."""
    start_us, period = alert.window_start_us, alert.period or TOTAL
    if alert.is_prepaid:
        return f"The last payment came {moment_in(start_us, zone)}." if start_us else None
    if is_rolling(period):
        return "It has no date on which it resets: what was spent longer ago counts no more."
    if not start_us or (end_us := window_end(period, zone, start_us)) is None:
        return "It does not reset."
    return f"It counts since {moment_in(start_us, zone)} and resets {moment_in(end_us, zone)}."


def _commands(alert: Alerted) -> Lines:
    selector = shell_word(alert.selector)
    if alert.is_prepaid:
        return [f"Add to it: ferry budgets topup {selector} 20"]
    limit = f"{next_limit(alert.limit_nanousd, alert.spent_nanousd)}/{alert.period or TOTAL}"
    zone = f" --zone {shell_word(alert.zone)}" if alert.needs_zone else ""
    return [
        f"Raise it: ferry budgets set {selector} --limit {shell_word(limit)}{zone}",
        f"See more: ferry budgets show {selector}",
    ]


# Other kinds --------------------------------------------------------------------------------

NEXT_TARGET = "Calls go to the next target of their route; where there is none they are refused."


def _overrun(alert: Alerted, _zone: tzinfo) -> tuple[str, Lines]:
    cost, hold = (_whole(alert.detail.get(name), 0) for name in ("cost_nanousd", "hold_nanousd"))
    target, call = _said(alert, "target"), alert.subject
    title = f"A call to {target or 'a model'} cost {apart(cost, hold)}, not the {usd(hold)} held"
    return title, [
        "All of it is recorded, and a budget may be over its limit by the difference.",
        "The price that ferry knows may be too low, or the answer was longer than was asked for.",
        "",
        f"See the call: ferry calls show {shell_word(call)}" if call else None,
        f"See the price: ferry prices show {shell_word(target)}" if "/" in target else None,
    ]


def _provider_money(alert: Alerted, _zone: tzinfo) -> tuple[str, Lines]:
    provider = alert.subject or _said(alert, "provider")
    target, failure = _said(alert, "target"), _said(alert, "failure")
    return f"Provider {provider} is out of money", [
        f"It answered a call to {target} with: {failure}" if failure else None,
        NEXT_TARGET,
        "",
        "Pay for more at the provider; no command of ferry's can.",
    ]


def _circuit(alert: Alerted, zone: tzinfo) -> tuple[str, Lines]:
    target = alert.subject or _said(alert, "target")
    reason = _said(alert, "reason")
    until_us = _whole(alert.detail.get("until_at"), 0)
    return f"Target {target} keeps failing and is left alone for a while", [
        f"The last failure: {reason.rstrip('.')}." if reason else None,
        f"It is tried again {moment_in(until_us, zone)}." if until_us else None,
        NEXT_TARGET,
        "",
        f"See where calls go: ferry routes explain {shell_word(target)}",
    ]


def _loop(alert: Alerted, _zone: tzinfo) -> tuple[str, Lines]:
    thread = alert.subject or _said(alert, "thread")
    count, what = _said(alert, "times"), _said(alert, "what") or "request"
    times = f"{count} times" if count else "again and again"
    key = _said(alert, "key")
    is_blocked = _said(alert, "action") == "block"
    title = f"Thread {shortened(safe(thread), 80)} repeats itself: the same {what} {times}"
    return title, [
        f"It belongs to key {key}." if key else None,
        "Its calls are refused from now on." if is_blocked else "Its calls still go through.",
        "",
        f"Let it go on: ferry threads release {shell_word(thread)}" if is_blocked else None,
        f"See its calls: ferry calls list --where {shell_word(f'thread={_quoted(thread)}')}",
    ]


def _other(alert: Alerted, _zone: tzinfo) -> tuple[str, Lines]:
    return f"{alert.kind.replace('_', ' ')}: {alert.subject or alert.selector}", []


_Writer = Callable[[Alerted, tzinfo], tuple[str, Lines]]
_WRITERS: Mapping[str, _Writer] = {
    "budget": _budget,
    SAMPLE: _budget,
    "overrun": _overrun,
    "provider_money": _provider_money,
    "circuit": _circuit,
    "loop": _loop,
}


# Facts --------------------------------------------------------------------------------------


def _facts(alert: Alerted, zone: tzinfo) -> dict[str, str | int]:
    """What a program reads: whole amounts, times in ISO 8601, UTC; what is empty is left out."""
    facts: dict[str, str | int] = {"subject": alert.subject}
    if alert.kind in ("budget", SAMPLE):
        facts |= _budget_facts(alert, zone)
    for name, value in list(alert.detail.items())[:DETAILS_MAX]:
        is_time = name.endswith("_at") and (at_us := _whole(value, 0))
        facts.setdefault(safe(name, 60), iso(at_us) if is_time else value)
    return {
        name: safe(value, FACT_LENGTH_MAX) if isinstance(value, str) else value
        for name, value in facts.items()
        if value != ""
    }


def _budget_facts(alert: Alerted, zone: tzinfo) -> dict[str, str | int]:
    start_us = 0 if is_rolling(alert.period) else alert.window_start_us
    end_us = None
    if start_us and not alert.is_prepaid:
        end_us = window_end(alert.period or TOTAL, zone, start_us)
    return {
        "selector": alert.selector,
        "budget_id": alert.budget_id,
        "threshold_percent": alert.threshold,
        "action": alert.action,
        "limit_nanousd": alert.limit_nanousd,
        "used_nanousd" if alert.is_prepaid else "spent_nanousd": alert.spent_nanousd,
        "held_nanousd": alert.held_nanousd,
        "doubt_nanousd": alert.doubt_nanousd,
        "period": alert.period,
        "zone": alert.zone,
        "owner": alert.owner,
        "window_start": iso(start_us) if start_us else "",
        "resets_at": "" if end_us is None else iso(end_us),
    }


def iso(at_us: int) -> str:
    """UTC microseconds as `2026-12-01T00:00:00Z`."""
    return f"{from_us(at_us):%Y-%m-%dT%H:%M:%SZ}"


def _quoted(value: str) -> str:
    """A value as a filter of calls takes it."""
    if value and all(c.isalnum() or c in "-_./:@" for c in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _said(alert: Alerted, name: str) -> str:
    return safe(str(alert.detail.get(name, "")), FACT_LENGTH_MAX)


def _whole(value: str | int | None, otherwise: int) -> int:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else otherwise
    return otherwise if value is None else value


def shell_word(text: str) -> str:
    """`text` as one argument of a command, whole: a command that is cut would be another one."""
    cleaned = safe(text, LINE_LENGTH_MAX)
    if cleaned and all(c.isalnum() or c in "-_./:@=,+" for c in cleaned):
        return cleaned
    quote = "'\\''"
    return f"'{cleaned.replace(chr(39), quote)}'"
