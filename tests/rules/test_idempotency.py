"""A call with a key that was used is told what became of the first one, and nothing else."""

from __future__ import annotations

import json

import pytest

from ferrycli.rules.denials import DuplicateCall, IdempotencyMismatch
from ferrycli.rules.idempotency import Bound, refusal
from ferrycli.rules.words import words
from ferrycli.wire.errors import openai_error

DONE = Bound(
    "order-7", 71, "c_01JD", 5, "settled", "ok", "openai", "gpt-5", 1_200, 80, 1_200_000
)  # fmt: skip
IN_FLIGHT = Bound("order-7", 71, "c_01JD", 5, provider="openai", model="gpt-5")
USED = "`Idempotency-Key` `order-7` was used by call `c_01JD`"
UNPRICED = Bound("order-7", 71, "c_01JD", 5, "settled", "ok")


def test_same_body_is_told_the_receipt_of_the_call_that_is_done() -> None:
    said = refusal(DONE, 5)
    assert (said.status, said.code, said.may_retry) == (409, "duplicate_call", False)
    error = json.loads(openai_error(said))["error"]
    assert error["code"] == "duplicate_call"
    assert error["ferry"] == {
        "idempotency_key": "order-7",
        "call": "c_01JD",
        "state": "settled",
        "outcome": "ok",
        "provider": "openai",
        "model": "gpt-5",
        "input_tokens": 1_200,
        "output_tokens": 80,
        "cost_nanousd": 1_200_000,
    }


def test_same_body_is_told_that_the_call_is_in_flight() -> None:
    said = refusal(IN_FLIGHT, 5)
    assert isinstance(said, DuplicateCall)
    assert (said.state, said.outcome, said.cost_nanousd) == ("held", "", None)


@pytest.mark.parametrize("bound", [DONE, IN_FLIGHT, UNPRICED])
@pytest.mark.parametrize("request_hash", [0, 4, 6, -5])
def test_another_body_is_a_mismatch_whatever_became_of_the_first(
    bound: Bound, request_hash: int
) -> None:
    said = refusal(bound, request_hash)
    assert isinstance(said, IdempotencyMismatch)
    assert (said.status, said.code, said.may_retry) == (422, "idempotency_mismatch", False)


@pytest.mark.parametrize(
    ("bound", "request_hash", "sentence"),
    [
        (
            DONE,
            5,
            f"{USED}, which is over (ok) and cost $0.0012",
        ),
        (IN_FLIGHT, 5, f"{USED}, which is in flight"),
        (
            UNPRICED,
            5,
            f"{USED}, which is over (ok) and has no price",
        ),
        (DONE, 6, f"{USED} with another body"),
    ],
)
def test_refusal_names_the_call(bound: Bound, request_hash: int, sentence: str) -> None:
    assert words(refusal(bound, request_hash)).sentence == sentence
