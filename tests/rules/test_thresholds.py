"""Rules of budgets: how they are read, which cannot stand together, and which apply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.errors import BadField, BadMode, BadRule, FerryError, RulesClash
from ferrycli.rules.policy_words import PolicyLine, policy_lines, rule_note, rule_words
from ferrycli.rules.thresholds import (
    ACTIONS,
    DEFAULT_RULES,
    PER_MINUTE_MAX,
    PERCENT_MAX,
    RULES_MAX,
    Active,
    Rule,
    active,
    check_rules,
    default_mode,
    has_action,
    has_reached,
    parse_rule,
    percents,
)
from ferrycli.rules.words import words


def test_limits_are_those_that_the_rows_below_were_written_for() -> None:
    assert (PERCENT_MAX, PER_MINUTE_MAX, RULES_MAX) == (1_000, 1_000_000, 20)


READ = [
    ("50% notify", Rule(50, "notify"), "50% notify"),
    ("50 % notify", Rule(50, "notify"), "50% notify"),
    ("at 50% notify", Rule(50, "notify"), "50% notify"),
    (" AT\t50 %NOTIFY ", Rule(50, "notify"), "50% notify"),
    ("050% notify", Rule(50, "notify"), "50% notify"),
    ("50% notify ops pager", Rule(50, "notify", channels=("ops", "pager")),
     "50% notify ops pager"),
    ("50% notify ops, pager ,ops", Rule(50, "notify", channels=("ops", "pager")),
     "50% notify ops pager"),
    ("50% notify all", Rule(50, "notify", channels=("all",)), "50% notify all"),
    ("50% notify op\u202es", Rule(50, "notify", channels=("ops",)), "50% notify ops"),
    ("80% downgrade", Rule(80, "downgrade"), "80% downgrade"),
    ("80% downgrade cheap", Rule(80, "downgrade", "cheap"), "80% downgrade cheap"),
    ("80% downgrade all", Rule(80, "downgrade", is_all=True), "80% downgrade all"),
    ("80% downgrade cheap all", Rule(80, "downgrade", "cheap", is_all=True),
     "80% downgrade cheap all"),
    ("90% throttle 10/min", Rule(90, "throttle", per_minute=10), "90% throttle 10/min"),
    ("90% throttle 10 / minute", Rule(90, "throttle", per_minute=10), "90% throttle 10/min"),
    ("90% throttle 1/min", Rule(90, "throttle", per_minute=1), "90% throttle 1/min"),
    ("90% throttle 1000000/min", Rule(90, "throttle", per_minute=1_000_000),
     "90% throttle 1000000/min"),
    ("100% free", Rule(100, "free"), "100% free"),
    ("100% free freebie", Rule(100, "free", "freebie"), "100% free freebie"),
    ("100% block", Rule(100, "block"), "100% block"),
    ("100% block all", Rule(100, "block", is_all=True), "100% block all"),
    ("1% block", Rule(1, "block"), "1% block"),
    ("1000% notify", Rule(1_000, "notify"), "1000% notify"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "written"), READ)
def test_a_rule_is_read_and_written_back(text: str, rule: Rule, written: str) -> None:
    assert parse_rule(text) == rule
    assert str(rule) == written
    assert parse_rule(written) == rule


PERCENTAGE = "a percentage is a whole number from 1 to 1,000"
THROTTLE = "`throttle` takes calls a minute, 1 to 1,000,000: `10/min`"
NONE = "it begins with no percentage"

BAD = [
    ("", NONE),
    ("notify", NONE),
    ("50 notify", NONE),
    ("notify at 50%", NONE),
    ("0% notify", PERCENTAGE),
    ("1001% notify", PERCENTAGE),
    ("9999999999% notify", PERCENTAGE),
    ("50.5% notify", PERCENTAGE),
    ("-5% notify", PERCENTAGE),
    ("٥٠% notify", PERCENTAGE),
    ("half% notify", PERCENTAGE),
    ("50%", "after the percentage comes one of `notify downgrade throttle free block`"),
    ("50% notfy", "there is no action `notfy`"),
    ("50%% block", "there is no action `%`"),
    ("90% throttle", THROTTLE),
    ("90% throttle 0/min", THROTTLE),
    ("90% throttle 1000001/min", THROTTLE),
    ("90% throttle 10", THROTTLE),
    ("90% throttle 10/s", THROTTLE),
    ("90% throttle 1.5/min", THROTTLE),
    ("90% throttle 10/min all", THROTTLE),
    ("80% downgrade cheap dear", "there is left over `dear`"),
    ("80% downgrade all cheap", "there is left over `all cheap`"),
    ("80% downgrade all all", "there is left over `all`"),
    ("80% downgrade \u202e", "there is left over ``"),
    ("80% downgrade, 100% block", "there is no action `downgrade,`"),
    ("80% downgrade cheap 100% block", "there is left over `100% block`"),
    ("100% free all", "there is left over `all`"),
    ("100% free freebie all", "there is left over `all`"),
    ("100% block cheap", "there is left over `cheap`"),
    ("100% block cheap all", "there is left over `cheap`"),
    ("50% notify " + "x" * 500, "it is longer than 500 characters"),
]


@pytest.mark.parametrize(("text", "why"), BAD, ids=lambda part: ascii(part)[:30])
def test_anything_else_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadRule) as refused:
        parse_rule(text)
    assert refused.value.text == text
    assert words(refused.value).sentence.endswith(f" is no rule: {why}")


def test_the_nearest_action_is_offered() -> None:
    with pytest.raises(BadRule) as refused:
        parse_rule("50% notfy")
    assert words(refused.value).hint == "did you mean `notify`?"
    with pytest.raises(BadRule) as refused:
        parse_rule("50%")
    assert "such as `80% downgrade` or `100% block`" in words(refused.value).hint


@given(st.text() | st.lists(st.sampled_from(["80%", "at", " ", "all", *ACTIONS, "1/min", "x", ","]))
       .map(" ".join))  # fmt: skip
def test_any_text_is_refused_or_comes_back_as_it_was_meant(text: str) -> None:
    refused: BadRule | None = None
    try:
        rule = parse_rule(text)
        assert parse_rule(str(rule)) == rule
    except BadRule as error:
        refused = error
    if refused is not None:
        assert refused.text == text
        assert words(refused).sentence.isprintable()


def rules(*texts: str) -> tuple[Rule, ...]:
    return tuple(parse_rule(text) for text in texts)


# Together ---------------------------------------------------------------------------------------

TOGETHER: list[tuple[tuple[str, ...], str]] = [
    (DEFAULT_RULES, "strict"),
    (DEFAULT_RULES, "expected"),
    ((), "soft"),
    ((), "strict"),
    (("50% notify", "80% downgrade", "90% throttle 5/min"), "soft"),
    (("50% notify", "50% notify ops", "50% downgrade", "50% throttle 5/min"), "strict"),
    # A throttle that is looser than one below it does nothing, and no harm.
    (("50% throttle 5/min", "80% throttle 10/min"), "strict"),
    (("80% downgrade", "90% downgrade cheap", "95% free", "100% block"), "strict"),
    (("80% block", "100% block all"), "strict"),
    (("100% block", "120% notify"), "strict"),
    (("100% block", "120% throttle 5/min"), "strict"),
    (tuple(f"{percent}% notify" for percent in range(1, 21)), "soft"),
]


@pytest.mark.parametrize(("texts", "mode"), TOGETHER)
def test_rules_that_can_stand_together_pass(texts: tuple[str, ...], mode: str) -> None:
    check_rules(rules(*texts), mode)


ONE = "of downgrade, free and block one acts at a time"
APART: list[tuple[tuple[str, ...], str, FerryError]] = [
    (("80% downgrade", "80% block"), "strict", RulesClash("80% downgrade", "80% block", ONE)),
    (("80% free", "80% downgrade"), "strict", RulesClash("80% free", "80% downgrade", ONE)),
    (("80% downgrade", "80% downgrade cheap"), "soft",
     RulesClash("80% downgrade", "80% downgrade cheap", ONE)),
    (("80% block", "50% notify", "80% block all"), "strict",
     RulesClash("80% block", "80% block all", ONE)),
    (("50% notify ops", "80% block", "50% notify ops"), "strict",
     RulesClash("50% notify ops", "50% notify ops", "it is the same rule")),
    (("90% throttle 5/min", "90% throttle 6/min"), "soft",
     RulesClash("90% throttle 5/min", "90% throttle 6/min", "one of two throttles acts at a time")),
    (("100% free", "90% block"), "strict",
     RulesClash("90% block", "100% free", "what `block` holds back never comes to 100%")),
    (("50% block all", "80% downgrade"), "expected",
     RulesClash("50% block all", "80% downgrade", "what `block` holds back never comes to 80%")),
    (("90% free", "95% downgrade"), "strict",
     RulesClash("90% free", "95% downgrade", "what `free` holds back never comes to 95%")),
    (("50% notify", "100% block"), "soft", BadMode("soft", "100% block")),
    (("100% free freebie",), "soft", BadMode("soft", "100% free freebie")),
    (("50% notify",), "hard", BadField("mode", "hard", ("strict", "expected", "soft"))),
    (tuple(f"{percent}% notify" for percent in range(1, 22)), "soft",
     BadRule("21% notify", "a budget has at most 20 rules")),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "mode", "error"), APART)
def test_rules_that_contradict_are_refused(
    texts: tuple[str, ...], mode: str, error: FerryError
) -> None:
    with pytest.raises(type(error)) as refused:
        check_rules(rules(*texts), mode)
    assert vars(refused.value) == vars(error)


def test_a_clash_names_both_rules() -> None:
    told = words(RulesClash("80% free", "80% block", ONE))
    assert told.sentence == f"the rules `80% free` and `80% block` contradict: {ONE}"
    assert words(RulesClash("80% free", "80% free", "")).sentence == (
        "the rule `80% free` is given twice"
    )
    assert words(BadMode("soft", "100% block")).sentence == (
        "a budget of mode `soft` refuses nothing for money, and `100% block` would"
    )


@pytest.mark.parametrize(
    ("texts", "mode"),
    [
        ((), "soft"),
        (("50% notify", "80% downgrade", "90% throttle 5/min"), "soft"),
        (("50% notify", "100% block"), "strict"),
        (("100% free",), "strict"),
        (DEFAULT_RULES, "strict"),
    ],
)
def test_a_budget_is_strict_where_a_rule_refuses(texts: tuple[str, ...], mode: str) -> None:
    assert default_mode(rules(*texts)) == mode
    check_rules(rules(*texts), default_mode(rules(*texts)))


# Applied ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "used", "base", "reached"),
    [
        (50, 49, 100, False), (50, 50, 100, True), (80, 799_999_999, 10**9, False),
        (80, 800_000_000, 10**9, True), (33, 33, 101, False), (150, 150, 100, True),
        (100, 0, 0, True), (1, 0, 1, False),
    ],
)  # fmt: skip
def test_a_threshold_is_reached_at_its_percentage_to_the_nano_dollar(
    percent: int, used: int, base: int, reached: bool
) -> None:
    assert has_reached(percent, used, base) is reached


LADDER = rules(
    "50% notify", "60% throttle 5/min", "70% throttle 9/min", "80% downgrade", "90% free",
    "100% block",
)  # fmt: skip


@pytest.mark.parametrize(
    ("used", "steering", "per_minute"),
    [(0, "", 0), (59, "", 0), (60, "", 5), (79, "", 5), (80, "downgrade", 5), (89, "downgrade", 5),
     (90, "free", 5), (99, "free", 5), (100, "block", 5), (250, "block", 5)],
)  # fmt: skip
def test_the_highest_steering_rule_and_the_lowest_throttle_apply(
    used: int, steering: str, per_minute: int
) -> None:
    found = active(LADDER, used, 100)
    assert (found.steering.action if found.steering else "") == steering
    assert (found.throttle.per_minute if found.throttle else 0) == per_minute


def test_thresholds_are_named_each_once() -> None:
    assert percents(rules("80% downgrade", "50% notify", "80% notify ops")) == (50, 80)
    assert has_action(LADDER, "free")
    assert not has_action(rules("50% notify"), "free")
    assert active((), 1, 1) == Active()


# In words ---------------------------------------------------------------------------------------

MORE = "more get HTTP 429 rate_limit_exceeded"
SAID = [
    ("80% downgrade cheap", 'calls that are not critical take route "cheap"'),
    ("80% downgrade", "calls that are not critical take their cheaper route"),
    ("80% downgrade cheap all", 'all calls take route "cheap"'),
    ("90% throttle 10/min", f"let through 10 calls a minute; {MORE}"),
    ("90% throttle 1/min", f"let through 1 call a minute; {MORE}"),
    ("100% free", "all calls take their free route, or what costs nothing"),
    ("100% free freebie", 'all calls take route "freebie", or what costs nothing'),
    ("100% block", "block with HTTP 429 insufficient_quota"),
    ("100% block all", "block with HTTP 429 insufficient_quota, also what costs nothing"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_a_rule_is_read_back_in_words(text: str, said: str) -> None:
    assert rule_words(parse_rule(text)) == said


TOLD = [
    ("50% notify", "ana@acme.io", "", "notify ana@acme.io"),
    ("50% notify", "ana@acme.io", "ops", "notify ana@acme.io"),
    ("50% notify", "", "ops", "notify ops"),
    ("50% notify ops", "", "ops", "notify ops"),
    ("50% notify ops pager", "ana", "", "notify ana, ops and pager"),
    ("50% notify pager", "", "", "notify pager"),
    ("50% notify", "", "",
     "notify nobody: the budget has no owner, and `alerts.default` is not set"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "owner", "default", "said"), TOLD)
def test_a_notice_names_whom_it_reaches(text: str, owner: str, default: str, said: str) -> None:
    assert rule_words(parse_rule(text), owner=owner, alerts_default=default) == said


def test_the_policy_of_the_manual_reads_as_it_says() -> None:
    policy = rules("100% block", "50% notify", "80% downgrade cheap")
    assert policy_lines(policy, owner="ana@acme.io") == (
        PolicyLine("at 50 %", "notify ana@acme.io"),
        PolicyLine(
            "at 80 %",
            'calls that are not critical take route "cheap"',
            "mark: X-Ferry-Priority: critical",
        ),
        PolicyLine(
            "at 100 %", "block with HTTP 429 insufficient_quota", "(SDKs are told not to retry)"
        ),
    )
    assert policy_lines(rules("100% block"), status=402)[0].does == (
        "block with HTTP 402 insufficient_quota"
    )
    assert rule_note(parse_rule("80% downgrade all")) == ""
