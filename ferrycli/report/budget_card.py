"""One budget in words: its policy read back, what its windows hold, its grants, its notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from rich.text import Text

from ferrycli.report.budgets import Sheet, is_at, pace_words, runs_out, used_words
from ferrycli.report.layout import MARGIN, Cell, Column, drawn, labelled, table
from ferrycli.report.limits import limits_words
from ferrycli.report.periods import every, last, when
from ferrycli.report.times import ago, local, zone_named
from ferrycli.rules.money import usd
from ferrycli.rules.policy_words import NOBODY, policy_lines
from ferrycli.rules.selectors import ANY, Selector
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import REFUSING, active, has_action
from ferrycli.rules.windows import from_us, is_rolling
from ferrycli.store.planning import BudgetSet
from ferrycli.store.reads_budgets import AlertRow, BudgetFacts, GrantRow, boosts, window_at

SUBJECTS_SHOWN = 20
ALERTS_SHOWN = 10
_MODES = {
    "strict": "a call goes only if the most that it can cost is left",
    "expected": "a call goes if what it probably costs is left",
    "soft": "refuses nothing for money",
}


def limit_sentence(terms: Terms, limit_nanousd: int | None = None) -> str:
    """`$50.00 a week for each thread`. `limit_nanousd`: of a balance, what was granted."""
    limit = terms.limit_nanousd if limit_nanousd is None else limit_nanousd
    if terms.is_prepaid:
        return f"{usd(limit)} prepaid"
    stars = [name.removeprefix("tag:") for name, value in terms.subject if value == ANY]
    each = f" for each {' and '.join(stars)}" if stars else ""
    return f"{usd(limit)} {every(terms.period)}{each}"


def resets_words(terms: Terms, now_us: int) -> str:
    """`resets Mon 30 Nov 00:00 Europe/Berlin`, or that it never does."""
    if terms.is_prepaid:
        return "until it is used up"
    if is_rolling(terms.period):
        return "what is older counts no more"
    _, end = window_at(terms, now_us)
    if end is None:
        return "never resets"
    return f"resets {from_us(end, zone_named(terms.zone)):%a %d %b %H:%M} {terms.zone}"


def policy_card(terms: Terms, told: str, status: str) -> Iterator[Text]:
    """The rules of a budget in words. `told`: who gets its notices; empty: nobody.

    `status`: HTTP status of a spent budget.
    """
    for line in policy_lines(terms.rules, owner=told, status=int(status)):
        does = line.does
        if not told and terms.owner:
            does = does.replace(NOBODY, f"nobody: no channel reaches {terms.owner}")
        yield labelled(line.at, f"{does}   {line.note}" if line.note else does)
    refuses = any(one.action in REFUSING and one.percent <= 100 for one in terms.rules)
    if terms.mode != "soft" and not refuses:
        yield labelled("at 100 %", f"block with HTTP {status} insufficient_quota")
    if terms.rules and (told or not has_action(terms.rules, "notify")):
        yield labelled("told", f"{told}, at each of these" if told else "nobody")
    yield labelled("mode", f"{terms.mode}: {_MODES.get(terms.mode, '')}")
    if terms.clamp == "always":
        yield labelled("", "a caller's own output limit that does not fit is lowered")
    if terms.allow_unpriced:
        yield labelled("", "calls to models without a price may go")


def made_sentence(made: BudgetSet) -> str:
    """What became of the budget: `Made budget tenant=acme: $50.00 a week.`"""
    terms, before = made.terms, made.before
    granted = made.standings[0].limit_nanousd if terms.is_prepaid and made.standings else None
    now = limit_sentence(terms, granted)
    if before is None:
        verb = "Made" if made.is_kept else "Would make"
        return f"{verb} budget {terms.selector}: {now}."
    verb = "Changed" if made.is_kept else "Would change"
    if before == terms:
        return f"Budget {terms.selector} is that already: {now}."
    was = limit_sentence(before)
    return f"{verb} budget {terms.selector}: {now}{f', was {was}' if was != now else ''}."


def counted_sentence(made: BudgetSet) -> str:
    """What the counting back makes of a new budget, or of one with another limit."""
    said = _counted(made)
    return said[:1].upper() + said[1:]


def _counted(made: BudgetSet) -> str:
    terms = made.terms
    if made.before is None and terms.is_prepaid:
        return "It is drawn from now on."
    if made.is_from_now:
        return "It counts from now on."
    since = "" if made.before else f"Counted back {_back(terms)}: "
    if Selector(terms.subject).is_each:
        return since + _each_words(made)
    standing = made.standings[0]
    if not standing.spent:
        return f"{since}nothing is spent yet."
    limit = standing.limit_nanousd
    used = used_words(standing)
    if made.standings[0].used < standing.base:
        acts = acting_words(standing)
        return (
            f"{since}{usd(standing.spent)} is spent already ({used}){f': {acts}' if acts else ''}."
        )
    said = f"already {usd(standing.spent)} of {usd(limit)}"
    return f"{since}{said}: {acting_words(standing) or 'it only tells'}."


def _back(terms: Terms) -> str:
    if is_rolling(terms.period):
        return f"over {last(terms.period)}"
    if terms.period == "total":
        return "to the first call"
    return f"to {from_us(terms.counts_from_us, zone_named(terms.zone)):%a %d %b %H:%M}"


def _each_words(made: BudgetSet) -> str:
    count = len(made.standings)
    if not count:
        return "nobody has spent anything yet."
    spent = usd(sum(one.spent for one in made.standings))
    over = [one for one in made.standings if one.used >= one.base]
    said = f"{count:,} {'has' if count == 1 else 'have'} spent {spent}"
    if not over:
        fullest = made.standings[0]
        return f"{said}, the most {usd(fullest.spent)} ({used_words(fullest)})."
    acts = acting_words(over[0]) or "it only tells"
    are = "is" if len(over) == 1 else "are"
    return f"{said}; {len(over):,} {are} over already: {acts}."


def acting_words(standing: Standing) -> str:
    """What the rules do as a window stands: `blocks at once`; empty where they do nothing yet."""
    rule = active(standing.terms.rules, standing.used, standing.base).steering
    action = rule.action if rule is not None else ""
    if standing.terms.mode != "soft" and standing.used >= standing.base:
        action = action if action in REFUSING else "block"
    return {
        "block": "blocks at once",
        "free": "from now on only what costs nothing goes",
        "downgrade": "calls take the cheaper route at once",
    }.get(action, "")


def budget_card(
    sheet: Sheet,
    facts: BudgetFacts,
    alerts: Sequence[AlertRow],
    told: str,
    status: str,
    width: int,
) -> list[Text]:
    """Everything there is to say of one budget."""
    terms = facts.terms
    standing = facts.fullest
    lines = [Text(""), _headline(facts), Text("")]
    granted = standing.limit_nanousd if standing is not None else None
    limit = limit_sentence(terms, granted if terms.is_prepaid else None)
    limit = f"{limit}, {resets_words(terms, sheet.now_us)}"
    lines.append(labelled("balance" if terms.is_prepaid else "limit", limit))
    if standing is not None and not facts.selector.is_each:
        lines += _amounts(sheet, facts, standing)
    lines += policy_card(terms, told, status)
    if terms.owner:
        lines.append(labelled("owner", terms.owner))
    limits = (one for one in sheet.limits if one.pairs == terms.subject)
    lines += [labelled("limits", limits_words(one)) for one in limits]
    lines.append(labelled("counts", f"calls since {_since(terms)}"))
    zone = sheet.zone
    if facts.selector.is_each:
        lines += [Text(""), *_subjects(sheet, facts, width)]
    if facts.grants:
        lines += [Text(""), *_grants(facts, sheet.now_us, zone, width)]
    lines += [Text(""), *_alerts(sheet, facts, alerts, zone, width)]
    return [*lines, Text("")]


def _headline(facts: BudgetFacts) -> Text:
    standing = facts.fullest
    name = Text.assemble(MARGIN, drawn(facts.terms.selector, "bold"))
    if standing is None:
        return Text.assemble(name, "   ", ("nothing seen yet", "dim"))
    used = used_words(standing)
    is_over = is_at(standing, 100)
    style = "red" if is_over else "yellow" if is_at(standing, 80) else "green"
    fullest = "the fullest " if facts.selector.is_each else ""
    sign = "!" if is_over else "▲" if is_at(standing, 80) else "●"
    return Text.assemble(name, "   ", (f"{sign} {fullest}{used} used", style))


def _amounts(sheet: Sheet, facts: BudgetFacts, standing: Standing) -> Iterator[Text]:
    if standing.extra_nanousd and not facts.terms.is_prepaid:
        more = ", ".join(_boosts(sheet, facts))
        yield labelled("boost", f"{more}: {usd(standing.limit_nanousd)}")
    parts = [f"spent {usd(standing.spent)}"]
    parts += [f"held {usd(standing.held)}"] if standing.held else []
    parts += [f"in doubt {usd(standing.doubt)}"] if standing.doubt else []
    yield labelled("now", f"{', '.join(parts)}; left {usd(standing.free)}")
    going = sheet.pace_of(facts, standing)
    has_ratio = going.ratio_percent and not is_rolling(facts.terms.period)
    words = [f"{pace_words(going)} of what lasts until it resets"] if has_ratio else []
    out = runs_out(sheet, going)
    words += ["used up"] if out == "now" else [f"runs out {out} at this pace"] if out != "–" else []
    if words:
        yield labelled("pace", ", ".join(words))


def _boosts(sheet: Sheet, facts: BudgetFacts) -> Iterator[str]:
    """What each boost adds, and until when; those that end together as one."""
    by_end: dict[int, int] = {}
    for one in sorted(boosts(facts.grants, sheet.now_us), key=lambda one: one.expires_at or 0):
        end = one.expires_at or 0
        by_end[end] = by_end.get(end, 0) + one.amount_nanousd
    for end, amount in by_end.items():
        yield f"{usd(amount)} more until {when(end, sheet.now_us, sheet.zone)}"


def _since(terms: Terms) -> str:
    if not terms.counts_from_us:
        return "the first one"
    return f"{local(terms.counts_from_us, zone_named(terms.zone))} {terms.zone}"


def _subjects(sheet: Sheet, facts: BudgetFacts, width: int) -> Iterator[Text]:
    if not facts.standings:
        yield Text.assemble(MARGIN, drawn("No call has counted in it yet.", "dim"))
        return
    columns = [
        Column("FOR", width_min=10),
        Column("SPENT", is_number=True),
        Column("HELD", is_number=True, leaves=5),
        Column("DOUBT", is_number=True, leaves=6),
        Column("LEFT", is_number=True, leaves=4),
        Column("USED", is_number=True),
    ]
    rows = [
        [
            Cell(" / ".join(sheet.values(one).values())),
            Cell(usd(one.spent)),
            Cell(usd(one.held) if one.held else "–"),
            Cell(usd(one.doubt) if one.doubt else "–"),
            Cell(usd(one.free)),
            Cell(used_words(one), "red" if is_at(one, 100) else ""),
        ]
        for one in facts.standings[:SUBJECTS_SHOWN]
    ]
    yield from table(columns, rows, width)
    if (more := len(facts.standings) - SUBJECTS_SHOWN) > 0:
        yield Text.assemble(MARGIN, drawn(f"{more:,} more, less used", "dim"))


def _grants(facts: BudgetFacts, now_us: int, zone: tzinfo, width: int) -> Iterator[Text]:
    columns = [
        Column("ADDED"),
        Column("AMOUNT", is_number=True),
        Column("LEFT", is_number=True),
        Column("ENDS", leaves=2),
        Column("STATE", leaves=1),
        Column("NOTE", width_min=8, leaves=3),
    ]
    rows = []
    for one in sorted(facts.grants, key=lambda grant: (grant.created_at, grant.id)):
        is_boost = one.kind == "boost"
        rows.append(
            [
                Cell(local(one.created_at, zone)),
                Cell(f"+{usd(one.amount_nanousd)}"),
                Cell("–" if is_boost else usd(one.remaining_nanousd)),
                Cell(when(one.expires_at, now_us, zone) if one.expires_at else "never"),
                Cell(_state(one, now_us)),
                Cell(one.note or ("boost" if is_boost else "")),
            ]
        )
    yield from table(columns, rows, width)


def _state(one: GrantRow, now_us: int) -> str:
    if one.voided_at is not None:
        return "voided"
    if not one.is_usable(now_us):
        return "expired"
    return "used up" if one.kind == "grant" and one.remaining_nanousd <= 0 else "counts"


def _alerts(
    sheet: Sheet, facts: BudgetFacts, alerts: Sequence[AlertRow], zone: tzinfo, width: int
) -> Iterator[Text]:
    if not alerts:
        yield Text.assemble(MARGIN, drawn("No threshold has been crossed.", "dim"))
        return
    columns = [
        Column("CROSSED"),
        Column("AT", is_number=True),
        # Of a balance what has expired is in it, as notices say.
        Column("USED" if facts.terms.is_prepaid else "SPENT", is_number=True),
        Column("LIMIT", is_number=True, leaves=4),
        *([Column("FOR", width_min=8, leaves=2)] if facts.selector.is_each else []),
        Column("NOTICE"),
    ]
    rows = []
    for one in alerts[:ALERTS_SHOWN]:
        subject = Standing(facts.terms, one.window_start, None, subject=one.subject)
        whose = [Cell(" / ".join(sheet.values(subject).values()))]
        rows.append(
            [
                Cell(local(one.created_at, zone)),
                Cell(f"{one.threshold}%"),
                Cell(usd(one.spent_nanousd)),
                Cell(usd(one.limit_nanousd)),
                *(whose if facts.selector.is_each else []),
                Cell(
                    _told(one, sheet.now_us), "yellow" if one.state in ("nobody", "failed") else ""
                ),
            ]
        )
    yield from table(columns, rows, width)
    if (more := len(alerts) - ALERTS_SHOWN) > 0:
        yield Text.assemble(MARGIN, drawn(f"{more:,} more, earlier", "dim"))


def _told(one: AlertRow, now_us: int) -> str:
    to = f" {one.channels.replace(',', ', ')}" if one.channels else ""
    return {
        "new": "waits for the server",
        "sending": f"being sent to{to}",
        "told": f"told{to} {ago(one.told_at, now_us)}",
        "failed": f"not delivered to{to}",
        "nobody": "nobody to tell",
    }.get(one.state, one.state)
