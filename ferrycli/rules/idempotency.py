"""What a call with an `Idempotency-Key` that was used before is told: the first call's receipt.

Never carried twice, and never answered with what was not asked for. Pure. Source: docs/money.md,
section 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferrycli.rules.denials import DuplicateCall, IdempotencyMismatch


@dataclass(frozen=True, slots=True)
class Bound:
    """The call that an `Idempotency-Key` stands for, and its receipt as far as there is one."""

    idempotency_key: str
    call_seq: int
    call: str
    """Its id, `c_…`, or enough of it to find it."""
    request_hash: int
    state: str = "held"
    outcome: str = ""
    provider: str = ""
    model: str = ""
    input_tokens: int = 0
    """The whole input, cached and written tokens included."""
    output_tokens: int = 0
    cost_nanousd: int | None = None
    """Effective: corrections included. None: in flight, or unpriced."""


def refusal(bound: Bound, request_hash: int) -> DuplicateCall | IdempotencyMismatch:
    """Why a call that comes with the key of `bound` is not carried."""
    if request_hash != bound.request_hash:
        return IdempotencyMismatch(bound.idempotency_key, bound.call)
    return DuplicateCall(
        idempotency_key=bound.idempotency_key,
        call=bound.call,
        state=bound.state,
        outcome=bound.outcome,
        provider=bound.provider,
        model=bound.model,
        input_tokens=bound.input_tokens,
        output_tokens=bound.output_tokens,
        cost_nanousd=bound.cost_nanousd,
    )
