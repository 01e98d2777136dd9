"""`ferry prices`: what models cost, and what the operator says that they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ferrycli.cli import budget_terms
from ferrycli.cli.terminal import now_us
from ferrycli.cli.tree import explained, group, terminal_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.text import Text

    from ferrycli.rules.pricing import Rate
    from ferrycli.settings import Settings

app = group("Set and show what models cost.")

Dollars = Annotated[str | None, typer.Option(metavar="USD", help="Per million tokens.")]
GLOB_SIGNS = frozenset("*?[")
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


@app.command(
    "set",
    help=explained(
        "Set what a model costs. It beats the price catalogue; calls made before keep their cost.",
        "ferry prices set openai/gpt-5-mini --input 0.25 --cache-read 0.025 --output 2",
        "ferry prices set 'local/*' --input 0 --output 0",
        "ferry prices set openai/gpt-5 --input 0.6 --output 5 --tier flex --from 2026-12-01",
        "ferry prices set meter/vector_read --per 0.0000004",
        more="Dollars per million tokens. MODEL may be a glob. A cached token without a price of"
        " its own costs what plain input costs. meter/NAME is what events count, such as vector"
        " reads: it takes --per, dollars for one of them, and no other price.",
        codes=(6,),
    ),
)
def set_price(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="What to price.")],
    input: Dollars = None,
    output: Dollars = None,
    cache_read: Dollars = None,
    cache_write: Annotated[
        str | None, typer.Option(metavar="USD", help="Written for 5 or 30 minutes.")
    ] = None,
    cache_write_1h: Annotated[
        str | None, typer.Option("--cache-write-1h", metavar="USD", help="Written for an hour.")
    ] = None,
    cache_write_12h: Annotated[
        str | None, typer.Option("--cache-write-12h", metavar="USD", help="Written for 12 hours.")
    ] = None,
    audio_in: Dollars = None,
    audio_out: Dollars = None,
    per: Annotated[
        str | None, typer.Option(metavar="USD", help="Of a meter: for one unit.")
    ] = None,
    web_search: Annotated[
        str | None, typer.Option(metavar="USD", help="Per thousand web searches.")
    ] = None,
    tier: Annotated[str, typer.Option(metavar="TIER", help="For this tier only: flex.")] = "",
    from_day: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="From this day on: 2026-12-01.")
    ] = None,
) -> None:
    """Set what a model costs."""
    from ferrycli.rules.meters import METER, per_unit_usd
    from ferrycli.rules.pricing import Rate

    provider, glob = _split(model)
    amounts = {
        "input": input,
        "cache_read": cache_read,
        "cache_write_5m": cache_write,
        "cache_write_30m": cache_write,
        "cache_write_1h": cache_write_1h,
        "cache_write_12h": cache_write_12h,
        "output": output,
        "audio_in": audio_in,
        "audio_out": audio_out,
    }
    rates = {name: _nanousd(text) for name, text in amounts.items() if text is not None}
    rate = Rate(**rates, web_search=None if web_search is None else _nanousd(web_search) * 1_000)
    is_meter = provider == METER
    if is_meter or per is not None:
        rate = _unit_rate(model, per, is_alone=is_meter and rate == Rate() and not tier.strip())
    _check(model, rate)
    terminal = terminal_of(context)
    settings = terminal.settings()
    from_us = 0 if from_day is None else _day(from_day, settings.zone)

    from ferrycli.store import changes

    changes.set_price(settings.database, provider, glob, rate, from_us=from_us, tier=tier.strip())
    if is_meter:
        when = f", from {from_day}" if from_day else ""
        terminal.say(f"{METER}/{glob} costs ${per_unit_usd(rate.input or 0)} a unit{when}")
        return
    said = _said(f"{provider}/{glob}", rate, tier, from_day)
    terminal.say(*said, *_unused(provider, glob, settings))


@app.command(
    "list",
    help=explained(
        "List the prices that were set here.",
        "ferry prices list",
        "ferry prices list --json",
        more="The catalogue's prices are not listed: ask for one with `ferry prices show`.",
        codes=(6,),
    ),
)
def list_prices(context: typer.Context, as_json: AsJson = False) -> None:
    """List the prices that were set here."""
    from ferrycli.report.prices import (
        ROW_HEADING,
        drawn_note,
        meters_table,
        override_fields,
        override_json,
        overrides_table,
    )
    from ferrycli.rules.errors import NoDatabase
    from ferrycli.rules.meters import METER, meter_prices
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    try:
        with reads.opened(settings.database) as connection:
            overrides = reads.overrides(connection)
    except NoDatabase:
        overrides = []
    if not overrides:
        terminal.say(
            "no prices were set here: the catalogue's apply",
            "",
            "hint: set one with `ferry prices set openai/gpt-5-mini --input 0.25 --output 2`",
        )
    elif as_json:
        for one in overrides:
            terminal.json(override_json(one))
    elif not terminal.shows_tables:
        terminal.rows(ROW_HEADING, map(override_fields, overrides))
    else:
        meters = meter_prices(overrides)
        models = [one for one in overrides if one.provider != METER]
        lines: list[Text | str] = []
        if models:
            note = drawn_note("USD per million tokens; these beat the catalogue")
            lines += [*overrides_table(models, settings.zone, terminal.width), "", note]
        if meters:
            note = drawn_note("USD for one of what events count")
            lines += [""] if models else []
            lines += [*meters_table(meters, settings.zone, terminal.width), "", note]
        terminal.show(lines)


@app.command(
    "show",
    help=explained(
        "Show what a model costs now, and where that price comes from.",
        "ferry prices show openai/gpt-5-mini",
        "ferry prices show gpt-5-mini --json",
        more="A bare name is looked for at every provider that is set up, or well known.",
        codes=(3, 6),
    ),
)
def show_price(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="PROVIDER/MODEL, or a bare name.")],
    as_json: AsJson = False,
) -> None:
    """Show what a model costs now."""
    from ferrycli.prices.cards import Cards
    from ferrycli.prices.regions import endpoint_place
    from ferrycli.report.prices import card_json, card_lines, meter_json, meter_lines
    from ferrycli.rules.errors import NoDatabase, NoSuchRate
    from ferrycli.rules.meters import METER, meter_prices, price_at
    from ferrycli.store import reads

    terminal = terminal_of(context)
    settings = terminal.settings()
    try:
        with reads.opened(settings.database) as connection:
            overrides = reads.overrides(connection)
    except NoDatabase:
        overrides = []
    if model.startswith(f"{METER}/"):
        meter = model.removeprefix(f"{METER}/")
        price = price_at(meter, meter_prices(overrides), now_us())
        if price is None:
            raise NoSuchRate(model)
        if as_json:
            terminal.json(meter_json(meter, price))
        else:
            terminal.show(meter_lines(meter, price))
        return
    cards, now = Cards(overrides), now_us()
    configured = {one.name: one for one in settings.providers}
    found = []
    for provider, catalogue, name in _places(model, settings):
        own = configured.get(provider)
        place = endpoint_place(own.base_url) if own is not None else ""
        priced_as = own.priced_as(name) if own is not None else ""
        card = cards.card(provider, catalogue, name, now, place=place, priced_as=priced_as)
        found += [(f"{provider}/{name}", card)] if card is not None else []
    if not found:
        raise NoSuchRate(model)
    for name, card in found:
        if as_json:
            terminal.json(card_json(card))
        else:
            terminal.show(card_lines(name, card, terminal.width))


@app.command(
    "check",
    help=explained(
        "List what recent calls could not price, or not wholly, and what would mend it.",
        "ferry prices check",
        "ferry prices check --since 30d --json",
        more="By provider, model and tier. What is priced by now is listed and does not count."
        " Calls that were made keep their cost: `ferry calls correct` says what one truly was.",
        codes=(5, 6),
    ),
)
def check_prices(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="SPAN", help="Which calls.")] = "7d",
    as_json: AsJson = False,
) -> None:
    """List what recent calls could not price."""
    from ferrycli.report.price_gaps import ROW_HEADING, found_fields, found_json, found_lines
    from ferrycli.rules.phrases import ticked
    from ferrycli.rules.spans import parse_span

    terminal = terminal_of(context)
    settings = terminal.settings()
    now = now_us()
    span = parse_span(since, now, settings.zone)
    # Last, because it takes its time: a mistake is told at once.
    from ferrycli.setup.price_gaps import found

    every = found(settings, span.since_us, span.until_us, now)
    if as_json:
        for one in every:
            terminal.json(found_json(one))
    elif not every:
        terminal.say(f"every call of {ticked(span.label)} that was billed has its whole price")
    elif terminal.shows_tables:
        terminal.show(found_lines(every, terminal.width))
    else:
        terminal.rows(ROW_HEADING, map(found_fields, every))
    if not all(one.is_mended for one in every):
        raise typer.Exit(5)


def _places(model: str, settings: Settings) -> list[tuple[str, str, str]]:
    """Provider, its name in the catalogue, and model, wherever `model` may be found."""
    from ferrycli.settings import WELL_KNOWN

    known = {one.name: one.catalogue or one.name for one in (*WELL_KNOWN, *settings.providers)}
    provider, slash, rest = model.partition("/")
    if slash and rest:
        return [(provider, known.get(provider, provider), rest)]
    return [(name, catalogue, model) for name, catalogue in known.items()]


def _split(model: str) -> tuple[str, str]:
    from ferrycli.rules.errors import ConfigBadValue

    provider, slash, glob = model.strip().partition("/")
    if not slash or not provider or not glob:
        wanted = "PROVIDER/MODEL, such as openai/gpt-5-mini"
        raise ConfigBadValue("argument PROVIDER/MODEL", "model", model, wanted)
    if set(provider) & GLOB_SIGNS:
        wanted = "one provider's name before the slash; only MODEL may be a glob"
        raise ConfigBadValue("argument PROVIDER/MODEL", "model", model, wanted)
    return provider, glob


def _unused(provider: str, glob: str, settings: Settings) -> list[str]:
    """What keeps a price from being used as things are; empty where nothing does."""
    from ferrycli.rules.phrases import choice, ticked
    from ferrycli.rules.routing import accepts

    by_name = {one.name: one for one in budget_terms.providers(settings)}
    name, known = provider, tuple(by_name)
    why = "no provider is configured as"
    if provider in by_name:
        if set(glob) & GLOB_SIGNS or accepts(by_name[provider], glob):
            return []
        name, known = glob, by_name[provider].models
        why = f"provider {ticked(provider)} does not list"
    return ["", f"! this prices no call yet: {why} {ticked(name)}", f"  {choice(name, known)}"]


def _nanousd(text: str) -> int:
    from ferrycli.rules.errors import BadAmount, BadPrice
    from ferrycli.rules.money import parse_usd

    try:
        return parse_usd(text)
    except BadAmount:
        raise BadPrice(text, "it is not a number of dollars from 0") from None


def _unit_rate(model: str, per: str | None, *, is_alone: bool) -> Rate:
    """The rate of a meter: what a million of its units cost."""
    from ferrycli.rules.errors import BadAmount, BadPrice
    from ferrycli.rules.meters import METER
    from ferrycli.rules.money import UNITS_PER_RATE, parse_usd
    from ferrycli.rules.pricing import Rate

    if per is None:
        raise BadPrice(model, "a meter takes --per, the dollars of one unit")
    if not is_alone:
        raise BadPrice(model, f"--per is for {METER}/NAME alone, without another price or a tier")
    try:
        return Rate(input=parse_usd(per, UNITS_PER_RATE))
    except BadAmount:
        raise BadPrice(per, "it is not a number of dollars from 0 to 1,000") from None


def _check(model: str, rate: Rate) -> None:
    from ferrycli.rules.errors import BadPrice

    if rate.input is None and rate.output is None:
        raise BadPrice(model, "neither --input nor --output was given")


def _day(text: str, zone: tzinfo) -> int:
    from ferrycli.rules.errors import BadSpan, ConfigBadValue
    from ferrycli.rules.spans import parse_day

    try:
        return parse_day(text, zone)
    except BadSpan:
        raise ConfigBadValue("flag --from", "from", text, "a day, such as 2026-12-01") from None


def _said(model: str, rate: Rate, tier: str, from_day: str | None) -> list[str]:
    """The price read back in words, with what it leaves without a price."""
    from ferrycli.report.prices import HEADINGS
    from ferrycli.rules.money import usd_exact

    amounts = [
        f"{heading.lower()} ${usd_exact(amount)}"
        for name, heading in HEADINGS.items()
        if (amount := getattr(rate, name)) is not None
    ]
    when = (f", tier {tier}" if tier else "") + (f", from {from_day}" if from_day else "")
    lines = [f"{model} costs, per million tokens: {', '.join(amounts)}{when}"]
    if rate.output is None or rate.input is None:
        missing = "output" if rate.output is None else "input"
        lines.append(f"its {missing} has no price: calls that have {missing} are unpriced")
    return lines
