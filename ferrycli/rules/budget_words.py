"""The words of what is refused when budgets are set, topped up or looked for. Pure."""

from __future__ import annotations

from ferrycli.rules import errors
from ferrycli.rules.phrases import Words, Writers, argument, choice, listed, nearest, plain, ticked

BUDGET_WORDS = Writers()

UNCHANGED = "nothing was changed"


@BUDGET_WORDS.of(errors.RuleUnknownName)
def _rule_unknown_name(error: errors.RuleUnknownName) -> Words:
    sentence = f"rule {ticked(error.rule)} names {_a(error.what)} that does not exist"
    made = {
        "route": f"make it with `ferry routes set {argument(error.name)} PROVIDER/MODEL`",
        "channel": f"add `[channels.{plain(error.name)}]` to the config",
    }
    near = f"{choice(error.name, error.known)} or " if error.known else ""
    hint = f"{near}{made.get(error.what, 'make it')}; {UNCHANGED}"
    return Words(f"{sentence}: {ticked(error.name)}", hint)


def written(selector: str) -> str:
    """A selector as an argument of a command, quoted where a shell would change it."""
    plain_signs = all(letter.isalnum() or letter in "-_./:=,@+%" for letter in selector)
    return selector if plain_signs else argument(selector)


def _a(what: str) -> str:
    return f"a {plain(what)}"


_UNFIT = {
    "not_prepaid": (
        "is a limit, not a balance: nothing can be topped up",
        "raise it with `ferry budgets set {selector} --limit USD`",
    ),
    "is_prepaid": (
        "is a balance, and a balance has no limit per period",
        "add to it with `ferry budgets topup {selector} USD`, or remove it first",
    ),
    "has_balance": (
        "is a balance already",
        "add to it with `ferry budgets topup {selector} USD`",
    ),
    "each_balance": (
        "stands for many, and a balance is one",
        "name a value instead of `*`, or give each a limit: `--limit 20/total`",
    ),
    "no_period": (
        "has no budget yet, so its limit needs a period",
        "write it as `--limit 50/month`",
    ),
    "no_limit": (
        "has no budget yet, and no limit was named",
        "write one as `--limit 50/month`",
    ),
    "other_zone": (
        "has no budget in that time zone",
        "make one with `--limit 50/month --zone ZONE`, or leave `--zone` out",
    ),
    "counts_already": (
        "has a budget that counts already: `--from now` is for a new one",
        "remove it first with `ferry budgets remove {selector}`",
    ),
    "no_end": (
        "has no window that ends, so a boost needs an end",
        "say it with `--until friday`",
    ),
    "amount": (
        "would be given nothing",
        "write dollars above 0, such as `20`",
    ),
}


@BUDGET_WORDS.of(errors.BudgetUnfit)
def _budget_unfit(error: errors.BudgetUnfit) -> Words:
    said, hint = _UNFIT.get(error.why, (plain(error.why), ""))
    mending = hint.replace("{selector}", written(error.selector))
    return Words(f"{ticked(error.selector)} {said}", f"{mending}; {UNCHANGED}")


@BUDGET_WORDS.of(errors.KeyRevoked)
def _key_revoked(error: errors.KeyRevoked) -> Words:
    sentence = f"key {ticked(error.name)} is revoked, and that is for good"
    return Words(sentence, "make another with `ferry keys create`")


@BUDGET_WORDS.of(errors.BudgetAmbiguous)
def _budget_ambiguous(error: errors.BudgetAmbiguous) -> Words:
    sentence = f"{ticked(error.selector)} has {len(error.periods)} budgets"
    option, names = "--period PERIOD", error.periods
    if len(set(names)) < len(names) and error.zones:
        named = zip(names, error.zones, strict=False)
        option, names = "--zone ZONE", error.zones
        if len(set(error.periods)) > 1:
            option = "--period PERIOD --zone ZONE"
            names = tuple(f"{period} {zone}".strip() for period, zone in named)
    command = f"{plain(error.command)} {written(error.selector)} " if error.command else ""
    return Words(sentence, f"name one with `{command}{option}`: {listed(names)}; {UNCHANGED}")


@BUDGET_WORDS.of(errors.NoSuchBudget)
def _no_such_budget(error: errors.NoSuchBudget) -> Words:
    if error.period or error.zone:
        period = f" of period {ticked(error.period)}" if error.period else ""
        zone = f" in time zone {ticked(error.zone)}" if error.zone else ""
        sentence = f"{ticked(error.selector)} has no budget{period}{zone}"
        return Words(sentence, f"it has {listed(error.known, 'and')}" if error.known else "")
    hint = f"make one with `ferry budgets set {written(error.selector)} --limit 50/month`"
    if error.known:
        near = nearest(error.selector, error.known)
        hint = f"did you mean {listed(near)}? " if near else ""
        hint += "`ferry budgets list` shows all"
    return Words(f"there is no budget {ticked(error.selector)}", hint)
