"""The tables that the migrations make are those that the classes describe."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import Table
from sqlalchemy.dialects import sqlite as dialect
from sqlmodel import SQLModel

from ferrycli.rules.pricing import Rate
from ferrycli.rules.usage import BUCKETS
from ferrycli.store import daily, reads, rows, sums, tables, tables_control
from tests.store.kit import looking

CLASSES = {
    table.name: table
    for model in [*vars(tables).values(), *vars(tables_control).values()]
    if isinstance(model, type) and issubclass(model, SQLModel) and model is not SQLModel
    for table in [model.__table__]  # type: ignore[attr-defined]
}


def affinity(declared: str) -> str:
    """SQLite's own rules, https://sqlite.org/datatype3.html section 3.1."""
    name = declared.upper()
    if "INT" in name:
        return "INTEGER"
    if "CHAR" in name or "CLOB" in name or "TEXT" in name:
        return "TEXT"
    if "BLOB" in name or not name:
        return "BLOB"
    return "REAL" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def column_names(path: Path, table: str) -> set[str]:
    with looking(path) as connection:
        return {one["name"] for one in connection.execute(f"PRAGMA table_info({table})")}


def test_migrations_make_every_table_of_the_classes_and_no_other(path: Path) -> None:
    with looking(path) as connection:
        made = {
            one[0]
            for one in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }
    assert made == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_columns_are_those_of_the_class(path: Path, name: str) -> None:
    with looking(path) as connection:
        made = {
            one["name"]: (affinity(one["type"]), bool(one["notnull"]) or one["pk"] > 0, one["pk"])
            for one in connection.execute(f"PRAGMA table_info({name})")
        }
    table: Table = CLASSES[name]
    keys = [column.name for column in table.primary_key.columns]
    described = {
        column.name: (
            affinity(column.type.compile(dialect.dialect())),
            not column.nullable,
            keys.index(column.name) + 1 if column.name in keys else 0,
        )
        for column in table.columns
    }
    assert made == described


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_indexes_and_unique_columns_are_those_of_the_class(path: Path, name: str) -> None:
    made_indexes, made_unique = set(), set()
    with looking(path) as connection:
        for index in connection.execute(f"PRAGMA index_list({name})").fetchall():
            columns = tuple(
                one["name"] for one in connection.execute(f"PRAGMA index_info({index['name']})")
            )
            if index["origin"] == "c":
                made_indexes.add(
                    (index["name"], columns, bool(index["partial"]), bool(index["unique"]))
                )
            elif index["origin"] == "u":
                made_unique.add(columns)
    table = CLASSES[name]
    described = {
        (
            index.name,
            tuple(index.columns.keys()),
            index.dialect_options["sqlite"]["where"] is not None,
            index.unique,
        )
        for index in table.indexes
    }
    unique = {(column.name,) for column in table.columns if column.unique}
    assert made_indexes == described
    assert made_unique == unique


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_defaults_of_the_file_are_those_of_the_class(path: Path, name: str) -> None:
    with looking(path) as connection:
        made = {
            one["name"]: one["dflt_value"]
            for one in connection.execute(f"PRAGMA table_info({name})")
            if one["pk"] == 0
        }
    for column in CLASSES[name].columns:
        default = column.default
        if made.get(column.name) is None or default is None:
            continue
        value = getattr(default, "arg", None)
        text = f"'{value}'" if isinstance(value, str) else str(value)
        assert made[column.name] == text, column.name


def test_row_key_of_calls_is_the_rowid_so_that_time_orders_the_table(path: Path) -> None:
    with looking(path) as connection:
        connection.execute("INSERT INTO calls (seq, id, state) VALUES (7, 'c_7', 'denied')")
        assert connection.execute("SELECT rowid FROM calls").fetchone()[0] == 7
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM calls WHERE seq >= 1 AND seq < 9 ORDER BY seq DESC"
        ).fetchall()
    assert [one["detail"] for one in plan] == [
        "SEARCH calls USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
    ]


def test_columns_that_reads_carries_exist_and_are_the_fields_of_a_call(path: Path) -> None:
    assert set(reads.CALL_COLUMNS) <= column_names(path, "calls")
    names = [field.name for field in fields(reads.CallRow)]
    assert names == [*reads.CALL_COLUMNS, "key", "cost_nanousd", "doubt_nanousd", "is_corrected"]
    assert len(set(names)) == len(names)


def test_columns_of_an_opening_and_a_decision_exist(path: Path) -> None:
    named = [*rows.Opening._fields, *rows.Decided._fields]
    assert set(rows.Held._fields) <= set(rows.Decided._fields)
    assert set(named) <= column_names(path, "calls")
    assert len(set(named)) == len(named), "one half overwrites the other"


def test_statements_that_write_calls_compile_on_the_tables(path: Path) -> None:
    with looking(path) as connection:
        for statement in (rows.INSERT_CALL, *rows.INSERT_HELD.values(), *rows.CLOSE_CALL.values()):
            # Parameters that are used twice are numbered.
            numbers = set(re.findall(r"\?[0-9]+", statement))
            nothing = [None] * (len(numbers) or statement.count("?"))
            connection.execute(f"EXPLAIN {statement}", nothing).fetchall()


def test_every_bucket_has_a_column_in_calls_and_in_rates(path: Path) -> None:
    assert {f"n_{bucket}" for bucket in BUCKETS} <= column_names(path, "calls")
    assert {field.name for field in fields(Rate)} == set(BUCKETS)
    assert set(BUCKETS) <= column_names(path, "rates")


def test_every_group_of_sums_is_a_column(path: Path) -> None:
    with reads.opened(path) as connection:
        for name in sums.GROUPS:
            assert sums.sums(connection, sums.Question((name,), 0, 1 << 60)) == []


def test_the_summary_of_a_day_holds_every_figure_and_no_other_column(path: Path) -> None:
    assert column_names(path, "daily") == set(daily.DAY_COLUMNS)


@pytest.mark.parametrize(
    "change",
    [
        "state = 'held'",
        "cost_nanousd = 0",
        "cost_nanousd = cost_nanousd",
        "tenant = 'other'",
        "doubt_nanousd = 0",
    ],
)
@pytest.mark.parametrize("state", ["settled", "released", "recovered", "denied"])
def test_finished_call_never_changes(path: Path, state: str, change: str) -> None:
    with looking(path) as connection:
        connection.execute("INSERT INTO calls (seq, id, state) VALUES (1, 'c_1', ?)", [state])
        with pytest.raises(sqlite3.IntegrityError, match="never changes"):
            connection.execute(f"UPDATE calls SET {change} WHERE seq = 1")


def test_counting_a_denial_up_changes_nothing_else(path: Path) -> None:
    with looking(path) as connection:
        connection.execute("INSERT INTO calls (seq, id, state) VALUES (1, 'c_1', 'settled')")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE calls SET repeats = 2, cost_nanousd = 0 WHERE seq = 1")


def test_denied_row_may_count_its_repeats(path: Path) -> None:
    with looking(path) as connection:
        connection.execute("INSERT INTO calls (seq, id, state) VALUES (1, 'c_1', 'denied')")
        connection.execute("UPDATE calls SET repeats = repeats + 1 WHERE seq = 1")
        assert connection.execute("SELECT repeats FROM calls").fetchone()[0] == 2


def test_call_in_flight_is_not_deleted(path: Path) -> None:
    with looking(path) as connection:
        connection.execute("INSERT INTO calls (seq, id, state) VALUES (1, 'c_1', 'held')")
        with pytest.raises(sqlite3.IntegrityError, match="in flight"):
            connection.execute("DELETE FROM calls")
