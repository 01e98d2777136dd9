"""`ferry routes explain`, drawn: where a call would go now, why, and what that would hold.

Amounts are nano-dollars inside; people read dollars, and rates in dollars per million tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, drawn, labelled, table
from ferrycli.report.periods import slashed, when
from ferrycli.report.prices import drawn_note
from ferrycli.report.times import clock, iso, local
from ferrycli.rules.attribution import DIMENSIONS
from ferrycli.rules.explained import Explained, ExplainedBudget, ExplainedTarget
from ferrycli.rules.money import usd, usd_exact, usd_full
from ferrycli.rules.route_words import why_dropped
from ferrycli.rules.routes import Assignment
from ferrycli.rules.selectors import ANY
from ferrycli.rules.standings import Standing
from ferrycli.rules.words import words

SCHEMA = "ferry.explain/1"

TARGET_COLUMNS = (
    Column("TIER", leaves=1),
    Column("TARGET", width_min=16),
    Column("INPUT", is_number=True, leaves=4),
    Column("OUTPUT", is_number=True, leaves=4),
    Column("AT MOST", is_number=True, leaves=3),
    Column("HELD", is_number=True, leaves=2),
    Column(""),
)
BUDGET_COLUMNS = (
    Column("BUDGET", width_min=16),
    Column("SPENT", is_number=True),
    Column("HELD", is_number=True, leaves=5),
    Column("DOUBT", is_number=True, leaves=6),
    Column("FREE", is_number=True),
    Column("LIMIT", is_number=True, leaves=3),
    Column("USED", is_number=True, leaves=2),
    Column("RULE NOW", leaves=1, width_min=8),
    Column("RESETS", leaves=4),
)


def explain_lines(
    explained: Explained,
    zone: tzinfo,
    width: int,
    *,
    assignments: Mapping[str, Assignment] | None = None,
    keys: Mapping[str, str] | None = None,
) -> list[Text]:
    """Where the call would go, on a card. `assignments` and `keys` (names): by id."""
    wanted = explained.wanted
    targets = table(TARGET_COLUMNS, [_target_row(one) for one in explained.targets], width)
    lines = [
        Text(""),
        Text.assemble("  ", drawn(wanted.model, "bold"), "   ", drawn("no call is made", "dim")),
        Text(""),
        labelled("key", wanted.key.name),
        labelled("call", _said(explained)),
        labelled("route", _route(explained, zone, assignments or {})),
        *_verdict(explained),
        Text(""),
        *targets,
        *_whys(explained, zone),
        Text(""),
    ]
    if explained.budgets:
        rows = [_budget_row(one, explained.now_us, zone, keys or {}) for one in explained.budgets]
        lines += [*table(BUDGET_COLUMNS, rows, width), Text("")]
    elif explained.found.choices:
        lines += [drawn_note("no budget matches: nothing bounds what it spends"), Text("")]
    else:
        lines += [drawn_note("no budget was asked: no target is left"), Text("")]
    rates = [name for name in ("INPUT", "OUTPUT") if name in targets[0].plain]
    legend = ["USD", f"{' and '.join(rates)} per million tokens"] if rates else ["USD"]
    lines.append(drawn_note("; ".join([*legend, "HELD while a call runs"])))
    return [*lines, Text("")]


def _said(explained: Explained) -> str:
    """What the call says of itself."""
    said = explained.wanted.attribution
    parts = [f"{name}={value}" for name in DIMENSIONS if (value := getattr(said, name))]
    parts += [f"tag:{name}={value}" for name, value in said.tags]
    parts.append(f"{said.priority} priority")
    if explained.wanted.is_stream:
        parts.append("streamed")
    if explained.wanted.needs:
        parts.append(f"with {', '.join(sorted(explained.wanted.needs))}")
    parts.append(f"about {explained.wanted.input_tokens:,} tokens in")
    return ", ".join(parts)


def _route(explained: Explained, zone: tzinfo, assignments: Mapping[str, Assignment]) -> str:
    """What decided, and how."""
    found, wanted = explained.found, explained.wanted
    by = assignments.get(found.assignment)
    if found.route is None:
        how = "none: the call names the model itself"
    elif by is not None and by.route == found.route.name:
        until = "" if by.until_us is None else f" until {local(by.until_us, zone)}"
        how = f"{found.asked}, assigned to {by.selector_text}{until} ({by.id})"
    elif found.assignment and by is None:
        how = f"{found.asked}, by assignment {found.assignment}"
    elif wanted.attribution.route == found.asked:
        how = f"{found.asked}, as X-Ferry-Route says"
    else:
        how = f"{found.asked}, asked for as the model"
    return f"{how}; answers of at most {found.output_max:,} tokens" if found.output_max else how


def _verdict(explained: Explained) -> Iterator[Text]:
    admission = explained.admission
    if explained.refusal is not None:
        said = words(explained.refusal)
        code = f"HTTP {explained.refusal.status} {explained.refusal.code}"
        yield labelled("verdict", f"✗ refused with {code}", "bold red")
        yield labelled("", said.sentence)
        if said.hint:
            yield labelled("", said.hint)
        return
    assert admission is not None
    order = sorted((one for one in explained.targets if one.place), key=lambda one: one.place)
    yield labelled("verdict", f"✓ goes to {order[0].target}", "bold green")
    if order[1:]:
        yield labelled("", f"if that fails, to {', then '.join(one.target for one in order[1:])}")
    if admission.rule:
        yield labelled("tier", f"{admission.tier}: {admission.rule}")
        yield labelled("", admission.reason)
    held = f"{usd_full(admission.hold_nanousd)} while it runs"
    if admission.output_bound is not None:
        held += f"; the answer is bounded at {admission.output_bound:,} tokens"
    yield labelled("holds", held)
    if admission.free_nanousd is not None:
        binding = next((one for one in explained.budgets if one.is_binding), None)
        of = f" of budget {binding.standing.terms.selector}" if binding is not None else ""
        yield labelled("of", f"{usd(admission.free_nanousd)} that is free{of}")


def _target_row(one: ExplainedTarget) -> Row:
    name = one.target or f"route {one.route}"
    tier = f"{one.tier} ({one.route})" if one.route and one.tier != "normal" else one.tier
    style, what = _what(one)
    return [
        Cell(tier, "dim"),
        Cell(name, "bold" if one.place == 1 else ""),
        Cell(_rate(one, one.input_nanousd)),
        Cell(_rate(one, one.output_nanousd)),
        Cell("–" if one.ceiling_nanousd is None else usd_exact(one.ceiling_nanousd)),
        Cell(usd_exact(one.hold_nanousd) if one.place and one.hold_nanousd is not None else "–"),
        Cell(what, style),
    ]


def _rate(one: ExplainedTarget, amount: int | None) -> str:
    if one.is_free:
        return "free"
    return "–" if amount is None else usd_exact(amount)


def _what(one: ExplainedTarget) -> tuple[str, str]:
    """Style and word of what becomes of a target."""
    if one.place:
        return ("green", "✓ goes") if one.place == 1 else ("", f"then, {one.place}.")
    if one.dropped is not None:
        return "red", "✗ dropped"
    if not one.is_wanted:
        return "dim", "✗ not now"
    if one.refusal is not None:
        return "red", "✗ refused"
    return "dim", "not open"


def _whys(explained: Explained, zone: tzinfo) -> Iterator[Text]:
    """Why targets are not where the call goes, for those that have a reason of their own."""
    said = [(one, why) for one in explained.targets if (why := why_not(one, zone))]
    if said:
        yield Text("")
    for one, why in said:
        yield Text.assemble(
            "  ", drawn(one.target or f"route {one.route}"), "  ", drawn(why, "dim")
        )


def _second(at_us: int | None, zone: tzinfo) -> str:
    """`10:00:01 Europe/Berlin`: a circuit is open for a minute at the most."""
    return "" if at_us is None else f"{clock(at_us, zone, has_day=False)} {zone}"


def why_not(one: ExplainedTarget, zone: tzinfo) -> str:
    """Why a target is not what it could be; empty where there is nothing to say."""
    if one.dropped is not None:
        until = _second(one.dropped.until_us, zone)
        return why_dropped(one.dropped.code, one.dropped.detail, until)
    if not one.is_wanted and one.choice is not None:
        return f"its condition is not met now: {one.choice.when}"
    if one.refusal is not None:
        return words(one.refusal).sentence
    if one.choice is not None and (circuit := one.choice.open_circuit) is not None:
        until = _second(circuit.until_us, zone)
        return f"{why_dropped('circuit', circuit.reason, until)}, and there is no other"
    if one.choice is not None and one.choice.when:
        return f"while {one.choice.when}"
    return ""


def _budget_row(budget: ExplainedBudget, now_us: int, zone: tzinfo, keys: Mapping[str, str]) -> Row:
    one = budget.standing
    name = one.terms.selector + (f" ({subject})" if (subject := _subject(one, keys)) else "")
    rules = [str(rule) for rule in (budget.rule, budget.throttle) if rule is not None]
    limit = usd(one.limit_nanousd)
    return [
        Cell(name, "bold" if budget.is_binding else ""),
        Cell(usd(one.spent)),
        Cell(usd(one.held) if one.held else "–"),
        Cell(usd(one.doubt) if one.doubt else "–"),
        Cell(usd(one.free), "red" if one.free <= 0 else ""),
        Cell(limit if one.terms.is_prepaid else f"{limit}{slashed(one.terms.period)}"),
        Cell(f"{one.percent}%"),
        Cell(", ".join(rules) or "–", "yellow" if rules else ""),
        Cell("–" if one.resets_at_us is None else when(one.resets_at_us, now_us, zone)),
    ]


def _subject(standing: Standing, keys: Mapping[str, str]) -> str:
    """The values that a `*` stands for, a key by its name."""
    stars = [name for name, value in standing.terms.subject if value == ANY]
    values = zip(stars, json.loads(standing.subject or "[]"), strict=False)
    return ", ".join(keys.get(value, value) if name == "key" else value for name, value in values)


def explain_json(explained: Explained) -> dict[str, Any]:
    """The object `ferry.explain/1`. Amounts in nano-dollars, times in ISO 8601, UTC."""
    found, admission, refusal = explained.found, explained.admission, explained.refusal
    said = explained.wanted.attribution
    return {
        "schema": SCHEMA,
        "model": explained.wanted.model,
        "key": explained.wanted.key.name,
        **{name: getattr(said, name) for name in DIMENSIONS},
        "tags": dict(said.tags),
        "priority": said.priority,
        "route": found.route.name if found.route is not None else "",
        "assignment": found.assignment,
        "output_max": found.output_max,
        "goes": refusal is None,
        "tier": admission.tier if admission is not None else "",
        "rule": admission.rule if admission is not None else "",
        "reason": admission.reason if admission is not None else "",
        "hold_nanousd": admission.hold_nanousd if admission is not None else None,
        "free_nanousd": admission.free_nanousd if admission is not None else None,
        "output_bound": admission.output_bound if admission is not None else None,
        "refusal": None
        if refusal is None
        else {
            "status": refusal.status,
            "code": refusal.code,
            "message": words(refusal).sentence,
            "hint": words(refusal).hint,
        },
        "targets": [_target_json(one) for one in explained.targets],
        "budgets": [_budget_json(one) for one in explained.budgets],
    }


def _target_json(one: ExplainedTarget) -> dict[str, Any]:
    return {
        "target": one.target,
        "tier": one.tier,
        "route": one.route,
        "via": one.via,
        "place": one.place,
        "is_kept": one.dropped is None,
        "code": one.dropped.code if one.dropped is not None else "",
        "why": why_not(one, UTC),
        "is_free": one.is_free,
        "input_nanousd": one.input_nanousd,
        "output_nanousd": one.output_nanousd,
        "ceiling_nanousd": one.ceiling_nanousd,
        "hold_nanousd": one.hold_nanousd,
        "output_bound": one.output_bound,
    }


def _budget_json(budget: ExplainedBudget) -> dict[str, Any]:
    one = budget.standing
    return {
        "id": one.terms.id,
        "selector": one.terms.selector,
        "subject": one.subject,
        "period": one.terms.period,
        "limit_nanousd": one.limit_nanousd,
        "spent_nanousd": one.spent,
        "held_nanousd": one.held,
        "doubt_nanousd": one.doubt,
        "free_nanousd": one.free,
        "used_percent": one.percent,
        "rule": str(budget.rule) if budget.rule is not None else "",
        "throttle": str(budget.throttle) if budget.throttle is not None else "",
        "is_binding": budget.is_binding,
        "resets_at": iso(one.resets_at_us),
    }
