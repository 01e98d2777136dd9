"""One call on a card: tokens, rates, cost, times, attribution with sources, budget facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import tzinfo

from rich.text import Text

from ferrycli.report.calls import cost_text, status_of
from ferrycli.report.layout import Cell, Column, drawn, labelled, percent, table
from ferrycli.report.times import exact, local, seconds
from ferrycli.rules.attribution import POLICED
from ferrycli.rules.meters import METER, per_unit_usd
from ferrycli.rules.money import usd, usd_exact, usd_full
from ferrycli.rules.phrases import period_phrase
from ferrycli.rules.shares import parted
from ferrycli.store.reads import BudgetRow, CallRow
from ferrycli.store.reads_receipts import CorrectionRow, LineRow, TryRow

_LINES = (
    ("input", ("n_input",), "cost_input_nanousd"),
    ("cache read", ("n_cache_read",), "cost_cache_read_nanousd"),
    (
        "cache write",
        ("n_cache_write_5m", "n_cache_write_30m", "n_cache_write_1h", "n_cache_write_12h"),
        "cost_cache_write_nanousd",
    ),
    ("output", ("n_output",), "cost_output_nanousd"),
    (
        "other",
        ("n_audio_in", "n_audio_out", "n_image_in", "n_web_search"),
        "cost_other_nanousd",
    ),
)
"""What a line is called, the counts that it holds, and the column of its cost."""

_COLUMNS = (
    Column("COST"),
    Column("TOKENS", is_number=True),
    Column("$/MTOK", is_number=True),
    Column("USD", is_number=True),
)
_TRY_COLUMNS = (
    Column("#"),
    Column("TARGET", width_min=12),
    Column("CAME TO", width_min=12),
    Column("USD", is_number=True),
    Column("DOUBT", is_number=True),
    Column("SOURCE", leaves=1),
)


CORRECTIONS_SHOWN = 20


def call_card(
    row: CallRow,
    tried: Sequence[TryRow],
    corrections: Sequence[CorrectionRow],
    budget: BudgetRow | None,
    zone: tzinfo,
    width: int,
    billed: Sequence[LineRow] = (),
) -> list[Text]:
    """Everything of `row` that a person asks for; `budget` is the tightest that it counted in.

    `billed`: what it was billed for, line by line; of an event its meter alone.
    """
    event = next((one for one in billed if one.bucket == METER), None)
    status, style = status_of(row)
    lines = [
        Text(""),
        Text.assemble("  ", drawn(row.id, "bold"), "   ", drawn(status, style or "green")),
        Text(""),
    ]
    lines += _facts(row, zone)
    if row.state not in ("held", "denied"):
        cost = _cost(row, tried, corrections, width) if event is None else _event_cost(row, event)
        lines += [Text(""), *cost]
        lines += _provenance(row, _earlier(row, tried), corrections, zone)
    if tried:
        counted = _counted(row, tried) if corrections else tried
        lines += [Text(""), *table(_TRY_COLUMNS, map(_try, counted), width)]
    lines += [Text(""), *_timeline(row)] if event is None else []
    attribution = list(_attribution(row))
    if attribution:
        lines += [Text(""), *attribution]
    money = list(_budget(row, budget))
    if money:
        lines += [Text(""), *money]
    return [*lines, Text("")]


def _facts(row: CallRow, zone: tzinfo) -> Iterator[Text]:
    served = f"{row.provider}/{row.model}" if row.provider else row.model
    what = METER if row.provider == METER else "model"
    yield labelled(what, served or row.requested_model or "(none)")
    if row.requested_model not in ("", row.model, served):
        yield labelled("asked for", row.requested_model)
    if row.downgraded_from:
        yield labelled("instead of", row.downgraded_from)
    yield labelled("key", row.key or "(none)")
    when = "occurred" if row.provider == METER else "began"
    yield labelled(when, f"{exact(row.started_at, zone)} {zone}")
    how = [row.endpoint, "streamed" if row.is_stream else "in one piece", row.priority]
    how = how[:1] if row.provider == METER else how
    how += [f"tier {row.tier}"] if row.tier else []
    how += [f"{row.attempts} attempts"] if row.attempts > 1 else []
    how += [f"retry {row.client_retry} of the client"] if row.client_retry else []
    yield labelled("how", " · ".join(part for part in how if part))
    if row.rule:
        yield labelled("rule", row.rule)
    if row.reason:
        yield labelled("reason", row.reason)


def _event_cost(row: CallRow, line: LineRow) -> Iterator[Text]:
    """What of a meter was used, and what that came to."""
    yield labelled("units", f"{line.quantity:,}")
    if line.rate_nanousd is not None:
        yield labelled("a unit", f"{per_unit_usd(line.rate_nanousd)} USD")
    yield labelled("total", _total(row, (), ()), "bold")


def _cost(
    row: CallRow, tried: Sequence[TryRow], corrections: Sequence[CorrectionRow], width: int
) -> list[Text]:
    earlier = _earlier(row, tried)
    amounts = {column: getattr(row, column) for _, _, column in _LINES}
    amounts["cost_other_nanousd"] -= sum(one.cost_nanousd or 0 for one in earlier)
    parts = [
        (label, sum(getattr(row, name) for name in counts), amounts[column])
        for label, counts, column in _LINES
    ]
    parts += [(f"attempt {one.number}", 0, one.cost_nanousd or 0) for one in earlier]
    parts += [("corrections", 0, sum(one.delta_nanousd for one in corrections))]
    rows = [
        [
            Cell(label),
            Cell(f"{tokens:,}" if tokens else "–"),
            Cell(_rate(tokens, cost)),
            Cell(usd_exact(cost) if cost or row.cost_source != "unpriced" else "–"),
        ]
        for label, tokens, cost in parts
        if tokens or cost
    ]
    cost = _total(row, earlier, corrections)
    total = [Cell("total", "bold"), Cell(""), Cell(""), Cell(cost, "bold")]
    lines = table(_COLUMNS, rows, width, total)
    if row.n_reasoning:
        lines.append(labelled("", f"{row.n_reasoning:,} of the output tokens were reasoning"))
    if row.input_tokens and row.n_cache_read:
        share = percent(row.n_cache_read, row.input_tokens)
        lines.append(labelled("", f"{share} of the input came from the cache"))
    return lines


def _earlier(row: CallRow, tried: Sequence[TryRow]) -> Sequence[TryRow]:
    """The attempts whose costs are no part of the call's own lines: those that failed."""
    # Where no other was let go, nothing of the call's end is the last attempt's.
    is_over = not row.input_tokens and not row.output_tokens and row.cost_source == "estimated"
    return tried if is_over else tried[:-1]


def _total(row: CallRow, earlier: Sequence[TryRow], corrections: Sequence[CorrectionRow]) -> str:
    if row.cost_nanousd is None:
        return "unpriced"
    # A late settlement is of the last attempt: those before it stay as they were estimated.
    is_whole = any(one.is_of_cost and one.source == "operator" for one in corrections)
    is_estimate = row.is_approximate or (not is_whole and _estimated(earlier))
    return f"{'≈' if is_estimate else ''}{usd_exact(row.cost_nanousd)}"


def _estimated(tried: Sequence[TryRow]) -> int:
    """What of the cost of attempts is an estimate, in nano-dollars."""
    return sum(one.cost_nanousd or 0 for one in tried if one.cost_source == "estimated")


def _counted(row: CallRow, tried: Sequence[TryRow]) -> list[TryRow]:
    """Attempts of a corrected call, each with what budgets count of it."""
    costs = parted(row.cost_nanousd or 0, [one.cost_nanousd or 0 for one in tried[:-1]])
    doubts = parted(row.doubt_nanousd, [one.doubt_nanousd for one in tried[:-1]])
    counted = []
    for one, cost, doubt in zip(tried, costs, doubts, strict=True):
        is_new = cost != (one.cost_nanousd or 0) or (row.is_corrected and one is tried[-1])
        if is_new:
            one = replace(one, cost_nanousd=cost, cost_source="corrected")
        counted.append(replace(one, doubt_nanousd=doubt))
    return counted


def _try(one: TryRow) -> list[Cell]:
    """One attempt: where it went, what came of it, and what that cost."""
    code = " ".join(str(part) for part in (one.status or "", one.error) if part)
    cost = "unpriced" if one.cost_nanousd is None else usd_exact(one.cost_nanousd)
    return [
        Cell(str(one.number)),
        Cell(f"{one.provider}/{one.model}"),
        Cell(one.reason or code or "–"),
        Cell(f"≈{cost}" if one.cost_source == "estimated" else cost),
        Cell(usd_exact(one.doubt_nanousd) if one.doubt_nanousd else "–"),
        Cell(one.cost_source or "not billed"),
    ]


def _rate(tokens: int, cost_nanousd: int) -> str:
    """Dollars per million tokens, as they were billed on this line."""
    if not tokens or not cost_nanousd:
        return "–"
    # Lines are rounded up by less than a nano-dollar: four places hide it for any real count.
    return f"{cost_nanousd / tokens / 1000:.4f}".rstrip("0").rstrip(".")


_SOURCES = {
    "provider": "the provider's own figure",
    "reported": "usage as the provider reported it",
    "estimated": "estimated: the provider reported no usage",
    "unpriced": "unpriced: no price is known; counted nowhere as 0",
}


_EVENT_SOURCES = {
    "provider": "the event's own figure",
    "reported": "units as the event told them",
    "unpriced": "unpriced: its meter has no price; counted nowhere as 0",
}


def _provenance(
    row: CallRow, earlier: Sequence[TryRow], corrections: Sequence[CorrectionRow], zone: tzinfo
) -> Iterator[Text]:
    """Where the cost is from; of one that was corrected, from what to what, as its history."""
    why = list(_why(row, earlier))
    if row.is_corrected:
        why = [*_first(row, earlier, corrections), *why]
    for at, text in enumerate(why):
        yield labelled("at first" if row.is_corrected and not at else "", text)
    for one in corrections[-CORRECTIONS_SHOWN:]:
        yield labelled("corrected", _correction(one, zone))
    if (more := len(corrections) - CORRECTIONS_SHOWN) > 0:
        yield labelled("", f"{more:,} more, earlier")
    if row.is_price_incomplete and not row.is_corrected:
        yield labelled("", "the price is incomplete: the true cost may differ", "yellow")
    if row.provider_cost_nanousd is not None:
        yield labelled("", f"the provider says {usd(row.provider_cost_nanousd)}")
    if row.doubt_nanousd:
        yield labelled("", f"{usd(row.doubt_nanousd)} in doubt, counted against limits", "yellow")


def _first(
    row: CallRow, earlier: Sequence[TryRow], corrections: Sequence[CorrectionRow]
) -> Iterator[str]:
    """What a call that was corrected had cost, where it had a price."""
    billed = sum(getattr(row, column) for _, _, column in _LINES)
    if row.cost_source == "unpriced" and not billed:
        return
    is_estimate = row.cost_source == "estimated" or row.is_price_incomplete or _estimated(earlier)
    doubt = row.doubt_nanousd - sum(one.doubt_delta_nanousd for one in corrections)
    cost = f"{'≈' if is_estimate else ''}{usd_full(billed)}"
    yield f"{cost}, {usd_full(doubt)} in doubt" if doubt else cost


def _why(row: CallRow, earlier: Sequence[TryRow]) -> Iterator[str]:
    """Where the cost is from that the call was settled at."""
    is_past = bool(row.is_corrected)
    sources = _EVENT_SOURCES if row.provider == METER else _SOURCES
    said = sources.get(row.cost_source, "")
    if is_past and row.cost_source == "unpriced":
        said = "unpriced: no price was known"
    if earlier and row.cost_source != "estimated" and (estimate := _estimated(earlier)):
        what = f"{'was' if is_past else 'is'} estimated: what attempts that failed may have cost"
        yield f"{usd(estimate)} {what}"
        said = f"the rest is {said}" if row.cost_source == "provider" else f"the rest: {said}"
    if row.price_version and row.cost_source != "unpriced":
        said += f" · {row.price_version}"
    if said:
        yield said
    if is_past and row.is_price_incomplete:
        yield "the price was incomplete"


def _correction(one: CorrectionRow, zone: tzinfo) -> str:
    """`2026-11-23 10:00  +$0.0225, $0.03 no longer in doubt  operator: invoice`."""
    sign = "+" if one.delta_nanousd >= 0 else ""
    what = [f"{sign}{usd_full(one.delta_nanousd)}"] if one.is_of_cost else []
    if one.doubt_delta_nanousd:
        what.append(f"{usd_full(-one.doubt_delta_nanousd)} no longer in doubt")
    who = f"{one.source}: {one.reason}" if one.reason else one.source
    return f"{local(one.created_at, zone)}  {', '.join(what)}  {who}"


def _timeline(row: CallRow) -> Iterator[Text]:
    events = [
        (row.started_at, "came in"),
        (row.admitted_at, "refused" if row.state == "denied" else "admitted"),
        (row.first_byte_at, "first byte to the client"),
        (row.finished_at if row.state != "denied" else None, _end(row)),
    ]
    for at, what in events:
        if at:
            yield labelled(seconds(at - row.started_at).rjust(8), what)
    if row.state == "held":
        yield labelled("       …", f"in flight, {cost_text(row)}")


def _end(row: CallRow) -> str:
    ends = {"ok": "done", "left": "the client left", "recovered": "recovered: its server died"}
    said = ends.get(row.outcome, row.outcome)
    return f"{said} ({row.finish_reason})" if row.finish_reason else said


def _attribution(row: CallRow) -> Iterator[Text]:
    sources = json.loads(row.sources) if row.sources else {}
    for dimension in POLICED[:-1]:
        if value := getattr(row, dimension):
            source = sources.get(dimension, "")
            yield labelled(dimension, f"{value}   ({source})" if source else value)
    for name, value in (json.loads(row.tags) if row.tags else {}).items():
        yield labelled("tag", f"{name}={value}")


def _budget(row: CallRow, budget: BudgetRow | None) -> Iterator[Text]:
    if row.hold_nanousd:
        held = "is held" if row.state == "held" else "was held"
        yield labelled("hold", f"{usd(row.hold_nanousd)} {held}")
    if row.free_nanousd is not None:
        text = f"{usd(row.free_nanousd)} was free at admission"
        if budget is not None:
            text += f" of {_limit(budget)}"
        yield labelled("budget", text)
    if row.output_sent is not None:
        asked = f", asked for {row.output_asked:,}" if row.output_asked else ""
        yield labelled("bound", f"{row.output_sent:,} output tokens, set by ferry{asked}")


def _limit(budget: BudgetRow) -> str:
    if budget.is_prepaid:
        return f"the balance of {budget.selector}"
    return f"{usd(budget.limit_nanousd)} {period_phrase(budget.period)}, {budget.selector}"
