"""`--where` as SQL and as a predicate are one: for any expression, the same rows of a database.

What a row shows for each field is worked out here from its columns, by plain Python.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferrycli.rules.filters import (
    DEPTH_MAX,
    FIELDS,
    OPERATORS,
    TAG,
    Comparison,
    Every,
    Expression,
    Not,
    Some,
    Value,
    parse_filter,
    predicate,
)
from ferrycli.store import changes, reads, sums
from ferrycli.store.where import (
    CORRECTED_COST,
    CORRECTIONS,
    COST,
    DAILY_FIELDS,
    is_daily,
    where_sql,
)
from tests.rules.expressions import NAMES, comparisons, expressions
from tests.store.kit import NOON, Clock, Ids, looking

EVER = (0, 1 << 60)

POOL = (
    "", "a", "A", "acme", "ACME", "Acme Corp", "é", "É", "e\u0301", "ß", "SS", "ſ", "s", "K",
    "\u212a", "İ", "日本語", "😀", "%", "_", "a%b", "a_b", "*", "?", "[a]", "'", "''", '"', "\\",
    "a'b", 'a"b', "a\\'b", "' OR 1=1 --", "'; DROP TABLE calls; --", "x' AND tag = 'y", "NULL",
    "null", "0", "1", "1.0", "01", "1e3", "0x1", " a", "a ", "a\tb", "a\nb", "\x1b[2J", "\u202e",
    "\u2028", "a,b", "(a)", "tag:plan", "x" * 200,
)  # fmt: skip
TAG_NAMES = ("plan", "Plan", "a.b", "$.plan", "é", "日", "😀", "a'b", "'", "x') OR 1=1 --", "?")
COUNTS = (0, 0, 1, 2, 999, 1_000, 1_001, 10**6)
COSTS = (None, None, 0, 1, 224, 225, 226, 10**9, 10**18)
TEXTS = {name: name for name, field in FIELDS.items() if field.kind == "text"} | {
    "requested": "requested_model",
    "error": "error_code",
    "finish": "finish_reason",
    "source": "cost_source",
}
BUCKETS = (
    "n_cache_read n_cache_write_5m n_cache_write_30m n_cache_write_1h n_cache_write_12h"
    " n_audio_in n_image_in n_input"
).split()


Seen = Callable[[str], Value | None]


@dataclass(frozen=True)
class Made:
    """A row as it was written, and as a predicate asks for it: as billed, and with corrections."""

    id: str
    seq: int
    billed: Seen
    corrected: Seen


@dataclass(frozen=True)
class Filled:
    """A database of some hundred rows."""

    connection: sqlite3.Connection
    rows: tuple[Made, ...]


def columns(chance: random.Random, keys: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: chance.choice(POOL) for name in TEXTS.values()}
    del row["id"], row["key"]
    started = NOON + chance.randrange(10**9)
    row |= {
        "state": chance.choice(["settled", "settled", "held", "released", "denied", "recovered"]),
        "cost_source": chance.choice(["reported", "estimated", "unpriced", "provider", ""]),
        "cost_nanousd": chance.choice(COSTS),
        "started_at": started,
        "first_byte_at": chance.choice([None, started, started + 499, started + 1_500_500]),
        "finished_at": chance.choice([None, started - 10**6, started + 500, started + 2 * 10**6]),
        "key_id": chance.choice(["", "key_gone", *keys]),
        "tags": chance.choice(["", tags(chance), tags(chance)]),
        "is_stream": chance.randrange(2),
        "status": chance.choice([0, 200, 429, 500]),
        "attempts": chance.choice([1, 2, 3]),
    }
    counts = (*BUCKETS, "n_output", "n_audio_out", "n_reasoning")
    return row | {name: chance.choice(COUNTS) for name in counts}


def tags(chance: random.Random) -> str:
    held = {name: chance.choice(POOL) for name in TAG_NAMES if chance.random() < 0.4}
    return json.dumps(held, ensure_ascii=chance.random() < 0.5)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Written by plain INSERTs, in an order of its own; read through ferry's own connection."""
    path: Path = tmp_path_factory.mktemp("where") / "ferry.db"
    keys = [
        changes.create_key(path, changes.KeyPlan(name=name)).id for name in ("web", "a'b", "日本語")
    ]
    chance = random.Random(20261124)
    clock = Clock()
    ids = Ids(clock)
    made = []
    with looking(path) as connection:
        names = dict(connection.execute("SELECT id, name FROM keys").fetchall())
        for number in range(300):
            clock.move(1)
            new = ids.make()
            row: dict[str, Any] = {"seq": new.seq, "id": new.text("c")} | columns(chance, keys)
            insert(connection, "calls", row)
            deltas = chance.choice([[], [], [], [5], [-(10**9)], [7, -3], [0]])
            for place, delta in enumerate(deltas):
                correction = {"id": f"{number}.{place}", "call_seq": new.seq}
                insert(connection, "corrections", correction | {"delta_nanousd": delta})
            row["key"] = names.get(row["key_id"], row["key_id"])
            cost: int | None = row["cost_nanousd"]
            corrected = max(0, (cost or 0) + sum(deltas)) if deltas else cost
            made.append(Made(row["id"], new.seq, seen(row, cost), seen(row, corrected)))
    with reads.opened(path) as connection:
        yield Filled(connection, tuple(made))


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def seen(row: dict[str, Any], cost: int | None) -> Seen:
    """The row as a predicate asks for it, where it costs `cost`."""

    def took(end: int | None) -> int | None:
        return None if end is None else (max(0, end - row["started_at"]) + 500) // 1000

    values: dict[str, Value | None] = {field: row[name] for field, name in TEXTS.items()}
    values |= {f"{TAG}{name}": value for name, value in json.loads(row["tags"] or "{}").items()}
    values |= {
        "cost": cost,
        "input": sum(row[name] for name in BUCKETS),
        "cached": row["n_cache_read"],
        "output": row["n_output"] + row["n_audio_out"],
        "reasoning": row["n_reasoning"],
        "status": row["status"],
        "attempts": row["attempts"],
        "latency": took(row["finished_at"]),
        "first_byte": took(row["first_byte_at"]),
        "stream": row["is_stream"],
        "unpriced": int(row["cost_source"] == "unpriced" and cost is None),
        "estimated": int(row["cost_source"] == "estimated"),
        "denied": int(row["state"] == "denied"),
        "open": int(row["state"] == "held"),
    }
    assert set(FIELDS) <= set(values)
    return lambda field: values.get(field, "") if field.startswith(TAG) else values[field]


def asked(filled: Filled, expression: Expression) -> None:
    """The same rows from the database and from the predicate, with corrections and without."""
    holds = predicate(expression)
    for cost, joined in ((COST, ""), (CORRECTED_COST, CORRECTIONS)):
        condition, values = where_sql(expression, cost)
        query = f"SELECT c.id, {condition} FROM calls c{joined} WHERE {condition}"
        found = sorted(map(tuple, filled.connection.execute(query, [*values, *values])))
        assert found == [
            (one.id, 1) for one in filled.rows if holds(one.corrected if joined else one.billed)
        ]


TEXT_VALUES = st.sampled_from(POOL) | st.sampled_from(POOL).map(lambda text: text[:2]) | NAMES
NUMBERS = {
    "count": st.sampled_from([*COUNTS, 200, 429, 500, 2**63 - 1]) | st.integers(0, 10**7),
    "money": st.sampled_from([cost for cost in COSTS if cost is not None]) | st.integers(0, 10**10),
    "duration": st.sampled_from([0, 1, 2, 1_500, 1_501, 2_000]) | st.integers(0, 3_000),
    "flag": st.integers(0, 1),
}
FIELD_NAMES = st.sampled_from([*FIELDS, *(f"{TAG}{name}" for name in (*TAG_NAMES, "none"))])
TREES = expressions(comparisons(FIELD_NAMES, TEXT_VALUES, NUMBERS))


@settings(
    max_examples=250,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(expression=TREES)
def test_database_and_predicate_agree(filled: Filled, expression: Expression) -> None:
    asked(filled, expression)
    listed = [one.id for one in reads.calls(filled.connection, *EVER, where=expression)]
    holds = predicate(expression)
    assert listed == [one.id for one in reversed(filled.rows) if holds(one.corrected)]


def test_each_comparison_of_each_field_agrees(filled: Filled) -> None:
    """Every operator against values that rows have, and that lie between them."""
    values: dict[str, tuple[Value, ...]] = {
        "text": (
            "",
            "a",
            "ACME",
            "É",
            "日",
            "%",
            "_",
            "'",
            "\\",
            "1",
            "web",
            "key_gone",
            "reported",
        ),
        "count": (0, 1, 2, 200, 999, 1_000, 2**63 - 1),
        "money": (0, 1, 5, 224, 225, 230, 10**9, 10**18 + 5),
        "duration": (0, 1, 2, 1_500, 1_501, 2_000),
        "flag": (0, 1),
    }
    for field in (*FIELDS, f"{TAG}plan", f"{TAG}none"):
        kind = "text" if field.startswith(TAG) else FIELDS[field].kind
        for operator in OPERATORS[kind]:
            for value in values[kind]:
                asked(filled, Comparison(field, operator, value))


def test_a_comparison_and_its_contrary_part_the_rows(filled: Filled) -> None:
    """Two-valued: also where a cost, an end or a first byte is not known."""
    everything = {one.id for one in filled.rows}
    for text in ("cost>0", "cost=0", "latency<=1s", "first_byte!=0", "tag:plan~a", "key!~w"):
        one = parse_filter(text)
        parts = [
            {call.id for call in reads.calls(filled.connection, *EVER, where=where)}
            for where in (one, Not(one))
        ]
        assert parts[0] | parts[1] == everything
        assert not parts[0] & parts[1]
        assert all(parts), text


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1", "'; DROP TABLE calls; --", '" OR ""="', "a\\' OR 1=1 --", "?", "?1", ":a",
        "@x", "$y", "') OR (1=1", "x') UNION SELECT secret_sha256 FROM keys --", "{cost}", "{}",
        "%s", "/*", "*/ OR 1", "\u2019 OR 1=1", "a" * 1_500,
    ],
)  # fmt: skip
def test_a_value_or_a_tag_never_becomes_sql(filled: Filled, text: str) -> None:
    for operator in OPERATORS["text"]:
        for one, other in (
            (Comparison("tenant", operator, text), Comparison("tenant", operator, "acme")),
            (Comparison(f"{TAG}{text}", operator, "v"), Comparison(f"{TAG}plan", operator, "v")),
        ):
            assert where_sql(one, CORRECTED_COST)[0] == where_sql(other, CORRECTED_COST)[0]
            assert text in where_sql(one, CORRECTED_COST)[1]
            asked(filled, one)
    assert filled.connection.execute("SELECT count(*) FROM calls").fetchone()[0] == 300


@pytest.mark.parametrize("leaf", ["tag:x=1", "cost>1", "key=a", "unpriced", "latency>1"])
@pytest.mark.parametrize(
    "level", ["(tenant=a or tenant=b and ", "(tenant=a or tenant=b and not ", "(", "not ", "not ("]
)
def test_what_can_be_written_the_database_can_read(filled: Filled, level: str, leaf: str) -> None:
    """SQLite's parser has a stack of a hundred places: no filter within the limits fills it."""
    cost = level.count("(") + level.count("not")
    times = DEPTH_MAX // cost
    expression = parse_filter(level * times + leaf + ")" * (times * level.count("(")))
    asked(filled, expression)
    for by in (("tenant",), ("user", "key")):
        sums.sums(filled.connection, sums.Question(by, *EVER, expression))


def test_a_hundred_comparisons_are_one_query(filled: Filled) -> None:
    for word in (" and ", " or "):
        asked(filled, parse_filter(word.join(["tag:plan!=a", "cost>=0"] * 50)))


@pytest.mark.parametrize(
    ("text", "is_in_summaries"),
    [
        ("tenant=a", True), ("tenant=a and not (model~x or outcome!=ok)", True),
        ("key=web, provider=a, route=b, feature=c, assistant=d", True), ("user=a", False),
        ("tenant=a or thread=b", False), ("not cost>1", False), ("tag:tenant=a", False),
        ("model=a and (feature=b or unpriced)", False), ("requested=a", False), ("open", False),
    ],
)  # fmt: skip
def test_only_what_summaries_hold_is_asked_of_them(text: str, is_in_summaries: bool) -> None:
    assert is_daily(parse_filter(text)) is is_in_summaries
    assert is_daily(None)


def test_summaries_are_asked_for_fields_that_they_have(path: Path) -> None:
    with looking(path) as connection:
        held = {row["name"] for row in connection.execute("PRAGMA table_info(daily)")}
        for field in DAILY_FIELDS:
            condition, values = where_sql(Comparison(field, "~", "x"), COST)
            connection.execute(f"SELECT * FROM daily c WHERE {condition}", values)
    assert held >= DAILY_FIELDS - {"key"}


def test_calls_are_limited_after_they_were_filtered(filled: Filled) -> None:
    one = Comparison("status", "=", 429)
    every = [call.id for call in reads.calls(filled.connection, *EVER, where=one)]
    assert len(every) > 5
    assert [call.id for call in reads.calls(filled.connection, *EVER, 3, one)] == every[:3]
    middle = (filled.rows[150].seq >> 21) * 1000
    late = [call.id for call in reads.calls(filled.connection, middle, 1 << 60, where=one)]
    assert late == [id for id in every if id in {row.id for row in filled.rows[150:]}]
    assert 0 < len(late) < len(every)


def test_every_part_has_its_own_values(filled: Filled) -> None:
    tree = Some((
        Every((Comparison(f"{TAG}plan", "=", "a"), Comparison("cost", ">", 1))),
        Not(Comparison("tenant", "~", "c")),
    ))  # fmt: skip
    assert where_sql(tree, COST)[1] == ["plan", "a", 1, "c"]
    asked(filled, tree)
