"""From what is known of a request to the question that the ledger is asked. No I/O."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from ferrycli.rules.attribution import Attribution
from ferrycli.rules.budget import EXPECTED_OUTPUT_TOKENS, Ask, is_open
from ferrycli.rules.ceilings import Bounds, ceiling
from ferrycli.rules.choices import Choice
from ferrycli.rules.estimate import UNLEARNED, Manner, likely_answer, tokens
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import RateCard, ceil_cost
from ferrycli.rules.routing import Target
from ferrycli.rules.selectors import facts_of
from ferrycli.store.ids import NewId
from ferrycli.store.messages import Admit, Candidate
from ferrycli.store.rows import Aim, Opening
from ferrycli.wire.facts import Facts

PAIRS_KEPT_MAX = 4_096
INPUT_UNKNOWN_TOKENS = 2_000_000
"""The input bound where neither the request nor the catalogue bounds it: no window is larger."""


class Asked(Struct, frozen=True):
    """A request, understood, at one target that may carry it."""

    id: NewId
    name: str
    """`id` as it is shown: `c_…`."""
    endpoint: str
    key: KeyTerms
    attribution: Attribution
    facts: Facts
    target: Target
    card: RateCard | None
    epoch: int
    client_retry: int
    choice: Choice | None = None
    """How the target was come by; None: it was named itself."""
    assignment: str = ""
    idempotency_key: str = ""
    thread_bound: int | None = None
    """What an earlier call of the thread says that the input can be at the most."""
    manner: Manner = UNLEARNED
    """How the target's model answers, as far as it was learned when the call came."""

    @property
    def route(self) -> str:
        """The route that the target is of; empty where a model was named itself."""
        return self.choice.route if self.choice is not None else ""

    @property
    def tier(self) -> str:
        """`normal`, `cheaper` or `free`."""
        return self.choice.tier if self.choice is not None else "normal"

    @property
    def output_asked(self) -> int | None:
        """The least of the caller's limit and of what route and assignment allow, per choice."""
        asked = self.facts.output_asked
        own = self.choice.output_max if self.choice is not None else None
        if own is None or asked is None:
            return asked if own is None else own
        return min(own, asked)


def question(ways: Sequence[Asked], *, may_wait: bool = False) -> Admit:
    """What the ledger must know to admit this call by one of its `ways`."""
    first = ways[0]
    bound, output_asked = input_bound(first), first.output_asked
    used = tokens(first.facts.input_characters, first.target.model)
    expected, answer_rate = _likely_cost(first, min(used, bound), output_asked)
    ask = _ask(first, bound, expected, answer_rate, output_asked)
    aim = _aim(first, ask, bound, expected) if len(ways) > 1 else None
    candidates = (_candidate(first, ask, aim), *map(candidate, ways[1:]))
    row = opening(first, ask, bound, expected)
    answer = EXPECTED_OUTPUT_TOKENS if output_asked is None else output_asked
    held = used + min(answer, EXPECTED_OUTPUT_TOKENS) * first.facts.choices
    return Admit(row, candidates, first.epoch, held, first.idempotency_key, may_wait)


def candidate(asked: Asked) -> Candidate:
    """One way of several, as the ledger judges it."""
    bound, output_asked = input_bound(asked), asked.output_asked
    used = min(tokens(asked.facts.input_characters, asked.target.model), bound)
    expected, answer_rate = _likely_cost(asked, used, output_asked)
    ask = _ask(asked, bound, expected, answer_rate, output_asked)
    return _candidate(asked, ask, _aim(asked, ask, bound, expected))


def _candidate(asked: Asked, ask: Ask, aim: Aim | None) -> Candidate:
    choice = asked.choice
    return Candidate(
        ask,
        selector_facts(asked),
        aim,
        asked.tier,
        choice.via if choice is not None else "",
        choice.condition if choice is not None else None,
    )


def _ask(
    asked: Asked, bound: int, expected: int | None, answer_rate: int, output_asked: int | None
) -> Ask:
    facts, card = asked.facts, asked.card
    limits = None
    if card is not None and not facts.unbounded_field:
        # Providers of kind openai write to their caches by themselves, at a price of its own.
        limits = ceiling(
            card,
            Bounds(
                bound,
                facts.choices,
                facts.tier,
                writes_cache=True,
                has_audio=facts.has_audio,
                has_output=output_asked != 0,
                predicted_tokens_max=facts.predicted_bytes,
            ),
        )
    is_bounded_here = output_asked != facts.output_asked
    return Ask(
        target=str(asked.target),
        ceiling=limits,
        is_priced=card is not None,
        is_free=card is not None and card.is_free,
        output_asked=output_asked,
        output_max=card.output_tokens_max or card.context_tokens_max if card else None,
        expected_nanousd=expected or 0,
        thinking_tokens=facts.thinking_tokens,
        answer_rate=answer_rate,
        unbounded_field=facts.unbounded_field or _unbounded_field(card),
        is_bounded_here=is_bounded_here,
        is_left_open=is_bounded_here and is_open(facts.output_asked),
    )


def _unbounded_field(card: RateCard | None) -> str:
    """What to change in a request that no ceiling can be stated for."""
    return "model" if card is not None and card.is_incomplete else "service_tier"


def input_bound(asked: Asked) -> int:
    """The most tokens that the input can be: never more than the model's context holds."""
    window = asked.card.context_tokens_max if asked.card else None
    least = None
    for bound in (asked.facts.input_bound_at(asked.target.model), asked.thread_bound, window):
        if bound is not None and (least is None or bound < least):
            least = bound
    return INPUT_UNKNOWN_TOKENS if least is None else least


def _likely_cost(asked: Asked, used: int, output_asked: int | None) -> tuple[int | None, int]:
    """What the call probably costs with `used` tokens of input; None: no price says it.

    Then the nano-dollars per million tokens of answer, all choices together; 0: nothing says so.
    """
    if asked.card is None:
        return None, 0
    choices = asked.facts.choices
    rate, _ = asked.card.rate(used, asked.facts.tier)
    answer = likely_answer(EXPECTED_OUTPUT_TOKENS, output_asked) * choices
    answer_rate = (rate.output or 0) * choices
    if (used and rate.input is None) or (answer and rate.output is None):
        return None, answer_rate
    cost = ceil_cost(used, rate.input or 0) + ceil_cost(answer, rate.output or 0)
    return cost, answer_rate


def selector_facts(asked: Asked) -> dict[str, str]:
    """Dimension to value, as budgets select by them."""
    facts = facts_of(asked.attribution)
    facts["key"] = asked.key.id
    facts["provider"] = asked.target.provider
    facts["model"] = asked.target.model
    facts["route"] = asked.route
    return facts


def _aim(asked: Asked, ask: Ask, bound: int, expected: int | None) -> Aim:
    return Aim(
        provider=asked.target.provider,
        model=asked.target.model,
        route=asked.route,
        sent_model=asked.target.model,
        expected_nanousd=expected,
        price_version=asked.card.version if asked.card else "",
        input_bound=bound,
        input_ceiling_nanousd=ask.ceiling.input_nanousd if ask.ceiling else None,
        output_rate_nanousd=ask.ceiling.output_rate if ask.ceiling else None,
    )


@lru_cache(PAIRS_KEPT_MAX)
def pairs_text(pairs: tuple[tuple[str, str], ...]) -> str:
    """Tags or sources as a row keeps them: a JSON object, empty for none."""
    return json.dumps(dict(pairs)) if pairs else ""


def opening(asked: Asked, ask: Ask, bound: int, expected: int | None) -> Opening:
    """The call's row before it goes, with its input bound and its expected cost."""
    attribution, facts = asked.attribution, asked.facts
    prints = facts.fingerprints
    limits, target = ask.ceiling, asked.target
    # In the order of the columns: by name it would take three times as long.
    return Opening(
        asked.id.seq,
        asked.name,
        asked.id.at_us,
        asked.key.id,
        attribution.tenant,
        attribution.user,
        attribution.assistant,
        attribution.thread,
        attribution.feature,
        target.provider,
        target.model,
        asked.route,
        expected,
        asked.card.version if asked.card else "",
        attribution.priority,
        asked.endpoint,
        facts.is_stream,
        facts.model,
        target.model,
        asked.client_retry,
        pairs_text(attribution.tags),
        pairs_text(attribution.sources),
        prints.prefix_hash,
        prints.request_hash,
        prints.last_message_hash,
        prints.prefix_bytes,
        prints.request_bytes,
        prints.last_message_bytes,
        bound,
        facts.choices,
        facts.tier,
        limits.input_nanousd if limits else None,
        limits.output_rate if limits else None,
        facts.output_asked,
        ask.expected_output_tokens,
        asked.assignment,
    )
