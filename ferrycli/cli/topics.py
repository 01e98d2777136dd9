"""`ferry help`: the small languages that several commands share, each on one page."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from ferrycli.cli.tree import EXIT_CODES, explained, group, terminal_of

app = group("Explain what several commands share: filters, periods, selectors, exit codes.")

_FILTERS = """\
--where FILTER asks for calls by their fields.

  ferry report --where 'tenant=acme'
  ferry report --by model --where 'feature=chat, cost>0.10'
  ferry calls list --where 'model~gpt and (status>=500 or outcome=left)'
  ferry calls list --where 'feature="" and not stream'

  =  !=        the same, or not          every field
  ~  !~        holds this part, or not   text; letters a to z in either case
  > >= < <=    more, less                numbers
  and or not   with ( ) around; a comma reads as `and`; `and` binds before `or`

A value with spaces, commas, quotes, brackets or a star is quoted: user="Ana B"
The empty text is "": feature="" finds calls without a feature. What is not
known yet, such as the cost of a call in flight, is neither more nor less than
anything.
"""

_PERIODS = """\
--since SPAN says when calls began, in the time zone of the config.

  90m 24h 7d 2w            as long as that, until now
  today yesterday          days
  this-week last-week      weeks, which begin on Monday
  mtd last-month           this month so far, and the month before
  2026-11-16               a day
  2026-W47                 an ISO week
  2026-11                  a month
  2026-11-01..2026-11-15   from the beginning of the one to the end of the other

A report is compared with the span before: a week with the week before, a month
with the month before, 7d with the seven days before. One that still runs is
compared with the part of the other that had passed by then.
"""

_BUDGET_PERIODS = """\
--limit USD/PERIOD says how much, and for how long: --limit 50/month.

  day week month           by the calendar of a zone; weeks begin on Monday
  7d 36h                   the last 7 days, the last 36 hours; up to 90d
  total                    once and for all
"""

_SELECTORS = """\
SELECTOR says which calls a budget, a limit or an assignment is about.

  ferry budgets set tenant=acme --limit 50/month
  ferry budgets set 'user=*' --limit 1/day
  ferry budgets set 'assistant=bot,thread=*' --limit 2/total --at '100% block'
  ferry budgets set provider=openai,feature=chat --limit 100/7d

Pairs with commas between: a call must have all of them.

  tenant=acme      calls of acme
  user=*           a limit for each user; calls without a user count nowhere
  thread=(none)    calls without a thread
  tag:plan=gold    calls with the tag plan
  key=acme-web     calls with that key; a word alone is a key's name

Quote what has spaces, commas or brackets: user="Ana B". A star has to be quoted
in most shells. A budget on a provider, a model or a route counts the tries that
went there, also of calls that another answered in the end.
"""


@app.command(
    "filters",
    help=explained(
        "Explain `--where`.",
        "ferry help filters",
        "ferry report --where 'tenant=acme and model~gpt and cost>0.10'",
    ),
)
def filters(context: typer.Context) -> None:
    """Explain `--where`."""
    from ferrycli.rules.filters import ALIASES

    terminal = terminal_of(context)
    terminal.write(_FILTERS)
    terminal.write("Fields")
    for line in _fields():
        terminal.write(line)
    terminal.write(f"  {'tag:NAME':<12} the tag NAME; empty where a call has none")
    for alias, field in ALIASES.items():
        terminal.write(f"  {alias:<12} another word for {field}")


def _fields() -> Iterator[str]:
    from ferrycli.rules.filters import FIELDS

    units = {
        "money": "dollars",
        "count": "2000 or 2k",
        "duration": "350ms 2s 1min",
        "flag": "alone, or =no",
    }
    for name, field in FIELDS.items():
        written = units.get(field.kind, "")
        yield f"  {name:<12} {field.meaning}{f' ({written})' if written else ''}"


@app.command(
    "periods",
    help=explained(
        "Explain `--since`, and the periods of budgets.",
        "ferry help periods",
        "ferry report --since 2026-W47",
        "ferry report --since 2026-11-01..2026-11-15",
    ),
)
def periods(context: typer.Context) -> None:
    """Explain `--since` and the periods of budgets."""
    terminal = terminal_of(context)
    terminal.write(_PERIODS)
    terminal.write(_BUDGET_PERIODS.rstrip())


@app.command(
    "selectors",
    help=explained(
        "Explain selectors: which calls a budget is about.",
        "ferry help selectors",
        "ferry budgets set 'thread=*' --limit 2/total",
    ),
)
def selectors(context: typer.Context) -> None:
    """Explain selectors."""
    from ferrycli.rules.attribution import ALIASES
    from ferrycli.rules.selectors import SELECTABLE

    terminal = terminal_of(context)
    terminal.write(_SELECTORS)
    terminal.write("Dimensions")
    terminal.write(f"  {' '.join(SELECTABLE)} tag:NAME")
    for alias, dimension in ALIASES.items():
        terminal.write(f"  {alias:<13} another word for {dimension}")


@app.command("exit-codes", help=explained("List the exit codes.", "ferry help exit-codes"))
def exit_codes(context: typer.Context) -> None:
    """List the exit codes."""
    terminal = terminal_of(context)
    for code, meaning in EXIT_CODES.items():
        terminal.write(f"{code:>5}  {meaning}")
