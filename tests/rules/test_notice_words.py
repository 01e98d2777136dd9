"""What notices say: who, how much, since when, what changes, and the command that changes it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from ferrycli.rules.clean import safe
from ferrycli.rules.filters import Comparison, parse_filter
from ferrycli.rules.notice_words import (
    LINE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    TITLE_LENGTH_MAX,
    Alerted,
    message,
    shell_word,
    subject_words,
)

USD = 1_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")
NOVEMBER = 1_793_487_600_000_000  # 2026-11-01 00:00 Europe/Berlin
NOW = NOVEMBER + 17 * 86_400 * 1_000_000

MONTH = Alerted(
    "a_1",
    "budget",
    NOW,
    budget_id="b_1",
    window_start_us=NOVEMBER,
    threshold=80,
    limit_nanousd=50 * USD,
    selector="tenant=acme",
    action="80% downgrade, 80% notify ops",
    owner="ana@acme.io",
    channels=("ops",),
    spent_nanousd=40 * USD + USD * 12 // 100,
    held_nanousd=USD * 4 // 10,
    doubt_nanousd=USD * 2 // 100,
    period="month",
    zone="Europe/Berlin",
)


def test_a_budget_on_its_way() -> None:
    began, ends = "2026-11-01 00:00 Europe/Berlin", "2026-12-01 00:00 Europe/Berlin"
    said = message(MONTH, BERLIN)
    assert (said.id, said.kind, said.at_us) == ("a_1", "budget", NOW)
    assert said.title == "tenant=acme has spent $40.12 of $50.00 this month, 80 %"
    assert said.text.splitlines() == [
        "It has reached 80 % of its limit.",
        "Calls in flight hold $0.40 besides.",
        "Up to $0.02 more may have been spent.",
        "From now on calls that are not critical use their cheaper route.",
        f"It counts since {began} and resets {ends}.",
        "",
        "Raise it: ferry budgets set tenant=acme --limit 80/month",
        "See more: ferry budgets show tenant=acme",
    ]


def test_its_facts_are_whole_amounts_and_utc() -> None:
    assert message(MONTH, BERLIN).facts == {
        "selector": "tenant=acme",
        "budget_id": "b_1",
        "threshold_percent": 80,
        "action": "80% downgrade, 80% notify ops",
        "limit_nanousd": 50 * USD,
        "spent_nanousd": 40_120_000_000,
        "held_nanousd": 400_000_000,
        "doubt_nanousd": 20_000_000,
        "period": "month",
        "zone": "Europe/Berlin",
        "owner": "ana@acme.io",
        "window_start": "2026-10-31T23:00:00Z",
        "resets_at": "2026-11-30T23:00:00Z",
    }


def test_a_rolling_window_has_no_start_and_no_end() -> None:
    facts = message(replace(MONTH, period="rolling 7d"), BERLIN).facts
    assert {"window_start", "resets_at"}.isdisjoint(facts)


BUDGETS: dict[str, tuple[Alerted, list[str]]] = {
    "used up": (
        replace(MONTH, threshold=100, action="100% block", spent_nanousd=50 * USD - 150_000_000),
        [
            "tenant=acme is used up: $49.85 of $50.00 this month",
            "The $0.15 that is left was not enough for a call.",
            "Calls that need more than is left are refused (insufficient_quota).",
        ],
    ),
    "used up, and free from there on": (
        replace(MONTH, threshold=100, action="100% free", spent_nanousd=50 * USD - 150_000_000),
        ["For calls that need more than is left only models that cost nothing answer."],
    ),
    "exactly spent": (
        replace(MONTH, threshold=100, action="100% block", spent_nanousd=50 * USD),
        ["has spent $50.00 of $50.00 this month, 100 %", "It has reached 100 % of its limit."],
    ),
    "over": (
        replace(MONTH, threshold=100, spent_nanousd=51 * USD),
        ["has spent $51.00 of $50.00 this month, 102 %", "It is $1.00 over its limit."],
    ),
    "a thread of its own": (
        replace(
            MONTH,
            selector="assistant=bot,thread=*",
            subject='["t-17"]',
            period="total",
            window_start_us=0,
        ),
        [
            "assistant=bot,thread=t-17 has spent",
            "in total",
            "It does not reset.",
            "ferry budgets set 'assistant=bot,thread=*' --limit 80/total",
        ],
    ),
    "in several zones": (
        replace(MONTH, needs_zone=True),
        ["Raise it: ferry budgets set tenant=acme --limit 80/month --zone Europe/Berlin"],
    ),
    "rolling": (
        replace(MONTH, period="rolling 7d"),
        ["in the last 7 days", "spent longer ago counts no more", "--limit '80/rolling 7d'"],
    ),
    "a balance": (
        replace(
            MONTH,
            is_prepaid=True,
            period="total",
            window_start_us=NOW,
            spent_nanousd=45 * USD,
        ),
        [
            "tenant=acme has used $45.00 of its balance of $50.00, 90 %",
            "It has reached 80 % of its balance; what has expired counts as used.",
            "The last payment came 2026-11-18 00:00 Europe/Berlin.",
            "Add to it: ferry budgets topup tenant=acme 20",
        ],
    ),
    "a balance that is nearly used": (
        replace(MONTH, is_prepaid=True, limit_nanousd=201_000_000, spent_nanousd=200_000_000),
        ["tenant=acme has used $0.20 of its balance of $0.201, 99 %"],
    ),
    "a balance that is overdrawn": (
        replace(MONTH, is_prepaid=True, spent_nanousd=51 * USD),
        ["has used $51.00 of its balance of $50.00, 102 %", "It is $1.00 over its balance."],
    ),
    "nothing but a word": (
        replace(MONTH, action="80% notify ops"),
        ["Nothing changes for its calls."],
    ),
    "all go down": (
        replace(MONTH, action="80% downgrade cheap all, 80% throttle 10/min"),
        ["From now on all calls use route `cheap`; 10 calls a minute are let through."],
    ),
    "free": (
        replace(MONTH, action="80% free local"),
        ["only models that cost nothing answer on route `local`"],
    ),
    "block all": (replace(MONTH, action="80% block all"), ["also those that would cost nothing"]),
    "a rule of a newer ferry": (
        replace(MONTH, action="80% sing loudly"),
        ["From now on `80% sing loudly` applies."],
    ),
    "a limit of nothing": (
        replace(MONTH, limit_nanousd=0, spent_nanousd=0, threshold=100),
        ["tenant=acme has spent $0.00 of $0.00 this month, 100 %"],
    ),
    "a sample": (
        replace(MONTH, kind="sample"),
        ["Sample: tenant=acme has spent", "This is a sample: nothing has happened."],
    ),
}


@pytest.mark.parametrize(("alert", "wanted"), BUDGETS.values(), ids=BUDGETS)
def test_a_budget_says(alert: Alerted, wanted: list[str]) -> None:
    said = message(alert, BERLIN)
    whole = f"{said.title}\n{said.text}"
    assert [part for part in wanted if part not in whole] == [], whole


OTHERS: dict[str, tuple[Alerted, list[str]]] = {
    "overrun": (
        Alerted(
            "a",
            "overrun",
            NOW,
            subject="c_01M8",
            detail={
                "hold_nanousd": USD,
                "cost_nanousd": 2 * USD,
                "target": "openai/gpt-5",
            },
        ),
        [
            "A call to openai/gpt-5 cost $2.00, not the $1.00 held",
            "ferry calls show c_01M8",
            "ferry prices show openai/gpt-5",
        ],
    ),
    "overrun, bare": (Alerted("a", "overrun", NOW), ["A call to a model cost $0.00"]),
    "out of money": (
        Alerted(
            "a",
            "provider_money",
            NOW,
            subject="openai",
            detail={"target": "openai/gpt-5", "failure": "429 insufficient_quota"},
        ),
        [
            "Provider openai is out of money",
            "It answered a call to openai/gpt-5 with: 429 insufficient_quota",
            "the next target",
        ],
    ),
    "circuit": (
        Alerted(
            "a",
            "circuit",
            NOW,
            subject="openai/gpt-5",
            detail={"reason": "timeout", "until_at": str(NOW)},
        ),
        [
            "Target openai/gpt-5 keeps failing",
            "The last failure: timeout.",
            "It is tried again 2026-11-17 23:00 UTC.",
            "ferry routes explain openai/gpt-5",
        ],
    ),
    "loop, a warning": (
        Alerted(
            "a",
            "loop",
            NOW,
            subject="t 1",
            detail={"times": 10, "what": "last message", "key": "acme-web"},
        ),
        [
            "Thread t 1 repeats itself: the same last message 10 times",
            "It belongs to key acme-web.",
            "Its calls still go through.",
            """ferry calls list --where 'thread="t 1"'""",
        ],
    ),
    "loop, stopped": (
        Alerted("a", "loop", NOW, subject="t", detail={"times": "10", "action": "block"}),
        ["the same request 10 times", "Its calls are refused", "ferry threads release t"],
    ),
    "a kind of a newer ferry": (
        Alerted("a", "moon_phase", NOW, subject="full"),
        ["moon phase: full"],
    ),
}


@pytest.mark.parametrize(("alert", "wanted"), OTHERS.values(), ids=OTHERS)
def test_another_kind_says(alert: Alerted, wanted: list[str]) -> None:
    said = message(alert, UTC)
    whole = f"{said.title}\n{said.text}"
    assert [part for part in wanted if part not in whole] == [], whole
    assert said.facts.get("subject", "") == alert.subject


FACTS: dict[str, tuple[Alerted, dict[str, str | int]]] = {
    "a balance": (
        replace(MONTH, is_prepaid=True),
        {"used_nanousd": 40_120_000_000, "limit_nanousd": 50 * USD},
    ),
    "a circuit": (
        Alerted("a", "circuit", NOW, subject="up/m", detail={"until_at": NOW + 1_500_000}),
        {"subject": "up/m", "until_at": "2026-11-17T23:00:01Z"},
    ),
    "a circuit, written as text": (
        Alerted("a", "circuit", NOW, subject="up/m", detail={"until_at": f"{NOW}"}),
        {"until_at": "2026-11-17T23:00:00Z"},
    ),
}


@pytest.mark.parametrize(("alert", "wanted"), FACTS.values(), ids=FACTS)
def test_facts_are_numbers_and_times(alert: Alerted, wanted: dict[str, str | int]) -> None:
    facts = message(alert, BERLIN).facts
    assert wanted.items() <= facts.items()
    assert "spent_nanousd" not in facts


HOSTILE = "x\x1b[31m\r\nBcc: eve\u202e\u2028y" + "z" * 5_000


@pytest.mark.parametrize(
    "kind", ["budget", "sample", "overrun", "provider_money", "circuit", "loop", "new"]
)
def test_no_text_is_unsafe_or_without_bounds(kind: str) -> None:
    names = ["message", "reason", "target", "times", "what", "call", "key", "failure"]
    names += [f"k{at}{HOSTILE}" for at in range(100)]
    details: dict[str, str | int] = dict.fromkeys(names, HOSTILE)
    alert = replace(
        MONTH,
        kind=kind,
        selector=HOSTILE,
        subject=HOSTILE,
        action=HOSTILE,
        owner=HOSTILE,
        detail=details,
    )
    said = message(alert, BERLIN)
    assert len(said.title) <= TITLE_LENGTH_MAX
    assert len(said.text) <= TEXT_LENGTH_MAX
    lines = [said.title, *said.text.splitlines()]
    texts = [*lines, *said.facts, *(str(value) for value in said.facts.values())]
    assert [text for text in texts if safe(text, LINE_LENGTH_MAX) != text.strip()] == []
    assert len(said.facts) < 45


@pytest.mark.parametrize(
    ("selector", "subject", "said"),
    [
        ("tenant=acme", "", "tenant=acme"),
        ("thread=*", '["t-1"]', "thread=t-1"),
        ("assistant=bot,user=*,thread=*", '["ana","t,1"]', "assistant=bot,user=ana,thread=t,1"),
        ("tenant=*,feature=chat", '["a=*"]', "tenant=a=*,feature=chat"),
        ("tenant=acme", '["x"]', 'tenant=acme (["x"])'),
        ("thread=*", "[", "thread=* ([)"),
        ("thread=*", "5", "thread=* (5)"),
    ],
)
def test_a_star_is_said_by_its_value(selector: str, subject: str, said: str) -> None:
    assert subject_words(selector, subject) == said


@pytest.mark.parametrize(
    "text", ["tenant=acme", "thread=*", "key=acme's web", "$(reboot)", "a b", "", "x" * 500]
)
def test_a_command_can_be_pasted_whole(text: str) -> None:
    assert shlex.split(f"ferry budgets show {shell_word(text)}")[3:] == [text]


@pytest.mark.parametrize("thread", ["t-1", "t 1", "a,b", 'a"b', "a'b", "a\\b", "a)", "x=y"])
def test_the_filter_of_a_thread_finds_it(thread: str) -> None:
    alert = Alerted("a", "loop", NOW, subject=thread)
    command = message(alert).text.splitlines()[-1].partition(": ")[2]
    assert parse_filter(shlex.split(command)[4]) == Comparison("thread", "=", thread)
