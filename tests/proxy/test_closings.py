"""What a call comes to, by how it ended: a table of courses and readings."""

from __future__ import annotations

import pytest
from msgspec import structs

from ferrycli.proxy.closings import Course, attempt_bill, closing
from ferrycli.proxy.questions import Asked, question
from ferrycli.rules.attribution import Attribution
from ferrycli.rules.budget import Admission
from ferrycli.rules.choices import Choice
from ferrycli.rules.estimate import Manner
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import Rate, RateCard, Step
from ferrycli.rules.routing import Target
from ferrycli.rules.usage import Usage
from ferrycli.store.ids import IdMaker
from ferrycli.store.rows import BilledLine, Closing
from ferrycli.wire.facts import Facts, Line, Reading
from tests.changed import replace

CARD = RateCard("up", "m", (Step(0, Rate(input=3_000_000_000, output=15_000_000_000)),))
USAGE = Usage(input=100, output=20)
COST = 100 * 3_000 + 20 * 15_000
HELD = Admission(1_000_000, None, 5_000_000, "b_1")


def asked(card: RateCard | None = CARD, characters: int = 300) -> Asked:
    return Asked(
        id=IdMaker(lambda: 1_795_000_000_000_000, lambda bits: 0).make(),
        name="c_1",
        endpoint="/v1/chat/completions",
        key=KeyTerms("key_1", "k", "abcd"),
        attribution=Attribution(tenant="acme"),
        facts=Facts("m", input_bound=characters, input_characters=characters),
        target=Target("up", "openai", "m"),
        card=card,
        epoch=1,
        client_retry=0,
    )


CASES = [
    # course, reading, state, cost, source, is the cost known
    (Course(is_dispatched=False), Reading(), "released", 0, "", True),
    (Course(True, 500), Reading(), "released", 0, "", True),
    (Course(True, 429), Reading(characters=40), "released", 0, "", True),
    (
        Course(True, 400),
        Reading(usage=USAGE, is_complete=True),
        "settled",
        COST,
        "reported",
        True,
    ),
    # Counts that came on the way are not the bill, and neither is a cost.
    (
        Course(True, 200, outcome="left"),
        Reading(usage=Usage(input=100, output=1), characters=30, provider_cost_nanousd=7),
        "settled",
        100 * 3_000 + 10 * 15_000,
        "estimated",
        False,
    ),
    (
        Course(True, 200, outcome="cut"),
        Reading(usage=USAGE, characters=3),
        "settled",
        COST,
        "estimated",
        False,
    ),
    (Course(True, 200, outcome="ok"), Reading(usage=USAGE), "settled", COST, "reported", True),
    (
        Course(True, 200, outcome="ok"),
        Reading(usage=USAGE, provider_cost_nanousd=7),
        "settled",
        7,
        "provider",
        True,
    ),
    # 300 characters are 100 tokens of an unknown maker's text, 30 are 10.
    (
        Course(True, 200, outcome="left"),
        Reading(characters=30),
        "settled",
        100 * 3_000 + 10 * 15_000,
        "estimated",
        False,
    ),
    (Course(True, 0, outcome="failed"), Reading(), "settled", 100 * 3_000, "estimated", False),
    # An estimate is at most the hold: 1,000,000, not 300,000 + 100 * 15,000.
    (
        Course(True, 200, outcome="cut"),
        Reading(characters=300),
        "settled",
        1_000_000,
        "estimated",
        False,
    ),
]


@pytest.mark.parametrize(("course", "reading", "state", "cost", "source", "is_known"), CASES)
def test_call_comes_to_what_is_known_of_it(
    course: Course, reading: Reading, state: str, cost: int, source: str, is_known: bool
) -> None:
    course.reading = reading
    told = closing(asked(), HELD, course, 9)
    assert (told.state, told.cost_nanousd, told.cost_source) == (state, cost, source)
    assert told.is_cost_known == is_known
    assert told.outcome == course.outcome


def test_estimate_without_a_budget_is_not_capped() -> None:
    course = Course(True, 200, outcome="cut", reading=Reading(characters=300))
    told = closing(asked(), Admission(5), course, 9)
    assert told.cost_nanousd == 100 * 3_000 + 100 * 15_000


def test_call_without_a_price_is_unpriced_and_never_free() -> None:
    course = Course(True, 200, outcome="ok", reading=Reading(usage=USAGE))
    told = closing(asked(card=None), Admission(0), course, 9)
    assert (told.cost_nanousd, told.cost_source, told.usage) == (None, "unpriced", USAGE)


def test_question_holds_at_least_what_the_call_can_cost() -> None:
    told = question([asked()])
    (only,) = told.candidates
    assert only.ask.ceiling is not None
    assert only.ask.ceiling.at(20) >= COST
    assert told.opening.expected_nanousd == 100 * 3_000 + 256 * 15_000
    assert only.facts["tenant"] == "acme"
    assert told.opening.input_bound == 300


def test_question_on_an_unpriced_target_says_so() -> None:
    told = question([asked(card=None)])
    (only,) = told.candidates
    assert (only.ask.is_priced, only.ask.ceiling) == (False, None)
    assert told.opening.expected_nanousd is None


FLEX = RateCard(
    "up",
    "m",
    (Step(0, Rate(input=3_000_000_000, output=15_000_000_000)),),
    (
        ("flex", (Step(0, Rate(input=1_500_000_000, output=7_500_000_000)),)),
        ("priority", (Step(0, Rate(input=6_000_000_000, output=30_000_000_000)),)),
    ),
)


@pytest.mark.parametrize(
    ("tier_asked", "served", "cost"),
    [
        ("", "", COST),
        ("flex", "flex", COST // 2),
        # The reply names no tier: the provider may have ignored the one asked for.
        ("flex", "", COST),
        ("priority", "", COST * 2),
        ("priority", "default", COST),
        ("", "priority", COST * 2),
    ],
)
def test_tier_in_the_reply_decides_and_silence_is_not_cheaper(
    tier_asked: str, served: str, cost: int
) -> None:
    call = replace(asked(FLEX), facts=Facts("m", tier=tier_asked, input_characters=300))
    course = Course(True, 200, outcome="ok", reading=Reading(usage=USAGE, tier=served))
    assert closing(call, Admission(0), course, 9).cost_nanousd == cost


@pytest.mark.parametrize(
    ("limit", "allowed", "bounds"),
    [
        # The caller's limit and the route's; then what is asked, whose it is, and if it is open.
        (None, 4_096, (4_096, True, True)),
        (32_000, 4_096, (4_096, True, True)),
        (8_192, 4_096, (4_096, True, False)),
        (1_000, 4_096, (1_000, False, False)),
        (32_000, None, (32_000, False, False)),
    ],
)
def test_what_a_route_allows_is_no_limit_of_the_callers(
    limit: int | None, allowed: int | None, bounds: tuple[int, bool, bool]
) -> None:
    one = asked()
    choice = Choice(one.target, output_max=allowed)
    facts = structs.replace(one.facts, output_asked=limit)
    (candidate,) = question([replace(one, facts=facts, choice=choice)]).candidates
    ask = candidate.ask
    assert (ask.output_asked, ask.is_bounded_here, ask.is_left_open) == bounds


# Replies that billed several models ------------------------------------------------------------

DEARER = RateCard("up", "big", (Step(0, Rate(input=5_000_000_000, output=25_000_000_000)),))
SURE = {"big": DEARER}
FIRST = Line("m", "message", Usage(input=1_128, output=135))
ADVICE = Line("big", "advisor_message", Usage(input=2_543, output=18))


def of_lines(*lines: Line, cards: dict[str, RateCard] = SURE) -> Closing:
    total = Usage(
        input=sum(line.usage.input for line in lines),
        output=sum(line.usage.output for line in lines),
    )
    reading = Reading(usage=total, lines=lines, is_complete=True)
    course = Course(True, 200, outcome="ok", reading=reading)
    return closing(asked(), HELD, course, 9, lambda target, _at: cards.get(target.model))


def test_each_model_of_a_reply_is_billed_at_its_own_rates() -> None:
    told = of_lines(FIRST, ADVICE)
    own, advice = 1_128 * 3_000 + 135 * 15_000, 2_543 * 5_000 + 18 * 25_000
    assert (told.cost_nanousd, told.cost_source, told.is_cost_known) == (
        own + advice,
        "reported",
        True,
    )
    assert told.usage == Usage(input=1_128 + 2_543, output=135 + 18)
    assert told.lines == (
        BilledLine("up", "m", "input", 1_128, 3_000_000_000, 1_128 * 3_000, "message"),
        BilledLine("up", "m", "output", 135, 15_000_000_000, 135 * 15_000, "message"),
        BilledLine("up", "big", "input", 2_543, 5_000_000_000, 2_543 * 5_000, "advisor_message"),
        BilledLine("up", "big", "output", 18, 25_000_000_000, 18 * 25_000, "advisor_message"),
    )
    assert told.cost is not None
    assert told.cost.of("input") == 1_128 * 3_000 + 2_543 * 5_000
    assert sum(line.cost_nanousd or 0 for line in told.lines) == told.cost_nanousd


def test_a_line_that_names_no_model_is_of_the_one_that_was_asked() -> None:
    told = of_lines(structs.replace(FIRST, model=""), ADVICE)
    assert [line.model for line in told.lines] == ["m", "m", "big", "big"]


def test_a_model_without_a_price_leaves_the_whole_reply_unpriced() -> None:
    told = of_lines(FIRST, ADVICE, cards={})
    assert (told.cost_nanousd, told.cost_source, told.lines) == (None, "unpriced", ())


def test_the_lines_of_a_reply_that_was_cut_are_a_part_of_the_bill_alone() -> None:
    reading = Reading(usage=FIRST.usage, lines=(FIRST, ADVICE), characters=30)
    course = Course(True, 200, outcome="left", reading=reading)
    told = closing(asked(), HELD, course, 9, lambda target, _at: SURE.get(target.model))
    assert (told.cost_source, told.lines) == ("estimated", ())


# What is estimated by what was learned -----------------------------------------------------------

SENT, LATER = 1_000_000, 11_000_000
"""Ten seconds apart."""
THINKER = Manner(4_000, 50_000, has_thoughts=True)
"""50 tokens a second are 500 in that time."""
CUT = [
    # Manner, what came, is it a stream, its bound; input and output tokens.
    (Manner(4_000), Reading(characters=400), True, None, (100, 100)),
    (Manner(5_000), Reading(characters=401), True, None, (100, 81)),
    (THINKER, Reading(), True, None, (100, 500)),
    (THINKER, Reading(characters=400), True, None, (100, 500)),
    (THINKER, Reading(characters=2_004), True, None, (100, 501)),
    (THINKER, Reading(), True, 300, (100, 300)),
    (THINKER, Reading(characters=1_600), True, 300, (100, 400)),
    (Manner(4_000, 50_000), Reading(), True, None, (100, 0)),
    (Manner(4_000, 50_000), Reading(), False, None, (100, 500)),
    # Anthropic's input comes first, and no output.
    (THINKER, Reading(usage=Usage(input=7)), True, None, (7, 500)),
    (Manner(4_000), Reading(usage=Usage(input=7), characters=40), True, None, (7, 10)),
    (Manner(4_000), Reading(usage=Usage(input=7, output=30), characters=40), True, None, (7, 30)),
    # Gemini counts as it goes: nothing of that is estimated again, only what came after.
    (
        THINKER,
        Reading(usage=Usage(input=7, output=30), characters=400, characters_counted=400),
        True,
        None,
        (7, 30),
    ),
    (
        THINKER,
        Reading(usage=Usage(input=7, output=30), characters=444, characters_counted=400),
        True,
        None,
        (7, 30 + 11),
    ),
]


@pytest.mark.parametrize(("manner", "reading", "is_stream", "bound", "counts"), CUT)
def test_what_is_not_reported_is_estimated_by_what_was_learned(
    manner: Manner, reading: Reading, is_stream: bool, bound: int | None, counts: tuple[int, int]
) -> None:
    call = replace(asked(), manner=manner)
    call = replace(call, facts=structs.replace(call.facts, is_stream=is_stream, output_asked=bound))
    course = Course(True, 200, outcome="left", reading=reading, dispatched_at=SENT)
    told = closing(call, Admission(0), course, LATER)
    assert (told.usage.input, told.usage.output) == counts
    assert (told.cost_source, told.is_cost_known) == ("estimated", False)
    bill = attempt_bill(call, Admission(0), reading, lambda _one, _at: None, LATER - SENT)
    assert (bill.usage, bill.source) == (told.usage, "estimated")


def test_ferrys_bound_and_the_models_own_bound_what_is_made_out_of_sight() -> None:
    call = replace(asked(), manner=THINKER)
    call = replace(call, facts=structs.replace(call.facts, is_stream=True))
    course = Course(True, 200, outcome="left", dispatched_at=SENT)
    bounded = closing(call, Admission(0, output_bound=200), course, LATER)
    assert bounded.usage.output == 200
    small = replace(call, card=replace(CARD, output_tokens_max=100))
    assert closing(small, Admission(0, output_bound=200), course, LATER).usage.output == 100
    unpriced = closing(replace(call, card=None), Admission(0), course, LATER)
    assert (unpriced.usage.output, unpriced.cost, unpriced.cost_source) == (500, None, "unpriced")


def test_estimate_by_time_is_at_most_the_hold() -> None:
    call = replace(asked(), manner=THINKER)
    call = replace(call, facts=structs.replace(call.facts, is_stream=True))
    course = Course(True, 200, outcome="left", dispatched_at=SENT)
    assert closing(call, HELD, course, LATER).cost_nanousd == HELD.hold_nanousd


TAUGHT = [
    (Reading(usage=USAGE, characters=80, is_plain=True), 80),
    (Reading(usage=USAGE, characters=80), 0),
    (Reading(characters=80, is_plain=True), 0),
    (Reading(usage=USAGE._replace(audio_out=5), characters=80, is_plain=True), 0),
]


@pytest.mark.parametrize(("reading", "characters"), TAUGHT)
def test_only_plain_text_teaches_characters_per_token(reading: Reading, characters: int) -> None:
    course = Course(True, 200, outcome="ok", reading=reading)
    assert closing(asked(), Admission(0), course, 9).characters == characters
    predicted = replace(asked(), facts=Facts("m", predicted_bytes=10))
    assert closing(predicted, Admission(0), course, 9).characters == 0
