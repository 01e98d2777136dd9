"""Reads of limits: of selectors and of keys, by exactly their pairs or through a `*`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferrycli.rules.selectors import parse_selector
from ferrycli.store import reads
from ferrycli.store.changes import revoke_key
from ferrycli.store.limit_changes import set_limits
from ferrycli.store.planning import Limits
from ferrycli.store.reads_limits import limits, limits_about
from tests.store.kit import make_key


@pytest.fixture
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    with reads.opened(path) as connection:
        yield connection


def test_those_of_selectors_come_first_then_those_of_keys_that_are_not_revoked(
    path: Path, reader: sqlite3.Connection
) -> None:
    for name in ("acme", "gone", "free"):
        make_key(path, name)
    set_limits(path, parse_selector("key=acme"), Limits(None, None, 1))
    set_limits(path, parse_selector("key=gone"), Limits(1))
    revoke_key(path, "gone")
    set_limits(path, parse_selector("tenant=acme"), Limits(60, None, 4))
    set_limits(path, parse_selector("tenant=was"), Limits(60))
    set_limits(path, parse_selector("tenant=was"), Limits(0))
    found = [(one.selector, one.rpm, one.tpm, one.parallel_max) for one in limits(reader)]
    assert found == [("tenant=acme", 60, None, 4), ("key=acme", None, None, 1)]


@pytest.mark.parametrize(
    ("wanted", "is_exact", "selectors"),
    [
        ("user=ana", False, ["user=*"]),
        ("user=ana", True, []),
        ("user=*", True, ["user=*"]),
        ("tenant=acme,user=ana", False, []),
        ("tenant=acme", False, ["tenant=acme"]),
        ("tenant=globex", False, ["tenant=*"]),
    ],
)
def test_one_value_of_a_star_is_found_unless_it_must_be_exact(
    path: Path, reader: sqlite3.Connection, wanted: str, is_exact: bool, selectors: list[str]
) -> None:
    for selector in ("user=*", "tenant=*", "tenant=acme"):
        set_limits(path, parse_selector(selector), Limits(1))
    found = limits_about(reader, parse_selector(wanted), is_exact=is_exact)
    assert [one.selector for one in found] == selectors
