"""One sentence and one hint for every error: fields become words here, and only here.

Pure. A sentence is lower case, has no full stop and puts the offending value in backticks; a hint
names the command or the field that mends it. Used by the terminal and by replies alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from ferrycli.rules import errors
from ferrycli.rules.budget_words import BUDGET_WORDS
from ferrycli.rules.errors import FerryError
from ferrycli.rules.money import AMOUNT_USD_MAX
from ferrycli.rules.phrases import (
    Words,
    Writers,
    argument,
    choice,
    listed,
    moment,
    nearest,
    path_ticked,
    plain,
    pointed,
    ticked,
)
from ferrycli.rules.refusals import REFUSALS
from ferrycli.rules.route_words import ROUTE_WORDS
from ferrycli.rules.usage import COUNT_MAX

WRITERS = Writers(REFUSALS | BUDGET_WORDS | ROUTE_WORDS)

OTHER_DATABASE = "name another with `--db PATH`"


def words(error: FerryError) -> Words:
    """Sentence and hint for `error`; a class without words of its own says its name."""
    for kind in type(error).__mro__:
        if (writer := WRITERS.get(kind)) is not None:
            return writer(error)
    return Words(f"ferry stopped with {ticked(type(error).__name__)}")


# Bad input ----------------------------------------------------------------------------------


@WRITERS.of(errors.BadAmount)
def _bad_amount(error: errors.BadAmount) -> Words:
    hint = f"write dollars from 0 to {AMOUNT_USD_MAX:,}, such as `50` or `0.25`"
    return Words(f"{ticked(error.text)} is no amount of money", hint)


@WRITERS.of(errors.BadUsage)
def _bad_usage(error: errors.BadUsage) -> Words:
    sentence = f"the count {ticked(error.field)} cannot be {ticked(error.value)}"
    return Words(
        sentence, f"a count is a whole number from 0 to {COUNT_MAX:,}, and at least its parts"
    )


@WRITERS.of(errors.UnpricedUsage)
def _unpriced_usage(error: errors.UnpricedUsage) -> Words:
    return Words(
        f"there is no price for {ticked(error.bucket)}",
        "set one with `ferry prices set PROVIDER/MODEL --input 3 --output 15`",
    )


@WRITERS.of(errors.BadSpan)
def _bad_span(error: errors.BadSpan) -> Words:
    hint = (
        "write `24h`, `7d`, `today`, `last-week`, `mtd`, `2026-11-16`, `2026-W47` or `A..B`;"
        " `ferry help periods` shows all"
    )
    return Words(f"{ticked(error.text)} is no span of time", hint)


@WRITERS.of(errors.SpanToCome)
def _span_to_come(error: errors.SpanToCome) -> Words:
    sentence = f"{ticked(error.text)} has not begun: it starts {moment(error.since_us)}"
    return Words(sentence, "name a span that has, such as `this-week` or `7d`")


@WRITERS.of(errors.BadFilter)
def _bad_filter(error: errors.BadFilter) -> Words:
    sentence, hint = plain(error.why), "`ferry help filters` shows the language"
    if error.known:
        sentence += f" {ticked(error.name)}"
        hint = _meant(error.name, error.known, hint)
    place = pointed(error.text, error.at)
    return Words(f"the filter cannot be read: {sentence}", hint, place)


@WRITERS.of(errors.BadSelector)
def _bad_selector(error: errors.BadSelector) -> Words:
    sentence, hint = plain(error.why), "`ferry help selectors` shows the language"
    if error.known:
        sentence += f" {ticked(error.name)}"
        hint = _meant(error.name, error.known, hint)
    place = pointed(error.text, error.at)
    return Words(f"the selector cannot be used: {sentence}", hint, place)


def _meant(name: str, known: Iterable[str], hint: str) -> str:
    """What may have been meant by `name`, and then `hint`."""
    meant = choice(name, known)
    return f"{meant}{' ' if meant.endswith('?') else '; '}{hint}"


@WRITERS.of(errors.BadRule)
def _bad_rule(error: errors.BadRule) -> Words:
    sentence = f"{ticked(error.text)} is no rule: {plain(error.why)}"
    hint = "write a percentage and what happens there, such as `80% downgrade` or `100% block`"
    if error.name:
        sentence += f" {ticked(error.name)}"
    if error.known:
        hint = choice(error.name, error.known)
    return Words(sentence, hint)


@WRITERS.of(errors.RulesClash)
def _rules_clash(error: errors.RulesClash) -> Words:
    if error.first == error.second:
        return Words(f"the rule {ticked(error.first)} is given twice", "leave one out")
    sentence = f"the rules {ticked(error.first)} and {ticked(error.second)} contradict"
    return Words(f"{sentence}: {plain(error.why)}", "leave one out, or change its percentage")


@WRITERS.of(errors.BadMode)
def _bad_mode(error: errors.BadMode) -> Words:
    sentence = (
        f"a budget of mode {ticked(error.mode)} refuses nothing for money, and {ticked(error.rule)}"
    )
    return Words(f"{sentence} would", "leave out `--mode`, or that rule")


@WRITERS.of(errors.BadBudget)
def _bad_budget(error: errors.BadBudget) -> Words:
    hint = (
        "write dollars and a period, such as `50/month`; periods: `day week month total`,"
        " or the last hours or days, such as `rolling 36h` and `rolling 7d`, up to `90d`"
    )
    return Words(f"{ticked(error.text)} is no budget", hint)


@WRITERS.of(errors.BadPolicy)
def _bad_policy(error: errors.BadPolicy) -> Words:
    hint = (
        "pin with `--tenant acme`, fill in with `--default feature=chat`,"
        " and name a dimension in `--require` or `--deny`"
    )
    return Words(f"{ticked(error.text)} is no policy of a key", hint)


@WRITERS.of(errors.BadPrice)
def _bad_price(error: errors.BadPrice) -> Words:
    hint = (
        "write dollars per million tokens, such as `--input 3 --output 15`; `--per` is of a meter"
    )
    return Words(f"{ticked(error.text)} is no price: {plain(error.why)}", hint)


@WRITERS.of(errors.BadField)
def _bad_field(error: errors.BadField) -> Words:
    sentence = f"there is no {plain(error.what)} {ticked(error.name)}"
    return Words(sentence, choice(error.name, error.known))


@WRITERS.of(errors.NameTaken)
def _name_taken(error: errors.NameTaken) -> Words:
    hint = "choose another name"
    if error.what == "key":
        hint += f", or change that key with `ferry keys set {argument(error.name)}`"
    return Words(f"there is already a {plain(error.what)} {ticked(error.name)}", hint)


@WRITERS.of(errors.ConfigUnreadable)
def _config_unreadable(error: errors.ConfigUnreadable) -> Words:
    return Words(
        f"cannot read {path_ticked(error.path)}: {plain(error.why)}",
        "mend it, or name another with `--config FILE` or FERRY_CONFIG",
    )


@WRITERS.of(errors.ConfigUnknownKey)
def _config_unknown_key(error: errors.ConfigUnknownKey) -> Words:
    what, place = ("key", f" in {ticked(f'[{error.table}]')}") if error.table else ("table", "")
    sentence = f"{path_ticked(error.path)} has an unknown {what} {ticked(error.key)}{place}"
    return Words(sentence, choice(error.key, error.known))


@WRITERS.of(errors.ConfigBadValue)
def _config_bad_value(error: errors.ConfigBadValue) -> Words:
    sentence = f"{ticked(error.value)} is no value for {ticked(error.key)} ({plain(error.origin)})"
    return Words(sentence, f"it takes {plain(error.wanted)}")


@WRITERS.of(errors.AddressUnusable)
def _address_unusable(error: errors.AddressUnusable) -> Words:
    return Words(
        f"cannot listen on {ticked(error.address)}: {plain(error.why)}",
        "choose another with `ferry serve --listen 127.0.0.1:4778`; port 0 takes a free one",
    )


@WRITERS.of(errors.CallNotEnded)
def _call_not_ended(error: errors.CallNotEnded) -> Words:
    if error.state == "held":
        return Words(f"call {ticked(error.id)} is in flight", "correct it when it is over")
    return Words(f"call {ticked(error.id)} was denied, and cost nothing")


# Not there ----------------------------------------------------------------------------------


@WRITERS.of(errors.NoSuchKey)
def _no_such_key(error: errors.NoSuchKey) -> Words:
    hint = "make it with `ferry keys create`"
    if error.known:
        near = nearest(error.name, error.known)
        hint = f"did you mean {listed(near)}? " if near else ""
        hint += "`ferry keys list` shows all"
    return Words(f"there is no key {ticked(error.name)}", hint)


@WRITERS.of(errors.NoSuchCall)
def _no_such_call(error: errors.NoSuchCall) -> Words:
    return Words(f"there is no call {ticked(error.id)}", "find its id with `ferry calls list`")


@WRITERS.of(errors.NoSuchThread)
def _no_such_thread(error: errors.NoSuchThread) -> Words:
    sentence = f"no call of thread {ticked(error.thread)} began since {moment(error.since_us)}"
    hint = "`ferry calls list --json` names the thread of each; nothing was changed"
    return Words(sentence, hint)


@WRITERS.of(errors.NoSuchRate)
def _no_such_rate(error: errors.NoSuchRate) -> Words:
    return Words(
        f"there is no price for {ticked(error.id)}",
        "write it as PROVIDER/MODEL; `ferry prices list` shows prices that were set here",
    )


@WRITERS.of(errors.IdAmbiguous)
def _id_ambiguous(error: errors.IdAmbiguous) -> Words:
    lists = {"key": "`ferry keys list`", "call": "`ferry calls list --json`"}
    hint = "write more of the id"
    if error.what in lists:
        hint += f"; {lists[error.what]} shows them whole"
    return Words(
        f"{ticked(error.prefix)} begins {error.matches} {plain(error.what)} ids or more", hint
    )


@WRITERS.of(errors.NoDatabase)
def _no_database(error: errors.NoDatabase) -> Words:
    hint = f"`ferry serve` and `ferry keys create` make it; or {OTHER_DATABASE}"
    return Words(f"there is no database at {path_ticked(error.path)}", hint)


# Out of reach -------------------------------------------------------------------------------


@WRITERS.of(errors.LedgerUnavailable)
def _ledger_unavailable(error: errors.LedgerUnavailable) -> Words:
    hint = "nothing was sent to a provider; try again in a second"
    return Words(f"the ledger cannot be written: {plain(error.why)}", hint)


@WRITERS.of(errors.DatabaseLocked)
def _database_locked(error: errors.DatabaseLocked) -> Words:
    return Words(f"{path_ticked(error.path)} is locked by {plain(error.holder)}", "try again")


@WRITERS.of(errors.DatabaseNewer)
def _database_newer(error: errors.DatabaseNewer) -> Words:
    sentence = f"{path_ticked(error.path)} was written by a newer ferry ({ticked(error.migration)})"
    return Words(sentence, f"update ferry, or {OTHER_DATABASE}")


@WRITERS.of(errors.DatabaseOlder)
def _database_older(error: errors.DatabaseOlder) -> Words:
    sentence = (
        f"{path_ticked(error.path)} was written by an older ferry (no {ticked(error.migration)})"
    )
    return Words(sentence, "start `ferry serve` once: it keeps a copy and brings it up to date")


@WRITERS.of(errors.DatabaseUnusable)
def _database_unusable(error: errors.DatabaseUnusable) -> Words:
    return Words(f"cannot use {path_ticked(error.path)}: {plain(error.why)}", OTHER_DATABASE)


@WRITERS.of(errors.ServerRunning)
def _server_running(error: errors.ServerRunning) -> Words:
    hint = "stop it, or serve another database with `ferry --db PATH serve`"
    return Words(f"{path_ticked(error.path)} is served already, by {plain(error.holder)}", hint)


@WRITERS.of(errors.NoCredential)
def _no_credential(error: errors.NoCredential) -> Words:
    sentence = (
        f"provider {ticked(error.provider)} has no key ({plain(error.origin)}): {plain(error.why)}"
    )
    return Words(sentence, "set that, or take the provider out of the config")


@WRITERS.of(errors.ChannelUnusable)
def _channel_unusable(error: errors.ChannelUnusable) -> Words:
    sentence = f"channel {ticked(error.channel)} cannot be used ({plain(error.origin)})"
    return Words(f"{sentence}: {plain(error.why)}", "set that, and start the server again")


@WRITERS.of(errors.NotDelivered)
def _not_delivered(error: errors.NotDelivered) -> Words:
    sentence = f"a notice did not get through {ticked(error.channel)}: {plain(error.why)}"
    if error.is_final:
        return Words(sentence, "it is not tried again; mend the channel in the config")
    return Words(sentence, "it is tried again for three days")


@WRITERS.of(errors.NobodyTold)
def _nobody_told(error: errors.NobodyTold) -> Words:
    more = f", and {error.more:,} more" if error.more else ""
    sentence = f"nobody was told, because no channel is configured: {plain(error.title)}{more}"
    return Words(sentence, "write a `[channels.NAME]` and `[alerts] default` into the config")
