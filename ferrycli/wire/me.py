"""What the holder of a key is told of it: the object `ferry.me/1`.

Names nobody who is told of the budget, and no secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.limits import LimitTerms
from ferrycli.rules.policy_words import rule_words
from ferrycli.rules.stamps import iso
from ferrycli.rules.standings import Standing
from ferrycli.rules.windows import first_bucket, is_rolling
from ferrycli.wire.bodies import json_body

SCHEMA = "ferry.me/1"
OWNER = "its owner"
"""Who is told of a budget, as its holder is told of that."""


def me_body(
    key: KeyTerms,
    standings: Iterable[Standing],
    limits: Iterable[LimitTerms],
    now_us: int,
    spent_status: int,
) -> bytes:
    """The key, what it allows, and all that bounds it now; amounts in nano-dollars, times in UTC.

    `spent_status`: the HTTP status of a refusal for a spent budget.
    """
    return json_body(
        {
            "schema": SCHEMA,
            "at": iso(now_us),
            "key": {
                "id": key.id,
                "name": key.name,
                "last4": key.last4,
                "role": key.role,
                "expires_at": iso(key.expires_at),
            },
            "policies": {
                dimension: {"mode": policy.mode, "value": policy.value}
                for dimension, policy in key.policies.items()
            },
            "models": list(key.models),
            "limits": [
                {
                    "selector": one.selector,
                    "rpm": one.rpm,
                    "tpm": one.tpm,
                    "parallel": one.parallel_max,
                }
                for one in limits
            ],
            "budgets": [_budget(one, now_us, spent_status) for one in standings],
        }
    )


def _budget(standing: Standing, now_us: int, spent_status: int) -> dict[str, Any]:
    terms = standing.terms
    start: int | None = standing.window_start_us
    if terms.period == "total":
        start = None
    elif is_rolling(terms.period):
        start = first_bucket(terms.period, now_us)
    return {
        "selector": terms.selector,
        "subject": json.loads(standing.subject) if standing.subject else [],
        "period": terms.period,
        "timezone": terms.zone,
        "mode": terms.mode,
        "prepaid": terms.is_prepaid,
        "limit_nanousd": standing.limit_nanousd,
        "spent_nanousd": standing.spent,
        "held_nanousd": standing.held,
        "doubt_nanousd": standing.doubt,
        "left_nanousd": max(0, standing.free),
        "percent": standing.percent,
        "window_start": iso(start),
        "resets_at": iso(standing.resets_at_us),
        "rules": [
            {
                "percent": rule.percent,
                "action": rule.action,
                "words": rule_words(replace(rule, channels=()), owner=OWNER, status=spent_status),
            }
            for rule in sorted(terms.rules, key=lambda rule: rule.percent)
        ],
    }
