"""What the ledger is asked: a call's row, column by column."""

from __future__ import annotations

from ferrycli.proxy.questions import Asked, opening, question
from ferrycli.rules.attribution import Attribution
from ferrycli.rules.ceilings import Bounds, ceiling
from ferrycli.rules.choices import Choice
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import Rate, RateCard, Step
from ferrycli.rules.routing import Target
from ferrycli.store.ids import NewId
from ferrycli.wire.facts import Facts, Fingerprints

CARD = RateCard("up", "m", (Step(0, Rate(input=2_000_000, output=8_000_000)),), version="v1")
TARGET = Target("up", "openai", "m-sent")
ASKED = Asked(
    id=NewId(7 << 80, 5),
    name="c_7",
    endpoint="/v1/chat/completions",
    key=KeyTerms("key_1", "k", "abcd"),
    attribution=Attribution(
        "a-tenant", "a-user", "an-assistant", "a-thread", "a-feature", "critical",
        tags=(("plan", "pro"),), sources=(("tenant", "header"),),
    ),
    facts=Facts(
        "m-asked", is_stream=True, output_asked=300, choices=2, tier="flex",
        input_bound=100, fingerprints=Fingerprints(11, 12, 13, 14, 15, 16),
    ),
    target=TARGET,
    card=CARD,
    epoch=3,
    client_retry=4,
    choice=Choice(TARGET, route="a-route"),
    assignment="as_1",
)  # fmt: skip


def test_each_column_of_a_row_has_its_own_value() -> None:
    admit = question([ASKED])
    limits = ceiling(CARD, Bounds(100, 2, "flex", writes_cache=True))
    assert limits is not None
    assert admit.opening._asdict() == {
        "seq": ASKED.id.seq,
        "id": "c_7",
        "started_at": 5,
        "key_id": "key_1",
        "tenant": "a-tenant",
        "user": "a-user",
        "assistant": "an-assistant",
        "thread": "a-thread",
        "feature": "a-feature",
        "provider": "up",
        "model": "m-sent",
        "route": "a-route",
        "expected_nanousd": admit.candidates[0].ask.expected_nanousd,
        "price_version": "v1",
        "priority": "critical",
        "endpoint": "/v1/chat/completions",
        "is_stream": True,
        "requested_model": "m-asked",
        "sent_model": "m-sent",
        "client_retry": 4,
        "tags": '{"plan": "pro"}',
        "sources": '{"tenant": "header"}',
        "prefix_hash": 11,
        "request_hash": 12,
        "last_message_hash": 13,
        "prefix_bytes": 14,
        "request_bytes": 15,
        "last_message_bytes": 16,
        "input_bound": 100,
        "choices": 2,
        "tier_asked": "flex",
        "input_ceiling_nanousd": limits.input_nanousd,
        "output_rate_nanousd": limits.output_rate,
        "output_asked": 300,
        "expected_output": 1_024,
        "assignment": "as_1",
    }


def test_row_of_what_has_no_ceiling_names_none() -> None:
    admit = question([ASKED])
    ask = admit.candidates[0].ask
    unpriced = opening(ASKED, type(ask)("up/m", None, False, False, None, None, 0), 100, None)
    assert unpriced.input_ceiling_nanousd is unpriced.output_rate_nanousd is None
    assert (unpriced.input_bound, unpriced.expected_nanousd) == (100, None)
