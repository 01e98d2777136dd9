"""The books that a server decides on: complete, of one moment, and found by what a call says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.budget import refusal_of
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import Rate
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import DEFAULT_RULES, parse_rule
from ferrycli.store import books, changes
from ferrycli.store.books import Books
from ferrycli.store.changes import KeyPlan
from tests.store.kit import NOON, USD, looking, make_key, rows


def loaded(path: Path) -> Books:
    with looking(path) as connection:
        connection.row_factory = None
        connection.execute("BEGIN")
        return books.load(connection)


def insert(path: Path, budget_id: str, subject: list[list[str]], **more: object) -> None:
    given = {
        "id": budget_id,
        "selector": budget_id,
        "subject": json.dumps(subject),
        "limit_nanousd": USD,
        "period": "day",
    } | more
    with looking(path) as connection:
        connection.execute(
            f"INSERT INTO budgets ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})",
            list(given.values()),
        )


def test_new_database_has_books_without_entries(path: Path) -> None:
    found = loaded(path)
    assert found.epoch == 1
    assert len(found.salt) == 16
    assert (found.keys, found.keys_by_id, found.key_budgets) == ({}, {}, {})
    assert (found.budgets, found.routes, found.assignments, found.overrides) == ({}, {}, (), ())
    assert found.matching({"key": "key_1"}) == ()


def test_key_is_found_by_the_hash_of_its_secret_and_by_its_id(path: Path) -> None:
    policies = {"tenant": Policy.of("pin", "acme")}
    made = changes.create_key(
        path, KeyPlan(name="a", policies=policies, models=("m-*",), expires_at=NOON, role="read")
    )
    found = loaded(path)
    wanted = KeyTerms(made.id, "a", made.last4, "read", policies, ("m-*",), NOON, None)
    assert found.keys == {hashlib.sha256(made.secret.encode()).hexdigest(): wanted}
    assert found.keys_by_id == {made.id: wanted}


def test_revoked_key_stays_known_so_that_it_is_told_apart(path: Path) -> None:
    made = make_key(path)
    changes.revoke_key(path, "acme")
    assert loaded(path).keys_by_id[made.id].revoked_at == NOON


def test_budget_is_carried_whole(path: Path) -> None:
    made = make_key(path, "acme", "12/week", "Europe/Berlin")
    (row,) = rows(path, "SELECT id FROM budgets")
    wanted = Terms(
        id=row["id"],
        selector="key=acme",
        period="week",
        zone="Europe/Berlin",
        limit_nanousd=12 * USD,
        counts_from_us=NOON,
        subject=(("key", made.id),),
        rules=tuple(parse_rule(text) for text in DEFAULT_RULES),
    )
    assert loaded(path).key_budgets == {made.id: (wanted,)}


@pytest.mark.parametrize(
    ("facts", "ids"),
    [
        ({"key": "k1"}, {"b_k1", "b_all"}),
        ({"key": "k2"}, {"b_all"}),
        ({"key": "k2", "tenant": "acme"}, {"b_all", "b_acme"}),
        ({"key": "k1", "tenant": "acme", "feature": "chat"}, {"b_k1", "b_all", "b_acme", "b_both"}),
        ({"key": "k2", "tenant": "acme2", "feature": "chat"}, {"b_all"}),
        ({"key": "k2", "tenant": "", "feature": ""}, {"b_all"}),
        ({"key": "k2", "model": "m-1"}, {"b_all", "b_model"}),
        ({"key": "k3"}, {"b_all", "b_two"}),
        ({"key": "k3", "thread": "t"}, {"b_all", "b_two", "b_k3_t"}),
    ],
)
def test_every_budget_that_matches_is_found_and_no_other(
    path: Path, facts: dict[str, str], ids: set[str]
) -> None:
    insert(path, "b_k1", [["key", "k1"]], key_id="k1")
    insert(path, "b_all", [])
    insert(path, "b_acme", [["tenant", "acme"]])
    insert(path, "b_both", [["feature", "chat"], ["tenant", "acme"]])
    insert(path, "b_model", [["model", "m-1"]])
    insert(path, "b_gone", [], removed_at=1)
    # A key's own budget, and one that somebody made for the same key and a thread.
    insert(path, "b_two", [["key", "k3"]], key_id="k3")
    insert(path, "b_k3_t", [["key", "k3"], ["thread", "t"]], key_id="k3")
    assert {terms.id for terms, _ in loaded(path).matching(facts)} == ids


def test_a_budget_knows_whether_a_command_must_name_its_zone(path: Path) -> None:
    acme, bolt = [["tenant", "acme"]], [["tenant", "bolt"]]
    insert(path, "b_utc", acme)
    insert(path, "b_berlin", acme, zone="Europe/Berlin")
    insert(path, "b_month", acme, period="month")
    insert(path, "b_other", bolt)
    insert(path, "b_gone", bolt, zone="Europe/Berlin", removed_at=NOON)
    insert(path, "b_total", bolt, period="total")
    insert(path, "b_balance", bolt, period="total", is_prepaid=1)
    named = {id: one.needs_zone for id, one in loaded(path).budgets.items()}
    assert [id for id, needs_zone in named.items() if needs_zone] == ["b_utc", "b_berlin"]
    for one in loaded(path).budgets.values():
        refusal = refusal_of(Standing(one, 0, None), 1, is_spent=True)
        assert refusal.needs_zone == one.needs_zone


def test_removed_price_is_not_in_the_books(path: Path) -> None:
    changes.set_price(path, "up", "m", Rate(input=1, output=1))
    second = changes.set_price(path, "up", "m", Rate(input=2, output=2))
    assert [one.id for one in loaded(path).overrides] == [second]


def test_books_of_one_epoch_do_not_change(path: Path) -> None:
    make_key(path)
    found = loaded(path)
    with pytest.raises(AttributeError):
        found.epoch = 5  # type: ignore[misc]
    with looking(path) as connection:
        assert books.read_epoch(connection) == found.epoch
