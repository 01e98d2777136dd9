"""A running server sees what another process does to keys, on the next request."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.ceilings import HOLD_LINES
from ferrycli.rules.pricing import ceil_cost
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes, reads
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, settled_rows
from tests.whole.upstream import Upstream

ASK: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}


def test_new_key_opens_at_once_and_a_revoked_one_closes_at_once(
    server: Server, upstream: Upstream
) -> None:
    for turn in range(5):
        new = changes.create_key(server.database, changes.KeyPlan(name=f"k{turn}"))
        client = server.client(new.secret)
        client.chat.completions.create(**ASK)
        changes.revoke_key(server.database, new.name)
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(**ASK)
        assert caught.value.code == "invalid_api_key"
    assert len(upstream.seen) == 5


def test_changed_policy_models_and_budget_count_on_the_next_call(
    server: Server, upstream: Upstream, secret: str
) -> None:
    client = server.client(secret)
    client.chat.completions.create(**ASK)
    policies = {"tenant": Policy.of("pin", "globex")}
    changes.edit_key(server.database, "acme-chat", changes.KeyEdit(policies=policies))
    client.chat.completions.create(**ASK)
    assert [row.tenant for row in settled_rows(server.database, 2)] == ["acme", "globex"]

    changes.edit_key(server.database, "acme-chat", changes.KeyEdit(models=("up/m-2*",)))
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(**ASK)
    assert refused.value.code == "model_not_allowed"
    client.chat.completions.create(**{**ASK, "model": "m-2"})
    assert [one.id for one in client.models.list()] == []

    budget = changes.KeyEdit(allowance=Allowance.parse("0.000001/total"))
    changes.edit_key(server.database, "acme-chat", budget)
    with pytest.raises(openai.RateLimitError) as spent:
        client.chat.completions.create(**{**ASK, "model": "m-2"})
    assert spent.value.code == "insufficient_quota"
    raised = changes.KeyEdit(allowance=Allowance.parse("1/total"))
    changes.edit_key(server.database, "acme-chat", raised)
    client.chat.completions.create(**{**ASK, "model": "m-2"})
    assert len(upstream.seen) == 4


def test_new_price_counts_on_the_next_call(server: Server, secret: str) -> None:
    from ferrycli.rules.pricing import Rate

    client = server.client(secret)
    client.chat.completions.create(**ASK)
    rate = Rate(input=1_000_000_000, output=0)
    changes.set_price(server.database, "up", "m-*", rate)
    client.chat.completions.create(**ASK)
    first, second = settled_rows(server.database, 2)
    assert second.cost_nanousd == 100 * 1_000
    assert first.cost_nanousd == 100 * 3_000 + 20 * 15_000
    assert first.price_version != second.price_version


def test_required_dimension_that_is_missing_is_refused(server: Server) -> None:
    plan = changes.KeyPlan(name="strict", policies={"user": Policy.of("require")})
    client = server.client(changes.create_key(server.database, plan).secret)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ASK)
    assert caught.value.code == "missing_attribution"
    client.chat.completions.create(**ASK, extra_headers={"X-Ferry-User": "ana"})


def test_budget_bounds_an_open_answer_and_says_so(
    server: Server, upstream: Upstream, capped_secret: str
) -> None:
    client = server.client(capped_secret)
    big: dict[str, Any] = {**ASK, "messages": [{"role": "user", "content": "x" * 40_000}]}
    small = changes.KeyEdit(allowance=Allowance.parse("2/month"))
    changes.edit_key(server.database, "capped", small)
    reply = client.chat.completions.with_raw_response.create(**big, max_tokens=32_000)
    assert upstream.seen[0].body["max_tokens"] == int(reply.headers["x-ferry-max-tokens"])
    assert 2 * 1_024 <= upstream.seen[0].body["max_tokens"] <= 8 * 1_024
    open_reply = client.chat.completions.with_raw_response.create(**big)
    assert upstream.seen[1].body["max_completion_tokens"] == int(
        open_reply.headers["x-ferry-max-tokens"]
    )
    assert float(open_reply.headers["x-ferry-budget-remaining-usd"]) < 2


def test_hold_can_be_recomputed_from_the_row(
    server: Server, upstream: Upstream, capped_secret: str
) -> None:
    client = server.client(capped_secret)
    client.chat.completions.create(**ASK, n=2)
    client.chat.completions.create(**ASK, max_tokens=300)
    settled_rows(server.database, 2)
    with reads.opened(server.database) as connection:
        found = connection.execute(
            "SELECT hold_nanousd, input_ceiling_nanousd, output_rate_nanousd, output_held,"
            " choices, input_bound FROM calls ORDER BY seq"
        ).fetchall()
    for hold, fixed, rate, held, choices, bound in found:
        assert hold == fixed + ceil_cost(held, rate)
        assert rate == OUTPUT_RATE * choices
        assert fixed == ceil_cost(bound, INPUT_RATE) + HOLD_LINES + choices
    assert [row["choices"] for row in found] == [2, 1]
    assert found[1]["output_held"] == 300
