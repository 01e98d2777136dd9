"""Budgets drawn: what a line says, what leaves where there is little room, what the card tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from ferrycli.report import budget_card as card
from ferrycli.report.budgets import (
    ROW_HEADING,
    Sheet,
    budget_fields,
    budget_json,
    budgets_table,
    check_lines,
    is_at,
    lines_of,
    notes,
    used_words,
)
from ferrycli.report.limits import limits_words
from ferrycli.report.periods import every, last, short, slashed, when
from ferrycli.rules.pace import Recent
from ferrycli.rules.selectors import parse_selector, subject_text
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.planning import BudgetSet, Limits
from ferrycli.store.reads_budgets import AlertRow, BudgetFacts, GrantRow
from ferrycli.store.reads_limits import LimitRow

DOLLAR = 1_000_000_000
DAY_US = 86_400 * MICROSECONDS
MONDAY = 1_794_787_200 * MICROSECONDS  # 2026-11-16 00:00 UTC
NOW = MONDAY + 2 * DAY_US + 12 * 3_600 * MICROSECONDS
"""Wednesday noon: half of the week has passed, and a bit more than a third."""
BERLIN = ZoneInfo("Europe/Berlin")


def terms(selector: str = "tenant=acme", limit: int = 50, **more: Any) -> Terms:
    texts = more.pop("rules", ("50% notify", "80% downgrade", "100% block"))
    given: dict[str, Any] = {
        "id": "b", "selector": selector, "period": "week", "zone": "Europe/Berlin",
        "limit_nanousd": limit * DOLLAR, "counts_from_us": MONDAY,
        "subject": parse_selector(selector).pairs,
        "rules": tuple(parse_rule(text) for text in texts),
    } | more  # fmt: skip
    return Terms(**given)


def standing(
    of: Terms, spent: float = 0, held: float = 0, doubt: float = 0, *values: str, extra: int = 0
) -> Standing:
    end = None if of.period in ("total", "rolling 7d") else MONDAY + 7 * DAY_US
    spent, held, doubt = (round(one * DOLLAR) for one in (spent, held, doubt))
    subject = subject_text(list(values)) if values else ""
    start = 0 if of.period == "total" else MONDAY
    return Standing(of, start, end, spent, held, doubt, subject, extra * DOLLAR)


def facts(of: Terms, *standings: Standing, grants: tuple[GrantRow, ...] = ()) -> BudgetFacts:
    return BudgetFacts(of, "", MONDAY, 1, standings or (standing(of),), grants)


def sheet(*some: BudgetFacts, **more: Any) -> Sheet:
    return Sheet(some, NOW, BERLIN, **more)


def drawn(lines: Any) -> list[str]:
    return [line if isinstance(line, str) else line.plain.rstrip() for line in lines]


def table(some: Sheet, width: int = 100) -> list[str]:
    return drawn(budgets_table(some, width))


def line(of: Terms, spent: float, held: float = 0, doubt: float = 0) -> list[str]:
    """The fields of a budget's one line; two spaces part them."""
    (_, found) = table(sheet(facts(of, standing(of, spent, held, doubt))), 120)
    return [field for field in found.split("  ") if field.strip()]


# Periods ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("day", ("a day", "/day", "/day")),
        ("month", ("a month", "/month", "/mo")),
        ("total", ("in total", "/total", "")),
        ("rolling 7d", ("in any 7 days", "/7d", "/7d")),
        ("rolling 1d", ("in any day", "/1d", "/1d")),
        ("rolling 36h", ("in any 36 hours", "/36h", "/36h")),
    ],
)
def test_periods_have_words_and_cells(period: str, words: tuple[str, ...]) -> None:
    assert (every(period), slashed(period), short(period)) == words


def test_a_rolling_period_is_looked_back_on() -> None:
    assert (last("rolling 7d"), last("rolling 36h")) == ("the last 7 days", "the last 36 hours")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0.25, "19:00"),
        (-0.25, "07:00"),
        (1, "Thu 13:00"),
        (6.9, "Wed 10:36"),
        (7, "25 Nov"),
        (-8, "10 Nov"),
        (365, "18 Nov 2027"),
    ],
)
def test_a_moment_is_told_as_short_as_it_can_be(days: float, words: str) -> None:
    assert when(NOW + round(days * DAY_US), NOW, BERLIN) == words


# Lines --------------------------------------------------------------------------------------


def test_a_line_says_what_is_left_and_when_it_runs_out() -> None:
    head, found = table(sheet(facts(terms(), standing(terms(), 25))), 120)
    assert head.split() == [
        "BUDGET", "SPENT", "LEFT", "LIMIT", "USED", "PACE", "RESETS", "RUNS", "OUT",
    ]  # fmt: skip
    # Half is spent after 2.5 of 7 days: 140 %; the rest goes in as long again.
    assert found.split() == [
        "tenant=acme", "$25.00", "$25.00", "$50.00/week", "███···", "50%", "140%",
        "Mon", "01:00", "Sat", "01:00",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 100])
def test_budgets_that_differ_by_their_zone_alone_say_it(width: int) -> None:
    said = {
        "usual": [terms(zone="Europe/Berlin"), terms(period="day", zone="Europe/Berlin")],
        "another": [terms(zone="Asia/Tokyo")],
        "siblings": [terms(zone="Europe/Berlin"), terms(zone="Asia/Tokyo")],
        "none moves it": [terms(period="total", zone="Asia/Tokyo"), terms(is_prepaid=True)],
    }
    for name, some in said.items():
        every = sheet(*(facts(of, standing(of, 50)) for of in some))
        zones = [of.zone for of in some] if name in ("another", "siblings") else []
        found = [one.strip() for one in table(every, width) if one.startswith("    in ")]
        assert found == [f"in {zone}" for zone in zones]
        checked = drawn(check_lines(every, [(one, one.standings[0]) for one in every.budgets]))
        assert ["in" in one.split("100%")[0] for one in checked] == [bool(zones)] * len(some)
    of = terms("tenant=*", zone="Asia/Tokyo")
    _, each, zone, whose = table(sheet(facts(of, standing(of, 5, 0, 0, "acme"))), width)
    assert (each.split()[0], zone.strip(), whose.split()[0]) == (
        "tenant=*",
        "in Asia/Tokyo",
        "acme",
    )


def test_a_pace_has_three_digits_at_the_most() -> None:
    of = terms(limit=1)
    assert (line(of, 3.57)[-3].strip(), line(of, 3.58)[-3].strip()) == ("999%", ">999%")
    assert ">999% of what lasts" in shown(facts(of, standing(of, 40)))


@pytest.mark.parametrize(
    ("amounts", "percent", "sign"),
    [
        ((0,), "0%", " "),
        ((0.001,), "<1%", " "),
        ((39.99,), "79%", " "),
        ((40,), "80%", "▲"),
        ((49.99,), "99%", "▲"),
        ((50,), "100%", "!"),
        ((75,), "150%", "!"),
        ((49, 0, 1), "98%", "!"),
        ((39, 9, 1), "78%", "▲"),
        ((39, 11, 0), "78%", " "),
    ],
)
def test_percentages_are_rounded_down_and_doubt_counts(
    amounts: tuple[float, ...], percent: str, sign: str
) -> None:
    fields = " ".join(line(terms(), *amounts)).split()
    (found,) = [field for field in fields if "%" in field][:1]
    assert found == percent + sign.strip()


def test_columns_that_would_be_empty_are_not_there() -> None:
    plain = table(sheet(facts(terms(), standing(terms(), 5))))[0]
    full = table(sheet(facts(terms(), standing(terms(), 5, 1, 1))), 140)[0]
    assert "HELD" not in plain
    assert "DOUBT" not in plain
    assert full.split()[:4] == ["BUDGET", "SPENT", "HELD", "DOUBT"]


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (100, "SPENT HELD DOUBT LEFT LIMIT USED PACE RESETS RUNS"),
        (92, "SPENT HELD LEFT LIMIT USED PACE RESETS RUNS"),
        (88, "SPENT LEFT LIMIT USED PACE RESETS RUNS"),
        (80, "SPENT LEFT LIMIT USED PACE RUNS"),
        (68, "SPENT LEFT LIMIT USED RUNS"),
        (60, "SPENT LEFT LIMIT USED"),
        (50, "SPENT LEFT LIMIT"),
        (44, "SPENT LIMIT"),
    ],
)
def test_columns_leave_in_their_order(width: int, kept: str) -> None:
    lines = table(sheet(facts(terms(), standing(terms(), 25, 3, 2))), width)
    assert " ".join(lines[0].split()[1:]).removesuffix(" OUT") == kept
    assert max(map(cell_len, lines)) <= width
    assert "$25.00" in lines[1]
    assert "50%" in lines[1]


def test_a_long_selector_loses_its_middle_and_no_amount_is_cut() -> None:
    of = terms("tenant=a-customer-with-a-long-name,feature=quarterly-reports", 1_000_000)
    lines = table(sheet(facts(of, standing(of, 123_456.78))), 60)
    assert max(map(cell_len, lines)) <= 60
    assert "…" in lines[1]
    assert "$123,456.78" in lines[1]
    assert "$1,000,000.00/week" in lines[1]


def test_a_star_has_its_fullest_beneath_and_the_others_in_one_line() -> None:
    of = terms("user=*", 10)
    some = [standing(of, 10 - number, 0, 0, f"u{number}") for number in range(6)]
    lines = table(sheet(facts(of, *some)))
    assert [one.split()[0] for one in lines[1:]] == ["user=*", "u0", "u1", "u2", "3"]
    assert "each $10.00/week" in lines[1]
    assert "$45.00" in lines[1]
    assert lines[5].split() == ["3", "others", "$18.00"]
    assert all(line.startswith("    ") for line in lines[2:])
    assert "1 other " in table(sheet(facts(of, *some[:4])))[5] + " "


def test_a_star_of_which_nothing_was_seen_is_one_line() -> None:
    empty = BudgetFacts(terms("user=*", 10), "", 0, 1, (), ())
    lines = table(sheet(empty))
    assert [one.split()[:2] for one in lines[1:]] == [["user=*", "$0.00"]]
    ((_, nothing),) = lines_of(sheet(empty))
    assert nothing is None
    assert budget_json(sheet(empty), empty, None)["subject"] is None
    assert len(budget_fields(sheet(empty), empty, None)) == len(ROW_HEADING)


def test_a_key_is_called_by_its_name() -> None:
    of = terms("key=*", 10)
    some = sheet(facts(of, standing(of, 3, 0, 0, "key_1")), keys={"key_1": "acme-web"})
    assert table(some)[2].split()[0] == "acme-web"
    assert budget_json(some, some.budgets[0], some.budgets[0].standings[0])["subject"] == {
        "key": "acme-web"
    }


def test_what_rolls_has_no_pace_and_what_never_ends_has_that_of_the_last_week() -> None:
    rolling = line(terms(period="rolling 7d"), 25)
    assert [one.strip() for one in rolling[-3:]] == ["–", "rolls", "–"]
    total = terms(period="total", counts_from_us=0)
    some = sheet(facts(total, standing(total, 40)), recent={"b": Recent(14 * DOLLAR, 7 * DAY_US)})
    found = table(some, 120)[1].split()
    # 10 are left, and 2 go a day.
    assert found[-4:] == ["–", "never", "Mon", "13:00"]


def test_a_name_of_strangers_does_nothing_to_a_terminal() -> None:
    of = terms("tenant=*", 10)
    some = sheet(facts(of, standing(of, 10, 0, 0, "[/x]\x1b[31m\u202eevil")))
    shown = [
        *budgets_table(some, 100),
        *check_lines(some, [(some.budgets[0], some.budgets[0].standings[0])]),
    ]
    text = "\n".join(drawn(shown))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[/x]" in text


def test_notes_name_the_currency_and_the_zone() -> None:
    some = sheet(facts(terms()))
    first, second = drawn(notes(some, "BUDGET PACE"))
    assert first == "  All amounts in USD, times in Europe/Berlin."
    assert "pace of 100%" in second
    total = terms(period="total")
    assert len(notes(some, "BUDGET")) == 1
    assert len(notes(sheet(facts(total, standing(total))), "BUDGET PACE")) == 1


def test_rows_and_objects_are_exact() -> None:
    of = terms(owner="ops", mode="expected")
    some = sheet(facts(of, standing(of, 25.000000001, 2, 1)))
    (one,) = lines_of(some)
    row = dict(zip(ROW_HEADING, budget_fields(some, *one), strict=True))
    assert (row["spent_usd"], row["left_usd"], row["used_percent"]) == (
        "25.000000001", "21.999999999", 50,
    )  # fmt: skip
    assert (row["period"], row["resets_at"]) == ("week", "2026-11-23T00:00:00.000000Z")
    found = budget_json(some, *one)
    wanted = {
        "schema": "ferry.budget/1", "selector": "tenant=acme", "limit_nanousd": 50 * DOLLAR,
        "spent_nanousd": 25 * DOLLAR + 1, "held_nanousd": 2 * DOLLAR, "doubt_nanousd": DOLLAR,
        "period": "week", "window_start": "2026-11-16T00:00:00.000000Z",
        "resets_at": "2026-11-23T00:00:00.000000Z",
        "rules": ["50% notify", "80% downgrade", "100% block"], "subject": {},
        "left_nanousd": 22 * DOLLAR - 1, "pace_percent": 140, "mode": "expected", "owner": "ops",
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted


def test_what_is_at_its_limit_is_told_with_what_is_in_doubt() -> None:
    of = terms("user=*", 10)
    full = standing(of, 9, 0, 1, "u1")
    assert is_at(full, 100)
    assert not is_at(replace(full, doubt=DOLLAR - 1), 100)
    (said,) = drawn(check_lines(sheet(facts(of, full)), [(facts(of, full), full)]))
    assert said == "  ! user=* (user=u1)  90%  $9.00 of $10.00/week spent, $1.00 in doubt"


def test_of_nothing_everything_is_used() -> None:
    assert used_words(standing(terms(limit=0))) == "100%"


# Words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (terms(), "$50.00 a week"),
        (terms("user=*"), "$50.00 a week for each user"),
        (terms("tenant=*,tag:plan=*"), "$50.00 a week for each tenant and plan"),
        (terms(period="rolling 36h"), "$50.00 in any 36 hours"),
        (terms(period="total", is_prepaid=True), "$50.00 prepaid"),
    ],
)
def test_a_limit_in_words(of: Terms, words: str) -> None:
    assert card.limit_sentence(of) == words


def made(of: Terms, *standings: Standing, before: Terms | None = None, **more: Any) -> BudgetSet:
    return BudgetSet(of, before, standings or (standing(of),), **more)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (made(terms()), "Made budget tenant=acme: $50.00 a week."),
        (made(terms(), is_kept=False), "Would make budget tenant=acme: $50.00 a week."),
        (
            made(terms(limit=80), before=terms()),
            "Changed budget tenant=acme: $80.00 a week, was $50.00 a week.",
        ),
        (
            made(terms(owner="ops"), before=terms(), is_kept=False),
            "Would change budget tenant=acme: $50.00 a week.",
        ),
        (made(terms(), before=terms()), "Budget tenant=acme is that already: $50.00 a week."),
    ],
)
def test_what_became_of_a_budget(result: BudgetSet, sentence: str) -> None:
    assert card.made_sentence(result) == sentence


SOFT = terms(rules=("50% notify",), mode="soft")
EACH = terms("user=*", 10)
BACK = "Counted back to Mon 16 Nov 01:00: "
COUNTED: dict[str, tuple[BudgetSet, str]] = {
    "nothing": (made(terms()), f"{BACK}nothing is spent yet."),
    "a little": (
        made(terms(), standing(terms(), 12.4)),
        f"{BACK}$12.40 is spent already (24%).",
    ),
    "past a rule": (
        made(terms(), standing(terms(), 40)),
        f"{BACK}$40.00 is spent already (80%): calls take the cheaper route at once.",
    ),
    "over": (
        made(terms(), standing(terms(), 612)),
        f"{BACK}already $612.00 of $50.00: blocks at once.",
    ),
    "over, free": (
        made(terms(rules=("100% free",)), standing(terms(rules=("100% free",)), 50)),
        f"{BACK}already $50.00 of $50.00: from now on only what costs nothing goes.",
    ),
    "over, soft": (
        made(SOFT, standing(SOFT, 50)),
        f"{BACK}already $50.00 of $50.00: it only tells.",
    ),
    "over, strict without a rule": (
        made(terms(rules=()), standing(terms(rules=()), 50)),
        f"{BACK}already $50.00 of $50.00: blocks at once.",
    ),
    "changed": (
        made(terms(), standing(terms(), 12), before=terms(limit=9)),
        "$12.00 is spent already (24%).",
    ),
    "changed, nothing": (made(terms(), before=terms(limit=9)), "Nothing is spent yet."),
    "from now on": (made(terms(counts_from_us=NOW), is_from_now=True), "It counts from now on."),
    "a balance": (
        made(terms(is_prepaid=True, period="total")),
        "It is drawn from now on.",
    ),
    "rolling": (
        made(terms(period="rolling 7d")),
        "Counted back over the last 7 days: nothing is spent yet.",
    ),
    "in total": (
        made(terms(period="total", counts_from_us=0)),
        "Counted back to the first call: nothing is spent yet.",
    ),
    "each, none": (
        BudgetSet(EACH, None, ()),
        f"{BACK}nobody has spent anything yet.",
    ),
    "each, some": (
        made(EACH, standing(EACH, 9, 0, 0, "a"), standing(EACH, 3, 0, 0, "b")),
        f"{BACK}2 have spent $12.00, the most $9.00 (90%).",
    ),
    "each, over": (
        made(EACH, standing(EACH, 19, 0, 0, "a"), standing(EACH, 3, 0, 0, "b")),
        f"{BACK}2 have spent $22.00; 1 is over already: blocks at once.",
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_the_counting_back_makes(name: str) -> None:
    result, sentence = COUNTED[name]
    assert card.counted_sentence(result) == sentence


def policy(of: Terms, told: str = "", status: str = "429") -> list[str]:
    return [one.split(maxsplit=0)[0] for one in drawn(card.policy_card(of, told, status))]


def test_a_policy_is_read_back_rule_by_rule() -> None:
    found = policy(terms(rules=("50% notify", "80% downgrade cheap", "100% block")), "ana@acme.io")
    assert [" ".join(one.split()) for one in found] == [
        "at 50 % notify ana@acme.io",
        'at 80 % calls that are not critical take route "cheap" mark: X-Ferry-Priority: critical',
        "at 100 % block with HTTP 429 insufficient_quota (SDKs are told not to retry)",
        "told ana@acme.io, at each of these",
        "mode strict: a call goes only if the most that it can cost is left",
    ]


@pytest.mark.parametrize(
    ("of", "told", "said"),
    [
        (terms(), "", "nobody: the budget has no owner, and `alerts.default` is not set"),
        (terms(owner="ana@x.io"), "", "nobody: no channel reaches ana@x.io"),
        (terms(rules=("90% block",)), "", "told        nobody"),
        (terms(rules=("90% notify",), mode="strict"), "ops", "at 100 %    block with HTTP 429"),
        (terms(clamp="always"), "ops", "output limit that does not fit is lowered"),
        (terms(allow_unpriced=True), "ops", "calls to models without a price may go"),
        (terms(mode="expected"), "ops", "expected: a call goes if what it probably costs is left"),
        (SOFT, "ops", "soft: refuses nothing for money"),
    ],
)
def test_what_a_policy_leaves_to_be_known_is_said(of: Terms, told: str, said: str) -> None:
    assert said in "\n".join(policy(of, told))


def test_a_soft_policy_does_not_claim_to_block() -> None:
    assert "block" not in "\n".join(policy(SOFT, "ops"))
    assert policy(terms(rules=("90% block",)), "ops")[0].count("90 %") == 1
    assert "at 100 %" not in "\n".join(policy(terms(rules=("90% block",)), "ops"))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (None, ""),
        (Limits(), ""),
        (Limits(60), "60 calls a minute"),
        (Limits(60, 100_000, 4), "60 calls a minute, 100,000 tokens a minute, 4 at once"),
        (LimitRow("s", (), None, None, 1), "1 at once"),
        (Limits(1, 1), "1 call a minute, 1 token a minute"),
    ],
)
def test_limits_in_words(limits: Any, words: str) -> None:
    assert limits_words(limits) == words


# The card -----------------------------------------------------------------------------------


def shown(
    some: BudgetFacts, *alerts: AlertRow, width: int = 80, limits: Any = (), **more: Any
) -> str:
    given: dict[str, Any] = {"told": "ops", "status": "429"} | more
    lines = card.budget_card(sheet(some, limits=limits), some, alerts, width=width, **given)
    return "\n".join(drawn(lines))


def grant(amount: int, kind: str = "grant", **more: Any) -> GrantRow:
    given: dict[str, Any] = {
        "id": "g", "kind": kind, "external_id": "", "amount_nanousd": amount * DOLLAR, "note": "",
        "created_at": MONDAY, "expires_at": None, "voided_at": None, "balance_nanousd": 0,
        "held_nanousd": 0, "doubt_nanousd": 0, "drawn_nanousd": 0,
    } | more  # fmt: skip
    return GrantRow(**given)


def test_the_card_says_what_is_spent_left_and_when_it_runs_out() -> None:
    of = terms(owner="ana")
    limits = [LimitRow("tenant=acme", of.subject, 60, None, None)]
    text = shown(facts(of, standing(of, 25, 1, 2)), limits=limits)
    for said in (
        "tenant=acme   ● 50% used",
        "limit       $50.00 a week, resets Mon 23 Nov 00:00 Europe/Berlin",
        "now         spent $25.00, held $1.00, in doubt $2.00; left $22.00",
        "pace        140% of what lasts until it resets, runs out Sat 01:00 at this pace",
        "owner       ana",
        "limits      60 calls a minute",
        "counts      calls since 2026-11-16 01:00 Europe/Berlin",
        "No threshold has been crossed.",
    ):
        assert said in text


@pytest.mark.parametrize(("spent", "sign"), [(10, "●"), (40, "▲"), (50, "!")])
def test_the_card_tells_without_colour_how_it_stands(spent: int, sign: str) -> None:
    of = terms()
    assert f"tenant=acme   {sign} {spent * 2}% used" in shown(facts(of, standing(of, spent)))


def test_the_card_of_a_boosted_budget_says_until_when() -> None:
    of = terms()
    boosts = (grant(20, "boost", expires_at=NOW + DAY_US), grant(5, "boost", expires_at=NOW))
    text = shown(facts(of, standing(of, 55, extra=20), grants=boosts))
    assert "boost       $20.00 more until Thu 13:00: $70.00" in text
    assert "left $15.00" in text
    assert [one.split()[-2] for one in text.splitlines() if "+$" in one] == ["counts", "expired"]


def test_each_boost_is_told_with_its_own_end_the_next_first() -> None:
    of, hour = terms(), 3_600 * MICROSECONDS
    ends = (NOW + DAY_US, NOW + hour, NOW + DAY_US)
    text = shown(facts(of, standing(of, extra=6), grants=tuple(
        grant(at + 1, "boost", expires_at=end) for at, end in enumerate(ends)
    )))  # fmt: skip
    said = "boost       $2.00 more until 14:00, $4.00 more until Thu 13:00: $56.00"
    assert said in text


def test_the_card_of_a_balance_lists_what_was_added() -> None:
    of = terms(is_prepaid=True, period="total", counts_from_us=MONDAY)
    grants = (
        grant(20, note="invoice 4711", drawn_nanousd=20 * DOLLAR),
        grant(10, expires_at=NOW + 40 * DAY_US, drawn_nanousd=2 * DOLLAR, held_nanousd=DOLLAR),
        grant(7, voided_at=1),
    )
    text = shown(facts(of, standing(of, 22, 1), grants=grants))
    assert "balance     $50.00 prepaid, until it is used up" in text
    states = {"used up", "counts", "voided"}
    found = [one for one in text.splitlines() if "+$" in one]
    assert [next(state for state in states if state in one) for one in found] == [
        "used up", "counts", "voided",
    ]  # fmt: skip
    assert "invoice 4711" in found[0]
    assert found[1].split()[2:6] == ["+$10.00", "$7.00", "28", "Dec"]


def alert(threshold: int, state: str, **more: Any) -> AlertRow:
    given: dict[str, Any] = {
        "subject": "", "window_start": MONDAY, "threshold": threshold,
        "limit_nanousd": 50 * DOLLAR, "action": "50% notify", "spent_nanousd": 26 * DOLLAR,
        "created_at": NOW, "state": state, "told_at": None, "channels": "",
    } | more  # fmt: skip
    return AlertRow(**given)


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("new", {}, "waits for the server"),
        ("sending", {"channels": "ops,mail"}, "being sent to ops, mail"),
        ("told", {"channels": "ops", "told_at": NOW - 120 * MICROSECONDS}, "told ops 2 min ago"),
        ("failed", {"channels": "ops"}, "not delivered to ops"),
        ("nobody", {}, "nobody to tell"),
    ],
)
def test_the_card_says_who_was_told(state: str, more: dict[str, Any], said: str) -> None:
    of = terms()
    text = shown(facts(of, standing(of, 30)), alert(50, state, **more))
    (found,) = [one for one in text.splitlines() if "2026-11-18 13:00" in one]
    assert said in found
    assert "50%" in found


@pytest.mark.parametrize("is_prepaid", [True, False])
def test_what_has_expired_of_a_balance_is_told_as_used_and_not_as_spent(is_prepaid: bool) -> None:
    of = terms(period="total", is_prepaid=is_prepaid)
    text = shown(facts(of, standing(of, 30)), alert(50, "nobody"))
    (heading,) = [one.split() for one in text.splitlines() if "CROSSED" in one]
    assert heading == ["CROSSED", "AT", "USED" if is_prepaid else "SPENT", "LIMIT", "NOTICE"]


def test_the_card_of_a_star_lists_its_windows_and_whose_thresholds_were_crossed() -> None:
    of = terms("user=*", 10)
    some = [standing(of, 10 - number / 10, 0, 0, f"u{number}") for number in range(23)]
    alerts = [alert(50, "new", subject=subject_text([f"u{number}"])) for number in range(12)]
    text = shown(facts(of, *some), *alerts)
    assert "user=*   ! the fullest 100% used" in text
    assert "3 more, less used" in text
    assert "2 more, earlier" in text
    assert text.count("waits for the server") == 10
    none = BudgetFacts(of, "", 0, 1, (), ())
    assert "No call has counted in it yet." in shown(none)
    assert "nothing seen yet" in shown(none)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_table_of_the_card_is_wider_than_the_terminal(width: int) -> None:
    of = terms("tenant=*,user=*", 1_000_000)
    names = ("a-customer-with-a-long-name", "somebody@a-long-domain.example.com")
    some = facts(
        of,
        standing(of, 123_456.78, 1_000, 1_000, *names),
        grants=(grant(20, "boost", note="what it was for, at length", expires_at=NOW + DAY_US),),
    )
    lines = card.budget_card(
        sheet(some), some, [alert(50, "new", subject=subject_text(list(names)))], "ops",
        "429", width,
    )  # fmt: skip
    tables = [one.plain for one in lines if not one.plain.startswith(("  at ", "  mode"))]
    assert [one for one in tables if cell_len(one) > width and "limit" not in one] == []
