"""`--where` as SQL: an expression of `rules/filters.py` over the columns of `calls c`.

Every comparison comes out true or false, never NULL, so that `not` means what it says. Values are
always bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferrycli.rules.filters import (
    TAG,
    Comparison,
    Every,
    Expression,
    Not,
    Some,
    Value,
    fields_of,
)

COST = "c.cost_nanousd"
CORRECTED_COST = (
    "CASE WHEN c.cost_nanousd IS NULL AND d.delta IS NULL THEN NULL"
    " ELSE max(0, coalesce(c.cost_nanousd, 0) + coalesce(d.delta, 0)) END"
)
"""Cost and corrections, never below 0; NULL where neither says anything. Needs `CORRECTIONS`."""
CORRECTED_DOUBT = "max(0, c.doubt_nanousd + coalesce(d.doubt, 0))"
"""What corrections have left of a call's doubt. Needs `CORRECTIONS`."""
CORRECTIONS = (
    " LEFT JOIN (SELECT call_seq, sum(delta_nanousd) AS delta, sum(doubt_delta_nanousd) AS doubt"
    " FROM corrections GROUP BY call_seq) d ON d.call_seq = c.seq"
)
DOUBT_RELEASED = "release-doubt"
"""The reason of a correction that ends doubt and says nothing of a cost."""
IS_CORRECTED = (
    "EXISTS (SELECT 1 FROM corrections x WHERE x.call_seq = c.seq"
    f" AND (x.delta_nanousd <> 0 OR x.reason <> '{DOUBT_RELEASED}'))"
)
"""Whether a correction says what a call cost."""

INPUT_TOKENS = (
    "c.n_input + c.n_cache_read + c.n_cache_write_5m + c.n_cache_write_30m"
    " + c.n_cache_write_1h + c.n_cache_write_12h + c.n_audio_in + c.n_image_in"
)
OUTPUT_TOKENS = "c.n_output + c.n_audio_out"

_TOOK_MS = "(max(0, {end} - c.started_at) + 500) / 1000"

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "tenant": "c.tenant",
        "user": 'c."user"',
        "assistant": "c.assistant",
        "thread": "c.thread",
        "feature": "c.feature",
        "key": "coalesce((SELECT k.name FROM keys k WHERE k.id = c.key_id), c.key_id)",
        "provider": "c.provider",
        "model": "c.model",
        "requested": "c.requested_model",
        "route": "c.route",
        "priority": "c.priority",
        "endpoint": "c.endpoint",
        "outcome": "c.outcome",
        "error": "c.error_code",
        "finish": "c.finish_reason",
        "tier": "c.tier",
        "source": "c.cost_source",
        "id": "c.id",
        "cost": "{cost}",
        "input": INPUT_TOKENS,
        "cached": "c.n_cache_read",
        "output": OUTPUT_TOKENS,
        "reasoning": "c.n_reasoning",
        "status": "c.status",
        "attempts": "c.attempts",
        "latency": _TOOK_MS.format(end="c.finished_at"),
        "first_byte": _TOOK_MS.format(end="c.first_byte_at"),
        "stream": "c.is_stream",
        "unpriced": "(c.cost_source = 'unpriced' AND ({cost}) IS NULL)",
        "estimated": "(c.cost_source = 'estimated')",
        "denied": "(c.state = 'denied')",
        "open": "(c.state = 'held')",
    }
)
"""The SQL of each field of `rules/filters.py`; `{cost}` is what a call cost."""

TAG_VALUE = "coalesce((SELECT t.value FROM json_each(nullif(c.tags, '')) t WHERE t.key = ?), '')"

DAILY_FIELDS = frozenset(
    ("tenant", "feature", "assistant", "provider", "model", "route", "key", "outcome")
)
"""Fields that the summaries of whole days hold too, under the same names of columns."""


def is_daily(expression: Expression | None) -> bool:
    """Whether the summaries of whole days can answer for this filter."""
    return expression is None or DAILY_FIELDS.issuperset(fields_of(expression))


def where_sql(expression: Expression, cost: str) -> tuple[str, list[Value]]:
    """The condition and what is bound in it. `cost`: the SQL of what a call cost."""
    match expression:
        case Comparison():
            return _comparison(expression, cost)
        case Not(part=part):
            sql, values = where_sql(part, cost)
            return f"NOT {sql}", values
        case Every(parts=parts) | Some(parts=parts):
            word = " AND " if isinstance(expression, Every) else " OR "
            each = [where_sql(part, cost) for part in parts]
            return f"({word.join(sql for sql, _ in each)})", [
                value for _, values in each for value in values
            ]


def _comparison(one: Comparison, cost: str) -> tuple[str, list[Value]]:
    bound: list[Value] = []
    if one.field.startswith(TAG):
        column = TAG_VALUE
        bound.append(one.field.removeprefix(TAG))
    else:
        column = f"({_COLUMNS[one.field].format(cost=cost)})"
    if one.operator in ("~", "!~"):
        sign = ">" if one.operator == "~" else "="
        # An empty part is in every name, as it is for a person.
        return f"(instr(lower({column}), lower(?)) {sign} 0)", [*bound, one.value]
    unknown = 1 if one.operator == "!=" else 0
    return f"coalesce({column} {one.operator} ?, {unknown})", [*bound, one.value]
